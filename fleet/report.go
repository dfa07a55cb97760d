package fleet

import (
	"context"
	"slices"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
)

// Report takes an agent's word on its task. Progress stays in memory; what changes a decision is committed before the
// agent gets its answer.
func (f *Fleet) Report(ctx context.Context, key string, r job.Report) (job.ReportReply, error) {
	r = cleanReport(r)
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Authorise(key)
	if err != nil {
		return job.ReportReply{}, err
	}
	t, ok := f.tasks[r.Task]
	switch {
	case !ok || t.Computer != c.ID:
		return job.ReportReply{}, refuse(CodeNotYours, Clean(r.Task, 32), "")
	case !t.Active():
		// The answer to the last report may have been lost, or a person has ended the task meanwhile.
		return job.ReportReply{Cancel: t.State != r.State}, nil
	case t.State == job.TaskWaiting:
		return job.ReportReply{}, refuse(CodeNoTask, t.ID, "the task was not handed out")
	}
	switch r.State {
	case job.TaskRunning:
		return f.progress(ctx, c, t, r)
	case job.TaskDone, job.TaskFailed, job.TaskCancelled:
		t.Progress, t.ProgressAt = &r, f.o.Now().UTC()
		t.Wrote = t.Wrote || wrote(r)
		if r.Mark != nil {
			c.Mark, c.MarkOnDisk = r.Mark, false
		}
		if !t.Wrote && c.Mark == nil && Destroys(f.jobs[t.Job].Kind) {
			c.Runs = t.Before // the agent itself says that it wrote nothing
		}
		_, err := f.end(ctx, c, t, r.State, r.Outcome)
		return job.ReportReply{}, err
	}
	return job.ReportReply{}, refuse(CodeBadOrder, t.ID, "a task is running, done, failed or cancelled")
}

// wrote tells whether a report admits that the disk was written.
func wrote(r job.Report) bool {
	return r.Written > 0 || r.Mark != nil || r.Outcome != nil && r.Outcome.WrittenBytes > 0
}

// realProgress is how many bytes a computer must have moved since a task was handed out to it before dying in the middle of
// it is forgiven. Each round reads the disk again and prepares it before it comes to what is new.
const realProgress = 64 << 20

// progress takes a report of a task that goes on. The caller holds deciding.
func (f *Fleet) progress(ctx context.Context, c Computer, t Task, r job.Report) (job.ReportReply, error) {
	if t.CancelAsked && !t.Wrote && r.Written == 0 && r.Mark != nil && r.Mark.Phase == restore.PhaseBreak {
		return job.ReportReply{Cancel: true}, nil // it waits for this answer before its first write
	}
	before := t
	now := f.o.Now().UTC()
	t.Progress, t.ProgressAt = &r, now
	if r.Written >= realProgress || r.Fetched >= realProgress {
		t.Handouts = 1
	}
	t.Wrote = t.Wrote || wrote(r)
	var events []Event
	if step := stepName(r); step != "" && (before.Progress == nil || stepName(*before.Progress) != step) {
		events = append(events, f.worth(c.ID, f.event("step", Info, c, t, "%s", step))...)
	}
	marked := r.Mark != nil && (c.Mark == nil || *c.Mark != *r.Mark)
	if marked {
		c.Mark, c.MarkOnDisk = r.Mark, false
		events = append(events, f.worth(c.ID, f.event("mark", Info, c, t, "kept here in phase %s", r.Mark.Phase))...)
	}
	if t.Wrote && !before.Wrote || marked || t.Handouts != before.Handouts {
		c.LastSeen = now
		return job.ReportReply{Cancel: t.CancelAsked && !t.Wrote},
			f.commit(ctx, Change{Tasks: []Task{t}, Computers: []Computer{c}, Events: events})
	}
	f.mu.Lock()
	f.tasks[t.ID] = t
	c.LastSeen = now
	f.computers[c.ID] = c
	f.remember(events...)
	f.mu.Unlock()
	f.tell(events...)
	return job.ReportReply{Cancel: t.CancelAsked && !t.Wrote}, nil
}

func stepName(r job.Report) string {
	if r.Step < 0 || r.Step >= len(r.Steps) {
		return ""
	}
	return r.Steps[r.Step]
}

