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
	forgetRight = 90 * 24 * time.Hour
	maxKept     = 10_000 // addresses, and addresses with logins
)

// origin is where a try comes from: the address, and what its holder may change freely.
type origin struct{ address, network string }

// try is one login tried from one place: from a network, or from an address where it was right before.
type try struct{ place, login string }

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
	known     map[try]time.Time // addresses where a login was right, and when
}

func newGate() *gate {
	return &gate{addresses: map[string]*rate.Limiter{}, pauses: map[try]pause{}, known: map[try]time.Time{}}
}

// enter counts one try, or refuses it with CodeTooMany. A refused one costs nothing and prolongs nothing. Where a login was
// right before, others of the same network neither pause it nor use up its rate.
func (g *gate) enter(now time.Time, from origin, login string) (try, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := try{from.network, login}
	_, known := g.known[try{from.address, login}]
	if known {
		t.place = from.address
	}
	if p, ok := g.pauses[t]; ok && now.Before(p.until) {
		return t, &RefusedError{Code: CodeTooMany, Wait: p.until.Sub(now)}
	}
	if known {
		return t, nil
	}
	l, ok := g.addresses[from.network]
	if !ok {
		shrink(g.addresses, func(l *rate.Limiter) bool { return l.TokensAt(now) >= triesAtOnce })
		l = rate.NewLimiter(rate.Every(triesEach), triesAtOnce)
		g.addresses[from.network] = l
	}
	if !l.AllowN(now, 1) {
		return t, &RefusedError{Code: CodeTooMany, Wait: triesEach}
	}
	return t, nil
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

// right forgets what was wrong before, and remembers the address.
func (g *gate) right(now time.Time, t try, from origin) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pauses, t)
	shrink(g.known, func(at time.Time) bool { return now.Sub(at) > forgetRight })
	g.known[try{from.address, t.login}] = now
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

// from reads an address. One holder of IPv6 addresses has a network of them (RFC 6177 section 2).
func from(address string) origin {
	a, err := netip.ParseAddr(address)
	if err != nil {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			address = address[:min(len(address), 64)]
			return origin{address, address}
		}
		a = ap.Addr()
	}
	a = a.Unmap().WithZone("")
	out := origin{a.String(), a.String()}
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			out.network = p.String()
		}
	}
	return out
}
