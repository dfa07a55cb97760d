package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The times of a Querier when nothing else is said.
const (
	QueryEvery   = 60 * time.Second       // between our queries; RFC 3376 section 8.2 has 125 s
	QuerySilence = 125 * time.Second      // one interval of a querier by the RFC's defaults, unheard
	QueryListen  = 500 * time.Millisecond // before our first query
	queryWithin  = 2500 * time.Millisecond
	queryThird   = 4                // the third query comes after a part of the interval: RFC 3376 section 8.6
	tellAgain    = 10 * time.Second // names of other queriers are forged easily, and Changed may write a log
)

// QuerierState is what a Querier knows of its network.
type QuerierState struct {
	Active bool       // we query
	Other  netip.Addr // the querier that does it instead of us, or that we heard last; may be zero
}

// Querier is an IGMP querier of last resort: it asks hosts which groups they listen to when nobody else does. Without
// any querier a switch that snoops either sends a session to all its ports, or after 260 s to none.
//
// It starts when no other querier has been heard for Silence, gives way to one with a lower address, as RFC 2236
// section 3 has it, and lets one with a higher address give way to us: it does so by itself. What it needs: CAP_NET_RAW.
//
//	 listens --Listen--> queries --lower address heard--> silent
//	    |                   ^                                |
//	another heard           +-------Silence without one------+
//	    +---------------------------------------------------^ silent
type Querier struct {
	Interface              string
	Every, Silence, Listen time.Duration // 0 is QueryEvery, QuerySilence, QueryListen
	// Changed is called by Run at its start, when Active changes, and when Other does, but for that at most every 10 s. It
	// may be nil.
	Changed func(QuerierState)
}

// Run queries until ctx ends, and returns nil then. Other errors: *LinkError, and the kernel's.
func (q Querier) Run(ctx context.Context) error {
	ifi, err := interfaceByName(q.Interface)
	if err != nil {
		return err
	}
	us, err := firstAddress(ifi)
	if err != nil {
		return err
	}
	c, err := openIGMP(ifi, us)
	if err != nil {
		return fmt.Errorf("an IGMP querier on %s: %w", q.Interface, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) }) // else the wait below ends it
	defer stop()
	err = q.loop(ctx, c, newElection(us, time.Now(), q))
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, c.Close())
}

func (q Querier) loop(ctx context.Context, c *net.IPConn, e *election) error {
	var told QuerierState
	var toldAt time.Time // long ago: the first other querier is news
	if q.Changed != nil {
		q.Changed(told)
	}
	for ctx.Err() == nil {
		now := time.Now()
		if e.due(now) {
			_, err := c.WriteTo(generalQuery(e.within()), &net.IPAddr{IP: allSystems().AsSlice()})
			// An interface that is down for a while is no reason to end: the next query may get out
			if err != nil && !passes(err) {
				return fmt.Errorf("sending an IGMP query: %w", err)
			}
		}
		if state := e.state(); q.Changed != nil && tellNow(told, state, now.Sub(toldAt)) {
			told, toldAt = state, now
			q.Changed(state)
		}
		if err := c.SetReadDeadline(e.next); err != nil {
			return fmt.Errorf("waiting for IGMP: %w", err)
		}
		if ctx.Err() != nil { // it may have ended before the deadline was set
			return nil
		}
		if err := hear(c, e); err != nil {
			return err
		}
	}
	return nil
}

// tellNow tells whether a state is news, some time after another was told.
func tellNow(told, state QuerierState, after time.Duration) bool {
	return state.Active != told.Active || state != told && after >= tellAgain
}

// hear waits for one packet, or for the next deadline.
func hear(c *net.IPConn, e *election) error {
	var packet [2048]byte
	n, _, _, _, err := c.ReadMsgIP(packet[:], nil) // unlike ReadFrom it leaves the IPv4 header
	switch {
	case err == nil:
		if query, err := ParseQuery(packet[:n]); err == nil {
			e.heard(query, time.Now())
		}
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), passes(err):
		return nil
	}
	return fmt.Errorf("receiving IGMP: %w", err)
}

