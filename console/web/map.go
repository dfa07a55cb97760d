package web

import (
	"cmp"
	"errors"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// mapView is the home page: the rooms of a person's sites.
type mapView struct {
	Query   string // that is asked; "" also for one that cannot be understood
	Form    *Form
	Sites   []siteView // that are shown
	Names   []Crumb    // of all sites, where there are several
	Chosen  string     // site that is shown alone
	Found   int        // computers on it that the filter asks for; -1: there is no filter
	Orders  []string
	Filters []filterView
	Waiting waitingView
	MayRoom bool
	How     drawing
	Stream  string // address of the stream of the rooms that are open; "": none is
}

// These tells whether an order can be given to those that the filter asks for.
func (m mapView) These() bool { return m.Found > 0 }

// Whole is the address of the map of a site, "": of all, with the filter that is asked for.
func (m mapView) Whole(site string) template.URL {
	m.Chosen = site
	if to := m.address(url.Values{}); to != "" {
		return template.URL("/?" + to)
	}
	return "/"
}

// Lines tells whether rooms are lines that are opened one by one.
func (m mapView) Lines() bool { return m.How == noTile }

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
	view, err := v.mapOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	live := url.Values{"page": {"map"}, "how": {strconv.Itoa(int(view.How))}}
	return v.page("map", Page{Title: v.say("map.title"), Active: "nav.map", Data: view, Live: "/events?" + view.address(live)})
}

// address adds to values what the map shows.
func (m mapView) address(values url.Values) string {
	if m.Query != "" {
		values.Set("q", m.Query)
	}
	if m.Chosen != "" {
		values.Set("site", m.Chosen)
	}
	return values.Encode()
}

// mapOf draws the rooms that a query asks for.
func (v *visit) mapOf(q url.Values) (mapView, error) {
	view := v.mapFor(q)
	floor, err := v.floor(&view, nil)
	if err != nil {
		return view, err
	}
	saved, err := v.Desk.Filters()
	if err != nil {
		return view, err
	}
	if v.May(people.ActionDeploy) || v.May(people.ActionHealth) { // a teacher's few computers need none
		view.Filters = v.usualFilters()
	}
	for _, x := range saved {
		view.Filters = append(view.Filters, filterView{Filter: x, Icon: "filter"})
	}
	for i := range view.Filters {
		view.Filters[i].lead("/", view.Query, view.Chosen)
	}
	for i := range floor {
		if c := &floor[i]; c.State == string(fleet.Pending) && v.Desk.May(people.ActionEnrol, c.Site, c.Room) {
			view.Waiting.Pending++
		}
	}
	rows, err := v.rows(&view, floor)
	if err != nil {
		return view, err
	}
	v.draw(&view, rows, q["open"])
	return view, nil
}

// mapFor is the map that an address names, with nothing on it.
func (v *visit) mapFor(q url.Values) mapView {
	return mapView{Query: strings.TrimSpace(q.Get("q")), Chosen: q.Get("site"), Form: newForm(v.tongue, url.Values{"q": q["q"]}), Found: -1,
		Orders: v.orderKinds("", ""), MayRoom: v.May(people.ActionRoom)}
}

// floor asks for the computers at some places, nil: all. A filter that cannot be understood is complained about in its
// field, and asks for nothing.
func (v *visit) floor(view *mapView, in func(site, room string) bool) ([]access.Spot, error) {
	floor, err := v.Desk.Floor(view.Query, in)
	var wrong *fleet.FilterError
	switch {
	case errors.As(err, &wrong):
		what, do := v.notice(access.ErrorOf(err))
		view.Form.Fail("q", what+" "+do)
		view.Query = ""
		return v.Desk.Floor("", in)
	case err == nil && view.Query != "":
		view.Found = 0
	}
	return floor, err
}

// row is a room of the map, or the computers of a site in none, before it is drawn.
type row struct {
	at    int // in Sites, of the site that it belongs to
	room  access.Room
	in    []*access.Spot
	found int
}

// rows lists what is on the map, with the sites that it belongs to, and decides how it is drawn: with all tiles where they
// can be looked at, else with those that the filter asks for, else as lines.
func (v *visit) rows(view *mapView, floor []access.Spot) ([]row, error) {
	sites, err := v.Desk.Sites()
	if err != nil {
		return nil, err
	}
	by, of := group(floor), map[string][]access.Room{}
	for _, r := range v.Desk.RoomsWith(floor) {
		of[strings.ToLower(r.Site)] = append(of[strings.ToLower(r.Site)], r)
	}
	var rows []row
	tiles, found := 0, 0
	for _, s := range sites {
		out := siteView{Name: s.Name, Title: s.Title}
		if out.Title == "" {
			out.Title = s.Name
		}
		rooms := of[strings.ToLower(s.Name)]
		shown := view.Chosen == "" || strings.EqualFold(view.Chosen, s.Name)
		for _, r := range append(rooms, access.Room{Site: s.Name}) { // those in no room come last
			x := row{at: len(view.Sites), room: r, in: by[place(s.Name, r.Name)]}
			out.Computers += len(x.in)
			for _, c := range x.in {
				if c.Match {
					x.found++
				}
			}
			if !shown || r.Name == "" && len(x.in) == 0 || view.Found >= 0 && x.found == 0 {
				continue
			}
			tiles, found = tiles+len(x.in), found+x.found
			rows = append(rows, x)
		}
		if len(rooms) == 0 && out.Computers == 0 {
			continue
		}
		view.Names = append(view.Names, Crumb{Title: out.Title, Href: s.Name})
		if shown {
			view.Sites = append(view.Sites, out)
		}
	}
	if view.Found >= 0 {
		view.Found = found
	}
	switch {
	case tiles <= maxTiles:
	case view.Found >= 0 && found <= maxTiles:
		view.How = matchingTile
	default:
		view.How = noTile
	}
	return rows, nil
}

