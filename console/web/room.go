package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// roomView is the page of a room.
type roomView struct {
	access.Room
	Name     string
	Board    boardView
	Waiting  []access.Computer // that wait for approval, where the person may give it
	Window   *access.Window    // that is open
	MayRoom  bool
	MayEnrol bool
	Form     *Form
	Masters  []option
	Policies []option
	Names    []option // of its computers
	ShowForm bool
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
		MayRoom: v.Desk.May(people.ActionRoom, r.Site, r.Name), MayEnrol: v.Desk.May(people.ActionEnrol, r.Site, r.Name)}
	view.Board.Big, view.Board.Head.Big = true, true
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
			view.Waiting = append(view.Waiting, c)
		}
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
		f = newForm(v.tongue, url.Values{"title": {view.Title}, "master": {view.Master}, "policy": {string(view.Policy)}, "night": {view.Night},
			"from": {view.Hours[0]}, "to": {view.Hours[1]}, "teacher": {view.Teacher}, "spares": view.Spares, "note": {view.Note}})
	}
	view.Form = f
	if view.MayRoom {
		if view.Masters, err = v.masterOptions(); err != nil {
			return err
		}
		for _, p := range []job.Policy{job.PolicyDemand, job.PolicyStart, job.PolicyNight, job.PolicyNever} {
			view.Policies = append(view.Policies, option{string(p), v.say("policy." + string(p))})
		}
		view.Names = []option{{"", v.say("app.none")}}
		for _, n := range view.Computers {
			view.Names = append(view.Names, option{n, n})
		}
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
		return []fragment{view.Board.fragments(), {ID: "enrolment", Template: "enrolment", Data: view, Key: []any{view.Waiting, view.Window}}}, nil
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

// setRoom keeps the settings of a room.
func (c *console) setRoom(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := v.r.PathValue("room")
	title, note, master := f.Text("title", 120, false), f.Text("note", 4000, false), f.Value("master")
	policy := job.Policy(f.Choice("policy", string(job.PolicyDemand), string(job.PolicyStart), string(job.PolicyNight), string(job.PolicyNever)))
	night, teacher, spares := f.Value("night"), f.Value("teacher"), f.Values("spares")
	hours := [2]string{f.Value("from"), f.Value("to")}
	if _, err := time.Parse("15:04", night); err != nil {
		f.Fail("night", v.say("order.clock"))
	}
	if (hours[0] == "") != (hours[1] == "") {
		f.Fail("to", v.say("room.hours.both"))
	}
	if hours[0] >= hours[1] && hours[1] != "" {
		f.Fail("to", v.say("room.hours.order"))
	}
	change := access.RoomChange{Title: &title, Note: &note, Master: &master, Policy: &policy, Night: &night, Hours: &hours, Teacher: &teacher, Spares: &spares}
	if !f.Bad() {
		if _, err = v.Desk.SetRoom(v.r.Context(), name, change); err == nil {
			v.flash("room.saved", name)
			return v.seeOther(roomPath(name))
		}
		if err = v.refused(f, "master", err); err != nil {
			return err
		}
	}
	return v.roomPage(f, http.StatusUnprocessableEntity)
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
