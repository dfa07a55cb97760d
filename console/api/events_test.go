package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

// A stream tells what happens in one's own places, goes on where one left off, and ends with the session.
func TestEventsAreFollowed(t *testing.T) {
	d := newDistrict(t)
	rename := func(s *school, name string) {
		_, err := d.house.Fleet.Annotate(t.Context(), s.id, name, "root")
		check(t, err)
	}
	follow := func(who, last string) (*bufio.Scanner, func()) {
		q, err := http.NewRequestWithContext(t.Context(), "GET", d.url+api.Prefix+"/events/stream", nil)
		check(t, err)
		q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies[who])
		q.Header.Set("Last-Event-ID", last)
		a, err := http.DefaultClient.Do(q)
		check(t, err)
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("the stream: %d", a.StatusCode)
		}
		return bufio.NewScanner(a.Body), func() { _ = a.Body.Close() }
	}
	next := func(lines *bufio.Scanner) (id string, e access.Event) {
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				check(t, json.Unmarshal([]byte(v), &e))
				return id, e
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", e
	}
	lines, done := follow("tech-zola", "")
	lines.Scan() // it listens from here on
	rename(d.schools["hugo"], "x")
	rename(d.schools["zola"], "x")
	id, e := next(lines)
	if e.Computer != d.schools["zola"].pc || e.Kind != "annotated" || id == "" {
		t.Errorf("the first event is %q %+v", id, e)
	}
	done()
	rename(d.schools["hugo"], "y")
	rename(d.schools["zola"], "y")
	rename(d.schools["zola"], "z")
	lines, done = follow("tech-zola", id)
	for range 2 {
		if _, e := next(lines); e.Computer != d.schools["zola"].pc || e.Kind != "annotated" {
			t.Errorf("what was missed is %+v", e)
		}
	}
	check(t, d.house.People.Logout(t.Context(), d.cookies["tech-zola"]))
	for lines.Scan() { // it ends by itself
	}
	done()
	if status, _ := d.ask("tech-zola", route{"GET", api.Prefix + "/me"}, ""); status != 401 {
		t.Errorf("after the end: %d", status)
	}
}
