package session

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

const (
	fewBursts   = 16                     // in the ring, of those that are late: 3 ms of a 1 Gb/s line, so that it never stands still
	ring        = 192                    // bursts between planner and sockets: 37 ms of a 1 Gb/s line
	lookAhead   = 4 * udp.Burst          // symbols that are prepared together
	horizon     = 30 * time.Millisecond  // how far ahead of their time
	readAhead   = 2 * wire.Interleave    // blocks that are read together
	atOnce      = 4                      // blocks that are read at the same time where they are no neighbours
	behind      = 24 * time.Millisecond  // of their time, and nothing more is planned: the room's needs change meanwhile
	tooSoon     = 300 * time.Microsecond // less than this before its time a burst leaves at once: at 1 Gb/s each second one
	nap         = 5 * time.Millisecond   // longest sleep before ctx is looked at
	minUpkeep   = 50 * time.Millisecond  // between two looks at whether a generation is due,
	upkeepShare = 10                     // and so many times what the last one took
	sulk        = 50 * time.Millisecond  // after a send that went wrong
)

// burst is packets of one stream that leave together.
type burst struct {
	stream  uint8
	at      time.Time
	last    uint64 // sequence of the last of them
	count   int
	packets [udp.Burst][]byte
}

// newBurst makes an empty burst with its memory.
func newBurst() *burst {
	b := &burst{}
	memory := make([]byte, udp.Burst*wire.PacketSize)
	for i := range b.packets {
		b.packets[i] = memory[i*wire.PacketSize : (i+1)*wire.PacketSize : (i+1)*wire.PacketSize]
	}
	return b
}

// timed is a symbol and when it may leave.
type timed struct {
	multicast.Symbol
	at time.Time
}

// plan asks the state machine what to send, has the blocks read, makes the packets and hands them on.
func (s *Server) plan(ctx context.Context, bursts chan<- *burst, free <-chan *burst) error {
	symbols := make([]timed, 0, lookAhead)
	ahead := &prefetch{cache: s.cache}
	defer ahead.wait()
	for {
		if !s.keepUp(ctx, bursts) {
			return ctx.Err()
		}
		now := s.o.Now()
		over, wait := s.next(now, &symbols)
		if over {
			return nil
		}
		if len(symbols) > 0 {
			if err := s.pack(ctx, ahead, symbols, bursts, free); err != nil {
				return err
			}
			if wait = symbols[len(symbols)-1].at; wait.After(now.Add(horizon)) {
				wait = wait.Add(-horizon / 2) // to be woken costs more than to make the packets of a millisecond
			} else {
				wait = now
			}
		}
		if !s.rest(ctx, wait, len(symbols) == 0) {
			return ctx.Err()
		}
	}
}

// keepUp waits while the thread that sends is far behind. It tells whether ctx goes on.
func (s *Server) keepUp(ctx context.Context, bursts chan<- *burst) bool {
	for len(bursts) > fewBursts && s.o.Now().Sub(s.departed.front()) > behind {
		if !s.rest(ctx, s.o.Now().Add(time.Millisecond), false) {
			return false
		}
	}
	return ctx.Err() == nil
}

// next fills symbols with what is to be sent soon; where that is nothing, wait is when to look again.
func (s *Server) next(now time.Time, symbols *[]timed) (over bool, wait time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.departed.tell(s.sender)
	*symbols = (*symbols)[:0]
	if wait = s.upkept; !now.Before(wait) {
		if over, wait = s.upkeep(now); over {
			return true, wait
		}
		ended := s.o.Now()
		s.soonest = ended.Add(max(minUpkeep, upkeepShare*ended.Sub(now)))
		if s.upkept = wait; wait.Before(s.soonest) {
			s.upkept = s.soonest
		}
	}
	for len(*symbols) < lookAhead {
		symbol, at, ok := s.sender.Next(now)
		if !ok {
			if !at.IsZero() && at.Before(wait) {
				wait = at
			}
			break
		}
		*symbols = append(*symbols, timed{symbol, at})
		if at.After(now.Add(horizon)) {
			break
		}
	}
	return false, wait
}

