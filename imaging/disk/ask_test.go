package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// shown lays out sysfs and /dev as a kernel does that shows the disk in an image: ARDOISE, partition 3, is a block device.
func shown(t *testing.T, image string) (s disk.Sysfs, ardoise string) {
	t.Helper()
	d := mustOpen(t, image, disk.Mode{Read: true})
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	size := d.Size()
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	part := *table.Ardoise
	out, err := exec.Command("losetup", "--find", "--show", "--offset", fmt.Sprint(part.Start), "--sizelimit", fmt.Sprint(part.Length), image).Output()
	if err != nil {
		t.Skipf("no loop device here: %v", err)
	}
	ardoise = strings.TrimSpace(string(out))
	t.Cleanup(func() { tool(t, "", "losetup", "-d", ardoise) })
	root := t.TempDir()
	s = disk.Sysfs{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev")}
	write := func(path, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	block := filepath.Join(s.Sys, "block/vda")
	write(filepath.Join(block, "size"), fmt.Sprint(size/512))
	write(filepath.Join(block, "queue/logical_block_size"), "512")
	for i, p := range []manifest.Partition{table.Partitions[0], part} {
		dir := filepath.Join(block, []string{"vda1", "vda3"}[i])
		write(filepath.Join(dir, "partition"), fmt.Sprint(p.Number))
		write(filepath.Join(dir, "start"), fmt.Sprint(p.Start/512))
		write(filepath.Join(dir, "size"), fmt.Sprint(p.Length/512))
	}
	if err := errors.Join(os.Mkdir(s.Dev, 0o755), os.Symlink(image, filepath.Join(s.Dev, "vda")), os.Symlink(ardoise, filepath.Join(s.Dev, "vda3"))); err != nil {
		t.Fatal(err)
	}
	return s, ardoise
}

// While its system runs, a disk cannot be claimed; the start menu on it can still be asked for something.
func TestTheRunningSystemAsksTheStartMenu(t *testing.T) {
	path := deployed(t)
	s, ardoise := shown(t, path)
	if menu, err := s.Ask(disk.NextWork); err != nil || menu {
		t.Fatalf("a disk without a menu: %v, %v", menu, err)
	}
	change := func(do func(a *disk.Ardoise) error) {
		t.Helper()
		f, err := os.OpenFile(ardoise, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := part(0)
		a, err := disk.OpenArdoise(device{f}, p)
		if err == nil {
			err = do(a)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	change(func(a *disk.Ardoise) error { _, err := a.Keep(t.Context(), set("x")); return err })
	if menu, err := s.Ask(disk.NextWork); err != nil || !menu {
		t.Fatalf("a disk with a menu: %v, %v", menu, err)
	}
	change(func(a *disk.Ardoise) error {
		if n, err := a.Next(); err != nil || n != disk.NextWork {
			t.Errorf("its next start is %q, %v", n, err)
		}
		return nil
	})
	if key := keyAt(t, ardoise); key != "private key" {
		t.Errorf("the key is %q since", key)
	}
	if err := os.Remove(filepath.Join(s.Dev, "vda3")); err != nil {
		t.Fatal(err)
	}
	if menu, err := s.Ask(disk.NextWork); menu || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a partition that cannot be opened: %v, %v", menu, err)
	}
	if menu, err := (disk.Sysfs{Sys: t.TempDir(), Dev: s.Dev}).Ask(disk.NextWork); menu || err == nil {
		t.Errorf("without sysfs: %v, %v", menu, err)
	}
}

// device is an ARDOISE alone.
type device struct{ *os.File }

// Flush implements disk.Device.
func (d device) Flush() error { return d.Sync() }

// keyAt reads the key of an ARDOISE alone.
func keyAt(t *testing.T, path string) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	a, err := disk.OpenArdoise(device{f}, part(0))
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.Key().Load()
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}
