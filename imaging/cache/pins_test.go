package cache

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// counting is a device that counts what is read.
type counting struct {
	*flat
	reads atomic.Int64
}

func (d *counting) ReadAt(p []byte, off int64) (int, error) {
	d.reads.Add(1)
	return d.flat.ReadAt(p, off)
}

// kept returns a cache on d that is kept for a version of the frames of 1000 bytes with these seeds.
func kept(t *testing.T, d Device, seeds ...uint64) (*Cache, manifest.Hash, []byte) {
	t.Helper()
	c, err := Make(d, manifest.Partition{Length: 64 << 20}, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest.Manifest{Name: "m", Version: 1, Created: time.Unix(0, 0).UTC(), NameCount: 1,
		Disk: manifest.Disk{Size: 64 << 20, SectorSize: 512, Table: manifest.NoTable}}
	for i, seed := range seeds {
		m.Chunks.Append(manifest.Entry{ID: random(c, seed, 1000).ID, Length: 1000, Index: uint32(i),
			Pieces: []manifest.Piece{{Length: 1000, Offset: 1<<20 + int64(i)*1000}}})
	}
	m.Volumes = []manifest.Volume{{Length: 64 << 20, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: int64(len(seeds)) * 1000}}
	var b bytes.Buffer
	hash, err := m.Encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.PutManifest(hash, b.Bytes(), manifest.Signature{}, nil), c.KeepFor(hash)); err != nil {
		t.Fatal(err)
	}
	return c, hash, b.Bytes()
}

// isPinned tells whether the frame of a seed is marked.
func isPinned(t *testing.T, c *Cache, seed uint64) bool {
	t.Helper()
	id := random(c, seed, 1000).ID
	p, ok := c.index.find(key(id[:16]))
	if !ok {
		t.Fatalf("frame %d is not there", seed)
	}
	return c.segments[p.segment].entries[p.entry].is(flagPinned)
}

func TestWhatIsKeptIsReadFromItsManifestOnce(t *testing.T) {
	d := &counting{flat: &flat{b: make([]byte, 64<<20)}}
	c, hash, encoded := kept(t, d, 0, 1, 2, 3)
	put := func(seeds ...uint64) {
		t.Helper()
		for _, seed := range seeds {
			if err := c.put(random(c, seed, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, seed := range seeds {
			if !isPinned(t, c, seed) {
				t.Errorf("frame %d has just come and may make room", seed)
			}
		}
	}
	figure := func(again bool) {
		t.Helper()
		before := d.reads.Load()
		c.pins.known = false // as where nothing is found that may go
		c.figurePins()
		if read := d.reads.Load() > before; read == again {
			t.Errorf("manifests were read: %v", read)
		}
		for seed := range uint64(100) {
			id := random(c, seed, 1000).ID
			if c.has(id) && isPinned(t, c, seed) != (seed < 4) {
				t.Errorf("frame %d is kept: %v", seed, seed >= 4)
			}
		}
		if p := c.heads[hash]; !c.segments[p.segment].entries[p.entry].is(flagPinned) {
			t.Error("the head is not kept")
		}
		id := chunk.Of(encoded)
		if p, ok := c.index.find(key(id[:16])); !ok || !c.segments[p.segment].entries[p.entry].is(flagPinned) {
			t.Error("the manifest is not kept")
		}
	}
	put(0, 10)
	figure(false)
	figure(true)
	put(1, 11)
	figure(true)
	put(2, 12, 13)
	figure(true)
	// A manifest comes: it may be one that could not be read before.
	other := []byte("another manifest")
	if err := c.PutManifest(manifest.HashOf(other), other, manifest.Signature{}, nil); err != nil {
		t.Fatal(err)
	}
	figure(false)
	if err := c.PutManifest(hash, encoded, manifest.Signature{}, nil); err != nil {
		t.Fatal(err)
	}
	figure(false)
	put(3, 14)
	figure(true)
	if err := c.KeepFor(); err != nil {
		t.Fatal(err)
	}
	c.figurePins()
	if isPinned(t, c, 0) {
		t.Error("a frame of a version that is not kept any more is kept")
	}
}

func TestOfMoreThanIsRememberedAllIsKept(t *testing.T) {
	c, _, _ := kept(t, &flat{b: make([]byte, 64<<20)}, 0, 1, 2, 3)
	if err := errors.Join(c.put(random(c, 50, 1000)), c.Flush()); err != nil {
		t.Fatal(err)
	}
	c.most = 2
	c.figurePins()
	if !isPinned(t, c, 50) || c.pins.needed != nil {
		t.Errorf("what is kept is not known, and something may go; %d are remembered", len(c.pins.needed))
	}
}
