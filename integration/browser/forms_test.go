package browser

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/chromedp"
)

// mistake is a form that somebody fills in wrongly.
type mistake struct {
	page  string
	typed map[string]string // by the fields' names
	tick  []string
	field string // that is to say what is wrong
}

// forms fills forms in wrongly: each keeps what was typed, and says in the field what is wrong.
func (s *school) forms() {
	s.refusals = append(s.refusals, "/new-room", "/settings/", "/people/", "/schedules/", "/computers", "/filters", "/rooms/", "/capture", "/account", "/requests", "/import")
	long := strings.Repeat("trop long ", 500)
	for _, m := range []mistake{
		{page: "/new-room", typed: map[string]string{"name": "S104"}, field: "name"},
		{page: "/new-room", typed: map[string]string{"name": "<script>alert(1)</script>"}, field: "name"},
		{page: "/settings/sites/new", typed: map[string]string{"name": "Lycée Zola !", "title": "Lycée Émile-Zola"}, field: "name"},
		{page: "/settings/sites/new", typed: map[string]string{"name": "zola", "title": "Lycée", "networks": "10.1.0.0/16 10.2.0.0/99"}, field: "networks"},
		{page: "/settings/sites/new", typed: map[string]string{"name": "zola", "mail": "not an address"}, field: "mail"},
		{page: "/people/new", typed: map[string]string{"login": "Marie", "name": "Une autre Marie", "mail": "autre@lycee.test"}, field: "login"},
		{page: "/people/new", typed: map[string]string{"login": "léa", "name": "Léa"}, field: "login"},
		{page: "/people/new", typed: map[string]string{"login": "lea", "name": "Léa"}, tick: []string{"input[name=role][value=teacher]"}, field: "rooms"},
		{page: "/people/new", typed: map[string]string{"login": "lea", "name": "Léa", "mail": "lea"}, field: "mail"},
		{page: "/schedules/new", typed: map[string]string{"name": "Sans salle"}, field: "rooms"},
		{page: "/schedules/new?room=CDI", typed: map[string]string{"name": "La nuit", "master": "Personne@stable"}, field: "master"},
		{page: "/schedules/new?room=CDI", typed: map[string]string{"name": "La nuit", "filter": "link<"}, field: "filter"},
		{page: "/schedules/new?room=CDI", typed: map[string]string{"name": "La nuit", "computers": "PC-QUI-N-EXISTE-PAS"}, field: "computers"},
		{page: "/computers/S104-01", typed: map[string]string{"name": "S104-02", "note": "près de la fenêtre"}, field: "name"},
		{page: "/computers/S104-01", typed: map[string]string{"name": "<b>"}, field: "name"},
		{page: "/rooms/S104", typed: map[string]string{"title": "Salle des cartes", "from": "18:00", "to": "08:00"}, field: "to"},
		{page: "/rooms/S104", typed: map[string]string{"title": "Salle des cartes", "night": ""}, field: "night"},
		{page: "/capture", typed: map[string]string{"computer": "personne", "master": masters, "note": "v4"}, field: "computer"},
		{page: "/capture", typed: map[string]string{"computer": "S104-01", "master": "../etc", "note": "v4"}, field: "master"},
		{page: "/account", typed: map[string]string{"password": "faux", "new": "une craie bien neuve", "again": "une craie bien vieille"}, field: "again"},
		{page: "/requests/new?room=S104", typed: map[string]string{"text": long}, field: "text"},
	} {
		s.mistaken(m)
	}
	for _, page := range []string{"/computers", "/"} {
		s.visit(page + "?q=" + "room%3AS104%20link%3C")
		at := eval[string](s.window, `document.querySelector("input[name=q]").value + "|" + document.querySelector("input[name=q]").getAttribute("aria-invalid")`)
		if at != "room:S104 link<|true" {
			s.t.Errorf("a filter that means nothing on %s: %s", page, at)
		}
	}
	s.visit("/computers?q=room%3AS104")
	s.click("details.more:has(form.keep) summary")
	s.fill(map[string]string{"name": strings.Repeat("x", 65)})
	s.goes("form.keep button")
	s.complains("name", mistake{page: "/filters", typed: map[string]string{"name": strings.Repeat("x", 65)}})
	s.retype("form.keep [name=name]", "Salle 104")
	s.goes("form.keep button")
	s.must("Salle 104")
	s.visit("/")
	s.goes(".map-chips a[href*='S104']")
	s.must("8 computers")
}

