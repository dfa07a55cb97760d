package fleet_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/filter"
	"github.com/ardoise/ardoise/imaging/job"
)

// schools is two sites with a room of one computer each, one computer more by its address, and one of nowhere.
func schools(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	for name, network := range map[string]string{"zola": "10.1.0.0/16", "hugo": "10.2.0.0/16"} {
		_, err := h.SetSite(context.Background(), fleet.Site{Name: name, Title: "Lycée " + name,
			Networks: []netip.Prefix{netip.MustParsePrefix(network)}}, "marie")
		check(t, err)
	}
	for n, name := range []string{"z1", "h1", "z2", "x1"} {
		h.enrol("k"+name, name, hello(n+1))
	}
	h.room("zola/S104", func(*fleet.Room) {}, "z1")
	h.room("hugo/S104", func(*fleet.Room) {}, "h1")
	_, err := h.Hello(context.Background(), fleet.Introduction{Key: "kz2", Address: "10.1.7.7", Hello: hello(3)})
	check(t, err)
	return h
}

func TestSites(t *testing.T) {
	h := schools(t)
	h.kill()
	for name, want := range map[string]string{"z1": "zola", "h1": "hugo", "z2": "zola", "x1": ""} {
		if got := h.SiteOf(h.computer(name)); got != want {
			t.Errorf("%s is of site %q, want %q", name, got, want)
		}
	}
	if all := h.Sites(); len(all) != 3 || all[0].Name != "" || all[1].Name != "hugo" || all[2].Title != "Lycée zola" {
		t.Errorf("sites: %+v", all)
	}
	_, err := h.Place(context.Background(), []string{"z1"}, "", "marie")
	check(t, err)
	_, err = h.Place(context.Background(), []string{"x1"}, "HUGO/", "marie")
	check(t, err)
	h.kill()
	if a, b := h.SiteOf(h.computer("z1")), h.SiteOf(h.computer("x1")); a != "zola" || b != "hugo" {
		t.Errorf("out of its room z1 is of %q, put into hugo x1 is of %q", a, b)
	}
	_, err = h.ForgetSite(context.Background(), "zola", "marie")
	wantCode(t, "forgetting a site with a room", err, fleet.CodeSiteNeeded)
	_, err = h.ForgetRoom(context.Background(), "ZOLA/s104", "marie")
	check(t, err)
	_, err = h.ForgetSite(context.Background(), "zola", "marie")
	wantCode(t, "forgetting a site with a computer", err, fleet.CodeSiteNeeded)
	_, err = h.Place(context.Background(), []string{"z1"}, "hugo/s104", "marie")
	check(t, err)
	_, err = h.ForgetSite(context.Background(), "Zola", "marie")
	check(t, err)
	h.kill()
	if _, err = h.Site("zola"); err == nil || len(h.Sites()) != 2 {
		t.Errorf("a forgotten site is there: %+v", h.Sites())
	}
}

