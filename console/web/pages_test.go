package web

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// furnished is a school with three versions of a master, two rooms of its own and one of another site, requests, and
// somebody of each role; marie is the administrator.
func furnished(t *testing.T) (*school, [3]masters.Version) {
	t.Helper()
	s := newSchool(t)
	var err error
	s.house.Now = func() time.Time { return s.now }
	s.house.Requests, err = requests.Open(t.Context(), requests.Options{Store: s.store, Now: s.house.Now})
	check(t, err)
	s.posts()
	s.house.Running = func(string) (string, string) { return "https://10.4.0.1:8444", "ca" }
	_, err = s.fleet.SetSite(t.Context(), fleet.Site{Name: "zola", Title: "Lycée Émile-Zola"}, "marie")
	check(t, err)
	versions := [3]masters.Version{s.publish("Bureautique", "the first", 6), s.publish("Bureautique", "with <b>Office</b>", 8), s.publish("Bureautique", "a try", 9)}
	for i, channel := range []string{"stable", "stable", "test"} {
		_, err = s.library.Promote(versions[i].String(), channel, "marie")
		check(t, err)
	}
	s.room("S104", "Bureautique@stable", 0, 3)
	s.room("zola/B12", "", 20, 2)
	s.person("marie", people.Administrator, nil, nil)
	s.person("paul", people.Technician, nil, nil)
	s.person("zoe", people.Technician, []string{"zola"}, nil)
	s.person("claire", people.Teacher, nil, []string{"S104"})
	s.person("remi", people.Reader, nil, nil)
	return s, versions
}

// desk is the desk of somebody, as their browser has it.
func (s *school) desk(login string) access.Desk {
	s.t.Helper()
	p, err := s.people.Find(login)
	check(s.t, err)
	return s.house.For(people.Caller{ID: p.ID, Login: p.Login, Name: p.Name, Role: p.Role, Sites: p.Sites, Rooms: p.Rooms, Via: people.ViaSession})
}

// upload sends a file with a form.
func (b *browser) upload(path string, values map[string]string, file string) (int, string) {
	b.s.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range values {
		check(b.s.t, w.WriteField(k, v))
	}
	part, err := w.CreateFormFile("file", "list.csv")
	check(b.s.t, err)
	_, err = part.Write([]byte(file))
	check(b.s.t, err)
	check(b.s.t, w.Close())
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodPost, b.s.web.URL+path, &body)
	check(b.s.t, err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, text := b.do(r)
	return res.StatusCode, text
}

// adminPages are the addresses of all pages of administration of a furnished school.
func (s *school) adminPages() []string {
	s.t.Helper()
	pc, err := s.fleet.Find("S104-01")
	check(s.t, err)
	p, err := s.people.Find("claire")
	check(s.t, err)
	r, err := s.desk("claire").Report(s.t.Context(), access.Report{Computer: "S104-02", Text: "no <picture>"})
	check(s.t, err)
	x, err := s.desk("marie").SetSchedule(s.t.Context(), access.Schedule{Name: "clean <rooms>", Days: []string{"mon"}, At: "22:00", Until: "05:00",
		Order: access.ScheduledOrder{Kind: job.KindReset, Rooms: []string{"S104"}, Level: job.LevelFull, Ending: job.EndDisk}})
	check(s.t, err)
	_, err = s.desk("marie").AddScript(s.t.Context(), access.Script{Name: "update", Text: "#!/bin/sh\n", Limit: 60})
	check(s.t, err)
	pages := []string{"/masters", "/masters/Bureautique", "/masters/Bureautique/compare?from=1&to=2", "/capture", "/computers", "/computers?q=room:S104",
		"/computers/" + pc.ID, "/import", "/enrol", "/requests", "/requests?state=all", "/requests/" + r.ID, "/requests/new?room=S104",
		"/labels?room=S104", "/schedules", "/schedules/new", "/schedules/" + x.ID, "/health", "/helpers", "/audit", "/audit?verify=1", "/people", "/people/new",
		"/people/" + p.ID, "/account", "/settings", "/settings/post", "/settings/sites/new", "/settings/sites/zola", "/settings/scripts/new"}
	for _, k := range doKinds() {
		pages = append(pages, "/computers/"+pc.ID+"/do/"+string(k))
	}
	return pages
}