// mistaken fills one form in wrongly.
func (s *school) mistaken(m mistake) {
	s.t.Helper()
	s.visit(m.page)
	eval[bool](s.window, `document.querySelectorAll("details").forEach((d) => { d.open = true; }), true`)
	field := ""
	for name, value := range m.typed {
		field = "[name=" + name + "]"
		put := fmt.Sprintf("(() => { const e = document.querySelector(`main %s`); e.value = %q; return e.value; })()", field, value)
		if at := eval[string](s.window, put); at != value {
			s.t.Fatalf("%s: %s takes %q for %q", m.page, name, value, at)
		}
	}
	s.tick(m.tick...)
	s.leaves("const f = document.querySelector(`main " + field + "`).form; f.noValidate = true; f.requestSubmit(f.querySelector('button.main'));")
	s.complains(m.field, m)
}

// complains fails when a page does not say in a field what is wrong, or has lost what was typed.
func (s *school) complains(field string, m mistake) {
	s.t.Helper()
	wrong := eval[string](s.window, fmt.Sprintf("(() => { const f = document.querySelector(`main .is-bad:has([name=%s])`); return f?.querySelector('.bad')?.innerText ?? ''; })()", field))
	if len(wrong) < 8 {
		s.t.Errorf("%s: %q is wrong in %s, and the field says %q\n%s", m.page, m.typed, field, wrong, eval[string](s.window, "location.href + [...document.querySelectorAll('.bad')].map((e) => e.innerText)"))
	}
	for name, value := range m.typed {
		if name == "password" || name == "new" || name == "again" { // never sent back
			continue
		}
		if at := eval[string](s.window, "document.querySelector(`main [name="+name+"]`)?.value ?? ''"); strings.TrimSpace(at) != strings.TrimSpace(value) {
			s.t.Errorf("%s: %q was typed into %s, which now has %q", m.page, value, name, at)
		}
	}
	if strings.Count(eval[string](s.window, "document.title"), "owned") > 0 {
		s.t.Errorf("%s runs what was typed", m.page)
	}
}

// sheets takes the list of computers out as a table, brings it back changed, and sees each wrong line named.
func (s *school) sheets() {
	s.visit("/computers")
	link := eval[string](s.window, `document.querySelector("a[href^='/computers.csv']").getAttribute("href")`)
	_, text := s.fetch(link, "")
	rows := table(s.t, text)
	if len(rows) != room+others+1 || len(formulas(rows)) > 0 {
		s.t.Fatalf("the table has %d lines, of which %q are calculated", len(rows), formulas(rows))
	}
	head, note := rows[0], slices.Index(rows[0], "note")
	at := slices.IndexFunc(rows, func(r []string) bool { return slices.Contains(r, "S104-07") })
	if note < 0 || at < 0 {
		s.t.Fatalf("the table begins with %q", head)
	}
	rows[at][note] = "=2+3 <b>près du mur</b>"
	s.upload(rows, "try")
	s.must("1 computer", "lines")
	s.judge()
	s.shoot("import-try")
	s.goes("button[name=do][value=import]")
	s.visit("/computers/S104-07")
	if kept := eval[string](s.window, `document.querySelector("#f-note").value`); kept != "=2+3 <b>près du mur</b>" {
		s.t.Errorf("the note that was imported is %q", kept)
	}
	if _, text = s.fetch(link, ""); !strings.Contains(text, "'=2+3 <b>") {
		s.t.Error("a cell becomes a formula on its way out")
	}
	rows[at][slices.Index(head, "name")] = "S104-01" // there is one already
	rows = append(rows, slices.Clone(rows[at]))
	s.upload(rows, "try")
	s.must("S104-01")
	if n := eval[int](s.window, `document.querySelectorAll("table.rows tbody tr").length`); n == 0 {
		s.t.Error("no wrong line is named")
	}
	if file := eval[string](s.window, `document.querySelector("#f-text").value`); !strings.Contains(file, "S104-07") && !strings.Contains(file, "S104-06") {
		s.t.Error("what was sent is not kept")
	}
}

