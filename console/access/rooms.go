package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// RoomsWith lists the rooms that the caller sees, as Rooms does, with their computers out of a Floor.
func (d Desk) RoomsWith(floor []Spot) []Room {
	in := map[string][]named{}
	for i := range floor {
		if s := &floor[i]; s.Room != "" {
			in[s.Room] = append(in[s.Room], named{s.ID, s.Name}) // a computer has its room's name as that has it
		}
	}
	out := []Room{}
	for _, r := range d.h.Fleet.Rooms() {
		if d.seesRoom(r.Name) {
			out = append(out, d.h.roomWith(r, in[r.Name]))
		}
	}
	return out
}

// Rooms lists the rooms that the caller sees, by name.
func (d Desk) Rooms() ([]Room, error) {
	floor, err := d.Floor("", nil)
	return d.RoomsWith(floor), err
}

// wireRoom says a room with its computers in the words of the wire.
func (d Desk) wireRoom(r fleet.Room) Room {
	var in []named
	for _, c := range d.h.Fleet.InRoom(r.Name) {
		in = append(in, named{c.ID, c.Name})
	}
	return d.h.roomWith(r, in)
}

// named is a computer by its id and its name.
type named struct{ id, name string }

// roomWith says a room with its computers in the words of the wire. Who sees a room sees which of its computers are not as they
// should be, and so which version that is, also who sees no list of masters.
func (h *House) roomWith(r fleet.Room, computers []named) Room {
	out := Room{Name: r.Name, Policy: r.Policy, Level: r.Level, Menu: r.Menu, Lang: r.Lang, Passphrase: len(r.Passphrase) > 0,
		Night: r.Night, NightDone: r.NightDone, Master: r.Master, Computers: make([]string, 0, len(computers)), Template: Template{
			Hostname: r.Template.Hostname, Keys: r.Template.Keys, Answer: r.Template.Answer, Path: r.Template.Path}}
	out.Site, out.Title, out.Note, out.Hours = fleet.SiteOf(r.Name), r.Title, r.Note, r.Hours
	if r.Master != "" {
		if v, err := h.Masters.Resolve(r.Master); err == nil {
			out.Wanted = v.String()
		}
	}
	names := map[string]string{}
	drawn := len(r.Plan)+len(r.Spares) > 0 || r.Teacher != ""
	for _, c := range computers {
		out.Computers = append(out.Computers, c.name)
		if drawn {
			names[c.id] = c.name
		}
	}
	for _, p := range r.Plan {
		if names[p.Computer] != "" {
			out.Plan = append(out.Plan, Place{Computer: names[p.Computer], X: p.X, Y: p.Y})
		}
	}
	for _, id := range r.Spares {
		if names[id] != "" {
			out.Spares = append(out.Spares, names[id])
		}
	}
	out.Teacher = names[r.Teacher]
	return out
}

// Room returns one room.
func (d Desk) Room(name string) (Room, error) {
	r, err := d.room(name)
	if err != nil {
		return Room{}, err
	}
	return d.wireRoom(r), nil
}

// room returns a room that the caller sees.
func (d Desk) room(name string) (fleet.Room, error) {
	r, err := d.h.Fleet.Room(name)
	if err != nil || d.seesRoom(r.Name) {
		return r, err
	}
	return fleet.Room{}, &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(name, 64)}
}

// mayRoom refuses what the caller may not do with a room; one that he could not see is not there. It need not exist.
func (d Desk) mayRoom(a people.Action, name string) error {
	switch {
	case !d.seesRoom(name):
		return &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(name, 64)}
	case !d.c.May(a, fleet.SiteOf(name), name):
		return forbidden(name)
	}
	return nil
}

// SetRoom makes or changes a room.
func (d Desk) SetRoom(ctx context.Context, name string, c RoomChange) (Room, error) {
	return change(ctx, d, deedIn("room set", name), func(*deed) (Room, error) {
		if err := d.mayRoom(people.ActionRoom, name); err != nil {
			return Room{}, err
		}
		if c.Master != nil && *c.Master != "" {
			if _, err := d.h.Masters.Resolve(*c.Master); err != nil {
				return Room{}, err
			}
		}
		drawn, err := d.drawn(c)
		if err != nil {
			return Room{}, err
		}
		room, err := d.h.Fleet.SetRoom(ctx, name, d.by(), func(x *fleet.Room) {
			drawn(x)
			set(&x.Title, c.Title)
			set(&x.Note, c.Note)
			set(&x.Hours, c.Hours)
			set(&x.Policy, c.Policy)
			set(&x.Level, c.Level)
			set(&x.Menu, c.Menu)
			set(&x.Lang, c.Lang)
			set(&x.Passphrase, c.Passphrase)
			set(&x.Night, c.Night)
			set(&x.Master, c.Master)
			set(&x.Template.Hostname, c.Hostname)
			set(&x.Template.Keys, c.Keys)
			set(&x.Template.Answer, c.Answer)
			set(&x.Template.Path, c.Path)
		})
		if err != nil {
			return Room{}, err
		}
		return d.wireRoom(room), nil
	})
}

