package agentapi

import (
	"net"
	"sync"
	"time"
)

// The limits of one source: an enrolled computer by its key, anybody else by the address. A whole school may stand behind
// one address, the router's, so that what an enrolled computer does must not count for the others there, and what they do
// before they have proven themselves must be possible for hundreds at once. An agent that deploys at 1 Gb/s asks for chunks
// some twenty times a second; while it waits for approval it says hello every few seconds. It has some nine connections.
const (
	requestRate  = 200.0 // a second
	requestBurst = 400.0
	helloCost    = 10.0 // a hello counts as ten
	maxSources   = 8192
	maxPerSource = 1024 // connections of strangers: each of 300 computers fetches stage two before it has a key
	maxStrangers = 2048 // connections of strangers in all
	maxPerKey    = 32   // connections of an enrolled computer
	maxKnown     = 8192 // connections of enrolled computers in all
)

// limits counts what each source does. The zero value is ready.
type limits struct {
	mu        sync.Mutex
	buckets   map[string]bucket
	told      map[string]time.Time // when a refusal of this source was logged last
	strangers map[string]map[*countedConn]bool
	unknown   int            // connections of strangers
	known     map[string]int // connections by key
	enrolled  int            // of them in all
	opened    int64          // connections since the server began
	turned    int64          // of them that were refused, or gave way
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

// open counts a stranger's connection. Where its source, or all of them together, have too many, the oldest gives way: of
// that source, or of the one that has the most. So a flood displaces itself, and who needs only the moment of a handshake
// behind the same address gets it.
func (l *limits) open(c *countedConn) {
	l.mu.Lock()
	if l.strangers == nil {
		l.strangers = map[string]map[*countedConn]bool{}
	}
	if l.strangers[c.source] == nil {
		l.strangers[c.source] = map[*countedConn]bool{}
	}
	l.strangers[c.source][c] = true
	l.unknown++
	l.opened++
	c.number = l.opened
	var gone *countedConn
	switch {
	case len(l.strangers[c.source]) > maxPerSource:
		gone = oldest(l.strangers[c.source])
	case l.unknown > maxStrangers:
		most := l.strangers[c.source]
		for _, conns := range l.strangers {
			if len(conns) > len(most) {
				most = conns
			}
		}
		gone = oldest(most)
	}
	if gone != nil {
		l.leave(gone)
		l.turned++
	}
	l.mu.Unlock()
	if gone != nil {
		_ = gone.Conn.Close()
	}
}

// oldest is the connection that was opened first.
func oldest(conns map[*countedConn]bool) (out *countedConn) {
	for c := range conns {
		if out == nil || c.number < out.number {
			out = c
		}
	}
	return out
}

// recognise counts a connection for an enrolled computer from here on, and no more for its address; false when that computer
// has too many.
func (l *limits) recognise(c *countedConn, key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.key == key || c.closed {
		return true
	}
	if l.known[key] >= maxPerKey || l.enrolled >= maxKnown {
		l.turned++
		return false
	}
	l.leave(c)
	if l.known == nil {
		l.known = map[string]int{}
	}
	c.key, c.closed = key, false
	l.known[key]++
	l.enrolled++
	return true
}

// leave takes a connection out of the count. The caller holds mu.
func (l *limits) leave(c *countedConn) {
	if c.closed {
		return
	}
	c.closed = true
	if c.key != "" {
		l.enrolled--
		if l.known[c.key]--; l.known[c.key] <= 0 {
			delete(l.known, c.key)
		}
		return
	}
	l.unknown--
	delete(l.strangers[c.source], c)
	if len(l.strangers[c.source]) == 0 {
		delete(l.strangers, c.source)
	}
}

// refusedConns is how many connections were refused, or gave way to others.
func (l *limits) refusedConns() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turned
}

// countedListener counts connections.
type countedListener struct {
	net.Listener
	limits *limits
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	counted := &countedConn{Conn: c, source: addressOf(c.RemoteAddr().String()), limits: l.limits}
	l.limits.open(counted)
	return counted, nil
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	source string // address without port
	limits *limits

	number int64  // in the order of their coming
	key    string // of the enrolled computer that it is counted for; guarded by limits.mu
	closed bool   // it is not counted any more; guarded by limits.mu
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.limits.mu.Lock()
	c.limits.leave(c)
	c.limits.mu.Unlock()
	return c.Conn.Close()
}
