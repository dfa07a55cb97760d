package httpboot

import (
	"net"
	"net/netip"
	"sync"
)

// limit bounds the connections that a listener lets through. One too many is closed at once, before any of it is read:
// a flood costs an accept and a close each, and never a goroutine.
func limit(l net.Listener, perSource, total int) net.Listener {
	if perSource <= 0 {
		perSource = DefaultPerSource
	}
	if total <= 0 {
		total = DefaultTotal
	}
	return &limited{Listener: l, perSource: perSource, total: total, open: map[netip.Addr]int{}}
}

type limited struct {
	net.Listener
	perSource, total int

	mu   sync.Mutex
	open map[netip.Addr]int // connections by source; no entry when none
	all  int
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := addressOf(c.RemoteAddr())
		if l.take(source) {
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { l.give(source) })}, nil
		}
		c.Close()
	}
}

func (l *limited) take(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.total || l.open[source] >= l.perSource {
		return false
	}
	l.all++
	l.open[source]++
	return true
}

func (l *limited) give(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[source]--; l.open[source] == 0 {
		delete(l.open, source)
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

func addressOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(t.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}
