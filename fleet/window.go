package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Window is the time in which computers are enrolled in a room without a person who compares codes: limited in time and
// number, for one room of a site at a time.
type Window struct {
	Room  string // in capitals as the room has it; the id
	Until time.Time
	Count int // how many computers it is for
	Used  int // how many have come
	By    string
}

// The bounds of an enrolment window.
const (
	maxWindow      = 24 * time.Hour
	maxWindowCount = 500
)

// open tells whether a window lets one more in.
func (w Window) open(now time.Time) bool { return now.Before(w.Until) && w.Used < w.Count }

// byWindow approves in the name of who opened one.
const byWindow = "the enrolment of "

// OpenEnrolment lets at most count computers that are new, from the networks of the room's site, into a room until a time.
// Each gets the room's name and a number. What is known already is not changed by it: another key for a known computer
// stays an alarm.
func (f *Fleet) OpenEnrolment(ctx context.Context, room string, until time.Time, count int, by string) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	r, ok := f.rooms[fold(room)]
	if !ok {
		return refuse(CodeNoRoom, Clean(room, 64), "")
	}
	now := f.o.Now()
	site := f.sites[fold(SiteOf(r.Name))]
	switch {
	case count < 1 || count > maxWindowCount:
		return refuse(CodeBadWindow, r.Name, "an enrolment is for 1 to %d computers, not %d", maxWindowCount, count)
	case !until.After(now) || until.Sub(now) > maxWindow:
		return refuse(CodeBadWindow, r.Name, "an enrolment ends within %.0f hours", maxWindow.Hours())
	case site.Name != "" && len(site.Networks) == 0:
		return refuse(CodeBadWindow, r.Name, "nothing says which networks are those of site %s", site.Name)
	}
	for _, w := range f.windows {
		if w.open(now) && w.Room != r.Name && strings.EqualFold(SiteOf(w.Room), site.Name) {
			return refuse(CodeWindowOpen, w.Room, "%s enrols computers until %s: nothing says to which of two rooms one that comes belongs",
				w.Room, w.Until.In(f.o.Zone).Format(minute))
		}
	}
	w := Window{Room: r.Name, Until: until.UTC(), Count: count, By: Clean(by, 64)}
	e := f.event("window", Info, Computer{Room: r.Name}, Task{}, "%s enrols up to %d computers until %s, by %s", r.Name, count,
		until.In(f.o.Zone).Format(minute), w.By)
	return f.commit(ctx, Change{Windows: []Window{w}, Events: []Event{e}})
}

// CloseEnrolment ends a room's window.
func (f *Fleet) CloseEnrolment(ctx context.Context, room, by string) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	w, ok := f.windows[fold(room)]
	if !ok {
		return refuse(CodeNoWindow, Clean(room, 64), "")
	}
	return f.commit(ctx, f.closed(w, "closed by "+Clean(by, 64)))
}

func (f *Fleet) closed(w Window, why string) Change {
	e := f.event("window", Info, Computer{Room: w.Room}, Task{}, "%s enrols no more: %d of %d computers came; %s", w.Room, w.Used, w.Count, why)
	return Change{Removed: []Record{{RecordWindow, w.Room}}, Events: []Event{e}}
}

// Enrolment lists the windows that are open, by room.
func (f *Fleet) Enrolment() []Window {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Window{}
	for _, w := range f.windows {
		if w.open(f.o.Now()) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Window) int { return cmp.Compare(fold(a.Room), fold(b.Room)) })
	return out
}

// closeWindows forgets the windows whose time is over.
func (f *Fleet) closeWindows(ctx context.Context) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	var errs []error
	for _, w := range f.windows {
		if !w.open(f.o.Now()) {
			errs = append(errs, f.commit(ctx, f.closed(w, "its time is over")))
		}
	}
	return errors.Join(errs...)
}

// windowFor returns the window that lets in who comes from an address, and looks like a record whose key is not known or
// like nobody. The caller holds deciding.
func (f *Fleet) windowFor(address string, like *Computer) (Window, bool) {
	now := f.o.Now()
	site := f.siteAt(address)
	for _, w := range f.windows {
		if !w.open(now) || !strings.EqualFold(SiteOf(w.Room), site) {
			continue
		}
		if _, there := f.rooms[fold(w.Room)]; !there {
			continue
		}
		// A record that has a key is never given another by a window; nor is one of another site drawn into this one.
		return w, like == nil || like.Key == "" && strings.EqualFold(f.siteOf(like), site)
	}
	return Window{}, false
}

// admit enrols a computer by a window, in one decision with the window's count. The caller holds deciding.
func (f *Fleet) admit(ctx context.Context, w Window, in Introduction) (job.Welcome, error) {
	f.mu.RLock()
	a, ok := f.pending[in.Key]
	f.mu.RUnlock()
	if !ok {
		return job.Welcome{}, fmt.Errorf("enrolling %s: it does not wait", short(in.Key))
	}
	c, _, err := f.record(a, Approval{}, w.Room)
	if err != nil {
		return job.Welcome{}, err
	}
	if c.Room == "" {
		c.Room, c.Site = w.Room, SiteOf(w.Room)
	}
	c.ApprovedBy = Clean(byWindow+w.Room+", opened by "+w.By, 64)
	w.Used++
	change := Change{Computers: []Computer{c}, Windows: []Window{w},
		Events: []Event{f.event("approved", Info, c, Task{}, "key %s approved by %s, from %s", short(c.Key), c.ApprovedBy, in.Address)}}
	if w.Used >= w.Count {
		over := f.closed(w, "all have come")
		change.Windows, change.Removed, change.Events = nil, over.Removed, append(change.Events, over.Events...)
	}
	if err := f.commit(ctx, change); err != nil {
		return job.Welcome{}, err
	}
	f.mu.Lock()
	delete(f.pending, c.Key)
	f.mu.Unlock()
	return job.Welcome{State: job.StateEnrolled, Computer: c.Name, ID: c.ID}, nil
}

// nextName is the first name of a room's pattern that nobody has: S104-01, or ZOLA-S104-01 in a site with a name. The
// caller holds deciding.
func (f *Fleet) nextName(room string) string {
	base := strings.ReplaceAll(room, "/", "-")
	base = base[:min(len(base), 58)]
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s-%02d", base, n)
		if _, taken := f.byName(name); !taken {
			return name
		}
	}
}
