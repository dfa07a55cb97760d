package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// A region whose computers are reset at each start has more jobs in a day than are kept in memory.
func TestTheMorningsReportIsOfMoreThanMemoryHas(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	library, err1 := masters.Open(dir, masters.Options{})
	store, err2 := sqlite.Open(t.Context(), filepath.Join(dir, "db"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(store.Close(), library.Close()); err != nil {
			t.Error(err)
		}
	})
	c := fleet.Change{Computers: []fleet.Computer{{ID: "c1", Name: "pc1", Key: "k", State: fleet.Enrolled}}}
	for n := 1; n <= 1000; n++ { // the first hundred ended the day before, and long before that another that was planned
		id, at := fmt.Sprint(n), now.Add(time.Duration(n-1000)*time.Minute)
		if n <= 100 {
			at = at.AddDate(0, 0, -3)
		}
		c.Jobs = append(c.Jobs, fleet.Job{ID: id, Kind: job.KindReset, Created: at})
		c.Tasks = append(c.Tasks, fleet.Task{ID: id + "-1", Job: id, Computer: "c1", State: job.TaskDone, Ended: at})
	}
	c.Jobs[0].Created = now.AddDate(0, -3, 0)
	c.Tasks[0].Ended = now.AddDate(0, -3, 1)
	c.Jobs[1].Created = now.AddDate(0, 0, -30) // it waited for weeks, and ended in the night
	c.Tasks[1].Ended = now.Add(-time.Hour)
	if err := store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s := &site{}
	clock := func() time.Time { return now }
	var err error
	if s.fleet, err = fleet.Open(t.Context(), fleet.Options{Store: store, Archive: store, Signer: library.Key(), Now: clock, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	if s.requests, err = requests.Open(t.Context(), requests.Options{Store: store, Now: clock}); err != nil {
		t.Fatal(err)
	}
	s.post = post.Open(post.Options{Path: filepath.Join(dir, "post.json"), Source: s.report, Sites: s.audiences, Now: clock})
	r, err := s.report(t.Context(), post.Audience{All: true}, now.AddDate(0, 0, -1), now.Add(time.Second))
	if err != nil || len(r.Jobs) != 901 || r.Jobs[0].ID != "101" || r.Jobs[900].ID != "1000" {
		t.Errorf("%d jobs are told of, %v; want 901", len(r.Jobs), err)
	}
}
