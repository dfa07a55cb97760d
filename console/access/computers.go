package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// wire says a computer in the words of the wire, with its task that is not over.
func (d Desk) wire(c fleet.Computer) Computer {
	out := computer(c)
	out.Site, out.OfflineReset = d.h.Fleet.SiteOf(c), d.h.Fleet.Offline(c)
	if _, t, ok := d.h.Fleet.Current(c.ID); ok && t.Active() {
		x := task(t, d.name)
		out.Task = &x
	}
	if c.State == fleet.Pending && hidden(d, c, c.Name) {
		out.Name = c.ID
	}
	if twin, err := d.twin(c); err == nil {
		out.Twin = &Twin{Name: twin.Name, Site: d.h.Fleet.SiteOf(twin), Room: twin.Room}
	}
	if at, astray := d.h.Fleet.Astray(c); astray && d.c.May(people.ActionSee, at, "") {
		out.SeenAt = at
	}
	return out
}

// twin is the computer of another site that a pending one looks like, if the caller sees it.
func (d Desk) twin(c fleet.Computer) (fleet.Computer, error) {
	if c.Twin != "" {
		if twin, err := d.find(c.Twin); err == nil {
			return twin, nil
		}
	}
	return fleet.Computer{}, &fleet.RefusedError{Code: fleet.CodeNoTwin, What: c.Name}
}

// selected lists the computers that a query of package filter matches and the caller sees, by name.
func (d Desk) selected(query string) ([]fleet.Computer, error) {
	all, err := d.h.Fleet.Select(query)
	return slices.DeleteFunc(all, func(c fleet.Computer) bool { return !d.sees(c) }), err
}

// Computers lists the computers that a query of package filter matches and the caller sees, by name; "" matches all.
func (d Desk) Computers(query string) ([]Computer, error) {
	found, err := d.selected(query)
	if err != nil {
		return nil, err
	}
	out := make([]Computer, 0, len(found))
	for _, c := range found {
		out = append(out, d.wire(c))
	}
	return out, nil
}

// maxShown is how many events a computer is shown with.
const maxShown = 50

// Computer returns one computer by its name, id, code or MAC address, with its newest events.
func (d Desk) Computer(ref string) (Computer, error) {
	c, err := d.find(ref)
	if err != nil {
		return Computer{}, err
	}
	out := d.wire(c)
	for _, e := range d.h.Fleet.Recent(c.ID) {
		if len(out.Events) < maxShown && d.seesEvent(e, nil) {
			out.Events = append(out.Events, d.event(e))
		}
	}
	ByTime(out.Events)
	return out, nil
}

// Pending lists the computers that wait for approval, then those that were only seen.
func (d Desk) Pending() ([]Computer, error) {
	out := []Computer{}
	all, _ := d.sights("", nil) // the empty query is understood
	for _, s := range all {
		if s.Computer.State == fleet.Pending || s.Computer.State == fleet.Unknown {
			out = append(out, d.wire(s.Now()))
		}
	}
	slices.SortStableFunc(out, func(a, b Computer) int { return strings.Compare(a.State, b.State) }) // pending, unknown
	return out, nil
}

// approval makes of a wire approval one that the fleet understands, if the caller may give it.
func (d Desk) approval(a Approve, e *deed) (fleet.Approval, error) {
	x, err := d.find(a.Code)
	switch {
	case err == nil && x.Code != "" && x.Code == a.Code:
		e.at(d, x)
		err = d.mayOn(people.ActionEnrol, x)
	case !d.c.Everywhere(): // it waits elsewhere, or nowhere
		err = &fleet.RefusedError{Code: fleet.CodeWrongCode, What: fleet.Clean(a.Code, 16)}
	default: // the fleet counts wrong codes
		err = d.mayOn(people.ActionEnrol, fleet.Computer{})
	}
	if err == nil && a.Room != "" {
		err = d.mayRoom(people.ActionEnrol, a.Room)
	}
	if name := a.Name; err == nil {
		if name == "" {
			name = x.Name
		}
		err = d.mayTake(x, name)
	}
	if err == nil && a.Moved { // it leaves a site
		var twin fleet.Computer
		if twin, err = d.twin(x); err == nil {
			err = d.mayOn(people.ActionEnrol, twin)
		}
	}
	return fleet.Approval{Code: a.Code, Name: a.Name, Room: a.Room, Moved: a.Moved, By: d.by()}, err
}

