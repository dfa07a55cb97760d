package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/masters"
)

// rule returns the retention rule of a master, nil if it has none.
func (s *Server) rule(name string) *Rule {
	about, err := s.Masters.About(name)
	if err != nil || about.Rule.KeepLast == 0 {
		return nil
	}
	return &Rule{KeepLast: about.Rule.KeepLast, At: about.Rule.At, By: about.Rule.By}
}

// retain sets, takes away, shows or applies a retention rule.
func (s *Server) retain(w http.ResponseWriter, r *http.Request, name string, body MasterChange, by string) error {
	out := Retention{Name: name, Versions: []Retained{}}
	if body.Off {
		if body.KeepLast != 0 || body.Now || body.DryRun {
			return &masters.RuleError{Reason: "a rule is taken away or made, not both"}
		}
		_, err := s.Masters.SetRule(name, 0, by)
		if err != nil {
			return err
		}
		return respond(w, out)
	}
	keep := body.KeepLast
	if keep == 0 {
		about, err := s.Masters.About(name)
		if err != nil {
			return err
		}
		if keep = about.Rule.KeepLast; keep == 0 && (body.Now || body.DryRun) {
			return &masters.RuleError{Reason: name + " has no rule"}
		}
	} else if !body.DryRun {
		if _, err := s.Masters.SetRule(name, keep, by); err != nil {
			return err
		}
	}
	out.Rule, out.Done = s.rule(name), body.Now && !body.DryRun
	if keep == 0 {
		return respond(w, out)
	}
	var kept []masters.Kept
	err := s.undisturbed(func() (err error) {
		kept, err = s.Masters.Retain(name, keep, by, s.users, !out.Done)
		return err
	})
	for _, k := range kept {
		stays := len(k.Why) > 0
		out.Versions = append(out.Versions, Retained{Version: k.Version.String(), Kept: stays, Why: k.Why, NewBytes: k.Version.NewBytes})
		if out.Done && !stays && s.gone(k.Version) {
			s.recordForgotten(r.Context(), k.Version, fmt.Sprintf("%s, who keeps the last %d", by, keep))
		}
	}
	if err != nil {
		return err
	}
	return respond(w, out)
}

// gone tells whether a version is not there any more.
func (s *Server) gone(v masters.Version) bool {
	_, err := s.Masters.Resolve(v.String())
	var unknown *masters.UnknownError
	return errors.As(err, &unknown)
}

// ruler is who forgets at night.
const ruler = "the retention rule"

// ApplyRules forgets what the rules set before a moment do not keep, and writes an event for each version. What cannot be
// judged stays, is in the error, and stops nothing.
func (s *Server) ApplyRules(ctx context.Context, before time.Time) error {
	var all []masters.Ruled
	err := s.undisturbed(func() error {
		all = s.Masters.ApplyRules(before, ruler, s.users)
		return nil
	})
	errs := []error{err}
	for _, r := range all {
		for _, v := range r.Forgotten {
			s.recordForgotten(ctx, v, fmt.Sprintf("%s of %s: the last %d stay", ruler, r.Rule.By, r.Rule.KeepLast))
		}
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("applying the rule of %s: %w", r.Name, r.Err))
		}
	}
	return errors.Join(errs...)
}

// recordForgotten writes down, for people, that a version is gone. It is already: what goes wrong here is only logged.
func (s *Server) recordForgotten(ctx context.Context, v masters.Version, by string) {
	if s.Fleet == nil {
		return // a bench without computers: the library's own record names it
	}
	err := s.Fleet.Record(ctx, "forgotten", fleet.Info, fmt.Sprintf("%s, by %s", v, by))
	if err != nil && s.Log != nil {
		s.Log.Error("writing down that a version was forgotten", "version", v.String(), "error", err)
	}
}
