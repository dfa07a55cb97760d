package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

// nobody is the error of a house without people: a command at the bench.
func nobody() error { return notFound("no-route", "people") }

func wirePerson(x people.Person) Person {
	return Person{ID: x.ID, Login: x.Login, Name: x.Name, Mail: x.Mail, Role: string(x.Role), Sites: x.Sites, Rooms: x.Rooms,
		Invited: x.Invited(), Disabled: x.Disabled, Provider: x.OIDC != "", Created: x.Created, LastSeen: moment(x.LastSeen)}
}

// mayPeople refuses who may not say who may do what.
func (d Desk) mayPeople(what string) error {
	if d.h.People == nil {
		return nobody()
	}
	return d.mayWhole(people.ActionPeople, what)
}

// Me is who the caller is.
func (d Desk) Me() Me {
	return Me{Login: d.c.Login, Name: d.c.Name, Role: string(d.c.Role), Sites: d.c.Sites, Rooms: d.c.Rooms, Via: d.c.Via, Scopes: d.c.Scopes}
}

// People lists all people, by login.
func (d Desk) People() ([]Person, error) {
	if err := d.mayPeople("people"); err != nil {
		return nil, err
	}
	out := []Person{}
	for _, x := range d.h.People.List() {
		out = append(out, wirePerson(x))
	}
	return out, nil
}

// Person returns one person by login or id.
func (d Desk) Person(ref string) (Person, error) {
	if err := d.mayPeople(ref); err != nil {
		return Person{}, err
	}
	x, err := d.h.People.Find(ref)
	return wirePerson(x), err
}

// apply changes what is not nil.
func (c PersonChange) apply(x *people.Person) {
	set(&x.Login, c.Login)
	set(&x.Name, c.Name)
	set(&x.Mail, c.Mail)
	set(&x.Role, (*people.Role)(c.Role))
	set(&x.Sites, c.Sites)
	set(&x.Rooms, c.Rooms)
	set(&x.Disabled, c.Disabled)
}

// AddPerson makes a person. Without a password he is invited: the answer has the link's secret, once.
func (d Desk) AddPerson(ctx context.Context, c PersonChange) (Invited, error) {
	var login string
	set(&login, c.Login)
	return change(ctx, d, whole("person add", login), func(*deed) (Invited, error) {
		if err := d.mayPeople(login); err != nil {
			return Invited{}, err
		}
		var x people.Person
		var password string
		c.apply(&x)
		set(&password, c.Password)
		x, err := d.h.People.Add(ctx, x, password)
		if err != nil {
			return Invited{}, err
		}
		out := Invited{Person: wirePerson(x)}
		if password == "" {
			err = d.invite(ctx, x.ID, &out)
		}
		return out, err
	})
}

// invitePath is where the console's links of invitation are.
const invitePath = "/invite/"

func (d Desk) invite(ctx context.Context, id string, out *Invited) (err error) {
	out.Secret, err = d.h.People.Invite(ctx, id)
	out.Path = invitePath + out.Secret
	return err
}

// Invite gives a person a link by which he sets a password; one that was given before stops working.
func (d Desk) Invite(ctx context.Context, ref string) (Invited, error) {
	return change(ctx, d, whole("person invite", ref), func(*deed) (Invited, error) {
		if err := d.mayPeople(ref); err != nil {
			return Invited{}, err
		}
		x, err := d.h.People.Find(ref)
		if err != nil {
			return Invited{}, err
		}
		out := Invited{Person: wirePerson(x)}
		return out, d.invite(ctx, x.ID, &out)
	})
}

// SetPerson changes what is said of a person, his password included: all of it, or nothing where a part is refused.
func (d Desk) SetPerson(ctx context.Context, ref string, c PersonChange) (Person, error) {
	return change(ctx, d, whole("person set", ref), func(*deed) (Person, error) {
		if err := d.mayPeople(ref); err != nil {
			return Person{}, err
		}
		if c.Password != nil {
			x, err := d.h.People.ChangeWithPassword(ctx, ref, *c.Password, c.apply)
			return wirePerson(x), err
		}
		x, err := d.h.People.Change(ctx, ref, c.apply)
		return wirePerson(x), err
	})
}

// RemovePerson removes a person with his sessions and tokens.
func (d Desk) RemovePerson(ctx context.Context, ref string) (Person, error) {
	return change(ctx, d, whole("person forget", ref), func(*deed) (Person, error) {
		if err := d.mayPeople(ref); err != nil {
			return Person{}, err
		}
		x, err := d.h.People.Remove(ctx, ref)
		return wirePerson(x), err
	})
}

// narrowed tells whether the caller came with a token that may do less than its person.
func (d Desk) narrowed() bool {
	return d.c.Via == people.ViaToken && !slices.Contains(d.c.Scopes, people.ScopeAdmin)
}

// tokenOwner is whose tokens the caller may look at and make: his own, and anybody's where he looks after people. What
// comes with a token has no more tokens made than it can do itself.
func (d Desk) tokenOwner(ref string, makes bool) (people.Person, error) {
	if d.h.People == nil {
		return people.Person{}, nobody()
	}
	if makes && d.narrowed() {
		return people.Person{}, forbidden("tokens")
	}
	if ref == "" {
		ref = d.c.ID
	}
	if ref != d.c.ID && ref != d.c.Login || d.c.ID == "" {
		if err := d.mayPeople("tokens"); err != nil {
			return people.Person{}, err
		}
	}
	return d.h.People.Find(ref)
}

