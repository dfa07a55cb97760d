package web

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// helpersView is who wakes computers in rooms' networks.
type helpersView struct {
	Helpers []helperLine
	Form    *Form
	Sites   []option // where the person may add one
	Many    bool     // sites are named
	Name    string   // of the one that was added just now
	Key     string   // its key file, told once
}

// helperLine is a helper in the list.
type helperLine struct {
	access.Helper
	Place  string // its site, as people call it
	Mark   badge
	Forget *ask // nil: the person may not
}

// showHelpers lists the helpers.
func (c *console) showHelpers(v *visit) error {
	return v.helpersPage(helpersView{Form: newForm(v.tongue, nil)}, http.StatusOK)
}

func (v *visit) helpersPage(view helpersView, status int) error {
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	titles := map[string]string{}
	for _, s := range sites {
		titles[s.Name] = v.siteTitle(s)
		if v.Caller.May(people.ActionHelper, s.Name, "") {
			view.Sites = append(view.Sites, option{siteValue(s.Name), v.siteTitle(s)})
		}
	}
	view.Many = len(sites) > 1
	all, err := v.Desk.Helpers()
	if err != nil {
		return err
	}
	for _, h := range all {
		view.Helpers = append(view.Helpers, v.helperLine(h, titles[h.Site]))
	}
	return v.page("helpers", Page{Title: v.say("helper.title"), Active: "nav.health", Status: status, Data: view,
		Crumbs: []Crumb{{v.say("nav.health"), "/health"}}})
}

func (v *visit) helperLine(h access.Helper, place string) helperLine {
	line := helperLine{Helper: h, Place: place, Mark: v.helperMark(h)}
	if v.Caller.May(people.ActionHelper, h.Site, "") {
		line.Forget = &ask{ID: "forget-" + h.Name, Label: v.say("helper.forget"), Icon: "trash", Class: "small danger quiet",
			Title: v.say("helper.forget.title", h.Name), Says: v.count("helper.forget.says", h.Computers, h.Name), Do: v.say("helper.forget"),
			Action: "/helpers/" + url.PathEscape(h.Name) + "/forget"}
	}
	return line
}

// helperMark says how a helper is.
func (t tongue) helperMark(h access.Helper) badge {
	switch h.State {
	case access.HelperConnected:
		return badge{"ok", "check", t.say("helper.connected")}
	case access.HelperSilent:
		return badge{"warn", "warn", t.say("helper.silent")}
	}
	return badge{"waiting", "clock", t.say("helper.away")}
}

// addHelper adds a helper: its key is on the page that follows, and nowhere again.
func (c *console) addHelper(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	view := helpersView{Form: f}
	r := access.HelperRequest{Name: f.Text("name", 63, true), Site: siteName(f.Text("site", 63, false))}
	if f.Bad() {
		return v.helpersPage(view, http.StatusUnprocessableEntity)
	}
	key, err := v.Desk.AddHelper(v.r.Context(), r)
	if err != nil {
		if err = v.refused(f, "name", err); err != nil {
			return err
		}
		return v.helpersPage(view, http.StatusUnprocessableEntity)
	}
	file, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return err
	}
	view.Form, view.Name, view.Key = newForm(v.tongue, nil), key.Name, string(file)
	return v.helpersPage(view, http.StatusOK)
}

// forgetHelper makes a helper's key worth nothing.
func (c *console) forgetHelper(v *visit) error {
	h, err := v.Desk.ForgetHelper(v.r.Context(), v.r.PathValue("name"))
	return v.done(err, "/helpers", "helper.forgotten", h.Name)
}
