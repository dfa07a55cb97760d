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
	for _, tt := range []struct {
		a, b string
		want int
	}{{"10.1.0.1", "10.1.0.250", 0}, {"10.1.0.1", "10.1.1.1", 1}, {"10.1.0.1", "10.1.128.1", 8}, {"10.1.0.1", "138.1.0.1", 24}, {"10.1.0.1", "::1", 128}} {
		if got := distance(netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)); got != tt.want {
			t.Errorf("from %s to %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
