package session

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

// Frames is where a server gets stored frames from.
type Frames interface {
	// StoredSize returns the bytes of a chunk's frame, header included; ok is false where there is none.
	StoredSize(id chunk.ID) (size int64, ok bool)
	// Fetch calls yield with one frame for each id, in order; one that cannot be given ends it with an error. A frame is
	// valid until yield returns.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// stock is one generation as its server has it.
type stock struct {
	wire.Generation
	index []byte
	ids   []chunk.ID
	ends  []int64 // in the data, behind each frame
}

// newStock makes a generation of frames from its chunks.
func newStock(number uint16, ids []chunk.ID, sizes []int64) *stock {
	s := &stock{ids: ids, ends: make([]int64, len(ids))}
	plan := make(wire.Plan, 0, len(ids))
	var end int64
	for i, id := range ids {
		plan = plan.Add(id, int(sizes[i]))
		end += sizes[i]
		s.ends[i] = end
	}
	s.index = plan.Encode()
	s.Generation = generation(number, s.index, end)
	return s
}

// start returns where frame i begins in the data.
func (s *stock) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return s.ends[i-1]
}

// covering returns the frames first ..< last of which bytes lie in off ..< off+n of the data.
func (s *stock) covering(off, n int64) (first, last int) {
	first = sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > off })
	last = sort.Search(len(s.ends), func(i int) bool { return s.ends[i] >= off+n })
	return first, min(last+1, len(s.ends))
}

// reader fills blocks from the store. A frame that the store cannot give, or gives in another size than it was planned
// with, is zeros: no frame begins with zeros, so receivers see at once that it is not to be had here.
type reader struct {
	frames     Frames
	unreadable func(id chunk.ID, err error) // told for each frame that becomes zeros
	buffers    sync.Pool                    // of *[]byte, for one frame
}

// part is a piece of a generation's data that is to be filled.
type part struct {
	data int64 // where it begins
	into []byte
}

// errGap ends a Fetch whose frame does not fit its plan.
var errGap = errors.New("the frame is not as it was planned")

// fill reads the frames of neighbouring parts of a generation's data, each frame once.
func (r *reader) fill(ctx context.Context, s *stock, parts []part) error {
	last := parts[len(parts)-1]
	next, end := s.covering(parts[0].data, last.data+int64(len(last.into))-parts[0].data)
	buffer, _ := r.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer r.buffers.Put(buffer)
	for next < end {
		err := r.frames.Fetch(ctx, s.ids[next:end], func(f chunk.Frame) error {
			start := s.start(next)
			if int64(f.Size()) != s.ends[next]-start || f.ID != s.ids[next] {
				return errGap
			}
			*buffer = f.AppendTo((*buffer)[:0])
			place(parts, *buffer, start)
			next++
			return nil
		})
		switch {
		case err == nil && next < end:
			err = errors.New("it did not come")
			fallthrough
		case err != nil:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.unreadable(s.ids[next], err)
			wipe(parts, s.start(next), s.ends[next])
			next++
		}
	}
	return nil
}

// place copies what of a frame, which begins at start, falls into the parts.
func place(parts []part, frame []byte, start int64) {
	within(parts, start, start+int64(len(frame)), func(into []byte, at int64) { copy(into, frame[at-start:]) })
}

// wipe makes zeros of what of the data from start to end falls into the parts: their memory was used before.
func wipe(parts []part, start, end int64) {
	within(parts, start, end, func(into []byte, _ int64) { clear(into) })
}

// within yields the memory of the data from start to end, as far as the parts have it, and where each piece begins.
func within(parts []part, start, end int64, yield func(into []byte, at int64)) {
	for _, p := range parts {
		from, to := max(start, p.data), min(end, p.data+int64(len(p.into)))
		if from < to {
			yield(p.into[from-p.data:to-p.data], from)
		}
	}
}

// key names a block.
type key struct {
	generation uint16
	block      uint32
}

// slot is a block in a cache. Its symbols are good once ready is closed and err is nil.
type slot struct {
	key
	ready   chan struct{}
	err     error
	used    uint64 // for finding the oldest
	holders int    // who reads it just now: it is not given away
	memory  []byte
	symbols [][]byte // source symbols, the last one padded with zeros
}

// cache keeps the blocks of which symbols are needed soon, in a fixed number of slots. It may be used by several
// goroutines at once, of which each holds at most a few blocks.
type cache struct {
	read *reader

	mu    sync.Mutex
	freed *sync.Cond
	slots map[key]*slot
	limit int
	clock uint64
}

// newCache makes a cache of limit blocks of 180,224 bytes.
func newCache(read *reader, limit int) *cache {
	c := &cache{read: read, slots: map[key]*slot{}, limit: limit}
	c.freed = sync.NewCond(&c.mu)
	return c
}

// has tells whether a block is there or on its way.
func (c *cache) has(k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.slots[k]
	return ok
}

