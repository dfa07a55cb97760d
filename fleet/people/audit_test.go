package people_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet/people"
)

func TestTheAuditLogTellsWhoDidWhatFromWhere(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	s := h.login(t, "marie")
	_, err := h.Login(t.Context(), "marie", "wrong", "192.0.2.66")
	refused(t, err, people.CodeWrong)
	_, err = h.Login(t.Context(), "a password in the wrong field", "x", "192.0.2.66")
	refused(t, err, people.CodeWrong)
	check(t, h.Logout(t.Context(), s.Token))
	got, err := h.Entries(t.Context(), people.AuditQuery{})
	check(t, err)
	var lines []string
	for _, e := range got {
		if e.Time != h.clock.now() || e.Site != people.Whole {
			t.Errorf("entry %+v", e)
		}
		lines = append(lines, fmt.Sprint(e.Number, " ", strings.Join([]string{e.Who, e.Via, e.Address, e.Action, e.What, e.Result, e.Detail}, "|")))
	}
	want := "4 marie|session|192.0.2.1|logout|marie|done|\n3 |session|192.0.2.66|login||refused|wrong-login\n" +
		"2 |session|192.0.2.66|login|marie|refused|wrong-login\n1 marie|session|192.0.2.1|login|marie|done|"
	if strings.Join(lines, "\n") != want {
		t.Errorf("the log:\n%s", strings.Join(lines, "\n"))
	}
}

func TestHostileStringsComeOutOfTheLogAsText(t *testing.T) {
	h := open(t)
	for _, s := range []string{"<script>alert(1)</script>", "'); DROP TABLE audit; --", "\u202eturned", "a\x00b\r\nGET / HTTP/1.1", "\xff\xfe", strings.Repeat("é", 100_000),
		strings.Repeat("\u0300", 5000)} {
		check(t, h.Record(t.Context(), people.Entry{Who: s, Via: s, Address: s, Action: s, What: s, Site: s, Room: s, Result: s, Detail: s}))
	}
	h.start(t)
	got, err := h.Entries(t.Context(), people.AuditQuery{})
	check(t, err)
	if len(got) != 7 || got[6].What != "<script>alert(1)</script>" || got[4].What != "\ufffdturned" {
		t.Fatalf("%d entries, the last %.100q, %q", len(got), got[len(got)-1].What, got[max(len(got)-3, 0)].What)
	}
	for _, e := range got {
		for _, s := range []string{e.Who, e.Via, e.Address, e.Action, e.What, e.Site, e.Room, e.Result} {
			if utf8.RuneCountInString(s) > 255 || strings.ContainsAny(s, "\r\n\x00\u202e") || !utf8.ValidString(s) {
				t.Errorf("entry %d holds %.100q", e.Number, s)
			}
		}
		if n := utf8.RuneCountInString(e.Detail); n > 4000 {
			t.Errorf("entry %d has a detail of %d characters", e.Number, n)
		}
	}
	if n, err := h.Verify(t.Context()); err != nil || n != 7 {
		t.Errorf("Verify = %d, %v", n, err)
	}
	found, err := h.Entries(t.Context(), people.AuditQuery{What: "' OR 1=1 --", Who: "%"})
	if err != nil || len(found) != 0 {
		t.Errorf("an injection finds %d entries, %v", len(found), err)
	}
}

func TestTheLogIsReadPageByPage(t *testing.T) {
	h := open(t)
	for i := range 240 {
		e := people.Entry{Who: []string{"marie", "jean"}[i%2], Action: []string{"reset", "wake", "wipe"}[i%3], What: fmt.Sprint("PC-", i%100),
			Site: []string{"zola", "hugo", "", people.Whole}[i%4]}
		check(t, h.Record(t.Context(), e))
	}
	for name, tt := range map[string]struct {
		q    people.AuditQuery
		want int
	}{
		"all":              {people.AuditQuery{}, 240},
		"of one":           {people.AuditQuery{Who: "marie"}, 120},
		"of one action":    {people.AuditQuery{Action: "reset"}, 80},
		"of both":          {people.AuditQuery{Who: "jean", Action: "wake"}, 40},
		"of a thing":       {people.AuditQuery{What: "PC-7"}, 3},
		"of a site":        {people.AuditQuery{Sites: []string{"Zola"}, Places: true}, 60},
		"of the nameless":  {people.AuditQuery{Sites: []string{""}, Places: true}, 60},
		"of sites":         {people.AuditQuery{Sites: []string{"zola", "ZOLA", "hugo"}, Places: true}, 120},
		"of all sites":     {people.AuditQuery{Places: true}, 180},
		"of the house too": {people.AuditQuery{Sites: []string{people.Whole}, Places: true}, 0},
	} {
		for _, limit := range []int{0, 7, 5000} {
			q, seen, last := tt.q, 0, int64(1<<62)
			q.Limit = limit
			for {
				page, err := h.Entries(t.Context(), q)
				check(t, err)
				if len(page) == 0 {
					break
				}
				if limit == 0 && len(page) > 200 || limit == 7 && len(page) > 7 || len(page) > 1000 {
					t.Fatalf("%s: a page of %d", name, len(page))
				}
				for _, e := range page {
					if e.Number >= last {
						t.Fatalf("%s: %d after %d", name, e.Number, last)
					}
					last = e.Number
					seen++
				}
				q.Before = last
			}
			if seen != tt.want {
				t.Errorf("%s: %d entries in pages of %d, want %d", name, seen, limit, tt.want)
			}
		}
	}
}

