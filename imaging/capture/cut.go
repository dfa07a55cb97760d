package capture

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	batchBytes  = 16 << 20 // of content
	batchChunks = 1024     // ids in one question, job.MaxIDs
	readBytes   = 4 << 20  // largest read of the disk
)

// batch is chunks that are read, hashed, asked for and sealed together.
type batch struct {
	buf    []byte           // their content, one after the other
	chunks []cutChunk       // in stream order
	pieces []manifest.Piece // of all chunks
	kept   int64            // bytes of all pieces
	wanted []*cutChunk      // those that the sink lacks, once it was asked
	frames []chunk.Frame    // of wanted, once sealed
}

// cutChunk is one chunk of a batch.
type cutChunk struct {
	stream, index uint32
	at, length    int // in buf
	zeroFrom      int // bytes from here on are zeros whatever the disk holds
	first, end    int // its pieces
	id            chunk.ID
	zero          bool // all zeros
	wanted        bool // the sink lacks it
}

func (b *batch) reset() {
	b.buf, b.chunks, b.pieces, b.kept = b.buf[:0], b.chunks[:0], b.pieces[:0], 0
}

func (b *batch) content(c *cutChunk) []byte { return b.buf[c.at : c.at+c.length] }

// cutter fills batches with the chunks of streams.
type cutter struct {
	ctx  context.Context
	c    *capture
	free <-chan *batch // batches that nobody uses
	out  chan<- *batch // batches that were read
	now  *batch
	big  []byte // for reads that go to several places
}

// cut adds the chunks of one stream that have a place on the disk.
func (k *cutter) cut(stream uint32, f found, s volume.Stream) error {
	open := int64(-1) // index of the chunk that is being added to
	for _, p := range s.Pieces {
		if p.Length <= 0 || p.At < 0 || p.At+p.Length > s.Length || p.Offset < 0 || p.Offset+p.Length > f.length {
			return fmt.Errorf("stream %d: a piece of %d bytes at %d lies outside it or the volume", stream, p.Length, p.At)
		}
		for p.Length > 0 {
			index := p.At / chunk.MaxSize
			if index != open {
				if index < open || index > int64(^uint32(0)) {
					return fmt.Errorf("stream %d: pieces are out of order", stream)
				}
				if err := k.begin(stream, index, s); err != nil {
					return err
				}
				open = index
			}
			n := min(p.Length, (index+1)*chunk.MaxSize-p.At)
			k.now.add(manifest.Piece{At: uint32(p.At % chunk.MaxSize), Length: uint32(n), Offset: f.start + p.Offset})
			p.At, p.Offset, p.Length = p.At+n, p.Offset+n, p.Length-n
		}
	}
	return nil
}

// begin starts a chunk, in the next batch if this one is full.
func (k *cutter) begin(stream uint32, index int64, s volume.Stream) error {
	length := int(min(chunk.MaxSize, s.Length-index*chunk.MaxSize))
	if k.now != nil && (len(k.now.chunks) == batchChunks || len(k.now.buf)+length > batchBytes) {
		if err := k.flush(); err != nil {
			return err
		}
	}
	if k.now == nil {
		select {
		case k.now = <-k.free:
		case <-k.ctx.Done():
			return k.ctx.Err()
		}
		k.now.reset()
	}
	c := cutChunk{stream: stream, index: uint32(index), at: len(k.now.buf), length: length, zeroFrom: length,
		first: len(k.now.pieces), end: len(k.now.pieces)}
	if zero := s.ZeroFrom() - index*chunk.MaxSize; zero < int64(length) {
		c.zeroFrom = int(max(0, zero))
	}
	k.now.buf = k.now.buf[:c.at+length]
	k.now.chunks = append(k.now.chunks, c)
	return nil
}

// add gives the last chunk another piece, joined with the one before where both places touch.
func (b *batch) add(p manifest.Piece) {
	c := &b.chunks[len(b.chunks)-1]
	b.kept += int64(p.Length)
	if c.end > c.first {
		last := &b.pieces[c.end-1]
		if last.At+last.Length == p.At && last.Offset+int64(last.Length) == p.Offset {
			last.Length += p.Length
			return
		}
	}
	b.pieces = append(b.pieces, p)
	c.end++
}

// flush reads the batch and passes it on.
func (k *cutter) flush() error {
	b := k.now
	k.now = nil
	if b == nil {
		return nil
	}
	if err := k.read(b); err != nil {
		return err
	}
	select {
	case k.out <- b:
		return nil
	case <-k.ctx.Done():
		return k.ctx.Err()
	}
}

// place is where a run of the disk goes in the batch's buffer.
type place struct {
	offset int64
	at, n  int
}

// read fills the buffer from the disk: in disk order, what touches in one read of at most readBytes. Holes become zeros.
func (k *cutter) read(b *batch) error {
	places := make([]place, 0, len(b.pieces))
	for i := range b.chunks {
		c := &b.chunks[i]
		at := 0
		for _, p := range b.pieces[c.first:c.end] {
			clear(b.buf[c.at+at : c.at+int(p.At)])
			places = append(places, place{p.Offset, c.at + int(p.At), int(p.Length)})
			at = int(p.At + p.Length)
		}
		clear(b.buf[c.at+at : c.at+c.length])
	}
	slices.SortFunc(places, func(x, y place) int { return cmp.Compare(x.offset, y.offset) })
	for len(places) > 0 {
		if err := k.ctx.Err(); err != nil {
			return err
		}
		n, bytes, together := 1, places[0].n, true
		for n < len(places) && places[n].offset == places[0].offset+int64(bytes) && bytes+places[n].n <= readBytes {
			together = together && places[n].at == places[0].at+bytes
			bytes += places[n].n
			n++
		}
		if err := k.readRun(b.buf, places[:n], bytes, together); err != nil {
			return err
		}
		places = places[n:]
	}
	for i := range b.chunks {
		c := &b.chunks[i]
		clear(b.buf[c.at+c.zeroFrom : c.at+c.length])
	}
	return nil
}

// readRun reads places that touch on the disk; together: they touch in the buffer too.
func (k *cutter) readRun(buf []byte, places []place, bytes int, together bool) error {
	to := buf[places[0].at:]
	if !together {
		if k.big == nil {
			k.big = make([]byte, readBytes)
		}
		to = k.big
	}
	n, err := k.c.o.Disk.ReadAt(to[:bytes], places[0].offset)
	if n < bytes {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading %d bytes at %d of the disk: %w", bytes, places[0].offset, err)
	}
	if together {
		return nil
	}
	for _, p := range places {
		copy(buf[p.at:p.at+p.n], to)
		to = to[p.n:]
	}
	return nil
}
