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

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	batchBytes  = 1 << 20   // of pieces read and hashed at once: what was read is still in the core's cache when it is hashed
	batchMax    = 8 << 20   // of memory for it, gaps and alignment included
	batchPieces = 512       // most pieces of a batch: 8 KiB of alignment each stay within batchMax
	bridge      = 16 << 10  // a gap up to this is read through rather than sought over
	fillStep    = 64 << 10  // a fill is compared and rewritten in these steps
	readUnit    = 4 << 10   // reads begin and end at multiples of it
	zeroRun     = 128 << 10 // bytes of zeros hashed at once for a hole
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

// span is a piece of an entry on the disk, and where its bytes are in the batch's buffer.
type span struct {
	entry  uint32
	piece  manifest.Piece
	buffer int // -1: could not be read
}

// batch is neighbouring entries that are read together.
type batch struct {
	first, end uint32
	spans      []span // by entry, in stream order
	buf        []byte
}

// scan reads the disk past the cache and compares it with the manifest.
func (r *run) scan(ctx context.Context, phase string) (*findings, error) {
	if err := r.t.Drop(); err != nil {
		return nil, fmt.Errorf("dropping the cache: %w", err)
	}
	f := r.noFindings()
	r.begin(phase, r.readTotal())
	r.takeRead(f)
	if err := r.scanEntries(ctx, f); err != nil {
		return nil, err
	}
	if err := r.scanFills(ctx, f); err != nil {
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

// readTotal returns the bytes that a scan reads.
func (r *run) readTotal() int64 {
	var total int64
	for i, e := range r.m.Chunks.All() {
		if !r.passes(uint32(i)) {
			total += onDisk(e)
		}
	}
	for _, x := range r.fillsToRead() {
		total += x.Length
	}
	return total
}

// scanEntries compares all entries.
func (r *run) scanEntries(ctx context.Context, f *findings) error {
	return r.sweep(ctx, r.o.workers(), r.passes, func(h *hasher, b *batch) int64 { return h.note(b, f) })
}

// sweep has one reader, in disk order, that passes over what skip says, and workers that hash. One at a time notes what
// was judged and says how far that advances the phase.
func (r *run) sweep(ctx context.Context, workers int, skip func(uint32) bool, note func(*hasher, *batch) int64) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	free := make(chan []byte, workers+1)
	for range workers + 1 {
		free <- nil
	}
	full := make(chan *batch)
	var failed error
	go func() {
		defer close(full)
		failed = r.readBatches(ctx, skip, free, full)
	}()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			h := r.newHasher()
			for b := range full {
				h.judge(b)
				mu.Lock()
				r.advance(note(h, b))
				mu.Unlock()
				free <- b.buf
			}
		}()
	}
	wg.Wait()
	return failed
}

