package startmenu_test

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/pxe/grub"
)

// phrase is typed with the keys of an American keyboard; on a French one these keys are other letters.
const phrase = "tableau et craie"

// hashed is a line of grub.HashPassphrase with fewer rounds: all of them take an emulated PC a minute.
func hashed(t *testing.T, phrase string) string {
	t.Helper()
	const rounds = 1000
	salt := bytes.Repeat([]byte{5}, 64)
	key, err := pbkdf2.Key(sha512.New, phrase, salt, rounds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s grub.pbkdf2.sha512.%d.%X.%X", grub.Technician, rounds, salt, key)
}

// keys are QEMU's names of the keys for a text of small letters and spaces.
func keys(text string) []string {
	var list []string
	for _, c := range text {
		if c == ' ' {
			list = append(list, "spc")
			continue
		}
		list = append(list, string(c))
	}
	return append(list, "ret")
}

// powerOn switches a PC on and waits for its menu.
func powerOn(t *testing.T, pc *lab.PC) lab.Line {
	t.Helper()
	rig.PowerOn(t, pc)
	return rig.Await(t, pc, menuLine, menuLimit)
}

// press presses keys.
func press(t *testing.T, pc *lab.PC, keys ...string) {
	t.Helper()
	if err := pc.Type(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
}

// drawn waits until the menu stands on the screen.
func drawn(t *testing.T, pc *lab.PC) {
	t.Helper()
	rig.Await(t, pc, `automatically in 5s`, menuLimit)
}

// inside opens the disk of a PC that is off.
func (i *installed) inside(t *testing.T, do func(d *disk.Disk, a *disk.Ardoise)) {
	t.Helper()
	d, err := disk.Open(i.pc.Disk(), disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a, err := disk.OpenArdoise(d, i.part)
	if err != nil {
		t.Fatal(err)
	}
	do(d, a)
}

// proven checks that the disk holds its master in every byte, our own boot code apart.
func (i *installed) proven(t *testing.T, library *masters.Library, m *manifest.Manifest) {
	t.Helper()
	i.inside(t, func(d *disk.Disk, _ *disk.Ardoise) {
		own, err := local.Exceptions(d, i.part)
		if err != nil {
			t.Fatal(err)
		}
		if want := i.pc.Firmware == lab.BIOS; (len(own) == 1) != want {
			t.Errorf("%d exceptions of our own", len(own))
		}
		differs, _, err := restore.Verify(t.Context(), restore.Options{Manifest: m, Target: d, SectorSize: d.SectorSize(), Source: library, Exceptions: own})
		if err != nil {
			t.Fatal(err)
		}
		if !differs.None() {
			t.Errorf("the disk differs from its master: %v", differs)
		}
	})
}

// TestChoices goes through what the menu offers, on a PC that is switched on again and again.
func TestChoices(t *testing.T) {
	school, library, m := raise(t, "choices")
	lines := []string{hashed(t, phrase)}
	for _, h := range []lab.Hardware{
		{Name: "bios", Firmware: lab.BIOS, DiskFirst: true},
		{Name: "secureboot", Firmware: lab.SecureBoot, Bus: lab.NVMe},
	} {
		t.Run(h.Name, func(t *testing.T) {
			pc := rig.Add(t, school, h)
			i := install(t, pc, library, m, grub.MenuOptions{Reset: true, Passphrase: lines, Arguments: []string{"console=ttyS0"}})
			i.proven(t, library, m)
			for _, c := range []struct {
				name string
				do   func(*testing.T, installed)
				soak bool // with Secure Boot, where it takes a minute and shows little more than with a BIOS
			}{
				{"reset is chosen", choosesReset, true},
				{"a technician needs the passphrase", needsPassphrase, false},
				{"the next start is the disk's", nextDisk, false},
				{"a generation that cannot be read gives way", givesWay, false},
				{"the network wakes it", wakes, true},
			} {
				if c.soak && h.Firmware == lab.SecureBoot && !soak {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					defer pc.PowerCut()
					c.do(t, i)
				})
			}
		})
	}
}

// started waits for the kernel of ARDOISE, and for the agent in it, and checks what it was told.
func started(t *testing.T, pc *lab.PC, wish string) {
	t.Helper()
	agent := rig.Await(t, pc, `Run /init as init process`, lab.BootLimit)
	for _, line := range pc.Lines() {
		if !strings.Contains(line.Text, "Command line: ") {
			continue
		}
		for _, want := range []string{"ardoise.wish=" + wish, "ardoise.origin=disk", "ardoise.mac=" + pc.MAC} {
			if !strings.Contains(line.Text, want) {
				t.Errorf("%s is not on the command line: %s", want, line.Text)
			}
		}
		t.Logf("%s: kernel %.1f s after power-on, the agent %.1f s", pc.Name, line.At.Seconds(), agent.At.Seconds())
		return
	}
	t.Error("the kernel did not say its command line")
}

func choosesReset(t *testing.T, i installed) {
	at := powerOn(t, i.pc)
	drawn(t, i.pc)
	began := time.Now()
	press(t, i.pc, "down", "ret")
	started(t, i.pc, "reset")
	t.Logf("menu line %.1f s after power-on, %.1f s from Enter to the agent", at.At.Seconds(), time.Since(began).Seconds())
}

func needsPassphrase(t *testing.T, i installed) {
	powerOn(t, i.pc)
	drawn(t, i.pc)
	press(t, i.pc, "down", "down", "ret")
	press(t, i.pc, keys("technicien")...)
	press(t, i.pc, keys("tableau et craye")...)
	if i.pc.Firmware == lab.BIOS {
		rig.Await(t, i.pc, `access denied`, menuLimit)
		press(t, i.pc, "c") // GRUB's shell
		rig.Await(t, i.pc, `Enter username`, menuLimit)
		press(t, i.pc, keys("nobody")...)
		press(t, i.pc, "ret")
		rig.Await(t, i.pc, `access denied`, menuLimit)
	}
	time.Sleep(10 * time.Second) // a refusal is shown for a while
	press(t, i.pc, "down", "down", "ret")
	press(t, i.pc, keys("technicien")...)
	press(t, i.pc, keys(phrase)...)
	started(t, i.pc, "reinstall")
	for _, line := range i.pc.Lines() {
		if strings.Contains(line.Text, "ardoise.wish=") && !strings.Contains(line.Text, "ardoise.wish=reinstall") {
			t.Errorf("started before: %s", line.Text)
		}
	}
}

func nextDisk(t *testing.T, i installed) {
	i.inside(t, func(_ *disk.Disk, a *disk.Ardoise) {
		if err := a.SetNext(disk.NextDisk); err != nil {
			t.Fatal(err)
		}
	})
	rig.PowerOn(t, i.pc)
	line := rig.Await(t, i.pc, `GOLDEN MASTER GRUB`, lab.BootLimit)
	t.Logf("%s: the system's own loader %.1f s after power-on", i.pc.Name, line.At.Seconds())
	i.pc.PowerCut()
	i.inside(t, func(_ *disk.Disk, a *disk.Ardoise) {
		if n, err := a.Next(); err != nil || n != disk.NextMenu {
			t.Errorf("the start after it is %q, %v", n, err)
		}
	})
}

// givesWay destroys GEN, and the kernel of the generation that GRUB takes then.
func givesWay(t *testing.T, i installed) {
	i.inside(t, func(d *disk.Disk, a *disk.Ardoise) {
		// Both generations are of use: the second install writes B.
		i.boot.Config += "# newer\n"
		i.run(t, d)
		r, err := a.BootFile("vmlinuz")
		if err != nil {
			t.Fatal(err)
		}
		if g, _, err := a.Generation(); err != nil || g != disk.B {
			t.Fatalf("generation %q, %v", g, err)
		}
		_, at, _ := r.Outer()
		if _, err := d.WriteAt(make([]byte, 64<<10), at+1<<20); err != nil {
			t.Fatal(err)
		}
	})
	powerOn(t, i.pc)
	drawn(t, i.pc)
	press(t, i.pc, "down", "ret")
	if i.pc.Firmware == lab.SecureBoot {
		started(t, i.pc, "reset") // the damaged one is refused for its signature, and A's comes
	}
	i.pc.PowerCut()
	i.inside(t, func(d *disk.Disk, _ *disk.Ardoise) {
		if r := i.run(t, d); !r.Changed {
			t.Error("what was destroyed was not repaired")
		}
	})
}

// wakes starts a PC as after a magic packet; which generation counts cannot be read either.
func wakes(t *testing.T, i installed) {
	i.inside(t, func(d *disk.Disk, _ *disk.Ardoise) {
		b := make([]byte, 4<<20)
		if _, err := d.ReadAt(b, i.part.Start); err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte("# GRUB Environment Block\ngen="))
		if at < 0 {
			t.Fatal("there is no GEN")
		}
		if _, err := d.WriteAt(make([]byte, 512), i.part.Start+int64(at)); err != nil {
			t.Fatal(err)
		}
	})
	i.pc.WakeUp = 5
	defer func() { i.pc.WakeUp = 0 }()
	powerOn(t, i.pc)
	started(t, i.pc, "work")
}
