package multicast

import (
	"math"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Delays by which members change their part in a session.
const (
	demoteAfter    = 10 * time.Second // below half of the stream
	promoteAfter   = 30 * time.Second // of waiting, doubled with each trial that fails
	promoteMost    = 16 * time.Minute
	nothingAfter   = 3 * time.Second // without a packet while packets are sent
	silentReports  = 5               // intervals without a report
	unheardMost    = 2 * time.Second // without a report of anybody, until the first pass waits
	goneAfter      = demoteAfter     // without a report, until the first pass passes over what only this member needs
	leastSample    = 32              // packets, to judge a loss by
	unhelpfulLimit = 64              // rounds for blocks that helped nothing, until a member is left to HTTPS
)

// member is what the sender knows of one computer.
type member struct {
	id uint32
	Member
	state  State
	cause  string // why it is not on the fast stream, where its figures do not tell
	joined time.Time
	seen   time.Time // its last report
	phase  int       // its place among the members when it joined

	stream  uint8 // the one that it was told to listen to
	ahead   bool  // its last report told of more than was sent
	group   group
	open    bool // counts for the first pass
	ready   bool // it has said what it misses
	told    int  // generations that its last orders named
	reports uint64

	covers   uint64      // what was sent up to this sequence has passed it
	sequence uint64      // last reported
	packets  uint64      // last reported
	window   uint64      // where the last one began that was judged
	progress time.Time   // when its sequence last grew, or it first told that it listens; zero: it has not
	since    uint64      // first sequence that it can have heard
	runs     []wire.Runs // by generation: what it reported, nil nothing yet
	lacks    [][]entry   // by generation: deficits behind the first pass
	spare    []entry
	lack     int64     // symbols, sum of lacks
	relist   time.Time // when its deficits are looked at again
	helped   help
	sample   sample
	base     float64 // loss without congestion, 0..1
	weight   float64 // packets that base was learned from
	spread   float64 // how much more its losses vary than if packets were lost one by one
	best     float64 // bytes a second that it got at most, lately
	streak   int     // samples above its usual loss, one after another
	buffer   uint8   // per cent free
	disk     int64   // bytes a second
	suspect  time.Time
	demoted  time.Time
	trial    time.Duration // how long it waits for promotion
}

// sample is what one report told about a member's part of the stream.
type sample struct {
	sent      float64 // bytes of UDP payload a second, of the sender's own time
	got       float64 // what came, of the time in which the driver did send: what a port that lost something can carry
	loss      float64 // 0..1
	from, to  uint64  // sequences
	congested bool    // more was lost than what this member always loses
	fresh     bool    // not used for the rate yet
}

// help counts whether rounds that serve a member's blocks make its deficits smaller. A member whose deficits stay is
// broken or lies: without this it could ask for rounds forever.
type help struct{ with, without int }

// see counts one block that a round served.
func (h *help) see(smaller bool) {
	if smaller {
		h.with++
	} else {
		h.without++
	}
	if h.with+h.without > 4*unhelpfulLimit {
		h.with /= 2
		h.without /= 2
	}
}

// none tells whether rounds do not help.
func (h *help) none() bool { return h.without >= unhelpfulLimit && h.with < h.without/4 }

// listens tells whether the member takes part in a stream.
func (m *member) listens() bool {
	return m.state == StateFast || m.state == StateSlow || m.state == StateSuspect
}

// forget drops what a member reported, as when it was restarted.
func (s *Sender) forget(m *member) {
	s.close(m)
	s.withdraw(m)
	clear(m.runs)
	m.sequence, m.packets, m.covers, m.window = 0, 0, 0, 0
	m.sample = sample{}
	m.helped = help{}
	m.ready = false
}

// close takes a member out of what the first pass looks at.
func (s *Sender) close(m *member) {
	if !m.open {
		return
	}
	for i, g := range s.generations {
		if m.runs[i] == nil {
			g.unreported--
		} else {
			g.reopen(m.runs[i], nil)
		}
	}
	m.open = false
}

// reopen puts it back.
func (s *Sender) reopen(m *member) {
	if m.open {
		return
	}
	for i, g := range s.generations {
		if m.runs[i] == nil {
			g.unreported++
		} else {
			g.reopen(nil, m.runs[i])
		}
	}
	m.open = true
}

// enter gives a member its part in the session.
func (s *Sender) enter(m *member, state State, cause string) {
	m.cause = cause
	if m.state == state {
		return
	}
	if was := m.state; was != "" {
		s.active += present(state) - present(was)
	}
	m.state = state
	to := groupNone
	switch state {
	case StateFast:
		to = s.place(m) // never near for a moment: what the largest deficit was there is not forgotten
	case StateSlow:
		to = groupSlow
	case StateSuspect:
		if m.stream == wire.StreamSlow {
			to = groupSlow
		}
	case StateSilent, StateDone, StateHTTPS:
	}
	s.regroup(m, to)
	switch {
	case m.stream == wire.StreamFast && (state == StateFast || state == StateSuspect):
		s.reopen(m)
	case state == StateSilent: // it may be busy, and hear everything: the first pass goes on for it, for a while
	default:
		s.close(m)
	}
}

// present returns 1 for the states whose members report.
func present(state State) int {
	if state == StateDone || state == StateSilent {
		return 0
	}
	return 1
}

// tune puts a member on a stream; its figures start anew.
func (s *Sender) tune(now time.Time, m *member, stream uint8, state State) {
	m.stream = stream
	s.enter(m, state, "")
	m.since = s.streams[stream].sequence
	m.sequence, m.packets, m.covers, m.window = 0, 0, 0, 0
	m.progress, m.suspect = time.Time{}, time.Time{}
	m.sample = sample{}
	m.weight = 0 // what it loses at this rate is another matter
}

// measure makes a sample of what a member says it got since its last report.
func (s *Sender) measure(now time.Time, m *member, r wire.Report) {
	st := &s.streams[m.stream]
	sequence := r.Sequence
	if m.ahead = sequence > st.sequence; m.ahead {
		// Somebody who has the key makes packets, or it lies: what has passed it is surely this
		sequence = max(m.sequence, st.history.before(now.Add(-2*quiet)))
	}
	m.buffer, m.disk = r.Buffer, r.DiskRate
	if sequence > m.sequence || m.progress.IsZero() || r.Queued > 0 {
		m.progress = now // it listens: a PC reports when its group is open, which takes a busy one seconds
	}
	switch {
	case sequence == st.sequence || r.Queued == 0 && st.passed(now, quiet): // what it has yet to read is not lost
		m.covers = st.sequence
	default:
		m.covers = sequence - min(sequence, wire.Interleave)
	}
	m.sequence, m.packets = sequence, r.Packets
	if w := r.Window; w.First > m.window && w.Last >= w.First+leastSample && w.Last <= st.sequence {
		s.sample(m, st, w)
	}
}

// sample judges what a member got of one interval.
func (s *Sender) sample(m *member, st *stream, w wire.Span) {
	m.window = w.First
	span := w.Last - w.First + 1 // with the time before the first: a driver that was away is slow
	first, last := st.history.at(w.First-1), st.history.at(w.Last)
	busy, active := (last.busy - first.busy).Seconds(), (last.active - first.active).Seconds()
	if active < settle.Seconds()/2 {
		return
	}
	got := min(w.Packets, span)
	sm := sample{from: w.First, to: w.Last, loss: 1 - float64(got)/float64(span)}
	sm.sent = float64(span) * wire.PacketSize / busy
	sm.got = float64(got) * wire.PacketSize / active
	learn(m, &sm, float64(span))
	sm.fresh = st.usable(sm)
	m.sample = sm
}

// learn tells congestion from the loss that a member always has: more than its usual loss, beyond what chance does to
// as many packets, at a rate that it has not taken before. What it loses at rates that it did take is its usual loss.
func learn(m *member, sm *sample, n float64) {
	if m.weight == 0 {
		m.base = min(sm.loss, 0.15)
		sm.congested = sm.loss > 0.15
		m.weight, m.spread, m.best, m.streak = n, 1, 0, 0
		return
	}
	both := (sm.loss*n + m.base*m.weight) / (n + m.weight)
	variance := (both + 0.0002) * (1/n + 1/m.weight) // of the difference of two shares, when packets are lost one by one
	above := sm.loss > m.base+0.005+3*math.Sqrt(variance*m.spread)
	if above {
		m.streak++
	} else {
		m.streak = 0
	}
	would := sm.got / (1 - sm.loss) * (1 - m.base) // with its usual loss
	sm.congested = above && (would > 0.97*m.best || m.streak > 3 || sm.loss > m.base+0.15)
	known := would <= 0.995*m.best
	took := min(sm.sent*(1-sm.loss), m.sample.sent*(1-m.sample.loss)) // of two: a port's buffer makes the first look like more
	m.best = max(took, m.best*0.995)
	if sm.congested || sm.loss > m.base && !known && m.weight > 1000 {
		return
	}
	if sm.loss < m.base-3*math.Sqrt(variance*m.spread) {
		m.weight = 0 // what was taken for usual was not
	}
	off := (sm.loss - m.base) * (sm.loss - m.base)
	if seen := min(off/variance, 100); seen > m.spread {
		m.spread += (seen - m.spread) / 8
	} else {
		m.spread = max(1, m.spread+(seen-m.spread)/32) // bursts are rare: they are not forgotten in between
	}
	m.weight = min(m.weight+n, 8192)
	m.base += (min(sm.loss, 0.3) - m.base) * min(1, n/m.weight)
}

// judge moves a member between the streams by what it gets of them.
func (s *Sender) judge(now time.Time, m *member) {
	st := &s.streams[m.stream]
	if m.listens() && m.helped.none() {
		s.demote(now, m, "lacks the same after every round")
		return
	}
	switch m.state {
	case StateFast, StateSlow, StateSuspect:
		if s.hearsNothing(now, m) {
			s.demote(now, m, "no multicast")
			return
		}
		if s.lags(now, m, st) {
			if m.suspect.IsZero() {
				m.suspect = now
				s.enter(m, StateSuspect, "")
			}
			if now.Sub(m.suspect) >= demoteAfter {
				s.demote(now, m, "")
			}
			return
		}
		if m.state == StateSuspect {
			m.suspect = time.Time{}
			state := StateFast
			if m.stream == wire.StreamSlow {
				state = StateSlow
			}
			s.enter(m, state, "")
		}
		if m.stream == wire.StreamSlow && now.Sub(m.demoted) >= m.trial {
			s.promote(now, m)
		}
		if m.stream == wire.StreamFast && m.trial > promoteAfter && now.Sub(m.demoted) > 2*promoteMost {
			m.trial = promoteAfter
		}
	case StateHTTPS:
		if m.Multicast && now.Sub(m.demoted) >= m.trial && !m.helped.none() {
			s.promote(now, m)
		}
	}
}

// hearsNothing tells whether packets were sent for 3 s while the member listened and none came.
func (s *Sender) hearsNothing(now time.Time, m *member) bool {
	st := &s.streams[m.stream]
	heard := max(m.sequence, m.since)
	if m.progress.IsZero() || st.sequence <= heard+leastSample {
		return false
	}
	first := st.history.at(heard + 1).at
	if first.Before(m.progress) {
		first = m.progress
	}
	return st.history.last.Sub(first) >= nothingAfter && now.Sub(first) >= nothingAfter
}

// lags tells whether a member gets less than half of its stream, or its disk takes less than half of it. A suspect is
// believed to follow again when it takes half of what most do: a driver that stands still gives every port time.
func (s *Sender) lags(now time.Time, m *member, st *stream) bool {
	sent := m.sample.sent
	if sent == 0 {
		return false
	}
	took := sent * (1 - m.sample.loss)
	if m.state == StateSuspect {
		sent = max(sent, min(st.proven, s.pace(st)))
	}
	return took < sent/2 || m.buffer < 25 && m.disk > 0 && float64(m.disk)*packetShare < sent/2
}

// packetShare is how many bytes of UDP payload carry one byte of content.
const packetShare = float64(wire.PacketSize) / wire.SymbolSize

// demote takes a member off its stream: one that cannot follow to the slow stream where there is another such, every
// other to HTTPS, with its cause.
func (s *Sender) demote(now time.Time, m *member, cause string) {
	m.demoted = now
	m.trial = min(max(promoteAfter, 2*m.trial), promoteMost)
	if cause == "" && m.stream == wire.StreamSlow {
		cause = "too slow for the slow stream"
	}
	if cause != "" {
		s.enter(m, StateHTTPS, cause)
		return
	}
	s.enter(m, StateHTTPS, slowCause)
	var slow []*member
	rate := math.Inf(1)
	for _, other := range s.order {
		if other.stream == wire.StreamSlow && other.listens() || other.state == StateHTTPS && other.cause == slowCause {
			slow = append(slow, other)
			rate = min(rate, other.sustains())
		}
	}
	if len(slow) < 2 {
		return
	}
	if !s.streams[wire.StreamSlow].running() {
		s.streams[wire.StreamSlow].open(now, rate)
	}
	for _, other := range slow {
		if other.state == StateHTTPS {
			s.tune(now, other, wire.StreamSlow, StateSlow)
		}
	}
}

// slowCause marks members that HTTPS or the slow stream serves because they could not follow.
const slowCause = "too slow for the fast stream"

// sustains returns the bytes a second that a member took lately.
func (m *member) sustains() float64 {
	rate := m.sample.got
	if m.sample.sent == 0 || rate == 0 {
		rate = 1e6
	}
	if m.buffer < 25 && m.disk > 0 {
		rate = min(rate, float64(m.disk)*packetShare)
	}
	return rate
}

// promote tries a member on the fast stream again.
func (s *Sender) promote(now time.Time, m *member) {
	m.demoted = now
	s.tune(now, m, wire.StreamFast, StateFast)
}
