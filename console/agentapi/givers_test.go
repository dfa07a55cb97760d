package agentapi

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestNearGiversComeFirstAndTakeTurns(t *testing.T) {
	var g givers
	now := time.Unix(1_800_000_000, 0)
	for i, address := range []string{"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.2.0.7", "192.168.0.8"} {
		g.offer(fmt.Sprint(i), netip.AddrPortFrom(netip.MustParseAddr(address), 1), "m", now)
	}
	g.offer("x", netip.MustParseAddrPort("10.1.0.9:1"), "other", now)
	told := map[string]int{}
	for range 30 {
		for _, p := range g.choose("2", netip.MustParseAddr("10.1.0.3"), "m", now) {
			told[p.Key]++
		}
	}
	for _, key := range []string{"0", "1", "3", "4", "5"} {
		if told[key] != 24 {
			t.Errorf("computer %s was named %d times, want 24", key, told[key])
		}
	}
	if told["6"]+told["7"]+told["2"]+told["x"] > 0 {
		t.Errorf("named were %v", told)
	}
	far := g.choose("z", netip.MustParseAddr("192.168.0.99"), "m", now)
	if len(far) != 4 || far[0].Key != "7" {
		t.Errorf("one elsewhere is told of %+v", far)
	}
	if got := g.choose("z", netip.MustParseAddr("10.1.0.1"), "m", now.Add(giverSilent+1)); len(got) != 0 {
		t.Errorf("those that are silent are named: %+v", got)
	}
}

func TestHowNearAddressesAre(t *testing.T) {
	for _, tt := range []struct {
		a, b             string // "": the zero address
		shared, distance int
	}{
		{"10.1.0.1", "10.1.0.1", 32, 0},
		{"10.1.0.1", "10.1.0.250", 24, 0},
		{"10.1.0.128", "10.1.0.129", 31, 0},
		{"10.1.0.1", "10.1.1.1", 23, 1},
		{"10.1.0.1", "10.1.128.1", 16, 8},
		{"10.1.0.1", "138.1.0.1", 0, 24},
		{"fe80::1", "fe80::1", 128, 0},
		{"fe80::1%eth0", "fe80::1%eth1", 128, 0},
		{"fe80::1", "fe80::100", 119, 1},
		{"2001:db8::1", "fe80::1", 0, 120},
		{"10.1.0.1", "::1", 0, 128},
		{"10.1.0.1", "::ffff:10.1.0.1", 0, 128},
		{"10.1.0.1", "", 0, 128},
		{"fe80::1", "", 0, 128},
		{"", "", 0, 0},
	} {
		a, _ := netip.ParseAddr(tt.a)
		b, _ := netip.ParseAddr(tt.b)
		for range 2 {
			if shared, far := SharedBits(a, b), distance(a, b); shared != tt.shared || far != tt.distance {
				t.Errorf("%v and %v share %d bits and are %d apart, want %d and %d", a, b, shared, far, tt.shared, tt.distance)
			}
			a, b = b, a
		}
	}
}
