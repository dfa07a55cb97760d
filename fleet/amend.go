package fleet

import (
	"context"
	"slices"
)

// Amendment is what people say of a computer; what is nil stays.
type Amendment struct {
	Name, Note *string
	Room       *string   // "SITE/": a site and no room; "": no room
	Tags       *[]string // all that it is to have
}

// Amend changes what people say of an enrolled computer: all of it, or nothing. *RefusedError, of the first of name, note,
// tags and room that cannot be.
func (f *Fleet) Amend(ctx context.Context, ref string, a Amendment, by string) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.findEnrolled(ref)
	if err != nil {
		return c, err
	}
	c, _ = f.computers.get(c.ID) // as it is kept, without what the boot server saw since
	var all Change
	amend := func(changed bool, do func(*Computer) (Event, error)) {
		if err != nil || !changed {
			return
		}
		var e Event
		if e, err = do(&c); err == nil && e.Kind != "" {
			all.Events = append(all.Events, e)
		}
	}
	amend(a.Name != nil && *a.Name != c.Name, func(c *Computer) (Event, error) { return f.rename(c, *a.Name) })
	amend(a.Note != nil && *a.Note != c.Note, func(c *Computer) (Event, error) { return f.annotate(c, *a.Note, by) })
	amend(a.Tags != nil, func(c *Computer) (Event, error) {
		gone := slices.DeleteFunc(slices.Clone(c.Tags), func(t string) bool { return slices.Contains(*a.Tags, t) })
		return f.tag(c, *a.Tags, gone, by)
	})
	amend(a.Room != nil, func(c *Computer) (Event, error) {
		room, site, err := f.destination(*a.Room)
		if *a.Room == "" {
			site = stays(*c)
		}
		was := c.Room
		if err != nil || was == room && (room != "" || c.Site == site) {
			return Event{}, err
		}
		c.Room, c.Site = room, site
		if was != "" {
			all.Rooms = f.withdraw(map[string]map[string]bool{fold(was): {c.ID: true}})
		}
		return f.event("placed", Info, *c, Task{}, "from %q to %q by %s", was, *a.Room, Clean(by, 64)), nil
	})
	if err != nil || len(all.Events) == 0 {
		return c, err
	}
	all.Computers = []Computer{c}
	return c, f.commit(ctx, all)
}
