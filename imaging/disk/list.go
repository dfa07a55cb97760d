package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Sysfs lists the disks that a kernel shows. The zero value looks at /sys and /dev.
type Sysfs struct {
	Sys string // "" = /sys
	Dev string // "" = /dev
}

// NoDiskError says that no disk matches a rule.
type NoDiskError struct {
	Rule  job.DiskRule
	Disks []job.Disk // all of them
}

// Error implements error.
func (e *NoDiskError) Error() string {
	return fmt.Sprintf("none of %d disks matches the rule %s", len(e.Disks), ruleText(e.Rule))
}

// SeveralDisksError says that a rule matches more than one disk.
type SeveralDisksError struct {
	Rule  job.DiskRule
	Disks []job.Disk // those that match
}

// Error implements error.
func (e *SeveralDisksError) Error() string {
	var paths []string
	for _, d := range e.Disks {
		paths = append(paths, d.Path)
	}
	return fmt.Sprintf("%s all match the rule %s", strings.Join(paths, ", "), ruleText(e.Rule))
}

func ruleText(r job.DiskRule) string {
	var parts []string
	add := func(on bool, format string, v any) {
		if on {
			parts = append(parts, fmt.Sprintf(format, v))
		}
	}
	add(r.MinSize > 0, "at least %d bytes", r.MinSize)
	add(r.MaxSize > 0, "at most %d bytes", r.MaxSize)
	add(r.Bus != "", "bus %s", r.Bus)
	add(r.Model != "", "model %q", r.Model)
	add(r.Serial != "", "serial %q", r.Serial)
	if len(parts) == 0 {
		return `"the only fixed disk"`
	}
	return `"` + strings.Join(parts, ", ") + `"`
}

// Choose returns the one disk that the rule matches, else *NoDiskError or *SeveralDisksError. Removable and read-only
// disks never match; USB only when the rule names that bus.
func Choose(disks []job.Disk, rule job.DiskRule) (job.Disk, error) {
	var found []job.Disk
	for _, d := range disks {
		if matches(d, rule) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return job.Disk{}, &NoDiskError{rule, disks}
	case 1:
		return found[0], nil
	}
	return job.Disk{}, &SeveralDisksError{rule, found}
}

func matches(d job.Disk, r job.DiskRule) bool {
	switch {
	case d.Removable || d.ReadOnly || d.Size <= 0,
		d.Bus == "usb" && r.Bus != "usb",
		r.Bus != "" && d.Bus != r.Bus,
		d.Size < r.MinSize, r.MaxSize > 0 && d.Size > r.MaxSize,
		!strings.Contains(strings.ToLower(d.Model), strings.ToLower(r.Model)),
		r.Serial != "" && d.Serial != r.Serial:
		return false
	}
	return true
}

// List returns the whole disks that the kernel shows, in name order.
func List() ([]job.Disk, error) { return Sysfs{}.List() }

