package access

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// wireJob says a job in the words of the wire, with the tasks of the computers that the caller sees. A job without any of
// them is not there.
func (d Desk) wireJob(j fleet.JobState) (Job, error) {
	names, rooms := map[string]string{}, []string{}
	seen := make([]fleet.Task, 0, len(j.Tasks))
	for _, t := range j.Tasks {
		name, room := d.whose(t)
		if names[t.Computer] = name; name == "" && !d.c.Everywhere() {
			continue
		}
		if seen = append(seen, t); room != "" && !slices.Contains(rooms, room) {
			rooms = append(rooms, room)
		}
	}
	if j.Tasks = seen; len(seen) == 0 && !d.c.Everywhere() {
		return Job{}, &fleet.RefusedError{Code: fleet.CodeNoJob, What: fleet.Clean(j.Job.ID, 32)}
	}
	out := wireJob(j, func(id string) string {
		if name, known := names[id]; known {
			return name
		}
		return d.name(id)
	})
	if slices.Sort(rooms); len(rooms) > maxRoomsOf {
		rooms = append(rooms[:maxRoomsOf], "...")
	}
	out.Rooms = rooms
	return out, nil
}

// maxRoomsOf is how many rooms a job names.
const maxRoomsOf = 8

// whose is the name of a task's computer, and its room, if the caller sees it: of one that is gone and was wiped, those that it
// had then; of others that are gone, the id, to who sees everything.
func (d Desk) whose(t fleet.Task) (name, room string) {
	c, err := d.h.Fleet.Find(t.Computer)
	switch gone := err != nil || c.ID != t.Computer; {
	case !gone && d.sees(c):
		return c.Name, c.Room
	case gone && t.Wiped != nil && d.c.May(people.ActionSee, t.Wiped.Site, t.Wiped.Room):
		return t.Wiped.Name, t.Wiped.Room
	case gone && d.c.Everywhere():
		return t.Computer, ""
	}
	return "", ""
}

// mostJobs is how many jobs are listed where nobody says how many.
const mostJobs = 1000

// Jobs lists the jobs of a filter that the caller sees, newest first: those that are kept in memory, then those that the
// store still has.
func (d Desk) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	q := fleet.JobQuery{Kind: f.Kind}
	switch f.State {
	case "", job.TaskWaiting, job.TaskRunning: // of the last two each may have tasks that are over, or that wait
		q.Active = f.State != ""
	case job.TaskDone, job.TaskFailed, job.TaskCancelled:
		q.Task = f.State // of one of its tasks, and of more
	default:
		return nil, Bad(fmt.Sprintf("no job is %q", fleet.Clean(f.State, 32)))
	}
	if f.Before != "" {
		n, err := strconv.Atoi(f.Before)
		if err != nil || n < 1 {
			return nil, Bad(fmt.Sprintf("%q is no number of a job", fleet.Clean(f.Before, 32)))
		}
		q.Before = n
	}
	if f.Room != "" && !d.seesRoom(f.Room) {
		return nil, &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(f.Room, 64)}
	}
	if f.Room != "" || !d.c.Everywhere() {
		q.Computers = d.h.Fleet.IDs(func(site, room string) bool {
			return d.c.May(people.ActionSee, site, room) && (f.Room == "" || strings.EqualFold(f.Room, room))
		})
	}
	out, limit := []Job{}, f.Limit
	if limit <= 0 {
		limit = mostJobs
	}
	for j, err := range d.h.Fleet.History(ctx, q) {
		if err != nil {
			return nil, err
		}
		if x, err := d.wireJob(j); err == nil && (f.State == "" || f.State == x.State) {
			out = append(out, x)
		}
		if len(out) == limit {
			break
		}
	}
	return out, nil
}

// Job returns one job, with the whole report of its multicast session, and how fast it went.
func (d Desk) Job(ctx context.Context, id string) (Job, error) {
	j, err := d.h.Fleet.FindJob(ctx, id)
	if err != nil {
		return Job{}, err
	}
	out, err := d.wireJob(j)
	if err != nil {
		return Job{}, err
	}
	report, err := d.h.report(ctx, j.Job.Session)
	if err != nil {
		return Job{}, err
	}
	out.Session = d.censored(report)
	if d.h.Rates != nil {
		out.Rates, err = d.h.Rates.Of(ctx, id)
	}
	return out, err
}

// Brief returns one job with how its multicast session stands now, if that runs.
func (d Desk) Brief(ctx context.Context, id string) (Job, error) {
	j, err := d.h.Fleet.FindJob(ctx, id)
	if err != nil {
		return Job{}, err
	}
	out, err := d.wireJob(j)
	if err == nil {
		out.Session = d.censored(d.h.brief(j.Job.Session))
	}
	return out, err
}

// Active tells whether a task of the job is not over.
func (j Job) Active() bool {
	return slices.ContainsFunc(j.Tasks, func(t Task) bool { return t.State == "waiting" || t.State == "running" })
}

// watchPause is how often a watched job is looked at; agents report once a second.
const watchPause = 250 * time.Millisecond

// Watch yields a job at each of its changes until it is over or ctx ends. A job that is not there is an error.
func (d Desk) Watch(ctx context.Context, id string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		tick := time.NewTicker(watchPause)
		defer tick.Stop()
		var last Job
		for first := true; ; first = false {
			now, err := d.Brief(ctx, id)
			if err != nil {
				if first {
					yield(Job{}, err)
				}
				return
			}
			if first || !reflect.DeepEqual(now, last) {
				if !yield(now, nil) {
					return
				}
				last = now
			}
			if !now.Active() {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// Cancel ends a job, and names who goes on. Who does not see all of it, or may not give it, may not.
func (d Desk) Cancel(ctx context.Context, id string, c Cancel) (Job, error) {
	return change(ctx, d, deed{action: "job cancel", what: "job " + id}, func(e *deed) (Job, error) {
		j, err := d.h.Fleet.FindJob(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if _, err := d.wireJob(j); err != nil {
			return Job{}, err
		}
		for _, t := range j.Tasks {
			computer, err := d.h.Fleet.Find(t.Computer)
			switch {
			case err != nil || computer.ID != t.Computer: // its record is gone, and its task over
				continue
			case !d.sees(computer):
				return Job{}, forbidden("job " + id)
			}
			e.site, e.room = d.h.Fleet.SiteOf(computer), computer.Room
			if err := d.mayOn(actionOf(j.Job.Kind, j.Job.Version > 0 || j.Job.Disk != (job.DiskRule{})), computer); err != nil {
				return Job{}, err
			}
		}
		if j, err = d.h.Fleet.Cancel(ctx, id, d.by(), c.Force); err != nil {
			return Job{}, err
		}
		out, err := d.wireJob(j)
		for _, t := range j.Tasks {
			if name, _ := d.whose(t); t.Active() && t.Wrote {
				out.Going = append(out.Going, name)
			}
		}
		if n := len(out.Going); n > 0 {
			e.detail = fmt.Sprintf("%d go on, because their disks are being written", n)
		}
		return out, err
	})
}
