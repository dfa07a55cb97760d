//go:build soak

package firstlight_test

import (
	"fmt"
	"testing"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// TestMatrix deploys every combination of firmware, disk and network card that the lab has, two PCs at a time. It is
// part of `make soak`: hours under emulation.
func TestMatrix(t *testing.T) {
	places := make(rooms, 2)
	cards := map[lab.Firmware][]string{
		// OVMF has a driver for virtio only; QEMU's BIOS ROMs have one for each.
		lab.BIOS:       {"virtio-net-pci", "e1000", "e1000e", "rtl8139", "vmxnet3"},
		lab.UEFI:       {"virtio-net-pci"},
		lab.SecureBoot: {"virtio-net-pci"},
	}
	for firmware, nics := range cards {
		for _, bus := range []lab.Bus{lab.Virtio, lab.AHCI, lab.NVMe} {
			for _, nic := range nics {
				t.Run(fmt.Sprintf("%s, %s disk, %s", firmware, bus, nic), func(t *testing.T) {
					t.Parallel()
					places.take(t)
					school := rig.Golden(t, fmt.Sprintf("matrix-%s-%s-%s", firmware, bus, nic))
					pc := rig.Add(t, school, lab.Hardware{Name: "pc", Firmware: firmware, Bus: bus, NIC: nic})
					enrol(t, school, pc)
					job := deploy(t, school, "golden", pc, "poweroff")
					rig.Await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
					rig.Off(t, pc)
					phases(t, pc)
					over(t, school, job)
					holds(t, school, "golden@1", pc)
					rig.PowerOn(t, pc)
					rig.Await(t, pc, ran+` .* boots=1 `, lab.BootLimit)
				})
			}
		}
	}
}
