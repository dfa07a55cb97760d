package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/pxe/grub"
)

// menuHash is what the daemon wires: what a start menu keeps of a passphrase.
func menuHash(phrase, keyboard string) ([]string, error) {
	return grub.HashPassphrase(phrase, keyboard, make([]byte, 64))
}

// id is the id of a computer.
func (s *school) id(name string) string {
	s.t.Helper()
	c, err := s.fleet.Find(name)
	check(s.t, err)
	return c.ID
}

func TestAJobSaysWhereItIsAndWhatWasOrdered(t *testing.T) {
	s, versions := furnished(t)
	x, err := s.desk("marie").SetSchedule(t.Context(), access.Schedule{Name: "clean rooms", Days: []string{"mon"}, At: "22:00", Until: "05:00",
		Order: access.ScheduledOrder{Kind: job.KindDeploy, Master: "Bureautique@stable", Rooms: []string{"S104"}, Ending: job.EndDisk}})
	check(t, err)
	b := s.as("marie")
	b.language = "fr"
	j := s.give(fleet.Order{Kind: job.KindDeploy, Rooms: []string{"S104", "zola/B12"}, Retries: 2, Ending: job.EndPowerOff}, versions[0])
	b.want("/jobs/"+j.Job.ID, 200, "<title>Déploiement, S104, zola/B12, travail "+j.Job.ID, `href="/rooms/zola%2FB12"`, "1er déc. 2026, 10:12</span>",
		"puis éteindre", "jusqu’à 2 nouveaux essais", `href="/computers/`+s.id("S104-01")+`"`, `action="/jobs/`+j.Job.ID+`/cancel"`)
	b.want("/jobs", 200, "<bdi>S104, zola/B12</bdi>")
	if body := s.as("claire").want("/jobs", 200, "<bdi>S104</bdi>"); strings.Contains(body, "B12") {
		t.Error("a teacher reads of a room of others")
	}
	if body := b.want("/jobs/"+j.Job.ID, 200); strings.Contains(body, "<bdi>S104, zola/B12</bdi>") {
		t.Error("its page says twice where it is")
	}
	csv := b.want("/jobs/"+j.Job.ID+"/report.csv", 200, "\ufeffSalle;Poste;État;", "zola/B12;B12-01;En attente;")
	if strings.Count(csv, "\r\n") != 6 {
		t.Errorf("the report has other lines than a list of computers:\n%q", csv)
	}
	if _, err := s.desk("marie").Cancel(t.Context(), j.Job.ID, access.Cancel{}); err != nil {
		t.Fatal(err)
	}
	for kind, says := range map[job.Kind]string{job.KindWipe: "Écraser de zéros et relire", job.KindInventory: "S104-03", job.KindVerify: "S104-03"} {
		o := fleet.Order{Kind: kind, Computers: []string{"S104-03"}}
		if kind == job.KindWipe {
			o.Wipe.Method = job.WipeOverwrite
		}
		if kind == job.KindVerify {
			o.Master, o.Version, o.Manifest = versions[0].Name, versions[0].Number, versions[0].Hash.String()
		}
		one := s.give(o, versions[0])
		b.want("/jobs/"+one.Job.ID, 200, says, `action="/jobs/`+one.Job.ID+`/cancel"`)
		if _, err := s.desk("marie").Cancel(t.Context(), one.Job.ID, access.Cancel{}); err != nil {
			t.Fatal(err)
		}
	}
	s.now = time.Date(2026, 11, 30, 22, 5, 0, 0, time.UTC) // Monday
	check(t, s.fleet.Tick(t.Context()))
	newest := s.fleet.Newest(1)
	if len(newest) != 1 || newest[0].Job.Schedule != x.ID {
		t.Fatalf("the schedule gave %+v", newest)
	}
	s.as("marie").want("/jobs/"+newest[0].Job.ID, 200, `href="/schedules/`+x.ID+`"><bdi>clean rooms`)
}

