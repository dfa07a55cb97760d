package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// script is one that is approved.
func (s *school) script(writes bool) string {
	s.t.Helper()
	x, err := s.fleet.AddScript(s.t.Context(), fleet.Script{Name: "update", Text: "#!/bin/sh\n", Limit: 60, Writes: writes, By: "marie"})
	check(s.t, err)
	_, err = s.fleet.ApproveScript(s.t.Context(), x.Hash, "marie", true)
	check(s.t, err)
	return x.Hash
}

// twoDisks enrols the n-th computer, which has an NVMe disk and a SATA one.
func (s *school) twoDisks(n int, name, room string) fleet.Computer {
	s.t.Helper()
	code := s.hello(n, func(in *job.Inventory) {
		in.Disks = append(in.Disks, job.Disk{Path: "/dev/sda", Size: 1_000_204_886_016, SectorSize: 512, Bus: "sata", Model: "WDC WD10EZEX", Serial: fmt.Sprintf("WD-%d", n)})
	})
	_, err := s.fleet.Approve(s.t.Context(), fleet.Approval{Code: code, Name: name, By: "marie"})
	check(s.t, err)
	if room != "" {
		_, err = s.fleet.Place(s.t.Context(), []string{name}, room, "marie")
		check(s.t, err)
	}
	pc, err := s.fleet.Find(name)
	check(s.t, err)
	return pc
}

// newest is the job that was ordered last.
func (s *school) newest() fleet.JobState {
	s.t.Helper()
	jobs := s.fleet.Jobs()
	if len(jobs) == 0 {
		s.t.Fatal("nothing was ordered")
	}
	return jobs[0]
}

// sends posts a form that is to be taken, and returns the newest job.
func (b *browser) sends(path string, form url.Values) fleet.JobState {
	b.s.t.Helper()
	before := len(b.s.fleet.Jobs())
	if status, body := b.post(path, form); status != http.StatusSeeOther || len(b.s.fleet.Jobs()) != before+1 {
		b.s.t.Fatalf("%s %v: %d, %d jobs\n%s", path, form, status, len(b.s.fleet.Jobs()), body)
	}
	return b.s.newest()
}

func TestWhoMayOrderAKindMayCancelIt(t *testing.T) {
	s, v := furnished(t)
	script := job.ScriptOrder{Hash: s.script(false)}
	b := s.as("paul")
	for _, o := range []fleet.Order{{Kind: job.KindDeploy}, {Kind: job.KindStage}, {Kind: job.KindReset}, {Kind: job.KindVerify}, {Kind: job.KindCapture, Master: "Bureautique", Note: "new"},
		{Kind: job.KindInventory}, {Kind: job.KindWipe}, {Kind: job.KindScript, Script: script}, {Kind: job.KindShutdown}} {
		o.Computers, o.By = []string{"S104-01"}, "marie"
		if o.Kind == job.KindDeploy || o.Kind == job.KindStage || o.Kind == job.KindReset || o.Kind == job.KindVerify {
			o.Master, o.Version, o.Manifest = v[1].Name, v[1].Number, v[1].Hash.String()
		}
		j, err := s.fleet.Give(t.Context(), o)
		check(t, err)
		b.want("/jobs/"+j.Job.ID, 200, `data-dialog="cancel"`)
		if status, body := b.post("/jobs/"+j.Job.ID+"/cancel", nil); status != http.StatusSeeOther || s.newest().Tasks[0].State != job.TaskCancelled {
			t.Errorf("cancelling a job of kind %s: %d, its task is %s\n%s", o.Kind, status, s.newest().Tasks[0].State, body)
		}
	}
}

func TestNothingIsDestroyedWithoutACountdown(t *testing.T) {
	s, v := furnished(t)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01"}}, v[1])
	s.done(0)
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	b := s.as("paul")
	for kind, form := range map[string]url.Values{"reset": {"level": {"full"}}, "wipe": {"typed": {"S104-01"}}} {
		j := b.sends("/computers/"+pc.ID+"/do/"+kind, form)
		if j.Job.Countdown != 10 {
			t.Errorf("a %s from a computer's page counts down from %d", kind, j.Job.Countdown)
		}
		_, err := s.fleet.Cancel(t.Context(), j.Job.ID, "marie", false)
		check(t, err)
	}
	form := url.Values{"name": {"nights"}, "kind": {"reset"}, "level": {"full"}, "ending": {"disk"}, "retries": {"1"}, "days": {"mon"}, "at": {"22:00"}, "until": {"05:00"}, "rooms": {"S104"},
		"typed": {"Resets 1 computer on the night of each Monday"}}
	if status, body := b.post("/schedules/new", form); status != http.StatusSeeOther || s.fleet.Schedules()[0].Order.Countdown != 10 {
		t.Fatalf("a schedule counts down from %+v: %d\n%s", s.fleet.Schedules(), status, body)
	}
	x, err := s.desk("marie").Schedule("1")
	check(t, err)
	x.Order.Countdown = 45
	_, err = s.desk("marie").SetSchedule(t.Context(), x)
	check(t, err)
	b.want("/schedules/1", 200, `name="countdown" type="number" value="45"`)
}

