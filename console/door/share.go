package door

import (
	"net"
	"net/netip"
	"sync"
)

// Share takes connections of l: at most each of one address, of a network of 64 bits where that is IPv6, and all together.
// Where there are too many the oldest gives way: of that address, or of the one that has the most. Nobody waits for others to
// leave, and a flood displaces itself.
func Share(l net.Listener, each, all int) net.Listener {
	return &shared{Listener: l, each: each, all: all, from: map[string]map[*place]bool{}}
}

// shared is a listener with its places.
type shared struct {
	net.Listener
	each, all int

	mu    sync.Mutex
	from  map[string]map[*place]bool // by source
	taken int
	last  int64
}

// place is a connection that counts for its source until it is closed.
type place struct {
	net.Conn
	of     *shared
	source string
	number int64 // in the order of their coming
	gone   bool  // guarded by of.mu
}

// Accept implements net.Listener.
func (s *shared) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &place{Conn: c, of: s, source: sourceOf(c.RemoteAddr())}
	if gone := s.take(p); gone != nil {
		_ = gone.Conn.Close()
	}
	return p, nil
}

// take counts a connection, and returns the one that gives way; nil: none needs to.
func (s *shared) take(p *place) (gone *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from[p.source] == nil {
		s.from[p.source] = map[*place]bool{}
	}
	s.last++
	p.number = s.last
	s.from[p.source][p] = true
	s.taken++
	switch {
	case len(s.from[p.source]) > s.each:
		gone = older(nil, s.from[p.source])
	case s.taken > s.all:
		most := 0
		for _, places := range s.from {
			switch n := len(places); {
			case n > most:
				most, gone = n, older(nil, places)
			case n == most: // a thousand addresses with one each are a flood, too: its oldest goes, not who comes now
				gone = older(gone, places)
			}
		}
	}
	if gone != nil {
		s.leave(gone)
	}
	return gone
}

// older is the oldest of some connections and one more.
func older(out *place, places map[*place]bool) *place {
	for p := range places {
		if out == nil || p.number < out.number {
			out = p
		}
	}
	return out
}

// leave gives a place back. The caller holds mu.
func (s *shared) leave(p *place) {
	if p.gone {
		return
	}
	p.gone = true
	s.taken--
	if delete(s.from[p.source], p); len(s.from[p.source]) == 0 {
		delete(s.from, p.source)
	}
}

// Close implements net.Conn.
func (p *place) Close() error {
	p.of.mu.Lock()
	p.of.leave(p)
	p.of.mu.Unlock()
	return p.Conn.Close()
}

// sourceOf is what an address counts as.
func sourceOf(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}