func TestEveryPageIsThereInBothLanguages(t *testing.T) {
	s, _ := furnished(t)
	s.hello(90, nil)
	pages := s.adminPages()
	b := s.as("marie")
	lost := regexp.MustCompile(`>\s*(` + strings.Join(prefixes(), "|") + `)\.[a-z.-]+\s*<`)
	labels := regexp.MustCompile(`<(input|select|textarea)[^>]*>`)
	for _, b.language = range []string{"fr", "en"} {
		for _, page := range pages {
			status, body := b.get(page)
			if status != http.StatusOK || strings.Count(body, "<h1") != 1 {
				t.Errorf("%s in %s: %d, %d main headings\n%.2000s", page, b.language, status, strings.Count(body, "<h1"), body)
				continue
			}
			if found := lost.FindString(body); found != "" {
				t.Errorf("%s in %s: a text without words: %s", page, b.language, found)
			}
			if strings.Contains(body, "<b>Office") || strings.Contains(body, "<picture>") || strings.Contains(body, "<rooms>") || strings.Contains(body, " style=") {
				t.Errorf("%s: what somebody wrote is markup", page)
			}
			for _, field := range labels.FindAllString(body, -1) {
				id := attributeOf(field, "id")
				if !strings.Contains(field, `type="hidden"`) && !strings.Contains(field, "aria-label=") && !wrapped(body, field) &&
					(id == "" || !strings.Contains(body, `for="`+id+`"`)) {
					t.Errorf("%s: nobody says what %s is for", page, field)
				}
			}
		}
	}
}

// prefixes are what keys of words begin with.
func prefixes() (out []string) {
	seen := map[string]bool{}
	for k := range words.All() {
		p, _, _ := strings.Cut(k, ".")
		if !seen[p] {
			seen[p] = true
			out = append(out, regexp.QuoteMeta(p))
		}
	}
	return out
}

func attributeOf(tag, name string) string {
	m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return m[1]
}

// wrapped tells whether a field stands inside of its label.
func wrapped(body, field string) bool {
	before := body[:strings.Index(body, field)]
	return strings.LastIndex(before, "<label") > strings.LastIndex(before, "</label>")
}

func TestRolesReachNoMoreThanTheirPages(t *testing.T) {
	s, _ := furnished(t)
	pages := s.adminPages()
	open := map[string]string{ // what each role may look at, by how the address begins
		"claire": "/computers /requests /account", "remi": "/masters /computers /requests /health /account",
		"paul": "/masters /capture /computers /import /enrol /requests /labels /schedules /health /helpers /audit /account"}
	for login, may := range open {
		b := s.as(login)
		for _, page := range pages {
			allowed := false
			for _, p := range strings.Fields(may) {
				allowed = allowed || strings.HasPrefix(page, p)
			}
			status, body := b.get(page)
			if !allowed && status != http.StatusForbidden {
				t.Errorf("%s gets %s: %d", login, page, status)
			}
			if allowed && status != http.StatusOK && status != http.StatusForbidden {
				t.Errorf("%s gets %s: %d\n%.600s", login, page, status, body)
			}
		}
		if status, _ := b.post("/people/new", url.Values{"login": {"eve"}, "name": {"Eve"}, "role": {"administrator"}}); status != http.StatusForbidden {
			t.Errorf("%s invites an administrator: %d", login, status)
		}
	}
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	zoe := s.as("zoe")
	for _, page := range []string{"/computers/" + pc.ID, "/computers/S104-01", "/computers/" + pc.ID + "/do/wipe", "/labels?room=S104", "/requests/1", "/schedules/1"} {
		if status, body := zoe.get(page); status != http.StatusNotFound || strings.Contains(body, "S104-01") && !strings.Contains(page, "S104-01") {
			t.Errorf("a technician of another site gets %s: %d", page, status)
		}
	}
	for _, page := range []string{"/computers", "/computers.csv", "/requests?state=all", "/schedules"} {
		if _, body := zoe.get(page); strings.Contains(body, "S104") && !strings.Contains(body, "<code>room:S104</code>") || strings.Contains(body, "S104-0") {
			t.Errorf("a technician of another site reads of S104 at %s", page)
		}
	}
	if status, _ := zoe.post("/computers/"+pc.ID+"/wake", nil); status != http.StatusNotFound {
		t.Errorf("a technician of another site wakes: %d", status)
	}
}

