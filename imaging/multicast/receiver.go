package multicast

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// ReceiverOptions describe one computer in a session.
type ReceiverOptions struct {
	Member uint32
	Memory int64 // bytes of symbols that may be held: incomplete blocks, and complete ones until they are written
}

// leastMemory is what a receiver holds in any case: two spans of blocks.
const leastMemory = 2 * wire.Interleave * wire.BlockSize

// silence is how long no packet must have come until a receiver that lacks something reports out of turn: the sender
// has nothing more to send, or thinks so.
const silence = 20 * time.Millisecond

// Verdict says what to do with a symbol.
type Verdict struct {
	Keep     bool // keep the symbol's bytes for its block
	Complete bool // the block has as many symbols as it has sources: decode, prove and write it, then say Written
	Dropped  bool // memory is full: forget all symbols of the block DropGeneration, DropBlock; they will be sent again

	DropGeneration uint16
	DropBlock      uint32
}

// mostQueued is what a socket holds when a PC is far behind the stream: half a second at 100 Mb/s. A PC whose processor is
// too slow shows it there first, and long before it loses anything.
const mostQueued = 8 << 20

// Disk is what the driver knows of its pipeline when it reports.
type Disk struct {
	Rate        int64 // bytes of frames a second that were written in the last interval, 0 unknown
	SocketDrops uint64
	Needs       []wire.MasterRuns // when they have changed
	Events      []wire.Event
	Queued      int64 // bytes that the socket holds and nobody has read yet
	Done        bool  // everything that the computer needs was written and proven
}

// Receiver decides what one computer keeps, reports and asks for, in one session. After a restart of the server a new
// one is made; what was written the driver knows, and says by Want.
type Receiver struct {
	o           ReceiverOptions
	orders      wire.Orders
	generations []*pieces
	heard       [wire.Streams]heard
	memory      int64 // symbols that may be held
	parts       int64 // symbols held of incomplete blocks
	waiting     int64 // of complete ones that are not written
	queue       []place
	bits        []bitmap
	free        []int32
	missing     int
	unknown     int

	next     time.Time // when the next report is due
	begun    bool      // the first was made
	made     time.Time // when the last one was, from the second on
	last     time.Time // when the last packet of the stream came
	reported uint64    // packets when the last report was made
}

// heard counts the packets of one stream.
type heard struct {
	first, highest, packets uint64

	interval uint16    // of the highest
	window   wire.Span // what came of it
	began    time.Time
	before   wire.Span // and of the one before
}

// note counts a packet of an interval.
func (st *heard) note(now time.Time, h wire.Header) {
	if st.packets == 0 {
		st.first, st.interval, st.began = h.Sequence, h.Interval, now
	}
	st.packets++
	st.first = min(st.first, h.Sequence)
	if h.Sequence > st.highest {
		st.highest = h.Sequence
		if h.Interval != st.interval {
			st.before, st.window = st.window, wire.Span{}
			st.interval, st.began = h.Interval, now
		}
	}
	if h.Interval == st.interval {
		w := &st.window
		if w.Packets++; w.First == 0 || h.Sequence < w.First {
			w.First = h.Sequence
		}
		w.Last = max(w.Last, h.Sequence)
	}
}

// judged returns the window to report: the present one as soon as it tells something, else the one before.
func (st *heard) judged(now time.Time) wire.Span {
	if now.Sub(st.began) >= settle {
		return st.window
	}
	return st.before
}

// bitmap tells which symbols of a block are held.
type bitmap [4]uint64

// piece is what a receiver knows of one block.
type piece struct {
	need     Need
	state    pieceState
	have     uint8 // symbols held
	polluted bool  // multicast is not believed any more
	bits     int32 // which bitmap, when have > 0 and it is not complete
}

type pieceState uint8

const (
	open     pieceState = iota
	complete            // handed to the driver
	written             // and written
)

// pieces are the blocks of one generation.
type pieces struct {
	wire.Generation
	index uint32
	list  []piece
}

// symbols is Generation.Symbols for a block that there is, quicker: only two blocks may be short.
func (p *pieces) symbols(block uint32) int {
	if block == p.index-1 || int(block) == len(p.list)-1 {
		return p.Symbols(block)
	}
	return wire.BlockSymbols
}

