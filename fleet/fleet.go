package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Signer signs the documents that agents act on.
type Signer interface {
	Sign(context string, payload []byte) []byte
	Public() string // base64
}

// Options of a fleet. Store and Signer are required.
type Options struct {
	Store   Store
	Signer  Signer
	Archive Archive // of what is not in memory any more; nil: that is not there any more
	// SendUnknown sends computers that nobody has seen before to the agent, so that they enrol.
	SendUnknown bool
	Now         func() time.Time // nil: time.Now
	Rand        io.Reader        // nil: the system's
	Log         *slog.Logger     // nil: none

	Zone     *time.Location                                 // of the nights; nil: the server's
	Wake     func(ctx context.Context, macs []string) error // by the server's own interfaces, several at once; nil: nobody can be woken
	Later    func(after time.Duration, do func())           // nil: time.AfterFunc
	Networks func() []netip.Prefix                          // of these interfaces; nil: none
	Versions Versions                                       // nil: no room has a master
	Personal Personaliser                                   // nil: no room has a template
	Secret   []byte                                         // of the site, 32 bytes; nil: no computer has keys of its own
}

// Fleet is the set of computers and jobs of one site. It is safe for concurrent use.
type Fleet struct {
	o      Options
	opened time.Time // when this daemon began to listen

	planning sync.Mutex // held while the exceptions of one computer are planned; before the others
	deciding sync.Mutex // held by one decision at a time, over its commit

	mu        sync.RWMutex // guards what follows; never held over input or output, so that firmware is answered at once
	computers register
	jobs      map[string]Job
	tasks     map[string]Task
	tasksOf   map[string][]string      // job -> ids of its tasks, in order
	jobsOf    map[string][]string      // session -> ids of its jobs, in order
	latest    map[string]string        // computer id -> id of its newest task
	active    map[string][]string      // computer id -> ids of its tasks that are not over
	arrivals  map[string]chan struct{} // computer id -> closed when a task arrives
	pending   waitingRoom
	guesses   guesses
	boots     map[string]boot      // MAC -> what pxe saw of it
	heard     map[string]time.Time // computer id -> when it last asked for work
	starts    map[string]time.Time
	recent    []Event // newest last
	lastJob   int
	whole     int                 // all jobs with higher numbers are in memory
	begun     map[string][]string // session id -> manifests that it sends, since this daemon was started
	rooms     map[string]Room     // by name, folded, as what follows
	sites     map[string]Site
	windows   map[string]Window // by room
	schedules map[string]Schedule
	filters   map[string]SavedFilter
	scripts   map[string]Script
	helpers   map[string]Helper
	planned   map[string]ownBytes // by computer id

	errands errands // of helpers; it has a lock of its own
	pace    pace    // of our own packets, as well

	spool chan sighted // of pxe, on their way to the store

	allowing   sync.Mutex           // guards allowances
	allowances map[string]allowance // by computer id, and anybody

	listening sync.RWMutex // guards listeners
	listeners map[int]func(Change)
	listener  int // number of the last one
}

// Open loads a fleet from its store.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Later == nil {
		o.Later = func(after time.Duration, do func()) { time.AfterFunc(after, do) }
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := o.Store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the fleet: %w", err)
	}
	f := &Fleet{
		o: o, opened: o.Now(), computers: newRegister(), jobs: map[string]Job{}, tasks: map[string]Task{},
		active: map[string][]string{}, tasksOf: map[string][]string{}, jobsOf: map[string][]string{}, latest: map[string]string{},
		arrivals: map[string]chan struct{}{}, pending: waitingRoom{}, boots: map[string]boot{},
		heard: map[string]time.Time{}, starts: map[string]time.Time{}, lastJob: s.LastJob, whole: s.Whole, spool: make(chan sighted, 256),
		allowances: map[string]allowance{}, begun: map[string][]string{},
		rooms: map[string]Room{}, planned: map[string]ownBytes{}, sites: map[string]Site{}, windows: map[string]Window{},
		schedules: map[string]Schedule{}, filters: map[string]SavedFilter{}, scripts: map[string]Script{},
		helpers: map[string]Helper{}, listeners: map[int]func(Change){},
	}
	f.apply(Change{Computers: s.Computers, Jobs: s.Jobs, Tasks: s.Tasks, Rooms: s.Rooms, Sites: s.Sites, Windows: s.Windows,
		Schedules: s.Schedules, Filters: s.Filters, Scripts: s.Scripts, Helpers: s.Helpers})
	return f, nil
}

