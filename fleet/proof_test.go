package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// proof is what a computer tells of a reset; n makes it another one.
func proof(n int, change func(*job.Proof)) job.Proof {
	p := job.Proof{ID: fmt.Sprintf("%032x", n), Master: "win", Version: 1, Manifest: "aa", Level: job.LevelQuick, Asked: job.LevelQuick,
		Origin: "menu", Offline: true, At: time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), Clock: "server", Ok: true, Read: 120, Seconds: 9}
	change(&p)
	return p
}

func good(*job.Proof) {}

func (h *house) tells(key string, proofs ...job.Proof) int {
	h.t.Helper()
	return h.hello(key, with(hello(1), func(x *job.Hello) { x.Proofs = proofs })).Proofs
}

func (h *house) kinds() map[string]int {
	out := map[string]int{}
	for _, e := range h.Recent("") {
		out[e.Kind]++
	}
	return out
}

func TestProofsAreKeptOnce(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	if n := h.tells("k", proof(1, good), proof(2, good)); n != 2 {
		t.Errorf("%d proofs are taken, want 2", n)
	}
	h.kill()
	if n := h.tells("k", proof(1, good), proof(2, good), proof(2, good)); n != 3 {
		t.Errorf("told again, %d are taken: it would tell them for ever", n)
	}
	c := h.computer("pc")
	if c.Resets == nil || c.Resets.Done != 2 || c.Resets.Offline != 2 || c.Resets.Quick != 2 || c.Resets.Failed != 0 {
		t.Errorf("it counts %+v", c.Resets)
	}
	if p := c.LastProof; p == nil || !p.Kept.Equal(time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)) || p.Proof.Read != 120 {
		t.Errorf("last proven clean: %+v", p)
	}
	if n := h.kinds()["proof"]; n != 0 { // of this life of the daemon
		t.Errorf("%d events tell of what is known", n)
	}
}

func TestAProofThatFailedIsToldAndProvesNothing(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.tells("k", proof(1, func(p *job.Proof) { p.Ok, p.Failure = false, "sector 17 cannot be read" }))
	h.kill()
	c := h.computer("pc")
	if c.LastProof != nil || c.Resets.Failed != 1 || c.Resets.Done != 0 {
		t.Errorf("last proven clean: %+v, counted %+v", c.LastProof, c.Resets)
	}
	events, err := h.Events(context.Background(), fleet.EventQuery{Computer: c.ID})
	check(t, err)
	if e := events[0]; e.Kind != "proof-failed" || e.Severity != fleet.Warning || !strings.Contains(e.Detail, "sector 17") {
		t.Errorf("the event is %+v", e)
	}
}

func TestDoubtsAreCountedWithTheirReasons(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	n := 0
	doubt := func(why string) {
		n++
		h.tells("k", proof(n, func(p *job.Proof) { p.Level, p.Doubt = job.LevelFull, why }))
		h.kill()
	}
	for range 3 {
		doubt("the journal is not clean")
	}
	for i := range 40 {
		doubt(fmt.Sprintf("reason %d", i))
	}
	r := h.computer("pc").Resets
	sum := 0
	for _, x := range r.Doubts {
		sum += x
	}
	if r.Doubted != 43 || r.Quick != 43 || r.Doubts["the journal is not clean"] != 3 || len(r.Doubts) > 16 || sum != 43 {
		t.Errorf("it counts %+v", r)
	}
}

// Ten megabytes in a string, numbers that are none, times of another century: a proof is a computer's own word.
func TestHostileProofs(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	huge := strings.Repeat("\x1b[2J\u202e<script>", 1<<20)
	hostile := func(p *job.Proof) {
		p.Task, p.Master, p.Manifest, p.Origin, p.Clock, p.Doubt, p.Failure = huge, huge, huge, huge, huge, huge, huge
		p.Level, p.Asked = job.Level(huge), job.Level(huge)
		p.Read, p.Written, p.Differed, p.Version, p.Seconds = -1, math.MinInt64, -5, -7, math.Inf(1)
		p.At, p.Counters = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), &job.WriteCounter{Source: huge, Serial: huge}
	}
	var many []job.Proof
	for n := range 500 {
		many = append(many, proof(n, hostile))
	}
	many[3].ID, many[4].ID, many[5].ID = "", huge, strings.Repeat("z", 32)
	if n := h.tells("k", many...); n != 16 {
		t.Errorf("%d proofs are taken, want 16", n)
	}
	h.kill()
	c := h.computer("pc")
	doc, err := json.Marshal(c)
	if err != nil || len(doc) > 32<<10 {
		t.Errorf("its record has %d bytes, %v", len(doc), err)
	}
	if strings.ContainsAny(string(doc), "\x1b\u202e") {
		t.Error("its record holds what turns a terminal around")
	}
	if p := c.LastProof.Proof; p.Read != 0 || p.Written != 0 || p.Differed != 0 || p.Version != 0 || p.Seconds != 0 || c.LastProof.Kept.After(h.now) {
		t.Errorf("last proven clean: %+v", p)
	}
	if c.Runs == nil || c.Runs.Manifest != "aa" {
		t.Errorf("a proof has changed what it runs: %+v", c.Runs)
	}
	for n := range 300 { // more than are remembered: the record stays small
		h.tells("k", proof(1000+n, good))
	}
	if c := h.computer("pc"); len(c.ProofIDs) > 64 {
		t.Errorf("%d proofs are remembered", len(c.ProofIDs))
	}
}

