package web

import (
	"net/http"
	address "net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// settingsView is what belongs to the house as a whole.
type settingsView struct {
	Sites   []siteLine
	Scripts []scriptLine
	Keys    []access.Key
	Post    *access.PostState // nil: this daemon sends no reports
	PostsTo []string          // where it sends them
	Setup   access.Setup
	Windows []access.Window
	Helpers []helperLine
	Expires *badge // of the console's certificate
}

// siteLine is a site in the settings.
type siteLine struct {
	access.Site
	Title  string
	Value  string
	Forget *ask
}

// scriptLine is a script in the settings.
type scriptLine struct {
	access.Script
	Mark   badge
	Forget *ask
}

func (c *console) showSettings(v *visit) error {
	var view settingsView
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	for _, s := range sites {
		line := siteLine{Site: s, Title: v.siteTitle(s), Value: siteValue(s.Name)}
		if s.Name != "" {
			line.Forget = &ask{ID: "forget-site-" + s.Name, Label: v.say("site.forget"), Icon: "trash", Class: "small danger quiet",
				Title: v.say("site.forget.title", line.Title), Says: v.say("site.forget.says", line.Title), Do: v.say("site.forget"),
				Action: "/settings/sites/" + url.PathEscape(s.Name) + "/forget"}
			if len(s.Rooms) > 0 {
				line.Forget.Says = v.count("site.forget.rooms", len(s.Rooms), line.Title, strings.Join(s.Rooms, ", "))
			}
		}
		view.Sites = append(view.Sites, line)
	}
	scripts, err := v.Desk.Scripts()
	if err != nil {
		return err
	}
	for _, s := range scripts {
		view.Scripts = append(view.Scripts, v.scriptLine(s))
	}
	if view.Keys, err = v.Desk.Keys(); err != nil {
		return err
	}
	if err := v.beside(&view); err != nil {
		return err
	}
	return v.page("settings", Page{Title: v.say("nav.settings"), Active: "nav.settings", Data: view})
}

// soon is how long before it ends a certificate is worth a warning.
const soon = 21 * 24 * time.Hour

// beside adds what is set elsewhere than on this page.
func (v *visit) beside(view *settingsView) (err error) {
	state, err := v.Desk.Post()
	switch {
	case err == nil:
		view.Post = &state
		if state.Mail != nil {
			view.PostsTo = append(view.PostsTo, state.Mail.To...)
		}
		if state.Hook != nil {
			view.PostsTo = append(view.PostsTo, v.say("post.way.hook"))
		}
	case access.ErrorOf(err).Status != http.StatusNotFound:
		return err
	}
	if view.Setup, err = v.Desk.Setup(); err != nil {
		return err
	}
	if c := view.Setup.Console; c != nil && c.Trouble == "" {
		switch left := c.Expires.Sub(v.now()); {
		case left <= 0:
			view.Expires = &badge{"failed", "cross", v.say("setup.expired")}
		case left < soon:
			view.Expires = &badge{"warn", "warn", v.say("setup.expires.soon")}
		default:
			view.Expires = &badge{"ok", "check", v.say("setup.valid")}
		}
	}
	if view.Windows, err = v.Desk.Windows(); err != nil {
		return err
	}
	helpers, err := v.Desk.Helpers()
	for _, h := range helpers {
		view.Helpers = append(view.Helpers, v.helperLine(h, ""))
	}
	return err
}

func (v *visit) scriptLine(s access.Script) scriptLine {
	line := scriptLine{Script: s, Mark: badge{"pending", "pending", v.say("script.pending")},
		Forget: &ask{ID: "forget-" + s.Hash, Label: v.say("script.forget"), Icon: "trash", Class: "small danger quiet",
			Title: v.say("script.forget.title", s.Name), Says: v.say("script.forget.says"), Do: v.say("script.forget"),
			Action: "/settings/scripts/" + s.Hash + "/forget"}}
	if s.ApprovedBy != "" {
		line.Mark = badge{"ok", "check", v.say("script.approved")}
	}
	return line
}

// showSite is the form of a site.
func (c *console) showSite(v *visit) error {
	f := newForm(v.tongue, nil)
	value := v.r.PathValue("name")
	if value != "new" {
		s, err := v.Desk.Site(siteName(value))
		if err != nil {
			return err
		}
		f = newForm(v.tongue, url.Values{"name": {s.Name}, "title": {s.Title}, "networks": {strings.Join(s.Networks, "\n")}, "mail": {strings.Join(s.Mail, "\n")}})
	}
	return v.sitePage(value, f, http.StatusOK)
}

func siteName(value string) string {
	if value == unnamedSite {
		return ""
	}
	return value
}

func (v *visit) sitePage(value string, f *Form, status int) error {
	title := v.say("site.new")
	if value != "new" {
		title = v.siteTitle(access.Site{Name: siteName(value), Title: f.Value("title")})
	}
	return v.page("site", Page{Title: title, Active: "nav.settings", Status: status, Crumbs: []Crumb{{v.say("nav.settings"), "/settings"}},
		Data: map[string]any{"Form": f, "New": value == "new", "Value": value}})
}

// setSite makes or changes a site.
func (c *console) setSite(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	value := v.r.PathValue("name")
	name := siteName(value)
	if value == "new" {
		if name = f.Text("name", 63, true); name == "new" {
			f.Fail("name", v.say("site.name.hint"))
		}
		if _, err := v.Desk.Site(name); err == nil && name != "" {
			f.Fail("name", v.say("site.taken"))
		}
	}
	title := f.Text("title", 100, false)
	networks, mail := strings.Fields(f.Text("networks", 4000, false)), strings.Fields(f.Text("mail", 4000, false))
	for _, x := range networks {
		if p, err := netip.ParsePrefix(x); err != nil || p != p.Masked() {
			f.Fail("networks", v.say("site.networks.bad", x))
		}
	}
	for _, x := range mail {
		if a, err := address.ParseAddress(x); err != nil || a.Address != x {
			f.Fail("mail", v.say("site.mail.bad", x))
		}
	}
	if !f.Bad() {
		if _, err := v.Desk.SetSite(v.r.Context(), name, access.SiteChange{Title: &title, Networks: &networks, Mail: &mail}); err != nil {
			field := "networks"
			if value == "new" && len(networks) == 0 {
				field = "name"
			}
			if err = v.refused(f, field, err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.sitePage(value, f, http.StatusUnprocessableEntity)
	}
	v.flash("site.kept", v.siteTitle(access.Site{Name: name, Title: title}))
	return v.seeOther("/settings")
}

func (c *console) forgetSite(v *visit) error {
	s, err := v.Desk.ForgetSite(v.r.Context(), siteName(v.r.PathValue("name")))
	return v.done(err, "/settings", "site.forgotten", v.siteTitle(s))
}

// showNewScript is the form of a new script.
func (c *console) showNewScript(v *visit) error {
	f := newForm(v.tongue, url.Values{"limit": {"300"}, "text": {"#!/bin/sh\nset -eu\n"}})
	return v.scriptPage(f, http.StatusOK)
}

func (v *visit) scriptPage(f *Form, status int) error {
	return v.page("script", Page{Title: v.say("script.new"), Active: "nav.settings", Status: status,
		Crumbs: []Crumb{{v.say("nav.settings"), "/settings"}}, Data: f})
}

// addScript keeps a script, to be approved.
func (c *console) addScript(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	s := access.Script{Name: f.Text("name", 100, true), Limit: f.Number("limit", 1, job.MaxScriptLimit), Writes: f.Has("writes", "1"),
		Text: strings.ReplaceAll(f.Value("text"), "\r\n", "\n")}
	if !f.Bad() {
		if s, err = v.Desk.AddScript(v.r.Context(), s); err != nil {
			if err = v.refused(f, "text", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.scriptPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("script.kept", s.Name)
	return v.seeOther("/settings")
}

// changeScript approves or forgets a script.
func (c *console) changeScript(v *visit) error {
	do := map[string]func() (access.Script, error){
		"approve": func() (access.Script, error) { return v.Desk.ApproveScript(v.r.Context(), v.r.PathValue("hash")) },
		"forget":  func() (access.Script, error) { return v.Desk.ForgetScript(v.r.Context(), v.r.PathValue("hash")) },
	}[v.r.PathValue("verb")]
	if do == nil {
		return v.notHere()
	}
	s, err := do()
	return v.done(err, "/settings", "script.done."+v.r.PathValue("verb"), s.Name)
}
