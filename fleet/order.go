package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// Order is what a person asks for.
type Order struct {
	Kind      job.Kind
	Computers []string // names, ids or addresses
	Room      string   // also all computers of this room; "": none
	Master    string
	Version   int                  // deploy, stage: the version; reset: 0 for the one that each computer was proven to hold
	Manifest  string               // its hash, hexadecimal
	Fits      func(job.Disk) error // deploy, reset: refuses a disk that cannot take the master; nil: all fit
	Note      string
	AsIs      bool
	Disk      job.DiskRule
	Countdown int // seconds
	Ending    job.Ending
	By        string
	At        time.Time     // its tasks wait until then; zero: now
	Within    time.Duration // tasks that have not begun so long after At are cancelled; 0: a week
	Level     job.Level     // reset: how much is read; "": full
	Wake      bool          // wake its computers when the time has come
	Skip      bool          // leave out the computers that cannot take it
	Unicast   bool          // deploy, stage: each computer fetches for itself
	Related   []string      // deploy, stage: hashes of other manifests, hexadecimal, that share enough with Manifest to be sent together
}

// Planned is what an order would do to one computer.
type Planned struct {
	Computer Computer
	Disk     job.Disk // as it was when the computer was last seen; zero when no disk was ever reported
	Loses    string   // what is lost, for a person; "" for nothing
	Target   *Target  // reset: what it becomes equal to
	Refusal  *RefusedError
}

// limits of an order's free text and numbers.
const (
	maxNote      = 4000 // what a version takes
	maxCountdown = 600
	maxTargets   = 1000
	maxAhead     = 366 * 24 * time.Hour
)