func TestSitesThatCannotBe(t *testing.T) {
	h := schools(t)
	for name, s := range map[string]fleet.Site{
		"a path":              {Name: "a/b"},
		"digits":              {Name: "123"},
		"markup":              {Name: "<script>"},
		"a foreign network":   {Name: "sand", Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		"a host as a network": {Name: "sand", Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/16")}},
		"no network":          {Name: "sand", Networks: []netip.Prefix{{}}},
		"no mail":             {Name: "sand", Mail: []string{"marie"}},
		"mail with a name":    {Name: "sand", Mail: []string{"Marie <m@x.fr>"}},
		"a header in a mail":  {Name: "sand", Mail: []string{"m@x.fr\r\nBcc: y@x.fr"}},
		"nameless networks":   {Networks: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}},
	} {
		var refused *fleet.RefusedError
		if _, err := h.SetSite(context.Background(), s, "marie"); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	_, err := h.SetRoom(context.Background(), "sand/S1", "marie", func(*fleet.Room) {})
	wantCode(t, "a room of no site", err, fleet.CodeNoSite)
	r, err := h.SetRoom(context.Background(), "ZOLA/S2", "marie", func(*fleet.Room) {})
	if check(t, err); r.Name != "zola/S2" {
		t.Errorf("the room is called %s", r.Name)
	}
}

func TestAnOrderIsForRoomsSitesAndAFilter(t *testing.T) {
	h := schools(t)
	_, err := h.Label(context.Background(), []string{"x1", "h1"}, []string{"portable"}, nil, "marie")
	check(t, err)
	for name, tt := range map[string]struct {
		o    fleet.Order
		want []string
	}{
		"rooms":             {fleet.Order{Rooms: []string{"zola/s104", "HUGO/S104"}}, []string{"h1", "z1"}},
		"a site":            {fleet.Order{Sites: []string{"zola"}}, []string{"z1", "z2"}},
		"the nameless site": {fleet.Order{Sites: []string{""}}, []string{"x1"}},
		"a filter":          {fleet.Order{Filter: "tag:portable -site:hugo"}, []string{"x1"}},
		"everybody once": {fleet.Order{Computers: []string{"z1"}, Room: "zola/S104", Sites: []string{"hugo", "zola"}, Filter: "tag:portable"},
			[]string{"h1", "x1", "z1", "z2"}},
	} {
		tt.o.Kind = job.KindInventory
		plan, err := h.Plan(tt.o)
		check(t, err)
		var got []string
		for _, p := range plan {
			got = append(got, p.Computer.Name)
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	for name, o := range map[string]fleet.Order{"no room": {Rooms: []string{"S104"}}, "no site": {Sites: []string{"sand"}},
		"nobody": {Filter: "tag:none name:none"}, "no filter": {Filter: "link<fast"}} {
		o.Kind = job.KindInventory
		var refused *fleet.RefusedError
		if _, err := h.Plan(o); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	_, err = h.Select("a link<fast")
	var where *filter.Error
	if wantCode(t, "a bad query", err, fleet.CodeBadFilter); !errors.As(err, &where) || where.At != 2 {
		t.Errorf("%v does not say where", err)
	}
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindCapture, Master: "m", Filter: "name:z1"})
	wantCode(t, "a capture from a filter", err, fleet.CodeBadOrder)
}

func TestTwoWhoOrderAgainstEachOther(t *testing.T) {
	h := newHouse(t)
	h.holding("k1", "pc1", 1, "win", "aa")
	h.holding("k2", "pc2", 2, "win", "aa")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc1", "pc2"}, By: "marie"})
	check(t, err)
	first := h.Jobs()[0].Job.ID
	o := fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc1", "pc2"}, Master: "win", Version: 3, Manifest: "cc", By: "paul"}
	plan, err := h.Plan(o)
	check(t, err)
	want := fleet.Conflict{Job: first, Kind: job.KindReset, By: "marie", State: job.TaskWaiting}
	if p := plan[0]; p.Conflict == nil || *p.Conflict != want || p.Refusal == nil || p.Refusal.Code != fleet.CodeBusy {
		t.Errorf("the second is told %+v, %v", p.Conflict, p.Refusal)
	}
	_, err = h.Give(context.Background(), o)
	wantCode(t, "ordering against another", err, fleet.CodeBusy)
	h.next("k2") // its reset runs
	o.Instead = true
	plan, err = h.Plan(o)
	check(t, err)
	if plan[0].Refusal != nil || plan[0].Conflict == nil || plan[1].Refusal == nil || plan[1].Conflict.State != job.TaskRunning {
		t.Errorf("instead: %+v", plan)
	}
	o.Skip = true
	second, err := h.Give(context.Background(), o)
	check(t, err)
	h.kill()
	x, err := h.JobByID(first)
	check(t, err)
	if a, b := x.Tasks[0], x.Tasks[1]; a.State != job.TaskCancelled || a.Outcome.Code != fleet.OutcomeCancelled || b.State != job.TaskRunning {
		t.Errorf("the first order: %s (%+v) and %s", a.State, a.Outcome, b.State)
	}
	if c := h.computer("pc1"); c.Runs == nil || c.Runs.Manifest != "aa" {
		t.Errorf("what it runs was forgotten: %+v", c.Runs)
	}
	if got := h.task("k1"); got.Job != second.Job.ID || got.Kind != job.KindDeploy || len(second.Tasks) != 1 {
		t.Errorf("it is told %+v of %d tasks", got, len(second.Tasks))
	}
}

// A reset that waits for tonight must not say that a disk is clean which a deployment is writing now.
func TestCancellingWhatWaitsTellsNothingOfTheDisk(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	later, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, At: h.now.Add(5 * time.Hour)})
	check(t, err)
	h.order(job.KindDeploy, "pc")
	h.next("k")
	_, err = h.Cancel(context.Background(), later.Job.ID, "marie", false)
	check(t, err)
	if c := h.computer("pc"); c.Runs != nil {
		t.Errorf("a disk that may be written is said to hold %+v", c.Runs)
	}
}

func TestLessonsAreAWarning(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Hours = [2]string{"08:00", "18:00"} }, "pc")
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		now  time.Time
		o    fleet.Order
		want string
	}{
		"in a lesson":            {monday, fleet.Order{Kind: job.KindReset}, "lessons until 18:00"},
		"shut down in a lesson":  {monday, fleet.Order{Kind: job.KindShutdown}, "lessons until 18:00"},
		"a look in a lesson":     {monday, fleet.Order{Kind: job.KindInventory}, ""},
		"tonight":                {monday, fleet.Order{Kind: job.KindReset, At: monday.Add(12 * time.Hour)}, ""},
		"planned for tomorrow":   {monday.Add(12 * time.Hour), fleet.Order{Kind: job.KindWipe, At: monday.Add(24 * time.Hour)}, "lessons until 18:00"},
		"when lessons are over":  {monday.Add(9 * time.Hour), fleet.Order{Kind: job.KindReset}, ""},
		"on a Sunday":            {monday.Add(-24 * time.Hour), fleet.Order{Kind: job.KindReset}, ""},
		"as soon as they begin":  {monday.Add(-time.Hour), fleet.Order{Kind: job.KindReset}, "lessons until 18:00"},
		"a minute too early for": {monday.Add(-time.Hour - time.Minute), fleet.Order{Kind: job.KindReset}, ""},
	} {
		h.now = tt.now
		tt.o.Computers = []string{"pc"}
		plan, err := h.Plan(tt.o)
		check(t, err)
		if plan[0].Warning != tt.want || plan[0].Refusal != nil {
			t.Errorf("%s: %q, %v", name, plan[0].Warning, plan[0].Refusal)
		}
	}
	for _, hours := range [][2]string{{"18:00", "08:00"}, {"08:00", "08:00"}, {"8", "18"}, {"", "18:00"}, {"08:00", "25:00"}} {
		_, err := h.SetRoom(context.Background(), "S104", "marie", func(r *fleet.Room) { r.Hours = hours })
		wantCode(t, "lessons "+hours[0]+" to "+hours[1], err, fleet.CodeBadRoom)
	}
}

