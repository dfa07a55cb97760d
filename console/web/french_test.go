package web

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/doctor"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// sources parses the Go files of some folders of the repository, without tests.
func sources(t *testing.T, folders ...string) (files []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	for _, folder := range folders {
		names, err := filepath.Glob("../../" + folder + "/*.go")
		check(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(set, name, nil, 0)
			check(t, err)
			files = append(files, f)
		}
	}
	if len(files) < len(folders) {
		t.Fatalf("%v: only %d files", folders, len(files))
	}
	return files
}

// text is the string that an expression is, "" where that is known only at run time.
func text(e ast.Expr, known map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.Ident:
		return known[e.Name]
	case *ast.SelectorExpr:
		return known[e.Sel.Name]
	}
	return ""
}

// constants are the string constants of files by their names.
func constants(files []*ast.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				for i, value := range v.Values {
					if s := text(value, nil); s != "" {
						out[v.Names[i].Name] = s
					}
				}
			}
			return true
		})
	}
	return out
}

// eventKinds lists the kinds of event that the fleet, its sessions, the desk and the boot server make, from their sources.
func eventKinds(t *testing.T) []string {
	t.Helper()
	files := sources(t, "fleet", "fleet/sessions", "imaging/job", "console/access", "console/agentapi", "pxe")
	known := constants(files)
	kinds := []string{job.TaskDone, job.TaskFailed, job.TaskCancelled, fleet.StageAgent} // those of states
	for name, s := range known {
		if strings.HasPrefix(name, "Stage") {
			kinds = append(kinds, s)
		}
	}
	for name, s := range constants(sources(t, "fleet/sessions")) {
		if strings.HasPrefix(name, "Kind") {
			kinds = append(kinds, s)
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			switch {
			case fun.Sel.Name == "event" && len(call.Args) > 4:
				if s := text(call.Args[0], known); s != "" {
					kinds = append(kinds, s)
				}
			case fun.Sel.Name == "Record" && len(call.Args) == 4:
				kinds = append(kinds, text(call.Args[1], known))
			}
			return true
		})
	}
	kinds = append(kinds, "proof", "proof-failed", "resumed", "started") // chosen where they are made
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func TestEveryKindOfEventHasWordsInBothLanguages(t *testing.T) {
	kinds := eventKinds(t)
	if len(kinds) < 40 {
		t.Fatalf("only %d kinds were found: %q", len(kinds), kinds)
	}
	for _, kind := range kinds {
		_, told := notices.Find(kind)
		_, named := words.All()["event.is."+kind]
		if !told && !named {
			t.Errorf("events of kind %q have neither a notice nor words", kind)
		}
	}
}

// deeds lists the actions of the audit log from the sources of who writes it. One that ends in a verb is found with the verbs
// of its function, else of its file.
func deeds(t *testing.T) (out []string) {
	t.Helper()
	verbs := func(in ast.Node) (out []string) {
		ast.Inspect(in, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CaseClause:
				for _, e := range n.List {
					out = append(out, text(e, nil))
				}
			case *ast.KeyValueExpr:
				out = append(out, text(n.Key, nil))
			}
			return true
		})
		return slices.DeleteFunc(out, func(s string) bool { return s == "" || strings.Contains(s, " ") })
	}
	for _, f := range sources(t, "console/access", "fleet/people") {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			add := func(e ast.Expr) {
				sum, joined := e.(*ast.BinaryExpr)
				if !joined {
					if s := text(e, nil); s != "" {
						out = append(out, s)
					}
					return
				}
				all := verbs(fn)
				if len(all) == 0 {
					all = verbs(f)
				}
				if len(all) == 0 {
					t.Errorf("%s: nothing says which verbs follow %q", fn.Name.Name, text(sum.X, nil))
				}
				for _, v := range all {
					out = append(out, text(sum.X, nil)+v)
				}
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					name, _ := n.Fun.(*ast.Ident)
					method, _ := n.Fun.(*ast.SelectorExpr)
					if name != nil && (name.Name == "whole" || name.Name == "deedIn") || method != nil && method.Sel.Name == "deedOf" {
						add(n.Args[0])
					}
				case *ast.KeyValueExpr:
					if k, ok := n.Key.(*ast.Ident); ok && (k.Name == "action" || k.Name == "Action") {
						add(n.Value)
					}
				}
				return true
			})
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestEveryAuditedActionHasWordsInBothLanguages(t *testing.T) {
	found := deeds(t)
	if len(found) < 45 || !slices.Contains(found, "computer rekey") || !slices.Contains(found, "store gc") {
		t.Fatalf("only %d actions were found: %q", len(found), found)
	}
	for _, action := range append(found, "computer token", "computer token revoke") {
		if _, ok := words.All()["deed."+strings.ReplaceAll(action, " ", ".")]; !ok {
			t.Errorf("the audited action %q has no words", action)
		}
	}
}

