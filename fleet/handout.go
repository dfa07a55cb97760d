package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
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
		e, err := f.handOutOwn(ctx, key)
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

// handOutOwn gives the computer its task if it has one, with what is its own on the version.
func (f *Fleet) handOutOwn(ctx context.Context, key string) (*job.Envelope, error) {
	var own ownBytes
	for {
		e, need, err := f.handOut(ctx, key, own)
		if need == nil {
			return e, err
		}
		own = f.exceptions(ctx, need.computer, need.manifest)
	}
}

// needed names a version that a computer's exceptions must be planned on before its task is handed out.
type needed struct{ computer, manifest string }

// handOut gives the computer its task if it has one, or says what must be planned for that.
func (f *Fleet) handOut(ctx context.Context, key string, own ownBytes) (*job.Envelope, *needed, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Authorise(key)
	if err != nil {
		return nil, nil, err
	}
	for {
		t, ok := f.activeOf(c.ID)
		if !ok {
			return nil, nil, nil
		}
		f.aim(&t, c)
		over, why := f.overdue(t)
		j := f.jobOf(t)
		var need *needed
		if over == "" && (Destroys(j.Kind) || j.Kind == job.KindVerify) {
			_, of, err := f.own(c, j.Manifest)
			switch {
			case err != nil:
				own = ownBytes{err: err}
			case of == "":
				own = ownBytes{}
			case of != own.of:
				need = &needed{c.ID, j.Manifest}
			}
			if need == nil && own.err != nil {
				over, why = job.TaskFailed, OutcomeNotOwn
			}
		}
		switch {
		case need != nil:
			return nil, need, nil
		case over == "":
			e, err := f.envelope(ctx, c, t, own)
			return e, nil, err
		}
		detail := outcomeDetail(why)
		if why == OutcomeNotOwn {
			detail = Clean(own.err.Error(), 500)
		}
		if _, err := f.end(ctx, c, t, over, &job.Outcome{Code: why, Detail: detail}); err != nil {
			return nil, nil, err
		}
		if c, err = f.Authorise(key); err != nil {
			return nil, nil, err
		}
	}
}

// aim fixes, before a task is handed out for the first time, what it is measured by: what the computer runs by then, and
// what a reset without a version of its own makes the disk equal to.
func (f *Fleet) aim(t *Task, c Computer) {
	if !t.Started.IsZero() {
		return
	}
	t.Before = c.Runs
	if j := f.jobs[t.Job]; (j.Kind == job.KindReset || j.Kind == job.KindVerify) && j.Version == 0 {
		t.Target = f.held(c)
		if x := t.Target; x != nil && j.Disk != (job.DiskRule{}) {
			if d, err := disk.Choose(c.Inventory.Disks, j.Disk); err != nil || !finds(c, x.Disk, d) {
				t.Target = nil // the disk that was meant is not the one any more that something is known of
			}
		}
	}
}

// Codes of outcomes that the server decides.
const (
	OutcomeExpired    = "expired"     // the task had not begun in time
	OutcomeNoProgress = "no-progress" // handed out again and again without progress
	OutcomeUnproven   = "unproven"    // the agent said done without having read the disk back
	OutcomeNothing    = "unpublished" // a capture said done without having published
	OutcomeCancelled  = "cancelled"
	OutcomeNotProven  = "not-proven"   // a reset of a disk of which nothing is known any more
	OutcomeNotOwn     = "not-personal" // the computer's names and keys cannot be planned on the version
)

func outcomeDetail(code string) string {
	switch code {
	case OutcomeExpired:
		return "the computer did not ask for the task in time"
	case OutcomeNoProgress:
		return fmt.Sprintf("the task was handed out %d times in a row without any progress", maxHandouts)
	case OutcomeUnproven:
		return "the agent reported success without having read the disk back"
	case OutcomeNotProven:
		return "since it was ordered, what the disk holds is not known any more"
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
	case (f.jobs[t.Job].Kind == job.KindReset || f.jobs[t.Job].Kind == job.KindVerify) && t.Target == nil:
		return job.TaskCancelled, OutcomeNotProven
	}
	return "", ""
}

// envelope signs the task with a fresh nonce, and keeps that before the computer may have it. The caller holds deciding.
func (f *Fleet) envelope(ctx context.Context, c Computer, t Task, own ownBytes) (*job.Envelope, error) {
	nonce, err := f.random(16)
	if err != nil {
		return nil, err
	}
	now := f.o.Now().UTC()
	again := t.State == job.TaskRunning
	t.State, t.Nonce, t.Untouched = job.TaskRunning, nonce, false
	t.Handouts++
	if t.Started.IsZero() {
		t.Started = now
	}
	doc := document(f.jobOf(t), t, c)
	doc.Exceptions = own.exceptions
	payload, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding task %s: %w", t.ID, err)
	}
	change := Change{Tasks: []Task{t}}
	c.LastSeen = now
	if f.jobs[t.Job].changes() && c.Runs != nil {
		c.Runs = nil // from here on its disk may change without our hearing of it
	}
	change.Computers = []Computer{c}
	what := "started"
	if again {
		what = "resumed"
	}
	change.Events = []Event{f.event(what, Info, c, t, "nonce %s", short(nonce))}
	if own.skipped != "" && !again {
		change.Events = append(change.Events, f.event(OutcomeNotOwn, Warning, c, t, "%s", own.skipped))
	}
	if err := f.commit(ctx, change); err != nil {
		return nil, err
	}
	return &job.Envelope{Payload: payload, Key: f.o.Signer.Public(), Signature: f.o.Signer.Sign(job.ContextTask, payload)}, nil
}

// silence is how long a running task's computer may say nothing before a person's cancel no longer waits for it.
const silence = time.Minute

// Cancel ends what has not begun and asks the others to stop. Tasks whose disk is being written go on, unless force
// says otherwise: then they fail and their disks stay unfinished. It is refused where all that is left goes on.
func (f *Fleet) Cancel(ctx context.Context, id, by string, force bool) (JobState, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	js, err := f.FindJob(ctx, id)
	if err != nil {
		return js, err
	}
	if !js.Active() {
		return js, refuse(CodeJobOver, "job "+js.Job.ID, "")
	}
	by = Clean(by, 64)
	written, stopped := 0, 0
	for _, t := range js.Tasks {
		if !t.Active() {
			continue
		}
		c, _ := f.computers.get(t.Computer)
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
		if !t.Wrote || force {
			stopped++
		}
	}
	if js, err = f.JobByID(id); err == nil && written > 0 && stopped == 0 {
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