// peek returns a block that is there, held; nil when it is not, or is still being read.
func (c *cache) peek(k key) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.slots[k]
	if s == nil {
		return nil
	}
	select {
	case <-s.ready:
	default:
		return nil
	}
	if s.err != nil {
		return nil
	}
	c.clock++
	s.used = c.clock
	s.holders++
	return s
}

// claim takes a slot for a block and holds it; mine tells that the caller has to fill it. With wait it waits until
// another block can go; else it returns nil.
func (c *cache) claim(k key, wait bool) (s *slot, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		c.clock++
		if s = c.slots[k]; s != nil {
			s.used = c.clock
			s.holders++
			return s, false
		}
		memory, ok := c.room()
		if ok {
			s = &slot{key: k, ready: make(chan struct{}), used: c.clock, holders: 1, memory: memory}
			c.slots[k] = s
			return s, true
		}
		if !wait {
			return nil, false
		}
		c.freed.Wait()
	}
}

// room returns memory for one more block: that of the one whose use is longest ago, where all slots are taken.
func (c *cache) room() ([]byte, bool) {
	if len(c.slots) < c.limit {
		return make([]byte, wire.BlockSize), true
	}
	var oldest *slot
	for _, s := range c.slots {
		if s.holders == 0 && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest == nil {
		return nil, false
	}
	delete(c.slots, oldest.key)
	return oldest.memory, true
}

// release gives a block back that claim or get has held. One that could not be read is forgotten.
func (c *cache) release(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.holders--; s.holders > 0 {
		return
	}
	if s.err != nil && c.slots[s.key] == s {
		delete(c.slots, s.key)
	}
	c.freed.Signal()
}

// get returns a block, held, reading it where it is not there yet.
func (c *cache) get(ctx context.Context, g *stock, block uint32) (*slot, error) {
	for {
		s, err := c.try(ctx, g, block)
		// A reader whose request was given up meanwhile says nothing about the block
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return s, err
		}
	}
}

func (c *cache) try(ctx context.Context, g *stock, block uint32) (*slot, error) {
	s, mine := c.claim(key{g.Number, block}, true)
	if mine {
		c.load(ctx, g, []*slot{s})
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		c.release(s)
		return nil, ctx.Err()
	}
	if s.err != nil {
		err := s.err
		c.release(s)
		return nil, err
	}
	return s, nil
}

// ahead reads up to count blocks from a block on that are not there yet, in one go, and holds none. It takes no slot
// that is not free.
func (c *cache) ahead(ctx context.Context, g *stock, from uint32, count int) {
	var run []*slot
	flush := func() {
		if len(run) > 0 {
			c.load(ctx, g, run)
			for _, s := range run {
				c.release(s)
			}
			run = nil
		}
	}
	for b := from; b < min(from+uint32(count), g.Blocks()); b++ {
		s, mine := c.claim(key{g.Number, b}, false)
		switch {
		case s == nil:
			flush()
			return
		case mine:
			run = append(run, s)
		default:
			c.release(s)
			flush()
		}
	}
	flush()
}

// load fills slots of neighbouring blocks, of the index or of the data or of both.
func (c *cache) load(ctx context.Context, g *stock, run []*slot) {
	var data []*slot
	for _, s := range run {
		if inIndex, off, n := g.Extent(s.block); inIndex {
			copy(s.memory, g.index[off:off+n])
			s.finish(n, nil)
		} else {
			data = append(data, s)
		}
	}
	if len(data) == 0 {
		return
	}
	parts := make([]part, len(data))
	for i, s := range data {
		_, off, n := g.Extent(s.block)
		parts[i] = part{off, s.memory[:n]}
	}
	err := c.read.fill(ctx, g, parts)
	for i, s := range data {
		failed := err
		if err != nil {
			failed = fmt.Errorf("reading block %d of generation %d: %w", s.block, g.Number, err)
		}
		s.finish(int64(len(parts[i].into)), failed)
	}
}

// finish cuts n bytes of memory into symbols, pads the last one, and lets everybody see them.
func (s *slot) finish(n int64, err error) {
	count := int((n + wire.SymbolSize - 1) / wire.SymbolSize)
	clear(s.memory[n : count*wire.SymbolSize])
	s.symbols = make([][]byte, count)
	for i := range s.symbols {
		s.symbols[i] = s.memory[i*wire.SymbolSize : (i+1)*wire.SymbolSize]
	}
	s.err = err
	close(s.ready)
}

// symbol writes a source or parity symbol of the block into dst, which has wire.SymbolSize bytes.
func (s *slot) symbol(dst []byte, number uint8) error {
	if number >= wire.BlockSymbols {
		return wire.Parity(dst, int(number), s.symbols)
	}
	if int(number) >= len(s.symbols) {
		return fmt.Errorf("symbol %d of a block of %d", number, len(s.symbols))
	}
	copy(dst, s.symbols[number])
	return nil
}
