package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// image is what lies on the disk at one moment: the database and its log.
type image struct{ db, wal []byte }

func photograph(t *testing.T, path string) (out image) {
	t.Helper()
	var err error
	out.db, err = os.ReadFile(path)
	check(t, err)
	if out.wal, err = os.ReadFile(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	check(t, err)
	return out
}

// camera is a store that keeps what a kill -9 would leave on the disk: before each commit, after it, and torn in between.
type camera struct {
	fleet.Store
	t     *testing.T
	path  string
	draw  *rand.Rand
	shots []shot
}

// shot is one commit.
type shot struct{ before, torn, after image }

// Commit implements fleet.Store.
func (c *camera) Commit(ctx context.Context, change fleet.Change) error {
	s := shot{before: photograph(c.t, c.path)}
	if err := c.Store.Commit(ctx, change); err != nil {
		return err
	}
	s.after = photograph(c.t, c.path)
	s.torn = s.before
	if was, is := len(s.before.wal), len(s.after.wal); is > was { // else the log began anew
		s.torn.wal = slices.Clone(s.after.wal[:was+c.draw.IntN(is-was)])
		if n := len(s.torn.wal); n > was && c.draw.IntN(2) == 0 {
			s.torn.wal[n-1] ^= 0xff // the last sector was half written
		}
	}
	c.shots = append(c.shots, s)
	return nil
}

// machine is a computer as it is: it goes on where it was, whatever the daemon remembers.
type machine struct {
	key  string
	n    int
	task *job.Task // that it works on; nil: none
}

// promise is what somebody was told, and must be true for ever.
type promise struct {
	job  string // that was ordered; "": none
	task string // whose end was taken
	end  string // state that it ended in; "" when the daemon may try it again
}

// life is a school whose daemon may be killed.
type life struct {
	*house
	camera   *camera
	draw     *rand.Rand
	machines []*machine
	diary    []promise
	commits  int // that were looked at
}

// newLife makes a school of two rooms, with plans for the night.
func newLife(t *testing.T, seed uint64) *life {
	t.Helper()
	l := &life{house: newHouse(t), draw: rand.New(rand.NewPCG(seed, 7))}
	l.versions = channel{"win@stable": {Target: fleet.Target{Master: "win", Version: 7, Manifest: "aa"}}}
	l.now = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	l.kill()
	for n := range 6 {
		m := &machine{key: fmt.Sprint("k", n+1), n: n + 1}
		l.machines = append(l.machines, m)
		l.enrol(m.key, fmt.Sprint("pc", n+1), hello(n+1))
	}
	l.room("S1", func(r *fleet.Room) { r.Policy, r.Level = job.PolicyNight, job.LevelQuick }, "pc1", "pc2", "pc3")
	l.room("S2", func(*fleet.Room) {}, "pc4", "pc5", "pc6")
	tonight(l.house, func(s *fleet.Schedule) { s.Order.Rooms, s.Order.Retries = []string{"S2"}, 1 })
	check(t, l.OpenEnrolment(context.Background(), "S2", l.now.Add(10*time.Hour), 2, "marie"))
	l.camera = &camera{Store: l.store, t: t, path: l.path, draw: l.draw}
	l.Fleet = l.opened(l.camera)
	return l
}

// opened opens the fleet on a store.
func (l *life) opened(s fleet.Store) *fleet.Fleet {
	l.t.Helper()
	f, err := fleet.Open(context.Background(), fleet.Options{Store: s, Signer: fakeSigner{}, Now: func() time.Time { return l.now },
		Zone: time.UTC, Wake: func(context.Context, []string) error { return nil }, Versions: l.versions})
	check(l.t, err)
	return f
}

// allowed lets refusals pass: who orders at random orders what cannot be.
func (l *life) allowed(err error) bool {
	l.t.Helper()
	var refused *fleet.RefusedError
	if err != nil && !errors.As(err, &refused) {
		l.t.Fatal(err)
	}
	return err == nil
}

// ordered gives an order at random, and writes down that it was taken.
func (l *life) ordered() {
	var who []string
	for _, m := range l.machines {
		if l.draw.IntN(2) == 0 {
			who = append(who, fmt.Sprint("pc", m.n))
		}
	}
	o := fleet.Order{Kind: []job.Kind{job.KindDeploy, job.KindReset, job.KindInventory, job.KindStage}[l.draw.IntN(4)], Computers: who, Master: "m",
		By: "marie", Skip: true, Instead: l.draw.IntN(3) == 0, Retries: l.draw.IntN(3), Within: 12 * time.Hour}
	if o.Kind == job.KindDeploy || o.Kind == job.KindStage {
		o.Version, o.Manifest = 3, "bb"
	}
	if l.draw.IntN(3) == 0 {
		o.At = l.now.Add(time.Hour)
	}
	if j, err := l.Give(context.Background(), o); l.allowed(err) {
		l.diary = append(l.diary, promise{job: j.Job.ID})
	}
}

// work lets a computer do one step: ask, write, end, or lose power.
func (l *life) work(f *fleet.Fleet, m *machine, step int) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	switch {
	case m.task == nil:
		e, err := f.Next(ctx, m.key)
		if !l.allowed(err) || e == nil {
			return
		}
		x := decode(l.t, e)
		if i := slices.IndexFunc(l.diary, func(p promise) bool { return p.task == x.ID && p.end != "" }); i >= 0 {
			l.t.Errorf("task %s, which ended as %s, is handed out again", x.ID, l.diary[i].end)
		}
		m.task = &x
	case step == 0: // its plug is pulled
		m.task = nil
		_, err := f.Hello(context.Background(), fleet.Introduction{Key: m.key, Address: "10.0.0.9", Hello: hello(m.n)})
		l.allowed(err)
	case step == 1:
		_, err := f.Report(context.Background(), m.key, job.Report{Task: m.task.ID, State: job.TaskRunning, Written: 1 << 20})
		if !l.allowed(err) {
			m.task = nil
		}
	default:
		r := job.Report{Task: m.task.ID, State: job.TaskDone, Outcome: &proven}
		if step == 2 {
			r.State, r.Outcome = job.TaskFailed, &job.Outcome{Code: "disk-io"}
		}
		_, err := f.Report(context.Background(), m.key, r)
		if l.allowed(err) {
			l.wrote(f, m.task.ID)
		}
		m.task = nil
	}
}

