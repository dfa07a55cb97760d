package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// scheduleView is a schedule in plain words.
type scheduleView struct {
	access.Schedule
	When, Where, What string
	Owed              []owedLine // who waits, the first of them
	More              int        // how many others do
	Busy              string     // what keeps them; "": they are free by now
	Forget            *ask
}

// owedLine is a computer that a schedule still owes its task, and the job that keeps it.
type owedLine struct{ ID, Computer, Kind, By, Job string } // Job is "": it is free by now

// Waits is how many computers a schedule still owes their task.
func (s scheduleView) Waits() int { return len(s.Owed) + s.More }

// maxOwed is how many of them are named.
const maxOwed = 60

// weekdays lists the days of a week as schools count them, from Monday, by their names on the wire.
func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// dayName is the name of a day by its place in weekdays.
func (t tongue) dayName(i int) string { return strings.Fields(t.say("day.long"))[(i+1)%7] }

// and joins names as people do.
func (t tongue) and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + t.say("schedule.and") + " " + names[len(names)-1]
}

// whenever says when a schedule's window is: "each weekday night from 22:00 to 05:00".
func (t tongue) whenever(s access.Schedule) string {
	return t.say("schedule.when", t.onDays(s), s.At, s.Until)
}

// onDays says on which days that is: "each weekday night".
func (t tongue) onDays(s access.Schedule) string {
	var bits string
	var names []string
	for i, d := range weekdays() {
		if slices.Contains(s.Days, d) {
			bits += "x"
			names = append(names, t.dayName(i))
		} else {
			bits += "-"
		}
	}
	night := ""
	if s.Until <= s.At {
		night = ".night"
	}
	switch bits {
	case "xxxxxxx":
		return t.say("schedule.all" + night)
	case "xxxxx--":
		return t.say("schedule.week" + night)
	case "-----xx":
		return t.say("schedule.end" + night)
	}
	return t.say("schedule.on"+night, t.and(names))
}

// wherever says what a schedule is for.
func (t tongue) wherever(o access.ScheduledOrder) string {
	var parts []string
	for _, s := range o.Sites {
		if s == "" {
			s = t.say("site.unnamed")
		}
		parts = append(parts, s)
	}
	parts = append(parts, o.Rooms...)
	if len(o.Computers) > 4 {
		parts = append(parts, t.count("n.computers", len(o.Computers)))
	} else {
		parts = append(parts, o.Computers...)
	}
	if o.Filter != "" {
		parts = append(parts, t.say("schedule.filter", o.Filter))
	}
	return t.and(parts)
}

// whatever says what a schedule does.
func (t tongue) whatever(o access.ScheduledOrder) string {
	what := t.say("kind." + string(o.Kind))
	if o.Master != "" {
		what += " · " + o.Master
	}
	if o.Level == job.LevelQuick {
		what += " · " + t.say("schedule.quick")
	}
	return what
}

func (c *console) showSchedules(v *visit) error {
	all, err := v.Desk.Schedules()
	if err != nil {
		return err
	}
	var views []scheduleView
	for _, s := range all {
		view := scheduleView{Schedule: s, When: v.whenever(s), Where: v.wherever(s.Order), What: v.whatever(s.Order),
			Forget: &ask{ID: "forget-" + s.ID, Label: v.say("schedule.forget"), Icon: "trash", Class: "small danger quiet",
				Title: v.say("schedule.forget.title", s.Name), Says: v.say("schedule.forget.says", v.whenever(s)),
				Action: "/schedules/" + url.PathEscape(s.ID) + "/forget", Do: v.say("schedule.forget")}}
		if err := v.owed(&view); err != nil {
			return err
		}
		views = append(views, view)
	}
	return v.page("schedules", Page{Title: v.say("nav.schedules"), Active: "nav.schedules", Data: views})
}

// owed names the computers that a schedule waits for, and what keeps each. One that has left for a place which the person does
// not see is not named.
func (v *visit) owed(view *scheduleView) error {
	var kinds []string
	jobs := map[string]access.Job{}
	for i, name := range view.Waiting {
		if len(view.Owed) == maxOwed {
			view.More = len(view.Waiting) - i
			break
		}
		pc, err := v.Desk.Computer(name)
		if err != nil {
			continue
		}
		x := owedLine{ID: pc.ID, Computer: pc.Name}
		if pc.Task != nil {
			j, known := jobs[pc.Task.Job]
			if !known {
				if j, err = v.Desk.Brief(v.r.Context(), pc.Task.Job); err != nil {
					return err
				}
				jobs[pc.Task.Job] = j
			}
			x.Job, x.Kind, x.By = j.ID, v.say("kind."+string(j.Kind)), v.by(j.OrderedBy)
			if !slices.Contains(kinds, x.Kind) {
				kinds = append(kinds, x.Kind)
			}
		}
		view.Owed = append(view.Owed, x)
	}
	view.Busy = v.and(kinds)
	return nil
}

// scheduleForm is what the page of a schedule shows.
type scheduleForm struct {
	ID                     string
	Form                   *Form
	Kinds, Levels, Endings []option
	Rooms, Sites, Days     []option
	Masters                []string
	Scripts                []option
	Disks                  []option
	MayFilter              bool
}