func TestTheSentenceSaysWhichSchool(t *testing.T) {
	s, _ := furnished(t)
	order := "/order?kind=deploy&room=zola%2FB12&master=Bureautique%402"
	b := s.as("paul") // sees two schools
	b.want(order, 200, "<bdi>zola/B12</bdi>", "Wipes 2 computers in zola/B12")
	form := url.Values{"kind": {"deploy"}, "room": {"zola/B12"}, "master": {"Bureautique@2"}, "typed": {"Wipes 2 computers in B12"}}
	if status, _ := b.post("/order", form); status != http.StatusUnprocessableEntity {
		t.Errorf("a sentence that is right for another school: %d", status)
	}
	form.Set("typed", "Wipes 2 computers in zola/B12")
	b.sends("/order", form)
	s.as("zoe").want(order, 200, "Wipes 2 computers in B12")
}

func TestAWindowIsTheOneThatIsMeant(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	for _, x := range []struct {
		now        time.Time
		form       url.Values
		begin, end time.Time // begin zero: at once
		says       string
	}{
		{at(24, 10, 12), url.Values{"when": {"now"}}, time.Time{}, at(24, 23, 59), "at the latest today at 23:59"},
		{at(24, 23, 30), url.Values{"when": {"now"}}, time.Time{}, at(25, 1, 30), "at the latest tomorrow at 01:30"},
		{at(24, 10, 12), url.Values{"when": {"tonight"}}, at(24, 22, 0), at(25, 6, 0), "today at 22:00 → tomorrow at 06:00"},
		{at(24, 23, 30), url.Values{"when": {"tonight"}}, time.Time{}, at(25, 6, 0), "now → tomorrow at 06:00"},
		{at(25, 2, 0), url.Values{"when": {"tonight"}}, time.Time{}, at(25, 6, 0), "now → today at 06:00"},
		{at(25, 6, 0), url.Values{"when": {"tonight"}}, at(25, 22, 0), at(26, 6, 0), "today at 22:00 → tomorrow at 06:00"},
		{at(24, 23, 0), url.Values{"when": {"window"}, "from": {"22:00"}, "until": {"05:00"}}, time.Time{}, at(25, 5, 0), "now → tomorrow at 05:00"},
		{at(24, 12, 0), url.Values{"when": {"window"}, "from": {"08:00"}, "until": {"11:00"}}, at(25, 8, 0), at(25, 11, 0), "tomorrow at 08:00 → tomorrow at 11:00"},
		{at(24, 12, 0), url.Values{"when": {"window"}, "date": {"2026-11-28"}, "from": {"22:00"}, "until": {"05:00"}}, at(28, 22, 0), at(29, 5, 0), "28 Nov 2026, 22:00 → 29 Nov 2026, 05:00"},
	} {
		s, _ := furnished(t)
		s.now = x.now
		b := s.as("paul")
		form := url.Values{"kind": {"inventory"}, "room": {"S104"}}
		for k, values := range x.form {
			form[k] = values
		}
		b.want("/order?"+form.Encode(), 200, x.says)
		j := b.sends("/order", form).Job
		if !j.NotBefore.Equal(x.begin) || !j.Expires.Equal(x.end) {
			t.Errorf("%s, %v: from %s until %s, want %s and %s", x.now, x.form, j.NotBefore, j.Expires, x.begin, x.end)
		}
		if retries := j.Retries; (retries == 0) != (x.form.Get("when") == "now") {
			t.Errorf("%v is tried again %d times", x.form, retries)
		}
	}
	s, _ := furnished(t)
	b := s.as("paul")
	for _, day := range []string{"2026-11-22", "2031-01-01", "soon"} {
		form := url.Values{"kind": {"inventory"}, "room": {"S104"}, "when": {"window"}, "date": {day}, "from": {"22:00"}, "until": {"05:00"}}
		if status, body := b.post("/order", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-date"`) || !strings.Contains(body, `value="`+day+`"`) {
			t.Errorf("on %s: %d\n%s", day, status, body)
		}
	}
	pc, err := s.fleet.Find("S104-02")
	check(t, err)
	b.want("/computers/"+pc.ID+"/do/inventory", 200, `name="when" value="tonight"`, "today at 22:00 → tomorrow at 06:00")
	j := b.sends("/computers/"+pc.ID+"/do/inventory", url.Values{"when": {"tonight"}, "retries": {"3"}, "note": {"before the exam"}}).Job
	if !j.NotBefore.Equal(at(24, 22, 0)) || j.Retries != 3 || j.Note != "before the exam" {
		t.Errorf("a computer's page ordered %+v", j)
	}
	if j := b.sends("/order", url.Values{"kind": {"shutdown"}, "room": {"S104"}}).Job; !j.Expires.Equal(s.now.Add(10 * time.Minute)) {
		t.Errorf("who is to switch off now is waited for until %s", j.Expires)
	}
}

