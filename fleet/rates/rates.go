package rates

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// Store keeps the curves of jobs that are over.
type Store interface {
	// KeepSession replaces what is kept of a job. It may drop what is kept of others that are much older.
	KeepSession(ctx context.Context, job string, doc []byte) error
	// SessionDoc returns what is kept of a job, nil when nothing is.
	SessionDoc(ctx context.Context, job string) ([]byte, error)
}

// Curve is how fast a job went.
type Curve struct {
	Began  time.Time    `json:"began"`         // first report
	Every  int          `json:"every_seconds"` // that a point stands for
	Points []CurvePoint `json:"points"`
}

// CurvePoint is a span of time of a job.
type CurvePoint struct {
	At   int64 `json:"t"`    // seconds since the curve began
	Wire int64 `json:"wire"` // bytes a second that all computers together took from the network, or gave to it
	Disk int64 `json:"disk"` // bytes a second that the disk of one of them took, or gave, on the average
}

// Bounds of curves.
const (
	maxPoints = 360
	firstStep = 2                // seconds
	maxCurves = 100              // in memory
	fastest   = int64(20e9)      // bytes a second that one computer can claim
	keepTime  = 10 * time.Second // for one write to the store
)

// Options of a recorder.
type Options struct {
	Store Store            // nil: curves go with the daemon
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: none
}

// Recorder keeps the curves of all jobs. It is safe for concurrent use.
type Recorder struct {
	o    Options
	over chan string // jobs in which nothing runs any more

	mu    sync.Mutex
	jobs  map[string]*history
	order []string // of jobs, as they began
}

// New returns a recorder.
func New(o Options) *Recorder {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{o: o, over: make(chan string, 64), jobs: map[string]*history{}}
}

// Note takes a change of the fleet: what it is listened to with. It does not block.
func (r *Recorder) Note(c fleet.Change) {
	if len(c.Tasks) == 0 {
		return
	}
	now := r.o.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range c.Tasks {
		t := &c.Tasks[i]
		h := r.jobs[t.Job]
		if p := t.Progress; p != nil && (t.State == job.TaskRunning || h != nil && h.last[t.ID] != nil) {
			if h == nil {
				h = r.begin(t.Job, now)
			}
			h.take(now, t.ID, p)
		}
		if h == nil || t.State == job.TaskRunning || h.last[t.ID] == nil {
			continue
		}
		if delete(h.last, t.ID); len(h.last) == 0 && !h.session {
			select {
			case r.over <- t.Job:
			default: // it is in memory, still
			}
		}
	}
}

// begin begins the curve of a job, and lets go of the oldest where there are too many: rather those in which nothing runs. The
// caller holds the lock.
func (r *Recorder) begin(id string, now time.Time) *history {
	if len(r.order) >= maxCurves {
		oldest := 0
		for i, o := range r.order {
			if len(r.jobs[o].last) == 0 {
				oldest = i
				break
			}
		}
		delete(r.jobs, r.order[oldest])
		r.order = append(r.order[:oldest], r.order[oldest+1:]...)
	}
	h := &history{began: now, step: firstStep, last: map[string]*seen{}}
	r.jobs[id], r.order = h, append(r.order, id)
	return h
}

// Of returns the curve of a job; nil when nothing is known.
func (r *Recorder) Of(ctx context.Context, id string) (*Curve, error) {
	r.mu.Lock()
	h := r.jobs[id]
	var out *Curve
	if h != nil {
		out = h.curve()
	}
	r.mu.Unlock()
	if h != nil || r.o.Store == nil {
		return out, nil
	}
	doc, err := r.o.Store.SessionDoc(ctx, id)
	if err != nil || doc == nil {
		return nil, err
	}
	var kept document
	if err := json.Unmarshal(doc, &kept); err != nil {
		return nil, fmt.Errorf("reading the curve of job %s: %w", id, err)
	}
	return kept.Rates, nil
}

// document is what the store keeps. It lies among the reports of sessions, which have no such key.
type document struct {
	Rates *Curve `json:"rates"`
}

