package agent

import (
	"context"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// progress is how far a task is: for the screen, for the server, and for the question whether it may still be cancelled.
type progress struct {
	a      *agent
	task   job.Task
	cancel context.CancelCauseFunc
	alone  bool // nobody is told: a standing grant is the order

	mu      sync.Mutex
	r       job.Report
	since   time.Time
	at      int  // the step under way; -1 before the first
	started bool // something is being written: too late to cancel

	together *together          // of a task that names a session, else nil
	proven   *manifest.Manifest // what the disk was proven to hold; nil until then
	proof    *job.Proof         // of a deploy or reset, also of one that failed; nil before its disk was opened

	breaks func() // called before the first mark; may be nil
	marked func() // called with each mark after the first phase, when an ARDOISE that is to be made is there; may be nil
}

func newProgress(a *agent, t job.Task, steps []notices.Word, cancel context.CancelCauseFunc) *progress {
	p := &progress{a: a, task: t, cancel: cancel, at: -1, r: job.Report{Task: t.ID, Step: 0}}
	for _, s := range steps {
		p.r.Steps = append(p.r.Steps, string(s))
	}
	a.Screen.Steps(steps...)
	p.since = a.now()
	return p
}

// step ends the step under way and begins step i. Steps between them are left out: there was nothing to do.
func (p *progress) step(i int) {
	p.mu.Lock()
	now := p.a.now()
	if i > p.at && p.at >= 0 && p.at < len(p.r.Steps) {
		p.r.Timings = append(p.r.Timings, job.StepTime{Step: p.r.Steps[p.at], Seconds: now.Sub(p.since).Seconds()})
	}
	p.since, p.at = now, i
	p.r.Step, p.r.Phase, p.r.Done, p.r.Total = min(i, len(p.r.Steps)-1), "", 0, 0
	p.mu.Unlock()
	p.a.Screen.Step(i)
}

// under returns the step that is under way.
func (p *progress) under() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// share says with which session the task is done; nil for none.
func (p *progress) share(s *together) {
	p.mu.Lock()
	p.together = s
	p.mu.Unlock()
}

// source is the server as it gives frames to this computer alone.
func (p *progress) source() *client.Frames {
	if p.together != nil {
		return p.together.frames
	}
	return p.a.client.Frames()
}

// phase begins a phase of restore in the step under way: of a deploy one step has them all.
func (p *progress) phase(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.r.Phase, p.r.Done, p.r.Total = name, 0, 0
}

// bytes tells how far the step is.
func (p *progress) bytes(done, total, written, fetched int64) {
	p.mu.Lock()
	p.r.Done, p.r.Total, p.r.Written, p.r.Fetched = done, total, written, fetched
	p.mu.Unlock()
	p.a.Screen.Progress(done, total)
}

func (p *progress) report(state string) job.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.r
	r.State = state
	r.Timings = append([]job.StepTime(nil), p.r.Timings...)
	r.Session = p.together.look(r.Fetched, r.Written)
	return r
}

func (p *progress) begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}

// begin forbids cancelling from now on; it fails when the task was cancelled before.
func (p *progress) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.started = true
	return nil
}

// stop cancels the task unless something was written.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		p.cancel(errCancelled)
	}
}

// reportLimit is how long one report may take: it is waited for before the last one is sent.
const reportLimit = 10 * time.Second

// watch reports every second until the returned function is called, and listens for the server's wish to cancel. A
// report that is lost does no harm: the next one says it better. None is broken off, since it might arrive after the
// last one, which ends the task.
func (p *progress) watch(ctx context.Context) func() {
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for running.Err() == nil {
			one, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportLimit)
			reply, err := p.a.client.Report(one, p.report(job.TaskRunning))
			cancel()
			if err == nil && reply.Cancel {
				p.stop()
			}
			_ = p.a.sleep(running, p.a.Second)
		}
	}()
	return func() { stop(); <-done }
}

// Set implements restore.Marker with the server: it keeps the mark of a disk that has no room for one.
func (p *progress) Set(ctx context.Context, m job.Mark) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	if p.alone {
		p.breaking(m)
		return nil
	}
	r := p.report(job.TaskRunning)
	r.Mark = &m
	reply, err := p.a.client.Deliver(ctx, r)
	if err != nil {
		return err
	}
	if reply.Cancel && m.Phase == restore.PhaseBreak {
		// The task ended while the server was out of reach, and nothing is written before the first mark is kept.
		p.mu.Lock()
		p.started = false
		p.mu.Unlock()
		p.stop()
		return errCancelled
	}
	p.breaking(m)
	if p.marked != nil && m.Phase != restore.PhaseBreak {
		p.marked()
	}
	return nil
}

// breaking says that a disk is about to be broken.
func (p *progress) breaking(m job.Mark) {
	if p.breaks != nil && m.Phase == restore.PhaseBreak {
		p.breaks()
	}
}

// Clear implements restore.Marker: the outcome says it.
func (p *progress) Clear(context.Context) error { return nil }
