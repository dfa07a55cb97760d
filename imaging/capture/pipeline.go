package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"golang.org/x/sync/errgroup"
)

// batches is how many batches there are: one being read, one hashed, one sealed, one put.
const batches = 4

// chunks plans what there is to read, then moves it through four stages that run beside each other:
//
//	read --> hash, enter into the manifest, ask the sink --> seal --> put
//
// Sealing and putting are stages of their own: a sink proves what it is given, and that takes one core about as long as
// sealing takes two.
func (c *capture) chunks(ctx context.Context) error {
	l := &plan{}
	if err := c.streams(ctx, l.cut); err != nil {
		return err
	}
	c.forget()
	c.m.Chunks.Grow(l.chunks, l.parts)
	group, ctx := errgroup.WithContext(ctx)
	free, read := make(chan *batch, batches), make(chan *batch)
	asked, sealed := make(chan *batch), make(chan *batch)
	for range batches {
		free <- &batch{buf: make([]byte, 0, batchBytes)}
	}
	group.Go(func() error {
		defer close(read)
		k := &reader{ctx: ctx, c: c, free: free, out: read}
		return k.sweep(l)
	})
	seen := &seen{table: &c.m.Chunks}
	group.Go(stage(ctx, read, asked, func(b *batch) error { return c.hash(ctx, b, seen) }))
	group.Go(stage(ctx, asked, sealed, func(b *batch) error { c.seal(b); return nil }))
	group.Go(stage(ctx, sealed, free, func(b *batch) error { return c.put(ctx, b) }))
	return group.Wait()
}

// stage does its part of the work on every batch that comes in, and passes it on. It closes out, unless that is the
// channel of free batches, which has room for all.
func stage(ctx context.Context, in <-chan *batch, out chan<- *batch, work func(*batch) error) func() error {
	return func() error {
		if cap(out) == 0 {
			defer close(out)
		}
		for b := range in {
			if err := work(b); err != nil {
				return err
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
}

// hash names the chunks of a batch on all cores, enters them into the manifest and asks the sink for
// those that this capture has not met before.
func (c *capture) hash(ctx context.Context, b *batch, seen *seen) error {
	var zeros [4096]byte
	parallel(len(b.chunks), func(i int) {
		k := &b.chunks[i]
		content := b.content(k)
		if k.zero = allZero(content, zeros[:]); !k.zero {
			k.id = chunk.Of(content)
		}
	})
	var ids []chunk.ID
	var ask []*cutChunk
	for i := range b.chunks {
		k := &b.chunks[i]
		pieces := b.pieces[k.first:k.end]
		if k.zero {
			for _, p := range pieces {
				c.m.Fills = append(c.m.Fills, manifest.Fill{Stream: k.stream,
					Extent: manifest.Extent{Offset: p.Offset, Length: int64(p.Length)}})
			}
			continue
		}
		c.m.Chunks.Append(manifest.Entry{ID: k.id, Length: uint32(k.length), Stream: k.stream, Index: k.index,
			Pieces: pieces})
		k.wanted = false
		if seen.add() {
			ids, ask = append(ids, k.id), append(ask, k)
		}
	}
	c.report.ReadBytes += b.kept
	if len(ids) == 0 {
		return nil
	}
	missing, err := c.o.Sink.Missing(ctx, ids)
	if err != nil {
		return fmt.Errorf("asking which chunks are missing: %w", err)
	}
	if len(missing) != len(ids) {
		return fmt.Errorf("asking which chunks are missing: %d answers to %d questions", len(missing), len(ids))
	}
	for i, k := range ask {
		k.wanted = missing[i]
	}
	return nil
}

// seal makes the frames of what the sink lacks, on all cores.
func (c *capture) seal(b *batch) {
	wanted := b.wanted[:0]
	for i := range b.chunks {
		if b.chunks[i].wanted {
			wanted = append(wanted, &b.chunks[i])
		}
	}
	b.wanted, b.frames = wanted, make([]chunk.Frame, len(wanted))
	parallel(len(wanted), func(i int) { b.frames[i] = c.codec.Seal(wanted[i].id, b.content(wanted[i])) })
}

// put gives the frames to the sink.
func (c *capture) put(ctx context.Context, b *batch) error {
	if len(b.frames) > 0 {
		if err := c.o.Sink.Put(ctx, b.frames); err != nil {
			return fmt.Errorf("putting chunks: %w", err)
		}
		c.report.SentChunks += len(b.frames)
		for _, f := range b.frames {
			c.report.SentBytes += int64(f.Size())
		}
		b.frames = nil
	}
	c.done += b.kept
	if c.o.Progress != nil {
		c.o.Progress(Progress{Done: c.done, Total: c.total, Sent: c.report.SentBytes})
	}
	return nil
}

// parallel calls do for 0 ..< n on all cores.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var group errgroup.Group
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
			return nil
		})
	}
	_ = group.Wait()
}

func allZero(b, zeros []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// seen knows which chunks of a table are the first with their id: an open hash table of entry numbers, 8 bytes or less
// for each entry beside the ids that the table holds anyway.
type seen struct {
	table *manifest.Table
	slots []uint32 // entry number + 1
	used  int
}

// add looks at the entry appended last and says whether no earlier one has its id.
func (s *seen) add() bool {
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	last := s.table.Len() - 1
	slot, found := s.find(s.table.At(last).ID)
	if found {
		return false
	}
	s.slots[slot] = uint32(last) + 1
	s.used++
	return true
}

func (s *seen) find(id chunk.ID) (slot uint64, found bool) {
	mask := uint64(len(s.slots) - 1)
	for slot = binary.LittleEndian.Uint64(id[:]) & mask; s.slots[slot] != 0; slot = (slot + 1) & mask {
		if s.table.At(int(s.slots[slot]-1)).ID == id {
			return slot, true
		}
	}
	return slot, false
}

func (s *seen) grow() {
	old := s.slots
	s.slots = make([]uint32, max(1<<12, 2*len(old)))
	for _, entry := range old {
		if entry != 0 {
			slot, _ := s.find(s.table.At(int(entry - 1)).ID)
			s.slots[slot] = entry
		}
	}
}