// askedBeforeAChannelMoves looks at the question before a channel moves: in the dialog of the page and, without scripts, on a
// page of its own, it names the rooms, how many computers, and what is done by itself, when.
func (s *school) askedBeforeAChannelMoves(b *browser) {
	t := s.t
	s.report(0, func(*job.Report) {})
	s.report(0, func(r *job.Report) {
		r.State = job.TaskDone
		r.Outcome = &job.Outcome{Code: "ok", ProvenAt: s.now}
	})
	_, err := s.desk("marie").SetSchedule(t.Context(), access.Schedule{Name: "Nuit <b>", Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, At: "22:00", Until: "05:00",
		Order: access.ScheduledOrder{Kind: job.KindDeploy, Rooms: []string{"S104", "zola/B12"}, Computers: []string{"S104-01"}, Master: "Bureautique@stable", Ending: job.EndDisk}})
	check(t, err)
	_, page := b.get("/masters/Bureautique")
	form := url.Values{"channel": {"stable"}, "version": {"3"}}
	status, asked := b.post("/masters/Bureautique/promote", form)
	if x, err := s.library.Resolve("Bureautique@stable"); status != http.StatusOK || err != nil || x.Number != 2 {
		t.Errorf("a channel moves before anybody has said yes: %d, %v, %v", status, x, err)
	}
	for name, body := range map[string]string{"dialog": page, "page": asked} {
		if !containsAll(body, "3 computers follow it", "<bdi>S104</bdi> · 3 computers", `data-holds="3"`, "1 of them has v3 already", "“Nuit &lt;b&gt;”: Deploy, S104, zola/B12 and S104-01 (5 computers), today at 22:00",
			"No disk changes now", `name="sure" value="1"`) {
			t.Errorf("the %s does not say what a move does:\n%s", name, body)
		}
	}
	form.Set("sure", "1")
	form.Set("from", "1") // somebody else has moved it since the question was asked
	if status, body := b.post("/masters/Bureautique/promote", form); status != http.StatusConflict || !strings.Contains(body, "Meanwhile somebody has moved stable: it points at v2") {
		t.Errorf("a channel that somebody else has moved: %d", status)
	}
	if status, _ := b.post("/masters/Bureautique/promote", url.Values{"channel": {"stable"}, "version": {"99"}}); status != http.StatusNotFound {
		t.Errorf("a version that is not there: %d", status)
	}
	if status, _ := s.as("paul").post("/masters/Bureautique/promote", url.Values{"channel": {"stable"}, "version": {"3"}}); status != http.StatusForbidden {
		t.Errorf("a technician is asked about stable: %d", status)
	}
}

