package sessions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
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
		var said []string
		for _, n := range r.notices() {
			said = append(said, n.kind+": "+n.text)
		}
		return said
	}
	unreached := "no-multicast: pc5 fetches by HTTPS: 10.9.0.5 is in no network of the server's"
	if got := say(1, nil, member(0, multicast.StateFast, 1e6, ""), member(1, multicast.StateHTTPS, 0, "no multicast"),
		member(2, multicast.StateHTTPS, 0, "no multicast"), member(3, multicast.StateFast, 0, "")); !slices.Equal(got, []string{unreached}) {
		t.Errorf("while one may hear it is said %q", got)
	}
	deaf := []session.LoggedEvent{{Time: now.Add(2 * time.Second), Computer: "pc3", Event: wire.Event{Code: wire.EventNoMulticast}}}
	want := []string{"no-multicast: nothing that is sent by eth0.20 arrives in 10.20.0.0/24: all 2 computers there fetch by HTTPS"}
	if got := say(2, deaf, member(0, multicast.StateFast, 1e6, "")); !slices.Equal(got, want) {
		t.Errorf("when nobody hears it is said %q", got)
	}
	if got := say(3, deaf, member(0, multicast.StateFast, 1e6, "")); len(got) != 0 {
		t.Errorf("afterwards it is said again: %q", got)
	}
	flooded := []session.LoggedEvent{{Time: now.Add(4 * time.Second), Computer: "pc1", Event: wire.Event{Code: session.EventFlooded, Count: 16}}}
	want = []string{"flooded: a switch in 10.10.0.0/24 sends multicast to ports that did not ask for it (1 of 2 computers there get what nobody " +
		"joined): every slow port behind it is full while a session runs"}
	if got := say(4, flooded, member(0, multicast.StateFast, 1e6, "")); !slices.Equal(got, want) {
		t.Errorf("when one gets what nobody joined it is said %q", got)
	}
	if got := say(5, flooded, member(0, multicast.StateFast, 1e6, "")); len(got) != 0 {
		t.Errorf("afterwards it is said again: %q", got)
	}
	told := func(second int, code string, count uint64, names ...string) (events []session.LoggedEvent) {
		for _, name := range names {
			events = append(events, session.LoggedEvent{Time: now.Add(time.Duration(second) * time.Second), Computer: name,
				Event: wire.Event{Code: code, Count: count}})
		}
		return events
	}
	if got := say(6, told(6, wire.EventForged, forgedFrom-1, "pc0"), member(0, multicast.StateFast, 1e6, "")); len(got) != 0 {
		t.Errorf("a few packets that a bad cable changed are %q", got)
	}
	want = []string{"forged: somebody sends packets with a wrong key to the session's group in 10.10.0.0/24 (pc0, pc1 dropped them): none of it reaches a disk",
		"insider: packets with the session's key that the server has not made came in 10.20.0.0/24 (to pc3): another computer of the session " +
			"sends them, or a memory is bad; no chunk with a wrong hash is written, it is fetched by HTTPS"}
	all := append(told(7, wire.EventForged, 5000, "pc0", "pc1"), told(7, wire.EventPolluted, 0, "pc3")...)
	if got := say(7, all, member(0, multicast.StateFast, 1e6, "")); !slices.Equal(got, want) {
		t.Errorf("of forged packets it is said %q", got)
	}
	want = []string{"insider: packets with the session's key that the server has not made came in 10.10.0.0/24 (to pc1): another computer of the session " +
		"sends them, or a memory is bad; no chunk with a wrong hash is written, it is fetched by HTTPS"}
	if got := say(8, told(8, wire.EventInsider, 0, "pc1"), member(0, multicast.StateFast, 1e6, "")); !slices.Equal(got, want) {
		t.Errorf("of an insider it is said %q", got)
	}
	if got := say(9, append(all, told(9, wire.EventInsider, 0, "pc0", "pc1", "pc2")...), member(0, multicast.StateFast, 1e6, "")); len(got) != 0 {
		t.Errorf("afterwards it is said again: %q", got)
	}
	if got := some([]string{"a", "b", "c", "d", "e"}); got != "a, b, c and 2 more" {
		t.Errorf("five are %q", got)
	}
}

// A session may be over between two looks: what its computers said last is told all the same, once.
func TestWhatWasSaidAtTheEndIsTold(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &run{people: map[string]*person{}, told: map[string]bool{}, report: Report{Started: now}, server: &session.Server{}, heard: now}
	r.admit(Visitor{Computer: "pc0", Name: "pc0"}, Path{Interface: "eth0", Network: netip.MustParsePrefix("10.9.0.0/24")}, true, now)
	st := seen(multicast.MemberStatus{Name: "pc0", State: multicast.StateDone})
	st.Events = []session.LoggedEvent{{Time: now.Add(time.Second), Computer: "pc0", Event: wire.Event{Code: wire.EventNoMulticast}}}
	r.stopped(st, nil, now.Add(2*time.Second))
	if r.running() {
		t.Error("it goes on")
	}
	got := r.look(now.Add(3*time.Second), fleet.Session{})
	if len(got) != 1 || got[0].kind != KindNoMulticast || !strings.Contains(got[0].text, "10.9.0.0/24: all 1 computers") {
		t.Errorf("it is said %+v", got)
	}
	if got := append(r.look(now.Add(4*time.Second), fleet.Session{}), r.debts()...); len(got) > 0 {
		t.Errorf("it is said again: %+v", got)
	}
}

// A session's probe leaves by every interface in use; what goes wrong with one is no reason to leave the others out.
func TestTheProbeLeavesByEachInterface(t *testing.T) {
	group := netip.MustParseAddrPort("239.64.0.3:20480")
	var on []string
	r := &run{mbit: map[string]int{"eth0.20": 1000, "eth0.10": 0}}
	if err := r.probe(t.Context(), group, udp.Tag{1}); err != nil {
		t.Errorf("without anything that sends: %v", err)
	}
	broken := errors.New("no carrier")
	r.o.Probe = func(_ context.Context, iface string, to netip.AddrPort, tag udp.Tag) error {
		if to != group || tag != (udp.Tag{1}) {
			t.Errorf("%s is sent %v to %v", iface, tag, to)
		}
		if on = append(on, iface); len(on) == 1 {
			return broken
		}
		return nil
	}
	if err := r.probe(t.Context(), group, udp.Tag{1}); !errors.Is(err, broken) || !slices.Equal(on, []string{"eth0.10", "eth0.20"}) {
		t.Errorf("it leaves by %v: %v", on, err)
	}
}
