package people

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one address may try, and how long one login pauses there after wrong passwords: freely at first, then twice as long
// each time.
const (
	triesAtOnce = 30
	triesEach   = 2 * time.Second
	freeTries   = 3
	longestWait = time.Minute
	forgetWrong = 15 * time.Minute
	maxKept     = 10_000 // addresses, and addresses with logins
)

// try is one login tried from one address.
type try struct{ address, login string }

type pause struct {
	wrong int
	last  time.Time
	until time.Time
}

// gate slows those who guess.
type gate struct {
	mu        sync.Mutex
	addresses map[string]*rate.Limiter
	pauses    map[try]pause
}

func newGate() *gate { return &gate{addresses: map[string]*rate.Limiter{}, pauses: map[try]pause{}} }

// enter counts one try, or refuses it with CodeTooMany. A refused one costs nothing and prolongs nothing.
func (g *gate) enter(now time.Time, t try) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.pauses[t]; ok && now.Before(p.until) {
		return &RefusedError{Code: CodeTooMany, Wait: p.until.Sub(now)}
	}
	l, ok := g.addresses[t.address]
	if !ok {
		shrink(g.addresses, func(l *rate.Limiter) bool { return l.TokensAt(now) >= triesAtOnce })
		l = rate.NewLimiter(rate.Every(triesEach), triesAtOnce)
		g.addresses[t.address] = l
	}
	if !l.AllowN(now, 1) {
		return &RefusedError{Code: CodeTooMany, Wait: triesEach}
	}
	return nil
}

// wrong notes a wrong password and returns how long the next try has to wait.
func (g *gate) wrong(now time.Time, t try) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.pauses[t]
	if !ok {
		shrink(g.pauses, func(p pause) bool { return now.Sub(p.last) > forgetWrong })
	}
	if now.Sub(p.last) > forgetWrong {
		p = pause{}
	}
	p.wrong++
	p.last = now
	var wait time.Duration
	if over := p.wrong - freeTries; over >= 0 {
		wait = min(time.Second<<min(over, 10), longestWait)
	}
	p.until = now.Add(wait)
	g.pauses[t] = p
	return wait
}

// right forgets what was wrong before.
func (g *gate) right(t try) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pauses, t)
}

// shrink makes room in a full map: what is idle goes, and if that is too little any half.
func shrink[K comparable, V any](m map[K]V, idle func(V) bool) {
	if len(m) < maxKept {
		return
	}
	for k, v := range m {
		if idle(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) <= maxKept/2 {
			return
		}
		delete(m, k)
	}
}

// place is what an address counts as: itself, or the network that one holder of IPv6 addresses has (RFC 6177 section 2).
func place(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return address[:min(len(address), 64)]
		}
		a = ap.Addr()
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
