package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet/people"
)

// Page is what the layout shows around the content of a page.
type Page struct {
	Title  string  // text, in the language of the person
	Active string  // key of the entry of the navigation that it belongs to: "nav.map"
	Crumbs []Crumb // the way to it, without itself
	Live   string  // address of its stream; "": nothing on it is live
	Status int     // of HTTP; 0: 200
	Data   any     // of its content
	Bare   bool    // without navigation: for who is not signed in
	Print  bool    // made to be printed

	// What the shell adds
	Lang, Theme, Here string
	Caller            people.Caller
	Nav               []navItem
	Flash             *flashed
}

// Crumb is a step of the way to a page.
type Crumb struct{ Title, Href string }

// navItem is an entry of the navigation.
type navItem struct {
	Key, Href, Icon string
	action          people.Action
	Count, Says     string // of what waits there
}

// navigation lists the entries, in their order. A person sees those of what they may do somewhere.
func navigation() []navItem {
	return []navItem{
		{Key: "nav.map", Href: "/", Icon: "map", action: people.ActionSee},
		{Key: "nav.jobs", Href: "/jobs", Icon: "jobs", action: people.ActionSee},
		{Key: "nav.computers", Href: "/computers", Icon: "computer", action: people.ActionSee},
		{Key: "nav.masters", Href: "/masters", Icon: "master", action: people.ActionSeeMasters},
		{Key: "nav.schedules", Href: "/schedules", Icon: "clock", action: people.ActionDeploy},
		{Key: "nav.requests", Href: "/requests", Icon: "request", action: people.ActionSee},
		{Key: "nav.health", Href: "/health", Icon: "health", action: people.ActionHealth},
		{Key: "nav.people", Href: "/people", Icon: "people", action: people.ActionPeople},
		{Key: "nav.audit", Href: "/audit", Icon: "audit", action: people.ActionAudit},
		{Key: "nav.settings", Href: "/settings", Icon: "settings", action: people.ActionSettings},
	}
}

// templates are the pages and their parts in one language.
type templates struct {
	parts *template.Template
	pages map[string]*template.Template
}

// loadTemplates parses everything once for each language: a word is then only looked up.
func (c *console) loadTemplates() (map[string]*templates, error) {
	out := map[string]*templates{}
	for _, lang := range []string{words.French, words.English} {
		t := tongue{lang: lang, now: c.Now, zone: c.Zone}
		parts, err := template.New("").Funcs(c.functions(t)).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html")
		if err != nil {
			return nil, fmt.Errorf("reading the console's templates: %w", err)
		}
		set := &templates{pages: map[string]*template.Template{}}
		files, err := fs.Glob(templateFiles, "templates/pages/*.html")
		if err != nil {
			return nil, fmt.Errorf("listing the console's pages: %w", err)
		}
		for _, file := range files {
			page, err := template.Must(parts.Clone()).ParseFS(templateFiles, file)
			if err != nil {
				return nil, fmt.Errorf("reading a page of the console: %w", err)
			}
			set.pages[strings.TrimSuffix(path.Base(file), ".html")] = page
		}
		set.parts = parts
		out[lang] = set
	}
	return out, nil
}

// functions are the words that templates know.
func (c *console) functions(t tongue) template.FuncMap {
	return template.FuncMap{
		"t": t.say, "n": t.count, "size": t.size, "rate": t.rate, "span": t.span, "seconds": t.seconds,
		"when": t.when, "ago": t.ago, "stamp": t.stamp, "clock": t.clock, "day": t.day, "iso": iso,
		"number": func(n int) string { return words.Number(t.lang, int64(n)) },
		"icon":   c.icon, "ring": ring, "bar": bar, "percent": percent,
		"asset": func(name string) string { return c.assets.url[name] },
		// seg makes one segment of a path of a name: a room of a site has a slash in it
		"seg":   func(s string) template.URL { return template.URL(url.PathEscape(s)) },
		"query": func(s string) template.URL { return template.URL(url.QueryEscape(s)) },
		"field": newField, "dict": dict,
		"role": func(r people.Role) string { return t.say("role." + string(r)) },
		"kind": func(k any) string { return t.say("kind." + fmt.Sprint(k)) },
		"code": code,
		"zero": func(at time.Time) bool { return at.IsZero() },
		"what": func(e *access.Error) template.HTML { w, _ := t.notice(e); return t.said(w) },
		"todo": func(e *access.Error) template.HTML { _, d := t.notice(e); return t.said(d) },
		"in":   t.in, "said": t.said, "by": t.by,
	}
}

