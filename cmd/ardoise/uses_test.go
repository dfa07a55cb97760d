package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/storetest"
)

// What a task waits for, runs or has left unfinished is neither forgotten nor collected: not through the daemon, not by a
// command after the daemon was killed, when only the database knows of the task.
func TestWhatATaskNeedsStays(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 6, 31)
	putMaster(t, d.data, "salle", ids[:3], frames[:3]) // put on a PC below
	putMaster(t, d.data, "salle", ids[2:5], frames[2:5])
	putMaster(t, d.data, "salle", ids[4:], frames[4:])
	d.start()
	a := d.agent()
	d.enrol(a, "pc1")
	at := func(args ...string) []string { return append(append([]string{"master"}, args...), "--data", d.data) }
	keeps := func(when, why string) {
		t.Helper()
		for _, how := range []string{"through the daemon", "without one"} {
			if how == "without one" {
				d.kill()
			}
			if said := refused(t, 3, at("forget", "salle@1")...); !strings.Contains(said, why) {
				t.Errorf("%s, %s: forget says %q, want %q in it", when, how, said, why)
			}
			r := said[access.Retention](t, at("retain", "salle", "--last", "1", "--now")...)
			if !r.Versions[0].Kept || !strings.Contains(strings.Join(r.Versions[0].Why, ", "), why) {
				t.Errorf("%s, %s: retain says %+v", when, how, r.Versions[0])
			}
			for range 2 {
				if exit, out, complaints := ardoise("store", "gc", "--data", d.data); exit != 0 {
					t.Errorf("gc = %d %s%s", exit, out, complaints)
				}
			}
		}
		lib := library(t, d.data)
		storetest.Prove(t, lib, ids[:3])
		closeLibrary(t, lib)
		d.start()
	}
	ordered := order[access.Job](d, "deploy", "salle@1", "--computer", "pc1", "--yes")
	keeps("while it waits", "job "+ordered.ID+" puts it on pc1")
	if left := said[[]access.Master](t, at("list")...); len(left) != 2 {
		t.Errorf("besides it and the newest, there are %+v", left)
	}
	task := receive(t, a)
	keeps("while it runs", "job "+ordered.ID+" puts it on pc1")
	mark := &job.Mark{Task: task.ID, Kind: job.KindDeploy, Master: "salle", Version: 1, Manifest: task.Manifest}
	if _, err := a.Report(t.Context(), job.Report{Task: task.ID, State: job.TaskRunning, Written: 5, Mark: mark}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskFailed, Mark: mark,
		Outcome: &job.Outcome{Code: "disk-fault", WrittenBytes: 5}}); err != nil {
		t.Fatal(err)
	}
	keeps("once it has failed half way", "the disk of pc1 is unfinished with it")
}

// A database that cannot be looked at is no reason to think that nobody needs anything.
func TestWhoCannotAskTheComputersForgetsNothing(t *testing.T) {
	data := t.TempDir()
	ids, frames := storetest.Frames(t, 2, 3)
	putMaster(t, data, "salle", ids, frames)
	putMaster(t, data, "salle", ids[:1], frames[:1])
	database := filepath.Join(data, databaseName)
	if err := os.Symlink(database, database); err != nil { // a loop
		t.Fatal(err)
	}
	for _, args := range [][]string{{"forget", "salle@1"}, {"retain", "salle", "--last", "1", "--now"}} {
		refused(t, 5, slices.Concat([]string{"master"}, args, []string{"--data", data})...)
	}
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database, []byte("no database, whatever it is called"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, 5, "master", "forget", "salle@1", "--data", data)
	if left := said[[]access.Master](t, "master", "list", "--data", data); len(left) != 2 {
		t.Errorf("left are %+v", left)
	}
}

// Whoever asks in a year why a version is gone finds who forgot it, and when.
func TestWhatWasForgottenIsToldAfterwards(t *testing.T) {
	d := newDaemon(t)
	d.kill()
	ids, frames := storetest.Frames(t, 2, 3)
	for range 3 {
		putMaster(t, d.data, "salle", ids, frames)
	}
	d.start()
	said[access.Master](t, "master", "forget", "salle@1", "--data", d.data)
	d.kill()
	said[access.Master](t, "master", "forget", "salle@2", "--data", d.data) // the database is there, if nobody serves it
	d.start()
	var told []string
	for _, e := range said[[]access.Event](t, "event", "list", "--data", d.data) {
		if e.Kind == "forgotten" && !e.Time.IsZero() {
			told = append(told, e.Detail)
		}
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], "salle@1, by ") || !strings.HasPrefix(told[1], "salle@2, by ") || len(told[0]) < 14 {
		t.Errorf("the events are %q", told)
	}
	if exit, out, _ := ardoise("event", "list", "--data", d.data); exit != 0 || !strings.Contains(out, "salle@2, by ") {
		t.Errorf("event list = %d\n%s", exit, out)
	}
	refused(t, 2, "event")
	refused(t, 3, "event", "list", "--computer", "nobody", "--data", d.data)
}
