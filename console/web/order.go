package web

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// kindWake is no kind of job: computers are woken at once, and that is all. kindOther is none either: who asks for it is
// asked which.
const (
	kindWake  job.Kind = "wake"
	kindOther job.Kind = "other"
)

// countdown is how many seconds a computer shows what it will do before it destroys anything: whoever sits there can still
// ask.
const countdown = 10

// usualKinds are the kinds of order that rooms and selections have a button for; moreKinds are behind "other".
func usualKinds() []job.Kind {
	return []job.Kind{job.KindDeploy, job.KindReset, kindWake, job.KindVerify, job.KindShutdown, job.KindStage}
}

func moreKinds() []job.Kind {
	return []job.Kind{job.KindInventory, job.KindScript, job.KindWipe}
}

// actionOf is what somebody must be allowed who orders something of a kind; "" where there is no such kind. It is the desk's
// own table, so that a button and what it leads to never differ.
func actionOf(k job.Kind) people.Action {
	switch {
	case k == kindWake, k == kindOther:
		return people.ActionWake
	case k == job.KindCapture, slices.Contains(usualKinds(), k), slices.Contains(moreKinds(), k):
		return access.ActionOf(access.Order{Kind: k})
	}
	return ""
}

// orderView is an order in the making: for whom, what, and the plan.
type orderView struct {
	Kind    job.Kind
	Step    string // who, kind, what, plan
	Form    *Form
	Rooms   []string // chosen
	PCs     []string // ids, chosen
	Sites   []string // chosen
	Filter  string   // chosen: whoever it matches when the order is given
	Whom    string   // in words
	Where   string   // the places in words; "": computers alone
	Choice  []access.Summary
	Schools []option
	Cards   []masterChoice
	Older   []masterChoice
	Scripts []access.Script
	Kinds   []string
	Plan    planView
	When    whenView
	Methods []option
	Places  template.URL // for whom, as an address has it
	Query   template.URL // of what is chosen so far, without a master or script
	Again   template.URL // all that the form says, but for the disk
	Status  int
}

// What tells whether an order of a kind asks what is put on disks, or run.
func (o orderView) What() bool {
	return o.Kind == job.KindDeploy || o.Kind == job.KindStage || o.Kind == job.KindScript
}

// masterChoice is a version that can be ordered with one click.
type masterChoice struct {
	access.Master
	Ref    string
	Stable bool
}

// kept are the fields of an order that its pages hand on to each other.
func kept() []string {
	return []string{"master", "script", "method", "when", "from", "until", "date", "retries", "level", "ending", "wake", "note"}
}

// saidBy is what a form says of those fields: a box that is not there was left empty.
func saidBy(f *Form) url.Values {
	q := url.Values{"again": {"1"}}
	for _, field := range kept() {
		if x := f.Value(field); x != "" {
			q.Set(field, x)
		}
	}
	return q
}

// readOrder reads what was chosen so far.
func (v *visit) readOrder(f *Form) (orderView, error) {
	view := orderView{Kind: job.Kind(f.Value("kind")), Form: f, Rooms: f.Values("room"), PCs: f.Values("pc"), Filter: strings.TrimSpace(f.Value("filter"))}
	for _, s := range f.Values("site") {
		view.Sites = append(view.Sites, siteName(s))
	}
	if view.Kind == "" {
		view.Kind = job.KindDeploy
	}
	if actionOf(view.Kind) == "" || view.Kind == job.KindCapture {
		return view, access.Bad("there is no such kind of order")
	}
	q := url.Values{"room": view.Rooms, "pc": view.PCs, "site": f.Values("site")}
	if view.Filter != "" {
		q.Set("filter", view.Filter)
	}
	view.Places = template.URL(q.Encode())
	q.Set("kind", string(view.Kind))
	view.Query = template.URL(q.Encode())
	maps.Copy(q, saidBy(f))
	view.Again = template.URL(q.Encode())
	defaultTimes(f)
	f.Default("ending", string(job.EndDisk))
	f.Default("level", string(job.LevelFull))
	f.Default("method", job.WipeAuto)
	view.Methods, view.When = v.methods(), v.whenOf(f, view.Kind)
	return view, v.whom(&view)
}

// whom says for whom an order is. A room is called by its site's name as well where the person sees more than one site: what
// is typed must not be right for another.
func (v *visit) whom(view *orderView) error {
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	var places []string
	for _, r := range view.Rooms {
		if len(sites) < 2 {
			r = r[strings.IndexByte(r, '/')+1:]
		}
		places = append(places, r)
	}
	for _, name := range view.Sites {
		i := slices.IndexFunc(sites, func(s access.Site) bool { return strings.EqualFold(s.Name, name) })
		if i < 0 {
			places = append(places, name) // the desk says that it is not there
			continue
		}
		places = append(places, v.siteTitle(sites[i]))
	}
	if n := len(view.PCs); n > 0 && len(places) > 0 {
		places = append(places, v.count("n.computers", n))
	}
	view.Where = strings.Join(places, ", ")
	whom := places
	if n := len(view.PCs); n > 0 && len(places) == 0 {
		whom = []string{v.count("n.computers", n)}
	}
	if view.Filter != "" {
		whom = append(slices.Clone(whom), v.say("schedule.filter", view.Filter))
	}
	view.Whom = strings.Join(whom, ", ")
	return nil
}