func TestChannelsMoveAndVersionsAreForgotten(t *testing.T) {
	s, v := furnished(t)
	b := s.as("marie")
	_, body := b.get("/masters/Bureautique")
	for _, want := range []string{`id="v3"`, `data-channel="stable" draggable="true"`, "with &lt;b&gt;Office", "/masters/Bureautique/compare?from=1&amp;to=2",
		"This concerns 3 computers: S104", `id="rollback-stable"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of a master has no %s", want)
		}
	}
	if strings.Contains(body, `id="forget-2"`) || !strings.Contains(body, `id="forget-1"`) {
		t.Error("a version that a channel points at can be forgotten, or one that nothing needs cannot")
	}
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{"S104-01"}}, v[2])
	s.askedBeforeAChannelMoves(b)
	if status, _ := b.post("/masters/Bureautique/promote", url.Values{"channel": {"stable"}, "version": {"3"}, "sure": {"1"}}); status != http.StatusSeeOther {
		t.Errorf("promoting: %d", status)
	}
	if x, err := s.library.Resolve("Bureautique@stable"); err != nil || x.Number != 3 {
		t.Errorf("stable is %v, %v", x, err)
	}
	_, _ = b.post("/masters/Bureautique/rollback", url.Values{"channel": {"stable"}})
	if x, err := s.library.Resolve("Bureautique@stable"); err != nil || x.Number != 2 {
		t.Errorf("stable after the roll back is %v, %v", x, err)
	}
	_, _ = b.post("/masters/Bureautique/forget", url.Values{"version": {"2"}})
	if _, err := s.library.Resolve(v[1].String()); err != nil {
		t.Errorf("a version that is needed was forgotten: %v", err)
	}
	if _, body := b.get("/masters/Bureautique"); !strings.Contains(body, "flash bad") || !strings.Contains(body, "stable") {
		t.Error("nobody says why the version stays")
	}
	for _, want := range []string{"Exactly: 288\u00a0bytes", "Exactly: 0\u00a0bytes"} { // before and after another master has the same chunks
		if status, body := b.get("/masters/Bureautique/frees?version=1"); status != http.StatusOK || !strings.HasPrefix(body, want) || strings.Contains(body, "<") {
			t.Errorf("forgetting frees %s, want %s: %d", body, want, status)
		}
		s.publish("Copie", "", 6)
	}
	for login, want := range map[string]int{"remi": http.StatusForbidden, "claire": http.StatusForbidden} {
		if status, _ := s.as(login).get("/masters/Bureautique/frees?version=3"); status != want {
			t.Errorf("%s asks what forgetting frees: %d", login, status)
		}
	}
	_, _ = b.post("/masters/Bureautique/forget", url.Values{"version": {"1"}})
	if _, err := s.library.Resolve(v[0].String()); err == nil {
		t.Error("the first version is still there")
	}
	status, body := b.post("/masters/Bureautique/note", url.Values{"version": {"3"}, "note": {strings.Repeat("é", 4001)}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, strings.Repeat("é", 4001)) || !strings.Contains(body, `id="note-bad"`) {
		t.Errorf("a note that is too long: %d", status)
	}
	if status, _ := s.as("paul").post("/masters/Bureautique/promote", url.Values{"channel": {"stable"}, "version": {"3"}, "sure": {"1"}}); status != http.StatusForbidden {
		t.Errorf("a technician promotes to stable: %d", status)
	}
}

func TestACodeIsDrawnAsItIs(t *testing.T) {
	const text = "https://ardoise.lycee-zola.example:8443/q/YWGVrr1OwTzEHLp15ALmow"
	svg, err := qrSVG(text, `PC "1"`)
	check(t, err)
	code, err := qr.Encode(text, qr.Q)
	check(t, err)
	dark := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(svg), -1) {
		var x, y, run, back int
		_, err := fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &run, &back)
		check(t, err)
		if run != back {
			t.Fatalf("a run of %d goes back %d", run, back)
		}
		for i := range run {
			dark[[2]int{x + i - quiet, y - quiet}] = true
		}
	}
	for y := range code.Size {
		for x := range code.Size {
			if dark[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("the module at %d, %d is wrong", x, y)
			}
		}
	}
	if !strings.Contains(string(svg), `aria-label="PC &#34;1&#34;"`) {
		t.Error("the drawing has no name")
	}
}

func TestAPupilReportsByALabel(t *testing.T) {
	s, _ := furnished(t)
	token, err := s.desk("marie").Label(t.Context(), "S104-02")
	check(t, err)
	if _, body := s.as("paul").get("/labels?room=S104"); !strings.Contains(body, "S104-02") || strings.Count(body, `class="qr"`) != 3 {
		t.Error("the sheet does not have a label for each computer")
	}
	b := s.browser()
	status, body := b.get("/l/" + token)
	if status != http.StatusOK || !strings.Contains(body, "S104-02") || strings.Contains(body, "S104-01") || strings.Contains(body, "Bureautique") {
		t.Errorf("the page of a label: %d\n%s", status, body)
	}
	if status, body = b.post("/l/"+token, url.Values{"name": {"Léa"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, `value="Léa"`) {
		t.Errorf("a report without words: %d", status)
	}
	if status, body = b.post("/l/"+token, url.Values{"name": {"Léa <i>"}, "text": {"the mouse <script>"}}); status != http.StatusOK || !strings.Contains(body, "Thank you") {
		t.Errorf("a report: %d\n%s", status, body)
	}
	slow := false
	for range 30 {
		status, body = b.post("/l/"+token, url.Values{"text": {"again"}})
		slow = slow || status == http.StatusTooManyRequests && strings.Contains(body, "again")
	}
	if !slow {
		t.Error("thirty reports were never slowed down, or what was typed is gone")
	}
	if status, _ = b.get("/l/" + strings.Repeat("A", 22)); status != http.StatusNotFound {
		t.Errorf("a label that is none: %d", status)
	}
	paul := s.as("paul")
	if _, body = paul.get("/requests"); !strings.Contains(body, "the mouse &lt;script&gt;") || !strings.Contains(body, "Léa &lt;i&gt;") {
		t.Errorf("the technician does not read it:\n%s", body)
	}
	if status, body = paul.post("/requests/1", url.Values{"do": {"answer"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-text"`) {
		t.Errorf("an empty answer: %d", status)
	}
	_, _ = paul.post("/requests/1", url.Values{"do": {"answer"}, "text": {"I am coming"}})
	_, _ = paul.post("/requests/1", url.Values{"do": {"close"}})
	if _, body = paul.get("/requests/1"); !strings.Contains(body, "I am coming") || !strings.Contains(body, `value="reopen"`) {
		t.Errorf("after answering and closing:\n%s", body)
	}
}

