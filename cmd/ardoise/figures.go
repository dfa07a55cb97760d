package main

import (
	"context"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/metrics"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
)

// freshFigures is how long figures are told again: anybody may ask whether the box is well, and nobody makes it count.
const freshFigures = 5 * time.Second

// figures are how the box is.
type figures struct {
	site *site

	mu   sync.Mutex
	at   time.Time
	last metrics.Figures
}

// get returns the figures of now, or of a moment ago.
func (f *figures) get(ctx context.Context) metrics.Figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) >= freshFigures {
		f.last, f.at = f.site.figures(context.WithoutCancel(ctx)), time.Now()
	}
	return f.last
}

// figures counts.
func (s *site) figures(ctx context.Context) metrics.Figures {
	out := metrics.Figures{Version: version(), Started: s.started, Computers: map[metrics.Kind]int{}, Tasks: map[metrics.Kind]int{},
		Helpers:  map[string]int{access.HelperConnected: 0, access.HelperAway: 0, access.HelperSilent: 0},
		Requests: map[string]int{}, Damaged: len(s.library.Quarantine())}
	agents := s.answering.Figures()
	out.Agents = metrics.Agents{Versions: agents.Versions, Heartbeats: agents.Heartbeats, Refused: map[metrics.Asked]int64{},
		Closed: map[string]int64{"handshake": agents.Handshakes, "limit": agents.Turned}}
	for asked, n := range agents.Refused {
		out.Agents.Refused[metrics.Asked{For: asked[0], Reason: asked[1]}] = n
	}
	for _, r := range s.fleet.Summary() {
		for state, n := range r.ByState {
			out.Computers[metrics.Kind{Of: r.Site, State: string(state)}] += n
		}
	}
	for _, h := range s.fleet.Helpers() {
		out.Helpers[access.StateOf(s.fleet, h)]++
	}
	for _, j := range s.fleet.Jobs() {
		for _, t := range j.Tasks {
			if t.Active() {
				out.Tasks[metrics.Kind{Of: string(j.Job.Kind), State: t.State}]++
			}
		}
	}
	for _, session := range s.fleet.Sessions() {
		if r, ok := s.sessions.Brief(session.ID); ok && r.Now.Running {
			out.Sessions = append(out.Sessions, metrics.Session{Rate: r.Now.Rate, Fast: r.Now.Fast, Slow: r.Now.Slow, HTTPS: r.Now.HTTPS,
				Silent: r.Now.Silent})
		}
	}
	if all, err := s.library.List(); err == nil {
		out.Versions = len(all)
	}
	var disk unix.Statfs_t
	if unix.Statfs(s.o.data, &disk) == nil {
		out.Free, out.Size = int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize
	}
	_ = filepath.WalkDir(filepath.Join(s.o.data, "store"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it may have gone just now
		}
		if info, err := e.Info(); err == nil {
			out.Stored += info.Size()
		}
		return nil
	})
	for _, state := range []requests.State{requests.StateOpen, requests.StateAnswered} {
		found, err := s.requests.List(ctx, requests.Query{States: []requests.State{state}, Limit: 1000})
		out.Requests[string(state)], out.Database = len(found), err
		if err != nil {
			break
		}
	}
	return out
}

// watched serves the metrics to who may look everywhere, and to anybody whether the box is well.
func (s *site) watched(mux *http.ServeMux, m *metrics.Metrics, who func(*http.Request) (people.Caller, error)) {
	mux.Handle("GET /healthz", m.Health())
	exposition := m.Handler()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		c, err := who(r)
		if err == nil && !(c.Everywhere() && c.May(people.ActionHealth, people.Whole, "")) {
			err = &access.Error{Status: http.StatusForbidden, Code: "forbidden", What: "metrics"}
		}
		if err != nil {
			api.Refuse(w, access.ErrorOf(err))
			return
		}
		exposition.ServeHTTP(w, r)
	})
}
