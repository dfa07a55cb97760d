package agentapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

func decode(encoded []byte) (*manifest.Manifest, manifest.Hash, error) {
	return manifest.Decode(bytes.NewReader(encoded), 0)
}

// room enrols computers and orders a deployment to all of them.
func (s *site) room(v masters.Version, from, count int) []*agent {
	s.t.Helper()
	var out []*agent
	var names []string
	for n := from; n < from+count; n++ {
		a := s.agent()
		names = append(names, fmt.Sprintf("pc%d", n))
		a.enrol(hello(n), names[len(names)-1])
		out = append(out, a)
	}
	s.deploy(v, names...)
	return out
}

// frames makes so many different frames.
func frames(t *testing.T, count int, seed byte) []chunk.Frame {
	t.Helper()
	_, out := storetest.Frames(t, count, uint64(seed))
	return out
}

// await waits until a report is as wanted.
func (s *site) await(id, what string, wanted func(sessions.Report) bool) sessions.Report {
	s.t.Helper()
	var r sessions.Report
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		r, _, err = s.sessions.Report(s.t.Context(), id)
		check(s.t, err)
		if wanted(r) {
			return r
		}
	}
	s.t.Fatalf("%s: the report of session %s stays %+v", what, id, r)
	return r
}

func kinds(r sessions.Report) map[string]int {
	out := map[string]int{}
	for _, m := range r.Marks {
		out[m.Kind]++
	}
	return out
}

func TestARoomIsServedByOneSession(t *testing.T) {
	s := newSite(t)
	v := s.published("m", frames(t, 40, 1))
	var members []*member
	for i, a := range s.room(v, 1, 3) {
		members = append(members, a.member(fmt.Sprintf("liar %d", i), nil))
	}
	for _, m := range members {
		m.finish()
		if m.summary.Packets == 0 || m.summary.Rejoined > 0 {
			t.Errorf("a member got %+v", m.summary)
		}
	}
	r := s.await("1", "all tasks are over", func(r sessions.Report) bool { return !r.Ended.IsZero() })
	if r.Starts != 1 || r.Joined != 3 || r.Done != 3 || r.Sent == 0 || len(r.Samples) == 0 || !slices.Equal(r.Jobs, []string{"1"}) {
		t.Errorf("the report says %+v", r)
	}
	if k := kinds(r); k[sessions.MarkJoin] != 3 || k[sessions.MarkDone] != 3 || k[sessions.MarkStop] != 1 {
		t.Errorf("its marks are %v", r.Marks)
	}
	for _, m := range r.Marks {
		if strings.HasPrefix(m.Computer, "liar") {
			t.Errorf("a computer is called what it calls itself: %+v", m)
		}
	}
	s.stop()
	s.start()
	kept, ok, err := s.sessions.Report(t.Context(), "1")
	if err != nil || !ok || kept.Done != 3 || len(kept.Samples) != len(r.Samples) {
		t.Errorf("after a restart the report is %+v, %v, %v", kept, ok, err)
	}
}

// The daemon is killed in mid-session and started again: who has not finished joins again by itself.
func TestASessionGoesOnAfterARestart(t *testing.T) {
	s := newSite(t)
	v := s.published("m", frames(t, 60, 2))
	gate := make(chan struct{})
	var members []*member
	for _, a := range s.room(v, 1, 2) {
		members = append(members, a.member("", func(d *memory) { d.gate = gate }))
	}
	before := s.await("1", "it sends", func(r sessions.Report) bool { return r.Sent > 1<<20 })
	s.stop()
	s.start()
	s.await("1", "they join again", func(r sessions.Report) bool { return r.Starts == 2 && r.Now.Fast == 2 })
	close(gate)
	for _, m := range members {
		m.finish()
		if m.summary.Rejoined == 0 {
			t.Errorf("a member has not noticed the restart: %+v", m.summary)
		}
	}
	r := s.await("1", "all tasks are over", func(r sessions.Report) bool { return !r.Ended.IsZero() })
	if r.Starts != 2 || r.Joined != 2 || r.Done != 2 || r.Sent < before.Sent || !r.Started.Equal(before.Started) {
		t.Errorf("the report says %+v, after %+v", r, before)
	}
}

// A switch that eats all multicast: everything comes by HTTPS, and the network is named.
func TestANetworkWithoutMulticastIsNamed(t *testing.T) {
	s := newSite(t)
	s.air.silent = true
	v := s.published("m", frames(t, 30, 3))
	gate := make(chan struct{})
	var members []*member
	for _, a := range s.room(v, 1, 2) {
		members = append(members, a.member("", func(d *memory) { d.gate = gate }))
	}
	var found fleet.Event
	for end := time.Now().Add(patience); found.Kind == "" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, e := range s.fleet.Recent("") {
			if e.Kind == sessions.KindNoMulticast {
				found = e
			}
		}
	}
	close(gate)
	if found.Job != "1" || !strings.Contains(found.Detail, "127.0.0.0/8") || !strings.Contains(found.Detail, "2 computers") {
		t.Errorf("what people are told is %+v", found)
	}
	for _, m := range members {
		m.finish()
		if m.summary.Packets != 0 || m.summary.RescuedBytes == 0 {
			t.Errorf("a member got %+v", m.summary)
		}
	}
}