func TestAListIsLookedThroughBeforeItIsTaken(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	list := "name,room,mac,note\nS104-01,S104,52:54:00:00:00:00,by the window\nNew-1,S104,52:54:00:99:00:01,=1+1\n,nowhere,zz,\n"
	status, body := b.upload("/import", map[string]string{"do": "try"}, list)
	if status != http.StatusOK || !strings.Contains(body, "1 wrong line") || !strings.Contains(body, "by the window") {
		t.Errorf("looking through: %d\n%s", status, body)
	}
	if status, _ = b.upload("/import", map[string]string{"do": "import"}, list); status != http.StatusUnprocessableEntity {
		t.Errorf("taking a list with a wrong line: %d", status)
	}
	if c, err := s.fleet.Find("S104-01"); err != nil || c.Note != "" {
		t.Errorf("something was taken: %+v, %v", c, err)
	}
	if status, body = b.upload("/import", map[string]string{"do": "import", "partly": "1"}, list); status != http.StatusSeeOther {
		t.Errorf("taking the right lines: %d\n%s", status, body)
	}
	if c, err := s.fleet.Find("S104-01"); err != nil || c.Note != "by the window" {
		t.Errorf("the note is %q, %v", c.Note, err)
	}
	if status, body = b.get("/computers.csv?q=room:S104"); status != http.StatusOK || !strings.Contains(body, "'=1+1") {
		t.Errorf("the list that comes back: %d\n%s", status, body)
	}
	if status, body = b.get("/computers?q=colour:red"); status != http.StatusUnprocessableEntity || !strings.Contains(body, `value="colour:red"`) || !strings.Contains(body, `id="q-bad"`) {
		t.Errorf("a filter that means nothing: %d", status)
	}
}

func TestAWipeIsTypedAndCertifiedOnlyWhenProven(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	pc, err := s.fleet.Find("S104-02")
	check(t, err)
	path := "/computers/" + pc.ID + "/do/wipe"
	if status, body := b.get(path); status != http.StatusOK || !strings.Contains(body, "KIOXIA") || !strings.Contains(body, `data-typed="S104-02"`) {
		t.Errorf("what a wipe would do: %d\n%s", status, body)
	}
	form := url.Values{"method": {job.WipeAuto}, "typed": {"S104-03"}}
	if status, body := b.post(path, form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-typed"`) {
		t.Errorf("the name of another computer: %d", status)
	}
	if len(s.fleet.Jobs()) != 0 {
		t.Fatal("it was ordered")
	}
	french := s.as("paul")
	french.language = "fr"
	if _, body := french.get(path); !strings.Contains(body, "tout ce que contient le disque KIOXIA") {
		t.Errorf("what is lost is not said in French:\n%s", body)
	}
	form.Set("typed", "s104-02")
	if status, body := b.post(path, form); status != http.StatusSeeOther {
		t.Fatalf("the wipe: %d\n%s", status, body)
	}
	j := s.fleet.Jobs()[0]
	certificate := "/certificates/" + j.Job.ID + "/" + j.Tasks[0].ID
	if status, _ := b.get(certificate); status != http.StatusNotFound {
		t.Errorf("a certificate before the wipe: %d", status)
	}
	s.report(1, func(*job.Report) {})
	s.report(1, func(r *job.Report) {
		r.State = job.TaskFailed
		r.Outcome = &job.Outcome{Code: "failed", Wipe: &job.WipeProof{Ordered: job.WipeAuto, Path: "/dev/nvme0n1", Refused: "a block was not erased"}}
	})
	if status, body := b.get(certificate); status != http.StatusOK || !strings.Contains(body, "No certificate can be issued") || !strings.Contains(body, "a block was not erased") || strings.Contains(body, "data-print") {
		t.Errorf("the certificate of a wipe that failed: %d\n%s", status, body)
	}
}

