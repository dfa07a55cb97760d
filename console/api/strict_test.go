package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
)

// What is written another way than the documents have it means what it says, or is refused: it never means the default, which
// would do what was only to be tried.
func TestAListIsNotTakenByAMisspeltTry(t *testing.T) {
	d := newDistrict(t)
	whole := d.state()
	list := "name,mac,room\nnewcomer,52:54:00:99:99:99," + d.schools["zola"].room + "\n"
	path := api.Prefix + "/computers.csv"
	for _, query := range []string{"try=1", "try=true", "try=TRUE", "try=t", "try=true&partly=false"} {
		status, answer := d.ask("admin", route{"POST", path + "?" + query}, list)
		var r access.SheetReport
		if err := json.Unmarshal([]byte(answer), &r); err != nil || status != http.StatusOK || r.Done || r.Created != 1 {
			t.Errorf("?%s: %d %s", query, status, answer)
		}
	}
	for _, query := range []string{"tyr=1", "try=perhaps", "try=", "try", "try=1&try=0", "try=0&try=1", "try=1;partly=1", "partly=yes", "%zz=1", "Try=1"} {
		status, answer := d.ask("admin", route{"POST", path + "?" + query}, list)
		var e access.Error
		if err := json.Unmarshal([]byte(answer), &e); err != nil || status != http.StatusBadRequest || e.Code != "bad-order" {
			t.Errorf("?%s: %d %s", query, status, answer)
		}
	}
	if now := d.state(); now != whole {
		t.Fatalf("something was taken:\n%s\nwas\n%s", now, whole)
	}
	if status, answer := d.ask("admin", route{"POST", path + "?try=false"}, list); status != http.StatusOK || !strings.Contains(answer, `"done":true`) {
		t.Errorf("?try=false: %d %s", status, answer)
	}
	for _, r := range []route{{"GET", "/computers.csv?quarry=1"}, {"GET", "/computers.csv?q=a&q=b"}, {"GET", "/jobs/1/watch?now=1"}, {"POST", "/import?trsut=x"},
		{"POST", "/store/check?rate=1"}, {"GET", "/events/stream?afetr=1"}, {"GET", "/computers?q=a;b"}, {"GET", "/jobs?limit=5;x"}} {
		status, answer := d.ask("admin", route{r.method, api.Prefix + r.path}, "{}")
		var e access.Error
		if err := json.Unmarshal([]byte(answer), &e); err != nil || status < 400 || status >= 500 || e.Code != "bad-order" {
			t.Errorf("%s: %d %s", r, status, answer)
		}
	}
}

// A program, or a page, that follows events by the console's cookie does not keep somebody signed in who has gone.
func TestFollowingEventsDoesNotKeepASession(t *testing.T) {
	d := newDistrict(t)
	q, err := http.NewRequestWithContext(t.Context(), "GET", d.url+api.Prefix+"/events/stream", nil)
	check(t, err)
	q.Header.Set("Cookie", api.SessionCookie+"="+d.cookies["tech-zola"])
	d.ahead.Store(int64(70 * time.Minute)) // the page comes back for its stream after a time
	a, err := http.DefaultClient.Do(q)
	check(t, err)
	defer a.Body.Close()
	lines := bufio.NewScanner(a.Body)
	beats := func(most int) (n int) {
		for n < most && lines.Scan() {
			if lines.Text() == ": " {
				n++
			}
		}
		return n
	}
	if n := beats(5); n != 5 {
		t.Fatalf("the stream ended after %d beats: %v", n, lines.Err())
	}
	d.ahead.Store(int64(110 * time.Minute))
	if n := beats(5); n != 5 {
		t.Fatalf("the stream ended before two hours without use, after %d beats", n)
	}
	d.ahead.Store(int64(121 * time.Minute))
	if n := beats(50); n == 50 {
		t.Error("the stream goes on after two hours without use of its session")
	}
	if status, _ := d.ask("tech-zola", route{"GET", api.Prefix + "/me"}, ""); status != http.StatusUnauthorized {
		t.Errorf("the session is answered %d", status)
	}
}
