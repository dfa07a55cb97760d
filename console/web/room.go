package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// roomView is the page of a room.
type roomView struct {
	access.Room
	Name                                   string
	Board                                  boardView
	Waiting                                []pendingLine  // that wait for approval, where the person may give it
	Daily, Rare                            []action       // orders
	Next                                   string         // name that one gets who is given none
	Window                                 *access.Window // that is open
	Asked                                  string         // how many open requests there are of it; "": none
	MayRoom, MayEnrol, MayReport, MayLabel bool

	Form                                               *Form
	Masters, Policies, Names, Levels, Langs, Keyboards []option
	Phrase                                             bool // a passphrase can be set
	ShowForm                                           bool
}

// roomOf draws a room.
func (v *visit) roomOf(name string) (roomView, error) {
	r, err := v.Desk.Room(name)
	if err != nil {
		return roomView{}, err
	}
	floor, err := v.Desk.Floor("", func(_, room string) bool { return room == r.Name })
	if err != nil {
		return roomView{}, err
	}
	view := roomView{Room: r, Name: r.Name, Board: v.boards().board(r, r.Site, group(floor)[r.Name], everyTile),
		MayRoom: v.Desk.May(people.ActionRoom, r.Site, r.Name), MayEnrol: v.Desk.May(people.ActionEnrol, r.Site, r.Name),
		MayReport: v.Desk.May(people.ActionReport, r.Site, r.Name), MayLabel: v.Desk.May(people.ActionComputer, r.Site, r.Name)}
	view.Board.Big, view.Board.Head.Big = true, true
	if view.Board.Head.Total > 0 {
		view.Daily, view.Rare = v.roomActions(r.Site, r.Name)
	}
	if view.MayEnrol {
		if err := v.waiting(&view); err != nil {
			return view, err
		}
	}
	return view, nil
}

// waiting adds who waits for approval, and the window that is open.
func (v *visit) waiting(view *roomView) error {
	pending, err := v.Desk.Pending()
	if err != nil {
		return err
	}
	for _, c := range pending {
		if c.State == "pending" && strings.EqualFold(c.Site, view.Site) {
			view.Waiting = append(view.Waiting, pendingLine{c, code(c.Code)})
		}
	}
	base := strings.ReplaceAll(view.Name, "/", "-") // as the fleet names them
	for n := 1; view.Next == "" || slices.Contains(view.Computers, view.Next); n++ {
		view.Next = fmt.Sprintf("%s-%02d", base[:min(len(base), 58)], n)
	}
	windows, err := v.Desk.Windows()
	if err != nil {
		return err
	}
	for _, w := range windows {
		if strings.EqualFold(w.Room, view.Name) && w.Until.After(v.now()) {
			view.Window = &w
		}
	}
	return nil
}

// enrolment is the live part of a room's page that names who waits. It is drawn again when somebody comes or goes, not
// whenever one of them says hello again: a name is being typed there.
func (v roomView) enrolment() fragment {
	shape := []any{v.Window, v.Next}
	for _, c := range v.Waiting {
		shape = append(shape, c.Code, c.Name, c.Model, c.Address)
	}
	return fragment{ID: "enrolment", Template: "enrolment", Data: v, Key: shape}
}

// showRoom is the page of a room.
func (c *console) showRoom(v *visit) error {
	return v.roomPage(nil, http.StatusOK)
}

// roomPage shows a room; f is the form of its settings when that was refused.
func (v *visit) roomPage(f *Form, status int) error {
	view, err := v.roomOf(v.r.PathValue("room"))
	if err != nil {
		return err
	}
	if view.ShowForm = f != nil; !view.ShowForm {
		f = v.roomForm(view.Room)
		view.ShowForm = v.r.URL.Query().Has("settings")
	}
	view.Form = f
	if view.MayRoom {
		if err := v.roomChoices(&view); err != nil {
			return err
		}
	}
	asked := 0
	for _, r := range v.unanswered(maxAsked) {
		if r.Room == view.Name {
			asked++
		}
	}
	if asked > 0 {
		view.Asked = v.count("asked.open", asked)
	}
	title := roomTitle(view.Room)
	return v.page("room", Page{Title: title, Active: "nav.map", Data: view, Status: status, Crumbs: []Crumb{{v.say("nav.map"), "/"}},
		Live: "/events?" + url.Values{"page": {"room"}, "room": {view.Name}}.Encode()})
}

