package cache

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/chunk"
)

// reserve is how many segments stay free, so that frames that are kept can be moved together.
const reserve = 1

// fullFrom is how much of a segment what is kept must take, in sixteenths, frames and directory, for moving it to be worth
// nothing. Below it a moved segment has room for a frame of any size.
const fullFrom = 14

// Put stores a frame, once it has proven that its content is what its id says (else *chunk.DamagedError). A chunk that is
// there is nil at once. Frames are gathered: what was put is durable when Flush has returned, or when a segment is full.
// It fails with *FullError when all there is belongs to versions that are kept.
func (c *Cache) Put(f chunk.Frame) error {
	if c.has(f.ID) {
		return nil
	}
	if err := f.Check(); err != nil {
		return err
	}
	if _, err := c.codec.Open(make([]byte, 0, int(f.Length)+chunk.Spare), f); err != nil {
		return err
	}
	return c.put(f)
}

// put stores a frame that is proven.
func (c *Cache) put(f chunk.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.index.find(key(f.ID[:16])); ok {
		return nil
	}
	return c.add(f.ID, kindChunk, f.AppendTo(nil))
}

// add puts a frame into the buffer, as it is stored. The lock is held.
func (c *Cache) add(id [32]byte, kind uint32, stored []byte) error {
	for c.current < 0 || !c.fits(len(stored)) { // what begins has frames already, where some were moved
		if err := c.seal(); err != nil {
			return err
		}
		if err := c.begin(); err != nil {
			return err
		}
	}
	if c.entries >= c.most {
		return &FullError{c.size}
	}
	c.append(id, kind, stored)
	return nil
}

// fits tells whether the buffer has room for one more frame, and its directory for one more entry.
func (c *Cache) fits(n int) bool {
	return footprint(int64(len(c.buffer)+n), len(c.list)+1) <= c.whole
}

// footprint returns the bytes of a segment that n frames of so many bytes take with their directory.
func footprint(bytes int64, n int) int64 { return roundUp(bytes) + directorySize(n) }

func (c *Cache) append(id [32]byte, kind uint32, stored []byte) {
	e := listed{id: id, offset: uint32(len(c.buffer)), size: uint32(len(stored)), kind: kind}
	c.buffer = append(c.buffer, stored...)
	c.list = append(c.list, e)
	c.enter(c.current, e)
	s := &c.segments[c.current]
	s.end = int64(len(c.buffer))
	// What comes now is for a version that is kept, or about to be: it counts as such until pins are figured anew.
	s.entries[len(s.entries)-1].word |= flagPinned
	c.pins.since = true
}

// begin takes a free segment to be filled, and makes room where there is none.
func (c *Cache) begin() error {
	if c.buffer == nil {
		c.buffer = disk.Aligned(int(c.whole))
	}
	for len(c.free) <= reserve || c.entries > c.most-mostFrames(c.whole) {
		victim, ok := c.unpinned()
		if !ok && c.pins.since {
			c.pins.known = false
			victim, ok = c.unpinned()
		}
		if !ok {
			return c.clean()
		}
		if err := c.evict(victim); err != nil {
			return err
		}
	}
	c.open()
	return c.merge()
}

// open makes the next free segment the current one.
func (c *Cache) open() {
	n := len(c.free) - 1
	c.current, c.free = c.free[n], c.free[:n]
	c.sequence++
	c.tick++
	c.segments[c.current] = segment{sequence: c.sequence, used: c.tick}
	c.buffer, c.list = c.buffer[:0], c.list[:0]
}

// unpinned returns the segment that was used longest ago of those in which nothing is kept.
func (c *Cache) unpinned() (int, bool) {
	c.figurePins()
	best := -1
	for i := range c.segments {
		s := &c.segments[i]
		if s.sequence == 0 || i == c.current {
			continue
		}
		if _, n := s.pinned(); n > 0 {
			continue
		}
		if best < 0 || s.used < c.segments[best].used {
			best = i
		}
	}
	return best, best >= 0
}

// pinned returns the bytes of those frames of a segment that kept versions need, and their number.
func (s *segment) pinned() (bytes int64, n int) {
	for i := range s.entries {
		if e := &s.entries[i]; e.is(flagPinned) && !e.is(flagDead) {
			bytes += e.size()
			n++
		}
	}
	return bytes, n
}

// clean fills the last free segment with what is kept of segments that are mostly not: they are free once it is on the
// disk.
func (c *Cache) clean() error {
	if len(c.free) == 0 {
		return &FullError{c.size}
	}
	victim, least := -1, c.whole/16*fullFrom
	for i := range c.segments {
		s := &c.segments[i]
		if s.sequence == 0 {
			continue
		}
		if takes := footprint(s.pinned()); takes < least {
			victim, least = i, takes
		}
	}
	if victim < 0 {
		return &FullError{c.size}
	}
	c.open()
	return c.drain(victim, flagPinned)
}

// merge takes the frames of a segment that a Flush has left half empty into the one that begins.
func (c *Cache) merge() error {
	for i := range c.segments {
		s := &c.segments[i]
		if s.sequence == 0 || i == c.current || footprint(s.end, len(s.entries)) > c.whole/2 {
			continue
		}
		return c.drain(i, 0)
	}
	return nil
}

