package web

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/job"
)

// jobView is the page of a job, while it runs and afterwards.
type jobView struct {
	ID, Master, By, Note string
	Where                string // its computer, its rooms, or how many computers
	One                  bool   // it is for one computer
	Rooms                []string
	Facts                []string // what it was ordered with
	Schedule             *Crumb   // that has given it
	Again, AgainHref     string   // what did not succeed, once more; "": nothing to offer
	Kind                 job.Kind
	State                badge
	Over                 bool
	Created              time.Time
	NotBefore            *time.Time
	Expires              time.Time
	Counts               []countView
	Progress             int
	Left                 string
	Wire, Disk           string // rates now
	Sent, Repairs, HTTPS int64
	Joined, Expected     int
	Took                 string // of a job that is over
	Curve                template.HTML
	CurveDisk            string // whose disk it shows beside the wire; "": none
	Soon                 bool   // its curve is still to come: its place is kept
	Rows                 []rowView
	LeftOut              []lineView
	Laggards             []lineView
	Marks                []markView
	Done, Failed         int
	Writing              int // disks that are being written: only --force ends those
	Bar                  []part
	MayCancel            bool
}

// rowView is a computer's part of a job.
type rowView struct {
	ID, Computer, Task string // ID "": it is not there any more
	Room               string
	State              badge
	Percent            int // -1: not running
	Step, Rate, Left   string
	Why                string // it lags, it failed
	What               string // to do
	Version            string
	Took               string
	Written            int64
	Tries              int
	Certificate        string // address of a wipe's
	Script             bool   // ran, with this output
	Output, Exit       string
}

// lineView is a computer and a sentence about it.
type lineView struct{ Computer, ID, Says string }

// markView is a moment of a session.
type markView struct{ At, Computer, Says string }

// Live is the id of the element of a row.
func (r rowView) Live() string { return "k-" + key(r.Task) }

// jobOf makes a job readable.
func (v *visit) jobOf(id string) (jobView, error) {
	j, err := v.Desk.Job(v.r.Context(), id)
	if err != nil {
		return jobView{}, err
	}
	view := v.jobHead(j)
	members := map[string]sessions.Member{}
	if s := j.Session; s != nil {
		for _, m := range s.Now.Members {
			members[m.Computer] = m
		}
		v.session(&view, s)
	}
	v.rates(&view, j)
	view.Soon = !view.Over && view.Curve == "" && moves(j.Kind)
	for _, t := range j.Tasks {
		view.Rows = append(view.Rows, v.row(t, members[t.Computer], &view))
	}
	slices.SortStableFunc(view.Rows, func(a, b rowView) int {
		return cmp.Or(severity(a.State.Class)-severity(b.State.Class), natural(a.Computer, b.Computer))
	})
	for _, l := range j.LeftOut {
		what, do := v.notice(&l.Refusal)
		view.LeftOut = append(view.LeftOut, v.line(l.Computer, strings.TrimSpace(what+" "+do)))
	}
	view.Facts, view.Schedule = v.facts(j, view.Over), v.scheduleOf(j.Schedule)
	view.MayCancel = !view.Over && v.May(access.ActionOf(access.Order{Kind: j.Kind, Master: named(j)}))
	if view.Over {
		v.again(j, &view)
	}
	return view, nil
}

