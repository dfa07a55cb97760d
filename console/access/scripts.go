package access

import (
	"context"
	"slices"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// wireScript says a script in the words of the wire; its text is for who may write scripts or order that they run.
func (d Desk) wireScript(s fleet.Script) Script {
	out := Script{Hash: s.Hash, Name: s.Name, By: s.By, ApprovedBy: s.ApprovedBy, Limit: s.Limit, Writes: s.Writes, Created: s.Created}
	if d.c.Role == people.Administrator || d.c.Role == people.Technician {
		out.Text = s.Text
	}
	return out
}

// Scripts lists the scripts, by name.
func (d Desk) Scripts() ([]Script, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "scripts"); err != nil {
		return nil, err
	}
	out := []Script{}
	for _, s := range d.h.Fleet.Scripts() {
		out = append(out, d.wireScript(s))
	}
	return out, nil
}

// AddScript keeps a script, to be approved.
func (d Desk) AddScript(ctx context.Context, s Script) (Script, error) {
	return change(ctx, d, whole("script add", s.Name), func(*deed) (Script, error) {
		if err := d.mayWhole(people.ActionAddScript, s.Name); err != nil {
			return Script{}, err
		}
		x, err := d.h.Fleet.AddScript(ctx, fleet.Script{Name: s.Name, Text: s.Text, Limit: s.Limit, Writes: s.Writes, By: d.by()})
		if err != nil {
			return Script{}, err
		}
		return d.wireScript(x), nil
	})
}

// ApproveScript lets computers run a script: who wrote it may not, unless there is no other administrator.
func (d Desk) ApproveScript(ctx context.Context, hash string) (Script, error) {
	return change(ctx, d, whole("script approve", hash), func(e *deed) (Script, error) {
		if err := d.mayWhole(people.ActionAddScript, hash); err != nil {
			return Script{}, err
		}
		s, err := d.h.Fleet.ApproveScript(ctx, hash, d.by(), d.alone())
		if err != nil {
			return Script{}, err
		}
		e.what = s.Name + " " + s.Hash
		return d.wireScript(s), nil
	})
}

// alone tells whether there is no administrator but the caller.
func (d Desk) alone() bool {
	return d.h.People == nil || !slices.ContainsFunc(d.h.People.List(), func(x people.Person) bool {
		return x.Role == people.Administrator && x.CanEnter() && x.Login != d.c.Login
	})
}

// ForgetScript removes a script that nothing is about to run.
func (d Desk) ForgetScript(ctx context.Context, hash string) (Script, error) {
	return change(ctx, d, whole("script forget", hash), func(*deed) (Script, error) {
		if err := d.mayWhole(people.ActionAddScript, hash); err != nil {
			return Script{}, err
		}
		s, err := d.h.Fleet.ForgetScript(ctx, hash, d.by())
		if err != nil {
			return Script{}, err
		}
		return d.wireScript(s), nil
	})
}
