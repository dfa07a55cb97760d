package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/store"
)

// House is all that can be looked at and changed. Masters is required, the rest may be nil: a bench without computers,
// people or a daemon.
type House struct {
	Fleet    *fleet.Fleet
	Masters  *masters.Library
	People   *people.People // with the audit log; nil: nobody but the caller, and nothing is recorded
	Requests *requests.Requests
	Sessions Sessions
	Rates    Rates
	Post     Post
	Status   func() Status
	Setup    func() Setup
	Running  func(address string) (server, ca string) // what the running system of a computer last seen there is to know
	Helping  func() (servers []string, ca string)     // what a helper is to know
	Doctor   func(ctx context.Context) []Check
	Healer   store.Healer     // what a scrub heals from, unless it is told
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
}

func (h *House) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

// Desk is what one caller may see and do. It is cheap, and good for one request: what the caller may do is fixed in it.
type Desk struct {
	h *House
	c people.Caller
}

// For returns the desk of a caller.
func (h *House) For(c people.Caller) Desk { return Desk{h, c} }

// Caller is who the desk is for.
func (d Desk) Caller() people.Caller { return d.c }

// May tells whether the caller may do something at a place, as people.Caller.May.
func (d Desk) May(a people.Action, site, room string) bool { return d.c.May(a, site, room) }

// by is how the fleet and the masters name the caller.
func (d Desk) by() string { return d.c.Login }

// sees tells whether a computer is in the caller's sites and rooms.
func (d Desk) sees(c fleet.Computer) bool {
	return d.c.May(people.ActionSee, d.h.Fleet.SiteOf(c), c.Room)
}

// seesRoom tells whether a room is one of the caller's.
func (d Desk) seesRoom(name string) bool { return d.c.May(people.ActionSee, fleet.SiteOf(name), name) }

// find returns a computer that the caller sees.
func (d Desk) find(ref string) (fleet.Computer, error) {
	c, err := d.h.Fleet.Find(ref)
	var refused *fleet.RefusedError
	switch {
	case err == nil && d.sees(c):
		return c, nil
	case errors.As(err, &refused) && refused.Code == fleet.CodeSeveral && d.c.Everywhere():
		return c, err
	}
	return fleet.Computer{}, &fleet.RefusedError{Code: fleet.CodeNoComputer, What: fleet.Clean(ref, 64)}
}

// name is the name of the computer with an id, if the caller sees it; of one that is gone, the id, to who sees everything.
func (d Desk) name(id string) string {
	c, err := d.h.Fleet.Find(id)
	switch gone := err != nil || c.ID != id; {
	case !gone && d.sees(c):
		return c.Name
	case gone && d.c.Everywhere():
		return id
	}
	return ""
}

// findFor returns a computer that the caller sees and may do something with, and names it in the deed.
func (d Desk) findFor(a people.Action, ref string, e *deed) (fleet.Computer, error) {
	c, err := d.find(ref)
	if err == nil {
		e.at(d, c)
		err = d.mayOn(a, c)
	}
	return c, err
}

// mayOn refuses what the caller may not do with a computer that he sees.
func (d Desk) mayOn(a people.Action, c fleet.Computer) error {
	if !d.c.May(a, d.h.Fleet.SiteOf(c), c.Room) {
		return forbidden(c.Name)
	}
	return nil
}

// mayWhole refuses what belongs to the house as a whole to who may not do it there.
func (d Desk) mayWhole(a people.Action, what string) error {
	if !d.c.May(a, people.Whole, "") {
		return forbidden(what)
	}
	return nil
}

// Status is what the daemon says of itself.
func (d Desk) Status() (Status, error) {
	if err := d.mayWhole(people.ActionHealth, "status"); err != nil || d.h.Status == nil {
		return Status{}, err
	}
	return d.h.Status(), nil
}

// Doctor looks around.
func (d Desk) Doctor(ctx context.Context) ([]Check, error) {
	if err := d.mayWhole(people.ActionHealth, "doctor"); err != nil || d.h.Doctor == nil {
		return []Check{}, err
	}
	return d.h.Doctor(ctx), nil
}