// said prints a text of in or notice; the complaint about a field is one already.
func (t tongue) said(text any) template.HTML {
	if done, ok := text.(template.HTML); ok {
		return done
	}
	return notices.HTML(notices.Language(t.lang), fmt.Sprint(text))
}

// dict gives a template more than one thing: pairs of a name and a value.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has %d arguments: pairs are needed", len(pairs))
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out, nil
}

// fieldView is a field of a form as the template "field" shows it.
type fieldView struct {
	Form              *Form
	Name, Label, Kind string
	Hint              string // key of what stands below it
	Required          bool
	Options           []option
}

// option is a choice of a field.
type option struct{ Value, Text string }

// newField describes a field: kind is a type of <input>, "textarea" or "select"; then, in any order, "required", "hint:KEY",
// and the options of a select.
func newField(f *Form, name, label, kind string, more ...any) (fieldView, error) {
	v := fieldView{Form: f, Name: name, Label: label, Kind: kind}
	for _, m := range more {
		switch m := m.(type) {
		case []option:
			v.Options = m
		case string:
			hint, isHint := strings.CutPrefix(m, "hint:")
			switch {
			case m == "required":
				v.Required = true
			case isHint:
				v.Hint = hint
			default:
				return v, fmt.Errorf("field %s: %q means nothing", name, m)
			}
		default:
			return v, fmt.Errorf("field %s: %v means nothing", name, m)
		}
	}
	return v, nil
}

// page shows a page in its layout.
func (v *visit) page(name string, p Page) error {
	t := v.c.templates[v.lang].pages[name]
	if t == nil {
		return fmt.Errorf("there is no page %s", name)
	}
	p.Lang, p.Theme, p.Here, p.Caller, p.Flash = v.lang, v.theme, v.r.URL.RequestURI(), v.Caller, v.takeFlash()
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		p.Here = "/" // a form's address may not be one to come back to
	}
	if p.Bare = p.Bare || !v.signedIn; !p.Bare {
		for _, item := range navigation() {
			if v.May(item.action) {
				if item.Key == "nav.requests" {
					item.count(v)
				}
				p.Nav = append(p.Nav, item)
			}
		}
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", p); err != nil {
		return fmt.Errorf("rendering page %s: %w", name, err)
	}
	v.send(max(p.Status, http.StatusOK), b.Bytes())
	return nil
}

// worthwhile is from how many bytes on a page is compressed. Pages hold no secrets that a guess could find out by their
// length: the session is in a cookie, and there are no tokens in forms.
const worthwhile = 1400

func (v *visit) send(status int, body []byte) {
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding, HX-Request")
	if len(body) > worthwhile && accepts(v.r, "gzip") {
		body = gzipped(body, gzip.DefaultCompression)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body)
	}
}

// fail shows the page of an error; e may be nil.
func (v *visit) fail(status int, e *access.Error) error {
	what, do := v.say("error.500"), v.say("error.500.do")
	switch status {
	case http.StatusNotFound:
		what, do = v.say("error.404"), v.say("error.404.do")
	case http.StatusForbidden:
		what, do = v.say("error.403"), v.say("error.403.do")
	case http.StatusBadRequest, http.StatusConflict:
		what, do = v.say("error."+strconv.Itoa(status)), ""
	}
	if e != nil && status < 500 && status != http.StatusForbidden {
		text, hint := v.notice(e)
		do = strings.TrimSpace(text + " " + hint)
	}
	return v.tell(status, what, do)
}

// tell shows a page with two sentences: what is, and what to do.
func (v *visit) tell(status int, what, do string) error {
	v.w.Header().Set("HX-Retarget", "body")
	return v.page("error", Page{Title: what, Status: status, Data: map[string]any{"Status": status, "What": what, "Do": do}})
}