func TestADiskIsChosenWhereThereAreSeveral(t *testing.T) {
	s, _ := furnished(t)
	one := s.twoDisks(40, "CDI-1", "S104")
	s.twoDisks(41, "CDI-2", "S104")
	b := s.as("paul")
	order := "/order?kind=deploy&master=Bureautique%402&pc=" + one.ID
	body := b.want(order, 200, "Which disk?", "disk=serial%3DZ0000040", "disk=serial%3DWD-40", "WDC WD10EZEX", `id="go" disabled`)
	if strings.Contains(body, "--min-size") || strings.Contains(body, "ardoise computer") {
		t.Error("a page speaks of options of a command")
	}
	b.want(order+"&disk=serial%3DWD-40", 200, `aria-current="true"`, "WDC WD10EZEX</bdi>, 1.00", "Wipes 1 computer")
	form := url.Values{"kind": {"deploy"}, "pc": {one.ID}, "master": {"Bureautique@2"}, "disk": {"serial=WD-40"}, "typed": {"Wipes 1 computer"}}
	if j := b.sends("/order", form); j.Job.Disk != (job.DiskRule{Serial: "WD-40"}) {
		t.Errorf("the disk is %+v", j.Job.Disk)
	}
	_, err := s.fleet.Cancel(t.Context(), s.newest().Job.ID, "marie", false)
	check(t, err)
	for _, bad := range []string{"serial", "min=x", "bus=nvme&x=1", "%zz"} {
		form.Set("disk", bad)
		if status, _ := b.post("/order", form); status != http.StatusUnprocessableEntity {
			t.Errorf("the disk %q: %d", bad, status)
		}
	}
	// Of a room: by what the disks have in common
	room := "/order?kind=wipe&room=S104"
	b.want(room, 200, "disk=bus%3Dnvme", "NVME · 5 computers", "disk=bus%3Dsata", "SATA · 2 computers", "Destroys the data of 3 computers in S104")
	b.want(room+"&disk=bus%3Dnvme", 200, "Destroys the data of 5 computers in S104")
	b.want(room+"&disk=bus%3Dsata", 200, "Destroys the data of 2 computers in S104")
	if body := b.want("/computers/"+one.ID+"/do/reset", 200); strings.Contains(body, "Which disk?") {
		t.Error("a reset of what a computer holds is offered for another disk")
	}
	// A capture
	form = url.Values{"computer": {"CDI-1"}, "master": {"Essai"}, "note": {"new"}}
	if status, body := b.post("/capture", form); status != http.StatusUnprocessableEntity || !containsAll(body, `name="disk" value="serial=WD-40"`, "Which disk?") {
		t.Errorf("a capture of one of two disks: %d\n%s", status, body)
	}
	b.want("/capture?computer=CDI-1", 200, `name="disk" value="serial=Z0000040"`, "today at 23:59")
	form.Set("disk", "serial=Z0000040")
	if j := b.sends("/capture", form).Job; j.Disk.Serial != "Z0000040" || !j.Expires.Equal(time.Date(2026, 11, 24, 23, 59, 0, 0, time.UTC)) {
		t.Errorf("what is captured is %+v, until %s", j.Disk, j.Expires)
	}
}

func TestAComputersPageAsksWhatGoesFirst(t *testing.T) {
	s, _ := furnished(t)
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	first := s.give(fleet.Order{Kind: job.KindInventory, Computers: []string{pc.ID}}, masters.Version{})
	b := s.as("paul")
	b.language = "fr"
	path := "/computers/" + pc.ID + "/do/wipe"
	body := b.want(path, 200, "Inventaire, ordre de marie, travail", `href="/jobs/`+first.Job.ID+`"`, `name="instead" value="1"`)
	if strings.Contains(body, "pas possible maintenant") {
		t.Error("an order that only waits is in the way for ever")
	}
	form := url.Values{"typed": {"S104-01"}}
	if status, body := b.post(path, form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-instead"`) {
		t.Errorf("a second order without an answer: %d\n%s", status, body)
	}
	form.Set("instead", "1")
	b.sends(path, form)
	if old, err := s.fleet.JobByID(first.Job.ID); err != nil || old.Tasks[0].State != job.TaskCancelled {
		t.Errorf("the first order is %+v, %v", old.Tasks, err)
	}
	b.want("/order?kind=deploy&master=Bureautique%402&room=S104", 200, "<bdi>S104-01</bdi>\u00a0: Effacement, ordre de paul")
	// A teacher may not cancel what waits there: it is in the way, and that is said
	claire := s.as("claire")
	claire.want("/order?kind=reset&room=S104", 200, "S104-01 has something to do already")
	if body := claire.want("/computers/"+pc.ID+"/do/reset", 200, "S104-01 has something to do already"); strings.Contains(body, `name="instead"`) {
		t.Error("a teacher is asked to cancel a wipe")
	}
}