func TestAReportLeadsOn(t *testing.T) {
	s := newSchool(t)
	v := s.publish("Bureautique", "", 6)
	s.room("S104", "", 1, 3)
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, v)
	s.done(1)
	s.done(2)
	s.report(3, func(*job.Report) {})
	b := s.as2("paul", people.Technician)
	if body := b.want("/jobs/"+j.Job.ID, 200); strings.Contains(body, "Again for") {
		t.Error("it is offered again before it is over")
	}
	s.report(3, func(r *job.Report) {
		r.State, r.Step = job.TaskFailed, 3
		r.Outcome = &job.Outcome{Code: "no-such-code", Detail: "it broke"}
	})
	body := b.want("/jobs/"+j.Job.ID, 200, "2 of 3 succeeded", "Again for the computer that did not succeed")
	again := regexp.MustCompile(`href="(/order\?[^"]*)"`).FindStringSubmatch(body)
	if again == nil {
		t.Fatalf("nothing leads to another order:\n%s", body)
	}
	to := strings.ReplaceAll(again[1], "&amp;", "&")
	if q, _ := url.ParseQuery(to[len("/order?"):]); q.Get("master") != "Bureautique@1" || !slices.Equal(q["pc"], []string{s.id("S104-03")}) {
		t.Errorf("it leads to %s", to)
	}
	b.want(to, 200, "S104-03", "Wipes 1 computer")
	b.want("/jobs", 200, "2 of 3 succeeded")
}

// as2 adds somebody and logs in.
func (s *school) as2(login string, role people.Role) *browser {
	s.t.Helper()
	s.person(login, role, nil, nil)
	return s.as(login)
}

func TestAReportComesBeforeItsCurve(t *testing.T) {
	raw, err := templateFiles.ReadFile("templates/pages/job.html")
	check(t, err)
	page := string(raw)
	if rows, curve := strings.Index(page, `id="rows"`), strings.Index(page, `"job-curve"`); rows < 0 || curve < rows {
		t.Error("the curve of a job that is over stands before who failed")
	}
}

func TestTheOutputOfAScriptIsShown(t *testing.T) {
	s, _ := furnished(t)
	script, err := s.desk("marie").AddScript(t.Context(), access.Script{Name: "update", Text: "#!/bin/sh\n", Limit: 60})
	check(t, err)
	s.person("jean", people.Administrator, nil, nil)
	_, err = s.desk("jean").ApproveScript(t.Context(), script.Hash)
	check(t, err)
	j := s.give(fleet.Order{Kind: job.KindScript, Computers: []string{"S104-01"}, Script: job.ScriptOrder{Hash: script.Hash}}, versionless)
	s.report(0, func(*job.Report) {})
	s.report(0, func(r *job.Report) {
		r.State, r.Step = job.TaskFailed, 1
		r.Outcome = &job.Outcome{Code: "script-failed", Output: "=cmd\n<b>E: no space</b>", Exit: 3}
	})
	b := s.as("marie")
	b.want("/jobs/"+j.Job.ID, 200, "script “update”", "Exit code 3", "&lt;b&gt;E: no space", "/do/script")
	b.want("/jobs/"+j.Job.ID+"/report.csv", 200, "Exit code;What the script wrote", "'=cmd")
}

func TestTheListOfJobsHasPagesAndFilters(t *testing.T) {
	s, _ := furnished(t)
	first := s.give(fleet.Order{Kind: job.KindInventory, Room: "zola/B12"}, versionless)
	desk := s.desk("marie")
	for range jobsPage {
		j := s.give(fleet.Order{Kind: job.KindInventory, Room: "S104"}, versionless)
		_, err := desk.Cancel(t.Context(), j.Job.ID, access.Cancel{})
		check(t, err)
	}
	b := s.as("marie")
	oldest := `href="/jobs/` + first.Job.ID + `"`
	body := b.want("/jobs", 200, "Cancelled")
	next := regexp.MustCompile(`href="(/jobs\?before=[^"]*)" rel="next"`).FindStringSubmatch(body)
	if strings.Contains(body, oldest) || next == nil {
		t.Fatalf("the first page has the oldest job, or leads to no other:\n%s", body)
	}
	b.want(next[1], 200, oldest)
	b.want("/jobs?state=waiting", 200, oldest, `aria-current="page">Waiting`, `sse-connect="/events?page=jobs&amp;state=waiting"`)
	b.want("/jobs?room=zola%2FB12", 200, oldest)
	if body := b.want("/jobs?room=S104&state=waiting", 200, "No such jobs"); strings.Contains(body, oldest) {
		t.Error("a filter lets another room through")
	}
	if status, _ := s.as("zoe").get("/jobs?room=S104"); status != http.StatusNotFound {
		t.Errorf("jobs of a room of others: %d", status)
	}
	b.want("/rooms/S104", 200, `href="/jobs?room=S104"`)
}

