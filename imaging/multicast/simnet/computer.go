package simnet

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// computer is a PC while the scenario runs.
type computer struct {
	PC
	index    int
	life     int32 // counts its starts; events of a life before do not happen
	alive    bool
	r        *multicast.Receiver // nil: not in a session
	rng      *rand.Rand
	naps     naps
	have     []bool // blocks of the content that are on its disk
	lacks    int
	scanned  bool
	mapped   map[uint16]bool // generations whose index was read
	free     nanos           // when its port has sent what it holds
	untilBad int             // packets until the next is lost
	bad      nanos           // when the present burst ends
	queue    []arrival       // what its port has still to deliver, from head on
	head     int
	late     *wire.Header // held back by the network
	lateFor  int          // for so many packets
	seen     [16]uint64   // sequences, modulo 1,024, as the product's window
	highest  uint64
	diskFree nanos
	writes   []write
	written  int64 // bytes since the last report
	reported nanos
	flow     flow
	turn     nanos // when evTurn is due, 0 never
	posted   nanos // when its last report comes to the server
	told     bool  // that it is done
	out      Outcome
}

// arrival is a packet at the end of a port's queue.
type arrival struct {
	at nanos
	h  *wire.Header
}

// write is a block on its way to the disk.
type write struct {
	at         nanos
	generation uint16
	block      uint32
}

// flow is the answer to one request over TLS.
type flow struct {
	asking     bool
	generation uint16
	symbols    []symbol
	next       int
	inFlight   int
	window     float64
	retry      bool
}

type symbol struct {
	block uint32
	index uint8
}

// gap draws how many packets come until the next loss.
func (c *computer) gap() int {
	if c.Loss <= 0 {
		return math.MaxInt
	}
	p := c.Loss / float64(max(1, c.Burst))
	return int(math.Log(1-c.rng.Float64())/math.Log(1-p)) + 1
}

// length draws how long a loss is.
func (c *computer) length() int {
	if c.Burst <= 1 {
		return 1
	}
	return int(math.Log(1-c.rng.Float64())/math.Log(1-1/float64(c.Burst))) + 1
}

// lost tells whether the line loses a packet that comes at a time. A burst lasts as long as its packets take at the port's
// full rate, whether they are sent or not.
func (c *computer) lost(at nanos) bool {
	if at < c.bad {
		return true
	}
	if c.untilBad--; c.untilBad > 0 {
		return false
	}
	c.bad = at + nanos((float64(c.length())-0.5)*packetWire*8e9/c.Port)
	c.untilBad = c.gap()
	return true
}

// enqueue passes a frame through the computer's port, which tells when it is there; ok is false when the port is full.
func (c *computer) enqueue(at nanos, bytes int) (there nanos, ok bool) {
	c.free = max(c.free, at)
	if float64(c.free-at)*c.Port/8e9+float64(bytes) > float64(c.Buffer) {
		return 0, false
	}
	c.free += nanos(float64(bytes) * 8e9 / c.Port)
	return c.free + delay, true
}

// multicast brings a packet of a stream to the computer.
func (c *computer) multicast(at nanos, h *wire.Header) {
	there, ok := c.enqueue(at, packetWire)
	if !ok || c.lost(there) {
		return
	}
	if c.late != nil {
		if c.lateFor--; c.lateFor <= 0 {
			c.queue = append(c.queue, arrival{there, h})
			h, c.late = c.late, nil
		}
	} else if c.Reorder > 0 && c.rng.Float64() < c.Reorder {
		c.late, c.lateFor = h, 1+c.rng.IntN(8)
		return
	}
	c.queue = append(c.queue, arrival{there, h})
	if c.Duplicate > 0 && c.rng.Float64() < c.Duplicate {
		c.queue = append(c.queue, arrival{there, h})
	}
}

// old tells whether a sequence was seen, as the opener of packets does before the receiver hears of one.
func (c *computer) old(sequence uint64) bool {
	if c.Duplicate == 0 {
		return false
	}
	for ; c.highest < sequence; c.highest++ {
		at := (c.highest + 1) % 1024
		c.seen[at/64] &^= 1 << (at % 64)
	}
	at := sequence % 1024
	if c.highest-sequence >= 1024 || c.seen[at/64]&(1<<(at%64)) != 0 {
		return true
	}
	c.seen[at/64] |= 1 << (at % 64)
	return false
}

// drain lets happen to the computer what happens until then: packets come, blocks are written.
func (w *world) drain(c *computer, until nanos) {
	for c.head < len(c.queue) && c.queue[c.head].at <= until {
		a := c.queue[c.head]
		c.head++
		w.flush(c, a.at)
		if c.r == nil || a.h.Session != w.session || c.old(a.h.Sequence) {
			continue
		}
		w.obey(c, a.at, a.h.Generation, a.h.Block, c.r.Receive(w.time(a.at), *a.h))
	}
	if c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
	} else if c.head > 4096 {
		c.queue = append(c.queue[:0], c.queue[c.head:]...)
		c.head = 0
	}
	w.flush(c, until)
}

// obey does what a verdict says.
func (w *world) obey(c *computer, at nanos, generation uint16, block uint32, v multicast.Verdict) {
	if v.Dropped {
		c.out.Dropped++
	}
	if !v.Complete {
		return
	}
	g := &w.generations[generation]
	if block < g.IndexBlocks() {
		c.r.Written(generation, block)
		w.readIndexes(c)
		return
	}
	if g.content == nil || c.have[g.content[block-g.IndexBlocks()]] && c.scanned {
		c.r.Want(generation, block, multicast.Held)
		return
	}
	_, _, n := g.Extent(block)
	done := max(c.diskFree, at)
	if c.Disk > 0 {
		done += nanos(float64(n) / c.Disk * 1e9)
	}
	c.diskFree = done
	c.writes = append(c.writes, write{done, generation, block})
}

