package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// sysfs lays out what a kernel shows of a PC with one disk of each kind.
func sysfs(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	add := func(name, device string, files map[string]string) {
		dir := filepath.Join(root, "devices", device, "block", name)
		all := map[string]string{"size": "2048", "removable": "0", "ro": "0", "queue/logical_block_size": "512", "queue/rotational": "0"}
		for k, v := range files {
			all[k] = v
		}
		for k, v := range all {
			path := filepath.Join(dir, k)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(v+"\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		block := filepath.Join(root, "block")
		if err := errors.Join(os.MkdirAll(block, 0o755), os.Symlink(dir, filepath.Join(block, name))); err != nil {
			t.Fatal(err)
		}
	}
	add("nvme0n1", "pci0000:00/0000:01:00.0/nvme/nvme0", map[string]string{"size": "500118192", "device/model": "KIOXIA  ", "device/serial": " 22AB\x01"})
	add("nvme0c0n1", "pci0000:00/0000:01:00.0/nvme/nvme0", map[string]string{"hidden": "1"})
	add("sda", "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0", map[string]string{"queue/rotational": "1",
		"device/model": "ST500DM002", "device/vpd_pg80": "\x00\x80\x00\x08  Z3T0AA"})
	add("sdb", "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0", map[string]string{"removable": "1", "device/model": "Key"})
	add("sdc", "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host5/target5:0:0/5:0:0:0", map[string]string{"device/model": "Portable SSD"})
	add("sdd", "pci0000:00/0000:00:05.0/virtio2/host6/target6:0:0/6:0:0:0", nil)
	add("vda", "pci0000:00/0000:00:04.0/virtio1", map[string]string{"serial": "lab-1", "queue/logical_block_size": "4096"})
	add("mmcblk0", "platform/mmc_host/mmc0/mmc0:0001", map[string]string{"device/name": "DA4064", "device/serial": "0x1", "device/type": "MMC"})
	add("mmcblk1", "pci0000:00/0000:02:00.0/mmc_host/mmc1/mmc1:0001", map[string]string{"device/name": "SC64G", "device/type": "SD"})
	add("mmcblk0boot0", "platform/mmc_host/mmc0/mmc0:0001", map[string]string{"ro": "1"})
	add("mmcblk0rpmb", "platform/mmc_host/mmc0/mmc0:0001", nil)
	add("cciss!c0d0", "pci0000:00/0000:00:09.0/cciss0", nil)
	add("sr0", "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0", nil)
	add("sde", "pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host7/target7:0:0/7:0:0:0", map[string]string{"size": "0"})
	for _, n := range []string{"loop0", "ram0", "zram0", "dm-0", "md127", "nbd0", "fd0"} {
		add(n, "virtual", nil)
	}
	return root
}

func TestDisksAreListedAsTheKernelShowsThem(t *testing.T) {
	got, err := disk.Sysfs{Sys: sysfs(t)}.List()
	if err != nil {
		t.Fatal(err)
	}
	want := []job.Disk{
		{Path: "/dev/cciss/c0d0", Size: mib, SectorSize: 512, Bus: "other"},
		{Path: "/dev/mmcblk0", Size: mib, SectorSize: 512, Model: "DA4064", Serial: "0x1", Bus: "mmc"},
		{Path: "/dev/mmcblk1", Size: mib, SectorSize: 512, Model: "SC64G", Bus: "mmc", Removable: true},
		{Path: "/dev/nvme0n1", Size: 500118192 * 512, SectorSize: 512, Model: "KIOXIA", Serial: "22AB", Bus: "nvme"},
		{Path: "/dev/sda", Size: mib, SectorSize: 512, Model: "ST500DM002", Serial: "Z3T0AA", Bus: "sata", Rotational: true},
		{Path: "/dev/sdb", Size: mib, SectorSize: 512, Model: "Key", Bus: "usb", Removable: true},
		{Path: "/dev/sdc", Size: mib, SectorSize: 512, Model: "Portable SSD", Bus: "usb"},
		{Path: "/dev/sdd", Size: mib, SectorSize: 512, Bus: "scsi"},
		{Path: "/dev/vda", Size: mib, SectorSize: 4096, Serial: "lab-1", Bus: "virtio"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestARuleMustMatchExactlyOneDisk(t *testing.T) {
	nvme := job.Disk{Path: "/dev/nvme0n1", Size: 256e9, Bus: "nvme", Model: "KIOXIA KBG40", Serial: "1"}
	sata := job.Disk{Path: "/dev/sda", Size: 500e9, Bus: "sata", Model: "ST500"}
	usb := job.Disk{Path: "/dev/sdb", Size: 1e12, Bus: "usb", Model: "Portable"}
	stick := job.Disk{Path: "/dev/sdc", Size: 16e9, Bus: "usb", Removable: true}
	locked := job.Disk{Path: "/dev/mmcblk0", Size: 64e9, Bus: "mmc", ReadOnly: true}
	empty := job.Disk{Path: "/dev/sdd", Bus: "sata"}
	all := []job.Disk{stick, locked, empty, usb, sata, nvme}
	for why, c := range map[string]struct {
		disks []job.Disk
		rule  job.DiskRule
		want  string // path; "none", "several"
	}{
		"the only fixed disk":             {[]job.Disk{stick, locked, empty, usb, sata}, job.DiskRule{}, "/dev/sda"},
		"two fixed disks and no rule":     {all, job.DiskRule{}, "several"},
		"by bus":                          {all, job.DiskRule{Bus: "nvme"}, "/dev/nvme0n1"},
		"by size at least":                {all, job.DiskRule{MinSize: 300e9}, "/dev/sda"},
		"by size at most":                 {all, job.DiskRule{MaxSize: 300e9}, "/dev/nvme0n1"},
		"by part of the model":            {all, job.DiskRule{Model: "kioxia"}, "/dev/nvme0n1"},
		"by serial":                       {all, job.DiskRule{Serial: "1"}, "/dev/nvme0n1"},
		"USB only when the rule says so":  {all, job.DiskRule{Bus: "usb"}, "/dev/sdb"},
		"a USB disk by its model alone":   {all, job.DiskRule{Model: "portable"}, "none"},
		"a stick by its size":             {all, job.DiskRule{MaxSize: 20e9}, "none"},
		"no disk at all":                  {nil, job.DiskRule{}, "none"},
		"a part of a serial is no serial": {all, job.DiskRule{Serial: ""}, "several"},
	} {
		got, err := disk.Choose(c.disks, c.rule)
		var none *disk.NoDiskError
		var several *disk.SeveralDisksError
		switch {
		case c.want == "none" && errors.As(err, &none), c.want == "several" && errors.As(err, &several):
		case err != nil || got.Path != c.want:
			t.Errorf("%s: %q, %v", why, got.Path, err)
		}
	}
}

// The kernel of a test host may know no partitions at all, so sysfs is laid out for it.
func TestAPartitionIsNoDisk(t *testing.T) {
	root := t.TempDir()
	for number, files := range map[string][]string{"8:0": {"size"}, "8:1": {"size", "partition"}} {
		for _, f := range files {
			path := filepath.Join(root, "dev/block", number, f)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("1\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for minor, want := range []bool{false, true, false} {
		if got := (disk.Sysfs{Sys: root}).IsPartition(unix.Mkdev(8, uint32(minor))); got != want {
			t.Errorf("8:%d is a partition: %v, want %v", minor, got, want)
		}
	}
}
