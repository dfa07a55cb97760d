package disk_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
)

// A Disk is what a restore writes to, and where ARDOISE lies.
var (
	_ restore.Target = (*disk.Disk)(nil)
	_ disk.Device    = (*disk.Disk)(nil)
	_ restore.Marker = disk.MarkSlot{}
)

func mustOpen(t testing.TB, path string, mode disk.Mode) *disk.Disk {
	t.Helper()
	d, err := disk.Open(path, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestAnImageIsOpenedByOneWriterOrManyReaders(t *testing.T) {
	path := image(t, mib+7)
	var used *disk.InUseError
	a := mustOpen(t, path, disk.Mode{Read: true})
	mustOpen(t, path, disk.Mode{Read: true}).Close()
	if _, err := disk.Open(path, disk.Mode{Write: true}); !errors.As(err, &used) || used.Path != path {
		t.Errorf("a writer beside a reader: %v", err)
	}
	a.Close()
	w := mustOpen(t, path, disk.Mode{Write: true})
	if _, err := disk.Open(path, disk.Mode{Read: true}); !errors.As(err, &used) {
		t.Errorf("a reader beside a writer: %v", err)
	}
	if w.Size() != mib+7 || w.SectorSize() != 512 || w.Path() != path {
		t.Errorf("%d bytes, sectors of %d, %s", w.Size(), w.SectorSize(), w.Path())
	}
	if _, err := w.WriteAt([]byte("xy"), mib+6); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("a write past the end: %v", err)
	}
}

func TestWhatIsNoDiskIsRefused(t *testing.T) {
	var not *disk.NotADiskError
	for _, path := range []string{t.TempDir(), "/dev/null"} {
		if _, err := disk.Open(path, disk.Mode{}); !errors.As(err, &not) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := disk.Open(filepath.Join(t.TempDir(), "none"), disk.Mode{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

// loop shows a file as a block device. It takes root and a kernel with loop devices; the virtual machines of
// integration/ cover block devices where these are missing.
func loop(t *testing.T, path string, sector string) string {
	t.Helper()
	out, err := exec.Command("losetup", "--find", "--show", "--sector-size", sector, path).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device here: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { tool(t, "", "losetup", "-d", dev) })
	return dev
}

func TestABlockDeviceIsReadAndWrittenAtAnyAlignment(t *testing.T) {
	for _, sector := range []string{"512", "4096"} {
		path := image(t, 24*mib)
		dev := loop(t, path, sector)
		var used *disk.InUseError
		if _, err := disk.Open(path, disk.Mode{Write: true}); !errors.As(err, &used) || !strings.Contains(used.By, "loop") {
			t.Errorf("the file behind a loop device: %v", err)
		}
		d := mustOpen(t, dev, disk.Mode{Write: true})
		if d.Size() != 24*mib {
			t.Errorf("size %d", d.Size())
		}
		if _, err := disk.Open(dev, disk.Mode{Write: true}); !errors.As(err, &used) {
			t.Errorf("a second writer: %v", err)
		}
		want := make([]byte, 24*mib)
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 60 {
			n := 1 + rnd.Int64N(1<<(4+rnd.IntN(19)))
			off := rnd.Int64N(d.Size() - n)
			p := disk.Aligned(int(n) + 8)[rnd.IntN(2):][:n]
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			if rnd.IntN(3) == 0 {
				off = off / 4096 * 4096
			}
			if wrote, err := d.WriteAt(p, off); err != nil || wrote != len(p) {
				t.Fatalf("wrote %d of %d bytes at %d: %v", wrote, len(p), off, err)
			}
			copy(want[off:], p)
		}
		for _, drop := range []bool{false, true} {
			if drop {
				if err := d.Drop(); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, len(want))
			for off := 0; off < len(got); {
				n := min(len(got)-off, 1+rnd.IntN(3<<20))
				if read, err := d.ReadAt(got[off:off+n], int64(off)); err != nil || read != n {
					t.Fatalf("read %d of %d bytes at %d: %v", read, n, off, err)
				}
				off += n
			}
			if !bytes.Equal(got, want) {
				t.Errorf("sectors of %s, dropped %v: what was read is not what was written", sector, drop)
			}
			if n, err := d.ReadAt(make([]byte, 100), d.Size()-60); n != 60 || err == nil {
				t.Errorf("read %d bytes past the end: %v", n, err)
			}
		}
		d.Close()
	}
}

func TestADiskWithAMountedVolumeIsRefused(t *testing.T) {
	path := image(t, 16*mib)
	tool(t, "", "mke2fs", "-q", "-t", "ext4", path)
	dev, dir := loop(t, path, "512"), t.TempDir()
	if out, err := exec.Command("mount", "-o", "ro", dev, dir).CombinedOutput(); err != nil {
		t.Skipf("no mounting here: %v: %s", err, out)
	}
	defer tool(t, "", "umount", dir)
	var used *disk.InUseError
	for _, mode := range []disk.Mode{{Read: true}, {Write: true}} {
		if _, err := disk.Open(dev, mode); !errors.As(err, &used) {
			t.Errorf("mode %+v: %v", mode, err)
		}
	}
}

// TestOnlyPartitionsThatTheKernelShowsWronglyAreToldOf: a loop device has partitions where it is asked to, or partx adds
// them. The table grows by one partition, which the kernel learns of or not.
func TestOnlyPartitionsThatTheKernelShowsWronglyAreToldOf(t *testing.T) {
	three := "label: gpt\n1: start=2048, size=2048\n2: start=4096, size=4096\n3: start=8192, size=4096\n"
	logical := "label: dos\nstart=2048, size=8192, type=f\nstart=3072, size=1024, type=83\nstart=8192, size=1024, type=83\n"
	for why, c := range map[string]struct {
		before, after string // what the table says when the kernel is told of it, and later
		scans         bool   // the device has partitions by itself
		told          bool   // partx tells the kernel of what is there before
		wrong         bool
	}{
		"it shows none, and there are none":          {after: ""},
		"it never shows any":                         {before: three, after: three},
		"it reads them again":                        {after: three, scans: true},
		"it goes on showing those that are":          {before: three, after: three, told: true},
		"it goes on showing those that are, logical": {before: logical, after: logical, told: true},
		"it goes on showing some that are gone":      {before: three, after: logical, told: true, wrong: true},
		"it goes on showing fewer":                   {before: strings.Split(three, "3:")[0], after: three, told: true, wrong: true},
		"it goes on showing one that was moved":      {before: strings.Replace(three, "8192", "9216", 1), after: three, told: true, wrong: true},
	} {
		path := image(t, 16*mib)
		divide := func(table string) {
			if table != "" {
				tool(t, table, "sfdisk", "-q", path)
			}
		}
		divide(c.before)
		flags := []string{"--find", "--show", path}
		if c.scans {
			flags = append(flags, "--partscan")
		}
		dev := strings.TrimSpace(tool(t, "", "losetup", flags...))
		if c.told {
			tool(t, "", "partx", "--add", dev)
		}
		divide(c.after)
		d, err := disk.Open(dev, disk.Mode{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Drop(), d.Rescan()); (err != nil) != c.wrong || err != nil && !strings.Contains(err.Error(), dev) {
			t.Errorf("%s: %v", why, err)
		}
		d.Close()
		if c.told {
			tool(t, "", "partx", "--delete", dev)
		}
		tool(t, "", "losetup", "-d", dev)
	}
	if err := mustOpen(t, image(t, mib), disk.Mode{Write: true}).Rescan(); err != nil {
		t.Errorf("an image file: %v", err)
	}
}
