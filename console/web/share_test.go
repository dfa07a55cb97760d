package web

import (
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
)

func TestTheShareOfTheWorkThatIsDone(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	began := now.Add(-time.Minute)
	runs := func(step string, number int, done, total int64, before ...string) access.Task {
		x := access.Task{State: job.TaskRunning, Step: step, StepNumber: number, Steps: 6, Done: done, Total: total, Started: &began,
			Reception: &access.Reception{WireRate: 10, DiskRate: 20}}
		for _, s := range before {
			x.Timings = append(x.Timings, job.StepTime{Step: s, Seconds: 1})
		}
		return x
	}
	is := func(state string) access.Task { return access.Task{State: state, Done: 7, Total: 9} }
	times := func(n int, x access.Task) (out []access.Task) {
		for range n {
			out = append(out, x)
		}
		return out
	}
	for name, c := range map[string]struct {
		tasks   []access.Task
		percent int
	}{
		"nothing":                         {nil, -1},
		"all wait":                        {times(3, is(job.TaskWaiting)), -1},
		"all over":                        {times(3, is(job.TaskDone)), -1},
		"ten deployments at 40 %":         {times(10, runs("restore", 4, 40, 100)), 40},
		"one of two done, the other half": {[]access.Task{is(job.TaskDone), runs("restore", 4, 50, 100)}, 75},
		"one waits, one is half done":     {[]access.Task{is(job.TaskWaiting), runs("restore", 4, 50, 100)}, 25},
		"who failed holds nobody back":    {append(times(5, is(job.TaskFailed)), runs("restore", 4, 40, 100)), 40},
		"the countdown is no work":        {times(1, runs("countdown", 3, 9, 10)), 0},
		"all but the last byte":           {times(1, runs("restore", 4, 100, 100)), 99},
		"one of two has its last byte":    {[]access.Task{runs("restore", 4, 100, 100), runs("restore", 4, 99, 100)}, 99},
		"staging after a deployment":      {times(1, runs("stage", 6, 1, 100, "disk", "restore")), 99},
		"staging alone":                   {times(1, runs("stage", 2, 50, 100, "checking")), 37},
		"a reset that reads back":         {times(1, runs("read-back", 5, 0, 100, "look", "repair")), 75},
		"a step of tomorrow":              {times(1, runs("polish", 4, 50, 100)), 58},
		"more than there is":              {times(1, runs("restore", 4, 500, 100)), 99},
		"less than nothing":               {times(1, runs("restore", 4, -5, 100)), 0},
		"a total of nothing":              {times(1, runs("restore", 4, 5, 0)), 0},
		"a step before the first":         {times(1, runs("", 0, 0, 0)), 0},
	} {
		w := workOf(c.tasks, now)
		if w.Percent != c.percent {
			t.Errorf("%s: %d %%, it is %d %%", name, w.Percent, c.percent)
		}
		length := 0
		for _, p := range w.Bar {
			if p.N < 0 {
				t.Errorf("%s: a part of the bar is %d", name, p.N)
			}
			length += p.N
		}
		if length != len(c.tasks)*whole {
			t.Errorf("%s: the bar is %d long", name, length)
		}
	}
	// A deployment never falls back, however its phases begin anew; a number beyond what there is hurts nobody
	alone := []string{restore.PhaseScan, restore.PhaseBreak, restore.PhaseData, restore.PhaseMetadata, restore.PhaseHeads, restore.PhaseVerify}
	together := []string{restore.PhaseReceive, restore.PhaseBreak, restore.PhaseData, restore.PhaseMetadata, restore.PhaseHeads, restore.PhaseVerify}
	for state, phases := range map[string][]string{job.ReceptionNone: alone, job.ReceptionOver: together} {
		last := 0.0
		for _, phase := range phases {
			for done := range int64(102) {
				x := runs("restore", 4, done, 100)
				x.Phase, x.Reception = phase, &access.Reception{State: state}
				s := share(&x)
				if s < last || s > 1 {
					t.Fatalf("%s, %d %%: the share is %v after %v", phase, done, s, last)
				}
				last = s
			}
		}
		if last != 1 {
			t.Errorf("a deployment ends at %v", last)
		}
	}
	half := runs("restore", 4, 50, 100)
	half.Phase = restore.PhaseReceive
	if s := share(&half); s != 0.375 {
		t.Errorf("half of what a session brings is %v", s)
	}
	w := workOf([]access.Task{runs("restore", 4, 40, 100), runs("restore", 4, 20, 100), is(job.TaskDone)}, now)
	if w.Wire != 20 || w.Disk != 40 || w.Left != 4*time.Minute {
		t.Errorf("two that run: %d and %d bytes a second, %s left", w.Wire, w.Disk, w.Left)
	}
}

// A room says how far its work is, with those whose part is over; what waits for the night does not count.
func TestARoomSaysHowFarItsWorkIs(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 4)
	s.person("marie", people.Administrator, nil, nil)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01", "S104-02", "S104-03"}}, v)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-04"}, At: s.now.Add(10 * time.Hour)}, v)
	s.done(1)
	for _, n := range []int{2, 3} {
		s.report(n, func(*job.Report) {})
		s.report(n, func(r *job.Report) {
			r.Step, r.Done, r.Total, r.Session = 3, 40, 100, &job.Reception{WireRate: 20_000_000}
		})
	}
	s.now = s.now.Add(time.Minute)
	marie := s.as("marie")
	for _, page := range []string{"/", "/rooms/S104"} {
		body := marie.want(page, 200, "60 % done")
		for _, want := range []string{"40.0\u00a0MB/s", "2 min left", `class="s-ok" x="0.0" width="333.3"`, `class="s-running" x="333.3" width="266.7"`, "<b>2</b>"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %s\n%s", page, want, body[max(strings.Index(body, "board-says")-400, 0):][:1500])
			}
		}
	}
}