// forged is a store whose log somebody rewrote in the file after the daemon had loaded its end.
type forged struct {
	people.Store
	forge func([]people.Entry) []people.Entry
}

func (f *forged) AuditEntries(ctx context.Context, q people.AuditQuery) ([]people.Entry, error) {
	out, err := f.Store.AuditEntries(ctx, q)
	return f.forge(out), err
}

// memory is a store of a log alone, that waits for no disk.
type memory []people.Entry

func (m *memory) LoadPeople(context.Context) (people.Snapshot, error) {
	if len(*m) == 0 {
		return people.Snapshot{}, nil
	}
	return people.Snapshot{Last: (*m)[len(*m)-1]}, nil
}

func (m *memory) CommitPeople(_ context.Context, c people.Change) error {
	*m = append(*m, c.Entries...)
	return nil
}

func (m *memory) AuditEntries(_ context.Context, q people.AuditQuery) ([]people.Entry, error) {
	from := min(int(q.After), len(*m))
	return slices.Clone((*m)[from:min(from+q.Limit, len(*m))]), nil
}

func TestAChangedLogIsFound(t *testing.T) {
	h := &house{clock: &clock{at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}}
	h.use(t, &memory{})
	for i := range 1010 {
		check(t, h.Record(t.Context(), people.Entry{Who: "marie", Action: "reset", What: fmt.Sprint(i), Detail: "d"}))
	}
	drop := func(in []people.Entry, from, to int64) (out []people.Entry) {
		for _, e := range in {
			if e.Number < from || e.Number > to {
				out = append(out, e)
			}
		}
		return out
	}
	change := func(number int64, do func(*people.Entry)) func([]people.Entry) []people.Entry {
		return func(in []people.Entry) []people.Entry {
			for i := range in {
				if in[i].Number == number {
					do(&in[i])
				}
			}
			return in
		}
	}
	for name, tt := range map[string]struct {
		forge func([]people.Entry) []people.Entry
		at    int64
	}{
		"nothing changed":         {func(in []people.Entry) []people.Entry { return in }, 0},
		"who":                     {change(1, func(e *people.Entry) { e.Who = "jean" }), 1},
		"when":                    {change(1005, func(e *people.Entry) { e.Time = e.Time.Add(1) }), 1005},
		"a border between fields": {change(7, func(e *people.Entry) { e.Who, e.Via = e.Who[:4], e.Who[4:]+e.Via }), 7},
		"the last one's result":   {change(1010, func(e *people.Entry) { e.Result = "done" }), 1010},
		"a hash":                  {change(1000, func(e *people.Entry) { e.Hash = strings.Repeat("0", 64) }), 1000},
		"one is missing":          {func(in []people.Entry) []people.Entry { return drop(in, 1001, 1001) }, 1001},
		"the first are missing":   {func(in []people.Entry) []people.Entry { return drop(in, 1, 10) }, 1},
		"the end is missing":      {func(in []people.Entry) []people.Entry { return drop(in, 1003, 9999) }, 1003},
		"all are missing":         {func(in []people.Entry) []people.Entry { return nil }, 1},
		"the last is another":     {change(1010, func(e *people.Entry) { e.What, e.Hash = "forged", "" }), 1010},
	} {
		p, err := people.Open(t.Context(), people.Options{Store: &forged{h.store, tt.forge}, Now: h.clock.now, Cost: cheap()})
		check(t, err)
		_, err = p.Verify(t.Context())
		var broken *people.BrokenError
		switch {
		case tt.at == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.at != 0 && (!errors.As(err, &broken) || broken.Number != tt.at):
			t.Errorf("%s: %v, want entry %d", name, err, tt.at)
		}
	}
}
