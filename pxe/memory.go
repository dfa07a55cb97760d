package pxe

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ardoise/ardoise/pxe/proxydhcp"
)

// Bounds of what is remembered of the network: whoever sends from a million forged addresses makes us forget, not grow.
const (
	maxClients = 4096
	maxSources = 256
)

// Times of the adaptive rule and of reports.
const (
	// styleWindow: a PC that asks again within it, without having fetched anything, did not take the offer. EDK2 asks
	// after 0, 4, 8, 16 and 32 s.
	styleWindow = 60 * time.Second
	// sameAsk: two DISCOVERs closer than this are one (two relays, two of our cards on one switch).
	sameAsk = time.Second
	// repeatReport is how long a thing reported is not reported again.
	repeatReport = 10 * time.Minute
	// leaseTrust is how long an address seen in a REQUEST is taken for its MAC's.
	leaseTrust = 10 * time.Minute
)

// recent is a map that forgets the entry that was not used for longest when it is full.
type recent[K comparable, V any] struct {
	limit int
	order *list.List // of *entry[K, V], most recently used first
	items map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

// get returns the value of a key, made by fresh when there is none.
func (r *recent[K, V]) get(key K, fresh func() V) *V {
	if e, ok := r.items[key]; ok {
		r.order.MoveToFront(e)
		return &e.Value.(*entry[K, V]).value
	}
	if len(r.items) >= r.limit {
		last := r.order.Back()
		delete(r.items, last.Value.(*entry[K, V]).key)
		r.order.Remove(last)
	}
	e := &entry[K, V]{key: key, value: fresh()}
	r.items[key] = r.order.PushFront(e)
	return &e.value
}

// peek returns the value of a key without making one.
func (r *recent[K, V]) peek(key K) (v V, ok bool) {
	if e, ok := r.items[key]; ok {
		return e.Value.(*entry[K, V]).value, true
	}
	return v, false
}

// bucket is a token bucket: rate tokens a second, at most burst of them.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.last.IsZero() {
		b.tokens = burst
	} else if d := now.Sub(b.last); d > 0 {
		b.tokens = min(burst, b.tokens+rate*d.Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// hardware is a MAC as a map key.
type hardware [6]byte

// client is what is remembered of one MAC.
type client struct {
	packets  bucket
	asked    time.Time // last DISCOVER
	tries    int       // offers in a row that were not taken
	moved    bool      // has asked 4011, TFTP or HTTP since the last DISCOVER
	style    Style     // of the last offer
	reported time.Time // when it was last reported as taking none of our offers
}

// lease is which MAC was seen with an address.
type lease struct {
	mac  hardware
	seen time.Time
}

// memory is what the service knows of the machines on its networks.
type memory struct {
	now func() time.Time

	mu      sync.Mutex
	all     bucket
	clients *recent[hardware, client]
	leases  *recent[netip.Addr, lease]
	foreign *recent[string, time.Time] // by source, when it was last reported
	alarms  bucket
}

func newMemory(now func() time.Time) *memory {
	return &memory{
		now:     now,
		clients: newRecent[hardware, client](maxClients),
		leases:  newRecent[netip.Addr, lease](maxClients),
		foreign: newRecent[string, time.Time](maxSources),
	}
}

func fresh[V any]() (v V) { return v }

// admit limits packets: in all, so that the Booter is not drowned, and per MAC.
func (m *memory) admit(mac net.HardwareAddr) bool {
	const allRate, allBurst, macRate, macBurst = 1000, 2000, 2, 10
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	c := m.clients.get(hardware(mac), fresh[client])
	return c.packets.take(now, macRate, macBurst) && m.all.take(now, allRate, allBurst)
}

// nextStyle chooses the style of the next offer. stubborn is set, once in ten minutes, when the PC has now refused
// every style.
func (m *memory) nextStyle(mac net.HardwareAddr, remembered Style) (s Style, stubborn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	c := m.clients.get(hardware(mac), fresh[client])
	since := now.Sub(c.asked)
	switch {
	case c.asked.IsZero(), c.moved, since > styleWindow:
		c.tries = 0
	case since >= sameAsk:
		c.tries++
	}
	c.asked, c.moved = now, false
	c.style = inTurn(remembered, c.tries)
	if c.tries >= len(styleOrder()) && (c.reported.IsZero() || now.Sub(c.reported) >= repeatReport) {
		c.reported = now
		stubborn = true
	}
	return c.style, stubborn
}

func styleOrder() []Style { return []Style{StyleG, StyleB, StyleA} }

// inTurn is the style after some that were not taken, beginning with the one that once worked for this PC.
func inTurn(first Style, tries int) Style {
	order := styleOrder()
	start := 0
	for i, s := range order {
		if s == first {
			start = i
		}
	}
	return order[(start+tries)%len(order)]
}

// lastStyle is the style of the last offer to a MAC; "" when there was none.
func (m *memory) lastStyle(mac net.HardwareAddr) Style {
	if len(mac) != 6 {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, _ := m.clients.peek(hardware(mac))
	return c.style
}

// moved notes that a PC took our offer.
func (m *memory) moved(mac net.HardwareAddr) {
	if len(mac) != 6 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clients.get(hardware(mac), fresh[client]).moved = true
}

// learn notes that a MAC took an address.
func (m *memory) learn(r *proxydhcp.Request) {
	if !r.Client.IsValid() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.leases.get(r.Client, fresh[lease]) = lease{mac: hardware(r.MAC), seen: m.now()}
}

// owner tells whose address this is, if a REQUEST said so lately.
func (m *memory) owner(a netip.Addr) (net.HardwareAddr, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.leases.peek(a)
	if !ok || m.now().Sub(l.seen) > leaseTrust {
		return nil, false
	}
	return l.mac[:], true
}

// alarm tells whether to report a foreign source now.
func (m *memory) alarm(source string) bool {
	const rate, burst = 0.2, 8
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	last := m.foreign.get(source, fresh[time.Time])
	if !last.IsZero() && now.Sub(*last) < repeatReport || !m.alarms.take(now, rate, burst) {
		return false
	}
	*last = now
	return true
}
