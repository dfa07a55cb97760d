package web

import (
	"context"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/rates"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// oneSession is what is known of the session of each job.
type oneSession struct{ report sessions.Report }

func (o oneSession) Brief(string) (sessions.Report, bool) { return o.report, true }
func (o oneSession) Report(context.Context, string) (sessions.Report, bool, error) {
	return o.report, true, nil
}

// heights are the ordinates of a line of a curve.
func heights(t *testing.T, body, line string) []string {
	t.Helper()
	m := regexp.MustCompile(`<path class="curve-line ` + line + `" d="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return nil
	}
	var out []string
	for _, p := range regexp.MustCompile(`[ML]\S+ (\S+?)(?:[LM]|$)`).FindAllStringSubmatch(strings.ReplaceAll(m[1], "L", "LL"), -1) {
		out = append(out, p[1])
	}
	return out
}

// A job without a session, of one PC or by HTTPS, has a curve, too: while it runs and in its report.
func TestAJobWithoutASessionHasItsCurve(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 2)
	r := rates.New(rates.Options{Store: s.store, Now: func() time.Time { return s.now }})
	s.house.Rates = r
	t.Cleanup(s.fleet.Listen(r.Note))
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	one := s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01"}}, v)
	path := "/jobs/" + one.Job.ID
	s.report(1, func(*job.Report) {})
	if body := b.want(path, 200); strings.Contains(body, `class="curve"`) {
		t.Error("there is a curve before anything moved")
	} else if !strings.Contains(body, `class="curve-soon"`) {
		t.Error("no place is kept for the curve: what is below will move when it comes")
	}
	for i := range int64(12) {
		s.now = s.now.Add(time.Second)
		s.report(1, func(r *job.Report) {
			r.Step, r.Done, r.Total, r.Fetched, r.Written = 3, (i+1)*60e6, 6e9, (i+1)*30e6, (i+1)*60e6
		})
	}
	body := b.want(path, 200, `class="curve"`, "<span>50.0\u00a0MB/s</span><span>0</span>", "<span>0 s</span><span>5 s</span>", "wire, at most 30.0\u00a0MB/s; disk, at most 60.0\u00a0MB/s", `<i></i>Disk</span>`)
	if wire, disk := heights(t, body, "wire"), heights(t, body, "disk"); len(wire) != 6 || len(disk) != 6 || wire[2] == disk[2] {
		t.Errorf("the curves are %v and %v", wire, disk)
	}
	if !strings.Contains(body, `figure-value">30.0`) || !strings.Contains(body, `figure-value">60.0`) {
		t.Error("what it does now is not said in figures")
	}
	if strings.Contains(body, "curve-soon") || strings.Contains(body, "<text") {
		t.Error("the curve is there and still announced, or has letters that shrink with it")
	}
	s.done(1)
	b.want(path, 200, `class="curve"`, "Report")
	b.language = "fr"
	b.want(path, 200, "réseau, 30,0\u00a0Mo/s au plus\u00a0; disque, 60,0\u00a0Mo/s au plus")
	b.language = "en"

	both := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	for i := range int64(5) {
		for n := 1; n <= 2; n++ {
			s.report(n, func(r *job.Report) { r.Step, r.Total, r.Fetched, r.Written = 3, 6e9, i*40e6, i*20e6 })
		}
		s.now = s.now.Add(time.Second)
	}
	b.want("/jobs/"+both.Job.ID, 200, "average of one computer", "wire, at most 80.0\u00a0MB/s; disk, at most 20.0\u00a0MB/s")

	s.done(2)
	look := s.give(fleet.Order{Kind: job.KindInventory, Computers: []string{"S104-02"}}, masters.Version{})
	for range 3 {
		s.report(2, func(*job.Report) {})
		s.now = s.now.Add(time.Second)
	}
	if body := b.want("/jobs/"+look.Job.ID, 200, "Inventory"); strings.Contains(body, "curve") {
		t.Error("an inventory moves nothing, and has a curve or a place for it")
	}
}

// The page of a session shows what is sent, and how fast the slowest disk takes it.
func TestASessionShowsTheDiskAsACurve(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 2)
	s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	samples := []sessions.Sample{{At: 0, Rate: 100e6}, {At: 1, Rate: 110e6, Disk: 90e6}, {At: 2, Rate: 90e6, Disk: 50e6}}
	x := sessions.Report{ID: "1", Started: s.now, Joined: 2, Samples: samples}
	s.house.Sessions = oneSession{x}
	path := "/jobs/" + s.fleet.Jobs()[0].Job.ID
	if s.fleet.Jobs()[0].Job.Session == "" {
		t.Fatal("the job has no session")
	}
	body := b.want(path, 200, "Slowest disk", "disk, at most 90.0\u00a0MB/s")
	if wire, disk := heights(t, body, "wire"), heights(t, body, "disk"); len(wire) != 3 || len(disk) != 3 || disk[1] == disk[2] {
		t.Errorf("the curves are %v and %v", wire, disk)
	}
	x.Samples = []sessions.Sample{{At: 0}, {At: 1}} // all came by HTTPS
	s.house.Sessions = oneSession{x}
	if body := b.want(path, 200); strings.Contains(body, `class="curve"`) {
		t.Error("a session that sent nothing has a curve")
	}
}

// In the morning each PC is done, or named with its reason and what to do: on the page, on paper and in a spreadsheet, in
// both languages.
func TestTheReportTellsOfEachComputerInBothLanguages(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 4)
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104", Within: time.Hour}, v)
	s.done(1)
	s.report(2, func(*job.Report) {})
	s.report(2, func(r *job.Report) {
		r.State, r.Step = job.TaskFailed, 3
		r.Outcome = &job.Outcome{Code: "disk-fault", WrittenBytes: 7_000_000, Detail: "The disk reports a failure: /dev/sda. Replace the disk; the job goes on at the next start."}
	})
	s.report(3, func(*job.Report) {})
	s.report(3, func(r *job.Report) {
		r.State = job.TaskCancelled
		r.Outcome = &job.Outcome{Code: "cancelled", Detail: "The task was cancelled from the console. Nothing was written to the disk."}
	})
	s.now = s.now.Add(2 * time.Hour)
	check(t, s.fleet.Tick(t.Context())) // the fourth has not come
	s.person("paul", people.Technician, nil, nil)
	b := s.as("paul")
	path := "/jobs/" + j.Job.ID
	for language, want := range map[string][]string{
		"en": {"Report", "data-print", "The disk reports a failure: /dev/sda.", "Replace the disk", "did not ask for the task in time", "Check that the computer has power", "cancelled from the console", "Nothing was written"},
		"fr": {"Rapport", "data-print", "Le disque signale une panne\u00a0: /dev/sda.", "Remplacez le disque", "pas demandé la tâche à temps", "Vérifiez que le poste est sous tension", "annulé depuis la console", "Rien n’a été écrit"},
	} {
		b.language = language
		body := b.want(path, 200, want...)
		if language == "fr" && (strings.Contains(body, "Replace the disk") || strings.Contains(body, "did not ask")) {
			t.Error("the French report has English sentences")
		}
		text := b.want(path+"/report.csv", 200)
		sheet := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
		sheet.Comma = ';'
		rows, err := sheet.ReadAll()
		check(t, err)
		if len(rows) != 5 || len(rows[0]) != 7 {
			t.Fatalf("%d lines: %q", len(rows), rows)
		}
		for _, row := range rows[1:] {
			if done := row[1] == "S104-01"; row[0] != "S104" || done != (row[3] == "") || done != (row[4] == "") || row[2] == "" {
				t.Errorf("in %s: %q", language, row)
			}
		}
	}
}
