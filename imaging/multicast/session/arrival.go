package session

import (
	"sort"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

// States of a frame.
const (
	frameOpen  uint8 = iota // it has not come
	frameBusy               // it is whole and on its way to the holder
	frameAsked              // it is fetched by HTTPS: what comes of it otherwise is not needed any more
	frameDone               // nothing more is to be done for it: written, held, not of our master, or given up
)

// nowhere is the place of a frame of another master.
const nowhere = ^uint32(0)

// arrival is one generation as it comes. Its client's lock guards it.
type arrival struct {
	episode *episode
	wire.Generation

	index   []byte // as it comes
	have    []bool // by block of the index
	lacking uint32 // blocks of the index
	spoilt  int    // times that the index had another hash

	ends   []int64  // by frame: its end in the data; nil until the plan is here
	places []uint32 // by frame: place in our catalogue
	states []uint8  // by frame

	pending  []uint16         // by block of the data: frames whose bytes in it are still needed
	told     []multicast.Need // by block of the data: what the receiver was told
	complete []bool           // by block of the data: it has had all its symbols
	parked   []*incoming      // complete blocks that came before the plan
	vain     map[int]bool     // frames that were asked for by HTTPS in vain, once
	partials map[int]*partial // frames of which a part has come
}

// partial is a frame that lies in several blocks. It is kept until it is done, the blocks are not: what comes late is a
// neighbour that was lost, and a block is more than a part of a frame.
type partial struct {
	bytes []byte
	have  [4]bool // by block, from its first one; a frame of 262,200 bytes touches three at most
}

// dataBlock returns the number of a block among those of the data.
func (a *arrival) dataBlock(block uint32) (uint32, bool) {
	if first := a.IndexBlocks(); block >= first {
		return block - first, true
	}
	return 0, false
}

// start returns where frame i begins in the data.
func (a *arrival) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return a.ends[i-1]
}

// frames returns the frames first ..< last that have bytes in a block of the data.
func (a *arrival) frames(data uint32) (first, last int) {
	off := int64(data) * wire.BlockSize
	first = sort.Search(len(a.ends), func(i int) bool { return a.ends[i] > off })
	last = sort.Search(len(a.ends), func(i int) bool { return a.ends[i] >= off+wire.BlockSize })
	return first, min(last+1, len(a.ends))
}

// span returns the blocks of the data first ..= last in which frame i has bytes.
func (a *arrival) span(i int) (first, last uint32) {
	return uint32(a.start(i) / wire.BlockSize), uint32((a.ends[i] - 1) / wire.BlockSize)
}

// within returns the bytes from ..< to of a block of the data in which the frames lie that are in no other block. What a
// plan says does not change, so that no lock is needed.
func (a *arrival) within(data uint32) (from, to int64) {
	off := int64(data) * wire.BlockSize
	first, last := a.frames(data)
	if first < last && a.start(first) < off {
		first++
	}
	if first < last && a.ends[last-1] > off+wire.BlockSize {
		last--
	}
	if first >= last {
		return 0, 0
	}
	return a.start(first) - off, a.ends[last-1] - off
}

// indexBlock takes a block of the index. The caller holds the lock.
func (c *Client) indexBlock(a *arrival, block uint32, content []byte) {
	if a.ends != nil || a.Number == 0 && c.hasManifest() {
		return
	}
	if a.index == nil {
		a.index, a.have, a.lacking = make([]byte, a.Index), make([]bool, a.IndexBlocks()), a.IndexBlocks()
	}
	if a.have[block] {
		return
	}
	_, off, n := a.Extent(block)
	copy(a.index[off:off+n], content)
	a.have[block] = true
	if a.lacking--; a.lacking > 0 {
		return
	}
	if manifest.HashOf(a.index) != a.Hash {
		c.spoiltIndex(a)
		return
	}
	for b := range a.IndexBlocks() {
		a.episode.recv.Written(a.Number, b)
	}
	if a.Number == 0 {
		c.haveManifest(a.index)
		a.index = nil
		return
	}
	c.open(a)
}

// spoiltIndex asks for an index again, whose authentic packets did not make what the server announced.
func (c *Client) spoiltIndex(a *arrival) {
	c.counts.polluted.Add(1)
	c.notice(wire.Event{Code: wire.EventPolluted, Generation: a.Number, Text: "the index has another hash than was announced"})
	a.index = nil
	if a.Number == 0 {
		c.haveManifest(nil) // it is fetched as it is
		return
	}
	if a.spoilt++; a.spoilt >= giveUpAfter {
		a.episode.broken = true
		for b := range a.IndexBlocks() {
			a.episode.recv.Written(a.Number, b) // it is not asked for a third time
		}
		return
	}
	for b := range a.IndexBlocks() {
		a.episode.recv.Polluted(a.Number, b)
	}
}

