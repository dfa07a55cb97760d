package restore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	fillAtOnce = 1 << 20  // of a fill, or of neighbours, read at once
	bridge     = 16 << 10 // a gap between fills up to this is read through rather than sought over
	fillStep   = 64 << 10 // a fill is compared and rewritten in these steps
	readUnit   = 4 << 10  // what a page holds
)

// findings is what a scan found to differ.
type findings struct {
	entries     []uint64 // bit i: entry i differs
	count       int      // of entries that differ
	unreadable  map[uint32]bool
	fills       []manifest.Fill // parts that differ
	exceptions  []int           // indexes into run.exceptions that differ
	unproven    []uint32        // entries with exceptions that could not be judged
	table       string          // why the table differs
	makeArdoise bool
}

func (f *findings) differs(i uint32) bool { return f.entries[i/64]>>(i%64)&1 == 1 }

// changed walks the entries that differ, in disk order.
func (f *findings) changed(r *run) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range uint32(r.m.Chunks.Len()) {
			if f.differs(i) && !yield(i) {
				return
			}
		}
	}
}

func (f *findings) nothing() bool {
	return f.count == 0 && len(f.fills) == 0 && len(f.exceptions) == 0 && f.table == "" && !f.makeArdoise &&
		len(f.unproven) == 0
}

// scope is what a scan reads besides exceptions and the table.
type scope struct {
	skip  func(uint32) bool // entries that it passes over
	fills []manifest.Fill
}

// everything is all that nobody vouches for.
func (r *run) everything() scope { return scope{r.passes, r.fillsToRead()} }

// scan reads the disk past the cache and compares it with the manifest.
func (r *run) scan(ctx context.Context, phase string, s scope) (*findings, error) {
	if err := r.t.Drop(); err != nil {
		return nil, fmt.Errorf("dropping the cache: %w", err)
	}
	f := r.noFindings()
	r.begin(phase, r.total(s))
	r.takeRead(f)
	// Reads are waited for: one worker more than may run at once keeps the cores at work.
	err := r.sweep(ctx, r.o.workers()+1, s.skip, func(h *hasher, b *sweep.Batch) int64 { return h.note(b, f) })
	if err != nil {
		return nil, err
	}
	if err := r.scanFills(ctx, f, s.fills); err != nil {
		return nil, err
	}
	r.scanRest(f)
	return f, nil
}

// scanRest compares exceptions and the table.
func (r *run) scanRest(f *findings) {
	for i, x := range r.exceptions {
		have := make([]byte, x.Length)
		if _, err := r.read(have, x.Offset); err != nil || !bytes.Equal(have, x.content) {
			f.exceptions = append(f.exceptions, i)
		}
	}
	if ok, why := r.plan.Holds(r.t); !ok {
		f.table = why
	}
}

func (r *run) noFindings() *findings {
	return &findings{entries: make([]uint64, (r.m.Chunks.Len()+63)/64), unreadable: map[uint32]bool{}}
}

// total returns the bytes that a scan reads.
func (r *run) total(s scope) int64 {
	var total int64
	for i, e := range r.m.Chunks.All() {
		if !s.skip(uint32(i)) {
			total += onDisk(e)
		}
	}
	for _, x := range s.fills {
		total += x.Length
	}
	return total
}

// sweep reads, in disk order, what skip does not pass over. One at a time notes what was judged and says how far that
// advances the phase.
func (r *run) sweep(ctx context.Context, workers int, skip func(uint32) bool, note func(*hasher, *sweep.Batch) int64) error {
	var mu sync.Mutex
	return r.disk.Sweep(ctx, workers, skip, func() func(*sweep.Batch) error {
		h := r.newHasher()
		return func(b *sweep.Batch) error {
			h.judge(b)
			mu.Lock()
			defer mu.Unlock()
			r.advance(note(h, b))
			return nil
		}
	})
}