// drain copies those frames of a segment that have a flag into the buffer. The segment itself stays on the disk until the
// buffer is there too. A frame that cannot be read soundly is lost, and nothing else.
func (c *Cache) drain(victim int, flag uint32) error {
	entries := c.segments[victim].entries
	for i := range entries {
		e := &entries[i]
		if e.is(flagDead) || flag != 0 && !e.is(flag) {
			continue
		}
		stored := make([]byte, e.size())
		err := readFull(c.dev, stored, c.offset(victim)+int64(e.offset))
		f, took, wrong := chunk.Parse(stored)
		if err != nil || wrong != nil || took != len(stored) {
			c.forget(place{victim, i})
			c.lost++
			continue
		}
		id, kind := [32]byte(f.ID), uint32(kindChunk)
		if e.is(flagHead) {
			h, ok := c.headAt(place{victim, i})
			if !ok {
				continue
			}
			id, kind = h, kindHead
		} else if key(f.ID[:16]) != e.key {
			c.forget(place{victim, i})
			c.lost++
			continue
		}
		pinned := e.word & flagPinned
		c.append(id, kind, stored)
		c.moved = append(c.moved, move{place{victim, i}, id})
		last := &c.segments[c.current].entries
		(*last)[len(*last)-1].word = (*last)[len(*last)-1].word&^flagPinned | pinned
	}
	c.drained = append(c.drained, victim)
	return nil
}

// forget makes the cache not have a frame.
func (c *Cache) forget(p place) {
	e := &c.segments[p.segment].entries[p.entry]
	if e.is(flagDead) {
		return
	}
	if e.is(flagHead) {
		if h, ok := c.headAt(p); ok {
			delete(c.heads, h)
		}
	} else if at, ok := c.index.find(e.key); ok && at == p {
		c.index.remove(e.key)
	}
	c.bury(p)
}

// evict forgets a segment: on the disk first, so that nobody ever finds a directory over frames that are gone.
func (c *Cache) evict(i int) error {
	if _, err := c.dev.WriteAt(make([]byte, block), c.offset(i)+c.whole-block); err != nil {
		return fmt.Errorf("clearing segment %d of the cache: %w", i, err)
	}
	if err := c.dev.Flush(); err != nil {
		return fmt.Errorf("clearing segment %d of the cache: %w", i, err)
	}
	c.empty(i)
	c.free = append(c.free, i)
	return nil
}

// empty takes a segment's frames out of the index.
func (c *Cache) empty(i int) {
	for k := range c.segments[i].entries {
		c.forget(place{i, k})
	}
	c.entries -= len(c.segments[i].entries)
	c.segments[i] = segment{}
}

// seal writes the buffer. What was drained into it is free then.
func (c *Cache) seal() error {
	if c.current < 0 {
		return nil
	}
	i, drained, moved := c.current, c.drained, c.moved
	c.current, c.drained, c.moved = -1, nil, nil
	if len(c.list) == 0 {
		c.segments[i] = segment{}
		c.free = append(c.free, i)
		return c.evictAll(drained)
	}
	if err := c.writeSegment(i); err != nil {
		// Nobody knows what lies there now. It is not used again until the next Open has looked, which had better find
		// nothing: clearing it is tried, and cannot be had.
		c.empty(i)
		c.moveBack(moved)
		_ = c.writeFlushed(make([]byte, block), c.offset(i)+c.whole-block)
		return fmt.Errorf("writing segment %d of the cache: %w", i, err)
	}
	return c.evictAll(drained)
}

// writeSegment writes the buffer as segment i: frames, flush, directory, flush. The directory is read back: what was drained
// is about to go, and an Open must find it here.
func (c *Cache) writeSegment(i int) error {
	end, sequence := len(c.buffer), c.segments[i].sequence
	if takes := footprint(int64(end), len(c.list)); takes > c.whole {
		return fmt.Errorf("%d frames and their directory take %d bytes of %d", len(c.list), takes, c.whole)
	}
	frames := c.buffer[:roundUp(int64(end))]
	clear(frames[end:])
	if err := c.writeFlushed(frames, c.offset(i)); err != nil {
		return err
	}
	d := encodeDirectory(c.list, c.super.identity, i, sequence, int64(end))
	if err := c.writeFlushed(d, c.offset(i)+c.whole-int64(len(d))); err != nil {
		return err
	}
	got, _, err := readDirectory(c.dev, c.offset(i), c.whole, c.super.identity, i)
	if err != nil {
		return fmt.Errorf("reading its directory back: %w", err)
	}
	if got.sequence != sequence || got.end != int64(end) || !slices.Equal(got.list, c.list) {
		return errors.New("its directory reads back as another one")
	}
	return nil
}

// moveBack makes the index lead to drained frames where they were before, as their new segment has come to nothing.
func (c *Cache) moveBack(moved []move) {
	for _, m := range moved {
		s := &c.segments[m.from.segment]
		e := &s.entries[m.from.entry]
		if e.is(flagHead) {
			if _, there := c.heads[m.id]; there {
				continue
			}
			c.heads[m.id] = m.from
		} else {
			if _, there := c.index.find(e.key); there {
				continue
			}
			c.index.set(e.key, m.from)
		}
		e.word &^= flagDead
		s.live += e.size()
	}
}

func (c *Cache) writeFlushed(b []byte, at int64) error {
	if _, err := c.dev.WriteAt(b, at); err != nil {
		return err
	}
	return c.dev.Flush()
}

func (c *Cache) evictAll(list []int) error {
	for _, i := range list {
		if err := c.evict(i); err != nil {
			return err
		}
	}
	return nil
}

// Flush returns when everything that was put is durable.
func (c *Cache) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seal()
}
