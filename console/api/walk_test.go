package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// The two schools of the walk. Everything of a school bears a mark that nothing else does.
type school struct {
	name, room, pc, id, mac, serial, schedule, request, job, label, filter string
}

// marks are what nobody of another school may read.
func (s school) marks() []string {
	return []string{s.name, s.room, s.pc, s.id, s.mac, s.serial, s.label, "broken in " + s.name, "note of " + s.name, s.filter,
		"schedule of " + s.name, "tech-" + s.name, "teacher-" + s.name, "helper-" + s.name}
}

// district is a house with two schools behind the network's door.
type district struct {
	t       *testing.T
	house   *access.House
	url     string
	routes  []route
	schools map[string]*school
	cookies map[string]string // by login
	token   string            // of the administrator, to read
	ahead   atomic.Int64      // of the clock that sessions end by, before ours, nanoseconds
	master  masters.Version
	script  string
}

// route is one of the description's.
type route struct{ method, path string }

func (r route) String() string { return r.method + " " + r.path }

const password = "quatre mots pour entrer ici"

func newDistrict(t *testing.T) *district {
	t.Helper()
	dir := t.TempDir()
	library, err := masters.Open(dir, masters.Options{})
	check(t, err)
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "ardoise.db"))
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()); check(t, library.Close()) })
	d := &district{t: t, schools: map[string]*school{}, cookies: map[string]string{}, house: &access.House{Masters: library,
		Status:  func() access.Status { return access.Status{Version: "1"} },
		Doctor:  func(context.Context) []access.Check { return []access.Check{{Name: "x", State: access.CheckOK}} },
		Helping: func() ([]string, string) { return []string{"192.0.2.1:7443"}, strings.Repeat("ab", 32) }}}
	d.house.Fleet, err = fleet.Open(t.Context(), fleet.Options{Store: store, Archive: store, Signer: library.Key(), Versions: access.Versions{Library: library},
		Wake: func(context.Context, []string) error { return nil }})
	check(t, err)
	cost := &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	d.house.People, err = people.Open(t.Context(), people.Options{Store: store, Cost: cost,
		Now: func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }})
	check(t, err)
	d.house.Requests, err = requests.Open(t.Context(), requests.Options{Store: store})
	check(t, err)
	d.master = published(t, library, 3)
	server := &api.Server{House: d.house, Version: "1", Beat: 20 * time.Millisecond}
	s := httptest.NewServer(server.Handler(api.Web(d.house.People)))
	t.Cleanup(s.Close)
	d.url = s.URL
	d.settle()
	d.routes = d.described()
	return d
}

// settle fills the house as an administrator does.
func (d *district) settle() {
	d.t.Helper()
	ctx := d.t.Context()
	root := d.house.For(people.Caller{Login: "root", Role: people.Administrator, Via: people.ViaSocket})
	d.person("admin", people.Person{Role: people.Administrator})
	secret, err := d.house.People.AddToken(ctx, "admin", "reads", []string{people.ScopeRead}, time.Time{})
	check(d.t, err)
	d.token = secret
	s, err := root.AddScript(ctx, access.Script{Name: "tidy", Text: "#!/bin/sh\ntrue\n", Limit: 60})
	check(d.t, err)
	_, err = root.ApproveScript(ctx, s.Hash)
	if e := access.ErrorOf(err); e.Code != string(fleet.CodeOwnScript) {
		d.t.Errorf("who wrote a script approves it although there is another administrator: %v", err)
	}
	_, err = d.house.For(people.Caller{Login: "admin", Role: people.Administrator}).ApproveScript(ctx, s.Hash)
	check(d.t, err)
	d.script = s.Hash
	for i, name := range []string{"zola", "hugo"} {
		x := &school{name: name, room: name + "/" + name + "-S1", pc: strings.ToUpper(name) + "-PC1", filter: "filter of " + name,
			mac: fmt.Sprintf("52:54:00:0%d:0%d:01", i+1, i+1), serial: "SN-" + name + "-77"}
		d.schools[name] = x
		networks := []string{fmt.Sprintf("10.%d.0.0/16", i+1)}
		_, err := root.SetSite(ctx, name, access.SiteChange{Networks: &networks})
		check(d.t, err)
		note := "note of " + name
		_, err = root.SetRoom(ctx, x.room, access.RoomChange{Note: &note})
		check(d.t, err)
		d.person("tech-"+name, people.Person{Role: people.Technician, Sites: []string{name}})
		d.person("teacher-"+name, people.Person{Role: people.Teacher, Rooms: []string{x.room}})
		d.person("reader-"+name, people.Person{Role: people.Reader, Sites: []string{name}})
		d.furnish(x, fmt.Sprintf("10.%d.0.5", i+1))
	}
}

