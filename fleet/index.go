package fleet

import (
	"slices"
	"strings"
)

// register finds the records of computers: by id, name, key, token and by what they show of themselves, and lists them by
// name. Values behind its pointers are never changed, so a list that was taken from it stays good.
type register struct {
	byID    map[string]*Computer
	byName  map[string]string // name, folded -> id
	byKey   map[string]string
	byToken map[string]string   // hash of a token -> id
	byTrait map[string][]string // UUID, serial number or MAC address -> ids
	sorted  []*Computer         // by name
}

func newRegister() register {
	return register{byID: map[string]*Computer{}, byName: map[string]string{}, byKey: map[string]string{},
		byToken: map[string]string{}, byTrait: map[string][]string{}}
}

// get returns a record; the zero one where there is none.
func (r *register) get(id string) (Computer, bool) {
	c, ok := r.byID[id]
	if !ok {
		return Computer{}, false
	}
	return *c, true
}

// names are what a record is found by in byTrait.
func (t traits) names() []string {
	var out []string
	if t.uuid != "" {
		out = append(out, "uuid "+t.uuid)
	}
	if t.serial != "" {
		out = append(out, "serial "+t.serial)
	}
	for _, m := range t.macs {
		out = append(out, "mac "+m)
	}
	return out
}

// put keeps records in place of those with their ids.
func (r *register) put(cs ...Computer) {
	sort := len(cs) > 64 // all at once: cheaper than each into its place
	for i := range cs {
		c := new(cs[i])
		old, known := r.byID[c.ID]
		same := known && old.Name == c.Name
		if known && !same && !sort {
			r.unlist(old)
		}
		if known {
			r.unlink(*old)
		}
		r.byID[c.ID] = c
		r.byName[fold(c.Name)] = c.ID
		if c.Key != "" {
			r.byKey[c.Key] = c.ID
		}
		if c.Token != nil {
			r.byToken[c.Token.Hash] = c.ID
		}
		for _, name := range traitsOf(c.Inventory, c.MACs).names() {
			r.byTrait[name] = append(r.byTrait[name], c.ID)
		}
		switch at, _ := r.place(c); {
		case sort:
		case same:
			r.sorted[at] = c
		default:
			r.sorted = slices.Insert(r.sorted, at, c)
		}
	}
	if !sort {
		return
	}
	r.sorted = make([]*Computer, 0, len(r.byID))
	for _, c := range r.byID {
		r.sorted = append(r.sorted, c)
	}
	slices.SortFunc(r.sorted, byName)
}

// byName orders records.
func byName(a, b *Computer) int {
	if n := strings.Compare(fold(a.Name), fold(b.Name)); n != 0 {
		return n
	}
	return strings.Compare(a.ID, b.ID)
}

// place is where a record stands in the list, or would.
func (r *register) place(c *Computer) (int, bool) {
	return slices.BinarySearchFunc(r.sorted, c, byName)
}

func (r *register) unlist(c *Computer) {
	if at, ok := r.place(c); ok {
		r.sorted = slices.Delete(r.sorted, at, at+1)
	}
}

// remove forgets a record.
func (r *register) remove(id string) {
	if c, ok := r.byID[id]; ok {
		r.unlist(c)
		r.unlink(*c)
		delete(r.byID, id)
	}
}

// unlink forgets how a record is found.
func (r *register) unlink(c Computer) {
	if name := fold(c.Name); r.byName[name] == c.ID { // of two that swap their names the other may have it by now
		delete(r.byName, name)
	}
	delete(r.byKey, c.Key)
	if c.Token != nil {
		delete(r.byToken, c.Token.Hash)
	}
	for _, name := range traitsOf(c.Inventory, c.MACs).names() {
		left := slices.DeleteFunc(r.byTrait[name], func(id string) bool { return id == c.ID })
		if len(left) == 0 {
			delete(r.byTrait, name)
			continue
		}
		r.byTrait[name] = left
	}
}

// showing returns the records that show one of some traits.
func (r *register) showing(t traits) []*Computer {
	var out []*Computer
	for _, name := range t.names() {
		for _, id := range r.byTrait[name] {
			if c := r.byID[id]; !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// listed returns all records, by name. The caller holds deciding, or nothing.
func (f *Fleet) listed() []*Computer {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.computers.sorted)
}
