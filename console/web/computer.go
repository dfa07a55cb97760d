package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
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

// computerNow is what of a computer's page is live. It is compared to see whether it changed.
type computerNow struct {
	ID, Name  string
	Mark      badge
	Task      *taskNow
	Stage     string
	Seen      time.Time
	Address   string
	SeenAt    string // site in whose network it was seen, where that is not its own, which is Site
	Site      string
	Alarm     bool
	MayCancel bool
}

// taskNow is the screen of the agent while it works.
type taskNow struct {
	ID, Job, Kind, Master string
	Mark                  badge
	Step                  string
	Number, Steps         int
	Percent               int
	Done, Total           string
	Rates                 string
	Link                  string
	Cancelling            bool
}

// computerView is the page of one computer.
type computerView struct {
	access.Computer
	Now         computerNow
	Form        *Form
	Holds       string
	Offline     badge
	Why         string // there is no reset without the server
	Disks       []diskView
	Daily, Rare []action
	Rooms       []option
	Events      []eventLine
	Older       string // address of the events before these
	Newest      string
	May         mayView
	Asks        map[string]*ask
	Model       string // with its maker
	Asked       []requestView
	Menu        string // address of its room's start menu, where that is what it lacks and the person may set it
	Doubts      []option
	Token       *job.RunningToken // told once
}

// mayView is what the person may do with this computer.
type mayView struct{ Change, Enrol, Place, Wake, Report, Capture, Script bool }

// action is a button that leads to an order, or gives it at once.
type action struct {
	Title, Href, Icon, Class string
	Now                      bool
}

// diskView is a disk with its health.
type diskView struct {
	job.Disk
	Mark  badge
	Facts []option // what the drive says of itself
}

// eventLine is an event for a person.
type eventLine struct {
	access.Event
	Mark badge
	What string
}

