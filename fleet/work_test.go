package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func (h *house) give(o fleet.Order) fleet.JobState {
	h.t.Helper()
	o.By = "marie"
	j, err := h.Give(context.Background(), o)
	check(h.t, err)
	return j
}

func (h *house) fails(key, code string, change func(*job.Report)) {
	h.t.Helper()
	got := h.task(key)
	if got.ID == "" {
		h.t.Fatalf("%s has no task", key)
	}
	r := job.Report{Task: got.ID, State: job.TaskFailed, Outcome: &job.Outcome{Code: code}}
	if change != nil {
		change(&r)
	}
	h.report(key, r)
	h.report(key, r) // the answer was lost
	h.kill()
}

func TestAFailedTaskIsTriedAgainInItsWindow(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	j := h.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2, Manifest: "bb", Retries: 2,
		Within: 3 * time.Hour, Wake: true})
	nonce := h.task("k").Nonce
	h.fails("k", "disk-io", func(r *job.Report) { r.Written = 1 << 20 })
	if x := h.state(j.Job.ID); x.State != job.TaskWaiting || x.Tries != 1 || x.Outcome.Code != "disk-io" || !x.Wrote {
		t.Fatalf("after the first failure: %+v", x)
	}
	woken := len(h.woken)
	h.now = h.now.Add(3 * time.Minute)
	check(t, h.Tick(context.Background()))
	if len(h.woken) != woken+1 {
		t.Errorf("%d times woken for the second try", len(h.woken)-woken)
	}
	if got := h.task("k"); got.ID != j.Tasks[0].ID || got.Nonce == nonce {
		t.Errorf("it is tried again as %+v", got)
	}
	h.fails("k", "disk-io", nil)
	h.fails("k", "no-network", nil)
	x := h.state(j.Job.ID)
	if x.State != job.TaskFailed || x.Tries != 2 || x.Outcome.Code != "no-network" || h.next("k") != nil {
		t.Errorf("after the third failure: %+v", x)
	}
}

func TestWhatIsNotTriedAgain(t *testing.T) {
	for name, end := range map[string]func(*house, string){
		"cancelled with force": func(h *house, id string) {
			h.report("k", job.Report{Task: id + "-1", State: job.TaskRunning, Written: 5})
			_, err := h.Cancel(context.Background(), id, "marie", true)
			check(h.t, err)
		},
		"asked to stop": func(h *house, id string) {
			_, err := h.Cancel(context.Background(), id, "marie", false)
			check(h.t, err)
			h.report("k", job.Report{Task: id + "-1", State: job.TaskFailed, Outcome: &job.Outcome{Code: "disk-io"}})
		},
		"done without proof": func(h *house, id string) {
			h.report("k", job.Report{Task: id + "-1", State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
		},
		"after its window": func(h *house, id string) {
			h.now = h.now.Add(2 * time.Hour)
			h.report("k", job.Report{Task: id + "-1", State: job.TaskFailed, Outcome: &job.Outcome{Code: "disk-io"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.enrol("k", "pc", hello(1))
			j := h.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2, Manifest: "bb", Retries: 5, Within: time.Hour})
			h.next("k")
			end(h, j.Job.ID)
			h.kill()
			if x := h.state(j.Job.ID); x.Active() || x.Tries != 0 || x.State != job.TaskFailed {
				t.Errorf("it is %+v", x)
			}
		})
	}
	t.Run("it waits when its window ends", func(t *testing.T) {
		h := newHouse(t)
		h.enrol("k", "pc", hello(1))
		j := h.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2, Manifest: "bb", Retries: 5, Within: time.Hour})
		h.fails("k", "disk-io", func(r *job.Report) { r.Written = 9 })
		h.now = h.now.Add(2 * time.Hour)
		check(t, h.Tick(context.Background()))
		if x := h.state(j.Job.ID); x.State != job.TaskFailed || x.Outcome.Code != "disk-io" {
			t.Errorf("in the morning it is %s, %+v: that is not why", x.State, x.Outcome)
		}
	})
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	for _, n := range []int{-1, 6} {
		_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindInventory, Computers: []string{"pc"}, Retries: n})
		wantCode(t, "so many tries", err, fleet.CodeBadOrder)
	}
}

