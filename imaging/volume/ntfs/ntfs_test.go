package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// made is a small volume of mkntfs with two files that ntfscp wrote.
func made(t testing.TB, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	path, content := filepath.Join(dir, "volume"), filepath.Join(dir, "content")
	if err := os.WriteFile(content, bytes.Repeat([]byte("ardoise "), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 3<<19), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "mkntfs", append(args, "-q", "-Q", "-F", "-L", "école", path)...)
	tool(t, "ntfscp", "-f", path, content, "file")
	tool(t, "ntfscp", "-f", "-N", "beside", path, content, "file")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStructuresOfANewVolume(t *testing.T) {
	for name, args := range map[string][]string{
		"clusters of 512 bytes": {"-c", "512"}, "clusters of 4 KiB": {"-c", "4096"}, "sectors of 4 KiB": {"-s", "4096"},
	} {
		t.Run(name, func(t *testing.T) {
			b := made(t, args...)
			v, err := ntfs.Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if info, err := v.Info(); err != nil || info.Label != "école" || info.Flags != 0 {
				t.Errorf("info %+v, %v", info, err)
			}
			if log, err := v.Log(); err != nil || log != ntfs.LogEmpty {
				t.Errorf("log %d, %v", log, err)
			}
			if bad, err := v.BadClusters(); err != nil || len(bad) != 0 {
				t.Errorf("bad clusters %v, %v", bad, err)
			}
			if !bytes.Equal(b[v.Backup():v.Backup()+512], b[:512]) {
				t.Error("the backup of the boot sector is elsewhere")
			}
			var names []string
			if err := v.Files(func(f *ntfs.File, damage error) error {
				if damage != nil {
					t.Error(damage)
				}
				names = append(names, v.Path(f))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"$MFT", "$LogFile", "$Bitmap", "$Extend", "$Extend/$Quota", "file"} {
				if !slices.Contains(names, want) {
					t.Errorf("no file is called %s: %q", want, names)
				}
			}
			f, err := v.File(uint64(slices.Index(names, "$Bitmap")))
			if err != nil || f.Number != ntfs.RecordBitmap {
				t.Fatalf("%+v, %v", f, err)
			}
			readsBack(t, v)
		})
	}
}

// readsBack reads the file's own data and its named stream.
func readsBack(t *testing.T, v *ntfs.Volume) {
	t.Helper()
	found := 0
	if err := v.Files(func(f *ntfs.File, _ error) error {
		if v.Path(f) != "file" {
			return nil
		}
		for _, name := range []string{"", "beside"} {
			a := f.Find(ntfs.TypeData, name)
			if a == nil {
				return fmt.Errorf("no stream %q", name)
			}
			b := make([]byte, a.Size)
			if err := v.ReadAttribute(a, b, 0); err != nil {
				return err
			}
			if !bytes.Equal(b, bytes.Repeat([]byte("ardoise "), 1000)) {
				return fmt.Errorf("stream %q differs", name)
			}
			if err := v.ReadAttribute(a, b[:1], a.Size); err == nil {
				t.Error("a byte behind the end was read")
			}
			found++
		}
		return nil
	}); err != nil || found != 2 {
		t.Errorf("%d streams: %v", found, err)
	}
}

func TestBootSectorsThatCannotBe(t *testing.T) {
	sound := made(t)
	for name, patch := range map[string]struct {
		at    int
		bytes []byte
	}{
		"no name":                     {3, []byte("MSDOS5.0")},
		"sectors of no size":          {0x0b, []byte{0, 0}},
		"sectors of odd size":         {0x0b, []byte{1, 2}},
		"clusters of no sectors":      {0x0d, []byte{0}},
		"clusters of three sectors":   {0x0d, []byte{3}},
		"clusters of 2^31 sectors":    {0x0d, []byte{0x81}},
		"no sectors":                  {0x28, make([]byte, 8)},
		"2^64-1 sectors":              {0x28, bytes.Repeat([]byte{0xff}, 8)},
		"a table behind the end":      {0x30, bytes.Repeat([]byte{0xff}, 8)},
		"a table where none is":       {0x30, []byte{9}},
		"records of no size":          {0x40, []byte{0}},
		"records of 2^31 bytes":       {0x40, []byte{0xe1}},
		"records of 2^128 bytes":      {0x40, []byte{0x80}},
		"records of 127 clusters":     {0x40, []byte{127}},
		"a table of which nothing is": {16384, make([]byte, 1024)},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(sound)
			copy(b[patch.at:], patch.bytes)
			var damage *ntfs.DamageError
			if _, err := ntfs.Open(bytes.NewReader(b), int64(len(b))); !errors.As(err, &damage) {
				t.Errorf("got %v, want damage", err)
			}
		})
	}
	for _, size := range []int{0, 1, 511, 512, 20000} {
		if _, err := ntfs.Open(bytes.NewReader(sound[:size]), int64(size)); err == nil {
			t.Errorf("a volume of %d bytes was opened", size)
		}
	}
	if _, err := ntfs.Open(bytes.NewReader(sound[:16900]), int64(len(sound))); err == nil {
		t.Error("a disk that ends early was read without an error")
	}
}