func TestAScheduleThatErasesAsks(t *testing.T) {
	s, v := furnished(t)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01"}}, v[1])
	s.done(0)
	b := s.as("paul")
	form := url.Values{"name": {"La nuit <1>"}, "kind": {"deploy"}, "master": {"Bureautique@stable"}, "ending": {"disk"}, "retries": {"1"}, "days": {"mon", "tue", "wed", "thu", "fri"},
		"at": {"22:00"}, "until": {"05:00"}, "rooms": {"S104", "zola/B12"}}
	status, body := b.post("/schedules/new", form)
	if status != http.StatusOK || len(s.fleet.Schedules()) != 0 || !containsAll(body, `data-typed="Wipes 5 computers each weekday night"`, "La nuit &lt;1&gt;", "Bureautique@2",
		`name="rooms" value="zola/B12"`, `name="asked" value="1"`, "S104 and zola/B12") {
		t.Fatalf("before it is kept: %d\n%s", status, body)
	}
	form.Set("asked", "1")
	form.Set("typed", "yes")
	if status, body = b.post("/schedules/new", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-typed"`) || len(s.fleet.Schedules()) != 0 {
		t.Errorf("another sentence: %d\n%s", status, body)
	}
	form.Set("edit", "1")
	if status, body = b.post("/schedules/new", form); status != http.StatusOK || !containsAll(body, `id="f-at"`, `value="La nuit &lt;1&gt;"`) || len(s.fleet.Schedules()) != 0 {
		t.Errorf("back to the form: %d\n%s", status, body)
	}
	form.Del("edit")
	form.Set("typed", "wipes 5 computers each weekday night")
	if status, body = b.post("/schedules/new", form); status != http.StatusSeeOther || len(s.fleet.Schedules()) != 1 {
		t.Fatalf("the sentence: %d\n%s", status, body)
	}
	// Where nobody is to be erased yet, that is said, too
	form = url.Values{"name": {"new ones"}, "kind": {"reset"}, "level": {"quick"}, "ending": {"disk"}, "retries": {"0"}, "days": {"sat"}, "at": {"10:00"}, "until": {"12:00"}, "filter": {"tag:nobody"}}
	if status, body = s.as("marie").post("/schedules/new", form); status != http.StatusOK || !strings.Contains(body, `data-typed="Resets 0 computers each Saturday"`) {
		t.Errorf("a filter that nobody matches: %d\n%s", status, body)
	}
	form["kind"] = []string{"inventory"}
	if status, body = s.as("marie").post("/schedules/new", form); status != http.StatusSeeOther {
		t.Errorf("one that erases nothing: %d\n%s", status, body)
	}
	// Two disks: the schedule says which
	s.twoDisks(40, "CDI-1", "S104")
	s.twoDisks(41, "CDI-2", "S104")
	form = url.Values{"name": {"two"}, "kind": {"deploy"}, "master": {"Bureautique@2"}, "ending": {"disk"}, "retries": {"0"}, "days": {"sat"}, "at": {"10:00"}, "until": {"12:00"}, "computers": {"CDI-1 CDI-2"}}
	if status, body = b.post("/schedules/new", form); status != http.StatusOK || !containsAll(body, `name="pick" value="bus=nvme"`, "Wipes 0 computers each Saturday") {
		t.Errorf("computers with two disks: %d\n%s", status, body)
	}
	form.Set("pick", "bus=nvme")
	form.Set("asked", "1")
	if status, body = b.post("/schedules/new", form); status != http.StatusOK || !containsAll(body, `name="disk" value="bus=nvme"`, `data-typed="Wipes 2 computers each Saturday"`) {
		t.Errorf("one that was chosen: %d\n%s", status, body)
	}
	form.Del("pick")
	form.Set("disk", "bus=nvme")
	form.Set("typed", "Wipes 2 computers each Saturday")
	if status, body = b.post("/schedules/new", form); status != http.StatusSeeOther {
		t.Fatalf("the sentence: %d\n%s", status, body)
	}
	for _, x := range s.fleet.Schedules() {
		if x.Name == "two" {
			b.want("/schedules/"+x.ID, 200, `<option value="bus=nvme" selected>NVME</option>`)
		}
	}
}