// flush ends the writes that are done.
func (w *world) flush(c *computer, until nanos) {
	n := 0
	for ; n < len(c.writes) && c.writes[n].at <= until; n++ {
		d := c.writes[n]
		g := &w.generations[d.generation]
		_, _, bytes := g.Extent(d.block)
		c.written += bytes
		c.r.Written(d.generation, d.block)
		id := g.content[d.block-g.IndexBlocks()]
		if !c.have[id] {
			c.have[id] = true
			c.lacks--
		}
		w.finish(c, d.at)
	}
	if n > 0 {
		c.writes = append(c.writes[:0], c.writes[n:]...)
	}
}

// finish notes that a computer has everything.
func (w *world) finish(c *computer, at nanos) {
	if c.lacks > 0 || c.out.Complete || !c.scanned {
		return
	}
	c.out.Complete = true
	c.out.Seconds = float64(at-w.first) / 1e9
	w.open--
	w.schedule(c, max(at, w.now))
}

// readIndexes tells the receiver what is needed of generations whose index has come.
func (w *world) readIndexes(c *computer) {
	if !c.scanned {
		return
	}
	for number := range w.generations {
		g := &w.generations[number]
		if c.mapped[uint16(number)] || g.content == nil || !c.r.Has(uint16(number)) {
			continue
		}
		c.mapped[uint16(number)] = true
		for i, id := range g.content {
			need := multicast.Missing
			if c.have[id] {
				need = multicast.Held
			}
			c.r.Want(uint16(number), g.IndexBlocks()+uint32(i), need)
		}
	}
}

// report makes the computer's report when it is due.
func (w *world) report(c *computer) {
	if c.r == nil || !c.alive {
		return
	}
	w.drain(c, w.now)
	now := w.time(w.now)
	done := c.out.Complete
	if c.r.ReportAt().After(now) && !(done && !c.told) {
		w.again(c)
		return
	}
	d := multicast.Disk{Done: done}
	c.told = done
	if span := w.now - c.reported; span > 0 {
		d.Rate = int64(float64(c.written) * 1e9 / float64(span))
	}
	c.written, c.reported = 0, w.now
	if c.scanned && c.r.Has(0) {
		d.Needs = w.needs
	}
	r := c.r.Report(now, d)
	if c.Lies != nil {
		c.Lies(&r)
	}
	w.again(c)
	if c.Mute > 0 && w.now > nanos(c.Mute) || c.Control > 0 && c.rng.Float64() < c.Control {
		return
	}
	w.result.Reports++
	at := w.now + control
	if c.Busy > 0 {
		at += nanos(c.rng.Int64N(int64(c.Busy)))
	}
	c.posted = max(c.posted+1, at) // they come in order
	w.agenda.add(event{at: c.posted, kind: evReport, pc: int32(c.index), life: w.life, arg: w.reports.put(r)})
}

// again sets when a computer looks next: often, as packets may end at any time, unless it needs none.
func (w *world) again(c *computer) {
	at := nanos(c.r.ReportAt().Sub(w.start))
	if !c.told {
		at = min(at, w.now+nanos(poll))
	}
	w.schedule(c, max(at, w.now+1))
}

// schedule sets when a computer looks again whether a report is due.
func (w *world) schedule(c *computer, at nanos) {
	if c.turn > w.now && c.turn <= at {
		return
	}
	c.turn = at
	w.agenda.add(event{at: at, kind: evTurn, pc: int32(c.index), life: c.life})
}

// ask starts a request over TLS when the receiver has one.
func (w *world) ask(c *computer) {
	if c.flow.asking || c.r == nil {
		return
	}
	ask, ok := c.r.Rescue(w.time(w.now))
	if !ok {
		return
	}
	f := &c.flow
	*f = flow{asking: true, generation: ask.Generation, symbols: f.symbols[:0], window: 10}
	for _, b := range ask.Blocks {
		for _, s := range b.Symbols {
			f.symbols = append(f.symbols, symbol{b.Block, s})
		}
	}
	w.agenda.add(event{at: w.now + control, kind: evPush, pc: int32(c.index), life: c.life})
}

// push sends symbols of an answer, as many as the window allows.
func (w *world) push(c *computer) {
	f := &c.flow
	f.retry = false
	for f.inFlight < int(f.window) && f.next < len(f.symbols) {
		at := w.transmit(w.now, wire.AnswerSize+overhead)
		there, ok := c.enqueue(at, wire.AnswerSize+overhead)
		if ok && c.lost(there) {
			ok = false
		}
		if !ok {
			f.window = max(1, f.window/2)
			if !f.retry && f.inFlight == 0 {
				f.retry = true
				w.agenda.add(event{at: w.now + nanos(20*time.Millisecond), kind: evPush, pc: int32(c.index), life: c.life})
			}
			return
		}
		f.inFlight++
		w.agenda.add(event{at: there, kind: evArrives, pc: int32(c.index), life: c.life, arg: f.next})
		f.next++
	}
}

// arrives takes a symbol of an answer.
func (w *world) arrives(c *computer, i int) {
	w.drain(c, w.now)
	f := &c.flow
	s := f.symbols[i]
	f.inFlight--
	f.window = min(f.window+1/f.window, 64)
	c.out.HTTPS += wire.AnswerSize
	w.result.HTTPS += wire.AnswerSize
	w.obey(c, w.now, f.generation, s.block, c.r.Rescued(w.time(w.now), f.generation, s.block, s.index))
	w.flush(c, w.now)
	if f.inFlight == 0 && f.next == len(f.symbols) {
		f.asking = false
		w.ask(c)
		return
	}
	w.push(c)
}
