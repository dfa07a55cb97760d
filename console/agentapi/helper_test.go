package agentapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// loop is the question of a helper in the network that the test's computers come from.
func loop(done ...string) job.HelperPoll {
	return job.HelperPoll{Version: "test", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Done: done}
}

// poll asks as a helper: body is JSON unless it is bytes.
func (s *site) poll(secret string, body any) (int, job.HelperWork, job.Problem) {
	s.t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		raw, err = json.Marshal(body)
		check(s.t, err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "https://"+s.address+job.PathHelper, bytes.NewReader(raw))
	check(s.t, err)
	r.Header.Set("Authorization", "Bearer "+secret)
	answer, err := s.keyless().http.Do(r)
	check(s.t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(s.t, err)
	var work job.HelperWork
	var p job.Problem
	if answer.StatusCode < 400 {
		check(s.t, json.Unmarshal(content, &work))
	} else {
		check(s.t, json.Unmarshal(content, &p))
	}
	return answer.StatusCode, work, p
}

// helping is a site with a computer and a helper.
func helping(t *testing.T) (s *site, secret string) {
	t.Helper()
	s = newSite(t)
	s.agent().enrol(hello(1), "pc")
	secret, _, err := s.fleet.AddHelper(t.Context(), "pi", "", "marie")
	check(t, err)
	return s, secret
}

func (s *site) wake(names ...string) {
	s.t.Helper()
	_, err := s.fleet.WakeNow(s.t.Context(), names, "marie")
	check(s.t, err)
}

func TestAHelperIsToldWhomToWake(t *testing.T) {
	s, secret := helping(t)
	type answer struct {
		status int
		work   job.HelperWork
	}
	answers := make(chan answer)
	ask := func(done ...string) {
		status, work, _ := s.poll(secret, loop(done...))
		answers <- answer{status, work}
	}
	for range 2 { // the second time the daemon was started again
		go ask()
		for !s.fleet.Helpers()[0].Connected {
			time.Sleep(time.Millisecond)
		}
		s.wake("pc")
		first := <-answers
		if first.status != 200 || len(first.work.Wake) != 1 || first.work.Wake[0].MAC != "52:54:00:00:00:01" {
			t.Fatalf("it is told %+v", first)
		}
		go ask() // the answer got lost on its way
		if again := <-answers; again.status != 200 || len(again.work.Wake) != 1 || again.work.Wake[0] != first.work.Wake[0] {
			t.Errorf("then it is told %+v, after %+v", again, first)
		}
		go ask(first.work.Wake[0].ID)
		for s.fleet.Helpers()[0].Waiting > 0 {
			time.Sleep(time.Millisecond)
		}
		s.wake("pc")
		if next := <-answers; next.status != 200 || len(next.work.Wake) != 1 || next.work.Wake[0].ID == first.work.Wake[0].ID {
			t.Errorf("for another wake it is told %+v", next)
		}
		s.stop()
		s.start()
	}
	h := s.fleet.Helpers()
	if len(h) != 1 || h[0].Connected {
		t.Errorf("listed: %+v", h)
	}
}

func TestWhoMayNotBeAHelper(t *testing.T) {
	s, secret := helping(t)
	token, _, err := s.fleet.MakeToken(t.Context(), "pc", "marie")
	check(t, err)
	forgotten, _, err := s.fleet.AddHelper(t.Context(), "gone", "", "marie")
	check(t, err)
	_, err = s.fleet.ForgetHelper(t.Context(), "gone", "marie")
	check(t, err)
	s.wake("pc") // so that nobody has to wait
	huge := append([]byte(`{"Done":["`), bytes.Repeat([]byte("x"), 1<<20)...)
	for name, body := range map[string]any{"bytes": []byte("\x00\xff"), "no JSON": []byte("{"), "a list": []byte("[]"), "two bodies": []byte("{}{}"),
		"no network": []byte(`{"Networks":["10.0.0.0"]}`), "a network of numbers": []byte(`{"Networks":[1]}`), "IPv6": []byte(`{"Networks":["fd00::/8"]}`),
		"the whole network": []byte(`{"Networks":["0.0.0.0/0"]}`), "an address": []byte(`{"Networks":["10.0.0.1/8"]}`),
		"many": job.HelperPoll{Done: make([]string, job.MaxHelperWork+1)}, "no body": []byte(nil)} {
		if status, _, p := s.poll(secret, body); status != 400 {
			t.Errorf("%s: %d %+v", name, status, p)
		}
	}
	if status, _, p := s.poll(secret, huge); status != 413 {
		t.Errorf("a megabyte: %d %+v", status, p)
	}
	wrong := []string{"", secret + "x", secret[1:], token, forgotten, "pi", strings.Repeat("A", 43), strings.Repeat("A", 5000), "x", "y"}
	for _, x := range wrong {
		if status, _, p := s.poll(x, huge); status != 401 || p.Code != "wrong-token" {
			t.Errorf("%.40q: %d %+v, want 401", x, status, p)
		}
	}
	if status, _, p := s.poll("z", loop()); status != 429 {
		t.Errorf("after ten wrong ones another: %d %+v, want 429", status, p)
	}
	if status, _, p := s.bearer(http.MethodGet, "Bearer "+token+"z"); status != 429 {
		t.Errorf("a wrong token from there: %d %+v, want 429", status, p)
	}
	if status, _, p := s.bearer(http.MethodGet, "Bearer "+token); status != 200 {
		t.Errorf("a right token from there: %d %+v, want 200", status, p)
	}
	if status, work, p := s.poll(secret, loop()); status != 200 || len(work.Wake) != 1 {
		t.Errorf("and the right one: %d %+v %+v", status, work, p)
	}
	told := 0
	for _, e := range s.fleet.Recent("") {
		if e.Kind == "guessing" && e.Severity == fleet.Grave {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d alarms tell of it", told)
	}
}

// The secret of a helper opens nothing else.
func TestAHelperCanOrderNothing(t *testing.T) {
	s, secret := helping(t)
	for _, route := range []string{"GET " + job.PathTask, "POST " + job.PathReport, "POST " + job.PathHello, "POST " + job.PathWish, "GET " + job.PathLocal,
		"POST " + job.PathRunningReset, "GET " + job.PathRunningReset, "DELETE " + job.PathRunningReset, "GET " + job.PathHelper, "DELETE " + job.PathHelper} {
		method, path, _ := strings.Cut(route, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.address+path, strings.NewReader("{}"))
		check(t, err)
		r.Header.Set("Authorization", "Bearer "+secret)
		answer, err := s.keyless().http.Do(r)
		check(t, err)
		check(t, answer.Body.Close())
		if answer.StatusCode != 401 && answer.StatusCode != 403 && answer.StatusCode != 404 {
			t.Errorf("%s: %d", route, answer.StatusCode)
		}
	}
}

// One key has at most four questions waiting; all of them are told.
func TestAHelperWaitsAFewTimesAtMost(t *testing.T) {
	s, secret := helping(t)
	statuses := make(chan int)
	for range 5 {
		go func() {
			status, _, _ := s.poll(secret, loop())
			statuses <- status
		}()
	}
	if status := <-statuses; status != 429 {
		t.Errorf("the fifth question: %d", status)
	}
	s.wake("pc")
	for range 4 {
		if status := <-statuses; status != 200 {
			t.Errorf("one of four: %d", status)
		}
	}
}
