package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestWhatAComputerStarts(t *testing.T) {
	ask := fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}
	tests := map[string]struct {
		before func(h *house)
		ask    fleet.BootRequest
		agent  bool
	}{
		"nobody knows it": {func(*house) {}, ask, true},
		"nobody knows it and unknown ones stay out": {func(h *house) { h.unknown = false; h.kill() }, ask, false},
		"it waits for approval":                     {func(h *house) { h.unknown = false; h.kill(); h.hello("k", hello(1)) }, ask, true},
		"it was refused": {func(h *house) {
			w := h.hello("k", hello(1))
			_, err := h.Refuse(context.Background(), w.Code, "marie")
			check(h.t, err)
		}, ask, false},
		"it is enrolled and has nothing to do": {func(h *house) { h.enrol("k", "pc", hello(1)) }, ask, false},
		"its task waits":                       {func(h *house) { h.enrol("k", "pc", hello(1)); h.order(job.KindDeploy, "pc") }, ask, true},
		"its task waits and firmware tells no UUID": {func(h *house) { h.enrol("k", "pc", hello(1)); h.order(job.KindDeploy, "pc") },
			fleet.BootRequest{MAC: mac(1)}, true},
		"its task waits and it has another network card": {func(h *house) { h.enrol("k", "pc", hello(1)); h.order(job.KindDeploy, "pc") },
			fleet.BootRequest{MAC: mac(7), UUID: uuid(1)}, true},
		"its task runs": {func(h *house) { h.enrol("k", "pc", hello(1)); h.order(job.KindDeploy, "pc"); h.next("k"); h.kill() }, ask, true},
		"its disk was left unfinished": {func(h *house) {
			h.enrol("k", "pc", hello(1))
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Master: "m", Phase: "data"} }))
			h.kill()
		}, ask, true},
		"its key was forgotten": {func(h *house) {
			h.enrol("k", "pc", hello(1))
			_, err := h.Rekey(context.Background(), "pc", "marie")
			check(h.t, err)
		}, ask, true},
		"another one's task waits": {func(h *house) {
			h.enrol("k", "pc", hello(1))
			h.enrol("k2", "pc2", hello(2))
			h.order(job.KindDeploy, "pc2")
		}, ask, false},
		"it shares a dongle with one whose task waits": {func(h *house) {
			h.enrol("k", "pc", hello(1))
			h.enrol("k2", "pc2", with(hello(2), func(x *job.Hello) { x.MAC = mac(1) }))
			h.order(job.KindDeploy, "pc2")
		}, fleet.BootRequest{MAC: mac(1)}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			tt.before(h)
			if got := h.Boot(tt.ask); got.Agent != tt.agent {
				t.Errorf("Boot(%+v) = %+v, want agent %v", tt.ask, got, tt.agent)
			}
		})
	}
}

func TestABootLoopIsStopped(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.order(job.KindDeploy, "pc")
	ask := fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}
	boots := func() (n int) {
		for range 10 {
			if !h.Boot(ask).Agent {
				return n
			}
			n++
			for range 3 { // GRUB asks again when it falls back to another transport
				h.Saw(fleet.Sighting{MAC: mac(1), Stage: "config", Config: true})
			}
			h.now = h.now.Add(time.Minute)
		}
		return n
	}
	if n := boots(); n != 3 {
		t.Errorf("it started the agent %d times in silence, want 3", n)
	}
	alarms := 0
	for _, e := range h.Recent("") {
		if e.Kind == "boot-loop" && e.Severity == fleet.Grave {
			alarms++
		}
	}
	if alarms != 1 {
		t.Errorf("%d alarms tell of it, want 1", alarms)
	}
	h.hello("k", hello(1))
	if n := boots(); n != 3 {
		t.Errorf("after its agent had reported it started %d times, want 3", n)
	}
	_, err := h.Cancel(context.Background(), "1", "marie", false)
	check(t, err)
	h.order(job.KindDeploy, "pc")
	if !h.Boot(ask).Agent {
		t.Error("after a new order it may not try again")
	}
}

func TestOfferStyleIsRemembered(t *testing.T) {
	h := newHouse(t)
	h.Boot(fleet.BootRequest{MAC: mac(1)})
	h.Saw(fleet.Sighting{MAC: mac(1), Stage: "offer", Style: "G"})
	if got := h.Boot(fleet.BootRequest{MAC: mac(1)}); got.Style != "" {
		t.Errorf("an offer that nobody took is remembered as %q", got.Style)
	}
	h.Saw(fleet.Sighting{MAC: mac(1), Stage: "loader", Style: "B", Works: true})
	if got := h.Boot(fleet.BootRequest{MAC: mac(1)}); got.Style != "B" {
		t.Errorf("the style that worked is remembered as %q, want B", got.Style)
	}
}

func TestTheStyleOfAnEnrolledComputerSurvivesARestart(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.Saw(fleet.Sighting{MAC: mac(1), Stage: "loader", Style: "A", Works: true})
	for range 200 {
		if h.computer("pc").Style == "A" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if c := h.computer("pc"); c.Stage != "loader" {
		t.Errorf("its stage is %q, want loader", c.Stage)
	}
	cancel()
	check(t, <-done)
	h.kill()
	if got := h.Boot(fleet.BootRequest{MAC: mac(1)}); got.Style != "A" {
		t.Errorf("after a restart the style is %q, want A", got.Style)
	}
}

func TestAFloodOfBootRequestsIsBounded(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	for n := range 9000 {
		h.Saw(fleet.Sighting{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8, n&255), Stage: "discover", Grave: true})
		h.now = h.now.Add(time.Millisecond)
	}
	if n := len(h.Computers()); n > 4100 {
		t.Errorf("%d computers are remembered", n)
	}
	if c := h.computer("pc"); c.State != fleet.Enrolled {
		t.Errorf("the enrolled one is %s", c.State)
	}
}

// Who asks in the name of a group, or of nobody, is answered and leaves no computer behind that nobody could name.
func TestABootRequestWithoutAnAddressOfACardIsNotRemembered(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.order(job.KindDeploy, "pc")
	for _, m := range []string{"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", ""} {
		h.Boot(fleet.BootRequest{MAC: m, Address: "10.0.0.9"})
		if got := h.Boot(fleet.BootRequest{MAC: m, UUID: uuid(1)}); !got.Agent {
			t.Errorf("%q with the UUID of a computer whose task waits starts its disk: %s", m, got.Why)
		}
	}
	for _, c := range h.Computers() {
		if c.ID == "" || c.Name != "pc" {
			t.Errorf("there is a computer %+v", c)
		}
	}
}

func TestSightingsReachTheStore(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.Saw(fleet.Sighting{Stage: "foreign", Detail: "10.0.0.9 also answers PXE", Grave: true})
	for range 200 {
		events, err := h.Events(ctx, fleet.EventQuery{})
		check(t, err)
		if len(events) == 1 && events[0].Kind == "foreign" && events[0].Detail == "10.0.0.9 also answers PXE" {
			cancel()
			check(t, <-done)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the store never heard of the other server")
}
