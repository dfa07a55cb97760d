package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// golden is the image that `make golden` makes, captured.
type golden struct {
	image   *os.File
	m       *manifest.Manifest
	hash    manifest.Hash
	encoded []byte
	names   []byte
	sink    storetest.Kept
}

func openGolden(t testing.TB) *golden {
	t.Helper()
	image, err := os.Open(filepath.Join("..", "..", "build", "golden.img"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no build/golden.img: make golden")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = image.Close() })
	info, err := image.Stat()
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{image: image}
	var names, encoded bytes.Buffer
	if g.m, _, err = capture.Run(context.Background(), capture.Options{Disk: image, Size: info.Size(), SectorSize: 512,
		Sink: &g.sink, Names: &names}); err != nil {
		t.Fatal(err)
	}
	g.m.Name, g.m.Version, g.m.Created = "golden", 1, time.Unix(0, 0).UTC()
	if g.hash, err = g.m.Encode(&encoded); err != nil {
		t.Fatal(err)
	}
	g.encoded, g.names = encoded.Bytes(), names.Bytes()
	return g
}

// file is a device that is a file.
type file struct{ *os.File }

func (f file) Flush() error { return f.Sync() }

func newFile(t testing.TB, size int64) file {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return file{f}
}

func TestARealSystemComesBackFromItsCache(t *testing.T) {
	g := openGolden(t)
	disk, part := newFile(t, 1100*mib), manifest.Partition{Start: 20 * mib, Length: 1080 * mib}
	c, err := cache.Make(disk, part, identity(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutManifest(g.hash, g.encoded, manifest.Signature{Hash: g.hash}, bytes.NewReader(g.names)); err != nil {
		t.Fatal(err)
	}
	if err := c.KeepFor(g.hash); err != nil {
		t.Fatal(err)
	}
	report, err := c.Fill(context.Background(), g.m, g.image, nil)
	if err != nil || len(report.Left) > 0 {
		t.Fatalf("Fill = %+v, %v", report, err)
	}
	if c, err = cache.Open(disk, part); err != nil {
		t.Fatal(err)
	}
	encoded, _, err := c.Manifest(g.hash)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	names, err := c.Names(g.hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.CheckNames(names, m); err != nil {
		t.Error(err)
	}
	var ids []chunk.ID
	for _, e := range m.Chunks.All() {
		ids = append(ids, e.ID)
	}
	open, n := codec(t), 0
	err = c.Fetch(context.Background(), ids, func(f chunk.Frame) error {
		got, err := open.Open(nil, f)
		if err != nil {
			return err
		}
		e := m.Chunks.At(n)
		want := make([]byte, e.Length)
		for _, p := range e.Pieces {
			if _, err := g.image.ReadAt(want[p.At:p.At+p.Length], p.Offset); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		if chunk.Of(want) == e.ID && !bytes.Equal(got, want) || chunk.Of(got) != e.ID {
			t.Fatalf("chunk %d is not what lies on the disk", n)
		}
		n++
		return nil
	})
	if err != nil || n != m.Chunks.Len() || n < 300 {
		t.Errorf("%d of %d chunks, %v", n, m.Chunks.Len(), err)
	}
}

// spent is the processor time of this process so far.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkFillAndFetch(b *testing.B) {
	g := openGolden(b)
	var ids []chunk.ID
	var content int64
	for _, e := range g.m.Chunks.All() {
		ids = append(ids, e.ID)
		content += int64(e.Length)
	}
	disk, part := newFile(b, 1100*mib), manifest.Partition{Start: 20 * mib, Length: 1080 * mib}
	var filling, fetching, opening time.Duration
	var stored int64
	turn := byte(0)
	for b.Loop() {
		turn++
		c, err := cache.Make(disk, part, identity(turn))
		if err != nil {
			b.Fatal(err)
		}
		at := spent(b)
		r, err := c.Fill(context.Background(), g.m, g.image, nil)
		if err != nil {
			b.Fatal(err)
		}
		stored = r.Stored
		filling += spent(b) - at
		at = spent(b)
		if c, err = cache.Open(disk, part); err != nil {
			b.Fatal(err)
		}
		opening += spent(b) - at
		at = spent(b)
		if err := c.Fetch(context.Background(), ids, func(chunk.Frame) error { return nil }); err != nil {
			b.Fatal(err)
		}
		fetching += spent(b) - at
	}
	perMB := func(d time.Duration) float64 { return float64(content) * float64(b.N) / 1e6 / d.Seconds() }
	b.ReportMetric(perMB(filling), "fill-MB/core-s")
	b.ReportMetric(perMB(fetching), "fetch-MB/core-s")
	b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "open-core-ms")
	b.ReportMetric(float64(content)/1e6, "MB")
	b.ReportMetric(float64(stored)/1e6, "stored-MB")
}
