package access

import (
	"context"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Amend changes what people say of a computer: its name, note, tags and room, all of what is given or nothing.
func (d Desk) Amend(ctx context.Context, ref string, a fleet.Amendment) (Computer, error) {
	return change(ctx, d, deed{action: "computer amend", what: ref}, func(e *deed) (Computer, error) {
		c, err := d.findFor(people.ActionComputer, ref, e)
		if err == nil && a.Room != nil && *a.Room != c.Room {
			if err = d.mayFill(*a.Room); err == nil {
				err = d.mayOn(people.ActionRoom, c)
			}
		}
		if err != nil {
			return Computer{}, err
		}
		if c, err = d.h.Fleet.Amend(ctx, c.ID, a, d.by()); err != nil {
			return Computer{}, err
		}
		return d.wire(c), nil
	})
}

// Whereabouts finds a computer that the caller sees: its id and its room. A page with hundreds of names asks for nothing more.
func (d Desk) Whereabouts(ref string) (id, room string, known bool) {
	c, err := d.find(ref)
	return c.ID, c.Room, err == nil
}
