package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

func TestABackupIsNotedInTheDataFolder(t *testing.T) {
	dir := t.TempDir()
	if b, err := lastBackup(dir); b != nil || err != nil {
		t.Errorf("before the first backup: %+v, %v", b, err)
	}
	want := access.BackupSetup{At: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), File: "/mnt/clé/ardoise", Bytes: 13, Versions: 2}
	for range 2 { // the second replaces the first
		if err := noteBackup(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := lastBackup(dir); err != nil || *b != want {
		t.Errorf("noted as %+v, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(dir, lastBackupName), []byte(`{"at":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := lastBackup(dir); b != nil || err == nil {
		t.Errorf("a note that is cut off: %+v, %v", b, err)
	}
}

// evening is a site with two schools; one computer of each had an inventory to take, and one was cancelled.
func evening(t *testing.T) (*site, time.Time) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, now := t.TempDir(), time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	library, err := masters.Open(dir, masters.Options{})
	must(err)
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "db"))
	must(err)
	t.Cleanup(func() { must(store.Close()); must(library.Close()) })
	s := &site{}
	s.fleet, err = fleet.Open(t.Context(), fleet.Options{Store: store, Signer: library.Key(), Now: clock, Zone: time.UTC})
	must(err)
	s.post = post.Open(post.Options{Path: filepath.Join(dir, "post.json"), Source: s.report, Sites: s.audiences, Now: clock})
	s.requests, err = requests.Open(t.Context(), requests.Options{Store: store, Now: clock})
	must(err)
	for _, name := range []string{"zola", "hugo"} {
		_, err = s.fleet.SetSite(t.Context(), fleet.Site{Name: name, Title: "Lycée " + name, Mail: []string{name + "@example.org"}}, "marie")
		must(err)
		_, err = s.fleet.SetRoom(t.Context(), name+"/S1", "marie", func(*fleet.Room) {})
		must(err)
	}
	ended := []struct{ room, state, code, detail string }{
		{"zola/S1", job.TaskFailed, "disk-fault", "The disk reports a failure: /dev/sda. Replace the disk; the job goes on at the next start."},
		{"hugo/S1", job.TaskDone, "ok", ""}, {"hugo/S1", job.TaskCancelled, "cancelled", "cancelled by marie"}, {"hugo/S1", "", "", ""}}
	var names []string
	for i, x := range ended {
		w, err := s.fleet.Hello(t.Context(), fleet.Introduction{Key: fmt.Sprint("key", i), Address: "10.0.0.9", Hello: job.Hello{MAC: fmt.Sprintf("52:54:00:00:00:%02x", i),
			Inventory: job.Inventory{UUID: fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a%04x", i)}}})
		must(err)
		name := fmt.Sprint("PC", i)
		_, err = s.fleet.Approve(t.Context(), fleet.Approval{Code: w.Code, Name: name, By: "marie"})
		must(err)
		_, err = s.fleet.Place(t.Context(), []string{name}, x.room, "marie")
		must(err)
		names = append(names, name)
	}
	j, err := s.fleet.Give(t.Context(), fleet.Order{Kind: job.KindInventory, Computers: names, By: "marie", Within: time.Hour})
	must(err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i, x := range ended {
		if x.state == "" {
			continue // it stays off
		}
		_, err := s.fleet.Next(gone, fmt.Sprint("key", i))
		must(err)
		_, err = s.fleet.Report(t.Context(), fmt.Sprint("key", i), job.Report{Task: j.Tasks[i].ID, State: x.state, Outcome: &job.Outcome{Code: x.code, Detail: x.detail}})
		must(err)
	}
	first, err := s.fleet.Find(names[0])
	must(err)
	for _, x := range []requests.Report{{Computer: first.ID, Room: "zola/S1", Site: "zola", By: "claire", Text: "no picture"},
		{Room: "hugo/S1", Site: "hugo", By: "ines", Text: "no light"}, {Room: "hugo/S1", Site: "hugo", By: "ines", Text: "answered"}} {
		_, err = s.requests.Open(t.Context(), x)
		must(err)
	}
	_, err = s.requests.Answer(t.Context(), "3", "marie", "look again")
	must(err)
	now = now.Add(2 * time.Hour)
	must(s.fleet.Tick(t.Context()))
	return s, now
}

// In the morning each PC is done or named with its reason, to who looks after it.
func TestTheMorningsReportIsOfOnesOwnSite(t *testing.T) {
	s, now := evening(t)
	all := s.audiences()
	if len(all) != 2 {
		t.Fatalf("audiences are %+v", all)
	}
	all = append(all, post.Audience{All: true})
	for _, of := range all {
		r, err := s.report(t.Context(), of, now.Add(-24*time.Hour), now.Add(time.Second))
		if err != nil || len(r.Jobs) != 1 {
			t.Fatalf("%+v: %+v, %v", of, r, err)
		}
		j := r.Jobs[0]
		got := fmt.Sprint(j.Total, j.Done, j.Cancelled)
		var failed []string
		for _, f := range j.Failed {
			failed = append(failed, f.Computer)
			if len(f.Do) < 20 || strings.Contains(f.Happened+f.Do, "disk reports") || strings.Contains(f.Happened, "did not ask") {
				t.Errorf("a French report says %+v", f)
			}
		}
		want := map[string]string{"zola": "1 0 0 [PC0]", "hugo": "3 1 1 [PC3]", "": "4 1 1 [PC0 PC3]"}[of.Site]
		if got += " " + fmt.Sprint(failed); got != want || r.Site != of.Title {
			t.Errorf("%s reads %s, want %s", of.Site, got, want)
		}
		asked := ""
		for _, q := range r.Requests {
			asked += fmt.Sprintf("%s %s %s;", q.Computer, q.Room, q.Text)
		}
		zola, hugo := "PC0 zola/S1 no picture;", " hugo/S1 no light;"
		if want := map[string]string{"zola": zola, "hugo": hugo, "": hugo + zola}[of.Site]; asked != want || r.Open != len(r.Requests) || !r.Tells() {
			t.Errorf("%s reads of %d requests, %q, want %q", of.Site, r.Open, asked, want)
		}
	}
	if s.post.Standing().Settings.Language != notices.French {
		t.Error("reports are French until somebody says otherwise")
	}
}
