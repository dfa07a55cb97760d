package storetest_test

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/storetest"
)

// TestPowerCut proves the liar that the other tests believe: what each kind of cut leaves of synced and unsynced work.
func TestPowerCut(t *testing.T) {
	for kind, want := range map[storetest.Kind]map[string]string{
		storetest.LoseUnsynced: {"synced": "whole", "grown": "whole"},
		storetest.KeepNames:    {"synced": "whole", "grown": "whole", "unnamed": "whole", "empty": ""},
		storetest.TearBytes:    {"synced": "whole", "grown": "whole-tai", "unnamed": "whole", "empty": "who"},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			d := storetest.NewDisk()
			f := d.FS()
			write := func(name, content string, sync bool) durable.File {
				file, err := f.Create(name)
				if err == nil {
					_, err = file.Write([]byte(content))
				}
				if err == nil && sync {
					err = file.Sync()
				}
				if err != nil {
					t.Fatal(err)
				}
				return file
			}
			write("/synced", "whole", true)
			grown := write("/grown", "whole", true)
			if err := f.SyncDir("/"); err != nil {
				t.Fatal(err)
			}
			if _, err := grown.Write([]byte("-tail-of-8"[:8])); err != nil {
				t.Fatal(err)
			}
			write("/unnamed", "whole", true)
			write("/empty", "whole!", false)
			d.CutAfter(0)
			if _, err := f.Open("/synced"); !errors.Is(err, storetest.ErrPowerCut) {
				t.Errorf("Open without power = %v", err)
			}
			d.Restart(kind)
			if _, err := grown.Write(nil); !errors.Is(err, storetest.ErrPowerCut) {
				t.Errorf("a file of the former life is written: %v", err)
			}
			names, err := f.ReadDir("/")
			if err != nil || len(names) != len(want) {
				t.Errorf("left are %v, %v, want %v", names, err, want)
			}
			for name, content := range want {
				got, err := durable.ReadFile(f, "/"+name, 100)
				if err != nil || string(got) != content {
					t.Errorf("%s holds %q, %v, want %q", name, got, err, content)
				}
			}
		})
	}
}

func TestUnsyncedRenameAndRemovalAreUndone(t *testing.T) {
	d := storetest.NewDisk()
	f := d.FS()
	for _, name := range []string{"/a", "/b"} {
		if err := durable.WriteFile(f, name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Rename("/a", "/c"), f.Remove("/b")); err != nil {
		t.Fatal(err)
	}
	d.Restart(storetest.LoseUnsynced)
	if names, err := f.ReadDir("/"); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("left are %v, %v, want a and b", names, err)
	}
	if err := errors.Join(f.Rename("/a", "/c"), f.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	d.Restart(storetest.LoseUnsynced)
	if _, err := f.Open("/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a renamed and synced name is back: %v", err)
	}
}

func TestFailAtFailsOnce(t *testing.T) {
	d := storetest.NewDisk()
	f, wrong := d.FS(), errors.New("wrong")
	d.FailAt(1, wrong)
	for i, want := range []error{nil, wrong, nil} {
		if err := f.SyncDir("/"); err != want {
			t.Errorf("operation %d = %v, want %v", i, err, want)
		}
	}
}

func TestAppendIsUndoneUntilItIsSynced(t *testing.T) {
	for kind, want := range map[storetest.Kind]string{storetest.LoseUnsynced: "first, torn", storetest.KeepNames: "first, torn"} {
		d := storetest.NewDisk()
		if err := durable.WriteFile(d.FS(), "/f", []byte("first, torn")); err != nil {
			t.Fatal(err)
		}
		goOn := func() durable.File {
			t.Helper()
			f, err := d.Append("/f", 7)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte("on")); err != nil {
				t.Fatal(err)
			}
			return f
		}
		goOn()
		d.Restart(kind)
		if got, err := durable.ReadFile(d.FS(), "/f", 100); err != nil || string(got) != want {
			t.Errorf("%s: unsynced, the file holds %q, %v, want %q", kind, got, err, want)
		}
		if err := goOn().Sync(); err != nil {
			t.Fatal(err)
		}
		d.Restart(kind)
		if got, err := durable.ReadFile(d.FS(), "/f", 100); err != nil || string(got) != "first, on" {
			t.Errorf("%s: synced, the file holds %q, %v", kind, got, err)
		}
	}
	if _, err := storetest.NewDisk().Append("/f", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Append to nothing = %v, want fs.ErrNotExist", err)
	}
}

func TestRoomEnds(t *testing.T) {
	d := storetest.NewDisk()
	d.Room(10)
	file, err := d.FS().Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{4, 4, 2, 0} {
		n, err := file.Write([]byte("four"))
		if n != want || (err != nil) != (want < 4) || err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write %d = %d, %v, want %d bytes", i, n, err, want)
		}
	}
	if free, total, err := d.Free("/"); err != nil || free != 0 || total != 10 || d.Used() != 10 {
		t.Errorf("Free = %d of %d, %v, used %d", free, total, err, d.Used())
	}
	if err := d.FS().Remove("/f"); err != nil || d.Used() != 0 {
		t.Errorf("after removing it, %d bytes are used, %v", d.Used(), err)
	}
}
