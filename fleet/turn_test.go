package fleet_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// passed is what was told last of a schedule.
func (h *house) passed() string {
	h.t.Helper()
	all, err := h.Events(context.Background(), fleet.EventQuery{Kind: "schedule", Limit: 1})
	check(h.t, err)
	if len(all) == 0 {
		return ""
	}
	return all[0].Detail
}

// scheduled lists whom the schedule's jobs are for, oldest first.
func (h *house) scheduled() []string {
	var out []string
	for _, j := range slices.Backward(h.Jobs()) {
		if j.Job.Schedule == "" {
			continue
		}
		var names []string
		for _, x := range j.Tasks {
			names = append(names, h.computer(x.Computer).Name)
		}
		out = append(out, strings.Join(names, " "))
	}
	return out
}

func (h *house) wantScheduled(when string, want ...string) {
	h.t.Helper()
	if got := h.scheduled(); !slices.Equal(got, want) {
		h.t.Errorf("%s: it was given to %q, want %q", when, got, want)
	}
}

// Who is busy when a schedule's window begins gets its task when it is free again, as long as the window lasts.
func TestAScheduleWaitsForWhoIsBusy(t *testing.T) {
	h := planned(t)
	s := tonight(h, nil)
	h.order(job.KindInventory, "pc2")
	h.at(22, 22, 0)
	h.wantScheduled("at once", "pc1")
	if got, want := h.passed(), "tonight: job 1 (inventory by marie) keeps pc2; they wait until 2026-11-23 05:00"; got != want {
		t.Errorf("told: %q, want %q", got, want)
	}
	if j := h.Jobs()[0]; len(j.Job.LeftOut) != 0 {
		t.Errorf("who waits is left out: %+v", j.Job.LeftOut)
	}
	for minute := range 9 {
		h.at(22, 22, minute)
		h.kill()
	}
	h.at(22, 23, 30)
	h.wantScheduled("while it is busy", "pc1")
	if all, err := h.Events(context.Background(), fleet.EventQuery{Kind: "schedule"}); err != nil || len(all) != 2 { // it was made, it waits
		t.Errorf("waiting is told again and again: %+v, %v", all, err)
	}
	h.finish("k2")
	h.kill()
	h.at(22, 23, 31)
	h.wantScheduled("once it is free", "pc1", "pc2")
	j := h.Jobs()[0].Job
	if until := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC); !j.Expires.Equal(until) || j.Version != 7 || j.Schedule != s.ID || !j.Wake {
		t.Errorf("its job is %+v", j)
	}
	h.finish("k1", "k2")
	for hour := range 6 {
		h.at(23, hour, 0)
	}
	h.wantScheduled("in the morning", "pc1", "pc2")
	if got, err := h.Schedule(s.ID); err != nil || got.Owed != nil {
		t.Errorf("in the morning it owes %+v, %v", got.Owed, err)
	}
}

// Those who get free one by one are given theirs together, not one job each.
func TestWhoGetsFreeIsGivenItsTaskWithOthers(t *testing.T) {
	h := planned(t)
	h.enrol("k3", "pc3", hello(3))
	h.room("S104", func(*fleet.Room) {}, "pc3")
	tonight(h, nil)
	h.order(job.KindInventory, "pc1", "pc2", "pc3")
	h.at(22, 22, 0)
	h.wantScheduled("while all are busy")
	h.finish("k1")
	h.at(22, 22, 5)
	h.wantScheduled("a moment later")
	h.finish("k2")
	h.at(22, 22, 10)
	h.wantScheduled("after ten minutes", "pc1 pc2")
	h.finish("k3")
	h.at(22, 22, 11)
	h.wantScheduled("when nobody is left", "pc1 pc2", "pc3")
}

// Who stays busy gets nothing, and the other order is named.
func TestAScheduleThatWaitedInVainNamesTheOtherOrder(t *testing.T) {
	for _, down := range []bool{false, true} {
		h := planned(t)
		s := tonight(h, nil)
		h.order(job.KindCapture, "pc2")
		h.at(22, 22, 0)
		if down { // the daemon is not there when the window ends
			h.at(24, 9, 0)
		} else {
			h.at(23, 4, 59)
			h.wantScheduled("before its end", "pc1")
			h.at(23, 5, 0)
		}
		found := false
		all, err := h.Events(context.Background(), fleet.EventQuery{Kind: "schedule"})
		check(t, err)
		for _, e := range all {
			found = found || e.Severity == fleet.Warning &&
				e.Detail == "tonight: its window is over, and nothing was ordered for who was busy: job 1 (capture by marie) keeps pc2"
		}
		if !found {
			t.Errorf("down %v: told %+v", down, all)
		}
		h.wantScheduled("after its end", "pc1")
		h.kill()
		if got, err := h.Schedule(s.ID); err != nil || got.Owed != nil {
			t.Errorf("afterwards it owes %+v, %v", got.Owed, err)
		}
		h.at(24, 22, 0)
		h.wantScheduled("the next night", "pc1", "pc1")
	}
}

// What is owed is owed by the schedule as it was: who changes it lets the window pass, and who leaves its rooms is let go.
func TestWhatIsOwedEndsWithTheSchedule(t *testing.T) {
	for name, change := range map[string]func(h *house, s fleet.Schedule){
		"changed": func(h *house, s fleet.Schedule) {
			s.Name = "other"
			_, err := h.SetSchedule(context.Background(), s, "marie")
			check(h.t, err)
		},
		"paused": func(h *house, s fleet.Schedule) {
			s, err := h.Schedule(s.ID)
			check(h.t, err)
			s.Paused = true
			_, err = h.SetSchedule(context.Background(), s, "marie")
			check(h.t, err)
		},
		"forgotten": func(h *house, s fleet.Schedule) {
			_, err := h.ForgetSchedule(context.Background(), s.ID, "marie")
			check(h.t, err)
		},
		"out of its room": func(h *house, _ fleet.Schedule) {
			_, err := h.Place(context.Background(), []string{"pc2"}, "", "marie")
			check(h.t, err)
		},
		"its master is gone": func(h *house, _ fleet.Schedule) { delete(h.versions.(channel), "win@stable") },
	} {
		t.Run(name, func(t *testing.T) {
			h := planned(t)
			s := tonight(h, nil)
			h.order(job.KindInventory, "pc2")
			h.at(22, 22, 0)
			change(h, s)
			h.finish("k2")
			h.at(22, 23, 0)
			h.at(22, 23, 1)
			h.wantScheduled("afterwards", "pc1")
		})
	}
}

// A schedule's order shares a session with others as one given by hand does.
func TestAScheduleSharesASession(t *testing.T) {
	h := planned(t)
	for _, name := range []string{"pc3", "pc4"} {
		n := int(name[2] - '0')
		h.enrol("k"+name, name, hello(n))
	}
	var asked []string
	v := h.versions.(channel)["win@stable"]
	v.Related = func(others []string) []string {
		asked = others
		return others
	}
	h.versions.(channel)["win@stable"] = v
	tonight(h, nil)
	h.now = time.Date(2026, 11, 22, 21, 59, 0, 0, time.UTC)
	other, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc3", "pc4"}, Master: "m", Version: 3,
		Manifest: "bb", By: "marie"})
	check(t, err)
	h.at(22, 22, 0)
	if j := h.Jobs()[0].Job; j.Session == "" || j.Session != other.Job.Session || !slices.Equal(asked, []string{"bb"}) {
		t.Errorf("its session is %q, that of the other job %q; related to %q", j.Session, other.Job.Session, asked)
	}
}