// rest waits until a time; where nothing is to be sent, also for news. It tells whether ctx goes on.
func (s *Server) rest(ctx context.Context, until time.Time, idle bool) bool {
	pause := until.Sub(s.o.Now())
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	news := s.wake
	if !idle {
		news = nil
	}
	select {
	case <-timer.C:
	case <-news:
	case <-ctx.Done():
		return false
	}
	return true
}

// pack makes the packets of the symbols.
func (s *Server) pack(ctx context.Context, ahead *prefetch, symbols []timed, bursts chan<- *burst, free <-chan *burst) error {
	blocks, err := s.blocks(ctx, ahead, symbols)
	defer func() {
		for _, b := range blocks {
			s.cache.release(b)
		}
	}()
	if err != nil {
		return err
	}
	var b *burst
	for _, sym := range symbols {
		if b != nil && (b.count == udp.Burst || b.stream != sym.Stream) {
			bursts <- b // there is room for all bursts
			b = nil
		}
		if b == nil {
			select {
			case b = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			b.stream, b.at, b.count = sym.Stream, sym.at, 0
		}
		packet := b.packets[b.count]
		if err := blocks[key{sym.Generation, sym.Block}].symbol(packet[wire.HeaderSize:wire.HeaderSize+wire.SymbolSize], sym.Index); err != nil {
			return err
		}
		s.sealers[sym.Stream].Seal(packet, sym.Header(s.number))
		b.last = sym.Sequence
		b.count++
	}
	bursts <- b
	return nil
}

// blocks gets all blocks of the symbols, held; a few at a time where they have to be read.
func (s *Server) blocks(ctx context.Context, ahead *prefetch, symbols []timed) (map[key]*slot, error) {
	got := map[key]*slot{}
	var keys []key
	for _, sym := range symbols {
		k := key{sym.Generation, sym.Block}
		if _, ok := got[k]; !ok {
			got[k] = nil
			keys = append(keys, k)
		}
	}
	stocks := map[uint16]*stock{}
	for _, k := range keys {
		if stocks[k.generation] == nil {
			stocks[k.generation], _ = s.stock(k.generation)
		}
	}
	ahead.before(ctx, stocks, keys)
	keys = slices.DeleteFunc(keys, func(k key) bool { // what is there already needs no goroutine, which costs two changes of threads
		b := s.cache.peek(k)
		if b != nil {
			got[k] = b
		}
		return b != nil
	})
	err := s.read(ctx, stocks, keys, got)
	for k, b := range got {
		if b == nil {
			delete(got, k)
		}
	}
	return got, err
}

// read reads blocks into got, a few at a time.
func (s *Server) read(ctx context.Context, stocks map[uint16]*stock, keys []key, got map[key]*slot) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	gate := make(chan struct{}, atOnce)
	for _, k := range keys {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			b, err := s.cache.get(ctx, stocks[k.generation], k.block)
			mu.Lock()
			defer mu.Unlock()
			got[k] = b
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return failed
}

// prefetch reads neighbouring blocks together and before they are needed, as long as they are asked for in order.
type prefetch struct {
	cache   *cache
	running sync.WaitGroup
	last    key // behind the last block that was read ahead
}

// before is told which blocks are needed now.
func (p *prefetch) before(ctx context.Context, stocks map[uint16]*stock, keys []key) {
	highest := slices.MaxFunc(keys, func(a, b key) int { return int(a.generation)<<32 + int(a.block) - int(b.generation)<<32 - int(b.block) })
	lowest := slices.MinFunc(keys, func(a, b key) int { return int(a.generation)<<32 + int(a.block) - int(b.generation)<<32 - int(b.block) })
	g := stocks[highest.generation]
	switch {
	case lowest.generation != highest.generation || highest.block-lowest.block >= readAhead:
		return // demand of here and there
	case !p.cache.has(highest) && !p.cache.has(lowest):
		p.cache.ahead(ctx, g, lowest.block, readAhead) // the beginning of a row
		p.last = key{g.Number, lowest.block + readAhead}
	}
	if p.last.generation != g.Number || highest.block >= p.last.block || highest.block+readAhead < p.last.block ||
		p.last.block-highest.block > wire.Interleave {
		return
	}
	from := p.last.block
	p.last.block += readAhead
	p.running.Go(func() { p.cache.ahead(ctx, g, from, readAhead) })
}

// wait returns when nothing is being read any more.
func (p *prefetch) wait() { p.running.Wait() }

// bind gives the calling goroutine a thread of its own, with exact timers and, where we may, precedence.
func (s *Server) bind() {
	if err := udp.BindThread(); err != nil {
		s.o.Log.Warn("packets are sent less evenly", "session", s.number, "error", err)
		runtime.LockOSThread()
	}
}

// dispatch sends bursts at their time, on a thread of its own. What a busy machine makes it late the pacer makes good.
func (s *Server) dispatch(ctx context.Context, bursts <-chan *burst, free chan<- *burst) error {
	s.bind()
	var pacer multicast.Pacer
	for b := range bursts {
		s.departed.begin(b.at)
		due := pacer.Due(s.o.Now(), b.at)
		if due.Sub(s.o.Now()) > tooSoon && !sleepUntil(ctx, s.o.Now, due) {
			return ctx.Err()
		}
		err := s.out[b.stream].Send(b.packets[:b.count])
		s.departed.add(b.stream, b.last, s.o.Now())
		s.account(b, err)
		if err != nil && !sleepUntil(ctx, s.o.Now, s.o.Now().Add(sulk)) {
			return ctx.Err()
		}
		free <- b
	}
	return nil
}

// departures are what has left, until the state machine is told. They have a lock of their own: the thread that sends
// must not wait for one that a request holds.
type departures struct {
	mu   sync.Mutex
	list []departure
	due  time.Time // of the burst that is being sent
}

// departure is the last packet of a burst.
type departure struct {
	stream   uint8
	sequence uint64
	at       time.Time
}

// begin notes when the burst was due that is sent now.
func (d *departures) begin(due time.Time) {
	d.mu.Lock()
	d.due = due
	d.mu.Unlock()
}

// front returns when that was.
func (d *departures) front() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.due
}

