package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestWhoNeedsAVersion(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ardoise.db"))
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	ours := &fleet.Proven{Master: "m", Version: 2, Manifest: "aa"}
	check(t, store.Commit(t.Context(), fleet.Change{
		Computers: []fleet.Computer{
			{ID: "1", Name: "runs", Key: "1", State: fleet.Enrolled, Runs: ours},
			{ID: "2", Name: "other", Key: "2", State: fleet.Enrolled, Runs: &fleet.Proven{Master: "m", Version: 1, Manifest: "bb"}},
			{ID: "3", Name: "thrown-out", Key: "3", State: fleet.Refused, Runs: ours},
			{ID: "4", Name: "half", Key: "4", State: fleet.Enrolled, Mark: &job.Mark{Manifest: "aa"}},
			{ID: "5", Name: "soon", Key: "5", State: fleet.Enrolled},
			{ID: "6", Name: "done", Key: "6", State: fleet.Enrolled},
		},
		Jobs: []fleet.Job{{ID: "7", Kind: job.KindDeploy, Manifest: "aa"}},
		Tasks: []fleet.Task{{ID: "7-1", Job: "7", Computer: "5", State: job.TaskWaiting},
			{ID: "7-2", Job: "7", Computer: "6", State: job.TaskDone}},
	}))
	f, err := fleet.Open(t.Context(), fleet.Options{Store: store, Signer: fakeSigner{}})
	check(t, err)
	want := []string{"job 7 puts it on soon", "runs runs it", "the disk of half is unfinished with it"}
	if got := f.Uses("aa"); !slices.Equal(got, want) {
		t.Errorf("Uses = %q, want %q", got, want)
	}
	for _, nobodys := range []string{"cc", ""} {
		if got := f.Uses(nobodys); len(got) != 0 {
			t.Errorf("Uses(%q) = %q", nobodys, got)
		}
	}
}

// A room or a schedule that names a version is given another one, or nothing, once it is forgotten.
func TestRoomsAndSchedulesNeedWhatTheyName(t *testing.T) {
	h := newHouse(t)
	v := func(n int, manifest string) fleet.Version {
		return fleet.Version{Target: fleet.Target{Master: "win", Version: n, Manifest: manifest}}
	}
	h.versions = channel{"win@2": v(2, "bb"), "win@stable": v(2, "bb"), "win": v(3, "cc"), "win@1": v(1, "aa")}
	h.kill()
	h.room("S104", func(r *fleet.Room) { r.Master = "win@2" })
	h.room("S105", func(r *fleet.Room) { r.Master = "win@stable" })
	h.room("S106", func(r *fleet.Room) { r.Master = "gone@1" })
	_, err := h.SetSchedule(context.Background(), fleet.Schedule{Name: "weekly", Days: everyDay(), At: "22:00", Until: "05:00",
		Order: fleet.ScheduledOrder{Kind: job.KindDeploy, Rooms: []string{"S104"}, Master: "win"}}, "marie")
	check(t, err)
	for range 2 {
		for manifest, want := range map[string][]string{
			"aa": nil,
			"bb": {"room S104 is to run it", "room S105 is to run it"},
			"cc": {"schedule weekly orders it"},
		} {
			if got := h.Uses(manifest); !slices.Equal(got, want) {
				t.Errorf("Uses(%q) = %q, want %q", manifest, got, want)
			}
		}
		if got := h.Names("win@stable"); !slices.Equal(got, []string{"room S105 is to run it"}) {
			t.Errorf("the channel is named by %q", got)
		}
		if got := h.Names("win@test"); len(got) != 0 {
			t.Errorf("a channel that nobody names is named by %q", got)
		}
		h.kill()
	}
}

func TestNothingIsDecidedMeanwhile(t *testing.T) {
	h := newHouse(t)
	given := make(chan error, 1)
	check(t, h.Undisturbed(func() error {
		go func() {
			_, err := h.Cancel(context.Background(), "1", "marie", false)
			given <- err
		}()
		for range 10_000 { // time enough for it to come through, if it could
			runtime.Gosched()
		}
		select {
		case <-given:
			return errors.New("a decision was taken meanwhile")
		default:
			return nil
		}
	}))
	wantCode(t, "the decision afterwards", <-given, fleet.CodeNoJob)
}
