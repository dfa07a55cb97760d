package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func full() fleet.Change {
	at := time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)
	return fleet.Change{
		Computers: []fleet.Computer{{ID: "c1", Name: "S104-01", State: fleet.Enrolled, Key: "k1", MACs: []string{"52:54:00:00:00:01"},
			Inventory: job.Inventory{Model: "<script>'); DROP TABLE computers; --", Disks: []job.Disk{{Path: "/dev/sda"}}},
			LastSeen:  at, Runs: &fleet.Proven{Master: "m", Version: 2, At: at}, Mark: &job.Mark{Phase: "data"},
			Claim: &fleet.Claim{Key: "k9", Since: at}}},
		Rooms:  []fleet.Room{{Name: "S104", Policy: job.PolicyNight, Menu: true, Passphrase: []string{"x"}, Template: fleet.Template{Keys: true}}},
		Jobs:   []fleet.Job{{ID: "7", Kind: job.KindDeploy, Created: at, Disk: job.DiskRule{Bus: "nvme"}, Ending: job.EndStay}},
		Tasks:  []fleet.Task{{ID: "7-1", Job: "7", Computer: "c1", State: job.TaskRunning, Nonce: "n", Publishing: &fleet.Publishing{After: 3, Created: at}}},
		Events: []fleet.Event{{Time: at, Kind: "started", Severity: fleet.Info, Computer: "c1", Job: "7", Task: "7-1", Detail: "x"}},
	}
}

func TestWhatIsCommittedIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a strange?name#1.db")
	s := open(t, path)
	want := full()
	check(t, s.Commit(t.Context(), want))
	check(t, s.Close())
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	got, err := s.Load(t.Context())
	check(t, err)
	events, err := s.Events(t.Context(), fleet.EventQuery{Job: "7"})
	check(t, err)
	if d := cmp.Diff(fleet.Snapshot{Computers: want.Computers, Rooms: want.Rooms, Jobs: want.Jobs, Tasks: want.Tasks, LastJob: 7}, got); d != "" {
		t.Errorf("loaded (-want +got)\n%s", d)
	}
	if d := cmp.Diff(want.Events, events); d != "" {
		t.Errorf("events (-want +got)\n%s", d)
	}
}

// A change is kept whole or not at all: its last part fails here, and nothing of the others may remain.
func TestAChangeThatCannotBeKeptLeavesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	check(t, s.Commit(t.Context(), full()))
	before, err := s.Load(t.Context())
	check(t, err)
	for name, bad := range map[string]func(*fleet.Change){
		"a name that another has": func(c *fleet.Change) { c.Computers = append(c.Computers, fleet.Computer{ID: "c3", Name: "s104-01"}) },
		"a key that another has": func(c *fleet.Change) {
			c.Computers = append(c.Computers, fleet.Computer{ID: "c3", Name: "x", Key: "k1"})
		},
		"a job that has no number": func(c *fleet.Change) { c.Jobs = append(c.Jobs, fleet.Job{ID: "seven"}) },
		"a task without its job":   func(c *fleet.Change) { c.Tasks = append(c.Tasks, fleet.Task{ID: "9-1", Job: "9"}) },
	} {
		change := fleet.Change{Computers: []fleet.Computer{{ID: "c2", Name: "new", Key: "k2"}}, Jobs: []fleet.Job{{ID: "8"}},
			Events: []fleet.Event{{Kind: "never"}}}
		bad(&change)
		if err := s.Commit(t.Context(), change); err == nil {
			t.Errorf("%s is kept", name)
		}
		after, err := s.Load(t.Context())
		check(t, err)
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s leaves (-before +after)\n%s", name, d)
		}
	}
	events, err := s.Events(t.Context(), fleet.EventQuery{})
	check(t, err)
	if len(events) != 1 {
		t.Errorf("events = %+v", events)
	}
}

func TestComputersWithoutAKeyAndForgottenOnes(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	check(t, s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: "c1", Name: "a"}, {ID: "c2", Name: "b"}}}))
	// What is forgotten goes first, so that its name is free for who comes with the same change.
	check(t, s.Commit(t.Context(), fleet.Change{Forgotten: []string{"c1"}, Computers: []fleet.Computer{{ID: "c3", Name: "A"}}}))
	got, err := s.Load(t.Context())
	check(t, err)
	if len(got.Computers) != 2 {
		t.Errorf("computers = %+v", got.Computers)
	}
}

func TestOldJobsAreNotLoadedUnlessTheyAreActive(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	var c fleet.Change
	for n := 1; n <= 600; n++ {
		id := fmt.Sprint(n)
		state := job.TaskDone
		if n == 5 {
			state = job.TaskWaiting
		}
		c.Jobs = append(c.Jobs, fleet.Job{ID: id})
		c.Tasks = append(c.Tasks, fleet.Task{ID: id + "-1", Job: id, State: state})
	}
	check(t, s.Commit(t.Context(), c))
	got, err := s.Load(t.Context())
	check(t, err)
	old := 0
	for _, j := range got.Jobs {
		if len(j.ID) == 1 {
			old++
		}
	}
	if len(got.Jobs) != 501 || len(got.Tasks) != 501 || old != 1 || got.LastJob != 600 {
		t.Errorf("%d jobs, %d tasks, %d old ones, last %d", len(got.Jobs), len(got.Tasks), old, got.LastJob)
	}
}

func TestReadersDoNotStopTheWriter(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 20 {
				if _, err := s.Load(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 20 {
		check(t, s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: fmt.Sprint(n), Name: fmt.Sprint("pc", n)}}}))
	}
	wait.Wait()
}

func TestAFileOfANewerProgramIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	check(t, open(t, path).Close())
	db, err := sql.Open("sqlite", path)
	check(t, err)
	_, err = db.Exec("PRAGMA user_version = 99")
	check(t, errors.Join(err, db.Close()))
	var newer *sqlite.NewerError
	if _, err := sqlite.Open(t.Context(), path); !errors.As(err, &newer) || newer.Found != 99 {
		t.Errorf("Open = %v, want *NewerError", err)
	}
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	check(t, os.WriteFile(path, []byte("this is a letter to the headmaster, not a database, and it is long enough to be read as one"), 0o600))
	if s, err := sqlite.Open(t.Context(), path); err == nil {
		_ = s.Close()
		t.Error("it is opened")
	}
}

// Paths are what people type: relative, with characters that mean something in a URI.
func TestAnyPathIsOpenedAndSaved(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"data", "a b?c=d#e%20", "été"} {
		check(t, os.Mkdir(dir, 0o700))
		path := filepath.Join(dir, "ardoise.db")
		s := open(t, path)
		check(t, s.Commit(t.Context(), full()))
		check(t, sqlite.Backup(t.Context(), path, filepath.Join(dir, "copy")))
		if n, err := filepath.Glob("*/copy"); err != nil || len(n) == 0 {
			t.Errorf("of %s there is no copy: %v", path, err)
		}
		copied, err := open(t, filepath.Join(dir, "copy")).Load(t.Context())
		check(t, err)
		if len(copied.Computers) != len(full().Computers) {
			t.Errorf("the copy of %s has %d computers", path, len(copied.Computers))
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it lies elsewhere: %v", err)
		}
	}
}

// testdata/schema2.sql is what the program before rooms left behind.
func TestADatabaseOfTheSchemaBeforeRoomsGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ardoise.db")
	old, err := os.ReadFile("testdata/schema2.sql")
	check(t, err)
	db, err := sql.Open("sqlite", path)
	check(t, err)
	_, err = db.Exec(string(old))
	check(t, errors.Join(err, db.Close()))

	s := open(t, path)
	got, err := s.Load(t.Context())
	check(t, err)
	if len(got.Computers) != 2 || len(got.Jobs) != 2 || len(got.Tasks) != 2 || got.LastJob != 2 || len(got.Rooms) != 0 {
		t.Fatalf("loaded %+v", got)
	}
	f, err := fleet.Open(t.Context(), fleet.Options{Store: s, Signer: signer{}, Now: func() time.Time {
		return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	}})
	check(t, err)
	_, err = f.SetRoom(t.Context(), "S104", "marie", func(*fleet.Room) {})
	check(t, err)
	_, err = f.Place(t.Context(), []string{"S104-01", "S104-02"}, "s104", "marie")
	check(t, err)
	j, err := f.Give(t.Context(), fleet.Order{Kind: job.KindReset, Computers: []string{"S104-01"}, By: "marie"})
	check(t, err)
	if x := j.Tasks[0].Target; x == nil || x.Manifest != "aa07" || x.Version != 7 {
		t.Errorf("a computer that was deployed by the old program is reset to %+v", x)
	}
	check(t, s.Close())
	s = open(t, path)
	got, err = s.Load(t.Context())
	check(t, err)
	if len(got.Rooms) != 1 || got.Rooms[0].Name != "S104" || got.Computers[0].Room != "S104" || got.LastJob != 3 {
		t.Errorf("afterwards it holds %+v", got)
	}
	check(t, s.Commit(t.Context(), fleet.Change{ForgottenRooms: []string{"s104"}}))
	if got, err = s.Load(t.Context()); err != nil || len(got.Rooms) != 0 {
		t.Errorf("a forgotten room is loaded: %+v, %v", got.Rooms, err)
	}
}

type signer struct{}

func (signer) Sign(string, []byte) []byte { return nil }
func (signer) Public() string             { return "" }

// A certificate is asked for years after the wipe.
func TestTheOldestJobsGoUnlessTheyAreActiveOrWipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	var first, second fleet.Change
	for n := 1; n <= 20_250; n++ {
		id := fmt.Sprint(n)
		state := job.TaskDone
		if n == 5 {
			state = job.TaskWaiting
		}
		c := &first
		if n > 20_000 {
			c = &second
		}
		kind := job.KindReset
		if n == 3 {
			kind = job.KindWipe
		}
		c.Jobs = append(c.Jobs, fleet.Job{ID: id, Kind: kind})
		c.Tasks = append(c.Tasks, fleet.Task{ID: id + "-1", Job: id, State: state})
	}
	check(t, s.Commit(t.Context(), first))
	check(t, s.Commit(t.Context(), second))
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	for _, table := range []string{"jobs", "tasks"} {
		var n, oldest, active int
		check(t, db.QueryRow("SELECT COUNT(*) FROM "+table).Scan(&n))
		column := map[string]string{"jobs": "number", "tasks": "CAST(job AS INTEGER)"}[table]
		check(t, db.QueryRow("SELECT MIN("+column+") FROM "+table+" WHERE "+column+" > 5").Scan(&oldest))
		check(t, db.QueryRow("SELECT COUNT(*) FROM "+table+" WHERE "+column+" IN (3, 5)").Scan(&active))
		if n != 20_052 || oldest != 201 || active != 2 {
			t.Errorf("%d %s are left, the oldest %d; %d of the one that waits and the wipe", n, table, oldest, active)
		}
	}
}
