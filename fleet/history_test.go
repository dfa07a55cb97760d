package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// years is a house whose store has more jobs than are kept in memory: 1 to 700 of two computers in turn, every tenth a
// verification, every seventh failed, the fifth was cancelled, the second one still waits.
func years(t *testing.T) (h *house, pc [2]string) {
	h = newHouse(t)
	pc = [2]string{h.enrol("k1", "pc1", hello(1)).ID, h.enrol("k2", "pc2", hello(2)).ID}
	var c fleet.Change
	for n := 1; n <= 700; n++ {
		id, kind, state := strconv.Itoa(n), job.KindReset, job.TaskDone
		if n%10 == 0 {
			kind = job.KindVerify
		}
		switch {
		case n%7 == 0:
			state = job.TaskFailed
		case n == 5:
			state = job.TaskCancelled
		}
		if n == 2 {
			kind, state = job.KindInventory, job.TaskWaiting
		}
		c.Jobs = append(c.Jobs, fleet.Job{ID: id, Kind: kind, Expires: h.now.Add(time.Hour)})
		c.Tasks = append(c.Tasks, fleet.Task{ID: id + "-1", Job: id, Computer: pc[n%2], State: state})
	}
	check(t, h.store.Commit(context.Background(), c))
	h.kill()
	return h, pc
}

// numbers lists the jobs of a query, at most so many.
func (h *house) numbers(q fleet.JobQuery, most int) (out []int) {
	h.t.Helper()
	for j, err := range h.History(context.Background(), q) {
		check(h.t, err)
		n, err := strconv.Atoi(j.Job.ID)
		check(h.t, err)
		if out = append(out, n); len(j.Tasks) != 1 || j.Tasks[0].Job != j.Job.ID {
			h.t.Fatalf("job %d has the tasks %+v", n, j.Tasks)
		}
		if len(out) == most {
			break
		}
	}
	return out
}

func TestJobsAreListedBeyondMemory(t *testing.T) {
	h, pc := years(t)
	if n := len(h.Jobs()); n != 501 {
		t.Fatalf("%d jobs are in memory, want 500 and the one that waits", n)
	}
	want := func(of func(n int) bool) (all []int) {
		for n := 700; n > 0; n-- {
			if of(n) {
				all = append(all, n)
			}
		}
		return all
	}
	for name, tt := range map[string]struct {
		q  fleet.JobQuery
		of func(n int) bool
	}{
		"all":                         {fleet.JobQuery{}, func(int) bool { return true }},
		"before one in memory":        {fleet.JobQuery{Before: 600}, func(n int) bool { return n < 600 }},
		"before the oldest there":     {fleet.JobQuery{Before: 201}, func(n int) bool { return n < 201 }},
		"before one in the store":     {fleet.JobQuery{Before: 150}, func(n int) bool { return n < 150 }},
		"before the first":            {fleet.JobQuery{Before: 1}, func(int) bool { return false }},
		"of a kind":                   {fleet.JobQuery{Kind: job.KindVerify}, func(n int) bool { return n%10 == 0 }},
		"of a computer":               {fleet.JobQuery{Computers: []string{pc[0], "gone"}}, func(n int) bool { return n%2 == 0 }},
		"that failed":                 {fleet.JobQuery{Task: job.TaskFailed}, func(n int) bool { return n%7 == 0 }},
		"that failed, before":         {fleet.JobQuery{Task: job.TaskFailed, Before: 300}, func(n int) bool { return n%7 == 0 && n < 300 }},
		"that were cancelled":         {fleet.JobQuery{Task: job.TaskCancelled}, func(n int) bool { return n == 5 }},
		"that are done":               {fleet.JobQuery{Task: job.TaskDone}, func(n int) bool { return n%7 != 0 && n != 2 && n != 5 }},
		"that wait":                   {fleet.JobQuery{Active: true}, func(n int) bool { return n == 2 }},
		"of nobody":                   {fleet.JobQuery{Computers: []string{}}, func(int) bool { return false }},
		"one, and none with its kind": {fleet.JobQuery{ID: "7", Kind: job.KindVerify}, func(int) bool { return false }},
	} {
		if got := h.numbers(tt.q, 0); !slices.Equal(got, want(tt.of)) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := h.numbers(fleet.JobQuery{}, 3); !slices.Equal(got, []int{700, 699, 698}) {
		t.Errorf("the first three: %v", got)
	}
	// A task in memory tells of itself what is not kept.
	h.next("k1")
	h.report("k1", job.Report{Task: "2-1", State: job.TaskRunning, Done: 5, Total: 10})
	for j, err := range h.History(context.Background(), fleet.JobQuery{Before: 3}) {
		if check(t, err); j.Job.ID == "2" && (j.Tasks[0].Progress == nil || j.Tasks[0].Progress.Done != 5) {
			t.Errorf("the one that runs is %+v", j.Tasks[0])
		}
	}
}

func TestAJobIsFoundBeyondMemory(t *testing.T) {
	h, _ := years(t)
	for _, n := range []int{1, 2, 199, 200, 201, 700} {
		j, err := h.FindJob(context.Background(), fmt.Sprint(n))
		if err != nil || j.Job.ID != fmt.Sprint(n) || len(j.Tasks) != 1 || j.Tasks[0].Active() != (n == 2) {
			t.Errorf("job %d: %+v, %v", n, j, err)
		}
	}
	_, err := h.JobByID("1")
	wantCode(t, "job 1 in memory", err, fleet.CodeNoJob)
	for _, id := range []string{"701", "0", "-1", "01", "1-1", "", "one"} {
		_, err := h.FindJob(context.Background(), id)
		wantCode(t, "job "+id, err, fleet.CodeNoJob)
	}
	_, err = h.Cancel(context.Background(), "1", "marie", false)
	wantCode(t, "cancelling one of last year", err, fleet.CodeJobOver)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var refused *fleet.RefusedError
	if _, err := h.FindJob(ctx, "1"); err == nil || errors.As(err, &refused) {
		t.Errorf("a job that could not be looked for: %v", err)
	}
}

// Who is asked for certificates, years later, has sold the computer and given its name to another.
func TestAWipeRemembersWhoseDiskItWas(t *testing.T) {
	h := newHouse(t)
	c := h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, c.ID)
	j := h.order(job.KindWipe, "pc")
	h.next("k")
	h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", Wipe: &job.WipeProof{Method: job.WipeSanitize}}})
	_, err := h.Rename(context.Background(), "pc", "new-name")
	check(t, err)
	_, err = h.Forget(context.Background(), c.ID, "marie")
	check(t, err)
	h.kill()
	want := fleet.Wiped{Name: "pc", Manufacturer: "Acme", Serial: "SN-0001", UUID: uuid(1), Room: "S104"}
	if got := h.state(j.Job.ID).Wiped; got == nil || *got != want {
		t.Errorf("it was the disk of %+v, want %+v", got, want)
	}
	if got := h.state(h.order(job.KindInventory, h.enrol("k9", "x", hello(9)).ID).Job.ID).Wiped; got != nil {
		t.Errorf("a look wiped %+v", got)
	}
}