// passes tells whether an error of the network may end by itself.
func passes(err error) bool {
	for _, e := range []error{unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN,
		os.ErrDeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// election decides who queries. It has no clock of its own.
type election struct {
	us             netip.Addr
	every, silence time.Duration
	active         bool
	sent           int // queries since we became active
	other          netip.Addr
	next           time.Time // when to query, or when the other has been silent for too long
}

func newElection(us netip.Addr, now time.Time, q Querier) *election {
	e := &election{us: us, every: q.Every, silence: q.Silence}
	if e.every <= 0 {
		e.every = QueryEvery
	}
	if e.silence <= 0 {
		e.silence = QuerySilence
	}
	if q.Listen <= 0 {
		q.Listen = QueryListen
	}
	e.next = now.Add(q.Listen)
	return e
}

// heard takes a query of another querier into account. Ours come back to us; those of switches without an address do
// not take part (RFC 4541 section 2.1.1); those about one group do not keep the others alive.
func (e *election) heard(q Query, now time.Time) {
	if !q.General() || q.From.IsUnspecified() || q.From == e.us {
		return
	}
	if e.active && e.us.Less(q.From) {
		return // it will give way to us
	}
	e.active, e.sent, e.other, e.next = false, 0, q.From, now.Add(e.silence)
}

// due tells whether to query now, and books the query.
func (e *election) due(now time.Time) bool {
	if now.Before(e.next) {
		return false
	}
	e.active = true
	e.other = netip.Addr{}
	e.sent++
	wait := e.every
	switch e.sent {
	case 1:
		wait = min(wait, hushFor)
	case 2:
		wait /= queryThird
	}
	e.next = now.Add(wait)
	return true
}

// A switch believes in a querier once hosts have had the time that its first query gives them, and until then sends
// reports everywhere (observed: Linux, br_multicast). Hosts that join meanwhile and hear the report of another keep theirs
// back (RFC 2236 section 3), so the switch learns of the quickest ones only, and cuts the others off until the next query:
// with 2.5 s, ten of sixteen lost a session for 12 s. So the first query leaves next to no time, and the second comes when
// the switch sends reports only to us.
const (
	firstWithin  = 100 * time.Millisecond
	hushFor      = 300 * time.Millisecond
	secondWithin = 500 * time.Millisecond
)

// within is how long hosts may take to answer the query that was booked last.
func (e *election) within() time.Duration {
	switch e.sent {
	case 1:
		return firstWithin
	case 2:
		return secondWithin
	}
	return queryWithin
}

func (e *election) state() QuerierState { return QuerierState{Active: e.active, Other: e.other} }

// openIGMP makes a raw socket that sends IGMP with Router Alert (RFC 2113) and hears what comes in on one interface.
func openIGMP(ifi *net.Interface, us netip.Addr) (*net.IPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocolIGMP)
	if err != nil {
		return nil, fmt.Errorf("opening a raw socket: %w", err)
	}
	const networkControl = 0xc0 // CS6 (RFC 4594 section 3.2), as routers mark IGMP
	err = setOptions(fd, []option{
		{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1, "IP_MULTICAST_TTL"},
		{unix.IPPROTO_IP, unix.IP_TOS, networkControl, "IP_TOS"},
	})
	if err == nil {
		err = unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x94\x04\x00\x00")
	}
	if err == nil {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF,
			&unix.IPMreqn{Ifindex: int32(ifi.Index), Address: us.As4()})
	}
	if err == nil {
		err = unix.BindToDevice(fd, ifi.Name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing a raw socket: %w", err), unix.Close(fd))
	}
	file := os.NewFile(uintptr(fd), "igmp")
	c, err := net.FilePacketConn(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a raw socket for the runtime: %w", err), file.Close())
	}
	if err := file.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the copy of a raw socket: %w", err), c.Close())
	}
	ip, ok := c.(*net.IPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a raw socket became a %T", c), c.Close())
	}
	return ip, nil
}