// notDisk tells whether a kernel name is that of a block device that is no disk of a computer: loop, memory, mapped,
// optical and network ones, partitions for firmware on eMMC (a namespace of NVMe multipath says "hidden" itself).
func notDisk(name string) bool {
	for _, p := range []string{"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "drbd", "rbd", "zd", "pmem", "mtd"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	_, part, _ := strings.Cut(strings.TrimPrefix(name, "mmcblk"), "boot")
	return strings.HasPrefix(name, "mmcblk") && (part != "" || strings.HasSuffix(name, "rpmb"))
}

// List returns the whole disks, in name order. Disks that vanish meanwhile or have no medium are left out.
func (s Sysfs) List() ([]job.Disk, error) {
	sys, dev := s.Sys, s.Dev
	if sys == "" {
		sys = "/sys"
	}
	if dev == "" {
		dev = "/dev"
	}
	names, err := os.ReadDir(filepath.Join(sys, "block"))
	if err != nil {
		return nil, fmt.Errorf("listing disks: %w", err)
	}
	var disks []job.Disk
	for _, n := range names {
		dir := filepath.Join(sys, "block", n.Name())
		sectors := readNumber(dir, "size") // in units of 512 bytes, whatever the sector size (sysfs-block)
		if notDisk(n.Name()) || readText(dir, "hidden") == "1" || sectors <= 0 || sectors > 1<<53 {
			continue
		}
		disks = append(disks, job.Disk{
			// "!" stands for "/" in a kernel name (cciss!c0d0).
			Path:       filepath.Join(dev, strings.ReplaceAll(n.Name(), "!", "/")),
			Size:       sectors * 512,
			SectorSize: int(readNumber(dir, "queue/logical_block_size")),
			Model:      firstText(dir, "device/model", "device/name"),
			Serial:     serial(dir),
			Bus:        bus(dir, n.Name()),
			Rotational: readText(dir, "queue/rotational") == "1",
			Removable:  readText(dir, "removable") == "1" || card(dir, n.Name()),
			ReadOnly:   readText(dir, "ro") == "1",
		})
	}
	return disks, nil
}

// IsPartition tells whether the block device with this number (st_rdev of stat(2)) is a part of a disk: sysfs-block has a
// file of that name in those alone.
func (s Sysfs) IsPartition(device uint64) bool {
	_, err := os.Stat(filepath.Join(s.device(device), "partition"))
	return err == nil
}

// device returns the folder of the block device with a number.
func (s Sysfs) device(number uint64) string {
	sys := s.Sys
	if sys == "" {
		sys = "/sys"
	}
	return filepath.Join(sys, "dev/block", fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number)))
}

// partitions returns number, start and length of the partitions that the kernel shows of the disk with this number: its
// folders that have a file of that name. They count in units of 512 bytes, whatever the sector size.
func (s Sysfs) partitions(device uint64) []manifest.Partition {
	var shown []manifest.Partition
	files, _ := filepath.Glob(filepath.Join(s.device(device), "*/partition"))
	for _, f := range files {
		dir := filepath.Dir(f)
		shown = append(shown, manifest.Partition{Number: int(readNumber(dir, "partition")),
			Start: readNumber(dir, "start") * 512, Length: readNumber(dir, "size") * 512})
	}
	return shown
}

// bus tells how a disk is attached, by its place in the device tree: the nearest known ancestor decides, since a USB
// bridge hangs on PCI and shows a SCSI disk.
func bus(dir, name string) string {
	place, err := filepath.EvalSymlinks(dir)
	if err != nil {
		place = dir
	}
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	case strings.HasPrefix(name, "vd"):
		return "virtio"
	case strings.Contains(place, "/usb"):
		return "usb"
	case strings.Contains(place, "/ata"):
		return "sata"
	case strings.HasPrefix(name, "sd"):
		return "scsi"
	}
	return "other"
}

// card tells whether a disk is a memory card: the kernel calls its slot fixed, and only the type sets it apart from a soldered
// eMMC (mmc_block, device/type: "MMC", "SD", "SDcombo").
func card(dir, name string) bool {
	return strings.HasPrefix(name, "mmcblk") && strings.HasPrefix(readText(dir, "device/type"), "SD")
}

// serial returns the serial number: a file of NVMe, MMC and virtio disks, page 0x80 of SCSI and SATA ones (SPC-4 7.8.14:
// four bytes of header, then text).
func serial(dir string) string {
	if s := firstText(dir, "device/serial", "serial"); s != "" {
		return s
	}
	page, err := os.ReadFile(filepath.Join(dir, "device/vpd_pg80"))
	if err != nil || len(page) < 4 {
		return ""
	}
	return clean(string(page[4:]))
}

func firstText(dir string, names ...string) string {
	for _, n := range names {
		if s := readText(dir, n); s != "" {
			return s
		}
	}
	return ""
}

func readText(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return clean(string(b))
}

func readNumber(dir, name string) int64 {
	n, err := strconv.ParseInt(readText(dir, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// clean makes what a drive says fit to be shown: printable ASCII, trimmed, at most 255 bytes.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s[:min(len(s), 255)])
}
