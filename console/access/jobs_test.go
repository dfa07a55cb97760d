package access_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// last is the newest entry of the audit log.
func (s *school) last() people.Entry {
	s.t.Helper()
	entries, err := s.People.Entries(s.t.Context(), people.AuditQuery{Limit: 1})
	s.must(err)
	return entries[0]
}

// Twenty-seven of twenty-eight were cancelled: that was done, and who goes on is named.
func TestACancelSaysWhoGoesOn(t *testing.T) {
	s := newSchool(t)
	d := s.desk(people.Technician)
	j, err := d.Give(t.Context(), access.Order{Kind: job.KindDeploy, Master: "win", Computers: []string{"pc1", "pc2"}})
	s.must(err)
	_, err = s.Fleet.Report(t.Context(), "k1", job.Report{Task: s.task(1).ID, State: job.TaskRunning, Written: 1})
	s.must(err)
	got, err := d.Cancel(t.Context(), j.ID, access.Cancel{})
	if err != nil || !slices.Equal(got.Going, []string{"pc1"}) || got.Tasks[0].State != job.TaskRunning || got.Tasks[1].State != job.TaskCancelled {
		t.Errorf("cancelled: %+v, %v", got, err)
	}
	if e := s.last(); e.Action != "job cancel" || e.Result != access.Done || e.Detail != "1 go on, because their disks are being written" {
		t.Errorf("the audit log says %+v", e)
	}
	_, err = d.Cancel(t.Context(), j.ID, access.Cancel{})
	s.code("cancelling what only goes on", err, "written")
	if e := s.last(); e.Result != access.Refused {
		t.Errorf("the audit log says %+v", e)
	}
	got, err = d.Cancel(t.Context(), j.ID, access.Cancel{Force: true})
	if err != nil || len(got.Going) != 0 || got.State != job.TaskFailed {
		t.Errorf("forced: %+v, %v", got, err)
	}
}

// What was ordered is counted as its language does.
func TestAnOrderIsWrittenDownWithItsNumber(t *testing.T) {
	s := newSchool(t)
	for _, x := range []struct {
		computers []string
		what      string
	}{{[]string{"pc1"}, ": inventory, 1 computer"}, {[]string{"pc2", "pc3"}, ": inventory, 2 computers"}} {
		j, err := s.desk(people.Technician).Give(t.Context(), access.Order{Kind: job.KindInventory, Computers: x.computers})
		s.must(err)
		if e := s.last(); e.What != "job "+j.ID+x.what {
			t.Errorf("the audit log says %q, not what ends with %q", e.What, x.what)
		}
	}
}

// Who looks for a computer that left its room finds it in the audit log.
func TestTheAuditLogNamesWhatWasMoved(t *testing.T) {
	s := newSchool(t)
	tech := s.desk(people.Technician)
	_, err := tech.Place(t.Context(), access.Placement{Room: "S104", Computers: []string{"pc1", "pc2"}})
	s.must(err)
	if e := s.last(); e.What != "S104" || e.Detail != "pc1, pc2" {
		t.Errorf("the audit log says %+v", e)
	}
	var all []string
	for range 3 { // more than are written out
		all = append(all, "pc3", "pc1", "pc2")
	}
	_, err = tech.Place(t.Context(), access.Placement{Room: "S104", Computers: all})
	s.must(err)
	if e := s.last(); e.Detail != "pc3, pc1, pc2, pc3, pc1 and 4 more" {
		t.Errorf("the audit log says %+v", e)
	}
	_, err = tech.Place(t.Context(), access.Placement{Computers: []string{"pc1", "pc9"}})
	s.code("moving what is not there", err, "no-computer")
	if e := s.last(); e.Result != access.Refused || e.Detail == "pc1" {
		t.Errorf("the audit log says %+v", e)
	}
}

