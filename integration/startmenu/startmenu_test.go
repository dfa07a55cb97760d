package startmenu_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/pxe/grub"
)

// ran is what a PC prints when its own system has checked its own files.
const ran = `GOLDEN MASTER OK`

// menuLine is what GRUB prints before it draws the menu.
const menuLine = `ardoise: menu`

// menuLimit is how long an emulated PC may take to its menu on a machine that others share.
const menuLimit = 3 * time.Minute

// raise makes a school without a server that holds the golden master.
func raise(t *testing.T, name string) (*lab.School, *masters.Library, *manifest.Manifest) {
	t.Helper()
	school, err := lab.Open(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rig.CloseAtEnd(t, school)
	school.Logs = filepath.Join(school.Checkout, "build", "lab", name)
	if err := os.MkdirAll(school.Logs, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := school.Ardoise(t.Context(), "master", "capture", "golden", "--disk", school.Golden(), "--data", school.Data); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	library, err := masters.Open(school.Data, masters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := library.Close(); err != nil {
			t.Error(err)
		}
	})
	v, err := library.Resolve("golden@1")
	if err != nil {
		t.Fatal(err)
	}
	m, err := library.Open(v)
	if err != nil {
		t.Fatal(err)
	}
	return school, library, m
}

// installed is a PC whose disk holds the master and ARDOISE.
type installed struct {
	pc   *lab.PC
	part manifest.Partition
	boot job.LocalBoot
	data map[string][]byte
}

// install deploys the master to the disk of a PC that is off, and ARDOISE with its menu.
func install(t *testing.T, pc *lab.PC, library *masters.Library, m *manifest.Manifest, o grub.MenuOptions) installed {
	t.Helper()
	d, err := disk.Open(pc.Disk(), disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := restore.Run(t.Context(), restore.Options{Manifest: m, Target: d, SectorSize: d.SectorSize(), Source: library,
		Mark: job.Mark{Kind: job.KindDeploy, Master: m.Name, Version: m.Version}, MakeArdoise: true, Serial: 7})
	if err != nil {
		t.Fatal(err)
	}
	if r.Ardoise == nil {
		t.Fatalf("no ARDOISE: %s", r.WhyNot)
	}
	i := installed{pc: pc, part: *r.Ardoise}
	i.files(t)
	i.menu(t, o)
	i.run(t, d)
	if pc.Firmware != lab.BIOS {
		i.order(t, m)
	}
	return i
}

// files collects the boot files as the server gives them.
func (i *installed) files(t *testing.T) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	boot := filepath.Join(root, "..", "..", "build", "boot")
	i.data = map[string][]byte{grub.DiskConfig: []byte(grub.DiskCommon())}
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "vmlinuz", "stage1.img", "stage2.img"} {
		if i.data[name], err = os.ReadFile(filepath.Join(boot, name)); err != nil {
			t.Fatal(err)
		}
	}
	if i.data["boot.img"], i.data["core.img"], err = (grub.Maker{}).DiskCore(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, b := range i.data {
		sum := blake3.Sum256(b)
		i.boot.Files = append(i.boot.Files, job.BootFile{Name: name, Size: int64(len(b)), Hash: hex.EncodeToString(sum[:])})
	}
	i.boot.Menu = true
}

func (i *installed) menu(t *testing.T, o grub.MenuOptions) {
	t.Helper()
	text, err := grub.LocalMenu(grub.LocalOptions{MenuOptions: o, MAC: i.pc.MAC})
	if err != nil {
		t.Fatal(err)
	}
	i.boot.Config = text
}

// run is the agent's part.
func (i *installed) run(t *testing.T, d disk.Device) local.Result {
	t.Helper()
	r, err := local.Install(t.Context(), local.Options{Device: d, Part: i.part, Boot: i.boot, BIOS: i.pc.Firmware == lab.BIOS,
		Fetch: func(_ context.Context, f job.BootFile) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(i.data[f.Name])), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// order arranges the firmware's boot order as the agent does.
func (i *installed) order(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	sector := uint64(m.Disk.SectorSize)
	menu := &efi.System{Partition: uint32(i.part.Number), Start: uint64(i.part.Start) / sector, Sectors: uint64(i.part.Length) / sector,
		GUID: i.part.GUID, File: disk.MenuLoader}
	if _, err := efi.Arrange(i.pc.Flash(), efi.Wish{Menu: menu}); err != nil {
		t.Fatal(err)
	}
}

// firmwareEnd is what firmware prints when it starts what it has found.
func firmwareEnd(f lab.Firmware) string {
	if f == lab.BIOS {
		return `Booting from Hard Disk`
	}
	return `BdsDxe: starting .*Ardoise`
}

// cpu is the processor time that a PC has taken.
func cpu(t *testing.T, pc *lab.PC) time.Duration {
	t.Helper()
	d, err := pc.CPU()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMenuFromTheDisk starts each kind of firmware with the server off: its menu comes, and nobody touches a key.
func TestMenuFromTheDisk(t *testing.T) {
	school, library, m := raise(t, "startmenu")
	for _, h := range []lab.Hardware{
		{Name: "menu-secureboot", Firmware: lab.SecureBoot},
		{Name: "menu-bios", Firmware: lab.BIOS, Bus: lab.AHCI, NIC: "e1000", DiskFirst: true},
	} {
		t.Run(h.Name, func(t *testing.T) {
			pc := rig.Add(t, school, h)
			install(t, pc, library, m, grub.MenuOptions{Reset: true, Arguments: []string{"console=ttyS0"}})
			rig.PowerOn(t, pc)
			firmware := rig.Await(t, pc, firmwareEnd(h.Firmware), menuLimit)
			handed := cpu(t, pc)
			shown := rig.Await(t, pc, menuLine, menuLimit)
			read := cpu(t, pc)
			drawn(t, pc)
			t.Logf("%s: firmware's end %.1f s after power-on; from there to the menu read %.1f s (%.1f s of processor), to the menu drawn %.1f s of processor",
				pc.Name, firmware.At.Seconds(), (shown.At - firmware.At).Seconds(), (read - handed).Seconds(), (cpu(t, pc) - handed).Seconds())
			rig.Look(t, school, pc, "menu")
			line := rig.Await(t, pc, ran, lab.BootLimit)
			t.Logf("%s: its own system up %.1f s after power-on: %s", pc.Name, line.At.Seconds(), strings.TrimSpace(line.Text))
			rig.Off(t, pc)
		})
	}
}
