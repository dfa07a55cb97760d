package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// requestsPage is how many requests a page has.
const requestsPage = 50

// requestView is a request as a person sees it.
type requestView struct {
	access.Request
	Mark badge
	Who  string // reported it
	May  bool   // answer, close and open it again
	Form *Form  // with what was typed to it
}

// requestsView is the page of requests.
type requestsView struct {
	State, Room string
	Tabs        []tab
	Requests    []requestView
	First, Next string
	MayReport   bool
}

// tab is one of several views of the same thing.
type tab struct {
	Title, Href string
	Here        bool
}

// requestMark is the state of a request as a badge.
func (t tongue) requestMark(state string) badge {
	switch state {
	case "open":
		return badge{"pending", "request", t.say("request.open")}
	case "answered":
		return badge{"running", "edit", t.say("request.answered")}
	}
	return badge{"done", "check", t.say("request.closed")}
}

func (v *visit) requestView(r access.Request) requestView {
	out := requestView{Request: r, Mark: v.requestMark(r.State), Who: r.By, May: v.Desk.May(people.ActionRequest, r.Site, r.Room),
		Form: newForm(v.tongue, nil)}
	if out.Who == "" {
		out.Who = v.say("request.bylabel")
		if r.Name != "" {
			out.Who = v.say("request.byname", r.Name)
		}
	}
	return out
}

// showRequests lists what is broken.
func (c *console) showRequests(v *visit) error {
	q := v.r.URL.Query()
	view := requestsView{State: q.Get("state"), Room: q.Get("room"), MayReport: v.May(people.ActionReport)}
	if !slices.Contains([]string{"open", "answered", "closed", "all"}, view.State) {
		view.State = "open"
	}
	filter := access.RequestFilter{State: view.State, Room: view.Room, Computer: q.Get("computer"), Before: q.Get("before"), Limit: requestsPage + 1}
	if view.State == "all" {
		filter.State = ""
	}
	found, err := v.Desk.Requests(v.r.Context(), filter)
	if err != nil {
		return err
	}
	if len(found) > requestsPage {
		found = found[:requestsPage]
		view.Next = "/requests?" + with(q, "before", found[requestsPage-1].ID).Encode()
	}
	if filter.Before != "" {
		view.First = "/requests?" + with(q, "before", "").Encode()
	}
	for _, r := range found {
		view.Requests = append(view.Requests, v.requestView(r))
	}
	for _, s := range []string{"open", "answered", "closed", "all"} {
		view.Tabs = append(view.Tabs, tab{v.say("request.tab." + s), "/requests?" + with(with(q, "before", ""), "state", s).Encode(), s == view.State})
	}
	return v.page("requests", Page{Title: v.say("nav.requests"), Active: "nav.requests", Data: view})
}

// showRequest is one request with all that was said.
func (c *console) showRequest(v *visit) error {
	r, err := v.Desk.Request(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.requestPage(r, nil, http.StatusOK)
}

func (v *visit) requestPage(r access.Request, f *Form, status int) error {
	view := v.requestView(r)
	if f != nil {
		view.Form = f
	}
	return v.page("request", Page{Title: v.say("request.title", r.ID), Active: "nav.requests", Status: status,
		Crumbs: []Crumb{{v.say("nav.requests"), "/requests"}}, Data: view})
}

// changeRequest answers, closes or reopens a request.
func (c *console) changeRequest(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id, verb := v.r.PathValue("id"), f.Choice("do", "answer", "close", "reopen")
	text := f.Text("text", 4000, verb == "answer")
	if !f.Bad() {
		if _, err := v.Desk.ChangeRequest(v.r.Context(), id, verb, access.Answer{Text: text}); err != nil {
			if err = v.refused(f, "text", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		r, err := v.Desk.Request(v.r.Context(), id)
		if err != nil {
			return err
		}
		return v.requestPage(r, f, http.StatusUnprocessableEntity)
	}
	v.flash("request.done."+verb, id)
	return v.seeOther("/requests/" + url.PathEscape(id))
}

// reportView is the form that says what is broken.
type reportView struct {
	Form      *Form
	Room      string
	Computers []option // of the room, the room itself first
}

// showReport asks what is broken.
func (c *console) showReport(v *visit) error {
	f := newForm(v.tongue, nil)
	q := v.r.URL.Query()
	f.Default("room", q.Get("room"))
	f.Default("computer", q.Get("computer"))
	return v.reportPage(f, http.StatusOK)
}

func (v *visit) reportPage(f *Form, status int) error {
	view := reportView{Form: f, Room: f.Value("room")}
	if view.Room == "" && f.Value("computer") != "" {
		c, err := v.Desk.Computer(f.Value("computer"))
		if err != nil {
			return err
		}
		view.Room = c.Room
		f.values.Set("computer", c.Name)
	}
	rooms, err := v.Desk.Rooms()
	if err != nil {
		return err
	}
	for _, r := range rooms {
		if view.Room == "" || r.Name == view.Room {
			if v.Desk.May(people.ActionReport, fleet.SiteOf(r.Name), r.Name) {
				view.Computers = append(view.Computers, option{"room " + r.Name, v.say("report.whole", r.Name)})
			}
			for _, name := range r.Computers {
				view.Computers = append(view.Computers, option{name, name})
			}
		}
	}
	if len(view.Computers) == 0 && f.Value("computer") != "" { // it is in no room
		view.Computers = []option{{f.Value("computer"), f.Value("computer")}}
	}
	return v.page("report", Page{Title: v.say("report.title"), Active: "nav.requests", Status: status,
		Crumbs: []Crumb{{v.say("nav.requests"), "/requests"}}, Data: view})
}

// report keeps what somebody with an account says is broken.
func (c *console) report(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	r := access.Report{Text: f.Text("text", 2000, true), Computer: f.Text("computer", 300, true)}
	if room, ok := strings.CutPrefix(r.Computer, "room "); ok {
		r.Room, r.Computer = room, ""
	}
	var made access.Request
	if !f.Bad() {
		if made, err = v.Desk.Report(v.r.Context(), r); err != nil {
			if err = v.refused(f, "text", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.reportPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("report.done", made.ID)
	return v.seeOther("/requests/" + url.PathEscape(made.ID))
}