func TestTheDrawingOfARoom(t *testing.T) {
	h := newHouse(t)
	a, b := h.enrol("ka", "a", hello(1)), h.enrol("kb", "b", hello(2))
	out := h.enrol("kc", "c", hello(3))
	h.room("S104", func(*fleet.Room) {}, "a", "b")
	r, err := h.SetRoom(context.Background(), "S104", "marie", func(r *fleet.Room) {
		r.Plan = []fleet.Place{{Computer: a.ID, X: 1, Y: 2}, {Computer: b.ID, X: 99}, {Computer: out.ID, X: 5}, {Computer: "nobody", X: 6}}
		r.Teacher, r.Spares = a.ID, []string{b.ID, out.ID}
		r.Title, r.Note = "Salle <b>104\u202e", "a\tb\r\n  c  "
	})
	check(t, err)
	if len(r.Plan) != 2 || r.Teacher != a.ID || !slices.Equal(r.Spares, []string{b.ID}) || r.Title != "Salle <b>104\ufffd" || r.Note != "a b\nc" {
		t.Errorf("kept: %+v", r)
	}
	for name, places := range map[string][]fleet.Place{
		"outside": {{Computer: a.ID, X: 100}}, "before the corner": {{Computer: a.ID, Y: -1}},
		"in two places": {{Computer: a.ID}, {Computer: a.ID, X: 1}}, "on another": {{Computer: a.ID}, {Computer: b.ID}},
	} {
		_, err := h.SetRoom(context.Background(), "S104", "marie", func(r *fleet.Room) { r.Plan = places })
		wantCode(t, name, err, fleet.CodeBadRoom)
	}
	_, err = h.Place(context.Background(), []string{"a", "b"}, "", "marie")
	check(t, err)
	h.kill()
	if r, err = h.Room("S104"); err != nil || len(r.Plan) != 0 || r.Teacher != "" || len(r.Spares) != 0 {
		t.Errorf("who left still stands there: %+v, %v", r, err)
	}
}