func (c *console) showSchedule(v *visit) error {
	id := v.r.PathValue("id")
	f := newForm(v.tongue, nil)
	if id != "new" {
		s, err := v.Desk.Schedule(id)
		if err != nil {
			return err
		}
		f = scheduleValues(v.tongue, s)
	} else {
		f.values = url.Values{"kind": {string(job.KindReset)}, "at": {"22:00"}, "until": {"05:00"}, "days": weekdays()[:5], "wake": {"1"},
			"level": {string(job.LevelFull)}, "retries": {"1"}, "countdown": {fmt.Sprint(countdown)}, "ending": {string(job.EndPowerOff)}, "rooms": v.r.URL.Query()["room"]}
	}
	return c.schedulePage(v, id, f, http.StatusOK)
}

// scheduleValues is a form that says what a schedule is.
func scheduleValues(t tongue, s access.Schedule) *Form {
	o := s.Order
	f := newForm(t, url.Values{"name": {s.Name}, "kind": {string(o.Kind)}, "at": {s.At}, "until": {s.Until}, "days": s.Days, "rooms": o.Rooms,
		"master": {o.Master}, "level": {string(o.Level)}, "ending": {string(o.Ending)}, "retries": {fmt.Sprint(o.Retries)}, "filter": {o.Filter},
		"script": {o.Script}, "computers": {strings.Join(o.Computers, "\n")}, "countdown": {fmt.Sprint(o.Countdown)}, "disk": {ruleText(o.Disk)}})
	for _, site := range o.Sites {
		f.values.Add("sites", siteValue(site))
	}
	if o.Wake {
		f.values.Set("wake", "1")
	}
	if s.Paused {
		f.values.Set("paused", "1")
	}
	return f
}

// scheduleKinds are the kinds that can be ordered again and again.
func scheduleKinds() []job.Kind {
	return []job.Kind{job.KindReset, job.KindDeploy, job.KindStage, job.KindVerify, job.KindInventory, job.KindScript, job.KindShutdown}
}

func (c *console) schedulePage(v *visit, id string, f *Form, status int) error {
	view := scheduleForm{ID: id, Form: f, MayFilter: v.Caller.Everywhere(), Levels: v.levels(), Endings: v.endings(), Disks: v.diskRules(f)}
	for _, k := range scheduleKinds() {
		view.Kinds = append(view.Kinds, option{string(k), v.say("kind." + string(k))})
	}
	for i, d := range weekdays() {
		view.Days = append(view.Days, option{d, v.dayName(i)})
	}
	for _, r := range v.Desk.RoomList() {
		if v.Desk.May(people.ActionDeploy, fleet.SiteOf(r.Name), r.Name) {
			view.Rooms = append(view.Rooms, option{r.Name, r.Name})
		}
	}
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	for _, s := range sites {
		if v.Desk.May(people.ActionDeploy, s.Name, "") {
			view.Sites = append(view.Sites, option{siteValue(s.Name), v.siteTitle(s)})
		}
	}
	masters, err := v.Desk.Masters()
	if err != nil {
		return err
	}
	for _, m := range masters {
		for _, ch := range m.Channels {
			view.Masters = append(view.Masters, m.Name+"@"+ch)
		}
		view.Masters = append(view.Masters, fmt.Sprintf("%s@%d", m.Name, m.Version))
	}
	if view.Scripts, err = v.approvedScripts(); err != nil {
		return err
	}
	title := v.say("schedule.new")
	if id != "new" {
		title = f.Value("name")
	}
	return v.page("schedule", Page{Title: title, Active: "nav.schedules", Status: status,
		Crumbs: []Crumb{{v.say("nav.schedules"), "/schedules"}}, Data: view})
}

// siteTitle is what people call a site.
func (t tongue) siteTitle(s access.Site) string {
	switch {
	case s.Title != "":
		return s.Title
	case s.Name == "":
		return t.say("site.unnamed")
	}
	return s.Name
}

// levels are the levels of a reset.
func (t tongue) levels() []option {
	return []option{{string(job.LevelFull), t.say("level.full")}, {string(job.LevelQuick), t.say("level.quick")}}
}

// endings are what a computer may do afterwards.
func (t tongue) endings() []option {
	return []option{{string(job.EndDisk), t.say("ending.disk")}, {string(job.EndPowerOff), t.say("ending.poweroff")}}
}

// approvedScripts are the scripts that computers may run.
func (v *visit) approvedScripts() ([]option, error) {
	all, err := v.Desk.Scripts()
	if err != nil {
		return nil, err
	}
	out := []option{{"", v.say("script.choose")}}
	for _, s := range all {
		if s.ApprovedBy != "" {
			out = append(out, option{s.Hash, s.Name})
		}
	}
	return out, nil
}

