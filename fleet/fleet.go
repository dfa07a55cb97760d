package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
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
	Store  Store
	Signer Signer
	// SendUnknown sends computers that nobody has seen before to the agent, so that they enrol.
	SendUnknown bool
	Now         func() time.Time // nil: time.Now
	Rand        io.Reader        // nil: the system's
	Log         *slog.Logger     // nil: none

	Zone     *time.Location                                 // of the nights; nil: the server's
	Wake     func(ctx context.Context, macs []string) error // nil: nobody can be woken
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
	computers map[string]Computer
	byKey     map[string]string // key -> computer id
	jobs      map[string]Job
	tasks     map[string]Task
	active    map[string][]string      // computer id -> ids of its tasks that are not over
	arrivals  map[string]chan struct{} // computer id -> closed when a task arrives
	pending   waitingRoom
	guesses   guesses
	boots     map[string]boot      // MAC -> what pxe saw of it
	heard     map[string]time.Time // computer id -> when it last asked for work
	starts    map[string]time.Time
	recent    []Event // newest last
	lastJob   int
	begun     map[string][]string // session id -> manifests that it sends, since this daemon was started
	rooms     map[string]Room     // by roomKey
	byToken   map[string]string   // hash of a token -> computer id
	planned   map[string]ownBytes // by computer id

	spool chan sighted // of pxe, on their way to the store

	allowing   sync.Mutex           // guards allowances
	allowances map[string]allowance // by computer id, and anybody
}

// Open loads a fleet from its store.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
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
		o: o, opened: o.Now(), computers: map[string]Computer{}, byKey: map[string]string{}, jobs: map[string]Job{}, tasks: map[string]Task{},
		active:   map[string][]string{},
		arrivals: map[string]chan struct{}{}, pending: waitingRoom{}, boots: map[string]boot{},
		heard: map[string]time.Time{}, starts: map[string]time.Time{}, lastJob: s.LastJob, spool: make(chan sighted, 256),
		allowances: map[string]allowance{}, begun: map[string][]string{},
		rooms: map[string]Room{}, byToken: map[string]string{}, planned: map[string]ownBytes{},
	}
	f.apply(Change{Computers: s.Computers, Jobs: s.Jobs, Tasks: s.Tasks, Rooms: s.Rooms})
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
	return nil
}

// apply makes a committed change visible. The caller holds mu, or is alone.
func (f *Fleet) apply(c Change) {
	for _, id := range c.Forgotten {
		f.unlink(f.computers[id])
		delete(f.planned, id)
		delete(f.computers, id)
	}
	for _, x := range c.Computers {
		if old, ok := f.computers[x.ID]; ok {
			f.unlink(old)
		}
		f.computers[x.ID] = x
		if x.Token != nil {
			f.byToken[x.Token.Hash] = x.ID
		}
		if x.Key != "" {
			f.byKey[x.Key] = x.ID
		}
	}
	for _, name := range c.ForgottenRooms {
		delete(f.rooms, roomKey(name))
	}
	for _, x := range c.Rooms {
		f.rooms[roomKey(x.Name)] = x
	}
	for _, x := range c.Jobs {
		f.jobs[x.ID] = x
	}
	for _, x := range c.Tasks {
		f.tasks[x.ID] = x
		f.index(x)
		if ch, ok := f.arrivals[x.Computer]; ok {
			close(ch)
			delete(f.arrivals, x.Computer)
		}
	}
	f.remember(c.Events...)
}

// unlink forgets how a record is found by its key and its token. The caller holds mu, or is alone.
func (f *Fleet) unlink(c Computer) {
	delete(f.byKey, c.Key)
	if c.Token != nil {
		delete(f.byToken, c.Token.Hash)
	}
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
		name := f.computers[e.Computer].Name
		f.mu.RUnlock()
		f.o.Log.Log(context.Background(), level, e.Kind, "computer", name, "mac", e.MAC, "task", e.Task, "detail", e.Detail)
	}
}

// remember keeps events in the ring. The caller holds mu.
func (f *Fleet) remember(events ...Event) {
	f.recent = append(f.recent, events...)
	if extra := len(f.recent) - maxRecent; extra > 0 {
		f.recent = slices.Delete(f.recent, 0, extra)
	}
}

// event makes an event of now.
func (f *Fleet) event(kind string, s Severity, c Computer, t Task, format string, args ...any) Event {
	e := Event{Time: f.o.Now().UTC(), Kind: kind, Severity: s, Computer: c.ID, Job: t.Job, Task: t.ID,
		Detail: fmt.Sprintf(format, args...)}
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

// Computers lists all computers, pending and unknown ones included, by name.
func (f *Fleet) Computers() []Computer {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []Computer
	taken := map[string]bool{}
	for _, c := range f.computers {
		for _, m := range c.MACs { // what it does since it last spoke to us, the boot server knows
			b := f.boots[m]
			c.BootLoop = c.BootLoop || b.Loop
			if !b.Seen.IsZero() && !b.Seen.Before(c.LastSeen) {
				c.Stage, c.LastSeen = b.Stage, b.Seen
			}
		}
		if at := f.heard[c.ID]; at.After(c.LastSeen) {
			c.Stage, c.LastSeen = StageAgent, at
		}
		out = append(out, c)
		for _, m := range c.MACs {
			taken[m] = true
		}
	}
	for _, p := range f.pending {
		out = append(out, p.Computer)
		for _, m := range p.MACs {
			taken[m] = true
		}
	}
	for mac, b := range f.boots {
		if !taken[mac] {
			out = append(out, Computer{ID: mac, Name: mac, State: Unknown, MACs: []string{mac}, LastSeen: b.Seen, Stage: b.Stage,
				Style: b.Style, BootLoop: b.Loop, Inventory: job.Inventory{UUID: b.UUID}, Address: b.Address})
		}
	}
	slices.SortFunc(out, func(a, b Computer) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Find returns the computer that a person means by its name, id, code or one of its MAC addresses.
func (f *Fleet) Find(ref string) (Computer, error) {
	mac := NormalMAC(ref)
	var found []Computer
	for _, c := range f.Computers() {
		switch {
		case c.ID == ref, strings.EqualFold(c.Name, ref):
			return c, nil
		case c.Code != "" && c.Code == ref, mac != "" && slices.Contains(c.MACs, mac):
			found = append(found, c)
		}
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
	for _, c := range f.computers {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Computer{}, false
}

// Authorise returns the enrolled computer that a proven key belongs to. Nothing but the key counts.
func (f *Fleet) Authorise(key string) (Computer, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.computers[f.byKey[key]]
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
func (f *Fleet) Jobs() []JobState {
	f.mu.RLock()
	defer f.mu.RUnlock()
	index := map[string]int{}
	var out []JobState
	for _, j := range f.jobs {
		index[j.ID] = len(out)
		out = append(out, JobState{Job: j})
	}
	for _, t := range f.tasks {
		if i, ok := index[t.Job]; ok {
			out[i].Tasks = append(out[i].Tasks, t)
		}
	}
	for i := range out {
		slices.SortFunc(out[i].Tasks, func(a, b Task) int { return compareNumbers(a.ID, b.ID) })
	}
	slices.SortFunc(out, func(a, b JobState) int { return compareNumbers(b.Job.ID, a.Job.ID) })
	return out
}

// compareNumbers orders "2-10" after "2-9".
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// JobByID returns one job.
func (f *Fleet) JobByID(id string) (JobState, error) {
	for _, j := range f.Jobs() {
		if j.Job.ID == id {
			return j, nil
		}
	}
	return JobState{}, refuse(CodeNoJob, Clean(id, 32), "")
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
