package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// computersPage is how many computers a page has.
const computersPage = 100

// computerLine is a computer in the list.
type computerLine struct {
	access.Computer
	Mark  badge
	Holds string
}

// computersView is the list of computers.
type computersView struct {
	Form        *Form
	Query       string
	Complaint   string // of the query
	Total       int
	From, To    int
	Lines       []computerLine
	First, Next string
	Prev        string
	Filters     []filterView
	Waiting     int // to be approved
	Rooms       []option
	Names       []string // of what a filter may ask for
	MayChange   bool
	MayOrder    bool
	MayKeep     bool
	Export      string
}

// filterView is a saved filter.
type filterView struct {
	access.Filter
	Icon   string
	Href   string
	Here   bool // it is asked for: its link takes it away
	Forget *ask
}

// usualFilters are those that every school needs.
func (t tongue) usualFilters() (out []filterView) {
	for _, x := range [][3]string{{"slow", "link<=100", "speed"}, {"unseen", "unseen>30d", "history"}, {"unfinished", "unfinished:yes", "warn"},
		{"failed", "task:failed", "failed"}, {"none", "runs:none", "blank"}} {
		out = append(out, filterView{Filter: access.Filter{Name: t.say("filter." + x[0]), Query: x[1]}, Icon: x[2]})
	}
	return out
}

// lead makes a filter lead to what it asks for on a page, of one site where site has a name; from there, to all again.
func (f *filterView) lead(page, here, site string) {
	to := url.Values{}
	if f.Here = f.Query == here; !f.Here {
		to.Set("q", f.Query)
	}
	if site != "" {
		to.Set("site", site)
	}
	if f.Href = page; len(to) > 0 {
		f.Href += "?" + to.Encode()
	}
}

// showComputers lists the computers that a query asks for.
func (c *console) showComputers(v *visit) error {
	q := v.r.URL.Query()
	return c.computersPage(v, q, newForm(v.tongue, url.Values{"q": {q.Get("q")}}), http.StatusOK)
}

func (c *console) computersPage(v *visit, q url.Values, f *Form, status int) error {
	view := computersView{Form: f, Query: strings.TrimSpace(q.Get("q")), MayChange: v.May(people.ActionComputer),
		MayOrder: v.May(people.ActionDeploy), MayKeep: v.whole(people.ActionFilter)}
	page, _ := strconv.Atoi(q.Get("page")) // what is no number is the first
	page = min(max(page, 1), 1_000_000)
	part, err := v.Desk.ComputersPart(view.Query, (page-1)*computersPage, computersPage, natural)
	if err != nil {
		if access.ErrorOf(err).Code != string(fleet.CodeBadFilter) {
			return err
		}
		view.Complaint, status = v.badFilter(err), http.StatusUnprocessableEntity
	}
	states := v.resolver()
	for _, r := range v.Desk.RoomList() {
		if v.Desk.May(people.ActionRoom, fleet.SiteOf(r.Name), r.Name) {
			view.Rooms = append(view.Rooms, option{r.Name, r.Name})
		}
	}
	for _, x := range part.Computers {
		line := computerLine{Computer: x, Mark: states.mark(x)}
		if x.Runs != nil {
			line.Holds = fmt.Sprintf("%s@%d", x.Runs.Master, x.Runs.Version)
		}
		view.Lines = append(view.Lines, line)
	}
	view.Total, view.From, view.To = part.Total, (page-1)*computersPage+1, (page-1)*computersPage+len(part.Computers)
	to := func(n int) string {
		return "/computers?" + with(url.Values{"q": {view.Query}}, "page", strconv.Itoa(n)).Encode()
	}
	if page > 1 {
		view.First, view.Prev = to(1), to(page-1)
	}
	if view.To < view.Total {
		view.Next = to(page + 1)
	}
	view.Export = "/computers.csv?" + url.Values{"q": {view.Query}}.Encode()
	if err := v.filters(&view); err != nil {
		return err
	}
	return v.page("computers", Page{Title: v.say("nav.computers"), Active: "nav.computers", Status: status, Data: view})
}

// stateMarks says how computers are, in lists that may be of several rooms.
type stateMarks struct {
	*boardMaker
	rooms map[string]wanted
}

func (v *visit) resolver() stateMarks {
	out := stateMarks{v.boards(), map[string]wanted{}}
	for _, r := range v.Desk.RoomList() {
		out.rooms[r.Name] = wantedIn(r)
	}
	return out
}

// mark is how a computer is.
func (m stateMarks) mark(c access.Computer) badge {
	s := m.v.Desk.Spot(c)
	is := stateOf(&s, m.rooms[c.Room])
	return m.v.mark(is.Class, is.Icon)
}

// badFilter says what is wrong with a query, and where.
func (v *visit) badFilter(err error) string {
	what, do := v.notice(access.ErrorOf(err))
	return strings.TrimSpace(what + " " + do)
}

