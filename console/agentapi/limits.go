package agentapi

import (
	"net"
	"sync"
	"time"
)

// The limits of one source address. An agent that deploys at 1 Gb/s asks for chunks some twenty times a second; while it
// waits for approval it says hello every few seconds.
const (
	requestRate  = 200.0 // a second
	requestBurst = 400.0
	helloCost    = 10.0 // a hello counts as ten
	maxSources   = 8192
	maxPerSource = 64   // connections
	maxConns     = 4096 // connections in all
)

// limits counts what each source does. The zero value is ready.
type limits struct {
	mu      sync.Mutex
	buckets map[string]bucket
	told    map[string]time.Time // when a refusal of this source was logged last
	conns   map[string]int
	total   int
}

// bucket holds the requests that a source may still make.
type bucket struct {
	tokens float64
	at     time.Time
}

// allow takes cost from a source's bucket and tells whether it was there.
func (l *limits) allow(source string, cost float64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets == nil {
		l.buckets = map[string]bucket{}
	}
	b, ok := l.buckets[source]
	if !ok {
		if len(l.buckets) >= maxSources {
			clear(l.buckets) // everybody starts afresh: cheaper than remembering who floods
		}
		b = bucket{tokens: requestBurst, at: now}
	}
	b.tokens = min(requestBurst, b.tokens+max(now.Sub(b.at).Seconds(), 0)*requestRate)
	b.at = now
	if b.tokens >= cost {
		b.tokens -= cost
		ok = true
	} else {
		ok = false
	}
	l.buckets[source] = b
	return ok
}

// toldEvery is how often the log names a source that is refused again and again.
const toldEvery = 5 * time.Second

// tell tells whether a refusal of a source is worth a line of the log: lines are as many as requests, and as long.
func (l *limits) tell(source string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.told[source]; ok && now.Sub(last) < toldEvery {
		return false
	}
	if l.told == nil || len(l.told) >= maxSources {
		l.told = map[string]time.Time{}
	}
	l.told[source] = now
	return true
}

// open counts a connection and tells whether its source may have it.
func (l *limits) open(source string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = map[string]int{}
	}
	if l.total >= maxConns || l.conns[source] >= maxPerSource {
		return false
	}
	l.total++
	l.conns[source]++
	return true
}

func (l *limits) close(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.conns[source]--; l.conns[source] <= 0 {
		delete(l.conns, source)
	}
}

// countedListener refuses connections over the limits.
type countedListener struct {
	net.Listener
	limits *limits
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := addressOf(c.RemoteAddr().String())
		if l.limits.open(source) {
			return &countedConn{Conn: c, done: sync.OnceFunc(func() { l.limits.close(source) })}, nil
		}
		_ = c.Close()
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	done func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.done()
	return c.Conn.Close()
}
