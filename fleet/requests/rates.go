package requests

import (
	"time"

	"golang.org/x/time/rate"
)

// What may be reported without an account: of one label and from one address, at once and afterwards. A class of 30 behind
// one address may report each of its PCs.
const (
	labelAtOnce   = 3
	labelEach     = 10 * time.Minute
	addressAtOnce = 30
	addressEach   = time.Minute
	maxRates      = 10_000 // addresses, and labels
)

// rates slow who reports without an account.
type rates struct{ labels, addresses map[string]*rate.Limiter }

func newRates() rates {
	return rates{labels: map[string]*rate.Limiter{}, addresses: map[string]*rate.Limiter{}}
}

// take counts one report, or returns how long to wait.
func (r rates) take(now time.Time, label, address string) time.Duration {
	l := limiter(r.labels, label, labelEach, labelAtOnce, now)
	a := limiter(r.addresses, address, addressEach, addressAtOnce, now)
	switch {
	case l.TokensAt(now) < 1:
		return wait(l, now, labelEach)
	case a.TokensAt(now) < 1:
		return wait(a, now, addressEach)
	}
	l.AllowN(now, 1)
	a.AllowN(now, 1)
	return 0
}

// wait is how long it takes until one more may come.
func wait(l *rate.Limiter, now time.Time, each time.Duration) time.Duration {
	return max(time.Duration((1-l.TokensAt(now))*float64(each)), time.Second)
}

// limiter finds or makes the limiter of a key. A full map forgets those that are idle, and if that is too little all.
func limiter(m map[string]*rate.Limiter, key string, each time.Duration, atOnce int, now time.Time) *rate.Limiter {
	if l, ok := m[key]; ok {
		return l
	}
	if len(m) >= maxRates {
		for k, l := range m {
			if l.TokensAt(now) >= float64(atOnce) {
				delete(m, k)
			}
		}
		if len(m) >= maxRates {
			clear(m)
		}
	}
	l := rate.NewLimiter(rate.Every(each), atOnce)
	m[key] = l
	return l
}