// filters lists the saved filters, and those that every school needs first.
func (v *visit) filters(view *computersView) error {
	saved, err := v.Desk.Filters()
	if err != nil {
		return err
	}
	view.Filters = v.usualFilters()
	for i := range view.Filters {
		view.Filters[i].lead("/computers", view.Query, "")
	}
	for _, x := range saved {
		line := filterView{Filter: x, Icon: "filter"}
		line.lead("/computers", view.Query, "")
		if line.Here && view.MayKeep && (x.By == v.Caller.Login || v.Caller.Everywhere()) {
			line.Forget = &ask{ID: "forget-filter", Label: v.say("filter.forget"), Icon: "trash", Class: "small plain", Title: v.say("filter.forget.title", x.Name),
				Says: v.say("filter.forget.says"), Action: "/filters/forget", Do: v.say("filter.forget"), Hidden: []option{{"name", x.Name}}}
		}
		view.Filters = append(view.Filters, line)
	}
	if v.May(people.ActionEnrol) {
		waiting, err := v.Desk.ComputersPart("state:"+string(fleet.Pending), 0, 0, natural)
		view.Waiting = waiting.Total
		return err
	}
	return nil
}

// saveFilter keeps a query under a name.
func (c *console) saveFilter(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	x := access.Filter{Name: f.Text("name", 64, true), Query: f.Text("q", 1000, true)}
	if !f.Bad() {
		if _, err = v.Desk.SaveFilter(v.r.Context(), x); err != nil {
			if err = v.refused(f, "name", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return c.computersPage(v, url.Values{"q": {x.Query}}, f, http.StatusUnprocessableEntity)
	}
	v.flash("filter.kept", x.Name)
	return v.seeOther("/computers?" + url.Values{"q": {x.Query}}.Encode())
}

func (c *console) forgetFilter(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	x, err := v.Desk.ForgetFilter(v.r.Context(), f.Value("name"))
	return v.done(err, "/computers", "filter.forgotten", x.Name)
}

// changeComputers moves the computers that were chosen into a room, or tags them.
func (c *console) changeComputers(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ids, back := f.Values("pc"), "/computers?"+url.Values{"q": {f.Value("q")}}.Encode()
	if len(ids) == 0 {
		v.leave(flashed{Text: v.say("computers.nobody")})
		return v.seeOther(back)
	}
	switch f.Value("do") {
	case "place":
		_, err := v.Desk.Place(v.r.Context(), access.Placement{Computers: ids, Room: f.Value("room")})
		if f.Value("room") == "" {
			return v.done(err, back, "computers.taken", v.count("n.computers", len(ids)))
		}
		return v.done(err, back, "computers.placed", v.count("n.computers", len(ids)), f.Value("room"))
	case "tag", "untag":
		tags := tagList(f.Value("tag"))
		change := access.Tagging{Computers: ids, Add: tags}
		if f.Value("do") == "untag" {
			change.Add, change.Remove = nil, tags
		}
		_, err := v.Desk.Tag(v.r.Context(), change)
		return v.done(err, back, "computers.tagged", v.count("n.computers", len(ids)))
	}
	return v.notHere()
}

// tagList reads tags that are written one after the other.
func tagList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == ';' || r == '\n' || r == '\t' || r == '\r' })
}

// exportComputers gives the list to a spreadsheet.
func (c *console) exportComputers(v *visit) error {
	write, err := v.Desk.Export(strings.TrimSpace(v.r.URL.Query().Get("q")))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.say("sheet.file")+`.csv"`)
	h.Set("Cache-Control", "no-store")
	if err := write(v.w); err != nil {
		c.Log.Warn("sending a list of computers", "error", err) // the browser is gone
	}
	return nil
}

// importView is the page of an import.
type importView struct {
	Form   *Form
	Report *access.SheetReport
	Wrong  []wrongLine
	Text   string // of the list, so that it can be sent again
}

// wrongLine is a line that cannot be taken, for a person.
type wrongLine struct {
	Line         int
	Column, What string
}

func (c *console) showImport(v *visit) error {
	return v.importPage(importView{Form: newForm(v.tongue, nil)}, http.StatusOK)
}

func (v *visit) importPage(view importView, status int) error {
	return v.page("import", Page{Title: v.say("sheet.title"), Active: "nav.computers", Status: status,
		Crumbs: []Crumb{{v.say("nav.computers"), "/computers"}}, Data: view})
}

