package udp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

// query runs a querier on a host until the returned function is called, and passes on what it tells.
func (l *lab) query(host string, q udp.Querier) (states <-chan udp.QuerierState, stop func()) {
	l.t.Helper()
	told := make(chan udp.QuerierState, 100)
	q.Interface, q.Changed = "eth0", func(s udp.QuerierState) { told <- s }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.try(host, func() error { return q.Run(ctx) }) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("the querier on %s: %v", host, err)
		}
	}
	l.t.Cleanup(stop)
	return told, stop
}

// flooded tells whether the port of a host that has not joined gets what another has joined.
func (l *lab) flooded(member, other string, number byte) bool {
	l.t.Helper()
	group, everybody := fast(1), netip.MustParseAddrPort("224.0.0.120:20480") // a switch sends 224.0.0.x to all
	tag, mark := udp.Tag{1, number}, udp.Tag{2, number}
	var inside, outside, marked *udp.ProbeListener
	open := func(host string, g netip.AddrPort, tag udp.Tag) (p *udp.ProbeListener) {
		l.on(host, func() (err error) {
			p, err = udp.ListenProbe("eth0", g, tag)
			return err
		})
		return p
	}
	inside, outside, marked = open(member, group, tag), open(other, group, tag), open(other, everybody, mark)
	l.on("srv", func() error {
		return udp.SendProbe(context.Background(), udp.SenderOptions{Interface: "eth0", Group: group}, tag)
	})
	// When the mark is there, all that was sent before it is there
	l.on("srv", func() error {
		return udp.SendProbe(context.Background(), udp.SenderOptions{Interface: "eth0", Group: everybody}, mark)
	})
	patience, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if n, err := marked.Collect(patience); n != udp.ProbeCount || err != nil {
		l.t.Fatalf("%d of the mark's datagrams, %v", n, err)
	}
	if n, err := inside.Collect(patience); n != udp.ProbeCount || err != nil {
		l.t.Fatalf("the member got %d of %d, %v", n, udp.ProbeCount, err)
	}
	n := udp.Arrived(l.t, outside)
	if err := errors.Join(inside.Close(), outside.Close(), marked.Close()); err != nil {
		l.t.Fatal(err)
	}
	return n != 0
}

// Without a querier the switch sends to all; with ours only to who has joined.
func TestTheQuerierMakesTheSwitchLearn(t *testing.T) {
	l := newLab(t, "srv", "a", "b")
	l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	if !l.flooded("a", "b", 0) {
		t.Fatal("the switch does not flood without a querier: this network proves nothing")
	}
	states, stop := l.query("srv", udp.Querier{Every: 10 * time.Second})
	for s := range states {
		if s.Active {
			break
		}
	}
	// A switch waits for the reports before it believes that it knows all: 2.5 s after our first query
	for try := byte(1); l.flooded("a", "b", try); try++ {
		if try == 200 {
			t.Fatal("the switch floods although we query")
		}
	}
	stop()
}