func TestARoomsMenuAndNamesAreSetFromItsPage(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	b.want("/rooms/S104", 200, `name="menu"`, `name="phrase"`, `name="hostname"`, `name="answer"`)
	form := url.Values{"title": {"Salle 104"}, "master": {"Bureautique@stable"}, "policy": {"start"}, "night": {"02:00"}, "from": {""}, "to": {""},
		"lang": {"en"}, "level": {"quick"}, "phrase": {"court"}, "keyboard": {"fr"}, "hostname": {"{room}-{number}"}, "keys": {"1"},
		"answer": {"<unattend/>\r\n"}, "path": {"Windows/Panther/unattend.xml"}, "note": {strings.Repeat("é", 3000)}}
	b.language = "fr"
	for field, says := range map[string]string{"menu": "a besoin du menu", "phrase": "il en faut au moins 12"} {
		if status, body := b.post("/rooms/S104", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-`+field+`"`) || !strings.Contains(body, says) {
			t.Errorf("%s: %d\n%s", field, status, body)
		}
	}
	form.Set("menu", "1")
	form.Set("phrase", "une craie blanche")
	for field, bad := range map[string]string{"hostname": "PC", "answer": "<unattend>", "lang": "de", "level": "half"} {
		wrong := url.Values{}
		for k, x := range form {
			wrong[k] = x
		}
		wrong.Set(field, bad)
		if status, body := b.post("/rooms/S104", wrong); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-`+field+`"`) || strings.Contains(body, "craie blanche") ||
			strings.Contains(body, "ardoise room") || field == "hostname" && !strings.Contains(body, "Les postes se nomment par un modèle") {
			t.Errorf("%s %q: %d\n%s", field, bad, status, body)
		}
	}
	if r, err := s.fleet.Room("S104"); err != nil || r.Menu || r.Title != "" {
		t.Errorf("what was refused is kept: %+v, %v", r, err)
	}
	if status, body := b.post("/rooms/S104", form); status != http.StatusSeeOther {
		t.Fatalf("setting a room: %d\n%s", status, body)
	}
	r, err := s.fleet.Room("S104")
	check(t, err)
	if !r.Menu || r.Policy != job.PolicyStart || r.Lang != "en" || r.Level != job.LevelQuick || len(r.Passphrase) != 2 || r.Template.Hostname != "{room}-{number}" ||
		!r.Template.Keys || r.Template.Answer != "<unattend/>" || r.Template.Path != "Windows/Panther/unattend.xml" {
		t.Errorf("the room is %+v", r)
	}
	_, err = s.fleet.SetRoom(t.Context(), "S104", "marie", func(r *fleet.Room) { r.Template.Answer = "<unattend>\r\n</unattend>" })
	check(t, err)
	form.Del("phrase")
	form.Set("answer", "<unattend>\r\n</unattend>")
	form.Set("nophrase", "1")
	form.Del("keys")
	if status, body := b.post("/rooms/S104", form); status != http.StatusSeeOther {
		t.Fatalf("setting a room: %d\n%s", status, body)
	}
	if r, err = s.fleet.Room("S104"); err != nil || len(r.Passphrase) != 0 || r.Template.Keys || !strings.Contains(r.Template.Answer, "\r\n") {
		t.Errorf("the room is %+v, %v", r, err)
	}
}

