package access

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/ardoise/ardoise/fleet"
)

// wireJob says a job in the words of the wire, with the tasks of the computers that the caller sees. A job without any of
// them is not there.
func (d Desk) wireJob(j fleet.JobState) (Job, error) {
	if !d.c.Everywhere() {
		j.Tasks = slices.DeleteFunc(slices.Clone(j.Tasks), func(t fleet.Task) bool { return d.name(t.Computer) == "" })
		if len(j.Tasks) == 0 {
			return Job{}, &fleet.RefusedError{Code: fleet.CodeNoJob, What: fleet.Clean(j.Job.ID, 32)}
		}
	}
	return wireJob(j, d.name), nil
}

// Jobs lists the newest jobs that the caller sees, newest first. limit 0 is no limit.
func (d Desk) Jobs(limit int) ([]Job, error) {
	out := []Job{}
	n := limit
	if !d.c.Everywhere() {
		n = 0 // nobody knows how many of the newest are the caller's
	}
	for _, j := range d.h.Fleet.Newest(n) {
		if x, err := d.wireJob(j); err == nil {
			out = append(out, x)
		}
		if limit > 0 && len(out) == limit {
			break
		}
	}
	return out, nil
}

// Job returns one job, with the whole report of its multicast session, and how fast it went.
func (d Desk) Job(ctx context.Context, id string) (Job, error) {
	j, err := d.h.Fleet.JobByID(id)
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
func (d Desk) Brief(id string) (Job, error) {
	j, err := d.h.Fleet.JobByID(id)
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
			now, err := d.Brief(id)
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

// Cancel ends a job. Who does not see all of it, or may not give it, may not.
func (d Desk) Cancel(ctx context.Context, id string, c Cancel) (Job, error) {
	return change(ctx, d, deed{action: "job cancel", what: "job " + id}, func(e *deed) (Job, error) {
		j, err := d.h.Fleet.JobByID(id)
		if err != nil {
			return Job{}, err
		}
		if _, err := d.wireJob(j); err != nil {
			return Job{}, err
		}
		for _, t := range j.Tasks {
			computer, err := d.h.Fleet.Find(t.Computer)
			switch {
			case err != nil && d.c.Everywhere(): // its record is gone
				continue
			case err != nil || !d.sees(computer):
				return Job{}, forbidden("job " + id)
			}
			e.site, e.room = d.h.Fleet.SiteOf(computer), computer.Room
			if err := d.mayOn(actionOf(j.Job.Kind, j.Job.Version > 0), computer); err != nil {
				return Job{}, err
			}
		}
		if j, err = d.h.Fleet.Cancel(ctx, id, d.by(), c.Force); err != nil {
			return Job{}, err
		}
		return d.wireJob(j)
	})
}