func TestOnlyASleepingSystemIsHibernated(t *testing.T) {
	for header, want := range map[string]bool{"hibr": true, "HIBR": true, "RSTR": true, "HORM": true, "wake": false,
		"WAKE": false, "\x00\x00\x00\x00": false, "hib": false, "": false} {
		if got := ntfs.Hibernated([]byte(header)); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// hostile walks through all that can be read of bytes that may be anything.
func hostile(t testing.TB, b []byte) {
	v, err := ntfs.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	_, _ = v.Info()
	_, _ = v.Log()
	_, _ = v.BadClusters()
	_ = v.Bitmap(func(first int64, bits []byte) error {
		if first < 0 || first+8*int64(len(bits)) > v.Clusters+7 {
			t.Fatalf("bits of clusters %d and on, of %d", first, v.Clusters)
		}
		return nil
	})
	_ = v.Files(func(f *ntfs.File, damage error) error {
		if path := v.Path(f); path == "" {
			t.Fatalf("record %d has an empty path", f.Number)
		}
		if damage != nil {
			return nil
		}
		for _, a := range f.Attributes {
			vcn := int64(0)
			for _, r := range a.Runs {
				if r.VCN != vcn || r.Count <= 0 || r.LCN >= 0 && r.LCN+r.Count > v.Clusters {
					t.Fatalf("record %d: run %+v after cluster %d", f.Number, r, vcn)
				}
				vcn += r.Count
			}
			if a.Size < 0 || a.Valid < 0 || a.Valid > a.Size {
				t.Fatalf("record %d: size %d, valid %d", f.Number, a.Size, a.Valid)
			}
		}
		return nil
	})
}

// FuzzVolume changes the start of a volume, where boot sector and file table are; the rest of it stays.
func FuzzVolume(f *testing.F) {
	rest := made(f, "-c", "512")
	f.Add(rest[:48<<10])
	f.Add(made(f, "-s", "4096")[:48<<10])
	f.Fuzz(func(t *testing.T, start []byte) {
		b := bytes.Clone(rest)
		copy(b, start)
		hostile(t, b)
	})
}

// FuzzRecord puts a whole record into a sound volume, as the file in it or as $MFT itself, its fix-ups made right: the
// fuzzer would seldom get past them.
func FuzzRecord(f *testing.F) {
	sound := made(f, "-c", "512")
	v, err := ntfs.Open(bytes.NewReader(sound), int64(len(sound)))
	if err != nil {
		f.Fatal(err)
	}
	table, err := v.File(ntfs.RecordMFT)
	if err != nil {
		f.Fatal(err)
	}
	start := table.Find(ntfs.TypeData, "").Runs[0].LCN * v.Cluster
	for n := range int64(v.Records()) {
		f.Add(uint8(n), sound[start+n*v.Record:][:v.Record])
	}
	f.Fuzz(func(t *testing.T, number uint8, record []byte) {
		b := bytes.Clone(sound)
		off := start + int64(uint64(number)%v.Records())*v.Record
		own := b[off : off+v.Record]
		copy(own, record)
		copy(own, "FILE")
		own[4], own[5], own[6], own[7] = 0x30, 0, 3, 0
		for _, end := range []int64{510, 1022} {
			copy(own[end:], own[0x30:0x32])
		}
		hostile(t, b)
	})
}