// read fills p or says why not. Heads that are broken just now read as what they will be.
func (r *run) read(p []byte, off int64) (int, error) {
	n, err := r.t.ReadAt(p, off)
	r.readBytes.Add(int64(n))
	if n == len(p) {
		r.w.layHeads(p, off)
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// fill is read, for a sweep.
func (r *run) fill(p []byte, off int64) error {
	_, err := r.read(p, off)
	return err
}

// hasher judges entries: one per worker.
type hasher struct {
	r          *run
	into       []byte // for a content in several pieces
	wrong      []uint32
	unreadable []uint32
}

func (r *run) newHasher() *hasher { return &hasher{r: r, into: make([]byte, chunk.MaxSize)} }

// judge hashes the entries of b.
func (h *hasher) judge(b *sweep.Batch) {
	h.wrong, h.unreadable = h.wrong[:0], h.unreadable[:0]
	for k := range b.Found {
		f := &b.Found[k]
		switch {
		case f.Unread:
			h.wrong, h.unreadable = append(h.wrong, f.Index), append(h.unreadable, f.Index)
		case f.ID() != h.r.expected(f.Index, f.Entry.ID):
			h.wrong = append(h.wrong, f.Index)
			h.r.keepFound(f, h.into)
		}
	}
}

// note enters what was judged into f and returns the bytes that were.
func (h *hasher) note(b *sweep.Batch, f *findings) int64 {
	for _, i := range h.wrong {
		if _, patched := h.r.patched[i]; patched && h.r.o.Source == nil {
			f.unproven = append(f.unproven, i)
			continue
		}
		f.entries[i/64] |= 1 << (i % 64)
		f.count++
	}
	for _, i := range h.unreadable {
		f.unreadable[i] = true
	}
	return b.Bytes
}

// scanFills compares the fills, and keeps the parts that differ. Files of zeros make many small ones: neighbours are
// read together.
func (r *run) scanFills(ctx context.Context, f *findings, all []manifest.Fill) error {
	if len(all) == 0 {
		return nil
	}
	c := fillCheck{r: r, left: all}
	before := r.readBytes.Load()
	var working sync.WaitGroup
	for range r.o.workers() {
		working.Go(func() { c.work(ctx) })
	}
	working.Wait()
	r.fillBytes += r.readBytes.Load() - before
	slices.SortFunc(c.differ, func(a, b manifest.Fill) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, x := range c.differ {
		f.addFill(x)
	}
	return ctx.Err()
}

// fillCheck compares fills window by window, several windows at once.
type fillCheck struct {
	r *run

	mu     sync.Mutex
	left   []manifest.Fill // that no window has yet
	done   int64           // bytes of the first of these that windows have
	differ []manifest.Fill // in steps
}

// work compares windows until none is left.
func (c *fillCheck) work(ctx context.Context) {
	w := fillWindow{r: c.r}
	for ctx.Err() == nil {
		c.mu.Lock()
		c.differ = append(c.differ, w.differ...)
		w.fills, w.differ = c.take(w.fills[:0]), w.differ[:0]
		if c.r.o.Rotates {
			w.read()
		}
		c.mu.Unlock()
		if len(w.fills) == 0 {
			return
		}
		if !c.r.o.Rotates {
			w.read()
		}
		w.compare()
	}
}

// take puts the fills of the next window into list. One that is longer than a window is alone in it, and takes several.
func (c *fillCheck) take(list []manifest.Fill) []manifest.Fill {
	if len(c.left) == 0 {
		return list
	}
	first := c.left[0]
	first.Offset, first.Length = first.Offset+c.done, first.Length-c.done
	if first.Length > fillAtOnce {
		c.done += fillAtOnce
		first.Length = fillAtOnce
		return append(list, first)
	}
	if c.done > 0 {
		c.left, c.done = c.left[1:], 0
		return append(list, first)
	}
	n := 1
	for n < len(c.left) && c.left[n].Offset-c.left[n-1].End() <= bridge && c.left[n].End()-c.left[0].Offset <= fillAtOnce {
		n++
	}
	list = append(list, c.left[:n]...)
	c.left = c.left[n:]
	return list
}

// fillWindow is what one worker compares: fills that lie within fillAtOnce.
type fillWindow struct {
	r          *run
	fills      []manifest.Fill
	have, want []byte
	value      byte // that want is filled with
	failed     error
	differ     []manifest.Fill
}

// read reads from the first fill to the end of the last one at once.
func (w *fillWindow) read() {
	if n := len(w.fills); n > 0 {
		if w.have == nil {
			w.have, w.want = disk.Aligned(fillAtOnce), make([]byte, fillStep)
		}
		start := w.fills[0].Offset
		_, w.failed = w.r.read(w.have[:w.fills[n-1].End()-start], start)
	}
}

// compare compares each fill. What cannot be read differs.
func (w *fillWindow) compare() {
	start := w.fills[0].Offset
	for _, x := range w.fills {
		for at := x.Offset; at < x.End(); at += fillStep {
			part := x
			part.Offset, part.Length = at, min(fillStep, x.End()-at)
			have := w.have[at-start:][:part.Length]
			failed := w.failed
			if failed != nil {
				_, failed = w.r.read(have, at)
			}
			if failed != nil || !w.equal(have, at, x.Byte) {
				w.differ = append(w.differ, part)
			}
		}
		w.r.advance(x.Length)
	}
}

// equal tells whether bytes at off are all of one value, but for the exceptions.
func (w *fillWindow) equal(have []byte, off int64, value byte) bool {
	if w.value != value {
		for i := range w.want {
			w.want[i] = value
		}
		w.value = value
	}
	want := w.want[:len(have)]
	if len(w.r.touching(off, int64(len(have)))) > 0 {
		want = bytes.Clone(want)
		w.r.overlay(want, off)
	}
	return bytes.Equal(have, want)
}

func (f *findings) addFill(x manifest.Fill) {
	if n := len(f.fills); n > 0 && f.fills[n-1].End() == x.Offset && f.fills[n-1].Byte == x.Byte {
		f.fills[n-1].Length += x.Length
		return
	}
	f.fills = append(f.fills, x)
}