// drawn finds the computers of a room's drawing and returns what puts them there. Who is not in the room is left out by
// the fleet.
func (d Desk) drawn(c RoomChange) (func(*fleet.Room), error) {
	var plan []fleet.Place
	var spares []string
	teacher := ""
	id := func(ref string) (string, error) {
		x, err := d.find(ref)
		return x.ID, err
	}
	var err error
	if c.Plan != nil {
		for _, p := range *c.Plan {
			at := fleet.Place{X: p.X, Y: p.Y}
			if at.Computer, err = id(p.Computer); err != nil {
				return nil, err
			}
			plan = append(plan, at)
		}
	}
	moved := map[string]bool{}
	if c.Moved != nil {
		for _, ref := range *c.Moved {
			x, err := id(ref)
			if err != nil {
				return nil, err
			}
			moved[x] = true
		}
	}
	if c.Spares != nil {
		for _, ref := range *c.Spares {
			spare, err := id(ref)
			if err != nil {
				return nil, err
			}
			spares = append(spares, spare)
		}
	}
	if c.Teacher != nil && *c.Teacher != "" {
		if teacher, err = id(*c.Teacher); err != nil {
			return nil, err
		}
	}
	return func(x *fleet.Room) {
		switch {
		case c.Plan != nil && c.Moved != nil:
			x.Plan = merged(x.Plan, plan, moved)
		case c.Plan != nil:
			x.Plan = plan
		}
		if c.Spares != nil {
			x.Spares = spares
		}
		if c.Teacher != nil {
			x.Teacher = teacher
		}
	}, nil
}

// set changes what is to be changed.
func set[T any](where *T, to *T) {
	if to != nil {
		*where = *to
	}
}

// ForgetRoom removes a room that no computer is in.
func (d Desk) ForgetRoom(ctx context.Context, name string) (Room, error) {
	return change(ctx, d, deedIn("room forget", name), func(*deed) (Room, error) {
		if err := d.mayRoom(people.ActionRoom, name); err != nil {
			return Room{}, err
		}
		room, err := d.h.Fleet.ForgetRoom(ctx, name, d.by())
		if err != nil {
			return Room{}, err
		}
		return d.wireRoom(room), nil
	})
}

// Summary counts the computers of the caller's rooms, by name; for each of the caller's sites also those in no room.
func (d Desk) Summary() ([]Summary, error) {
	out := []Summary{}
	for _, s := range d.h.Fleet.Summary() {
		if !d.c.May(people.ActionSee, s.Site, s.Room) {
			continue
		}
		x := Summary{Room: s.Room, Site: s.Site, Total: s.Total, States: map[string]int{}, Running: s.Running, Waiting: s.Waiting,
			Scheduled: s.Scheduled, Failed: s.Failed, Unfinished: s.Unfinished, Done: s.Done, ToDo: s.ToDo, Rate: s.Rate}
		for state, n := range s.ByState {
			x.States[string(state)] = n
		}
		out = append(out, x)
	}
	return out, nil
}

// Place puts computers into a room; "SITE/" into a site and no room, "" out of their room. All go, or none.
func (d Desk) Place(ctx context.Context, p Placement) (Room, error) {
	return change(ctx, d, deedIn("room place", p.Room), func(e *deed) (Room, error) {
		if err := d.mayFill(p.Room); err != nil {
			return Room{}, err
		}
		var ids, names []string
		for i, ref := range p.Computers {
			c, err := d.find(ref)
			if err == nil {
				err = d.mayOn(people.ActionRoom, c)
			}
			if err != nil {
				return Room{}, err
			}
			ids, names = append(ids, c.ID), append(names, c.Name)
			if p.Room == "" {
				e.what = c.Name
				e.among(i == 0, d.h.Fleet.SiteOf(c), c.Room) // who sees the one room does not see what is moved out of the other
			}
		}
		e.detail = several(names)
		if _, err := d.h.Fleet.Place(ctx, ids, p.Room, d.by()); err != nil {
			return Room{}, err
		}
		if p.Room == "" || strings.HasSuffix(p.Room, "/") {
			return Room{Computers: []string{}}, nil
		}
		return d.Room(p.Room)
	})
}

// severalNames is how many names the audit log writes out.
const severalNames = 6

// several names a few things, and counts the others.
func several(names []string) string {
	if len(names) > severalNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:severalNames-1], ", "), len(names)-severalNames+1)
	}
	return strings.Join(names, ", ")
}

// mayFill refuses a place that the caller may put no computers into: a room, "SITE/" or "" for none.
func (d Desk) mayFill(place string) error {
	site, room := fleet.SiteOf(place), place
	if strings.HasSuffix(room, "/") {
		room = ""
	}
	switch {
	case place == "" || d.c.May(people.ActionRoom, site, room):
		return nil
	case d.c.May(people.ActionSee, site, room):
		return forbidden(place)
	}
	return &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(place, 64)}
}