// NewReceiver returns the receiver of a member that joined at now and got those orders. Its first report is due at once.
func NewReceiver(now time.Time, o ReceiverOptions, orders wire.Orders) *Receiver {
	r := &Receiver{o: o, memory: max(o.Memory, leastMemory) / wire.SymbolSize, next: now, last: now}
	r.Obey(now, orders)
	return r
}

// Obey takes the orders that came in answer to a report. Of generations it believes the first announcement. Counts to
// which an insider's packets have added begin anew.
func (r *Receiver) Obey(now time.Time, o wire.Orders) {
	if o.Stream >= wire.Streams {
		o.Stream = wire.StreamFast
	}
	if o.Stream != r.orders.Stream || o.HTTPS != r.orders.HTTPS || o.Ahead {
		r.heard[o.Stream] = heard{}
		r.last, r.reported = now, 0
	}
	o.Interval = min(max(o.Interval, leastInterval/2), time.Minute)
	o.Phase = max(0, o.Phase) % o.Interval
	r.orders = o
	if soon := r.made.Add(o.Interval); r.begun && !r.made.IsZero() && soon.Before(r.next) {
		r.next = soon
	}
	for _, g := range o.Generations {
		if r.pieces(g.Number) == nil && g.Check() == nil {
			index := g.IndexBlocks()
			p := &pieces{Generation: g, index: index, list: make([]piece, g.Blocks())}
			for b := range index {
				p.list[b].need = Missing
			}
			r.missing += int(index)
			r.unknown += int(g.Blocks() - index)
			r.generations = append(r.generations, p)
		}
	}
}

// pieces returns the blocks of a generation, nil of one that is not known.
func (r *Receiver) pieces(generation uint16) *pieces {
	for i := len(r.generations) - 1; i >= 0; i-- {
		if r.generations[i].Number == generation {
			return r.generations[i]
		}
	}
	return nil
}

// piece returns a block, nil when there is none.
func (r *Receiver) piece(generation uint16, block uint32) (*pieces, *piece) {
	p := r.pieces(generation)
	if p == nil || uint64(block) >= uint64(len(p.list)) {
		return nil, nil
	}
	return p, &p.list[block]
}

// Stream returns which stream to listen to; listen is false when everything comes by HTTPS.
func (r *Receiver) Stream() (stream uint8, listen bool) { return r.orders.Stream, !r.orders.HTTPS }

// Want says what is needed of a block: once its chunks are known, and again when that changes. Blocks of the index are
// Missing from the start, those of the data Unknown. Of a block that is Held the driver forgets all symbols; one that
// was Held or written and is Missing again starts from nothing.
func (r *Receiver) Want(generation uint16, block uint32, need Need) {
	p, b := r.piece(generation, block)
	if b == nil || need > Held || b.need == need && b.state != written {
		return
	}
	r.count(b, -1)
	if need == Held || b.state == written {
		r.forget(p, b, block)
	}
	b.need = need
	r.count(b, 1)
}

// count adds a block to what is missing and unknown, or takes it away.
func (r *Receiver) count(b *piece, n int) {
	switch {
	case b.state == written:
	case b.need == Missing:
		r.missing += n
	case b.need == Unknown:
		r.unknown += n
	}
}

// forget frees what a block holds, so that it starts from nothing.
func (r *Receiver) forget(p *pieces, b *piece, block uint32) {
	switch b.state {
	case open:
		if b.have > 0 {
			r.parts -= int64(b.have)
			r.release(b)
		}
	case complete:
		r.waiting -= int64(p.symbols(block))
	case written:
	}
	b.state, b.have = open, 0
}

// release gives a block's bitmap back.
func (r *Receiver) release(b *piece) {
	r.bits[b.bits] = bitmap{}
	r.free = append(r.free, b.bits)
}

// Receive takes the header of an authentic packet that was not seen before.
func (r *Receiver) Receive(now time.Time, h wire.Header) Verdict {
	if h.Stream >= wire.Streams {
		return Verdict{}
	}
	r.heard[h.Stream].note(now, h)
	if h.Stream == r.orders.Stream {
		r.last = now
	}
	if h.Kind == wire.KindProbe {
		return Verdict{}
	}
	p, b := r.piece(h.Generation, h.Block)
	if b == nil || b.polluted || int(h.Sources) != p.symbols(h.Block) {
		return Verdict{}
	}
	return r.keep(p, b, h.Block, h.Symbol)
}

