package access

import (
	"context"
	"io"

	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/diff"
)

// Pointer is where a channel of a master points, and what a roll back would make of it.
type Pointer struct {
	Channel string `json:"channel"`
	Version int    `json:"version"`
	Before  int    `json:"before,omitempty"` // version that a roll back goes to; 0: there is none
}

// History is what is kept of a master beside its versions.
type History struct {
	Channels []Pointer      `json:"channels"`
	Moves    []Move         `json:"moves"` // of channels, newest first
	Notes    map[int][]Note `json:"notes"` // by version, oldest first
	Rule     *Rule          `json:"retention,omitempty"`
	Damaged  string         `json:"damaged,omitempty"` // why nothing of it can be believed
}

// History returns what is kept of a master beside its versions.
func (d Desk) History(name string) (History, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return History{}, err
	}
	about, err := d.h.Masters.About(name)
	if err != nil {
		return History{}, err
	}
	out := History{Channels: []Pointer{}, Moves: []Move{}, Notes: map[int][]Note{}, Rule: d.h.rule(name), Damaged: about.Damaged}
	for _, c := range about.Channels {
		out.Channels = append(out.Channels, Pointer{Channel: c.Name, Version: c.Version, Before: c.Before})
	}
	for i := len(about.Moves) - 1; i >= 0; i-- {
		m := about.Moves[i]
		out.Moves = append(out.Moves, Move{Name: name, Channel: m.Channel, From: m.From, To: m.To, At: m.At, By: m.By})
	}
	all, err := d.h.Masters.List()
	for _, v := range all {
		if v.Name == name {
			out.Notes[v.Number] = d.h.notes(v)
		}
	}
	return out, err
}

// Comparison says which files two versions hold differently.
type Comparison struct {
	diff.Summary
	From    string        `json:"from"`
	To      string        `json:"to"`
	Changes []diff.Change `json:"changes"` // the first of them
	More    int           `json:"more"`    // that were not asked for
}

// Compare counts the differences between two versions and names the first of them, at most limit.
func (d Desk) Compare(ctx context.Context, from, to string, limit int) (Comparison, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return Comparison{}, err
	}
	var sides [2]diff.Version
	out := Comparison{Changes: []diff.Change{}}
	for i, ref := range []string{from, to} {
		v, err := d.h.Masters.Resolve(ref)
		if err != nil {
			return out, err
		}
		if sides[i], err = d.side(v); err != nil {
			return out, err
		}
		if i == 0 {
			out.From = v.String()
		} else {
			out.To = v.String()
		}
	}
	var err error
	out.Summary, err = diff.Run(ctx, sides[0], sides[1], func(c diff.Change) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(out.Changes) == limit {
			out.More++
			return nil
		}
		out.Changes = append(out.Changes, c)
		return nil
	})
	return out, err
}

func (d Desk) side(v masters.Version) (diff.Version, error) {
	m, err := d.h.Masters.Open(v)
	return diff.Version{Manifest: m, Names: func() (io.ReadCloser, error) { return d.h.Masters.Names(v.Hash) }}, err
}