// wiping is a computer with everything that a disk can give it, that is told to wipe it.
func wiping(t *testing.T) (*house, fleet.Computer) {
	t.Helper()
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Menu = true }, "pc")
	h.local("k")
	check(t, h.Told(context.Background(), "k", job.LocalState{Place: true, Counter: h.computer("pc").Grant.Counter}))
	h.tells("k", proof(1, func(*job.Proof) {}))
	_, _, err := h.MakeToken(context.Background(), "pc", "marie")
	check(t, err)
	c := h.computer("pc")
	if c.Runs == nil || c.Grant == nil || c.Grant.Target == nil || c.LastProof == nil || c.Local == nil || c.Token == nil {
		t.Fatalf("it has not everything: %+v", c)
	}
	j := h.give(fleet.Order{Kind: job.KindWipe, Computers: []string{"pc"}, Wipe: job.WipeOrder{Method: job.WipeSanitize}})
	got := h.task("k")
	if got.Kind != job.KindWipe || got.Wipe.Method != job.WipeSanitize || got.Ending != job.EndPowerOff || j.Job.Wipe.Method != job.WipeSanitize {
		t.Fatalf("it is told %+v", got)
	}
	return h, c
}

func (h *house) local(key string) {
	h.t.Helper()
	_, err := h.Local(context.Background(), key)
	check(h.t, err)
}

func certificate(refused string) *job.WipeProof {
	return &job.WipeProof{Method: job.WipeSanitize, Reported: "NVMe Sanitize, block erase", Serial: "S\x1b[31m1", Size: -5, Refused: refused,
		Notes: []string{strings.Repeat("x", 1000)}}
}

func TestAWipedComputerHasNothing(t *testing.T) {
	for name, r := range map[string]job.Report{
		"wiped":                  {State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Wipe: certificate("")}},
		"failed in the middle":   {State: job.TaskFailed, Outcome: &job.Outcome{Code: "disk-io", WrittenBytes: 5, Wipe: certificate("the drive went away")}},
		"sanitize that failed":   {State: job.TaskFailed, Outcome: &job.Outcome{Code: "disk-io", Unproven: true}},
		"done, no certificate":   {State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}},
		"cancelled after writes": {State: job.TaskCancelled, Outcome: &job.Outcome{Code: "cancelled", Unproven: true}},
	} {
		t.Run(name, func(t *testing.T) {
			h, before := wiping(t)
			r.Task = "2-1"
			h.report("k", r)
			h.kill()
			c, x := h.computer("pc"), h.state("2")
			if c.Runs != nil || c.LastProof != nil || c.Local != nil || c.Token != nil || c.Mark != nil || c.Grant.Target != nil {
				t.Errorf("it is said to have %+v", c)
			}
			if c.Grant.Counter != before.Grant.Counter {
				t.Errorf("its grant counts from %d, it had %d", c.Grant.Counter, before.Grant.Counter)
			}
			if want := r.State == job.TaskDone && r.Outcome.Wipe != nil; (x.State == job.TaskDone) != want {
				t.Errorf("the task is %s, %+v", x.State, x.Outcome)
			}
			if w := x.Outcome.Wipe; r.Outcome.Wipe != nil && (w == nil || w.Size != 0 || strings.ContainsRune(w.Serial, '\x1b') || len(w.Notes[0]) != 500) {
				t.Errorf("its certificate is kept as %+v", w)
			}
			if _, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}}); err == nil {
				t.Error("it is reset to what it does not hold")
			}
		})
	}
}

func TestAWipeThatDidNothingLeavesEverything(t *testing.T) {
	for _, state := range []string{job.TaskCancelled, job.TaskFailed} {
		h, before := wiping(t)
		if h.computer("pc").Runs != nil {
			t.Error("a computer that may be wiped by now is said to hold something")
		}
		h.report("k", job.Report{Task: "2-1", State: state, Outcome: &job.Outcome{Code: "x"}})
		h.kill()
		if c := h.computer("pc"); c.Runs == nil || *c.Runs != *before.Runs || c.LastProof == nil || c.Local == nil || c.Token == nil || c.Grant.Target == nil {
			t.Errorf("%s before a write it has %+v", state, c)
		}
	}
}

