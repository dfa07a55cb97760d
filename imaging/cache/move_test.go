package cache

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// liar is a device that does something else than it is told with the writes that match.
type liar struct {
	*flat
	does func(p []byte, off int64) (done bool, err error)
}

func (d *liar) WriteAt(p []byte, off int64) (int, error) {
	if d.does != nil {
		if done, err := d.does(p, off); done || err != nil {
			return len(p), err
		}
	}
	return d.flat.WriteAt(p, off)
}

// random returns a frame whose content does not compress.
func random(c *Cache, seed uint64, n int) chunk.Frame {
	from := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(from.Uint32())
	}
	return c.codec.Seal(chunk.Of(b), b)
}

// holding returns a cache on d with a manifest and ten frames in a segment that the next one will take them from.
func holding(t *testing.T) (*Cache, *liar, manifest.Hash, []chunk.ID) {
	t.Helper()
	d := &liar{flat: &flat{b: make([]byte, 64<<20)}}
	c, err := Make(d, manifest.Partition{Length: int64(len(d.b))}, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("manifest")
	hash := manifest.HashOf(content)
	if err := c.PutManifest(hash, content, manifest.Signature{Key: "key"}, nil); err != nil {
		t.Fatal(err)
	}
	var ids []chunk.ID
	for i := range uint64(10) {
		f := random(c, i, 1000)
		ids = append(ids, f.ID)
		if err := c.put(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return c, d, hash, ids
}

// whole says what of a manifest and ids a cache does not give.
func whole(t *testing.T, why string, c *Cache, hash manifest.Hash, ids []chunk.ID) {
	t.Helper()
	if err := c.Fetch(t.Context(), ids, func(chunk.Frame) error { return nil }); err != nil {
		t.Errorf("%s: %v", why, err)
	}
	if _, _, err := c.Manifest(hash); err != nil {
		t.Errorf("%s: %v", why, err)
	}
}

func TestWhatWasMovedIsFoundWhereItWasWhenTheNewSegmentComesToNothing(t *testing.T) {
	isDirectory := func(p []byte) bool {
		return len(p) >= trailerSize && bytes.HasPrefix(p[len(p)-trailerSize:], []byte(segmentMagic))
	}
	for why, does := range map[string]func(d *liar, p []byte, off int64) (bool, error){
		"the frames cannot be written": func(_ *liar, p []byte, _ int64) (bool, error) { return false, syscall.EIO },
		"the directory cannot be written": func(_ *liar, p []byte, _ int64) (bool, error) {
			if isDirectory(p) {
				return false, syscall.EIO
			}
			return false, nil
		},
		"the directory is not written": func(_ *liar, p []byte, _ int64) (bool, error) { return isDirectory(p), nil },
		"the directory is written with an error": func(d *liar, p []byte, off int64) (bool, error) {
			if !isDirectory(p) {
				return false, nil
			}
			p = bytes.Clone(p)
			p[40] ^= 1
			_, err := d.flat.WriteAt(p, off)
			return true, err
		},
	} {
		c, d, hash, ids := holding(t)
		free := len(c.free)
		if err := c.put(random(c, 99, 1000)); err != nil {
			t.Fatal(err)
		}
		if len(c.moved) != 12 {
			t.Fatalf("%s: %d frames were moved", why, len(c.moved))
		}
		d.does = func(p []byte, off int64) (bool, error) { return does(d, p, off) }
		if err := c.Flush(); err == nil {
			t.Errorf("%s: Flush says nothing", why)
		}
		d.does = nil
		opened, err := Open(d, manifest.Partition{Length: int64(len(d.b))})
		if err != nil {
			t.Fatal(err)
		}
		whole(t, why, c, hash, ids)
		whole(t, why+", opened", opened, hash, ids)
		// And on, in another segment.
		if err := errors.Join(c.put(random(c, 99, 1000)), c.Flush()); err != nil || len(c.free) != free-1 {
			t.Errorf("%s: going on: %v, %d segments free of %d", why, err, len(c.free), free)
		}
		if opened, err = Open(d, manifest.Partition{Length: int64(len(d.b))}); err != nil {
			t.Fatal(err)
		}
		whole(t, why+", gone on", opened, hash, append(ids, random(c, 99, 1000).ID))
	}
}

func TestASegmentOfMoreThanFitsIsNotWritten(t *testing.T) {
	c, d, hash, ids := holding(t)
	if err := c.put(random(c, 99, 1000)); err != nil {
		t.Fatal(err)
	}
	stored := random(c, 100, 200_000).AppendTo(nil)
	for c.fits(len(stored)) {
		c.append([32]byte{1, byte(len(c.list))}, kindChunk, stored)
	}
	c.append([32]byte{1, 255}, kindChunk, stored)
	before := bytes.Clone(d.b)
	if err := c.Flush(); err == nil {
		t.Error("frames and directory that overlap are written")
	}
	if !bytes.Equal(before, d.b) {
		t.Error("something was written")
	}
	whole(t, "not written", c, hash, ids)
}

func TestASegmentOfTinyFramesIsMovedOnlyWhereThatGains(t *testing.T) {
	c, _, _ := memory(t)
	c.free = c.free[:1] // the last one that is left
	entries := func(n int) []entry {
		list := make([]entry, n)
		for i := range list {
			list[i] = entry{word: 100 | flagPinned, offset: uint32(100 * i)}
		}
		return list
	}
	most := int(c.whole / (100 + entrySize))
	c.segments[3] = segment{sequence: 1, entries: entries(most * 15 / 16)}
	c.segments[4] = segment{sequence: 2, entries: entries(most * 14 / 16)}
	var full *FullError
	if err := c.clean(); !errors.As(err, &full) || c.current >= 0 || len(c.free) != 1 {
		t.Errorf("clean = %v, segment %d", err, c.current)
	}
	c.segments[4].entries = entries(most*14/16 - 100)
	c.buffer = make([]byte, 0, c.whole)
	if err := c.clean(); err != nil || len(c.drained) != 1 || c.drained[0] != 4 {
		t.Errorf("clean = %v, drained %v", err, c.drained)
	}
}
