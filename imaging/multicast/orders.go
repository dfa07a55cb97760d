package multicast

import (
	"math"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Intervals of reports.
const (
	leastInterval  = 100 * time.Millisecond
	memberInterval = time.Millisecond // for each member: a thousand reports a second, and those out of turn
	doneInterval   = 2 * time.Second  // of members that need nothing any more
	mostRescue     = 512              // blocks that one order names
	mostSeen       = 1 << 16          // blocks that are looked at for it
)

// Interval returns the time between two reports of one member. Those that are done or silent leave room for the others.
func (s *Sender) Interval() time.Duration {
	return max(leastInterval, time.Duration(s.active)*memberInterval)
}

// orders tells a member what to do.
func (s *Sender) orders(now time.Time, m *member) wire.Orders {
	interval := s.Interval()
	if m.state == StateDone {
		interval = max(interval, doneInterval)
	}
	o := wire.Orders{
		Interval: interval,
		Phase:    time.Duration(float64(interval) * phase(m.phase)),
		Stream:   m.stream,
		Ahead:    m.ahead,
		HTTPS:    m.state == StateHTTPS,
		End:      s.over(now),
	}
	for i := range s.streams {
		o.Sequences[i] = s.streams[i].sequence
	}
	m.ahead = false
	m.told = len(s.generations)
	o.Generations = make([]wire.Generation, len(s.generations))
	for i, g := range s.generations {
		o.Generations[i] = g.Generation
	}
	if m.listens() && !o.End {
		o.Rescue = s.rescue(now, m)
	}
	return o
}

// phase spreads members over the interval, however many there will be: the golden ratio's multiples.
func phase(n int) float64 {
	_, part := math.Modf(float64(n) * (math.Sqrt(5) - 1) / 2)
	return part
}

// passes tells whether first passes are left.
func (s *Sender) passes() bool {
	for _, g := range s.generations {
		if g.left() > 0 {
			return true
		}
	}
	return false
}

// over tells whether the session is: no generation follows, and multicast has had nothing to send for a while.
func (s *Sender) over(now time.Time) bool {
	fast, slow := &s.streams[wire.StreamFast], &s.streams[wire.StreamSlow]
	return s.finished && !s.passes() && fast.n == 0 && slow.n == 0 && s.demand[groupSlow] == 0 &&
		fast.passed(now, 2*quiet+s.Interval()) && s.tail()
}

// rescue lists the blocks that a member shall ask for by HTTPS: what it alone lacks, the tail of the session, and what
// multicast does not send any more.
func (s *Sender) rescue(now time.Time, m *member) []wire.GenerationRuns {
	st := &s.streams[m.stream]
	busy := s.passes() || st.n > 0
	tail := !busy && m.stream == wire.StreamFast && s.tail()
	settled := st.history.before(now.Add(-s.Interval() - s.Interval()/4 - quiet))
	if m.lack > 0 {
		settled = max(settled, s.covered(m.stream))
	}
	var all []wire.GenerationRuns
	blocks, seen := 0, 0
	for i, list := range m.lacks {
		g := s.generations[i]
		var runs wire.Runs
		var pos uint32
		for _, e := range list {
			if seen++; blocks == mostRescue || seen > mostSeen {
				break
			}
			if !s.byHTTPS(g, m, e, settled, busy, tail) {
				continue
			}
			runs = runs.Add(e.block-pos, 0).Add(1, 1)
			pos = e.block + 1
			blocks++
		}
		if runs != nil {
			all = append(all, wire.GenerationRuns{Generation: g.Number, Runs: runs})
		}
	}
	return all
}

// byHTTPS tells whether one deficit of a member is left to HTTPS.
func (s *Sender) byHTTPS(g *generation, m *member, e entry, settled uint64, busy, tail bool) bool {
	b := &g.blocks[e.block]
	if b.epoch[m.stream] != e.epoch {
		return false // a round serves it
	}
	if tail || b.exhausted(e.need) {
		return true
	}
	if busy && e.need > smallDeficit {
		return false
	}
	switch m.group {
	case groupNear, groupFar:
		return b.want[groupNear]+b.want[groupFar] == 1 && b.last[wire.StreamFast] <= settled
	case groupSlow:
		return b.want[groupSlow] == 1 && b.last[wire.StreamSlow] <= settled
	default:
		return !busy // a suspect's
	}
}

// covered returns up to which sequence all members of a stream have reported.
func (s *Sender) covered(stream uint8) uint64 {
	least := uint64(math.MaxUint64)
	for _, m := range s.order {
		if m.stream == stream && m.listens() && m.state != StateSuspect {
			least = min(least, m.covers)
		}
	}
	return least
}
