package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// mapView is the home page: the rooms of a person's sites.
type mapView struct {
	Query   string
	Form    *Form
	Sites   []siteView
	Chosen  string // site that is shown alone
	Pending int
	Found   int // computers that the filter asks for
	Orders  []string
	MayRoom bool
}

// siteView is a site with its rooms.
type siteView struct {
	Name, Title string
	Boards      []boardView
	Computers   int
}

// showMap is the home page.
func (c *console) showMap(v *visit) error {
	view, err := v.mapOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.page("map", Page{Title: v.say("map.title"), Active: "nav.map", Data: view,
		Live: "/events?page=map&" + url.Values{"q": {view.Query}, "site": {view.Chosen}}.Encode()})
}

// mapOf draws the rooms that a query asks for.
func (v *visit) mapOf(q url.Values) (mapView, error) {
	view := mapView{Query: strings.TrimSpace(q.Get("q")), Chosen: q.Get("site"), Form: newForm(v.tongue, q)}
	rooms, err := v.Desk.Rooms()
	if err != nil {
		return view, err
	}
	computers, err := v.Desk.Computers("")
	if err != nil {
		return view, err
	}
	view.Found, view.Orders, view.MayRoom = len(computers), v.orderKinds("", ""), v.May(people.ActionRoom)
	by := group(computers)
	m := v.boards()
	sites := map[string]*siteView{}
	var names []string
	for _, r := range rooms {
		site := r.Site
		s, ok := sites[site]
		if !ok {
			s = &siteView{Name: site, Title: site}
			sites[site], names = s, append(names, site)
		}
		in := by[place(site, r.Name)]
		s.Computers += len(in)
		s.Boards = append(s.Boards, m.board(r, site, in, nil, false))
	}
	for _, c := range computers {
		if c.State == "pending" {
			view.Pending++
		}
	}
	slices.Sort(names)
	for _, n := range names {
		view.Sites = append(view.Sites, *sites[n])
	}
	return view, nil
}

// mapLive makes the live parts of the map.
func (v *visit) mapLive() live {
	q := v.r.URL.Query()
	return func() ([]fragment, error) {
		view, err := v.mapOf(q)
		if err != nil {
			return nil, err
		}
		var out []fragment
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
	for _, o := range []struct {
		kind job.Kind
		may  people.Action
	}{{job.KindDeploy, people.ActionDeploy}, {job.KindReset, people.ActionReset}} {
		if site == "" && room == "" && v.May(o.may) || v.Desk.May(o.may, site, room) {
			out = append(out, string(o.kind))
		}
	}
	return out
}
