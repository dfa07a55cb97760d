package cache

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	batchBytes = 8 << 20  // of frames read and proven at once; two batches are in memory
	batchIDs   = 1024     // chunks in one batch
	joinGap    = 64 << 10 // bytes that are read for nothing rather than read around
	joinBytes  = 4 << 20  // of one read
	tries      = 3        // of a frame that others move meanwhile
)

// asked is one chunk on its way out.
type asked struct {
	id     chunk.ID
	place  place
	at     int64 // on the disk, bytes; -1 = stored is there already
	stored []byte
	frame  chunk.Frame
	err    error
}

// Fetch calls yield with one frame for each id, in order. Content is proven before: what is yielded is what its id says.
// A chunk that is not there, or is damaged, ends it with *ChunkError, after all frames before it. The frame is valid until
// yield returns.
func (c *Cache) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	return c.each(ctx, ids, func(a *asked) error {
		if a.err != nil {
			return a.err
		}
		return yield(a.frame)
	})
}

// each gives every id's frame, or what is wrong with it, in order; the next batch is read and proven meanwhile.
func (c *Cache) each(ctx context.Context, ids []chunk.ID, yield func(*asked) error) error {
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan []asked)
	group.Go(func() error {
		defer close(ready)
		for len(ids) > 0 {
			batch := c.locate(ids)
			ids = ids[len(batch):]
			if err := c.read(ctx, batch); err != nil {
				return err
			}
			select {
			case ready <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for batch := range ready {
			for i := range batch {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := yield(&batch[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return group.Wait()
}

// locate looks up as many chunks as make a batch.
func (c *Cache) locate(ids []chunk.ID) []asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick++
	var out []asked
	var total int64
	for _, id := range ids[:min(len(ids), batchIDs)] {
		a := c.look(id)
		if total += int64(len(a.stored)); total > batchBytes && len(out) > 0 {
			break
		}
		out = append(out, a)
	}
	return out
}

// look finds one chunk; its frame comes along where it is in the buffer still. The lock is held.
func (c *Cache) look(id chunk.ID) asked {
	p, ok := c.index.find(key(id[:16]))
	if !ok {
		return asked{id: id, at: -1, err: &ChunkError{ID: id}}
	}
	s := &c.segments[p.segment]
	s.used = c.tick
	e := s.entries[p.entry]
	a := asked{id: id, place: p, at: c.offset(p.segment) + int64(e.offset), stored: make([]byte, e.size())}
	if p.segment == c.current {
		a.at = -1
		copy(a.stored, c.buffer[e.offset:])
	}
	return a
}

// read reads a batch in the order of the disk, and proves it on all cores.
func (c *Cache) read(ctx context.Context, batch []asked) error {
	order := make([]*asked, 0, len(batch))
	for i := range batch {
		if batch[i].err == nil && batch[i].at >= 0 {
			order = append(order, &batch[i])
		}
	}
	slices.SortFunc(order, func(a, b *asked) int { return cmp.Compare(a.at, b.at) })
	var room []byte
	for len(order) > 0 {
		n := 1
		end := order[0].at + int64(len(order[0].stored))
		for n < len(order) && order[n].at-end < joinGap && order[n].at+int64(len(order[n].stored))-order[0].at <= joinBytes {
			end = max(end, order[n].at+int64(len(order[n].stored)))
			n++
		}
		if room == nil {
			room = make([]byte, joinBytes)
		}
		c.readRun(order[:n], room[:end-order[0].at])
		order = order[n:]
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	var group errgroup.Group
	group.SetLimit(workers())
	const share = 32
	for at := 0; at < len(batch); at += share {
		part := batch[at:min(at+share, len(batch))]
		group.Go(func() error {
			content := make([]byte, chunk.MaxSize+chunk.Spare)
			for i := range part {
				c.prove(&part[i], content)
			}
			return nil
		})
	}
	return group.Wait()
}

// readRun reads neighbours at once; where that fails, one by one. One that cannot be read stays zeros, which are no frame.
func (c *Cache) readRun(run []*asked, room []byte) {
	if readFull(c.dev, room, run[0].at) == nil {
		for _, a := range run {
			copy(a.stored, room[a.at-run[0].at:])
		}
		return
	}
	for _, a := range run {
		if readFull(c.dev, a.stored, a.at) != nil {
			clear(a.stored)
		}
	}
}

// prove makes the frame of what was read. One that is wrong is looked up again: it may have been moved meanwhile. If it was
// not, it is forgotten.
func (c *Cache) prove(a *asked, content []byte) {
	for try := 1; a.err == nil; try++ {
		f, took, err := chunk.Parse(a.stored)
		if err == nil && took == len(a.stored) && f.ID == a.id {
			if _, err = c.codec.Open(content[:0], f); err == nil {
				a.frame = f
				return
			}
		}
		c.mu.Lock()
		again := c.look(a.id)
		if again.err == nil && (again.place == a.place || try == tries) {
			c.forget(again.place)
			c.lost++
			again.err = &ChunkError{ID: a.id, Damaged: true}
		}
		c.mu.Unlock()
		if *a = again; a.err == nil && a.at >= 0 && readFull(c.dev, a.stored, a.at) != nil {
			clear(a.stored)
		}
	}
}

// Source gives frames. *Cache is one.
type Source interface {
	// Fetch calls yield with one frame for each id, in order; a frame that the source has not ends it with an error.
	// The frame is valid until yield returns.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}
