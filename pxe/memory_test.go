package pxe

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ardoise/ardoise/pxe/proxydhcp"
)

// clock is a time that stands until it is moved.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func pc(n uint32) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func TestStylesFollowWhatThePCDoes(t *testing.T) {
	const again, later = 4 * time.Second, 2 * time.Minute
	type ask struct {
		after  time.Duration
		moved  bool // the PC fetched something before it asked
		want   Style
		report bool
	}
	for name, c := range map[string]struct {
		remembered Style
		asks       []ask
	}{
		"it takes the first offer each time": {"", []ask{{0, false, "G", false}, {again, true, "G", false}, {again, true, "G", false}}},
		"it takes none": {"", []ask{
			{0, false, "G", false}, {again, false, "B", false}, {again, false, "A", false}, {again, false, "G", true}, {again, false, "B", false},
		}},
		"it is reported again only after ten minutes": {"", []ask{
			{0, false, "G", false}, {again, false, "B", false}, {again, false, "A", false}, {again, false, "G", true},
			{50 * time.Second, false, "B", false}, {later, false, "G", false},
		}},
		"it comes back the next day":                   {"", []ask{{0, false, "G", false}, {24 * time.Hour, false, "G", false}}},
		"the same question by two relays is one":       {"", []ask{{0, false, "G", false}, {10 * time.Millisecond, false, "G", false}}},
		"the style that once worked comes first":       {"A", []ask{{0, false, "A", false}, {again, false, "G", false}, {again, false, "B", false}}},
		"a style nobody knows counts as the first one": {"Z", []ask{{0, false, "G", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			m := newMemory(now.now)
			for i, a := range c.asks {
				now.advance(a.after)
				if a.moved {
					m.moved(pc(1))
				}
				style, report := m.nextStyle(pc(1), c.remembered)
				if style != a.want || report != a.report {
					t.Errorf("question %d: style %s, reported %v", i, style, report)
				}
			}
		})
	}
}

func TestAMillionForgedAddressesMakeUsForgetNotGrow(t *testing.T) {
	now := newClock()
	m := newMemory(now.now)
	for n := range uint32(20_000) {
		now.advance(time.Millisecond)
		m.admit(pc(n))
		m.learn(&proxydhcp.Request{MAC: pc(n), Client: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})})
		m.alarm(pc(n).String())
	}
	if a, b, c := len(m.clients.items), len(m.leases.items), len(m.foreign.items); a > maxClients || b > maxClients || c > maxSources {
		t.Errorf("%d clients, %d leases, %d sources", a, b, c)
	}
	if m.clients.order.Len() != len(m.clients.items) {
		t.Errorf("%d in order, %d in the map", m.clients.order.Len(), len(m.clients.items))
	}
}

func TestOneMACCannotAskForever(t *testing.T) {
	now := newClock()
	m := newMemory(now.now)
	count := func(mac net.HardwareAddr, n int) (admitted int) {
		for range n {
			if m.admit(mac) {
				admitted++
			}
		}
		return admitted
	}
	if got := count(pc(1), 1000); got != 10 {
		t.Errorf("%d packets of one MAC at once", got)
	}
	if got := count(pc(2), 5); got != 5 {
		t.Errorf("another PC got %d of 5 through", got)
	}
	now.advance(time.Second)
	if got := count(pc(1), 1000); got != 2 {
		t.Errorf("%d packets a second later", got)
	}
}

func TestAnAddressBelongsToWhoAskedForItLast(t *testing.T) {
	now := newClock()
	m := newMemory(now.now)
	a := netip.MustParseAddr("10.9.0.50")
	if _, ok := m.owner(a); ok {
		t.Error("an owner before anybody asked")
	}
	m.learn(&proxydhcp.Request{MAC: pc(1), Client: a})
	m.learn(&proxydhcp.Request{MAC: pc(2), Client: a})
	if mac, ok := m.owner(a); !ok || mac.String() != pc(2).String() {
		t.Errorf("owner %v", mac)
	}
	now.advance(leaseTrust + time.Second)
	if _, ok := m.owner(a); ok {
		t.Error("an old lease is still believed")
	}
}

func TestForeignSourcesAreReportedEveryTenMinutes(t *testing.T) {
	now := newClock()
	m := newMemory(now.now)
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Minute, false}, {8 * time.Minute, false}, {2 * time.Minute, true}} {
		now.advance(c.after)
		if got := m.alarm("10.9.0.9"); got != c.want {
			t.Errorf("offer %d: %v", i, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2J\n\u00e9<b>", 64); got != "a?[2J???<b>" {
		t.Errorf("got %q", got)
	}
	if got := printable("0123456789", 4); got != "0123" {
		t.Errorf("got %q", got)
	}
}
