package wipe

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
	"github.com/ardoise/ardoise/imaging/job"
)

// loop makes a block device of size bytes that a pupil has used. It needs root.
func loop(t *testing.T) (dev, image string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(image, used().b, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("losetup", "--find", "--show", image)
	c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v\n%s", err, out)
	}
	dev = strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", dev).CombinedOutput(); err != nil {
			t.Errorf("losetup -d: %v\n%s", err, out)
		}
	})
	return dev, image
}

func openLoop(t *testing.T, dev string) *disk.Disk {
	t.Helper()
	d, err := disk.Open(dev, disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestABlockDeviceIsOverwrittenAndReadBack(t *testing.T) {
	dev, image := loop(t)
	drive, done, err := Open(job.Disk{Path: dev, Bus: "other"})
	if drive != nil || err != nil || done() != nil {
		t.Fatalf("%v, %v", drive, err)
	}
	// A loop device that says that it is another kind of disk has no commands.
	if d, done, err := Open(job.Disk{Path: dev, Bus: "sata"}); err == nil {
		if _, err := d.Look(); err == nil {
			t.Error("a loop device has an identity")
		}
		_ = done()
	}
	if _, _, err := Open(job.Disk{Path: dev, Bus: "nvme"}); err == nil {
		t.Error("a loop device is a namespace")
	}
	d := openLoop(t, dev)
	p, err := Run(t.Context(), real(d, dev))
	if err != nil || p.Verified != size || p.Method != job.WipeOverwrite {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(image)
	if err != nil || residue(b) >= 0 {
		t.Errorf("byte %d of the image is not zero, %v", residue(b), err)
	}
}

func real(target Target, dev string) Options {
	c := &clock{}
	return Options{Target: target, Disk: job.Disk{Path: dev}, Begin: begun, Random: rand.NewChaCha8([32]byte{5}), Now: c.read, Sleep: c.sleep}
}

// faulty is a real disk with a place that does not do what it says.
type faulty struct {
	*disk.Disk
	drop, dying func(off int64, n int) bool
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if f.dying != nil && f.dying(off, len(p)) {
		return 0, errIO
	}
	if f.drop != nil && f.drop(off, len(p)) {
		return len(p), nil
	}
	return f.Disk.WriteAt(p, off)
}

func TestABlockDeviceThatDropsAWriteOrDies(t *testing.T) {
	dev, _ := loop(t)
	d := openLoop(t, dev)
	at := int64(9*mib + 5*block)
	f := &faulty{Disk: d, drop: spot(at)}
	_, err := Run(t.Context(), real(f, dev))
	var residual *ResidueError
	if !errors.As(err, &residual) || residual.Offset < 8*mib || residual.Offset > 12*mib {
		t.Errorf("a dropped write: %v", err)
	}
	f = &faulty{Disk: d, dying: spot(at)}
	_, err = Run(t.Context(), real(f, dev))
	var unwritten *UnwrittenError
	if !errors.As(err, &unwritten) || unwritten.Offset != at || unwritten.Count != 1 {
		t.Errorf("a dying sector: %v", err)
	}
	b := make([]byte, block)
	if _, err := d.ReadAt(b, at); err != nil || !bytes.Equal(b, used().b[at:at+block]) {
		t.Errorf("the place that took no zeros: %v", err)
	}
}
