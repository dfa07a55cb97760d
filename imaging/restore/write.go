package restore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	joinBytes = 4 << 20 // largest write
	retryUnit = 4 << 10 // a write that fails is tried again in these steps, to name the sector
)

// part is bytes and their place, waiting to be written.
type part struct {
	off  int64
	data []byte
}

// head is a place whose bytes wait in memory until all else is on the disk. While it is broken the disk has zeros there.
type head struct {
	manifest.Extent
	bytes  []byte
	volume int  // index into Manifest.Volumes; -1: the place of a table
	tail   bool // not the first sector of its head: a drive writes sectors whole, but not all of them at once
}

// writer brings bytes to the disk: exceptions laid over them, heads held back, neighbours joined.
type writer struct {
	r       *run
	sector  int64
	heads   []head // by offset, without overlap
	parts   []part
	buf     []byte
	written int64
}

// add takes bytes for off. They are not copied and must not change until flushParts.
func (w *writer) add(off int64, data []byte) {
	if len(w.r.touching(off, int64(len(data)))) > 0 {
		data = slices.Clone(data)
		w.r.overlay(data, off)
	}
	w.addBelow(off, data)
}

// addBelow is add without exceptions: what falls on a head goes there instead of to the disk.
func (w *writer) addBelow(off int64, data []byte) {
	h := w.heads
	first := sort.Search(len(h), func(i int) bool { return h[i].End() > off })
	for ; first < len(h) && h[first].Offset < off+int64(len(data)); first++ {
		if before := h[first].Offset - off; before > 0 {
			w.parts = append(w.parts, part{off, data[:before]})
			off, data = h[first].Offset, data[before:]
		}
		n := copy(h[first].bytes[off-h[first].Offset:], data)
		off, data = off+int64(n), data[n:]
	}
	if len(data) > 0 {
		w.parts = append(w.parts, part{off, data})
	}
}

// touchesHead tells whether n bytes at off are on a head that is broken.
func (w *writer) touchesHead(off, n int64) bool {
	h := w.heads
	first := sort.Search(len(h), func(i int) bool { return h[i].End() > off })
	return first < len(h) && h[first].Offset < off+n
}

// flushParts writes what was added, in disk order, neighbours together, cut at multiples of joinBytes.
func (w *writer) flushParts(ctx context.Context) error {
	slices.SortFunc(w.parts, func(a, b part) int { return cmp.Compare(a.off, b.off) })
	if w.buf == nil {
		w.buf = disk.Aligned(joinBytes)
	}
	used, start := 0, int64(0)
	out := func() error {
		if used == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n := used
		used = 0
		return w.write(start, w.buf[:n])
	}
	for _, p := range w.parts {
		for len(p.data) > 0 {
			if used == 0 || p.off != start+int64(used) || p.off%joinBytes == 0 {
				if err := out(); err != nil {
					return err
				}
				start = p.off
			}
			n := copy(w.buf[used:], p.data[:min(int64(len(p.data)), joinBytes-p.off%joinBytes)])
			used, p.off, p.data = used+n, p.off+int64(n), p.data[n:]
		}
	}
	clear(w.parts)
	w.parts = w.parts[:0]
	return out()
}

// write writes once; where the disk refuses, again in small steps, so that the sector can be named.
func (w *writer) write(off int64, p []byte) error {
	w.r.dirty = true
	if _, err := w.r.t.WriteAt(p, off); err != nil {
		for done := int64(0); done < int64(len(p)); {
			n := min(retryUnit-(off+done)%retryUnit, int64(len(p))-done)
			if _, err := w.r.t.WriteAt(p[done:done+n], off+done); err != nil {
				return &WriteError{Offset: off + done, Sector: (off + done) / w.sector, Err: err}
			}
			done += n
		}
	}
	w.written += int64(len(p))
	return nil
}

func (w *writer) flush() error {
	if err := w.r.t.Flush(); err != nil {
		return fmt.Errorf("flushing the disk: %w", err)
	}
	return nil
}