// What an agent tells late is shown where it happened.
func TestAComputersEventsAreInTheOrderOfTheirTimes(t *testing.T) {
	s := newSchool(t)
	d := s.desk(people.Technician)
	s.now = s.now.Add(time.Hour)
	_, err := d.Amend(t.Context(), "pc1", fleet.Amendment{Note: ptr("late")})
	s.must(err)
	s.now = s.now.Add(-time.Minute)
	tags := []string{"early"}
	_, err = d.Amend(t.Context(), "pc1", fleet.Amendment{Tags: &tags})
	s.must(err)
	pc, err := d.Computer("pc1")
	if err != nil || len(pc.Events) < 3 || pc.Events[0].Kind != "annotated" || pc.Events[1].Kind != "labelled" {
		t.Errorf("events: %+v, %v", pc.Events, err)
	}
}

func TestAComputerIsForgottenByWhoMay(t *testing.T) {
	s := newSchool(t)
	s.deploy(1, 1)
	tech := s.desk(people.Technician)
	for _, role := range []people.Role{people.Teacher, people.Reader} {
		_, err := s.desk(role).ForgetComputer(t.Context(), "pc1")
		s.code(string(role)+" forgets a computer", err, "forbidden")
	}
	_, err := tech.ForgetComputer(t.Context(), "pc9")
	s.code("forgetting nobody", err, "no-computer")
	label, err := tech.Label(t.Context(), "pc1")
	s.must(err)
	running, err := tech.Give(t.Context(), access.Order{Kind: job.KindInventory, Computers: []string{"pc1"}})
	s.must(err)
	s.task(1)
	_, err = tech.ForgetComputer(t.Context(), "pc1")
	s.code("forgetting one at work", err, "busy")
	s.does(job.Outcome{Code: "ok"}, 1)
	was, err := tech.ForgetComputer(t.Context(), "pc1")
	if err != nil || was.Name != "pc1" || was.Room != "S104" || was.Runs == nil {
		t.Fatalf("ForgetComputer = %+v, %v", was, err)
	}
	if e := s.last(); e.Action != "computer forget" || e.What != "pc1" || e.Room != "S104" || e.Result != access.Done {
		t.Errorf("the audit log says %+v", e)
	}
	_, err = tech.Computer("pc1")
	s.code("looking at it", err, "no-computer")
	if _, err := s.Labelled(t.Context(), label); err == nil {
		t.Error("its label is still somebody's")
	}
	root := s.desk(people.Administrator)
	if j, err := root.Job(t.Context(), running.ID); err != nil || j.Tasks[0].Computer != was.ID {
		t.Errorf("what it did is %+v, %v", j, err)
	}
	if _, err := s.Fleet.Authorise("k1"); err == nil {
		t.Error("its key still counts")
	}
}

// Whoever may see the room may show the certificate of what was wiped there, whatever has become of the computer.
func TestACertificateOutlivesItsComputer(t *testing.T) {
	s := newSchool(t)
	_, err := s.Fleet.SetSite(t.Context(), fleet.Site{Name: "zola"}, "m")
	s.must(err)
	_, err = s.Fleet.SetRoom(t.Context(), "zola/S1", "m", func(*fleet.Room) {})
	s.must(err)
	_, err = s.Fleet.Place(t.Context(), []string{"pc1"}, "zola/S1", "m")
	s.must(err)
	of := func(site string) access.Desk {
		return s.For(people.Caller{Login: "t", Role: people.Technician, Sites: []string{site}, Via: people.ViaSession})
	}
	zola := of("zola")
	j, err := zola.Give(t.Context(), access.Order{Kind: job.KindWipe, Computers: []string{"pc1"}})
	s.must(err)
	s.does(job.Outcome{Code: "ok", Wipe: &job.WipeProof{Method: job.WipeOverwrite}}, 1)
	pc, err := s.Fleet.Find("pc1")
	s.must(err)
	_, err = zola.ForgetComputer(t.Context(), "pc1")
	s.must(err)
	want := access.Wiped{Name: "pc1", Manufacturer: "Acme", Model: "One", Serial: "SN-0001", Site: "zola", Room: "zola/S1"}
	for _, d := range []access.Desk{zola, s.desk(people.Administrator)} {
		got, err := d.Job(t.Context(), j.ID)
		if err != nil || got.Tasks[0].Computer != "pc1" || got.Tasks[0].Wiped == nil || *got.Tasks[0].Wiped != want || !slices.Equal(got.Rooms, []string{"zola/S1"}) {
			t.Errorf("%s reads %+v, %v", d.Caller().Role, got, err)
		}
	}
	_, err = of("hugo").Job(t.Context(), j.ID)
	s.code("another school reads it", err, "no-job")
	// The name is another's by now: the certificate is not about that one.
	w, err := s.Fleet.Hello(t.Context(), fleet.Introduction{Key: "k9", Address: "10.0.0.9", Hello: hello(9)})
	s.must(err)
	_, err = s.Fleet.Approve(t.Context(), fleet.Approval{Code: w.Code, Name: "pc1"})
	s.must(err)
	if got, err := zola.Job(t.Context(), j.ID); err != nil || got.Tasks[0].Wiped.Serial != "SN-0001" || got.Tasks[0].Computer != "pc1" {
		t.Errorf("with a namesake of %s it is %+v, %v", pc.ID, got, err)
	}
}

