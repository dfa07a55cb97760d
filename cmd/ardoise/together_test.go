package main

import (
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/masters/storetest"
)

// Rooms that are deployed at the same time share a session where their masters share enough.
func TestOrdersThatBelongTogetherShareASession(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 12, 40)
	putMaster(t, d.data, "salle", ids[:6], frames[:6])
	putMaster(t, d.data, "labo", ids[4:8], frames[4:8]) // the chunk in common is large, the others are small
	putMaster(t, d.data, "cdi", ids[8:], frames[8:])
	d.start()
	d.room(8)
	deploy := func(master, computers string) string {
		t.Helper()
		j := order[access.Job](d, "deploy", master, "--computer", computers, "--yes")
		if shown := order[access.Job](d, "job", "show", j.ID); shown.SessionID != j.SessionID || shown.Session != nil {
			t.Errorf("before anybody has joined the job is shown as %+v", shown)
		}
		return j.SessionID
	}
	first, related, apart := deploy("salle", "pc1,pc2"), deploy("labo", "pc3,pc4"), deploy("cdi", "pc5,pc6")
	if first == "" || related != first || apart == first || apart == "" {
		t.Errorf("the sessions are %q, %q and %q", first, related, apart)
	}
	if alone := deploy("salle", "pc7"); alone != "" {
		t.Errorf("a single computer has the session %q", alone)
	}
}
