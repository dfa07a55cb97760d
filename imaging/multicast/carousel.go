package multicast

import (
	"sort"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// work is what is still to be sent of one block of a span.
type work struct {
	g          *generation
	block      uint32
	source, to uint8 // source symbols from source to to - 1, then
	parity     uint8 // so many parity symbols, or source symbols again when those are used up
	round      bool
}

// stream is one multicast group: its place in the carousel and its rate.
type stream struct {
	id       uint8
	sequence uint64 // of the last symbol
	nextAt   time.Time
	history  history
	span     [wire.Interleave]work
	n, at    int  // works of the span, and whose turn it is
	far      bool // the span serves members that are far: one for those near goes before it
	aside    [wire.Interleave]work
	nAside   int
	dry      time.Time // nothing was found to send then; zero: not known
	idle     bool      // nothing was found since the last packet
	resumed  []uint64  // sequences of the first packets after such a time, of those that have not left yet
	cursor   [groups]place

	rate      float64 // bytes of UDP payload a second
	start     bool    // doubling
	fixed     bool
	changed   uint64    // sequence when the rate last changed
	interval  uint16    // what the packets carry
	turned    time.Time // when that last changed
	ticked    time.Time
	hold      time.Duration
	holdUntil time.Time
	ceiling   float64
	proven    float64 // bytes a second that the median member is known to take
	suspects  bool    // most members are suspect: they count
}

// place is a block of a generation.
type place struct {
	generation int
	block      uint32
}

// history remembers when sequences left, every few milliseconds.
type history struct {
	marks [2048]mark
	first int // oldest
	n     int

	newest uint64
	last   time.Time
	plan   time.Duration // how long the burst that left last was to take
	busy   time.Duration
	active time.Duration
}

type mark struct {
	sequence uint64
	at       time.Time
	busy     time.Duration // that the stream was sent until then, without its pauses
	active   time.Duration // and without those of the driver: in these a port's queue runs dry
}

const (
	every = 10 * time.Millisecond // between two marks: the history goes back 20 s and more
	pause = 5 * time.Millisecond  // of the time without anything to send, this much counts as sent in
	stall = 10 * time.Millisecond // more than planned between two bursts, and the driver was away; ports' queues bridge less

	mostResumed = 256
)

// note remembers when a sequence left, and whether there was nothing to send before it. A driver that does not come to
// send makes no pause: what it sends is slow, and must not be taken for fast. rate is what was planned, in bytes a second.
func (h *history) note(sequence uint64, at time.Time, idle bool, rate float64) {
	planned := time.Duration(float64(sequence-h.newest) * wire.PacketSize / rate * float64(time.Second))
	between := max(planned, h.plan) // a burst leaves at the time of its first packet: what follows is its own, be the next one short
	h.plan = planned
	if h.newest = sequence; h.last.IsZero() {
		h.last = at
	}
	gap := max(0, at.Sub(h.last))
	if idle {
		gap = min(gap, pause)
	}
	h.busy += gap
	if gap > between+stall {
		gap = between
	}
	h.active += gap
	h.last = at
	if h.n > 0 && at.Sub(h.marks[(h.first+h.n-1)%len(h.marks)].at) < every {
		return
	}
	if h.n == len(h.marks) {
		h.first = (h.first + 1) % len(h.marks)
		h.n--
	}
	h.marks[(h.first+h.n)%len(h.marks)] = mark{sequence, at, h.busy, h.active}
	h.n++
}

// at returns when a sequence was sent, within what the marks tell.
func (h *history) at(sequence uint64) mark {
	if h.n == 0 {
		return mark{}
	}
	get := func(i int) mark { return h.marks[(h.first+i)%len(h.marks)] }
	i := sort.Search(h.n, func(i int) bool { return get(i).sequence > sequence })
	if i == 0 {
		return get(0)
	}
	low, high := get(i-1), mark{h.newest, h.last, h.busy, h.active}
	if i < h.n {
		high = get(i)
	}
	if high.sequence <= low.sequence {
		return low
	}
	share := float64(min(sequence, high.sequence)-low.sequence) / float64(high.sequence-low.sequence)
	return mark{
		sequence: sequence,
		at:       low.at.Add(time.Duration(share * float64(high.at.Sub(low.at)))),
		busy:     low.busy + time.Duration(share*float64(high.busy-low.busy)),
		active:   low.active + time.Duration(share*float64(high.active-low.active)),
	}
}

// passed tells whether all symbols of the stream have left, and passed everyone a while ago.
func (st *stream) passed(now time.Time, after time.Duration) bool {
	return st.history.newest == st.sequence && st.history.last.Add(after).Before(now)
}

// Left says that the symbols of a stream up to a sequence have left: when it was told so, not when it was asked for. Rates
// are reckoned by that, and what has not left is not in flight, however long ago it was due: a driver may be late.
func (s *Sender) Left(stream uint8, sequence uint64, at time.Time) {
	if stream >= wire.Streams {
		return
	}
	st := &s.streams[stream]
	if sequence = min(sequence, st.sequence); sequence <= st.history.newest {
		return
	}
	n := 0
	for n < len(st.resumed) && st.resumed[n] <= sequence {
		n++
	}
	st.resumed = append(st.resumed[:0], st.resumed[n:]...)
	st.history.note(sequence, at, n > 0, s.pace(st))
}

// before returns the highest sequence that was surely sent by then.
func (h *history) before(then time.Time) uint64 {
	i := sort.Search(h.n, func(i int) bool { return h.marks[(h.first+i)%len(h.marks)].at.After(then) })
	if i == 0 {
		return 0
	}
	return h.marks[(h.first+i-1)%len(h.marks)].sequence
}

// running tells whether the stream is open.
func (st *stream) running() bool { return st.rate > 0 }

// open starts the slow stream.
func (st *stream) open(now time.Time, rate float64) {
	st.rate = max(rate, leastRate)
	st.start = false
	st.ceiling, st.proven = st.rate, 0
	st.hold = time.Second
	st.holdUntil = now.Add(st.hold)
	st.nextAt = now
	st.changed, st.turned = st.sequence, time.Time{}
}

// Next returns the next symbol and the time before which it must not be sent. With the symbol it is counted as sent; that
// it has left is told by Left.
// ok is false when there is nothing to send: until the next report or announcement, or until at, where that is not zero.
func (s *Sender) Next(now time.Time) (sym Symbol, at time.Time, ok bool) {
	s.check(now)
	var best *stream
	for i := range s.streams {
		st := &s.streams[i]
		if !st.running() {
			continue
		}
		if st.n > 0 && st.far && s.nearer {
			st.aside, st.nAside = st.span, st.n
			st.n = 0
		}
		if st.n == 0 && !s.fill(now, st) {
			continue
		}
		if best == nil || st.nextAt.Before(best.nextAt) {
			best = st
		}
	}
	if best == nil {
		if s.passes() || s.lacking[groupNear]+s.lacking[groupFar]+s.lacking[groupSlow] > 0 {
			at = now.Add(recheck)
		}
		return Symbol{}, at, false
	}
	return s.emit(now, best)
}

// emit takes the next symbol from a stream's span.
func (s *Sender) emit(now time.Time, st *stream) (Symbol, time.Time, bool) {
	if late := now.Add(-lateness); st.nextAt.Before(late) {
		st.nextAt = late
	}
	at := st.nextAt
	if at.Before(now) {
		at = now
	}
	st.nextAt = st.nextAt.Add(time.Duration(wire.PacketSize / s.pace(st) * float64(time.Second)))
	if at.Sub(st.turned) >= leastInterval {
		st.turned = at
		st.interval++
	}
	if st.at >= st.n {
		st.at = 0
	}
	w := &st.span[st.at]
	b := &w.g.blocks[w.block]
	st.sequence++
	if st.idle {
		st.idle = false
		if len(st.resumed) == mostResumed {
			st.resumed = append(st.resumed[:0], st.resumed[1:]...)
		}
		st.resumed = append(st.resumed, st.sequence)
	}
	b.last[st.id] = st.sequence
	sym := Symbol{
		Stream: st.id, Generation: w.g.Number, Block: w.block, Sources: uint8(w.g.Symbols(w.block)),
		Interval: st.interval, Sequence: st.sequence,
	}
	kind := 0
	switch {
	case w.source < w.to:
		sym.Index = w.source
		w.source++
	default:
		kind = 1
		w.parity--
		if b.parity < wire.ParitySymbols {
			sym.Index = wire.BlockSymbols + b.parity
			b.parity++
		} else {
			sym.Index = b.again % sym.Sources
			b.again = (b.again + 1) % sym.Sources
		}
	}
	if w.round {
		kind = 2
		b.rounds++
	}
	s.sent[kind]++
	if w.source >= w.to && w.parity == 0 {
		copy(st.span[st.at:], st.span[st.at+1:st.n])
		st.n--
		st.span[st.n] = work{}
	} else {
		st.at++
	}
	return sym, at, true
}

// pace returns the bytes a second of a stream, with the limit of all shared among them.
func (s *Sender) pace(st *stream) float64 {
	rate := st.rate
	if s.o.Cap > 0 {
		limit := float64(s.o.Cap)
		if slow := s.streams[wire.StreamSlow].rate; slow > 0 {
			if st.id == wire.StreamSlow {
				limit /= 2
			} else {
				limit -= min(slow, limit/2)
			}
		}
		rate = min(rate, limit)
	}
	return max(rate, leastRate)
}

// fill finds the next blocks of a stream; false when there are none now.
func (s *Sender) fill(now time.Time, st *stream) bool {
	if !st.dry.IsZero() && now.Sub(st.dry) < recheck {
		return false
	}
	st.n, st.at, st.far = 0, 0, false
	if st.id == wire.StreamSlow {
		s.round(st, groupSlow, sweep{least: 2})
	} else {
		s.fillFast(now, st)
		s.nearer = false
	}
	if st.n == 0 {
		st.dry, st.idle = now, true
		return false
	}
	st.dry = time.Time{}
	return true
}

// fillFast does it for the fast stream: indexes, rounds for what all those near have told of, first passes, rounds for
// those near, rounds for the others.
func (s *Sender) fillFast(now time.Time, st *stream) {
	for i, g := range s.generations {
		if !s.known(now, i) {
			break
		}
		for g.indexNext < g.index && st.n < len(st.span) {
			s.pass(st, g, g.indexNext, s.parity+2)
			g.indexNext++
		}
	}
	if st.n > 0 {
		return
	}
	for i, g := range s.generations {
		if g.lackingIndex > 0 {
			s.roundOf(st, i, 0, g.indexNext, groupNear, sweep{least: 2})
			s.roundOf(st, i, 0, g.indexNext, groupFar, sweep{least: 2})
		}
	}
	if st.n > 0 {
		return
	}
	// Kept for the end, what is lacked would make every PC rebuild, check and write its blocks at one time, then.
	if s.lacking[groupNear] > 0 && s.passes() {
		if s.round(st, groupNear, sweep{least: 2, told: s.covered(wire.StreamFast), look: lookBack}); st.n > 0 {
			return
		}
	}
	for i, g := range s.generations {
		if !s.known(now, i) {
			break
		}
		for g.next < g.total && st.n < len(st.span) && !s.unheard {
			if g.needed(g.next) {
				s.pass(st, g, g.next, s.parity)
			}
			g.next++
		}
		if st.n > 0 {
			return
		}
	}
	tail := s.tail()
	if far := s.demand[groupFar] > s.symbols()/100; far || !tail {
		least := uint16(2)
		if far {
			least = 1 // what they lack would wait for its HTTPS on ports that the others' rounds fill
		}
		if s.round(st, groupNear, sweep{least: least}); st.n > 0 {
			return
		}
	}
	st.far = true
	if st.nAside > 0 {
		st.span, st.n, st.nAside = st.aside, st.nAside, 0
		return
	}
	if !tail {
		s.round(st, groupFar, sweep{least: 2})
	}
}

// known tells whether the members of the fast stream have been told of a generation: what is sent of it before is lost
// on them. Who does not report is not waited for.
func (s *Sender) known(now time.Time, generation int) bool {
	g := s.generations[generation]
	if g.told || now.Sub(g.announced) > s.Interval()+s.Interval()/2 {
		g.told = true
		return true
	}
	for _, m := range s.order {
		if m.listens() && m.told <= generation {
			return false
		}
	}
	g.told = len(s.order) > 0
	return g.told
}

// pass appends the first pass of a block to the span.
func (s *Sender) pass(st *stream, g *generation, block uint32, parity int) {
	st.span[st.n] = work{g: g, block: block, to: uint8(g.Symbols(block)), parity: uint8(parity)}
	st.n++
}

// tail tells whether so little is lacked that HTTPS is quicker than a round and the reports that follow it.
func (s *Sender) tail() bool {
	symbols := s.symbols()
	if s.demand[groupNear]+s.demand[groupFar] >= max(symbols/100, 1) {
		return false
	}
	var sum int64
	for _, m := range s.order {
		if m.group == groupNear || m.group == groupFar {
			sum += m.lack
		}
	}
	return sum < max(symbols/50, wire.BlockSymbols)
}

// sweep is what a round takes.
type sweep struct {
	least uint16 // members that lack something of a block
	told  uint64 // blocks of which nothing was sent behind this sequence, so that nobody will ask for more: 0 any
	look  int    // blocks that are looked at: 0 all
}

// lookBack bounds a sweep between two spans of a first pass: on 100 GB a whole one takes milliseconds.
const lookBack = 4096

// round appends blocks that a group lacks, in carousel order.
func (s *Sender) round(st *stream, gr group, sw sweep) {
	if s.lacking[gr] == 0 || len(s.generations) == 0 {
		return
	}
	at := &st.cursor[gr]
	begin := *at
	for range len(s.generations) + 1 {
		g := s.generations[at.generation]
		end := g.next // nobody is counted who lacks what is still to come
		if at.generation == begin.generation && at.block < begin.block {
			end = min(begin.block, end)
		}
		if sw.look > 0 {
			end = min(end, at.block+uint32(sw.look))
		}
		from := at.block
		at.block = s.roundOf(st, at.generation, at.block, end, gr, sw)
		if st.n == len(st.span) {
			return
		}
		if sw.look > 0 {
			if sw.look -= int(at.block - from); sw.look <= 0 {
				return
			}
		}
		at.generation, at.block = (at.generation+1)%len(s.generations), 0
	}
	*at = begin
}

// roundOf appends blocks of one generation from block to end - 1 until the span is full, and returns where it stopped.
func (s *Sender) roundOf(st *stream, generation int, block, end uint32, gr group, sw sweep) uint32 {
	g := s.generations[generation]
	for ; block < end && st.n < len(st.span); block++ {
		b := &g.blocks[block]
		if b.want[gr] == 0 {
			continue
		}
		total := b.want[gr]
		need := b.most[gr]
		if gr != groupSlow {
			total = b.want[groupNear] + b.want[groupFar]
			if gr == groupFar || b.most[groupNear] == 0 {
				need = max(b.most[groupNear], b.most[groupFar])
			}
		}
		if total < sw.least || b.exhausted(need) || sw.told > 0 && b.last[st.id] > sw.told {
			continue
		}
		w := work{g: g, block: block, parity: need, round: true}
		if k := g.Symbols(block); int(need) == k || int(b.parity)+int(need) > wire.ParitySymbols {
			w.to = uint8(k)
			w.parity = uint8(min(int(2*s.farLoss*float64(k)), wire.ParitySymbols-int(b.parity)))
		}
		s.served(g, block, st.id)
		st.span[st.n] = w
		st.n++
	}
	return block
}

// Demand returns how many bytes of first passes are left, and how long they take at the present rate. The next
// generation is due when that is less than a second.
func (s *Sender) Demand() (bytes int64, left time.Duration) {
	bytes = s.firstPass() * wire.PacketSize
	return bytes, time.Duration(float64(bytes) / s.pace(&s.streams[wire.StreamFast]) * float64(time.Second))
}

// firstPass returns how many symbols of first passes are left, those of the present span included.
func (s *Sender) firstPass() (symbols int64) {
	for _, g := range s.generations {
		symbols += int64(g.left()) * wire.BlockSymbols
	}
	st := &s.streams[wire.StreamFast]
	for _, w := range st.span[:st.n] {
		if !w.round {
			symbols += int64(w.to - w.source)
		}
	}
	return symbols
}
