package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Times of what begins by itself.
const (
	tickEvery = 15 * time.Second
	// nightWindow is how late a night's work may begin: a daemon that is started in the morning lets the night pass.
	nightWindow = 2 * time.Hour
	// nightWithin is how long it waits for a computer to wake: one that a pupil starts in the morning is not reset then.
	nightWithin = 3 * time.Hour
	wakeEvery   = 2 * time.Minute
	maxWakes    = 3
)

// theNight orders what rooms have done at night.
const theNight = "the room's policy"

// RunClock does what begins at its time, until ctx ends.
func (f *Fleet) RunClock(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		if err := f.Tick(ctx); err != nil && ctx.Err() == nil {
			f.o.Log.Error("doing what begins at its time", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tick does what is due now: nights, tasks that nobody asked for in time, computers to be woken.
func (f *Fleet) Tick(ctx context.Context) error {
	f.forgetOld()
	return errors.Join(f.expire(ctx), f.closeWindows(ctx), f.giveSchedules(ctx), f.nights(ctx), f.wakeUp(ctx))
}

// keptJobs is how many jobs are kept in memory, besides those that are not over; the store has more.
const keptJobs = 1000

// forgetOld drops old jobs from memory: rooms that are reset at each start make many.
func (f *Fleet) forgetOld() {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.jobs) < 2*keptJobs {
		return
	}
	needed, sessions := map[string]bool{}, map[string]bool{}
	for _, ids := range f.active {
		for _, id := range ids {
			j := f.jobs[f.tasks[id].Job]
			needed[j.ID] = true
			sessions[j.Session] = j.Session != ""
		}
	}
	ids := slices.SortedFunc(maps.Keys(f.jobs), compareNumbers)
	old := ids[:len(ids)-keptJobs]
	f.whole = jobNumber(old[len(old)-1])
	for _, id := range old {
		if !needed[id] && !sessions[f.jobs[id].Session] {
			f.drop(f.jobs[id])
		}
	}
}

// drop forgets a job and its tasks, which the store keeps. The caller holds mu.
func (f *Fleet) drop(j Job) {
	for _, id := range f.tasksOf[j.ID] {
		if c := f.tasks[id].Computer; f.latest[c] == id {
			delete(f.latest, c)
		}
		delete(f.tasks, id)
	}
	delete(f.tasksOf, j.ID)
	delete(f.jobs, j.ID)
	if j.Session == "" {
		return
	}
	left := slices.DeleteFunc(f.jobsOf[j.Session], func(id string) bool { return id == j.ID })
	if len(left) == 0 {
		delete(f.jobsOf, j.Session)
		return
	}
	f.jobsOf[j.Session] = left
}

// nightOf returns when a room's night of this day begins.
func nightOf(r Room, now time.Time) (at time.Time, ok bool) {
	t, err := time.Parse("15:04", r.Night)
	if err != nil {
		return at, false
	}
	y, m, d := now.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, now.Location()), true
}

// nights orders the reset of every room whose night has begun.
func (f *Fleet) nights(ctx context.Context) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	now := f.o.Now().In(f.o.Zone)
	day := now.Format(time.DateOnly)
	var errs []error
	for _, r := range f.Rooms() {
		at, ok := nightOf(r, now)
		if r.Policy != job.PolicyNight || !ok || r.NightDone == day || now.Before(at) {
			continue
		}
		r.NightDone = day
		errs = append(errs, f.night(ctx, r, now.Sub(at)))
	}
	return errors.Join(errs...)
}

// night orders one room's night, and keeps in the same decision that it was. The caller holds deciding.
func (f *Fleet) night(ctx context.Context, r Room, late time.Duration) error {
	pass := func(severity Severity, format string, args ...any) error {
		e := f.event("night", severity, Computer{Room: r.Name}, Task{}, "room %s: %s", r.Name, fmt.Sprintf(format, args...))
		return f.commit(ctx, Change{Rooms: []Room{r}, Events: []Event{e}})
	}
	if late > nightWindow {
		return pass(Warning, "the server was not there when its night began, so nothing is reset")
	}
	var names []string
	for _, c := range f.InRoom(r.Name) {
		if _, later := f.scheduledOf(c.ID); !later { // somebody has other plans with it
			names = append(names, c.ID)
		}
	}
	if len(names) == 0 {
		return pass(Info, "no computer is to be reset")
	}
	// Nobody waits at night, so everything is read: what a quick reset cannot see ends there.
	_, err := f.give(ctx, Order{Kind: job.KindReset, Computers: names, Level: job.LevelFull, Ending: job.EndPowerOff, By: theNight,
		Within: nightWithin, Wake: true, Skip: true}, Change{Rooms: []Room{r}})
	var refused *RefusedError
	if errors.As(err, &refused) {
		return pass(Warning, "no computer could be reset: %v", refused)
	}
	return err
}

// expire ends tasks that nobody asked for in time, or that were taken and never began to write: a computer that stays away
// must not block what comes after.
func (f *Fleet) expire(ctx context.Context) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	now := f.o.Now()
	f.mu.RLock()
	var over []Task
	for _, ids := range f.active {
		for _, id := range ids {
			t := f.tasks[id]
			quiet := now.Sub(f.lastWord(t)) > silence && now.Sub(f.opened) > silence
			away := t.State == job.TaskWaiting || f.jobs[t.Job].Kind != job.KindCapture && !t.Wrote && quiet
			if away && now.After(f.jobs[t.Job].Expires) {
				over = append(over, t)
			}
		}
	}
	f.mu.RUnlock()
	for _, t := range over {
		out := &job.Outcome{Code: OutcomeExpired, Detail: outcomeDetail(OutcomeExpired)}
		c, _ := f.computers.get(t.Computer)
		if _, err := f.end(ctx, c, t, job.TaskCancelled, out); err != nil {
			return err
		}
	}
	return nil
}
