package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// goes asks for a page that leads on, and returns where.
func (b *browser) goes(path string) string {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.web.URL+path, nil)
	check(b.s.t, err)
	res, body := b.do(r)
	if res.StatusCode != http.StatusSeeOther {
		b.s.t.Fatalf("%s: %d, want a way on\n%s", path, res.StatusCode, body)
	}
	return res.Header.Get("Location")
}

// An order from a map that shows some of a room is for these, not for the room.
func TestAnOrderFromAFilteredMapIsForThoseThatMatch(t *testing.T) {
	s, _ := furnished(t)
	_, err := s.fleet.Label(t.Context(), []string{"S104-01", "S104-03"}, []string{"lent"}, nil, "marie")
	check(t, err)
	ids := map[string]string{}
	for _, name := range []string{"S104-01", "S104-02", "S104-03", "B12-01"} {
		c, err := s.fleet.Find(name)
		check(t, err)
		ids[name] = c.ID
	}
	b := s.as("marie")
	body := b.want("/?q=tag:lent", 200, `href="/order?kind=deploy&amp;room=S104&amp;q=tag%3Alent"`, "Deploy these 2", `aria-label="Reset these 2"`,
		`href="/order?kind=deploy&amp;q=tag%3Alent"`)
	if strings.Contains(body, `room=S104"`) {
		t.Error("a filtered map still orders for the whole room")
	}
	for _, all := range []string{"/", "/?q=room:S104"} {
		if body := b.want(all, 200, `href="/order?kind=deploy&amp;room=S104"`); strings.Contains(body, "room=S104&amp;q=") {
			t.Errorf("%s: all of the room are shown, and the order is narrowed", all)
		}
	}
	two := "/order?" + url.Values{"kind": {"deploy"}, "pc": slices.Sorted(slices.Values([]string{ids["S104-01"], ids["S104-03"]}))}.Encode()
	for _, path := range []string{"/order?kind=deploy&room=S104&q=tag:lent", "/order?kind=deploy&q=tag:lent", "/order?q=tag:lent&site="} {
		to := b.goes(path)
		got, err := url.Parse(to)
		check(t, err)
		q := got.Query()
		slices.Sort(q["pc"])
		if at := got.Path + "?" + q.Encode(); at != two {
			t.Errorf("%s leads to %s, want %s", path, to, two)
		}
		b.want(to, 200, "2 computers")
	}
	if to := b.goes("/order?kind=reset&site=zola&q=name:B12-01"); to != "/order?kind=reset&pc="+ids["B12-01"] {
		t.Errorf("an order for those of one site leads to %s", to)
	}
	// Who may not order there is led to nobody, and a filter that nobody understands is refused
	if to := s.as("zoe").goes("/order?kind=deploy&room=S104&q=tag:lent"); to != "/" {
		t.Errorf("a technician of another site is led to %s", to)
	}
	for _, path := range []string{"/order?kind=deploy&q=link<", "/order?kind=dance&q=tag:lent"} {
		if status, _ := b.get(path); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// More computers than an order names one by one are ordered by the filter itself.
func TestAFilterThatMatchesManyStaysAFilter(t *testing.T) {
	s := region(t, 4, 10)
	b := s.as("marie")
	b.want("/?q=runs:Bureautique", 200, `href="/order?kind=deploy&amp;q=runs%3ABureautique"`)
	if to := b.goes("/order?kind=reset&q=runs:Bureautique"); to != "/order?filter=runs%3ABureautique&kind=reset" {
		t.Errorf("1,200 computers lead to %s", to)
	}
	b.want("/order?filter=runs%3ABureautique&kind=reset", 200, "1,200")
}

// A tile says which version a computer holds, and of which master where that is not its room's.
func TestATileSaysTheVersion(t *testing.T) {
	x := tongue{lang: "fr", zone: time.UTC}
	spot := access.Spot{ID: "c1", Name: "S104-01", Room: "S104", Master: "Bureautique", Version: 1}
	for master, holds := range map[string]string{"Bureautique@stable": "", "Bureautique": "", "Labo@stable": "Bureautique", "": "Bureautique"} {
		if got := x.tile(&spot, face{"ok", "check"}, master); got.Holds != holds || got.Version != 1 || got.More != "Bureautique@1" {
			t.Errorf("in a room with %q the tile says %+v", master, got)
		}
	}
	if got := x.tile(&access.Spot{ID: "c2", Name: "pc-1", State: "pending", Code: "522285", Master: "B", Version: 4}, face{"pending", "pending"}, ""); got.Version != 0 || got.More != "522\u00a0285" {
		t.Errorf("who waits for approval shows %+v", got)
	}
	s := region(t, 1, 1)
	s.as("marie").want("/", 200, `<span class="face-more face-holds"><span>v5</span></span>`, `· Bureautique@5 · Reset without`)
	_, err := s.fleet.SetRoom(t.Context(), "lycee00/S101", "marie", func(r *fleet.Room) { r.Master = "" })
	check(t, err)
	s.as("marie").want("/", 200, `<span class="face-more face-holds"><bdi>Bureautique</bdi><span>@5</span></span>`)
}

// What somebody can do is a word, unless a word beside it says more.
func TestATeachersOneActionIsAWord(t *testing.T) {
	s, _ := furnished(t)
	if body := s.as("claire").want("/", 200, "</svg>Reset</a>"); strings.Contains(body, `aria-label="Reset"`) {
		t.Error("the one thing that a teacher can do is a glyph")
	}
	s.as("marie").want("/", 200, "</svg>Deploy</a>", `title="Reset" aria-label="Reset"`)
	for _, who := range []string{"marie", "claire"} {
		s.as(who).want("/", 200, ` hx-preserve><input type="checkbox" data-pick-all>`, "Choose all")
	}
	if body := s.as("remi").want("/", 200); strings.Contains(body, "data-pick-all") {
		t.Error("a reader can choose, and do nothing with it")
	}
}

// A computer's page offers verbs: those of every day, and the others behind one.
func TestAComputersActionsAreVerbs(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	b.language = "fr"
	body := b.want("/computers/S104-01", 200)
	head, _, _ := strings.Cut(body, `class="split`)
	at := 0
	for _, verb := range []string{"Remettre à zéro</a>", "Déployer</a>", "Réveiller</button>", "Éteindre</a>", "Autres<", "Vérifier</a>", "Inventorier</a>", "Lancer un script</a>",
		"Capturer</a>", "Effacer définitivement</a>", "</details>"} {
		i := strings.Index(head[at:], verb)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place:\n%s", verb, head)
		}
		at += i
	}
	for who, want := range map[string][]string{"claire": {"Reset</a>", "Wake</button>"}, "remi": nil} {
		head, _, _ := strings.Cut(s.as(who).want("/computers/S104-01", 200, want...), `class="split`)
		if strings.Contains(head, `class="drop others"`) || strings.Contains(head, "Deploy") {
			t.Errorf("%s is offered more than is theirs", who)
		}
	}
}

// The filters that every school needs are on the map as well, for who looks after computers.
func TestTheMapHasTheUsualFilters(t *testing.T) {
	s, _ := furnished(t)
	_, err := s.desk("marie").SaveFilter(t.Context(), access.Filter{Name: "old ones", Query: "runs:none tag:lent"})
	check(t, err)
	b := s.as("marie")
	b.want("/", 200, `placeholder="Filter computers"`, `href="/?q=link%3C%3D100"`, `href="/?q=task%3Afailed"`, "Unfinished disk", "old ones")
	b.want("/?q=link<=100&site=zola", 200, `class="chip" href="/?site=zola" aria-current="page"`, `href="/?q=task%3Afailed&amp;site=zola"`, `href="/?q=link%3C%3D100"`)
	b.want("/computers?q=task:failed", 200, `class="chip" href="/computers" aria-current="page"`)
	if body := s.as("claire").want("/", 200, "old ones"); strings.Contains(body, "Slow link") || strings.Contains(body, "link&lt;") {
		t.Error("a teacher is shown what a technician looks for")
	}
}

// A code is written as the computer's own screen has it, and a computer can be named where it is approved.
func TestACodeIsWrittenAsOnTheScreen(t *testing.T) {
	s, _ := furnished(t)
	digits := s.hello(90, nil)
	said := digits[:3] + "\u00a0" + digits[3:]
	waiting, err := s.desk("marie").Pending()
	check(t, err)
	b := s.as("marie")
	for _, page := range []string{"/rooms/S104", "/enrol", "/computers/" + waiting[0].ID} {
		body := b.want(page, 200, said)
		for _, outside := range strings.Split(body, "<") {
			if _, text, _ := strings.Cut(outside, ">"); strings.Contains(text, digits) {
				t.Errorf("%s writes %q", page, text)
			}
		}
	}
	b.want("/rooms/S104", 200, `name="name-`+digits+`"`, "the first that is free: S104-04")
	form := url.Values{"code": {digits}, "one": {digits}, "room": {"S104"}, "back": {"room"}, "name-" + digits: {"S104-42"}}
	if status, body := b.post("/enrol", form); status != http.StatusSeeOther {
		t.Fatalf("approving on the room's page: %d\n%s", status, body)
	}
	if got, err := s.fleet.Find("S104-42"); err != nil || got.Room != "S104" {
		t.Errorf("it became %+v, %v", got, err)
	}
	b.want("/rooms/S104", 200, "1 computer approved.")
}

// Who waits is drawn again when somebody comes or goes, not when one of them says hello again: a name is being typed there.
func TestWhoWaitsStaysWhileSomebodyTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC)
	draw := func(code string, seen time.Time) any {
		return roomView{Waiting: []pendingLine{{Computer: access.Computer{Code: code, LastSeen: seen}, Digits: code}}}.enrolment().Key
	}
	same := func(a, b any) bool { return slices.Equal(a.([]any)[1:], b.([]any)[1:]) }
	if !same(draw("111111", at), draw("111111", at.Add(time.Minute))) || same(draw("111111", at), draw("222222", at)) {
		t.Error("the fields of who waits are drawn again at each hello, or not when another waits")
	}
}