// mayTake refuses a name that belongs to a computer which the caller does not see: approved by that name, one that looks
// like it would become it.
func (d Desk) mayTake(x fleet.Computer, name string) error {
	if hidden(d, x, name) {
		return &fleet.RefusedError{Code: fleet.CodeNameTaken, What: fleet.Clean(name, 64)}
	}
	return nil
}

// hidden tells whether a name that is proposed for a computer is another's which the caller does not see.
func hidden(d Desk, x fleet.Computer, name string) bool {
	other, err := d.h.Fleet.Find(name)
	return err == nil && other.ID != x.ID && !d.sees(other)
}

// Approve enrols the computer that shows a code.
func (d Desk) Approve(ctx context.Context, a Approve) (Computer, error) {
	return change(ctx, d, deed{action: "computer approve", what: a.Name}, func(e *deed) (Computer, error) {
		p, err := d.approval(a, e)
		if err != nil {
			return Computer{}, err
		}
		c, err := d.h.Fleet.Approve(ctx, p)
		if err != nil {
			return Computer{}, err
		}
		e.at(d, c)
		return d.wire(c), nil
	})
}

// ApproveAll enrols several computers by the codes that they show.
func (d Desk) ApproveAll(ctx context.Context, all []Approve) ([]Computer, error) {
	return change(ctx, d, deed{action: "computer approve"}, func(e *deed) ([]Computer, error) {
		var ps []fleet.Approval
		for _, a := range all {
			p, err := d.approval(a, e)
			if err != nil {
				return nil, err
			}
			ps = append(ps, p)
		}
		approved, err := d.h.Fleet.ApproveAll(ctx, ps)
		out := []Computer{}
		var names []string
		for _, c := range approved {
			out = append(out, d.wire(c))
			names = append(names, c.Name)
		}
		e.what = strings.Join(names, ", ")
		if err != nil && len(names) > 0 { // these are enrolled, whatever became of the others
			d.record(ctx, *e, nil)
			e.what = fmt.Sprintf("others: %d", len(ps)-len(names))
		}
		return out, err
	})
}

// Change does a verb with one computer: refuse, rename, rekey, chainload, note or wake.
func (d Desk) Change(ctx context.Context, ref, verb string, body Change) (Computer, error) {
	var woken fleet.Woken
	verbs := map[string]struct {
		may people.Action
		do  func(id string) (fleet.Computer, error)
	}{
		"refuse":    {people.ActionEnrol, func(id string) (fleet.Computer, error) { return d.h.Fleet.Refuse(ctx, id, d.by()) }},
		"rename":    {people.ActionComputer, func(id string) (fleet.Computer, error) { return d.h.Fleet.Rename(ctx, id, body.Name) }},
		"rekey":     {people.ActionEnrol, func(id string) (fleet.Computer, error) { return d.h.Fleet.Rekey(ctx, id, d.by()) }},
		"chainload": {people.ActionComputer, func(id string) (fleet.Computer, error) { return d.h.Fleet.SetChainload(ctx, id, body.On) }},
		"note":      {people.ActionComputer, func(id string) (fleet.Computer, error) { return d.h.Fleet.Annotate(ctx, id, body.Note, d.by()) }},
		"wake":      {people.ActionWake, func(id string) (fleet.Computer, error) { return d.wake(ctx, id, &woken) }},
	}
	v, ok := verbs[verb]
	if !ok {
		return Computer{}, notFound("no-route", verb)
	}
	return change(ctx, d, deed{action: "computer " + verb, what: ref}, func(e *deed) (Computer, error) {
		c, err := d.findFor(v.may, ref, e)
		if err != nil {
			return Computer{}, err
		}
		if c, err = v.do(c.ID); err != nil {
			return Computer{}, err
		}
		out := d.wire(c)
		out.Woken, out.Asleep = woken.How, woken.Lack
		return out, nil
	})
}

