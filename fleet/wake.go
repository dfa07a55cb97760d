package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/imaging/job"
)

// way is how a computer is woken: through the server's own interfaces always, and through these helpers.
type way struct {
	helpers []Helper
	lack    string // why that may not reach it; "": a network of the server or of a connected helper has its address
}

// sleeper is a computer, and how it is woken.
type sleeper struct {
	Computer
	way
	place string // its room, folded; of those without one their site
}

// sleeper is a computer with what wakes it. The caller holds mu or deciding.
func (f *Fleet) sleeper(w *ways, c Computer) sleeper {
	site := f.siteOf(&c)
	x := sleeper{Computer: c, way: w.to(site, c.Address), place: fold(c.Room)}
	if c.Room == "" {
		x.place = fold(site) + "/"
	}
	return x
}

// ways are who can wake whom at one moment.
type ways struct {
	own     []netip.Prefix           // of the server's own interfaces
	helpers map[string][]HelperState // by site, folded
}

// ways looks who can wake whom. The caller does not hold mu.
func (f *Fleet) ways() *ways {
	w := &ways{helpers: map[string][]HelperState{}}
	if f.o.Networks != nil {
		w.own = f.o.Networks()
	}
	for _, h := range f.Helpers() {
		w.helpers[fold(h.Site)] = append(w.helpers[fold(h.Site)], h)
	}
	return w
}

// to decides how a computer of a site with this last address is woken. A helper of another site is never asked.
func (w *ways) to(site, address string) (out way) {
	ip, err := netip.ParseAddr(address)
	ip = ip.Unmap().WithZone("")
	known, own := err == nil, err == nil && within(w.own, ip)
	near := own
	for _, h := range w.helpers[fold(site)] {
		if known && h.has(ip) {
			out.helpers = append(out.helpers, h.Helper)
			near = near || h.Connected
		}
	}
	switch {
	case near || !known:
	case len(out.helpers) > 0:
		out.lack = "no helper in its network is connected"
	default:
		out.lack = "no helper is in its network"
	}
	if len(out.helpers) == 0 && !own { // nobody knows that network, but one of them may be in it all the same
		for _, h := range w.helpers[fold(site)] {
			out.helpers = append(out.helpers, h.Helper)
		}
	}
	return out
}

// through says which helpers wake a computer, and what they lack.
func (w way) through() string {
	var names []string
	for _, h := range w.helpers {
		names = append(names, h.Name)
	}
	switch list := someOf(names); {
	case len(names) == 0 && w.lack == "":
		return ""
	case len(names) == 0:
		return fmt.Sprintf("through no helper: %s", w.lack)
	case len(names) == 1 && w.lack == "":
		return fmt.Sprintf("through the helper %s", list)
	case len(names) == 1:
		return fmt.Sprintf("through the helper %s, although %s", list, w.lack)
	case w.lack == "":
		return fmt.Sprintf("through the helpers %s", list)
	default:
		return fmt.Sprintf("through the helpers %s, although %s", list, w.lack)
	}
}

// woken tells that a computer is woken, for a task or because somebody asked for it. The caller holds mu or deciding.
func (f *Fleet) woken(x sleeper, t Task, by string) Event {
	severity := Info
	if x.lack != "" {
		severity = Warning
	}
	switch how := x.through(); {
	case how == "" && by == "":
		return f.event("woken", severity, x.Computer, t, "by Wake-on-LAN")
	case how == "":
		return f.event("woken", severity, x.Computer, t, "by Wake-on-LAN, asked for by %s", by)
	case by == "":
		return f.event("woken", severity, x.Computer, t, "by Wake-on-LAN, %s", how)
	default:
		return f.event("woken", severity, x.Computer, t, "by Wake-on-LAN, asked for by %s, %s", by, how)
	}
}

// wake gives helpers their errands, and sends packets of our own: at once to the first of each room, to the others as their turn
// comes, when nobody waits any more. The caller holds no lock.
func (f *Fleet) wake(ctx context.Context, all []sleeper) error {
	for _, x := range all {
		for _, h := range x.helpers {
			f.mu.RLock()
			if f.helpers[fold(h.Name)].Hash == h.Hash { // it was not forgotten meanwhile
				f.errands.put(fold(h.Name), x.MACs, f.opened, f.o.Now())
			}
			f.mu.RUnlock()
		}
	}
	turns := f.pace.take(all, f.o.Now())
	errs := make([]error, len(turns))
	var first errgroup.Group
	first.SetLimit(wakesAtOnce)
	for i, x := range turns {
		if x.after == 0 {
			first.Go(func() error { errs[i] = f.send(ctx, x.sleeper); return nil })
			continue
		}
		ctx := context.WithoutCancel(ctx) // who asked has gone by then
		f.o.Later(x.after, func() {
			if err := f.send(ctx, x.sleeper); err != nil {
				f.o.Log.Error("waking a computer", "computer", x.Name, "error", err)
			}
		})
	}
	_ = first.Wait()
	return errors.Join(errs...)
}