func (d Desk) wireToken(t people.Token) Token {
	out := Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Created: t.Created, Expires: moment(t.Expires), Used: moment(t.Used),
		Address: t.Address, Person: t.Person}
	if x, err := d.h.People.Find(t.Person); err == nil {
		out.Person = x.Login
	}
	return out
}

// Tokens lists the API tokens of a person, "" for the caller's own; of all people for who looks after them and has none
// of his own, as at the socket.
func (d Desk) Tokens(person string) ([]Token, error) {
	id := ""
	if person != "" || d.c.ID != "" {
		x, err := d.tokenOwner(person, false)
		if err != nil {
			return nil, err
		}
		id = x.ID
	} else if err := d.mayPeople("tokens"); err != nil {
		return nil, err
	}
	out := []Token{}
	for _, t := range d.h.People.Tokens(id) {
		out = append(out, d.wireToken(t))
	}
	return out, nil
}

// MakeToken makes an API token; its secret is told once.
func (d Desk) MakeToken(ctx context.Context, r TokenRequest) (Token, error) {
	return change(ctx, d, whole("token make", r.Name), func(e *deed) (Token, error) {
		x, err := d.tokenOwner(r.Person, true)
		if err != nil {
			return Token{}, err
		}
		e.what = x.Login + ": " + r.Name
		secret, err := d.h.People.AddToken(ctx, x.ID, r.Name, r.Scopes, r.Expires)
		if err != nil {
			return Token{}, err
		}
		out := Token{Person: x.Login, Name: r.Name, Scopes: r.Scopes}
		if all := d.h.People.Tokens(x.ID); len(all) > 0 {
			out = d.wireToken(all[0]) // the newest
		}
		out.Secret = secret
		return out, nil
	})
}

// ForgetToken makes an API token worthless: one's own, or anybody's for who looks after people.
func (d Desk) ForgetToken(ctx context.Context, id string) (Token, error) {
	return change(ctx, d, whole("token forget", id), func(*deed) (Token, error) {
		if d.h.People == nil {
			return Token{}, nobody()
		}
		owner := d.c.ID
		if d.narrowed() {
			return Token{}, forbidden("tokens")
		}
		if d.c.May(people.ActionPeople, people.Whole, "") {
			owner = ""
		} else if owner == "" {
			return Token{}, forbidden("tokens")
		}
		t, err := d.h.People.ForgetToken(ctx, owner, id)
		var refused *people.RefusedError
		if errors.As(err, &refused) {
			return Token{}, notFound("no-token", id)
		}
		if err != nil {
			return Token{}, err
		}
		return d.wireToken(t), nil
	})
}

// Audit lists entries of the audit log that the caller may read, the newest first.
func (d Desk) Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	if d.h.People == nil {
		return nil, nobody()
	}
	q, ok := d.c.AuditScope(people.AuditQuery{Who: f.Who, Action: f.Action, What: f.What,
		Before: f.Before, Limit: f.Limit})
	if !ok {
		return nil, forbidden("audit")
	}
	if q.Limit <= 0 {
		q.Limit = usualEvents
	}
	out := []AuditEntry{}
	for {
		page, err := d.h.People.Entries(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			switch {
			case !f.Since.IsZero() && e.Time.Before(f.Since):
				return out, nil // a clock that was set back hides what is older from this question, not from others
			case !f.Until.IsZero() && !e.Time.Before(f.Until):
			case len(out) < q.Limit:
				out = append(out, wireEntry(e))
			}
			q.Before = e.Number
		}
		if len(page) < q.Limit || len(out) >= q.Limit || ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
}

func wireEntry(e people.Entry) AuditEntry {
	return AuditEntry{Number: e.Number, Time: e.Time, Who: e.Who, Via: e.Via, Address: e.Address, Action: e.Action, What: e.What,
		Site: e.Site, Room: e.Room, Result: e.Result, Detail: e.Detail}
}

// VerifyAudit reads the whole audit log and says whether it is what was written.
func (d Desk) VerifyAudit(ctx context.Context) (AuditState, error) {
	if d.h.People == nil {
		return AuditState{}, nobody()
	}
	if err := d.mayWhole(people.ActionAudit, "audit"); err != nil {
		return AuditState{}, err
	}
	n, err := d.h.People.Verify(ctx)
	out := AuditState{Entries: n}
	var broken *people.BrokenError
	if errors.As(err, &broken) {
		out.Broken, out.Detail, err = broken.Number, broken.Detail, nil
	}
	return out, err
}

// peopleError says what people refused; nil for other errors.
func peopleError(err error) *Error {
	var refused *people.RefusedError
	if !errors.As(err, &refused) {
		return nil
	}
	out := &Error{Status: http.StatusBadRequest, Code: string(refused.Code), What: refused.What, Field: refused.Field,
		Wait: int((refused.Wait + time.Second - 1) / time.Second)}
	switch refused.Code {
	case people.CodeBadName: // of a computer it is another
		out.Code = "bad-person-name"
	case people.CodeNobody, people.CodeWrongLink:
		out.Status = http.StatusNotFound
	case people.CodeNoSession, people.CodeNoToken, people.CodeWrong:
		out.Status = http.StatusUnauthorized
	case people.CodeTooMany, people.CodeBusy:
		out.Status = http.StatusTooManyRequests
	case people.CodeLoginTaken, people.CodeLastOne, people.CodeTooManyOfThem, people.CodeProvided:
		out.Status = http.StatusConflict
	case people.CodeNotInvited:
		out.Status = http.StatusForbidden
	}
	return out
}
