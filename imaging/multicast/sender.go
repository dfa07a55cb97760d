package multicast

import (
	"math"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// SenderOptions are the limits of a session. The zero value is a session that finds its rate itself.
type SenderOptions struct {
	Rate     int64         // bytes of UDP payload a second, fixed; 0: found by reports
	Start    int64         // bytes of UDP payload a second to start with; 0: 5,000,000
	Cap      int64         // bytes of UDP payload a second that all streams together may take; 0: no limit
	Expected int           // members to wait for before data is sent; 0: whoever comes in the hold-off
	HoldOff  time.Duration // after the first join, for the others; 0: 20 s
}

// Defaults and delays of a sender.
const (
	defaultStart   = 5_000_000
	leastRate      = 64_000 // bytes a second: below it a session does not go, whatever is reported
	defaultHoldOff = 20 * time.Second
	quiet          = 60 * time.Millisecond // after the last packet, everything sent has passed everyone
	lateness       = 2 * time.Millisecond  // how much of the past a late driver may catch up
	recheck        = 10 * time.Millisecond // between two looks for demand without a new report
	perBlock       = 4 * time.Microsecond  // that a member lacks, until what it lacks is looked at again: 2.4 s of 100 GB
	mostGone       = 4096                  // members that have left and are still shown
)

// Member is what a computer says of itself when it joins.
type Member struct {
	Name      string // for people
	Link      int64  // bit/s of its interface, 0 unknown
	Multicast bool   // it can hear multicast: no Wi-Fi, an interface, an address
}

// Sender decides what a session sends, to whom and when.
type Sender struct {
	o           SenderOptions
	generations []*generation
	numbers     map[uint16]int
	members     map[uint32]*member
	order       []*member       // in the order of joining
	left        map[uint32]bool // members that have left, until they join again
	gone        []MemberStatus  // who has left after it was done, as it was seen last
	streams     [wire.Streams]stream
	lacking     [groups]int   // blocks that members of the group lack something of
	demand      [groups]int64 // symbols that would serve them
	parity      int           // pro-active, symbols a block
	limit       int64         // lack of near members, symbols
	farLoss     float64       // the most that a member who is far or slow usually loses: whole blocks are sent with as much parity
	checked     time.Time     // when members were last looked at
	firstJoin   time.Time
	finished    bool
	unheard     bool      // all whom the first pass is for have been silent for a while: it waits
	active      int       // members that are neither done nor silent
	nearer      bool      // a member that is near has reported deficits since the last span was filled
	sent        [3]uint64 // packets: first pass, pro-active, rounds
	scratch     []float64
}

// NewSender returns the sender of a new session.
func NewSender(o SenderOptions) *Sender {
	if o.Start <= 0 {
		o.Start = defaultStart
	}
	if o.HoldOff <= 0 {
		o.HoldOff = defaultHoldOff
	}
	s := &Sender{o: o, numbers: map[uint16]int{}, members: map[uint32]*member{}, left: map[uint32]bool{}, parity: 2}
	for i := range s.streams {
		s.streams[i] = stream{id: uint8(i)}
	}
	fast := &s.streams[wire.StreamFast]
	fast.rate, fast.start = float64(o.Start), true
	if o.Rate > 0 {
		fast.rate, fast.start, fast.fixed = float64(o.Rate), false, true
	}
	return s
}

// Announce adds a generation. One that does not pass its Check, or whose number was announced before, is ignored. Its
// first pass follows those of the generations before.
func (s *Sender) Announce(now time.Time, g wire.Generation) {
	if _, known := s.numbers[g.Number]; known || g.Check() != nil {
		return
	}
	added := &generation{Generation: g, index: g.IndexBlocks(), total: g.Blocks(), announced: now}
	added.blocks = make([]block, added.total)
	added.next = added.index
	s.numbers[g.Number] = len(s.generations)
	s.generations = append(s.generations, added)
	for _, m := range s.order {
		m.runs = append(m.runs, nil)
		m.lacks = append(m.lacks, nil)
		if m.open {
			added.unreported++
		}
	}
	s.nearer = true
	s.wake()
}

// wake makes the streams look for something to send again.
func (s *Sender) wake() {
	for i := range s.streams {
		s.streams[i].dry = time.Time{}
	}
}

// Join adds a member, or greets one again that was restarted: what it reported before is forgotten.
func (s *Sender) Join(now time.Time, id uint32, about Member) wire.Orders {
	m := s.members[id]
	if m == nil {
		m = &member{id: id, phase: len(s.order), trial: 0,
			runs: make([]wire.Runs, len(s.generations)), lacks: make([][]entry, len(s.generations))}
		s.members[id] = m
		s.order = append(s.order, m)
		delete(s.left, id)
		s.gone = slices.DeleteFunc(s.gone, func(g MemberStatus) bool { return g.Member == id })
	} else {
		s.forget(m)
	}
	if s.firstJoin.IsZero() {
		s.firstJoin = now
	}
	if m.state == "" || m.state == StateDone || m.state == StateSilent {
		s.active++
	}
	m.Member, m.joined, m.seen, m.buffer = about, now, now, 100
	m.state, m.stream, m.group, m.base, m.weight = "", wire.StreamFast, groupNone, 0, 0
	s.begin(now, m)
	s.wake()
	return s.orders(now, m)
}

// Leave forgets a member. One that was done stays to be seen.
func (s *Sender) Leave(now time.Time, id uint32) {
	m := s.members[id]
	if m == nil {
		return
	}
	if m.state != StateDone && m.state != StateSilent {
		s.active--
	}
	if m.state == StateDone && len(s.gone) < mostGone {
		s.gone = append(s.gone, s.statusOf(m))
	}
	s.forget(m)
	delete(s.members, id)
	s.left[id] = true
	kept := s.order[:0]
	for _, other := range s.order {
		if other != m {
			kept = append(kept, other)
		}
	}
	s.order = kept
	s.wake()
}

// Report takes a member's report and returns its orders. It keeps the report's runs: they must not be changed. A member
// that has not joined is told to fetch by HTTPS.
func (s *Sender) Report(now time.Time, r wire.Report) wire.Orders {
	m := s.members[r.Member]
	if m == nil {
		return wire.Orders{Interval: s.Interval(), HTTPS: true}
	}
	m.reports++
	m.seen = now
	s.revive(now, m, r.Done)
	if m.listens() && r.Stream == m.stream {
		s.measure(now, m, r)
		s.judge(now, m)
	} else if m.state == StateHTTPS {
		m.buffer, m.disk, m.covers = r.Buffer, r.DiskRate, math.MaxUint64
		s.judge(now, m)
	}
	m.ready = m.ready || len(r.Needs) > 0 || r.Done
	if !now.Before(m.relist) {
		s.list(now, m, r.Deficits)
	}
	s.check(now)
	s.adapt(now, m.stream)
	s.wake()
	return s.orders(now, m)
}

// list takes what a member lacks. That costs time for each block, while nothing can be sent: who lacks much is heard the
// less often, however often it reports.
func (s *Sender) list(now time.Time, m *member, deficits []wire.GenerationRuns) {
	taken := map[int]bool{}
	for _, of := range deficits {
		if i, known := s.numbers[of.Generation]; known && !taken[i] {
			taken[i] = true
			s.take(m, i, of.Runs)
		}
	}
	if m.state == StateFast {
		for i := range m.lacks { // those not taken: their deficits move with the member
			if !taken[i] {
				s.uncount(m, i)
				taken[i] = true
			}
		}
		m.group = s.place(m)
	}
	blocks := 0
	for i := range taken {
		s.count(m, i)
		blocks += len(m.lacks[i])
	}
	m.relist = now.Add(time.Duration(blocks) * perBlock)
	s.nearer = s.nearer || m.group == groupNear && m.lack > 0
}

// noMulticast is the cause of members that cannot hear multicast, such as those on Wi-Fi.
const noMulticast = "no multicast over its link"

// begin gives a member that joins or returns its part.
func (s *Sender) begin(now time.Time, m *member) {
	if m.Multicast {
		s.tune(now, m, wire.StreamFast, StateFast)
	} else {
		s.enter(m, StateHTTPS, noMulticast)
	}
}

// revive brings a member back that had been silent or done.
func (s *Sender) revive(now time.Time, m *member, done bool) {
	switch {
	case done && m.state != StateDone:
		s.enter(m, StateDone, "")
	case !done && (m.state == StateDone || m.state == StateSilent):
		s.begin(now, m)
	}
}

// check looks, now and then, for members that fell silent, and at who is near.
func (s *Sender) check(now time.Time) {
	if now.Sub(s.checked) < 50*time.Millisecond {
		return
	}
	s.checked = now
	silent := silentReports * s.Interval()
	s.scratch = s.scratch[:0]
	s.farLoss = 0
	open, heard := false, false
	for _, m := range s.order {
		if m.open && m.state == StateSilent && now.Sub(m.seen) > goneAfter {
			s.close(m)
		}
		open = open || m.open
		heard = heard || m.open && now.Sub(m.seen) <= unheardMost
		if m.group == groupFar || m.group == groupSlow {
			s.farLoss = max(s.farLoss, min(m.base, 0.25))
		}
		if m.state != StateSilent && m.state != StateDone && now.Sub(m.seen) > silent {
			s.enter(m, StateSilent, "")
			continue
		}
		if m.state == StateFast && m.reports > 0 || m.state == StateDone {
			s.scratch = append(s.scratch, float64(m.lack))
		}
	}
	s.unheard = open && !heard
	s.limit = s.symbols()/100 + 2*int64(quantile(s.scratch, 0.5))
	if s.streams[wire.StreamSlow].running() && !s.listened(wire.StreamSlow) {
		s.streams[wire.StreamSlow].rate = 0
	}
}

// place tells whether a member of the fast stream is near or far. Who is far stays so until it lacks clearly less.
func (s *Sender) place(m *member) group {
	limit := s.limit
	if m.group == groupFar {
		limit -= limit / 4
	}
	if m.lack > limit {
		return groupFar
	}
	return groupNear
}

// listened tells whether a stream has members.
func (s *Sender) listened(stream uint8) bool {
	for _, m := range s.order {
		if m.stream == stream && m.listens() {
			return true
		}
	}
	return false
}

// symbols returns how many source symbols the session has.
func (s *Sender) symbols() int64 {
	var n int64
	for _, g := range s.generations {
		n += (g.Index + g.Data + wire.SymbolSize - 1) / wire.SymbolSize
	}
	return n
}

// Ready tells whether the hold-off is over: everyone expected has joined and said what it misses (a report with Needs), or
// has left again; or the hold-off has passed since the first join. Generations from 1 on are composed and announced by the
// driver when it is.
func (s *Sender) Ready(now time.Time) bool {
	if s.firstJoin.IsZero() {
		return false
	}
	if !now.Before(s.firstJoin.Add(s.o.HoldOff)) {
		return true
	}
	for _, m := range s.order {
		if !m.ready {
			return false
		}
	}
	return s.o.Expected > 0 && len(s.order)+len(s.left) >= s.o.Expected
}

// SetCap changes the limit of bytes a second for all streams together; 0 is none.
func (s *Sender) SetCap(now time.Time, bytes int64) { s.o.Cap = max(0, bytes) }

// Finish says that no generation will follow. Members are then told that the session is over as soon as nothing is left
// that multicast should send.
func (s *Sender) Finish(now time.Time) { s.finished = true }

// Done tells whether Finish was called and every member that still reports is done.
func (s *Sender) Done(now time.Time) bool {
	if !s.finished {
		return false
	}
	s.check(now)
	for _, m := range s.order {
		if m.state != StateDone && m.state != StateSilent {
			return false
		}
	}
	return true
}
