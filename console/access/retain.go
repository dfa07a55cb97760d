package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/masters"
)

// rule returns the retention rule of a master, nil if it has none.
func (h *House) rule(name string) *Rule {
	about, err := h.Masters.About(name)
	if err != nil || about.Rule.KeepLast == 0 {
		return nil
	}
	return &Rule{KeepLast: about.Rule.KeepLast, At: about.Rule.At, By: about.Rule.By}
}

// Retain sets, takes away, shows or applies the retention rule of a master.
func (d Desk) Retain(ctx context.Context, name string, body MasterChange) (Retention, error) {
	if !body.Off && (body.DryRun || body.KeepLast == 0 && !body.Now) {
		if err := d.mayWhole(people.ActionSeeMasters, name); err != nil {
			return Retention{}, err
		}
		return d.retain(ctx, name, body)
	}
	return change(ctx, d, whole("master retain", name), func(*deed) (Retention, error) {
		if err := d.mayWhole(people.ActionForget, name); err != nil {
			return Retention{}, err
		}
		return d.retain(ctx, name, body)
	})
}

func (d Desk) retain(ctx context.Context, name string, body MasterChange) (Retention, error) {
	out := Retention{Name: name, Versions: []Retained{}}
	if body.Off {
		if body.KeepLast != 0 || body.Now || body.DryRun {
			return out, &masters.RuleError{Reason: "a rule is taken away or made, not both"}
		}
		_, err := d.h.Masters.SetRule(name, 0, d.by())
		return out, err
	}
	keep := body.KeepLast
	if keep == 0 {
		about, err := d.h.Masters.About(name)
		if err != nil {
			return out, err
		}
		if keep = about.Rule.KeepLast; keep == 0 && (body.Now || body.DryRun) {
			return out, &masters.RuleError{Reason: name + " has no rule"}
		}
	} else if !body.DryRun {
		if _, err := d.h.Masters.SetRule(name, keep, d.by()); err != nil {
			return out, err
		}
	}
	out.Rule, out.Done = d.h.rule(name), body.Now && !body.DryRun
	if keep == 0 {
		return out, nil
	}
	var kept []masters.Kept
	err := d.h.undisturbed(func() (err error) {
		kept, err = d.h.Masters.Retain(name, keep, d.by(), d.h.users, !out.Done)
		return err
	})
	for _, k := range kept {
		stays := len(k.Why) > 0
		out.Versions = append(out.Versions, Retained{Version: k.Version.String(), Kept: stays, Why: d.why(k.Why),
			NewBytes: k.Version.NewBytes})
		if out.Done && !stays && d.h.gone(k.Version) {
			d.h.recordForgotten(ctx, k.Version, fmt.Sprintf("%s, who keeps the last %d", d.by(), keep))
		}
	}
	return out, err
}

// why is why a version stays: for who does not see all sites, without the names of computers.
func (d Desk) why(reasons []string) []string {
	if d.c.Everywhere() || len(reasons) == 0 {
		return reasons
	}
	return []string{fmt.Sprintf("%d reasons", len(reasons))}
}

// gone tells whether a version is not there any more.
func (h *House) gone(v masters.Version) bool {
	_, err := h.Masters.Resolve(v.String())
	var unknown *masters.UnknownError
	return errors.As(err, &unknown)
}

// ruler is who forgets at night.
const ruler = "the retention rule"

// ApplyRules forgets what the rules set before a moment do not keep, and writes an event for each version. What cannot be
// judged stays, is in the error, and stops nothing.
func (h *House) ApplyRules(ctx context.Context, before time.Time) error {
	var all []masters.Ruled
	err := h.undisturbed(func() error {
		all = h.Masters.ApplyRules(before, ruler, h.users)
		return nil
	})
	errs := []error{err}
	for _, r := range all {
		for _, v := range r.Forgotten {
			h.recordForgotten(ctx, v, fmt.Sprintf("%s of %s: the last %d stay", ruler, r.Rule.By, r.Rule.KeepLast))
		}
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("applying the rule of %s: %w", r.Name, r.Err))
		}
	}
	return errors.Join(errs...)
}

// recordForgotten writes down, for people, that a version is gone. It is already: what goes wrong here is only logged.
func (h *House) recordForgotten(ctx context.Context, v masters.Version, by string) {
	if h.Fleet == nil {
		return // a bench without computers: the library's own record names it
	}
	err := h.Fleet.Record(ctx, "forgotten", fleet.Info, fmt.Sprintf("%s, by %s", v, by))
	if err != nil && h.Log != nil {
		h.Log.Error("writing down that a version was forgotten", "version", v.String(), "error", err)
	}
}
