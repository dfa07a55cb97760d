package fleet

import "time"

// allowance bounds how many events somebody may have stored who can make as many as he likes: whoever floods the store
// would push out what others did, and wear down its disk.
type allowance struct {
	tokens float64
	at     time.Time
}

// The bounds of an allowance: an eventful boot or task has a dozen.
const (
	allowed      = 60
	allowedEvery = 30 * time.Second // one more
)

// anybody is the allowance of all that the boot server saw: senders are not proven, so they share one.
const anybody = ""

// worth returns the events that are still within the allowance of a computer, or of anybody.
func (f *Fleet) worth(of string, events ...Event) []Event {
	f.allowing.Lock()
	defer f.allowing.Unlock()
	now := f.o.Now()
	a, ok := f.allowances[of]
	if !ok {
		a = allowance{tokens: allowed, at: now}
	}
	a.tokens = min(allowed, a.tokens+max(now.Sub(a.at).Seconds(), 0)/allowedEvery.Seconds())
	a.at = now
	n := min(len(events), int(a.tokens))
	a.tokens -= float64(n)
	f.allowances[of] = a
	return events[:n]
}
