package quick_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

// memory is a disk of bytes.
type memory struct{ b []byte }

func (d *memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(d.b)) {
		return 0, io.EOF
	}
	n := copy(p, d.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(d.b)) {
		return 0, io.ErrShortWrite
	}
	return copy(d.b[off:], p), nil
}

func (d *memory) Flush() error { return nil }
func (d *memory) Drop() error  { return nil }
func (d *memory) Size() int64  { return int64(len(d.b)) }

// fuzzed gives Look a master's disk with some bytes changed in two places. With a sample of everything, a reset must
// always end in the master: what was changed is found by the records, by the sample, or raises a doubt.
func fuzzed(f *testing.F, m *master) {
	whole, err := os.ReadFile(m.path)
	must(f, err)
	f.Fuzz(func(t *testing.T, one uint32, a []byte, two uint32, b []byte) {
		d := &memory{bytes.Clone(whole)}
		copy(d.b[int(one)%len(d.b):], a)
		copy(d.b[int(two)%len(d.b):], b)
		v, err := quick.Look(context.Background(), quick.Options{Disk: d, Manifest: m.m, Source: m.frames, Draw: always,
			Names: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.names)), nil }})
		must(t, err)
		o := restore.Options{Manifest: m.m, Target: d, SectorSize: 512, Source: m.frames, Vouched: v, Workers: 1}
		r, err := restore.Run(context.Background(), o)
		if err != nil || !r.Proven {
			t.Fatalf("reset: %v", err)
		}
		diff, _, err := restore.Verify(context.Background(), o)
		must(t, err)
		if !diff.None() {
			t.Errorf("after a reset by %q: %s", v.Doubt, diff.Summary())
		}
	})
}

func FuzzLookAtExt(f *testing.F) {
	path := filepath.Join(f.TempDir(), "master.img")
	must(f, os.WriteFile(path, nil, 0o600), os.Truncate(path, 4*mib))
	tool(f, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-N", "256", "-J", "size=1", path)
	mountedExt(f, path, func(dir string) {
		for i := range 40 {
			write(f, filepath.Join(dir, "a", fmt.Sprint(i)), noise(uint64(i), 200*i))
		}
		one, err := os.Create(filepath.Join(dir, "pieces"))
		must(f, err)
		for i := range int64(60) {
			_, err := one.WriteAt(noise(uint64(200+i), 1024), i*4096)
			must(f, err)
		}
		must(f, one.Close())
	})
	f.Add(uint32(1024+0x3a), []byte{2}, uint32(0), []byte{})
	f.Add(uint32(2048), []byte{9, 9}, uint32(3*mib), []byte("x"))
	for at := uint32(0); at < uint32(4*mib); at += 1024 * 61 {
		f.Add(at, []byte{0xff, 0, 0xff}, at*7+300, []byte{1})
	}
	fuzzed(f, captured(f, path))
}

func FuzzLookAtNTFS(f *testing.F) {
	path := filepath.Join(f.TempDir(), "master.img")
	must(f, os.WriteFile(path, nil, 0o600), os.Truncate(path, 6*mib))
	tool(f, "mkntfs", "-q", "-Q", "-F", path)
	mountedNTFS(f, path, func(dir string) {
		for i := range 40 {
			write(f, filepath.Join(dir, "a", fmt.Sprint(i)), noise(uint64(i), 300*i))
		}
	})
	disk, err := os.Open(path)
	must(f, err)
	defer disk.Close()
	v, err := ntfs.Open(disk, 6*mib)
	must(f, err)
	table := uint32(v.Table()[0].LCN * v.Cluster)
	for _, record := range []uint32{0, 1, 2, 3, 5, 6, 8, 26, 64, 70, 100} {
		for _, at := range []uint32{0, 6, 0x14, 0x16, 0x18, 0x20, 0x38, 0x100, 0x1fe} {
			f.Add(table+record*1024+at, []byte{0x7f, 3}, record*5000, []byte{1})
		}
	}
	f.Add(uint32(0x28), []byte{1}, uint32(0x40), []byte{0xf5})
	fuzzed(f, captured(f, path))
}
