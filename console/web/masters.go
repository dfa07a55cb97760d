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
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/diff"
)

// masterCard is a master in the list of all.
type masterCard struct {
	Name     string
	Newest   access.Master
	Versions int
	Channels []access.Pointer
	Runs     int   // computers on any of its versions
	New      int64 // bytes that all its versions added to the store
}

// showMasters lists the masters.
func (c *console) showMasters(v *visit) error {
	all, err := v.Desk.Masters()
	if err != nil {
		return err
	}
	runs := v.Desk.Ran()
	var cards []*masterCard
	byName := map[string]*masterCard{}
	for _, m := range all {
		card := byName[m.Name]
		if card == nil {
			card = &masterCard{Name: m.Name}
			byName[m.Name] = card
			cards = append(cards, card)
		}
		card.Versions++
		card.New += m.NewBytes
		card.Runs += runs[m.Hash]
		if m.Version > card.Newest.Version {
			card.Newest = m
		}
		for _, ch := range m.Channels {
			card.Channels = append(card.Channels, access.Pointer{Channel: ch, Version: m.Version})
		}
	}
	for _, card := range cards {
		slices.SortFunc(card.Channels, func(a, b access.Pointer) int { return strings.Compare(a.Channel, b.Channel) })
	}
	return v.page("masters", Page{Title: v.say("nav.masters"), Active: "nav.masters",
		Data: map[string]any{"Masters": cards, "MayCapture": v.May(people.ActionCapture)}})
}

// versionView is one version in the line of a master's history.
type versionView struct {
	access.Master
	Ref     string
	Notes   []access.Note
	Runs    int
	Movable []string // channels that can be pointed at it
	Before  int      // version that it was made from, or the one before; 0: none to compare it with
	NeedsBy string   // why it cannot be forgotten, for a person; "" when nothing is known that needs it
	Forget  *ask
}

// channelView is a channel of a master.
type channelView struct {
	access.Pointer
	followView
	Mine     bool // the person may move it
	Rollback *ask
	Withdraw *ask
}

// masterView is the page of one master.
type masterView struct {
	Name      string
	Versions  []versionView
	Channels  []channelView
	Movable   []string     // channels that the person may move
	Follows   []followView // who follows each of these
	History   access.History
	Form      *Form
	NoteOf    int // version whose note is being written
	MayNote   bool
	MayDraw   bool // may capture
	MayDeploy bool
	MayKeep   bool // may forget, and say what is kept
}

func (c *console) showMaster(v *visit) error {
	return c.masterPage(v, newForm(v.tongue, nil), 0, http.StatusOK)
}

func (c *console) masterPage(v *visit, f *Form, noteOf, status int) error {
	name := v.r.PathValue("name")
	all, err := v.Desk.Masters()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m access.Master) bool { return m.Name != name })
	if len(all) == 0 {
		return v.fail(http.StatusNotFound, nil)
	}
	runs := v.Desk.Ran()
	view := masterView{Name: name, Form: f, NoteOf: noteOf, MayNote: v.whole(people.ActionMaster), MayDraw: v.May(people.ActionCapture),
		MayDeploy: v.May(people.ActionDeploy), MayKeep: v.whole(people.ActionForget)}
	if view.History, err = v.Desk.History(name); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b access.Master) int { return b.Version - a.Version })
	for i, m := range all {
		x := versionView{Master: m, Ref: fmt.Sprintf("%s@%d", m.Name, m.Version), Notes: view.History.Notes[m.Version], Runs: runs[m.Hash]}
		if i+1 < len(all) {
			x.Before = all[i+1].Version
		}
		v.forgetting(&x)
		view.Versions = append(view.Versions, x)
	}
	if err := v.channels(&view); err != nil {
		return err
	}
	if view.History.Rule != nil {
		f.Default("keep", fmt.Sprint(view.History.Rule.KeepLast))
	}
	return v.page("master", Page{Title: name, Active: "nav.masters", Status: status,
		Crumbs: []Crumb{{v.say("nav.masters"), "/masters"}}, Data: view})
}

// whole tells whether the person may do something with what belongs to the house.
func (v *visit) whole(a people.Action) bool { return v.Caller.May(a, people.Whole, "") }

