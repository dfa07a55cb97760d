package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Reached is what a helper told when it asked last. It is not kept: a helper asks again a moment after the daemon was started.
type Reached struct {
	Connected bool      // it asked within a minute, and has not hung up
	Seen      time.Time // when it asked last; zero: not since this daemon was started
	Address   string
	Version   string         // of its program
	Networks  []netip.Prefix // that it wakes in
}

// has tells whether a network that a helper wakes in has an address.
func (r Reached) has(ip netip.Addr) bool { return within(r.Networks, ip) }

// within tells whether one of some networks has an address.
func within(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// The bounds of what waits for helpers.
const (
	errandTime = 2 * time.Minute // after which a computer need not be woken any more: its task is, anew
	maxErrands = 2048            // of one helper; the oldest go
	maxWaiting = 4               // questions of one helper at once
	connected  = time.Minute     // a question waits 25 s, and the work of an answer takes some ten
	sayTwice   = time.Hour
)

// errands are the MAC addresses that helpers have yet to wake, in memory. The zero value is ready.
type errands struct {
	mu     sync.Mutex
	boards map[string]*board // by the helper's name, folded
	last   int               // number of the last errand
}

// board is what one helper has told, and has to do. It is guarded by the mutex of errands.
type board struct {
	Reached
	gone     bool // it has hung up
	waiting  int  // its questions that wait now
	before   string
	switched time.Time // when its address was another one, which is before
	told     time.Time // when somebody was told that two machines have its key
	queue    []errand  // oldest first
	changed  chan struct{}
}

type errand struct {
	job.HelperWake
	until time.Time
}

// at returns the board of a helper. The caller holds mu.
func (e *errands) at(id string) *board {
	b, ok := e.boards[id]
	if !ok {
		if e.boards == nil {
			e.boards = map[string]*board{}
		}
		b = &board{changed: make(chan struct{})}
		e.boards[id] = b
	}
	return b
}

// call lets all questions that wait look again. The caller holds mu.
func (b *board) call() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// put gives a helper MAC addresses to wake. One that it has yet to wake is not put there twice, but stays longer.
func (e *errands) put(id string, macs []string, run, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.at(id)
	for _, mac := range macs {
		if i := slices.IndexFunc(b.queue, func(x errand) bool { return x.MAC == mac }); i >= 0 {
			b.queue[i].until = now.Add(errandTime)
			continue
		}
		e.last++
		b.queue = append(b.queue, errand{job.HelperWake{ID: fmt.Sprintf("%x-%d", run.UnixNano(), e.last), MAC: mac}, now.Add(errandTime)})
	}
	if extra := len(b.queue) - maxErrands; extra > 0 {
		b.queue = slices.Delete(b.queue, 0, extra)
	}
	b.call()
}

// enter notes what a helper says with a question, and takes away what it has done; nil: too many of its questions wait. Twice
// is where else its key is in use, and is told once an hour: where its address goes to and fro there are two of them.
func (e *errands) enter(id string, now time.Time, said Reached, done []string) (b *board, twice string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b = e.at(id); b.waiting >= maxWaiting {
		return nil, ""
	}
	b.waiting++
	before := len(b.queue)
	b.queue = slices.DeleteFunc(b.queue, func(x errand) bool { return slices.Contains(done, x.ID) })
	if len(b.queue) < before { // it is at work: what is left of a whole school does not grow old meanwhile
		for i := range b.queue {
			b.queue[i].until = now.Add(errandTime)
		}
	}
	if b.Address != "" && b.Address != said.Address {
		if said.Address == b.before && now.Sub(b.switched) < errandTime && now.Sub(b.told) >= sayTwice {
			twice, b.told = b.Address, now
		}
		b.before, b.switched = b.Address, now
	}
	b.Reached, b.gone = said, false
	b.Seen = now
	return b, twice
}

// leave ends a question. hungUp: the helper did not wait for the answer.
func (e *errands) leave(b *board, hungUp bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b.waiting--
	b.gone = b.gone || hungUp && b.waiting == 0
}

// next returns what a helper is to do now, and a channel that is closed when there is more.
func (e *errands) next(b *board, now time.Time) (work []job.HelperWake, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b.queue = slices.DeleteFunc(b.queue, func(x errand) bool { return !now.Before(x.until) })
	for _, x := range b.queue[:min(len(b.queue), job.MaxHelperWork)] {
		work = append(work, x.HelperWake)
	}
	return work, b.changed
}

// look tells what is known of a helper, and how much it has yet to do.
func (e *errands) look(id string, now time.Time) (Reached, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, ok := e.boards[id]
	if !ok {
		return Reached{}, 0
	}
	r, waiting := b.Reached, 0
	r.Connected = !b.gone && !r.Seen.IsZero() && now.Sub(r.Seen) < connected
	for _, x := range b.queue {
		if now.Before(x.until) {
			waiting++
		}
	}
	return r, waiting
}

// forget drops a helper, and lets its questions look again.
func (e *errands) forget(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b, ok := e.boards[id]; ok {
		b.queue = nil
		b.call()
		delete(e.boards, id)
	}
}
