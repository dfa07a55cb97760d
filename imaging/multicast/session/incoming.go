package session

import (
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

// slabSymbols is how many symbols are allocated together.
const slabSymbols = 64

// pool is memory for symbols. What it has ever given out stays: the receiver bounds it. Its user locks.
type pool struct {
	free [][]byte
}

// get returns memory for one symbol.
func (p *pool) get() []byte {
	if len(p.free) == 0 {
		slab := make([]byte, slabSymbols*wire.SymbolSize)
		for i := range slabSymbols {
			p.free = append(p.free, slab[i*wire.SymbolSize:(i+1)*wire.SymbolSize:(i+1)*wire.SymbolSize])
		}
	}
	last := len(p.free) - 1
	symbol := p.free[last]
	p.free = p.free[:last]
	return symbol
}

// put takes the memory of a block's symbols back.
func (p *pool) put(symbols *[wire.MaxSymbols][]byte) {
	for i, s := range symbols {
		if s != nil {
			p.free = append(p.free, s)
			symbols[i] = nil
		}
	}
}

const (
	scrapStep  = 32 << 10 // sizes of memory for frames are rounded up to this
	scrapSizes = (chunk.MaxFrameSize + scrapStep - 1) / scrapStep
	scrapsKept = 4 << 20 // bytes that wait to be used again: the frames of one span of blocks
)

// scraps is memory for frames of which parts are still to come. Its user locks.
type scraps struct {
	free [scrapSizes][][]byte
	kept int // bytes
}

// get returns memory for a frame of n bytes, as a plan may name it; there is something of another in it.
func (s *scraps) get(n int64) []byte {
	class := int((n - 1) / scrapStep)
	last := len(s.free[class]) - 1
	if last < 0 {
		return make([]byte, n, (class+1)*scrapStep)
	}
	memory := s.free[class][last]
	s.free[class] = s.free[class][:last]
	s.kept -= cap(memory)
	return memory[:n]
}

// put takes memory of get back.
func (s *scraps) put(memory []byte) {
	class := cap(memory)/scrapStep - 1
	if s.kept+cap(memory) > scrapsKept {
		return
	}
	s.kept += cap(memory)
	s.free[class] = append(s.free[class], memory)
}

// incoming is a block of which symbols have come.
type incoming struct {
	key
	sources int
	symbols [wire.MaxSymbols][]byte
}

// copyTo copies bytes of a block that was rebuilt, from one on.
func (b *incoming) copyTo(dst []byte, from int64) {
	for len(dst) > 0 {
		n := copy(dst, b.symbols[from/wire.SymbolSize][from%wire.SymbolSize:])
		dst, from = dst[n:], from+int64(n)
	}
}

// fits tells whether a block can have that many sources: a symbol that says otherwise was not made by our server.
func (e *episode) fits(k key, sources uint8) bool {
	return int(k.generation) >= len(e.arrivals) || e.arrivals[k.generation].Symbols(k.block) == int(sources)
}

// obeyVerdict does with a symbol what the state machine says. The caller holds the lock.
func (c *Client) obeyVerdict(e *episode, k key, number uint8, content []byte, v multicast.Verdict) {
	if v.Dropped {
		c.forget(e, key{v.DropGeneration, v.DropBlock})
	}
	if v.Keep {
		c.keep(e, k, number, content)
	}
	if v.Complete {
		c.completed(e, k)
	}
}

// keep copies a symbol. The caller holds the lock.
func (c *Client) keep(e *episode, k key, number uint8, content []byte) {
	b := e.blocks[k]
	if b == nil {
		b = &incoming{key: k}
		e.blocks[k] = b
	}
	if b.symbols[number] == nil {
		b.symbols[number] = c.pool.get()
	}
	copy(b.symbols[number], content)
}

// forget drops what came of a block. The caller holds the lock.
func (c *Client) forget(e *episode, k key) {
	if b := e.blocks[k]; b != nil {
		c.pool.put(&b.symbols)
		delete(e.blocks, k)
	}
}

// drop forgets everything of an episode. The caller holds the lock.
func (c *Client) drop(e *episode) {
	for k := range e.blocks {
		c.forget(e, k)
	}
	for _, a := range e.arrivals {
		for _, b := range a.parked {
			c.pool.put(&b.symbols)
		}
		a.parked = nil
	}
	kept := c.queue[:0]
	for _, b := range c.queue {
		if b.arrival.episode == e {
			c.pool.put(&b.incoming.symbols)
			continue
		}
		kept = append(kept, b)
	}
	c.queue = kept
	c.asked, c.fragments = nil, 0
}

// completed hands a block on that has all its symbols, or puts it aside until its plan is here. The caller holds the
// lock.
func (c *Client) completed(e *episode, k key) {
	b := e.blocks[k]
	delete(e.blocks, k)
	if b == nil || int(k.generation) >= len(e.arrivals) {
		return
	}
	a := e.arrivals[k.generation]
	b.sources = a.Symbols(k.block)
	if data, ok := a.dataBlock(k.block); ok {
		if a.ends == nil {
			c.park(a, b)
			return
		}
		a.complete[data] = true
		if a.pending[data] == 0 {
			c.pool.put(&b.symbols)
			e.recv.Written(k.generation, k.block)
			return
		}
	}
	c.enqueue(a, b)
}

// park keeps a complete block until its plan is here. The plan must find room too, so only half of the memory is for
// that; what is more is asked for again. The caller holds the lock.
func (c *Client) park(a *arrival, b *incoming) {
	if int64(len(a.parked)+1)*wire.BlockSize <= c.o.Memory/2 {
		a.parked = append(a.parked, b)
		return
	}
	c.pool.put(&b.symbols)
	a.episode.recv.Want(b.generation, b.block, multicast.Held)
	a.episode.recv.Want(b.generation, b.block, multicast.Unknown)
}

// enqueue lets a block be cut. The caller holds the lock.
func (c *Client) enqueue(a *arrival, b *incoming) {
	c.queue = append(c.queue, ripe{a, b})
	c.more.Signal()
}

// ripe is a complete block that waits to be cut into frames.
type ripe struct {
	arrival  *arrival
	incoming *incoming
}
