package restore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
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
	parts   []part
	buf     []byte
	written atomic.Int64

	mu    sync.RWMutex // guards heads and their bytes where a carousel is at work; a reader takes it after reading
	heads []head       // by offset, without overlap
}

// add takes bytes for off. They are not copied and must not change until flushParts.
func (w *writer) add(off int64, data []byte) { w.parts = w.split(w.parts, off, data) }

// split appends what has to be written for data at off, exceptions laid over it. What falls on a head goes there.
func (w *writer) split(parts []part, off int64, data []byte) []part {
	if len(w.r.touching(off, int64(len(data)))) > 0 {
		data = slices.Clone(data)
		w.r.overlay(data, off)
	}
	return w.splitBelow(parts, off, data)
}

// splitBelow is split without exceptions.
func (w *writer) splitBelow(parts []part, off int64, data []byte) []part {
	if !w.touchesHead(off, int64(len(data))) {
		return append(parts, part{off, data})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.heads
	for first := w.firstHead(off); first < len(h) && h[first].Offset < off+int64(len(data)); first++ {
		if before := h[first].Offset - off; before > 0 {
			parts = append(parts, part{off, data[:before]})
			off, data = h[first].Offset, data[before:]
		}
		n := copy(h[first].bytes[off-h[first].Offset:], data)
		off, data = off+int64(n), data[n:]
	}
	if len(data) > 0 {
		parts = append(parts, part{off, data})
	}
	return parts
}

// firstHead returns the index of the first head that ends behind off.
func (w *writer) firstHead(off int64) int {
	return sort.Search(len(w.heads), func(i int) bool { return w.heads[i].End() > off })
}

// touchesHead tells whether n bytes at off are on a head that is broken.
func (w *writer) touchesHead(off, n int64) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	first := w.firstHead(off)
	return first < len(w.heads) && w.heads[first].Offset < off+n
}

// layHeads puts heads that are broken just now over what was read at off.
func (w *writer) layHeads(p []byte, off int64) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	h := w.heads
	for i := w.firstHead(off); i < len(h) && h[i].Offset < off+int64(len(p)); i++ {
		if h[i].Offset >= off {
			copy(p[h[i].Offset-off:], h[i].bytes)
		} else {
			copy(p, h[i].bytes[off-h[i].Offset:])
		}
	}
}

// flushParts writes what was added.
func (w *writer) flushParts(ctx context.Context) error {
	if w.buf == nil {
		w.buf = disk.Aligned(joinBytes)
	}
	err := w.writeParts(ctx, w.parts, w.buf)
	clear(w.parts)
	w.parts = w.parts[:0]
	return err
}

// writeParts writes in disk order, neighbours together, cut at multiples of joinBytes, which is the length of buf.
func (w *writer) writeParts(ctx context.Context, parts []part, buf []byte) error {
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.off, b.off) })
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
		return w.write(start, buf[:n])
	}
	for _, p := range parts {
		for len(p.data) > 0 {
			if used == 0 || p.off != start+int64(used) || p.off%joinBytes == 0 {
				if err := out(); err != nil {
					return err
				}
				start = p.off
			}
			n := copy(buf[used:], p.data[:min(int64(len(p.data)), joinBytes-p.off%joinBytes)])
			used, p.off, p.data = used+n, p.off+int64(n), p.data[n:]
		}
	}
	return out()
}

// write may be called by several goroutines. It writes once; where the disk refuses, again in small steps, so that the sector can be named.
func (w *writer) write(off int64, p []byte) error {
	w.r.dirty.Store(true)
	if _, err := w.r.t.WriteAt(p, off); err != nil {
		for done := int64(0); done < int64(len(p)); {
			n := min(retryUnit-(off+done)%retryUnit, int64(len(p))-done)
			if _, err := w.r.t.WriteAt(p[done:done+n], off+done); err != nil {
				return &WriteError{Offset: off + done, Sector: (off + done) / w.sector, Err: err}
			}
			done += n
		}
	}
	w.written.Add(int64(len(p)))
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
			pages := r.pages(i, content)
			for _, p := range e.Pieces {
				r.w.addPages(p, content, pages)
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

// pages tells which pages of entry i, which should hold content, have to be written.
func (r *run) pages(i uint32, content []byte) uint64 {
	if _, patched := r.patched[i]; patched || r.vouched == nil {
		return math.MaxUint64
	}
	if k, ok := r.vouched.(Keeper); ok {
		if differ, _, known := k.Pages(int(i)); known {
			return differ
		}
	}
	if have := r.found.pages[i]; have != nil {
		return have.Differing(content)
	}
	return math.MaxUint64
}

// addPages adds what of a piece lies on some pages of its content.
func (w *writer) addPages(p manifest.Piece, content []byte, pages uint64) {
	from, end := p.At, p.At+p.Length
	for at := from; at < end; {
		next := min((at/sweep.PageSize+1)*sweep.PageSize, end)
		if pages>>(at/sweep.PageSize)&1 == 0 {
			if from < at {
				w.add(p.Offset+int64(from-p.At), content[from:at])
			}
			from = next
		}
		at = next
	}
	if from < end {
		w.add(p.Offset+int64(from-p.At), content[from:end])
	}
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
	longest := slices.MaxFunc(fills, func(a, b manifest.Fill) int { return cmp.Compare(a.Length, b.Length) })
	step := make([]byte, min(joinBytes, longest.Length))
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
		r.w.parts = r.w.splitBelow(r.w.parts, x.Offset, x.content)
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
