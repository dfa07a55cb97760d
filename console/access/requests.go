package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
)

func (h *House) wireRequest(r requests.Request) Request {
	out := Request{ID: r.ID, Computer: r.Computer, Room: r.Room, Site: r.Site, By: r.By, Name: r.Name, Text: r.Text,
		State: string(r.State), Created: r.Created, Changed: r.Changed}
	if c, err := h.Fleet.Find(r.Computer); r.Computer != "" && err == nil {
		out.Computer = c.Name
	}
	for _, n := range r.Notes {
		out.Notes = append(out.Notes, RequestNote{Time: n.Time, By: n.By, Text: n.Text, State: string(n.State)})
	}
	return out
}

// Requests lists requests of the caller's sites and rooms, the newest first.
func (d Desk) Requests(ctx context.Context, f RequestFilter) ([]Request, error) {
	if d.h.Requests == nil {
		return nil, notFound("no-route", "requests")
	}
	q := requests.Query{Room: f.Room, Before: f.Before, Limit: f.Limit}
	if f.State != "" {
		q.States = []requests.State{requests.State(f.State)}
	}
	if f.Computer != "" {
		c, err := d.find(f.Computer)
		if err != nil {
			return nil, err
		}
		q.Computer = c.ID
	}
	switch {
	case d.c.Everywhere():
	case d.c.Role == people.Teacher:
		q.Rooms = d.c.Rooms
	default:
		q.Sites = d.c.Sites
	}
	out := []Request{}
	if !d.c.Everywhere() && len(q.Rooms)+len(q.Sites) == 0 {
		return out, nil
	}
	found, err := d.h.Requests.List(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if d.c.May(people.ActionSee, r.Site, r.Room) {
			out = append(out, d.h.wireRequest(r))
		}
	}
	return out, nil
}

// request returns a request that the caller sees.
func (d Desk) request(ctx context.Context, id string) (requests.Request, error) {
	if d.h.Requests == nil {
		return requests.Request{}, notFound("no-route", "requests")
	}
	r, err := d.h.Requests.Find(ctx, id)
	if err == nil && !d.c.May(people.ActionSee, r.Site, r.Room) {
		err = &requests.RefusedError{Code: requests.CodeNone}
	}
	return r, err
}

// Request returns one request.
func (d Desk) Request(ctx context.Context, id string) (Request, error) {
	r, err := d.request(ctx, id)
	if err != nil {
		return Request{}, err
	}
	return d.h.wireRequest(r), nil
}

// Report keeps that something is broken.
func (d Desk) Report(ctx context.Context, r Report) (Request, error) {
	return change(ctx, d, deedIn("request open", r.Room), func(e *deed) (Request, error) {
		if d.h.Requests == nil {
			return Request{}, notFound("no-route", "requests")
		}
		x := requests.Report{By: d.c.Login, Text: r.Text}
		if r.Computer != "" {
			c, err := d.findFor(people.ActionReport, r.Computer, e)
			if err != nil {
				return Request{}, err
			}
			x.Computer, x.Room, x.Site = c.ID, c.Room, d.h.Fleet.SiteOf(c)
		} else {
			room, err := d.room(r.Room)
			if err == nil {
				err = d.mayRoom(people.ActionReport, room.Name)
			}
			if err != nil {
				return Request{}, err
			}
			x.Room, x.Site = room.Name, fleet.SiteOf(room.Name)
		}
		out, err := d.h.Requests.Open(ctx, x)
		return d.h.wireRequest(out), err
	})
}

// ChangeRequest answers, closes or reopens a request.
func (d Desk) ChangeRequest(ctx context.Context, id, verb string, a Answer) (Request, error) {
	return change(ctx, d, deed{action: "request " + verb, what: "request " + id}, func(e *deed) (Request, error) {
		r, err := d.request(ctx, id)
		if err != nil {
			return Request{}, err
		}
		e.site, e.room = r.Site, r.Room
		if !d.c.May(people.ActionRequest, r.Site, r.Room) {
			return Request{}, forbidden("request " + id)
		}
		switch verb {
		case "answer":
			r, err = d.h.Requests.Answer(ctx, id, d.c.Login, a.Text)
		case "close":
			r, err = d.h.Requests.Close(ctx, id, d.c.Login, a.Text)
		case "reopen":
			r, err = d.h.Requests.Reopen(ctx, id, d.c.Login, a.Text)
		default:
			err = notFound("no-route", verb)
		}
		if err != nil {
			return Request{}, err
		}
		return d.h.wireRequest(r), nil
	})
}

// LabelPath is where the console's page for who has read a label is; the code follows.
const LabelPath = "/l/"

