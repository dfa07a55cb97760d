package web

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// kindWake is no kind of job: computers are woken at once, and that is all.
const kindWake job.Kind = "wake"

// actionOf is what somebody must be allowed who orders something of a kind.
func actionOf(k job.Kind) people.Action {
	actions := map[job.Kind]people.Action{job.KindDeploy: people.ActionDeploy, job.KindStage: people.ActionDeploy, job.KindReset: people.ActionReset,
		job.KindVerify: people.ActionInspect, job.KindInventory: people.ActionInspect, job.KindShutdown: people.ActionShutdown, kindWake: people.ActionWake}
	return actions[k]
}

// orderView is an order in the making: for whom, what, and the plan.
type orderView struct {
	Kind   job.Kind
	Step   string // who, what, plan
	Form   *Form
	Rooms  []string // chosen
	PCs    []string // ids, chosen
	Whom   string   // in words
	Choice []access.Summary
	Cards  []masterChoice
	Plan   planView
	Query  template.URL // of what is chosen so far
	Status int
}

// masterChoice is a version that can be ordered with one click.
type masterChoice struct {
	access.Master
	Ref    string
	Stable bool
}

// planView is what an order would do, added up.
type planView struct {
	Ready, Refused []access.Target
	Warnings       []string
	Conflicts      []access.Target // other orders stand in the way, and would give way
	Air            int64           // bytes that travel at most
	Took           string          // how long it takes, roughly
	Disks          []diskLine
	Offline        int // computers that can be reset without the server afterwards
	Master         string
	Destroys       bool
	Sentence       string // that has to be typed; ""
	Lost           string
}

// diskLine is how many computers have a disk of a model.
type diskLine struct {
	Model string
	Size  int64
	N     int
}

// readOrder reads what was chosen so far.
func (v *visit) readOrder(f *Form) (orderView, error) {
	view := orderView{Kind: job.Kind(f.Value("kind")), Form: f, Rooms: f.Values("room"), PCs: f.Values("pc")}
	if view.Kind == "" {
		view.Kind = job.KindDeploy
	}
	if actionOf(view.Kind) == "" {
		return view, access.Bad("there is no such kind of order")
	}
	q := url.Values{"kind": {string(view.Kind)}, "room": view.Rooms, "pc": view.PCs}
	view.Query = template.URL(q.Encode())
	view.Whom = v.whom(view.Rooms, len(view.PCs))
	f.Default("when", "now")
	f.Default("from", "22:00")
	f.Default("until", "05:00")
	f.Default("ending", string(job.EndDisk))
	f.Default("level", string(job.LevelFull))
	return view, nil
}

// whom says for whom an order is.
func (v *visit) whom(rooms []string, pcs int) string {
	var parts []string
	for _, r := range rooms {
		parts = append(parts, r[strings.IndexByte(r, '/')+1:])
	}
	if pcs > 0 {
		parts = append(parts, v.count("n.computers", pcs))
	}
	return strings.Join(parts, ", ")
}

// showOrder is the way to an order: whom, what, and its plan.
func (c *console) showOrder(v *visit) error {
	q := v.r.URL.Query()
	f := newForm(v.tongue, q)
	f.Default("wake", "1")
	view, err := v.readOrder(f)
	if err != nil {
		return err
	}
	needsMaster := view.Kind == job.KindDeploy || view.Kind == job.KindStage
	switch {
	case len(view.Rooms)+len(view.PCs) == 0:
		view.Step = "who"
		if view.Choice, err = v.Desk.Summary(); err != nil {
			return err
		}
		view.Choice = slices.DeleteFunc(view.Choice, func(s access.Summary) bool {
			return s.Room == "" || s.Total == 0 || !v.Desk.May(actionOf(view.Kind), s.Site, s.Room)
		})
	case needsMaster && q.Get("master") == "":
		view.Step = "what"
		if view.Cards, err = v.masterChoices(); err != nil {
			return err
		}
	default:
		return v.planPage(view)
	}
	return v.orderPage(view)
}

