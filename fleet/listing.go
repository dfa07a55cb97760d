package fleet

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// atOnce is how many computers a listing looks at before it lets others have the lock: answers to firmware and to three
// hundred agents that report each second must not wait for a page with fifteen thousand rows.
const atOnce = 128

// since returns what a computer was seen to do since its record was kept. The caller holds mu.
func (f *Fleet) since(c *Computer) (stage string, seen time.Time, loop bool) {
	stage, seen, loop = c.Stage, c.LastSeen, c.BootLoop
	for _, m := range c.MACs { // what it does since it last spoke to us, the boot server knows
		b, ok := f.boots[m]
		if !ok {
			continue
		}
		loop = loop || b.Loop
		if !b.Seen.IsZero() && !b.Seen.Before(seen) {
			stage, seen = b.Stage, b.Seen
		}
	}
	if at := f.heard[c.ID]; at.After(seen) {
		stage, seen = StageAgent, at
	}
	return stage, seen, loop
}

// overlay adds to a record what its computer was seen to do since it was kept. The caller holds mu.
func (f *Fleet) overlay(c *Computer) { c.Stage, c.LastSeen, c.BootLoop = f.since(c) }

// eachKept calls do for the record of every computer that is kept, by name. do is called while mu is held for reading,
// which is let go now and then; it must not change what it is given.
func (f *Fleet) eachKept(do func(*Computer)) {
	kept := f.listed()
	for len(kept) > 0 {
		n := min(len(kept), atOnce)
		f.mu.RLock()
		for _, p := range kept[:n] {
			do(p)
		}
		f.mu.RUnlock()
		kept = kept[n:]
	}
}

// each calls do for every computer, pending and unknown ones included: those that are kept first, by name. do is called
// while mu is held for reading, and let go now and then; what it is given is its own for the time of the call only.
func (f *Fleet) each(do func(*Computer)) {
	var c Computer // one for all: fifteen thousand would be garbage each second
	f.eachKept(func(p *Computer) {
		c = *p
		f.overlay(&c)
		do(&c)
	})
	for _, c = range f.strangers() {
		f.mu.RLock()
		do(&c)
		f.mu.RUnlock()
	}
}

// strangers lists the pending and the unknown computers.
func (f *Fleet) strangers() []Computer {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []Computer
	waiting := map[string]bool{}
	for _, p := range f.pending {
		out = append(out, p.Computer)
		for _, m := range p.MACs {
			waiting[m] = true
		}
	}
	for mac, b := range f.boots {
		if !waiting[mac] && len(f.computers.byTrait["mac "+mac]) == 0 {
			out = append(out, unknown(mac, b))
		}
	}
	return out
}

// unknown is a computer of which nothing but its boot requests is known.
func unknown(mac string, b boot) Computer {
	return Computer{ID: mac, Name: mac, State: Unknown, MACs: []string{mac}, LastSeen: b.Seen, Stage: b.Stage,
		Style: b.Style, BootLoop: b.Loop, Inventory: job.Inventory{UUID: b.UUID}, Address: b.Address}
}

// Computers lists all computers, pending and unknown ones included, by name.
func (f *Fleet) Computers() []Computer {
	f.mu.RLock()
	n := len(f.computers.sorted) + len(f.pending) + len(f.boots)
	f.mu.RUnlock()
	return f.matching(n, func(*Computer) bool { return true })
}

// matching lists the computers that are wanted, by name: some n, as far as is known. want is called while mu is held for
// reading.
func (f *Fleet) matching(n int, want func(*Computer) bool) []Computer {
	out := make([]Computer, 0, n)
	strangers := false
	f.each(func(c *Computer) {
		if want(c) {
			out = append(out, *c)
			strangers = strangers || c.State == Pending || c.State == Unknown
		}
	})
	if !strangers { // who is kept comes in order
		return out
	}
	less := func(a, b Computer) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(out, less)
	return out
}

// Find returns the computer that a person means by its name, id, code or one of its MAC addresses.
func (f *Fleet) Find(ref string) (Computer, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	// An id before a name: one may look like the other, and whoever gives names must not take another's place by it.
	c, ok := f.computers.get(ref)
	if id, named := f.computers.byName[fold(ref)]; !ok && named {
		c, ok = f.computers.get(id)
	}
	if ok {
		f.overlay(&c)
		return c, nil
	}
	mac := NormalMAC(ref)
	var found []Computer
	if mac != "" {
		for _, id := range f.computers.byTrait["mac "+mac] {
			c, _ := f.computers.get(id)
			f.overlay(&c)
			found = append(found, c)
		}
	}
	for _, p := range f.pending {
		switch {
		case p.ID == ref, strings.EqualFold(p.Name, ref):
			return p.Computer, nil
		case p.Code == ref, mac != "" && slices.Contains(p.MACs, mac):
			found = append(found, p.Computer)
		}
	}
	if b, ok := f.boots[mac]; mac != "" && ok && len(found) == 0 {
		found = append(found, unknown(mac, b))
	}
	switch len(found) {
	case 0:
		return Computer{}, refuse(CodeNoComputer, Clean(ref, 64), "")
	case 1:
		return found[0], nil
	}
	return Computer{}, refuse(CodeSeveral, Clean(ref, 64), "%d computers have it", len(found))
}

// byName finds an enrolled or refused record. The caller holds deciding or mu.
func (f *Fleet) byName(name string) (Computer, bool) {
	return f.computers.get(f.computers.byName[fold(name)])
}

// Listen calls do after each decision that was kept, and after each report of progress, with what it changed, until cancel
// is called; also with what is not kept: pending computers, and what the boot server saw. do must return at once, and must
// neither ask the fleet nor cancel.
func (f *Fleet) Listen(do func(Change)) (cancel func()) {
	f.listening.Lock()
	defer f.listening.Unlock()
	f.listener++
	n := f.listener
	f.listeners[n] = do
	return func() {
		f.listening.Lock()
		defer f.listening.Unlock()
		delete(f.listeners, n)
	}
}

// announce tells who listens. The caller does not hold mu.
func (f *Fleet) announce(c Change) {
	f.listening.RLock()
	defer f.listening.RUnlock()
	for _, do := range f.listeners {
		do(c)
	}
}

// findEnrolled is Find, of enrolled computers alone.
func (f *Fleet) findEnrolled(ref string) (Computer, error) {
	c, err := f.Find(ref)
	if err != nil {
		return c, err
	}
	if c.State != Enrolled {
		return c, refuse(CodeNotEnrolled, c.Name, "it is %s", c.State)
	}
	return c, nil
}
