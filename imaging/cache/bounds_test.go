package cache

import (
	"errors"
	"runtime"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// crowd writes directories of as many of the smallest frames, one a segment, and nothing where they should be.
func crowd(t *testing.T, d *flat, c *Cache, counts ...int) {
	t.Helper()
	for i, n := range counts {
		list := make([]listed, n)
		for k := range list {
			list[k] = listed{id: [32]byte{byte(i), byte(k), byte(k >> 8)}, offset: uint32(k * 57), size: 57}
		}
		b := encodeDirectory(list, c.super.identity, i, uint64(i+1), int64(n*57))
		if _, err := d.WriteAt(b, c.offset(i)+c.whole-int64(len(b))); err != nil {
			t.Fatal(err)
		}
	}
}

func counted(c *Cache) (n int) {
	for i := range c.segments {
		n += len(c.segments[i].entries)
	}
	return n
}

func TestMoreFramesThanMemoryIsMeantForAreDamagedSegments(t *testing.T) {
	c, d, part := memory(t)
	crowd(t, d, c, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10)
	c, err := open(d, part, 45_000-mostFrames(smallSegment))
	if err != nil {
		t.Fatal(err)
	}
	if c.damaged != 2 || c.entries < 40_000 || c.entries > 40_010 || c.entries != counted(c) {
		t.Errorf("%d segments are damaged, %d entries, %d counted", c.damaged, counted(c), c.entries)
	}
	if len(c.segments[6].entries) != 10 {
		t.Error("a segment that fits is not taken")
	}
}

func TestWhatIsPutStaysWithinWhatOpenTakes(t *testing.T) {
	c, d, part := memory(t)
	crowd(t, d, c, 20_000, 20_000, 20_000) // more than half full: none is taken into the next one
	c, err := open(d, part, 50_000+mostFrames(smallSegment))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.put(random(c, 1, 1000)); err != nil {
		t.Fatal(err)
	}
	gone := c.Missing([]chunk.ID{{0}, {1}, {2}})
	if c.entries != 40_001 || c.entries != counted(c) || len(gone) != 1 || gone[0] != (chunk.ID{0}) {
		t.Errorf("%d entries, %d counted; %v have gone, it should be the oldest", counted(c), c.entries, gone)
	}
	c.most = c.entries + 1
	var full *FullError
	if err := c.put(random(c, 2, 1000)); err != nil {
		t.Error(err)
	}
	if err := c.put(random(c, 3, 1000)); !errors.As(err, &full) {
		t.Errorf("one more than there may be: %v", err)
	}
}

func TestAHeadThatNamesOnePieceOftenCostsNoMemory(t *testing.T) {
	c, _, _ := memory(t)
	piece := make([]byte, chunk.MaxSize)
	hash := manifest.HashOf([]byte("manifest of the master"))
	h := &head{hash: hash, encoded: maxManifest}
	for range maxManifest / chunk.MaxSize {
		h.pieces = append(h.pieces, chunk.Of(piece))
	}
	b, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.put(c.codec.Seal(chunk.Of(piece), piece)),
		c.add(hash, kindHead, c.codec.Seal(chunk.Of(b), b).AppendTo(nil)), c.seal()); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var none *NoManifestError
	if _, _, err := c.Manifest(hash); !errors.As(err, &none) {
		t.Errorf("Manifest = %v", err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d MiB were taken for a manifest that is none", took>>20)
	}
}