func (v *visit) orderPage(view orderView) error {
	return v.page("order", Page{Title: v.say("verb." + string(view.Kind)), Active: "nav.map", Data: view, Status: view.Status, Crumbs: []Crumb{{v.say("nav.map"), "/"}}})
}

// masterChoices are what can be deployed: what a channel points at first, stable before all, then the newest.
func (v *visit) masterChoices() ([]masterChoice, error) {
	all, err := v.Desk.Masters()
	if err != nil {
		return nil, err
	}
	newest := map[string]int{}
	for _, m := range all {
		newest[m.Name] = max(newest[m.Name], m.Version)
	}
	var out []masterChoice
	for _, m := range all {
		if m.Damaged != "" || len(m.Channels) == 0 && m.Version != newest[m.Name] {
			continue
		}
		out = append(out, masterChoice{Master: m, Ref: m.Name + "@" + strconv.Itoa(m.Version), Stable: slices.Contains(m.Channels, "stable")})
	}
	slices.SortStableFunc(out, func(a, b masterChoice) int {
		if a.Stable != b.Stable {
			if a.Stable {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), b.Version-a.Version)
	})
	return out, nil
}

// order makes the wire's order of what was chosen.
func (v *visit) order(view orderView) (access.Order, bool) {
	f := view.Form
	o := access.Order{Kind: view.Kind, Computers: view.PCs, Rooms: view.Rooms, Master: f.Value("master"), Skip: true,
		Instead: f.Value("instead") == "1", Wake: f.Value("wake") == "1", Countdown: 10}
	switch view.Kind {
	case job.KindReset:
		o.Level = job.Level(f.Choice("level", string(job.LevelFull), string(job.LevelQuick)))
	case job.KindShutdown:
		o.Wake = false
	}
	if view.Kind == job.KindDeploy || view.Kind == job.KindReset || view.Kind == job.KindStage {
		o.Ending = job.Ending(f.Choice("ending", string(job.EndDisk), string(job.EndPowerOff)))
	}
	now := v.now().In(v.zone)
	switch f.Choice("when", "now", "tonight", "window") {
	case "tonight":
		o.At, o.Within = nextAt(now, "22:00"), 8*3600
	case "window":
		from, until := f.Value("from"), f.Value("until")
		if _, err := time.Parse("15:04", from); err != nil {
			f.Fail("from", v.say("order.clock"))
		}
		if _, err := time.Parse("15:04", until); err != nil {
			f.Fail("until", v.say("order.clock"))
		}
		if !f.Bad() {
			o.At = nextAt(now, from)
			o.Within = int(nextAt(o.At.Add(time.Minute), until).Sub(o.At) / time.Second)
		}
	}
	return o, !f.Bad()
}

