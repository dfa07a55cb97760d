package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/imaging/job"
)

// wing is one of the two schools of the walk. Everything of it bears a mark that nothing else does.
type wing struct {
	name, room, pc, id, mac, serial, code, schedule, request, job, wipe, label, filter, token string

	idle string // id of its other computer, that has nothing to do
	n    int    // of its computer
}

// marks are what nobody of another school may read.
func (x *wing) marks() []string {
	return []string{x.name, x.room, x.pc, x.id, x.idle, x.mac, x.serial, x.code, x.label, "broken in " + x.name, "note of " + x.name, x.filter, "schedule of " + x.name,
		"tech-" + x.name, "teacher-" + x.name, "reader-" + x.name, "helper-" + x.name, "Walk" + x.name}
}

// staff is who works in a school, by role.
func (x *wing) staff() map[string]people.Person {
	return map[string]people.Person{"tech-" + x.name: {Role: people.Technician, Sites: []string{x.name}}, "teacher-" + x.name: {Role: people.Teacher, Rooms: []string{x.room}},
		"reader-" + x.name: {Role: people.Reader, Sites: []string{x.name}}}
}

// walked is a console over two schools.
type walked struct {
	*school
	wings  map[string]*wing
	people map[string]people.Person
	script string
}

func newWalk(t *testing.T) *walked {
	t.Helper()
	w := &walked{school: newSchool(t), wings: map[string]*wing{}, people: map[string]people.Person{"admin": {Role: people.Administrator}}}
	w.house.Now = func() time.Time { return w.now }
	var err error
	w.house.Requests, err = requests.Open(t.Context(), requests.Options{Store: w.store, Now: w.house.Now})
	check(t, err)
	w.posts()
	w.house.Running = func(string) (string, string) { return "https://10.4.0.1:8444", "ca" }
	for range 2 {
		_, err = w.library.Promote(w.publish("Bureautique", "", 6).String(), "stable", "root")
		check(t, err)
	}
	root := w.root()
	s, err := root.AddScript(t.Context(), access.Script{Name: "tidy", Text: "#!/bin/sh\n", Limit: 60})
	check(t, err)
	w.script = s.Hash
	w.person("admin", people.Administrator, nil, nil)
	for i, name := range []string{"zola", "hugo"} {
		x := &wing{name: name, room: name + "/" + name + "-S1", pc: strings.ToUpper(name) + "-PC1", filter: "filter of " + name, n: 300 + 10*i}
		w.wings[name] = x
		networks := []string{fmt.Sprintf("10.4.%d.0/24", i+1)}
		_, err := root.SetSite(t.Context(), name, access.SiteChange{Networks: &networks})
		check(t, err)
		note := "note of " + name
		_, err = root.SetRoom(t.Context(), x.room, access.RoomChange{Note: &note})
		check(t, err)
		for login, p := range x.staff() {
			w.people[login] = p
			w.person(login, p.Role, p.Sites, p.Rooms)
		}
		w.furnish(x, i)
	}
	return w
}

// root is the desk of the house's keeper.
func (w *walked) root() access.Desk {
	return w.house.For(people.Caller{Login: "root", Role: people.Administrator, Via: people.ViaSocket})
}

// met introduces a computer in a school's network and returns its code.
func (w *walked) met(x *wing, n, network int) string {
	w.t.Helper()
	a, err := w.fleet.Hello(w.t.Context(), fleet.Introduction{Key: fmt.Sprintf("key-%d", n), Address: fmt.Sprintf("10.4.%d.%d", network+1, n%200+10),
		Hello: job.Hello{AgentVersion: "1.0", MAC: fmt.Sprintf("52:54:00:00:%02x:%02x", n>>8, n&255), Inventory: job.Inventory{UUID: fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a%04x", n),
			Serial: fmt.Sprintf("SN-%s-%d", x.name, n), Model: "Walk" + x.name,
			Disks: []job.Disk{{Path: "/dev/nvme0n1", Size: 256_060_514_304, SectorSize: 512, Bus: "nvme", Model: "KIOXIA", Serial: fmt.Sprintf("Z-%s-%d", x.name, n)}}}}})
	check(w.t, err)
	return a.Code
}

