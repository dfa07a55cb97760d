package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
)

// scopesOf are the scopes that a route is for, besides admin, which is for all; none: every token may. never: no token may.
func scopesOf(r route) (scopes []string, never bool) {
	path := strings.TrimPrefix(r.path, api.Prefix)
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")[0]
	looks := r.method == http.MethodGet
	switch {
	case part == "me" && path != "/me":
		return nil, true
	case strings.HasSuffix(path, "/wake"):
		return []string{people.ScopeReset, people.ScopeDeploy}, false
	case strings.HasSuffix(path, "/frees"):
		return []string{people.ScopeMasters}, false
	case part == "people" || part == "audit":
		return []string{people.ScopePeople}, false
	case slices.Contains([]string{"post", "setup", "manifests", "names", "chunks", "import"}, part), !looks && slices.Contains([]string{"sites", "scripts", "keys", "tokens", "store"}, part):
		return []string{people.ScopeAdmin}, false
	case strings.HasSuffix(path, "/label"):
		return []string{people.ScopeComputers}, false
	case looks:
		return nil, false
	case part == "masters":
		return []string{people.ScopeMasters}, false
	case slices.Contains([]string{"jobs", "plan", "schedules"}, part):
		return []string{people.ScopeDeploy}, false
	}
	return []string{people.ScopeComputers}, false
}

// A token does what its scopes name and no more, at each route: whatever its person may do, who is an administrator here.
func TestATokensScopesHoldAtEachRoute(t *testing.T) {
	for _, scope := range people.Scopes() {
		d := newDistrict(t)
		var err error
		d.token, err = d.house.People.AddToken(t.Context(), "admin", scope, []string{scope}, time.Time{})
		check(t, err)
		s := d.schools["hugo"]
		type try struct {
			route, aimed route
			body         string
		}
		var may, mayNot []try
		for _, r := range d.routes {
			if strings.HasPrefix(r.path, "/api/openapi") || strings.HasPrefix(r.path, api.Prefix+"/post") { // nobody posts here
				continue
			}
			x := try{route: r, aimed: d.aimed(r, s)[0]}
			if r.method != http.MethodGet {
				x.body, _ = d.body(r, s)
			}
			if allowed, never := scopesOf(r); !never && (len(allowed) == 0 || scope == people.ScopeAdmin || slices.Contains(allowed, scope)) {
				may = append(may, x)
			} else {
				mayNot = append(mayNot, x)
			}
		}
		for _, x := range mayNot { // first: nothing changes
			if status, answer := d.ask("token", x.aimed, x.body); status != http.StatusForbidden || !strings.Contains(answer, `"code":"forbidden"`) {
				t.Errorf("a token to %s asks %s: %d %.200s, want 403", scope, x.route, status, answer)
			}
		}
		d.token, err = d.house.People.AddToken(t.Context(), "admin", scope+" again", []string{scope}, time.Time{}) // who asks too much in a second waits
		check(t, err)
		slices.SortStableFunc(may, func(a, b try) int { return takes(a.route) - takes(b.route) })
		for _, x := range may {
			status, answer := d.ask("token", x.aimed, x.body)
			if strings.Contains(answer, `"code":"forbidden"`) || status == http.StatusTooManyRequests || status == http.StatusUnauthorized || status >= 500 {
				t.Errorf("a token to %s asks %s: %d %.200s", scope, x.route, status, answer)
			}
		}
		did, refused := len(may), len(mayNot)
		if did < 30 || refused == 0 {
			t.Errorf("a token to %s was let do %d things, and kept from %d", scope, did, refused)
		}
	}
}

// takes tells how much a route takes away: what it took cannot be asked for any more.
func takes(r route) int {
	if r.method == http.MethodDelete {
		return 1
	}
	return 0
}

// Whoever follows events, of whatever role, is told of their own places and of no others.
func TestEventsOfAnotherSiteAreFollowedByNobody(t *testing.T) {
	d := newDistrict(t)
	zola, hugo := d.schools["zola"], d.schools["hugo"]
	lines := map[string]*bufio.Scanner{}
	for _, who := range []string{"tech-zola", "teacher-zola", "reader-zola", "admin", "token"} {
		q, err := http.NewRequestWithContext(t.Context(), "GET", d.url+api.Prefix+"/events/stream", nil)
		check(t, err)
		if who == "token" {
			q.Header.Set("Authorization", "Bearer "+d.token)
		} else {
			q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies[who])
		}
		a, err := http.DefaultClient.Do(q)
		check(t, err)
		defer a.Body.Close()
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s follows: %d", who, a.StatusCode)
		}
		lines[who] = bufio.NewScanner(a.Body)
		lines[who].Scan() // it listens from here on
	}
	for _, s := range []*school{hugo, zola} {
		_, err := d.house.Fleet.Annotate(t.Context(), s.id, "news of "+s.name, "root")
		check(t, err)
		_, err = d.house.Fleet.SetRoom(t.Context(), s.room, "root", func(r *fleet.Room) { r.Note = "note of " + s.name + " again" })
		check(t, err)
	}
	for who, l := range lines {
		var told []string
		for !slices.Contains(told, zola.pc) && l.Scan() {
			data, ok := strings.CutPrefix(l.Text(), "data: ")
			if !ok {
				continue
			}
			var e access.Event
			check(t, json.Unmarshal([]byte(data), &e))
			told = append(told, e.Computer)
			if found := leaks(hugo, "", data); len(found) > 0 && who != "admin" && who != "token" {
				t.Errorf("%s is told %s", who, data)
			}
		}
		if everywhere := who == "admin" || who == "token"; slices.Contains(told, hugo.pc) != everywhere || !slices.Contains(told, zola.pc) {
			t.Errorf("%s is told of %q: %v", who, told, l.Err())
		}
	}
}