// A computer that is never heard of again in a wipe may be empty.
func TestAWipeThatIsNotHeardOfAgain(t *testing.T) {
	h, _ := wiping(t)
	h.now = h.now.Add(10 * time.Minute)
	_, err := h.Cancel(context.Background(), "2", "marie", false)
	check(t, err)
	h.kill()
	if c := h.computer("pc"); c.Runs != nil || c.LastProof != nil || c.Token != nil || c.Grant.Target != nil {
		t.Errorf("it is said to have %+v", c)
	}
}

// A key that lay on the wiped disk is gone: the computer waits for a person, and is no alarm.
func TestAWipedKeySlot(t *testing.T) {
	h := newHouse(t)
	weak := hello(1)
	weak.WeakKey = true
	h.enrol("k", "pc", weak)
	h.hello("k", weak)
	h.give(fleet.Order{Kind: job.KindWipe, Computers: []string{"pc"}})
	h.next("k")
	h.report("k", job.Report{Task: "1-1", State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Wipe: certificate("")}})
	weak.NewKey = true
	if w := h.hello("k2", weak); w.State != job.StatePending {
		t.Errorf("with a new key it is %s", w.State)
	}
}

// The same when its power is cut in the middle of the wipe: once a person has approved the new key, the wipe goes on.
func TestAKeySlotThatIsBeingWiped(t *testing.T) {
	h := newHouse(t)
	weak := hello(1)
	weak.WeakKey = true
	h.enrol("k", "pc", weak)
	h.hello("k", weak)
	h.give(fleet.Order{Kind: job.KindWipe, Computers: []string{"pc"}})
	h.next("k")
	h.report("k", job.Report{Task: "1-1", State: job.TaskRunning, Mark: &job.Mark{Task: "1-1", Job: "1", Kind: job.KindWipe, Phase: "break"}})
	h.kill()
	weak.NewKey = true
	w := h.hello("k2", weak)
	if w.State != job.StatePending {
		t.Fatalf("with a new key it is %s", w.State)
	}
	_, err := h.Approve(context.Background(), fleet.Approval{Code: w.Code, By: "marie"})
	check(t, err)
	if task := decode(t, h.next("k2")); task.ID != "1-1" || task.Kind != job.KindWipe {
		t.Errorf("it is given %+v", task)
	}
}

func script(h *house, writes bool) fleet.Script {
	h.t.Helper()
	ctx := context.Background()
	s, err := h.AddScript(ctx, fleet.Script{Name: "grow", Text: "#!/bin/sh\necho hello\n", Limit: 60, Writes: writes, By: "marie"})
	check(h.t, err)
	return s
}

func TestAScriptNeedsTwoPeople(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.holding("k", "pc", 1, "win", "aa")
	s := script(h, true)
	o := fleet.Order{Kind: job.KindScript, Computers: []string{"pc"}, Script: job.ScriptOrder{Hash: s.Hash, Limit: 9999, Name: "harmless"}}
	_, err := h.Give(ctx, o)
	wantCode(t, "a script nobody approved", err, fleet.CodeNotApproved)
	_, err = h.ApproveScript(ctx, s.Hash, "marie", false)
	wantCode(t, "one's own script", err, fleet.CodeOwnScript)
	_, err = h.ApproveScript(ctx, s.Hash, "paul", false)
	check(t, err)
	h.kill()
	plan, err := h.Plan(o)
	if check(t, err); plan[0].Loses == "" || plan[0].Refusal != nil {
		t.Errorf("the plan says %+v", plan[0])
	}
	h.give(o)
	if _, err := h.RunningScript("k"); err == nil {
		t.Error("its text is given before it runs")
	}
	got := h.task("k")
	if want := (job.ScriptOrder{Hash: s.Hash, Size: int64(len(s.Text)), Name: "grow", Limit: 60, Writes: true}); got.Script != want {
		t.Errorf("it is told %+v", got.Script)
	}
	if x, err := h.RunningScript("k"); err != nil || x.Text != s.Text {
		t.Errorf("its text is %q, %v", x.Text, err)
	}
	_, err = h.ForgetScript(ctx, s.Hash, "marie")
	wantCode(t, "forgetting what runs", err, fleet.CodeScriptNeeded)
	h.report("k", job.Report{Task: got.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Output: "a\tb\x1b[31m\nc", Unproven: true}})
	h.kill()
	if c := h.computer("pc"); c.Runs != nil || c.LastProof != nil {
		t.Errorf("after it wrote, it is said to hold %+v", c.Runs)
	}
	if x := h.state("2"); x.Outcome.Output != "a\tb\ufffd[31m\nc" {
		t.Errorf("its output is kept as %q", x.Outcome.Output)
	}
	_, err = h.ForgetScript(ctx, s.Hash, "marie")
	check(t, err)
	_, err = h.Give(ctx, o)
	wantCode(t, "a forgotten script", err, fleet.CodeNoScript)
}