// furnish puts into a school what each page may show: computers, jobs, a wipe that ended, a schedule, a request, a filter and so on.
func (w *walked) furnish(x *wing, network int) {
	w.t.Helper()
	ctx := w.t.Context()
	tech := w.desk("tech-" + x.name)
	for i, name := range []string{x.pc, x.pc + "b"} {
		c, err := tech.Approve(ctx, access.Approve{Code: w.met(x, x.n+i, network), Name: name, Room: x.room})
		check(w.t, err)
		if x.idle = c.ID; i == 0 {
			x.id, x.mac, x.serial = c.ID, c.MACs[0], c.Serial
		}
	}
	x.code = w.met(x, x.n+5, network)
	_, err := tech.Change(ctx, x.id, "note", access.Change{Note: "note of " + x.name})
	check(w.t, err)
	j, err := tech.Give(ctx, access.Order{Kind: job.KindWipe, Computers: []string{x.pc + "b"}})
	check(w.t, err)
	x.wipe = j.ID
	w.report(x.n+1, func(*job.Report) {})
	w.report(x.n+1, func(r *job.Report) {
		r.State = job.TaskFailed
		r.Outcome = &job.Outcome{Code: "failed", Wipe: &job.WipeProof{Ordered: job.WipeAuto, Path: "/dev/nvme0n1", Refused: "not of " + x.name}}
	})
	j, err = tech.Give(ctx, access.Order{Kind: job.KindDeploy, Computers: []string{x.pc}, Master: "Bureautique"})
	check(w.t, err)
	x.job = j.ID
	w.report(x.n, func(*job.Report) {})
	s, err := tech.SetSchedule(ctx, access.Schedule{Name: "schedule of " + x.name, Days: []string{"mon"}, At: "22:00", Until: "05:00",
		Order: access.ScheduledOrder{Kind: job.KindInventory, Rooms: []string{x.room}}})
	check(w.t, err)
	x.schedule = s.ID
	r, err := w.desk("teacher-"+x.name).Report(ctx, access.Report{Computer: x.pc, Text: "broken in " + x.name})
	check(w.t, err)
	x.request = r.ID
	x.label, err = tech.Label(ctx, x.pc)
	check(w.t, err)
	_, err = tech.SaveFilter(ctx, access.Filter{Name: x.filter, Query: "site:" + x.name})
	check(w.t, err)
	_, err = tech.AddHelper(ctx, access.HelperRequest{Name: "helper-" + x.name, Site: x.name})
	check(w.t, err)
	token, err := tech.MakeToken(ctx, access.TokenRequest{Name: "token of " + x.name, Scopes: []string{people.ScopeRead}})
	check(w.t, err)
	x.token = token.ID
	check(w.t, w.fleet.OpenEnrolment(ctx, x.room, w.now.Add(time.Hour), 3, "tech-"+x.name))
}

// visited is one request of the walk: an address, and the form where something is to be changed.
type visited struct {
	path string
	form url.Values
}