// A schedule that was paused erases from its next window on: that is asked, as before it was kept.
func TestAScheduleThatErasesAsksBeforeItGoesOn(t *testing.T) {
	s, v := furnished(t)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01"}}, v[1])
	s.done(0)
	b := s.as("paul")
	writes, reads := s.script(true), ""
	x, err := s.fleet.AddScript(t.Context(), fleet.Script{Name: "looks", Text: "#!/bin/sh\nls\n", Limit: 60, By: "marie"})
	check(t, err)
	_, err = s.fleet.ApproveScript(t.Context(), x.Hash, "marie", true)
	check(t, err)
	reads = x.Hash
	for i, x := range []struct {
		o        access.ScheduledOrder
		sentence string // "": it erases nothing
	}{
		{access.ScheduledOrder{Kind: job.KindReset, Level: job.LevelFull}, "Resets 1 computer each weekday night"},
		{access.ScheduledOrder{Kind: job.KindDeploy, Master: "Bureautique@stable"}, "Wipes 3 computers each weekday night"},
		{access.ScheduledOrder{Kind: job.KindScript, Script: writes}, "May change 3 computers each weekday night"},
		{access.ScheduledOrder{Kind: job.KindScript, Script: reads}, ""},
		{access.ScheduledOrder{Kind: job.KindVerify}, ""},
	} {
		x.o.Rooms, x.o.Ending = []string{"S104"}, job.EndDisk
		kept, err := s.desk("marie").SetSchedule(t.Context(), access.Schedule{Name: fmt.Sprintf("nights %d", i), Days: weekdays()[:5], At: "22:00", Until: "05:00", Order: x.o, Paused: true})
		check(t, err)
		paused := func() bool {
			now, err := s.fleet.Schedule(kept.ID)
			check(t, err)
			return now.Paused
		}
		resume := "/schedules/" + kept.ID + "/resume"
		b.want("/schedules", 200, `action="`+resume+`"`)
		if x.sentence != "" {
			status, body := b.post(resume, nil)
			if status != http.StatusOK || !paused() || !containsAll(body, `data-typed="`+x.sentence+`"`, `action="`+resume+`"`, ">Resume</button>", `href="/schedules/`+kept.ID+`"`, "S104 – each weekday night") {
				t.Fatalf("%s: before it goes on: %d\n%s", x.o.Kind, status, body)
			}
			form := filled(t, body, resume)
			form.Set("typed", "yes")
			if status, body := b.post(resume, form); status != http.StatusUnprocessableEntity || !paused() || !strings.Contains(body, `id="e-typed"`) {
				t.Errorf("%s: another sentence: %d\n%s", x.o.Kind, status, body)
			}
			form.Set("typed", strings.ToLower(x.sentence))
			if status, _ := b.post(resume, form); status != http.StatusSeeOther || paused() {
				t.Errorf("%s: the sentence: %d, paused %v", x.o.Kind, status, paused())
			}
			continue
		}
		if status, body := b.post(resume, nil); status != http.StatusSeeOther || paused() {
			t.Errorf("%s: what erases nothing: %d\n%s", x.o.Kind, status, body)
		}
	}
	// A script that may write asks before it is kept, as it does when it is ordered
	form := url.Values{"name": {"patch"}, "kind": {"script"}, "script": {writes}, "ending": {"disk"}, "retries": {"0"}, "days": {"sat"}, "at": {"10:00"}, "until": {"12:00"}, "rooms": {"S104"}}
	if status, body := b.post("/schedules/new", form); status != http.StatusOK || !containsAll(body, `data-typed="May change 3 computers each Saturday"`, "<bdi>update</bdi>") {
		t.Errorf("a script that may write: %d\n%s", status, body)
	}
	form["script"] = []string{reads}
	if status, body := b.post("/schedules/new", form); status != http.StatusSeeOther {
		t.Errorf("a script that only reads: %d\n%s", status, body)
	}
	// For nobody yet it asks as well
	_, err = s.fleet.SetRoom(t.Context(), "Gone", "marie", func(*fleet.Room) {})
	check(t, err)
	gone, err := s.desk("marie").SetSchedule(t.Context(), access.Schedule{Name: "gone", Days: weekdays()[:5], At: "22:00", Until: "05:00", Paused: true,
		Order: access.ScheduledOrder{Kind: job.KindReset, Level: job.LevelFull, Ending: job.EndDisk, Rooms: []string{"Gone"}}})
	check(t, err)
	if status, body := b.post("/schedules/"+gone.ID+"/resume", nil); status != http.StatusOK || !strings.Contains(body, `data-typed="Resets 0 computers each weekday night"`) {
		t.Errorf("for nobody yet: %d\n%s", status, body)
	}
}

