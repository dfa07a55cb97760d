package udp_test

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

func TestChooseLink(t *testing.T) {
	l := newLab(t, "srv")
	choose := func(name string) (link udp.Link, err error) {
		l.on("srv", func() error {
			link, err = udp.ChooseLink(name)
			return nil
		})
		return link, err
	}
	refused := func(name string, reason udp.LinkReason, words ...string) {
		t.Helper()
		_, err := choose(name)
		var link *udp.LinkError
		if !errors.As(err, &link) || link.Reason != reason || link.Name != name {
			t.Errorf("%q: %v", name, err)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q does not say %q", name, err, w)
			}
		}
	}
	chosen := func(name, want, address string) {
		t.Helper()
		link, err := choose(name)
		if err != nil || link.Name != want || link.Address != netip.MustParseAddr(address) || link.MTU != 1500 || link.Wireless ||
			link.Mbit != 10_000 || link.Half || !link.Network.Contains(link.Address) || link.Index == 0 {
			t.Errorf("%q: %+v, %v", name, link, err)
		}
	}
	chosen("", "eth0", "10.9.0.2")
	chosen("eth0", "eth0", "10.9.0.2")
	refused("eht0", udp.LinkNone, `"eht0"`, "there is eth0")

	l.in("srv", "ip link add eth0.30 type veth peer name eth9")
	l.in("srv", "ip link set eth9 up")
	refused("eth0.30", udp.LinkDown, "switch it on")
	l.in("srv", "ip link set eth0.30 up")
	l.carrier("srv", "eth0.30")
	refused("eth0.30", udp.LinkNoAddress, "no IPv4 address")
	chosen("", "eth0", "10.9.0.2")
	l.in("srv", "ip addr add 10.30.0.2/24 dev eth0.30")
	chosen("eth0.30", "eth0.30", "10.30.0.2")
	refused("", udp.LinkSeveral, "eth0, eth0.30; name one")

	l.in("srv", "ip link set eth0.30 mtu 1400")
	refused("eth0.30", udp.LinkSmall, "1400", "1476", "1500")
	chosen("", "eth0", "10.9.0.2")
	l.in("srv", "ip link set eth0 multicast off")
	refused("eth0", udp.LinkNoGroups, "multicast")
	refused("", udp.LinkNone, "none is up and has an IPv4 address")
	if link, err := choose("lo"); err != nil || link.Address != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("lo by name: %+v, %v", link, err)
	}
}

func TestLinkToAServer(t *testing.T) {
	l := newLab(t, "srv", "a")
	l.in("a", "ip link add eth1 type veth peer name eth9 netns "+l.name+"srv")
	l.in("a", "ip addr add 10.8.0.2/24 dev eth1")
	l.in("a", "ip addr add 10.8.0.3/24 dev eth1")
	l.in("a", "ip link set eth1 up")
	l.in("srv", "ip link set eth9 up")
	l.carrier("a", "eth1")
	l.in("a", "ip route add 10.7.0.0/16 via 10.8.0.1 src 10.8.0.3")
	for server, want := range map[string]struct{ name, address string }{
		"10.9.0.2":        {"eth0", "10.9.0.11"},
		"::ffff:10.9.0.2": {"eth0", "10.9.0.11"},
		"10.8.0.1":        {"eth1", "10.8.0.2"},
		"10.7.3.1":        {"eth1", "10.8.0.3"},
	} {
		l.on("a", func() error {
			link, err := udp.LinkTo(netip.MustParseAddr(server))
			if err != nil || link.Name != want.name || link.Address != netip.MustParseAddr(want.address) || link.MTU != 1500 {
				t.Errorf("%s: %+v, %v", server, link, err)
			}
			return nil
		})
	}
	l.in("a", "ip link set eth1 mtu 1280")
	l.on("a", func() error {
		var link *udp.LinkError
		if _, err := udp.LinkTo(netip.MustParseAddr("10.8.0.1")); !errors.As(err, &link) || link.Reason != udp.LinkSmall {
			t.Errorf("a small MTU: %v", err)
		}
		if _, err := udp.LinkTo(netip.MustParseAddr("192.0.2.1")); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("no way: %v", err)
		}
		return nil
	})
}

// Full datagrams that the interface does not carry are refused with what to do, never cut in pieces.
func TestProbeFindsASmallMTU(t *testing.T) {
	l := newLab(t, "srv")
	o := udp.SenderOptions{Interface: "eth0", Group: udp.Groups(1)[udp.GroupProbe]}
	l.in("srv", "ip link set eth0 mtu 1475")
	l.on("srv", func() error {
		var link *udp.LinkError
		if err := udp.SendProbe(context.Background(), o, udp.Tag{}); !errors.As(err, &link) || link.Reason != udp.LinkSmall || link.MTU != 1475 {
			t.Errorf("MTU 1475: %v", err)
		}
		return nil
	})
	l.in("srv", "ip link set eth0 mtu 1476")
	l.on("srv", func() error { return udp.SendProbe(context.Background(), o, udp.Tag{}) })
	l.on("srv", func() error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := udp.SendProbe(ctx, o, udp.Tag{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		return nil
	})
}

func TestVirtualCardsHaveNoPauseFrames(t *testing.T) {
	l := newLab(t, "srv")
	names := []string{"eth0"}
	// Not every kernel has VLANs
	if exec.Command("ip", "-n", l.name+"srv", "link", "add", "link", "eth0", "name", "eth0.30", "type", "vlan", "id", "30").Run() == nil {
		names = append(names, "eth0.30")
	}
	l.on("srv", func() error {
		for _, name := range names {
			if _, err := udp.DisablePause(name); !errors.Is(err, udp.ErrNoPause) || !strings.Contains(err.Error(), " eth0:") {
				t.Errorf("%s: %v", name, err)
			}
		}
		var link *udp.LinkError
		if _, err := udp.DisablePause("eht0"); !errors.As(err, &link) {
			t.Errorf("no such interface: %v", err)
		}
		return nil
	})
}

func TestGroups(t *testing.T) {
	scope := netip.MustParsePrefix("239.0.0.0/8")
	owner := map[netip.AddrPort]uint32{}
	ethernet := map[[3]byte]uint32{}
	for n := range uint32(1 << 14) {
		sessions := []uint32{n, n * 2654435761, n<<20 | 5, ^n}
		for _, session := range sessions {
			for _, g := range udp.Groups(session) {
				a := g.Addr().As4()
				if !scope.Contains(g.Addr()) || g.Port() < 1024 || g.Port() >= 32768 {
					t.Fatalf("session %d: %v", session, g)
				}
				if a[1]&0x7f == 0 && a[2] == 0 {
					t.Fatalf("session %d: %v looks like 224.0.0.x", session, g)
				}
				if other, taken := owner[g]; taken && other != session {
					t.Fatalf("sessions %d and %d share %v", session, other, g)
				}
				owner[g] = session
				mac := [3]byte{a[1] & 0x7f, a[2], a[3]}
				if other, taken := ethernet[mac]; session == n && taken && other != session {
					t.Fatalf("sessions %d and %d share an Ethernet group", session, other)
				}
				if session == n {
					ethernet[mac] = session
				}
			}
		}
	}
	if got, want := udp.Groups(0x12300007)[2], netip.MustParseAddrPort("239.64.0.30:20771"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
