package quick_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

const mib = int64(1 << 20)

// tool runs a program of the system.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func must(t testing.TB, err ...error) {
	t.Helper()
	if err := errors.Join(err...); err != nil {
		t.Fatal(err)
	}
}

// frames keeps what a capture puts, and is a source of it.
type frames struct {
	storetest.Kept
	asked int
	fails error
}

func (s *frames) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	s.asked += len(ids)
	if s.fails != nil {
		return s.fails
	}
	return s.Kept.Fetch(ctx, ids, yield)
}

// master is a captured image.
type master struct {
	path   string
	m      *manifest.Manifest
	names  []byte
	frames *frames
}

func open(t testing.TB, path string, write bool) *disk.Disk {
	t.Helper()
	d, err := disk.Open(path, disk.Mode{Read: true, Write: write})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func captured(t testing.TB, path string) *master {
	t.Helper()
	d := open(t, path, false)
	defer d.Close()
	c := &master{path: path, frames: &frames{}}
	var names bytes.Buffer
	var err error
	c.m, _, err = capture.Run(context.Background(), capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(), Sink: c.frames,
		Names: &names})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range c.m.Volumes {
		if v.Reason != "" {
			t.Fatalf("the master's %s volume is kept %s: %s", v.Kind, v.Order, v.Reason)
		}
	}
	c.names = names.Bytes()
	return c
}

// pc copies the master's image.
func (c *master) pc(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pc.img")
	tool(t, "cp", "--sparse=always", c.path, path)
	return path
}

func never(int) (int, error)  { return 1, nil }
func always(int) (int, error) { return 0, nil }

func (c *master) lookOptions(d *disk.Disk) quick.Options {
	return quick.Options{Disk: d, Manifest: c.m, Source: c.frames, Draw: never,
		Names: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.names)), nil }}
}

// look is quick.Look of an image.
func (c *master) look(t testing.TB, path string, how ...func(*quick.Options)) *quick.Verdict {
	t.Helper()
	d := open(t, path, false)
	defer d.Close()
	o := c.lookOptions(d)
	for _, change := range how {
		change(&o)
	}
	v, err := quick.Look(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// reset is what a caller does with a verdict, and proves the outcome by reading everything.
func (c *master) reset(t testing.TB, path string, v *quick.Verdict) restore.Report {
	t.Helper()
	d := open(t, path, true)
	defer d.Close()
	o := restore.Options{Manifest: c.m, Target: d, SectorSize: d.SectorSize(), Source: c.frames, Vouched: v}
	r, err := restore.Run(context.Background(), o)
	if err != nil || !r.Proven {
		t.Fatalf("reset: proven %v, %v", r.Proven, err)
	}
	diff, _, err := restore.Verify(context.Background(), restore.Options{Manifest: c.m, Target: d, SectorSize: d.SectorSize()})
	if err != nil {
		t.Fatal(err)
	}
	if !diff.None() {
		t.Fatalf("after a reset by %q: %s", v.Doubt, diff.Summary())
	}
	return r
}

// alone runs do in a mount namespace of its own: what it mounts nobody else can hold on to.
func alone(t testing.TB, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, and with it the namespace, ends here
		var err error
		defer func() { done <- err }()
		if err = unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err == nil {
			do()
		}
	}()
	must(t, <-done)
	if t.Failed() {
		t.FailNow()
	}
}

// mountedExt runs do with an image mounted by the kernel.
func mountedExt(t testing.TB, path string, do func(dir string)) {
	t.Helper()
	loop := strings.TrimSpace(tool(t, "losetup", "-f", "--show", path))
	defer func() { detach(t, loop, path) }()
	dir := t.TempDir()
	alone(t, func() {
		must(t, unix.Mount(loop, dir, "ext4", 0, ""))
		defer func() { must(t, unmount(dir)) }()
		do(dir)
	})
}

// detach takes a loop device away, and returns when it is gone: whoever looks at all devices holds it for a moment.
func detach(t testing.TB, loop, path string) {
	tool(t, "losetup", "-d", loop)
	for range 500 {
		if tool(t, "losetup", "-j", path) == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s still shows %s", loop, path)
}

// mountedNTFS runs do with an image mounted by ntfs-3g, and returns when the driver has ended.
func mountedNTFS(t testing.TB, path string, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	alone(t, func() { driven(t, path, dir, do) })
}

// unmount waits for who still looks at the mount.
func unmount(dir string) error {
	var err error
	for range 200 {
		if err = unix.Unmount(dir, 0); err != unix.EBUSY {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// driven is mountedNTFS where the driver and whoever looks see the same mounts.
func driven(t testing.TB, path, dir string, do func(dir string)) {
	device := func() uint64 {
		var stat unix.Stat_t
		must(t, unix.Stat(dir, &stat))
		return stat.Dev
	}
	outside := device()
	var said bytes.Buffer
	driver := exec.Command("ntfs-3g", "-o", "no_detach,permissions,streams_interface=windows", path, dir)
	driver.Stdout, driver.Stderr = &said, &said
	must(t, driver.Start())
	ended := make(chan error, 1)
	go func() { ended <- driver.Wait() }()
	for device() == outside {
		select {
		case err := <-ended:
			t.Fatalf("ntfs-3g does not mount: %v\n%s", err, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	defer func() {
		must(t, unmount(dir))
		if err := <-ended; err != nil {
			t.Errorf("ntfs-3g: %v\n%s", err, &said)
		}
	}()
	do(dir)
}

// noise is content that nothing else has.
func noise(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644))
}

// poke writes to an image past its file system.
func poke(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, off)
	must(t, err, f.Close())
}
