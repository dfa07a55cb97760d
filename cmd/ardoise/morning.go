package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/imaging/job"
)

// audiences are the sites whose people get a report of their own.
func (s *site) audiences() (out []post.Audience) {
	for _, x := range s.fleet.Sites() {
		if len(x.Mail) > 0 {
			out = append(out, post.Audience{Site: x.Name, Title: x.Title, To: x.Mail})
		}
	}
	return out
}

// lately yields the jobs that may have ended since a time: those that were ordered since then or in the 32 days before, for
// an order waits 31 days at most, and those in memory that were planned long ago.
func (s *site) lately(ctx context.Context, since time.Time) iter.Seq2[fleet.JobState, error] {
	return func(yield func(fleet.JobState, error) bool) {
		seen := map[string]bool{}
		for j, err := range s.fleet.History(ctx, fleet.JobQuery{}) {
			if err == nil && j.Job.Created.Before(since.AddDate(0, 0, -32)) {
				break
			}
			if seen[j.Job.ID] = true; !yield(j, err) || err != nil {
				return
			}
		}
		for _, j := range s.fleet.Jobs() {
			if !seen[j.Job.ID] && !yield(j, nil) {
				return
			}
		}
	}
}

// report tells an audience of the jobs that ended in a span of time, oldest first.
func (s *site) report(ctx context.Context, of post.Audience, since, until time.Time) (post.Report, error) {
	box, err := os.Hostname()
	if err != nil {
		return post.Report{}, fmt.Errorf("asking for the name of this machine: %w", err)
	}
	language := s.post.Standing().Settings.Language
	if language == "" {
		language = notices.French
	}
	out := post.Report{Box: box, Site: of.Title, Link: s.consoleAddress(), Since: since, Until: until, Jobs: []post.Job{}}
	for j, err := range s.lately(ctx, since) {
		if err != nil {
			return out, err
		}
		if j.Active() {
			continue
		}
		x := post.Job{ID: j.Job.ID, Kind: string(j.Job.Kind), By: j.Job.OrderedBy, Failed: []post.Failure{}}
		if x.What = j.Job.Master; j.Job.Version > 0 {
			x.What = fmt.Sprintf("%s@%d", j.Job.Master, j.Job.Version)
		}
		for _, t := range j.Tasks {
			if t.Ended.After(x.Ended) {
				x.Ended = t.Ended
			}
			c, err := s.fleet.Find(t.Computer)
			gone := err != nil || c.ID != t.Computer
			if !of.All && (gone || s.fleet.SiteOf(c) != of.Site) {
				continue
			}
			x.Total++
			switch {
			case t.State == job.TaskDone:
				x.Done++
			case t.State == job.TaskCancelled && (t.Outcome == nil || t.Outcome.Code == fleet.OutcomeCancelled): // by a person
				x.Cancelled++
			default:
				f := post.Failure{Computer: t.Computer}
				if !gone {
					f.Computer, f.Room = c.Name, c.Room
				}
				if o := t.Outcome; o != nil {
					text := notices.Outcome(language, o.Code, o.Detail)
					f.Happened, f.Do = text.What, text.Do
				}
				x.Failed = append(x.Failed, f)
			}
		}
		if x.Total > 0 && !x.Ended.Before(since) && x.Ended.Before(until) {
			out.Jobs = append(out.Jobs, x)
		}
	}
	slices.SortFunc(out.Jobs, func(a, b post.Job) int { return a.Ended.Compare(b.Ended) })
	return out, s.asked(ctx, of, &out)
}

// mostAsked is how many open requests a report tells of one by one.
const mostAsked = 50

// asked adds the requests that nobody has answered to a report.
func (s *site) asked(ctx context.Context, of post.Audience, out *post.Report) error {
	q := requests.Query{States: []requests.State{requests.StateOpen}, Limit: 1000}
	if !of.All {
		q.Sites = []string{of.Site}
	}
	found, err := s.requests.List(ctx, q)
	if err != nil {
		return err
	}
	out.Open = len(found)
	for _, r := range found[:min(len(found), mostAsked)] {
		x := post.Request{ID: r.ID, Computer: r.Computer, Room: r.Room, Text: r.Text, Created: r.Created}
		if c, err := s.fleet.Find(r.Computer); r.Computer != "" && err == nil {
			x.Computer = c.Name
		}
		out.Requests = append(out.Requests, x)
	}
	return nil
}
