package rates_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/rates"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// bench is a recorder with a clock of its own.
type bench struct {
	*rates.Recorder
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T, store rates.Store) *bench {
	b := &bench{t: t, now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	b.Recorder = rates.New(rates.Options{Store: store, Now: func() time.Time { return b.now }})
	return b
}

func (b *bench) report(task, state string, more func(*job.Report)) {
	r := job.Report{Task: task, State: state, Steps: []string{"restore"}}
	more(&r)
	id, _, _ := strings.Cut(task, "-")
	b.Note(fleet.Change{Tasks: []fleet.Task{{ID: task, Job: id, State: state, Progress: &r}}})
}

func (b *bench) moved(task string, fetched, written int64) {
	b.report(task, job.TaskRunning, func(r *job.Report) { r.Fetched, r.Written = fetched, written })
}

func (b *bench) of(id string) *rates.Curve {
	b.t.Helper()
	c, err := b.Of(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

const mega = 1_000_000

func TestTwoComputersShareTheNetworkAndHaveADiskEach(t *testing.T) {
	b := newBench(t, nil)
	for s := range int64(21) {
		b.moved("1-1", s*40*mega, s*100*mega)
		b.moved("1-2", s*20*mega, s*60*mega)
		b.now = b.now.Add(time.Second)
	}
	c := b.of("1")
	if c == nil || c.Every != 2 || len(c.Points) != 10 {
		t.Fatalf("the curve is %+v", c)
	}
	for _, p := range c.Points {
		if p.Wire != 60*mega || p.Disk != 80*mega {
			t.Errorf("at %d s: %d and %d", p.At, p.Wire, p.Disk)
		}
	}
	if b.of("2") != nil {
		t.Error("a job that nobody knows has a curve")
	}
}

// What came in a time of silence is spread over it: no curve shows more than the line carries.
func TestSilenceIsNoPeak(t *testing.T) {
	b := newBench(t, nil)
	b.moved("1-1", 0, 0)
	b.now = b.now.Add(60 * time.Second)
	b.moved("1-1", 6000*mega, 0)
	c := b.of("1")
	if len(c.Points) != 30 {
		t.Fatalf("%d points", len(c.Points))
	}
	for _, p := range c.Points {
		if math.Abs(float64(p.Wire)-100*mega) > 2 {
			t.Errorf("at %d s: %d", p.At, p.Wire)
		}
	}
}

func TestAComputerThatReadsShowsIt(t *testing.T) {
	b := newBench(t, nil)
	for s := range int64(11) {
		b.report("1-1", job.TaskRunning, func(r *job.Report) { r.Done, r.Total = s*500*mega, 9000*mega })
		b.now = b.now.Add(time.Second)
	}
	if c := b.of("1"); c == nil || c.Points[2].Disk != 500*mega || c.Points[2].Wire != 0 {
		t.Errorf("the curve is %+v", c)
	}
}

// A curve stays small, and keeps how much was moved in all.
func TestALongJobKeepsItsCurveSmall(t *testing.T) {
	b := newBench(t, nil)
	const hours = 9
	for s := int64(0); s <= hours*3600; s += 3 {
		b.moved("1-1", s*10*mega, s*20*mega)
		b.now = b.now.Add(3 * time.Second)
	}
	c := b.of("1")
	if len(c.Points) > 360 || len(c.Points) < 180 || c.Every != 128 {
		t.Fatalf("%d points of %d s", len(c.Points), c.Every)
	}
	for i, p := range c.Points {
		if p.At != int64(i*c.Every) || math.Abs(float64(p.Wire)-10*mega) > 1000 {
			t.Errorf("point %d is %+v", i, p)
		}
	}
}

func TestWhatCountsBeginAnewAndLiesAreBounded(t *testing.T) {
	b := newBench(t, nil)
	b.moved("1-1", 500*mega, 500*mega)
	b.now = b.now.Add(2 * time.Second)
	b.moved("1-1", 10*mega, 10*mega) // it was switched off and began again
	b.now = b.now.Add(-time.Hour)    // the clock was set back
	b.moved("1-1", 20*mega, 20*mega)
	if c := b.of("1"); c != nil {
		t.Errorf("the curve is %+v", c)
	}
	b.now = b.now.Add(time.Hour + 2*time.Second)
	b.moved("1-1", math.MaxInt64, math.MaxInt64)
	c := b.of("1")
	for _, p := range c.Points {
		if p.Wire < 0 || p.Wire > 40e9 || p.Disk < 0 || p.Disk > 40e9 {
			t.Errorf("a computer claims %+v", p)
		}
	}
	for i := range 500 {
		b.moved(fmt.Sprintf("%d-1", i+2), int64(i), 0)
	}
	if b.of("1") != nil {
		t.Error("curves are kept in memory without end")
	}
}

func TestACurveOutlivesTheDaemon(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b := newBench(t, store)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	for s := range int64(9) {
		b.moved("1-1", s*mega, s*mega)
		b.now = b.now.Add(time.Second)
	}
	b.report("1-1", job.TaskDone, func(r *job.Report) { r.Fetched, r.Written = 9*mega, 9*mega })
	want := b.of("1")
	again := newBench(t, store)
	for range 1000 {
		if again.of("1") != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := again.of("1"); got == nil || len(got.Points) != len(want.Points) || got.Points[1] != want.Points[1] || !got.Began.Equal(want.Began) {
		t.Errorf("kept as %+v, want %+v", got, want)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
