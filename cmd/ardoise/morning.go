package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	shown "github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// report tells of the jobs that ended in a span of time, oldest first.
func (s *site) report(_ context.Context, since, until time.Time) (post.Report, error) {
	box, err := os.Hostname()
	if err != nil {
		return post.Report{}, fmt.Errorf("asking for the name of this machine: %w", err)
	}
	settings, err := s.post.Settings()
	if settings.Language == "" || err != nil { // what was wrong with the last report does not stand in the way of this one
		settings.Language = notices.French
	}
	out := post.Report{Box: box, Link: s.consoleAddress(), Since: since, Until: until, Jobs: []post.Job{}}
	for _, j := range s.fleet.Jobs() {
		if j.Active() {
			continue
		}
		x := post.Job{ID: j.Job.ID, Kind: string(j.Job.Kind), By: j.Job.OrderedBy, Total: len(j.Tasks), Failed: []post.Failure{}}
		if x.What = j.Job.Master; j.Job.Version > 0 {
			x.What = fmt.Sprintf("%s@%d", j.Job.Master, j.Job.Version)
		}
		for _, t := range j.Tasks {
			if t.Ended.After(x.Ended) {
				x.Ended = t.Ended
			}
			switch t.State {
			case job.TaskDone:
				x.Done++
			case job.TaskCancelled:
				x.Cancelled++
			default:
				x.Failed = append(x.Failed, s.failure(t, settings.Language))
			}
		}
		if !x.Ended.Before(since) && x.Ended.Before(until) {
			out.Jobs = append(out.Jobs, x)
		}
	}
	slices.SortFunc(out.Jobs, func(a, b post.Job) int { return a.Ended.Compare(b.Ended) })
	return out, nil
}

// failure says why a task failed, and where to look.
func (s *site) failure(t fleet.Task, l notices.Language) post.Failure {
	out := post.Failure{Computer: t.Computer}
	if c, err := s.fleet.Find(t.Computer); err == nil {
		out.Computer, out.Room = c.Name, c.Room
	}
	if o := t.Outcome; o != nil {
		out.Happened = cmp.Or(o.Detail, o.Code)
		out.Do = shown.Get(shown.Code(o.Code)).Do.In(shown.Lang(l))
	}
	return out
}
