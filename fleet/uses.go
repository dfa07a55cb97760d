package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// Uses says, for a person, who needs a version of a master: computers that were last proven to hold it and would be
// reset to it, computers whose disk is unfinished with it, and jobs that have still to put it somewhere. manifest is its
// hash, hexadecimal.
func (f *Fleet) Uses(manifest string) []string {
	if manifest == "" {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	var uses []string
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

// Undisturbed runs do while no decision is taken: what Uses says stays true until it returns, and nothing is signed.
func (f *Fleet) Undisturbed(do func() error) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	return do()
}
