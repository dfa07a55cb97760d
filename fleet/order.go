package fleet

import (
	"context"
	"fmt"
	"slices"
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
	Disk      job.DiskRule // zero: the only disk, else the one that was proven to hold something; a wipe names one of several
	Countdown int          // seconds
	Ending    job.Ending
	By        string
	At        time.Time     // its tasks wait until then; zero: now
	Within    time.Duration // tasks that have not begun so long after At are cancelled; 0: a week, of a shutdown ten minutes; at most 31 days
	Level     job.Level     // reset: how much is read; "": full
	Wake      bool          // wake its computers when the time has come
	Skip      bool          // leave out the computers that cannot take it
	Unicast   bool          // deploy, stage: each computer fetches for itself
	Rooms     []string      // also all computers of these rooms
	Sites     []string      // also all enrolled computers of these sites; "" is the site without a name
	Filter    string        // also all enrolled computers that this query of package filter matches; "": none
	Retries   int           // how often a task that failed is tried again within Within
	Instead   bool          // tasks of other orders that wait for these computers are cancelled
	Wipe      job.WipeOrder
	Script    job.ScriptOrder // script: only Hash counts
	Related   []string        // deploy, stage: hashes of other manifests, hexadecimal, that share enough with Manifest to be sent together

	schedule string                  // id of the schedule that gives it
	relate   func([]string) []string // Version.Related of its version
	ways     *ways                   // who can wake whom; nil: nobody is woken
}

// Planned is what an order would do to one computer.
type Planned struct {
	Computer Computer
	Disk     job.Disk // as it was when the computer was last seen; zero when no disk was ever reported
	Loses    string   // what is lost, for a person; "" for nothing
	Target   *Target  // reset, verify: what it becomes, or is, equal to; of others only where their disk had to be known from what it holds
	Refusal  *RefusedError
	Conflict *Conflict // another order stands in the way; with Instead it gives way, unless there is a refusal
	Warning  string    // for a person: "lessons until 18:00"; "" for nothing
}

// Conflict is an order that stands in the way of another.
type Conflict struct {
	Job   string // id
	Kind  job.Kind
	By    string
	State string // of its task
}

// limits of an order's free text and numbers.
const (
	maxNote      = 4000 // what a version takes
	maxCountdown = 600
	maxTargets   = 1000 // that a session may serve, and that are changed at once
	maxEverybody = 20_000
	maxLeftOut   = 1000 // that a job names
	maxRetries   = 5
	maxAhead     = 366 * 24 * time.Hour
	maxWithin    = 31 * 24 * time.Hour // what waits holds its version: no order does for good
)

// Plan says what an order would do, computer by computer, without doing it.
func (f *Fleet) Plan(o Order) ([]Planned, error) {
	if err := f.check(&o); err != nil {
		return nil, err
	}
	computers, err := f.targets(o)
	if err != nil {
		return nil, err
	}
	if o.Wake {
		o.ways = f.ways()
	}
	out := make([]Planned, 0, len(computers))
	for _, c := range computers {
		out = append(out, f.planOne(o, c))
	}
	return out, nil
}

// targets lists the computers that an order is for, each once: those that it names, then those that it describes.
func (f *Fleet) targets(o Order) ([]Computer, error) {
	var out []Computer
	seen := map[string]bool{}
	add := func(cs ...Computer) {
		for _, c := range cs {
			if !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, c)
			}
		}
	}
	for _, ref := range o.Computers {
		c, err := f.Find(ref)
		if err != nil && o.schedule == "" { // who was named a year ago may be gone
			return nil, err
		}
		if err == nil {
			add(c)
		}
	}
	rooms, err := f.within(o)
	if err != nil {
		return nil, err
	}
	add(rooms...)
	if o.Filter != "" {
		q, err := parse(o.Filter)
		if err != nil {
			return nil, err
		}
		add(slices.DeleteFunc(f.selected(q), func(c Computer) bool { return c.State != Enrolled })...)
	}
	most := maxTargets
	if o.Kind != job.KindDeploy && o.Kind != job.KindStage {
		most = maxEverybody
	}
	if n := len(out); n == 0 || n > most {
		return nil, refuse(CodeBadOrder, "", "an order is for 1 to %d computers, not %d", most, n)
	}
	return out, nil
}

