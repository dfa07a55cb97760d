package api_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet/people"
)

// Whose role is taken, or who is disabled, while he watches a job sees no more of it, although the job goes on.
func TestWatchingAJobEndsWithTheRightToSeeIt(t *testing.T) {
	d := newDistrict(t)
	zola := d.schools["zola"]
	for name, change := range map[string]func(*people.Person){
		"disabled": func(x *people.Person) { x.Disabled = true },
		"moved":    func(x *people.Person) { x.Sites = []string{"hugo"} },
	} {
		login := "watcher-" + name
		d.person(login, people.Person{Role: people.Technician, Sites: []string{"zola"}})
		q, err := http.NewRequestWithContext(t.Context(), "GET", d.url+api.Prefix+"/jobs/"+zola.job+"/watch", nil)
		check(t, err)
		q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies[login])
		a, err := http.DefaultClient.Do(q)
		check(t, err)
		lines := bufio.NewScanner(a.Body)
		if a.StatusCode != 200 || !lines.Scan() {
			t.Fatalf("%s: watching: %d %v", name, a.StatusCode, lines.Err())
		}
		_, err = d.house.People.Change(t.Context(), login, change)
		check(t, err)
		for lines.Scan() { // until it ends
		}
		check(t, a.Body.Close())
		if j, err := d.house.Fleet.FindJob(t.Context(), zola.job); err != nil || !j.Active() {
			t.Errorf("%s: the job is over: %v", name, err)
		}
	}
}

// Who may see a job watches it to its end, however often he is asked again meanwhile.
func TestWatchingAJobGoesOnForWhoMaySeeIt(t *testing.T) {
	d := newDistrict(t)
	zola := d.schools["zola"]
	open := func(path string) *bufio.Scanner {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), "GET", d.url+api.Prefix+path, nil)
		check(t, err)
		q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies["tech-zola"])
		a, err := http.DefaultClient.Do(q)
		check(t, err)
		t.Cleanup(func() { _ = a.Body.Close() })
		return bufio.NewScanner(a.Body)
	}
	job, beats := open("/jobs/"+zola.job+"/watch"), open("/events/stream")
	if !job.Scan() {
		t.Fatal("the job is not told")
	}
	for n := 0; n < 10 && beats.Scan(); { // as many times he was asked again, about
		if beats.Text() == ": " {
			n++
		}
	}
	if status, body := d.ask("tech-zola", route{"POST", api.Prefix + "/jobs/" + zola.job + "/cancel"}, "{}"); status != 200 {
		t.Fatalf("cancelling: %d %s", status, body)
	}
	last := ""
	for job.Scan() {
		last = job.Text()
	}
	if !strings.Contains(last, `"cancelled"`) {
		t.Errorf("the last that is told of the job is %q", last)
	}
}
