package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// followView is who follows a channel: whom it concerns where it points.
type followView struct {
	Follows   string // the channel
	From      int    // version that it points at; 0: none
	Rooms     []roomCount
	Computers int         // in these rooms
	Holds     []holdCount // how many of them hold which version already
	Plans     []string    // what schedules will do with it, and when
}

// roomCount is a room and how many computers are in it.
type roomCount struct {
	Name string
	N    int
}

// holdCount is how many computers hold a version.
type holdCount struct{ Version, N int }

func (f followView) names() (out []string) {
	for _, r := range f.Rooms {
		out = append(out, r.Name)
	}
	return out
}

// follow finds who follows a channel, and what will be done with it by itself.
func (v *visit) follow(name, channel string, h access.History) (followView, error) {
	out := followView{Follows: channel}
	for _, p := range h.Channels {
		if p.Channel == channel {
			out.From = p.Version
		}
	}
	ref := name + "@" + channel
	rooms, err := v.Desk.Rooms()
	if err != nil {
		return out, err
	}
	holds := map[int]int{}
	for _, r := range rooms {
		if r.Master != ref {
			continue
		}
		out.Rooms = append(out.Rooms, roomCount{r.Name, len(r.Computers)})
		out.Computers += len(r.Computers)
		in, err := v.Desk.Computers("room:" + quoted(r.Name))
		if err != nil {
			return out, err
		}
		for _, c := range in {
			if c.Runs != nil && c.Runs.Master == name && strings.EqualFold(c.Room, r.Name) {
				holds[c.Runs.Version]++
			}
		}
	}
	for version, n := range holds {
		out.Holds = append(out.Holds, holdCount{version, n})
	}
	slices.SortFunc(out.Holds, func(a, b holdCount) int { return cmp.Compare(b.Version, a.Version) })
	out.Plans, err = v.plans(ref)
	return out, err
}

// plans says what schedules will do with what a reference then means.
func (v *visit) plans(ref string) (out []string, err error) {
	if !v.May(actionOf(job.KindDeploy)) {
		return nil, nil
	}
	all, err := v.Desk.Schedules()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.Order.Master != ref || s.Paused || s.Next == nil {
			continue
		}
		n, err := v.reach(s.Order)
		if err != nil {
			return nil, err
		}
		out = append(out, v.count("channel.plan", n, s.Name, v.say("kind."+string(s.Order.Kind)), v.wherever(s.Order), v.when(*s.Next)))
	}
	return out, nil
}

// reach is how many computers a scheduled order is for, as things are now.
func (v *visit) reach(o access.ScheduledOrder) (int, error) {
	ids := map[string]bool{}
	add := func(query string, fits func(access.Computer) bool) error {
		all, err := v.Desk.Computers(query)
		for _, c := range all {
			if fits(c) {
				ids[c.ID] = true
			}
		}
		return err
	}
	var err error
	for _, r := range o.Rooms {
		err = errors.Join(err, add("room:"+quoted(r), func(c access.Computer) bool { return strings.EqualFold(c.Room, r) }))
	}
	for _, s := range o.Sites {
		err = errors.Join(err, add("site:"+quoted(s), func(c access.Computer) bool { return strings.EqualFold(c.Site, s) }))
	}
	if o.Filter != "" {
		err = errors.Join(err, add(o.Filter, func(access.Computer) bool { return true }))
	}
	if err != nil {
		return 0, err
	}
	for _, ref := range o.Computers {
		if c, err := v.Desk.Computer(ref); err == nil { // else it is gone
			ids[c.ID] = true
		}
	}
	return len(ids), nil
}

// quoted is a word of a query.
func quoted(s string) string { return `"` + s + `"` }

// moveView is the page that asks before a channel is moved, where no script has.
type moveView struct {
	Name    string
	Version int
	Follow  followView
	Moved   bool // somebody else has moved it meanwhile
}

// askToMove shows the page that asks, unless the person has said yes to the channel as it is now.
func (v *visit) askToMove(f *Form, name, channel, ref string) (asked bool, err error) {
	if !v.mayMove(channel) {
		return false, nil // the desk refuses it
	}
	m, err := v.Desk.Master(ref)
	if err != nil {
		return false, err
	}
	h, err := v.Desk.History(name)
	if err != nil {
		return false, err
	}
	view := moveView{Name: name, Version: m.Version}
	if view.Follow, err = v.follow(name, channel, h); err != nil {
		return false, err
	}
	sure := f.Value("sure") == "1"
	view.Moved = sure && f.Value("from") != "" && f.Number("from", 0, 1<<30) != view.Follow.From
	if sure && !view.Moved {
		return false, nil
	}
	status := http.StatusOK
	if view.Moved {
		status = http.StatusConflict
	}
	return true, v.page("move", Page{Title: v.say("channel.drop", channel, m.Version), Active: "nav.masters", Status: status, Data: view,
		Crumbs: []Crumb{{v.say("nav.masters"), "/masters"}, {name, "/masters/" + url.PathEscape(name)}}})
}
