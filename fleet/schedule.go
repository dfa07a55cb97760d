package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Schedule is an order that is given again and again.
type Schedule struct {
	ID     string // "3"; made by SetSchedule
	Name   string
	Order  ScheduledOrder
	Days   []time.Weekday // on which its window begins
	At     string         // HH:MM: its window begins, in Options.Zone
	Until  string         // HH:MM: and ends; the next day where that is not after At
	By     string
	Paused bool
	Done   string // 2026-11-22: the last day whose window was used, or let pass
	Owed   *Owed  `json:",omitempty"` // who was busy when the window of Done began, and still waits
}

// Owed are the computers of a schedule that another order kept busy. They get their task within the window.
type Owed struct {
	Computers []string  // ids
	Given     time.Time // when others of the schedule were given theirs
}

// ScheduledOrder is what a schedule orders. What it means is looked up each time.
type ScheduledOrder struct {
	Kind      job.Kind
	Computers []string // ids, names or addresses
	Rooms     []string
	Sites     []string
	Filter    string // query of package filter
	Master    string // deploy, stage: NAME, NAME@V or NAME@CHANNEL; reset, verify: the same, "" for what each computer holds
	Level     job.Level
	Ending    job.Ending
	Retries   int
	Wake      bool
	Script    string // hash
	Countdown int    // seconds

	Disk job.DiskRule `json:",omitzero"`
}

const maxSchedules = 500

// Schedules lists the schedules, by name.
func (f *Fleet) Schedules() []Schedule {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Schedule{}
	for _, s := range f.schedules {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Schedule) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), compareNumbers(a.ID, b.ID))
	})
	return out
}

// Schedule returns the schedule with an id.
func (f *Fleet) Schedule(id string) (Schedule, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s, ok := f.schedules[fold(id)]
	if !ok {
		return s, refuse(CodeNoSchedule, Clean(id, 32), "")
	}
	return s, nil
}

// window returns when a schedule's window of a day begins and ends.
func (s Schedule) window(day time.Time) (begin, end time.Time) {
	y, m, d := day.Date()
	hour, minute, _ := clock(s.At)
	begin = time.Date(y, m, d, hour, minute, 0, 0, day.Location())
	hour, minute, _ = clock(s.Until)
	if s.Until <= s.At {
		d++
	}
	end = time.Date(y, m, d, hour, minute, 0, 0, day.Location())
	if !end.After(begin) { // the clocks were put forward over it
		end = begin.Add(time.Hour)
	}
	return begin, end
}

// last returns the latest day on which a schedule's window had begun by now and that is not done.
func (s Schedule) last(now time.Time) (day time.Time, ok bool) {
	y, m, d := now.Date()
	for back := range 8 {
		day = time.Date(y, m, d-back, 12, 0, 0, 0, now.Location()) // noon is there on every day
		begin, _ := s.window(day)
		if slices.Contains(s.Days, day.Weekday()) && !now.Before(begin) {
			return day, day.Format(time.DateOnly) > s.Done
		}
	}
	return day, false
}

// NextRun returns when a schedule's window begins next; zero when it is paused.
func (f *Fleet) NextRun(s Schedule) time.Time {
	now := f.o.Now().In(f.o.Zone)
	y, m, d := now.Date()
	for ahead := range 8 {
		day := time.Date(y, m, d+ahead, 12, 0, 0, 0, now.Location())
		begin, _ := s.window(day)
		if !s.Paused && slices.Contains(s.Days, day.Weekday()) && begin.After(now) {
			return begin
		}
	}
	return time.Time{}
}

// SetSchedule keeps a schedule; one without an id is a new one. A window that has begun is let pass.
func (f *Fleet) SetSchedule(ctx context.Context, s Schedule, by string) (Schedule, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	old, known := f.schedules[fold(s.ID)]
	switch {
	case s.ID == "":
		n := 0
		for id := range f.schedules {
			var x int
			if _, err := fmt.Sscan(id, &x); err == nil {
				n = max(n, x)
			}
		}
		if s.ID = fmt.Sprint(n + 1); len(f.schedules) >= maxSchedules {
			return s, refuse(CodeBadSchedule, Clean(s.Name, 64), "there are %d schedules already", maxSchedules)
		}
	case !known:
		return s, refuse(CodeNoSchedule, Clean(s.ID, 32), "")
	default:
		s.ID = old.ID
	}
	s.By, s.Owed = Clean(by, 64), nil
	if err := f.checkSchedule(&s); err != nil {
		return s, err
	}
	now := f.o.Now().In(f.o.Zone)
	s.Done = ""
	if day, ok := s.last(now); ok {
		s.Done = day.Format(time.DateOnly)
	}
	if known && old.Done > s.Done {
		s.Done = old.Done
	}
	e := f.event("schedule", Info, Computer{}, Task{}, "%s was set by %s: %s on %v from %s to %s", s.Name, s.By, s.Order.Kind, s.Days, s.At, s.Until)
	return s, f.commit(ctx, Change{Schedules: []Schedule{s}, Events: []Event{e}})
}

