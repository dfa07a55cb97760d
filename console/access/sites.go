package access

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// wireSite says a site in the words of the wire. Who has only rooms of it is told no more than its name.
func (d Desk) wireSite(s fleet.Site) Site {
	return d.siteWith(s, d.roomNames()[strings.ToLower(s.Name)])
}

// roomNames are the names of the rooms that the caller sees, by site in small letters.
func (d Desk) roomNames() map[string][]string {
	out := map[string][]string{}
	for _, r := range d.h.Fleet.Rooms() {
		if d.seesRoom(r.Name) {
			site := strings.ToLower(fleet.SiteOf(r.Name))
			out[site] = append(out[site], r.Name)
		}
	}
	return out
}

func (d Desk) siteWith(s fleet.Site, rooms []string) Site {
	out := Site{Name: s.Name, Title: s.Title, Rooms: rooms}
	if d.c.May(people.ActionSee, s.Name, "") {
		out.Mail = s.Mail
		for _, n := range s.Networks {
			out.Networks = append(out.Networks, n.String())
		}
	}
	return out
}

// Sites lists the sites that the caller sees, or sees rooms of, by name.
func (d Desk) Sites() ([]Site, error) {
	rooms := d.roomNames()
	out := []Site{}
	for _, s := range d.h.Fleet.Sites() {
		if x := d.siteWith(s, rooms[strings.ToLower(s.Name)]); len(x.Rooms) > 0 || d.c.May(people.ActionSee, s.Name, "") {
			out = append(out, x)
		}
	}
	return out, nil
}

// Site returns one site.
func (d Desk) Site(name string) (Site, error) {
	all, _ := d.Sites()
	if i := slices.IndexFunc(all, func(s Site) bool { return strings.EqualFold(s.Name, name) }); i >= 0 {
		return all[i], nil
	}
	return Site{}, &fleet.RefusedError{Code: fleet.CodeNoSite, What: fleet.Clean(name, 64)}
}

// SetSite makes or changes a site.
func (d Desk) SetSite(ctx context.Context, name string, c SiteChange) (Site, error) {
	return change(ctx, d, deed{action: "site set", what: name, site: name}, func(*deed) (Site, error) {
		if err := d.mayWhole(people.ActionSite, name); err != nil {
			return Site{}, err
		}
		s, err := d.h.Fleet.Site(name)
		if err != nil {
			s = fleet.Site{Name: name}
		}
		set(&s.Title, c.Title)
		set(&s.Mail, c.Mail)
		if c.Networks != nil {
			s.Networks = nil
			for _, text := range *c.Networks {
				n, err := netip.ParsePrefix(text)
				if err != nil {
					return Site{}, &fleet.RefusedError{Code: fleet.CodeBadSite, What: fleet.Clean(name, 64),
						Detail: fleet.Clean(text, 64) + " is no network like 10.1.0.0/16"}
				}
				s.Networks = append(s.Networks, n)
			}
		}
		if s, err = d.h.Fleet.SetSite(ctx, s, d.by()); err != nil {
			return Site{}, err
		}
		return d.wireSite(s), nil
	})
}

// bound names the people who are bound to a place: without it they would be technicians of all sites, or teachers of none.
func (d Desk) bound(site, room string) error {
	if d.h.People == nil {
		return nil
	}
	var logins []string
	for _, x := range d.h.People.Bound(site, room) {
		logins = append(logins, x.Login)
	}
	switch {
	case len(logins) == 0:
		return nil
	case !d.c.May(people.ActionPeople, people.Whole, ""):
		return conflict("place-has-people", site+room, "people")
	}
	return conflict("place-has-people", site+room, strings.Join(logins, ", "))
}

// ForgetSite removes a site that has neither rooms nor computers, and that nobody is bound to.
func (d Desk) ForgetSite(ctx context.Context, name string) (Site, error) {
	return change(ctx, d, deed{action: "site forget", what: name, site: name}, func(*deed) (Site, error) {
		if err := d.mayWhole(people.ActionSite, name); err != nil {
			return Site{}, err
		}
		if err := d.bound(name, ""); err != nil {
			return Site{}, err
		}
		s, err := d.h.Fleet.ForgetSite(ctx, name, d.by())
		if err != nil {
			return Site{}, err
		}
		return d.wireSite(s), nil
	})
}

// seesFilter tells whether a saved filter is for the caller's eyes: his own, and those of people who see everything. What
// others ask about their own sites may name what is there.
func (d Desk) seesFilter(f fleet.SavedFilter) bool {
	if d.c.Everywhere() || f.By == d.c.Login {
		return true
	}
	if d.h.People == nil {
		return false
	}
	x, err := d.h.People.Find(f.By)
	return err == nil && people.Caller{Role: x.Role, Sites: x.Sites, Rooms: x.Rooms}.Everywhere()
}

// Filters lists saved filters, by name.
func (d Desk) Filters() ([]Filter, error) {
	out := []Filter{}
	for _, f := range d.h.Fleet.Filters() {
		if d.seesFilter(f) {
			out = append(out, Filter{Name: f.Name, Query: f.Query, By: f.By})
		}
	}
	return out, nil
}

// mayFilter refuses who may not save filters, or whose name for one is somebody else's.
func (d Desk) mayFilter(name string) error {
	if err := d.mayWhole(people.ActionFilter, name); err != nil {
		return err
	}
	for _, f := range d.h.Fleet.Filters() {
		if strings.EqualFold(f.Name, name) && f.By != d.c.Login && !d.c.Everywhere() {
			return conflict("filter-taken", fleet.Clean(name, 64), "")
		}
	}
	return nil
}

// SaveFilter keeps a filter, in place of one's own with its name.
func (d Desk) SaveFilter(ctx context.Context, f Filter) (Filter, error) {
	return change(ctx, d, whole("filter save", f.Name), func(*deed) (Filter, error) {
		if err := d.mayFilter(f.Name); err != nil {
			return Filter{}, err
		}
		x, err := d.h.Fleet.SaveFilter(ctx, fleet.SavedFilter{Name: f.Name, Query: f.Query, By: d.by()})
		return Filter{Name: x.Name, Query: x.Query, By: x.By}, err
	})
}

// ForgetFilter removes a saved filter.
func (d Desk) ForgetFilter(ctx context.Context, name string) (Filter, error) {
	return change(ctx, d, whole("filter forget", name), func(*deed) (Filter, error) {
		if err := d.mayFilter(name); err != nil {
			return Filter{}, err
		}
		x, err := d.h.Fleet.ForgetFilter(ctx, name)
		return Filter{Name: x.Name, Query: x.Query, By: x.By}, err
	})
}
