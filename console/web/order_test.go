package web

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

func (b *browser) want(path string, status int, texts ...string) string {
	b.s.t.Helper()
	got, body := b.get(path)
	if got != status {
		b.s.t.Fatalf("%s: %d, want %d\n%s", path, got, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			b.s.t.Errorf("%s does not say %q\n%s", path, text, body)
		}
	}
	return body
}

func TestARoomIsDeployedInThreeClicks(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "with LibreOffice", 6)
	_, err := s.library.Promote(v.String(), "stable", "marie")
	check(t, err)
	s.room("S104", "Bureautique@stable", 1, 3)
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	b.want("/", 200, "/order?kind=deploy&amp;room=S104")
	b.want("/order?kind=deploy&room=S104", 200, "with LibreOffice", "/order?kind=deploy&amp;room=S104&amp;master=Bureautique%401")
	b.want("/order?kind=deploy&room=S104&master=Bureautique%401", 200, "Wipes 3 computers in S104", "KIOXIA")
	form := url.Values{"kind": {"deploy"}, "room": {"S104"}, "master": {"Bureautique@1"}, "when": {"tonight"}, "ending": {"poweroff"}, "wake": {"1"}, "typed": {"Wipes 2 computers in S104"}}
	if status, body := b.post("/order", form); status != 422 || !strings.Contains(body, `value="Wipes 2 computers in S104"`) || len(s.fleet.Jobs()) != 0 {
		t.Fatalf("another sentence: %d, %d jobs\n%s", status, len(s.fleet.Jobs()), body)
	}
	form.Set("typed", " wipes  3 Computers in s104 ")
	if status, body := b.post("/order", form); status != http.StatusSeeOther {
		t.Fatalf("ordering: %d\n%s", status, body)
	}
	jobs := s.fleet.Jobs()
	if len(jobs) != 1 || len(jobs[0].Tasks) != 3 || jobs[0].Job.OrderedBy != "paul" || jobs[0].Job.Ending != job.EndPowerOff {
		t.Fatalf("the jobs are %+v", jobs)
	}
	if at := jobs[0].Job.NotBefore; !at.Equal(time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("tonight is %s", at)
	}
	id := jobs[0].Job.ID
	b.want("/jobs/"+id, 200, "S104-01", "Waiting")
	b.want("/jobs", 200, "/jobs/"+id)

	// A second order at the same time is asked what goes first
	s.person("anna", people.Technician, nil, nil)
	other := s.as("anna")
	other.want("/order?kind=deploy&room=S104&master=Bureautique%401&when=tonight", 200, "ordered by paul", `name="instead"`)
	form.Set("typed", "Wipes 3 computers in S104")
	if status, body := other.post("/order", form); status != 422 || !strings.Contains(body, "Choose what goes first") {
		t.Errorf("a second order without an answer: %d\n%s", status, body)
	}
	form.Set("instead", "1")
	if status, body := other.post("/order", form); status != http.StatusSeeOther {
		t.Errorf("a second order instead: %d\n%s", status, body)
	}
	if status, _ := b.post("/jobs/"+s.fleet.Jobs()[0].Job.ID+"/cancel", nil); status != http.StatusSeeOther {
		t.Errorf("cancelling: %d", status)
	}
}

func TestAReportNamesWhoFailedAndWhatToDo(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 2)
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	s.done(1)
	s.report(2, func(*job.Report) {})
	s.report(2, func(r *job.Report) {
		r.State, r.Step = job.TaskFailed, 3
		r.Outcome = &job.Outcome{Code: "no-such-code", Detail: "=cmd|' /C calc'!A0 <b>"}
	})
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	b.want("/jobs/"+j.Job.ID, 200, "calc&#39;!A0 &lt;b&gt;", "Order it again", "Report")
	if csv := b.want("/jobs/"+j.Job.ID+"/report.csv", 200, "S104-01", "'=cmd"); strings.Contains(csv, ";=cmd") {
		t.Errorf("a cell became a formula:\n%s", csv)
	}
	b.want("/", 200, "s-failed")
}