// forgetting asks before a version is forgotten, or says what needs it.
func (v *visit) forgetting(x *versionView) {
	switch {
	case !v.whole(people.ActionForget):
	case len(x.Channels) > 0:
		x.NeedsBy = v.say("master.held.channel", strings.Join(x.Channels, ", "))
	case x.Runs > 0:
		x.NeedsBy = v.count("master.held.runs", x.Runs)
	default:
		x.Forget = &ask{ID: fmt.Sprintf("forget-%d", x.Version), Label: v.say("master.forget"), Icon: "trash", Class: "small danger quiet",
			Title: v.say("master.forget.title", x.Ref), Says: v.say("master.forget.says", x.Ref, v.size(x.StoredBytes)),
			More:   "/masters/" + url.PathEscape(x.Name) + "/frees?version=" + fmt.Sprint(x.Version),
			Action: "/masters/" + url.PathEscape(x.Name) + "/forget", Do: v.say("master.forget"), Hidden: []option{{"version", fmt.Sprint(x.Version)}}}
	}
}

// channels says where the channels point, who follows them and what a roll back would do.
func (v *visit) channels(view *masterView) error {
	names := []string{"stable", "test"} // every master may have these
	for _, p := range view.History.Channels {
		follow, err := v.follow(view.Name, p.Channel, view.History)
		if err != nil {
			return err
		}
		x := channelView{Pointer: p, followView: follow, Mine: v.mayMove(p.Channel)}
		if x.Mine {
			v.moving(&x, view.Name)
		}
		view.Channels = append(view.Channels, x)
		if !slices.Contains(names, p.Channel) {
			names = append(names, p.Channel)
		}
	}
	view.Movable = slices.DeleteFunc(names, func(n string) bool { return !v.mayMove(n) })
	for _, n := range view.Movable {
		follow, err := v.follow(view.Name, n, view.History)
		if err != nil {
			return err
		}
		view.Follows = append(view.Follows, follow)
	}
	for i := range view.Versions {
		x := &view.Versions[i]
		x.Movable = slices.DeleteFunc(slices.Clone(view.Movable), func(n string) bool { return slices.Contains(x.Channels, n) })
	}
	return nil
}

// mayMove tells whether the person may move a channel.
func (v *visit) mayMove(channel string) bool {
	if channel == "test" {
		return v.whole(people.ActionMaster)
	}
	return v.whole(people.ActionPromote)
}

// moving asks before a channel goes back, or away.
func (v *visit) moving(x *channelView, name string) {
	concerns := v.say("channel.nobody")
	if len(x.Rooms) > 0 {
		concerns = v.count("channel.concerns", x.Computers, strings.Join(x.names(), ", "))
	}
	hidden := []option{{"channel", x.Channel}}
	action := "/masters/" + url.PathEscape(name)
	if x.Before != 0 {
		x.Rollback = &ask{ID: "rollback-" + x.Channel, Label: v.say("channel.rollback", x.Before), Icon: "undo", Class: "small",
			Title: v.say("channel.rollback.title", x.Channel), Says: v.say("channel.rollback.says", x.Channel, x.Version, x.Before) + " " + concerns,
			List: x.Plans, Action: action + "/rollback", Do: v.say("channel.rollback.do", x.Before), Hidden: hidden, Safe: true}
	}
	x.Withdraw = &ask{ID: "withdraw-" + x.Channel, Label: v.say("channel.withdraw"), Icon: "trash", Class: "small plain",
		Title: v.say("channel.withdraw.title", x.Channel), Says: v.say("channel.withdraw.says", x.Channel) + " " + concerns,
		List: x.Plans, Action: action + "/withdraw", Do: v.say("channel.withdraw"), Hidden: hidden}
}

// moveChannel does promote, rollback and withdraw.
func (c *console) moveChannel(verb string) func(*visit) error {
	return func(v *visit) error {
		f, err := v.form()
		if err != nil {
			return err
		}
		name, channel := v.r.PathValue("name"), f.Value("channel")
		ref := name
		if verb == "promote" {
			ref += "@" + strings.TrimPrefix(f.Value("version"), "v")
			if asks, err := v.askToMove(f, name, channel, ref); asks || err != nil {
				return err
			}
		}
		m, err := v.Desk.MoveChannel(v.r.Context(), verb, ref, channel)
		return v.done(err, "/masters/"+url.PathEscape(name), "channel.done."+verb, channel, m.To)
	}
}

