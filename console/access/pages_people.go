package access

import (
	"context"
	"errors"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

// Login is a session of somebody who is signed in.
type Login struct {
	ID      string    `json:"id"`
	Address string    `json:"address"` // where it was seen last
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
	Here    bool      `json:"here"` // it is the one that asks
}

// Logins lists the sessions of a person, "" for the caller's own, the one used last first. here is the cookie of the one
// that asks, or "".
func (d Desk) Logins(ref, here string) ([]Login, error) {
	id, err := d.loginOwner(ref)
	if err != nil {
		return nil, err
	}
	out := []Login{}
	for _, l := range d.h.People.Logins(id) {
		out = append(out, Login{ID: l.ID, Address: l.Address, Created: l.Created, Seen: l.Seen, Here: here != "" && l.Is(here)})
	}
	return out, nil
}

// EndLogin ends a session of a person, "" for one of the caller's own.
func (d Desk) EndLogin(ctx context.Context, ref, id string) error {
	_, err := change(ctx, d, whole("session end", d.c.Login), func(e *deed) (struct{}, error) {
		owner, err := d.loginOwner(ref)
		if err != nil {
			return struct{}{}, err
		}
		if x, err := d.h.People.Find(owner); err == nil {
			e.what = x.Login
		}
		err = d.h.People.EndLogin(ctx, owner, id)
		var refused *people.RefusedError
		if errors.As(err, &refused) { // who asks has a session, or needs none: the one that he names is gone
			err = notFound("no-login", id)
		}
		return struct{}{}, err
	})
	return err
}

// loginOwner is whose sessions the caller may look at and end: his own, and anybody's where he looks after people.
func (d Desk) loginOwner(ref string) (string, error) {
	switch {
	case d.h.People == nil:
		return "", nobody()
	case ref == "" || ref == d.c.ID:
		if d.c.Via != people.ViaSession {
			return "", forbidden("sessions")
		}
		return d.c.ID, nil
	}
	if err := d.mayPeople("sessions"); err != nil {
		return "", err
	}
	x, err := d.h.People.Find(ref)
	return x.ID, err
}

// Myself is the caller, as who looks after people sees him.
func (d Desk) Myself() (Person, error) {
	if d.h.People == nil {
		return Person{}, nobody()
	}
	x, err := d.h.People.Find(d.c.ID)
	return wirePerson(x), err
}

// ChangePassword gives the caller a new password: he proves that he knows the old one. All his sessions but that of the
// cookie keep end.
func (d Desk) ChangePassword(ctx context.Context, old, password, keep string) error {
	_, err := change(ctx, d, whole("password change", d.c.Login), func(*deed) (struct{}, error) {
		switch {
		case d.h.People == nil:
			return struct{}{}, nobody()
		case d.c.Via != people.ViaSession: // a token is no hand at the keyboard
			return struct{}{}, forbidden("password")
		}
		return struct{}{}, d.h.People.ChangePassword(ctx, d.c.ID, old, password, keep, d.c.Address)
	})
	return err
}