// attic is a store in memory that keeps what is given to it, and not each second's page for the life of a test.
type attic struct {
	forgetful
	jobs  map[string]fleet.Job
	tasks map[string]fleet.Task
}

func (a *attic) Commit(_ context.Context, c fleet.Change) error {
	for _, j := range c.Jobs {
		a.jobs[j.ID] = j
	}
	for _, t := range c.Tasks {
		a.tasks[t.ID] = t
	}
	return nil
}

// OldJobs implements fleet.Archive.
func (a *attic) OldJobs(_ context.Context, q fleet.JobQuery) (out []fleet.JobState, err error) {
	for n := q.Before - 1; n > 0 && len(out) < q.Limit; n-- {
		if j, ok := a.jobs[strconv.Itoa(n)]; ok {
			out = append(out, fleet.JobState{Job: j, Tasks: []fleet.Task{a.tasks[j.ID+"-1"]}})
		}
	}
	return out, nil
}

// What is dropped from memory while the daemon runs is listed from the store, and nothing twice or not at all.
func TestJobsAreListedBeyondWhatIsDropped(t *testing.T) {
	h := immortal(t)
	store := &attic{jobs: map[string]fleet.Job{}, tasks: map[string]fleet.Task{}}
	var err error
	h.Fleet, err = fleet.Open(context.Background(), fleet.Options{Store: store, Archive: store, Signer: fakeSigner{}, Now: func() time.Time { return h.now }})
	check(t, err)
	h.enrol("k", "pc", hello(1))
	h.enrol("k2", "other", hello(2))
	h.order(job.KindInventory, "other")
	for range 2100 {
		j := h.order(job.KindInventory, "pc")
		h.next("k")
		h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
	}
	check(t, h.Tick(context.Background()))
	if n := len(h.Jobs()); n != 1001 {
		t.Fatalf("%d jobs are in memory", n)
	}
	all := h.numbers(fleet.JobQuery{}, 0)
	if !slices.IsSortedFunc(all, func(a, b int) int { return b - a }) || len(all) != 2101 || len(slices.Compact(all)) != 2101 {
		t.Errorf("%d jobs are listed, %v ...", len(all), all[:min(len(all), 5)])
	}
}