// masterOptions are what a room's master may be: channels, and names for their newest version.
func (v *visit) masterOptions() ([]option, error) {
	out := []option{{"", v.say("app.none")}}
	if !v.May(people.ActionSeeMasters) {
		return out, nil
	}
	all, err := v.Desk.Masters()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, m := range all {
		for _, ch := range m.Channels {
			if ref := m.Name + "@" + ch; !seen[ref] {
				seen[ref] = true
				out = append(out, option{ref, ref})
			}
		}
		if !seen[m.Name] {
			seen[m.Name] = true
			out = append(out, option{m.Name, v.say("room.newest", m.Name)})
		}
	}
	return out, nil
}

// roomLive makes the live parts of a room's page.
func (v *visit) roomLive(name string) live {
	return func() ([]fragment, error) {
		view, err := v.roomOf(name)
		if err != nil {
			return nil, err
		}
		return []fragment{view.Board.fragments(), view.enrolment()}, nil
	}
}

// setPlan keeps the shape of a room: lines of id, column and row, and the ids of those that were moved. Who else moves
// others at the same time loses nothing.
func (c *console) setPlan(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := v.r.PathValue("room")
	plan := []access.Place{}
	for line := range strings.Lines(f.Value("plan")) {
		parts := strings.Fields(line)
		if len(parts) != 3 {
			return access.Bad("a place is a computer, a column and a row")
		}
		x, errX := strconv.Atoi(parts[1])
		y, errY := strconv.Atoi(parts[2])
		if errX != nil || errY != nil {
			return access.Bad("a place is a computer, a column and a row")
		}
		plan = append(plan, access.Place{Computer: parts[0], X: x, Y: y})
	}
	moved := strings.Fields(f.Value("moved"))
	_, err = v.Desk.SetRoom(v.r.Context(), name, access.RoomChange{Plan: &plan, Moved: &moved})
	return v.done(err, roomPath(name), "room.arranged")
}

// newRoom makes a room.
func (c *console) newRoom(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := f.Text("name", 63, true)
	if site := f.Value("site"); site != "" {
		name = site + "/" + name
	}
	if f.Bad() {
		return v.newRoomPage(f, http.StatusUnprocessableEntity)
	}
	if _, err := v.Desk.Room(name); err == nil {
		f.Fail("name", v.say("room.taken"))
		return v.newRoomPage(f, http.StatusUnprocessableEntity)
	}
	r, err := v.Desk.SetRoom(v.r.Context(), name, access.RoomChange{})
	if err != nil {
		if err = v.refused(f, "name", err); err != nil {
			return err
		}
		return v.newRoomPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("room.made", r.Name)
	return v.seeOther(roomPath(r.Name))
}

func (c *console) showNewRoom(v *visit) error {
	return v.newRoomPage(newForm(v.tongue, nil), http.StatusOK)
}

func (v *visit) newRoomPage(f *Form, status int) error {
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	var options []option
	for _, s := range sites {
		text := s.Title
		if text == "" {
			text = s.Name
		}
		if text == "" {
			text = v.say("app.none")
		}
		options = append(options, option{s.Name, text})
	}
	return v.page("newroom", Page{Title: v.say("room.new"), Active: "nav.map", Status: status, Crumbs: []Crumb{{v.say("nav.map"), "/"}},
		Data: map[string]any{"Form": f, "Sites": options}})
}

// forgetRoom forgets a room that nobody is in.
func (c *console) forgetRoom(v *visit) error {
	name := v.r.PathValue("room")
	_, err := v.Desk.ForgetRoom(v.r.Context(), name)
	to := "/"
	if err != nil {
		to = roomPath(name)
	}
	return v.done(err, to, "room.forgotten", name)
}
