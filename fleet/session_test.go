package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// deployed orders a deployment of a manifest to computers that it enrols, and returns its session.
func (h *house) deployed(o fleet.Order, from, count int) string {
	h.t.Helper()
	for n := range count {
		name := fmt.Sprintf("pc%d", from+n)
		h.enrol("key-"+name, name, hello(from+n))
		o.Computers = append(o.Computers, name)
	}
	o.Kind, o.Master, o.Version, o.By = job.KindDeploy, "m", 1, "marie"
	j, err := h.Give(context.Background(), o)
	check(h.t, err)
	return j.Job.Session
}

func TestWhichTasksShareASession(t *testing.T) {
	h := newHouse(t)
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s has the session %q, want %q", what, got, want)
		}
	}
	want("a single computer", h.deployed(fleet.Order{Manifest: "aa"}, 1, 1), "")
	want("two that were told to go alone", h.deployed(fleet.Order{Manifest: "aa", Unicast: true}, 2, 2), "")
	want("a room", h.deployed(fleet.Order{Manifest: "aa"}, 4, 2), "3")
	want("another room with the same master", h.deployed(fleet.Order{Manifest: "aa"}, 6, 2), "3")
	want("one whose master shares chunks", h.deployed(fleet.Order{Manifest: "bb", Related: []string{"zz", "aa"}}, 8, 2), "3")
	want("one whose master does not", h.deployed(fleet.Order{Manifest: "cc"}, 10, 2), "6")

	s, err := h.BeginSession("3")
	check(t, err)
	if !slices.Equal(s.Manifests, []string{"aa", "bb"}) || len(s.Left()) != 6 || len(s.Jobs) != 3 {
		t.Errorf("session 3 begins with %q, %d computers, %d jobs", s.Manifests, len(s.Left()), len(s.Jobs))
	}
	want("a room that comes late with a master of the session", h.deployed(fleet.Order{Manifest: "bb"}, 12, 2), "3")
	want("one with another", h.deployed(fleet.Order{Manifest: "dd", Related: []string{"aa", "bb"}}, 14, 2), "8")

	var task job.Task
	check(t, json.Unmarshal(h.next("key-pc4").Payload, &task))
	want("the signed task", task.Session, "3")
	check(t, json.Unmarshal(h.next("key-pc1").Payload, &task))

	h.kill()
	if s := h.Session("3"); len(s.Jobs) != 4 || len(s.Left()) != 8 {
		t.Errorf("after a restart session 3 has %d jobs, %d computers", len(s.Jobs), len(s.Left()))
	}
	want("as nobody has joined it again, one with a related master", h.deployed(fleet.Order{Manifest: "ee", Related: []string{"aa"}}, 16, 2), "3")
	for _, id := range []string{"3", "4", "5", "7", "9"} {
		_, err := h.Cancel(context.Background(), id, "marie", true)
		check(t, err)
	}
	// The one task that was handed out has been asked to stop, and says that it has.
	h.report("key-pc4", job.Report{Task: "3-1", State: job.TaskCancelled, Outcome: &job.Outcome{Code: "cancelled"}})
	if _, err := h.BeginSession("3"); err == nil {
		t.Error("a session whose tasks are over begins")
	}
	want("a room after it", h.deployed(fleet.Order{Manifest: "aa"}, 18, 2), "10")
	var left []string
	for _, s := range h.Sessions() {
		left = append(left, s.ID)
	}
	if !slices.Equal(left, []string{"6", "8", "10"}) {
		t.Errorf("the sessions that go on are %q", left)
	}
	if uses := h.Uses("cc"); len(uses) != 2 {
		t.Errorf("what a session sends is needed by %q", uses)
	}
}

func TestAnEventOfASessionIsKeptForEachOfItsJobs(t *testing.T) {
	h := newHouse(t)
	h.deployed(fleet.Order{Manifest: "aa"}, 1, 2)
	h.deployed(fleet.Order{Manifest: "aa"}, 3, 2)
	check(t, h.Note(t.Context(), "1", "no-multicast", fleet.Warning, "10.0.0.0/24\x1b[2J"))
	for _, id := range []string{"1", "2"} {
		events, err := h.Events(t.Context(), fleet.EventQuery{Job: id})
		check(t, err)
		if events[0].Kind != "no-multicast" || events[0].Detail != "10.0.0.0/24\ufffd[2J" || events[0].Severity != fleet.Warning {
			t.Errorf("job %s has %+v", id, events[0])
		}
	}
}
