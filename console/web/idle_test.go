package web

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
)

// A page that is left open, and comes back for its stream by itself, does not keep somebody signed in who has gone.
func TestAnOpenPageDoesNotKeepItsSession(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	ask := func() *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+eventsPath+"?page=map", nil)
		for _, k := range b.Jar.Cookies(r.URL) {
			r.AddCookie(k)
		}
		return r
	}
	opened := func() int { // the stream ends at once: nobody can be written to in time
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, ask())
		return w.Code
	}
	for range 2 { // after 50 and 100 minutes
		s.now = s.now.Add(50 * time.Minute)
		if status := opened(); status != http.StatusOK {
			t.Fatalf("the stream: %d", status)
		}
	}
	// What an open stream asks each half minute.
	c := &console{Server: Server{House: s.house, People: s.people, Now: func() time.Time { return s.now }, Zone: time.UTC}}
	v := c.visit(httptest.NewRecorder(), ask())
	if !v.signedIn || !c.stillIn(v) {
		t.Fatal("the session ended before two hours without use")
	}
	s.now = s.now.Add(21 * time.Minute)
	if c.stillIn(v) {
		t.Error("an open stream goes on after two hours without use of its session")
	}
	if status := opened(); status != http.StatusUnauthorized {
		t.Errorf("the stream of a page that was left open: %d", status)
	}
	if status, _ := b.get("/computers"); status != http.StatusSeeOther {
		t.Errorf("after two hours without use: %d", status)
	}
	b = s.as("paul")
	for range 3 { // whoever reads pages stays
		s.now = s.now.Add(90 * time.Minute)
		if status, _ := b.get("/computers"); status != http.StatusOK {
			t.Fatalf("somebody who reads pages is let go: %d", status)
		}
	}
}

// One person's open pages leave places for everybody else's.
func TestNobodyTakesAllStreams(t *testing.T) {
	s := newStream(t.Context(), &console{Server: Server{House: &access.House{}}})
	var of []chan struct{}
	for range 2 * maxOfOne {
		if ch, ok := s.join("paul"); ok {
			of = append(of, ch)
		}
	}
	if len(of) != maxOfOne {
		t.Errorf("one person has %d streams", len(of))
	}
	if _, ok := s.join("marie"); !ok {
		t.Error("another has none")
	}
	s.leave(of[0])
	if _, ok := s.join("paul"); !ok {
		t.Error("a place that was left is not given again")
	}
	all := len(s.on)
	for n := range maxStream {
		if _, ok := s.join(strconv.Itoa(n)); ok {
			all++
		}
	}
	if all != maxStream {
		t.Errorf("there are %d streams", all)
	}
}