// The list of jobs goes on where memory ends, and shows to each what is his.
func TestJobsAreListedByPlaceAndState(t *testing.T) {
	s := newSchool(t)
	_, err := s.Fleet.SetRoom(t.Context(), "S105", "m", func(*fleet.Room) {})
	s.must(err)
	_, err = s.Fleet.Place(t.Context(), []string{"pc2"}, "S105", "m")
	s.must(err)
	ids := map[int]string{}
	for n := 1; n <= 2; n++ {
		c, err := s.Fleet.Find(fmt.Sprint("pc", n))
		s.must(err)
		ids[n] = c.ID
	}
	var c fleet.Change
	for n := 1; n <= 640; n++ {
		id, state, kind := strconv.Itoa(n), job.TaskDone, job.KindReset
		if n%8 == 0 {
			state, kind = job.TaskFailed, job.KindVerify
		}
		c.Jobs = append(c.Jobs, fleet.Job{ID: id, Kind: kind})
		c.Tasks = append(c.Tasks, fleet.Task{ID: id + "-1", Job: id, Computer: ids[1+n%2], State: state})
	}
	s.must(s.store.Commit(t.Context(), c))
	s.House.Fleet, err = fleet.Open(t.Context(), fleet.Options{Store: s.store, Archive: s.store, Signer: nobodysKey{}, Now: func() time.Time { return s.now }})
	s.must(err)
	root, teacher := s.desk(people.Administrator), s.desk(people.Teacher)
	for name, tt := range map[string]struct {
		d    access.Desk
		f    access.JobFilter
		want string
		n    int
	}{
		"all":                   {root, access.JobFilter{}, "640", 640},
		"a page":                {root, access.JobFilter{Before: "100", Limit: 10}, "99", 10},
		"a room's":              {root, access.JobFilter{Room: "s105"}, "639", 320},
		"a room's that failed":  {root, access.JobFilter{Room: "S104", State: job.TaskFailed}, "640", 80},
		"of a kind, before":     {root, access.JobFilter{Kind: job.KindVerify, Before: "17"}, "16", 2},
		"a teacher's":           {teacher, access.JobFilter{}, "640", 320},
		"a teacher's that wait": {teacher, access.JobFilter{State: job.TaskWaiting}, "", 0},
	} {
		got, err := tt.d.Jobs(t.Context(), tt.f)
		if err != nil || len(got) != tt.n || tt.n > 0 && got[0].ID != tt.want {
			t.Errorf("%s: %d jobs, %v; want %d from %s on", name, len(got), err, tt.n, tt.want)
		}
		for _, j := range got {
			if want := []string{"S104", "S105"}[idOf(t, j.ID)%2]; !slices.Equal(j.Rooms, []string{want}) {
				t.Errorf("%s: job %s is in %q", name, j.ID, j.Rooms)
			}
		}
	}
	_, err = teacher.Jobs(t.Context(), access.JobFilter{Room: "S105"})
	s.code("another teacher's room", err, "no-room")
	_, err = root.Jobs(t.Context(), access.JobFilter{State: "lost"})
	s.code("a state that there is not", err, "bad-order")
	for _, before := range []string{"x", "-1", "0"} {
		_, err = root.Jobs(t.Context(), access.JobFilter{Before: before})
		s.code("before "+before, err, "bad-order")
	}
	if j, err := teacher.Job(t.Context(), "2"); err != nil || j.Tasks[0].Computer != "pc1" {
		t.Errorf("a job of long ago: %+v, %v", j, err)
	}
	_, err = teacher.Job(t.Context(), "1")
	s.code("one of another room, of long ago", err, "no-job")
}