// Run gives curves to the store until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-r.over:
			if err := r.keep(ctx, id); err != nil {
				r.o.Log.Error("keeping the curve of a job", "job", id, "error", err)
			}
		}
	}
}

func (r *Recorder) keep(ctx context.Context, id string) error {
	r.mu.Lock()
	h := r.jobs[id]
	var c *Curve
	if h != nil && len(h.last) == 0 {
		c = h.curve()
	}
	r.mu.Unlock()
	if c == nil || r.o.Store == nil {
		return nil
	}
	doc, err := json.Marshal(document{c})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer stop()
	return r.o.Store.KeepSession(ctx, id, doc)
}

// history is the curve of one job.
type history struct {
	began   time.Time
	end     float64 // seconds since then, of the last report
	step    int     // seconds
	spans   []span
	last    map[string]*seen // by task that runs
	session bool             // a computer takes part in a multicast session, which has a curve of its own
}

// span is what was done in one step.
type span struct {
	wire, disk float64 // bytes
	busy       float64 // seconds, summed over computers
}

// seen is what a computer has reported last.
type seen struct {
	at                     float64 // seconds since the curve began
	fetched, written, done int64
	step                   int
}

// take takes a report.
func (h *history) take(now time.Time, task string, p *job.Report) {
	at := max(now.Sub(h.began).Seconds(), h.end) // clocks are set back
	h.session = h.session || p.Session != nil
	next := &seen{at, p.Fetched, p.Written, p.Done, p.Step}
	before := h.last[task]
	h.last[task], h.end = next, at
	if before == nil || at <= before.at {
		if before != nil {
			*next = *before // nobody knows in which time
		}
		return
	}
	most := int64((at - before.at + 1) * float64(fastest))
	wire, disk := grown(before.fetched, p.Fetched, most), grown(before.written, p.Written, most)
	if p.Written == 0 && p.Step == before.step {
		disk = grown(before.done, p.Done, most) // it reads
	}
	h.spread(before.at, at, float64(wire), float64(disk))
}

// grown is how much a count has grown; one that begins anew has not.
func grown(before, now, most int64) int64 { return min(max(now-before, 0), most) }

// spread adds bytes evenly to the spans from one moment to another.
func (h *history) spread(from, to, wire, disk float64) {
	for int(to)/h.step >= maxPoints {
		h.halve()
	}
	step := float64(h.step)
	for i := int(from) / h.step; i <= int(to)/h.step; i++ {
		part := min(to, float64(i+1)*step) - max(from, float64(i)*step)
		if part <= 0 {
			continue
		}
		for len(h.spans) <= i {
			h.spans = append(h.spans, span{})
		}
		s := &h.spans[i]
		s.wire, s.disk, s.busy = s.wire+wire*part/(to-from), s.disk+disk*part/(to-from), s.busy+part
	}
}

// halve makes one span of each two.
func (h *history) halve() {
	out := h.spans[:0]
	for i := 0; i < len(h.spans); i += 2 {
		s := h.spans[i]
		if i+1 < len(h.spans) {
			x := h.spans[i+1]
			s.wire, s.disk, s.busy = s.wire+x.wire, s.disk+x.disk, s.busy+x.busy
		}
		out = append(out, s)
	}
	h.spans, h.step = out, 2*h.step
}

// curve is the history for people; nil when nothing moved yet.
func (h *history) curve() *Curve {
	out := &Curve{Began: h.began.UTC(), Every: h.step}
	moved := false
	for i, s := range h.spans {
		p := CurvePoint{At: int64(i * h.step)}
		length := min(float64(h.step), h.end-float64(p.At)) // the last one is not over yet
		if length < 0.5 {
			break
		}
		p.Wire = int64(s.wire / length)
		if s.busy > 0 {
			p.Disk = int64(s.disk / s.busy)
		}
		moved = moved || p.Wire > 0 || p.Disk > 0
		out.Points = append(out.Points, p)
	}
	if !moved {
		return nil
	}
	return out
}