// readBatches reads the entries in order. It returns the context's error alone: what cannot be read differs.
func (r *run) readBatches(ctx context.Context, skip func(uint32) bool, free <-chan []byte, full chan<- *batch) error {
	for i := uint32(0); i < uint32(r.m.Chunks.Len()); {
		b := r.nextBatch(i, skip)
		if i = b.end; len(b.spans) == 0 {
			continue
		}
		select {
		case b.buf = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		// Memory is taken as the work asks for it: most batches need half of the most.
		if need := b.need(); need > len(b.buf) {
			b.buf = disk.Aligned(need)
		}
		r.fill(b)
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// need returns the memory for b's pieces, alignment and some gaps, at most batchMax.
func (b *batch) need() int {
	total := 0
	for _, s := range b.spans {
		total += int(s.piece.Length) + 2*readUnit + bridge
	}
	return min(batchMax, (total+1<<20-1)>>20<<20)
}

// nextBatch takes entries from i on until it is full.
func (r *run) nextBatch(i uint32, skip func(uint32) bool) *batch {
	b := &batch{first: i, end: i}
	total := 0
	for ; b.end < uint32(r.m.Chunks.Len()); b.end++ {
		if skip(b.end) {
			continue
		}
		e := r.m.Chunks.At(int(b.end))
		size := int(onDisk(e))
		if len(b.spans) > 0 && (total+size > batchBytes || len(b.spans)+len(e.Pieces) > batchPieces) {
			break
		}
		for _, p := range e.Pieces {
			b.spans = append(b.spans, span{entry: b.end, piece: p})
		}
		total += size
	}
	return b
}

// fill reads the spans of b into its buffer, in disk order, neighbours together.
func (r *run) fill(b *batch) {
	order := make([]int, len(b.spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		return cmp.Compare(b.spans[x].piece.Offset, b.spans[y].piece.Offset)
	})
	used := 0
	for len(order) > 0 {
		start := b.spans[order[0]].piece.Offset / readUnit * readUnit
		end, n := start, 0
		for _, i := range order {
			p := b.spans[i].piece
			next := (p.Offset + int64(p.Length) + readUnit - 1) / readUnit * readUnit
			if n > 0 && p.Offset > end+bridge || n > 0 && int(next-start) > len(b.buf)-used-len(order)*2*readUnit {
				break
			}
			end, n = max(end, next), n+1
		}
		end = min(end, r.t.Size())
		length := int(end - start)
		if used+length > len(b.buf) {
			// Only an entry of very many scattered pieces comes here: it is read piece by piece into memory of its own.
			b.buf = append(b.buf[:used:used], disk.Aligned(length)...)
		}
		r.readRun(b, order[:n], start, b.buf[used:used+length], used)
		used = (used + length + readUnit - 1) / readUnit * readUnit
		order = order[n:]
	}
}

// readRun reads one run and tells its spans where their bytes are. When the run cannot be read each span is tried alone.
func (r *run) readRun(b *batch, spans []int, start int64, buf []byte, used int) {
	_, err := r.read(buf, start)
	for _, i := range spans {
		s := &b.spans[i]
		s.buffer = used + int(s.piece.Offset-start)
		if err == nil {
			continue
		}
		if _, err := r.read(b.buf[s.buffer:][:s.piece.Length], s.piece.Offset); err != nil {
			s.buffer = -1
		}
	}
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

// hasher judges entries: one per worker.
type hasher struct {
	r          *run
	sum        *blake3.Hasher
	zeros      []byte
	zeroIDs    [chunk.MaxSize/readUnit + 1]chunk.ID // of contents of so many units of zeros
	wrong      []uint32
	unreadable []uint32
}

func (r *run) newHasher() *hasher {
	return &hasher{r: r, sum: blake3.New(), zeros: make([]byte, zeroRun)}
}

// judge hashes the entries of b.
func (h *hasher) judge(b *batch) {
	h.wrong, h.unreadable = h.wrong[:0], h.unreadable[:0]
	spans := b.spans
	for i := b.first; i < b.end; i++ {
		n := 0
		for n < len(spans) && spans[n].entry == i {
			n++
		}
		if n > 0 {
			h.entry(i, spans[:n], b.buf)
		}
		spans = spans[n:]
	}
}

func (h *hasher) entry(i uint32, spans []span, buf []byte) {
	e := h.r.m.Chunks.At(int(i))
	zero := true
	for _, s := range spans {
		if s.buffer < 0 {
			h.wrong, h.unreadable = append(h.wrong, i), append(h.unreadable, i)
			return
		}
		zero = zero && h.allZero(buf[s.buffer:][:s.piece.Length])
	}
	id := chunk.ID{}
	if zero {
		id = h.ofZeros(e.Length)
	} else {
		id = h.ofSpans(e.Length, spans, buf)
	}
	if id != h.r.expected(i, e.ID) {
		h.wrong = append(h.wrong, i)
	}
}

// ofSpans returns the id of a content of length bytes, which is zeros where no span is.
func (h *hasher) ofSpans(length uint32, spans []span, buf []byte) chunk.ID {
	h.sum.Reset()
	at := uint32(0)
	for _, s := range spans {
		h.hole(int(s.piece.At - at))
		_, _ = h.sum.Write(buf[s.buffer:][:s.piece.Length])
		at = s.piece.At + s.piece.Length
	}
	h.hole(int(length - at))
	return chunk.ID(h.sum.Sum(nil))
}

// ofZeros returns the id of length zeros: an empty disk has nothing else, so the answer is kept for each length that is
// a multiple of readUnit.
func (h *hasher) ofZeros(length uint32) chunk.ID {
	h.sum.Reset()
	known := length%readUnit == 0 && length <= chunk.MaxSize
	if known && h.zeroIDs[length/readUnit] != (chunk.ID{}) {
		return h.zeroIDs[length/readUnit]
	}
	h.hole(int(length))
	id := chunk.ID(h.sum.Sum(nil))
	if known {
		h.zeroIDs[length/readUnit] = id
	}
	return id
}

// allZero stops at the first byte that is not: on a disk with content that is soon.
func (h *hasher) allZero(b []byte) bool {
	for len(b) > readUnit {
		if !bytes.Equal(b[:readUnit], h.zeros[:readUnit]) {
			return false
		}
		b = b[readUnit:]
	}
	return bytes.Equal(b, h.zeros[:len(b)])
}

func (h *hasher) hole(n int) {
	for n > 0 {
		k := min(n, len(h.zeros))
		_, _ = h.sum.Write(h.zeros[:k])
		n -= k
	}
}

// note enters what was judged into f and returns the bytes that were.
func (h *hasher) note(b *batch, f *findings) int64 {
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
	var done int64
	for _, s := range b.spans {
		done += int64(s.piece.Length)
	}
	return done
}

// scanFills compares the fills, and keeps the parts that differ. Files of zeros make many small ones: neighbours are
// read together.
func (r *run) scanFills(ctx context.Context, f *findings) error {
	all := r.fillsToRead()
	if len(all) == 0 {
		return nil
	}
	c := fillCheck{r: r, f: f, have: disk.Aligned(batchBytes), want: make([]byte, fillStep)}
	for fills := all; len(fills) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, end := 1, min(fills[0].End(), fills[0].Offset+batchBytes)
		for n < len(fills) && end == fills[n-1].End() && fills[n].Offset-end <= bridge &&
			fills[n].End()-fills[0].Offset <= batchBytes {
			end = fills[n].End()
			n++
		}
		// A fill longer than a batch is alone in it, and takes several.
		if end < fills[0].End() {
			for at := fills[0].Offset; at < fills[0].End(); at += batchBytes {
				part := fills[0]
				part.Offset, part.Length = at, min(batchBytes, fills[0].End()-at)
				c.window([]manifest.Fill{part}, part.End())
			}
		} else {
			c.window(fills[:n], end)
		}
		fills = fills[n:]
	}
	return nil
}

// fillCheck compares fills window by window.
type fillCheck struct {
	r          *run
	f          *findings
	have, want []byte
	value      byte // that want is filled with
}

// window reads from the first fill to end at once and compares each fill in it. What cannot be read differs.
func (c *fillCheck) window(fills []manifest.Fill, end int64) {
	start := fills[0].Offset
	_, failed := c.r.read(c.have[:end-start], start)
	for _, x := range fills {
		for at := x.Offset; at < x.End(); at += fillStep {
			n := min(fillStep, x.End()-at)
			have := c.have[at-start:][:n]
			if failed != nil {
				_, failed := c.r.read(have, at)
				if failed == nil && c.equal(have, at, x.Byte) {
					continue
				}
			} else if c.equal(have, at, x.Byte) {
				continue
			}
			c.f.addFill(manifest.Extent{Offset: at, Length: n}, x)
		}
		c.r.advance(x.Length)
	}
}

// equal tells whether bytes at off are all of one value, but for the exceptions.
func (c *fillCheck) equal(have []byte, off int64, value byte) bool {
	if c.value != value {
		for i := range c.want {
			c.want[i] = value
		}
		c.value = value
	}
	want := c.want[:len(have)]
	if len(c.r.touching(off, int64(len(have)))) > 0 {
		want = bytes.Clone(want)
		c.r.overlay(want, off)
	}
	return bytes.Equal(have, want)
}

func (f *findings) addFill(e manifest.Extent, of manifest.Fill) {
	if n := len(f.fills); n > 0 && f.fills[n-1].End() == e.Offset && f.fills[n-1].Byte == of.Byte {
		f.fills[n-1].Length += e.Length
		return
	}
	f.fills = append(f.fills, manifest.Fill{Extent: e, Byte: of.Byte, Stream: of.Stream})
}