func TestTheShapeOfARoomIsKept(t *testing.T) {
	s := newSchool(t)
	s.room("S104", "", 1, 2)
	s.person("paul", people.Technician, nil, nil)
	s.person("ines", people.Teacher, nil, []string{"S104"})
	first, err := s.fleet.Find("S104-01")
	check(t, err)
	plan := url.Values{"plan": {first.ID + " 7 3\n"}}
	if status, _ := s.as("ines").post("/rooms/S104/plan", plan); status != http.StatusForbidden {
		t.Errorf("a teacher arranging: %d", status)
	}
	b := s.as("paul")
	if status, body := b.post("/rooms/S104/plan", plan); status != http.StatusSeeOther {
		t.Fatalf("arranging: %d\n%s", status, body)
	}
	b.want("/rooms/S104", 200, `class="tile x7 y3`, "arrangement is kept")
	for _, bad := range []string{"x", first.ID + " 7", first.ID + " a b", first.ID + " 100 3"} {
		if status, _ := b.post("/rooms/S104/plan", url.Values{"plan": {bad}}); status == http.StatusOK || status >= 500 {
			t.Errorf("the plan %q: %d", bad, status)
		}
	}
	b.want("/rooms/S104", 200, `class="tile x7 y3`)
}

func TestNamesOfOthersStayText(t *testing.T) {
	s := newSchool(t)
	s.room("S104", "", 1, 1)
	hostile := `<script>alert(1)</script>` + strings.Repeat("A", 4000) + "\u202edlrow"
	s.hello(9, func(in *job.Inventory) { in.Model, in.Serial, in.Manufacturer = hostile, hostile, hostile })
	_, err := s.fleet.SetRoom(t.Context(), "S104", "marie", func(r *fleet.Room) { r.Title, r.Note = `"><img src=x onerror=alert(1)>`, hostile[:100] })
	check(t, err)
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	for _, path := range []string{"/", "/rooms/S104", "/computers", "/enrol", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/order?room=%3Cscript%3Ealert(1)"} {
		_, body := b.get(path)
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") {
			t.Errorf("%s: a name became markup", path)
		}
		if strings.Contains(body, "\u202e") {
			t.Errorf("%s: a name turns the direction of the page", path)
		}
	}
}

// stream reads events of a page until one holds a text.
func (b *browser) stream(path, want string) {
	b.s.t.Helper()
	ctx, cancel := context.WithTimeout(b.s.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.s.web.URL+path, nil)
	check(b.s.t, err)
	res, err := b.Do(r)
	check(b.s.t, err)
	defer func() { _ = res.Body.Close() }()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		b.s.t.Fatalf("%s is %s", path, kind)
	}
	changed := false
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), want) {
			return
		}
		if !changed && strings.HasPrefix(lines.Text(), "event: swap") { // the page is up to date: now something happens
			changed = true
			s := b.s
			s.report(1, func(*job.Report) {})
			s.report(1, func(r *job.Report) { r.Step, r.Done, r.Total = 3, 73, 100 })
		}
	}
	b.s.t.Errorf("%s never said %q", path, want)
}

func TestAPageIsLiveForWhoMaySeeIt(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 1)
	s.room("S105", "", 5, 1)
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	s.person("ines", people.Teacher, nil, []string{"S104"})
	s.person("omar", people.Teacher, nil, []string{"S105"})
	s.as("ines").stream("/events?page=room&room=S104", "73 %")
	other := s.as("omar")
	for _, path := range []string{"/events?page=room&room=S104", "/events?page=job&job=" + j.Job.ID, "/rooms/S104", "/jobs/" + j.Job.ID, "/jobs/" + j.Job.ID + "/report.csv", "/order?kind=reset&room=S104"} {
		if status, body := other.get(path); status == http.StatusOK || strings.Contains(body, "S104-01") {
			t.Errorf("a teacher of another room gets %s: %d\n%s", path, status, body)
		}
	}
	if body := other.want("/", 200, "S105"); strings.Contains(body, "S104") {
		t.Error("the map shows a room of others")
	}
	if status, _ := s.browser().get("/events?page=map"); status != http.StatusUnauthorized {
		t.Errorf("a stream without a session: %d", status)
	}
}
