package cache

import (
	"bytes"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// end is bytes at the end of something larger.
type end struct {
	size int64
	tail []byte
}

func (e end) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for i := range p {
		if at := off + int64(i) - (e.size - int64(len(e.tail))); at >= 0 && at < int64(len(e.tail)) {
			p[i] = e.tail[at]
		}
	}
	return len(p), nil
}

func FuzzSuperblock(f *testing.F) {
	s := super{segment: largeSegment, identity: [16]byte{1}, sequence: 9, kept: []manifest.Hash{{1}, {2}}}
	f.Add(s.encode())
	f.Add(make([]byte, block))
	f.Add((&super{segment: smallSegment, sequence: 1}).encode()[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		got, why := parseSuper(b)
		if (got == nil) == (why == "") {
			t.Fatalf("%v and %q", got, why)
		}
		if got != nil && (len(got.kept) > MaxKept || got.sequence > maxSequence || got.segment%block != 0) {
			t.Fatalf("%+v", got)
		}
	})
}

func FuzzDirectory(f *testing.F) {
	identity := [16]byte{7}
	list := []listed{{id: [32]byte{1}, offset: 0, size: 100}, {id: [32]byte{2}, offset: 100, size: 57, kind: kindHead}}
	whole := encodeDirectory(list, identity, 3, 5, 157)
	f.Add(whole, true)
	f.Add(whole[len(whole)-trailerSize:], false)
	// Lengths that lie, with a hash that does not: what somebody with root's rights would write.
	for _, spoil := range []func(l []listed){
		func(l []listed) { l[1].offset = 50 }, func(l []listed) { l[1].size = 1 << 31 },
		func(l []listed) { l[0].size = 3 }, func(l []listed) { l[1].kind = 9 },
	} {
		l := append([]listed(nil), list...)
		spoil(l)
		f.Add(encodeDirectory(l, identity, 3, 5, 157), false)
	}
	many := make([]listed, 5000)
	for i := range many {
		many[i] = listed{id: [32]byte{byte(i), byte(i >> 8)}, offset: uint32(i * 60), size: 60}
	}
	f.Add(encodeDirectory(many, identity, 3, 1<<63, 300_000), false)
	f.Add(encodeDirectory(many, identity, 3, 1, 300_000), true)
	f.Fuzz(func(t *testing.T, tail []byte, sound bool) {
		d, state, err := readDirectory(end{smallSegment, tail}, 0, smallSegment, identity, 3)
		if err != nil {
			t.Fatal(err)
		}
		if state != segmentWhole {
			return
		}
		before := int64(0)
		for _, e := range d.list {
			if int64(e.offset) < before || int64(e.offset)+int64(e.size) > d.end || d.end > smallSegment || e.size > chunk.MaxFrameSize {
				t.Fatalf("%+v in %d bytes", e, d.end)
			}
			before = int64(e.offset) + int64(e.size)
		}
		if again := encodeDirectory(d.list, identity, 3, d.sequence, d.end); !bytes.Equal(again, tail[len(tail)-len(again):]) && sound {
			t.Fatal("a directory that was read is written otherwise")
		}
	})
}

func FuzzHead(f *testing.F) {
	h := &head{hash: manifest.Hash{1}, encoded: 300_000, names: 5, pieces: make([]chunk.ID, 2), nameIDs: make([]chunk.ID, 1)}
	b, err := h.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:70])
	f.Add(bytes.Repeat([]byte{255}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > chunk.MaxSize {
			return
		}
		if h, ok := parseHead(b); ok && (h.encoded > maxManifest || int64(len(h.pieces))*chunk.MaxSize < h.encoded) {
			t.Fatalf("%d bytes in %d pieces", h.encoded, len(h.pieces))
		}
	})
}

// FuzzOpen puts rubbish behind a sound superblock.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("rubbish"), uint32(segmentsAt))
	f.Add(encodeDirectory([]listed{{id: [32]byte{1}, size: 57}}, [16]byte{1}, 0, 1, 57), uint32(segmentsAt+smallSegment-block))
	f.Add((&super{segment: smallSegment, identity: [16]byte{1}, sequence: 2}).encode(), uint32(superStep))
	f.Fuzz(func(t *testing.T, rubbish []byte, at uint32) {
		d := &flat{b: make([]byte, segmentsAt+2*smallSegment)}
		copy(d.b, (&super{segment: smallSegment, identity: [16]byte{1}, sequence: 1}).encode())
		if int(at) < len(d.b) {
			copy(d.b[at:], rubbish)
		}
		c, err := Open(d, manifest.Partition{Length: int64(len(d.b))})
		if err != nil {
			return
		}
		for h := range c.heads {
			if _, _, err := c.Manifest(h); err == nil && !bytes.Contains(d.b, h[:]) {
				t.Fatal("a manifest from nowhere")
			}
		}
		content := []byte("content")
		seal := c.codec.Seal(chunk.Of(content), content)
		if err := c.Put(seal); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := c.Fetch(t.Context(), []chunk.ID{seal.ID}, func(chunk.Frame) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}

// flat is a device in memory.
type flat struct{ b []byte }

func (d *flat) ReadAt(p []byte, off int64) (int, error)  { return copy(p, d.b[off:]), nil }
func (d *flat) WriteAt(p []byte, off int64) (int, error) { return copy(d.b[off:], p), nil }
func (d *flat) Flush() error                             { return nil }