// typical are words that English sentences have and French ones have not.
var typical = regexp.MustCompile(`(?i)(^|[^\pL\pN_@/.«-])(the|was|were|is|are|not|and|failed|by|of|has|have|its|with|from|this|it|been|cannot|which|nobody|because|everything|nothing|only|since|when|there|another)($|[^\pL\pN_@/-])`)

// strays finds typical English in what people read of a page: not in names and quotations, which say what they are.
func strays(page string) (found []string) {
	z := html.NewTokenizer(strings.NewReader(page))
	var inside []string // elements whose text is data, or says that it is English
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return found
		}
		k := z.Token()
		switch kind {
		case html.StartTagToken:
			quoted := slices.Contains([]string{"code", "bdi", "script", "style", "textarea", "pre"}, k.Data)
			for _, a := range k.Attr {
				quoted = quoted || a.Key == "lang" && a.Val == "en" && k.Data != "html"
				if slices.Contains([]string{"title", "aria-label", "placeholder", "alt"}, a.Key) && typical.MatchString(a.Val) {
					found = append(found, a.Key+"="+a.Val)
				}
			}
			if quoted || len(inside) > 0 && inside[0] == k.Data {
				inside = append(inside, k.Data)
			}
		case html.EndTagToken:
			if n := len(inside); n > 0 && inside[n-1] == k.Data {
				inside = inside[:n-1]
			}
		case html.TextToken:
			if len(inside) == 0 && typical.MatchString(k.Data) {
				found = append(found, strings.TrimSpace(k.Data))
			}
		}
	}
}

// sample fills the verbs of an English sentence.
func sample(format string) string {
	return regexp.MustCompile(`%[-+# 0]*\d*(?:\.\d+)?([a-zA-Z%])`).ReplaceAllStringFunc(format, func(verb string) string {
		switch verb[len(verb)-1] {
		case 'd':
			return "12"
		case 'o':
			return "0644"
		case 'f':
			return "1.5"
		case 'q':
			return `"X1"`
		case '%':
			return "%"
		}
		return "X1"
	})
}

func TestNoEnglishSentenceStandsOnAFrenchPage(t *testing.T) {
	if got := strays(`<p>Le poste is lent <bdi>the name</bdi> <i lang="en">was it</i></p><b title="not so">réalisée</b>`); len(got) != 2 {
		t.Fatalf("the test itself finds %q", got)
	}
	s, versions := furnished(t)
	pages := append(s.adminPages(), s.troubles(t)...)
	job := s.failures(t, versions[0].Name, versions[0].Number, versions[0].Hash.String())
	pages = append(pages, "/jobs/"+job, "/jobs", "/", "/rooms/Pannes", "/order?kind=deploy&room=Pannes", "/order?kind=deploy&room=S104&master=Bureautique%401",
		"/order?kind=reset&room=Pannes", "/computers?q=link<", "/?q=runs:", "/computers/nowhere", "/jobs/none")
	b := s.as("marie")
	b.language = "fr"
	for _, page := range pages {
		for page != "" {
			_, body := b.get(page)
			if strings.ContainsAny(body, "\u2068\u2069`") {
				t.Errorf("%s: a text is printed without said, so that nobody knows what is foreign or a command in it", page)
			}
			for _, stray := range strays(body) {
				if stray != "the first" && stray != "with <b>Office</b>" { // notes that somebody wrote
					t.Errorf("%s: %q", page, stray)
				}
			}
			older := regexp.MustCompile(`href="([^"]*)" rel="next"`).FindStringSubmatch(body)
			if page = ""; older != nil && strings.HasPrefix(older[1], "/computers/") {
				page = html.UnescapeString(strings.TrimSuffix(older[1], "#events"))
			}
		}
	}
}

