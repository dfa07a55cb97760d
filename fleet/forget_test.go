package fleet_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestAComputerLeaves(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	c := h.holding("k", "pc", 1, "win", "aa")
	h.holding("k2", "other", 2, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Policy = job.PolicyDemand }, c.ID, "other")
	h.room("S104", func(r *fleet.Room) {
		r.Plan, r.Teacher = []fleet.Place{{Computer: c.ID, X: 1}}, c.ID
	})
	_, err := h.Local(ctx, "k")
	check(t, err)
	token, _, err := h.MakeToken(ctx, c.ID, "marie")
	check(t, err)
	j := h.order(job.KindDeploy, "pc", "other")
	h.next("k")
	_, err = h.Forget(ctx, c.ID, "marie")
	wantCode(t, "forgetting it in the middle of a deployment", err, fleet.CodeBusy)
	h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	waits := h.order(job.KindInventory, "pc")
	tonight, err := h.Give(ctx, fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, At: h.now.Add(9 * time.Hour)})
	check(t, err)
	h.now = h.now.Add(time.Minute)
	was, err := h.Forget(ctx, c.ID, "marie")
	check(t, err)
	if was.Name != "pc" || was.ID != c.ID {
		t.Errorf("forgotten was %+v", was)
	}
	for range 2 {
		_, err = h.Find("pc")
		wantCode(t, "who was forgotten", err, fleet.CodeNoComputer)
		for what, do := range map[string]func() error{
			"its key":   func() error { _, err := h.Authorise("k"); return err },
			"its grant": func() error { _, err := h.Local(ctx, "k"); return err },
			"its work":  func() error { _, err := h.Next(ctx, "k"); return err },
		} {
			wantCode(t, what, do(), fleet.CodeNotEnrolled)
		}
		_, err = h.RunningReset(token)
		wantCode(t, "its token", err, fleet.CodeWrongToken)
		for _, id := range []string{waits.Job.ID, tonight.Job.ID} {
			if got := h.state(id); got.State != job.TaskCancelled || got.Outcome.Code != fleet.OutcomeCancelled {
				t.Errorf("what waited for it is %s, %+v", got.State, got.Outcome)
			}
		}
		if r, err := h.Room("S104"); err != nil || len(r.Plan) != 0 || r.Teacher != "" {
			t.Errorf("it still stands in its room: %+v, %v", r, err)
		}
		if in := h.InRoom("S104"); len(in) != 1 || in[0].Name != "other" {
			t.Errorf("in its room are %v", in)
		}
		h.kill()
	}
	events, err := h.Events(ctx, fleet.EventQuery{Kind: "forgotten"})
	if err != nil || len(events) != 1 || events[0].Room != "S104" || events[0].Detail != "the record of pc was removed by marie" {
		t.Errorf("told: %+v, %v", events, err)
	}
	if w := h.hello("k", hello(1)); w.State != job.StatePending || w.Code == "" {
		t.Errorf("it comes back as %+v", w)
	}
}

// Who waits for work when its record goes must hear of it, and not at its next request.
func TestWhoWaitsForWorkHearsThatItIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := immortal(t)
		c := h.enrol("k", "pc", hello(1))
		ended := make(chan error, 1)
		go func() {
			_, err := h.Next(t.Context(), "k")
			ended <- err
		}()
		synctest.Wait()
		if !h.InAgent(c.ID) {
			t.Error("who waits for work is not there")
		}
		_, err := h.Forget(context.Background(), c.ID, "marie")
		check(t, err)
		synctest.Wait()
		select {
		case err := <-ended:
			wantCode(t, "who waited", err, fleet.CodeNotEnrolled)
		default:
			t.Error("who waited still does")
		}
		if h.InAgent(c.ID) {
			t.Error("a computer that is not there has an agent")
		}
	})
}