// showOrder is the way to an order: whom, what, and its plan.
func (c *console) showOrder(v *visit) error {
	q := v.r.URL.Query()
	f := newForm(v.tongue, q)
	if !q.Has("again") { // then a box that is not there is one that was left empty
		f.Default("wake", "1")
	}
	view, err := v.readOrder(f)
	if err != nil {
		return err
	}
	if q.Get("q") != "" && len(view.PCs) == 0 { // else they were ticked in the list of those that match
		if err := v.narrow(q); err == nil || access.ErrorOf(err).Code != string(fleet.CodeBadFilter) {
			return err
		} else if err = v.refused(f, "q", err); err != nil {
			return err
		}
		return v.whoPage(view)
	}
	switch {
	case view.Kind == kindOther:
		view.Step, view.Kinds = "kind", v.everyKind()
	case len(view.Rooms)+len(view.PCs)+len(view.Sites) == 0 && view.Filter == "":
		return v.whoPage(view)
	case view.Kind == job.KindScript && q.Get("script") == "":
		view.Step = "what"
		if view.Scripts, err = v.Desk.Scripts(); err != nil {
			return err
		}
		view.Scripts = slices.DeleteFunc(view.Scripts, func(s access.Script) bool { return s.ApprovedBy == "" })
	case view.What() && q.Get("master")+q.Get("script") == "":
		view.Step = "what"
		if view.Cards, view.Older, err = v.masterChoices(); err != nil {
			return err
		}
	default:
		return v.planPage(view)
	}
	return v.orderPage(view)
}

func (v *visit) orderPage(view orderView) error {
	if view.Form.Bad() {
		view.Status = http.StatusUnprocessableEntity
	}
	return v.page("order", Page{Title: v.say("verb." + string(view.Kind)), Active: "nav.map", Data: view, Status: view.Status, Crumbs: []Crumb{{v.say("nav.map"), "/"}}})
}

// everyKind lists what the person may order somewhere.
func (v *visit) everyKind() (out []string) {
	for _, k := range append(usualKinds(), moreKinds()...) {
		if v.May(actionOf(k)) {
			out = append(out, string(k))
		}
	}
	return out
}

// whoPage asks for whom an order is.
func (v *visit) whoPage(view orderView) (err error) {
	view.Step = "who"
	if view.Choice, err = v.Desk.Summary(); err != nil {
		return err
	}
	view.Choice = slices.DeleteFunc(view.Choice, func(s access.Summary) bool {
		return s.Room == "" || s.Total == 0 || !v.Desk.May(actionOf(view.Kind), s.Site, s.Room)
	})
	sites, err := v.Desk.Sites()
	if err != nil {
		return err
	}
	for _, s := range sites {
		if len(sites) > 1 && v.Desk.May(actionOf(view.Kind), s.Name, "") {
			view.Schools = append(view.Schools, option{siteValue(s.Name), v.siteTitle(s)})
		}
	}
	return v.orderPage(view)
}

// masterChoices are what can be deployed: what a channel points at first, stable before all, then the newest; and apart the
// older ones.
func (v *visit) masterChoices() (out, older []masterChoice, err error) {
	all, err := v.Desk.Masters()
	if err != nil {
		return nil, nil, err
	}
	newest := map[string]int{}
	for _, m := range all {
		newest[m.Name] = max(newest[m.Name], m.Version)
	}
	for _, m := range all {
		x := masterChoice{Master: m, Ref: m.Name + "@" + strconv.Itoa(m.Version), Stable: slices.Contains(m.Channels, "stable")}
		switch {
		case m.Damaged != "":
		case len(m.Channels) == 0 && m.Version != newest[m.Name]:
			older = append(older, x)
		default:
			out = append(out, x)
		}
	}
	order := func(a, b masterChoice) int {
		if a.Stable != b.Stable {
			if a.Stable {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), b.Version-a.Version)
	}
	slices.SortStableFunc(out, order)
	slices.SortStableFunc(older, order)
	return out, older, nil
}

// methods are how a disk can be wiped.
func (t tongue) methods() (out []option) {
	for _, m := range []string{job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite} {
		out = append(out, option{m, t.say("wipe." + m)})
	}
	return out
}

