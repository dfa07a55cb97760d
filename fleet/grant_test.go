package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// granted asks for what belongs on a disk, and reads the grant; the zero one when there is none.
func (h *house) granted(key string) job.StandingGrant {
	h.t.Helper()
	b, err := h.Local(context.Background(), key)
	check(h.t, err)
	var g job.StandingGrant
	if len(b.Grant.Payload) == 0 {
		return g
	}
	if want := append([]byte(job.ContextGrant), b.Grant.Payload...); !bytes.Equal(b.Grant.Signature, want) {
		h.t.Errorf("the grant is signed as %q", b.Grant.Signature)
	}
	check(h.t, json.Unmarshal(b.Grant.Payload, &g))
	return g
}

func (h *house) policy(room string, p job.Policy) {
	h.t.Helper()
	h.room(room, func(r *fleet.Room) { r.Policy = p })
}

// Each step changes what a computer may do by itself, or does not; the counter tells, also where the daemon is killed.
func TestTheCounterOfAGrantGrowsWheneverItSaysSomethingElse(t *testing.T) {
	type story struct {
		name   string
		do     func(h *house)
		grows  bool
		policy job.Policy
		hash   string
	}
	steps := []story{
		{"first", func(*house) {}, true, job.PolicyDemand, "aa"},
		{"asked again", func(*house) {}, false, job.PolicyDemand, "aa"},
		{"an hour later", func(h *house) { h.now = h.now.Add(time.Hour) }, false, job.PolicyDemand, "aa"},
		{"another policy", func(h *house) { h.policy("S104", job.PolicyNight) }, true, job.PolicyNight, "aa"},
		{"another level", func(h *house) { h.room("S104", func(r *fleet.Room) { r.Level = job.LevelQuick }) }, true, job.PolicyNight, "aa"},
		{"the clock of the server goes back a year", func(h *house) {
			h.now = h.now.AddDate(-1, 0, 0)
			h.policy("S104", job.PolicyDemand)
		}, true, job.PolicyDemand, "aa"},
		{"never", func(h *house) { h.policy("S104", job.PolicyNever) }, true, job.PolicyNever, ""},
		{"still never", func(*house) {}, false, job.PolicyNever, ""},
		{"on demand again", func(h *house) { h.policy("S104", job.PolicyDemand) }, true, job.PolicyDemand, "aa"},
		{"out of the room", func(h *house) {
			_, err := h.Place(context.Background(), []string{"pc"}, "", "marie")
			check(h.t, err)
		}, true, job.PolicyNever, ""},
		{"into it again", func(h *house) {
			_, err := h.Place(context.Background(), []string{"pc"}, "S104", "marie")
			check(h.t, err)
		}, true, job.PolicyDemand, "aa"},
		{"another version is on its way, nothing is written", func(h *house) {
			_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"pc"}, Master: "win", Version: 2,
				Manifest: "bb"})
			check(h.t, err)
			h.next("k")
		}, false, job.PolicyDemand, "aa"},
		{"it is being written", func(h *house) {
			h.report("k", job.Report{Task: "2-1", State: job.TaskRunning, Mark: &job.Mark{Task: "2-1", Manifest: "bb", Phase: "data"}})
		}, true, job.PolicyDemand, "bb"},
		{"it broke off", func(h *house) {
			h.report("k", job.Report{Task: "2-1", State: job.TaskFailed, Outcome: &job.Outcome{Code: "io", WrittenBytes: 1}})
		}, false, job.PolicyDemand, "bb"},
		{"its disk is empty now", func(h *house) {
			_, err := h.Rekey(context.Background(), "pc", "marie")
			check(h.t, err)
			w := h.hello("k", hello(1))
			_, err = h.Approve(context.Background(), fleet.Approval{Code: w.Code, By: "marie"})
			check(h.t, err)
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Manifest: "cc", Phase: "data"} }))
		}, true, job.PolicyNever, ""},
		{"renamed", func(h *house) {
			_, err := h.Rename(context.Background(), "pc", "pc9")
			check(h.t, err)
		}, true, job.PolicyNever, ""},
		{"thrown out", func(h *house) {
			_, err := h.Refuse(context.Background(), "pc9", "marie")
			check(h.t, err)
		}, false, job.PolicyNever, ""},
	}
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			h := newHouse(t)
			h.holding("k", "pc", 1, "win", "aa")
			h.room("S104", asItIs, "pc")
			last := uint64(0)
			for _, s := range steps {
				s.do(h)
				if killed {
					h.kill()
				}
				g := h.granted("k")
				if killed {
					h.kill()
				}
				if again := h.granted("k"); again.Counter != g.Counter {
					t.Errorf("%s: asked twice, the counter is %d and %d", s.name, g.Counter, again.Counter)
				}
				if g.Counter < last || (g.Counter > last) != s.grows || g.Policy != s.policy || g.Manifest != s.hash || g.ComputerKey != "k" {
					t.Errorf("%s: %+v after counter %d, want policy %s, manifest %q, grown %v", s.name, g, last, s.policy, s.hash, s.grows)
				}
				last = g.Counter
			}
		})
	}
}