func TestWhoIsMeantIsForgotten(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	w := h.hello("k2", hello(1)) // another key claims to be it
	_, err := h.Forget(context.Background(), "nobody", "marie")
	wantCode(t, "nobody", err, fleet.CodeNoComputer)
	h.hello("k3", hello(3))
	pending := slices.IndexFunc(h.Computers(), func(c fleet.Computer) bool { return c.State == fleet.Pending })
	if pending < 0 {
		t.Fatalf("nobody waits (%+v)", w)
	}
	_, err = h.Forget(context.Background(), h.Computers()[pending].ID, "marie")
	wantCode(t, "one that waits for approval", err, fleet.CodeNotEnrolled)
}

func TestWhoIsInTheAgent(t *testing.T) {
	h := newHouse(t)
	c := h.enrol("k", "pc", hello(1))
	if h.InAgent(c.ID) {
		t.Error("it is there before it has asked for work")
	}
	h.next("k")
	if !h.InAgent(c.ID) {
		t.Error("it has asked for work and is not there")
	}
	if h.now = h.now.Add(time.Minute); h.InAgent(c.ID) {
		t.Error("it has not asked for a minute and is there")
	}
}

// What can be cancelled is, and only who cannot goes on; where nobody can, that is a refusal.
func TestACancelOfWhatIsPartlyWritten(t *testing.T) {
	h := newHouse(t)
	h.enrol("k1", "pc1", hello(1))
	h.enrol("k2", "pc2", hello(2))
	j := h.order(job.KindDeploy, "pc1", "pc2")
	h.next("k1")
	h.report("k1", job.Report{Task: j.Tasks[0].ID, State: job.TaskRunning, Written: 1 << 20})
	got, err := h.Cancel(context.Background(), j.Job.ID, "marie", false)
	check(t, err)
	if a, b := got.Tasks[0], got.Tasks[1]; a.State != job.TaskRunning || !a.Wrote || b.State != job.TaskCancelled {
		t.Errorf("the tasks are %s and %s", a.State, b.State)
	}
	_, err = h.Cancel(context.Background(), j.Job.ID, "marie", false)
	wantCode(t, "cancelling what only goes on", err, fleet.CodeWritten)
	var r *fleet.RefusedError
	if errors.As(err, &r) && r.Detail != "1 disks are being written" {
		t.Errorf("the refusal says %q", r.Detail)
	}
	got, err = h.Cancel(context.Background(), j.Job.ID, "marie", true)
	if err != nil || got.Tasks[0].State != job.TaskFailed {
		t.Errorf("forced: %s, %v", got.Tasks[0].State, err)
	}
}

// Whenever the daemon dies, a computer is either there, with what waits for it, or gone, with nothing left of it.
func TestADaemonThatDiesForgetsWholeOrNotAtAll(t *testing.T) {
	for _, after := range []bool{false, true} {
		h := newHouse(t)
		c := h.enrol("k", "pc", hello(1))
		h.room("S104", asItIs, c.ID)
		h.room("S104", func(r *fleet.Room) { r.Spares = []string{c.ID} })
		j := h.order(job.KindInventory, "pc")
		h.dying(0, after)
		if _, err := h.Forget(context.Background(), c.ID, "marie"); !errors.Is(err, errDied) {
			t.Fatalf("the daemon lives: %v", err)
		}
		if _, err := h.Find("pc"); err != nil {
			t.Error("it is gone although nobody may know yet")
		}
		h.kill()
		r, err := h.Room("S104")
		check(t, err)
		_, err = h.Authorise("k")
		state := h.state(j.Job.ID).State
		if after && (err == nil || state != job.TaskCancelled || len(r.Spares) != 0) {
			t.Errorf("after its commit: %v, its task is %s, its room %+v", err, state, r)
		}
		if !after && (err != nil || state != job.TaskWaiting || len(r.Spares) != 1) {
			t.Errorf("before its commit: %v, its task is %s, its room %+v", err, state, r)
		}
	}
}
