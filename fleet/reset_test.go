package fleet_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// task asks for a task once and reads what the computer is told.
func (h *house) task(key string) job.Task {
	h.t.Helper()
	e := h.next(key)
	var out job.Task
	if e == nil {
		return out
	}
	check(h.t, json.Unmarshal(e.Payload, &out))
	return out
}

// holding makes a computer that was proven to hold a version.
func (h *house) holding(key, name string, n int, master, manifest string) fleet.Computer {
	h.t.Helper()
	h.enrol(key, name, hello(n))
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{name}, Master: master, Version: 1,
		Manifest: manifest})
	check(h.t, err)
	h.next(key)
	h.report(key, job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	return h.computer(name)
}

// room makes a room with some computers in it.
func (h *house) room(name string, change func(*fleet.Room), computers ...string) {
	h.t.Helper()
	_, err := h.SetRoom(context.Background(), name, "marie", change)
	check(h.t, err)
	if len(computers) > 0 {
		_, err = h.Place(context.Background(), computers, name, "marie")
		check(h.t, err)
	}
}

func asItIs(*fleet.Room) {}

func TestAResetIsToWhatEachComputerHolds(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	h.holding("k2", "pc2", 2, "deb", "bb")
	h.room("S104", asItIs, "pc1", "pc2")
	h.kill()
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Room: "s104", Level: job.LevelQuick, By: "marie"})
	check(t, err)
	if len(j.Tasks) != 2 || j.Job.Session != "" || j.Job.Manifest != "" {
		t.Fatalf("the job is %+v with %d tasks", j.Job, len(j.Tasks))
	}
	h.kill()
	for key, want := range map[string]string{"k1": "aa", "k2": "bb"} {
		got := h.task(key)
		if got.Kind != job.KindReset || got.Manifest != want || got.Version != 1 || got.Level != job.LevelQuick || got.Session != "" {
			t.Errorf("%s is told %+v, want a quick reset to %s", key, got, want)
		}
		if r := got.Disk; r.Serial != "D" || r.Bus != "sata" || r.MinSize != 1<<30 || r.MaxSize != 1<<30 {
			t.Errorf("%s is told to reset the disk %+v, want the one that was proven", key, r)
		}
		if _, task, err := h.Running(key); err != nil || task.Target.Manifest != want {
			t.Errorf("the running task of %s: %+v, %v", key, task.Target, err)
		}
		if j, _, err := h.Running(key); err != nil || j.Manifest != want {
			t.Errorf("what %s may fetch is %q, %v", key, j.Manifest, err)
		}
	}
	if uses := h.Uses("aa"); len(uses) == 0 {
		t.Error("nobody needs the version that a computer is being reset to")
	}
}

func TestWhatAResetLoses(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	plan, err := h.Plan(fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}})
	check(t, err)
	if l := plan[0].Loses; !strings.HasPrefix(l, "everything that was changed since 2026-11-22") || !strings.Contains(l, "/dev/sda") {
		t.Errorf("a reset loses %q", l)
	}
	plan, err = h.Plan(fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}, Master: "other", Version: 4, Manifest: "dd"})
	check(t, err)
	if l := plan[0].Loses; !strings.HasPrefix(l, "everything on /dev/sda") {
		t.Errorf("a reset to another version loses %q", l)
	}
}

func TestResetsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	h.enrol("k2", "new", hello(2))
	h.room("S104", asItIs, "pc1", "new")
	h.room("empty", asItIs)
	reset := func(change func(*fleet.Order)) fleet.Order {
		o := fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}}
		change(&o)
		return o
	}
	for name, tt := range map[string]struct {
		order fleet.Order
		code  fleet.Code
	}{
		"of a disk that nothing is known of": {reset(func(o *fleet.Order) { o.Computers = []string{"new"} }), fleet.CodeNotProven},
		"of a room with such a one":          {reset(func(o *fleet.Order) { o.Room = "S104" }), fleet.CodeNotProven},
		"of a room that does not exist":      {reset(func(o *fleet.Order) { o.Room = "S105" }), fleet.CodeNoRoom},
		"of an empty room":                   {reset(func(o *fleet.Order) { o.Computers, o.Room = nil, "empty" }), fleet.CodeBadOrder},
		"of half a level":                    {reset(func(o *fleet.Order) { o.Level = "half" }), fleet.CodeBadOrder},
		"to a manifest without a version":    {reset(func(o *fleet.Order) { o.Manifest = "aa" }), fleet.CodeBadOrder},
		"yesterday":                          {reset(func(o *fleet.Order) { o.At = h.now.Add(-24 * time.Hour) }), fleet.CodeBadOrder},
		"in ten years":                       {reset(func(o *fleet.Order) { o.At = h.now.AddDate(10, 0, 0) }), fleet.CodeBadOrder},
		"of a disk that is not there":        {reset(func(o *fleet.Order) { o.Disk.Serial = "X" }), fleet.CodeNoDisk},
		"where all are left out": {reset(func(o *fleet.Order) {
			o.Computers, o.Skip = []string{"new"}, true
		}), fleet.CodeEmpty},
	} {
		_, err := h.Give(context.Background(), tt.order)
		wantCode(t, "a reset "+name, err, tt.code)
	}
	j, err := h.Give(context.Background(), reset(func(o *fleet.Order) { o.Room, o.Skip = "S104", true }))
	if err != nil || len(j.Tasks) != 1 {
		t.Errorf("with those left out that cannot take it: %d tasks, %v", len(j.Tasks), err)
	}
}

