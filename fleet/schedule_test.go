package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// channel says what a reference means at the moment.
type channel map[string]fleet.Version

func (c channel) Resolve(ref string) (fleet.Version, error) {
	v, ok := c[ref]
	if !ok {
		return v, errors.New("no such master")
	}
	return v, nil
}

func everyDay() []time.Weekday { return []time.Weekday{0, 1, 2, 3, 4, 5, 6} }

// tonight deploys win@stable to S104 from 22:00 to 05:00.
func tonight(h *house, change func(*fleet.Schedule)) fleet.Schedule {
	h.t.Helper()
	s := fleet.Schedule{Name: "tonight", Days: everyDay(), At: "22:00", Until: "05:00",
		Order: fleet.ScheduledOrder{Kind: job.KindDeploy, Rooms: []string{"S104"}, Master: "win@stable", Ending: job.EndPowerOff, Wake: true}}
	if change != nil {
		change(&s)
	}
	s, err := h.SetSchedule(context.Background(), s, "marie")
	check(h.t, err)
	return s
}

// planned is a room of two computers and a channel.
func planned(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.versions = channel{"win@stable": {Target: fleet.Target{Master: "win", Version: 7, Manifest: "aa"}}}
	h.kill()
	h.enrol("k1", "pc1", hello(1))
	h.enrol("k2", "pc2", hello(2))
	h.room("S104", func(*fleet.Room) {}, "pc1", "pc2")
	return h
}

func (h *house) finish(keys ...string) {
	h.t.Helper()
	for _, k := range keys {
		if got := h.task(k); got.ID != "" {
			h.report(k, job.Report{Task: got.ID, State: job.TaskDone, Outcome: &proven})
		}
	}
}

func TestAScheduleIsGivenOnceEachNight(t *testing.T) {
	h := planned(t)
	s := tonight(h, nil)
	h.at(22, 21, 59)
	if n := len(h.Jobs()); n != 0 {
		t.Fatalf("%d jobs before its time", n)
	}
	for range 3 {
		h.at(22, 22, 1)
		h.kill()
	}
	all := h.Jobs()
	if len(all) != 1 || len(all[0].Tasks) != 2 {
		t.Fatalf("jobs: %+v", all)
	}
	j := all[0].Job
	until := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	if j.Kind != job.KindDeploy || j.Master != "win" || j.Version != 7 || j.Schedule != s.ID || !j.Expires.Equal(until) || !j.Wake ||
		j.Ending != job.EndPowerOff || j.OrderedBy != "marie" {
		t.Errorf("the job is %+v", j)
	}
	h.finish("k1")
	h.at(23, 5, 1) // who did not come is let go, and named
	x, err := h.JobByID(j.ID)
	check(t, err)
	if x.Active() || x.Tasks[1].Outcome.Code != fleet.OutcomeExpired {
		t.Errorf("in the morning: %+v", x.Tasks)
	}
	h.versions.(channel)["win@stable"] = fleet.Version{Target: fleet.Target{Master: "win", Version: 8, Manifest: "bb"}}
	h.at(23, 23, 0)
	if all = h.Jobs(); len(all) != 2 || all[0].Job.Version != 8 {
		t.Errorf("the next night: %+v", all[0].Job)
	}
	if got := h.NextRun(s); !got.Equal(time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("next is %v", got)
	}
}

func TestALateServerUsesWhatIsLeftOfTheWindow(t *testing.T) {
	for at, want := range map[string]int{"22T22:30": 1, "23T04:59": 1, "23T05:00": 0, "23T09:00": 0, "23T21:59": 0, "25T03:00": 1, "26T12:00": 0} {
		t.Run(at, func(t *testing.T) {
			h := planned(t)
			tonight(h, nil)
			h.kill()
			var day, hour, minute int
			if _, err := fmt.Sscanf(at, "%dT%d:%d", &day, &hour, &minute); err != nil {
				t.Fatal(err)
			}
			h.at(day, hour, minute)
			h.at(day, hour, minute)
			if n := len(h.Jobs()); n != want {
				t.Errorf("%d jobs, want %d", n, want)
			}
			if told := h.kinds()["schedule"]; told != 1-want {
				t.Errorf("%d events tell of it", told)
			}
		})
	}
}