func TestWhoNeverHadAGrantGetsNone(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	b, err := h.Local(context.Background(), "k")
	if err != nil || len(b.Grant.Payload) != 0 || b.Granted {
		t.Errorf("a computer without a room gets %+v, %v", b.Grant, err)
	}
	_, err = h.Refuse(context.Background(), "pc", "marie")
	check(t, err)
	_, err = h.Local(context.Background(), "k")
	wantCode(t, "one that was thrown out and never had a grant", err, fleet.CodeNotEnrolled)
	_, err = h.Local(context.Background(), "stranger")
	wantCode(t, "a stranger", err, fleet.CodeNotEnrolled)
	_, err = h.Local(context.Background(), "")
	wantCode(t, "one without a key", err, fleet.CodeNotEnrolled)
}

// A record that is made anew for a key that a computer kept must count on above what that computer has seen.
func TestANewRecordCountsOnAboveTheOldOne(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	first := h.granted("k").Counter
	again := newHouse(t) // the database is lost
	again.now = h.now.Add(time.Minute)
	again.holding("k", "pc", 1, "win", "aa")
	again.room("S104", asItIs, "pc")
	if second := again.granted("k").Counter; second <= first {
		t.Errorf("the counter was %d and is %d", first, second)
	}
}

// The database is an older one: a computer has seen grants that we know nothing of, and refuses all below.
func TestAComputerThatHasSeenMoreIsCaughtUpWith(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Menu = true }, "pc")
	g := h.granted("k")
	seen := g.Counter + 500
	check(t, h.Told(context.Background(), "k", job.LocalState{Place: true, Counter: seen, Cached: []job.Cached{{Manifest: "aa"}}}))
	h.kill()
	if said := h.Offline(h.computer("pc")); !strings.Contains(said, "old grant") {
		t.Errorf("offline reset: %q, although nobody knows what its grant says", said)
	}
	now := h.granted("k")
	if now.Counter <= seen || now.Manifest != "aa" {
		t.Errorf("it has seen %d and is granted %+v", seen, now)
	}
	h.now = h.now.Add(time.Hour)
	check(t, h.Told(context.Background(), "k", job.LocalState{Place: true, Counter: 1<<64 - 1}))
	h.kill()
	if again := h.granted("k"); again.Counter != now.Counter {
		t.Errorf("a number that no server ever gave makes the counter %d", again.Counter)
	}
}

func TestGrantsAreKeptBeforeTheyAreGiven(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	check(t, h.store.Close())
	if b, err := h.Local(context.Background(), "k"); err == nil {
		t.Errorf("a grant that could not be kept was given: %s", b.Grant.Payload)
	}
	h.open()
}

func TestWhatTheCacheIsFor(t *testing.T) {
	h := newHouse(t)
	h.versions = versions{"win@stable": {Target: fleet.Target{Master: "win", Version: 3, Manifest: "cc"}}}
	h.kill()
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Master = "win@stable" }, "pc")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindStage, Computers: []string{"pc"}, Master: "win", Version: 2,
		Manifest: "bb"})
	check(t, err)
	b, err := h.Local(context.Background(), "k")
	if err != nil || strings.Join(b.Stage, " ") != "aa bb cc" {
		t.Errorf("the cache is for %v, %v; want what it holds first, then what is staged, then its room's", b.Stage, err)
	}
	h.room("S104", func(r *fleet.Room) { r.Master = "gone" })
	if b, err = h.Local(context.Background(), "k"); err != nil || strings.Join(b.Stage, " ") != "aa bb" {
		t.Errorf("with a master that is gone: %v, %v", b.Stage, err)
	}
}

// versions are masters by reference.
type versions map[string]fleet.Version

func (v versions) Resolve(ref string) (fleet.Version, error) {
	found, ok := v[ref]
	if !ok {
		return found, errors.New("there is no " + ref)
	}
	return found, nil
}