// What a reset makes the disk equal to is what the computer holds when it begins, not when it was ordered.
func TestAResetForTonightFollowsADeploymentOfToday(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	tonight := h.now.Add(14 * time.Hour)
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}, At: tonight})
	check(t, err)
	h.kill()
	if h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}).Agent {
		t.Error("it starts the agent before its time")
	}
	if e := h.next("k1"); e != nil {
		t.Error("it is handed out before its time")
	}
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}, At: tonight.Add(time.Hour)})
	wantCode(t, "a second one for tonight", err, fleet.CodeBusy)
	_, err = h.Refuse(context.Background(), "pc1", "marie")
	wantCode(t, "throwing out a computer that waits for its time", err, fleet.CodeBusy)
	d, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "win", Version: 2,
		Manifest: "bb"})
	check(t, err)
	h.next("k1")
	h.report("k1", job.Report{Task: d.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	h.now = tonight
	h.kill()
	if !h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}).Agent {
		t.Error("its time has come, and it does not start the agent")
	}
	got := h.task("k1")
	if got.Job != j.Job.ID || got.Manifest != "bb" || got.Version != 2 {
		t.Errorf("it is told %+v, want a reset to bb", got)
	}
	h.kill()
	if again := h.task("k1"); again.Manifest != "bb" {
		t.Errorf("after a power cut it is told %+v", again)
	}
	h.report("k1", job.Report{Task: got.ID, State: job.TaskFailed, Outcome: &job.Outcome{Code: "io"}})
	if c := h.computer("pc1"); c.Runs == nil || c.Runs.Manifest != "bb" {
		t.Errorf("a reset that wrote nothing leaves it with %+v", c.Runs)
	}
}

func TestAResetOfWhatIsNotKnownAnyMoreIsNotHandedOut(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc1"}, At: h.now.Add(time.Hour)})
	check(t, err)
	d, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "win", Version: 2,
		Manifest: "bb"})
	check(t, err)
	h.next("k1")
	h.report("k1", job.Report{Task: d.Tasks[0].ID, State: job.TaskFailed, Outcome: &job.Outcome{Code: "io", WrittenBytes: 1}})
	h.now = h.now.Add(2 * time.Hour)
	if got := h.task("k1"); got.ID != "" {
		t.Errorf("it is told %+v", got)
	}
	if got := h.state("2"); got.State != job.TaskCancelled || got.Outcome.Code != fleet.OutcomeNotProven {
		t.Errorf("the task is %s, %+v", got.State, got.Outcome)
	}
}

func TestJobsOfAnotherTimeDoNotShareASession(t *testing.T) {
	h := newHouse(t)
	var all []string
	for n := range 4 {
		name := string(rune('a' + n))
		h.enrol("k"+name, name+"pc", hello(n+1))
		all = append(all, name+"pc")
	}
	deploy := func(at time.Time, computers ...string) string {
		j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: computers, Master: "m", Version: 1,
			Manifest: "aa", At: at})
		check(t, err)
		return j.Job.Session
	}
	tonight := deploy(h.now.Add(time.Hour), all[:2]...)
	if now := deploy(time.Time{}, all[2:]...); now == tonight {
		t.Error("who deploys now waits in a session for those of tonight")
	}
	staged, err := h.Give(context.Background(), fleet.Order{Kind: job.KindStage, Computers: all[:2], Master: "m", Version: 1, Manifest: "aa"})
	check(t, err)
	if staged.Job.Session == "" || staged.Job.Session == tonight {
		t.Errorf("two computers are staged by the session %q", staged.Job.Session)
	}
	if with := deploy(h.now.Add(time.Hour), all[2:]...); with != tonight {
		t.Errorf("two orders for the same hour have sessions %s and %s", tonight, with)
	}
}