// tooOpen are the routes without a session: they are judged by what somebody knows, a password or a secret, not by who it is.
func tooOpen(pattern string) bool {
	for _, p := range []string{"/login", "/logout", "/oidc/", "/first/", "/preferences", "/invite/", access.LabelPath} {
		if _, path, _ := strings.Cut(pattern, " "); strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// aimed fills a route with the things of a school: its path, what it is asked with, and its form.
func (w *walked) aimed(pattern string, x *wing) (out []visited) {
	w.t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimSuffix(path, "{$}")
	first := strings.Split(strings.TrimPrefix(path, "/"), "/")[0]
	person, err := w.personID("tech-" + x.name)
	check(w.t, err)
	ids := map[string][]string{"computers": {x.id, x.pc, x.mac}, "jobs": {x.job, x.wipe}, "requests": {x.request}, "schedules": {x.schedule}, "people": {person}}
	names := map[string]string{"masters": "Bureautique", "helpers": "helper-" + x.name, "settings": x.name}
	if strings.Contains(path, "/do/") {
		ids["computers"] = []string{x.idle}
	}
	all := []string{path}
	fill := func(name string, values ...string) {
		if !strings.Contains(path, "{"+name+"}") {
			return
		}
		var next []string
		for _, p := range all {
			for _, v := range values {
				next = append(next, strings.ReplaceAll(p, "{"+name+"}", url.PathEscape(v)))
			}
		}
		all = next
	}
	fill("room", x.room)
	fill("id", ids[first]...)
	fill("name", names[first])
	fill("hash", w.script)
	fill("job", x.wipe)
	fill("task", x.wipe+"-1")
	fill("kind", "reset", "verify", "inventory", "shutdown", "wipe", "script")
	fill("verb", map[string][]string{"computers": {"wake", "refuse", "rekey", "chainload", "approve", "forget", "revoke", "token"}, "schedules": {"pause", "resume", "forget"},
		"people": {"disable", "enable", "forget", "password", "end"}, "settings": {"approve", "forget"}}[first]...)
	for _, p := range all {
		if strings.Contains(p, "{") || len(all) == 0 {
			w.t.Fatalf("the walk does not know what to fill %s with: teach it", pattern)
		}
		if method == http.MethodGet {
			out = append(out, visited{path: p})
			for _, q := range w.questions(path, x) {
				out = append(out, visited{path: p + "?" + q})
			}
			continue
		}
		forms, known := w.forms(path, x)
		if !known {
			w.t.Fatalf("the walk does not know what to send to %s: teach it", pattern)
		}
		for _, f := range forms {
			out = append(out, visited{p, f})
		}
	}
	return out
}

// personID is the id of somebody.
func (w *walked) personID(login string) (string, error) {
	p, err := w.school.people.Find(login)
	return p.ID, err
}

// questions are what a page is asked with.
func (w *walked) questions(path string, x *wing) []string {
	room := url.QueryEscape(x.room)
	return map[string][]string{
		"/": {"q=" + x.pc, "q=site:" + x.name, "site=" + x.name, "open=" + x.name}, "/boards": {"site=" + x.name, "q=room:" + room},
		"/computers": {"q=site:" + x.name, "q=" + x.pc}, "/computers.csv": {"q=" + x.pc, "q=room:" + room},
		"/order":   {"kind=deploy&room=" + room, "kind=reset&pc=" + x.id, "kind=verify&site=" + x.name, "kind=inventory&filter=site:" + x.name, "kind=deploy&room=" + room + "&master=Bureautique@stable"},
		"/capture": {"computer=" + x.idle}, "/requests": {"state=all", "room=" + room}, "/requests/new": {"room=" + room, "computer=" + x.pc},
		"/labels": {"room=" + room, "computer=" + x.id}, "/audit": {"who=tech-" + x.name, "what=" + x.pc}, "/enrol": {"room=" + room},
		"/masters/{name}/compare": {"from=1&to=2"}, "/masters/{name}/frees": {"version=1"}, "/jobs": {"room=" + room}, "/schedules/{id}": {"room=" + room},
		eventsPath: {"page=room&room=" + room, "page=job&job=" + x.job, "page=computer&id=" + x.id}, // what is open to all has a test of its own
	}[path]
}

// forms are what a route is sent, so that it is refused for who asks and not for what.
func (w *walked) forms(path string, x *wing) ([]url.Values, bool) {
	one := func(pairs ...string) url.Values {
		f := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			f.Add(pairs[i], pairs[i+1])
		}
		return f
	}
	order := func(kind string, more ...string) url.Values {
		return one(append([]string{"kind", kind, "ending", "disk", "when", "now", "level", "full", "retries", "0", "instead", "1", "room", x.room}, more...)...)
	}
	version := one("version", "1", "channel", "stable", "sure", "1")
	login := ""
	if p, err := w.personID("tech-" + x.name); err == nil {
		if all := w.school.people.Logins(p); len(all) > 0 {
			login = all[0].ID
		}
	}
	forms, known := map[string][]url.Values{
		"/new-room": {one("name", "neu", "site", x.name)}, "/rooms/{room}": {one("title", "x", "policy", "demand", "level", "full", "lang", "fr", "night", "02:00")},
		"/rooms/{room}/plan": {one("plan", x.id+" 1 1", "moved", x.id)}, "/rooms/{room}/forget": {nil},
		"/order": {order("deploy", "master", "Bureautique@1"), order("reset"), order("wake"), order("verify"), order("shutdown"), order("inventory"), order("wipe", "method", "auto"),
			one("kind", "reset", "ending", "disk", "when", "now", "level", "full", "retries", "0", "pc", x.id), one("kind", "verify", "ending", "disk", "when", "now", "retries", "0", "site", x.name)},
		"/jobs/{id}/cancel": {nil, one("force", "1")}, "/masters/{name}/promote": {version}, "/masters/{name}/rollback": {version}, "/masters/{name}/withdraw": {version},
		"/masters/{name}/forget": {version}, "/masters/{name}/keep": {one("keep", "1")}, "/masters/{name}/note": {nil}, // a note belongs to the house
		"/capture": {one("computer", x.idle, "master", "neu", "note", "x")}, "/requests/new": {one("computer", x.id, "text", "x")},
		"/requests/{id}": {one("do", "answer", "text", "x"), one("do", "close")}, "/labels": {one("computer", x.id)}, "/helpers": {one("name", "neu", "site", x.name)}, "/helpers/{name}/forget": {nil},
		"/schedules/{id}":        {one("name", "n", "kind", "inventory", "rooms", x.room, "ending", "disk", "retries", "0", "countdown", "10", "days", "mon", "at", "22:00", "until", "05:00")},
		"/schedules/{id}/{verb}": {nil}, "/people/new": {one("login", "eve", "name", "Eve", "role", "administrator")}, "/people/{id}": {one("name", "Eve", "role", "administrator")},
		"/people/{id}/invite": {nil}, "/people/{id}/{verb}": {one("login", login)}, "/account/password": {one("password", "wrong", "new", testPassword+"!", "again", testPassword+"!")},
		"/account/token": {nil}, "/account/forget": {one("token", x.token)}, "/account/end": {one("login", login)},
		"/settings/post": {one("at", "07:00", "language", "fr")}, "/settings/sites/{name}": {one("title", "x")}, "/settings/sites/{name}/forget": {nil},
		"/settings/scripts/new": {one("name", "n", "text", "x", "limit", "60")}, "/settings/scripts/{hash}/{verb}": {nil},
		"/computers": {one("do", "place", "pc", x.id, "room", ""), one("do", "place", "pc", x.id, "room", x.room), one("do", "tag", "pc", x.id, "tag", "x")},
		"/filters":   {one("name", x.filter, "q", "state:pending")}, "/filters/forget": {one("name", x.filter)},
		"/import": {one("do", "import", "partly", "1", "text", "name,mac,room\n"+x.pc+"X,"+x.mac+","+x.room+"\n")},
		"/enrol":  {one("code", x.code, "pick", x.code, "one", x.code, "name-"+x.code, "EVE", "room", x.room)}, "/enrol/window": {one("window", x.room, "minutes", "9", "count", "2"), one("window", x.room, "do", "close")},
		"/computers/{id}": {one("name", "EVE2", "room", "", "tags", "x", "note", "x")}, "/computers/{id}/{verb}": {one("on", "1", "code", x.code, "name", "EVE", "room", x.room)},
		"/computers/{id}/do/{kind}": {one("typed", x.pc+"b", "method", "auto", "level", "full", "script", w.script, "when", "now", "ending", "disk", "retries", "0", "instead", "1")},
	}[path]
	return forms, known
}

// ask visits a page, or sends a form, and returns all that somebody gets to read of the answer.
func (w *walked) ask(b *browser, method string, at visited) (int, string) {
	w.t.Helper()
	var body io.Reader
	kind := "application/x-www-form-urlencoded"
	switch {
	case method == http.MethodGet:
	case at.path == "/import":
		var sent bytes.Buffer
		kind = multipartOf(w.t, &sent, at.form)
		body = &sent
	default:
		body = strings.NewReader(at.form.Encode())
	}
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	r, err := http.NewRequestWithContext(ctx, method, w.web.URL+at.path, body)
	check(w.t, err)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Accept-Language", "en")
	res, err := b.Do(r)
	check(w.t, err)
	defer res.Body.Close()
	if res.Header.Get("Content-Type") == "text/event-stream" {
		return res.StatusCode, message(bufio.NewReader(res.Body))
	}
	text, err := io.ReadAll(res.Body)
	check(w.t, err)
	for _, k := range res.Cookies() { // what the next page says
		if raw, err := base64.RawURLEncoding.DecodeString(k.Value); err == nil && k.Name == cookieFlash {
			text = append(text, raw...)
		}
	}
	return res.StatusCode, string(text) + res.Header.Get("Location")
}

// message is the next message of a stream with something in it, or what came until it ended.
func message(r *bufio.Reader) string {
	var out strings.Builder
	for {
		line, err := r.ReadString('\n')
		out.WriteString(line)
		if err != nil || line == "\n" && strings.Contains(out.String(), "data: ") {
			return out.String()
		}
	}
}

// multipartOf writes a form as a browser sends one with files.
func multipartOf(t testing.TB, to io.Writer, form url.Values) (contentType string) {
	t.Helper()
	m := multipart.NewWriter(to)
	for k := range form {
		check(t, m.WriteField(k, form.Get(k)))
	}
	check(t, m.Close())
	return m.FormDataContentType()
}

// state is everything that a form could change, but the audit log and when somebody was seen.
func (w *walked) state() string {
	w.t.Helper()
	root := w.root()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	put := func(v any, err error) { check(w.t, errors.Join(err, e.Encode(v))) }
	computers, err := root.Computers("")
	put(computers, err)
	rooms, err := root.Rooms()
	put(rooms, err)
	sites, err := root.Sites()
	put(sites, err)
	jobs, err := root.Jobs(w.t.Context(), access.JobFilter{})
	put(jobs, err)
	schedules, err := root.Schedules()
	put(schedules, err)
	filters, err := root.Filters()
	put(filters, err)
	windows, err := root.Windows()
	put(windows, err)
	helpers, err := root.Helpers()
	put(helpers, err)
	scripts, err := root.Scripts()
	put(scripts, err)
	asked, err := root.Requests(w.t.Context(), access.RequestFilter{})
	put(asked, err)
	for _, name := range []string{"hugo", "zola"} { // whose codes, too, are what they were
		code, err := root.Label(w.t.Context(), w.wings[name].id)
		put(code, err)
	}
	versions, err := root.Masters()
	put(versions, err)
	history, err := root.History("Bureautique")
	put(history, err)
	everybody, err := root.People()
	for i := range everybody {
		everybody[i].LastSeen = nil
		put(len(w.school.people.Logins(everybody[i].ID)), nil)
	}
	put(everybody, err)
	put(len(w.school.people.Tokens("")), nil)
	return out.String()
}

// leaked names what an answer tells of a school that nobody asked for.
func leaked(x *wing, at visited, answer string) (out []string) {
	asked := strings.ToLower(at.path + " " + at.form.Encode())
	if plain, err := url.QueryUnescape(asked); err == nil {
		asked += plain
	}
	for _, m := range x.marks() {
		if m = strings.ToLower(m); m != "" && strings.Contains(strings.ToLower(answer), m) && !strings.Contains(asked, m) {
			out = append(out, m)
		}
	}
	return out
}

// Somebody of one school gets nothing of another by any page, form or stream of the console, and changes nothing there.
func TestNobodyGetsAnythingOfAnotherSchoolFromAPage(t *testing.T) {
	w := newWalk(t)
	routes := (&console{}).routes()
	if len(routes) < 70 {
		t.Fatalf("there are only %d routes", len(routes))
	}
	browsers := map[string]*browser{}
	for login := range w.people {
		browsers[login] = w.as(login)
	}
	for _, pair := range [][2]string{{"zola", "hugo"}, {"hugo", "zola"}} {
		foreign := w.wings[pair[1]]
		for login := range w.wings[pair[0]].staff() {
			whole, sent := w.state(), ""
			for _, r := range routes {
				if tooOpen(r.pattern) {
					continue
				}
				method, _, _ := strings.Cut(r.pattern, " ")
				may := mayAnywhere(w.callerOf(login), r.action)
				for _, at := range w.aimed(r.pattern, foreign) {
					status, answer := w.ask(browsers[login], method, at)
					if found := leaked(foreign, visited{at.path + " " + sent, at.form}, answer); len(found) > 0 { // a page says what became of the form before
						t.Errorf("%s asks %s %s %v: %d with %q", login, method, at.path, at.form, status, found)
					}
					if sent = ""; method == http.MethodPost {
						sent = at.form.Encode()
					}
					if !may && status != http.StatusForbidden || status >= 500 {
						t.Errorf("%s asks %s %s: %d", login, method, at.path, status)
					}
					if _, path, _ := strings.Cut(r.pattern, " "); may && method == http.MethodGet && ownedPath(path) && status != http.StatusNotFound && status != http.StatusForbidden {
						t.Errorf("%s gets %s: %d, want 403 or 404", login, at.path, status)
					}
				}
				if method != http.MethodPost {
					continue
				}
				if now := w.state(); now != whole {
					t.Fatalf("%s changes something of %s by %s:\n%s\nwas\n%s", login, foreign.name, r.pattern, now, whole)
				}
			}
		}
	}
}

// callerOf is somebody as a desk knows them.
func (w *walked) callerOf(login string) people.Caller {
	p := w.people[login]
	return people.Caller{Login: login, Role: p.Role, Sites: p.Sites, Rooms: p.Rooms}
}

// ownedPath tells whether a page is of one thing of a school.
func ownedPath(path string) bool {
	return strings.Contains(path, "{") && !strings.HasPrefix(path, "/masters/") && path != "/{$}"
}

// What is refused elsewhere works at home, else the walk would prove nothing: each form that a school's technician may send does
// something there, and each page that somebody may see is there for them.
func TestEverybodyGetsTheirOwnPages(t *testing.T) {
	w := newWalk(t)
	zola := w.wings["zola"]
	for login := range w.people {
		if strings.HasSuffix(login, "-hugo") {
			continue
		}
		b, marked := w.as(login), 0
		for _, r := range (&console{}).routes() {
			method, path, _ := strings.Cut(r.pattern, " ")
			if tooOpen(r.pattern) || method != http.MethodGet {
				continue
			}
			may := mayAnywhere(w.callerOf(login), r.action)
			for _, at := range w.aimed(r.pattern, zola) {
				status, answer := w.ask(b, method, at)
				if len(leaked(zola, at, answer)) > 0 {
					marked++
				}
				switch {
				case !may && status != http.StatusForbidden:
					t.Errorf("%s gets %s: %d", login, at.path, status)
				case may && (login == "admin" || strings.HasPrefix(login, "tech")) && status != http.StatusOK && !odd(path, at.path):
					t.Errorf("%s gets %s: %d\n%.300s", login, at.path, status, answer)
				}
			}
		}
		if marked < 15 {
			t.Errorf("%s reads of zola on %d pages only: the walk would find nothing", login, marked)
		}
	}
}

// A form that does nothing to another school because it is wrong would prove nothing: each that a technician may send does something
// in their own.
func TestFormsOfTheWalkDoSomethingAtHome(t *testing.T) {
	w := newWalk(t)
	zola := w.wings["zola"]
	b := w.as("tech-zola")
	routes := (&console{}).routes()
	late := func(r route) int { // what needs a computer at rest comes first, what takes things away last
		if r.pattern == "POST /capture" {
			return -1
		}
		for i, last := range []string{"/cancel", "/schedules/{id}/{verb}", "/helpers/{name}/forget", "/filters/forget", "/computers/{id}/{verb}", "/account/end"} {
			if strings.HasSuffix(r.pattern, last) {
				return i + 1
			}
		}
		return 0
	}
	slices.SortStableFunc(routes, func(a, b route) int { return late(a) - late(b) })
	tried := 0
	for _, r := range routes {
		method, path, _ := strings.Cut(r.pattern, " ")
		if tooOpen(r.pattern) || method != http.MethodPost || !mayAnywhere(w.callerOf("tech-zola"), r.action) || idleAtHome(path) {
			continue
		}
		tried++
		before, said := w.state(), []string{}
		for _, at := range w.aimed(r.pattern, zola) {
			status, answer := w.ask(b, method, at)
			said = append(said, fmt.Sprintf("%s %v: %d %.200s", at.path, at.form, status, answer))
		}
		if w.state() == before {
			t.Errorf("nothing comes of %s:\n%s", r.pattern, strings.Join(said, "\n"))
		}
	}
	if tried < 20 {
		t.Errorf("only %d routes were tried", tried)
	}
}

// idleAtHome tells whether the walk's form changes nothing at home either: a room with computers is not forgotten, a password that is
// wrong changes nothing, and the channels and versions of masters are the district's.
func idleAtHome(path string) bool {
	return path == "/rooms/{room}/forget" || path == "/account/password" || path == "/account/token" || strings.HasPrefix(path, "/masters/")
}

// odd tells whether a page is not there even for who may see it: a script that nobody has approved, a version to be chosen, what a
// technician of some sites may not ask, and a list of rooms that leads back to the map.
func odd(pattern, path string) bool {
	return strings.HasSuffix(path, "/do/script") || strings.HasSuffix(path, "/compare") || pattern == "/masters/{name}/frees" || path == eventsPath || pattern == "/boards" ||
		strings.HasPrefix(pattern, "/certificates/")
}