// within lists the computers of an order's rooms and sites.
func (f *Fleet) within(o Order) ([]Computer, error) {
	rooms, sites := map[string]bool{}, map[string]bool{}
	names := o.Rooms
	if o.Room != "" {
		names = append([]string{o.Room}, names...)
	}
	for _, name := range names {
		r, err := f.Room(name)
		if err != nil {
			return nil, err
		}
		rooms[fold(r.Name)] = true
	}
	for _, name := range o.Sites {
		s, err := f.Site(name)
		if err != nil {
			return nil, err
		}
		sites[fold(s.Name)] = true
	}
	if len(rooms)+len(sites) == 0 {
		return nil, nil
	}
	return f.matching(0, func(c *Computer) bool {
		return c.Room != "" && rooms[fold(c.Room)] || c.State == Enrolled && len(sites) > 0 && sites[fold(f.siteOf(c))]
	}), nil
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
	case job.KindVerify:
		if (o.Version > 0) != (o.Manifest != "") {
			return refuse(CodeBadOrder, o.Master, "a disk is compared with a version, or with what it was proven to hold")
		}
		if o.Version == 0 {
			o.Master = ""
		}
	case job.KindWipe:
		if !slices.Contains([]string{"", job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite}, o.Wipe.Method) {
			return refuse(CodeBadOrder, Clean(o.Wipe.Method, 32), "a disk is wiped by %s, %s, %s or %s", job.WipeAuto, job.WipeSanitize,
				job.WipeSecureErase, job.WipeOverwrite)
		}
	case job.KindScript:
		if err := f.checkScript(o); err != nil {
			return err
		}
	case job.KindCapture, job.KindInventory, job.KindShutdown:
	default:
		return refuse(CodeBadOrder, Clean(string(o.Kind), 32), "no such kind of job")
	}
	if o.Ending == "" {
		o.Ending = job.EndDisk
		if o.Kind == job.KindWipe || o.Kind == job.KindShutdown { // there is no disk to start, or nobody wants it
			o.Ending = job.EndPowerOff
		}
	}
	switch {
	case o.Ending != job.EndDisk && o.Ending != job.EndPowerOff && o.Ending != job.EndStay:
		return refuse(CodeBadOrder, Clean(string(o.Ending), 32), "a computer ends with disk, poweroff or stay")
	case o.Kind == job.KindCapture && (len(o.Computers) != 1 || o.Room != "" || len(o.Rooms)+len(o.Sites) > 0 || o.Filter != ""):
		return refuse(CodeBadOrder, "", "a capture is made from one computer")
	case o.Countdown < 0 || o.Countdown > maxCountdown:
		return refuse(CodeBadOrder, "", "a countdown has 0 to %d seconds", maxCountdown)
	case o.Retries < 0 || o.Retries > maxRetries:
		return refuse(CodeBadOrder, "", "a task that failed is tried again 0 to %d times", maxRetries)
	case o.Within < 0:
		return refuse(CodeBadOrder, "", "an order cannot have expired before it is given")
	case o.Within > maxWithin:
		return refuse(CodeBadOrder, "", "an order waits at most %d days for its computers", int(maxWithin/(24*time.Hour)))
	}
	if now := f.o.Now(); !o.At.IsZero() && (o.At.Before(now.Add(-time.Minute)) || o.At.After(now.Add(maxAhead))) {
		return refuse(CodeBadOrder, o.At.In(f.o.Zone).Format(minute), "an order is for now, or for a time within a year")
	}
	if o.Within == 0 {
		o.Within = 7 * 24 * time.Hour
		if o.Kind == job.KindShutdown { // of those whose agent is there now, and not of whoever is switched on tomorrow
			o.Within = 10 * time.Minute
		}
	}
	o.Note, o.By = Clean(o.Note, maxNote), Clean(o.By, 64)
	return nil
}

// checkScript refuses a script that nobody approved, and fills in what was approved.
func (f *Fleet) checkScript(o *Order) error {
	s, err := f.Script(o.Script.Hash)
	switch {
	case err != nil:
		return err
	case s.ApprovedBy == "":
		return refuse(CodeNotApproved, s.Name, "")
	}
	o.Script = job.ScriptOrder{Hash: s.Hash, Size: int64(len(s.Text)), Name: s.Name, Limit: s.Limit, Writes: s.Writes}
	return nil
}

