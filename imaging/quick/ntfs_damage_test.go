package quick_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

// windows adds to the fixture what a Windows has.
func windows(t testing.TB, dir string) {
	fixture(t, dir)
	for i, name := range []string{"Windows/System32/config/SYSTEM", "Windows/System32/winload.efi", "Users/pupil/NTUSER.DAT",
		"Users/pupil/AppData/Local/Microsoft/Windows/UsrClass.dat", "Boot/BCD", "bootmgr", "Windows/bootstat.dat"} {
		write(t, filepath.Join(dir, name), noise(uint64(9000+i), 66_000))
	}
	for i := range 300 {
		write(t, filepath.Join(dir, "Windows/WinSxS", fmt.Sprint(i)), noise(uint64(600+i), 900))
	}
}

// record is where record number of the file table lies in an image of one volume, and the record.
func record(t *testing.T, image string, number uint64) (off int64, raw []byte) {
	t.Helper()
	f, err := os.Open(image)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	v, err := ntfs.Open(f, info.Size())
	must(t, err)
	raw = make([]byte, v.Record)
	must(t, v.ReadTable(raw, number))
	at := int64(number) * v.Record
	for _, r := range v.Table() {
		if from := r.VCN * v.Cluster; from <= at && at < from+r.Count*v.Cluster {
			return r.LCN*v.Cluster + at - from, raw
		}
	}
	t.Fatalf("record %d lies nowhere", number)
	return 0, nil
}

// find is where some bytes lie in an image.
func find(t *testing.T, image string, what []byte) int64 {
	t.Helper()
	b, err := os.ReadFile(image)
	must(t, err)
	at := bytes.Index(b, what)
	if at < 0 {
		t.Fatalf("the image does not hold %.20q", what)
	}
	return int64(at)
}

// rewrite changes a byte of the content that noise made, past the file system.
func rewrite(seed uint64, n int) func(*testing.T, string) {
	return func(t *testing.T, image string) {
		content := noise(seed, n)
		poke(t, image, find(t, image, content[:512])+100, []byte{^content[100]})
	}
}

// TestAnExtensionRecordSpeaksForItsFile: the base record is the same, another record of the file is not.
func TestAnExtensionRecordSpeaksForItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 64*mib))
	tool(t, "mkntfs", "-q", "-Q", "-F", path)
	mountedNTFS(t, path, func(dir string) { fixture(t, dir) })
	m := captured(t, path)
	before := m.look(t, path)
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	v, err := ntfs.Open(f, 64*mib)
	must(t, err)
	pc, found := m.pc(t), 0
	for n := uint64(64); n < v.Records() && found == 0; n++ {
		off, raw := record(t, path, n)
		if p, err := v.Part(raw, n); err == nil && p.InUse && p.Extends {
			poke(t, pc, off+0x28, []byte{^raw[0x28]}) // the number that its next attribute gets
			found++
		}
	}
	if found == 0 {
		t.Fatal("no file of the fixture has more than one record")
	}
	if after := m.look(t, pc); after.Doubt != "" || after.VouchedFiles != before.VouchedFiles-1 {
		t.Errorf("%d files are vouched for, %d were before; doubt %q", after.VouchedFiles, before.VouchedFiles, after.Doubt)
	}
}

var ntfsWays = []way{
	{name: "so many added that the file table grows", writes: true, within: func(t *testing.T, dir string) {
		for i := range 1500 {
			write(t, filepath.Join(dir, "home/many", fmt.Sprint(i)), noise(uint64(i), 50))
		}
	}},
	{name: "a named stream", writes: true, within: func(t *testing.T, dir string) {
		must(t, os.WriteFile(filepath.Join(dir, "usr/lib/e/c")+":mine", noise(7, 9000), 0o600))
	}},
	{name: "a hive changed behind its record", writes: true, beyond: rewrite(9000, 66_000)},
	{name: "a loader changed behind its record", writes: true, beyond: rewrite(9001, 66_000)},
	{name: "a pupil's hive changed behind its record", writes: true, beyond: rewrite(9002, 66_000)},
	{name: "the boot configuration changed behind its record", writes: true, beyond: rewrite(9004, 66_000)},
	{name: "a record of the file table", writes: true, beyond: func(t *testing.T, image string) {
		off, _ := record(t, image, 70)
		poke(t, image, off+0x10, []byte{0x7e}) // its sequence number
	}},
	{name: "the record of the file table itself", doubt: "file table", writes: true, beyond: func(t *testing.T, image string) {
		off, _ := record(t, image, 0)
		poke(t, image, off, []byte("BAAD"))
	}},
	{name: "marked dirty", doubt: "marked dirty", writes: true, beyond: func(t *testing.T, image string) {
		off, raw := record(t, image, ntfs.RecordVolume)
		at := int(binary.LittleEndian.Uint16(raw[0x14:]))
		for binary.LittleEndian.Uint32(raw[at:]) != ntfs.TypeVolumeInformation {
			at += int(binary.LittleEndian.Uint32(raw[at+4:]))
		}
		at += int(binary.LittleEndian.Uint16(raw[at+0x14:])) + 10
		poke(t, image, off+int64(at), []byte{1})
	}},
	{name: "a journal with something in it", doubt: "journal", writes: true, beyond: func(t *testing.T, image string) {
		_, raw := record(t, image, ntfs.RecordLogFile)
		f, err := os.Open(image)
		must(t, err)
		defer f.Close()
		info, err := f.Stat()
		must(t, err)
		v, err := ntfs.Open(f, info.Size())
		must(t, err)
		p, err := v.Part(raw, ntfs.RecordLogFile)
		must(t, err)
		for _, a := range p.Attributes {
			if a.Type == ntfs.TypeData {
				poke(t, image, a.Runs[0].LCN*v.Cluster+70_000, []byte("RCRD and more"))
			}
		}
	}},
	{name: "hibernated", doubt: "hibernated", writes: true, within: func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "hiberfil.sys"), append([]byte("hibr"), noise(8, 100_000)...))
	}},
	{name: "hibernated, far behind in the file table", doubt: "hibernated", writes: true, within: func(t *testing.T, dir string) {
		for i := range 1500 {
			write(t, filepath.Join(dir, "home/many", fmt.Sprint(i)), noise(uint64(i), 50))
		}
		write(t, filepath.Join(dir, "hiberfil.sys"), append([]byte("HIBR"), noise(8, 100_000)...))
	}},
	{name: "formatted", doubt: "boot sector", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "mkntfs", "-q", "-Q", "-F", image)
	}},
	{name: "its boot sector damaged", doubt: "boot sector", writes: true, beyond: func(t *testing.T, image string) {
		poke(t, image, 0x30, []byte{0x99})
	}},
	{name: "another file system", doubt: "boot sector", writes: true, beyond: func(t *testing.T, image string) {
		tool(t, "mkfs.fat", "-F", "32", "-I", image)
	}},
}

func TestNTFSIsResetWhateverWasDoneToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 64*mib))
	tool(t, "mkntfs", "-q", "-Q", "-F", path)
	mountedNTFS(t, path, func(dir string) { windows(t, dir) })
	m := captured(t, path)
	for _, w := range append(ways(t), ntfsWays...) {
		t.Run(w.name, func(t *testing.T) {
			pc := m.pc(t)
			if w.within != nil {
				mountedNTFS(t, pc, func(dir string) { w.within(t, dir) })
			}
			if w.beyond != nil {
				w.beyond(t, pc)
			}
			m.judge(t, pc, w)
		})
	}
}