// wrote writes down how a task stands whose end was taken.
func (l *life) wrote(f *fleet.Fleet, id string) {
	for _, x := range tasksOf(f) {
		if x.ID == id {
			p := promise{task: id, end: x.State}
			if x.Active() { // to be tried again
				p.end = ""
			}
			l.diary = append(l.diary, p)
		}
	}
}

func tasksOf(f *fleet.Fleet) (out []fleet.Task) {
	for _, j := range f.Jobs() {
		out = append(out, j.Tasks...)
	}
	return out
}

// live does one thing at random.
func (l *life) live() {
	ctx := context.Background()
	switch n := l.draw.IntN(20); {
	case n < 3:
		l.ordered()
	case n < 14:
		l.work(l.Fleet, l.machines[l.draw.IntN(len(l.machines))], l.draw.IntN(6))
	case n < 16:
		l.now = l.now.Add(time.Duration(1+l.draw.IntN(40)) * time.Minute)
		check(l.t, l.Tick(ctx))
	case n == 16:
		if all := l.Jobs(); len(all) > 0 {
			_, err := l.Cancel(ctx, all[l.draw.IntN(len(all))].Job.ID, "marie", l.draw.IntN(2) == 0)
			l.allowed(err)
		}
	case n == 17:
		_, err := l.Place(ctx, []string{fmt.Sprint("pc", 1+l.draw.IntN(6))}, fmt.Sprint("S", 1+l.draw.IntN(2)), "marie")
		l.allowed(err)
	case n == 18:
		id := 100 + l.draw.IntN(4)
		_, err := l.Hello(ctx, fleet.Introduction{Key: fmt.Sprint("new", id), Address: "10.0.0.9", Hello: hello(id)})
		l.allowed(err)
	default:
		s, err := l.Schedule("1")
		check(l.t, err)
		s.Order.Retries = l.draw.IntN(3)
		_, err = l.SetSchedule(ctx, s, "marie")
		l.allowed(err)
	}
}

