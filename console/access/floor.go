package access

import (
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Spot is a computer as a map shows it: what a tile, a count and a bar are made of, and no more, for a region has fifteen
// thousand of them.
type Spot struct {
	ID, Name, Code string
	State          string // as of Computer
	Site, Room     string
	Master         string // that its disk was last proven to hold; "": nothing is proven
	Version        int    // of Master
	Unfinished     bool   // its disk was left in the middle of a write
	BootLoop       bool
	Task           *Task  // that is not over
	Job            string // of its task, also of one that is over; "": it never had one
	Ended          string // state of its newest task, when that is over and no other is due or planned
	Match          bool   // the query matches it; true without a query
	OfflineReset   string // as of Computer
}

// Spot is a computer that the caller was shown, as a map shows it.
func (d Desk) Spot(c Computer) Spot {
	s := Spot{ID: c.ID, Name: c.Name, Code: c.Code, State: c.State, Site: c.Site, Room: c.Room, Unfinished: c.Unfinished != nil,
		BootLoop: c.BootLoop, Task: c.Task, Match: true, OfflineReset: c.OfflineReset}
	if c.Runs != nil {
		s.Master, s.Version = c.Runs.Master, c.Runs.Version
	}
	if _, t, ok := d.h.Fleet.Current(c.ID); ok {
		s.Job = t.Job
		if c.Task == nil {
			s.Ended = t.State
		}
	}
	return s
}

// Floor lists the computers that the caller sees, as Computers does, and marks those that a query of package filter
// matches. in narrows it to some places; nil: all.
func (d Desk) Floor(query string, in func(site, room string) bool) ([]Spot, error) {
	sights, err := d.sights(query, in)
	out := make([]Spot, 0, len(sights))
	for i := range sights {
		out = append(out, d.spot(&sights[i]))
	}
	return out, err
}

// sights looks at the computers that the caller sees, at some places; nil: all.
func (d Desk) sights(query string, in func(site, room string) bool) ([]fleet.Sight, error) {
	type place struct{ site, room string }
	known := map[place]bool{} // five hundred rooms are judged, not fifteen thousand computers
	return d.h.Fleet.Sights(query, func(site, room string) bool {
		at := place{site, room}
		sees, judged := known[at]
		if !judged {
			sees = d.c.May(people.ActionSee, site, room) && (in == nil || in(site, room))
			known[at] = sees
		}
		return sees
	})
}

func (d Desk) spot(x *fleet.Sight) Spot {
	c := x.Computer
	s := Spot{ID: c.ID, Name: c.Name, Code: c.Code, State: string(c.Shown()), Site: x.Site, Room: c.Room, Unfinished: c.Mark != nil,
		BootLoop: x.BootLoop, Job: x.Job, Match: x.Match, OfflineReset: d.h.Fleet.Offline(*c)}
	if c.Runs != nil {
		s.Master, s.Version = c.Runs.Master, c.Runs.Version
	}
	switch {
	case x.Task != nil:
		t := task(*x.Task, func(string) string { return c.Name })
		s.Task = &t
	default:
		s.Ended = x.State
	}
	if c.State == fleet.Pending && hidden(d, *c, c.Name) {
		s.Name = c.ID
	}
	return s
}