func TestAPlanSaysWhatEachBecomes(t *testing.T) {
	s, v := furnished(t)
	for n, version := range []int{0, 1, 1} {
		s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{fmt.Sprintf("S104-%02d", n+1)}}, v[version])
		s.done(n)
	}
	b := s.as("paul")
	b.want("/order?kind=reset&room=S104", 200, "2 computers become Bureautique@2", "1 computer becomes Bureautique@1", "<th>Becomes</th>", "<td><bdi>Bureautique@1</bdi></td>",
		`name="level" value="full" checked`)
	b.want("/order?kind=reset&room=S104", 200, "1 computer does not hold Bureautique@2, the version of the room", "/order?kind=deploy&amp;room=S104&amp;master=Bureautique%402")
	if body := b.want("/order?kind=verify&room=S104", 200, "2 computers are compared with Bureautique@2", "<th>Compared with</th>"); strings.Contains(body, "ecome") {
		t.Error("a disk that is only read becomes something")
	}
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	if body := b.want("/computers/"+pc.ID+"/do/verify", 200, "<dt>Compared with</dt>"); strings.Contains(body, "Becomes") {
		t.Error("a computer that is only verified becomes something")
	}
	b.want("/computers/"+pc.ID+"/do/reset", 200, "<dt>Becomes</dt>", `<option value="full" selected>`)
	b.want("/schedules/new", 200, `<option value="full" selected>`)
	body := b.want("/order?kind=shutdown&room=S104", 200, "of 3 are in the agent now")
	if strings.Contains(body, "Duration") || strings.Contains(body, "#disk") {
		t.Error("the plan of a shut down speaks of disks or of how long it takes")
	}
}

func TestAnOrderIsForSitesFiltersAndSelections(t *testing.T) {
	s, _ := furnished(t)
	script := s.script(true)
	b := s.as("paul")
	b.want("/rooms/S104", 200, "/order?kind=wipe&amp;room=S104", `name="kind" value="other"`)
	b.want("/order?kind=other&room=S104", 200, "/order?kind=wipe&amp;room=S104", "/order?kind=script&amp;room=S104", "/order?kind=inventory&amp;room=S104", "/order?kind=verify&amp;room=S104")
	if body := s.as("claire").want("/rooms/S104", 200); strings.Contains(body, "kind=other") {
		t.Error("a teacher is offered other orders")
	}
	b.want("/order?kind=wipe", 200, `name="site" value="zola"`, `name="q"`)
	b.want("/order?kind=wipe&site=zola", 200, "Destroys the data of 2 computers in Lycée Émile-Zola")
	j := b.sends("/order", url.Values{"kind": {"wipe"}, "site": {"zola"}, "method": {job.WipeOverwrite}, "typed": {"destroys the data of 2 computers in lycée émile-zola"}})
	if j.Job.Wipe.Method != job.WipeOverwrite || len(j.Tasks) != 2 || j.Job.Ending != job.EndPowerOff {
		t.Errorf("the wipe is %+v of %d", j.Job, len(j.Tasks))
	}
	if status, _ := s.as("zoe").get("/order?kind=wipe&site=" + unnamedSite); status == http.StatusOK {
		t.Error("a technician of another site plans a wipe of this one")
	}
	b.want("/order?kind=script&room=S104", 200, "/order?kind=script&amp;room=S104&amp;script="+script, "update")
	b.want("/order?kind=script&room=S104&script="+script, 200, "May change 3 computers in S104", "<bdi>update</bdi>")
	j = b.sends("/order", url.Values{"kind": {"script"}, "filter": {"room:S104 -S104-02"}, "script": {script}, "typed": {"May change 2 computers"}})
	if len(j.Tasks) != 2 || j.Job.Script.Hash != script {
		t.Errorf("the script is %+v of %d", j.Job, len(j.Tasks))
	}
	// From the list of computers: those that are ticked, or all that match
	b.want("/computers?q=room:S104", 200, "/order?kind=other&amp;q=room%3AS104", "An order for the 3 that match", `formaction="/order" name="kind" value="other"`)
	pc, err := s.fleet.Find("S104-02")
	check(t, err)
	if body := b.want("/order?kind=other&q=room:S104&pc="+pc.ID, 200, "/order?kind=wipe&amp;pc="+pc.ID+"\""); strings.Contains(body, "3 computers") {
		t.Error("who ticked one of three is offered an order for all")
	}
	b.want("/order?kind=wipe&q=room:S104&pc="+pc.ID, 200, "Destroys the data of 1 computer")
	status, body := b.get("/order?kind=inventory&filter=colour:red")
	if status != http.StatusUnprocessableEntity || !containsAll(body, `id="e-q"`, `value="colour:red"`) {
		t.Errorf("a filter that means nothing: %d\n%s", status, body)
	}
	if status, body = b.get("/order?kind=inventory&q=colour:red"); status != http.StatusUnprocessableEntity || !containsAll(body, `id="e-q"`, `value="colour:red"`) {
		t.Errorf("a filter that means nothing: %d\n%s", status, body)
	}
	if status, body = b.get("/order?kind=inventory&filter=tag:nobody"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "flash bad") {
		t.Errorf("a filter that nobody matches: %d\n%s", status, body)
	}
}