// remembered is what must outlive a daemon, as text.
func remembered(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	var computers []fleet.Computer
	for _, c := range f.Computers() {
		if c.State == fleet.Pending || c.State == fleet.Unknown {
			continue
		}
		c.LastSeen, c.Stage, c.Style = time.Time{}, "", "" // may be older by a moment
		computers = append(computers, c)
	}
	jobs := f.Jobs()
	for _, j := range jobs {
		for i := range j.Tasks {
			j.Tasks[i].Progress, j.Tasks[i].ProgressAt = nil, time.Time{}
		}
	}
	out, err := json.MarshalIndent([]any{computers, jobs, f.Rooms(), f.Sites(), f.Schedules(), f.Enrolment()}, "", " ")
	check(t, err)
	return string(out)
}

// reborn opens what lay on the disk and calls do with the daemon that finds it.
func (l *life) reborn(dir string, x image, do func(*fleet.Fleet)) {
	l.t.Helper()
	path := filepath.Join(dir, "db")
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.t.Fatal(err)
		}
	}
	check(l.t, os.WriteFile(path, x.db, 0o600))
	check(l.t, os.WriteFile(path+"-wal", x.wal, 0o600))
	store, err := sqlite.Open(context.Background(), path)
	check(l.t, err)
	do(l.opened(store))
	check(l.t, store.Close())
}

// sound tells what must be true at every moment.
func (l *life) sound(when string, f *fleet.Fleet) {
	l.t.Helper()
	due, later := map[string]int{}, map[string]int{}
	for _, j := range f.Jobs() {
		if len(j.Tasks) == 0 {
			l.t.Errorf("%s: job %s has no task", when, j.Job.ID)
		}
		for _, x := range j.Tasks {
			if c, err := f.Find(x.Computer); err != nil || c.ID != x.Computer {
				l.t.Errorf("%s: task %s is for %s, which is nobody", when, x.ID, x.Computer)
			}
			switch {
			case !x.Active() && (x.Outcome == nil || x.Ended.IsZero()):
				l.t.Errorf("%s: task %s is %s without an outcome", when, x.ID, x.State)
			case x.Active() && j.Job.NotBefore.After(l.now):
				later[x.Computer]++
			case x.Active():
				due[x.Computer]++
			}
		}
	}
	for c, n := range due {
		if n+later[c] > 2 || later[c] > 1 {
			l.t.Errorf("%s: %s has %d tasks to do and %d to come", when, c, n, later[c])
		}
	}
}

// kept tells whether all that was promised is true.
func (l *life) kept(when string, f *fleet.Fleet, diary []promise) {
	l.t.Helper()
	jobs, tasks := map[string]bool{}, map[string]fleet.Task{}
	night := map[string]int{}
	for _, j := range f.Jobs() {
		jobs[j.Job.ID] = true
		for _, x := range j.Tasks {
			tasks[x.ID] = x
			if j.Job.Schedule != "" || j.Job.OrderedBy == "the room's policy" {
				night[x.Computer+" of "+j.Job.Schedule+j.Job.Created.Add(-12*time.Hour).Format(time.DateOnly)]++
			}
		}
	}
	for who, n := range night {
		if n > 1 {
			l.t.Errorf("%s: %s has %d tasks of one night", when, who, n)
		}
	}
	for _, p := range diary {
		switch x, ok := tasks[p.task]; {
		case p.job != "" && !jobs[p.job]:
			l.t.Errorf("%s: job %s, which was taken, is lost", when, p.job)
		case p.task != "" && !ok:
			l.t.Errorf("%s: task %s is lost", when, p.task)
		case p.end != "" && x.State != p.end:
			l.t.Errorf("%s: task %s ended as %s and is %s", when, p.task, p.end, x.State)
		}
	}
}

