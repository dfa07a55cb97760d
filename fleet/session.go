package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxTogether is the most masters that one session sends: each costs its manifest in memory.
const maxTogether = 16

// Session is the tasks that share one multicast session, and their jobs.
type Session struct {
	ID        string
	Jobs      []Job    // oldest first, those that are over included
	Tasks     []Task   // theirs, those that are over included
	Manifests []string // hashes of what its tasks that are not over need, hexadecimal, each once
}

// Left returns the computers, by id, whose tasks are not over.
func (s Session) Left() []string {
	var out []string
	for _, t := range s.Tasks {
		if t.Active() {
			out = append(out, t.Computer)
		}
	}
	return out
}

// Session returns a session; one that nobody has ordered has no jobs.
func (f *Fleet) Session(id string) Session {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := Session{ID: id}
	if id == "" {
		return s
	}
	for _, n := range f.jobsOf[id] {
		j := f.stateOf(n)
		s.Jobs, s.Tasks = append(s.Jobs, j.Job), append(s.Tasks, j.Tasks...)
	}
	slices.SortFunc(s.Tasks, func(a, b Task) int { return compareNumbers(a.ID, b.ID) })
	for _, j := range s.Jobs {
		needed := slices.ContainsFunc(s.Tasks, func(t Task) bool { return t.Job == j.ID && t.Active() })
		if needed && !slices.Contains(s.Manifests, j.Manifest) {
			s.Manifests = append(s.Manifests, j.Manifest)
		}
	}
	return s
}

// Sessions returns the sessions with tasks that are not over, oldest first.
func (f *Fleet) Sessions() []Session {
	f.mu.RLock()
	seen := map[string]bool{}
	for _, ids := range f.active {
		for _, id := range ids {
			if s := f.jobs[f.tasks[id].Job].Session; s != "" {
				seen[s] = true
			}
		}
	}
	f.mu.RUnlock()
	var out []Session
	for id := range seen {
		out = append(out, f.Session(id))
	}
	slices.SortFunc(out, func(a, b Session) int { return compareNumbers(a.ID, b.ID) })
	return out
}

// BeginSession fixes what a session sends: its Manifests as they are now. From here on only jobs with one of these join
// it. It is asked again when the session is begun again.
func (f *Fleet) BeginSession(id string) (Session, error) {
	f.deciding.Lock() // no job joins meanwhile
	defer f.deciding.Unlock()
	s := f.Session(id)
	if len(s.Manifests) == 0 {
		return s, refuse(CodeNoTask, "session "+Clean(id, 32), "all its tasks are over")
	}
	f.mu.Lock()
	f.begun[id] = s.Manifests
	f.mu.Unlock()
	return s, nil
}

// sessionFor names the session of a new deployment or staging to several computers: one that there is already and begins at the same
// time, or its own. The caller holds deciding.
func (f *Fleet) sessionFor(o Order, j Job) string {
	if o.Kind != job.KindDeploy && o.Kind != job.KindStage || o.Unicast {
		return ""
	}
	all := f.Sessions()
	f.mu.Lock()
	defer f.mu.Unlock()
	for known := range f.begun {
		if !slices.ContainsFunc(all, func(s Session) bool { return s.ID == known }) {
			delete(f.begun, known) // it is over
		}
	}
	for _, s := range all {
		if slices.ContainsFunc(s.Jobs, func(x Job) bool { return !f.begins(x).Equal(f.begins(j)) }) {
			continue // it would wait for those whose time has not come
		}
		sends, begun := f.begun[s.ID]
		if begun {
			if slices.Contains(sends, o.Manifest) {
				return s.ID
			}
			continue
		}
		related := slices.ContainsFunc(s.Manifests, func(m string) bool { return m == o.Manifest || slices.Contains(o.Related, m) })
		if related && (len(s.Manifests) < maxTogether || slices.Contains(s.Manifests, o.Manifest)) {
			return s.ID
		}
	}
	return j.ID
}

// begins is when the time of a job comes; zero when it has come.
func (f *Fleet) begins(j Job) time.Time {
	if !j.NotBefore.After(f.o.Now()) {
		return time.Time{}
	}
	return j.NotBefore
}

// Note keeps an event about a session, for each of its jobs, and tells the log.
func (f *Fleet) Note(ctx context.Context, session, kind string, severity Severity, format string, args ...any) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	var c Change
	for _, j := range f.Session(session).Jobs {
		e := f.event(kind, severity, Computer{}, Task{Job: j.ID}, "%s", Clean(fmt.Sprintf(format, args...), 1000))
		c.Events = append(c.Events, e)
	}
	slices.SortFunc(c.Events, func(a, b Event) int { return cmp.Compare(a.Job, b.Job) })
	return f.commit(ctx, c)
}
