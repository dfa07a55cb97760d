package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// Uses says, for a person, who needs a version of a master: computers that were last proven to hold it and would be
// reset to it, computers whose disk is unfinished with it, jobs that have still to put it somewhere, and the rooms and
// schedules that mean it now by what they name. manifest is its hash, hexadecimal.
func (f *Fleet) Uses(manifest string) []string {
	if manifest == "" {
		return nil
	}
	uses := f.meant(manifest)
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, c := range f.computers.sorted {
		switch {
		case c.Mark != nil && c.Mark.Manifest == manifest:
			uses = append(uses, fmt.Sprintf("the disk of %s is unfinished with it", c.Name))
		case c.State == Enrolled && c.Runs != nil && c.Runs.Manifest == manifest:
			uses = append(uses, c.Name+" runs it")
		}
	}
	for of, ids := range f.active {
		for _, id := range ids {
			t := f.tasks[id]
			if f.jobOf(t).Manifest == manifest {
				c, _ := f.computers.get(of)
				uses = append(uses, fmt.Sprintf("job %s puts it on %s", t.Job, c.Name))
			}
		}
	}
	slices.SortFunc(uses, strings.Compare)
	return uses
}

// naming lists what rooms and schedules call the masters that they are for, and who they are.
func (f *Fleet) naming() map[string][]string {
	out := map[string][]string{}
	for _, r := range f.Rooms() {
		if r.Master != "" {
			out[r.Master] = append(out[r.Master], "room "+r.Name+" is to run it")
		}
	}
	for _, s := range f.Schedules() {
		if s.Order.Master != "" {
			out[s.Order.Master] = append(out[s.Order.Master], "schedule "+s.Name+" orders it")
		}
	}
	return out
}

// meant lists the rooms and schedules that mean a version now.
func (f *Fleet) meant(manifest string) []string {
	var out []string
	if f.o.Versions == nil {
		return out
	}
	for ref, users := range f.naming() { // five hundred rooms name a few masters
		if v, err := f.o.Versions.Resolve(ref); err == nil && v.Manifest == manifest {
			out = append(out, users...)
		}
	}
	return out
}

// Names says, for a person, which rooms and schedules name something: NAME, NAME@V or NAME@CHANNEL.
func (f *Fleet) Names(ref string) []string { return f.naming()[ref] }

// Undisturbed runs do while no decision is taken: what Uses says stays true until it returns, and nothing is signed.
func (f *Fleet) Undisturbed(do func() error) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	return do()
}