// planOne says what an order does to one computer.
func (f *Fleet) planOne(o Order, c Computer) Planned {
	p := Planned{Computer: c}
	if c.State != Enrolled || c.Key == "" {
		p.Refusal = refuse(CodeNotEnrolled, c.Name, "it is %s", c.Shown())
		return p
	}
	var waits bool
	p.Conflict, waits, p.Refusal = f.clash(c, o.At)
	if waits && o.Instead {
		p.Refusal = nil
	}
	f.warn(o, &p)
	if p.Refusal != nil || o.Kind == job.KindInventory || o.Kind == job.KindShutdown {
		return p
	}
	rule, refusal := f.aimed(o, &p)
	if refusal != nil {
		p.Refusal = refusal
		return p
	}
	d, err := disk.Choose(c.Inventory.Disks, rule)
	if err != nil {
		p.Refusal = refusalOf(err, c.Name)
		return p
	}
	p.Disk = d
	switch {
	case o.Kind == job.KindScript && o.Script.Writes:
		p.Loses = "the proof of what is on " + diskText(d)
		return p
	case !Destroys(o.Kind):
		return p
	case o.Kind == job.KindReset && c.Runs != nil && c.Runs.Manifest == p.Target.Manifest && finds(c, c.Runs.Disk, d):
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

// Give makes an order a job. It is refused whole if one computer cannot take it, unless such are to be left out.
func (f *Fleet) Give(ctx context.Context, o Order) (JobState, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	return f.give(ctx, o, Change{})
}

// give makes an order a job, and keeps something else with it in the same decision. The caller holds deciding.
func (f *Fleet) give(ctx context.Context, o Order, with Change) (JobState, error) {
	plan, err := f.Plan(o)
	if err != nil {
		return JobState{}, err
	}
	if err := f.check(&o); err != nil {
		return JobState{}, err
	}
	var first *RefusedError
	var left []LeftOut
	plan = slices.DeleteFunc(plan, func(p Planned) bool {
		if p.Refusal == nil {
			return false
		}
		if first == nil {
			first = p.Refusal
		}
		if len(left) == maxLeftOut {
			return true
		}
		left = append(left, LeftOut{Computer: p.Computer.ID, Name: p.Computer.Name, Code: p.Refusal.Code, Detail: p.Refusal.Detail})
		return true
	})
	switch {
	case first != nil && !o.Skip:
		return JobState{}, first
	case len(plan) == 0:
		return JobState{}, refuse(CodeEmpty, o.Room, "of %s: %v", first.What, first)
	}
	change := f.instead(o, plan)
	change.add(f.ordered(o, plan, left))
	j, tasks := change.Jobs[0], change.Tasks[len(change.Tasks)-len(plan):]
	change.add(with)
	if err := f.commit(ctx, change); err != nil {
		return JobState{}, err
	}
	f.mu.Lock()
	for _, p := range plan {
		f.forgive(p.Computer.MACs) // a person is looking at it: it may try again
	}
	f.mu.Unlock()
	return JobState{Job: j, Tasks: tasks}, nil
}

// instead cancels what waits and stands in the way of an order that is given instead. The caller holds deciding.
func (f *Fleet) instead(o Order, plan []Planned) Change {
	var change Change
	for _, p := range plan {
		if p.Conflict == nil {
			continue
		}
		c, _ := f.computers.get(p.Computer.ID)
		t, ok := f.inTheWay(c.ID, o.At.After(f.o.Now()))
		if !ok || t.State != job.TaskWaiting {
			continue
		}
		_, gone := f.ended(c, t, job.TaskCancelled, &job.Outcome{Code: OutcomeCancelled,
			Detail: fmt.Sprintf("cancelled by %s, who ordered a %s instead", o.By, o.Kind)})
		change.add(gone)
	}
	return change
}

// ordered is the job of an order that every computer of a plan can take. The caller holds deciding.
func (f *Fleet) ordered(o Order, plan []Planned, left []LeftOut) Change {
	now := f.o.Now().UTC()
	begin := now
	if o.At.After(now) {
		begin = o.At.UTC()
	}
	j := Job{ID: f.nextJob(), Kind: o.Kind, OrderedBy: o.By, Created: now, Expires: begin.Add(o.Within), Master: o.Master,
		Version: o.Version, Manifest: o.Manifest, Note: o.Note, AsIs: o.AsIs, Disk: o.Disk, Countdown: o.Countdown,
		Ending: o.Ending, Wake: o.Wake, Retries: o.Retries, Schedule: o.schedule, LeftOut: left}
	if begin.After(now) {
		j.NotBefore = begin
	}
	switch o.Kind {
	case job.KindReset:
		j.Level = o.Level
	case job.KindWipe:
		j.Wipe = o.Wipe
	case job.KindScript:
		j.Script = o.Script
	}
	if len(plan) > 1 {
		j.Session = f.sessionFor(o, j)
	}
	change := Change{Jobs: []Job{j}}
	for i, p := range plan {
		t := Task{ID: fmt.Sprintf("%s-%d", j.ID, i+1), Job: j.ID, Computer: p.Computer.ID, State: job.TaskWaiting,
			Created: now, Before: p.Computer.Runs, Target: p.Target}
		what := target(j)
		if p.Target != nil && p.Target.Version > 0 {
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
	switch {
	case j.Version > 0:
		return fmt.Sprintf("%s@%d", j.Master, j.Version)
	case j.Kind == job.KindScript:
		return j.Script.Name
	}
	return j.Master
}
