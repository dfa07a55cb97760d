package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
)

func allPeople() people.Change {
	at := time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)
	return people.Change{
		People: []people.Person{{ID: "p1", Login: "marie", Name: "<b>Marie</b>'); DROP TABLE people; --", Mail: "m@lycee.test", Role: people.Technician,
			Sites: []string{"", "zola"}, Hash: "$argon2id$x", OIDC: "https://id.example 1", Provided: true, Language: "fr", Theme: "dark", Created: at,
			LastSeen: at, Invitation: "aa", InvitedUntil: at}, {ID: "p2", Login: "jean", Name: "Jean", Role: people.Teacher, Rooms: []string{"zola/S104"},
			Created: at, Disabled: true}},
		Logins: []people.Login{{ID: "l1", Person: "p1", Hash: "h1", Address: "192.0.2.1", Created: at, Seen: at}},
		Tokens: []people.Token{{ID: "t1", Person: "p2", Name: "x", Hash: "h2", Scopes: []string{"read"}, Created: at, Expires: at, Used: at}},
		Entries: []people.Entry{{Number: 1, Time: at, Who: "marie", Via: "session", Address: "192.0.2.1", Action: "reset", What: "S104-01", Site: "zola",
			Room: "zola/S104", Result: "done", Detail: "x", Hash: "h3"}},
	}
}

func TestPeopleAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	want := allPeople()
	check(t, s.CommitPeople(t.Context(), want))
	check(t, s.Close())
	s = open(t, path)
	got, err := s.LoadPeople(t.Context())
	check(t, err)
	if d := cmp.Diff(people.Snapshot{People: want.People, Logins: want.Logins, Tokens: want.Tokens, Last: want.Entries[0]}, got); d != "" {
		t.Errorf("loaded (-want +got)\n%s", d)
	}
	check(t, sqlite.Backup(t.Context(), path, path+".copy"))
	if got, err = open(t, path+".copy").LoadPeople(t.Context()); err != nil || len(got.People) != 2 || got.Last.Number != 1 {
		t.Errorf("a copy holds %+v, %v", got, err)
	}
	// Who goes takes his logins and tokens along.
	check(t, s.CommitPeople(t.Context(), people.Change{Removed: []string{"p1", "p2"}}))
	got, err = s.LoadPeople(t.Context())
	if err != nil || len(got.People)+len(got.Logins)+len(got.Tokens) != 0 || got.Last.Number != 1 {
		t.Errorf("afterwards it holds %+v, %v", got, err)
	}
}

func TestAChangeOfPeopleIsKeptWholeOrNotAtAll(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	check(t, s.CommitPeople(t.Context(), allPeople()))
	before, err := s.LoadPeople(t.Context())
	check(t, err)
	for name, bad := range map[string]people.Change{
		"a login that another has":    {People: []people.Person{{ID: "p9", Login: "MARIE"}}},
		"an account that another has": {People: []people.Person{{ID: "p9", Login: "new", OIDC: "https://id.example 1"}}},
		"a session of nobody":         {Logins: []people.Login{{Person: "p9", Hash: "h9"}}},
		"a token of nobody":           {Tokens: []people.Token{{ID: "t9", Person: "p9", Hash: "h9"}}},
		"a secret that another has":   {Tokens: []people.Token{{ID: "t8", Person: "p1", Hash: "h8"}, {ID: "t9", Person: "p1", Hash: "h8"}}},
		"an entry that left one out":  {Entries: []people.Entry{{Number: 4}}},
		"an entry again":              {Entries: []people.Entry{{Number: 1}}},
	} {
		bad.Removed, bad.Ended = []string{"p2"}, []string{"h1"}
		bad.Entries = append([]people.Entry{{Number: 2}}, bad.Entries...)
		if err := s.CommitPeople(t.Context(), bad); err == nil {
			t.Errorf("%s is kept", name)
		}
		after, err := s.LoadPeople(t.Context())
		check(t, err)
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s leaves (-before +after)\n%s", name, d)
		}
	}
}

// The file itself refuses to rewrite the log, whatever program asks and by whatever statement.
func TestTheAuditLogOnlyGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	for n := range int64(3) {
		check(t, s.CommitPeople(t.Context(), people.Change{Entries: []people.Entry{{Number: n + 1, Who: "marie", Hash: fmt.Sprint(n)}}}))
	}
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	const columns = "(number, time, who, via, address, action, what, site, room, result, detail, hash)"
	const values = ", 0, 'x', '', '', '', '', '', '', '', '', '')"
	for _, statement := range []string{
		"UPDATE audit SET who = 'jean'", "UPDATE audit SET number = number + 10", "UPDATE OR REPLACE audit SET number = 1 WHERE number = 2",
		"DELETE FROM audit", "DELETE FROM audit WHERE number = 3",
		"INSERT INTO audit" + columns + " VALUES(3" + values, "INSERT OR REPLACE INTO audit" + columns + " VALUES(3" + values,
		"REPLACE INTO audit" + columns + " VALUES(1" + values, "INSERT INTO audit" + columns + " VALUES(5" + values,
		"INSERT INTO audit" + columns + " VALUES(NULL" + values, "INSERT INTO audit" + columns + " VALUES(-1" + values,
		"INSERT INTO audit" + columns + " VALUES(1" + values + " ON CONFLICT(number) DO UPDATE SET who = 'jean'",
	} {
		if _, err := db.Exec(statement); err == nil {
			t.Errorf("%s is done", statement)
		}
	}
	got, err := s.AuditEntries(t.Context(), people.AuditQuery{Oldest: true})
	check(t, err)
	if len(got) != 3 || got[0].Who != "marie" || got[2].Hash != "2" {
		t.Errorf("the log is %+v", got)
	}
	if _, err := db.Exec("INSERT INTO audit" + columns + " VALUES(4" + values); err != nil {
		t.Errorf("the next entry: %v", err)
	}
}

