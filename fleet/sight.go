package fleet

import (
	"slices"
	"time"
)

// Sight is a computer as a page that shows many of them needs it. It copies no record: a region has fifteen thousand, and
// a map is drawn again whenever one of them says something.
type Sight struct {
	Computer *Computer // as it was kept; it belongs to the fleet and must not be changed
	Site     string
	Stage    string // since it was kept, too, as what follows
	LastSeen time.Time
	BootLoop bool
	Job      string // of its task: the one that runs or is due, else the one whose time comes, else the newest; "": none
	State    string // of that task
	Task     *Task  // the same while it is not over
	Match    bool   // the query matches it
}

// Now is the computer's record with what it was seen to do since.
func (s Sight) Now() Computer {
	c := *s.Computer
	c.Stage, c.LastSeen, c.BootLoop = s.Stage, s.LastSeen, s.BootLoop
	return c
}

// Sights lists the computers at the places that in allows, pending and unknown ones included: by name, those that are kept
// first; a query of package filter marks some of them, "" all. in is called while the fleet is held and must not ask it.
// The refusal of a query is a *FilterError.
func (f *Fleet) Sights(query string, in func(site, room string) bool) ([]Sight, error) {
	q, err := parse(query)
	if err != nil {
		return nil, err
	}
	matches := f.asker(q)
	out := []Sight{}
	look := func(s Sight) {
		if t, ok := f.current(s.Computer.ID); ok {
			s.Job, s.State = t.Job, t.State
			if t.Active() {
				s.Task = new(t)
			}
		}
		s.Match = matches(s.Computer, s.LastSeen, s.State)
		if len(out) == cap(out) {
			out = slices.Grow(out, max(len(out), 64)) // append would copy a region four times
		}
		out = append(out, s)
	}
	f.eachKept(func(c *Computer) {
		if site := f.siteOf(c); in(site, c.Room) {
			s := Sight{Computer: c, Site: site}
			s.Stage, s.LastSeen, s.BootLoop = f.since(c)
			look(s)
		}
	})
	strangers := f.strangers()
	slices.SortFunc(strangers, func(a, b Computer) int { return byName(&a, &b) })
	for _, c := range strangers {
		f.mu.RLock()
		if site := f.siteOf(&c); in(site, c.Room) {
			look(Sight{Computer: &c, Site: site, Stage: c.Stage, LastSeen: c.LastSeen, BootLoop: c.BootLoop})
		}
		f.mu.RUnlock()
	}
	return out, nil
}

// IDs lists the ids of the computers that are kept, at the places that in allows; in as in Sights.
func (f *Fleet) IDs(in func(site, room string) bool) []string {
	out := []string{}
	f.eachKept(func(c *Computer) {
		if in(f.siteOf(c), c.Room) {
			out = append(out, c.ID)
		}
	})
	return out
}

// attentive is for how long an agent that has asked for work is taken to be there: it asks again every 25 seconds.
const attentive = 40 * time.Second

// InAgent tells whether a computer, by id, has its agent running and waiting for work.
func (f *Fleet) InAgent(computer string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	at, ok := f.heard[computer]
	return ok && f.o.Now().Sub(at) < attentive
}