// troubles makes a computer that everything has happened to, checks of a server where nothing is right, and an audit log with
// every action, refused for every reason. It returns the pages that tell of them.
func (s *school) troubles(t *testing.T) []string {
	t.Helper()
	pc, err := s.fleet.Find("S104-02")
	check(t, err)
	var events []fleet.Event
	add := func(kind, detail string) {
		events = append(events, fleet.Event{Time: s.now, Kind: kind, Severity: fleet.Warning, Computer: pc.ID, Room: pc.Room, Detail: detail})
	}
	for _, kind := range eventKinds(t) {
		add(kind, "")
		add(kind, "the drive sings a song that nobody has put into French")
	}
	for _, l := range notices.Lines() {
		kind := l.Of
		switch kind {
		case "what", "job order":
			continue
		case "":
			kind = "alarm"
		}
		add(kind, sample(l.English))
	}
	check(t, s.store.Commit(t.Context(), fleet.Change{Events: events}))

	for _, action := range deeds(t) {
		check(t, s.people.Record(t.Context(), people.Entry{Time: s.now, Who: "marie", Via: people.ViaSession, Action: action, What: "job 12", Site: people.Whole,
			Result: people.ResultDone}))
	}
	for _, l := range notices.Lines() {
		code := "bad-order"
		if n, ok := notices.Find(l.Of); ok && n.Severity != notices.Note && n.Severity != notices.Alarm {
			code = l.Of
		} else if l.Of != "" {
			continue
		}
		check(t, s.people.Record(t.Context(), people.Entry{Time: s.now, Who: "marie", Via: people.ViaToken, Action: "job order", What: "deploy", Site: people.Whole,
			Result: people.ResultRefused, Detail: "X1: " + code + ": " + sample(l.English)}))
	}
	taken, err := net.Listen("tcp", ":0")
	check(t, err)
	t.Cleanup(func() { check(t, taken.Close()) })
	s.house.Doctor = func(context.Context) []access.Check {
		dir := t.TempDir()
		ports := []doctor.Port{{Network: "tcp", Number: taken.Addr().(*net.TCPAddr).Port, For: "agents"}}
		return slices.Concat(doctor.Data(dir), doctor.Data(dir+"/none"), doctor.Boot(dir), doctor.Ports(ports, false), doctor.Ports(ports, true),
			[]access.Check{doctor.Clock(s.now), doctor.Clock(s.now.AddDate(-20, 0, 0)), doctor.Mkimage(dir), doctor.Space(dir), doctor.Space(dir + "/none"),
				doctor.Bad("network boot on eth0", "switch it off there, or keep the PCs of this network out of its configuration: the first answer wins",
					"%s also answers network boots%s", "10.0.0.3", `, naming "pxe.0"`)})
	}
	pages := []string{"/computers/" + pc.ID, "/health"}
	for at := 0; at < len(notices.Lines())+len(deeds(t))+200; at += auditPage {
		pages = append(pages, fmt.Sprintf("/audit?before=%d", at+auditPage))
	}
	return pages
}

// failures has a room of computers fail in each way that an agent knows, and returns the job.
func (s *school) failures(t *testing.T, master string, version int, hash string) string {
	t.Helper()
	ways := agent.All()
	s.room("Pannes", "Bureautique@stable", 200, len(ways))
	j, err := s.fleet.Give(t.Context(), fleet.Order{Kind: job.KindDeploy, Room: "Pannes", Master: master, Version: version, Manifest: hash, By: "the room's policy"})
	check(t, err)
	for i, n := range ways {
		s.report(200+i, func(*job.Report) {})
		s.report(200+i, func(r *job.Report) {
			r.State, r.Step = job.TaskFailed, 3
			r.Outcome = &job.Outcome{Code: string(n.Code), Detail: sample(n.What.EN) + " " + n.Do.EN}
		})
	}
	return j.Job.ID
}

