package disk

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// opened is an image of 1 MiB that is open for writing.
func opened(t *testing.T) (d *Disk, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path, Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

// Whoever starts a program while a disk is open has copies of its descriptor for a moment, which must not lock it.
func TestAnImageThatWasClosedIsFree(t *testing.T) {
	d, path := opened(t)
	copied, err := unix.Dup(int(d.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(copied) }()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Mode{Write: true})
	if err != nil {
		t.Fatalf("a disk that was closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// A flush is left out only where nothing was written since the last one that the disk said it had done.
func TestAFlushIsLeftOutOnlyWhereNothingWasWritten(t *testing.T) {
	d, _ := opened(t)
	if d.clean.Load() {
		t.Error("the first flush would be left out, though others may have written")
	}
	for name, write := range map[string]func() error{
		"small":   func() error { _, err := d.WriteAt([]byte("x"), 4097); return err },
		"large":   func() error { _, err := d.WriteAt(make([]byte, 64<<10), 4096); return err },
		"beyond":  func() error { _, _ = d.WriteAt(make([]byte, 4096), 1<<20); return nil },
		"discard": func() error { return d.Discard(0, 64<<10) },
	} {
		if err := d.Flush(); err != nil || !d.clean.Load() {
			t.Fatalf("flushing: %v", err)
		}
		if err := write(); err != nil || d.clean.Load() {
			t.Errorf("after a write (%s), %v, a flush would be left out", name, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(); err == nil || d.clean.Load() {
		t.Errorf("a flush that failed counts as done: %v", err)
	}
}
