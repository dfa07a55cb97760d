package capture

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

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
	chunks []cutChunk       // in the order of their first place on the disk
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

// reader fills batches with the chunks of a plan, in the order of the disk.
type reader struct {
	ctx  context.Context
	c    *capture
	free <-chan *batch // batches that nobody uses
	out  chan<- *batch // batches that were read
	now  *batch
	big  []byte // for reads that go to several places
}

// sweep reads the chunks of all windows, those far apart at the end.
func (k *reader) sweep(l *plan) error {
	var chunks []planned
	var pieces []manifest.Piece
	for _, w := range []windows{l.near, l.far} {
		for n := range w {
			chunks, pieces = w.take(n, chunks, pieces)
			for i := range chunks {
				if err := k.add(&chunks[i], pieces); err != nil {
					return err
				}
			}
		}
	}
	return k.flush()
}

// add puts a chunk into the batch, or into the next one if this one is full.
func (k *reader) add(p *planned, pieces []manifest.Piece) error {
	if k.now != nil && (len(k.now.chunks) == batchChunks || len(k.now.buf)+p.length > batchBytes) {
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
	b := k.now
	c := cutChunk{stream: p.stream, index: p.index, at: len(b.buf), length: p.length, zeroFrom: p.zeroFrom,
		first: len(b.pieces)}
	b.pieces = append(b.pieces, pieces[p.first:p.end]...)
	c.end = len(b.pieces)
	for _, e := range b.pieces[c.first:c.end] {
		b.kept += int64(e.Length)
	}
	b.buf = b.buf[:c.at+p.length]
	b.chunks = append(b.chunks, c)
	return nil
}

// flush reads the batch and passes it on.
func (k *reader) flush() error {
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
func (k *reader) read(b *batch) error {
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
func (k *reader) readRun(buf []byte, places []place, bytes int, together bool) error {
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
