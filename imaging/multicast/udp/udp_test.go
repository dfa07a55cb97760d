package udp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

func fast(session uint32) netip.AddrPort { return udp.Groups(session)[udp.GroupFast] }

// The switch and the card see bursts, single calls and single datagrams; receivers see the same.
func TestModesSendTheSameOverANetwork(t *testing.T) {
	l := newLab(t, "srv", "a", "b")
	want := datagrams(500)
	for _, mode := range []udp.Mode{udp.ModeGSO, udp.ModeBatch, udp.ModeOneByOne} {
		a := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
		b := l.listen("b", udp.ReceiverOptions{Group: fast(1), NoGRO: true})
		s := l.dial("srv", udp.SenderOptions{Group: fast(1), Mode: mode})
		if err := s.Send(want); err != nil {
			t.Fatal(err)
		}
		expect(t, a, want)
		expect(t, b, want)
		st := s.Stats()
		if st.Packets != 500 || st.Mode != mode || mode == udp.ModeGSO && st.Calls > 150 {
			t.Errorf("%v: %+v", mode, st)
		}
		if err := errors.Join(a.Close(), b.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestHeadersOnTheWire(t *testing.T) {
	l := newLab(t, "srv", "a")
	toGroup := func(ip []byte) bool {
		return netip.AddrFrom4([4]byte(ip[16:20])) == fast(1).Addr() && ip[9] == unix.IPPROTO_UDP
	}
	for name, tt := range map[string]struct {
		asked int
		ttl   byte
	}{"the local network": {0, 1}, "across routers": {5, 5}, "nonsense": {1000, 1}} {
		seen := l.sniff("a", toGroup)
		s := l.dial("srv", udp.SenderOptions{Group: fast(1), TTL: tt.asked, Mode: udp.ModeBatch})
		if err := s.Send(datagrams(1)); err != nil {
			t.Fatal(err)
		}
		ip := next(t, seen, "datagram")
		const doNotFragment, cs1 = 0x4000, 0x20
		if ip[8] != tt.ttl || ip[1] != cs1 || binary.BigEndian.Uint16(ip[6:]) != doNotFragment ||
			len(ip) != udp.MaxPayload+udp.Headers {
			t.Errorf("%s: header % x of %d bytes", name, ip[:20], len(ip))
		}
		if from := s.Source(); from.Addr() != netip.AddrFrom4([4]byte(ip[12:16])) || from.Port() != binary.BigEndian.Uint16(ip[20:]) {
			t.Errorf("%s: source %v, header % x", name, from, ip[:24])
		}
	}
}

// Sessions of one server, and the same group on another interface, are not heard.
func TestOthersAreNotHeard(t *testing.T) {
	l := newLab(t, "srv", "a")
	l.in("a", "ip link add eth1 type veth peer name eth9 netns "+l.name+"srv")
	l.in("a", "ip addr add 10.8.0.2/24 brd + dev eth1")
	l.in("a", "ip link set eth1 up")
	l.in("srv", "ip addr add 10.8.0.1/24 brd + dev eth9")
	l.in("srv", "ip link set eth9 up")
	l.carrier("a", "eth1")
	l.carrier("srv", "eth9")
	samePort, sameGroup := fast(2), netip.AddrPortFrom(fast(1).Addr(), fast(1).Port()+1)

	r := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	for name, other := range map[string]struct {
		interfaceHere, interfaceThere string
		group                         netip.AddrPort
	}{
		"another session":                       {"eth0", "eth0", samePort},
		"another port of the same group":        {"eth0", "eth0", sameGroup},
		"the same session on another interface": {"eth1", "eth9", fast(1)},
	} {
		them := l.listen("a", udp.ReceiverOptions{Group: other.group, Interface: other.interfaceHere})
		if err := l.dial("srv", udp.SenderOptions{Group: other.group, Interface: other.interfaceThere}).Send(datagrams(30)); err != nil {
			t.Fatal(err)
		}
		expect(t, them, datagrams(30)) // what has reached them would have reached us too
		mark := [][]byte{[]byte(name)}
		if err := l.dial("srv", udp.SenderOptions{Group: fast(1)}).Send(mark); err != nil {
			t.Fatal(err)
		}
		expect(t, r, mark)
		if err := them.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDropsOfOurOwnBufferAreCounted(t *testing.T) {
	l := newLab(t, "srv", "a")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1), Buffer: 10_000, NoGRO: true})
	big := l.listen("a", udp.ReceiverOptions{Group: fast(1), Buffer: 8 << 20})
	if r.Buffer() > 20_000 || big.Buffer() != 8<<20 {
		t.Errorf("buffers of %d and %d bytes", r.Buffer(), big.Buffer())
	}
	if n, err := r.Drops(); n != 0 || err != nil {
		t.Errorf("%d drops before the first datagram, %v", n, err)
	}
	sent := make([][]byte, 1000)
	for i := range sent {
		sent[i] = bytes.Repeat([]byte{byte(i)}, udp.MaxPayload)
	}
	if err := l.dial("srv", udp.SenderOptions{Group: fast(1)}).Send(sent); err != nil {
		t.Fatal(err)
	}
	expect(t, big, sent)
	lost, err := r.Drops()
	if err != nil || lost == 0 || lost >= 1000 {
		t.Fatalf("%d drops, %v", lost, err)
	}
	expect(t, r, sent[:1000-lost])
	if n, err := big.Drops(); n != 0 || err != nil {
		t.Errorf("the one with a large buffer lost %d, %v", n, err)
	}
}

// A datagram that is too long for a session is a stranger's: it is counted, and those around it arrive.
func TestOversizeIsRefused(t *testing.T) {
	l := newLab(t, "srv", "a")
	for _, noGRO := range []bool{false, true} {
		r := l.listen("a", udp.ReceiverOptions{Group: fast(1), NoGRO: noGRO})
		s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
		var size *udp.SizeError
		if err := s.Send([][]byte{make([]byte, udp.MaxPayload+1)}); !errors.As(err, &size) || size.Size != udp.MaxPayload+1 {
			t.Errorf("sending too much: %v", err)
		}
		l.on("srv", func() error {
			c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2)}, net.UDPAddrFromAddrPort(fast(1)))
			if err != nil {
				return err
			}
			for _, n := range []int{udp.MaxPayload + 1, 1472, 5000, 60_000} {
				if _, err := c.Write(make([]byte, n)); err != nil {
					return err
				}
			}
			return c.Close()
		})
		mark := datagrams(2)
		if err := s.Send(mark); err != nil {
			t.Fatal(err)
		}
		expect(t, r, mark)
		if n := r.Oversize(); n != 4 {
			t.Errorf("%d of 4 counted", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The kernel refuses UDP_SEGMENT on a socket without checksums: the sender goes on without it.
func TestSenderStepsDownByItself(t *testing.T) {
	l := newLab(t, "srv", "a")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	udp.WithoutChecksums(t, s)
	want := datagrams(100)
	if err := s.Send(want); err != nil {
		t.Fatal(err)
	}
	expect(t, r, want)
	if st := s.Stats(); st.Mode != udp.ModeBatch || st.Packets != 100 {
		t.Errorf("%+v", st)
	}
	s.StepDown(udp.ModeGSO) // never up
	s.StepDown(udp.ModeOneByOne)
	if err := s.Send(want); err != nil {
		t.Fatal(err)
	}
	expect(t, r, want)
	if st := s.Stats(); st.Mode != udp.ModeOneByOne || st.Calls < 100 {
		t.Errorf("%+v", st)
	}
}

// A card slower than the sender: a full socket is waited for, a full queue is tried again, nothing is lost.
func TestASlowCardLosesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		queue string
		check func(udp.SenderStats) bool
	}{
		"the socket is full": {"rate 20mbit burst 16k limit 4m", func(s udp.SenderStats) bool { return s.Waits > 0 }},
		"the queue is full":  {"rate 10mbit burst 4k limit 6k", func(s udp.SenderStats) bool { return s.Full > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "srv", "a")
			l.in("srv", "tc qdisc add dev eth0 root tbf "+tt.queue)
			r := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
			s := l.dial("srv", udp.SenderOptions{Group: fast(1), Mode: udp.ModeBatch})
			want := datagrams(400)
			if err := s.Send(want); err != nil {
				t.Fatal(err)
			}
			expect(t, r, want)
			if st := s.Stats(); !tt.check(st) || st.Packets != 400 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A card that takes nothing does not hold a sender for ever, and Close ends the wait.
func TestADeadCardEndsASend(t *testing.T) {
	l := newLab(t, "srv")
	l.in("srv", "tc qdisc add dev eth0 root tbf rate 8bit burst 2k limit 64m")
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	if err := s.Send(datagrams(4000)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a card that takes nothing: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Send(datagrams(4000)) }()
	for waits := s.Stats().Waits; s.Stats().Waits == waits; {
		runtime.Gosched()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Anybody may send us ICMP errors about our datagrams.
func TestForgedICMPDoesNotStopASender(t *testing.T) {
	l := newLab(t, "srv", "a", "b")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	for _, code := range []byte{0, 1, 2, 3, 4, 5, 13} { // of "destination unreachable"; 4 wants smaller datagrams
		l.on("b", func() error {
			c, err := net.Dial("ip4:icmp", s.Source().Addr().String())
			if err != nil {
				return err
			}
			for range 3 {
				if _, err := c.Write(unreachable(code, s.Source(), fast(1))); err != nil {
					return err
				}
			}
			return c.Close()
		})
		want := datagrams(100)
		if err := s.Send(want); err != nil {
			t.Fatalf("code %d: %v", code, err)
		}
		expect(t, r, want)
	}
	if st := s.Stats(); st.Rumours == 0 {
		t.Errorf("no forgery reached the socket: the test proves nothing: %+v", st)
	} else if st.Mode != udp.ModeGSO {
		t.Errorf("a forgery changed the mode: %+v", st)
	}
}

// A receiver that knows its sender hears nobody else, is not stopped by forged ICMP, and does not count strangers' as lost.
func TestOnlyTheSenderIsHeard(t *testing.T) {
	l := newLab(t, "srv", "a", "b")
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1), Source: s.Source()})
	all := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	for name, stranger := range map[string]*udp.Sender{
		"another host":           l.dial("b", udp.SenderOptions{Group: fast(1)}),
		"another port of it":     l.dial("srv", udp.SenderOptions{Group: fast(1)}),
		"a restarted sender too": l.dial("srv", udp.SenderOptions{Group: fast(1), Mode: udp.ModeOneByOne}),
	} {
		if err := stranger.Send(datagrams(200)); err != nil {
			t.Fatal(err)
		}
		expect(t, all, datagrams(200))
		l.on("b", func() error {
			c, err := net.Dial("ip4:icmp", "10.9.0.11")
			if err != nil {
				return err
			}
			for code := range byte(14) {
				if _, err := c.Write(unreachable(code, fast(1), s.Source())); err != nil {
					return err
				}
			}
			return c.Close()
		})
		mark := [][]byte{[]byte(name)}
		if err := s.Send(mark); err != nil {
			t.Fatal(err)
		}
		expect(t, r, mark)
		expect(t, all, mark)
	}
	if n, err := r.Drops(); n != 0 || err != nil {
		t.Errorf("%d strangers' datagrams counted as lost, %v", n, err)
	}
	if _, err := udp.Listen(udp.ReceiverOptions{Interface: "lo", Group: fast(1), Source: netip.MustParseAddrPort("[::1]:5")}); err == nil {
		t.Error("IPv6")
	}
}

// unreachable makes the ICMP message of RFC 792 about a datagram.
func unreachable(code byte, from, to netip.AddrPort) []byte {
	b := make([]byte, 8+20+8)
	b[0], b[1] = 3, code
	binary.BigEndian.PutUint16(b[6:], 600) // the MTU that code 4 names
	ip := b[8:]
	ip[0], ip[8], ip[9] = 0x45, 1, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(ip[2:], udp.MaxPayload+udp.Headers)
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[10:], udp.Checksum(ip[:20]))
	binary.BigEndian.PutUint16(ip[20:], from.Port())
	binary.BigEndian.PutUint16(ip[22:], to.Port())
	binary.BigEndian.PutUint16(ip[24:], udp.MaxPayload+8)
	binary.BigEndian.PutUint16(b[2:], udp.Checksum(b))
	return b
}

// A re-join is seen by the switch, and the stream goes on after it.
func TestRejoin(t *testing.T) {
	l := newLab(t, "srv", "a")
	reports := l.sniff("srv", reportOf(fast(1).Addr()))
	var trouble error
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1), RejoinEvery: -1, Trouble: func(err error) { trouble = err }})
	next(t, reports, "first report")
	next(t, reports, "second report") // the kernel sends as many as the robustness variable says: 2
	if err := r.Rejoin(); err != nil {
		t.Fatal(err)
	}
	next(t, reports, "report after the re-join")
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	if err := s.Send(datagrams(10)); err != nil {
		t.Fatal(err)
	}
	expect(t, r, datagrams(10))
	if err := r.Close(); err != nil || trouble != nil {
		t.Fatal(err, trouble)
	}

	// By itself, and it notices when the interface is gone
	l.in("a", "ip link add eth1 type veth peer name eth9")
	l.in("a", "ip addr add 10.8.0.2/24 dev eth1")
	l.in("a", "ip link set eth1 up")
	l.in("a", "ip link set eth9 up")
	l.carrier("a", "eth1")
	told := make(chan error, 1000)
	l.listen("a", udp.ReceiverOptions{Group: fast(1), Interface: "eth1", RejoinEvery: time.Millisecond, Trouble: func(err error) {
		select {
		case told <- err:
		default:
		}
	}})
	l.in("a", "ip link del eth1")
	if err := <-told; !errors.Is(err, unix.ENODEV) {
		t.Errorf("told %v", err)
	}
}

