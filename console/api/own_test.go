package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// got asks for something and decodes the answer, which must be good.
func got[T any](d *district, who, method, path, body string) (out T) {
	d.t.Helper()
	status, answer := d.ask(who, route{method, api.Prefix + path}, body)
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		d.t.Fatalf("%s asks %s %s: %d %s", who, method, path, status, answer)
	}
	return out
}

// refusedAs asks for something that is refused.
func (d *district) refusedAs(who, method, path, body string, status int, code string) {
	d.t.Helper()
	is, answer := d.ask(who, route{method, api.Prefix + path}, body)
	if is != status || !strings.Contains(answer, `"code":"`+code+`"`) {
		d.t.Errorf("%s asks %s %s: %d %s, want %d %s", who, method, path, is, answer, status, code)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	d := newDistrict(t)
	again, err := d.house.People.Login(t.Context(), "tech-zola", password, "192.0.2.7")
	check(t, err)
	all := got[[]access.Login](d, "tech-zola", "GET", "/me/sessions", "")
	if len(all) != 2 || all[0].Here == all[1].Here {
		t.Fatalf("the sessions are %+v", all)
	}
	other := all[0]
	if other.Here {
		other = all[1]
	}
	if theirs := got[[]access.Login](d, "admin", "GET", "/people/tech-zola/sessions", ""); len(theirs) != 2 || theirs[0].Here || theirs[1].Here || other.Address != "192.0.2.7" {
		t.Errorf("the administrator reads %+v of %+v", theirs, other)
	}
	d.refusedAs("tech-hugo", "DELETE", "/me/sessions/"+other.ID, "", 404, "no-login")
	got[access.Me](d, "tech-zola", "DELETE", "/me/sessions/"+other.ID, "")
	if _, err := d.house.People.BySession(t.Context(), again.Token, "192.0.2.7"); err == nil {
		t.Error("a session that was ended goes on")
	}
	d.refusedAs("tech-zola", "DELETE", "/me/sessions/"+other.ID, "", 404, "no-login")
	d.refusedAs("token", "GET", "/me/sessions", "", 403, "forbidden")
	d.refusedAs("tech-zola", "GET", "/people/admin/sessions", "", 403, "forbidden")
	left := got[[]access.Login](d, "admin", "GET", "/people/tech-zola/sessions", "")
	if rest := got[[]access.Login](d, "admin", "DELETE", "/people/tech-zola/sessions/"+left[0].ID, ""); len(rest) != 0 {
		t.Errorf("%+v are left", rest)
	}
	if status, _ := d.ask("tech-zola", route{"GET", api.Prefix + "/me"}, ""); status != 401 {
		t.Errorf("whose session an administrator has ended is answered %d", status)
	}
}

func TestOnesOwnPasswordIsChanged(t *testing.T) {
	d := newDistrict(t)
	const other = "quatre autres mots pour entrer"
	elsewhere, err := d.house.People.Login(t.Context(), "teacher-zola", password, "192.0.2.7")
	check(t, err)
	d.refusedAs("teacher-zola", "POST", "/me/password", `{"old":"wrong","new":"`+other+`"}`, 401, string(people.CodeWrong))
	d.refusedAs("token", "POST", "/me/password", `{"old":"`+password+`","new":"`+other+`"}`, 403, "forbidden")
	got[access.Me](d, "teacher-zola", "POST", "/me/password", `{"old":"`+password+`","new":"`+other+`"}`)
	if _, err := d.house.People.BySession(t.Context(), elsewhere.Token, "192.0.2.7"); err == nil {
		t.Error("the other session goes on")
	}
	if me := got[access.Me](d, "teacher-zola", "GET", "/me", ""); me.Login != "teacher-zola" {
		t.Errorf("the session that changed it is of %+v", me)
	}
	if _, err := d.house.People.Login(t.Context(), "teacher-zola", other, "192.0.2.7"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestMastersAreLookedInto(t *testing.T) {
	d := newDistrict(t)
	published(t, d.house.Masters, 5)
	for _, move := range []string{"salle@1", "salle@2"} {
		got[access.Move](d, "admin", "POST", "/masters/"+move+"/promote", `{"channel":"stable"}`)
	}
	h := got[access.History](d, "tech-zola", "GET", "/masters/salle/history", "")
	if len(h.Channels) != 1 || h.Channels[0].Version != 2 || h.Channels[0].Before != 1 || len(h.Moves) != 2 || h.Moves[0].To != 2 {
		t.Errorf("the history is %+v", h)
	}
	c := got[access.Comparison](d, "tech-zola", "GET", "/masters/salle@1/compare?to=salle@stable", "")
	if c.From != "salle@1" || c.To != "salle@2" || c.Equal || len(c.Changes) == 0 || c.More != 0 {
		t.Errorf("they differ by %+v", c)
	}
	if short := got[access.Comparison](d, "tech-zola", "GET", "/masters/salle@1/compare?to=salle@2&limit=1", ""); len(short.Changes) != 1 || short.More != len(c.Changes)-1 {
		t.Errorf("with a limit of 1 they differ by %+v", short)
	}
	d.refusedAs("tech-zola", "GET", "/masters/salle@1/compare", "", 422, "bad-order")
	d.refusedAs("tech-zola", "GET", "/masters/salle@1/compare?to=salle@9", "", 404, "no-master")
	d.refusedAs("teacher-zola", "GET", "/masters/salle/history", "", 403, "forbidden")
	d.refusedAs("reader-zola", "GET", "/masters/salle@1/frees", "", 403, "forbidden")
	want, err := d.house.For(people.Caller{Role: people.Administrator}).Frees(t.Context(), "salle@2")
	check(t, err)
	if f := got[struct{ Bytes int64 }](d, "admin", "GET", "/masters/salle@2/frees", ""); f.Bytes != want || want <= 0 {
		t.Errorf("it frees %d bytes, want %d", f.Bytes, want)
	}
}

func TestTheAuditLogIsReadByTime(t *testing.T) {
	d := newDistrict(t)
	all := got[[]access.AuditEntry](d, "admin", "GET", "/audit?limit=1000", "")
	from, until := all[len(all)/2], all[len(all)/4]
	q := url.Values{"since": {from.Time.Format(time.RFC3339Nano)}, "until": {until.Time.Format(time.RFC3339Nano)}, "limit": {"1000"}}
	for _, e := range got[[]access.AuditEntry](d, "admin", "GET", "/audit?"+q.Encode(), "") {
		if e.Time.Before(from.Time) || !e.Time.Before(until.Time) {
			t.Errorf("%s is not between %s and %s", e.Time, from.Time, until.Time)
		}
		if e.Number == from.Number {
			from.Number = 0
		}
	}
	if from.Number != 0 {
		t.Error("the entry at that time is not in the answer")
	}
	d.refusedAs("admin", "GET", "/audit?since=yesterday", "", 422, "bad-order")
}

// A region's computers come page by page, each once, also where one is renamed meanwhile.
func TestComputersComePageByPage(t *testing.T) {
	s := newSite(t)
	for i := range 25 {
		code := s.pending(t, fmt.Sprintf("key %d", i), fmt.Sprintf("52:54:00:00:01:%02x", i))
		_, err := s.client.Approve(t.Context(), access.Approve{Code: code, Name: fmt.Sprintf("pc%d", 25-i)})
		check(t, err)
	}
	desk := (&access.House{Fleet: s.fleet, Masters: s.library}).For(people.Caller{Role: people.Administrator})
	seen := map[string]bool{}
	after, pages := "", 0
	for ; ; pages++ {
		page, err := desk.ComputersAfter("state:enrolled", after, 10)
		check(t, err)
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			if seen[c.ID] {
				t.Errorf("%s comes twice", c.ID)
			}
			seen[c.ID] = true
		}
		after = page[len(page)-1].ID
		_, err = s.fleet.Rename(t.Context(), page[0].ID, fmt.Sprintf("zz%d", pages))
		check(t, err)
	}
	if len(seen) != 25 || pages != 3 {
		t.Errorf("%d computers came in %d pages", len(seen), pages)
	}
	d := newDistrict(t)
	if page := got[[]access.Computer](d, "tech-zola", "GET", "/computers?limit=10", ""); len(page) != 1 || page[0].Name != d.schools["zola"].pc {
		t.Errorf("a technician's page is %+v", page)
	}
	page := got[[]access.Computer](d, "admin", "GET", "/computers?limit=1", "")
	if rest := got[[]access.Computer](d, "admin", "GET", "/computers?after="+page[0].ID, ""); len(page) != 1 || len(rest) != 1 || rest[0].ID == page[0].ID {
		t.Errorf("after %+v come %+v", page, rest)
	}
	d.refusedAs("admin", "GET", "/computers?limit=-1", "", 422, "bad-order")
}

func TestAComputerIsForgotten(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	_, err := s.client.Approve(ctx, access.Approve{Code: s.pending(t, "key", "52:54:00:00:00:01"), Name: "pc1"})
	check(t, err)
	j, err := s.client.Order(ctx, access.Order{Kind: job.KindInventory, Computers: []string{"pc1"}})
	check(t, err)
	if e, err := s.fleet.Next(ctx, "key"); err != nil || e == nil {
		t.Fatalf("Next = %v, %v", e, err)
	}
	_, err = s.client.ForgetComputer(ctx, "pc1")
	var e *access.Error
	if e = access.ErrorOf(err); err == nil || e.Status != http.StatusConflict {
		t.Errorf("a computer whose task runs: %v", err)
	}
	_, err = s.fleet.Report(ctx, "key", job.Report{Task: j.ID + "-1", State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
	check(t, err)
	if c, err := s.client.ForgetComputer(ctx, "pc1"); err != nil || c.Name != "pc1" {
		t.Errorf("forgotten: %+v, %v", c, err)
	}
	_, err = s.client.Computer(ctx, "pc1")
	wantCode(t, "who was forgotten", err, 404, "no-computer")
	if code := s.pending(t, "key", "52:54:00:00:00:01"); code == "" {
		t.Error("it comes back, and is known")
	}
	if c, err := s.fleet.Find("52:54:00:00:00:01"); err != nil || c.State != fleet.Pending {
		t.Errorf("it comes back as %+v, %v", c, err)
	}
}
