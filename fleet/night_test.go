package fleet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // whatever this machine knows of time zones

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// nightly is a room whose three computers are reset at two in the morning: the first two hold something.
func nightly(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	h.holding("k2", "pc2", 2, "win", "aa")
	h.enrol("k3", "pc3", hello(3))
	h.room("S104", func(r *fleet.Room) { r.Policy, r.Level = job.PolicyNight, job.LevelQuick }, "pc1", "pc2", "pc3")
	return h
}

func (h *house) at(day, hour, minute int) {
	h.t.Helper()
	h.now = time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)
	check(h.t, h.Tick(context.Background()))
}

func (h *house) resets() []fleet.JobState {
	var out []fleet.JobState
	for _, j := range h.Jobs() {
		if j.Job.Kind == job.KindReset {
			out = append(out, j)
		}
	}
	return out
}

func TestANightIsOrderedOnce(t *testing.T) {
	h := nightly(t)
	h.at(22, 23, 59)
	h.at(23, 1, 59)
	if n := len(h.resets()); n != 0 {
		t.Fatalf("%d resets are ordered before the night", n)
	}
	for range 3 {
		h.at(23, 2, 1)
		h.kill()
	}
	all := h.resets()
	if len(all) != 1 || len(all[0].Tasks) != 2 {
		t.Fatalf("%d resets are ordered: %+v", len(all), all)
	}
	j := all[0].Job
	if j.Level != job.LevelFull || j.Ending != job.EndPowerOff || !j.Wake || !j.Expires.Equal(h.now.Add(3*time.Hour)) {
		t.Errorf("the night's job is %+v", j)
	}
	got := h.task("k1")
	if got.Kind != job.KindReset || got.Ending != job.EndPowerOff || got.Manifest != "aa" {
		t.Errorf("a computer is told %+v", got)
	}
	h.report("k1", job.Report{Task: got.ID, State: job.TaskDone, Outcome: &proven})
	h.at(23, 4, 0)
	h.at(23, 23, 0)
	if n := len(h.resets()); n != 1 {
		t.Errorf("on the same day %d resets are ordered", n)
	}
	if s := h.state(j.ID); s.State != job.TaskDone {
		t.Errorf("the first task is %s", s.State)
	}
	if x, err := h.JobByID(j.ID); err != nil || x.Tasks[1].State != job.TaskCancelled || x.Active() {
		t.Errorf("who never woke has a task that is %s in the morning, %v", x.Tasks[1].State, err)
	}
	h.at(24, 2, 0)
	if n := len(h.resets()); n != 2 {
		t.Errorf("with the next night %d resets are ordered", n)
	}
}

func TestWhoHasATaskIsLeftAloneAtNight(t *testing.T) {
	h := nightly(t)
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc1"}, Master: "win", Version: 2, Manifest: "bb"})
	check(t, err)
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindCapture, Computers: []string{"pc2"}, Master: "new", At: h.now.Add(19 * time.Hour)})
	check(t, err)
	h.at(23, 2, 0)
	if n := len(h.resets()); n != 0 {
		t.Errorf("%d resets are ordered for computers with other tasks", n)
	}
	told := h.kinds()["night"]
	h.at(23, 2, 30)
	if told != 1 || h.kinds()["night"] != 1 {
		t.Errorf("%d, then %d events tell that nothing was ordered", told, h.kinds()["night"])
	}
}

// A daemon that was off at night must not reset a class at nine in the morning.
func TestANightThatWasMissedIsLetPass(t *testing.T) {
	for hour, want := range map[int]int{2: 1, 3: 1, 5: 0, 9: 0} {
		t.Run(fmt.Sprint(hour), func(t *testing.T) {
			h := nightly(t)
			h.kill()
			h.at(23, hour, 59)
			if n := len(h.resets()); n != want {
				t.Errorf("%d resets are ordered, want %d", n, want)
			}
		})
	}
}

func TestANightThatIsChosenAfterItsHourBeginsTheNextDay(t *testing.T) {
	h := nightly(t)
	h.room("S104", func(r *fleet.Room) { r.Night = "07:30" }) // it is eight now
	h.kill()
	h.at(22, 8, 1)
	if n := len(h.resets()); n != 0 {
		t.Error("a class is reset because somebody typed an hour that is past")
	}
	h.at(23, 7, 31)
	if n := len(h.resets()); n != 1 {
		t.Errorf("the next day %d resets are ordered", n)
	}
	h.room("S104", func(r *fleet.Room) { r.Menu = true })
	h.at(23, 7, 32)
	if n := len(h.resets()); n != 1 {
		t.Errorf("after another change of the room %d resets are ordered", n)
	}
}