func (d Desk) wake(ctx context.Context, id string, how *fleet.Woken) (fleet.Computer, error) {
	woken, err := d.h.Fleet.WakeNow(ctx, []string{id}, d.by())
	if len(woken) > 0 {
		*how = woken[0]
	}
	return how.Computer, err
}

// several finds the computers of a change that is for all of them or none.
func (d Desk) several(a people.Action, refs []string, e *deed) ([]string, error) {
	var ids, names []string
	for _, ref := range refs {
		c, err := d.findFor(a, ref, e)
		if err != nil {
			return nil, err
		}
		ids, names = append(ids, c.ID), append(names, c.Name)
	}
	if len(names) > 1 {
		e.what = strings.Join(names, ", ")
	}
	return ids, nil
}

// Tag gives computers tags and takes others from them; all, or none.
func (d Desk) Tag(ctx context.Context, t Tagging) ([]Computer, error) {
	return change(ctx, d, deed{action: "computer tag"}, func(e *deed) ([]Computer, error) {
		ids, err := d.several(people.ActionComputer, t.Computers, e)
		if err != nil {
			return nil, err
		}
		changed, err := d.h.Fleet.Label(ctx, ids, t.Add, t.Remove, d.by())
		out := []Computer{}
		for _, c := range changed {
			out = append(out, d.wire(c))
		}
		return out, err
	})
}

// Token makes the token of a computer's running system, or revokes it. It is told once.
func (d Desk) Token(ctx context.Context, ref string, o TokenOrder) (job.RunningToken, error) {
	verb := "computer token"
	if o.Revoke {
		verb += " revoke"
	}
	return change(ctx, d, deed{action: verb, what: ref}, func(e *deed) (job.RunningToken, error) {
		c, err := d.findFor(people.ActionComputer, ref, e)
		if err != nil {
			return job.RunningToken{}, err
		}
		if o.Revoke {
			c, err := d.h.Fleet.RevokeToken(ctx, c.ID, d.by())
			return job.RunningToken{Computer: c.Name}, err
		}
		if d.h.Running == nil {
			return job.RunningToken{}, conflict("internal", "", "this server has no address for running systems")
		}
		token, c, err := d.h.Fleet.MakeToken(ctx, c.ID, d.by())
		if err != nil {
			return job.RunningToken{}, err
		}
		out := job.RunningToken{Computer: c.Name, Token: token}
		out.Server, out.CA = d.h.Running(c.Address)
		return out, nil
	})
}

// Windows lists the enrolment windows that are open in the caller's rooms.
func (d Desk) Windows() ([]Window, error) {
	out := []Window{}
	for _, w := range d.h.Fleet.Enrolment() {
		if d.seesRoom(w.Room) {
			out = append(out, Window{Room: w.Room, Until: w.Until, Count: w.Count, Used: w.Used, By: w.By})
		}
	}
	return out, nil
}

// OpenWindow lets computers into a room without a code to be compared.
func (d Desk) OpenWindow(ctx context.Context, w WindowOrder) ([]Window, error) {
	return change(ctx, d, deedIn("enrolment open", w.Room), func(*deed) ([]Window, error) {
		if err := d.mayRoom(people.ActionEnrol, w.Room); err != nil {
			return nil, err
		}
		if err := d.h.Fleet.OpenEnrolment(ctx, w.Room, d.h.now().Add(time.Duration(w.Minutes)*time.Minute), w.Count, d.by()); err != nil {
			return nil, err
		}
		return d.Windows()
	})
}

// CloseWindow ends a room's enrolment window.
func (d Desk) CloseWindow(ctx context.Context, room string) ([]Window, error) {
	return change(ctx, d, deedIn("enrolment close", room), func(*deed) ([]Window, error) {
		if err := d.mayRoom(people.ActionEnrol, room); err != nil {
			return nil, err
		}
		if err := d.h.Fleet.CloseEnrolment(ctx, room, d.by()); err != nil {
			return nil, err
		}
		return d.Windows()
	})
}
