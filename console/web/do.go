package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// doView is the page that says what an order would do to one computer, and asks.
type doView struct {
	Computer access.Computer
	Kind     string
	Form     *Form
	Target   access.Target
	Holds    string
	Loses    string // in the person's language
	Took     string // how long it takes, roughly, or that nobody can tell
	Stop     string // why it cannot be done
	Asks     bool   // which disk
	Levels   []option
	Methods  []option
	Scripts  []option
	Endings  []option
	Disks    []diskChoice // where there are several: one is chosen before it is said what it loses
	When     whenView
	Again    template.URL // all that the form says, but for the disk
	Typed    string       // words that have to be typed
	Destroys bool
}

// doKinds are the kinds of order that a computer's own page gives.
func doKinds() []job.Kind {
	return []job.Kind{job.KindReset, job.KindVerify, job.KindInventory, job.KindScript, job.KindShutdown, job.KindWipe}
}

// showDo says what an order would do.
func (c *console) showDo(v *visit) error {
	q := v.r.URL.Query()
	f := newForm(v.tongue, url.Values{})
	if !q.Has("again") { // then a box that is not there is one that was left empty
		f.values.Set("wake", "1")
	}
	for _, field := range append(kept(), "disk") {
		if x := q.Get(field); x != "" {
			f.values.Set(field, x)
		}
	}
	return v.doPage(f, http.StatusOK)
}

// orderOf reads what the form of a kind asks for.
func (v *visit) orderOf(f *Form, kind job.Kind, id string) access.Order {
	o := access.Order{Kind: kind, Computers: []string{id}, Wake: f.Has("wake", "1"), Ending: job.EndDisk, Instead: f.Has("instead", "1"),
		Countdown: countdown, Note: f.Text("note", 4000, false)}
	switch kind {
	case job.KindReset:
		o.Level = job.Level(f.Choice("level", string(job.LevelFull), string(job.LevelQuick)))
		o.Master = f.Text("master", 200, false)
	case job.KindVerify:
		o.Master = f.Text("master", 200, false)
	case job.KindWipe:
		o.Wipe = f.Choice("method", job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite)
	case job.KindScript:
		o.Script = f.Text("script", 64, true)
	case job.KindShutdown:
		o.Wake = false
	}
	if asksForDisk(kind, f, nil) {
		o.Disk = f.diskOf("disk")
	}
	if kind == job.KindWipe || kind == job.KindShutdown || f.Has("ending", string(job.EndPowerOff)) {
		o.Ending = job.EndPowerOff
	}
	v.timed(f, &o)
	return o
}

// defaultsOf fills in what the page of an order says before anybody has chosen.
func defaultsOf(f *Form) {
	defaultTimes(f)
	f.Default("level", string(job.LevelFull))
	f.Default("method", job.WipeAuto)
	f.Default("ending", string(job.EndDisk))
}

