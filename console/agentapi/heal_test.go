package agentapi_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// lose damages the first frame of the store, and lets the store find it.
func (s *site) lose() {
	s.t.Helper()
	path := filepath.Join(s.dir, "store", "0000000001.pack")
	pack, err := os.ReadFile(path)
	check(s.t, err)
	pack[16+57] ^= 1
	check(s.t, os.WriteFile(path, pack, 0o600))
	found, err := s.library.Scrub(s.t.Context(), store.Scrub{Whole: true})
	check(s.t, err)
	if found.Lost != 1 {
		s.t.Fatalf("scrub = %+v, want one chunk lost", found)
	}
}

// lost asks what the server has lost.
func (a *agent) lost() []byte {
	a.s.t.Helper()
	status, ids := a.call(http.MethodGet, job.PathHeal, nil)
	if status != http.StatusOK {
		a.s.t.Errorf("GET %s = %d %s", job.PathHeal, status, ids)
	}
	return ids
}

func TestAComputerGivesBackWhatWasLost(t *testing.T) {
	s := newSite(t)
	ids, frames := storetest.Frames(t, 8, 71)
	v := s.published("m", frames)
	one, two := s.agent(), s.agent()
	one.enrol(hello(1), "one")
	two.enrol(hello(2), "two")
	s.deploy(v, "one", "two")
	one.task()
	two.task()
	s.lose()
	if got := one.lost(); string(got) != string(pack(ids[0])) {
		t.Errorf("wanted are %x, want %s", got, ids[0])
	}
	if got := two.lost(); len(got) != 0 {
		t.Errorf("two computers are asked for one chunk: %x", got)
	}
	forged := frames[0]
	forged.Payload = append([]byte{}, forged.Payload...)
	forged.Payload[0] ^= 1
	for _, useless := range [][]byte{nil, packed(frames[1:3]...), packed(forged)} {
		if status, body := one.call(http.MethodPost, job.PathHeal, useless); status != http.StatusNoContent {
			t.Errorf("POST = %d %s", status, body)
		}
	}
	if lost := s.library.Lost(9); len(lost) != 1 {
		t.Errorf("lost are %v: somebody was believed", lost)
	}
	if status, _ := two.call(http.MethodPost, job.PathHeal, packed(frames[0])); status != http.StatusNoContent {
		t.Errorf("POST = %d", status)
	}
	if lost := s.library.Lost(9); len(lost) != 0 {
		t.Errorf("lost are %v", lost)
	}
	storetest.Prove(t, s.library, ids)
	if got := one.lost(); len(got) != 0 {
		t.Errorf("a healed store wants %x", got)
	}
}

func TestNobodyElseHealsAnything(t *testing.T) {
	s := newSite(t)
	_, frames := storetest.Frames(t, 8, 72)
	_, others := storetest.Frames(t, 3, 73)
	v := s.published("m", frames)
	s.published("other", others)
	s.lose()
	idle, capturing, deploying, foreign := s.agent(), s.agent(), s.agent(), s.agent()
	idle.enrol(hello(1), "idle")
	capturing.enrol(hello(2), "capturing")
	deploying.enrol(hello(3), "deploying")
	s.capture("capturing", "m")
	s.deploy(v, "deploying")
	capturing.task()
	deploying.task()
	cut := packed(frames[0])
	for name, c := range map[string]struct {
		a      *agent
		body   []byte
		status int
		code   string
	}{
		"nobody":                    {s.keyless(), packed(frames[0]), http.StatusForbidden, "unknown-computer"},
		"a computer not enrolled":   {foreign, packed(frames[0]), http.StatusForbidden, "unknown-computer"},
		"a computer without a task": {idle, packed(frames[0]), http.StatusConflict, "no-task"},
		"a computer that captures":  {capturing, packed(frames[0]), http.StatusForbidden, "not-yours"},
		"a chunk of another master": {deploying, packed(others[0]), http.StatusForbidden, "not-yours"},
		"no frames":                 {deploying, []byte("no frames at all, but more bytes than a header has to have"), http.StatusBadRequest, "damaged"},
		"a frame cut short":         {deploying, cut[:len(cut)-1], http.StatusBadRequest, "bad-request"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, p := c.a.problem(http.MethodPost, job.PathHeal, c.body); status != c.status || p.Code != c.code {
				t.Errorf("POST = %d %+v, want %d %s", status, p, c.status, c.code)
			}
		})
	}
	for _, a := range []*agent{s.keyless(), foreign, idle, capturing} {
		a.problem(http.MethodGet, job.PathHeal, nil)
	}
	if lost := s.library.Lost(9); len(lost) != 1 || lost[0] != frames[0].ID {
		t.Errorf("lost are %v", lost)
	}
	many := make([]chunk.Frame, job.MaxHeal)
	for i := range many {
		many[i] = frames[i%len(frames)]
	}
	if status, body := deploying.call(http.MethodPost, job.PathHeal, packed(many...)); status != http.StatusNoContent {
		t.Errorf("as many as are asked for at most = %d %s", status, body)
	}
	if lost := s.library.Lost(9); len(lost) != 0 {
		t.Errorf("lost are %v", lost)
	}
}

func TestAWholePackThatIsGoneComesBack(t *testing.T) {
	s := newSite(t)
	ids, frames := storetest.Frames(t, 8, 74)
	v := s.published("m", frames)
	a := s.agent()
	a.enrol(hello(1), "one")
	s.deploy(v, "one")
	a.task()
	check(t, os.Remove(filepath.Join(s.dir, "store", "0000000001.pack")))
	_, err := s.library.Scrub(t.Context(), store.Scrub{Whole: true})
	check(t, err)
	wanted := a.lost()
	back := map[chunk.ID]bool{}
	for ; len(wanted) >= 32; wanted = wanted[32:] {
		back[chunk.ID(wanted[:32])] = true
	}
	var give []chunk.Frame
	for i, id := range ids {
		if back[id] {
			give = append(give, frames[i])
		}
	}
	if len(give) < 2 || len(give) != len(back) {
		t.Fatalf("%d chunks are wanted, of which %d are of the master", len(back), len(give))
	}
	if status, body := a.call(http.MethodPost, job.PathHeal, packed(give...)); status != http.StatusNoContent {
		t.Errorf("POST = %d %s", status, body)
	}
	storetest.Prove(t, s.library, ids)
	if got := a.lost(); len(got) != 0 {
		t.Errorf("a whole store wants %x", got)
	}
}