func TestOfflineResetIsSaidWithItsReason(t *testing.T) {
	h := newHouse(t)
	say := func(want string) {
		t.Helper()
		if got := h.Offline(h.computer("pc")); !strings.HasPrefix(got, want) {
			t.Errorf("offline reset: %q, want %q", got, want)
		}
	}
	told := func(s job.LocalState) {
		t.Helper()
		check(t, h.Told(context.Background(), "k", s))
		h.kill()
	}
	h.holding("k", "pc", 1, "win", "aa")
	say("no, because it is in no room")
	h.room("S104", asItIs, "pc")
	say("no, because room S104 has no start menu")
	h.room("S104", func(r *fleet.Room) { r.Menu = true })
	say("no, because its agent has not put there yet")
	g := h.granted("k")
	told(job.LocalState{WhyNot: "the disk has no free\x1b[2J entry"})
	say("no, because the disk has no free\ufffd[2J entry")
	told(job.LocalState{Place: true, NoMenu: "BitLocker encrypts\x1b[2J partition 3", Counter: g.Counter, Cached: []job.Cached{{Manifest: "aa"}}})
	say("no, because BitLocker encrypts\ufffd[2J partition 3")
	told(job.LocalState{Place: true})
	say("no, because its disk has no grant yet")
	told(job.LocalState{Place: true, Counter: g.Counter - 1})
	say("no, because its disk has an old grant")
	told(job.LocalState{Place: true, Counter: g.Counter})
	say("no, because its cache does not hold win@1")
	told(job.LocalState{Place: true, Counter: g.Counter, Cached: []job.Cached{{Manifest: "aa", Missing: 120_000_000}}})
	say("no, because its cache lacks 120 MB of win@1")
	told(job.LocalState{Place: true, Counter: g.Counter, Cached: []job.Cached{{Manifest: "aa", Missing: -1}}})
	say("no, because its cache does not hold win@1")
	told(job.LocalState{Place: true, Counter: g.Counter, Cached: []job.Cached{{Manifest: "zz"}, {Manifest: "aa"}}})
	say("yes")
	h.policy("S104", job.PolicyNever)
	say("no, because computers of room S104 are never reset")
	h.policy("S104", job.PolicyDemand)
	h.granted("k")
	say("yes")
	h.room("S104", func(r *fleet.Room) { r.Level = job.LevelQuick })
	h.granted("k")
	say("no, because its disk has an old grant")
}

func TestWhatAnAgentTellsOfItsCacheIsBounded(t *testing.T) {
	h := newHouse(t)
	h.enrol("k", "pc", hello(1))
	s := job.LocalState{WhyNot: strings.Repeat("x", 1<<20)}
	for range 1000 {
		s.Cached = append(s.Cached, job.Cached{Manifest: strings.Repeat("y", 1<<12), Missing: -1 << 60})
	}
	check(t, h.Told(context.Background(), "k", s))
	doc, err := json.Marshal(h.computer("pc"))
	if err != nil || len(doc) > 16<<10 {
		t.Errorf("its record has %d bytes, %v", len(doc), err)
	}
}

// names gives every computer its name as the only byte that is its own.
type names struct {
	asked   int
	err     error
	skipped []string
	none    bool
}

func (n *names) Exceptions(_ context.Context, manifest string, p fleet.Personal) ([]job.Exception, []string, error) {
	n.asked++
	if n.none {
		return nil, n.skipped, n.err
	}
	return []job.Exception{{Offset: 1, Content: []byte(manifest + "/" + p.Hostname + "/" + p.Answer + fmt.Sprintf("/%x", p.Seed))}}, n.skipped, n.err
}

func TestEachComputerHasItsOwnNamesAndKeys(t *testing.T) {
	h := newHouse(t)
	own := &names{}
	h.personal, h.secret = own, bytes.Repeat([]byte{7}, 32)
	h.kill()
	h.holding("k1", "S104-01", 1, "win", "aa")
	h.holding("k2", "S104-02", 2, "win", "aa")
	h.enrol("k3", "prof", hello(3))
	h.room("S104", func(r *fleet.Room) {
		r.Template = fleet.Template{Hostname: "{room}-{number}", Keys: true, Answer: `<Name>{name}</Name><Serial>{serial}</Serial>{mac}`}
	}, "S104-01", "S104-02", "prof")
	reset := func(computer string) {
		t.Helper()
		_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{computer}})
		check(t, err)
	}
	reset("S104-01")
	reset("S104-02")
	seen := map[string]bool{}
	for key, want := range map[string]string{
		"k1": "aa/S104-01/<Name>S104-01</Name><Serial>SN-0001</Serial>52:54:00:00:00:01/",
		"k2": "aa/S104-02/<Name>S104-02</Name><Serial>SN-0002</Serial>52:54:00:00:00:02/",
	} {
		got := h.task(key)
		if len(got.Exceptions) != 1 || !strings.HasPrefix(string(got.Exceptions[0].Content), want) {
			t.Fatalf("%s is told %+v, want %q and its seed", key, got.Exceptions, want)
		}
		content := string(got.Exceptions[0].Content)
		if seed := content[len(want):]; len(seed) != 64 || seen[seed] {
			t.Errorf("%s has the seed %q", key, seed)
		} else {
			seen[seed] = true
		}
		asked := own.asked
		h.kill()
		if again := h.task(key); string(again.Exceptions[0].Content) != content {
			t.Errorf("after a restart %s is told %+v", key, again.Exceptions)
		}
		if own.asked != asked+1 {
			t.Errorf("after a restart the master is read %d times", own.asked-asked)
		}
		h.report(key, job.Report{Task: got.ID, State: job.TaskDone, Outcome: &proven})
		if g := h.granted(key); len(g.Exceptions) != 1 || string(g.Exceptions[0].Content) != content {
			t.Errorf("%s is granted %+v", key, g.Exceptions)
		}
		if own.asked != asked+1 {
			t.Error("the master is read again for what is known")
		}
	}

	g := h.granted("k1")
	_, err := h.Rename(context.Background(), "S104-01", "S104-11")
	check(t, err)
	if now := h.granted("k1"); now.Counter <= g.Counter || !strings.HasPrefix(string(now.Exceptions[0].Content), "aa/S104-11/") {
		t.Errorf("renamed it is granted %+v with counter %d after %d", now.Exceptions, now.Counter, g.Counter)
	}

}