// open reads the plan of a generation whose index is here, once the catalogue is known, and cuts what came before it.
// The caller holds the lock.
func (c *Client) open(a *arrival) {
	if c.cat == nil || a.index == nil || a.lacking > 0 || a.ends != nil {
		return
	}
	plan, err := wire.ParsePlan(a.index, a.Data)
	a.index = nil
	if err != nil {
		c.o.Log.Warn("the server's plan cannot be read", "generation", a.Number, "error", err)
		a.episode.broken = true
		return
	}
	e := a.episode
	a.ends = make([]int64, len(plan))
	a.places, a.states = make([]uint32, len(plan)), make([]uint8, len(plan))
	blocks := a.Blocks() - a.IndexBlocks()
	a.pending, a.told, a.complete = make([]uint16, blocks), make([]multicast.Need, blocks), make([]bool, blocks)
	var end int64
	for i, f := range plan {
		end += int64(f.Size)
		a.ends[i] = end
		place, ok := c.cat.find(f.Prefix)
		if !ok {
			a.places[i], a.states[i] = nowhere, frameDone
			continue
		}
		a.places[i] = place
		e.planned[place] = true
		first, last := a.span(i)
		for b := first; b <= last; b++ {
			a.pending[b]++
		}
	}
	e.plans++
	var parked []*incoming
	for _, b := range a.parked {
		data, _ := a.dataBlock(b.block)
		a.complete[data] = true
		if a.pending[data] > 0 {
			parked = append(parked, b)
			continue
		}
		c.pool.put(&b.symbols) // nothing in it is for us
		e.recv.Written(a.Number, b.block)
	}
	a.parked = nil
	c.want(a)
	for _, b := range parked {
		c.enqueue(a, b)
	}
}

// want tells the receiver what is needed of each block, as far as that has changed. The caller holds the lock.
func (c *Client) want(a *arrival) {
	if a.ends == nil {
		return
	}
	fresh := make([]multicast.Need, len(a.told))
	for b := range fresh {
		fresh[b] = multicast.Held
	}
	for i, place := range a.places {
		if a.states[i] > frameBusy {
			continue
		}
		if a.states[i] == frameOpen && c.needs[place] == wire.Held {
			c.finish(a, i)
			continue
		}
		need := multicast.Missing
		if c.needs[place] == wire.Unknown {
			need = multicast.Unknown
		}
		first, last := a.span(i)
		for b := first; b <= last; b++ {
			if fresh[b] == multicast.Held || need == multicast.Missing {
				fresh[b] = need
			}
		}
	}
	for data, need := range fresh {
		if !a.complete[data] && a.told[data] != need {
			c.tell(a, uint32(data), need)
		}
	}
}

// tell says to the receiver what is needed of a block.
func (c *Client) tell(a *arrival, data uint32, need multicast.Need) {
	a.told[data] = need
	block := a.IndexBlocks() + data
	a.episode.recv.Want(a.Number, block, need)
	if need == multicast.Held {
		c.forget(a.episode, key{a.Number, block})
	}
}

// finish says that nothing more is to be done for a frame. The caller holds the lock.
func (c *Client) finish(a *arrival, i int) { c.leave(a, i, frameDone) }

// leave says that no block is needed for a frame any more. The caller holds the lock.
func (c *Client) leave(a *arrival, i int, state uint8) {
	before := a.states[i]
	a.states[i] = state
	if before > frameBusy {
		return
	}
	first, last := a.span(i)
	p := a.partials[i]
	for data := first; data <= last; data++ {
		if p == nil || !p.have[data-first] {
			c.unneed(a, data)
		}
	}
	if p != nil {
		c.fragments -= int64(len(p.bytes))
		delete(a.partials, i)
		c.scraps.put(p.bytes) // nobody takes it any more: what is being written is left by settle
	}
}

// unneed says that one more frame does not need a block. The caller holds the lock.
func (c *Client) unneed(a *arrival, data uint32) {
	if a.pending[data]--; a.pending[data] > 0 {
		return
	}
	if a.complete[data] {
		a.episode.recv.Written(a.Number, a.IndexBlocks()+data)
	} else {
		c.tell(a, data, multicast.Held)
	}
}

// bad says that a frame was not what the plan names. It is fetched by HTTPS, once; then the chunk is left to other
// sources. The caller holds the lock.
func (c *Client) bad(a *arrival, i int, reason string) {
	c.counts.polluted.Add(1)
	first, _ := a.span(i)
	c.notice(wire.Event{Code: wire.EventPolluted, Generation: a.Number, Block: a.IndexBlocks() + first, Text: clip(reason)})
	if a.states[i] == frameAsked {
		c.giveUp(a, i)
		return
	}
	c.askFor(a, i)
}

// askFor has a frame fetched by HTTPS. The caller holds the lock.
func (c *Client) askFor(a *arrival, i int) {
	c.leave(a, i, frameAsked)
	c.asked = append(c.asked, frameAt{a, i})
}

// giveUp leaves a frame's chunk to other sources. The caller holds the lock.
func (c *Client) giveUp(a *arrival, i int) {
	a.episode.left[a.places[i]] = true
	c.finish(a, i)
}

// look takes the holder's needs and tells the receiver what has changed. The caller holds the lock.
func (c *Client) look() {
	e := c.episode
	if c.holder == nil {
		return
	}
	needs, changes := c.holder.Needs(c.needs, c.seen)
	if changes == c.seen && (e == nil || e.looked) {
		return
	}
	c.needs, c.seen = needs, changes
	if len(c.needs) != c.cat.size() {
		c.die(&EndedError{Reason: "the holder does not know the chunks of this manifest"})
		c.holder = nil
		return
	}
	if e == nil {
		return
	}
	e.looked = true
	if e.planned == nil {
		e.planned = make([]bool, c.cat.size())
	}
	for _, a := range e.arrivals {
		if a.Number == 0 {
			continue
		}
		c.open(a)
		c.want(a)
	}
}

// clip cuts a text for an event.
func clip(text string) string { return text[:min(len(text), wire.MaxText)] }
