package session

import (
	"net/http"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// What one member may cost the others.
const (
	reportRate  = 20.0             // reports a second: a receiver sends ten, and one more where packets cease to come
	reportBurst = 40.0             // at once
	stuckAfter  = 10 * time.Minute // of reports that say always the same, and nothing fetched: nobody waits for it
)

// bucket lets reportRate pass a second. The zero value is full.
type bucket struct {
	used float64
	at   time.Time
}

// take takes one, where there is one.
func (b *bucket) take(now time.Time) bool {
	b.used = max(0, b.used-max(now.Sub(b.at).Seconds(), 0)*reportRate)
	b.at = now
	if b.used+1 > reportBurst {
		return false
	}
	b.used++
	return true
}

// mayReport refuses a report before it is read: each costs a pass over the session's blocks, with the lock that the planner
// needs.
func (s *Server) mayReport(computer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[computer]
	switch {
	case m == nil || m.left:
		return gone()
	case !m.reports.take(s.o.Now()):
		return refuse(http.StatusTooManyRequests, "this computer reports too often")
	}
	return nil
}

// look notes whether a member gets on: whether what it lacks has changed since its last report. As long as no frames are
// planned there is nothing to get on with. The caller holds the lock.
func (m *member) look(now time.Time, report *wire.Report, planned bool) {
	figure := uint64(0)
	for _, of := range report.Deficits {
		for _, run := range of.Runs {
			figure = figure*31 + uint64(run.Count)*256 + uint64(run.Value)
		}
	}
	for _, run := range m.needs.runs {
		figure = figure*31 + uint64(run.Count)*256 + uint64(run.Value)
	}
	if !planned || figure != m.figure {
		m.figure, m.moved = figure, now
	}
}

// moves notes that a member is given something.
func (s *Server) moves(computer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[computer]; m != nil {
		m.moved = s.o.Now()
	}
}