func TestAnOrderForManyIsForWhoeverMatches(t *testing.T) {
	s := region(t, 2, 18) // 540 computers each
	b := s.as("marie")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+"/order?kind=inventory&q=tag:fixe&site=lycee01", nil)
	check(t, err)
	res, _ := b.do(r)
	to := res.Header.Get("Location")
	if u, err := url.Parse(to); err != nil || u.Query().Get("filter") != `tag:fixe site:"lycee01"` || u.Query().Get("kind") != "inventory" {
		t.Fatalf("it leads to %s, %v", to, err)
	}
	b.want(to, 200, `<p class="figure-value">540</p>`, "and 140 others")
	j := b.sends("/order", url.Values{"kind": {"inventory"}, "filter": {`tag:fixe site:"lycee01"`}})
	if len(j.Tasks) != 540 {
		t.Errorf("%d are ordered", len(j.Tasks))
	}
	// No session serves more than a thousand: that is said where the filter can be changed
	if status, body := b.get("/order?kind=deploy&master=Bureautique%401&filter=tag:fixe"); status != http.StatusUnprocessableEntity || !containsAll(body, "1 to 1000 computers, not 1080", `name="q"`) {
		t.Errorf("a deployment to too many: %d\n%.3000s", status, body)
	}
	if status, body := b.post("/order", url.Values{"kind": {"wake"}, "filter": {"tag:fixe"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "At most 1000 computers can be woken at once") {
		t.Errorf("waking too many: %d\n%.3000s", status, body)
	}
}

func TestAnOlderVersionIsDeployed(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	b.want("/masters/Bureautique", 200, "/order?kind=deploy&amp;master=Bureautique%401")
	b.want("/order?kind=deploy&master=Bureautique%401", 200, `<input type="hidden" name="master" value="Bureautique@1">`, `name="room" value="S104"`)
	b.want("/order?kind=deploy&room=S104", 200, "1 older version", "master=Bureautique%401")
	body := b.want("/order?kind=deploy&room=S104&master=Bureautique%401", 200, "Bureautique@1", "Wipes 3 computers in S104",
		`<a href="/order?kind=deploy">Which computers</a>`, `<a href="/order?kind=deploy&amp;room=S104">Which master</a>`, `aria-current="step"`)
	if strings.Count(body, `aria-current="step"`) != 1 {
		t.Error("a person is at more than one step")
	}
	j := b.sends("/order", url.Values{"kind": {"deploy"}, "room": {"S104"}, "master": {"Bureautique@1"}, "typed": {"Wipes 3 computers in S104"}, "note": {"as it was"}})
	if j.Job.Version != 1 || j.Job.Note != "as it was" {
		t.Errorf("what was ordered is %+v", j.Job)
	}
}

func TestARuleForADiskIsReadAsItIsWritten(t *testing.T) {
	for _, r := range []job.DiskRule{{}, {Bus: "nvme"}, {Serial: "a b&c=d;%"}, {MinSize: 1, MaxSize: 2, Model: "x\u00a0y"}, {MaxSize: 1 << 60}} {
		f := newForm(tongue{lang: "en"}, url.Values{"disk": {ruleText(r)}})
		if got := f.diskOf("disk"); got != r || f.Bad() {
			t.Errorf("%+v became %q and then %+v", r, ruleText(r), got)
		}
	}
}

func TestAScheduleOverTheChangeOfTheClocks(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	s, ok := nextWindow(time.Date(2027, 3, 27, 23, 0, 0, 0, paris), "02:00", "03:00") // 03:00 follows 01:59 that night
	if !ok || !s.End.After(s.Begin) {
		t.Errorf("a window that is not there is %v, %v", s, ok)
	}
	if _, ok := nextWindow(time.Now(), "25:00", "03:00"); ok {
		t.Error("25:00 is a time")
	}
}

// How long a wipe or a capture takes only the records say; where they do not, the page says so.
func TestAPlanTellsTheTimeThatRecordsTell(t *testing.T) {
	s, v := furnished(t)
	s.twoDisks(70, "LAB-01", "S104")
	wipe := func(who, method string, names ...string) int {
		p, err := s.desk(who).Plan(access.Order{Kind: job.KindWipe, Computers: names, Wipe: method, Disk: job.DiskRule{}, Skip: true})
		check(t, err)
		return p.Seconds
	}
	b := s.as("paul")
	b.want("/order?kind=wipe&pc="+s.id("S104-01"), 200, `<p class="figure-label">Duration</p><p class="figure-value">no estimate</p>`)
	b.want("/computers/S104-01/do/wipe", 200, "<dt>Duration</dt><dd>no estimate</dd>")
	b.want("/capture?computer=S104-01", 200, "Duration: no estimate.")
	if body := b.want("/order?kind=shutdown&pc="+s.id("S104-01"), 200); strings.Contains(body, "Duration") {
		t.Error("a shutdown is given a duration")
	}
	// A wipe of a disk of that model
	wiped := func(n int, name, method string, took time.Duration) {
		s.give(fleet.Order{Kind: job.KindWipe, Computers: []string{name}, Ending: job.EndPowerOff, Disk: job.DiskRule{Bus: "nvme"}}, versionless)
		s.report(n, func(*job.Report) {})
		s.report(n, func(r *job.Report) {
			r.State, r.Step = job.TaskDone, 4
			r.Outcome = &job.Outcome{Code: "ok", Seconds: 900, Wipe: &job.WipeProof{Ordered: job.WipeAuto, Method: method, Reported: "done", Path: "/dev/nvme0n1", Model: "KIOXIA KBG40ZNV256G",
				Serial: fmt.Sprintf("Z0%06d", n), Size: 256_060_514_304, Verified: 1, Started: s.now, Ended: s.now.Add(took)}}
		})
	}
	wiped(1, "S104-02", job.WipeSanitize, 90*time.Second)
	for method, want := range map[string]int{"": 240, job.WipeAuto: 240, job.WipeSanitize: 240, job.WipeOverwrite: 0, job.WipeSecureErase: 0} {
		if got := wipe("paul", method, "S104-01", "S104-03"); got != want {
			t.Errorf("a wipe %q of two disks like one that was wiped: %d s, want %d", method, got, want)
		}
	}
	b.want("/order?kind=wipe&pc="+s.id("S104-01"), 200, `<p class="figure-value">≈ 4 min</p>`)
	b.want("/computers/S104-01/do/wipe", 200, "<dt>Duration</dt><dd>≈ 4 min</dd>")
	if got := wipe("zoe", "", "B12-01"); got != 0 {
		t.Errorf("a technician of another site is told what it took here: %d s", got)
	}
	wiped(2, "S104-03", job.WipeSanitize, 10*time.Second) // the newest counts
	if got := wipe("paul", "", "S104-01"); got != 160 {
		t.Errorf("after a faster one: %d s, want 160", got)
	}
	other, err := s.desk("paul").Plan(access.Order{Kind: job.KindWipe, Computers: []string{"S104-01", "LAB-01"}, Disk: job.DiskRule{Bus: "sata"}, Skip: true})
	if check(t, err); other.Seconds != 0 {
		t.Errorf("a disk of another model: %d s", other.Seconds)
	}
	// A capture, and how fast it read
	capture := func(name string) int {
		p, err := s.desk("paul").Plan(access.Order{Kind: job.KindCapture, Computers: []string{name}, Master: "Labo"})
		check(t, err)
		return p.Seconds
	}
	s.give(fleet.Order{Kind: job.KindCapture, Computers: []string{"S104-01"}, Master: "Labo", Note: "new"}, versionless)
	s.report(0, func(*job.Report) {})
	_, err = s.fleet.BeginPublish(t.Context(), "key-0", s.newest().Tasks[0].ID, 0)
	check(t, err)
	check(t, s.fleet.Published(t.Context(), "key-0", s.newest().Tasks[0].ID, job.Published{Master: "Labo", Version: 1}))
	s.report(0, func(r *job.Report) {
		r.State, r.Step = job.TaskDone, 4
		r.Outcome = &job.Outcome{Code: "ok", ReadBytes: 30_000_000_000, Seconds: 300}
	})
	if got := capture("S104-01"); got != 450 {
		t.Errorf("captured again: %d s, want 450", got)
	}
	b.want("/capture?computer=S104-01", 200, "Duration: ≈ 8 min.")
	if got := capture("S104-02"); got != 0 {
		t.Errorf("one of which nobody knows what it has in use: %d s", got)
	}
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-02"}}, v[1])
	s.done(1)
	want := 150 + int(300*float64(v[1].UsedBytes)/30e9)
	if got := capture("S104-02"); got != want || v[1].UsedBytes == 0 {
		t.Errorf("one that is like it and holds %d bytes: %d s, want %d", v[1].UsedBytes, got, want)
	}
}