// checkSchedule refuses a schedule that makes no sense. The caller holds deciding.
func (f *Fleet) checkSchedule(s *Schedule) error {
	bad := func(format string, args ...any) error {
		return refuse(CodeBadSchedule, Clean(s.Name, 64), format, args...)
	}
	if s.Name = strings.TrimSpace(s.Name); s.Name == "" || Clean(s.Name, maxTitle) != s.Name {
		return bad("its name has 1 to %d characters, all of them printable", maxTitle)
	}
	_, _, ok1 := clock(s.At)
	_, _, ok2 := clock(s.Until)
	if !ok1 || !ok2 {
		return bad("its window is from HH:MM to HH:MM, not %q to %q", Clean(s.At, 16), Clean(s.Until, 16))
	}
	days := slices.Clone(s.Days)
	slices.Sort(days)
	if s.Days = slices.Compact(days); len(s.Days) == 0 || s.Days[0] < time.Sunday || s.Days[len(s.Days)-1] > time.Saturday {
		return bad("its window begins on one to seven days of the week")
	}
	switch o := s.Order; {
	case o.Kind == job.KindCapture || o.Kind == job.KindWipe:
		return bad("a %s is ordered by a person each time", o.Kind)
	case len(o.Computers)+len(o.Rooms)+len(o.Sites) == 0 && strings.TrimSpace(o.Filter) == "":
		return bad("it is for nobody")
	}
	o, err := f.orderOf(*s)
	if err != nil {
		return err
	}
	if err := f.check(&o); err != nil {
		return err
	}
	if o.Filter != "" {
		if _, err := parse(o.Filter); err != nil {
			return err
		}
	}
	for _, r := range o.Rooms {
		if _, ok := f.rooms[fold(r)]; !ok {
			return refuse(CodeNoRoom, Clean(r, 64), "")
		}
	}
	for _, r := range o.Sites {
		if _, ok := f.sites[fold(r)]; !ok && r != "" {
			return refuse(CodeNoSite, Clean(r, 64), "")
		}
	}
	return nil
}

// orderOf is what a schedule orders now.
func (f *Fleet) orderOf(s Schedule) (Order, error) {
	x := s.Order
	o := Order{Kind: x.Kind, Computers: x.Computers, Rooms: x.Rooms, Sites: x.Sites, Filter: x.Filter, Level: x.Level,
		Ending: x.Ending, Retries: x.Retries, Wake: x.Wake, Countdown: x.Countdown, By: s.By, Skip: true,
		Script: job.ScriptOrder{Hash: x.Script}, Disk: x.Disk}
	if x.Master == "" {
		return o, nil
	}
	if f.o.Versions == nil {
		return o, refuse(CodeBadSchedule, s.Name, "this server has no masters")
	}
	v, err := f.o.Versions.Resolve(x.Master)
	if err != nil {
		return o, refuse(CodeBadSchedule, s.Name, "%s: %v", x.Master, err)
	}
	o.Master, o.Version, o.Manifest, o.Fits, o.relate = v.Master, v.Version, v.Manifest, v.Fits, v.Related
	return o, nil
}

// ForgetSchedule removes a schedule; what it has ordered goes on.
func (f *Fleet) ForgetSchedule(ctx context.Context, id, by string) (Schedule, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	s, ok := f.schedules[fold(id)]
	if !ok {
		return s, refuse(CodeNoSchedule, Clean(id, 32), "")
	}
	e := f.event("schedule", Info, Computer{}, Task{}, "%s was forgotten by %s", s.Name, Clean(by, 64))
	return s, f.commit(ctx, Change{Removed: []Record{{RecordSchedule, s.ID}}, Events: []Event{e}})
}