func TestAComputersFormIsKeptAsAWhole(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	id := s.id("S104-01")
	long := strings.Repeat("é", 3999)
	form := url.Values{"name": {"S104-91"}, "room": {"zola/B12"}, "tags": {"good bad*tag"}, "note": {long}}
	if status, body := b.post("/computers/"+id, form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-tags"`) {
		t.Errorf("a bad tag: %d\n%s", status, body)
	}
	c, err := s.fleet.Find(id)
	if err != nil || c.Name != "S104-01" || c.Room != "S104" || c.Note != "" || len(c.Tags) != 0 {
		t.Errorf("what was refused is kept in part: %+v, %v", c, err)
	}
	form.Set("tags", "good")
	form.Set("room", "nowhere")
	if status, body := b.post("/computers/"+id, form); status != http.StatusNotFound && (status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-room"`)) {
		t.Errorf("a room that is not there: %d\n%s", status, body)
	}
	form.Set("room", "zola/B12")
	if status, body := b.post("/computers/"+id, form); status != http.StatusSeeOther {
		t.Fatalf("a change: %d\n%s", status, body)
	}
	c, err = s.fleet.Find(id)
	if err != nil || c.Name != "S104-91" || c.Room != "zola/B12" || c.Note != long || !slices.Equal(c.Tags, []string{"good"}) {
		t.Errorf("the computer is %+v, %v", c, err)
	}
	if status, _ := s.as("claire").post("/computers/"+s.id("S104-02"), form); status != http.StatusForbidden {
		t.Errorf("a teacher changes a computer: %d", status)
	}
	if status, body := s.as("zoe").post("/computers/"+s.id("S104-02"), form); status != http.StatusNotFound {
		t.Errorf("a technician of another site changes a computer: %d\n%s", status, body)
	}
}

func TestAComputerIsForgottenFromItsPage(t *testing.T) {
	s, _ := furnished(t)
	id := s.id("S104-01")
	b := s.as("paul")
	b.want("/computers/"+id, 200, `action="/computers/`+id+`/forget"`)
	if body := s.as("claire").want("/computers/"+id, 200); strings.Contains(body, "/forget") {
		t.Error("a teacher is offered to forget a computer")
	}
	if status, _ := s.as("claire").post("/computers/"+id+"/forget", nil); status != http.StatusForbidden {
		t.Errorf("a teacher forgets a computer: %d", status)
	}
	if status, body := b.post("/computers/"+id+"/forget", nil); status != http.StatusSeeOther {
		t.Fatalf("forgetting: %d\n%s", status, body)
	}
	if status, _ := b.get("/computers/" + id); status != http.StatusNotFound {
		t.Errorf("it is still there: %d", status)
	}
}

func TestOpenRequestsAreSeenWhereTheirComputerIs(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	counts := `class="nav-count" aria-hidden="true">`
	if body := b.want("/", 200); strings.Contains(body, counts) || strings.Contains(body, "face-asked") {
		t.Error("a request is counted before there is any")
	}
	for n := range 2 {
		_, err := s.desk("claire").Report(t.Context(), access.Report{Computer: "S104-02", Text: fmt.Sprintf("no <picture> %d", n)})
		check(t, err)
	}
	_, err := s.desk("claire").Report(t.Context(), access.Report{Room: "S104", Text: "no light"})
	check(t, err)
	b.want("/", 200, counts+"3</b>", "3 open requests", "face-asked", "2 open requests")
	b.want("/rooms/S104", 200, "face-asked", `href="/requests?room=S104"`)
	b.want("/computers/"+s.id("S104-02"), 200, "no &lt;picture&gt; 0", `href="/requests/1"`)
	if body := b.want("/computers/"+s.id("S104-01"), 200); strings.Contains(body, "&lt;picture") {
		t.Error("a computer shows the requests of another")
	}
	if body := s.as("zoe").want("/", 200); strings.Contains(body, counts) {
		t.Error("a technician of another site counts requests of this one")
	}
	_, err = s.desk("marie").ChangeRequest(t.Context(), "1", "close", access.Answer{})
	check(t, err)
	b.want("/", 200, counts+"2</b>")
	b.want("/computers/"+s.id("S104-02"), 200, "no &lt;picture&gt; 1")
}

