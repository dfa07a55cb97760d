package fleet

import (
	"time"

	"github.com/ardoise/ardoise/fleet/filter"
)

// Sight is a computer as a page that shows many of them needs it. It copies no record: a region has fifteen thousand, and
// a map is drawn again whenever one of them says something.
type Sight struct {
	Computer *Computer // as it was kept; it belongs to the fleet and must not be changed
	Site     string
	LastSeen time.Time // since it was kept, too, as what follows
	BootLoop bool
	Job      string // of its task: the one that runs or is due, else the one whose time comes, else the newest; "": none
	State    string // of that task
	Task     *Task  // the same while it is not over
	Match    bool   // the query matches it
}

// Sights lists the computers at the places that in allows, pending and unknown ones included: those that are kept first, by
// name; a query of package filter marks some of them, "" all. in is called while the fleet is held and must not ask it. The
// refusal of a query is a *FilterError.
func (f *Fleet) Sights(query string, in func(site, room string) bool) ([]Sight, error) {
	q, err := parse(query)
	if err != nil {
		return nil, err
	}
	now := f.o.Now()
	out := []Sight{}
	f.eachKept(func(c *Computer) {
		site := f.siteOf(c)
		if !in(site, c.Room) {
			return
		}
		s := Sight{Computer: c, Site: site}
		_, s.LastSeen, s.BootLoop = f.since(c)
		out = append(out, f.look(s, q, now))
	})
	for _, c := range f.strangers() {
		f.mu.RLock()
		if site := f.siteOf(&c); in(site, c.Room) {
			out = append(out, f.look(Sight{Computer: &c, Site: site, LastSeen: c.LastSeen, BootLoop: c.BootLoop}, q, now))
		}
		f.mu.RUnlock()
	}
	return out, nil
}

// look adds to a sight what its computer does, and whether a query matches it. The caller holds mu.
func (f *Fleet) look(s Sight, q filter.Filter, now time.Time) Sight {
	t, ok := f.current(s.Computer.ID)
	if ok {
		s.Job, s.State = t.Job, t.State
		if t.Active() {
			s.Task = new(t)
		}
	}
	s.Match = q.String() == "" || f.matches(q, s.Computer, s.LastSeen, s.State, now)
	return s
}