// send sends packets of our own. Where they do not go out helpers may do it: then that is only logged.
func (f *Fleet) send(ctx context.Context, x sleeper) error {
	err := f.o.Wake(ctx, x.MACs)
	switch {
	case err == nil:
	case len(x.helpers) > 0:
		f.o.Log.Warn("waking a computer through the server's own interfaces", "computer", x.Name, "error", err)
	default:
		return fmt.Errorf("waking %s: %w", x.Name, err)
	}
	return nil
}

// wakeUp wakes the computers whose tasks wait for them, again after a while, but not for ever.
func (f *Fleet) wakeUp(ctx context.Context) error {
	all, err := f.toWake(ctx)
	return errors.Join(err, f.wake(ctx, all))
}

// Woken is a computer that was woken.
type Woken struct {
	Computer Computer
	How      string // "through the helper cdi-pi", and what that lacks; "": through the server's own interfaces
	Lack     string // "no helper is in its network": why it may not wake; "": nothing is known to be in the way
}

// WakeNow wakes computers by Wake-on-LAN. It returns those that a packet was sent for, or will be when their room's turn comes.
func (f *Fleet) WakeNow(ctx context.Context, refs []string, by string) ([]Woken, error) {
	if f.o.Wake == nil {
		return nil, refuse(CodeNoWake, "", "")
	}
	if len(refs) == 0 || len(refs) > maxTargets {
		return nil, refuse(CodeBadOrder, "", "1 to %d computers are woken at once", maxTargets)
	}
	var out []Woken
	var all []sleeper
	var change Change
	ways := f.ways()
	f.deciding.Lock()
	for _, ref := range refs {
		c, err := f.Find(ref)
		if err == nil && len(c.MACs) == 0 {
			err = refuse(CodeNoMAC, c.Name, "")
		}
		if err != nil {
			f.deciding.Unlock()
			return nil, err
		}
		x := f.sleeper(ways, c)
		out, all = append(out, Woken{c, x.through(), x.lack}), append(all, x)
		change.Events = append(change.Events, f.woken(x, Task{}, Clean(by, 64)))
	}
	err := f.commit(ctx, change)
	f.deciding.Unlock()
	if err != nil {
		return nil, err
	}
	return out, f.wake(ctx, all)
}

// toWake keeps whom to wake now, before they are: a daemon that is killed meanwhile does not wake a school all night.
func (f *Fleet) toWake(ctx context.Context) ([]sleeper, error) {
	if f.o.Wake == nil {
		return nil, nil
	}
	ways := f.ways()
	f.deciding.Lock()
	defer f.deciding.Unlock()
	now := f.o.Now().UTC()
	var change Change
	var out []sleeper
	f.mu.RLock()
	for id, tasks := range f.active {
		t, ok := f.activeOf(id)
		c, _ := f.computers.get(id)
		if !ok || len(tasks) == 0 || t.State != job.TaskWaiting || !f.jobs[t.Job].Wake || t.Woken >= maxWakes || len(c.MACs) == 0 ||
			now.Sub(t.WokenAt) < wakeEvery || now.Sub(f.heard[id]) < wakeEvery {
			continue
		}
		t.Woken, t.WokenAt = t.Woken+1, now
		change.Tasks = append(change.Tasks, t)
		x := f.sleeper(ways, c)
		if t.Woken == 1 {
			change.Events = append(change.Events, f.woken(x, t, ""))
		}
		out = append(out, x)
	}
	f.mu.RUnlock()
	if len(out) == 0 {
		return nil, nil
	}
	return out, f.commit(ctx, change)
}

// Reach counts the computers whose last address is in a helper's network, by the names of the helpers of their sites.
func (f *Fleet) Reach() map[string]int {
	ways, out := f.ways(), map[string]int{}
	f.eachKept(func(c *Computer) {
		ip, err := netip.ParseAddr(c.Address)
		if err != nil {
			return
		}
		for _, h := range ways.helpers[fold(f.siteOf(c))] {
			if h.has(ip.Unmap().WithZone("")) {
				out[h.Name]++
			}
		}
	})
	return out
}
