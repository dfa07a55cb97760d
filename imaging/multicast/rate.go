package multicast

import (
	"math"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// How the rate is found.
const (
	settle      = 60 * time.Millisecond   // of an interval, before what came of it is judged
	leastTick   = 100 * time.Millisecond  // between two changes
	enough      = 64                      // samples that stand for all members
	below       = 0.99                    // of what a full port delivers: the rest is for reports and HTTPS
	firstHold   = 500 * time.Millisecond  // before the limit that was found is tried again, doubled each time it is
	mostHold    = 2 * time.Second         // found at the same place
	leastKept   = 0.5                     // of the rate: a driver that sends less is held up by its own machine
	besides     = 0.85                    // of what most get at their limit: what is less is no burst
	worthwhile  = 1500 * time.Millisecond // what must be left for the rate to be doubled: to meet a full port costs 0.2 s of packets
	tooLate     = 500 * time.Millisecond  // when less is left, to go up gains little, and what a full port drops is repaired last
	growth      = 1.05
	regrowth    = 1.2 // below what the median member is known to take: the limit there was not one of most
	probe       = 1.02
	startParity = 2
	mostParity  = 8
	leftLacking = 0.5  // members, of a block, after its pro-active parity
	fewPackets  = 4096 // do not tell a loss of a thousandth
)

// usable tells whether a sample tells of the present rate.
func (st *stream) usable(sm sample) bool {
	return sm.sent > 0 && sm.from > st.changed
}

// adapt sets the rate of a stream when enough members have told what they got at the present one.
//
// A port that is full delivers its capacity, whatever is sent: that, and not the loss, is the figure that is followed.
// Loss that a member always has, at any rate, is no sign of a limit.
func (s *Sender) adapt(now time.Time, id uint8) {
	st := &s.streams[id]
	if !st.running() || now.Sub(st.ticked) < leastTick {
		return
	}
	members, fresh, congested := s.heard(st)
	due := min(enough, (4*members+4)/5)
	early := st.start && fresh >= min(3, due) && 2*congested > fresh
	waited := now.Sub(st.ticked)
	if fresh == 0 || fresh < due && !early && waited < 2*s.Interval() {
		return
	}
	least := due
	if early {
		least = 0
	}
	limit, used := s.limitOf(st, least, early)
	if few := 2*fresh < due && !early && waited < silentReports*s.Interval(); few && math.IsInf(limit, 1) {
		return // what few of many take is no reason to go up
	}
	s.useUp(st)
	if !used {
		return
	}
	st.ticked = now
	if id == wire.StreamFast {
		s.protect()
	}
	if !st.fixed {
		left := time.Duration(math.MaxInt64) // the manifests are before all the rest
		if len(s.generations) > 1 {
			left = s.toSend(st)
		}
		st.follow(now, limit, s.o.Cap, left)
	}
}

// toSend returns how long what is known to be left for a stream takes at its present rate.
func (s *Sender) toSend(st *stream) time.Duration {
	symbols := s.demand[groupSlow]
	if st.id == wire.StreamFast {
		symbols = s.demand[groupNear] + s.demand[groupFar] + s.firstPass()
	}
	return time.Duration(float64(symbols) * wire.PacketSize / s.pace(st) * float64(time.Second))
}

// counts tells whether a member's samples do for the rate of a stream. Those of suspects do not, unless most are.
func (st *stream) counts(m *member) bool {
	return m.stream == st.id && m.listens() && (st.suspects || m.state != StateSuspect)
}

// heard returns how many members of a stream count, how many of these have told of the present rate, and how many of those
// lost more than they always do.
func (s *Sender) heard(st *stream) (members, fresh, congested int) {
	suspects, others := 0, 0
	for _, m := range s.order {
		switch {
		case m.stream != st.id || !m.listens() || m.sequence == 0:
		case m.state == StateSuspect:
			suspects++
		default:
			others++
		}
	}
	st.suspects = suspects > others
	for _, m := range s.order {
		if !st.counts(m) || m.sequence == 0 {
			continue
		}
		if members++; m.sample.fresh && st.usable(m.sample) {
			if fresh++; m.sample.congested {
				congested++
			}
		}
	}
	return members, fresh, congested
}

// useUp marks the samples of a stream as used.
func (s *Sender) useUp(st *stream) {
	for _, m := range s.order {
		if m.stream == st.id {
			m.sample.fresh = false
		}
	}
}

// limitOf returns the bytes a second that the p90 member of a stream takes, infinite when it shows no limit. Where there are fewer than least, the others count as members without a limit: of few that report in
// time, one that is slow would else be the p90 member of them all.
func (s *Sender) limitOf(st *stream, least int, early bool) (limit float64, used bool) {
	takes := s.scratch[:0]
	sent := 0.0
	// Once the start is over, one interval with a loss may be a burst; a port that is too small loses in the next one
	// too. Where members report rarely, they are many, and the tenth of them does not lose a burst at one time.
	alone := early || st.id != wire.StreamFast || s.Interval() > leastInterval
	for _, m := range s.order {
		if !st.counts(m) || !m.sample.fresh || !st.usable(m.sample) {
			continue
		}
		sent = max(sent, m.sample.sent)
		took := m.takes(alone)
		if took > 1.25*s.pace(st) { // a full buffer before a quick disk: it waits for its processor, and shows no limit
			took = math.Inf(1)
		}
		takes = append(takes, took)
	}
	s.scratch = takes[:0]
	if len(takes) == 0 {
		return 0, false
	}
	for len(takes) < least {
		takes = append(takes, math.Inf(1))
	}
	slices.Sort(takes)
	median := takes[len(takes)/2]
	half := st.prove(median, sent, s.o.Cap) / 2
	first, _ := slices.BinarySearch(takes, half)
	limit = takes[first+(len(takes)-first)/10]
	if !math.IsInf(median, 1) && limit > besides*median {
		limit = median // most are at their limit: who gets a little less lost a burst besides, or shows so again at this rate
	}
	if math.IsInf(limit, 1) {
		return limit, sent > leastKept*s.pace(st) // a driver that does not send as fast as it may is no reason to go up
	}
	return limit, true
}

// prove returns the bytes a second that the median member is known to take: what it shows, or else the most that was sent
// since it showed a limit, as far as that is allowed. Were it what is sent now, one member that always says that it takes
// a little more than half would bring the rate down without end.
func (st *stream) prove(median, sent float64, most int64) float64 {
	if !math.IsInf(median, 1) {
		st.proven = median
		return median
	}
	st.proven = max(st.proven, sent)
	if most > 0 {
		return min(st.proven, max(sent, float64(most)))
	}
	return st.proven
}

// takes returns the bytes a second that a member shows to be its limit, or infinity. One congested interval alone shows
// it, or two in a row.
func (m *member) takes(alone bool) float64 {
	most := math.Inf(1)
	if m.sample.congested && (alone || m.streak > 1 || m.sample.loss > m.base+0.15) {
		most = m.sample.got
		if m.base < 0.03 {
			most /= 1 - m.base
		}
	}
	if m.buffer < 50 {
		disk := float64(m.disk) * packetShare
		if m.disk == 0 {
			disk = m.sample.got
		}
		if m.buffer < 25 {
			disk *= 0.9 // let it catch up
		}
		most = min(most, disk)
	}
	return most
}

// follow changes the rate: down to a limit that was seen, up when none was. What is left takes so long at the present
// rate.
func (st *stream) follow(now time.Time, limit float64, most int64, left time.Duration) {
	rate := st.rate
	switch {
	case !math.IsInf(limit, 1):
		if st.start = false; st.ceiling > 0 && math.Abs(limit-st.ceiling) < 0.03*st.ceiling {
			st.hold = min(2*st.hold, mostHold)
			limit = max(limit, st.ceiling*0.997) // a full port delivers no more than it can, but a sample may tell less
		} else {
			st.hold = firstHold
		}
		rate = min(rate, limit*below)
		st.ceiling = limit
		st.holdUntil = now.Add(st.hold)
	case st.start && left > worthwhile:
		rate *= 2
	case now.Before(st.holdUntil) || left < tooLate:
	case rate*growth > st.ceiling && rate < 1.1*st.ceiling:
		rate *= probe
	case 1.25*rate < st.proven:
		rate *= regrowth
	default:
		rate *= growth
	}
	if most > 0 {
		rate = min(rate, max(st.rate, float64(most)))
	}
	rate = max(rate, leastRate)
	if rate == st.rate {
		return
	}
	st.rate, st.changed, st.turned = rate, st.sequence, time.Time{}
}

// protect sets the pro-active parity: the least with which, of the 95 % of the members that lose least, on average
// fewer than half a member lacks something of a block afterwards. More would be sent to all for the sake of few; less
// would be sent anyway, in rounds.
func (s *Sender) protect() {
	losses := s.scratch[:0]
	for _, m := range s.order {
		if m.state == StateFast && m.weight > 0 {
			losses = append(losses, m.base)
		}
	}
	s.scratch = losses[:0]
	if len(losses) > 0 {
		middle := quantile(losses, 0.5)
		losses = losses[:0]
		for _, m := range s.order {
			if m.state == StateFast && m.weight > 0 { // what little is known of one is believed as far as it goes
				losses = append(losses, (m.base*m.weight+middle*fewPackets)/(m.weight+fewPackets))
			}
		}
		slices.Sort(losses)
		s.parity = parityFor(losses[:len(losses)-len(losses)/20])
	}
}

// parityFor returns the least parity that leaves fewer than leftLacking members lacking something of a block, when each
// loses its share of all packets. The shares are sorted.
func parityFor(losses []float64) int {
	h := 0
	for ; h < mostParity; h++ {
		lacking, last, p := 0.0, -1.0, 0.0
		for _, loss := range losses {
			if loss > last+0.0002 { // so near to each other, they are the same
				last, p = loss, lacksAfter(h, loss)
			}
			lacking += p
		}
		if lacking <= leftLacking {
			break
		}
	}
	return h
}

// lacksAfter returns how likely more than h of the packets of a block with parity h are lost: the binomial distribution.
func lacksAfter(h int, loss float64) float64 {
	packets := float64(wire.BlockSymbols + h)
	p := math.Pow(1-loss, packets)
	some := p
	for i := 1; i <= h; i++ {
		p *= (packets - float64(i) + 1) / float64(i) * loss / (1 - loss)
		some += p
	}
	return 1 - some
}

// quantile returns a quantile of values, which it sorts; 0 of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1)+0.5)]
}
