package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/storetest"
)

func TestHostFileSystem(t *testing.T) {
	d, dir := durable.OS(), t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "second, longer", ""} {
		if err := durable.WriteFile(d, path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := durable.ReadFile(d, path, 100)
		if err != nil || string(got) != content {
			t.Errorf("ReadFile = %q, %v, want %q", got, err, content)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := d.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of a file that is there = %v, want fs.ErrExist", err)
	}
	if _, err := d.Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing = %v, want fs.ErrNotExist", err)
	}
	sub := filepath.Join(dir, "folder")
	for range 2 {
		if err := durable.MakeFolder(d, sub); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := d.ReadDir(dir); err != nil || !slices.Equal(names, []string{"file", "folder"}) {
		t.Errorf("ReadDir = %v, %v", names, err)
	}
	if err := errors.Join(d.Rename(sub, sub+"2"), d.Remove(sub+"2"), d.SyncDir(dir)); err != nil {
		t.Error(err)
	}
}

func TestWriteFileAfterACrashInTheMiddle(t *testing.T) {
	d, dir := durable.OS(), t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path+".tmp", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(d, path, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if names, err := d.ReadDir(dir); err != nil || !slices.Equal(names, []string{"file"}) {
		t.Errorf("the folder holds %v, %v, want the file alone", names, err)
	}
}

func TestReadFileKeepsToItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.ReadFile(durable.OS(), path, 100); err == nil {
		t.Error("ReadFile gives more than the limit")
	}
}

func TestLockIsForOne(t *testing.T) {
	d, path := durable.OS(), filepath.Join(t.TempDir(), "lock")
	lock, err := d.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	var held *durable.LockedError
	if _, err := d.Lock(path); !errors.As(err, &held) || held.Path != path {
		t.Errorf("a second Lock = %v, want *LockedError", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := d.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestAppendGoesOn(t *testing.T) {
	d, path := durable.OS(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("sound, torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := d.Append(path, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("and on")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "sound, and on" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if _, err := d.Append(path+"2", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Append to nothing = %v, want fs.ErrNotExist", err)
	}
}

// TestALockIsGivenBackWhileAChildHasItsFile plays the moment between fork and execve, in which a child has every file of
// its parent open.
func TestALockIsGivenBackWhileAChildHasItsFile(t *testing.T) {
	d, path := durable.OS(), filepath.Join(t.TempDir(), "lock")
	lock, err := d.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range openFiles(t) {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", fd)); err == nil && target == path {
			number, err := strconv.Atoi(fd)
			if err != nil {
				t.Fatal(err)
			}
			child, err := unix.Dup(number) // what fork does to it
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(child) }()
		}
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := d.Lock(path)
	if err != nil {
		t.Fatalf("the lock was not given back: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// openFiles returns the numbers of the files that this process has open.
func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, e := range entries {
		open = append(open, e.Name())
	}
	return open
}

func TestAFullDiskKeepsNothingHalfWritten(t *testing.T) {
	dir := storetest.Tmpfs(t, 1<<20)
	d, path := durable.OS(), filepath.Join(dir, "file")
	if free, total, err := d.Free(dir); err != nil || free != total || total != 1<<20 {
		t.Errorf("Free = %d of %d, %v, want all of a MiB", free, total, err)
	}
	if err := durable.WriteFile(d, path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(d, path, make([]byte, 1<<20)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("WriteFile of more than fits = %v, want ENOSPC", err)
	}
	if got, err := durable.ReadFile(d, path, 100); err != nil || string(got) != "old" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if names, err := d.ReadDir(dir); err != nil || !slices.Equal(names, []string{"file"}) {
		t.Errorf("the folder holds %v, %v: what was half written takes room", names, err)
	}
	if _, _, err := d.Free(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Free of nothing = %v, want fs.ErrNotExist", err)
	}
}