// A class means one thing: what one style says of it another does not change on other pages. Rows of a list had become cards so.
func TestAClassMeansOneThing(t *testing.T) {
	said := map[string]string{}
	for _, name := range []string{"app.css", "pages.css"} {
		raw, err := staticFiles.ReadFile("static/" + name)
		check(t, err)
		style := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(raw), "")
		depth, from := 0, 0
		for i, r := range style { // rules that hold for some screens only may say more
			switch r {
			case '{':
				if depth == 0 {
					for _, selector := range strings.Split(style[from:i], ",") {
						selector = strings.TrimSpace(selector)
						if in, known := said[selector]; known && in != name && !strings.HasPrefix(selector, "@") {
							t.Errorf("%s is in %s and in %s", selector, in, name)
						}
						said[selector] = name
					}
				}
				depth++
			case '}':
				if depth--; depth == 0 {
					from = i + 1
				}
			}
		}
	}
	if len(said) < 300 {
		t.Fatalf("only %d selectors were read", len(said))
	}
}

// No French line begins with the mark that ends a word, and none ends with the quote that begins one.
func TestFrenchMarksStayWithTheirWords(t *testing.T) {
	apart := regexp.MustCompile(` [:;!?»]|« `)
	for k, p := range words.All() {
		if found := apart.FindString(p.French); found != "" {
			t.Errorf("%s breaks at %q", k, found)
		}
	}
	if got := words.Say("fr", "plan.moved", "S104-01", 2, 3); got != "S104-01\u00a0: colonne 2, rangée 3" {
		t.Errorf("a move is said as %q", got)
	}
}

