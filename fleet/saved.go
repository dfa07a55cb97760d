package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet/filter"
	"github.com/ardoise/ardoise/imaging/job"
)

// SavedFilter is a question about computers that people ask again and again.
type SavedFilter struct {
	Name  string
	Query string // of package filter
	By    string
}

const maxFilters = 500

// parse understands a query; the refusal says where it cannot be understood.
func parse(query string) (filter.Filter, error) {
	q, err := filter.Parse(query)
	if err != nil {
		return q, &FilterError{refuse(CodeBadFilter, Clean(query, 64), "%v", err), err}
	}
	return q, nil
}

// FilterError is the refusal of a query: a *RefusedError, and the *filter.Error that says where in the query.
type FilterError struct {
	Refused *RefusedError
	Where   error
}

// Error implements error.
func (e *FilterError) Error() string { return e.Refused.Error() }

// Unwrap returns both.
func (e *FilterError) Unwrap() []error { return []error{e.Refused, e.Where} }

// Filters lists the saved filters, by name.
func (f *Fleet) Filters() []SavedFilter {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []SavedFilter{}
	for _, x := range f.filters {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b SavedFilter) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// SaveFilter keeps a filter, in place of one with its name.
func (f *Fleet) SaveFilter(ctx context.Context, x SavedFilter) (SavedFilter, error) {
	name := Clean(x.Name, maxTitle)
	if name == "" || utf8.RuneCountInString(x.Name) > maxTitle {
		return x, refuse(CodeBadName, Clean(x.Name, 64), "a filter's name has 1 to %d characters", maxTitle)
	}
	x.Name, x.By = name, Clean(x.By, 64)
	q, err := parse(x.Query)
	if err != nil {
		return x, err
	}
	x.Query = q.String()
	f.deciding.Lock()
	defer f.deciding.Unlock()
	if old, known := f.filters[fold(x.Name)]; known {
		x.Name = old.Name
	} else if len(f.filters) >= maxFilters {
		return x, refuse(CodeBadFilter, x.Name, "there are %d saved filters already", maxFilters)
	}
	return x, f.commit(ctx, Change{Filters: []SavedFilter{x}})
}

// ForgetFilter removes a saved filter.
func (f *Fleet) ForgetFilter(ctx context.Context, name string) (SavedFilter, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	x, ok := f.filters[fold(name)]
	if !ok {
		return x, refuse(CodeNoFilter, Clean(name, 64), "")
	}
	return x, f.commit(ctx, Change{Removed: []Record{{RecordFilter, x.Name}}})
}

// Select lists the computers that a query matches, by name; "" matches all. The refusal of a query is a *FilterError.
func (f *Fleet) Select(query string) ([]Computer, error) {
	q, err := parse(query)
	if err != nil {
		return nil, err
	}
	if q.String() == "" {
		return f.Computers(), nil
	}
	return f.selected(q), nil
}

func (f *Fleet) selected(q filter.Filter) []Computer {
	matches := f.asker(q)
	return f.matching(0, func(c *Computer) bool {
		t, _ := f.current(c.ID)
		return matches(c, c.LastSeen, t.State)
	})
}

// asker returns what tells whether a query matches a computer that was last seen then and whose task is in a state. Its
// caller holds mu; it is for one at a time.
func (f *Fleet) asker(q filter.Filter) func(c *Computer, seen time.Time, task string) bool {
	now, offline := f.o.Now(), q.Asks("offline")
	var s filter.Subject // one for all: fifteen thousand would be garbage each second
	return func(c *Computer, seen time.Time, task string) bool {
		if q.String() == "" {
			return true
		}
		s = f.subject(c)
		s.LastSeen, s.Task = seen, task
		s.OfflineReset = offline && f.canOffline(c)
		return q.Match(&s, now)
	}
}

// subject is what a filter may ask of a computer, but for what it was seen to do of late, its task, and what costs much. The
// caller holds mu.
func (f *Fleet) subject(c *Computer) filter.Subject {
	in := &c.Inventory
	s := filter.Subject{Name: c.Name, Room: c.Room, Site: f.siteOf(c), State: string(c.Shown()), Tags: c.Tags,
		Unfinished: c.Mark != nil, Model: in.Model, Manufacturer: in.Manufacturer, CPU: in.CPU,
		Serial: in.Serial, UUID: in.UUID, MACs: c.MACs, Address: c.Address, Note: c.Note, MemoryBytes: installed(in.MemoryBytes),
		Firmware: in.Firmware, SecureBoot: in.SecureBoot, UEFI: in.UEFI}
	if c.Runs != nil {
		s.Master, s.Version = c.Runs.Master, c.Runs.Version
	}
	for _, n := range in.NICs {
		if n.Link {
			s.LinkMbit = max(s.LinkMbit, n.SpeedMbit)
		}
	}
	for _, d := range in.Disks {
		if !d.Removable && (s.DiskBytes == 0 || d.Size < s.DiskBytes) {
			s.DiskBytes = d.Size
		}
	}
	return s
}

// installed is how much memory a computer has of which its kernel may use so much: firmware and graphics keep some, and
// who asks for less than 8G does not mean those that were sold with 8.
func installed(usable int64) int64 { return (usable + 1<<30 - 1) >> 30 << 30 }

// current returns a computer's task that runs or is due, else the one whose time comes, else the newest that is over. The
// caller holds mu.
func (f *Fleet) current(computer string) (Task, bool) {
	if t, ok := f.activeOf(computer); ok {
		return t, true
	}
	if t, ok := f.scheduledOf(computer); ok {
		return t, true
	}
	t, ok := f.tasks[f.latest[computer]]
	return t, ok
}

// Current returns the task of a computer, by id, that runs or is due, else the one whose time comes, else its newest that
// is over, and its job.
func (f *Fleet) Current(computer string) (Job, Task, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t, ok := f.current(computer)
	return f.jobOf(t), t, ok
}

// RoomSummary counts the computers of a room; those of a site that are in none are counted together.
type RoomSummary struct {
	Room       string // "": those in no room
	Site       string
	Total      int
	ByState    map[State]int // as a person is shown it
	Running    int           // tasks that run
	Waiting    int           // tasks that wait, and whose time has come
	Scheduled  int           // tasks whose time comes
	Failed     int           // computers whose newest task failed, and that have no other
	Unfinished int           // disks left in the middle of a write
	Done       int64         // bytes of the present steps of the tasks that run
	ToDo       int64         // of those, in all
	Rate       int64         // bytes a second that come from the net, of all tasks that run
}

// Active is how many tasks run or wait.
func (s RoomSummary) Active() int { return s.Running + s.Waiting }

// Summary counts the computers of all rooms, empty ones included, by name; and for each site those in no room.
func (f *Fleet) Summary() []RoomSummary {
	counts := map[[2]string]*RoomSummary{}
	count := func(site, room string) *RoomSummary {
		key := [2]string{site, room} // computers have the names of rooms and sites as those have them
		s, ok := counts[key]
		if !ok {
			s = &RoomSummary{Room: room, Site: site, ByState: map[State]int{}}
			counts[key] = s
		}
		return s
	}
	for _, r := range f.Rooms() {
		count(SiteOf(r.Name), r.Name)
	}
	f.each(func(c *Computer) { f.count(count(f.siteOf(c), c.Room), c) })
	out := make([]RoomSummary, 0, len(counts))
	for _, s := range counts {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b RoomSummary) int {
		return cmp.Or(strings.Compare(fold(a.Site), fold(b.Site)), strings.Compare(fold(a.Room), fold(b.Room)))
	})
	return out
}

// count adds a computer to its room's. The caller holds mu.
func (f *Fleet) count(s *RoomSummary, c *Computer) {
	s.Total++
	s.ByState[c.Shown()]++
	if c.Mark != nil {
		s.Unfinished++
	}
	t, ok := f.current(c.ID)
	switch {
	case !ok:
	case t.State == job.TaskRunning:
		s.Running++
		if p := t.Progress; p != nil {
			s.Done, s.ToDo = s.Done+p.Done, s.ToDo+p.Total
			if p.Session != nil {
				s.Rate += p.Session.WireRate
			}
		}
	case t.State == job.TaskWaiting && f.due(t):
		s.Waiting++
	case t.State == job.TaskWaiting:
		s.Scheduled++
	case t.State == job.TaskFailed:
		s.Failed++
	}
}