// writeLoaded writes a batch. Contents of the same group go to all their places.
func (r *run) writeLoaded(ctx context.Context, l loaded) error {
	var done int64
	for k, g := range l.groups {
		content := l.contents[k]
		for _, i := range append([]uint32{g.first}, g.more...) {
			e := r.m.Chunks.At(int(i))
			if len(content) != int(e.Length) {
				return lengthError(e.ID, len(content), int(e.Length))
			}
			for _, p := range e.Pieces {
				r.w.add(p.Offset, content[p.At:p.At+p.Length])
				done += int64(p.Length)
			}
		}
	}
	if err := r.w.flushParts(ctx); err != nil {
		return err
	}
	r.advance(done)
	return nil
}

// isMeta tells whether an entry belongs to the stream of a volume's metadata.
func (r *run) isMeta(e manifest.Entry) bool {
	v := r.volumeOf(e.Pieces[0].Offset)
	return v >= 0 && r.m.Volumes[v].Meta == e.Stream
}

// writeData writes the chunks of files, then the fills.
func (r *run) writeData(ctx context.Context, f *findings) error {
	entries := r.entriesOf(f, false)
	if err := r.setPhase(ctx, PhaseData, entries, f.fills); err != nil {
		return err
	}
	if err := r.writeEntries(ctx, entries, f.differs); err != nil {
		return err
	}
	return r.writeFills(ctx, f.fills)
}

// writeFills writes what differs of the fills: neighbours with one value together.
func (r *run) writeFills(ctx context.Context, fills []manifest.Fill) error {
	if len(fills) == 0 {
		return nil
	}
	step := make([]byte, joinBytes)
	value, waiting := byte(0), int64(0)
	out := func() error {
		if err := r.w.flushParts(ctx); err != nil {
			return err
		}
		r.advance(waiting)
		waiting = 0
		return nil
	}
	for _, x := range fills {
		if x.Byte != value {
			if err := out(); err != nil {
				return err
			}
			for i := range step {
				step[i] = x.Byte
			}
			value = x.Byte
		}
		for at := x.Offset; at < x.End(); {
			n := min(int64(len(step)), x.End()-at)
			r.w.add(at, step[:n])
			at, waiting = at+n, waiting+n
			if waiting < fetchBytes {
				continue
			}
			if err := out(); err != nil {
				return err
			}
		}
	}
	return out()
}

// writeMetadata writes the chunks of metadata and all else, and then the exceptions that lie in no chunk.
func (r *run) writeMetadata(ctx context.Context, f *findings) error {
	entries := r.entriesOf(f, true)
	if err := r.setPhase(ctx, PhaseMetadata, entries, nil); err != nil {
		return err
	}
	// The data chunks are on the disk by now: what metadata shares with them need not be fetched again.
	pending := func(i uint32) bool {
		e := r.m.Chunks.At(int(i))
		return f.differs(i) && len(e.Pieces) > 0 && r.isMeta(e)
	}
	if err := r.writeEntries(ctx, entries, pending); err != nil {
		return err
	}
	for _, i := range f.exceptions {
		x := r.exceptions[i]
		r.w.addBelow(x.Offset, x.content)
	}
	if err := r.w.flushParts(ctx); err != nil {
		return err
	}
	return r.w.flush()
}

// entriesOf returns the entries that differ and are (not) metadata, in disk order.
func (r *run) entriesOf(f *findings, meta bool) []uint32 {
	var out []uint32
	for i := range f.changed(r) {
		if r.isMeta(r.m.Chunks.At(int(i))) == meta {
			out = append(out, i)
		}
	}
	return out
}

func (r *run) setPhase(ctx context.Context, phase string, entries []uint32, fills []manifest.Fill) error {
	if err := r.setMarks(ctx, phase); err != nil {
		return err
	}
	var total int64
	for _, i := range entries {
		for _, p := range r.m.Chunks.At(int(i)).Pieces {
			total += int64(p.Length)
		}
	}
	for _, x := range fills {
		total += x.Length
	}
	r.begin(phase, total)
	return nil
}