// Rescued takes a symbol that came over TLS.
func (r *Receiver) Rescued(now time.Time, generation uint16, block uint32, symbol uint8) Verdict {
	p, b := r.piece(generation, block)
	if b == nil {
		return Verdict{}
	}
	return r.keep(p, b, block, symbol)
}

// keep decides on one symbol.
func (r *Receiver) keep(p *pieces, b *piece, block uint32, symbol uint8) (v Verdict) {
	if b.state != open || b.need == Held {
		return v
	}
	k := p.symbols(block)
	if int(symbol) >= k && symbol < wire.BlockSymbols || symbol >= wire.MaxSymbols {
		return v
	}
	word, bit := symbol/64, uint64(1)<<(symbol%64)
	if b.have > 0 && r.bits[b.bits][word]&bit != 0 {
		return v
	}
	// What waits may wait for the index, so there is always room for that: its blocks leave memory at once.
	if r.parts+r.waiting >= r.memory && block >= p.index {
		if v = r.drop(p.Number, block); !v.Dropped {
			return v
		}
	}
	v.Keep = true
	if b.have == 0 {
		r.begin(p.Number, block, b)
	}
	r.bits[b.bits][word] |= bit
	b.have++
	r.parts++
	if int(b.have) == k {
		v.Complete = true
		r.release(b)
		b.state, b.have = complete, 0
		r.parts -= int64(k)
		r.waiting += int64(k)
	}
	return v
}

// begin gives a block a bitmap and a place in the queue of incomplete ones.
func (r *Receiver) begin(generation uint16, block uint32, b *piece) {
	if n := len(r.free); n > 0 {
		b.bits = r.free[n-1]
		r.free = r.free[:n-1]
	} else {
		b.bits = int32(len(r.bits))
		r.bits = append(r.bits, bitmap{})
	}
	if live := len(r.bits) - len(r.free); len(r.queue) > 2*live+1024 {
		kept := r.queue[:0]
		for _, at := range r.queue {
			if _, old := r.piece(uint16(at.generation), at.block); old.state == open && old.have > 0 {
				kept = append(kept, at)
			}
		}
		r.queue = kept
	}
	r.queue = append(r.queue, place{int(generation), block})
}

// drop forgets the oldest incomplete block, except one.
func (r *Receiver) drop(generation uint16, block uint32) (v Verdict) {
	for i, at := range r.queue {
		p, b := r.piece(uint16(at.generation), at.block)
		if b.state != open || b.have == 0 {
			continue
		}
		if uint16(at.generation) == generation && at.block == block {
			continue
		}
		r.queue = r.queue[i+1:]
		if _, self := r.piece(generation, block); self.state == open && self.have > 0 {
			r.queue = append(r.queue, place{int(generation), block})
		}
		r.forget(p, b, at.block)
		return Verdict{Dropped: true, DropGeneration: uint16(at.generation), DropBlock: at.block}
	}
	return v
}

// Written says that a complete block has left memory, and everything needed of it was written.
func (r *Receiver) Written(generation uint16, block uint32) {
	p, b := r.piece(generation, block)
	if b == nil || b.state != complete {
		return
	}
	r.count(b, -1)
	r.waiting -= int64(p.symbols(block))
	b.state = written
}

// Polluted says that a complete block did not have the content that its hashes ask for. It is fetched again by HTTPS
// alone.
func (r *Receiver) Polluted(generation uint16, block uint32) {
	p, b := r.piece(generation, block)
	if b == nil || b.state != complete {
		return
	}
	r.forget(p, b, block)
	b.polluted = true
}

// ReportAt returns when the next report is due: in its turn, or earlier when packets came and now do not come any more
// although something is lacked. It changes with each packet.
func (r *Receiver) ReportAt() time.Time {
	if !r.begun || r.orders.HTTPS || r.missing+r.unknown == 0 || r.heard[r.orders.Stream].packets == r.reported {
		return r.next
	}
	quiet := r.last.Add(silence + r.orders.Phase/5)
	if quiet.Before(r.next) {
		return quiet
	}
	return r.next
}