// order makes the wire's order of what was chosen.
func (v *visit) order(view orderView) access.Order {
	f := view.Form
	o := access.Order{Kind: view.Kind, Computers: view.PCs, Rooms: view.Rooms, Sites: view.Sites, Filter: view.Filter, Skip: true,
		Instead: f.Value("instead") == "1", Wake: f.Value("wake") == "1", Countdown: countdown, Note: f.Text("note", 4000, false)}
	o.Ending = job.Ending(f.Choice("ending", string(job.EndDisk), string(job.EndPowerOff)))
	switch view.Kind {
	case job.KindReset:
		o.Level = job.Level(f.Choice("level", string(job.LevelFull), string(job.LevelQuick)))
		o.Master = f.Value("master")
	case job.KindDeploy, job.KindStage, job.KindVerify:
		o.Master = f.Value("master")
	case job.KindWipe:
		o.Wipe = f.Choice("method", job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite)
		o.Ending = job.EndPowerOff
	case job.KindScript:
		o.Script = f.Text("script", 64, true)
	case job.KindShutdown:
		o.Wake, o.Ending = false, job.EndPowerOff
	}
	if asksForDisk(view.Kind, f, nil) {
		o.Disk = f.diskOf("disk")
	}
	v.timed(f, &o)
	return o
}

// plan adds to an order in the making what it would do. What cannot be planned is told where it was chosen.
func (v *visit) plan(view *orderView, o access.Order) error {
	view.Step = "plan"
	plan, err := v.planWith(o)
	if err != nil {
		view.Step = "who"
		field := "plan"
		if e := access.ErrorOf(err); e.Code == string(fleet.CodeBadFilter) {
			field = "q"
			view.Form.Default("q", view.Filter)
		}
		return v.refused(view.Form, field, err)
	}
	view.Plan = v.addUp(plan)
	if asksForDisk(view.Kind, view.Form, plan.Targets) {
		if view.Plan.Choices, err = v.diskChoices(plan.Targets, view.Form.Value("disk")); err != nil {
			return err
		}
	}
	if view.Kind == job.KindScript {
		x, err := v.script(o.Script)
		if err != nil {
			return err
		}
		view.Plan.Script, view.Plan.Destroys = x.Name, x.Writes
	}
	if view.Kind == job.KindReset && o.Master == "" && len(view.Rooms) == 1 {
		v.older(view)
	}
	if view.Plan.Destroys {
		view.Plan.Sentence = v.confirmed(view.Kind, len(view.Plan.Ready), view.Where)
	}
	return nil
}

// older says how many computers of a room a reset leaves at another version than the room's own, and what to order instead.
// Who may not deploy is told nothing: they can do nothing about it.
func (v *visit) older(view *orderView) {
	r, err := v.Desk.Room(view.Rooms[0])
	if err != nil || r.Wanted == "" || !v.Desk.May(people.ActionDeploy, r.Site, r.Name) {
		return
	}
	for _, b := range view.Plan.Becomes {
		if b.Version != r.Wanted {
			view.Plan.Old += b.N
		}
	}
	view.Plan.Own = r.Wanted
}

// planPage shows what an order would do, and asks.
func (v *visit) planPage(view orderView) error {
	if view.Kind == kindWake {
		view.Step = "plan"
		return v.orderPage(view)
	}
	if err := v.plan(&view, v.order(view)); err != nil {
		return err
	}
	if view.Step == "who" {
		return v.whoPage(view)
	}
	return v.orderPage(view)
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
	o := v.order(view)
	if err := v.plan(&view, o); err != nil {
		return err
	}
	if view.Step == "who" {
		return v.whoPage(view)
	}
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

// maxWoken is how many computers are woken at once: each is asked for by itself.
const maxWoken = 1000

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
	asked, err := v.matching(view)
	if err != nil {
		return err
	}
	refs = append(refs, asked...)
	if len(refs) > maxWoken {
		view.Step = "plan"
		view.Form.Fail("plan", v.say("order.wake.many", maxWoken))
		return v.orderPage(view)
	}
	var lack string
	var asleep []string
	for _, ref := range refs {
		pc, err := v.Desk.Change(v.r.Context(), ref, string(kindWake), access.Change{})
		if err != nil {
			failed = err
			continue
		}
		if woken++; pc.Asleep != "" {
			lack, asleep = pc.Asleep, append(asleep, pc.Name)
		}
	}
	if woken == 0 && failed != nil {
		return v.done(failed, "/", "")
	}
	text := v.count("order.woken", woken)
	if len(asleep) > 0 { // a room is in one network, as a rule
		text += " " + firsts(asleep) + v.say("app.colon") + " " + notices.Plain(v.in("woken", "it may not wake: "+lack)) + "."
	}
	v.leave(flashed{Good: len(asleep) == 0, Text: text})
	if len(view.Rooms) == 1 {
		return v.seeOther(roomPath(view.Rooms[0]))
	}
	return v.seeOther("/")
}

// matching lists the computers of the sites of an order, and those that its filter matches.
func (v *visit) matching(view orderView) (refs []string, err error) {
	if len(view.Sites) == 0 && view.Filter == "" {
		return nil, nil
	}
	floor, err := v.Desk.Floor(view.Filter, nil)
	if err != nil {
		return nil, err
	}
	for i := range floor {
		c := &floor[i]
		of := func(site string) bool { return strings.EqualFold(site, c.Site) }
		if view.Filter != "" && c.Match || slices.ContainsFunc(view.Sites, of) {
			refs = append(refs, c.ID)
		}
	}
	return refs, nil
}
