package restore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// tool runs a program of the system.
func tool(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// copyPart copies a part of a disk's image to a file of its own, or back.
func copyPart(t testing.TB, from string, skip int64, to string, seek, n int64) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.NewOffsetWriter(out, seek), io.NewSectionReader(in, skip, n)); err != nil {
		t.Fatal(err)
	}
}

// debian makes an image of a disk with an ESP, a root and a swap.
func debian(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.img")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 80*mib)); err != nil {
		t.Fatal(err)
	}
	tool(t, "label: gpt\nfirst-lba: 34\nstart=2048, size=32768, type=uefi, name=EFI\nstart=34816, size=98304, type=linux, name=root\n"+
		"start=133120, size=16384, type=swap\n", "sfdisk", "-q", path)
	tree := filepath.Join(dir, "tree")
	for name, size := range map[string]int{"etc/hostname": 9, "bin/big": 3 << 20, "bin/copy of big": 3 << 20, "home/a": 5000, "home/b": 0, "var/log": 300 << 10} {
		content := bytes.Repeat([]byte(strconv.Itoa(size)+" bytes of a file. "), size/18+1)[:size]
		file := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	root, esp, swap := filepath.Join(dir, "root"), filepath.Join(dir, "esp"), filepath.Join(dir, "swap")
	for p, size := range map[string]int64{root: 48 * mib, esp: 16 * mib, swap: 8 * mib} {
		if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, size)); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "", "mke2fs", "-q", "-t", "ext4", "-J", "size=4", "-d", tree, root)
	tool(t, "", "mkfs.fat", "-F", "16", "-n", "EFI", esp)
	tool(t, "", "mmd", "-i", esp, "::EFI", "::EFI/BOOT")
	tool(t, "", "mcopy", "-i", esp, filepath.Join(tree, "bin/big"), "::EFI/BOOT/BOOTX64.EFI")
	tool(t, "", "mkswap", swap)
	copyPart(t, esp, 0, path, mib, 16*mib)
	copyPart(t, root, 0, path, 17*mib, 48*mib)
	copyPart(t, swap, 0, path, 65*mib, 8*mib)
	return path
}

// captured is a manifest with its chunks and names, of a real disk.
type captured struct {
	m      *manifest.Manifest
	names  []byte
	source *mapSource
}

func captureOf(t testing.TB, path string) captured {
	t.Helper()
	d, err := disk.Open(path, disk.Mode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var c captured
	var sink storetest.Kept
	var names bytes.Buffer
	c.m, _, err = capture.Run(context.Background(), capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(),
		Sink: &sink, Names: &names})
	if err != nil {
		t.Fatal(err)
	}
	c.names, c.source = names.Bytes(), &mapSource{frames: sink.Have, asked: map[chunk.ID]int{}}
	return c
}

func (c captured) options(d *disk.Disk, ardoise bool) restore.Options {
	return restore.Options{Manifest: c.m, Target: d, SectorSize: d.SectorSize(), Source: c.source, MakeArdoise: ardoise}
}

// restoreTo restores onto a larger, dirty image.
func (c captured) restoreTo(t testing.TB, size int64, ardoise bool, how ...func(*restore.Options)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pc.img")
	if err := errors.Join(os.WriteFile(path, bytes.Repeat([]byte{0x5A}, 90<<20), 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	o := c.options(d, ardoise)
	for _, change := range how {
		change(&o)
	}
	mustRun(t, o)
	return path
}

func TestACapturedDiskIsRestoredAndItsFileSystemsAreClean(t *testing.T) {
	source := debian(t)
	c := captureOf(t, source)
	for name, how := range map[string]func(*restore.Options){
		"fetched": func(*restore.Options) {},
		"received": func(o *restore.Options) {
			o.Source = nil
			*o = turning(*o, &merryGoRound{frames: c.source.frames, seed: 1, callers: 8})
		},
		"received by a disk that turns": func(o *restore.Options) {
			o.Rotates = true
			*o = turning(*o, &merryGoRound{frames: c.source.frames, seed: 2, callers: 16})
		},
	} {
		t.Run(name, func(t *testing.T) { c.mustBeWhole(t, source, c.restoreTo(t, 500*mib, true, how)) })
	}
}

// mustBeWhole lets the tools of the file systems judge what was restored.
func (c captured) mustBeWhole(t *testing.T, source, path string) {
	if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	dir := t.TempDir()
	esp, root := filepath.Join(dir, "esp"), filepath.Join(dir, "root")
	copyPart(t, path, mib, esp, 0, 16*mib)
	copyPart(t, path, 17*mib, root, 0, 48*mib)
	tool(t, "", "fsck.fat", "-n", esp)
	tool(t, "", "e2fsck", "-fn", root)
	if got := tool(t, "", "debugfs", "-R", "cat home/a", root); !strings.Contains(got, strings.Repeat("5000 bytes of a file. ", 3)) {
		t.Errorf("home/a is %.60q", got)
	}
	for _, p := range []string{source, path} {
		d, err := disk.Open(p, disk.Mode{Read: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := mustVerify(t, c.options(d, false)); !diff.None() {
			t.Errorf("%s: %s", p, diff.Summary())
		}
		d.Close()
	}
}

func TestAFileThatAPupilChangedIsNamedAndRepaired(t *testing.T) {
	c := captureOf(t, debian(t))
	path := c.restoreTo(t, 80*mib, false)
	root := filepath.Join(t.TempDir(), "root")
	copyPart(t, path, 17*mib, root, 0, 48*mib)
	tool(t, "", "debugfs", "-w", "-R", "sif /home/a mtime 20200101", root)
	block := strings.Fields(tool(t, "", "debugfs", "-R", "blocks /home/a", root))
	n, err := strconv.Atoi(block[len(block)-1])
	if err != nil {
		t.Fatalf("blocks %q: %v", block, err)
	}
	copyPart(t, root, 0, path, 17*mib, 48*mib)
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	unit := int64(c.m.Volumes[slices.IndexFunc(c.m.Volumes, func(v manifest.Volume) bool { return v.Kind == "ext4" })].Unit)
	if _, err := d.WriteAt([]byte("!"), 17*mib+int64(n)*unit); err != nil {
		t.Fatal(err)
	}
	diff := mustVerify(t, c.options(d, false))
	var paths []string
	err = restore.NameStreams(&diff, manifest.ReadNames(bytes.NewReader(c.names)), func(n manifest.Name, _ restore.StreamDifference) {
		paths = append(paths, n.Path)
	})
	slices.Sort(paths)
	if err != nil || !slices.Equal(paths, []string{"", "home/a"}) {
		t.Errorf("paths %q of %s: %v", paths, diff.Summary(), err)
	}
	report := mustRun(t, c.options(d, false))
	if report.WrittenBytes > 1<<20 || report.FetchedChunks > 4 {
		t.Errorf("repair wrote %d bytes and fetched %d chunks", report.WrittenBytes, report.FetchedChunks)
	}
}