func TestANightWithoutAnHourOfItsOwnInSpring(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	h := nightly(t)
	f, err := fleet.Open(context.Background(), fleet.Options{Store: h.store, Signer: fakeSigner{}, Zone: paris, Now: func() time.Time { return h.now }})
	check(t, err)
	h.Fleet = f
	h.room("S104", func(r *fleet.Room) { r.Night = "02:30" })
	// 2027-03-28 at 01:00 UTC the clocks go from two to three.
	for h.now = time.Date(2027, 3, 28, 0, 0, 0, 0, time.UTC); h.now.Hour() < 6; h.now = h.now.Add(10 * time.Minute) {
		check(t, h.Tick(context.Background()))
	}
	if n := len(h.resets()); n != 1 {
		t.Errorf("%d resets are ordered in a night without half past two", n)
	}
}

func TestComputersAreWokenForTheirTasks(t *testing.T) {
	h := nightly(t)
	h.at(23, 2, 0)
	if n := len(h.woken); n != 2 {
		t.Fatalf("%d computers are woken, want 2", n)
	}
	h.kill()
	h.at(23, 2, 1)
	if n := len(h.woken); n != 2 {
		t.Errorf("a minute later %d were woken", n)
	}
	h.next("k1") // it woke
	for range 20 {
		h.now = h.now.Add(3 * time.Minute)
		check(t, h.Tick(context.Background()))
		h.kill()
	}
	if n := len(h.woken); n != 4 {
		t.Errorf("an hour later %d were woken, want 4: the other one three times in all", n)
	}
	for _, macs := range h.woken[2:] {
		if strings.Join(macs, " ") != mac(2) {
			t.Errorf("%v was woken again", macs)
		}
	}
}

func TestAJobWaitsForItsTimeAndThenWakes(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	at := h.now.Add(2 * time.Hour)
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "m", Version: 1,
		Manifest: "aa", At: at, Within: time.Hour, Wake: true})
	check(t, err)
	if !j.Job.NotBefore.Equal(at) || !j.Job.Expires.Equal(at.Add(time.Hour)) {
		t.Errorf("it waits until %v and expires %v", j.Job.NotBefore, j.Job.Expires)
	}
	h.kill()
	check(t, h.Tick(context.Background()))
	if len(h.woken) != 0 || h.next("k") != nil {
		t.Error("it begins at once")
	}
	h.now = at
	h.kill()
	check(t, h.Tick(context.Background()))
	if len(h.woken) != 1 || h.next("k") == nil {
		t.Errorf("its time has come: %d woken", len(h.woken))
	}
	h.now = at.Add(90 * time.Minute)
	if h.next("k") != nil {
		t.Error("it is handed out although it has not written in time")
	}
}

func TestAJobThatWaitsCanBeCancelled(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindCapture, Computers: []string{"pc"}, Master: "m", At: h.now.Add(time.Hour)})
	check(t, err)
	_, err = h.Cancel(context.Background(), "1", "marie", false)
	check(t, err)
	h.now = h.now.Add(2 * time.Hour)
	if h.next("k") != nil || h.state("1").State != job.TaskCancelled {
		t.Error("it is handed out all the same")
	}
}

func TestOldJobsAreDroppedFromMemoryAndNotFromTheStore(t *testing.T) {
	h := immortal(t)
	h.enrol("k", "pc", hello(1))
	h.enrol("k2", "other", hello(2))
	first := h.order(job.KindDeploy, "other")
	for range 2100 {
		j := h.order(job.KindInventory, "pc")
		h.next("k")
		h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
	}
	check(t, h.Tick(context.Background()))
	all := h.Jobs()
	if len(all) != 1001 || all[0].Job.ID != "2101" || all[1000].Job.ID != first.Job.ID || len(all[1000].Tasks) != 1 {
		t.Errorf("%d jobs are kept, the newest %s, the oldest %s", len(all), all[0].Job.ID, all[len(all)-1].Job.ID)
	}
	if got := h.task("k2"); got.Job != first.Job.ID {
		t.Errorf("the oldest, which still waits, is handed out as %+v", got)
	}
}