func TestWithoutItsNamesAComputerIsNotWritten(t *testing.T) {
	h := newHouse(t)
	h.holding("k2", "S104-02", 2, "win", "aa")
	h.enrol("k3", "prof", hello(3))
	own := &names{err: errors.New("chunk 17 is damaged")}
	h.personal = own
	h.kill()
	h.room("S104", func(r *fleet.Room) { r.Template = fleet.Template{Hostname: "{room}-{number}"} }, "S104-02", "prof")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"S104-02"}})
	check(t, err)
	if got := h.task("k2"); got.ID != "" {
		t.Errorf("without its names it is told %+v", got)
	}
	if c := h.computer("S104-02"); c.Runs == nil {
		t.Error("what it holds is forgotten by a task that was never handed out")
	}
	last := h.Jobs()[0].Tasks[0]
	if last.State != job.TaskFailed || last.Outcome.Code != fleet.OutcomeNotOwn || !strings.Contains(last.Outcome.Detail, "chunk 17") {
		t.Errorf("the task ended %s %+v", last.State, last.Outcome)
	}
	if g := h.granted("k2"); g.Counter != 0 {
		t.Errorf("without its names it is granted %+v", g)
	}

	own.err = nil
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindDeploy, Computers: []string{"prof"}, Master: "win", Version: 1, Manifest: "aa"})
	check(t, err)
	if got := h.task("k3"); got.ID != "" {
		t.Errorf("a computer without a number gets %+v", got.Exceptions)
	}
	if last := h.Jobs()[0].Tasks[0]; last.Outcome == nil || !strings.Contains(last.Outcome.Detail, "ends with no number") {
		t.Errorf("the task ended %+v", last.Outcome)
	}
}

func TestWhatAMasterHasNoPlaceForIsTold(t *testing.T) {
	h := newHouse(t)
	own := &names{skipped: []string{"partition 3 has no answer file"}}
	h.personal = own
	h.kill()
	h.holding("k1", "S104-01", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Template = fleet.Template{Hostname: "{name}"} }, "S104-01")
	_, err := h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"S104-01"}})
	check(t, err)
	if got := h.task("k1"); len(got.Exceptions) != 1 {
		t.Fatalf("it is told %+v", got)
	}
	h.task("k1")
	told := 0
	for _, e := range h.Recent("") {
		if e.Kind == fleet.OutcomeNotOwn && e.Severity == fleet.Warning && e.Detail == "partition 3 has no answer file" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it is told %d times", told)
	}
	own.none = true
	h.report("k1", job.Report{Task: "2-1", State: job.TaskDone, Outcome: &proven})
	h.kill()
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"S104-01"}})
	check(t, err)
	if got := h.task("k1"); got.ID != "" {
		t.Error("a computer is deployed of which nothing is its own")
	}
}

func FuzzLocalState(f *testing.F) {
	seed, err := json.Marshal(job.LocalState{Place: true, Counter: 7, Cached: []job.Cached{{Manifest: "aa", Missing: -1}}})
	check(f, err)
	f.Add(seed)
	f.Add([]byte(`{"WhyNot":"\u202e\u001b[2J","Cached":[{"Missing":-9223372036854775808}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s job.LocalState
		if json.Unmarshal(raw, &s) != nil {
			return
		}
		h := immortal(t)
		h.holding("k", "pc", 1, "win", "aa")
		h.room("S104", func(r *fleet.Room) { r.Menu = true }, "pc")
		h.granted("k")
		check(t, h.Told(context.Background(), "k", s))
		said := h.Offline(h.computer("pc"))
		if said != "yes" && !strings.HasPrefix(said, "no, because ") || strings.ContainsAny(said, "\x1b\n\u202e") || len(said) > 2000 {
			t.Errorf("offline reset: %q", said)
		}
	})
}