// Hosts that hear another's report keep theirs back. If the switch lets them hear it, it learns of the quickest ones only
// and cuts the others off until the next query, which here never comes.
func TestNobodyIsCutOffWhenAQuerierBegins(t *testing.T) {
	hosts := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	l := newLab(t, append([]string{"srv"}, hosts...)...)
	states, stop := l.query("srv", udp.Querier{Every: 10 * time.Hour})
	for s := range states {
		if s.Active {
			break
		}
	}
	var joining errgroup.Group
	ready := make(chan struct{})
	for _, host := range hosts { // all at once, as a session begins
		joining.Go(func() error {
			return l.try(host, func() error {
				<-ready
				r, err := udp.Listen(udp.ReceiverOptions{Interface: "eth0", Group: fast(1)})
				if err == nil {
					t.Cleanup(func() { _ = r.Close() })
				}
				return err
			})
		})
	}
	close(ready)
	if err := joining.Wait(); err != nil {
		t.Fatal(err)
	}
	reached := func(number byte) (n int) {
		var members []*udp.ProbeListener
		for _, host := range hosts {
			l.on(host, func() error {
				p, err := udp.ListenProbe("eth0", fast(1), udp.Tag{number})
				members = append(members, p)
				return err
			})
		}
		l.on("srv", func() error {
			return udp.SendProbe(context.Background(), udp.SenderOptions{Interface: "eth0", Group: fast(1)}, udp.Tag{number})
		})
		time.Sleep(100 * time.Millisecond) // veth delivers while it sends; what is still on its way counts as cut off
		for _, p := range members {
			if udp.Arrived(t, p) > 0 {
				n++
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		return n
	}
	// It settles after a second; if somebody is forgotten, after never
	for began, all, number := time.Now(), 0, byte(0); all < 5; number++ {
		if reached(number) == len(hosts) && time.Since(began) > 3*time.Second { // later than the switch's grace of the past
			all++
		} else {
			all = 0
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the switch sends to %d of %d members", reached(number), len(hosts))
		}
	}
	stop()
}

func TestQueriesAreWhatTheRFCsAskFor(t *testing.T) {
	l := newLab(t, "srv", "a")
	seen := l.sniff("a", func(ip []byte) bool { return ip[9] == unix.IPPROTO_IGMP && ip[int(ip[0]&15)*4] == 0x11 })
	l.query("srv", udp.Querier{Listen: time.Millisecond, Every: 20 * time.Millisecond})
	for _, within := range []time.Duration{100, 500, 2500} {
		p := next(t, seen, "query")
		q, err := udp.ParseQuery(p)
		if err != nil {
			t.Fatalf("% x: %v", p, err)
		}
		want := udp.Query{Version: 2, From: netip.MustParseAddr("10.9.0.2"), Group: netip.IPv4Unspecified(), Within: within * time.Millisecond}
		if q != want {
			t.Errorf("got %+v", q)
		}
		const alert = 0x94040000 // RFC 2113
		if p[0] != 0x46 || binary.BigEndian.Uint32(p[20:]) != alert || p[8] != 1 || p[1] != 0xc0 {
			t.Errorf("header % x", p[:24])
		}
	}
}

// Of two, the one with the lower address queries; the other takes over when it has fallen silent.
func TestQueriersAgree(t *testing.T) {
	l := newLab(t, "srv", "a")                                                          // 10.9.0.2 and 10.9.0.11
	short := udp.Querier{Listen: 1, Every: 50 * time.Millisecond, Silence: time.Second} // they speak before they listen
	high, _ := l.query("a", short)
	until(t, high, udp.QuerierState{Active: true})
	low, stopLow := l.query("srv", short)
	until(t, low, udp.QuerierState{Active: true})
	until(t, high, udp.QuerierState{Other: netip.MustParseAddr("10.9.0.2")})
	stopLow()
	until(t, high, udp.QuerierState{Active: true})
}

// Strangers' packets do not end a querier.
func TestQuerierSurvivesRubbish(t *testing.T) {
	l := newLab(t, "srv", "a")
	states, _ := l.query("srv", udp.Querier{Listen: time.Millisecond, Every: 20 * time.Millisecond, Silence: 300 * time.Millisecond})
	until(t, states, udp.QuerierState{Active: true})
	l.in("a", "ip route add 224.0.0.0/4 dev eth0")
	l.on("a", func() error {
		c, err := net.Dial("ip4:igmp", "224.0.0.1")
		if err != nil {
			return err
		}
		for n := range 200 {
			if _, err := c.Write(bytes.Repeat([]byte{0x11}, n)); err != nil {
				return err
			}
		}
		return c.Close()
	})
	seen := l.sniff("a", func(ip []byte) bool { return ip[9] == unix.IPPROTO_IGMP && ip[int(ip[0]&15)*4] == 0x11 })
	for range 10 { // by then it has read all of it
		next(t, seen, "query after the rubbish")
	}
}

func until(t *testing.T, states <-chan udp.QuerierState, want udp.QuerierState) {
	t.Helper()
	for late := time.After(time.Minute); ; {
		select {
		case s := <-states:
			if s == want {
				return
			}
		case <-late:
			t.Fatalf("no state %+v in a minute", want)
		}
	}
}

func TestQuerierNeedsAnInterface(t *testing.T) {
	var link *udp.LinkError
	if err := (udp.Querier{Interface: "eht0"}).Run(context.Background()); !errors.As(err, &link) || link.Reason != udp.LinkNone {
		t.Errorf("got %v", err)
	}
}

// Packets as RFC 2236 and RFC 3376 have them; tcpdump's names for the senders' kinds.
func TestParseQuery(t *testing.T) {
	from := netip.MustParseAddr("10.9.0.1")
	tests := map[string]struct {
		packet []byte
		want   udp.Query
	}{
		"version 1":                         {igmp(from, "224.0.0.1", "1100eeff00000000"), udp.Query{Version: 1}},
		"version 2":                         {igmp(from, "224.0.0.1", "1164ee9b00000000"), udp.Query{Version: 2, Within: 10 * time.Second}},
		"version 3, a Linux bridge":         {igmp(from, "224.0.0.1", "1164ec1e00000000027d0000"), udp.Query{Version: 3, Within: 10 * time.Second, Every: 125 * time.Second}},
		"version 3, times as floats":        {igmp(from, "224.0.0.1", "11ff00000000000000ff0000"), udp.Query{Version: 3, Within: 3174400 * time.Millisecond, Every: 31744 * time.Second}},
		"of a switch without an address":    {igmp(netip.IPv4Unspecified(), "224.0.0.1", "1164ee9b00000000"), udp.Query{Version: 2, Within: 10 * time.Second, From: netip.IPv4Unspecified()}},
		"about one group":                   {igmp(from, "239.64.0.4", "110a0000ef400004"), udp.Query{Version: 2, Within: time.Second, Group: netip.MustParseAddr("239.64.0.4")}},
		"with a trailer of Ethernet":        {append(igmp(from, "224.0.0.1", "1164ee9b00000000"), make([]byte, 14)...), udp.Query{Version: 2, Within: 10 * time.Second}},
		"version 3 with sources":            {igmp(from, "239.64.0.4", "110a0000ef400004027d00010a090002"), udp.Query{Version: 3, Within: time.Second, Every: 125 * time.Second, Group: netip.MustParseAddr("239.64.0.4")}},
		"a response time of the bare least": {igmp(from, "224.0.0.1", "1101000000000000"), udp.Query{Version: 2, Within: time.Second / 10}},
	}
	for name, tt := range tests {
		if !tt.want.From.IsValid() {
			tt.want.From = from
		}
		if !tt.want.Group.IsValid() {
			tt.want.Group = netip.IPv4Unspecified()
		}
		got, err := udp.ParseQuery(tt.packet)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	from := netip.MustParseAddr("10.9.0.1")
	change := func(at int, to ...byte) []byte {
		p := igmp(from, "224.0.0.1", "1164ee9b00000000")
		copy(p[at:], to)
		return p
	}
	for name, p := range map[string][]byte{
		"nothing":                          nil,
		"an IPv4 header only":              change(0)[:24],
		"IPv6":                             change(0, 0x66),
		"a short header":                   change(0, 0x44),
		"a header longer than the packet":  change(0, 0x4f),
		"a length longer than the packet":  change(2, 1, 0),
		"a length shorter than the header": change(2, 0, 8),
		"from beyond a router":             change(8, 2),
		"another protocol":                 change(9, 17),
		"a fragment":                       change(6, 0x20),
		"a wrong checksum":                 change(26, 1),
		"a report":                         igmp(from, "224.0.0.1", "1664000000000000"),
		"to one host":                      igmp(from, "10.9.0.2", "1164000000000000"),
		"about a group, to another":        igmp(from, "224.0.0.1", "1164000000000000ef400004"[:8]+"ef400004"),
		"about what is no group":           igmp(from, "10.9.0.2", "11640000"+"0a090002"),
		"from a group":                     igmp(netip.MustParseAddr("224.0.0.9"), "224.0.0.1", "1164000000000000"),
		"from everybody":                   igmp(netip.MustParseAddr("255.255.255.255"), "224.0.0.1", "1164000000000000"),
		"of a length between versions":     igmp(from, "224.0.0.1", "11640000000000000000"),
		"too short":                        igmp(from, "224.0.0.1", "11640000"),
	} {
		if q, err := udp.ParseQuery(p); !errors.Is(err, udp.ErrNotQuery) {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	from := netip.MustParseAddr("10.9.0.1")
	for _, text := range []string{"1100eeff00000000", "1164ee9b00000000", "1164ec1e00000000027d0000", "1664000000000000", "11640000",
		"22000000000000010400000000000000"} {
		f.Add(igmp(from, "224.0.0.1", text))
	}
	f.Add(igmp(from, "239.64.0.4", "110a0000ef400004027d00010a090002"))
	f.Fuzz(func(t *testing.T, p []byte) {
		q, err := udp.ParseQuery(p)
		if err != nil {
			if !errors.Is(err, udp.ErrNotQuery) {
				t.Fatal(err)
			}
			return
		}
		if q.Version < 1 || q.Version > 3 || !q.From.Is4() || q.From.IsMulticast() || !q.Group.Is4() ||
			!q.General() && !q.Group.IsMulticast() || q.Within < 0 || q.Within > time.Hour || q.Every < 0 || q.Every > 9*time.Hour ||
			p[8] != 1 {
			t.Fatalf("% x: %+v", p, q)
		}
	})
}