// setSchedule keeps a schedule.
func (c *console) setSchedule(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id := v.r.PathValue("id")
	if rule := f.Values("pick"); len(rule) > 0 {
		f.values.Set("disk", rule[0])
	}
	if f.Has("edit", "1") {
		f.values.Del("edit")
		return c.schedulePage(v, id, f, http.StatusOK)
	}
	s := readSchedule(f)
	if id != "new" {
		s.ID = id
	}
	if s.Order.Master != "" {
		if _, err := v.Desk.Resolve(s.Order.Master); err != nil {
			what, do := v.notice(access.ErrorOf(err))
			f.Fail("master", what+" "+do)
		}
	}
	if !f.Bad() {
		if asked, err := v.agreesTo(schedulePlan{ID: id, Form: f}, s); asked {
			return err
		} else if err != nil {
			if err = v.refusedSchedule(f, err); err != nil {
				return err
			}
		}
	}
	if !f.Bad() {
		if s, err = v.Desk.SetSchedule(v.r.Context(), s); err != nil {
			if err = v.refusedSchedule(f, err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return c.schedulePage(v, id, f, http.StatusUnprocessableEntity)
	}
	v.flash("schedule.kept", s.Name, v.whenever(s))
	return v.seeOther("/schedules")
}

// refusedSchedule puts the refusal of a schedule at the field that it is about.
func (v *visit) refusedSchedule(f *Form, err error) error {
	field := "name"
	switch access.ErrorOf(err).Code {
	case "no-master", "bad-master":
		field = "master"
	case "bad-filter":
		field = "filter"
	case "no-computer", "several":
		field = "computers"
	case "no-room", "no-site", "bad-order":
		field = "rooms"
	}
	if e := access.ErrorOf(err); e.Status == http.StatusNotFound && e.Code != string(fleet.CodeNoSchedule) {
		e.Status, err = http.StatusConflict, e // what the person has typed: it is told at its field
	}
	return v.refused(f, field, err)
}

// readSchedule reads what was typed.
func readSchedule(f *Form) access.Schedule {
	f.Default("countdown", fmt.Sprint(countdown))
	var kinds []string
	for _, k := range scheduleKinds() {
		kinds = append(kinds, string(k))
	}
	o := access.ScheduledOrder{Kind: job.Kind(f.Choice("kind", kinds...)), Rooms: f.Values("rooms"), Filter: f.Text("filter", 1000, false),
		Ending: job.Ending(f.Choice("ending", string(job.EndDisk), string(job.EndPowerOff))), Retries: f.Number("retries", 0, 5), Wake: f.Has("wake", "1"),
		Countdown: f.Number("countdown", 0, 600), Disk: f.diskOf("disk"),
		Computers: strings.Fields(f.Text("computers", 20000, false))}
	for _, s := range f.Values("sites") {
		o.Sites = append(o.Sites, siteName(s))
	}
	switch o.Kind {
	case job.KindReset:
		o.Level = job.Level(f.Choice("level", string(job.LevelQuick), string(job.LevelFull)))
		o.Master = f.Text("master", 200, false)
	case job.KindDeploy, job.KindStage:
		o.Master = f.Text("master", 200, true)
	case job.KindVerify:
		o.Master = f.Text("master", 200, false)
	case job.KindScript:
		o.Script = f.Text("script", 64, true)
	}
	if len(o.Rooms)+len(o.Sites)+len(o.Computers) == 0 && o.Filter == "" {
		f.Fail("rooms", f.t.say("schedule.nowhere"))
	}
	s := access.Schedule{Name: f.Text("name", 100, true), Order: o, At: f.Text("at", 5, true), Until: f.Text("until", 5, true), Paused: f.Has("paused", "1")}
	for _, d := range weekdays() {
		if f.Has("days", d) {
			s.Days = append(s.Days, d)
		}
	}
	if len(s.Days) == 0 {
		f.Fail("days", f.t.say("schedule.noday"))
	}
	return s
}

// agreesTo asks before a schedule that erases is kept or used again, unless the person has typed what it does.
func (v *visit) agreesTo(view schedulePlan, s access.Schedule) (asked bool, err error) {
	erases, err := v.erases(s.Order)
	if err != nil || !erases {
		return false, err
	}
	return v.askSchedule(view, s)
}

// agreesToResume does so for one that is kept.
func (v *visit) agreesToResume(id string) (asked bool, err error) {
	f, err := v.form()
	if err != nil {
		return false, err
	}
	s, err := v.Desk.Schedule(id)
	if err != nil {
		return false, err
	}
	return v.agreesTo(schedulePlan{ID: id, Form: f, Resumes: true}, s)
}

// changeSchedule pauses, resumes or forgets a schedule.
func (c *console) changeSchedule(v *visit) error {
	verb := v.r.PathValue("verb")
	if !slices.Contains([]string{"pause", "resume", "forget"}, verb) {
		return v.notHere()
	}
	id := v.r.PathValue("id")
	if verb == "resume" {
		if asked, err := v.agreesToResume(id); asked {
			return err
		} else if err != nil {
			return v.done(err, "/schedules", "")
		}
	}
	s, err := v.Desk.ChangeSchedule(v.r.Context(), id, verb)
	return v.done(err, "/schedules", "schedule.done."+verb, s.Name)
}
