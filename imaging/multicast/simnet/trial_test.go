package simnet_test

import (
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/simnet"
)

// Who cannot follow is demoted after 10 s, tried on the fast stream again after 30 s, and after 60 s when that has failed; the
// others do not notice.
func TestWhoWasDemotedIsTriedAgain(t *testing.T) {
	type change struct {
		at    time.Duration
		state multicast.State
	}
	const rate, bytes = 5e6, 640 * mib
	pcs := simnet.Room(4, simnet.PC{})
	pcs[0].Port = 10e6 // a quarter of the stream
	const slowest = 0  // its number
	var changes []change
	r := simnet.Run(simnet.Scenario{Bytes: bytes, PCs: pcs, Seed: 1, Options: multicast.SenderOptions{Rate: rate},
		Trace: func(at time.Duration, s multicast.Status) {
			for _, m := range s.Members {
				if m.Member == slowest && (len(changes) == 0 || changes[len(changes)-1].state != m.State) {
					changes = append(changes, change{at, m.State})
				}
			}
		}})
	var demoted, tried []time.Duration
	for i, c := range changes {
		t.Logf("%v %s", c.at, c.state)
		switch {
		case c.state == multicast.StateHTTPS:
			demoted = append(demoted, c.at)
		case i > 0 && changes[i-1].state == multicast.StateHTTPS && (c.state == multicast.StateFast || c.state == multicast.StateSuspect):
			tried = append(tried, c.at)
		}
	}
	if len(demoted) < 2 || len(tried) < 2 {
		t.Fatalf("it was demoted at %v and tried at %v", demoted, tried)
	}
	for i, wait := range []time.Duration{30 * time.Second, 60 * time.Second} {
		if got := tried[i] - demoted[i]; got < wait || got > wait+2*time.Second {
			t.Errorf("trial %d came after %v, want %v", i+1, got, wait)
		}
	}
	for i, pc := range r.PCs {
		if !pc.Complete || i > 0 && pc.Seconds > 1.07*bytes/rate {
			t.Errorf("PC %d: %+v, %.1f s at best", i, pc, bytes/rate)
		}
	}
}
