package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/pxe"
)

// multicastFlags are those of the flags of serve that are about sessions.
type multicastFlags struct {
	rate, lessonRate float64 // Mb/s on the wire
	lessons          string
	ttl              int
}

func (o *multicastFlags) add(f *pflag.FlagSet) {
	f.Float64Var(&o.rate, "rate", 0, "Mb/s that all deployments together may take on the wire, by multicast and by HTTPS (default: as much as goes)")
	f.Float64Var(&o.lessonRate, "lesson-rate", 0, "the same during lessons, from Monday to Friday (default: as --rate)")
	f.StringVar(&o.lessons, "lessons", "08:00-18:00", "hours of lessons, local time")
	f.IntVar(&o.ttl, "multicast-ttl", 1, ttlText)
}

// ttlText is the help of --multicast-ttl.
const ttlText = "how many networks multicast may cross, where routers forward it: 1 is no router"

// checkTTL checks --multicast-ttl (RFC 791 section 3.1: eight bits).
func checkTTL(ttl int) error {
	if ttl < 1 || ttl > 255 {
		return usagef("--multicast-ttl is from 1 to 255, not %d", ttl)
	}
	return nil
}

// maxMbit is more than any network has, in Mb/s.
const maxMbit = 1_000_000

// limits reads the flags.
func (o *multicastFlags) limits() (sessions.Limits, error) {
	for name, mbit := range map[string]float64{"rate": o.rate, "lesson-rate": o.lessonRate} {
		if mbit != 0 && !(mbit >= 1 && mbit <= maxMbit) {
			return sessions.Limits{}, usagef("--%s is from 1 to %d Mb/s, not %g", name, maxMbit, mbit)
		}
	}
	if err := checkTTL(o.ttl); err != nil {
		return sessions.Limits{}, err
	}
	from, to, err := sessions.ParseHours(o.lessons)
	if err != nil {
		return sessions.Limits{}, usagef("--lessons: %v", err)
	}
	return sessions.Limits{Total: int64(o.rate * 1e6), Lessons: int64(o.lessonRate * 1e6), From: from, To: to}, nil
}

// newSessions makes the manager of the daemon's sessions.
func (s *site) newSessions(l sessions.Limits) *sessions.Manager {
	return sessions.New(sessions.Options{Fleet: s.fleet, Library: s.library, Store: s.store, Path: s.path, Dial: s.dialGroup, Probe: s.probeGroup,
		Limit: func(now time.Time) int64 { return l.At(now.Local()) }, Attend: s.attend, Log: s.log.With("part", "sessions")})
}

// dialGroup opens a stream's socket on an interface.
func (s *site) dialGroup(iface string, group netip.AddrPort) (session.PacketSender, error) {
	return udp.Dial(udp.SenderOptions{Interface: iface, Group: group, TTL: s.o.multicast.ttl})
}

// probeGroup sends the probe of a session on an interface.
func (s *site) probeGroup(ctx context.Context, iface string, group netip.AddrPort, tag udp.Tag) error {
	return udp.SendProbe(ctx, udp.SenderOptions{Interface: iface, Group: group, TTL: s.o.multicast.ttl}, tag)
}

// path finds the interface by which multicast reaches a computer: the one in whose network it is, else, where routers
// forward multicast, the one by which its packets leave.
func (s *site) path(computer netip.Addr) sessions.Path {
	links, err := pxe.Links(s.o.interfaces)
	if err != nil {
		return sessions.Path{Reason: err.Error()}
	}
	for _, l := range links {
		for _, network := range l.Addresses {
			if network.Contains(computer) {
				return usable(l.Interface.Name, network.Masked())
			}
		}
	}
	if s.o.multicast.ttl == 1 {
		return sessions.Path{Reason: fmt.Sprintf("%s is in no network of the server's, and no router is said to forward multicast "+
			"(--multicast-ttl)", computer)}
	}
	route, err := udp.LinkTo(computer)
	if err != nil {
		return sessions.Path{Reason: err.Error()}
	}
	for _, l := range links {
		if l.Interface.Name == route.Name {
			return usable(route.Name, netip.PrefixFrom(computer, routedBits).Masked())
		}
	}
	return sessions.Path{Reason: fmt.Sprintf("%s is reached by %s, which is none of the server's --interface", computer, route.Name)}
}

// routedBits is how long the prefix is that a network behind a router is named by: its own nobody tells.
const routedBits = 24

// usable is the path by an interface, or why it is none.
func usable(name string, network netip.Prefix) sessions.Path {
	p := sessions.Path{Interface: name, Network: network}
	link, err := udp.ChooseLink(name)
	switch {
	case err != nil:
		p.Reason = err.Error()
	case link.Wireless:
		p.Reason = name + " is Wi-Fi, where multicast is slow and unsafe"
	case link.MTU < udp.MaxPayload+udp.Headers:
		p.Reason = fmt.Sprintf("the MTU of %s is %d, sessions need %d", name, link.MTU, udp.MaxPayload+udp.Headers)
	}
	p.Mbit = link.Mbit
	return p
}

// attend asks switches, as long as a session leaves by an interface, to keep its groups where somebody listens, unless
// the network has a querier of its own. Without the right to do so a session goes on, for four minutes at least.
func (s *site) attend(ctx context.Context, iface string) {
	q := udp.Querier{Interface: iface, Changed: func(state udp.QuerierState) {
		s.log.Info("querier of last resort", "interface", iface, "active", state.Active, "other", state.Other)
	}}
	if err := q.Run(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("nobody asks switches to keep the groups of sessions", "interface", iface, "error", err)
	}
}
