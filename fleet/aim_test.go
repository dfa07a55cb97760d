package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// twoDisks is a computer with one disk for the system and one for what people keep.
func twoDisks(n int) job.Hello {
	in := hello(n)
	in.Inventory.Disks = append(in.Inventory.Disks, job.Disk{Path: "/dev/sdb", Size: 2 << 30, SectorSize: 512, Bus: "sata", Serial: "DATA"})
	return in
}

// systemDeployed makes a computer with two disks whose system disk was proven to hold a version.
func (h *house) systemDeployed(key, name string, n int) fleet.Computer {
	h.t.Helper()
	h.enrol(key, name, twoDisks(n))
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{name}, Master: "win", Version: 1,
		Manifest: "aa", Disk: job.DiskRule{Serial: "D"}})
	check(h.t, err)
	h.next(key)
	h.report(key, job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	return h.computer(name)
}

// What a computer holds is proven of one disk: a rule must not make the other one equal to it.
func TestAResetLeavesTheOtherDiskAlone(t *testing.T) {
	h := newHouse(t)
	h.systemDeployed("k", "pc", 1)
	h.kill()
	for name, rule := range map[string]job.DiskRule{"by its serial number": {Serial: "DATA"}, "by its size": {MinSize: 3 << 29}} {
		for _, kind := range []job.Kind{job.KindReset, job.KindVerify} {
			_, err := h.Give(context.Background(), fleet.Order{Kind: kind, Computers: []string{"pc"}, Disk: rule, By: "prof"})
			wantCode(t, string(kind)+" of the other disk "+name, err, fleet.CodeOtherDisk)
		}
	}
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, Disk: job.DiskRule{MaxSize: 3 << 29}})
	check(t, err)
	h.kill()
	if got := h.task("k"); got.Disk.Serial != "D" && got.Disk.MaxSize != 3<<29 {
		t.Errorf("it is told to reset %+v", got.Disk)
	}
	h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	if c := h.computer("pc"); c.Runs == nil || c.Runs.Disk.Serial != "D" {
		t.Errorf("afterwards it runs %+v", c.Runs)
	}
}

// The rule named a disk that held something when it was ordered; by the time it is handed out that is true of the other one.
func TestAResetForTonightIsOfTheDiskThatWasMeant(t *testing.T) {
	h := newHouse(t)
	h.systemDeployed("k", "pc", 1)
	tonight := h.now.Add(12 * 3600e9)
	j, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, Disk: job.DiskRule{Serial: "D"}, At: tonight})
	check(t, err)
	x, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2, Manifest: "bb",
		Disk: job.DiskRule{Serial: "DATA"}})
	check(t, err)
	h.next("k")
	h.report("k", job.Report{Task: x.Tasks[0].ID, State: job.TaskDone, Outcome: &proven})
	h.now = tonight
	if e := h.next("k"); e != nil {
		t.Errorf("it is told %s", e.Payload)
	}
	if got := h.state(j.Job.ID); got.State != job.TaskCancelled || got.Outcome.Code != fleet.OutcomeNotProven {
		t.Errorf("the reset is %s, %+v", got.State, got.Outcome)
	}
}

func TestWhatIsLostOnAnotherDisk(t *testing.T) {
	h := newHouse(t)
	h.systemDeployed("k", "pc", 1)
	plan, err := h.Plan(fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, Master: "win", Version: 1, Manifest: "aa", Disk: job.DiskRule{Serial: "DATA"}})
	check(t, err)
	if p := plan[0]; p.Refusal != nil || !strings.HasPrefix(p.Loses, "everything on /dev/sdb") {
		t.Errorf("a reset of a disk that never held the version loses %q, %v", p.Loses, p.Refusal)
	}
	plan, err = h.Plan(fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}})
	check(t, err)
	if p := plan[0]; p.Refusal != nil || !strings.HasPrefix(p.Loses, "everything that was changed since") || !strings.Contains(p.Loses, "/dev/sda") {
		t.Errorf("a reset loses %q, %v", p.Loses, p.Refusal)
	}
}

