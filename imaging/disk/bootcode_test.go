package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
)

func TestBIOSBootCodeComesAndGoes(t *testing.T) {
	d := newSparse(mib + disk.ArdoiseSize)
	master := bytes.Repeat([]byte{0x33, 0xC0}, 256)
	master[510], master[511] = 0x55, 0xAA
	d.apply(master, 0)
	a := mustMake(t, d, mib, disk.MakeOptions{})
	image := bytes.Repeat([]byte{0xEB, 0x63}, 256)
	var no *disk.NoBootCodeError
	if _, err := a.KeepBootCode(image); !errors.As(err, &no) {
		t.Errorf("without a core image: %v", err)
	}
	if x, err := a.Exceptions(); err != nil || len(x) != 0 {
		t.Errorf("exceptions %v, %v", x, err)
	}
	for _, seed := range []string{"one", "two"} {
		mustKeep(t, a, set(seed))
		if changed, err := a.KeepBootCode(image); err != nil || !changed {
			t.Fatalf("changed %v, %v", changed, err)
		}
		if changed, err := a.KeepBootCode(image); err != nil || changed {
			t.Errorf("the second time: changed %v, %v", changed, err)
		}
		if changed := mustKeep(t, a, set(seed)); changed {
			t.Error("the core image with its place in it counts as another")
		}
		sector := checkLead(t, d, master, bytesOf(t, set(seed)[3]))
		if code, ours, err := a.MasterBootCode(); err != nil || !ours || !bytes.Equal(code, master[:440]) {
			t.Errorf("the master's boot code: %v, %v", ours, err)
		}
		x, err := a.Exceptions()
		if err != nil || len(x) != 1 || x[0].Offset != 0 || x[0].Length != 440 || !bytes.Equal(x[0].Content, sector[:440]) {
			t.Errorf("exceptions %v, %v", x, err)
		}
	}
	checkView(t, d, master)
	// A master of another boot code is deployed: it is that one which must come back.
	other := bytes.Repeat([]byte{0xFA}, 512)
	other[510], other[511] = 0x55, 0xAA
	d.apply(other[:440], 0)
	if _, err := a.KeepBootCode(image); err != nil {
		t.Fatal(err)
	}
	if changed, err := a.DropBootCode(); err != nil || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	sector := make([]byte, 512)
	if _, err := d.ReadAt(sector, 0); err != nil || !bytes.Equal(sector[:440], other[:440]) || !bytes.Equal(sector[440:], master[440:]) {
		t.Errorf("the first sector is not what it was: %v", err)
	}
	if changed, err := a.DropBootCode(); err != nil || changed {
		t.Errorf("the second time: changed %v, %v", changed, err)
	}
}

// checkLead follows the boot code of a disk to the core image, and returns the disk's first sector.
func checkLead(t *testing.T, d *sparse, master, core []byte) []byte {
	t.Helper()
	sector := make([]byte, 512)
	if _, err := d.ReadAt(sector, 0); err != nil {
		t.Fatal(err)
	}
	lies := int64(uint64(sector[0x5c])|uint64(sector[0x5d])<<8|uint64(sector[0x5e])<<16) * 512
	have := make([]byte, len(core))
	if _, err := d.ReadAt(have, lies); err != nil {
		t.Fatal(err)
	}
	rest := int64(uint64(have[0x1f4])|uint64(have[0x1f5])<<8|uint64(have[0x1f6])<<16) * 512
	clear(have[0x1f4:0x1fc])
	if !bytes.Equal(have, core) || rest != lies+512 {
		t.Errorf("the boot code leads to byte %d, where the core image is not (it goes on at %d)", lies, rest)
	}
	if !bytes.Equal(sector[440:], master[440:]) {
		t.Error("more than the boot code was changed")
	}
	return sector
}

// checkView compares what capture is shown with what the disk holds.
func checkView(t *testing.T, d *sparse, master []byte) {
	t.Helper()
	ours := part(mib)
	for name, c := range map[string]struct {
		table *disk.Table
		want  []byte
	}{
		"with ARDOISE": {&disk.Table{Ardoise: &ours}, master[:440]},
		"without":      {&disk.Table{}, nil},
	} {
		view, err := disk.MasterView(d, c.table)
		if err != nil {
			t.Fatal(err)
		}
		whole, tail, real := make([]byte, 512), make([]byte, 100), make([]byte, 512)
		for _, read := range []error{at(view, whole, 0), at(view, tail, 400), at(d, real, 0)} {
			if read != nil {
				t.Fatal(read)
			}
		}
		want := append(bytes.Clone(c.want), real[len(c.want):]...)
		if !bytes.Equal(whole, want) || !bytes.Equal(tail, want[400:500]) {
			t.Errorf("%s: the view of sector 0 is not the master's", name)
		}
	}
}

// at reads all of p.
func at(r io.ReaderAt, p []byte, off int64) error {
	_, err := r.ReadAt(p, off)
	return err
}

// TestACutNeverLeavesABIOSWithoutItsCore follows the boot code at every write of an update of GRUB: it leads to the whole
// old core image, or to the whole new one.
func TestACutNeverLeavesABIOSWithoutItsCore(t *testing.T) {
	d := newSparse(mib + disk.ArdoiseSize)
	master := bytes.Repeat([]byte{0x33, 0xC0}, 256)
	master[510], master[511] = 0x55, 0xAA
	d.apply(master, 0)
	a := mustMake(t, d, mib, disk.MakeOptions{})
	image := bytes.Repeat([]byte{0xEB, 0x63}, 256)
	bring := func(a *disk.Ardoise, seed string) {
		mustKeep(t, a, set(seed))
		if _, err := a.KeepBootCode(image); err != nil {
			t.Fatal(err)
		}
	}
	bring(a, "older")
	bring(a, "old")
	before := d.clone()
	d.log = nil
	image[100] ^= 1 // boot.img is another too
	bring(a, "new and longer")
	cores := [][]byte{bytesOf(t, set("old")[3]), bytesOf(t, set("new and longer")[3])}
	cut, leads := before.clone(), map[int]int{}
	for n, o := range d.log {
		cut.apply(o.b, o.off)
		found := -1
		for i, core := range cores {
			have := make([]byte, len(core))
			if err := at(cut, have, lead(t, cut)); err != nil {
				t.Fatal(err)
			}
			clear(have[0x1f4:0x1fc])
			if bytes.Equal(have, core) {
				found = i
			}
		}
		if leads[found]++; found < 0 {
			t.Errorf("after write %d of %d the boot code leads nowhere", n, len(d.log))
		}
		x, err := disk.OpenArdoise(cut, part(mib))
		if err != nil {
			t.Fatal(err)
		}
		if code, ours, err := x.MasterBootCode(); err != nil || !ours || !bytes.Equal(code, master[:440]) {
			t.Errorf("after write %d the master's boot code: %v, %v", n, ours, err)
		}
	}
	if leads[0] == 0 || leads[1] == 0 {
		t.Errorf("old and new were seen %v times: the test shows nothing", leads)
	}
}

// lead returns where the boot code of a disk goes on.
func lead(t *testing.T, d *sparse) int64 {
	t.Helper()
	sector := make([]byte, 512)
	if err := at(d, sector, 0); err != nil {
		t.Fatal(err)
	}
	return int64(binary.LittleEndian.Uint64(sector[0x5c:])) * 512
}
