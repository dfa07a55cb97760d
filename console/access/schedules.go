package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// weekdays are the days of a week by the number of time.Weekday.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func (d Desk) wireSchedule(s fleet.Schedule) Schedule {
	o := s.Order
	out := Schedule{ID: s.ID, Name: s.Name, Days: []string{}, At: s.At, Until: s.Until, By: s.By, Paused: s.Paused, Done: s.Done,
		Next: moment(d.h.Fleet.NextRun(s)), Order: ScheduledOrder{Kind: o.Kind, Rooms: o.Rooms, Sites: o.Sites, Filter: o.Filter,
			Master: o.Master, Level: o.Level, Ending: o.Ending, Retries: o.Retries, Wake: o.Wake, Script: o.Script, Countdown: o.Countdown, Disk: o.Disk}}
	for _, day := range s.Days {
		out.Days = append(out.Days, weekdays()[day])
	}
	for _, id := range o.Computers {
		if name := d.name(id); name != "" {
			out.Order.Computers = append(out.Order.Computers, name)
		}
	}
	if s.Owed != nil {
		for _, id := range s.Owed.Computers {
			if name := d.name(id); name != "" {
				out.Waiting = append(out.Waiting, name)
			}
		}
	}
	return out
}

// mayOrder tells whether the caller may do something with all that a schedule means, now and later: what a query will mean
// nobody knows, so it is for who may do it everywhere.
func (d Desk) mayOrder(a people.Action, o fleet.ScheduledOrder) bool {
	if d.c.Everywhere() && (d.c.May(a, people.Whole, "") || d.c.May(a, "", "")) {
		return true
	}
	return o.Filter == "" &&
		!slices.ContainsFunc(o.Sites, func(site string) bool { return !d.c.May(a, site, "") }) &&
		!slices.ContainsFunc(o.Rooms, func(room string) bool { return !d.c.May(a, fleet.SiteOf(room), room) }) &&
		!slices.ContainsFunc(o.Computers, func(id string) bool {
			c, err := d.find(id)
			return err != nil || d.mayOn(a, c) != nil
		})
}

// scheduledAction is ActionOf for what a schedule orders.
func scheduledAction(o fleet.ScheduledOrder) people.Action {
	return actionOf(o.Kind, o.Master != "" || o.Disk != (job.DiskRule{}))
}

// Schedules lists the schedules that concern nothing but the caller's places, by name.
func (d Desk) Schedules() ([]Schedule, error) {
	out := []Schedule{}
	for _, s := range d.h.Fleet.Schedules() {
		if d.mayOrder(people.ActionSee, s.Order) {
			out = append(out, d.wireSchedule(s))
		}
	}
	return out, nil
}

// schedule returns a schedule that the caller sees.
func (d Desk) schedule(id string) (fleet.Schedule, error) {
	s, err := d.h.Fleet.Schedule(id)
	if err == nil && !d.mayOrder(people.ActionSee, s.Order) {
		err = &fleet.RefusedError{Code: fleet.CodeNoSchedule, What: fleet.Clean(id, 32)}
	}
	return s, err
}

// Schedule returns one schedule.
func (d Desk) Schedule(id string) (Schedule, error) {
	s, err := d.schedule(id)
	if err != nil {
		return Schedule{}, err
	}
	return d.wireSchedule(s), nil
}

// unwired makes of a schedule on the wire one that the fleet understands.
func (d Desk) unwired(s Schedule) (fleet.Schedule, error) {
	o := s.Order
	out := fleet.Schedule{ID: s.ID, Name: s.Name, At: s.At, Until: s.Until, Paused: s.Paused, Order: fleet.ScheduledOrder{Kind: o.Kind,
		Rooms: o.Rooms, Sites: o.Sites, Filter: o.Filter, Master: o.Master, Level: o.Level, Ending: o.Ending, Retries: o.Retries,
		Wake: o.Wake, Script: o.Script, Countdown: o.Countdown, Disk: o.Disk}}
	for _, day := range s.Days {
		i := slices.Index(weekdays(), strings.ToLower(day))
		if i < 0 {
			return out, &fleet.RefusedError{Code: fleet.CodeBadSchedule, What: fleet.Clean(s.Name, 64),
				Detail: fleet.Clean(day, 16) + " is no day; days are " + strings.Join(weekdays(), ", ")}
		}
		out.Days = append(out.Days, time.Weekday(i))
	}
	for _, ref := range o.Computers {
		c, err := d.find(ref)
		if err != nil {
			return out, err
		}
		out.Order.Computers = append(out.Order.Computers, c.ID)
	}
	return out, nil
}

// SetSchedule keeps a schedule; one without an id is new.
func (d Desk) SetSchedule(ctx context.Context, wanted Schedule) (Schedule, error) {
	return change(ctx, d, d.deedOf("schedule set", wanted.Name, fleet.ScheduledOrder{Rooms: wanted.Order.Rooms, Sites: wanted.Order.Sites}),
		func(*deed) (Schedule, error) {
			if wanted.ID != "" {
				old, err := d.schedule(wanted.ID)
				if err != nil {
					return Schedule{}, err
				}
				if !d.mayOrder(scheduledAction(old.Order), old.Order) {
					return Schedule{}, forbidden(old.Name)
				}
			}
			s, err := d.unwired(wanted)
			switch {
			case err != nil:
				return Schedule{}, err
			case !d.mayOrder(people.ActionSee, s.Order):
				return Schedule{}, &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(strings.Join(s.Order.Rooms, ", "), 64)}
			case !d.mayOrder(scheduledAction(s.Order), s.Order):
				return Schedule{}, forbidden(s.Name)
			}
			if s, err = d.h.Fleet.SetSchedule(ctx, s, d.by()); err != nil {
				return Schedule{}, err
			}
			return d.wireSchedule(s), nil
		})
}

// deedOf is the deed of a schedule: in its room or site if it is for one alone.
func (d Desk) deedOf(action, what string, o fleet.ScheduledOrder) deed {
	switch {
	case len(o.Rooms) == 1 && len(o.Sites) == 0:
		e := deedIn(action, o.Rooms[0])
		e.what = what
		return e
	case len(o.Sites) == 1 && len(o.Rooms) == 0:
		return deed{action: action, what: what, site: o.Sites[0]}
	}
	return whole(action, what)
}

// ChangeSchedule pauses, resumes or forgets a schedule; what it has ordered goes on.
func (d Desk) ChangeSchedule(ctx context.Context, id, verb string) (Schedule, error) {
	s, err := d.schedule(id)
	e := d.deedOf("schedule "+verb, "schedule "+id, s.Order)
	return change(ctx, d, e, func(*deed) (Schedule, error) {
		if err == nil && !d.mayOrder(scheduledAction(s.Order), s.Order) {
			err = forbidden(s.Name)
		}
		if err != nil {
			return Schedule{}, err
		}
		switch verb {
		case "pause", "resume":
			s.Paused = verb == "pause"
			s, err = d.h.Fleet.SetSchedule(ctx, s, d.by())
		case "forget":
			s, err = d.h.Fleet.ForgetSchedule(ctx, id, d.by())
		default:
			err = notFound("no-route", verb)
		}
		if err != nil {
			return Schedule{}, err
		}
		return d.wireSchedule(s), nil
	})
}