func TestALabelShowsHowItsReportsStand(t *testing.T) {
	s, _ := furnished(t)
	token, err := s.desk("marie").Label(t.Context(), s.id("S104-02"))
	check(t, err)
	pupil := s.browser()
	page := access.LabelPath + token
	if body := pupil.want(page, 200); strings.Contains(body, "Reported of this computer") {
		t.Error("it shows reports before there are any")
	}
	if status, body := pupil.post(page, url.Values{"text": {"rude words of a pupil"}, "name": {"Léo"}}); status != 200 || !strings.Contains(body, "Open") {
		t.Fatalf("reporting: %d\n%s", status, body)
	}
	_, err = s.desk("claire").Report(t.Context(), access.Report{Computer: "S104-02", Text: "words of a teacher"})
	check(t, err)
	for id, says := range map[string]string{"1": "a new mouse comes tomorrow", "2": "between us"} {
		_, err = s.desk("marie").ChangeRequest(t.Context(), id, "answer", access.Answer{Text: says})
		check(t, err)
	}
	body := pupil.want(page, 200, "Reported of this computer already", "a new mouse comes tomorrow", "Answered")
	for _, hidden := range []string{"rude words", "Léo", "words of a teacher", "between us", "marie", "claire"} {
		if strings.Contains(body, hidden) {
			t.Errorf("who reads a label reads %q", hidden)
		}
	}
	_, err = s.desk("marie").ChangeRequest(t.Context(), "1", "close", access.Answer{})
	check(t, err)
	pupil.want(page, 200, "a new mouse comes tomorrow", "Closed")
	s.now = s.now.Add(8 * 24 * time.Hour)
	if body := pupil.want(page, 200); strings.Contains(body, "a new mouse") {
		t.Error("what is over for a week is still told")
	}
}

// versionless is no version: an order of what needs none.
var versionless masters.Version

// filled is what a form of a page would send as it stands.
func filled(t *testing.T, body, action string) url.Values {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	check(t, err)
	out, found := url.Values{}, false
	attr := func(n *html.Node, key string) (string, bool) {
		i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
		if i < 0 {
			return "", false
		}
		return n.Attr[i].Val, true
	}
	for form := range doc.Descendants() {
		if at, _ := attr(form, "action"); form.Data != "form" || at != action {
			continue
		}
		found = true
		for n := range form.Descendants() {
			name, _ := attr(n, "name")
			value, _ := attr(n, "value")
			kind, _ := attr(n, "type")
			_, checked := attr(n, "checked")
			switch {
			case name == "" || n.Data == "button":
			case n.Data == "textarea" && n.FirstChild != nil:
				out.Add(name, n.FirstChild.Data)
			case n.Data == "select":
				for o := range n.Descendants() {
					if _, chosen := attr(o, "selected"); chosen {
						value, _ = attr(o, "value")
						out.Add(name, value)
					}
				}
			case n.Data == "input" && (kind != "checkbox" && kind != "radio" || checked):
				out.Add(name, value)
			}
			if sentence, asks := attr(n, "data-typed"); asks {
				out.Set(name, sentence)
			}
		}
	}
	if !found {
		t.Fatalf("there is no form for %s:\n%s", action, body)
	}
	return out
}