func TestOnlyAnEnrolledComputersProofsAreTaken(t *testing.T) {
	h := newHouse(t)
	if n := h.tells("k", proof(1, good)); n != 0 {
		t.Errorf("%d proofs of a computer that waits for approval are taken", n)
	}
	h.enrol("right", "pc2", hello(2))
	w := h.hello("wrong", with(hello(2), func(x *job.Hello) { x.Proofs = []job.Proof{proof(1, good)} }))
	if w.State != job.StateAlarm || w.Proofs != 0 {
		t.Errorf("one with another's identity is told %+v", w)
	}
	if c := h.computer("pc2"); c.LastProof != nil {
		t.Error("another one's proof is taken for its own")
	}
}

func TestATasksProofIsKeptAsItsTasks(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, Level: job.LevelQuick})
	check(t, err)
	h.next("k")
	lie := proof(7, func(p *job.Proof) { p.Master, p.Version, p.Manifest, p.Offline = "other", 9, "zz", false })
	h.report("k", job.Report{Task: "2-1", State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", ProvenAt: h.now, Proof: &lie}})
	h.kill()
	c := h.computer("pc")
	if p := c.LastProof; p == nil || p.Proof.Manifest != "aa" || p.Proof.Task != "2-1" || p.Proof.Version != 1 {
		t.Errorf("last proven clean: %+v", p)
	}
	if h.tells("k", lie); h.computer("pc").Resets.Done != 1 {
		t.Error("told again with the next hello, it counts twice")
	}
}

// The server hears of an offline reset that a power cut broke off only when the computer comes back: the grant must still
// let it finish, and what it finished must be believed.
func TestAnOfflineResetThatBrokeOffEndsAsIfItHadNot(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	g := h.granted("k")
	h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Manifest: "aa", Kind: job.KindReset, Phase: "data"} }))
	h.kill()
	if c := h.computer("pc"); c.Runs != nil || c.Mark == nil {
		t.Fatalf("it runs %+v with the mark %+v", c.Runs, c.Mark)
	}
	if now := h.granted("k"); now.Counter != g.Counter || now.Manifest != "aa" {
		t.Errorf("with its mark it is granted %+v, want what it was before", now)
	}
	plan, err := h.Plan(fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}})
	check(t, err)
	if p := plan[0]; p.Refusal != nil || p.Target.Manifest != "aa" {
		t.Errorf("with its mark a reset is planned as %+v", p)
	}
	h.tells("k", proof(1, func(p *job.Proof) { p.Manifest = "bb" }))
	if c := h.computer("pc"); c.Runs != nil {
		t.Errorf("a proof of what it was never granted is believed: %+v", c.Runs)
	}
	h.tells("k", proof(2, good))
	h.kill()
	if c := h.computer("pc"); c.Runs == nil || c.Runs.Manifest != "aa" || c.Runs.Version != 1 || c.Mark != nil {
		t.Errorf("it runs %+v with the mark %+v", c.Runs, c.Mark)
	}
	if now := h.granted("k"); now.Counter != g.Counter {
		t.Errorf("afterwards the counter is %d, was %d", now.Counter, g.Counter)
	}
}

func FuzzProofs(f *testing.F) {
	seed, err := json.Marshal([]job.Proof{proof(1, good), proof(2, func(p *job.Proof) { p.Doubt = "\x1b[2J"; p.Ok = false })})
	check(f, err)
	f.Add(seed)
	f.Add([]byte(`[{"ID":"00000000000000000000000000000000","Seconds":1e999}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var proofs []job.Proof
		if json.Unmarshal(raw, &proofs) != nil {
			return
		}
		h := immortal(t)
		h.enrol("k", "pc", hello(1))
		h.tells("k", proofs...)
		c := h.computer("pc")
		if len(c.ProofIDs) > 64 {
			t.Errorf("%d proofs are remembered", len(c.ProofIDs))
		}
		if doc, err := json.Marshal(c); err != nil || len(doc) > 64<<10 {
			t.Errorf("its record has %d bytes, %v", len(doc), err)
		}
	})
}

func TestAComputerCannotKeepTheDiskOfTheServerBusyWithProofs(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	taken := 0
	for n := range 500 {
		taken += h.tells("k", proof(n, good))
	}
	if taken != 64 {
		t.Errorf("of 500 proofs at once %d are taken, want 64", taken)
	}
	h.now = h.now.Add(time.Hour)
	if n := h.tells("k", proof(1000, good), proof(1001, good)); n != 2 {
		t.Errorf("an hour later %d are taken", n)
	}
}
