package access

import (
	"context"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// Results of entries in the audit log.
const (
	Done    = people.ResultDone
	Refused = people.ResultRefused // understood, and nothing was changed
	Failed  = people.ResultFailed  // something may have been changed
)

// deed is what the audit log says of a change, besides who and when. The place is the one that the thing was in before.
type deed struct {
	action, what string
	site, room   string
	detail       string // of what was done
}

// at says where the thing is that is changed.
func (e *deed) at(d Desk, c fleet.Computer) {
	e.what, e.site, e.room = c.Name, d.h.Fleet.SiteOf(c), c.Room
}

// among says where one more thing is that is changed with others: all are in their room, else their site, else the house.
func (e *deed) among(first bool, site, room string) {
	switch {
	case first:
		e.site, e.room = site, room
	case site != e.site:
		e.site, e.room = people.Whole, ""
	case room != e.room:
		e.room = ""
	}
}

// deedIn says that a room is changed.
func deedIn(action, room string) deed {
	return deed{action: action, what: room, site: fleet.SiteOf(room), room: room}
}

// whole says that the thing is no site's.
func whole(action, what string) deed { return deed{action: action, what: what, site: people.Whole} }

// change does something, and writes down who did what with which result. do may say more of the deed once it knows.
func change[T any](ctx context.Context, d Desk, e deed, do func(e *deed) (T, error)) (T, error) {
	out, err := do(&e)
	d.record(ctx, e, err)
	return out, err
}

// record writes an entry of the audit log. The thing is done or refused already: what goes wrong here is only logged,
// and a client that hung up does not go unrecorded.
func (d Desk) record(ctx context.Context, e deed, err error) {
	if d.h.People == nil {
		return
	}
	if e.site != people.Whole && !d.c.May(people.ActionSee, e.site, e.room) {
		e.site, e.room = people.Whole, "" // who tries doors elsewhere is the administrators' business
	}
	entry := people.Entry{Who: d.c.Login, Via: d.c.Via, Address: d.c.Address, Action: e.action, What: fleet.Clean(e.what, 500),
		Site: e.site, Room: e.room, Result: Done, Detail: fleet.Clean(e.detail, 500)}
	if err != nil {
		wire := ErrorOf(err)
		entry.Result, entry.Detail = Refused, fleet.Clean(wire.Error(), 500)
		if wire.Status >= 500 {
			entry.Result = Failed
		}
	}
	if err := d.h.People.Record(context.WithoutCancel(ctx), entry); err != nil && d.h.Log != nil {
		d.h.Log.Error("writing the audit log", "who", entry.Who, "action", entry.Action, "what", entry.What, "result",
			entry.Result, "error", err)
	}
}