// upload chooses a table of computers as a file, and sends it.
func (s *school) upload(rows [][]string, do string) {
	s.t.Helper()
	var b strings.Builder
	check(s.t, csv.NewWriter(&b).WriteAll(rows))
	file := filepath.Join(s.t.TempDir(), "postes.csv")
	check(s.t, os.WriteFile(file, []byte(b.String()), 0o600))
	s.visit("/import")
	check(s.t, chromedp.Do(s.ctx, chromedp.SetUploadFiles("#f-file", []string{file})))
	s.goes("button[name=do][value=" + do + "]")
}

// hostileNames gives names that are scripts, very long, or written from right to left to all that takes a name, and looks at
// every page that shows them.
func (s *school) hostileNames() {
	title := "مدرسة <script>document.title='owned'</script> 🖍️ \"&amp;"
	note := strings.Repeat("<img src=x onerror=\"document.title='owned'\">", 88) // 3,960 characters
	for path, form := range map[string]url.Values{
		"/rooms/S104":                   {"title": {title}, "note": {note}, "policy": {"demand"}, "night": {"23:00"}, "lang": {"fr"}, "level": {"full"}},
		"/computers/S104-01":            {"name": {"S104-01"}, "room": {"S104"}, "note": {note[:1800]}, "tags": {"portable"}},
		"/masters/" + masters + "/note": {"version": {"2"}, "note": {note}},
		"/settings/sites/-":             {"title": {title}},
		"/people/new":                   {"login": {"hostile"}, "name": {title}, "role": {"reader"}},
		"/requests/new?room=S104":       {"room": {"S104"}, "computer": {"S104-01"}, "text": {note[:1900]}},
		"/filters":                      {"q": {"room:CDI"}, "name": {title}},
		"/schedules/new":                {"name": {title}, "kind": {"inventory"}, "rooms": {"CDI"}, "at": {"22:00"}, "until": {"05:00"}, "days": {"mon"}, "ending": {"disk"}, "retries": {"1"}},
	} {
		if status, body := s.fetch(path, form.Encode()); status >= 400 {
			_, wrong, _ := strings.Cut(body, `<p class="bad"`)
			s.t.Errorf("%s is answered with %d: %.600s", path, status, wrong)
		}
	}
	for _, path := range []string{"/", "/rooms/S104", "/computers/S104-01", "/computers/CDI-02", "/masters/" + masters, "/masters", "/people", "/requests",
		"/schedules", "/computers", "/labels?room=S104", "/labels?computer=CDI-02", "/audit", "/settings", "/jobs", "/health", "/order?kind=reset&room=S104"} {
		s.visit(path)
		s.fits()
		if got := eval[string](s.window, "document.title"); strings.HasPrefix(got, "owned") {
			s.t.Errorf("%s runs a name", path)
		}
		if n := eval[int](s.window, `document.querySelectorAll("main script, main img[src='x'], main [onerror]").length`); n > 0 {
			s.t.Errorf("%s has %d elements that were names", path, n)
		}
	}
	s.visit("/rooms/S104")
	s.must("<script>document.title='owned'</script> 🖍️", "onerror=")
	s.visit("/labels?room=S104")
	s.printed()
	if status, _ := s.fetch("/rooms/S104", url.Values{"title": {"Salle 104"}, "note": {""}, "policy": {"demand"}, "night": {"23:00"}, "lang": {"fr"}, "level": {"full"}}.Encode()); status >= 400 {
		s.t.Errorf("the room cannot be called something else again: %d", status)
	}
}
