package web

import (
	"slices"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
)

// work is how far several tasks are, as one number and as a bar: what a room or a job shows while it goes on.
type work struct {
	Percent    int           // of what is to be done by the tasks that did not end badly, under 100; -1: none runs
	Wire, Disk int64         // bytes a second, of all that run
	Left       time.Duration // of the slowest that runs, as far as one can tell; 0: nobody can
	Bar        []part        // each task has the same length: what is done, what runs by its share, what went wrong; the rest is to do
}

// whole is the length of a task in a bar.
const whole = 1000

// workOf sums what tasks have done: ten deployments at 40 % are at 40 %, not at nought of ten.
func workOf(tasks []access.Task, now time.Time) work {
	w := work{Percent: -1}
	count := map[string]int{}
	moving := 0 // of those that run
	for i := range tasks {
		t := &tasks[i]
		count[t.State]++
		if t.State != job.TaskRunning {
			continue
		}
		moving += int(share(t) * whole)
		if x := t.Reception; x != nil {
			w.Wire, w.Disk = w.Wire+x.WireRate, w.Disk+x.DiskRate
		}
		if d, ok := remaining(t, now); ok {
			w.Left = max(w.Left, d)
		}
	}
	done, lost := count[job.TaskDone]*whole, count[job.TaskFailed]*whole
	w.Bar = []part{{job.TaskFailed, lost}, {job.TaskCancelled, count[job.TaskCancelled] * whole}, {"ok", done}, {job.TaskRunning, moving},
		{"", count[job.TaskRunning]*whole - moving + count[job.TaskWaiting]*whole}}
	if count[job.TaskRunning] > 0 {
		w.Percent = min(percent(int64(done+moving), int64((count[job.TaskDone]+count[job.TaskRunning]+count[job.TaskWaiting])*whole)), 99)
	}
	return w
}

// stretch is the part of a task that a step is: where it begins and how long it is, of 1. Steps that move the bytes of a
// disk take the time; the others take seconds. What this table does not know is measured by its number.
func stretch(step string) (begin, length float64, known bool) {
	switch notices.Word(step) {
	case notices.StepDisk, notices.StepManifest, notices.StepChecking, notices.StepCountdown, notices.StepFetch, notices.StepInventory,
		notices.StepReport, notices.StepScript:
		return 0, 0, true
	case notices.StepRestore, notices.StepCapture, notices.StepVerify:
		return 0, 1, true
	case notices.StepLook:
		return 0, 0.5, true
	case notices.StepRepair:
		return 0.5, 0.25, true
	case notices.StepStage, notices.StepWipe:
		return 0, 0.75, true
	case notices.StepReadBack:
		return 0.75, 0.25, true
	case notices.StepBoot, notices.StepPublish, notices.StepEnd:
		return 1, 0, true
	}
	return 0, 0, false
}

// within is how much of a task's present step is done, of 1. Making a disk equal to a version reads it, writes what differs
// and reads it back: a deployment shows that as one step, whose bytes begin anew with each phase.
func within(t *access.Task) float64 {
	part := 0.0
	if t.Total > 0 {
		part = min(max(float64(t.Done)/float64(t.Total), 0), 1)
	}
	if t.Step != string(notices.StepRestore) {
		return part
	}
	if t.Reception != nil && t.Reception.State != job.ReceptionNone {
		switch t.Phase {
		case restore.PhaseBreak, restore.PhaseData, restore.PhaseMetadata: // what the session did not bring: little
			return 0.75
		}
	}
	switch t.Phase {
	case restore.PhaseScan, restore.PhaseProve:
		return part * 0.25
	case restore.PhaseReceive: // reads, and writes what the session brings
		return part * 0.75
	case restore.PhaseBreak:
		return 0.25
	case restore.PhaseData:
		return 0.25 + part*0.45
	case restore.PhaseMetadata:
		return 0.7 + part*0.05
	case restore.PhaseHeads:
		return 0.75
	case restore.PhaseVerify:
		return 0.75 + part*0.25
	}
	return part
}

// share is how much of a task that runs is done, of 1.
func share(t *access.Task) float64 {
	begin, length, known := stretch(t.Step)
	switch {
	case slices.ContainsFunc(t.Timings, func(s job.StepTime) bool { return s.Step == string(notices.StepRestore) }):
		return 1 // what a deployment does after the disk is proven is for next time
	case known:
		return begin + within(t)*length
	case t.Steps > 0:
		return min((float64(max(t.StepNumber-1, 0))+within(t))/float64(t.Steps), 1)
	}
	return within(t)
}

// hundredths is a share for people: what goes on is not done.
func hundredths(share float64) int { return min(int(100*share), 99) }

// remaining guesses how long the present step of a task takes, by how long it took so far. Nobody can tell at its
// beginning.
func remaining(t *access.Task, now time.Time) (time.Duration, bool) {
	part := within(t)
	if t.Started == nil || part < 0.02 {
		return 0, false
	}
	began := *t.Started
	for _, s := range t.Timings {
		began = began.Add(time.Duration(s.Seconds * float64(time.Second)))
	}
	took := now.Sub(began)
	if took < 2*time.Second {
		return 0, false
	}
	return time.Duration(float64(took) * (1 - part) / part), true
}
