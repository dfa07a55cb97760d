package agent_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// menuRoom makes the server want a start menu.
func menuRoom(p *pc) {
	p.server.LocalFiles = map[string][]byte{}
	boot := job.LocalBoot{Menu: true, Config: "menuentry"}
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg", "vmlinuz", "stage1.img", "stage2.img", "boot.img", "core.img"} {
		b := bytes.Repeat([]byte(name+" "), 500)
		switch name {
		case "boot.img":
			b = bytes.Repeat([]byte{0xEB, 0x63}, 256)
		case "core.img":
			clear(b[0x1f4:0x1fc])
		}
		sum := blake3.Sum256(b)
		boot.Files = append(boot.Files, job.BootFile{Name: name, Size: int64(len(b)), Hash: hex.EncodeToString(sum[:])})
		p.server.LocalFiles[name] = b
	}
	p.server.Local = func(string) job.LocalBoot { return boot }
}

// passes has the PC come by for its inventory.
func passes(p *pc) { p.life(func(k *job.Task) { k.Kind, k.Ending = job.KindInventory, job.EndDisk }) }

// first returns what firmware starts first.
func first(t *testing.T, v *variables) (description, file string) {
	t.Helper()
	b, err := efi.Read(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Entries {
		if len(b.Order) > 0 && e.Number == b.Order[0] {
			return e.Option.Description, e.Option.File()
		}
	}
	return "", ""
}

// menuThere tells whether the disk of the PC has a start menu, and what of it a reset leaves alone.
func menuThere(t *testing.T, p *pc) (menu bool, own int) {
	t.Helper()
	d, err := disk.Open(p.disks[0], disk.Mode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		t.Fatalf("no ARDOISE: %v", err)
	}
	if menu, err = disk.HasMenu(d, *table.Ardoise); err != nil {
		t.Fatal(err)
	}
	x, err := local.Exceptions(d, *table.Ardoise)
	if err != nil {
		t.Fatal(err)
	}
	return menu, len(x)
}

// toldOfMenu is why the server was told last that a computer does not start from its menu.
func toldOfMenu(t *testing.T, p *pc) (why string) {
	t.Helper()
	p.server.Look(func() {
		said := p.server.Locals[len(p.server.Locals)-1]
		if why = said.NoMenu; !said.Place {
			t.Errorf("the server is told %+v", said)
		}
	})
	return why
}

func TestAMenuRoomStartsFromItsDisk(t *testing.T) {
	p, hash := resettable(t)
	p.firmware = &variables{vars: map[string][]byte{}}
	menuRoom(p)
	passes(p)
	if what, file := first(t, p.firmware); what != "Ardoise" || file != disk.MenuLoader {
		t.Errorf("firmware starts %q %s first\n%s", what, file, p.log.String())
	}
	if menu, own := menuThere(t, p); !menu || own != 0 {
		t.Errorf("menu %v, %d exceptions", menu, own)
	}
	if why := toldOfMenu(t, p); why != "" {
		t.Errorf("the server is told that there is no menu: %s", why)
	}
	// Windows puts itself first; a reset, which finds nothing to do, puts that right, and names the system.
	p.firmware.vars["BootOrder"] = []byte{9, 0}
	p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelFull })
	if what, _ := first(t, p.firmware); what != "Ardoise" {
		t.Errorf("after a reset firmware starts %q first\n%s", what, p.log.String())
	}
	p.server.Local = func(string) job.LocalBoot { return job.LocalBoot{} }
	passes(p)
	if menu, _ := menuThere(t, p); menu {
		t.Error("the menu stays in a room without one")
	}
	if why := toldOfMenu(t, p); !strings.Contains(why, "not on its disk") {
		t.Errorf("the server is told of the menu: %q", why)
	}
	if what, _ := first(t, p.firmware); what == "Ardoise" {
		t.Error("firmware starts a menu that is not there")
	}
}

func TestABIOSComputerOfAMenuRoom(t *testing.T) {
	p, hash := resettable(t)
	menuRoom(p)
	passes(p)
	if menu, own := menuThere(t, p); !menu || own != 1 {
		t.Fatalf("menu %v, %d exceptions\n%s", menu, own, p.log.String())
	}
	if why := toldOfMenu(t, p); why != "" {
		t.Errorf("the server is told that there is no menu: %s", why)
	}
	ours(t, p.disks[0], func(a *disk.Ardoise) {
		if n, err := a.Next(); err != nil || n != disk.NextDisk {
			t.Errorf("the next start is %q, %v", n, err)
		}
	})
	// Neither a reset nor a deployment leaves it without its menu.
	for _, kind := range []job.Kind{job.KindReset, job.KindDeploy} {
		r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = kind, hash, job.LevelFull })
		if r.State != job.TaskDone {
			t.Fatalf("%s: %+v, outcome %+v\n%s", kind, r, r.Outcome, p.log.String())
		}
		if menu, own := menuThere(t, p); !menu || own != 1 {
			t.Errorf("after a %s: menu %v, %d exceptions", kind, menu, own)
		}
	}
}

func TestAnEncryptedDiskKeepsItsOwnStart(t *testing.T) {
	p, _ := resettable(t)
	p.firmware = &variables{vars: map[string][]byte{}}
	menuRoom(p)
	d, err := disk.Open(p.disks[0], disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt([]byte("-FVE-FS-"), table.Partitions[len(table.Partitions)-1].Start+3); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	passes(p)
	if menu, _ := menuThere(t, p); menu {
		t.Error("a menu was put before BitLocker")
	}
	if !strings.Contains(p.log.String(), "encrypted by BitLocker") {
		t.Errorf("nobody is told why:\n%s", p.log.String())
	}
	if why := toldOfMenu(t, p); !strings.HasPrefix(why, "BitLocker encrypts partition ") {
		t.Errorf("the server is told %q", why)
	}
}
