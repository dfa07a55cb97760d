package fleet

import (
	"fmt"
	"strings"
)

// Stray is a computer that says hello from another site than its record's: it was moved, its board is a copy, or the
// network is not among those of its site.
type Stray struct {
	Computer Computer // that says hello: a pending one, or the enrolled one itself
	Of       Computer // the record that it looks like, or is
	At       string   // the site that it says hello from; "": that without a name
}

// Strays lists the computers that say hello from another site than their record's, the pending ones first.
func (f *Fleet) Strays() []Stray {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []Stray
	for _, a := range f.pending {
		if of, ok := f.computers.get(a.Twin); ok {
			out = append(out, Stray{Computer: a.Computer, Of: of, At: f.siteAt(a.Address)})
		}
	}
	for _, c := range f.computers.sorted {
		if f.astray(c) {
			out = append(out, Stray{Computer: *c, Of: *c, At: f.siteAt(c.Address)})
		}
	}
	return out
}

// Astray tells whether an enrolled computer was last seen in the network of another site than its own, and of which.
func (f *Fleet) Astray(c Computer) (site string, astray bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.siteAt(c.Address), f.astray(&c)
}

// astray is Astray. A network that no site has is no evidence. The caller holds mu or deciding.
func (f *Fleet) astray(c *Computer) bool {
	if c.State != Enrolled || c.Key == "" || c.Room == "" && c.Site == "" {
		return false
	}
	at := f.siteAt(c.Address)
	return at != "" && !strings.EqualFold(at, f.siteOf(c))
}

// strayed tells administrators of a stray, and nobody else: it names a computer of another site. The caller holds mu or
// deciding.
func (f *Fleet) strayed(s Stray) Event {
	of := fmt.Sprintf("%s of site %q", s.Of.Name, f.siteOf(&s.Of))
	e := f.event("elsewhere", Warning, Computer{}, Task{}, "%s says hello from %s, in site %q", of, s.Computer.Address, s.At)
	if s.Computer.ID != s.Of.ID {
		e.Detail = fmt.Sprintf("the computer with code %s at %s, in site %q, looks like %s", s.Computer.Code, s.Computer.Address, s.At, of)
	}
	e.Computer = s.Of.ID
	return e
}

// moved is the record of another site that an applicant becomes because a person says that it was moved. A record that has
// its key keeps it. Approve puts it into a room, if it is to be in one. The caller holds deciding.
func (f *Fleet) moved(a applicant, p Approval, _ string) (Computer, Change, error) {
	var change Change
	old, ok := f.computers.get(a.Twin)
	switch {
	case !ok:
		return old, change, refuse(CodeNoTwin, a.Name, "")
	case old.State != Enrolled || old.Key != "" && old.KeyStored:
		return old, change, refuse(CodeAlreadyWithKey, old.Name, "")
	case len(f.active[old.ID]) > 0:
		return old, change, refuse(CodeBusy, old.Name, "task %s is not over", f.active[old.ID][0])
	case p.Name != "" && !strings.EqualFold(p.Name, a.Name) && !strings.EqualFold(p.Name, old.Name):
		return old, change, refuse(CodeNoTwin, Clean(p.Name, 64), "it looks like %s", old.Name)
	}
	change.Rooms = f.withdraw(map[string]map[string]bool{fold(old.Room): {old.ID: true}})
	change.Events = []Event{f.event("placed", Info, old, Task{}, "from site %q to %q by %s", f.siteOf(&old), f.siteAt(a.Address), Clean(p.By, 64))}
	c := old.keyed(a.Computer)
	c.Room, c.Site = "", f.siteAt(a.Address)
	return c, change, nil
}

// freeName proposes a name that no record and nobody who waits has: pc- and the end of its first MAC address, else of its
// UUID, else of its key. The caller holds mu.
func (f *Fleet) freeName(c Computer) string {
	const zeros = "000000" // where a vendor, or who copied a disk image of a virtual machine, put nothing
	ends := func(s string) string {
		s = strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(s))
		return s[max(len(s)-len(zeros), 0):]
	}
	end := c.Key[:min(len(c.Key), len(zeros))]
	if !badUUID(c.Inventory.UUID) && ends(c.Inventory.UUID) != zeros {
		end = ends(c.Inventory.UUID)
	}
	for i := len(c.MACs) - 1; i >= 0; i-- {
		if ends(c.MACs[i]) != zeros {
			end = ends(c.MACs[i])
		}
	}
	for n := 1; ; n++ {
		name := "pc-" + end
		if n > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		if !f.named(name, c.Key) {
			return name
		}
	}
}

// named tells whether a name is that of a record, or of who waits with another key. The caller holds mu.
func (f *Fleet) named(name, key string) bool {
	if _, taken := f.byName(name); taken {
		return true
	}
	for k, a := range f.pending {
		if k != key && strings.EqualFold(a.Name, name) {
			return true
		}
	}
	return false
}
