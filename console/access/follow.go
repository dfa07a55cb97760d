package access

import (
	"context"
	"slices"
	"time"

	"github.com/ardoise/ardoise/fleet"
)

// SlowError says that somebody did not take events as fast as they came: he is let go rather than waited for, and finds
// what he missed by the number of the last one that he has.
type SlowError struct{}

// Error implements error.
func (*SlowError) Error() string { return "events came faster than they were read" }

const (
	maxBehind  = 1024   // events that wait for a follower
	maxMissed  = 10_000 // events that are looked up for one who comes back
	followPage = 1000
)

// Follow tells of events that the caller sees, as they happen, until ctx ends or tell says no. With after, the number of
// the last one that he has, it begins with what came since, the oldest first. tell is called with nil at each
// beat; begun once it listens, so that nothing is missed from then on. *SlowError: tell took too long.
func (d Desk) Follow(ctx context.Context, after int64, beat time.Duration, tell func(*Event) bool, begun func() bool) error {
	waiting := make(chan fleet.Event, maxBehind)
	lost := make(chan struct{}, 1)
	cancel := d.h.Fleet.Listen(func(c fleet.Change) {
		for _, e := range c.Events {
			select {
			case waiting <- e:
			default:
				select {
				case lost <- struct{}{}:
				default:
				}
			}
		}
	})
	defer cancel()
	if !begun() {
		return nil
	}
	missed, err := d.missed(ctx, after)
	if err != nil {
		return err
	}
	last := after
	for i := range missed {
		last = missed[i].Number
		if !tell(&missed[i]) {
			return nil
		}
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-lost:
			return &SlowError{}
		case <-tick.C:
			if !tell(nil) {
				return nil
			}
		case e := <-waiting:
			if e.Number != 0 && e.Number <= last || !d.seesEvent(e, nil) {
				continue
			}
			x := d.event(e)
			if !tell(&x) {
				return nil
			}
		}
	}
}

// missed lists the events after a number that the caller sees, oldest first; of too many the newest.
func (d Desk) missed(ctx context.Context, after int64) ([]Event, error) {
	var out []Event
	if after <= 0 {
		return nil, nil
	}
	for before := int64(0); len(out) < maxMissed; {
		page, err := d.Events(ctx, EventFilter{Before: before, Limit: followPage})
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if e.Number <= after {
				slices.Reverse(out)
				return out, nil
			}
			out = append(out, e)
			before = e.Number
		}
		if len(page) < followPage {
			break
		}
	}
	slices.Reverse(out)
	return out, nil
}