func idOf(t *testing.T, id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A job of many rooms names eight of them.
func TestAJobNamesItsRooms(t *testing.T) {
	s := newSchool(t)
	for n := 1; n <= 10; n++ {
		room := fmt.Sprintf("R%02d", n)
		_, err := s.Fleet.SetRoom(t.Context(), room, "m", func(*fleet.Room) {})
		s.must(err)
		w, err := s.Fleet.Hello(t.Context(), fleet.Introduction{Key: "x" + room, Address: "10.0.0.9", Hello: hello(20 + n)})
		s.must(err)
		_, err = s.Fleet.Approve(t.Context(), fleet.Approval{Code: w.Code, Name: "in-" + room, Room: room})
		s.must(err)
	}
	j, err := s.desk(people.Administrator).Give(t.Context(), access.Order{Kind: job.KindInventory, Filter: "in-R"})
	s.must(err)
	if want := []string{"R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "..."}; !slices.Equal(j.Rooms, want) {
		t.Errorf("its rooms are %q", j.Rooms)
	}
}

// What a room or a schedule names is not taken away from under it.
func TestWhatARoomNamesStays(t *testing.T) {
	s := newSchool(t)
	root := s.desk(people.Administrator)
	ref := func(master string) {
		t.Helper()
		_, err := s.Fleet.SetRoom(t.Context(), "S104", "m", func(r *fleet.Room) { r.Master = master })
		s.must(err)
	}
	ref("win@2")
	_, err := root.ForgetMaster(t.Context(), "win@2")
	s.code("forgetting what a room names", err, "master-needed")
	if got := access.ErrorOf(err).Detail; got != "room S104 is to run it" {
		t.Errorf("it is needed by %q", got)
	}
	_, err = root.MoveChannel(t.Context(), "promote", "win@3", "pilot")
	s.must(err)
	ref("win@pilot")
	_, err = root.MoveChannel(t.Context(), "withdraw", "win", "pilot")
	s.code("withdrawing the channel that a room names", err, "master-needed")
	ref("")
	_, err = root.SetSchedule(t.Context(), access.Schedule{Name: "weekly", Days: []string{"mon"}, At: "22:00", Until: "23:00",
		Order: access.ScheduledOrder{Kind: job.KindDeploy, Rooms: []string{"S104"}, Master: "win@pilot", Disk: job.DiskRule{Serial: "SYS"}}})
	s.must(err)
	_, err = root.MoveChannel(t.Context(), "withdraw", "win", "pilot")
	s.code("withdrawing the channel that a schedule names", err, "master-needed")
	all, err := root.Schedules()
	if err != nil || len(all) != 1 || all[0].Order.Disk.Serial != "SYS" {
		t.Fatalf("the schedules are %+v, %v", all, err)
	}
	_, err = root.ChangeSchedule(t.Context(), all[0].ID, "forget")
	s.must(err)
	_, err = root.MoveChannel(t.Context(), "withdraw", "win", "pilot")
	s.must(err)
	for _, v := range []string{"win@2", "win@3"} {
		_, err = root.ForgetMaster(t.Context(), v)
		s.must(err)
	}
}

// Who may cancel a job may do so after one of its computers has left.
func TestAJobIsCancelledAfterOneOfItsComputersHasLeft(t *testing.T) {
	s := newSchool(t)
	tech := s.For(people.Caller{Login: "t", Role: people.Technician, Sites: []string{""}, Via: people.ViaSession})
	j, err := tech.Give(t.Context(), access.Order{Kind: job.KindInventory, Rooms: []string{"S104"}})
	s.must(err)
	_, err = tech.ForgetComputer(t.Context(), "pc1")
	s.must(err)
	got, err := tech.Cancel(t.Context(), j.ID, access.Cancel{})
	if err != nil || len(got.Tasks) != 3 || got.State != job.TaskCancelled {
		t.Errorf("cancelled: %+v, %v", got, err)
	}
}