// draw makes the boards of a map. open names rooms that are not to be lines.
func (v *visit) draw(view *mapView, rows []row, open []string) {
	m := v.boards()
	m.query = view.Query
	sizes := map[string]int{}
	for _, x := range rows {
		sizes[place(x.room.Site, x.room.Name)] = len(x.in)
	}
	open = openings(open, sizes)
	for _, x := range rows {
		how := view.How
		opened := view.Lines() && slices.Contains(open, place(x.room.Site, x.room.Name))
		if opened {
			how = everyTile
		}
		b := m.board(x.room, x.room.Site, x.in, how)
		if view.Lines() {
			b.fold(opened, view.Query)
		}
		view.Sites[x.at].Boards = append(view.Sites[x.at].Boards, b)
	}
	if view.Lines() && len(open) > 0 {
		view.Stream = view.stream(open)
	}
}

// mapLive makes the live parts of the map. When it has to be drawn in another way it ends, and the page is loaded again.
func (v *visit) mapLive() live {
	q := v.r.URL.Query()
	return func() ([]fragment, error) {
		view, err := v.mapOf(q)
		if err != nil {
			return nil, err
		}
		if how := q.Get("how"); how != "" && how != strconv.Itoa(int(view.How)) {
			return nil, v.notHere()
		}
		out := []fragment{{ID: "waiting", Template: "waiting", Data: view.Waiting}}
		var drawn []string // rooms that come and go change what is around them
		sites := fragment{ID: "sites", Template: "map-sites", Data: view}
		for _, s := range view.Sites {
			for _, b := range s.Boards {
				if view.Lines() { // those that are open have a stream of their own
					out = append(out, fragment{ID: b.HeadLive(), Template: "board-head", Data: b.Head})
					continue
				}
				drawn, sites.Inside = append(drawn, b.Live()), append(sites.Inside, b.fragments())
			}
		}
		if sites.Key = drawn; !view.Lines() {
			out = append(out, sites)
		}
		return out, nil
	}
}

// maxNarrow is how many computers an order names one by one: more are ordered by their filter.
const maxNarrow = 300

// narrow makes of an order for those who match a filter one for the computers that match it now: what is confirmed is what
// was seen, whatever happens to them meanwhile.
func (v *visit) narrow(q url.Values) error {
	kind, rooms, at := job.Kind(cmp.Or(q.Get("kind"), string(job.KindDeploy))), q["room"], q.Get("site")
	if actionOf(kind) == "" {
		return access.Bad("there is no such kind of order")
	}
	floor, err := v.Desk.Floor(q.Get("q"), func(site, room string) bool {
		return (at == "" || strings.EqualFold(at, site)) && (len(rooms) == 0 || slices.Contains(rooms, room)) && v.Desk.May(actionOf(kind), site, room)
	})
	if err != nil {
		return err
	}
	to := url.Values{"kind": {string(kind)}, "pc": slices.Clone(q["pc"])}
	for i := range floor {
		if c := &floor[i]; c.Match && c.State != string(fleet.Pending) {
			to.Add("pc", c.ID)
		}
	}
	switch n := len(to["pc"]); {
	case n == 0:
		v.leave(flashed{Text: v.say("computers.none")})
		return v.seeOther("/")
	case n > maxNarrow && len(rooms) > 0:
		v.leave(flashed{Text: v.say("order.narrow", maxNarrow)})
		return v.seeOther("/order?" + url.Values{"kind": {string(kind)}}.Encode())
	case n > maxNarrow: // too many to name: whoever matches when it is given
		filter := q.Get("q")
		if at != "" {
			filter += " site:" + quoted(at)
		}
		to.Del("pc")
		to.Set("filter", filter)
	}
	for _, field := range []string{"master", "script"} {
		if x := q.Get(field); x != "" {
			to.Set(field, x)
		}
	}
	return v.seeOther("/order?" + to.Encode())
}

// orderKinds lists what the person may order in a room; both empty: anywhere.
func (v *visit) orderKinds(site, room string) []string {
	var out []string
	may := func(k job.Kind) bool {
		return site == "" && room == "" && v.May(actionOf(k)) || v.Desk.May(actionOf(k), site, room)
	}
	for _, k := range usualKinds() {
		if may(k) {
			out = append(out, string(k))
		}
	}
	if slices.ContainsFunc(moreKinds(), may) {
		out = append(out, string(kindOther))
	}
	return out
}

// dailyKinds are the kinds of order of every day: the others stand behind one button.
func dailyKinds() []job.Kind {
	return []job.Kind{job.KindDeploy, job.KindReset, kindWake, job.KindShutdown}
}

// roomActions are the orders that the person may give a room, as actions are for a computer.
func (v *visit) roomActions(site, room string) (daily, rare []action) {
	for _, k := range append(usualKinds(), moreKinds()...) {
		if !v.Desk.May(actionOf(k), site, room) {
			continue
		}
		a := action{Title: v.say("verb." + string(k)), Icon: string(k), Href: "/order?" + url.Values{"kind": {string(k)}, "room": {room}}.Encode()}
		switch k {
		case job.KindDeploy:
			a.Class = "main"
		case job.KindShutdown:
			a.Icon = "power"
		case job.KindWipe:
			a.Class = "danger quiet"
		}
		if slices.Contains(dailyKinds(), k) {
			daily = append(daily, a)
		} else {
			rare = append(rare, a)
		}
	}
	return daily, rare
}
