package agentapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// prove ends an agent's deployment well.
func (a *agent) prove(task string) {
	a.s.t.Helper()
	must[job.ReportReply](a, http.MethodPost, job.PathReport, job.Report{Task: task, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
}

func TestComputersThatHaveFinishedGiveToOthers(t *testing.T) {
	s := newSite(t)
	mine, other := s.published("mine", frames(t, 3, 7)), s.published("other", frames(t, 3, 8))
	room, theirs := s.room(mine, 1, 3), s.room(other, 4, 2)
	a, b, c := room[0], room[1], room[2]
	first := a.task().ID
	offer := job.Serving{Task: first, Session: "1", Manifest: mine.Hash.String(), Port: 4242}
	serve := func(what string, a *agent, o job.Serving, status int, code string) {
		t.Helper()
		got, raw := a.call(http.MethodPost, job.PathServe, o)
		var p job.Problem
		if got != status || code != "" && (json.Unmarshal(raw, &p) != nil || p.Code != code) {
			t.Errorf("%s = %d %s, want %d %s", what, got, raw, status, code)
		}
	}
	serve("who has not finished", a, offer, 409, "no-task")
	second := b.task().ID
	a.prove(first)
	serve("who has nothing to do with it", theirs[0], offer, 403, "not-yours")
	serve("a task that never was", a, job.Serving{Task: "77-1", Manifest: offer.Manifest, Port: 1}, 403, "not-yours")
	serve("another master", a, job.Serving{Task: first, Manifest: other.Hash.String(), Port: 4242}, 400, "bad-request")
	serve("no port", a, job.Serving{Task: first, Manifest: offer.Manifest}, 400, "bad-request")
	serve("a stranger", s.agent(), offer, 403, "unknown-computer")

	reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer)
	again := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer)
	if reply.Stop || len(reply.Token) < 20 || again != reply {
		t.Errorf("the offer is answered with %+v, then %+v", reply, again)
	}
	peers := must[[]job.Peer](b, http.MethodGet, job.PathPeers, nil)
	if len(peers) != 1 || peers[0] != (job.Peer{Address: "127.0.0.1:4242", Key: a.key, Token: reply.Token}) {
		t.Errorf("the second computer is told of %+v", peers)
	}
	theirs[0].task()
	if peers := must[[]job.Peer](theirs[0], http.MethodGet, job.PathPeers, nil); len(peers) != 0 {
		t.Errorf("one that deploys another master is told of %+v", peers)
	}
	if status, p := c.problem(http.MethodGet, job.PathPeers, nil); status != 409 || p.Code != "no-task" {
		t.Errorf("one that has not begun is told %d %+v", status, p)
	}
	if status, _ := s.agent().problem(http.MethodGet, job.PathPeers, nil); status != 403 {
		t.Errorf("a stranger is told %d", status)
	}

	left := offer
	left.Leaving = true
	if reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, left); !reply.Stop {
		t.Errorf("who leaves is told %+v", reply)
	}
	if peers := must[[]job.Peer](b, http.MethodGet, job.PathPeers, nil); len(peers) != 0 {
		t.Errorf("after it has left the second is told of %+v", peers)
	}
	if reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer); reply.Stop || reply.Token == again.Token {
		t.Errorf("who comes back is told %+v", reply)
	}
	b.prove(second)
	if reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer); !reply.Stop {
		t.Errorf("when nobody needs it any more it is told %+v", reply)
	}
	c.task()
	if reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer); reply.Stop {
		t.Error("while the third needs it, it is told to stop")
	}
	s.capture("pc1", "new")
	if reply := must[job.ServingReply](a, http.MethodPost, job.PathServe, offer); !reply.Stop {
		t.Errorf("when there is work for it it is told %+v", reply)
	}
}