// A computer with two disks can be worked on by a room's order and by a schedule's, which know no disk of any one computer.
func TestTheSystemDiskIsMeantWhereNoneIsNamed(t *testing.T) {
	h := newHouse(t)
	h.systemDeployed("k", "pc", 1)
	h.enrol("k2", "new", twoDisks(2))
	for _, kind := range []job.Kind{job.KindDeploy, job.KindStage, job.KindCapture} {
		j := h.order(kind, "pc")
		h.kill()
		got := h.task("k")
		if got.Disk.Serial != "D" || got.Kind != kind || got.Master != "m" || (got.Version != 3) != (kind == job.KindCapture) {
			t.Errorf("%s: it is told %+v", kind, got)
		}
		h.report("k", job.Report{Task: j.Tasks[0].ID, State: job.TaskCancelled, Outcome: &job.Outcome{Code: "cancelled"}})
	}
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindWipe, Computers: []string{"pc"}})
	wantCode(t, "wiping one of two disks", err, fleet.CodeSeveralDisks)
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"new"}, Master: "m", Version: 3, Manifest: "hash"})
	wantCode(t, "deploying to one of two disks of which nothing is known", err, fleet.CodeSeveralDisks)
	// Where its only disk was replaced, that is meant, and not the one that is gone.
	h.holding("k3", "mended", 3, "win", "aa")
	in := hello(3)
	in.Inventory.Disks[0].Serial = "NEW"
	h.hello("k3", in)
	h.order(job.KindDeploy, "mended")
	if got := h.task("k3"); got.Disk != (job.DiskRule{}) {
		t.Errorf("with a new disk it is told %+v", got.Disk)
	}
}

func TestAScheduleNamesADisk(t *testing.T) {
	h := newHouse(t)
	h.versions = channel{"win": {Target: fleet.Target{Master: "win", Version: 2, Manifest: "bb"}}}
	h.kill()
	h.enrol("k", "pc", twoDisks(1))
	s := fleet.Schedule{Name: "weekly", Days: everyDay(), At: "09:00", Until: "18:00",
		Order: fleet.ScheduledOrder{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Disk: job.DiskRule{Serial: "DATA"}}}
	_, err := h.SetSchedule(context.Background(), s, "marie")
	check(t, err)
	h.kill()
	h.now = h.now.Add(90 * 60e9)
	check(t, h.Tick(context.Background()))
	if got := h.task("k"); got.Kind != job.KindDeploy || got.Disk.Serial != "DATA" {
		t.Errorf("it is told %+v", got)
	}
}

func TestTheTeachersComputerAndSparesAreAWarning(t *testing.T) {
	h := newHouse(t)
	a, b, c := h.holding("ka", "a", 1, "win", "aa"), h.holding("kb", "b", 2, "win", "aa"), h.holding("kc", "c", 3, "win", "aa")
	h.room("S104", asItIs, a.ID, b.ID, c.ID)
	h.room("S104", func(r *fleet.Room) { r.Teacher, r.Spares = a.ID, []string{b.ID} })
	for kind, want := range map[job.Kind][3]string{
		job.KindReset:     {"it is the teacher's computer of its room", "it stands in for others of its room", ""},
		job.KindInventory: {},
	} {
		plan, err := h.Plan(fleet.Order{Kind: kind, Room: "S104"})
		check(t, err)
		for i, p := range plan {
			if p.Warning != want[i] || p.Refusal != nil {
				t.Errorf("%s of %s: %q, %v", kind, p.Computer.Name, p.Warning, p.Refusal)
			}
		}
	}
}

func TestAComputerThatStartsItselfIsAWarning(t *testing.T) {
	h := newHouse(t)
	a, b := h.holding("ka", "a", 1, "win", "aa"), h.holding("kb", "b", 2, "win", "aa")
	h.room("S104", asItIs, a.ID, b.ID)
	check(t, h.Told(t.Context(), "ka", job.LocalState{Place: true}))
	check(t, h.Told(t.Context(), "kb", job.LocalState{Place: true, NoMenu: "BitLocker"}))
	h.now = h.now.Add(time.Hour) // no agent runs any more
	warns := func(menu, wake bool) (a, b string) {
		t.Helper()
		h.room("S104", func(r *fleet.Room) { r.Menu = menu })
		plan, err := h.Plan(fleet.Order{Kind: job.KindReset, Room: "S104", Wake: wake})
		check(t, err)
		return plan[0].Warning, plan[1].Warning
	}
	if a, b := warns(true, false); !strings.Contains(a, "when it is woken, reset or started") || b != "" {
		t.Errorf("in a menu room: %q, %q", a, b)
	}
	if a, _ := warns(true, true); strings.Contains(a, "starts from its own disk") {
		t.Errorf("it is woken: %q", a)
	}
	if a, _ := warns(false, false); a != "" {
		t.Errorf("in a room without a menu: %q", a)
	}
}