// reportOf tells whether a packet is an IGMP report of version 2 or 3 that a group is listened to.
func reportOf(group netip.Addr) func(ip []byte) bool {
	return func(ip []byte) bool {
		igmp := ip[int(ip[0]&0x0f)*4:]
		switch {
		case ip[9] != unix.IPPROTO_IGMP || len(igmp) < 8:
			return false
		case igmp[0] == 0x16:
			return bytes.Equal(igmp[4:8], group.AsSlice())
		case igmp[0] == 0x22 && len(igmp) >= 16: // one record; 2 and 4 say "all sources" (RFC 3376 section 4.2.12)
			return (igmp[8] == 2 || igmp[8] == 4) && bytes.Equal(igmp[12:16], group.AsSlice())
		}
		return false
	}
}

func TestReadEnds(t *testing.T) {
	l := newLab(t, "a")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1)})
	if err := r.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	b := r.NewBatch()
	if _, err := r.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(b)
		ended <- err
	}()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := r.Rejoin(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("re-joining after Close: %v", err)
	}
}

// After a read that took everything a receiver rests, although more has come; a deadline and Close end the rest.
func TestReadRests(t *testing.T) {
	l := newLab(t, "srv", "a")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1), Gather: 1 << 62})
	s := l.dial("srv", udp.SenderOptions{Group: fast(1)})
	b := r.NewBatch()
	if err := s.Send(datagrams(1)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(b); n != 1 || err != nil {
		t.Fatalf("%d datagrams, %v", n, err)
	}
	if err := s.Send(datagrams(1)); err != nil {
		t.Fatal(err)
	}
	for queued := int64(0); queued == 0; {
		var err error
		if queued, err = r.Queued(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it did not rest: %d datagrams, %v", n, err)
	}
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(b)
		ended <- err
	}()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestWrongArguments(t *testing.T) {
	unicast := netip.MustParseAddrPort("10.9.0.1:5000")
	var group *udp.GroupError
	var link *udp.LinkError
	for _, g := range []netip.AddrPort{{}, unicast, netip.MustParseAddrPort("239.64.0.0:0"), netip.MustParseAddrPort("[ff02::1]:5")} {
		if _, err := udp.Listen(udp.ReceiverOptions{Interface: "lo", Group: g}); !errors.As(err, &group) {
			t.Errorf("listening to %v: %v", g, err)
		}
		if _, err := udp.Dial(udp.SenderOptions{Interface: "lo", Group: g}); !errors.As(err, &group) {
			t.Errorf("sending to %v: %v", g, err)
		}
		if _, err := udp.ListenProbe("lo", g, udp.Tag{}); !errors.As(err, &group) {
			t.Errorf("probing %v: %v", g, err)
		}
	}
	if _, err := udp.Listen(udp.ReceiverOptions{Interface: "eht0", Group: fast(1)}); !errors.As(err, &link) || link.Reason != udp.LinkNone {
		t.Errorf("no such interface: %v", err)
	}
	if _, err := udp.Dial(udp.SenderOptions{Interface: "eht0", Group: fast(1)}); !errors.As(err, &link) || link.Reason != udp.LinkNone {
		t.Errorf("no such interface: %v", err)
	}
}