// nextAt is the next moment with a time of day.
func nextAt(now time.Time, clock string) time.Time {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return now
	}
	next := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if next.Before(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// What a plan's duration is guessed by: bytes a second that a room takes in over a gigabit link with its disks, what
// restarting, looking and reading back cost, and what a reset reads a second.
const (
	guessRate  = 80_000_000
	guessReset = 300_000_000
	guessExtra = 150 * time.Second
)

// planPage shows what an order would do, and asks.
func (v *visit) planPage(view orderView) error {
	view.Step = "plan"
	o, ok := v.order(view)
	if !ok {
		view.Status = http.StatusUnprocessableEntity
		o.At, o.Within = time.Time{}, 0
	}
	if view.Kind == kindWake {
		view.Plan.Sentence = ""
		return v.orderPage(view)
	}
	o.Instead = true // so that what would give way is told apart from what is refused
	plan, err := v.Desk.Plan(o)
	if err != nil {
		return err
	}
	view.Plan = v.addUp(view, plan)
	return v.orderPage(view)
}

// addUp makes a plan readable.
func (v *visit) addUp(view orderView, plan access.Plan) planView {
	out := planView{Master: plan.Master, Air: plan.Stored, Destroys: view.Kind == job.KindDeploy || view.Kind == job.KindReset}
	seen := map[string]bool{}
	for _, t := range plan.Targets {
		if t.Refusal != nil {
			out.Refused = append(out.Refused, t)
			continue
		}
		out.Ready = append(out.Ready, t)
		if t.Conflict != nil {
			out.Conflicts = append(out.Conflicts, t)
		}
		if t.Warning != "" && !seen[t.Warning] {
			seen[t.Warning] = true
			out.Warnings = append(out.Warnings, v.in("", t.Warning))
		}
		if strings.HasPrefix(t.OfflineReset, "yes") {
			out.Offline++
		}
		line := diskLine{t.Disk.Model, t.Disk.Size, 1}
		if i := slices.IndexFunc(out.Disks, func(d diskLine) bool { return d.Model == line.Model && d.Size == line.Size }); i >= 0 {
			out.Disks[i].N++
		} else {
			out.Disks = append(out.Disks, line)
		}
	}
	took := guessExtra + time.Duration(out.Air/guessRate)*time.Second
	if view.Kind == job.KindReset || view.Kind == job.KindVerify {
		took = guessExtra + time.Duration(plan.Bytes/guessReset)*time.Second
	}
	out.Took = v.span(took)
	n := len(out.Ready)
	switch {
	case n == 0:
	case view.Kind == job.KindDeploy:
		out.Sentence = v.count("order.sentence.deploy", n, view.Whom)
	case view.Kind == job.KindReset:
		out.Sentence = v.count("order.sentence.reset", n, view.Whom)
	}
	if len(view.Rooms) == 0 && out.Sentence != "" {
		out.Sentence = v.count("order.sentence."+string(view.Kind)+".pcs", n)
	}
	return out
}

// give gives the order, if what the person typed is what it does.
func (c *console) give(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	view, err := v.readOrder(f)
	if err != nil {
		return err
	}
	if view.Kind == kindWake {
		return v.wakeAll(view)
	}
	o, ok := v.order(view)
	view.Step, view.Status = "plan", http.StatusUnprocessableEntity
	ask := o
	ask.Instead = true
	if !ok {
		ask.At, ask.Within = time.Time{}, 0
	}
	plan, err := v.Desk.Plan(ask)
	if err != nil {
		return err
	}
	view.Plan = v.addUp(view, plan)
	switch {
	case len(view.Plan.Ready) == 0:
		f.Fail("plan", v.say("order.nobody"))
	case view.Plan.Sentence != "" && !sameWords(f.Value("typed"), view.Plan.Sentence):
		f.Fail("typed", v.say("order.type.wrong", view.Plan.Sentence))
	}
	if len(view.Plan.Conflicts) > 0 && !o.Instead && f.Value("instead") != "0" {
		f.Fail("instead", v.say("order.conflict.choose"))
	}
	if f.Bad() {
		return v.orderPage(view)
	}
	j, err := v.Desk.Give(v.r.Context(), o)
	if err != nil {
		if err = v.refused(f, "plan", err); err != nil {
			return err
		}
		return v.orderPage(view)
	}
	v.flash("order.given", j.ID)
	return v.seeOther("/jobs/" + url.PathEscape(j.ID))
}

// sameWords compares what was typed with what was asked for: capitals and spaces do not count.
func sameWords(a, b string) bool {
	fold := func(s string) string {
		return strings.Join(strings.Fields(strings.NewReplacer("\u202f", " ", "\u00a0", " ", "’", "'").Replace(s)), " ")
	}
	return strings.EqualFold(fold(a), fold(b))
}

// wakeAll wakes what was chosen.
func (v *visit) wakeAll(view orderView) error {
	woken, failed := 0, error(nil)
	refs := slices.Clone(view.PCs)
	for _, name := range view.Rooms {
		r, err := v.Desk.Room(name)
		if err != nil {
			return err
		}
		refs = append(refs, r.Computers...)
	}
	for _, ref := range refs {
		if _, err := v.Desk.Change(v.r.Context(), ref, string(kindWake), access.Change{}); err != nil {
			failed = err
			continue
		}
		woken++
	}
	if woken == 0 && failed != nil {
		return v.done(failed, "/", "")
	}
	v.leave(flashed{Good: true, Text: v.count("order.woken", woken)})
	if len(view.Rooms) == 1 {
		return v.seeOther(roomPath(view.Rooms[0]))
	}
	return v.seeOther("/")
}
