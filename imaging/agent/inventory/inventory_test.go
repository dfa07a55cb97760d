package inventory_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/imaging/agent/inventory"
	"github.com/ardoise/ardoise/imaging/job"
)

func plant(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(content, "-> ") {
			if err := os.Symlink(content[3:], p); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInventoryOfASchoolPC(t *testing.T) {
	root := t.TempDir()
	plant(t, root, map[string]string{
		"sys/class/dmi/id/product_uuid":                                            "4C4C4544-0034-4A10-8054-B7C04F4B4C32\n",
		"sys/class/dmi/id/product_serial":                                          "ABC\x1b[31m1234\n",
		"sys/class/dmi/id/sys_vendor":                                              strings.Repeat("é", 400),
		"sys/class/dmi/id/product_name":                                            "OptiPlex 3060\n",
		"sys/class/dmi/id/bios_vendor":                                             "Dell Inc.\n",
		"sys/class/dmi/id/bios_version":                                            "1.29.0\n",
		"sys/class/dmi/id/bios_date":                                               "03/01/2024\n",
		"sys/class/tpm/tpm0/tpm_version_major":                                     "2\n",
		"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01",
		"proc/cpuinfo":                                                             "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i3-8100\nprocessor\t: 1\nmodel name\t: other\n",
		"proc/meminfo":                                                             "MemFree: 1 kB\nMemTotal:        8039852 kB\n",
		"sys/class/net/enp1s0/address":                                             "52:54:00:AB:cd:ef\n",
		"sys/class/net/enp1s0/carrier":                                             "1\n",
		"sys/class/net/enp1s0/speed":                                               "1000\n",
		"sys/class/net/enp1s0/device/x":                                            "",
		"sys/class/net/enp1s0/device/driver":                                       "-> ../../../../bus/pci/drivers/r8169",
		"sys/class/net/usb0/address":                                               "02:00:00:00:00:01\n",
		"sys/class/net/usb0/speed":                                                 "-1\n",
		"sys/class/net/usb0/device/x":                                              "",
		"sys/class/net/lo/address":                                                 "00:00:00:00:00:00\n",
	})
	disks := []job.Disk{{Path: "/dev/sda"}}
	got := inventory.Reader{Root: root, Boot: net.HardwareAddr{0x52, 0x54, 0, 0xab, 0xcd, 0xef}}.Read(disks)
	want := job.Inventory{UUID: "4c4c4544-0034-4a10-8054-b7c04f4b4c32", Serial: "ABC[31m1234", Manufacturer: strings.Repeat("é", 126),
		Model: "OptiPlex 3060", Firmware: "Dell Inc. 1.29.0 03/01/2024", UEFI: true, SecureBoot: true, TPM: "2.0",
		CPU: "Intel(R) Core(TM) i3-8100", Cores: 2, MemoryBytes: 8039852 * 1024, Disks: disks, NICs: []job.NIC{
			{Name: "enp1s0", MAC: "52:54:00:ab:cd:ef", Driver: "r8169", SpeedMbit: 1000, Link: true, Boot: true},
			{Name: "usb0", MAC: "02:00:00:00:00:01"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestInventoryOfNothing(t *testing.T) {
	got := inventory.Reader{Root: t.TempDir()}.Read(nil)
	if got.UEFI || got.UUID != "" || got.Cores < 1 || len(got.NICs) != 0 {
		t.Errorf("an empty root gives %+v", got)
	}
}