// Label returns the code of the label on a computer, and makes it if there is none: that is written down.
func (d Desk) Label(ctx context.Context, ref string) (string, error) {
	e := deed{action: "label make", what: ref}
	c, err := d.labelling(ref, &e)
	if err != nil {
		return "", err
	}
	code, made, err := d.h.Requests.Label(ctx, c.ID)
	if made || err != nil {
		d.record(ctx, e, err)
	}
	return code, err
}

// Relabel gives a computer a label with a new code; the one that it bears, and pictures of it, are worthless from then on.
func (d Desk) Relabel(ctx context.Context, ref string) (string, error) {
	return change(ctx, d, deed{action: "label replace", what: ref}, func(e *deed) (string, error) {
		c, err := d.labelling(ref, e)
		if err != nil {
			return "", err
		}
		return d.h.Requests.Relabel(ctx, c.ID)
	})
}

// labelling finds a computer that a label is for.
func (d Desk) labelling(ref string, e *deed) (fleet.Computer, error) {
	if d.h.Requests == nil {
		return fleet.Computer{}, notFound("no-route", "requests")
	}
	c, err := d.findFor(people.ActionComputer, ref, e)
	if err == nil && c.State != fleet.Enrolled { // its record is not kept, and a label would have nothing to stand for
		err = &fleet.RefusedError{Code: fleet.CodeNotEnrolled, What: c.Name}
	}
	return c, err
}

// Labelled is the computer whose label has a code. Who reads a label sees this much of it and no more.
func (h *House) Labelled(ctx context.Context, code string) (Labelled, error) {
	if h.Requests == nil {
		return Labelled{}, &requests.RefusedError{Code: requests.CodeNoLabel}
	}
	id, err := h.Requests.ByLabel(ctx, code)
	if err != nil {
		return Labelled{}, err
	}
	c, err := h.Fleet.Find(id)
	if err != nil || c.ID != id {
		return Labelled{}, &requests.RefusedError{Code: requests.CodeNoLabel}
	}
	return Labelled{ID: c.ID, Computer: c.Name, Room: c.Room, Site: h.Fleet.SiteOf(c)}, nil
}

// keptOnLabel is how long after its end a request is shown to who reads the label, and mostOnLabel how many are.
const (
	keptOnLabel = 7 * 24 * time.Hour
	mostOnLabel = 10
)

// LabelRequests lists what is reported of the computer whose label has a code, the newest first: what is not over, and what
// ended in the last week, so that who reported it without an account reads the answer. Nobody is named, and nothing that
// somebody reported is repeated: a label is no wall to write on. Answers to people with an account are theirs.
func (h *House) LabelRequests(ctx context.Context, code string) ([]Request, error) {
	l, err := h.Labelled(ctx, code)
	if err != nil {
		return nil, err
	}
	found, err := h.Requests.List(ctx, requests.Query{Computer: l.ID, Limit: 5 * mostOnLabel})
	if err != nil {
		return nil, err
	}
	out := []Request{}
	for _, r := range found {
		if len(out) == mostOnLabel || r.State == requests.StateClosed && h.now().Sub(r.Changed) > keptOnLabel {
			continue
		}
		x := Request{Computer: l.Computer, State: string(r.State), Created: r.Created, Changed: r.Changed}
		if r.By == "" {
			for _, n := range r.Notes {
				x.Notes = append(x.Notes, RequestNote{Time: n.Time, Text: n.Text, State: string(n.State)})
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// ReportByLabel keeps what somebody without an account reports of the computer whose label he read.
func (h *House) ReportByLabel(ctx context.Context, code, address, name, text string) (Request, error) {
	l, err := h.Labelled(ctx, code)
	if err != nil {
		return Request{}, err
	}
	d := h.For(people.Caller{Via: people.ViaLabel, Address: address})
	return change(ctx, d, deed{action: "request open", what: l.Computer, site: l.Site, room: l.Room}, func(*deed) (Request, error) {
		r, err := h.Requests.OpenByLabel(ctx, code, address, requests.Report{Computer: l.ID, Room: l.Room, Site: l.Site, Name: name, Text: text})
		return h.wireRequest(r), err
	})
}

// requestError says what the requests refused; nil for other errors.
func requestError(err error) *Error {
	var refused *requests.RefusedError
	if !errors.As(err, &refused) {
		return nil
	}
	out := &Error{Status: http.StatusConflict, Code: string(refused.Code), Field: refused.Field,
		Wait: int((refused.Wait + time.Second - 1) / time.Second)}
	switch refused.Code {
	case requests.CodeNone, requests.CodeNoLabel:
		out.Status = http.StatusNotFound
	case requests.CodeEmpty, requests.CodeLong, requests.CodeNowhere, requests.CodeBadLabel:
		out.Status = http.StatusBadRequest
	case requests.CodeTooMany:
		out.Status = http.StatusTooManyRequests
	}
	return out
}
