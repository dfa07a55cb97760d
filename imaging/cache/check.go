package cache

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Check reads all that the cache holds and proves it. What is not what it should be is forgotten; it returns how many
// frames that were. Nothing is written.
func (c *Cache) Check(ctx context.Context) (int, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(workers(), 4)) // each has a segment in memory
	before := c.Stats().Lost
	for i := range c.segments {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.checkSegment(i)
			return nil
		})
	}
	err := group.Wait()
	return c.Stats().Lost - before, err
}

// checkSegment proves the frames of one segment, if nobody writes there meanwhile.
func (c *Cache) checkSegment(i int) {
	c.mu.Lock()
	s := c.segments[i]
	entries := append([]entry(nil), s.entries...)
	skip := s.sequence == 0 || i == c.current
	c.mu.Unlock()
	if skip {
		return
	}
	frames := make([]byte, s.end)
	whole := readFull(c.dev, frames, c.offset(i)) == nil
	content := make([]byte, chunk.MaxSize+chunk.Spare)
	for k, e := range entries {
		if e.is(flagDead) {
			continue
		}
		stored := frames[e.offset:][:e.size()]
		if !whole && readFull(c.dev, stored, c.offset(i)+int64(e.offset)) != nil {
			clear(stored)
		}
		f, took, err := chunk.Parse(stored)
		if err == nil {
			_, err = c.codec.Open(content[:0], f)
		}
		if err == nil && took == len(stored) && (e.is(flagHead) || key(f.ID[:16]) == e.key) {
			continue
		}
		c.mu.Lock()
		if now := &c.segments[i]; now.sequence == s.sequence && !now.entries[k].is(flagDead) {
			c.forget(place{i, k})
			c.lost++
		}
		c.mu.Unlock()
	}
}