// noteMaster adds a note to a version.
func (c *console) noteMaster(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name, version := v.r.PathValue("name"), f.Number("version", 1, 1<<30)
	text := f.Text("note", 4000, true)
	if !f.Bad() {
		if _, err = v.Desk.NoteMaster(v.r.Context(), fmt.Sprintf("%s@%d", name, version), text); err != nil {
			if err = v.refused(f, "note", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return c.masterPage(v, f, version, http.StatusUnprocessableEntity)
	}
	v.flash("master.noted")
	return v.seeOther(fmt.Sprintf("/masters/%s#v%d", url.PathEscape(name), version))
}

// forgetMaster makes a version unknown.
func (c *console) forgetMaster(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := v.r.PathValue("name")
	frees, uncounted := v.Desk.Frees(v.r.Context(), name+"@"+f.Value("version")) // before it is gone
	m, err := v.Desk.ForgetMaster(v.r.Context(), name+"@"+f.Value("version"))
	if uncounted != nil {
		frees = m.StoredBytes
	}
	to := "/masters/" + url.PathEscape(name)
	if err == nil {
		if _, gone := v.Desk.Resolve(name); gone != nil {
			to = "/masters" // it was the last
		}
	}
	return v.done(err, to, "master.forgotten", fmt.Sprintf("%s@%d", name, m.Version), v.size(frees))
}

// freesMaster says what forgetting a version frees: it reads all others, so it is asked for when somebody is about to.
func (c *console) freesMaster(v *visit) error {
	frees, err := v.Desk.Frees(v.r.Context(), v.r.PathValue("name")+"@"+v.r.URL.Query().Get("version"))
	if err != nil {
		return err
	}
	v.send(http.StatusOK, []byte(template.HTMLEscapeString(v.say("master.frees", v.size(frees)))))
	return nil
}

// keepMasters sets or takes away the rule that says which versions stay.
func (c *console) keepMasters(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := v.r.PathValue("name")
	change := access.MasterChange{Off: f.Value("keep") == "" || f.Value("keep") == "0"}
	if !change.Off {
		change.KeepLast = f.Number("keep", 1, 1000)
	}
	if f.Bad() {
		return c.masterPage(v, f, 0, http.StatusUnprocessableEntity)
	}
	_, err = v.Desk.Retain(v.r.Context(), name, change)
	return v.done(err, "/masters/"+url.PathEscape(name), "master.rule.done")
}

// maxChanges is how many differences a page names; the counts are of all.
const maxChanges = 500

// compareView is what changed between two versions.
type compareView struct {
	access.Comparison
	Name     string
	Versions []access.Master
	A, B     int
	Lines    []changeView
	Sums     []totalsView
}

// changeView is a difference with its badge.
type changeView struct {
	diff.Change
	Mark badge
}

// totalsView is a volume's differences in numbers.
type totalsView struct {
	diff.Totals
	Counts [4]diff.Count // added, changed, removed, the same
}

// compareMaster shows which files two versions hold differently.
func (c *console) compareMaster(v *visit) error {
	name, q := v.r.PathValue("name"), v.r.URL.Query()
	all, err := v.Desk.Masters()
	if err != nil {
		return err
	}
	view := compareView{Name: name}
	for _, m := range all {
		if m.Name == name {
			view.Versions = append(view.Versions, m)
		}
	}
	f := newForm(v.tongue, q)
	view.A, view.B = f.Number("from", 1, 1<<30), f.Number("to", 1, 1<<30)
	if f.Bad() || len(view.Versions) == 0 {
		return v.fail(http.StatusNotFound, nil)
	}
	view.Comparison, err = v.Desk.Compare(v.r.Context(), fmt.Sprintf("%s@%d", name, view.A), fmt.Sprintf("%s@%d", name, view.B), maxChanges)
	if err != nil {
		return err
	}
	for _, x := range view.Changes {
		view.Lines = append(view.Lines, changeView{x, v.changed(x)})
	}
	for _, x := range view.Comparison.Volumes {
		view.Sums = append(view.Sums, totalsView{x, [4]diff.Count{x.Added, x.Changed, x.Removed, x.Same}})
	}
	slices.SortFunc(view.Versions, func(a, b access.Master) int { return b.Version - a.Version })
	return v.page("compare", Page{Title: v.say("compare.title", view.A, view.B), Active: "nav.masters", Data: view,
		Crumbs: []Crumb{{v.say("nav.masters"), "/masters"}, {name, "/masters/" + url.PathEscape(name)}}})
}

// changed says what happened to a thing between two versions.
func (t tongue) changed(c diff.Change) badge {
	b := badge{Class: "old", Icon: "edit", Word: t.say("compare.changed")}
	switch c.Kind {
	case diff.Added:
		b = badge{Class: "ok", Icon: "plus", Word: t.say("compare.added")}
	case diff.Removed:
		b = badge{Class: "failed", Icon: "trash", Word: t.say("compare.removed")}
	}
	return b
}

// showCapture asks which computer becomes a version of which master.
func (c *console) showCapture(v *visit) error {
	f := newForm(v.tongue, nil)
	for _, field := range []string{"computer", "master", "note", "as_is", "disk"} {
		f.Default(field, v.r.URL.Query().Get(field))
	}
	return c.capturePage(v, f, http.StatusOK)
}

func (c *console) capturePage(v *visit, f *Form, status int) error {
	all, err := v.Desk.Masters()
	if err != nil {
		return err
	}
	var names []string
	for _, m := range all {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	var disks []diskChoice
	took := ""
	if ref := f.Value("computer"); ref != "" {
		if pc, err := v.Desk.Computer(ref); err == nil { // else it is told when the form is sent
			disks = v.disksOf(pc, f.Value("disk"))
			took = v.captureTakes(pc, f)
		}
	}
	return v.page("capture", Page{Title: v.say("capture.title"), Active: "nav.masters", Status: status, Crumbs: []Crumb{{v.say("nav.masters"), "/masters"}},
		Data: map[string]any{"Form": f, "Names": names, "Disks": disks, "Took": took, "Until": v.when(nowOn(v.now().In(v.zone), job.KindCapture).End)}})
}

// captureTakes says how long a capture will take, roughly, or that nobody can tell; "" where there can be none as it is.
func (v *visit) captureTakes(pc access.Computer, f *Form) string {
	rule := newForm(v.tongue, url.Values{"disk": {f.Value("disk")}}).diskOf("disk")
	plan, err := v.Desk.Plan(access.Order{Kind: job.KindCapture, Computers: []string{pc.ID}, Master: "any", Disk: rule}) // the name does not matter
	if err != nil || len(plan.Targets) != 1 || plan.Targets[0].Refusal != nil {
		return ""
	}
	return v.lasts(plan)
}

// capture orders a capture.
func (c *console) capture(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	order := access.Order{Kind: job.KindCapture, Computers: []string{f.Text("computer", 200, true)}, Master: f.Text("master", 63, true),
		Note: f.Text("note", 4000, true), AsIs: f.Has("as_is", "1"), Ending: job.EndDisk, Wake: true, Disk: f.diskOf("disk")}
	f.values.Set("when", "now")
	v.timed(f, &order)
	if f.Bad() {
		return c.capturePage(v, f, http.StatusUnprocessableEntity)
	}
	j, err := v.Desk.Give(v.r.Context(), order)
	if err != nil {
		field := "computer"
		switch e := access.ErrorOf(err); e.Code {
		case "bad-master":
			field = "master"
		case "bad-note":
			field = "note"
		case string(fleet.CodeSeveralDisks):
			field = "disk"
		case "no-computer": // the person has typed it: it is told at the field
			e.Status = http.StatusConflict
			err = e
		}
		if err = v.refused(f, field, err); err != nil {
			return err
		}
		return c.capturePage(v, f, http.StatusUnprocessableEntity)
	}
	v.flash("capture.given", order.Computers[0], order.Master)
	return v.seeOther("/jobs/" + j.ID)
}