func (c *console) showComputer(v *visit) error {
	pc, err := v.Desk.Computer(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.computerPage(pc, v.computerForm(pc), http.StatusOK, nil)
}

// computerForm is a form that says what people have said of a computer.
func (v *visit) computerForm(pc access.Computer) *Form {
	return newForm(v.tongue, url.Values{"name": {pc.Name}, "room": {pc.Room}, "tags": {strings.Join(pc.Tags, ", ")}, "note": {pc.Note}})
}

func (v *visit) computerPage(pc access.Computer, f *Form, status int, token *job.RunningToken) error {
	view := computerView{Computer: pc, Form: f, Now: v.computerNow(pc), Asks: map[string]*ask{}, Token: token}
	may := func(a people.Action) bool { return v.Desk.May(a, pc.Site, pc.Room) }
	view.May = mayView{may(people.ActionComputer), may(people.ActionEnrol), may(people.ActionRoom), may(people.ActionWake),
		may(people.ActionReport), may(people.ActionCapture), may(people.ActionScript)}
	view.Model = modelOf(pc.Inventory)
	if pc.Runs != nil {
		view.Holds = fmt.Sprintf("%s@%d", pc.Runs.Master, pc.Runs.Version)
	}
	view.Offline, view.Why = v.offline(pc.OfflineReset)
	for _, d := range pc.Inventory.Disks {
		view.Disks = append(view.Disks, v.disk(d))
	}
	view.Daily, view.Rare = v.actions(pc, view.May)
	if strings.Contains(pc.OfflineReset, "no start menu") && view.May.Place {
		view.Menu = roomPath(pc.Room) + "?settings=1#start-menu"
	}
	var err error
	if view.Asked, err = v.requestsOf(pc.ID); err != nil {
		return err
	}
	if pc.Resets != nil {
		for reason, n := range pc.Resets.Doubts {
			view.Doubts = append(view.Doubts, option{reason, strconv.Itoa(n)})
		}
		slices.SortFunc(view.Doubts, func(a, b option) int { return strings.Compare(a.Value, b.Value) })
	}
	view.Rooms = []option{{"", v.say("computer.noroom")}}
	for _, r := range v.Desk.RoomList() {
		if v.Desk.May(people.ActionRoom, fleet.SiteOf(r.Name), r.Name) || r.Name == pc.Room {
			view.Rooms = append(view.Rooms, option{r.Name, r.Name})
		}
	}
	if err := v.computerEvents(&view); err != nil {
		return err
	}
	v.computerAsks(&view)
	crumbs := []Crumb{{v.say("nav.computers"), "/computers"}}
	if pc.Room != "" {
		crumbs = []Crumb{{v.say("nav.map"), "/"}, {pc.Room, roomPath(pc.Room)}}
	}
	return v.page("computer", Page{Title: pc.Name, Active: "nav.computers", Status: status, Crumbs: crumbs, Data: view,
		Live: "/events?" + url.Values{"page": {"computer"}, "id": {pc.ID}}.Encode()})
}

// modelOf is a model with its maker, whom many models name already.
func modelOf(i job.Inventory) string {
	if strings.HasPrefix(strings.ToLower(i.Model), strings.ToLower(i.Manufacturer)) {
		return i.Model
	}
	return strings.TrimSpace(i.Manufacturer + " " + i.Model)
}

// computerNow is how a computer is now.
func (v *visit) computerNow(pc access.Computer) computerNow {
	out := computerNow{ID: pc.ID, Name: pc.Name, Mark: v.resolver().mark(pc), Stage: v.stage(pc.Stage), Seen: pc.LastSeen.Truncate(time.Minute),
		Address: pc.Address, SeenAt: pc.SeenAt, Site: cmp.Or(pc.Site, v.say("computer.siteless")), Alarm: pc.Claim != nil}
	t := pc.Task
	if t == nil {
		return out
	}
	now := &taskNow{ID: t.ID, Job: t.Job, Master: t.Target, Mark: v.taskMark(t.State), Number: t.StepNumber, Steps: t.Steps,
		Percent: hundredths(share(t)), Link: "/jobs/" + url.PathEscape(t.Job), Cancelling: t.Cancelling}
	if j, err := v.Desk.Job(v.r.Context(), t.Job); err == nil {
		now.Kind = v.say("kind." + string(j.Kind))
		if j.Master != "" && now.Master == "" {
			now.Master = fmt.Sprintf("%s@%d", j.Master, j.Version)
		}
	}
	if t.Step != "" {
		now.Step = v.step(t.Step)
	}
	if t.Total > 0 {
		now.Done, now.Total = v.size(t.Done), v.size(t.Total)
	}
	if r := t.Reception; r != nil && (r.WireRate > 0 || r.DiskRate > 0) {
		now.Rates = v.say("computer.rates", v.rate(r.WireRate), v.rate(r.DiskRate))
	}
	out.Task = now
	return out
}

// stage says how far a computer came when it started last: in the words of the event that told it.
func (t tongue) stage(s string) string {
	key := "event.is." + s
	if said := t.say(key); said != key {
		return said
	}
	return s
}

// computerLive makes the live part of a computer's page.
func (v *visit) computerLive() live {
	id := v.r.URL.Query().Get("id")
	return func() ([]fragment, error) {
		pc, err := v.Desk.Computer(id)
		if err != nil {
			return nil, err
		}
		return []fragment{{ID: "computer-now", Template: "computer-now", Data: v.computerNow(pc)}}, nil
	}
}

// disk is a disk with what the drive says of itself.
func (t tongue) disk(d job.Disk) diskView {
	out := diskView{Disk: d, Mark: badge{"unknown", "unknown", t.say("disk.silent")}}
	h := d.Health
	if h == nil {
		return out
	}
	out.Mark = badge{"ok", "check", t.say("disk.ok")}
	if h.State == job.HealthFailing {
		out.Mark = badge{"failed", "warn", t.say("disk.failing")}
	}
	add := func(key string, n int64, text string) {
		if n >= 0 {
			out.Facts = append(out.Facts, option{t.say(key), text})
		}
	}
	add("disk.hours", h.PowerOnHours, t.count("disk.hours.is", int(h.PowerOnHours)))
	add("disk.used", h.Used, fmt.Sprintf("%d\u00a0%%", h.Used))
	add("disk.spare", h.Spare, fmt.Sprintf("%d\u00a0%%", h.Spare))
	add("disk.reallocated", h.Reallocated, strconv.FormatInt(h.Reallocated, 10))
	add("disk.pending", h.Pending, strconv.FormatInt(h.Pending, 10))
	add("disk.errors", h.MediaErrors, strconv.FormatInt(h.MediaErrors, 10))
	if h.Celsius > -274 {
		out.Facts = append(out.Facts, option{t.say("disk.celsius"), fmt.Sprintf("%d\u00a0°C", h.Celsius)})
	}
	return out
}

// actions are the orders that the person may give this computer, by their verbs: those of every day, and those that are rare.
func (v *visit) actions(pc access.Computer, may mayView) (daily, rare []action) {
	here := "/computers/" + url.PathEscape(pc.ID)
	enrolled := pc.State == string(fleet.Enrolled)
	allowed := func(a people.Action) bool { return enrolled && v.Desk.May(a, pc.Site, pc.Room) }
	add := func(to *[]action, kind job.Kind, may bool, a action) {
		if may {
			a.Title, a.Icon, a.Href = v.say("verb."+string(kind)), cmp.Or(a.Icon, string(kind)), cmp.Or(a.Href, here+"/do/"+string(kind))
			*to = append(*to, a)
		}
	}
	add(&daily, job.KindReset, allowed(people.ActionReset), action{Class: "main"})
	add(&daily, job.KindDeploy, allowed(people.ActionDeploy), action{Href: "/order?" + url.Values{"kind": {"deploy"}, "pc": {pc.ID}}.Encode()})
	add(&daily, kindWake, may.Wake && len(pc.MACs) > 0, action{Href: here + "/wake", Now: true})
	add(&daily, job.KindShutdown, allowed(people.ActionShutdown), action{Icon: "power"})
	add(&rare, job.KindVerify, allowed(people.ActionInspect), action{})
	add(&rare, job.KindInventory, allowed(people.ActionInspect), action{})
	add(&rare, job.KindScript, enrolled && may.Script, action{})
	add(&rare, job.KindCapture, enrolled && may.Capture, action{Href: "/capture?" + url.Values{"computer": {pc.Name}}.Encode()})
	add(&rare, job.KindWipe, allowed(people.ActionWipe), action{Class: "danger quiet"})
	return daily, rare
}

// eventsPage is how many events a computer's page shows at once.
const eventsPage = 30

func (v *visit) computerEvents(view *computerView) error {
	before, _ := strconv.ParseInt(v.r.URL.Query().Get("before"), 10, 64) // what is no number is the newest
	events, err := v.Desk.Events(v.r.Context(), access.EventFilter{Computer: view.ID, Before: max(before, 0), Limit: eventsPage + 1})
	if err != nil {
		return err
	}
	here := "/computers/" + url.PathEscape(view.ID)
	if before > 0 {
		view.Newest = here + "#events"
	}
	if len(events) > eventsPage {
		events = events[:eventsPage]
		view.Older = here + "?before=" + strconv.FormatInt(events[eventsPage-1].Number, 10) + "#events"
	}
	for _, e := range shownEvents(events) {
		view.Events = append(view.Events, v.eventLine(e))
	}
	return nil
}

// shownEvents are events as a page lists them: by when things happened, not by when they were told, and of the marks of a task
// only the newest, as each phase of it sets one.
func shownEvents(events []access.Event) []access.Event {
	events = slices.Clone(events)
	access.ByTime(events)
	marked := map[string]bool{}
	return slices.DeleteFunc(events, func(e access.Event) bool {
		if e.Kind != "mark" || e.Task == "" {
			return false
		}
		before := marked[e.Task]
		marked[e.Task] = true
		return before
	})
}

// manyBytes are so many that a person reads them as a size.
var manyBytes = regexp.MustCompile(`\b(\d{5,18}) (?:bytes|octets)\b`)

// sized writes the sizes in a text as they are written elsewhere on pages.
func (t tongue) sized(s string) string {
	return manyBytes.ReplaceAllStringFunc(s, func(found string) string {
		n, err := strconv.ParseInt(manyBytes.FindStringSubmatch(found)[1], 10, 64)
		if err != nil {
			return found
		}
		return t.size(n)
	})
}

// eventLine says an event in the language of the person: by a word for its kind and what is known beyond that, or by the
// sentence of its notice.
func (t tongue) eventLine(e access.Event) eventLine {
	out := eventLine{Event: e, Mark: badge{"blank", "history", t.say("event.info")}}
	switch fleet.Severity(e.Severity) {
	case fleet.Warning:
		out.Mark = badge{"warn", "warn", t.say("event.warning")}
	case fleet.Grave:
		out.Mark = badge{"alarm", "alarm", t.say("event.alarm")}
	}
	key := "event.is." + e.Kind
	out.What, out.Detail = t.say(key), t.sized(t.in(e.Kind, e.Detail))
	if word := t.step(e.Detail); e.Kind == "step" && word != e.Detail {
		out.Detail = word
	}
	if out.What != key {
		return out
	}
	if n, ok := notices.Find(e.Kind); ok {
		out.What, out.Detail = t.sized(notices.SentenceOf(e.Computer, n.Marked(notices.Language(t.lang), e.Computer, e.Detail).What)), ""
		return out
	}
	out.What = t.say("event.is.other") + " (" + e.Kind + ")"
	return out
}

// computerAsks are the questions before what cannot be undone easily.
func (v *visit) computerAsks(view *computerView) {
	to := func(verb string) string { return "/computers/" + url.PathEscape(view.ID) + "/" + verb }
	name := view.Name
	if view.May.Enrol {
		view.Asks["refuse"] = &ask{ID: "refuse", Label: v.say("computer.refuse"), Icon: "cross", Class: "danger quiet", Title: v.say("computer.refuse.title", name),
			Says: v.say("computer.refuse.says", name), Action: to("refuse"), Do: v.say("computer.refuse")}
		view.Asks["rekey"] = &ask{ID: "rekey", Label: v.say("computer.rekey"), Icon: "key", Class: "quiet danger", Title: v.say("computer.rekey.title", name),
			Says: v.say("computer.rekey.says", name), Action: to("rekey"), Do: v.say("computer.rekey")}
	}
	if view.May.Change {
		view.Asks["forget"] = &ask{ID: "forget", Label: v.say("computer.forget"), Icon: "trash", Class: "quiet danger", Title: v.say("computer.forget.title", name),
			Says: v.say("computer.forget.says", name), Action: to("forget"), Do: v.say("computer.forget")}
		view.Asks["revoke"] = &ask{ID: "revoke", Label: v.say("computer.token.revoke"), Icon: "trash", Class: "small danger quiet",
			Title: v.say("computer.token.revoke.title", name), Says: v.say("computer.token.revoke.says", name), Action: to("revoke"),
			Do: v.say("computer.token.revoke")}
	}
}

// editComputer keeps what people say of a computer: its name, room, tags and note, as far as they changed.
func (c *console) editComputer(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	pc, err := v.Desk.Computer(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	name, room, note := f.Text("name", 63, true), f.Text("room", 130, false), f.Text("note", maxRoomNote, false)
	note = strings.ReplaceAll(note, "\r\n", "\n") // browsers send the lines of a text in their own way
	to := fleet.Amendment{Name: &name, Note: &note}
	if tags := tagList(f.Value("tags")); !slices.Equal(tags, pc.Tags) {
		to.Tags = &tags
	}
	if room != pc.Room {
		to.Room = &room
	}
	if !f.Bad() {
		if _, err = v.Desk.Amend(v.r.Context(), pc.ID, to); err != nil {
			if err = v.refused(f, amendField(err), err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.computerPage(pc, f, http.StatusUnprocessableEntity, nil)
	}
	v.flash("computer.kept", name)
	return v.seeOther("/computers/" + url.PathEscape(pc.ID))
}

// amendField is the field of a computer's form that a refusal is about.
func amendField(err error) string {
	var refused *fleet.RefusedError
	if errors.As(err, &refused) {
		switch refused.Code {
		case fleet.CodeBadNote:
			return "note"
		case fleet.CodeBadTag:
			return "tags"
		case fleet.CodeNoRoom, fleet.CodeNoSite:
			return "room"
		}
	}
	return "name"
}

// changeComputer does a verb with a computer.
func (c *console) changeComputer(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id, verb, ctx := v.r.PathValue("id"), v.r.PathValue("verb"), v.r.Context()
	to := "/computers/" + url.PathEscape(id)
	switch verb {
	case "wake", "refuse", "rekey", "chainload":
		pc, err := v.Desk.Change(ctx, id, verb, access.Change{On: f.Has("on", "1")})
		if err == nil && pc.Woken != "" {
			v.leave(flashed{Good: pc.Asleep == "", Text: v.say("computer.done.wake", pc.Name) + " " + notices.Plain(sentence(v.in("woken", pc.Woken)))})
			return v.seeOther(to)
		}
		return v.done(err, to, "computer.done."+verb, pc.Name)
	case "approve":
		pc, err := v.Desk.Approve(ctx, access.Approve{Code: f.Value("code"), Name: f.Value("name"), Room: f.Value("room")})
		if err == nil {
			to = "/computers/" + url.PathEscape(pc.ID)
		}
		return v.done(err, to, "computer.done.approve", pc.Name)
	case "forget":
		pc, err := v.Desk.ForgetComputer(ctx, id)
		if err == nil {
			to = "/computers"
		}
		return v.done(err, to, "computer.done.forget", pc.Name)
	case "revoke":
		token, err := v.Desk.Token(ctx, id, access.TokenOrder{Revoke: true})
		return v.done(err, to, "computer.done.revoke", token.Computer)
	case "token":
		token, err := v.Desk.Token(ctx, id, access.TokenOrder{})
		if err != nil {
			return v.done(err, to, "")
		}
		pc, err := v.Desk.Computer(id)
		if err != nil {
			return err
		}
		return v.computerPage(pc, v.computerForm(pc), http.StatusOK, &token)
	}
	return v.notHere()
}
