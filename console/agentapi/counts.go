package agentapi

import (
	"cmp"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// present is how long an agent counts as there after it was heard: a long poll lasts 25 s.
const present = 2 * time.Minute

// The bounds of what is counted apart: names come from agents and from the network.
const (
	maxVersions = 16
	maxVersion  = 32 // characters
	others      = "other"
)

// Figures are what the server has seen of its agents since it began.
type Figures struct {
	Heartbeats map[string]int64    // answered requests by what was asked for: hello, task, report, session
	Versions   map[string]int      // enrolled agents that were heard within two minutes, by their version
	Refused    map[[2]string]int64 // refused requests by what was asked for and the code that was told
	Handshakes int64               // connections that ended before both sides had proven themselves
	Turned     int64               // connections over the limits
}

// counts are what is counted while agents are answered. The zero value is ready.
type counts struct {
	mu         sync.Mutex
	heartbeats map[string]int64
	refused    map[[2]string]int64
	handshakes int64
	agents     map[string]seen // enrolled ones, by key
}

// seen is an enrolled agent.
type seen struct {
	version string // "" until its next hello
	at      time.Time
}

// asked names what a request is for, in few words.
func asked(r *http.Request) string {
	switch path := r.URL.Path; {
	case path == job.PathHello:
		return "hello"
	case path == job.PathTask:
		return "task"
	case path == job.PathReport:
		return "report"
	case path == job.PathChunks:
		return "chunks"
	case path == job.PathTrust, path == job.PathStageTwo:
		return "boot"
	case path == job.PathRunningReset, path == job.PathWish:
		return "reset"
	case path == job.PathHelper:
		return "helper"
	case strings.HasPrefix(path, job.PathSession):
		return "session"
	case strings.HasPrefix(path, job.PathCapture):
		return "capture"
	}
	return others
}

// heard counts a request that was answered.
func (c *counts) heard(r *http.Request, who caller, now time.Time) {
	what := asked(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if who.enrolled {
		c.note(who.key, seen{c.agents[who.key].version, now}, now)
	}
	if !slices.Contains(heartbeats(), what) {
		return
	}
	if c.heartbeats == nil {
		c.heartbeats = map[string]int64{}
	}
	c.heartbeats[what]++
}

// heartbeats are the requests by which an agent says that it is there.
func heartbeats() []string { return []string{"hello", "task", "report", "session"} }

// version notes what an enrolled agent says that it is.
func (c *counts) version(key, version string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(key, seen{cmp.Or(fleet.Clean(version, maxVersion), "unknown"), now}, now)
}

// note keeps an agent, and forgets those that are gone before there are too many. The caller holds mu.
func (c *counts) note(key string, s seen, now time.Time) {
	if c.agents == nil {
		c.agents = map[string]seen{}
	}
	if _, known := c.agents[key]; !known && len(c.agents) >= maxSources {
		maps.DeleteFunc(c.agents, func(_ string, x seen) bool { return now.Sub(x.at) >= present })
		if len(c.agents) >= maxSources {
			return
		}
	}
	c.agents[key] = s
}

// refuse counts a request that was refused.
func (c *counts) refuse(r *http.Request, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[[2]string]int64{}
	}
	c.refused[[2]string{asked(r), code}]++ // codes are constants of ours
}

// ended implements http.Server.ConnState.
func (c *counts) ended(conn net.Conn, state http.ConnState) {
	if t, ok := conn.(*tls.Conn); state != http.StateClosed || !ok || t.ConnectionState().HandshakeComplete {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handshakes++
}

// Figures returns what was counted.
func (s *Server) Figures() Figures {
	c, now := &s.counts, s.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Figures{Heartbeats: map[string]int64{}, Versions: map[string]int{}, Refused: maps.Clone(c.refused), Handshakes: c.handshakes,
		Turned: s.limits.refusedConns()}
	for _, what := range heartbeats() {
		out.Heartbeats[what] = c.heartbeats[what]
	}
	for _, x := range c.agents {
		if now.Sub(x.at) < present {
			out.Versions[cmp.Or(x.version, "unknown")]++
		}
	}
	if len(out.Versions) <= maxVersions {
		return out
	}
	most := slices.SortedFunc(maps.Keys(out.Versions), func(a, b string) int {
		return cmp.Or(cmp.Compare(out.Versions[b], out.Versions[a]), cmp.Compare(a, b))
	})
	for _, v := range most[maxVersions-1:] { // who invents versions does not fill the memory of what collects them
		n := out.Versions[v]
		delete(out.Versions, v)
		out.Versions[others] += n
	}
	return out
}