// Run writes what pxe saw to the store until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-f.spool:
			if err := f.keep(ctx, x); err != nil && ctx.Err() == nil {
				f.o.Log.Error("keeping what the boot server saw", "error", err)
			}
		}
	}
}

// commit keeps a change and makes it visible. The caller holds deciding.
func (f *Fleet) commit(ctx context.Context, c Change) error {
	// A client that hangs up must not leave a decision half taken.
	if err := f.o.Store.Commit(context.WithoutCancel(ctx), c); err != nil {
		return fmt.Errorf("keeping a decision: %w", err)
	}
	f.mu.Lock()
	f.apply(c)
	f.mu.Unlock()
	f.tell(c.Events...)
	f.announce(c)
	return nil
}

// apply makes a committed change visible. The caller holds mu, or is alone.
func (f *Fleet) apply(c Change) {
	for _, id := range c.Forgotten {
		f.computers.remove(id)
		delete(f.planned, id)
		delete(f.heard, id)
		f.stir(id) // who waits for work is told that it is nobody's computer any more
	}
	f.computers.put(c.Computers...)
	for _, name := range c.ForgottenRooms {
		delete(f.rooms, fold(name))
	}
	for _, x := range c.Rooms {
		f.rooms[fold(x.Name)] = x
	}
	f.applySmall(c)
	for _, x := range c.Jobs {
		if _, known := f.jobs[x.ID]; !known && x.Session != "" {
			f.jobsOf[x.Session] = insert(f.jobsOf[x.Session], x.ID)
		}
		f.jobs[x.ID] = x
	}
	for _, x := range c.Tasks {
		if _, known := f.tasks[x.ID]; !known {
			f.tasksOf[x.Job] = insert(f.tasksOf[x.Job], x.ID)
		}
		f.tasks[x.ID] = x
		if compareNumbers(f.latest[x.Computer], x.ID) < 0 {
			f.latest[x.Computer] = x.ID
		}
		f.index(x)
		f.stir(x.Computer)
	}
	f.remember(c.Events...)
}

// stir wakes who waits for work of a computer. The caller holds mu, or is alone.
func (f *Fleet) stir(computer string) {
	if ch, ok := f.arrivals[computer]; ok {
		close(ch)
		delete(f.arrivals, computer)
	}
}

// applySmall is apply for what is kept beside computers, rooms, jobs and tasks.
func (f *Fleet) applySmall(c Change) {
	for _, x := range c.Removed {
		switch id := fold(x.ID); x.Kind {
		case RecordSite:
			delete(f.sites, id)
		case RecordWindow:
			delete(f.windows, id)
		case RecordSchedule:
			delete(f.schedules, id)
		case RecordFilter:
			delete(f.filters, id)
		case RecordScript:
			delete(f.scripts, id)
		case RecordHelper:
			delete(f.helpers, id)
		}
	}
	for _, x := range c.Sites {
		f.sites[fold(x.Name)] = x
	}
	for _, x := range c.Windows {
		f.windows[fold(x.Room)] = x
	}
	for _, x := range c.Schedules {
		f.schedules[fold(x.ID)] = x
	}
	for _, x := range c.Filters {
		f.filters[fold(x.Name)] = x
	}
	for _, x := range c.Scripts {
		f.scripts[fold(x.Hash)] = x
	}
	for _, x := range c.Helpers {
		f.helpers[fold(x.Name)] = x
	}
}

// insert puts an id into its place among others; most are the last.
func insert(ids []string, id string) []string {
	at, _ := slices.BinarySearchFunc(ids, id, compareNumbers)
	return slices.Insert(ids, at, id)
}

// index keeps the tasks that are not over at hand: years of others must not slow down an answer to firmware.
func (f *Fleet) index(t Task) {
	ids := slices.DeleteFunc(f.active[t.Computer], func(id string) bool { return id == t.ID })
	if t.Active() {
		ids = append(ids, t.ID)
	}
	if len(ids) == 0 {
		delete(f.active, t.Computer)
		return
	}
	f.active[t.Computer] = ids
}

// maxRecent is how many events are kept in memory.
const maxRecent = 1000

