package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// Boot requests are not proven: a laptop can ask three times in a computer's name before the night's work.
func TestABootLoopGuardLetsTryAgain(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.order(job.KindDeploy, "pc")
	ask := fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}
	forge := func() {
		for range 5 {
			h.Saw(fleet.Sighting{MAC: mac(1), Stage: "config", Config: true})
			h.now = h.now.Add(10 * time.Second)
		}
	}
	for range 3 {
		forge()
		if h.Boot(ask).Agent {
			t.Error("a computer that starts the agent in silence again and again may go on")
		}
		h.now = h.now.Add(time.Hour)
		if !h.Boot(ask).Agent {
			t.Error("an hour later it may not try again")
		}
	}
}

// drained runs the fleet's writer until it has written all that was seen so far, and returns what the store holds. The
// sighting that it waits for is the last in the queue, and concerns the network, which is not limited here.
func (h *house) drained() []fleet.Event {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.Saw(fleet.Sighting{Stage: "last", Grave: true})
	for {
		events, err := h.Events(context.Background(), fleet.EventQuery{Limit: 1 << 20})
		check(h.t, err)
		if len(events) > 0 && events[0].Kind == "last" {
			cancel()
			check(h.t, <-done)
			return events
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Each event that is stored costs a flush of the disk, and the oldest go when there are too many.
func TestAFloodDoesNotFillTheStoreWithEvents(t *testing.T) {
	for name, flood := range map[string]func(h *house, n int){
		"refused firmware that is not there": func(h *house, n int) {
			h.Saw(fleet.Sighting{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8, n&255), Stage: "refused", Grave: true})
		},
		"one that fetches a file again and again": func(h *house, _ int) {
			h.Saw(fleet.Sighting{MAC: mac(9), Stage: "refused", Grave: true})
		},
		"an enrolled one that starts again and again": func(h *house, _ int) {
			h.Began("10.0.0.9")
			h.hello("k", hello(1))
		},
		"an enrolled one whose mark changes all the time": func(h *house, n int) {
			h.report("k", job.Report{Task: "1-1", State: job.TaskRunning, Mark: &job.Mark{Phase: fmt.Sprint(n)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.enrol("k", "pc", hello(1))
			h.order(job.KindDeploy, "pc")
			h.next("k")
			for n := range 200 {
				flood(h, n)
				h.now = h.now.Add(10 * time.Millisecond)
			}
			if n := len(h.drained()); n < 10 || n > 100 {
				t.Errorf("200 events in two seconds leave %d in the store", n)
			}
		})
	}
}

func TestAlarmsAreToldNowAndThen(t *testing.T) {
	h := newHouse(t)
	h.enrol("right", "pc", hello(1))
	for n := range 60 {
		h.hello(fmt.Sprint("wrong", n), hello(1))
		h.now = h.now.Add(time.Minute)
	}
	alarms := 0
	for _, e := range h.Recent("") {
		if e.Kind == "alarm" {
			alarms++
		}
	}
	if alarms < 5 || alarms > 7 {
		t.Errorf("an hour of claims gives %d alarms, want about 6", alarms)
	}
}

// The listing shows both under one name. Refusing by that name used to throw out the one that is enrolled.
func TestRefusingATwinByItsNameIsAskedAgain(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	c := h.enrol("right", "pc", with(hello(1), func(x *job.Hello) { x.NewKey = true }))
	w := h.hello("twin", with(hello(1), func(x *job.Hello) { x.NewKey = true }))
	if w.State != job.StatePending {
		t.Fatalf("the twin is %+v", w)
	}
	_, err := h.Refuse(ctx, "PC", "marie")
	wantCode(t, "refusing by the name of two", err, fleet.CodeSeveral)
	if _, err := h.Refuse(ctx, w.Code, "marie"); err != nil {
		t.Errorf("refusing by the code: %v", err)
	}
	if _, err := h.Authorise("right"); err != nil {
		t.Errorf("the enrolled one: %v", err)
	}
	if _, err := h.Refuse(ctx, c.ID, "marie"); err != nil {
		t.Errorf("refusing by id: %v", err)
	}
}

func TestARefusalCanBeTakenBack(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	c := h.enrol("k", "pc", hello(1))
	_, err := h.Refuse(ctx, "pc", "marie")
	check(t, err)
	w := h.hello("stranger", hello(2))
	stranger, err := h.Refuse(ctx, w.Code, "marie")
	check(t, err)
	for _, ref := range []string{"pc", stranger.Name} {
		if _, err := h.Rekey(ctx, ref, "marie"); err != nil {
			t.Errorf("taking back the refusal of %s: %v", ref, err)
		}
	}
	h.kill()
	for key, in := range map[string]job.Hello{"k": hello(1), "stranger": hello(2)} {
		w := h.hello(key, in)
		if w.State != job.StatePending {
			t.Fatalf("%s says hello again and is %+v, want pending: a person must compare its code", key, w)
		}
		a, err := h.Approve(ctx, fleet.Approval{Code: w.Code, By: "marie"})
		if err != nil || (a.ID == c.ID) != (key == "k") || a.State != fleet.Enrolled {
			t.Errorf("%s is approved as %s, %s, %v; the old record is %s", key, a.ID, a.State, err, c.ID)
		}
	}
}

// While one waits to be a computer whose key was never stored, that computer comes back with its key.
func TestACodeDoesNotTakeTheRecordOfOneThatCameBack(t *testing.T) {
	h := newHouse(t)
	fresh := with(hello(1), func(x *job.Hello) { x.NewKey = true })
	h.enrol("right", "pc", fresh)
	w := h.hello("twin", fresh)
	h.hello("right", hello(1))
	_, err := h.Approve(context.Background(), fleet.Approval{Code: w.Code, By: "marie"})
	wantCode(t, "approving the twin", err, fleet.CodeAlreadyWithKey)
	if _, err := h.Authorise("right"); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

// An inventory is ordered to learn what has changed, minutes or seconds after the computer started.
func TestAnInventoryIsBelievedAtOnce(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.hello("k", with(hello(1), func(x *job.Hello) { x.Inventory.Disks = nil }))
	h.kill()
	if d := h.computer("pc").Inventory.Disks; len(d) != 0 {
		t.Errorf("its disk was taken out, and it still has %+v", d)
	}
}

// A disk put into another PC brings its key along. What was ordered for one PC must not be done to the other.
func TestAKeyThatTurnsUpInAnotherComputerIsAnAlarm(t *testing.T) {
	other := hello(2)
	for name, tt := range map[string]struct {
		in    job.Hello
		state string
	}{
		"another computer":                         {other, job.StateAlarm},
		"another computer with the first's dongle": {with(other, func(x *job.Hello) { x.MAC = mac(1) }), job.StateEnrolled},
		"another board in the old case":            {with(other, func(x *job.Hello) { x.Inventory.Serial = "SN-0001" }), job.StateEnrolled},
		"another network card":                     {with(hello(1), func(x *job.Hello) { x.MAC = mac(2) }), job.StateEnrolled},
		"one whose firmware says nothing":          {job.Hello{MAC: mac(2)}, job.StateEnrolled},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.enrol("k", "pc", hello(1))
			w := h.hello("k", tt.in)
			c := h.computer("pc")
			if w.State != tt.state || (c.Shown() == fleet.Alarm) != (tt.state == job.StateAlarm) {
				t.Errorf("it is welcomed as %+v, the record is %s; want %s", w, c.Shown(), tt.state)
			}
			if tt.state == job.StateAlarm && c.Inventory.UUID != uuid(1) {
				t.Errorf("the record took over %s", c.Inventory.UUID)
			}
			if w := h.hello("k", hello(1)); w.State != job.StateEnrolled {
				t.Errorf("the right one is welcomed as %+v", w)
			}
		})
	}
}

func TestAFloodDoesNotFillTheLog(t *testing.T) {
	for name, flood := range map[string]func(h *house, n int){
		"of boot requests": func(h *house, n int) {
			h.Saw(fleet.Sighting{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8, n&255), Stage: "discover"})
		},
		"of steps": func(h *house, n int) {
			h.report("k", job.Report{Task: "1-1", State: job.TaskRunning, Steps: []string{fmt.Sprint("step ", n)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.enrol("k", "pc", hello(1))
			h.order(job.KindDeploy, "pc")
			h.next("k")
			for n := range 6000 {
				flood(h, n)
				h.now = h.now.Add(time.Millisecond)
			}
			if lines := bytes.Count(h.log.Bytes(), []byte("\n")); lines < 10 || lines > 3000 {
				t.Errorf("6,000 in six seconds leave %d lines in the log", lines)
			}
		})
	}
}

// Somebody who answers network boots himself could hide that behind a thousand requests of machines that are not there.
func TestStrangersDoNotPushOutWhatMatters(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	h.Saw(fleet.Sighting{Stage: "foreign", Detail: "10.0.0.9 also answers PXE", Grave: true})
	for n := range 3000 {
		h.Saw(fleet.Sighting{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8, n&255), Stage: "discover"})
	}
	found := map[string]bool{}
	for _, e := range h.Recent("") {
		found[e.Kind] = true
	}
	if !found["foreign"] || !found["approved"] {
		t.Errorf("of what happened are left %v", found)
	}
}

// A flood that has an address for each of its computers must not throw out those who waited before it.
func TestAFloodFromManyAddressesDisplacesItsOwn(t *testing.T) {
	h := newHouse(t)
	say := func(key, address string, n int) string {
		h.now = h.now.Add(time.Millisecond)
		w, err := h.Hello(context.Background(), fleet.Introduction{Key: key, Address: address, Hello: hello(n)})
		check(t, err)
		return w.Code
	}
	var codes []string
	school := func(n int) string { return say(fmt.Sprint("school", n), fmt.Sprint("10.0.0.", n), n) }
	for n := range 20 {
		codes = append(codes, school(n))
	}
	for n := range 1500 {
		say(fmt.Sprint("flood", n), fmt.Sprintf("10.1.%d.%d", n>>8, n&255), 1000+n)
	}
	for n, code := range codes {
		if now := school(n); now != code {
			t.Errorf("computer %d has lost its place: its code was %s and is %s", n, code, now)
		}
	}
}

// Who is root on one PC may let it claim another's board and card, one after the other. The other must still start what
// it has to start.
func TestAComputerThatClaimsAnothersAddressDoesNotHoldItUp(t *testing.T) {
	h := newHouse(t)
	thief, victim := 1, 2
	if a, b := h.enrol("k1", "pc1", hello(1)), h.enrol("k2", "pc2", hello(2)); b.ID < a.ID { // of equals the lower one counts
		thief, victim = 2, 1
	}
	h.hello(fmt.Sprint("k", victim), with(hello(victim), func(x *job.Hello) { x.Interrupted = &job.Mark{Phase: "data"} }))
	h.hello(fmt.Sprint("k", thief), with(hello(thief), func(x *job.Hello) { x.MAC, x.Inventory.UUID = mac(victim), uuid(victim) }))
	if b := h.Boot(fleet.BootRequest{MAC: mac(victim), UUID: uuid(victim)}); !b.Agent {
		t.Errorf("its disk is unfinished, and it is to start that: %s", b.Why)
	}
}

// An enrolled computer that says something else each time costs a commit now and then, not one each time under the lock that
// everybody's decisions wait for.
func TestWhoSaysOtherThingsAllTheTimeDoesNotWearTheDisk(t *testing.T) {
	for name, flood := range map[string]func(h *house, n int){
		"marks": func(h *house, n int) {
			h.report("k", job.Report{Task: "1-1", State: job.TaskRunning, Mark: &job.Mark{Phase: fmt.Sprint(n % 2)}})
		},
		"inventories": func(h *house, n int) {
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Inventory.Model = fmt.Sprint(n % 2) }))
		},
		"starts": func(h *house, _ int) {
			h.Began("10.0.0.9")
			h.hello("k", hello(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.enrol("k", "pc", hello(1))
			h.order(job.KindDeploy, "pc")
			h.next("k")
			counted := &mortal{Store: h.store, left: 10_000}
			var err error
			h.Fleet, err = fleet.Open(context.Background(), fleet.Options{Store: counted, Signer: fakeSigner{}, Now: func() time.Time { return h.now }})
			check(t, err)
			for n := range 300 {
				flood(h, n)
				h.now = h.now.Add(10 * time.Millisecond)
			}
			if n := 10_000 - counted.left; n < 10 || n > 70 {
				t.Errorf("300 words in three seconds made %d commits", n)
			}
			if c := h.computer("pc"); name == "marks" && (c.Mark == nil || c.Mark.Phase != "1") || name == "inventories" && c.Inventory.Model != "1" {
				t.Errorf("the last word is not known: %+v %+v", c.Mark, c.Inventory)
			}
		})
	}
}

// Keys that nobody knows are free: the log does not grow by a line for each.
func TestAFloodOfNewKeysDoesNotFillTheLog(t *testing.T) {
	h := newHouse(t)
	for n := range 4000 {
		_, err := h.Hello(context.Background(), fleet.Introduction{Key: fmt.Sprint("k", n), Address: fmt.Sprintf("10.0.%d.%d", n>>8, n&255), Hello: hello(n)})
		if err == nil || n < 100 {
			check(t, err)
		}
	}
	if n := bytes.Count(h.log.Bytes(), []byte("waits for approval")); n < 100 || n > 2100 {
		t.Errorf("4000 keys made %d lines", n)
	}
}