// Report makes the report that is due.
func (r *Receiver) Report(now time.Time, d Disk) wire.Report {
	st := &r.heard[r.orders.Stream]
	report := wire.Report{
		Member: r.o.Member, Stream: r.orders.Stream,
		Interval: st.interval, Sequence: st.highest, Packets: st.packets, Window: st.judged(now),
		SocketDrops: d.SocketDrops, Queued: max(0, d.Queued), DiskRate: max(0, d.Rate), Needs: d.Needs, Events: d.Events, Done: d.Done,
		Buffer: uint8(100 - max(100*min(r.waiting, r.memory)/r.memory, 100*min(d.Queued, mostQueued)/mostQueued)),
	}
	for _, s := range r.heard {
		report.Bytes += s.packets * wire.PacketSize
	}
	if st.packets > 0 && st.highest-st.first >= st.packets {
		report.Lost = st.highest - st.first + 1 - st.packets
	}
	left := wire.MaxRuns
	for _, p := range r.generations {
		runs := p.deficits(left)
		left -= len(runs)
		report.Deficits = append(report.Deficits, wire.GenerationRuns{Generation: p.Number, Runs: runs})
	}
	r.reported = st.packets
	if r.begun {
		r.made = now
		r.next = now.Add(r.orders.Interval)
	} else {
		r.next = now.Add(r.orders.Phase)
		r.begun = true
	}
	return report
}

// deficits lists how many symbols each block still lacks, in at most limit runs: those of all generations together have to
// fit a report. What lies behind them counts as unknown; it is told when what is told now has come.
func (p *pieces) deficits(limit int) wire.Runs {
	var runs wire.Runs
	for i := range p.list {
		b := &p.list[i]
		switch {
		case b.state != open || b.need == Held || b.polluted:
			runs = runs.Add(1, 0)
		case b.need == Unknown:
			runs = runs.Add(1, wire.Unknown)
		default:
			runs = runs.Add(1, uint8(p.symbols(uint32(i)))-b.have)
		}
		if len(runs) > limit {
			return runs[:limit]
		}
	}
	return runs
}

// Rescue returns what to ask for over TLS now, at most wire.MaxAskBlocks and MaxAskSymbols; ok is false when nothing.
// One request at a time: its symbols go to Rescued before Rescue is called again; what did not come is asked for again.
func (r *Receiver) Rescue(now time.Time) (ask wire.Ask, ok bool) {
	full := r.waiting > r.memory/2 // the disk first; but what waits for it may wait for the index
	ask.Member = r.o.Member
	symbols := 0
	for _, p := range r.generations {
		ask.Generation = p.Number
		r.asked(p, func(block uint32) bool {
			b := &p.list[block]
			if b.state != open || b.need != Missing || full && block >= p.index {
				return true
			}
			lack := p.symbols(block) - int(b.have)
			if symbols+lack > wire.MaxAskSymbols || len(ask.Blocks) == wire.MaxAskBlocks {
				return false
			}
			symbols += lack
			ask.Blocks = append(ask.Blocks, wire.BlockAsk{Block: block, Symbols: r.lackedSources(b, lack)})
			return true
		})
		if symbols > 0 {
			return ask, true
		}
	}
	return ask, false
}

// asked yields the blocks that shall come by HTTPS: those that the orders name, or all; and polluted ones.
func (r *Receiver) asked(p *pieces, yield func(block uint32) bool) {
	if r.orders.HTTPS || r.orders.End {
		for b := range p.list {
			if !yield(uint32(b)) {
				return
			}
		}
		return
	}
	for b := range p.list {
		if p.list[b].polluted && !yield(uint32(b)) {
			return
		}
	}
	for _, of := range r.orders.Rescue {
		if of.Generation != p.Number {
			continue
		}
		for pos, run := range bounded(of.Runs, uint32(len(p.list))) {
			for b := pos; run.Value == 1 && b < pos+run.Count; b++ {
				if !p.list[b].polluted && !yield(b) {
					return
				}
			}
		}
	}
}

// lackedSources names n source symbols that a block lacks.
func (r *Receiver) lackedSources(b *piece, n int) []byte {
	symbols := make([]byte, 0, n)
	for s := uint8(0); len(symbols) < n; s++ {
		if b.have == 0 || r.bits[b.bits][s/64]&(1<<(s%64)) == 0 {
			symbols = append(symbols, s)
		}
	}
	return symbols
}

// Has tells whether the whole index of a generation was written: its driver can read it.
func (r *Receiver) Has(generation uint16) bool {
	p := r.pieces(generation)
	if p == nil {
		return false
	}
	for _, b := range p.list[:p.index] {
		if b.state != written {
			return false
		}
	}
	return true
}

// Lacks returns how many needed blocks are not written yet, and how many blocks are unknown.
func (r *Receiver) Lacks() (missing, unknown int) { return r.missing, r.unknown }
