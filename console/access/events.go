package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// EventFilter chooses events; what is empty does not restrict.
type EventFilter struct {
	Computer string // name, id, code or MAC address
	Job      string
	Site     string
	Room     string // as it was at the time
	Kind     string
	Severity string
	Since    time.Time
	Before   int64 // the next page: only lower numbers
	Limit    int   // 0: 200
}

// The most events of an answer, and of one question to the store.
const (
	usualEvents = 200
	mostEvents  = 1000
)

// event says an event in the words of the wire. Where it tells of a move, it names only rooms that the caller sees.
func (d Desk) event(e fleet.Event) Event {
	if e.Kind == "placed" && !d.c.Everywhere() {
		var from, to, by string
		_, err := fmt.Sscanf(e.Detail, "from %q to %q by %s", &from, &to, &by)
		if err != nil || from != "" && !d.seesRoom(from) || to != "" && !d.seesRoom(to) {
			e.Detail = ""
		}
	}
	return event(e, d.name)
}

// ByTime sorts events by when they happened, newest first. They are kept in the order in which they were told: an agent tells of
// its start when it has started.
func ByTime(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Number, a.Number)) })
}

// Events returns stored events that the caller sees, newest first.
func (d Desk) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	q := fleet.EventQuery{Job: f.Job, Site: f.Site, Room: f.Room, Kind: f.Kind, Severity: fleet.Severity(f.Severity), Since: f.Since,
		Before: f.Before}
	if f.Computer != "" {
		c, err := d.find(f.Computer)
		if err != nil {
			return nil, err
		}
		q.Computer = c.ID
	}
	limit := f.Limit
	if limit <= 0 {
		limit = usualEvents
	}
	limit = min(limit, mostEvents)
	if !d.c.Everywhere() && f.Job == "" { // a job's own events have no place
		if q.Sites, q.Rooms = d.c.Sites, d.c.Rooms; len(q.Sites)+len(q.Rooms) == 0 {
			return []Event{}, nil
		}
	}
	out := []Event{}
	whole := map[string]bool{}
	for q.Limit = limit; ; {
		page, err := d.h.Fleet.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if d.seesEvent(e, whole) && len(out) < limit {
				out = append(out, d.event(e))
			}
			q.Before = e.Number
		}
		if len(page) < q.Limit || len(out) == limit || q.Before == 0 || ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
}

// seesEvent tells whether an event is the caller's to see: what happened to a computer of his where it was his at the time,
// to a room or site of his, or to a job that is whole in his sites. whole remembers which jobs are; it may be nil.
func (d Desk) seesEvent(e fleet.Event, whole map[string]bool) bool {
	switch {
	case d.c.Everywhere():
		return true
	case e.Computer != "":
		return d.c.May(people.ActionSee, e.Site, e.Room) && d.name(e.Computer) != ""
	case e.Room != "" || e.Site != "":
		return d.c.May(people.ActionSee, e.Site, e.Room)
	case e.Job == "":
		return false
	}
	seen, known := whole[e.Job]
	if !known {
		j, err := d.h.Fleet.JobByID(e.Job)
		seen = err == nil && len(j.Tasks) > 0 &&
			!slices.ContainsFunc(j.Tasks, func(t fleet.Task) bool { return d.name(t.Computer) == "" })
		if whole != nil {
			whole[e.Job] = seen
		}
	}
	return seen
}
