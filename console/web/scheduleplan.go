package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// schedulePlan is the page that asks before a schedule that erases is kept, or used again: it says what it would do if its time
// came now.
type schedulePlan struct {
	ID      string
	Form    *Form
	Resumes bool // it was paused
	What    scheduleView
	Plan    planView
	Sent    []option // what the form says, to be sent again
}

// erases tells whether a schedule ends, or may end, what is on disks: a script that nobody knows any more may.
func (v *visit) erases(o access.ScheduledOrder) (bool, error) {
	if o.Kind != job.KindScript {
		return destroys(o.Kind), nil
	}
	x, err := v.script(o.Script)
	return x.Writes, err
}

// script is an approved or other script by its hash; of one that is not there nothing is known, so that it may write.
func (v *visit) script(hash string) (access.Script, error) {
	all, err := v.Desk.Scripts()
	if err != nil {
		return access.Script{}, err
	}
	if i := slices.IndexFunc(all, func(s access.Script) bool { return s.Hash == hash }); i >= 0 {
		return all[i], nil
	}
	return access.Script{Hash: hash, Name: hash, Writes: true}, nil
}

// askSchedule shows what a schedule that erases would do, and asks for a sentence; false where that has been typed, or with the
// reason why it cannot be planned.
func (v *visit) askSchedule(view schedulePlan, s access.Schedule) (asked bool, err error) {
	f, now := view.Form, v.now().In(v.zone)
	next, ok := nextWindow(now, s.At, s.Until)
	if !ok {
		f.Fail("at", v.say("order.clock"))
		return false, nil
	}
	o := access.Order{Kind: s.Order.Kind, Computers: s.Order.Computers, Rooms: s.Order.Rooms, Sites: s.Order.Sites, Filter: s.Order.Filter,
		Master: s.Order.Master, Level: s.Order.Level, Ending: s.Order.Ending, Disk: s.Order.Disk, Script: s.Order.Script, Skip: true, Instead: true}
	if next.Begin.After(now) { // who is at work now is not in its way
		o.At = next.Begin
	}
	plan, err := v.Desk.Plan(o)
	if err != nil {
		if e := access.ErrorOf(err); e.Code != string(fleet.CodeBadOrder) || !strings.HasSuffix(e.Detail, ", not 0") {
			return false, err
		}
		plan = access.Plan{Kind: o.Kind, Master: o.Master} // nobody yet: what it means is looked up each time
	}
	view.What = scheduleView{Schedule: s, When: v.whenever(s), Where: v.wherever(s.Order), What: v.whatever(s.Order)}
	view.Plan = v.addUp(plan)
	if o.Kind == job.KindScript {
		x, err := v.script(o.Script)
		if err != nil {
			return false, err
		}
		view.Plan.Script = x.Name
	}
	view.Plan.Sentence = v.count("schedule.sentence."+string(o.Kind), len(view.Plan.Ready), v.onDays(s))
	if sameWords(f.Value("typed"), view.Plan.Sentence) {
		return false, nil
	}
	if !view.Resumes && o.Kind == job.KindDeploy && asksForDisk(o.Kind, f, plan.Targets) {
		if view.Plan.Choices, err = v.diskChoices(plan.Targets, f.Value("disk")); err != nil {
			return false, err
		}
	}
	status := http.StatusOK
	if f.Has("asked", "1") && !f.values.Has("pick") {
		f.Fail("typed", v.say("order.type.wrong", view.Plan.Sentence))
		status = http.StatusUnprocessableEntity
	}
	view.sends()
	return true, v.page("scheduleplan", Page{Title: v.say("schedule.confirm"), Active: "nav.schedules", Status: status,
		Crumbs: []Crumb{{v.say("nav.schedules"), "/schedules"}}, Data: view})
}

// sends is what the form said, so that it can be sent again with the sentence.
func (p *schedulePlan) sends() {
	for field, values := range p.Form.values {
		for _, value := range values {
			if !slices.Contains([]string{"typed", "asked", "pick", "disk"}, field) {
				p.Sent = append(p.Sent, option{field, value})
			}
		}
	}
	p.Sent = append(p.Sent, option{"asked", "1"})
	if d := p.Form.Value("disk"); d != "" {
		p.Sent = append(p.Sent, option{"disk", d})
	}
	slices.SortStableFunc(p.Sent, func(a, b option) int { return strings.Compare(a.Value, b.Value) })
}