func TestWhatAScriptLeaves(t *testing.T) {
	for name, tt := range map[string]struct {
		writes bool
		r      job.Report
		holds  bool
	}{
		"it only looks":                   {false, job.Report{State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}}, true},
		"it was to look, and wrote":       {false, job.Report{State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Unproven: true}}, false},
		"it may write, and says nothing":  {true, job.Report{State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}}, false},
		"it may write, and failed":        {true, job.Report{State: job.TaskFailed, Outcome: &job.Outcome{Code: "script", Exit: 1}}, false},
		"it may write, and did not begin": {true, job.Report{State: job.TaskCancelled, Outcome: &job.Outcome{Code: "cancelled"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.holding("k", "pc", 1, "win", "aa")
			s := script(h, tt.writes)
			_, err := h.ApproveScript(context.Background(), s.Hash, "marie", true)
			check(t, err)
			h.give(fleet.Order{Kind: job.KindScript, Computers: []string{"pc"}, Script: job.ScriptOrder{Hash: s.Hash}})
			tt.r.Task = h.task("k").ID
			h.report("k", tt.r)
			h.kill()
			if c := h.computer("pc"); (c.Runs != nil) != tt.holds {
				t.Errorf("it holds %+v", c.Runs)
			}
		})
	}
}

func TestScriptsThatCannotBe(t *testing.T) {
	h := newHouse(t)
	for name, s := range map[string]fleet.Script{
		"no name": {Text: "x", Limit: 1}, "no text": {Name: "x", Limit: 1}, "no limit": {Name: "x", Text: "x"},
		"a day": {Name: "x", Text: "x", Limit: 86400}, "a film": {Name: "x", Text: strings.Repeat("x", job.MaxScript+1), Limit: 1},
		"no text at all": {Name: "x", Text: "\xff\xfe", Limit: 1}, "a program": {Name: "x", Text: "\x7fELF\x00", Limit: 1}, "two lines": {Name: "a\nb", Text: "x", Limit: 1},
	} {
		var refused *fleet.RefusedError
		if _, err := h.AddScript(context.Background(), s); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	script(h, false)
	_, err := h.AddScript(context.Background(), fleet.Script{Name: "again", Text: "#!/bin/sh\necho hello\n", Limit: 60, By: "x"})
	wantCode(t, "the same text", err, fleet.CodeBadScript)
}

func TestVerifyMeasuresByWhatIsHeld(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.enrol("k2", "empty", hello(2))
	plan, err := h.Plan(fleet.Order{Kind: job.KindVerify, Computers: []string{"pc", "empty"}})
	check(t, err)
	if p := plan[0]; p.Target == nil || p.Target.Manifest != "aa" || p.Loses != "" || plan[1].Refusal == nil || plan[1].Refusal.Code != fleet.CodeNotProven {
		t.Errorf("plan: %+v", plan)
	}
	j := h.give(fleet.Order{Kind: job.KindVerify, Computers: []string{"pc"}})
	if got := h.task("k"); got.Kind != job.KindVerify || got.Manifest != "aa" || got.Version != 1 {
		t.Errorf("it is told %+v", got)
	}
	h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskFailed, Outcome: &job.Outcome{Code: job.CodeDiffers,
		Verify: &job.Verification{Chunks: 3, Bytes: -1, First: strings.Repeat("é", 2000)}}})
	h.kill()
	x := h.state(j.Job.ID)
	if v := x.Outcome.Verify; v == nil || v.Chunks != 3 || v.Bytes != 0 || len([]rune(v.First)) != 1000 {
		t.Errorf("kept: %+v", v)
	}
	if c := h.computer("pc"); c.Runs == nil {
		t.Error("a look has made it forget what it was proven to hold")
	}
}

