package sessions

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Networks that multicast does not reach are named once each; one where a single computer is deaf is not.
func TestWhichNetworkIsNamed(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &run{people: map[string]*person{}, told: map[string]bool{}, report: Report{Started: now}, server: &session.Server{}, heard: now}
	good := Path{Interface: "eth0.10", Network: netip.MustParsePrefix("10.10.0.0/24")}
	dead := Path{Interface: "eth0.20", Network: netip.MustParsePrefix("10.20.0.0/24")}
	far := Path{Reason: "10.9.0.5 is in no network of the server's"}
	for i, x := range []struct {
		path    Path
		offered bool
	}{{good, true}, {good, true}, {dead, true}, {dead, true}, {dead, false}, {far, true}, {far, true}} {
		name := fmt.Sprintf("pc%d", i)
		r.admit(Visitor{Computer: name, Name: name}, x.path, x.offered, now)
	}
	member := func(i int, s multicast.State, rate float64, reason string) multicast.MemberStatus {
		return multicast.MemberStatus{Name: fmt.Sprintf("pc%d", i), State: s, Rate: rate, Reason: reason}
	}
	say := func(second int, events []session.LoggedEvent, members ...multicast.MemberStatus) []string {
		st := seen(members...)
		st.Events = events
		r.see(now.Add(time.Duration(second)*time.Second), st)
		return r.notices()
	}
	unreached := "pc5 fetches by HTTPS: 10.9.0.5 is in no network of the server's"
	if got := say(1, nil, member(0, multicast.StateFast, 1e6, ""), member(1, multicast.StateHTTPS, 0, "no multicast"),
		member(2, multicast.StateHTTPS, 0, "no multicast"), member(3, multicast.StateFast, 0, "")); !slices.Equal(got, []string{unreached}) {
		t.Errorf("while one may hear it is said %q", got)
	}
	deaf := []session.LoggedEvent{{Time: now.Add(2 * time.Second), Computer: "pc3", Event: wire.Event{Code: wire.EventNoMulticast}}}
	want := []string{"nothing that is sent by eth0.20 arrives in 10.20.0.0/24: all 2 computers there fetch by HTTPS"}
	if got := say(2, deaf, member(0, multicast.StateFast, 1e6, "")); !slices.Equal(got, want) {
		t.Errorf("when nobody hears it is said %q", got)
	}
	if got := say(3, deaf, member(0, multicast.StateFast, 1e6, "")); len(got) != 0 {
		t.Errorf("afterwards it is said again: %q", got)
	}
}