// finish lets everybody finish, and the nights pass: nothing may be left.
func (l *life) finish(when string, f *fleet.Fleet, diary []promise) {
	l.t.Helper()
	now, whole := l.now, l.diary
	defer func() { l.now, l.diary = now, whole }()
	l.diary = slices.Clone(diary)
	for range 8 {
		check(l.t, f.Tick(context.Background()))
		for _, m := range l.machines {
			m := &machine{key: m.key, n: m.n}
			for range 4 { // at most one that was due, one whose time came, and one that is tried again
				l.work(f, m, 5)
				l.work(f, m, 5)
			}
		}
		l.now = l.now.Add(20 * time.Minute)
	}
	l.now = time.Date(2026, 12, 10, 12, 0, 0, 0, time.UTC)
	check(l.t, f.Tick(context.Background()))
	for _, x := range tasksOf(f) {
		if x.Active() {
			l.t.Errorf("%s: task %s is %s for ever", when, x.ID, x.State)
		}
	}
	for _, s := range f.Schedules() {
		if s.Owed != nil {
			l.t.Errorf("%s: schedule %s owes for ever", when, s.ID)
		}
	}
	l.sound(when+", in the end", f)
	l.kept(when+", in the end", f, l.diary)
}

// TestADaemonThatIsKilledAnywhere lives through an evening of orders, cancels, failures, power cuts and plans drawn at
// random, and looks at each commit at what a kill -9 would have left: before it, after it, and in the middle of writing it.
// The daemon that finds it knows what the one before it knew, has lost no task, gives none twice, and brings all to an end.
func TestADaemonThatIsKilledAnywhere(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newLife(t, seed)
			dir := t.TempDir()
			told := 0
			for step := 0; step < 80 && !t.Failed(); step++ {
				told = len(l.diary)
				l.live()
				shots := l.camera.shots
				l.camera.shots = nil
				for i, s := range shots {
					when := fmt.Sprintf("step %d, commit %d", step, i)
					var before, after string
					l.reborn(dir, s.before, func(f *fleet.Fleet) { before = remembered(t, f) })
					l.reborn(dir, s.after, func(f *fleet.Fleet) {
						after = remembered(t, f)
						l.sound(when, f)
						l.kept(when, f, l.diary[:told])
					})
					l.reborn(dir, s.torn, func(f *fleet.Fleet) {
						if got := remembered(t, f); got != before && got != after {
							t.Errorf("%s: torn, it is neither what it was nor what it became", when)
						}
						l.kept(when+", torn", f, l.diary[:told])
						if l.draw.IntN(6) == 0 {
							l.finish(when+", torn", f, l.diary[:told])
						}
					})
					if l.draw.IntN(4) == 0 {
						l.reborn(dir, s.after, func(f *fleet.Fleet) { l.finish(when, f, l.diary[:told]) })
					}
					if i == len(shots)-1 {
						if now := remembered(t, l.Fleet); now != after {
							t.Errorf("%s: the daemon knows what its database does not:\n%s", when, difference(now, after))
						}
					}
					l.commits++
				}
			}
			if l.commits < 20 {
				t.Errorf("it was killed %d times only", l.commits)
			}
			l.finish("without a kill", l.Fleet, l.diary)
		})
	}
}

// difference is the first lines that differ.
func difference(a, b string) string {
	x, y := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range min(len(x), len(y)) {
		if !bytes.Equal(x[i], y[i]) {
			return fmt.Sprintf("%s\n%s", bytes.Join(x[max(i-8, 0):i+1], []byte("\n")), y[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}