// What forms refuse is told on the page itself, or on the next one.
func TestWhatFormsRefuseIsFrench(t *testing.T) {
	s, versions := furnished(t)
	s.hello(90, nil)
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{pc.ID}}, versions[0])
	b := s.as("marie")
	b.language = "fr"
	for i, x := range []struct {
		path string
		form url.Values
	}{
		{"/new-room", url.Values{"name": {"no/such/room"}}}, {"/new-room", url.Values{"name": {"nowhere/B1"}}}, {"/new-room", url.Values{"name": {"S104"}}},
		{"/rooms/S104", url.Values{"policy": {"start"}, "level": {"quick"}, "hours1": {"18:00"}, "hours2": {"08:00"}, "night": {"25:00"}, "lang": {"fr"}, "master": {"None@stable"}}},
		{"/rooms/S104/forget", url.Values{}}, {"/rooms/S104/plan", url.Values{"plan": {`[{"computer":"none","x":200,"y":1}]`}, "place": {"x y z"}}},
		{"/settings/sites/new", url.Values{"name": {"a b"}, "networks": {"10.0.0.0/99 word"}, "mail": {"xx"}}},
		{"/settings/sites/new", url.Values{"name": {"hugo"}, "networks": {"0.0.0.0/0"}, "mail": {"<a@b"}}}, {"/settings/sites/zola/forget", url.Values{}},
		{"/settings/scripts/new", url.Values{"name": {"x"}, "limit": {"0"}, "text": {""}}}, {"/settings/scripts/new", url.Values{"name": {"x"}, "limit": {"60"}, "text": {"\xff"}}},
		{"/schedules/new", url.Values{"name": {"x"}, "kind": {"deploy"}, "at": {"25:00"}, "until": {"1"}, "master": {"None"}, "retries": {"0"}, "ending": {"disk"}, "level": {"quick"}}},
		{"/schedules/new", url.Values{"name": {"x"}, "kind": {"reset"}, "at": {"22:00"}, "until": {"05:00"}, "days": {"mon"}, "retries": {"0"}, "ending": {"disk"}, "level": {"quick"}, "computers": {"none"}}},
		{"/people/new", url.Values{"login": {"A B"}, "name": {"x"}, "mail": {"nobody"}, "role": {"reader"}}}, {"/people/new", url.Values{"login": {"paul"}, "name": {"x"}, "role": {"teacher"}}},
		{"/enrol", url.Values{"code": {"000000"}, "room": {"none"}, "name": {"?"}}}, {"/enrol/window", url.Values{"window": {"none"}, "minutes": {"9"}, "count": {"9"}}},
		{"/enrol/window", url.Values{"window": {"zola/B12"}, "minutes": {"60"}, "count": {"9"}}}, {"/filters", url.Values{"name": {"x"}, "q": {"link<"}}}, {"/filters", url.Values{"name": {"x"}, "q": {`room:"S104 unseen`}}},
		{"/filters/forget", url.Values{"name": {"none"}}}, {"/computers/" + pc.ID, url.Values{"name": {"S104-02"}, "tags": {"a b, !"}, "room": {"none"}, "note": {strings.Repeat("x", 5000)}}},
		{"/computers/" + pc.ID + "/approve", url.Values{}}, {"/computers/" + pc.ID + "/do/reset", url.Values{"level": {"quick"}, "master": {"None@3"}}},
		{"/computers/" + pc.ID + "/do/wipe", url.Values{"method": {"auto"}, "typed": {"no"}}}, {"/computers/" + pc.ID + "/do/script", url.Values{"script": {"none"}}},
		{"/order", url.Values{"kind": {"reset"}, "room": {"S104"}, "typed": {"x"}, "when": {"now"}, "ending": {"disk"}, "level": {"quick"}}},
		{"/account/password", url.Values{"old": {"wrong"}, "password": {"short"}, "again": {"other"}}}, {"/account/token", url.Values{"token": {""}, "days": {"1"}, "scopes": {"none"}}},
		{"/capture", url.Values{"computer": {"none"}, "master": {"a b"}, "note": {"x"}}}, {"/masters/Bureautique/promote", url.Values{"version": {"99"}, "channel": {"A B"}}},
		{"/masters/Bureautique/rollback", url.Values{"channel": {"none"}}}, {"/masters/Bureautique/forget", url.Values{"version": {"2"}}}, {"/masters/Bureautique/note", url.Values{"version": {"1"}, "note": {""}}},
		{"/requests/new", url.Values{"text": {""}, "room": {"none"}}}, {"/jobs/1/cancel", url.Values{}},
	} {
		b.get("/account") // takes the message of the form before
		status, body := b.post(x.path, x.form)
		if status == 303 {
			_, body = b.get("/account")
		}
		for _, stray := range strays(body) {
			if stray != "the first" && stray != "with <b>Office</b>" {
				t.Errorf("%d, %s %v: %q", i, x.path, x.form, stray)
			}
		}
		if strings.ContainsAny(body, "\u2068\u2069`") {
			t.Errorf("%s: a text is printed without said", x.path)
		}
		if status >= 500 {
			t.Errorf("%s: %d\n%.500s", x.path, status, body)
		}
	}
	_, body := b.upload("/import", map[string]string{"do": "try"}, "name,room,tags\nS104-01,nowhere,a b!\nx9,S104,\nx,y\n")
	if found := strays(body); len(found) > 0 || !strings.Contains(body, "nowhere") {
		t.Errorf("a list that is wrong: %q", found)
	}
}
