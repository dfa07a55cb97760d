package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// owedEvery is how often those that were busy, and are not any more, get their task while others are still busy: one job for
// many is read more easily, and sent more cheaply, than one for each.
const owedEvery = 10 * time.Minute

// giveSchedules gives the orders of the schedules whose windows have begun, and what is owed to who was busy then.
func (f *Fleet) giveSchedules(ctx context.Context) error {
	now := f.o.Now().In(f.o.Zone)
	var errs []error
	for _, s := range f.Schedules() {
		day, begins := s.last(now)
		if !begins && (s.Owed == nil || f.patient(s, now)) {
			continue
		}
		t := turn{Schedule: s, f: f, now: now, begins: begins}
		if begins {
			t.Done = day.Format(time.DateOnly)
			_, t.end = t.window(day)
		} else {
			t.end = t.until(f.o.Zone)
		}
		errs = append(errs, t.give(ctx, s))
	}
	return errors.Join(errs...)
}

// until is when the window ends that a schedule used last.
func (s Schedule) until(zone *time.Location) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, s.Done, zone)
	if err != nil {
		return time.Time{}
	}
	_, end := s.window(day.Add(12 * time.Hour))
	return end
}

// turn is what a schedule does at one moment.
type turn struct {
	Schedule
	f      *Fleet
	now    time.Time // in Options.Zone
	end    time.Time // of the window
	begins bool      // else it gives what is owed
	events []Event
}

// patient tells whether a schedule that owes something has nothing to do yet: some are still busy, and others were given
// theirs a moment ago.
func (f *Fleet) patient(s Schedule, now time.Time) bool {
	left := s.until(f.o.Zone).Sub(now)
	return left > owedEvery && now.Sub(s.Owed.Given) < owedEvery && slices.ContainsFunc(s.Owed.Computers, func(id string) bool {
		_, _, why := f.clash(Computer{ID: id}, time.Time{})
		return why != nil
	})
}

// tell adds an event.
func (t *turn) tell(severity Severity, format string, args ...any) {
	t.events = append(t.events, t.f.event("schedule", severity, Computer{}, Task{}, "%s: %s", t.Name, fmt.Sprintf(format, args...)))
}

// keep keeps the schedule as it is after this turn.
func (t *turn) keep(ctx context.Context) error {
	return t.f.commit(ctx, Change{Schedules: []Schedule{t.Schedule}, Events: t.events})
}

// give gives a schedule's order, and keeps in the same decision that it was. before is the schedule as it was: who changes
// it meanwhile has the last word.
func (t *turn) give(ctx context.Context, before Schedule) error {
	f := t.f
	o, err := f.orderOf(t.Schedule) // masters are read before anybody has to wait for it
	if err == nil && o.relate != nil {
		var others []string
		for _, s := range f.Sessions() {
			others = append(others, s.Manifests...)
		}
		o.Related = o.relate(others)
	}
	f.deciding.Lock()
	defer f.deciding.Unlock()
	if !reflect.DeepEqual(f.schedules[fold(t.ID)], before) {
		return nil
	}
	if t.begins && before.Owed != nil || !t.now.Before(t.end) {
		t.letPass()
	}
	left := t.end.Sub(t.now)
	switch {
	case t.begins && t.Paused, !t.begins && t.Owed == nil:
		return t.keep(ctx)
	case left <= 0:
		t.tell(Warning, "the server was not there during its window, so nothing is ordered")
		return t.keep(ctx)
	}
	var refused *RefusedError
	if err == nil {
		o.Within, o.schedule = left, t.ID
		err = t.order(ctx, o)
	}
	if errors.As(err, &refused) {
		t.Owed = nil
		t.tell(Warning, "nothing could be ordered: %v", refused)
		return t.keep(ctx)
	}
	return err
}

// order makes a job for those who are free, and owes theirs to those whom another order keeps busy.
func (t *turn) order(ctx context.Context, o Order) error {
	plan, err := t.f.Plan(o)
	if err != nil {
		return err
	}
	var free, busy []string
	var waiting []Planned
	for _, p := range plan {
		id := p.Computer.ID
		switch {
		case !t.begins && !slices.Contains(t.Owed.Computers, id):
		case p.Conflict != nil && p.Refusal != nil && p.Refusal.Code == CodeBusy:
			busy, waiting = append(busy, id), append(waiting, p)
		default:
			free = append(free, id)
		}
	}
	if !t.begins && len(free) == 0 && len(busy) == len(t.Owed.Computers) {
		return nil
	}
	if t.begins && len(busy) > 0 {
		t.tell(Info, "%s; they wait until %s", conflicts(waiting), t.end.Format(minute))
	}
	given := t.now
	if !t.begins && len(free) == 0 {
		given = t.Owed.Given
	}
	if t.Owed = nil; len(busy) > 0 {
		t.Owed = &Owed{Computers: busy, Given: given}
	}
	if len(free) == 0 {
		return t.keep(ctx)
	}
	o.Computers, o.Rooms, o.Sites, o.Filter = free, nil, nil, ""
	_, err = t.f.give(ctx, o, Change{Schedules: []Schedule{t.Schedule}, Events: t.events})
	var refused *RefusedError
	if errors.As(err, &refused) && len(busy) > 0 { // those who wait may still take it
		t.tell(Warning, "nothing could be ordered for the others: %v", refused)
		return t.keep(ctx)
	}
	return err
}

// letPass forgets what is owed, and names who got nothing and what kept them.
func (t *turn) letPass() {
	if t.Owed == nil {
		return
	}
	var left []Planned
	for _, id := range t.Owed.Computers {
		c, ok := t.f.computers.get(id)
		if !ok {
			continue
		}
		p := Planned{Computer: c}
		p.Conflict, _, _ = t.f.clash(c, time.Time{})
		left = append(left, p)
	}
	if t.Owed = nil; len(left) > 0 {
		t.tell(Warning, "its window is over, and nothing was ordered for who was busy: %s", conflicts(left))
	}
}

// conflicts names computers by the order that keeps them: "job 12 (deploy by marie) keeps pc1, pc2".
func conflicts(ps []Planned) string {
	const shown = 5
	by := map[string][]string{}
	var order, parts []string
	for _, p := range ps {
		what := "nothing any more"
		if x := p.Conflict; x != nil {
			what = fmt.Sprintf("job %s (%s by %s)", x.Job, x.Kind, x.By)
		}
		if by[what] == nil {
			order = append(order, what)
		}
		by[what] = append(by[what], p.Computer.Name)
	}
	for _, what := range order[:min(len(order), shown)] {
		parts = append(parts, what+" keeps "+someOf(by[what]))
	}
	if len(order) > shown {
		parts = append(parts, fmt.Sprintf("%d more orders keep others", len(order)-shown))
	}
	return strings.Join(parts, "; ")
}
