package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// mapView is the home page: the rooms of a person's sites.
type mapView struct {
	Query   string
	Form    *Form
	Sites   []siteView // that are shown
	Names   []Crumb    // of all sites, where there are several
	Chosen  string     // site that is shown alone
	Found   int        // computers that the filter asks for; -1: there is no filter
	Orders  []string
	Filters []access.Filter
	Waiting waitingView
	MayRoom bool
	Lines   bool // rooms are lines, for there are too many tiles
}

// siteView is a site with its rooms.
type siteView struct {
	Name, Title string
	Boards      []boardView
	Computers   int
}

// waitingView says that computers wait for approval. It is compared to see whether it changed.
type waitingView struct{ Pending int }

// showMap is the home page.
func (c *console) showMap(v *visit) error {
	q := v.r.URL.Query()
	view, err := v.mapOf(q)
	if err != nil {
		return err
	}
	return v.page("map", Page{Title: v.say("map.title"), Active: "nav.map", Data: view,
		Live: "/events?" + url.Values{"page": {"map"}, "q": {view.Query}, "site": q["site"]}.Encode()})
}

// mapOf draws the rooms that a query asks for.
func (v *visit) mapOf(q url.Values) (mapView, error) {
	view := mapView{Query: strings.TrimSpace(q.Get("q")), Chosen: q.Get("site"), Form: newForm(v.tongue, url.Values{"q": q["q"]}), Found: -1,
		Orders: v.orderKinds("", ""), MayRoom: v.May(people.ActionRoom)}
	rooms, err := v.Desk.Rooms()
	if err != nil {
		return view, err
	}
	computers, err := v.Desk.Computers("")
	if err != nil {
		return view, err
	}
	if view.Filters, err = v.Desk.Filters(); err != nil {
		return view, err
	}
	dim, err := v.filtered(&view)
	if err != nil {
		return view, err
	}
	for _, c := range computers {
		if c.State == string(fleet.Pending) && v.Desk.May(people.ActionEnrol, c.Site, c.Room) {
			view.Waiting.Pending++
		}
	}
	view.Lines = len(computers) > maxTiles && view.Chosen == "" && view.Query == ""
	return view, v.drawSites(&view, rooms, computers, dim)
}

// filtered asks for the computers that the filter is for; what it returns says of the others that they are not. A filter
// that cannot be understood is complained about in its field, and nothing is dim.
func (v *visit) filtered(view *mapView) (func(access.Computer) bool, error) {
	if view.Query == "" {
		return nil, nil
	}
	found, err := v.Desk.Computers(view.Query)
	var wrong *fleet.FilterError
	switch {
	case errors.As(err, &wrong):
		what, do := v.notice(access.ErrorOf(err))
		view.Form.Fail("q", what+" "+do)
		return nil, nil
	case err != nil:
		return nil, err
	}
	view.Found = len(found)
	ids := map[string]bool{}
	for _, c := range found {
		ids[c.ID] = true
	}
	return func(c access.Computer) bool { return !ids[c.ID] }, nil
}

// drawSites makes the boards of the sites that are shown.
func (v *visit) drawSites(view *mapView, rooms []access.Room, computers []access.Computer, dim func(access.Computer) bool) error {
	m, err := v.boards()
	if err != nil {
		return err
	}
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	by := group(computers)
	for _, s := range sites {
		title := s.Title
		if title == "" {
			title = s.Name
		}
		out := siteView{Name: s.Name, Title: title}
		of := slices.DeleteFunc(slices.Clone(rooms), func(r access.Room) bool { return !strings.EqualFold(r.Site, s.Name) })
		for _, r := range append(of, access.Room{Site: s.Name}) { // those in no room come last
			in := by[place(s.Name, r.Name)]
			out.Computers += len(in)
			if r.Name == "" && len(in) == 0 || dim != nil && !slices.ContainsFunc(in, func(c access.Computer) bool { return !dim(c) }) {
				continue
			}
			b := m.board(r, s.Name, in, dim, false)
			if view.Lines {
				b.Tiles, b.Pick = nil, false
			}
			out.Boards = append(out.Boards, b)
		}
		if len(of) == 0 && out.Computers == 0 {
			continue
		}
		view.Names = append(view.Names, Crumb{Title: title, Href: s.Name})
		if view.Chosen == "" || strings.EqualFold(view.Chosen, s.Name) {
			view.Sites = append(view.Sites, out)
		}
	}
	return nil
}

// mapLive makes the live parts of the map.
func (v *visit) mapLive() live {
	q := v.r.URL.Query()
	return func() ([]fragment, error) {
		view, err := v.mapOf(q)
		if err != nil {
			return nil, err
		}
		out := []fragment{{ID: "waiting", Template: "waiting", Data: view.Waiting}}
		for _, s := range view.Sites {
			for _, b := range s.Boards {
				out = append(out, b.fragments())
			}
		}
		return out, nil
	}
}

// orderKinds lists what the person may order in a room; both empty: anywhere.
func (v *visit) orderKinds(site, room string) []string {
	var out []string
	for _, k := range []job.Kind{job.KindDeploy, job.KindReset, kindWake, job.KindVerify, job.KindShutdown, job.KindStage} {
		if site == "" && room == "" && v.May(actionOf(k)) || v.Desk.May(actionOf(k), site, room) {
			out = append(out, string(k))
		}
	}
	return out
}
