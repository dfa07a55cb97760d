package agentapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/storetest"
)

// locals has one boot file.
type locals struct{ content []byte }

func (l locals) Files(context.Context) ([]job.BootFile, error) {
	return []job.BootFile{{Name: "vmlinuz", Size: int64(len(l.content)), Hash: "beef"}}, nil
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func (l locals) Open(_ context.Context, name string) (io.ReadSeekCloser, error) {
	if name != "vmlinuz" {
		return nil, fs.ErrNotExist
	}
	return memoryFile{bytes.NewReader(l.content)}, nil
}

func (l locals) Menu(_ context.Context, m agentapi.LocalMenu) (string, error) {
	return fmt.Sprintf("%s in %s, %s, reset %v, from %s", m.Computer.Name, m.Room.Name, m.Room.Lang, m.Reset, m.Server), nil
}

// holding is a site with a computer "pc" in a menu room that was proven to hold a version.
func holding(t *testing.T) (*site, *agent) {
	t.Helper()
	s := newSite(t)
	s.stop()
	s.local = locals{bytes.Repeat([]byte("kernel"), 100_000)}
	s.start()
	_, frames := storetest.Frames(t, 3, 1)
	v := s.published("m", frames)
	a := s.agent()
	a.enrol(hello(1), "pc")
	s.deploy(v, "pc")
	task := a.task()
	a.done(task)
	_, err := s.fleet.SetRoom(t.Context(), "S104", "marie", func(r *fleet.Room) { r.Menu = true })
	check(t, err)
	_, err = s.fleet.Place(t.Context(), []string{"pc"}, "S104", "marie")
	check(t, err)
	return s, a
}

// done reports a task proven.
func (a *agent) done(task job.Task) {
	a.s.t.Helper()
	must[job.ReportReply](a, http.MethodPost, job.PathReport, job.Report{Task: task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
}

func (a *agent) grant() job.StandingGrant {
	a.s.t.Helper()
	b := must[job.LocalBoot](a, http.MethodGet, job.PathLocal, nil)
	var g job.StandingGrant
	if len(b.Grant.Payload) == 0 {
		return g
	}
	check(a.s.t, json.Unmarshal(b.Grant.Payload, &g))
	return g
}

func TestWhatBelongsOnAComputersDisk(t *testing.T) {
	s, a := holding(t)
	b := must[job.LocalBoot](a, http.MethodGet, job.PathLocal, nil)
	if !b.Menu || b.Config != "pc in S104, fr, reset true, from 127.0.0.1" || len(b.Files) != 1 || b.Files[0].Name != "vmlinuz" || len(b.Stage) != 1 {
		t.Errorf("it is told %+v", b)
	}
	g := a.grant()
	if g.ComputerKey != a.key || g.Manifest != b.Stage[0] || g.Policy != job.PolicyDemand || g.Counter == 0 {
		t.Errorf("it is granted %+v", g)
	}
	if key := s.library.Key(); b.Grant.Key != key.Public() || !bytes.Equal(b.Grant.Signature, key.Sign(job.ContextGrant, b.Grant.Payload)) {
		t.Error("its grant is not signed in the context of grants")
	}
	s.stop()
	s.start()
	if again := a.grant(); again.Counter != g.Counter {
		t.Errorf("after a restart the counter is %d, was %d", again.Counter, g.Counter)
	}
	if status, content := a.call(http.MethodGet, job.PathLocal+"/vmlinuz", nil); status != 200 || len(content) != 600_000 {
		t.Errorf("a boot file: %d, %d bytes", status, len(content))
	}
	for _, name := range []string{"shadow", "..%2f..%2fetc%2fpasswd", "vmlinuz%00"} {
		if status, _ := a.problem(http.MethodGet, job.PathLocal+"/"+name, nil); status != 404 {
			t.Errorf("%s: %d, want 404", name, status)
		}
	}
	if status, content := a.call(http.MethodPost, job.PathLocal, job.LocalState{Place: true, Counter: g.Counter,
		Cached: []job.Cached{{Manifest: g.Manifest}}}); status != 204 {
		t.Errorf("what it tells of its disk: %d %s", status, content)
	}
	c, err := s.fleet.Find("pc")
	if err != nil || s.fleet.Offline(c) != "yes" {
		t.Errorf("offline reset: %q, %v", s.fleet.Offline(c), err)
	}
	_, err = s.fleet.Refuse(t.Context(), "pc", "marie")
	check(t, err)
	out := must[job.LocalBoot](a, http.MethodGet, job.PathLocal, nil)
	if g2 := a.grant(); g2.Policy != job.PolicyNever || g2.Counter <= g.Counter || out.Menu || out.Config != "" || len(out.Files) != 0 {
		t.Errorf("thrown out, it is granted %+v and told %+v", g2, out)
	}
}

func TestLocalBootIsForTheEnrolled(t *testing.T) {
	s, _ := holding(t)
	pending := s.agent()
	must[job.Welcome](pending, http.MethodPost, job.PathHello, hello(2))
	for name, a := range map[string]*agent{"one that waits": pending, "a stranger": s.agent(), "one without a key": s.keyless()} {
		for route, body := range map[string]any{"GET " + job.PathLocal: nil, "POST " + job.PathLocal: job.LocalState{},
			"GET " + job.PathLocal + "/vmlinuz": nil, "POST " + job.PathWish: job.Wish{Wish: job.WishReset}} {
			method, path, _ := strings.Cut(route, " ")
			if status, p := a.problem(method, path, body); status != 403 || p.Code != "unknown-computer" {
				t.Errorf("%s: %s = %d %+v", name, route, status, p)
			}
		}
	}
}

func TestAWishBecomesATask(t *testing.T) {
	s, a := holding(t)
	if status, content := a.call(http.MethodPost, job.PathWish, job.Wish{Wish: job.WishReset}); status != 202 {
		t.Fatalf("the wish: %d %s", status, content)
	}
	s.stop()
	s.start()
	got := a.task()
	if got.Kind != job.KindReset || got.Manifest == "" {
		t.Fatalf("the task is %+v", got)
	}
	if status, _ := a.call(http.MethodGet, job.PathManifest+got.Manifest, nil); status != 200 {
		t.Errorf("the manifest of what it is reset to: %d", status)
	}
	proof := job.Proof{ID: strings.Repeat("ab", 16), Ok: true, Level: job.LevelFull, Asked: job.LevelFull}
	must[job.ReportReply](a, http.MethodPost, job.PathReport, job.Report{Task: got.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now(), Proof: &proof}})
	c, err := s.fleet.Find("pc")
	if err != nil || c.LastProof == nil || c.LastProof.Proof.Manifest != got.Manifest {
		t.Errorf("last proven clean: %+v, %v", c.LastProof, err)
	}
	h := hello(1)
	h.Proofs = []job.Proof{proof, {ID: strings.Repeat("cd", 16), Ok: true}}
	if w := must[job.Welcome](a, http.MethodPost, job.PathHello, h); w.Proofs != 2 {
		t.Errorf("%d proofs are taken, want 2", w.Proofs)
	}
	if c, _ = s.fleet.Find("pc"); c.Resets.Done != 2 {
		t.Errorf("it counts %+v", c.Resets)
	}
	_, err = s.fleet.SetRoom(t.Context(), "S104", "marie", func(r *fleet.Room) { r.Policy = job.PolicyNever })
	check(t, err)
	if status, p := a.problem(http.MethodPost, job.PathWish, job.Wish{Wish: job.WishReset}); status != 409 || p.Code != "policy" {
		t.Errorf("where nobody is reset: %d %+v", status, p)
	}
	if status, p := a.problem(http.MethodPost, job.PathWish, bytes.Repeat([]byte("x"), 1<<20)); status != 400 && status != 413 {
		t.Errorf("a megabyte of wish: %d %+v", status, p)
	}
	h.Proofs = []job.Proof{{ID: strings.Repeat("ef", 16), Failure: strings.Repeat("x", 10<<20)}}
	if status, p := a.problem(http.MethodPost, job.PathHello, h); status != 413 || p.Code != "too-large" {
		t.Errorf("a proof of ten megabytes: %d %+v", status, p)
	}
}

// bearer asks with a token and without a client certificate.
func (s *site) bearer(method, authorization string) (int, job.RunningReset, job.Problem) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.address+job.PathRunningReset, nil)
	check(s.t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := s.keyless().http.Do(r)
	check(s.t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(s.t, err)
	var out job.RunningReset
	var p job.Problem
	if answer.StatusCode < 400 {
		check(s.t, json.Unmarshal(content, &out))
	} else {
		check(s.t, json.Unmarshal(content, &p))
	}
	return answer.StatusCode, out, p
}

func TestARunningSystemOrdersItsReset(t *testing.T) {
	s, a := holding(t)
	token, _, err := s.fleet.MakeToken(t.Context(), "pc", "marie")
	check(t, err)
	if status, now, _ := s.bearer(http.MethodGet, "Bearer "+token); status != 200 || now.State != job.RunningNone || now.Computer != "pc" {
		t.Errorf("before anything: %d %+v", status, now)
	}
	if status, now, p := s.bearer(http.MethodPost, "Bearer "+token); status != 202 || now.State != job.RunningWaiting {
		t.Errorf("ordered: %d %+v %+v", status, now, p)
	}
	s.stop()
	s.start()
	if got := a.task(); got.Kind != job.KindReset {
		t.Errorf("the task is %+v", got)
	}
	if status, now, _ := s.bearer(http.MethodGet, "Bearer "+token); status != 200 || now.State != job.RunningNow {
		t.Errorf("while it runs: %d %+v", status, now)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+job.PathTask, nil)
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := s.keyless().http.Do(r)
	check(t, err)
	_ = answer.Body.Close()
	if answer.StatusCode != 403 {
		t.Errorf("with the token a task is answered %d", answer.StatusCode)
	}
	if status, _, p := s.bearer(http.MethodDelete, "Bearer "+token); status != 409 || p.Code != "no-task" {
		t.Errorf("taking back what runs: %d %+v", status, p)
	}
	if status, _, p := s.bearer(http.MethodPut, "Bearer "+token); status != 404 && status != 405 {
		t.Errorf("another method: %d %+v", status, p)
	}
}

func TestTokensCannotBeGuessed(t *testing.T) {
	s, _ := holding(t)
	token, _, err := s.fleet.MakeToken(t.Context(), "pc", "marie")
	check(t, err)
	tries := []string{"", "Bearer ", "Bearer " + token + "x", "Basic " + token, token, "Bearer " + strings.Repeat("A", 43),
		"Bearer " + strings.Repeat("A", 10_000), "bearer\t" + token, "Bearer  " + token, "Bearer pc"}
	for _, x := range tries {
		if status, _, p := s.bearer(http.MethodPost, x); status != 401 || p.Code != "wrong-token" {
			t.Errorf("%.40q: %d %+v, want 401", x, status, p)
		}
	}
	for range 3 {
		if status, _, p := s.bearer(http.MethodPost, "Bearer "+token+"y"); status != 429 {
			t.Errorf("after ten wrong ones another: %d %+v, want 429", status, p)
		}
		if status, _, p := s.bearer(http.MethodGet, "Bearer "+token); status != 200 { // its owner sits behind the same router
			t.Errorf("after ten wrong ones the right one: %d %+v, want 200", status, p)
		}
	}
	told := 0
	for _, e := range s.fleet.Recent("") {
		if e.Kind == "guessing" && e.Severity == fleet.Grave && strings.Contains(e.Detail, "127.0.0.1") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d alarms tell of it", told)
	}
	for _, j := range s.fleet.Jobs() {
		if j.Job.Kind == job.KindReset {
			t.Error("a reset was ordered")
		}
	}
}