// tell tells the log of events. The caller does not hold mu: a log may be slow.
func (f *Fleet) tell(events ...Event) {
	for _, e := range events {
		level := slog.LevelInfo
		if e.Severity != Info {
			level = slog.LevelWarn
		}
		f.mu.RLock()
		c, _ := f.computers.get(e.Computer)
		f.mu.RUnlock()
		f.o.Log.Log(context.Background(), level, e.Kind, "computer", c.Name, "mac", e.MAC, "task", e.Task, "detail", e.Detail)
	}
}

// remember keeps events in the ring. The caller holds mu.
func (f *Fleet) remember(events ...Event) {
	f.recent = append(f.recent, events...)
	if extra := len(f.recent) - maxRecent; extra > 0 {
		f.recent = slices.Delete(f.recent, 0, extra)
	}
}

// event makes an event of now. The caller holds mu or deciding.
func (f *Fleet) event(kind string, s Severity, c Computer, t Task, format string, args ...any) Event {
	e := Event{Time: f.o.Now().UTC(), Kind: kind, Severity: s, Computer: c.ID, Room: c.Room, Job: t.Job, Task: t.ID,
		Detail: fmt.Sprintf(format, args...)}
	switch {
	case c.ID != "" || c.Room != "":
		e.Site = f.siteOf(&c)
	case t.Job == "":
		e.Site = NoSite
	}
	if len(c.MACs) > 0 {
		e.MAC = c.MACs[0]
	}
	return e
}

// random returns n random bytes in hexadecimal.
func (f *Fleet) random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(f.o.Rand, b); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// Authorise returns the enrolled computer that a proven key belongs to. Nothing but the key counts.
func (f *Fleet) Authorise(key string) (Computer, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.computers.get(f.computers.byKey[key])
	if key == "" || !ok || c.State != Enrolled {
		return Computer{}, refuse(CodeNotEnrolled, "", "this key is not an enrolled computer's")
	}
	return c, nil
}

// Running returns the job and the running task of the computer with this key.
func (f *Fleet) Running(key string) (Job, Task, error) {
	c, err := f.Authorise(key)
	if err != nil {
		return Job{}, Task{}, err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if t, ok := f.activeOf(c.ID); ok && t.State == job.TaskRunning {
		return f.jobOf(t), t, nil
	}
	return Job{}, Task{}, refuse(CodeNoTask, c.Name, "no task of this computer is running")
}

// JobState is a job with its tasks.
type JobState struct {
	Job   Job
	Tasks []Task
}

// Active tells whether a task of the job is not over.
func (j JobState) Active() bool { return slices.ContainsFunc(j.Tasks, Task.Active) }

// Jobs lists jobs, newest first.
func (f *Fleet) Jobs() []JobState { return f.Newest(0) }

// Newest lists the newest jobs, at most n of them, the newest first; 0: all.
func (f *Fleet) Newest(n int) []JobState {
	f.mu.RLock()
	defer f.mu.RUnlock()
	ids := slices.SortedFunc(maps.Keys(f.jobs), func(a, b string) int { return compareNumbers(b, a) })
	if n > 0 {
		ids = ids[:min(len(ids), n)]
	}
	out := make([]JobState, 0, len(ids))
	for _, id := range ids {
		out = append(out, f.stateOf(id))
	}
	return out
}

// stateOf returns a job with its tasks. The caller holds mu.
func (f *Fleet) stateOf(id string) JobState {
	j := JobState{Job: f.jobs[id]}
	for _, t := range f.tasksOf[id] {
		j.Tasks = append(j.Tasks, f.tasks[t])
	}
	return j
}

// compareNumbers orders "2-10" after "2-9".
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// JobByID returns one job that is in memory: all that are not over, and the newest.
func (f *Fleet) JobByID(id string) (JobState, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if _, ok := f.jobs[id]; !ok {
		return JobState{}, refuse(CodeNoJob, Clean(id, 32), "")
	}
	return f.stateOf(id), nil
}

// nextJob numbers a new job. The caller holds deciding.
func (f *Fleet) nextJob() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastJob++
	return strconv.Itoa(f.lastJob)
}

// Events returns stored events of a computer or job, newest first.
func (f *Fleet) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	events, err := f.o.Store.Events(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return events, nil
}

// Recent returns the events in memory of a computer ("" for all), newest first.
func (f *Fleet) Recent(computer string) []Event {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []Event
	for _, e := range slices.Backward(f.recent) {
		if computer == "" || e.Computer == computer {
			out = append(out, e)
		}
	}
	return out
}
