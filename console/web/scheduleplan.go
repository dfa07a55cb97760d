package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// schedulePlan is the page that asks before a schedule that erases is kept: it says what it would do if its time came now.
type schedulePlan struct {
	ID   string
	Form *Form
	What scheduleView
	Plan planView
	Sent []option // what the form says, to be sent again
}

// askSchedule shows what a schedule that erases would do, and asks for a sentence; false where that has been typed, or where
// the schedule is to be refused at its own form.
func (v *visit) askSchedule(id string, f *Form, s access.Schedule) (asked bool, err error) {
	now := v.now().In(v.zone)
	next, ok := nextWindow(now, s.At, s.Until)
	if !ok {
		f.Fail("at", v.say("order.clock"))
		return false, nil
	}
	o := access.Order{Kind: s.Order.Kind, Computers: s.Order.Computers, Rooms: s.Order.Rooms, Sites: s.Order.Sites, Filter: s.Order.Filter,
		Master: s.Order.Master, Level: s.Order.Level, Ending: s.Order.Ending, Disk: s.Order.Disk, Skip: true, Instead: true}
	if next.Begin.After(now) { // who is at work now is not in its way
		o.At = next.Begin
	}
	plan, err := v.Desk.Plan(o)
	if err != nil {
		if e := access.ErrorOf(err); e.Code != string(fleet.CodeBadOrder) || !strings.HasSuffix(e.Detail, ", not 0") {
			return false, v.refusedSchedule(f, err)
		}
		plan = access.Plan{Kind: o.Kind, Master: o.Master} // nobody yet: what it means is looked up each time
	}
	view := schedulePlan{ID: id, Form: f, What: scheduleView{Schedule: s, When: v.whenever(s), Where: v.wherever(s.Order), What: v.whatever(s.Order)},
		Plan: v.addUp(plan)}
	view.Plan.Sentence = v.count("schedule.sentence."+string(o.Kind), len(view.Plan.Ready), v.onDays(s))
	if sameWords(f.Value("typed"), view.Plan.Sentence) {
		return false, nil
	}
	if o.Kind == job.KindDeploy && asksForDisk(o.Kind, f, plan.Targets) {
		if view.Plan.Choices, err = v.diskChoices(plan.Targets, f.Value("disk")); err != nil {
			return false, err
		}
	}
	status := http.StatusOK
	if f.Has("asked", "1") && !f.values.Has("pick") {
		f.Fail("typed", v.say("order.type.wrong", view.Plan.Sentence))
		status = http.StatusUnprocessableEntity
	}
	for field, values := range f.values {
		for _, value := range values {
			if !slices.Contains([]string{"typed", "asked", "pick", "disk"}, field) {
				view.Sent = append(view.Sent, option{field, value})
			}
		}
	}
	view.Sent = append(view.Sent, option{"asked", "1"})
	if d := f.Value("disk"); d != "" {
		view.Sent = append(view.Sent, option{"disk", d})
	}
	slices.SortStableFunc(view.Sent, func(a, b option) int { return strings.Compare(a.Value, b.Value) })
	return true, v.page("scheduleplan", Page{Title: v.say("schedule.confirm"), Active: "nav.schedules", Status: status,
		Crumbs: []Crumb{{v.say("nav.schedules"), "/schedules"}}, Data: view})
}
