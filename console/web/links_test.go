package web

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// ways are where a page leads: its links, and the forms that it sends.
func ways(t *testing.T, at, body string) (links, posts []string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	check(t, err)
	base, err := url.Parse(at)
	check(t, err)
	value := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	for n := range root.Descendants() {
		to := ""
		switch {
		case n.Data == "a":
			to = value(n, "href")
		case n.Data == "form" && value(n, "method") == "post":
			for in := range n.Descendants() { // one without a button that sends it only holds a list together
				if in.Data == "button" && value(in, "type") != "button" && value(in, "formmethod") != "get" {
					posts = append(posts, value(n, "action"))
					break
				}
			}
		}
		if to == "" || strings.HasPrefix(to, "#") {
			continue
		}
		u, err := base.Parse(to)
		if err != nil || u.Host != "" {
			t.Errorf("%s leads to %q", at, to)
			continue
		}
		u.Fragment = ""
		links = append(links, u.RequestURI())
	}
	return links, posts
}

// idsTwice is an id that more than one element of a page has: a label or a way to it would mean the first alone.
func idsTwice(t *testing.T, body string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	check(t, err)
	seen := map[string]bool{}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "id" && n.Type == html.ElementNode {
				if seen[a.Val] {
					return a.Val
				}
				seen[a.Val] = true
			}
		}
	}
	return ""
}

// Nobody is shown a link or a form that is not for them: all that each role sees is followed.
func TestEveryWayThatARoleIsShownIsOpenToIt(t *testing.T) {
	s, versions := furnished(t)
	s.adminPages()
	s.hello(90, nil)
	j := s.give(fleet.Order{Kind: job.KindDeploy, Room: "S104"}, versions[0])
	s.done(0)
	s.report(1, func(*job.Report) {})
	s.report(1, func(r *job.Report) {
		r.State, r.Step = job.TaskFailed, 3
		r.Outcome = &job.Outcome{Code: "no-such-code", Detail: "it broke"}
	})
	s.give(fleet.Order{Kind: job.KindReset, Computers: []string{"S104-01"}}, versionless)
	_, err := s.desk("zoe").Report(t.Context(), access.Report{Computer: "B12-01", Text: "no light"})
	check(t, err)
	mux, actions := http.NewServeMux(), map[string]route{}
	for _, r := range (&console{}).routes() {
		mux.Handle(r.pattern, http.NotFoundHandler())
		actions[r.pattern] = r
	}
	const most = 600 // pages of one person
	for _, login := range []string{"marie", "paul", "zoe", "claire", "remi"} {
		p, err := s.people.Find(login)
		check(t, err)
		caller := people.Caller{ID: p.ID, Login: p.Login, Role: p.Role, Sites: p.Sites, Rooms: p.Rooms, Via: people.ViaSession}
		b := s.as(login)
		seen, posts := map[string]string{"/": "", "/jobs/" + j.Job.ID: ""}, map[string]string{}
		if login == "zoe" { // the job is of other computers
			delete(seen, "/jobs/"+j.Job.ID)
		}
		todo := slices.Sorted(maps.Keys(seen))
		for i := 0; i < len(todo) && i < most; i++ {
			status, body := b.get(todo[i])
			if status == http.StatusSeeOther && strings.HasPrefix(todo[i], "/order?") { // nobody is matched by its filter
				continue
			}
			if status != http.StatusOK {
				t.Errorf("%s is led from %s to %s: %d", login, seen[todo[i]], todo[i], status)
				continue
			}
			if !strings.HasPrefix(strings.TrimSpace(body), "<!doctype html>") {
				continue
			}
			if twice := idsTwice(t, body); twice != "" {
				t.Errorf("%s has two elements with the id %s", todo[i], twice)
			}
			links, forms := ways(t, todo[i], body)
			for _, to := range links {
				if _, known := seen[to]; !known {
					seen[to] = todo[i]
					todo = append(todo, to)
				}
			}
			for _, to := range forms {
				posts[to] = todo[i]
			}
		}
		if len(todo) < 15 || len(todo) > most {
			t.Errorf("%s is led to %d pages", login, len(todo))
		}
		for to, from := range posts {
			_, pattern := mux.Handler(httptest.NewRequest(http.MethodPost, to, nil))
			if r, known := actions[pattern]; !known || !r.open && !mayAnywhere(caller, r.action) {
				t.Errorf("%s is shown at %s a form for %s, which is refused", login, from, to)
			}
		}
		t.Logf("%s: %d pages, %d forms", login, len(todo), len(posts))
	}
}
