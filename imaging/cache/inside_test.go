package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestTheIndexFindsWhatIsThereAndCostsLittle(t *testing.T) {
	segments := make([]segment, 7)
	x := newIndex(&segments)
	random := rand.New(rand.NewPCG(1, 2))
	truth := map[key]place{}
	draw := func() key {
		var k key
		binary.LittleEndian.PutUint64(k[:], random.Uint64N(60_000)) // of which some come again
		return k
	}
	for range 100_000 {
		k := draw()
		if random.IntN(3) == 0 {
			x.remove(k)
			delete(truth, k)
			continue
		}
		s := random.IntN(len(segments))
		p := place{s, len(segments[s].entries)}
		segments[s].entries = append(segments[s].entries, entry{key: k})
		x.set(k, p)
		truth[k] = p
		if cost := 8 * len(x.slots) / max(x.used, 1); x.used > 1000 && cost > 24 {
			t.Fatalf("%d slots for %d chunks", len(x.slots), x.used)
		}
	}
	if x.used != len(truth) {
		t.Errorf("%d are counted, %d are there", x.used, len(truth))
	}
	for n := range uint64(60_000) {
		var k key
		binary.LittleEndian.PutUint64(k[:], n)
		got, ok := x.find(k)
		if want, there := truth[k]; ok != there || ok && got != want {
			t.Fatalf("key %d: %v %v, want %v %v", n, got, ok, want, there)
		}
	}
}

func memory(t *testing.T) (*Cache, *flat, manifest.Partition) {
	t.Helper()
	d := &flat{b: make([]byte, 64<<20)}
	part := manifest.Partition{Length: int64(len(d.b))}
	c, err := Make(d, part, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	return c, d, part
}

func TestASegmentThatIsForgedInAllItsHashesGivesNothingWrong(t *testing.T) {
	c, d, part := memory(t)
	right, wrong := []byte("what the master has"), []byte("what a pupil wants!")
	forged := c.codec.Seal(chunk.Of(right), wrong)
	sound := c.codec.Seal(chunk.Of(wrong), wrong)
	if err := errors.Join(c.put(forged), c.put(sound), c.Flush()); err != nil {
		t.Fatal(err)
	}
	c, err := Open(d, part)
	if err != nil {
		t.Fatal(err)
	}
	ids := []chunk.ID{sound.ID, forged.ID}
	if len(c.Missing(ids)) != 0 {
		t.Fatal("the forgery was not even taken in")
	}
	n := 0
	var damaged *ChunkError
	err = c.Fetch(t.Context(), ids, func(chunk.Frame) error { n++; return nil })
	if !errors.As(err, &damaged) || damaged.ID != forged.ID || !damaged.Damaged || n != 1 {
		t.Errorf("Fetch = %v after %d frames", err, n)
	}
	if got := c.Missing(ids); len(got) != 1 || got[0] != forged.ID {
		t.Errorf("Missing = %v", got)
	}
	if err := c.Put(c.codec.Seal(chunk.Of(right), right)); err != nil {
		t.Fatal(err)
	}
	if err := c.Fetch(t.Context(), ids, func(chunk.Frame) error { return nil }); err != nil {
		t.Errorf("after it was put anew: %v", err)
	}
}

func TestAHeadThatNamesAnotherManifestIsNone(t *testing.T) {
	c, d, part := memory(t)
	content := []byte("manifest of a pupil")
	if err := c.PutManifest(manifest.HashOf(content), content, manifest.Signature{}, nil); err != nil {
		t.Fatal(err)
	}
	h, err := c.readHead(manifest.HashOf(content))
	if err != nil {
		t.Fatal(err)
	}
	wanted := manifest.HashOf([]byte("manifest of the master"))
	for why, says := range map[string]manifest.Hash{"the head tells the truth": h.hash, "the head lies too": wanted} {
		lie := *h
		lie.hash = says
		b, err := lie.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.add(wanted, kindHead, c.codec.Seal(chunk.Of(b), b).AppendTo(nil)), c.seal()); err != nil {
			t.Fatal(err)
		}
		opened, err := Open(d, part)
		if err != nil {
			t.Fatal(err)
		}
		var none *NoManifestError
		if got, _, err := opened.Manifest(wanted); !errors.As(err, &none) {
			t.Errorf("%s: %q, %v", why, got, err)
		}
	}
}

func TestMoreManifestsThanACacheHoldsAreForgotten(t *testing.T) {
	c, d, part := memory(t)
	var first manifest.Hash
	for i := range maxHeads + 20 {
		content := bytes.Repeat([]byte{byte(i)}, 100)
		h := manifest.HashOf(content)
		if err := c.PutManifest(h, content, manifest.Signature{}, nil); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = h
			if err := c.KeepFor(h); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(c.Stats().Held) != maxHeads {
		t.Errorf("%d manifests", len(c.Stats().Held))
	}
	opened, err := Open(d, part)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Cache{c, opened} {
		if _, _, err := c.Manifest(first); err != nil || len(c.Stats().Held) > maxHeads+MaxKept {
			t.Errorf("%d manifests, the kept one: %v", len(c.Stats().Held), err)
		}
	}
}

func TestDirectoriesOfMoreFramesThanFitAreNotRead(t *testing.T) {
	n := int64(smallSegment / (entrySize + chunk.HeaderSize))
	b := make([]byte, trailerSize)
	copy(b, segmentMagic)
	copy(b[8:], []byte{7})
	binary.LittleEndian.PutUint32(b[28:], uint32(n))
	if _, state := parseTrailer(b, smallSegment, [16]byte{7}, 0); state != segmentDamaged {
		t.Errorf("state %d of a directory that says %d frames", state, n)
	}
}