// end finishes a task and draws its consequences for the computer. It returns the task as it was kept. The caller holds
// deciding.
func (f *Fleet) end(ctx context.Context, c Computer, t Task, state string, out *job.Outcome) (Task, error) {
	now := f.o.Now().UTC()
	j := f.jobOf(t)
	if out == nil {
		out = &job.Outcome{Code: "unsaid"}
	}
	doubt := ""
	switch {
	case t.Published != nil && state != job.TaskDone:
		// Whatever went wrong since, the version is there: who is told otherwise captures it again.
		state, out = job.TaskDone, &job.Outcome{Code: "ok", Detail: out.Detail, StoredBytes: t.Published.StoredBytes,
			NewBytes: t.Published.NewBytes}
	case state != job.TaskDone:
	case Destroys(j.Kind) && out.ProvenAt.IsZero():
		doubt = OutcomeUnproven
	case j.Kind == job.KindCapture && t.Published == nil:
		doubt = OutcomeNothing
	}
	if doubt != "" {
		state, out = job.TaskFailed, &job.Outcome{Code: doubt, Detail: outcomeDetail(doubt)}
	}
	if state == job.TaskCancelled && t.Wrote {
		state = job.TaskFailed // cancelled is a promise that nothing was written
	}
	t.State, t.Ended, t.Outcome = state, now, out
	if b := t.Before; j.Kind == job.KindReset && !t.Wrote && c.Mark == nil && c.Runs == nil && b != nil && b.Manifest == j.Manifest {
		// It tells us of its mark before it writes. Who was switched off while it read at night still has its version.
		c.Runs = b
	}
	severity := Info
	switch {
	case state == job.TaskDone && Destroys(j.Kind):
		c.Runs = &Proven{Master: j.Master, Version: j.Version, Manifest: j.Manifest, At: now, Task: t.ID, Disk: provenDisk(c, j)}
		c.Mark, c.MarkOnDisk = nil, false
	case state == job.TaskFailed:
		severity = Warning
	}
	events := []Event{f.event(state, severity, c, t, "%s %s: %s %s", j.Kind, target(j), out.Code, out.Detail)}
	if out.Proof != nil {
		p := *out.Proof
		p.Task, p.Master, p.Version, p.Manifest = t.ID, j.Master, j.Version, j.Manifest // ours, not its word
		events = append(events, f.takeProofs(&c, t, []job.Proof{p})...)
	}
	return t, f.commit(ctx, Change{Tasks: []Task{t}, Computers: []Computer{c}, Events: events})
}

// cleanReport bounds everything in a report.
func cleanReport(r job.Report) job.Report {
	r.Steps = slices.Clone(r.Steps[:min(len(r.Steps), 32)])
	for i := range r.Steps {
		r.Steps[i] = Clean(r.Steps[i], 64)
	}
	r.Timings = slices.Clone(r.Timings[:min(len(r.Timings), 32)])
	for i := range r.Timings {
		r.Timings[i].Step = Clean(r.Timings[i].Step, 64)
	}
	for _, n := range []*int64{&r.Done, &r.Total, &r.Written, &r.Fetched} {
		*n = max(*n, 0)
	}
	r.Mark = cleanMark(r.Mark)
	if r.Session != nil {
		x := *r.Session
		for _, text := range []*string{&x.ID, &x.State, &x.Interface} {
			*text = Clean(*text, 64)
		}
		x.Reason = Clean(x.Reason, 300)
		for _, n := range []*int64{&x.WireRate, &x.DiskRate, &x.Multicast, &x.HTTPS, &x.Peers} {
			*n = max(*n, 0)
		}
		r.Session = &x
	}
	if r.Outcome != nil {
		o := *r.Outcome
		o.Code, o.Detail = Clean(o.Code, 64), Clean(o.Detail, 1000)
		for _, n := range []*int64{&o.ReadBytes, &o.WrittenBytes, &o.StoredBytes, &o.NewBytes} {
			*n = max(*n, 0)
		}
		if o.Proof != nil {
			p := cleanProof(*o.Proof)
			o.Proof = &p
		}
		r.Outcome = &o
	}
	return r
}

// Capturing returns the job and task of a capture that the computer with this key is running.
func (f *Fleet) Capturing(key, task string) (Job, Task, error) {
	j, t, err := f.Running(key)
	if err != nil {
		return j, t, err
	}
	if t.ID != task {
		return Job{}, Task{}, refuse(CodeNotYours, Clean(task, 32), "")
	}
	if j.Kind != job.KindCapture {
		return Job{}, Task{}, refuse(CodeNoTask, task, "it is no capture")
	}
	return j, t, nil
}

// BeginPublish keeps what a capture is about to publish, after being the newest version of its master. A task that has
// begun before keeps what it began with.
func (f *Fleet) BeginPublish(ctx context.Context, key, task string, after int) (Publishing, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	j, t, err := f.Capturing(key, task)
	if err != nil {
		return Publishing{}, err
	}
	if t.Publishing != nil {
		return *t.Publishing, nil
	}
	t.Publishing = &Publishing{After: after, Created: f.o.Now().UTC().Truncate(1e9), Author: j.OrderedBy}
	return *t.Publishing, f.commit(ctx, Change{Tasks: []Task{t}})
}

// Published keeps that a capture has published its version.
func (f *Fleet) Published(ctx context.Context, key, task string, p job.Published) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	_, t, err := f.Capturing(key, task)
	if err != nil {
		return err
	}
	c := f.computers[t.Computer]
	t.Published = &p
	e := f.event("published", Info, c, t, "%s@%d, %d bytes new", p.Master, p.Version, p.NewBytes)
	return f.commit(ctx, Change{Tasks: []Task{t}, Events: []Event{e}})
}