func TestWakingNow(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	got, err := h.WakeNow(context.Background(), []string{"pc"}, "marie")
	if err != nil || len(got) != 1 || len(h.woken) != 1 || h.kinds()["woken"] != 1 {
		t.Errorf("%v, %v, %v", got, err, h.woken)
	}
	_, err = h.WakeNow(context.Background(), []string{"nobody"}, "marie")
	wantCode(t, "waking nobody", err, fleet.CodeNoComputer)
	_, err = immortal(t).WakeNow(context.Background(), []string{"pc"}, "marie")
	wantCode(t, "a server that cannot", err, fleet.CodeNoWake)
}

// A room's computers are woken one after another, for the sake of its breaker; rooms do not wait for each other, and who asks
// does not wait for them.
func TestRoomsAreWokenOneComputerAfterAnother(t *testing.T) {
	h := newHouse(t)
	var all []string
	for n := range 40 { // as many as there are in four rooms
		name := fmt.Sprintf("pc%d", n)
		h.enrol("k"+name, name, hello(n+1))
		all = append(all, name)
	}
	for n, room := range []string{"S1", "S2", "S3"} {
		h.room(room, func(*fleet.Room) {}, all[10*n:10*n+10]...)
	}
	_, err := h.WakeNow(context.Background(), all, "marie")
	check(t, err)
	longest := func(n int) {
		t.Helper()
		if len(h.woken) != n || len(h.paces) != n-4 || slices.Max(h.paces) != 9*200*time.Millisecond {
			t.Errorf("%d are woken, %d of them after %v, want %d", len(h.woken), len(h.paces), h.paces, n)
		}
	}
	longest(40)
	at := map[time.Duration]int{}
	for _, after := range h.paces {
		at[after]++
	}
	for after := 200 * time.Millisecond; after <= 9*200*time.Millisecond; after += 200 * time.Millisecond {
		if at[after] != 4 {
			t.Errorf("%d are woken after %v, want one of each room", at[after], after)
		}
	}
	// Asked for again, only who was woken already is woken, once more, and last.
	h.woken, h.paces = nil, nil
	_, err = h.WakeNow(context.Background(), all[:10], "marie")
	check(t, err)
	if len(h.woken) != 1 || h.paces[0] != 10*200*time.Millisecond {
		t.Errorf("%v are woken once more, after %v", h.woken, h.paces)
	}
	h.now = h.now.Add(time.Minute)
	h.woken, h.paces = nil, nil
	_, err = h.WakeNow(context.Background(), all, "marie")
	check(t, err)
	longest(40)
	h.now = h.now.Add(-24 * time.Hour) // a clock that is set back keeps nobody asleep
	h.woken, h.paces = nil, nil
	_, err = h.WakeNow(context.Background(), all, "marie")
	check(t, err)
	longest(40)
	h.now, h.mute = h.now.Add(time.Minute), errors.New("no cable")
	if _, err = h.WakeNow(context.Background(), all, "marie"); err == nil || strings.Count(err.Error(), "no cable") != 4 || strings.Count(h.log.String(), "no cable") != 36 {
		t.Errorf("what does not go out is told as %v, and logged %d times", err, strings.Count(h.log.String(), "no cable"))
	}
}

// What waits holds its version: nobody may let it wait for good.
func TestAnOrderDoesNotWaitForGood(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	for within, ok := range map[time.Duration]bool{31 * 24 * time.Hour: true, 31*24*time.Hour + time.Second: false, 1 << 62: false} {
		_, err := h.Plan(fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2, Manifest: "bb", Within: within})
		if ok {
			check(t, err)
		} else {
			wantCode(t, within.String(), err, fleet.CodeBadOrder)
		}
	}
}