// jobHead is what a job says of itself without its session.
func (v *visit) jobHead(j access.Job) jobView {
	view := jobView{ID: j.ID, Kind: j.Kind, By: v.by(j.OrderedBy), Note: j.Note, State: v.jobMark(j), Created: j.Created, Where: v.where(j), One: len(j.Tasks) == 1, Rooms: j.Rooms,
		NotBefore: j.NotBefore, Expires: j.Expires, Progress: -1, Over: j.State != job.TaskRunning && j.State != job.TaskWaiting}
	if j.Master != "" {
		view.Master = j.Master
		if j.Version > 0 {
			view.Master = fmt.Sprintf("%s@%d", j.Master, j.Version)
		}
	}
	counts := map[string]int{}
	w := workOf(j.Tasks, v.now())
	view.Bar, view.Progress = w.Bar, w.Percent
	first, last := time.Time{}, time.Time{}
	for _, t := range j.Tasks {
		counts[t.State]++
		if t.Started != nil && (first.IsZero() || t.Started.Before(first)) {
			first = *t.Started
		}
		if t.Ended != nil && t.Ended.After(last) {
			last = *t.Ended
		}
	}
	for _, s := range []string{job.TaskFailed, job.TaskRunning, job.TaskWaiting, job.TaskCancelled, job.TaskDone} {
		if counts[s] > 0 {
			view.Counts = append(view.Counts, v.counted(v.taskMark(s), counts[s]))
		}
	}
	view.Done, view.Failed = counts[job.TaskDone], counts[job.TaskFailed]
	if view.Progress >= 0 {
		view.Wire, view.Disk = v.rate(w.Wire), v.rate(w.Disk)
	}
	if w.Left > 0 {
		view.Left = v.span(w.Left)
	}
	if view.Over && !first.IsZero() && last.After(first) {
		view.Took = v.span(last.Sub(first))
	}
	return view
}

// maxCurve is how many points a curve is drawn with, maxMarks how many moments are told.
const (
	maxCurve = 240
	maxMarks = 60
)

// session adds what a multicast session did.
func (v *visit) session(view *jobView, s *sessions.Report) {
	view.Sent, view.Repairs, view.HTTPS, view.Joined, view.Expected = s.Sent, s.Repairs, s.HTTPS, s.Joined, s.Now.Expected
	if s.Now.Running {
		view.Wire = v.rate(s.Now.Rate)
	}
	var points []point
	sent := false
	for _, x := range s.Samples {
		points = append(points, point{At: x.At, Wire: x.Rate, Disk: x.Disk})
		sent = sent || x.Rate > 0
	}
	if sent { // else everybody came by HTTPS
		v.plot(view, points, "job.disk.slowest")
	}
	for _, m := range s.Now.Members {
		if m.Reason != "" && (m.State == "slow" || m.State == "https" || m.State == "silent") {
			view.Laggards = append(view.Laggards, v.line(m.Computer, v.say("lag."+m.State)+" · "+v.in("", m.Reason)))
		}
	}
	for i := len(s.Marks) - 1; i >= 0 && len(view.Marks) < maxMarks; i-- {
		m := s.Marks[i]
		says := v.say("session." + m.Kind)
		if says == "session."+m.Kind {
			says = m.Kind
		}
		if m.Text != "" {
			says += " · " + v.in("", m.Text)
		}
		view.Marks = append(view.Marks, markView{v.seconds(float64(m.At)), m.Computer, says})
	}
}

// moves tells whether a job of a kind reads or writes disks, so that there is something to be drawn.
func moves(k job.Kind) bool {
	return slices.Contains([]job.Kind{job.KindDeploy, job.KindReset, job.KindStage, job.KindCapture, job.KindVerify, job.KindWipe}, k)
}

// plot draws the curve of a job, if there is enough of it.
func (v *visit) plot(view *jobView, points []point, disk string) {
	if len(points) < 2 {
		return
	}
	points = thin(points, maxCurve)
	view.Curve = curve(v.tongue, points)
	if slices.ContainsFunc(points, func(p point) bool { return p.Disk > 0 }) {
		view.CurveDisk = v.say(disk)
	}
}

// rates draws how fast a job goes that no multicast session has a curve of.
func (v *visit) rates(view *jobView, j access.Job) {
	if j.Rates == nil || view.Curve != "" || !moves(j.Kind) {
		return
	}
	var points []point
	for _, x := range j.Rates.Points {
		points = append(points, point{At: x.At, Wire: x.Wire, Disk: x.Disk})
	}
	label := "job.disk.mean"
	if len(j.Tasks) == 1 {
		label = "job.disk.one"
	}
	v.plot(view, points, label)
	if n := len(points); n > 0 && view.Progress >= 0 && !told(j) {
		running := int64(0)
		for _, t := range j.Tasks {
			if t.State == job.TaskRunning {
				running++
			}
		}
		view.Wire, view.Disk = v.rate(points[n-1].Wire), v.rate(points[n-1].Disk*running)
	}
}