func (v *visit) doPage(f *Form, status int) error {
	kind := job.Kind(v.r.PathValue("kind"))
	if !slices.Contains(doKinds(), kind) {
		return v.notHere()
	}
	pc, err := v.Desk.Computer(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	defaultsOf(f)
	view := doView{Computer: pc, Kind: string(kind), Form: f, Levels: v.levels(), Endings: v.endings(), Methods: v.methods(),
		When: v.whenOf(f, kind), Again: template.URL(saidBy(f).Encode()), Destroys: destroys(kind)}
	if pc.Runs != nil {
		view.Holds = fmt.Sprintf("%s@%d", pc.Runs.Master, pc.Runs.Version)
	}
	if kind == job.KindWipe {
		view.Typed = pc.Name
	}
	if kind == job.KindVerify || kind == job.KindScript || kind == job.KindWipe {
		view.Disks = v.disksOf(pc, f.Value("disk"))
	}
	order := v.orderOf(newForm(v.tongue, f.values), kind, pc.ID) // complaints about it are told when it is given
	if kind == job.KindScript {
		if view.Scripts, err = v.approvedScripts(); err != nil {
			return err
		}
		if order.Script == "" && len(view.Scripts) > 1 {
			order.Script = view.Scripts[1].Value // whichever: what stands in the way is the same
		}
	}
	if kind != job.KindScript || order.Script != "" {
		if err := v.planOne(order, &view); err != nil {
			return err
		}
	} else {
		view.Stop = v.say("script.none")
	}
	return v.page("do", Page{Title: v.say("do.title."+string(kind), pc.Name), Active: "nav.computers", Status: status,
		Crumbs: []Crumb{{v.say("nav.computers"), "/computers"}, {pc.Name, "/computers/" + url.PathEscape(pc.ID)}}, Data: view})
}

// loses says what the one computer of a plan loses.
func (t tongue) loses(p access.Plan) string {
	x := p.Targets[0]
	switch {
	case x.Disk.Path == "" || x.Loses == "":
		return t.in("", x.Loses)
	case p.Kind == job.KindWipe:
		return t.say("do.loses.wipe", x.Disk.Model, t.size(x.Disk.Size), x.Disk.Serial)
	case p.Kind == job.KindReset && x.Target != "":
		return t.say("do.loses.reset", x.Target)
	}
	return t.in("", x.Loses)
}

// planOne says what an order would do to its one computer, or what stands in its way.
func (v *visit) planOne(order access.Order, view *doView) error {
	plan, err := v.planWith(order)
	if err == nil && len(plan.Targets) == 1 {
		view.Target = plan.Targets[0]
		view.Loses = v.loses(plan)
		if plan.Targets[0].Refusal == nil {
			view.Took = v.lasts(plan)
			return nil
		}
		err = plan.Targets[0].Refusal
	}
	if err == nil {
		return nil
	}
	e := access.ErrorOf(err)
	if e.Status >= 500 || e.Status == http.StatusForbidden {
		return err
	}
	switch {
	case e.Code == string(fleet.CodeSeveralDisks) && len(view.Disks) > 0 && view.Form.Value("disk") == "":
		view.Asks = true
	case view.Form.Error("master") == "": // else it is told there
		what, do := v.notice(e)
		view.Stop = strings.TrimSpace(what + " " + do)
	}
	return nil
}

// do gives an order to one computer. A wipe needs its name typed.
func (c *console) do(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	kind := job.Kind(v.r.PathValue("kind"))
	if !slices.Contains(doKinds(), kind) {
		return v.notHere()
	}
	pc, err := v.Desk.Computer(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	defaultsOf(f)
	order := v.orderOf(f, kind, pc.ID)
	if kind == job.KindWipe && !sameWords(f.Value("typed"), pc.Name) {
		f.Fail("typed", v.say("do.typed", pc.Name))
	}
	var given access.Job
	if !f.Bad() {
		if given, err = v.Desk.Give(v.r.Context(), order); err != nil {
			field := "order"
			switch access.ErrorOf(err).Code {
			case string(fleet.CodeSeveralDisks):
				field = "disk"
			case string(fleet.CodeBusy):
				field = "instead"
			}
			if e := access.ErrorOf(err); e.Code == "no-master" || e.Code == "bad-master" {
				field, e.Status, err = "master", http.StatusConflict, e
			}
			if err = v.refused(f, field, err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.doPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("do.given", v.say("kind."+string(kind)), pc.Name)
	return v.seeOther("/jobs/" + url.PathEscape(given.ID))
}

// certificateView is what is certified of a wipe.
type certificateView struct {
	Job, Task, Computer string
	By                  string
	Proof               *job.WipeProof
	Model               string
	Serial              string
	Method              string
}

// showCertificate is the certificate of a wipe, to print: or why there is none.
func (c *console) showCertificate(v *visit) error {
	j, err := v.Desk.Job(v.r.Context(), v.r.PathValue("job"))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(j.Tasks, func(t access.Task) bool { return t.ID == v.r.PathValue("task") })
	if i < 0 || j.Tasks[i].Outcome == nil || j.Tasks[i].Outcome.Wipe == nil {
		return v.notHere()
	}
	t := j.Tasks[i]
	view := certificateView{Job: j.ID, Task: t.ID, Computer: t.Computer, By: v.by(j.OrderedBy), Proof: t.Outcome.Wipe}
	if m := view.Proof.Method; m != "" {
		view.Method = v.say("wipe." + m)
	}
	if view.Proof.Refused == "" && t.State != job.TaskDone {
		view.Proof = new(*view.Proof)
		view.Proof.Refused = "the task did not end well"
	}
	if w := t.Wiped; w != nil { // whatever has become of the computer since
		view.Computer, view.Model, view.Serial = w.Name, modelOf(job.Inventory{Manufacturer: w.Manufacturer, Model: w.Model}), w.Serial
	} else if pc, err := v.Desk.Computer(t.Computer); err == nil {
		view.Model, view.Serial = modelOf(pc.Inventory), pc.Serial
	}
	return v.page("certificate", Page{Title: v.say("certificate.title", t.Computer), Active: "nav.jobs", Print: true, Data: view,
		Crumbs: []Crumb{{v.say("nav.jobs"), "/jobs"}, {v.say("kind.wipe"), "/jobs/" + url.PathEscape(j.ID)}}})
}