// What is ordered again is ordered with everything that it was ordered with: nobody notices that a wipe's method is another.
func TestAgainIsTheSameOrder(t *testing.T) {
	s, v := furnished(t)
	s.twoDisks(60, "LAB-01", "S104")
	s.twoDisks(61, "LAB-02", "S104")
	hash := s.script(true)
	sata := job.DiskRule{Bus: "sata"}
	b := s.as("marie")
	for _, x := range []struct {
		n     int // computers
		at    int // hour; 0: now
		o     fleet.Order
		v     masters.Version
		place string
	}{
		{1, 0, fleet.Order{Kind: job.KindWipe, Wipe: job.WipeOrder{Method: job.WipeOverwrite}, Disk: sata, Ending: job.EndPowerOff, Note: "sold"}, versionless, "do/wipe"},
		{2, 0, fleet.Order{Kind: job.KindWipe, Wipe: job.WipeOrder{Method: job.WipeSanitize}, Disk: sata, Ending: job.EndPowerOff, Wake: true}, versionless, "/order"},
		{1, 0, fleet.Order{Kind: job.KindScript, Script: job.ScriptOrder{Hash: hash}, Disk: sata, Ending: job.EndPowerOff}, versionless, "do/script"},
		{2, 0, fleet.Order{Kind: job.KindScript, Script: job.ScriptOrder{Hash: hash}, Disk: sata, Ending: job.EndDisk, Wake: true}, versionless, "/order"},
		{2, 23, fleet.Order{Kind: job.KindDeploy, Disk: sata, Ending: job.EndPowerOff, Within: 3 * time.Hour, Retries: 3, Wake: true}, v[0], "/order"},
		{1, 22, fleet.Order{Kind: job.KindDeploy, Disk: sata, Ending: job.EndDisk, Within: 8 * time.Hour, Retries: 2}, v[0], "/order"},
		{2, 0, fleet.Order{Kind: job.KindStage, Disk: sata, Ending: job.EndPowerOff}, v[1], "/order"},
		{2, 0, fleet.Order{Kind: job.KindVerify, Disk: sata, Ending: job.EndPowerOff}, v[0], "/order"},
		{1, 0, fleet.Order{Kind: job.KindReset, Level: job.LevelQuick, Ending: job.EndPowerOff}, v[0], "/order"},
		{1, 0, fleet.Order{Kind: job.KindInventory, Ending: job.EndPowerOff, Wake: true}, versionless, "do/inventory"},
		{1, 0, fleet.Order{Kind: job.KindCapture, Disk: sata, AsIs: true, Master: "Labo", Note: "two\nlines", Ending: job.EndDisk, Wake: true}, versionless, "/capture"},
	} {
		if x.o.Computers = []string{"LAB-01", "LAB-02"}[:x.n]; x.o.Kind == job.KindReset {
			x.o.Computers = []string{"S104-01"} // of the only disk: what it does to others is of a disk that is proven
		}
		if x.at > 0 {
			x.o.At = s.now.Truncate(24 * time.Hour).Add(time.Duration(x.at) * time.Hour)
		}
		first := s.give(x.o, x.v)
		fails := func() {
			if x.o.At.After(s.now) {
				s.now = x.o.At.Add(time.Minute)
			}
			for n, name := range map[int]string{60: "LAB-01", 61: "LAB-02", 0: "S104-01"} {
				if slices.Contains(x.o.Computers, name) {
					s.report(n, func(*job.Report) {})
					s.report(n, func(r *job.Report) {
						r.State, r.Step, r.Outcome = job.TaskFailed, 1, &job.Outcome{Code: "no-such-code", Detail: "it broke"}
					})
				}
			}
		}
		for range 1 + first.Job.Retries {
			fails()
		}
		if x.at > 0 {
			s.now = x.o.At.Add(10 * time.Hour) // in the morning
			b = s.as("marie")
		}
		link := regexp.MustCompile(`class="button main" href="([^"]*again=1[^"]*)"`).FindStringSubmatch(b.want("/jobs/"+first.Job.ID, 200))
		if link == nil || !strings.Contains(link[1], x.place) {
			t.Fatalf("%s of %d: offered again by %q", x.o.Kind, x.n, link)
		}
		to := html.UnescapeString(link[1])
		action, _, _ := strings.Cut(to, "?")
		again := b.sends(action, filled(t, b.want(to, 200), action))
		a, z := first.Job, again.Job
		if a.Kind == job.KindCapture { // its page offers the disks of the one computer
			a.Disk = job.DiskRule{Serial: "WD-60"}
		}
		if z.Kind != a.Kind || z.Master != a.Master || z.Version != a.Version || z.Disk != a.Disk || z.Ending != a.Ending || z.Level != a.Level || z.Wipe != a.Wipe ||
			z.Script.Hash != a.Script.Hash || z.Wake != a.Wake || z.AsIs != a.AsIs || z.Note != a.Note || len(again.Tasks) != x.n {
			t.Errorf("%s of %d, again:\n%+v\n%+v", x.o.Kind, x.n, a, z)
		}
		if !a.NotBefore.IsZero() && (!z.NotBefore.Equal(a.NotBefore.AddDate(0, 0, 1)) || !z.Expires.Equal(a.Expires.AddDate(0, 0, 1)) || z.Retries != a.Retries) {
			t.Errorf("%s, again in the night from %s to %s with %d retries, not from %s to %s with %d", a.Kind, z.NotBefore, z.Expires, z.Retries, a.NotBefore, a.Expires, a.Retries)
		}
		_, err := s.fleet.Cancel(t.Context(), z.ID, "marie", true)
		check(t, err)
	}
}
