package multicast

import (
	"testing"
	"time"
)

// pace lets a driver send bursts that were planned a millisecond apart from the start on, and returns when each left. It
// stands still from one time to another.
func pace(n int, from, to time.Duration) []time.Duration {
	start := time.Unix(1_800_000_000, 0)
	now := start
	var p Pacer
	var left []time.Duration
	for i := range n {
		at := start.Add(time.Duration(i) * time.Millisecond)
		if now.Sub(start) >= from && now.Sub(start) < to {
			now = start.Add(to)
		}
		if due := p.Due(now, at); due.After(now) {
			now = due
		}
		left = append(left, now.Sub(start))
	}
	return left
}

func TestPacerNeverSendsAtOnceWhatItOwes(t *testing.T) {
	left := pace(1000, 100*time.Millisecond, 150*time.Millisecond)
	if left[99] != 99*time.Millisecond {
		t.Errorf("burst 99 left after %v: early or late without a reason", left[99])
	}
	for i := 6; i < len(left); i++ {
		if took := left[i] - left[i-6]; took < time.Millisecond {
			t.Fatalf("six bursts left within %v, the last of them burst %d", took, i)
		}
	}
	if late := left[999] - 999*time.Millisecond; late > 0 {
		t.Errorf("the last burst was %v late: 46 ms are made good in 400", late)
	}
}

func TestPacerDoesNotWaitForWhatWasPlannedAnew(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	var p Pacer
	p.Due(start, start)
	now := start.Add(80 * time.Millisecond)
	p.Due(now, start.Add(time.Millisecond)) // 79 ms late: 75 of them are owed
	if due := p.Due(now, now); due.Sub(now) > catchUp {
		t.Errorf("a burst that was planned for now is due in %v", due.Sub(now))
	}
}