// Plan says what an order would do, computer by computer, without doing it.
func (f *Fleet) Plan(o Order) ([]Planned, error) {
	if err := f.check(&o); err != nil {
		return nil, err
	}
	var computers []Computer
	if o.Room != "" {
		r, err := f.Room(o.Room)
		if err != nil {
			return nil, err
		}
		computers = f.InRoom(r.Name)
	}
	if n := len(o.Computers) + len(computers); n == 0 || n > maxTargets {
		return nil, refuse(CodeBadOrder, "", "an order is for 1 to %d computers, not %d", maxTargets, n)
	}
	for _, ref := range o.Computers {
		c, err := f.Find(ref)
		if err != nil {
			return nil, err
		}
		computers = append(computers, c)
	}
	seen := map[string]bool{}
	var out []Planned
	for _, c := range computers {
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
	case job.KindStage:
		if o.Version < 1 || o.Manifest == "" {
			return refuse(CodeBadOrder, o.Master, "a version is staged, so it must be named")
		}
	case job.KindReset:
		if o.Level == "" {
			o.Level = job.LevelFull
		}
		if o.Level != job.LevelFull && o.Level != job.LevelQuick {
			return refuse(CodeBadOrder, Clean(string(o.Level), 32), "a reset is full or quick")
		}
		if o.Version == 0 {
			o.Master = ""
		}
		if (o.Version > 0) != (o.Manifest != "") {
			return refuse(CodeBadOrder, o.Master, "a reset is to a version, or to what each computer holds")
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
	case o.Kind == job.KindCapture && (len(o.Computers) > 1 || o.Room != ""):
		return refuse(CodeBadOrder, "", "a capture is made from one computer")
	case o.Countdown < 0 || o.Countdown > maxCountdown:
		return refuse(CodeBadOrder, "", "a countdown has 0 to %d seconds", maxCountdown)
	case o.Within < 0:
		return refuse(CodeBadOrder, "", "an order cannot have expired before it is given")
	}
	if now := f.o.Now(); !o.At.IsZero() && (o.At.Before(now.Add(-time.Minute)) || o.At.After(now.Add(maxAhead))) {
		return refuse(CodeBadOrder, o.At.In(f.o.Zone).Format(minute), "an order is for now, or for a time within a year")
	}
	if o.Within == 0 {
		o.Within = 7 * 24 * time.Hour
	}
	o.Note, o.By = Clean(o.Note, maxNote), Clean(o.By, 64)
	return nil
}

func (f *Fleet) planOne(o Order, c Computer) Planned {
	p := Planned{Computer: c}
	if c.State != Enrolled || c.Key == "" {
		p.Refusal = refuse(CodeNotEnrolled, c.Name, "it is %s", c.State)
		return p
	}
	if p.Refusal = f.clash(c, o.At); p.Refusal != nil || o.Kind == job.KindInventory {
		return p
	}
	rule := o.Disk
	if o.Kind == job.KindReset || o.Kind == job.KindStage {
		f.mu.RLock()
		held := f.held(c)
		f.mu.RUnlock()
		if held != nil && rule == (job.DiskRule{}) {
			rule = held.Disk
		}
		if o.Kind == job.KindReset {
			if p.Target = held; held != nil {
				p.Target = &Target{Master: held.Master, Version: held.Version, Manifest: held.Manifest}
			}
			if o.Version > 0 {
				p.Target = &Target{Master: o.Master, Version: o.Version, Manifest: o.Manifest}
			}
			if p.Target == nil {
				p.Refusal = refuse(CodeNotProven, c.Name, "")
				return p
			}
			p.Target.Disk = rule
		}
	}
	d, err := disk.Choose(c.Inventory.Disks, rule)
	if err != nil {
		p.Refusal = refusalOf(err, c.Name)
		return p
	}
	p.Disk = d
	switch {
	case !Destroys(o.Kind):
		return p
	case o.Kind == job.KindReset && c.Runs != nil && c.Runs.Manifest == p.Target.Manifest:
		p.Loses = fmt.Sprintf("everything that was changed since %s on %s", cleanSince(c).In(f.o.Zone).Format(minute), diskText(d))
	default:
		p.Loses = "everything on " + diskText(d)
	}
	if o.Fits != nil {
		if err := o.Fits(d); err != nil {
			p.Refusal = refusalOf(err, c.Name)
		}
	}
	return p
}

// cleanSince is when a computer's disk was last proven to be as its master.
func cleanSince(c Computer) time.Time {
	at := c.Runs.At
	if p := c.LastProof; p != nil && p.Proof.Manifest == c.Runs.Manifest && p.Kept.After(at) {
		at = p.Kept
	}
	return at
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

// Give makes an order a job. It is refused whole if one computer cannot take it, unless such are to be left out.
func (f *Fleet) Give(ctx context.Context, o Order) (JobState, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	return f.give(ctx, o, nil)
}

// give makes an order a job, and keeps a room with it if there is one. The caller holds deciding.
func (f *Fleet) give(ctx context.Context, o Order, room *Room) (JobState, error) {
	plan, err := f.Plan(o)
	if err != nil {
		return JobState{}, err
	}
	if err := f.check(&o); err != nil {
		return JobState{}, err
	}
	var first *RefusedError
	plan = slices.DeleteFunc(plan, func(p Planned) bool {
		if p.Refusal != nil && first == nil {
			first = p.Refusal
		}
		return p.Refusal != nil
	})
	switch {
	case first != nil && !o.Skip:
		return JobState{}, first
	case len(plan) == 0:
		return JobState{}, refuse(CodeEmpty, o.Room, "of %s: %v", first.What, first)
	}
	change := f.ordered(o, plan)
	if room != nil {
		change.Rooms = []Room{*room}
	}
	if err := f.commit(ctx, change); err != nil {
		return JobState{}, err
	}
	f.mu.Lock()
	for _, p := range plan {
		f.forgive(p.Computer.MACs) // a person is looking at it: it may try again
	}
	f.mu.Unlock()
	return JobState{Job: change.Jobs[0], Tasks: change.Tasks}, nil
}

// ordered is the job of an order that every computer of a plan can take. The caller holds deciding.
func (f *Fleet) ordered(o Order, plan []Planned) Change {
	now := f.o.Now().UTC()
	begin := now
	if o.At.After(now) {
		begin = o.At.UTC()
	}
	j := Job{ID: f.nextJob(), Kind: o.Kind, OrderedBy: o.By, Created: now, Expires: begin.Add(o.Within), Master: o.Master,
		Version: o.Version, Manifest: o.Manifest, Note: o.Note, AsIs: o.AsIs, Disk: o.Disk, Countdown: o.Countdown,
		Ending: o.Ending, Wake: o.Wake}
	if begin.After(now) {
		j.NotBefore = begin
	}
	if o.Kind == job.KindReset {
		j.Level = o.Level
	}
	if len(plan) > 1 {
		j.Session = f.sessionFor(o, j)
	}
	change := Change{Jobs: []Job{j}}
	for i, p := range plan {
		t := Task{ID: fmt.Sprintf("%s-%d", j.ID, i+1), Job: j.ID, Computer: p.Computer.ID, State: job.TaskWaiting,
			Created: now, Before: p.Computer.Runs, Target: p.Target}
		what := target(j)
		if p.Target != nil {
			what = p.Target.String()
		}
		if !j.NotBefore.IsZero() {
			what += " at " + j.NotBefore.In(f.o.Zone).Format(minute)
		}
		change.Tasks = append(change.Tasks, t)
		change.Events = append(change.Events, f.event("ordered", Info, p.Computer, t, "%s %s by %s", j.Kind, what, j.OrderedBy))
	}
	return change
}

// target names what a job is about.
func target(j Job) string {
	if j.Version > 0 {
		return fmt.Sprintf("%s@%d", j.Master, j.Version)
	}
	return j.Master
}
