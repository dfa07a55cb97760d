package cache

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Cache is the frames and manifests in one partition. Its methods may be called by several goroutines at once.
type Cache struct {
	dev   Device
	start int64 // of the partition, bytes from the start of the disk
	size  int64 // of the partition, bytes
	whole int64 // bytes of a segment
	codec *chunk.Codec

	mu       sync.Mutex
	super    super
	slot     int // superblock that counts
	segments []segment
	free     []int // segments without content, the first one last
	heads    map[manifest.Hash]place
	index    index
	sequence uint64 // highest of any segment
	tick     uint64 // grows with each use
	damaged  int    // segments found damaged by Open
	lost     int    // frames found damaged since
	entries  int    // of all segments, dead ones too
	most     int    // of these that there may be
	pins     pins

	buffer  []byte   // frames of the segment that is being filled
	current int      // its number; -1 = none
	list    []listed // its entries, whole ids
	drained []int    // segments whose frames are in the buffer: free once that is on the disk
	moved   []move   // these frames
}

// move is a frame that was copied into the buffer.
type move struct {
	from place
	id   [32]byte // of the chunk, or hash of the manifest
}

// segment is one segment of the partition.
type segment struct {
	entries  []entry
	end      int64  // of the frames, bytes
	live     int64  // bytes of the frames that the index leads to
	sequence uint64 // when it was written; 0 = free
	used     uint64 // tick of its last use
}

// NoCacheError says that a partition holds no cache that this program can read. Make makes one.
type NoCacheError struct{ Reason string }

// Error implements error.
func (e *NoCacheError) Error() string { return "partition holds no cache: " + e.Reason }

// FullError says that nothing more can be stored: all there is belongs to versions that are kept.
type FullError struct{ Size int64 } // bytes of the partition

// Error implements error.
func (e *FullError) Error() string {
	return fmt.Sprintf("cache of %d MiB is full of versions that are kept", e.Size>>20)
}

// ChunkError says that the cache cannot give a chunk. Another source may.
type ChunkError struct {
	ID      chunk.ID
	Damaged bool // it was there, and what was read is not what its id says
}

// Error implements error.
func (e *ChunkError) Error() string {
	if e.Damaged {
		return fmt.Sprintf("chunk %s is damaged in the cache", e.ID)
	}
	return fmt.Sprintf("chunk %s is not in the cache", e.ID)
}

// Make makes an empty cache in a partition (disk.Table.Cache) and opens it. What it held is lost. The identity is drawn
// at random by the caller: what an older cache left is told apart by it.
func Make(dev Device, part manifest.Partition, identity [16]byte) (*Cache, error) {
	if part.Length < disk.CacheLeast {
		return nil, fmt.Errorf("making a cache: %d bytes are less than %d", part.Length, disk.CacheLeast)
	}
	if err := clearSupers(dev, part); err != nil {
		return nil, err
	}
	s := super{segment: smallSegment, identity: identity, sequence: 1}
	if part.Length >= largeFrom {
		s.segment = largeSegment
	}
	if _, err := dev.WriteAt(s.encode(), part.Start); err != nil {
		return nil, fmt.Errorf("making a cache: %w", err)
	}
	if err := dev.Flush(); err != nil {
		return nil, fmt.Errorf("making a cache: %w", err)
	}
	return Open(dev, part)
}

// Drop forgets all that the cache in a partition holds. The partition stays.
func Drop(dev Device, part manifest.Partition) error { return clearSupers(dev, part) }

func clearSupers(dev Device, part manifest.Partition) error {
	for i := range int64(2) {
		if _, err := dev.WriteAt(make([]byte, block), part.Start+i*superStep); err != nil {
			return fmt.Errorf("clearing the cache: %w", err)
		}
	}
	if err := dev.Flush(); err != nil {
		return fmt.Errorf("clearing the cache: %w", err)
	}
	return nil
}

// Open reads what a partition holds. It fails with *NoCacheError where there is no cache; segments that are damaged are
// counted and passed over. Nothing is written.
func Open(dev Device, part manifest.Partition) (*Cache, error) { return open(dev, part, maxEntries) }

func open(dev Device, part manifest.Partition, most int) (*Cache, error) {
	c := &Cache{dev: dev, start: part.Start, size: part.Length, current: -1, heads: map[manifest.Hash]place{}, most: most}
	if err := c.readSupers(); err != nil {
		return nil, err
	}
	c.whole = c.super.segment
	n := (part.Length - segmentsAt) / c.whole
	if n < 2 || n > maxSegments {
		return nil, &NoCacheError{fmt.Sprintf("%d bytes have room for %d segments", part.Length, n)}
	}
	var err error
	if c.codec, err = chunk.NewCodec(1); err != nil {
		return nil, err
	}
	c.segments = make([]segment, n)
	c.index = newIndex(&c.segments)
	if err := c.readSegments(); err != nil {
		return nil, err
	}
	return c, nil
}

// readSupers takes the newer one of the superblocks that can be believed.
func (c *Cache) readSupers() error {
	why := ""
	var failed error
	for i := range 2 {
		b := make([]byte, block)
		if err := readFull(c.dev, b, c.start+int64(i)*superStep); err != nil {
			failed = fmt.Errorf("reading the cache's superblock: %w", err)
			continue
		}
		s, reason := parseSuper(b)
		switch {
		case s != nil && s.sequence > c.super.sequence:
			c.super, c.slot = *s, i
		case s == nil && (why == "" || reason != "there is none"):
			why = reason
		}
	}
	switch {
	case c.super.sequence > 0:
		return nil
	case failed != nil:
		return failed
	}
	return &NoCacheError{why}
}