// No page of the log may cost a walk through all of it, or a sort: it will have a million entries.
func TestTheLogIsReadByItsIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	open(t, path)
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	for where, index := range map[string]string{"1": "SCAN audit", "number < 5": "INTEGER PRIMARY KEY", "who = 'x'": "audit_by_who ", "who = 'x' AND number < 5": "audit_by_who ",
		"action = 'x'": "audit_by_action ", "who = 'x' AND action = 'y'": "audit_by_who_action ", "what = 'x' AND number < 5": "audit_by_what ",
		"site <> '*' AND site = 'x'":                 "audit_by_site ",
		"site = 'x' AND action = 'y' AND number < 5": "audit_by_site_action ", "site = 'x' AND who = 'y'": "audit_by_site_who "} {
		rows, err := db.Query("EXPLAIN QUERY PLAN SELECT number, time, who, hash FROM audit WHERE " + where + " ORDER BY number DESC LIMIT 200")
		check(t, err)
		plan := ""
		for rows.Next() {
			var a, b, c int
			var line string
			check(t, rows.Scan(&a, &b, &c, &line))
			plan += line + " ; "
		}
		check(t, errors.Join(rows.Err(), rows.Close()))
		if !strings.Contains(plan, index) || strings.Contains(plan, "TEMP B-TREE") || where != "1" && strings.Contains(plan, "SCAN") {
			t.Errorf("%s: %s", where, plan)
		}
	}
}

func TestRequestsAndLabelsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	check(t, s.Commit(t.Context(), fleet.Change{Computers: []fleet.Computer{{ID: "c1", Name: "a"}, {ID: "c2", Name: "b"}}}))
	check(t, s.CommitRequest(t.Context(), nil, map[string]string{"c1": "one", "c2": "two"}))
	check(t, s.CommitRequest(t.Context(), nil, map[string]string{"c1": "new"}))
	if err := s.CommitRequest(t.Context(), nil, map[string]string{"c1": "two"}); err == nil {
		t.Error("two computers have one label")
	}
	var want []requests.Request
	for i, r := range []requests.Request{{Computer: "c1", Room: "zola/S104", Site: "zola", State: requests.StateOpen},
		{Computer: "c2", Room: "hugo/S1", Site: "hugo", State: requests.StateClosed}, {Room: "S104", State: requests.StateAnswered}} {
		r.ID, r.Created, r.Changed, r.Text = fmt.Sprint(i+1), at, at, "'); DROP TABLE requests; --\nline"
		r.Notes = []requests.Note{{Time: at, By: "marie", Text: "<b>", State: r.State}}
		check(t, s.CommitRequest(t.Context(), &r, nil))
		want = append(want, r)
	}
	check(t, s.Close())
	s = open(t, path)
	labels, last, err := s.LoadRequests(t.Context())
	if d := cmp.Diff(map[string]string{"c1": "new", "c2": "two"}, labels); err != nil || d != "" || last != 3 {
		t.Errorf("labels %v, last %d, %v", labels, last, err)
	}
	for name, tt := range map[string]struct {
		q    requests.Query
		want string
	}{
		"all":            {requests.Query{}, "3 2 1"},
		"a page":         {requests.Query{Limit: 2}, "3 2"},
		"the next":       {requests.Query{Before: "2"}, "1"},
		"one":            {requests.Query{ID: "2"}, "2"},
		"no number":      {requests.Query{ID: "2 OR 1=1"}, ""},
		"of a computer":  {requests.Query{Computer: "c1"}, "1"},
		"of a room":      {requests.Query{Room: "ZOLA/s104"}, "1"},
		"of rooms":       {requests.Query{Rooms: []string{"zola/S104", "s104"}}, "3 1"},
		"of sites":       {requests.Query{Sites: []string{"HUGO", ""}}, "3 2"},
		"in a state":     {requests.Query{States: []requests.State{requests.StateOpen, requests.StateAnswered}}, "3 1"},
		"of all of that": {requests.Query{Sites: []string{"zola"}, Rooms: []string{"hugo/S1"}}, ""},
	} {
		found, err := s.FindRequests(t.Context(), tt.q)
		check(t, err)
		var ids []string
		for _, r := range found {
			ids = append(ids, r.ID)
			if d := cmp.Diff(want[r.ID[0]-'1'], r); d != "" {
				t.Errorf("%s: (-want +got)\n%s", name, d)
			}
		}
		if strings.Join(ids, " ") != tt.want {
			t.Errorf("%s: %v, want %s", name, ids, tt.want)
		}
	}
	// The label goes with its computer, what was reported of it stays.
	check(t, s.Commit(t.Context(), fleet.Change{Forgotten: []string{"c1"}}))
	labels, last, err = s.LoadRequests(t.Context())
	if err != nil || len(labels) != 1 || last != 3 {
		t.Errorf("afterwards labels %v, last %d, %v", labels, last, err)
	}
}
