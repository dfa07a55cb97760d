package web

import (
	"cmp"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// where says where a job is: its one computer, else its rooms, else for how many computers it is.
func (v *visit) where(j access.Job) string {
	switch {
	case len(j.Tasks) == 1:
		return j.Tasks[0].Computer
	case len(j.Rooms) > 0:
		return strings.Join(j.Rooms, ", ")
	}
	return v.count("n.computers", len(j.Tasks))
}

// jobMark is the badge of a job: one that failed on some of its computers says of how many it did not.
func (v *visit) jobMark(j access.Job) badge {
	out, done := v.taskMark(j.State), 0
	for _, t := range j.Tasks {
		if t.State == job.TaskDone {
			done++
		}
	}
	if j.State == job.TaskFailed && done > 0 {
		out.Word = v.count("job.some", done, len(j.Tasks))
	}
	return out
}

// facts are in words what a job was ordered with; of one that is not over first until when it may begin.
func (v *visit) facts(j access.Job, over bool) (out []string) {
	if !over && !j.Expires.IsZero() {
		out = append(out, v.say("job.until", v.when(j.Expires)))
	}
	if j.Level != "" {
		out = append(out, v.say("job.level", v.say("level.word."+string(j.Level))))
	}
	if j.Kind == job.KindWipe {
		out = append(out, v.say("job.method", v.say("wipe."+cmp.Or(j.Wipe, job.WipeAuto))))
	}
	if s := j.Script; s != nil {
		out = append(out, v.say("job.script", cmp.Or(s.Name, s.Hash[:min(len(s.Hash), hex.EncodedLen(4))])))
	}
	if moves(j.Kind) && j.Ending != "" {
		out = append(out, v.say("job.end."+string(j.Ending)))
	}
	if j.Retries > 0 {
		out = append(out, v.count("job.retries", j.Retries))
	}
	return out
}

// scheduleOf names the schedule that has given a job; nil: a person has. Its page is for those who may order.
func (v *visit) scheduleOf(id string) *Crumb {
	if id == "" {
		return nil
	}
	out := &Crumb{Title: id}
	if s, err := v.Desk.Schedule(id); err == nil {
		out.Title = s.Name
		if v.May(people.ActionDeploy) {
			out.Href = "/schedules/" + url.PathEscape(id)
		}
	}
	return out
}

// maxAgain is for how many computers an order is offered again: their ids travel in an address.
const maxAgain = 500

// maxNoteAgain is how many bytes a note has at most that travels with them.
const maxNoteAgain = 500

// again offers a job that is over once more, for the computers that it did not succeed on and that are still there, with all
// that it was ordered with.
func (v *visit) again(j access.Job, view *jobView) {
	var ids []string
	for _, t := range j.Tasks {
		byHand := t.Outcome == nil || t.Outcome.Code == fleet.OutcomeCancelled
		if t.State != job.TaskFailed && (t.State != job.TaskCancelled || byHand) {
			continue
		}
		if id, _, known := v.Desk.Whereabouts(t.Computer); known {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || len(ids) > maxAgain || !v.May(access.ActionOf(access.Order{Kind: j.Kind, Master: named(j), Disk: j.Disk})) {
		return
	}
	q := v.orderedWith(j)
	switch {
	case j.Kind == job.KindCapture:
		q.Set("computer", ids[0]) // it is of one
		q.Set("master", j.Master)
		view.AgainHref = "/capture?" + q.Encode()
	case len(ids) == 1 && slices.Contains(moreKinds(), j.Kind):
		view.AgainHref = "/computers/" + url.PathEscape(ids[0]) + "/do/" + string(j.Kind) + "?" + q.Encode()
	default:
		q.Set("kind", string(j.Kind))
		q["pc"] = ids
		view.AgainHref = "/order?" + q.Encode()
	}
	view.Again = v.count("job.again", len(ids))
}

// orderedWith is what a job was ordered with, as the fields of forms have it. A window is the next one between its hours.
func (v *visit) orderedWith(j access.Job) url.Values {
	q := url.Values{"again": {"1"}}
	add := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	add("master", named(j))
	add("level", string(j.Level))
	if j.Ending == job.EndDisk || j.Ending == job.EndPowerOff { // of those that pages offer
		add("ending", string(j.Ending))
	}
	if j.Kind == job.KindWipe {
		add("method", j.Wipe)
	}
	if j.Script != nil {
		add("script", j.Script.Hash)
	}
	add("disk", ruleText(j.Disk))
	for field, on := range map[string]bool{"wake": j.Wake, "as_is": j.AsIs} {
		if on {
			q.Set(field, "1")
		}
	}
	if len(j.Note) <= maxNoteAgain {
		add("note", j.Note)
	}
	if j.NotBefore == nil || j.Expires.Sub(*j.NotBefore) > 24*time.Hour {
		return q
	}
	from, until := v.clock(*j.NotBefore), v.clock(j.Expires)
	if q.Set("when", "window"); from == nightFrom && until == nightUntil {
		q.Set("when", "tonight")
	}
	q.Set("from", from)
	q.Set("until", until)
	q.Set("retries", strconv.Itoa(j.Retries))
	return q
}

// named is the version that a job was ordered with; "": what each computer holds, or none.
func named(j access.Job) string {
	if j.Version == 0 {
		return ""
	}
	return j.Master + "@" + strconv.Itoa(j.Version)
}

// line is a sentence about a computer, with the way to that while it is there.
func (v *visit) line(computer, says string) lineView {
	id, _, _ := v.Desk.Whereabouts(computer)
	return lineView{Computer: computer, ID: id, Says: says}
}

// jobCSV is the report of a job for a spreadsheet.
func (c *console) jobCSV(v *visit) error {
	view, err := v.jobOf(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="ardoise-`+url.PathEscape(view.ID)+`.csv"`)
	h.Set("Cache-Control", "no-store")
	w := fleet.NewSheetWriter(v.w)
	keys := []string{"job.room", "job.computer", "job.state", "job.reason", "job.todo", "job.took", "job.written"}
	if view.Kind == job.KindScript {
		keys = append(keys, "job.exit.head", "job.output")
	}
	head := []string{}
	for _, k := range keys {
		head = append(head, v.say(k))
	}
	w.Write(head...)
	for _, r := range view.Rows {
		cells := []string{r.Room, r.Computer, r.State.Word, notices.Plain(r.Why), notices.Plain(r.What), r.Took, strconv.FormatInt(r.Written, 10)}
		if view.Kind == job.KindScript {
			cells = append(cells, r.Exit, r.Output)
		}
		w.Write(cells...)
	}
	for _, l := range view.LeftOut {
		_, room, _ := v.Desk.Whereabouts(l.Computer)
		cells := make([]string, len(keys))
		copy(cells, []string{room, l.Computer, v.say("job.leftout"), notices.Plain(l.Says), "", "", "0"})
		w.Write(cells...)
	}
	if err := w.Close(); err != nil {
		c.Log.Warn("sending the report of a job", "error", err) // the browser is gone
	}
	return nil
}

// jobsPage is how many jobs a page of the list has.
const jobsPage = 50

// jobList is a page of jobs. It is compared to see whether it changed.
type jobList struct {
	Jobs     []jobView
	Filtered bool
}

// jobsView is the list of jobs.
type jobsView struct {
	List        jobList
	State, Room string // that are asked for; "": all
	Tabs        []tab
	Rooms       []option
	First, Next string
	May         bool
}

// jobsOf lists the jobs that an address asks for, the newest first.
func (v *visit) jobsOf(q url.Values) (jobsView, error) {
	view := jobsView{State: q.Get("state"), Room: q.Get("room")}
	filter := access.JobFilter{Before: q.Get("before"), State: view.State, Room: view.Room, Limit: jobsPage + 1}
	all, err := v.Desk.Jobs(v.r.Context(), filter)
	if err != nil {
		return view, err
	}
	if len(all) > jobsPage {
		all = all[:jobsPage]
		view.Next = "/jobs?" + with(q, "before", all[jobsPage-1].ID).Encode()
	}
	if filter.Before != "" {
		view.First = "/jobs?" + with(q, "before", "").Encode()
	}
	for _, j := range all {
		view.List.Jobs = append(view.List.Jobs, v.jobHead(j))
	}
	view.List.Filtered = view.State != "" || view.Room != "" || filter.Before != ""
	return view, nil
}

func (c *console) showJobs(v *visit) error {
	q := v.r.URL.Query()
	states := []string{"", job.TaskRunning, job.TaskWaiting, job.TaskFailed, job.TaskDone, job.TaskCancelled}
	if !slices.Contains(states, q.Get("state")) {
		q.Del("state")
	}
	view, err := v.jobsOf(q)
	if err != nil {
		return err
	}
	view.May = v.May(people.ActionDeploy)
	for _, s := range states {
		title := v.say("jobs.all")
		if s != "" {
			title = v.taskMark(s).Word
		}
		view.Tabs = append(view.Tabs, tab{title, "/jobs?" + with(with(q, "before", ""), "state", s).Encode(), s == view.State})
	}
	view.Rooms = []option{{"", v.say("jobs.rooms")}}
	for _, r := range v.Desk.RoomList() {
		view.Rooms = append(view.Rooms, option{r.Name, r.Name})
	}
	p := Page{Title: v.say("nav.jobs"), Active: "nav.jobs", Status: http.StatusOK, Data: view}
	if view.First == "" { // only the newest change
		live := url.Values{"page": {"jobs"}}
		for key, value := range map[string]string{"state": view.State, "room": view.Room} {
			if value != "" {
				live.Set(key, value)
			}
		}
		p.Live = "/events?" + live.Encode()
	}
	return v.page("jobs", p)
}

// jobsLive makes the live parts of the list of jobs.
func (v *visit) jobsLive() live {
	q := with(v.r.URL.Query(), "page", "")
	return func() ([]fragment, error) {
		view, err := v.jobsOf(q)
		if err != nil {
			return nil, err
		}
		return []fragment{{ID: "jobs", Template: "jobs", Data: view.List}}, nil
	}
}
