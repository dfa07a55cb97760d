package sweep

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	batchBytes  = 1 << 20  // of pieces read and judged at once: what was read is still in the core's cache when it is hashed
	batchMax    = 8 << 20  // of memory for it, gaps and alignment included
	batchPieces = 512      // most pieces of a batch: 8 KiB of alignment each stay within batchMax
	bridge      = 16 << 10 // a gap up to this is read through rather than sought over
	readUnit    = 4 << 10  // reads begin and end at multiples of it
)

// Disk is what is read. It keeps the memory of its sweeps for the next one.
type Disk struct {
	Table  *manifest.Table
	Size   int64                           // bytes
	Read   func(p []byte, off int64) error // fills p or says why not; called by all workers at once
	InTurn bool                            // one read at a time: the disk has heads that move

	spare sync.Pool // of *Batch: memory of former sweeps
}

// span is a piece of an entry on the disk, and where its bytes are in the batch's buffer.
type span struct {
	piece  manifest.Piece
	buffer int // -1: could not be read
}

// Found is an entry as the disk holds it. It is valid until the judge of its batch returns.
type Found struct {
	Index  uint32
	Entry  manifest.Entry
	first  int // of its spans in the batch
	batch  *Batch
	Unread bool // the disk did not give all of it
}

// Batch is neighbouring entries that are read together.
type Batch struct {
	Found []Found // in the order of the disk; no entry without a piece
	Bytes int64   // of their pieces
	spans []span  // by entry, in stream order
	order []int
	buf   []byte
	hash  *hasher
}

// Sweep reads, with so many workers at once, the entries that skip does not pass over (nil: none) and gives them to judges,
// of which each worker makes one for itself. It ends with the first error of a judge or that of the context: what cannot
// be read is Unread.
func (d *Disk) Sweep(ctx context.Context, workers int, skip func(i uint32) bool, judge func() func(*Batch) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var taking sync.Mutex
	var all sync.WaitGroup
	next := uint32(0)
	for range workers {
		all.Go(func() {
			b, each := d.batch(), judge()
			defer d.spare.Put(b)
			for ctx.Err() == nil {
				taking.Lock()
				next = d.take(b, next, skip)
				if d.InTurn {
					d.fill(b)
				}
				taking.Unlock()
				if len(b.Found) == 0 {
					return
				}
				if !d.InTurn {
					d.fill(b)
				}
				if err := each(b); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// batch returns memory for a worker.
func (d *Disk) batch() *Batch {
	if b, ok := d.spare.Get().(*Batch); ok {
		return b
	}
	return &Batch{}
}

// One reads entry i alone into b, and tells whether it is in any place.
func (d *Disk) One(b *Batch, i uint32) bool {
	d.take(b, i, func(k uint32) bool { return k != i })
	d.fill(b)
	return len(b.Found) > 0
}

// take puts entries from i on into b until it is full, and returns where the next one begins.
func (d *Disk) take(b *Batch, i uint32, skip func(uint32) bool) uint32 {
	b.Found, b.spans, b.Bytes = b.Found[:0], b.spans[:0], 0
	for ; i < uint32(d.Table.Len()); i++ {
		if skip != nil && skip(i) {
			continue
		}
		e := d.Table.At(int(i))
		if len(e.Pieces) == 0 {
			continue
		}
		var size int64
		for _, p := range e.Pieces {
			size += int64(p.Length)
		}
		if len(b.spans) > 0 && (b.Bytes+size > batchBytes || len(b.spans)+len(e.Pieces) > batchPieces) {
			break
		}
		b.Found = append(b.Found, Found{Index: i, Entry: e, first: len(b.spans), batch: b})
		for _, p := range e.Pieces {
			b.spans = append(b.spans, span{piece: p})
		}
		b.Bytes += size
	}
	return i
}

// need returns the memory for b's pieces, alignment and some gaps, at most batchMax.
func (b *Batch) need() int {
	return int(min(batchMax, (b.Bytes+int64(len(b.spans))*(2*readUnit+bridge)+1<<20-1)>>20<<20))
}

// fill reads the spans of b into its buffer, in disk order, neighbours together.
func (d *Disk) fill(b *Batch) {
	// Memory is taken as the work asks for it: most batches need half of the most.
	if need := b.need(); need > len(b.buf) {
		b.buf = disk.Aligned(need)
	}
	order := b.order[:0]
	for i := range b.spans {
		order = append(order, i)
	}
	b.order = order
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
		end = min(end, d.Size)
		length := int(max(0, end-start))
		if used+length > len(b.buf) {
			// Only an entry of very many scattered pieces comes here: it is read piece by piece into memory of its own.
			b.buf = append(b.buf[:used:used], disk.Aligned(length)...)
		}
		d.run(b, order[:n], start, b.buf[used:used+length], used)
		used = (used + length + readUnit - 1) / readUnit * readUnit
		order = order[n:]
	}
	for k := range b.Found {
		f := &b.Found[k]
		f.Unread = slices.ContainsFunc(f.spans(), func(s span) bool { return s.buffer < 0 })
	}
}

// run reads one run and tells its spans where their bytes are. When the run cannot be read each span is tried alone. What lies
// behind the end of the disk, which may be smaller than the master's, cannot be read.
func (d *Disk) run(b *Batch, spans []int, start int64, buf []byte, used int) {
	var err error
	if len(buf) > 0 {
		err = d.Read(buf, start)
	}
	for _, i := range spans {
		s := &b.spans[i]
		if s.piece.Offset > d.Size-int64(s.piece.Length) {
			s.buffer = -1
			continue
		}
		s.buffer = used + int(s.piece.Offset-start)
		if err == nil {
			continue
		}
		if d.Read(b.buf[s.buffer:][:s.piece.Length], s.piece.Offset) != nil {
			s.buffer = -1
		}
	}
}

func (f *Found) spans() []span { return f.batch.spans[f.first : f.first+len(f.Entry.Pieces)] }

// Bytes returns the bytes of the entry's pieces.
func (f *Found) Bytes() int64 {
	var n int64
	for _, p := range f.Entry.Pieces {
		n += int64(p.Length)
	}
	return n
}

// bytes returns what the disk holds of a piece.
func (f *Found) bytes(s span) []byte { return f.batch.buf[s.buffer:][:s.piece.Length] }

// Content returns what the disk holds of the entry, zeros where no piece is. It lies in the batch where it can, else in
// into, which has room for a chunk.
func (f *Found) Content(into []byte) []byte {
	spans, length := f.spans(), f.Entry.Length
	if len(spans) == 1 && spans[0].piece.Length == length {
		return f.bytes(spans[0])
	}
	into = into[:length]
	at := uint32(0)
	for _, s := range spans {
		clear(into[at:s.piece.At])
		at = s.piece.At + uint32(copy(into[s.piece.At:], f.bytes(s)))
	}
	clear(into[at:])
	return into
}