func TestAScheduleThatIsMadeInItsWindowWaitsForTheNext(t *testing.T) {
	h := planned(t)
	h.now = time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)
	s := tonight(h, nil)
	h.at(22, 23, 1)
	h.at(23, 1, 0)
	s.Name = "renamed"
	s, err := h.SetSchedule(context.Background(), s, "paul")
	check(t, err)
	h.at(23, 2, 0)
	if n := len(h.Jobs()); n != 0 {
		t.Fatal("a class is deployed because somebody made a plan at eleven")
	}
	h.at(23, 22, 0)
	if n := len(h.Jobs()); n != 1 {
		t.Errorf("the next evening %d jobs are given", n)
	}
	s, err = h.SetSchedule(context.Background(), s, "paul") // again, after it was used
	check(t, err)
	h.kill()
	h.at(23, 22, 5)
	if n := len(h.Jobs()); n != 1 || s.Done != "2026-11-23" {
		t.Errorf("it was set again: %d jobs, done %s", n, s.Done)
	}
}

func TestAPausedScheduleIsSilentAndDoesNotCatchUp(t *testing.T) {
	h := planned(t)
	s := tonight(h, func(s *fleet.Schedule) { s.Paused = true })
	h.at(22, 22, 1)
	s.Paused = false
	_, err := h.SetSchedule(context.Background(), s, "marie")
	check(t, err)
	h.at(22, 22, 30)
	if n := len(h.Jobs()); n != 0 {
		t.Error("what passed in the pause is given afterwards")
	}
	if !h.NextRun(fleet.Schedule{Paused: true, Days: everyDay(), At: "22:00", Until: "23:00"}).IsZero() {
		t.Error("a paused schedule has a next time")
	}
}

func TestWhoCannotTakeAScheduledOrderIsNamed(t *testing.T) {
	h := planned(t)
	tonight(h, func(s *fleet.Schedule) { s.Order.Computers = []string{"gone"} })
	_, err := h.Rekey(context.Background(), "pc2", "marie")
	check(t, err)
	h.at(22, 22, 0)
	j := h.Jobs()[0]
	if len(j.Tasks) != 1 || len(j.Job.LeftOut) != 1 || j.Job.LeftOut[0].Name != "pc2" || j.Job.LeftOut[0].Code != fleet.CodeNotEnrolled {
		t.Errorf("tasks %+v, left out %+v", j.Tasks, j.Job.LeftOut)
	}
	h.kill()
	if again, err := h.JobByID(j.Job.ID); err != nil || len(again.Job.LeftOut) != 1 {
		t.Errorf("after a restart: %+v, %v", again.Job, err)
	}
}

func TestARoomThatIsPlannedForIsNotForgotten(t *testing.T) {
	h := planned(t)
	s := tonight(h, nil)
	_, err := h.Place(context.Background(), []string{"pc1", "pc2"}, "", "marie")
	check(t, err)
	_, err = h.ForgetRoom(context.Background(), "S104", "marie")
	wantCode(t, "a room with a schedule", err, fleet.CodeRoomNeeded)
	_, err = h.ForgetSchedule(context.Background(), s.ID, "marie")
	check(t, err)
	check(t, h.OpenEnrolment(context.Background(), "S104", h.now.Add(time.Hour), 1, "marie"))
	_, err = h.ForgetRoom(context.Background(), "S104", "marie")
	wantCode(t, "a room that enrols", err, fleet.CodeRoomNeeded)
	h.now = h.now.Add(2 * time.Hour)
	_, err = h.ForgetRoom(context.Background(), "S104", "marie")
	check(t, err)
	h.kill()
	check(t, h.Tick(context.Background())) // its window is over
}

func TestAMasterThatIsGoneAtNightIsTold(t *testing.T) {
	h := planned(t)
	tonight(h, nil)
	h.versions.(channel)["win@stable"] = fleet.Version{}
	delete(h.versions.(channel), "win@stable")
	h.at(22, 22, 0)
	h.at(22, 22, 1)
	if n := len(h.Jobs()); n != 0 || h.kinds()["schedule"] != 2 {
		t.Errorf("%d jobs, %d events", n, h.kinds()["schedule"])
	}
}

