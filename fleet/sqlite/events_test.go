package sqlite_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
)

// matches is what a query means, without an index.
func matches(q fleet.EventQuery, e fleet.Event) bool {
	in := func(values []string, x string) bool {
		return values == nil || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, x) })
	}
	return (q.Computer == "" || q.Computer == e.Computer) && (q.Job == "" || q.Job == e.Job) && (q.Site == "" || strings.EqualFold(q.Site, e.Site)) &&
		(q.Room == "" || strings.EqualFold(q.Room, e.Room)) && in(q.Sites, e.Site) && in(q.Rooms, e.Room) &&
		(q.Kind == "" || q.Kind == e.Kind) && (q.Severity == "" || q.Severity == e.Severity) && !e.Time.Before(q.Since) &&
		(q.Before == 0 || e.Number < q.Before)
}

// Every query gives what its meaning gives, page after page.
func TestQueriesOfEvents(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	start := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	var all []fleet.Event
	for n := range 600 {
		site := pick("", "zola", "hugo")
		e := fleet.Event{Time: start.Add(time.Duration(n-random.IntN(5)) * time.Second), Kind: pick("started", "done", "failed"),
			Severity: fleet.Severity(pick("info", "info", "warning", "alarm")), Site: site, Computer: pick("c1", "c2", ""), Job: pick("", "7"), Detail: fmt.Sprint(n)}
		if random.IntN(2) == 0 {
			e.Room = strings.TrimPrefix(site+"/"+pick("S1", "S2"), "/")
		}
		all = append(all, e)
	}
	check(t, s.Commit(t.Context(), fleet.Change{Events: all})) // numbers them
	if all[0].Number != 1 || all[599].Number != 600 {
		t.Fatalf("numbers %d to %d", all[0].Number, all[599].Number)
	}
	many := []string{"ZOLA/S1"}
	for n := range 600 {
		many = append(many, fmt.Sprint("r", n))
	}
	for range 400 {
		q := fleet.EventQuery{Limit: 1 + random.IntN(20), Computer: pick("", "", "c1"), Job: pick("", "", "7"), Site: pick("", "", "Zola"),
			Room: pick("", "", "zola/s1", "S2"), Kind: pick("", "done"), Severity: fleet.Severity(pick("", "info", "alarm"))}
		q.Sites = [][]string{nil, nil, {}, {""}, {"zola", "HUGO"}, {"sand"}}[random.IntN(6)]
		q.Rooms = [][]string{nil, nil, {}, {"zola/S1", "hugo/S2", "S1"}, many}[random.IntN(5)]
		if random.IntN(3) == 0 {
			q.Since = start.Add(time.Duration(random.IntN(620)) * time.Second)
		}
		var want, got []fleet.Event
		for _, e := range slices.Backward(all) {
			if matches(q, e) {
				want = append(want, e)
			}
		}
		for page := q; ; page.Before = got[len(got)-1].Number {
			x, err := s.Events(t.Context(), page)
			check(t, err)
			got = append(got, x...)
			if len(x) < q.Limit {
				break
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%+v (-want +got)\n%s", q, d)
		}
	}
}

// Each query that a page asks walks along an index: none reads the million, or sorts it.
func TestNoQueryReadsAllEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	check(t, s.Commit(t.Context(), fleet.Change{Events: []fleet.Event{{Kind: "x", Severity: fleet.Info}}}))
	db, err := sql.Open("sqlite", path)
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	for name, q := range map[string]fleet.EventQuery{
		"newest": {}, "page": {Before: 500}, "site": {Site: "zola"}, "sites": {Sites: []string{"zola", ""}}, "room": {Room: "zola/S1"},
		"rooms": {Rooms: []string{"a", "b"}}, "kind": {Kind: "x"}, "alarms": {Severity: fleet.Grave}, "computer": {Computer: "c1"}, "job": {Job: "7"},
		"since": {Since: time.Unix(1, 0)}, "a room's alarms": {Rooms: nil, Room: "a", Severity: fleet.Grave, Sites: []string{"", "b"}},
		"a kind of rooms": {Kind: "x", Rooms: []string{"a"}, Sites: []string{""}}, "a kind of a site": {Kind: "x", Sites: []string{""}}, "many": {Rooms: slices.Repeat([]string{"a"}, 500)},
	} {
		text, args := sqlite.EventsQuery(q)
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
		check(t, err)
		var steps []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			check(t, rows.Scan(&id, &parent, &unused, &detail))
			steps = append(steps, detail)
		}
		check(t, rows.Close())
		plan := strings.Join(steps, "\n")
		// What is sorted is at most a page of each of a few: of what a part of a union found.
		sorts := strings.Contains(plan, "TEMP B-TREE") && !strings.Contains(plan, "MERGE (UNION ALL)")
		if want := map[string]string{"newest": "SCAN events", "many": "SCAN events", "page": "PRIMARY KEY (rowid<?)", "since": "PRIMARY KEY (rowid>?)",
			"site": "events_by_site", "sites": "events_by_site", "room": "events_by_room", "rooms": "events_by_room", "kind": "events_by_kind",
			"alarms": "events_not_info", "computer": "events_by_computer", "job": "events_by_job", "a room's alarms": "events_by_room",
			"a kind of rooms": "events_by_room", "a kind of a site": "events_by_site_and_kind"}[name]; want == "" || !strings.Contains(plan, want) || sorts {
			t.Errorf("%s: want %s:\n%s", name, want, plan)
		}
	}
}

func TestSmallThingsAreKeptAndRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	want := fleet.Change{Sites: []fleet.Site{{Name: "zola", Title: "Lycée <b>"}}, Windows: []fleet.Window{{Room: "zola/S1", Count: 3, Used: 1}},
		Schedules: []fleet.Schedule{{ID: "1", Name: "tonight", Days: []time.Weekday{1, 2}, At: "22:00", Done: "2026-11-22"}},
		Filters:   []fleet.SavedFilter{{Name: "Old", Query: "unseen>30d"}}, Scripts: []fleet.Script{{Hash: "ff", Text: "x\n"}}}
	check(t, s.Commit(t.Context(), want))
	want.Schedules[0].Done = "2026-11-23"
	check(t, s.Commit(t.Context(), fleet.Change{Schedules: want.Schedules}))
	check(t, s.Close())
	s = open(t, path)
	got, err := s.Load(t.Context())
	check(t, err)
	if d := cmp.Diff(fleet.Snapshot{Sites: want.Sites, Windows: want.Windows, Schedules: want.Schedules, Filters: want.Filters, Scripts: want.Scripts}, got,
		cmp.Comparer(func(a, b fleet.Site) bool { return a.Name == b.Name && a.Title == b.Title })); d != "" {
		t.Errorf("loaded (-want +got)\n%s", d)
	}
	check(t, s.Commit(t.Context(), fleet.Change{Removed: []fleet.Record{{Kind: fleet.RecordSite, ID: "ZOLA"}, {Kind: fleet.RecordWindow, ID: "zola/s1"},
		{Kind: fleet.RecordSchedule, ID: "1"}, {Kind: fleet.RecordFilter, ID: "old"}, {Kind: fleet.RecordScript, ID: "ff"}}}))
	if got, err = s.Load(t.Context()); err != nil || len(got.Sites)+len(got.Windows)+len(got.Schedules)+len(got.Filters)+len(got.Scripts) != 0 {
		t.Errorf("left: %+v, %v", got, err)
	}
}

// Computers swap their names in one change; a name that one outside of it has is refused, whole.
func TestNamesAreSwapped(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	check(t, s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: "a", Name: "one"}, {ID: "b", Name: "two"}, {ID: "c", Name: "three"}}}))
	check(t, s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: "a", Name: "Two"}, {ID: "b", Name: "One"}}}))
	if err := s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: "a", Name: "one"}, {ID: "b", Name: "three"}}}); err == nil {
		t.Error("two are called three")
	}
	got, err := s.Load(t.Context())
	check(t, err)
	for _, c := range got.Computers {
		if c.Name != map[string]string{"a": "Two", "b": "One", "c": "three"}[c.ID] {
			t.Errorf("%s is called %s", c.ID, c.Name)
		}
	}
}