// told tells whether a computer of a job says by itself how fast it goes: one that takes part in a session.
func told(j access.Job) bool {
	return slices.ContainsFunc(j.Tasks, func(t access.Task) bool { return t.State == job.TaskRunning && t.Reception != nil })
}

// row makes a task readable.
func (v *visit) row(t access.Task, m sessions.Member, view *jobView) rowView {
	r := rowView{Computer: t.Computer, Task: t.ID, State: v.taskMark(t.State), Percent: -1, Written: t.Written, Tries: t.Tries, Version: t.Target}
	r.ID, r.Room, _ = v.Desk.Whereabouts(t.Computer)
	if t.State == job.TaskRunning {
		r.Percent, r.Step = hundredths(share(&t)), v.step(t.Step)
		if t.Written > 0 {
			view.Writing++
		}
		if d, ok := remaining(&t, v.now()); ok {
			r.Left = v.span(d)
		}
		if x := t.Reception; x != nil {
			r.Rate = v.rate(x.WireRate)
			r.Why = v.in("", x.Reason)
		}
		r.Why = cmp.Or(v.in("", m.Reason), r.Why)
	}
	if t.Started != nil && t.Ended != nil {
		r.Took = v.span(t.Ended.Sub(*t.Started))
	}
	if o := t.Outcome; o != nil {
		r.Written = o.WrittenBytes
		if t.State == job.TaskFailed || t.State == job.TaskCancelled {
			r.Why, r.What = v.outcome(o)
		}
		if o.Wipe != nil {
			r.Certificate = "/certificates/" + url.PathEscape(t.Job) + "/" + url.PathEscape(t.ID)
		}
		if view.Kind == job.KindScript {
			r.Script, r.Output, r.Exit = true, o.Output, v.say("job.exit", o.Exit)
			if o.Exit < 0 {
				r.Exit = v.say("job.exit.signal")
			}
		}
	}
	return r
}

// jobLive makes the live parts of a job's page.
func (v *visit) jobLive(id string) live {
	return func() ([]fragment, error) {
		view, err := v.jobOf(id)
		if err != nil {
			return nil, err
		}
		if view.Over { // the page is loaded again, as a report
			return nil, v.notHere()
		}
		out := []fragment{}
		head := view
		head.Rows, head.Laggards, head.Marks = nil, nil, nil
		out = append(out, fragment{ID: "job", Template: "job-head", Data: head})
		shape := []string{}
		rows := fragment{ID: "rows", Template: "job-rows", Data: view}
		for _, r := range view.Rows {
			shape = append(shape, r.Task)
			rows.Inside = append(rows.Inside, fragment{ID: r.Live(), Template: "job-row", Data: r})
		}
		rows.Key = shape
		after := fragment{ID: "job-after", Template: "job-after", Data: jobView{Laggards: view.Laggards, Marks: view.Marks}}
		return append(out, rows, after), nil
	}
}

// showJob is the page of a job.
func (c *console) showJob(v *visit) error {
	view, err := v.jobOf(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := Page{Title: v.say("job.where", v.say("kind."+string(view.Kind)), view.Where, view.ID), Active: "nav.jobs", Data: view,
		Crumbs: []Crumb{{v.say("nav.jobs"), "/jobs"}}}
	if !view.Over {
		p.Live = "/events?" + url.Values{"page": {"job"}, "job": {view.ID}}.Encode()
	}
	return v.page("job", p)
}

// cancelJob ends a job.
func (c *console) cancelJob(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id := v.r.PathValue("id")
	_, err = v.Desk.Cancel(v.r.Context(), id, access.Cancel{Force: f.Value("force") == "1"})
	return v.done(err, "/jobs/"+url.PathEscape(id), "job.cancelled", id)
}