// importComputers takes a list: first it is looked through, and said what would be done; then it is done.
func (c *console) importComputers(v *visit) error {
	if err := v.r.ParseMultipartForm(maxForm); err != nil {
		return access.Bad("reading the form: " + err.Error())
	}
	defer func() { _ = v.r.MultipartForm.RemoveAll() }()
	f := newForm(v.tongue, v.r.MultipartForm.Value)
	text := f.Value("text")
	if files := v.r.MultipartForm.File["file"]; len(files) > 0 && files[0].Size > 0 {
		read, err := readFile(files[0])
		if err != nil {
			return access.Bad("reading the file: " + err.Error())
		}
		text = read
	}
	view := importView{Form: f, Text: text}
	if strings.TrimSpace(text) == "" {
		f.Fail("file", v.say("sheet.nothing"))
		return v.importPage(view, http.StatusUnprocessableEntity)
	}
	partly := f.Has("partly", "1")
	report, err := v.Desk.ImportSheet(v.r.Context(), strings.NewReader(text), access.Sheet{Partly: partly, Try: f.Value("do") != "import"})
	if err != nil {
		if err = v.refused(f, "file", err); err != nil {
			return err
		}
		return v.importPage(view, http.StatusUnprocessableEntity)
	}
	if report.Done {
		v.flash("sheet.done", v.count("sheet.changed", report.Changed), v.count("sheet.created", report.Created))
		return v.seeOther("/computers")
	}
	view.Report = &report
	for _, w := range report.Wrong {
		what := sentence(v.in(w.Code, w.Detail))
		if what == "" { // the code says it all
			what, _ = v.notice(&access.Error{Code: w.Code, What: w.Column})
		}
		view.Wrong = append(view.Wrong, wrongLine{w.Line, w.Column, what})
	}
	status := http.StatusOK
	if f.Value("do") == "import" {
		status = http.StatusUnprocessableEntity
	}
	return v.importPage(view, status)
}

// enrolView is the page of computers that wait to be approved.
type enrolView struct {
	Form    *Form
	Waiting []pendingLine
	Strange []access.Computer // were seen, and have not said who they are
	Windows []access.Window
	Rooms   []option
}

// pendingLine is a computer that waits to be approved.
type pendingLine struct {
	access.Computer
	Digits string // its code as its own screen shows it
}

func (c *console) showEnrol(v *visit) error {
	f := newForm(v.tongue, url.Values{"minutes": {"60"}, "count": {"30"}})
	return v.enrolPage(f, http.StatusOK)
}

func (v *visit) enrolPage(f *Form, status int) error {
	view := enrolView{Form: f}
	all, err := v.Desk.Pending()
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.State == string(fleet.Pending) {
			view.Waiting = append(view.Waiting, pendingLine{x, code(x.Code)})
		} else {
			view.Strange = append(view.Strange, x)
		}
	}
	slices.SortFunc(view.Waiting, func(a, b pendingLine) int { return natural(a.Name, b.Name) })
	if view.Windows, err = v.Desk.Windows(); err != nil {
		return err
	}
	for _, r := range v.Desk.RoomList() {
		if v.Desk.May(people.ActionEnrol, fleet.SiteOf(r.Name), r.Name) {
			view.Rooms = append(view.Rooms, option{r.Name, r.Name})
		}
	}
	return v.page("enrol", Page{Title: v.say("enrol.title"), Active: "nav.computers", Status: status,
		Crumbs: []Crumb{{v.say("nav.computers"), "/computers"}}, Data: view})
}

// approve enrols one computer, or those that are chosen.
func (c *console) approve(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	one, room := f.Value("one"), f.Value("room")
	var all []access.Approve
	for _, digits := range f.Values("code") {
		if one == "" && f.Has("pick", digits) || digits == one {
			all = append(all, access.Approve{Code: digits, Name: strings.TrimSpace(f.Value("name-" + digits)), Room: room,
				Moved: f.Has("moved", digits)})
		}
	}
	if len(all) == 0 {
		f.Fail("pick", v.say("enrol.nobody"))
		return v.enrolPage(f, http.StatusUnprocessableEntity)
	}
	approved, err := v.Desk.ApproveAll(v.r.Context(), all)
	if err != nil {
		field := "pick"
		if len(all) == 1 {
			field = "name-" + all[0].Code
		}
		if err = v.refused(f, field, err); err != nil {
			return err
		}
		return v.enrolPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("enrol.done", v.count("n.computers", len(approved)))
	if f.Has("back", "room") {
		return v.seeOther(roomPath(room))
	}
	return v.seeOther("/enrol")
}

// changeWindow opens or closes a room's enrolment window.
func (c *console) changeWindow(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	room := f.Text("window", 130, true)
	if f.Value("do") == "close" {
		_, err := v.Desk.CloseWindow(v.r.Context(), room)
		return v.done(err, "/enrol", "enrol.closed", room)
	}
	order := access.WindowOrder{Room: room, Minutes: f.Number("minutes", 1, 24*60), Count: f.Number("count", 1, 500)}
	if !f.Bad() {
		if _, err = v.Desk.OpenWindow(v.r.Context(), order); err != nil {
			if err = v.refused(f, "window", err); err != nil {
				return err
			}
		}
	}
	if f.Bad() {
		return v.enrolPage(f, http.StatusUnprocessableEntity)
	}
	v.flash("enrol.opened", room, v.span(time.Duration(order.Minutes)*time.Minute))
	return v.seeOther("/enrol")
}
