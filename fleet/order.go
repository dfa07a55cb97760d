package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// Order is what a person asks for.
type Order struct {
	Kind      job.Kind
	Computers []string // names, ids or addresses
	Master    string
	Version   int                  // deploy: the version
	Manifest  string               // deploy: its hash, hexadecimal
	Fits      func(job.Disk) error // deploy: refuses a disk that cannot take the master; nil: all fit
	Note      string
	AsIs      bool
	Disk      job.DiskRule
	Countdown int // seconds
	Ending    job.Ending
	By        string
	Within    time.Duration // tasks that have not begun by then are cancelled; 0: a week
	Unicast   bool          // deploy: each computer fetches for itself
	Related   []string      // deploy: hashes of other manifests, hexadecimal, that share enough with Manifest to be sent together
}

// Planned is what an order would do to one computer.
type Planned struct {
	Computer Computer
	Disk     job.Disk // as it was when the computer was last seen; zero when no disk was ever reported
	Loses    string   // what is lost, for a person; "" for nothing
	Refusal  *RefusedError
}

// limits of an order's free text and numbers.
const (
	maxNote      = 4000 // what a version takes
	maxCountdown = 600
	maxTargets   = 1000
)

// Plan says what an order would do, computer by computer, without doing it.
func (f *Fleet) Plan(o Order) ([]Planned, error) {
	if err := f.check(&o); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []Planned
	for _, ref := range o.Computers {
		c, err := f.Find(ref)
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		out = append(out, f.planOne(o, c))
	}
	return out, nil
}

// check refuses orders that make no sense and fills in defaults.
func (f *Fleet) check(o *Order) error {
	switch o.Kind {
	case job.KindDeploy:
		if o.Version < 1 || o.Manifest == "" {
			return refuse(CodeBadOrder, o.Master, "a deployment needs a version of a master")
		}
	case job.KindCapture, job.KindInventory:
	default:
		return refuse(CodeBadOrder, Clean(string(o.Kind), 32), "no such kind of job")
	}
	if o.Ending == "" {
		o.Ending = job.EndDisk
	}
	switch {
	case o.Ending != job.EndDisk && o.Ending != job.EndPowerOff && o.Ending != job.EndStay:
		return refuse(CodeBadOrder, Clean(string(o.Ending), 32), "a computer ends with disk, poweroff or stay")
	case len(o.Computers) == 0 || len(o.Computers) > maxTargets:
		return refuse(CodeBadOrder, "", "an order is for 1 to %d computers", maxTargets)
	case o.Kind == job.KindCapture && len(o.Computers) > 1:
		return refuse(CodeBadOrder, "", "a capture is made from one computer")
	case o.Countdown < 0 || o.Countdown > maxCountdown:
		return refuse(CodeBadOrder, "", "a countdown has 0 to %d seconds", maxCountdown)
	case o.Within < 0:
		return refuse(CodeBadOrder, "", "an order cannot have expired before it is given")
	}
	if o.Within == 0 {
		o.Within = 7 * 24 * time.Hour
	}
	o.Note, o.By = Clean(o.Note, maxNote), Clean(o.By, 64)
	return nil
}

func (f *Fleet) planOne(o Order, c Computer) Planned {
	p := Planned{Computer: c}
	f.mu.RLock()
	busy, isBusy := f.activeOf(c.ID)
	f.mu.RUnlock()
	switch {
	case c.State != Enrolled || c.Key == "":
		p.Refusal = refuse(CodeNotEnrolled, c.Name, "it is %s", c.State)
		return p
	case isBusy:
		p.Refusal = refuse(CodeBusy, c.Name, "task %s is %s", busy.ID, busy.State)
		return p
	case o.Kind == job.KindInventory:
		return p
	}
	d, err := disk.Choose(c.Inventory.Disks, o.Disk)
	if err != nil {
		p.Refusal = refusalOf(err, c.Name)
		return p
	}
	p.Disk = d
	if o.Kind != job.KindDeploy {
		return p
	}
	p.Loses = "everything on " + diskText(d)
	if o.Fits != nil {
		if err := o.Fits(d); err != nil {
			p.Refusal = refusalOf(err, c.Name)
		}
	}
	return p
}

// diskText names a disk so that a person knows it.
func diskText(d job.Disk) string {
	parts := []string{d.Path}
	if d.Model != "" {
		parts = append(parts, d.Model)
	}
	parts = append(parts, fmt.Sprintf("%.1f GB", float64(d.Size)/1e9))
	if d.Serial != "" {
		parts = append(parts, "serial "+d.Serial)
	}
	return strings.Join(parts, ", ")
}

// refusalOf makes what a disk's judge says a refusal for one computer.
func refusalOf(err error, computer string) *RefusedError {
	var (
		several *disk.SeveralDisksError
		small   *disk.TooSmallError
		sector  *disk.SectorSizeError
	)
	code := CodeNoDisk
	switch {
	case errors.As(err, &several):
		code = CodeSeveralDisks
	case errors.As(err, &small):
		code = CodeDiskTooSmall
	case errors.As(err, &sector):
		code = CodeSectorSize
	}
	return refuse(code, computer, "%v", err)
}

// Give makes an order a job. It is refused whole if one computer cannot take it.
func (f *Fleet) Give(ctx context.Context, o Order) (JobState, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	plan, err := f.Plan(o)
	if err != nil {
		return JobState{}, err
	}
	if err := f.check(&o); err != nil {
		return JobState{}, err
	}
	for _, p := range plan {
		if p.Refusal != nil {
			return JobState{}, p.Refusal
		}
	}
	now := f.o.Now().UTC()
	j := Job{ID: f.nextJob(), Kind: o.Kind, OrderedBy: o.By, Created: now, Expires: now.Add(o.Within), Master: o.Master,
		Version: o.Version, Manifest: o.Manifest, Note: o.Note, AsIs: o.AsIs, Disk: o.Disk, Countdown: o.Countdown,
		Ending: o.Ending}
	if len(plan) > 1 {
		j.Session = f.sessionFor(o, j.ID)
	}
	change := Change{Jobs: []Job{j}}
	for i, p := range plan {
		t := Task{ID: fmt.Sprintf("%s-%d", j.ID, i+1), Job: j.ID, Computer: p.Computer.ID, State: job.TaskWaiting,
			Created: now, Before: p.Computer.Runs}
		change.Tasks = append(change.Tasks, t)
		change.Events = append(change.Events, f.event("ordered", Info, p.Computer, t, "%s %s by %s", j.Kind, target(j), j.OrderedBy))
	}
	if err := f.commit(ctx, change); err != nil {
		return JobState{}, err
	}
	f.mu.Lock()
	for _, p := range plan {
		f.forgive(p.Computer.MACs) // a person is looking at it: it may try again
	}
	f.mu.Unlock()
	return JobState{Job: j, Tasks: change.Tasks}, nil
}

// target names what a job is about.
func target(j Job) string {
	if j.Version > 0 {
		return fmt.Sprintf("%s@%d", j.Master, j.Version)
	}
	return j.Master
}