func TestSchedulesThatMakeNoSense(t *testing.T) {
	h := planned(t)
	for name, bad := range map[string]func(*fleet.Schedule){
		"no name":           func(s *fleet.Schedule) { s.Name = " " },
		"a hostile name":    func(s *fleet.Schedule) { s.Name = "a\x00b" },
		"no day":            func(s *fleet.Schedule) { s.Days = nil },
		"an eighth day":     func(s *fleet.Schedule) { s.Days = []time.Weekday{7} },
		"no hour":           func(s *fleet.Schedule) { s.At = "25:00" },
		"an hour in words":  func(s *fleet.Schedule) { s.Until = "noon" },
		"nobody":            func(s *fleet.Schedule) { s.Order.Rooms = nil },
		"a capture":         func(s *fleet.Schedule) { s.Order.Kind = job.KindCapture },
		"a wipe":            func(s *fleet.Schedule) { s.Order.Kind = job.KindWipe },
		"no such room":      func(s *fleet.Schedule) { s.Order.Rooms = []string{"S999"} },
		"no such site":      func(s *fleet.Schedule) { s.Order.Sites = []string{"zola"} },
		"a bad filter":      func(s *fleet.Schedule) { s.Order.Filter = "link<fast" },
		"no such master":    func(s *fleet.Schedule) { s.Order.Master = "mac@stable" },
		"a hundred retries": func(s *fleet.Schedule) { s.Order.Retries = 100 },
		"an unknown id":     func(s *fleet.Schedule) { s.ID = "99" },
		"a script unknown":  func(s *fleet.Schedule) { s.Order.Kind, s.Order.Script = job.KindScript, "ff" },
	} {
		s := fleet.Schedule{Name: "x", Days: everyDay(), At: "22:00", Until: "05:00",
			Order: fleet.ScheduledOrder{Kind: job.KindDeploy, Rooms: []string{"S104"}, Master: "win@stable"}}
		bad(&s)
		var refused *fleet.RefusedError
		if _, err := h.SetSchedule(context.Background(), s, "marie"); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if n := len(h.Schedules()); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

// mortal is a store whose daemon dies at its nth commit: before it is kept, or after, and nobody is told.
type mortal struct {
	fleet.Store
	left  int
	after bool
}

var errDied = errors.New("the daemon died")

func (m *mortal) Commit(ctx context.Context, c fleet.Change) error {
	if m.left--; m.left >= 0 {
		return m.Store.Commit(ctx, c)
	}
	if m.left == -1 && m.after {
		return errors.Join(m.Store.Commit(ctx, c), errDied)
	}
	return errDied
}

// dying opens the house again with a daemon that has so many commits to live.
func (h *house) dying(commits int, after bool) {
	h.t.Helper()
	f, err := fleet.Open(context.Background(), fleet.Options{Store: &mortal{h.store, commits, after}, Signer: fakeSigner{},
		Now: func() time.Time { return h.now }, Zone: time.UTC, Wake: h.wake, Later: h.later, Versions: h.versions})
	check(h.t, err)
	h.Fleet = f
}

// Whenever the daemon dies, each night is given once, each task that fails is tried again as often as was ordered, and
// nothing is lost or done twice.
func TestADaemonThatDiesAtAnyCommitKeepsItsPlans(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := range 14 {
			t.Run(fmt.Sprintf("%d %v", n, after), func(t *testing.T) {
				h := planned(t)
				s := tonight(h, func(s *fleet.Schedule) { s.Order.Retries = 1 })
				h.dying(n, after)
				died := h.evening()
				h.kill()
				if !died {
					t.Logf("it lives on after %d commits", n)
				}
				h.evening()
				jobs := h.Jobs()
				if len(jobs) != 1 || len(jobs[0].Tasks) != 2 {
					t.Fatalf("%d jobs: %+v", len(jobs), jobs)
				}
				for _, x := range jobs[0].Tasks {
					if x.State != job.TaskFailed || x.Tries != 1 || x.Outcome.Code != "disk-io" {
						t.Errorf("task %s is %s after %d tries, %+v", x.ID, x.State, x.Tries, x.Outcome)
					}
				}
				if got, err := h.Schedule(s.ID); err != nil || got.Done != "2026-11-22" {
					t.Errorf("the schedule is %+v, %v", got, err)
				}
			})
		}
	}
}

// evening lets both computers fail until there is nothing more to do; it stops where the daemon dies.
func (h *house) evening() (died bool) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.now = time.Date(2026, 11, 22, 22, 10, 0, 0, time.UTC)
	steps := []func() error{func() error { return h.Tick(context.Background()) }}
	for range 2 {
		for _, key := range []string{"k1", "k2"} {
			steps = append(steps, func() error {
				e, err := h.Next(ctx, key)
				if err != nil || e == nil {
					return err
				}
				_, err = h.Report(context.Background(), key, job.Report{Task: decode(h.t, e).ID, State: job.TaskFailed,
					Outcome: &job.Outcome{Code: "disk-io"}})
				return err
			})
		}
	}
	for _, step := range steps {
		if err := step(); errors.Is(err, errDied) {
			return true
		} else if err != nil {
			h.t.Fatal(err)
		}
	}
	return false
}

