package session

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// EventFlooded is the code of the event of a computer that was sent what it has not asked for: its switch sends multicast to
// every port, so that one port of 10 Mb/s, or somebody else's, gets the whole stream.
const EventFlooded = "flooded"

const (
	probeStream = uint8(udp.GroupProbe)  // no stream has this number: its key is what marks the datagrams of the probe
	probeLook   = 500 * time.Millisecond // between two looks of a listening computer whether it is too late
	probeEnd    = 2 * time.Second        // after the first packet with data, which follows the probe
	probeTime   = 10 * time.Second       // for sending it
)

// probeOf returns where the probe of a session goes, and what marks it. The mark travels in the clear; it tells nothing of
// the streams' keys (RFC 5869 section 3.2).
func probeOf(secret, salt []byte, session uint32) (group netip.AddrPort, tag udp.Tag, err error) {
	mark, err := wire.DeriveKey(secret, salt, session, probeStream)
	return udp.Groups(session)[udp.GroupProbe], udp.Tag(mark), err
}

// probe sends the probe when the first frames are planned: whoever was expected listens then.
func (s *Server) probe(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.probing:
	}
	group, tag, err := probeOf(s.o.Secret, s.salt, s.number)
	if err == nil {
		ctx, stop := context.WithTimeout(ctx, probeTime)
		defer stop()
		err = s.o.Probe(ctx, group, tag)
	}
	if err != nil && ctx.Err() == nil {
		s.o.Log.Warn("whether switches flood multicast is not known", "session", s.number, "error", err)
	}
}

// listenProbe waits, beside everything else, for the probe of a session that was just joined, and reports what came of it.
// Without the right to see packets of others it does not.
func (c *Client) listenProbe(e *episode) {
	if c.o.Interface == "" {
		return
	}
	group, tag, err := probeOf(e.Secret, e.Salt, e.Session)
	if err != nil {
		return
	}
	l, err := udp.ListenProbe(c.o.Interface, group, tag)
	if err != nil {
		c.o.Log.Debug("whether the switch floods is not known", "error", err)
		return
	}
	c.work.Go(func() {
		defer func() { _ = l.Close() }() // it was only read from
		begun := false
		for c.waitsForProbe(e) {
			ctx, stop := context.WithTimeout(c.ctx, probeLook)
			n, err := l.Collect(ctx)
			stop()
			if err != nil {
				c.o.Log.Debug("listening for the probe", "error", err)
				return
			}
			if n > 0 && !begun { // it lasts 160 ms: the rest comes in the next look
				begun = true
				continue
			}
			if n > 0 {
				c.mu.Lock()
				c.notice(wire.Event{Code: EventFlooded, Count: uint64(n), Text: fmt.Sprintf("%d of %d packets to a group that nobody joined came", n, udp.ProbeCount)})
				c.mu.Unlock()
				return
			}
		}
	})
}

// waitsForProbe tells whether the probe of an episode may still come.
func (c *Client) waitsForProbe(e *episode) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.counts.first.Load()
	return c.ctx.Err() == nil && c.episode == e && (first == 0 || c.o.Now().UnixNano()-first < int64(probeEnd))
}
