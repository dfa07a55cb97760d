package restore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// compressible makes a disk of one volume whose chunks become about 2.8 times smaller, as a system's do: words of a
// small language between bytes of chance.
func compressible(b *testing.B, size int64) (*manifest.Manifest, map[chunk.ID]chunk.Frame) {
	codec, err := chunk.NewCodec(3)
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	words := make([][]byte, 4000)
	for i := range words {
		words[i] = make([]byte, 4+rnd.IntN(12))
		for k := range words[i] {
			words[i][k] = byte(rnd.Uint32())
		}
	}
	m := &manifest.Manifest{Created: time.Unix(1700000000, 0).UTC(), NameCount: 1,
		Disk:    manifest.Disk{Size: size, SectorSize: 512, Table: manifest.NoTable},
		Volumes: []manifest.Volume{{Length: size, Kind: "raw", Order: manifest.ByFile, Unit: 4096, Heads: []manifest.Extent{ext(1024, 1024)}}}}
	frames := map[chunk.ID]chunk.Frame{}
	var raw, stored int
	for off := int64(0); off < size; off += chunk.MaxSize {
		content := make([]byte, 0, chunk.MaxSize+16)
		for len(content) < chunk.MaxSize {
			if content = append(content, words[rnd.IntN(len(words))]...); rnd.IntN(4) == 0 {
				content = append(content, byte(rnd.Uint32()), byte(rnd.Uint32()))
			}
		}
		content = content[:chunk.MaxSize]
		id := chunk.Of(content)
		frames[id] = codec.Seal(id, content)
		raw, stored = raw+len(content), stored+len(frames[id].Payload)
		m.Chunks.Append(manifest.Entry{ID: id, Length: chunk.MaxSize, Index: uint32(off / chunk.MaxSize),
			Pieces: []manifest.Piece{{Length: chunk.MaxSize, Offset: off}}})
	}
	b.Logf("%d MiB, %.2f times smaller", raw>>20, float64(raw)/float64(stored))
	return m, frames
}

// inOrder is a carousel that brings chunks in the manifest's order, and measures itself alone.
type inOrder struct {
	b       *testing.B
	m       *manifest.Manifest
	frames  map[chunk.ID]chunk.Frame
	callers int
}

func (c *inOrder) Run(ctx context.Context, r restore.Receiver) error {
	next := make(chan chunk.Frame, c.callers)
	var callers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range c.callers {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for f := range next {
				if err := r.Take(ctx, f); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		}()
	}
	c.b.StartTimer()
	for _, e := range c.m.Chunks.All() {
		next <- c.frames[e.ID]
	}
	close(next)
	callers.Wait()
	c.b.StopTimer()
	return failed
}

// BenchmarkTake measures raw content from frame to file: MB/s of it, on as many cores as -cpu says.
func BenchmarkTake(b *testing.B) {
	const size = 256 * mib
	m, frames := compressible(b, size)
	for _, rotates := range []bool{false, true} {
		for _, callers := range []int{4, 16} {
			b.Run(fmt.Sprintf("rotates=%t/callers=%d", rotates, callers), func(b *testing.B) {
				b.StopTimer()
				b.SetBytes(size)
				for range b.N {
					path := filepath.Join(b.TempDir(), "disk")
					if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
						b.Fatal(err)
					}
					d, err := disk.Open(path, disk.Mode{Write: true})
					if err != nil {
						b.Fatal(err)
					}
					c := &inOrder{b: b, m: m, frames: frames, callers: callers}
					mustRun(b, restore.Options{Manifest: m, Target: d, SectorSize: 512, Carousel: c, Rotates: rotates})
					if err := errors.Join(d.Close(), os.Remove(path)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