func TestASessionIsForItsMembers(t *testing.T) {
	s := newSite(t)
	mine, other := s.published("mine", frames(t, 3, 4)), s.published("other", frames(t, 3, 5))
	pcs := s.room(mine, 1, 2)
	theirs := s.room(other, 3, 2)
	alone := s.agent()
	alone.enrol(hello(5), "alone")
	s.deploy(mine, "alone")
	idle := s.agent()
	idle.enrol(hello(6), "idle")
	for _, a := range []*agent{pcs[0], pcs[1], theirs[0], alone} {
		a.task()
	}
	join := func(v masters.Version) wire.Join { return wire.Join{Manifest: v.Hash, Name: "x", Multicast: true} }
	path := func(id, route string) string { return job.PathSession + id + route }
	expect := func(what string, a *agent, method, path string, body any, status int, code string) {
		t.Helper()
		got, raw := a.call(method, path, body)
		var p job.Problem
		if code != "" && (json.Unmarshal(raw, &p) != nil || p.Code != code) || got != status {
			t.Errorf("%s = %d %.200s, want %d %s", what, got, raw, status, code)
		}
	}
	expect("a stranger", s.agent(), "POST", path("1", "/join"), join(mine), 403, "unknown-computer")
	expect("one without a task", idle, "POST", path("1", "/join"), join(mine), 409, "no-task")
	expect("one whose task has no session", alone, "POST", path("1", "/join"), join(mine), 403, "not-yours")
	expect("one of another session", theirs[0], "POST", path("1", "/join"), join(mine), 403, "not-yours")
	expect("another master", pcs[0], "POST", path("1", "/join"), join(other), 403, "not-yours")
	expect("no session at all", pcs[0], "POST", path("", "/join"), join(mine), 404, "no-route")
	expect("a session that does not exist", pcs[0], "POST", path("99", "/join"), join(mine), 403, "not-yours")
	expect("a route that does not exist", pcs[0], "GET", path("1", "/secret"), nil, 404, "no-route")
	expect("a join that is no JSON", pcs[0], "POST", path("1", "/join"), []byte("{]"), 400, "bad-request")
	expect("a join of a megabyte", pcs[0], "POST", path("1", "/join"), bytes.Repeat([]byte(" "), 1<<20), 413, "too-large")
	expect("a report before anybody has joined", pcs[0], "POST", path("1", "/report"), []byte("{}"), 410, "no-session")

	expect("the first that joins", pcs[0], "POST", path("1", "/join"), join(mine), 200, "")
	for _, route := range []string{"POST /report", "POST /symbols", "POST /leave", "POST /frames", "GET /status",
		"GET /manifest/" + mine.Hash.String()} {
		method, r, _ := strings.Cut(route, " ")
		expect("one of the room that has not joined, "+route, pcs[1], method, path("1", r), []byte("{}"), 410, "no-session")
	}
	expect("a member", pcs[0], "GET", path("1", "/manifest/"+mine.Hash.String()), nil, 200, "")
	expect("another's manifest", pcs[0], "GET", path("1", "/manifest/"+other.Hash.String()), nil, 409, "")
	expect("frames of another master", pcs[0], "POST", path("1", "/frames"), pack(frames(t, 3, 5)[0].ID), 403, "")
	expect("half an id", pcs[0], "POST", path("1", "/frames"), []byte("x"), 400, "")
	expect("a report that is none", pcs[0], "POST", path("1", "/report"), []byte("[]"), 400, "")
	expect("a report of ten megabytes", pcs[0], "POST", path("1", "/report"), bytes.Repeat([]byte("x"), 10<<20), 400, "")
	expect("symbols of a block that cannot be", pcs[0], "POST", path("1", "/symbols"),
		wire.Ask{Generation: 0, Blocks: []wire.BlockAsk{{Block: 1 << 31, Symbols: []uint8{0}}}}, 400, "")
	expect("symbols of no generation", pcs[0], "POST", path("1", "/symbols"),
		wire.Ask{Generation: 65535, Blocks: []wire.BlockAsk{{Block: 0, Symbols: []uint8{0}}}}, 409, "")
	expect("symbols without end", pcs[0], "POST", path("1", "/symbols"), bytes.Repeat([]byte("["), 1<<20), 400, "")

	js, err := s.fleet.Cancel(t.Context(), "1", "marie", false)
	check(t, err)
	must[job.ReportReply](pcs[0], http.MethodPost, job.PathReport, job.Report{Task: js.Tasks[0].ID, State: job.TaskCancelled,
		Outcome: &job.Outcome{Code: "cancelled"}})
	expect("a member whose task is over", pcs[0], "GET", path("1", "/status"), nil, 409, "no-task")
}

// A member that reports without end is slowed, and the others are not.
func TestAFloodOfReportsIsSlowed(t *testing.T) {
	s := newSite(t)
	v := s.published("m", frames(t, 30, 6))
	pcs := s.room(v, 1, 2)
	pcs[0].task()
	flooder := pcs[0]
	must[wire.Joined](flooder, http.MethodPost, job.PathSession+"1/join", wire.Join{Manifest: v.Hash})
	slowed, taken := 0, 0
	for range 150 {
		switch status, raw := flooder.call(http.MethodPost, job.PathSession+"1/report", wire.Report{}); status {
		case http.StatusTooManyRequests:
			slowed++
		case http.StatusOK:
			taken++
		default:
			t.Fatalf("a report = %d %s", status, raw)
		}
	}
	if slowed == 0 || taken < 40 {
		t.Errorf("of 150 reports %d were taken and %d refused", taken, slowed)
	}
	honest := pcs[1].member("", nil)
	honest.finish()
}