func TestPeopleAreInvited(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	status, body := b.post("/people/new", url.Values{"login": {"paul"}, "name": {"Paul <Two>"}, "role": {"teacher"}, "rooms": {"S104"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "Paul &lt;Two&gt;") || !strings.Contains(body, `id="e-login"`) {
		t.Errorf("a login that is taken: %d\n%s", status, body)
	}
	status, body = b.post("/people/new", url.Values{"login": {"nadia"}, "name": {"Nadia"}, "role": {"teacher"}, "rooms": {"S104"}})
	link := regexp.MustCompile(`/invite/[A-Za-z0-9_-]{43}`).FindString(body)
	if status != http.StatusOK || link == "" {
		t.Fatalf("inviting: %d\n%s", status, body)
	}
	guest := s.browser()
	if status, body = guest.get(link); status != http.StatusOK || !strings.Contains(body, "Nadia") {
		t.Errorf("the link: %d", status)
	}
	if status, body = guest.post(link, url.Values{"password": {"short"}, "again": {"short"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-password"`) {
		t.Errorf("a short password: %d\n%s", status, body)
	}
	if status, body = guest.post(link, url.Values{"password": {testPassword}, "again": {testPassword}}); status != http.StatusSeeOther {
		t.Errorf("accepting: %d\n%s", status, body)
	}
	if status, _ = guest.get("/computers"); status != http.StatusOK {
		t.Errorf("the guest's first page: %d", status)
	}
	nadia, err := s.people.Find("nadia")
	check(t, err)
	if status, _ = b.post("/people/"+nadia.ID+"/disable", nil); status != http.StatusSeeOther {
		t.Errorf("disabling: %d", status)
	}
	if status, _ = guest.get("/computers"); status != http.StatusSeeOther {
		t.Errorf("somebody disabled still gets a page: %d", status)
	}
	marie, err := s.people.Find("marie")
	check(t, err)
	if status, body = b.post("/people/"+marie.ID, url.Values{"name": {"Marie"}, "role": {"reader"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("the last administrator goes: %d\n%s", status, body)
	}
}

func TestATokenIsToldOnce(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	if status, body := b.post("/account/token", url.Values{"token": {"my script"}, "days": {"30"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, `value="my script"`) {
		t.Errorf("a token for nothing: %d", status)
	}
	status, body := b.post("/account/token", url.Values{"token": {"my script"}, "days": {"30"}, "scopes": {"read"}})
	secret := regexp.MustCompile(`ard_[A-Za-z0-9_-]{20,}`).FindString(body)
	if status != http.StatusOK || secret == "" {
		t.Fatalf("making a token: %d\n%s", status, body)
	}
	if caller, err := s.people.ByToken(context.Background(), secret, "10.0.0.1"); err != nil || caller.Login != "paul" {
		t.Errorf("the token is %v's, %v", caller, err)
	}
	if _, body = b.get("/account"); strings.Contains(body, secret) || !strings.Contains(body, "my script") {
		t.Error("the secret is told twice, or the token is not listed")
	}
	other := s.as("paul")
	if status, body = b.post("/account/password", url.Values{"password": {"wrong"}, "new": {"a slate is wiped each night"}, "again": {"a slate is wiped each night"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-password"`) {
		t.Errorf("a wrong password: %d", status)
	}
	if status, body = b.post("/account/password", url.Values{"password": {testPassword}, "new": {"a slate is wiped each night"}, "again": {"a slate is wiped each night"}}); status != http.StatusSeeOther {
		t.Errorf("a new password: %d\n%s", status, body)
	}
	if status, _ = other.get("/account"); status != http.StatusSeeOther {
		t.Errorf("the other session goes on: %d", status)
	}
	if status, _ = b.get("/account"); status != http.StatusOK {
		t.Errorf("the session that changed it ended: %d", status)
	}
}

func TestASchedulesWindowIsSaidInPlainWords(t *testing.T) {
	week := []string{"mon", "tue", "wed", "thu", "fri"}
	tests := []struct {
		s      access.Schedule
		fr, en string
	}{
		{access.Schedule{Days: week, At: "22:00", Until: "05:00"}, "chaque nuit de semaine de 22:00 à 05:00", "each weekday night from 22:00 to 05:00"},
		{access.Schedule{Days: append([]string{"sun", "sat"}, week...), At: "06:00", Until: "07:30"}, "chaque jour de 06:00 à 07:30", "every day from 06:00 to 07:30"},
		{access.Schedule{Days: []string{"sun", "sat"}, At: "06:00", Until: "07:30"}, "chaque samedi et dimanche de 06:00 à 07:30", "each Saturday and Sunday from 06:00 to 07:30"},
		{access.Schedule{Days: []string{"wed", "mon", "fri"}, At: "12:30", Until: "13:30"}, "chaque lundi, mercredi et vendredi de 12:30 à 13:30", "each Monday, Wednesday and Friday from 12:30 to 13:30"},
	}
	for _, x := range tests {
		if fr, en := (tongue{lang: "fr"}).whenever(x.s), (tongue{lang: "en"}).whenever(x.s); fr != x.fr || en != x.en {
			t.Errorf("%v: %q, %q", x.s.Days, fr, en)
		}
	}
	s, _ := furnished(t)
	b := s.as("paul")
	form := url.Values{"name": {"nights <1>"}, "kind": {"reset"}, "level": {"full"}, "ending": {"disk"}, "retries": {"9"}, "days": {"mon"}, "at": {"22:00"}, "until": {"05:00"}}
	if status, body := b.post("/schedules/new", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-retries"`) || !strings.Contains(body, "nights &lt;1&gt;") ||
		!strings.Contains(body, "Choose at least one room") {
		t.Errorf("a schedule for nobody: %d\n%s", status, body)
	}
	form.Set("retries", "2")
	form.Set("rooms", "S104")
	form.Set("typed", "Resets 0 computers on the night of each Monday") // nothing is proven of any
	if status, body := b.post("/schedules/new", form); status != http.StatusSeeOther {
		t.Fatalf("a schedule: %d\n%s", status, body)
	}
	if _, body := b.get("/schedules"); !strings.Contains(body, "on the night of each Monday from 22:00 to 05:00") {
		t.Errorf("the schedules:\n%s", body)
	}
	if status, _ := b.post("/schedules/1/pause", nil); status != http.StatusSeeOther || !s.fleet.Schedules()[0].Paused {
		t.Errorf("pausing: %d", status)
	}
}

func TestComputersAreApprovedByTheirCodes(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	one, two := s.hello(70, nil), s.hello(71, func(i *job.Inventory) { i.Model = "<img src=x>" })
	_, body := b.get("/enrol")
	if !strings.Contains(body, "&lt;img src=x&gt;") || !strings.Contains(body, code(one)) {
		t.Errorf("who waits:\n%s", body)
	}
	form := url.Values{"code": {one, two}, "name-" + one: {"S104-70"}, "name-" + two: {"S104-71"}, "room": {"S104"}}
	if status, body := b.post("/enrol", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, "S104-71") {
		t.Errorf("approving nobody: %d", status)
	}
	form.Set("pick", one)
	if status, body := b.post("/enrol", form); status != http.StatusSeeOther {
		t.Fatalf("approving one: %d\n%s", status, body)
	}
	if c, err := s.fleet.Find("S104-70"); err != nil || c.Room != "S104" || c.State != fleet.Enrolled {
		t.Errorf("the computer is %+v, %v", c, err)
	}
	if c, err := s.fleet.Find("S104-71"); err == nil {
		t.Errorf("the other is %+v", c)
	}
	pc, err := s.fleet.Find("S104-70")
	check(t, err)
	if status, body := b.post("/computers/"+pc.ID, url.Values{"name": {"S104-01"}, "room": {"S104"}, "tags": {"a, b"}, "note": {"typed"}}); status != http.StatusUnprocessableEntity ||
		!strings.Contains(body, `id="e-name"`) || !strings.Contains(body, ">typed<") {
		t.Errorf("a name that is taken: %d\n%s", status, body)
	}
	if status, _ := b.post("/computers/"+pc.ID, url.Values{"name": {"S104-99"}, "room": {""}, "tags": {"a, b"}, "note": {"typed"}}); status != http.StatusSeeOther {
		t.Errorf("a change: %d", status)
	}
	if c, err := s.fleet.Find("S104-99"); err != nil || c.Room != "" || len(c.Tags) != 2 || c.Note != "typed" {
		t.Errorf("after the change: %+v, %v", c, err)
	}
}
