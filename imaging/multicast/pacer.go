package multicast

import "time"

// How a driver that is late makes that good.
const (
	catchUp = 4 * time.Millisecond // of it is sent at once,
	repay   = 8                    // the rest by sending an eighth faster
)

// Pacer tells a driver when to send what a Sender has planned. A busy machine makes a driver late. What it owes then never
// leaves at once: the ports' buffers would overflow, and the loss would be taken for a port that is full at that rate.
// The zero value is ready.
type Pacer struct {
	last time.Time // for when the burst before was planned
	due  time.Time // when it was due
}

// Due returns when a burst may leave that is planned for at; it may be over. It is called once for each burst, in turn,
// when the one before has left.
func (p *Pacer) Due(now, at time.Time) time.Time {
	gap := max(0, at.Sub(p.last))
	p.last = at
	due := p.due.Add(min(gap-gap/repay, catchUp)) // a longer gap is one that was planned anew, from now on
	if at.After(due) {
		due = at
	}
	if soonest := now.Add(-catchUp); soonest.After(due) {
		due = soonest
	}
	p.due = due
	return due
}
