package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxHandouts is how many times a task is handed out without real progress in between before it is given up: a computer
// that dies in the same place each time must not do so all night.
const maxHandouts = 10

// Next waits for a task of the computer with this key and hands it out, signed; nil when ctx ends first. A running task
// is handed out again to a computer that asks again, after a power cut for example.
func (f *Fleet) Next(ctx context.Context, key string) (*job.Envelope, error) {
	for {
		c, err := f.Authorise(key)
		if err != nil {
			return nil, err
		}
		arrival := f.arrival(c.ID) // asked for before the task, so that none slips between
		e, err := f.handOut(ctx, key)
		if e != nil || err != nil {
			return e, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-arrival:
		}
	}
}

// arrival returns a channel that is closed when a task of a computer changes, and notes that the computer is there.
func (f *Fleet) arrival(computer string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard[computer] = f.o.Now().UTC()
	ch, ok := f.arrivals[computer]
	if !ok {
		ch = make(chan struct{})
		f.arrivals[computer] = ch
	}
	return ch
}

// handOut gives the computer its task if it has one.
func (f *Fleet) handOut(ctx context.Context, key string) (*job.Envelope, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Authorise(key)
	if err != nil {
		return nil, err
	}
	for {
		t, ok := f.activeOf(c.ID)
		if !ok {
			return nil, nil
		}
		over, why := f.overdue(t)
		if over != "" {
			if _, err := f.end(ctx, c, t, over, &job.Outcome{Code: why, Detail: outcomeDetail(why)}); err != nil {
				return nil, err
			}
			c, _ = f.Authorise(key)
			continue
		}
		return f.envelope(ctx, c, t)
	}
}

// Codes of outcomes that the server decides.
const (
	OutcomeExpired    = "expired"     // the task had not begun in time
	OutcomeNoProgress = "no-progress" // handed out again and again without progress
	OutcomeUnproven   = "unproven"    // the agent said done without having read the disk back
	OutcomeNothing    = "unpublished" // a capture said done without having published
	OutcomeCancelled  = "cancelled"
)

func outcomeDetail(code string) string {
	switch code {
	case OutcomeExpired:
		return "the computer did not ask for the task in time"
	case OutcomeNoProgress:
		return fmt.Sprintf("the task was handed out %d times in a row without any progress", maxHandouts)
	case OutcomeUnproven:
		return "the agent reported success without having read the disk back"
	case OutcomeNothing:
		return "the agent reported success without having published a version"
	}
	return "cancelled by a person"
}

// overdue tells whether a task must not be handed out any more: the state it ends in, and why.
func (f *Fleet) overdue(t Task) (state, why string) {
	switch {
	case !t.Wrote && f.o.Now().After(f.jobs[t.Job].Expires):
		// Also where it was handed out before: a computer that was unplugged in the countdown comes back after the holidays.
		return job.TaskCancelled, OutcomeExpired
	case t.CancelAsked && !t.Wrote:
		return job.TaskCancelled, OutcomeCancelled
	case t.Handouts >= maxHandouts:
		return job.TaskFailed, OutcomeNoProgress
	}
	return "", ""
}

// envelope signs the task with a fresh nonce, and keeps that before the computer may have it. The caller holds deciding.
func (f *Fleet) envelope(ctx context.Context, c Computer, t Task) (*job.Envelope, error) {
	nonce, err := f.random(16)
	if err != nil {
		return nil, err
	}
	now := f.o.Now().UTC()
	again := t.State == job.TaskRunning
	t.State, t.Nonce = job.TaskRunning, nonce
	t.Handouts++
	if t.Started.IsZero() {
		t.Started = now
	}
	payload, err := json.Marshal(document(f.jobs[t.Job], t, c))
	if err != nil {
		return nil, fmt.Errorf("encoding task %s: %w", t.ID, err)
	}
	change := Change{Tasks: []Task{t}}
	c.LastSeen = now
	if j := f.jobs[t.Job]; Destroys(j.Kind) && c.Runs != nil {
		c.Runs = nil // from here on its disk may change without our hearing of it
	}
	change.Computers = []Computer{c}
	what := "started"
	if again {
		what = "resumed"
	}
	change.Events = []Event{f.event(what, Info, c, t, "nonce %s", short(nonce))}
	if err := f.commit(ctx, change); err != nil {
		return nil, err
	}
	return &job.Envelope{Payload: payload, Key: f.o.Signer.Public(), Signature: f.o.Signer.Sign(job.ContextTask, payload)}, nil
}

// silence is how long a running task's computer may say nothing before a person's cancel no longer waits for it.
const silence = time.Minute

// Cancel ends what has not begun and asks the others to stop. Tasks whose disk is being written go on, unless force
// says otherwise: then they fail and their disks stay unfinished.
func (f *Fleet) Cancel(ctx context.Context, id, by string, force bool) (JobState, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	js, err := f.JobByID(id)
	if err != nil {
		return js, err
	}
	if !js.Active() {
		return js, refuse(CodeJobOver, "job "+js.Job.ID, "")
	}
	by = Clean(by, 64)
	written := 0
	for _, t := range js.Tasks {
		if !t.Active() {
			continue
		}
		c := f.computers[t.Computer]
		quiet := f.o.Now().Sub(f.lastWord(t)) > silence
		switch {
		case t.State == job.TaskWaiting, !t.Wrote && quiet:
			_, err = f.end(ctx, c, t, job.TaskCancelled, &job.Outcome{Code: OutcomeCancelled, Detail: "cancelled by " + by})
		case t.Wrote && force:
			_, err = f.end(ctx, c, t, job.TaskFailed, &job.Outcome{Code: OutcomeCancelled,
				Detail: "cancelled by " + by + " while the disk was being written"})
		case t.Wrote:
			written++
		default:
			t.CancelAsked = true
			err = f.commit(ctx, Change{Tasks: []Task{t},
				Events: []Event{f.event("cancel-asked", Info, c, t, "by %s", by)}})
		}
		if err != nil {
			return js, err
		}
	}
	if js, err = f.JobByID(id); err == nil && written > 0 {
		err = refuse(CodeWritten, "job "+id, "%d disks are being written", written)
	}
	return js, err
}

// lastWord is when a running task was last heard of.
func (f *Fleet) lastWord(t Task) time.Time {
	if t.ProgressAt.After(t.Started) {
		return t.ProgressAt
	}
	return t.Started
}