// furnish puts a computer, a job, a schedule, a request, a label and a filter into a school.
func (d *district) furnish(x *school, address string) {
	d.t.Helper()
	ctx := d.t.Context()
	w, err := d.house.Fleet.Hello(ctx, fleet.Introduction{Key: "key of " + x.name, Address: address, Hello: job.Hello{MAC: x.mac,
		Inventory: job.Inventory{Serial: x.serial, Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata"}}}}})
	check(d.t, err)
	tech := d.house.For(people.Caller{Login: "tech-" + x.name, Role: people.Technician, Sites: []string{x.name}, Via: people.ViaSession})
	c, err := tech.Approve(ctx, access.Approve{Code: w.Code, Name: x.pc, Room: x.room})
	check(d.t, err)
	x.id = c.ID
	_, err = tech.Change(ctx, x.id, "note", access.Change{Note: "note of " + x.name})
	check(d.t, err)
	j, err := tech.Give(ctx, access.Order{Kind: job.KindDeploy, Rooms: []string{x.room}, Master: "salle"})
	check(d.t, err)
	x.job = j.ID
	s, err := tech.SetSchedule(ctx, access.Schedule{Name: "schedule of " + x.name, Days: []string{"mon"}, At: "22:00", Until: "05:00",
		Order: access.ScheduledOrder{Kind: job.KindInventory, Rooms: []string{x.room}}})
	check(d.t, err)
	x.schedule = s.ID
	teacher := d.house.For(people.Caller{Login: "teacher-" + x.name, Role: people.Teacher, Rooms: []string{x.room}, Via: people.ViaSession})
	r, err := teacher.Report(ctx, access.Report{Computer: x.pc, Text: "broken in " + x.name})
	check(d.t, err)
	x.request = r.ID
	x.label, err = tech.Label(ctx, x.pc)
	check(d.t, err)
	_, err = tech.SaveFilter(ctx, access.Filter{Name: x.filter, Query: "site:" + x.name})
	check(d.t, err)
	_, err = tech.AddHelper(ctx, access.HelperRequest{Name: "helper-" + x.name, Site: x.name})
	check(d.t, err)
	check(d.t, d.house.Fleet.OpenEnrolment(ctx, x.room, time.Now().Add(time.Hour), 3, "tech-"+x.name))
}

// person makes somebody and logs him in.
func (d *district) person(login string, x people.Person) {
	d.t.Helper()
	x.Login, x.Name = login, "Name of "+login
	_, err := d.house.People.Add(d.t.Context(), x, password)
	check(d.t, err)
	s, err := d.house.People.Login(d.t.Context(), login, password, "192.0.2.1")
	check(d.t, err)
	d.cookies[login] = s.Token
}

// described lists the routes of the description.
func (d *district) described() []route {
	d.t.Helper()
	status, body := d.ask("", route{"GET", "/api/openapi.json"}, "")
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 {
		d.t.Fatalf("the description: %d, %v", status, err)
	}
	var out []route
	for path, methods := range doc.Paths {
		for m := range methods {
			out = append(out, route{strings.ToUpper(m), path})
		}
	}
	slices.SortFunc(out, func(a, b route) int { return strings.Compare(a.String(), b.String()) })
	if len(out) < 80 {
		d.t.Fatalf("the description has only %d routes", len(out))
	}
	return out
}

// ask sends a request as somebody: a login, "token" or "" for nobody. Of a stream it reads the first line.
func (d *district) ask(who string, r route, body string) (status int, answer string) {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	defer stop()
	q, err := http.NewRequestWithContext(ctx, r.method, d.url+r.path, strings.NewReader(body))
	check(d.t, err)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	switch who {
	case "":
	case "token":
		q.Header.Set("Authorization", "Bearer "+d.token)
	default:
		q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies[who])
	}
	a, err := http.DefaultClient.Do(q)
	check(d.t, err)
	defer a.Body.Close()
	if kind := a.Header.Get("Content-Type"); strings.HasSuffix(r.path, "/watch") && kind == "application/jsonl" || kind == "text/event-stream" {
		line, _ := bufio.NewReader(a.Body).ReadString('\n')
		return a.StatusCode, line
	}
	b, err := io.ReadAll(a.Body)
	check(d.t, err)
	return a.StatusCode, string(b)
}

// body is what a change is asked with, so that it is refused for who asks and not for what: with the things of a school.
func (d *district) body(r route, s *school) (string, bool) {
	order := fmt.Sprintf(`{"kind":"deploy","master":"salle","computers":[%q]}`, s.id)
	schedule := fmt.Sprintf(`{"name":"n","days":["mon"],"at":"22:00","until":"05:00","order":{"kind":"inventory","rooms":[%q]}}`, s.room)
	verb := r.path[strings.LastIndexByte(r.path, '/')+1:]
	bodies := map[string]string{
		"POST /api/v1/computers/approve":     `{"code":"000000"}`,
		"POST /api/v1/computers/approve-all": `[{"code":"000000"}]`,
		"POST /api/v1/computers.csv":         "name,mac,room\n" + s.pc + "X," + s.mac + "," + s.room + "\n",
		"POST /api/v1/computers/{ref}/token": `{"revoke":true}`,
		"POST /api/v1/computers/{ref}/label": "",
		"POST /api/v1/tags":                  fmt.Sprintf(`{"computers":[%q],"add":["x"]}`, s.id),
		"POST /api/v1/place":                 fmt.Sprintf(`{"computers":[%q],"room":""}`, s.id),
		"PUT /api/v1/rooms/{name}":           `{"note":"x"}`,
		"PUT /api/v1/sites/{name}":           `{"title":"x"}`,
		"PUT /api/v1/filters/{name}":         `{"query":"state:pending"}`,
		"POST /api/v1/enrolment":             fmt.Sprintf(`{"room":%q,"minutes":9,"count":2}`, s.room),
		"POST /api/v1/plan":                  order, "POST /api/v1/jobs": order,
		"POST /api/v1/helpers":        fmt.Sprintf(`{"name":"intruder","site":%q}`, s.name),
		"PUT /api/v1/post":            `{"at":"07:00","language":"fr"}`,
		"POST /api/v1/schedules":      schedule,
		"PUT /api/v1/schedules/{id}":  schedule,
		"POST /api/v1/scripts":        `{"name":"n","text":"x","limit_seconds":5}`,
		"POST /api/v1/requests":       fmt.Sprintf(`{"computer":%q,"text":"x"}`, s.id),
		"POST /api/v1/people":         `{"login":"intruder","name":"x","role":"administrator"}`,
		"PATCH /api/v1/people/{name}": `{"role":"administrator"}`,
		"POST /api/v1/tokens":         fmt.Sprintf(`{"person":"tech-%s","name":"x","scopes":["admin"]}`, s.name),
		"POST /api/v1/me/password":    `{"old":"wrong","new":"quatre autres mots pour entrer"}`,
		"POST /api/v1/import":         "x", "POST /api/v1/chunks": strings.Repeat("x", 32),
	}
	if b, ok := bodies[r.String()]; ok {
		return b, true
	}
	switch {
	case strings.HasPrefix(r.path, "/api/v1/requests/{id}/"):
		return `{"text":"x"}`, true
	case strings.HasPrefix(r.path, "/api/v1/masters/"):
		channel := `{"channel":"stable"}`
		b, ok := map[string]string{"note": `{"text":"x"}`, "retain": `{"keep_last":1,"now":true}`, "forget": `{}`, "promote": channel,
			"withdraw": channel, "rollback": channel}[verb]
		return b, ok
	case strings.HasPrefix(r.path, "/api/v1/computers/{ref}/"):
		b, ok := map[string]string{"rename": `{"name":"x9"}`, "chainload": `{"on":true}`, "note": `{"note":"x"}`, "refuse": `{}`,
			"rekey": `{}`, "wake": `{}`}[verb]
		return b, ok
	}
	bare := []string{"DELETE", "POST /api/v1/schedules/{id}/pause", "POST /api/v1/schedules/{id}/resume", "POST /api/v1/scripts/{id}/approve",
		"POST /api/v1/people/{name}/invite", "POST /api/v1/keys/rotate", "POST /api/v1/post/try", "POST /api/v1/store/{verb}", "POST /api/v1/jobs/{id}/cancel"}
	return "{}", slices.ContainsFunc(bare, func(b string) bool { return strings.HasPrefix(r.String(), b) })
}

// aimed fills a route's path with the things of a school. Where several would do, there are several.
func (d *district) aimed(r route, s *school) []route {
	fill := func(values map[string]string) route {
		path := r.path
		for name, v := range values {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(v))
		}
		return route{r.method, path}
	}
	part := strings.Split(strings.TrimPrefix(r.path, "/api/v1/"), "/")[0]
	names := map[string][]string{"rooms": {s.room}, "enrolment": {s.room}, "sites": {s.name}, "filters": {s.filter}, "people": {"tech-" + s.name}, "helpers": {"helper-" + s.name}}
	ids := map[string][]string{"jobs": {s.job}, "schedules": {s.schedule}, "requests": {s.request}, "scripts": {d.script}, "tokens": {"x"}, "me": {"x"}}
	refs := []string{s.id, s.pc, s.mac}
	if part == "masters" {
		refs = []string{"salle@1"}
	}
	var out []route
	switch {
	case strings.Contains(r.path, "{ref}"):
		for _, ref := range refs {
			one := fill(map[string]string{"ref": ref})
			if strings.HasSuffix(r.path, "/compare") {
				one.path += "?to=" + ref
			}
			out = append(out, one)
		}
	case strings.Contains(r.path, "{name}"):
		for _, name := range names[part] {
			out = append(out, fill(map[string]string{"name": name, "id": d.login("tech-" + s.name)}))
		}
	case strings.Contains(r.path, "{id}"):
		for _, id := range ids[part] {
			out = append(out, fill(map[string]string{"id": id}))
		}
	default:
		out = append(out, fill(map[string]string{"hash": d.master.Hash.String(), "verb": "check"}))
	}
	if r.method == "GET" {
		for _, q := range map[string][]string{"/api/v1/events": {"computer=" + s.id, "job=" + s.job, "site=" + s.name,
			"room=" + url.QueryEscape(s.room), ""}, "/api/v1/computers": {"q=site:" + s.name}, "/api/v1/computers.csv": {"q=" + s.pc},
			"/api/v1/requests": {"room=" + url.QueryEscape(s.room)}, "/api/v1/tokens": {"person=tech-" + s.name},
			"/api/v1/audit": {"who=tech-" + s.name, "what=" + s.pc}}[r.path] {
			out = append(out, route{r.method, r.path + "?" + q})
		}
	}
	if len(out) == 0 {
		d.t.Fatalf("the walk does not know what to fill %s with: teach it", r)
	}
	return out
}

// login is the id of somebody's session.
func (d *district) login(who string) string {
	d.t.Helper()
	x, err := d.house.People.Find(who)
	check(d.t, err)
	if all := d.house.People.Logins(x.ID); len(all) > 0 {
		return all[0].ID
	}
	return "x"
}

// state is everything that a change could change, but the audit log.
func (d *district) state() string {
	d.t.Helper()
	root := d.house.For(people.Caller{Login: "root", Role: people.Administrator})
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	put := func(v any, err error) {
		check(d.t, err)
		check(d.t, e.Encode(v))
	}
	computers, err := root.Computers("")
	put(computers, err)
	rooms, err := root.Rooms()
	put(rooms, err)
	sites, err := root.Sites()
	put(sites, err)
	jobs, err := root.Jobs(d.t.Context(), access.JobFilter{})
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
	found, err := root.Requests(d.t.Context(), access.RequestFilter{})
	put(found, err)
	versions, err := root.Masters()
	put(versions, err)
	keys, err := root.Keys()
	put(keys, err)
	everybody, err := root.People()
	for i := range everybody {
		everybody[i].LastSeen = nil
	}
	put(everybody, err)
	put(len(d.house.People.Tokens("")), nil)
	for _, x := range everybody {
		put(len(d.house.People.Logins(x.ID)), nil)
	}
	return out.String()
}

// leaks names what an answer tells of a school that nobody asked for.
func leaks(s *school, asked, answer string) []string {
	decoded, err := url.QueryUnescape(asked)
	if err != nil {
		decoded = asked
	}
	var out []string
	for _, m := range s.marks() {
		if strings.Contains(strings.ToLower(answer), strings.ToLower(m)) && !strings.Contains(strings.ToLower(asked+decoded), strings.ToLower(m)) {
			out = append(out, m)
		}
	}
	return out
}

func TestNobodyGetsAnythingOfAnotherSite(t *testing.T) {
	d := newDistrict(t)
	whole := d.state()
	for who, foreign := range map[string]string{"tech-zola": "hugo", "tech-hugo": "zola", "teacher-zola": "hugo", "teacher-hugo": "zola",
		"reader-zola": "hugo", "": "hugo"} {
		s := d.schools[foreign]
		for _, r := range d.routes {
			body, known := d.body(r, s)
			if r.method != "GET" && !known {
				t.Fatalf("the walk does not know what to send to %s: teach it", r)
			}
			if r.method == "GET" {
				body = ""
			}
			for _, aimed := range d.aimed(r, s) {
				if r.String() == "POST /api/v1/masters/{ref}/note" && strings.HasPrefix(who, "tech") {
					continue // masters are the district's: he may
				}
				status, answer := d.ask(who, aimed, body)
				if found := leaks(s, aimed.path+body, answer); len(found) > 0 {
					t.Errorf("%q asks %s: %d with %q of %s: %.400s", who, aimed, status, found, foreign, answer)
				}
				if who == "" && strings.HasPrefix(r.path, api.Prefix) && status != http.StatusUnauthorized {
					t.Errorf("nobody asks %s: %d", aimed, status)
				}
				if d.refusable(who, r) && status != 401 && status != 403 && status != 404 {
					t.Errorf("%q asks %s with %s: %d, want 403 or 404: %.300s", who, aimed, body, status, answer)
				}
			}
		}
		if now := d.state(); now != whole {
			t.Fatalf("%q changed something of %s:\n%s\nwas\n%s", who, foreign, now, whole)
		}
	}
}

// refusable tells whether a route aimed at another site must be refused, rather than answered with what is one's own.
func (d *district) refusable(who string, r route) bool {
	switch r.String() {
	case "POST /api/v1/computers/approve", "POST /api/v1/computers/approve-all": // no such code
		return false
	case "POST /api/v1/computers.csv": // the report says that the line is not his
		return strings.HasPrefix(who, "teacher") || strings.HasPrefix(who, "reader")
	case "PUT /api/v1/filters/{name}", "DELETE /api/v1/filters/{name}": // the name is taken, and not said by whom
		return !strings.HasPrefix(who, "tech")
	}
	if r.method != "GET" {
		return true
	}
	return strings.Contains(r.path, "{") && !strings.Contains(r.path, "/masters/") && !strings.Contains(r.path, "/keys") ||
		strings.Contains(r.path, "/manifests/") || strings.Contains(r.path, "/names/")
}

// What is refused elsewhere works at home: else the walk would prove nothing.
func TestEverybodyGetsWhatIsHis(t *testing.T) {
	d := newDistrict(t)
	zola := d.schools["zola"]
	for who, seen := range map[string][]string{
		"tech-zola":    {"sites", "rooms", "computers", "jobs", "schedules", "requests", "filters", "enrolment", "summary", "events", "audit", "helpers"},
		"reader-zola":  {"sites", "rooms", "computers", "jobs", "schedules", "requests", "enrolment", "summary", "events", "helpers"},
		"teacher-zola": {"sites", "rooms", "computers", "jobs", "requests", "summary", "events"},
		"admin":        {"sites", "rooms", "computers", "jobs", "schedules", "requests", "filters", "enrolment", "summary", "events", "audit", "people", "helpers"},
	} {
		for _, list := range seen {
			status, body := d.ask(who, route{"GET", api.Prefix + "/" + list}, "")
			if status != 200 || !strings.Contains(body, zola.name) {
				t.Errorf("%s gets of %s: %d %.300s", who, list, status, body)
			}
			if foreign := strings.Contains(body, d.schools["hugo"].pc); foreign != (who == "admin" && slices.Contains([]string{"rooms", "computers", "jobs",
				"requests", "events", "audit"}, list)) && list != "audit" {
				t.Errorf("%s gets of %s the other school: %v", who, list, foreign)
			}
		}
	}
	for who, want := range map[string]int{"tech-zola": 200, "teacher-zola": 200, "reader-zola": 403} {
		if status, body := d.ask(who, route{"POST", api.Prefix + "/computers/" + zola.pc + "/wake"}, "{}"); status != want {
			t.Errorf("%s wakes: %d %s", who, status, body)
		}
	}
	if status, body := d.ask("teacher-zola", route{"POST", api.Prefix + "/jobs"}, `{"kind":"deploy","master":"salle","computers":["`+zola.pc+`"]}`); status != 403 {
		t.Errorf("a teacher deploys: %d %s", status, body)
	}
	for _, order := range []string{`{"kind":"reset","master":"salle"`, `{"kind":"inventory"`, `{"kind":"wipe"`} {
		if status, body := d.ask("teacher-zola", route{"POST", api.Prefix + "/jobs"}, order+`,"instead":true,"computers":["`+zola.pc+`"]}`); status != 403 {
			t.Errorf("a teacher orders %s: %d %s", order, status, body)
		}
	}
	if status, body := d.ask("tech-zola", route{"GET", api.Prefix + "/jobs/" + zola.job + "/watch"}, ""); status != 200 || !strings.Contains(body, zola.pc) {
		t.Errorf("watching one's own job: %d %s", status, body)
	}
}

// A token that may look changes nothing, whatever its person may do; and nothing is changed in somebody's name by the page of
// another site.
func TestWhatATokenAndACookieAreNotGoodFor(t *testing.T) {
	d := newDistrict(t)
	whole := d.state()
	s := d.schools["zola"]
	for _, r := range d.routes {
		if r.method == "GET" || r.String() == "POST /api/v1/plan" {
			continue
		}
		body, _ := d.body(r, s)
		for _, aimed := range d.aimed(r, s)[:1] {
			if status, answer := d.ask("token", aimed, body); status != 403 && status != 404 {
				t.Errorf("a token to read asks %s: %d %.300s", aimed, status, answer)
			}
			q, err := http.NewRequestWithContext(t.Context(), aimed.method, d.url+aimed.path, strings.NewReader(body))
			check(t, err)
			q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies["admin"])
			q.Header.Set("Sec-Fetch-Site", "cross-site")
			a, err := http.DefaultClient.Do(q)
			check(t, err)
			check(t, a.Body.Close())
			if a.StatusCode != 403 {
				t.Errorf("another site's page asks %s: %d", aimed, a.StatusCode)
			}
		}
	}
	if now := d.state(); now != whole {
		t.Errorf("something was changed:\n%s\nwas\n%s", now, whole)
	}
	refused := 0
	for range 200 {
		if status, _ := d.ask("token", route{"GET", api.Prefix + "/me"}, ""); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a token asks as often as it likes")
	}
}

// A field or parameter that is not known is refused, and what was sent is not sent back.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	d := newDistrict(t)
	for r, body := range map[route]string{
		{"POST", "/people"}:               `{"login":"x1","name":"x","role":"reader","pasword":"a secret of somebody"}`,
		{"GET", "/computers?quarry=1"}:    "",
		{"POST", "/store/check"}:          `{"rat":1}`,
		{"POST", "/jobs"}:                 `{"kind":`,
		{"GET", "/events?limit=many"}:     "",
		{"GET", "/events/stream?after=x"}: "",
	} {
		status, answer := d.ask("admin", route{r.method, api.Prefix + r.path}, body)
		var e access.Error
		if err := json.Unmarshal([]byte(answer), &e); err != nil || status < 400 || status >= 500 || e.Code != "bad-order" {
			t.Errorf("%s %s: %d %s", r, body, status, answer)
		}
		if strings.Contains(answer, "a secret of") {
			t.Errorf("%s sends back %s", r, answer)
		}
	}
	long := `{"kind":"` + strings.Repeat("x", 2<<20) + `"}`
	if status, _ := d.ask("admin", route{"POST", api.Prefix + "/jobs"}, long); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 2 MiB: %d", status)
	}
}