// Who looks at a room sees which of its computers are not as they should be, a teacher as well as a reader: it is nothing of the
// house's masters that is told, but how the room is.
func TestATeacherSeesWhichComputersAreOutdated(t *testing.T) {
	s, v := furnished(t)
	for n, version := range []int{0, 1} {
		s.give(fleet.Order{Kind: job.KindDeploy, Computers: []string{fmt.Sprintf("S104-%02d", n+1)}}, v[version])
		s.done(n)
	}
	for _, who := range []string{"claire", "remi", "paul"} {
		b := s.as(who)
		b.want("/", 200, "<b>1</b> outdated", `class="face s-old"`)
		b.want("/rooms/S104", 200, "<b>1</b> outdated")
		if body := b.want("/computers", 200); strings.Count(body, "s-old") != 1 {
			t.Errorf("the list of %s has %d outdated", who, strings.Count(body, "s-old"))
		}
		b.want("/computers/S104-01", 200, "Outdated")
		if body := b.want("/computers/S104-02", 200); strings.Contains(body, "Outdated") {
			t.Errorf("%s is told that the newest is outdated", who)
		}
	}
	claire := s.desk("claire")
	r, err := claire.Room("S104")
	if check(t, err); r.Wanted != "Bureautique@2" {
		t.Errorf("a teacher's room is to hold %q", r.Wanted)
	}
	if _, err := claire.Resolve("Bureautique@test"); access.ErrorOf(err).Status != http.StatusForbidden {
		t.Errorf("a teacher is told of other channels: %v", err)
	}
	_, err = s.fleet.SetRoom(t.Context(), "S104", "marie", func(r *fleet.Room) { r.Master = "Gone@stable" })
	check(t, err)
	if r, err = claire.Room("S104"); err != nil || r.Wanted != "" {
		t.Errorf("a master that is not there stands for %q, %v", r.Wanted, err)
	}
	if body := s.as("claire").want("/", 200, `class="face s-ok"`); strings.Contains(body, "s-old") {
		t.Error("a computer is outdated where nobody knows by what")
	}
}