// In each zone and year, with clocks that are put forward and back at any hour, each day's window is used once, and never
// outside of it by the clock on the wall.
func TestSchedulesAndTheClocksOfTheWorld(t *testing.T) {
	for _, zone := range []string{"Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"} {
		where, err := time.LoadLocation(zone)
		check(t, err)
		for _, window := range []string{"22:00 05:00", "02:30 03:00", "00:00 00:30", "01:30 02:30", "02:15 02:45", "23:45 00:15", "03:00 03:00"} {
			for _, start := range changes(where, 2018, 2026) {
				from, to, _ := strings.Cut(window, " ")
				h := newFast(t, where, start.Add(-30*time.Hour))
				_, err := h.SetSchedule(context.Background(), fleet.Schedule{Name: "x", Days: everyDay(), At: from, Until: to,
					Order: fleet.ScheduledOrder{Kind: job.KindInventory, Computers: []string{"pc"}}}, "marie")
				check(t, err)
				var days []string
				for end := start.Add(30 * time.Hour); h.now.Before(end); h.now = h.now.Add(15 * time.Minute) {
					check(t, h.Tick(context.Background()))
					if e := h.next("k"); e != nil {
						h.report("k", job.Report{Task: decode(t, e).ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
						days = append(days, h.now.In(where).Format("2006-01-02 15:04"))
					}
				}
				if n := len(days); n < 2 || n > 3 {
					t.Errorf("%s, window %s, clocks change at %v: given at %v", zone, window, start.In(where), days)
				}
				nights := map[string]bool{}
				for _, j := range h.Jobs() {
					if !j.Job.Expires.After(j.Job.Created) {
						t.Errorf("%s, window %s: given at %v until %v", zone, window, j.Job.Created, j.Job.Expires)
					}
				}
				for _, d := range days {
					if nights[d[:10]] && to > from {
						t.Errorf("%s, window %s: given twice on one day: %v", zone, window, days)
					}
					nights[d[:10]] = true
				}
			}
		}
	}
}

// decode reads the task in an envelope.
func decode(t *testing.T, e *job.Envelope) job.Task {
	t.Helper()
	var out job.Task
	check(t, json.Unmarshal(e.Payload, &out))
	return out
}

// changes lists when the clocks of a zone change.
func changes(where *time.Location, from, to int) []time.Time {
	var out []time.Time
	at := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC)
	for at.Year() < to {
		_, before := at.In(where).Zone()
		at = at.Add(30 * time.Minute)
		if _, now := at.In(where).Zone(); now != before {
			out = append(out, at)
		}
	}
	return slices.Clip(out[:min(len(out), 2)])
}

// newFast is a house without a disk, in a zone, with one computer.
func newFast(t *testing.T, zone *time.Location, now time.Time) *house {
	t.Helper()
	h := &house{t: t, now: now}
	var err error
	h.Fleet, err = fleet.Open(context.Background(), fleet.Options{Store: forgetful{}, Signer: fakeSigner{}, Zone: zone,
		Now: func() time.Time { return h.now }})
	check(t, err)
	h.enrol("k", "pc", hello(1))
	return h
}
