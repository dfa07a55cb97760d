package fleet

import (
	"fmt"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// Target is a version of a master, and the disk that it is for.
type Target struct {
	Master   string
	Version  int
	Manifest string       // hash, hexadecimal
	Disk     job.DiskRule `json:",omitzero"` // zero: the only one
}

// String is NAME@V.
func (t Target) String() string { return fmt.Sprintf("%s@%d", t.Master, t.Version) }

// Version is a version of a master that the site has.
type Version struct {
	Target
	Fits func(job.Disk) error // refuses a disk that cannot take it; nil: all fit
	// Related returns those of some manifests, by their hashes, that share enough with it to be sent together; nil: none.
	Related func(manifests []string) []string
}

// Versions says what a reference means now: NAME, NAME@V or NAME@CHANNEL.
type Versions interface {
	Resolve(ref string) (Version, error)
}

// target is what a computer was proven to hold, as something to be reset to.
func (p *Proven) target() *Target {
	if p == nil {
		return nil
	}
	return &Target{Master: p.Master, Version: p.Version, Manifest: p.Manifest, Disk: p.Disk}
}

// jobOf returns the job of a task, with the version and disk that are the task's own. The caller holds mu or deciding.
func (f *Fleet) jobOf(t Task) Job {
	j := f.jobs[t.Job]
	if x := t.Target; x != nil {
		j.Master, j.Version, j.Manifest = x.Master, x.Version, x.Manifest
		if j.Disk == (job.DiskRule{}) {
			j.Disk = x.Disk
		}
	}
	return j
}

// due tells whether a task may run by its time. The caller holds mu or deciding.
func (f *Fleet) due(t Task) bool {
	return t.State == job.TaskRunning || !f.o.Now().Before(f.jobs[t.Job].NotBefore)
}

// scheduledOf returns a task of a computer whose time has not come. The caller holds mu or deciding.
func (f *Fleet) scheduledOf(computer string) (Task, bool) {
	for _, id := range f.active[computer] {
		if t := f.tasks[id]; !f.due(t) {
			return t, true
		}
	}
	return Task{}, false
}

// inTheWay returns the task that keeps a computer from one more: it has at most one that is due and one whose time comes.
// The caller holds mu or deciding.
func (f *Fleet) inTheWay(computer string, later bool) (Task, bool) {
	if later {
		return f.scheduledOf(computer)
	}
	return f.activeOf(computer)
}

// clash returns what keeps a computer from one more task, and whether that only waits. The caller does not hold mu.
func (f *Fleet) clash(c Computer, at time.Time) (by *Conflict, waits bool, why *RefusedError) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	later := at.After(f.o.Now())
	t, has := f.inTheWay(c.ID, later)
	if !has {
		return nil, false, nil
	}
	j := f.jobs[t.Job]
	by = &Conflict{Job: j.ID, Kind: j.Kind, By: j.OrderedBy, State: t.State}
	if later {
		why = refuse(CodeBusy, c.Name, "task %s waits for %s", t.ID, j.NotBefore.In(f.o.Zone).Format(minute))
	} else {
		why = refuse(CodeBusy, c.Name, "task %s is %s", t.ID, t.State)
	}
	return by, t.State == job.TaskWaiting, why
}

// minute is how a person is told a time.
const minute = "2006-01-02 15:04"

// ruleOf is the rule that finds a disk again: by what it says of itself, as far as that came through unchanged.
func ruleOf(d job.Disk) job.DiskRule {
	r := job.DiskRule{MinSize: d.Size, MaxSize: d.Size, Bus: d.Bus}
	if !strings.ContainsRune(d.Serial, '\ufffd') && len(d.Serial) < maxString {
		r.Serial = d.Serial
	}
	if r.Serial == "" && !strings.ContainsRune(d.Model, '\ufffd') {
		r.Model = d.Model
	}
	return r
}

// provenDisk is the rule for the disk that a task was for, so that a reset needs none.
func provenDisk(c Computer, j Job) job.DiskRule {
	d, err := disk.Choose(c.Inventory.Disks, j.Disk)
	if err != nil {
		return j.Disk // it was changed since; what the person said of it still stands
	}
	return ruleOf(d)
}