// add notes that a burst has left.
func (d *departures) add(stream uint8, sequence uint64, at time.Time) {
	d.mu.Lock()
	d.list = append(d.list, departure{stream, sequence, at})
	d.mu.Unlock()
}

// tell tells the state machine. The planner does so before it asks for more, so the list is no longer than the ring.
func (d *departures) tell(s *multicast.Sender) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, left := range d.list {
		s.Left(left.stream, left.sequence, left.at)
	}
	d.list = d.list[:0]
}

// account counts what was sent. A send that goes wrong is lost packets, which receivers ask for again: an interface
// that went down may come back.
func (s *Server) account(b *burst, err error) {
	first := false
	if err == nil {
		s.sent[b.stream].Add(uint64(b.count))
	} else {
		first = s.refused.Add(uint64(b.count)) == uint64(b.count)
	}
	if first {
		s.o.Log.Warn("packets cannot be sent", "session", s.number, "stream", b.stream, "error", err)
	}
}

// sleepUntil sleeps with the exact timer of a thread that udp.BindThread has made fit. It tells whether ctx goes on.
func sleepUntil(ctx context.Context, now func() time.Time, at time.Time) bool {
	for {
		if ctx.Err() != nil {
			return false
		}
		left := at.Sub(now())
		if left <= 0 {
			return true
		}
		t := unix.NsecToTimespec(int64(min(left, nap)))
		_ = unix.Nanosleep(&t, nil) // a signal ends it early; the time is looked at again
	}
}
