package api

import (
	"crypto/sha256"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// SessionCookie is the name of the console's cookie: bound to this very host, to TLS and to all paths by its prefix
// (RFC 6265bis, section 4.1.3.2).
const SessionCookie = "__Host-ardoise"

// How often one token may ask: a program that looks at a room each second, and a burst at its start.
const (
	perSecond = 20
	burst     = 100
)

// Web tells by whom a request over the network is: by its API token, else by the console's cookie if it comes from the
// console's own pages.
func Web(p *people.People) func(*http.Request) (people.Caller, error) {
	own := http.NewCrossOriginProtection()
	rates := &rates{all: map[[32]byte]*rate.Limiter{}}
	return func(r *http.Request) (people.Caller, error) {
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		if header := r.Header.Get("Authorization"); header != "" {
			scheme, secret, _ := strings.Cut(header, " ")
			if !strings.EqualFold(scheme, "Bearer") {
				return people.Caller{}, notSignedIn()
			}
			c, err := p.ByToken(r.Context(), strings.TrimSpace(secret), address)
			if err != nil {
				return c, err
			}
			return c, rates.take(secret)
		}
		cookie, err := r.Cookie(SessionCookie)
		if err != nil {
			return people.Caller{}, notSignedIn()
		}
		if err := own.Check(r); err != nil {
			return people.Caller{}, &access.Error{Status: http.StatusForbidden, Code: "cross-site"}
		}
		if r.URL.Path == Prefix+eventStream || r.Context().Value(againKey{}) != nil { // what is followed by itself is no use of a session
			return p.StillIn(cookie.Value, address)
		}
		return p.BySession(r.Context(), cookie.Value, address)
	}
}

func notSignedIn() error {
	return &access.Error{Status: http.StatusUnauthorized, Code: "not-signed-in"}
}

// rates are how often tokens may ask. Only tokens that count get here, so there are no more than people have.
type rates struct {
	mu  sync.Mutex
	all map[[32]byte]*rate.Limiter // by SHA-256 of the secret
}

// take refuses a request of a token that asks too often.
func (r *rates) take(secret string) error {
	key := sha256.Sum256([]byte(secret))
	r.mu.Lock()
	l, ok := r.all[key]
	if !ok {
		l = rate.NewLimiter(perSecond, burst)
		r.all[key] = l
	}
	r.mu.Unlock()
	if l.Allow() {
		return nil
	}
	return &access.Error{Status: http.StatusTooManyRequests, Code: "too-fast", Wait: 1}
}

// challenge says in the headers of a refusal what would help (RFC 9110, sections 10.2.3 and 11.6.1).
func challenge(w http.ResponseWriter, e *access.Error) {
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ardoise"`)
	}
	if e.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.Wait))
	}
}

// beat is how often a stream of events says that it is still there, and looks again at who reads it.
const beat = 15 * time.Second