// readSegments reads all directories, several at once: on a disk that turns the drive puts them in order.
func (c *Cache) readSegments() error {
	var mu sync.Mutex
	var holding []int
	heads := map[place]manifest.Hash{}
	// A power cut may have left a segment beside the one that it was drained into.
	most := c.most + mostFrames(c.whole)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range c.segments {
		group.Go(func() error {
			// What cannot be read is as good as damaged: it costs the segment, no more.
			d, state, _ := readDirectory(c.dev, c.offset(i), c.whole, c.super.identity, i)
			mu.Lock()
			defer mu.Unlock()
			if state == segmentWhole && len(d.list) > most-c.entries {
				state = segmentDamaged
			}
			switch state {
			case segmentWhole:
				holding = append(holding, i)
				c.take(i, d, heads)
			case segmentDamaged:
				c.damaged++
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	// The newest copy of a chunk counts.
	slices.SortFunc(holding, func(a, b int) int {
		return cmp.Compare(c.segments[b].sequence, c.segments[a].sequence)
	})
	for _, i := range holding {
		c.indexSegment(i, heads)
	}
	for i := len(c.segments) - 1; i >= 0; i-- {
		if c.segments[i].sequence == 0 {
			c.free = append(c.free, i)
		}
	}
	return nil
}

// take enters a segment that was read; the index does not know it yet.
func (c *Cache) take(i int, d directory, heads map[place]manifest.Hash) {
	s := segment{entries: make([]entry, len(d.list)), end: d.end, sequence: d.sequence, used: d.sequence}
	for k, e := range d.list {
		s.entries[k] = entry{key: key(e.id[:16]), offset: e.offset, word: e.size}
		if e.kind == kindHead {
			s.entries[k].word |= flagHead
			if len(heads) < 16*maxHeads || slices.Contains(c.super.kept, e.id) {
				heads[place{i, k}] = e.id
			}
		}
	}
	c.segments[i] = s
	c.entries += len(s.entries)
	c.sequence = max(c.sequence, d.sequence)
	c.tick = max(c.tick, d.sequence)
}

// indexSegment makes the index lead to a segment's entries, where it does not lead to newer ones.
func (c *Cache) indexSegment(i int, heads map[place]manifest.Hash) {
	s := &c.segments[i]
	for k := len(s.entries) - 1; k >= 0; k-- { // what was put last is the newest
		e, p := &s.entries[k], place{i, k}
		if e.is(flagHead) {
			h, known := heads[p]
			full := len(c.heads) >= maxHeads && !slices.Contains(c.super.kept, h)
			if _, newer := c.heads[h]; !known || newer || full {
				e.word |= flagDead
				continue
			}
			c.heads[h] = p
		} else if _, newer := c.index.find(e.key); newer {
			e.word |= flagDead
			continue
		} else {
			c.index.set(e.key, p)
		}
		s.live += e.size()
	}
}

// enter adds an entry to a segment, and makes the index lead to it.
func (c *Cache) enter(i int, e listed) {
	s := &c.segments[i]
	p := place{i, len(s.entries)}
	c.entries++
	s.entries = append(s.entries, entry{key: key(e.id[:16]), offset: e.offset, word: e.size})
	if e.kind == kindHead {
		s.entries[p.entry].word |= flagHead
		if old, ok := c.heads[e.id]; ok {
			c.bury(old)
		} else if len(c.heads) >= maxHeads {
			c.forgetHead()
		}
		c.heads[e.id] = p
		s.live += int64(e.size)
		return
	}
	old, found := c.index.find(key(e.id[:16]))
	if found {
		c.bury(old)
	}
	c.index.set(key(e.id[:16]), p)
	s.live += int64(e.size)
}

// bury notes that the index does not lead to an entry any more.
func (c *Cache) bury(p place) {
	s := &c.segments[p.segment]
	if e := &s.entries[p.entry]; !e.is(flagDead) {
		e.word |= flagDead
		s.live -= e.size()
	}
}

// offset returns where a segment lies, bytes from the start of the disk.
func (c *Cache) offset(segment int) int64 {
	return c.start + segmentsAt + int64(segment)*c.whole
}

// Missing returns those of ids that the cache does not hold, in their order.
func (c *Cache) Missing(ids []chunk.ID) []chunk.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []chunk.ID
	for _, id := range ids {
		if _, ok := c.index.find(key(id[:16])); !ok {
			out = append(out, id)
		}
	}
	return out
}

// has tells whether the cache holds a chunk.
func (c *Cache) has(id chunk.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.index.find(key(id[:16]))
	return ok
}

// Stats says what a cache holds.
type Stats struct {
	Size     int64 // of the partition, bytes
	Used     int64 // of frames that can be found, bytes
	Segments int
	Free     int // segments that hold nothing
	Damaged  int // segments that Open found damaged
	Lost     int // frames that were found damaged since
	Chunks   int // that can be found, pieces of manifests and names included
	Kept     []manifest.Hash
	Held     []manifest.Hash // manifests that are there, kept or not, ordered by hash
}

// Stats counts.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Size: c.size, Segments: len(c.segments), Free: len(c.free), Damaged: c.damaged, Lost: c.lost,
		Chunks: c.index.used, Kept: slices.Clone(c.super.kept)}
	for i := range c.segments {
		s.Used += c.segments[i].live
	}
	for h := range c.heads {
		s.Held = append(s.Held, h)
	}
	slices.SortFunc(s.Held, func(a, b manifest.Hash) int { return slices.Compare(a[:], b[:]) })
	return s
}

// workers is how many goroutines prove, hash and compress: what they hold is bounded by it.
func workers() int { return min(runtime.GOMAXPROCS(0), 8) }
