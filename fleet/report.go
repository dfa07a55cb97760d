package fleet

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
)

// Report takes an agent's word on its task. Progress stays in memory; what changes a decision is committed before the
// agent gets its answer; marks that change all the time now and then.
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
	case t.State == job.TaskWaiting && t.Tries > 0 && r.State != job.TaskRunning:
		return job.ReportReply{}, nil // the answer to the report after which it waits to be tried again was lost
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
		if j := f.jobs[t.Job]; !t.Wrote && c.Mark == nil && j.changes() && (Destroys(j.Kind) || r.State == job.TaskCancelled) {
			c.Runs, t.Untouched = t.Before, r.State != job.TaskDone // the agent itself says that it wrote nothing
		}
		_, err := f.end(ctx, c, t, r.State, r.Outcome)
		return job.ReportReply{}, err
	}
	return job.ReportReply{}, refuse(CodeBadOrder, t.ID, "a task is running, done, failed or cancelled")
}

// wrote tells whether a report admits that the disk was written.
func wrote(r job.Report) bool {
	o := r.Outcome
	return r.Written > 0 || r.Mark != nil || o != nil && (o.WrittenBytes > 0 || o.Unproven)
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
	if t.Wrote && c.WeakKey && f.jobs[t.Job].Kind == job.KindWipe {
		c.KeyStored = false // as in emptied: a power cut from here on brings the computer back with another
	}
	var events []Event
	if step := stepName(r); step != "" && (before.Progress == nil || stepName(*before.Progress) != step) {
		events = append(events, f.worth(c.ID, f.event("step", Info, c, t, "%s", step))...)
	}
	marked := r.Mark != nil && (c.Mark == nil || *c.Mark != *r.Mark)
	if marked {
		c.Mark, c.MarkOnDisk = r.Mark, false
		events = append(events, f.worth(c.ID, f.event("mark", Info, c, t, "kept here in phase %s", r.Mark.Phase))...)
	}
	c.LastSeen = now
	change := Change{Tasks: []Task{t}, Computers: []Computer{c}, Events: events}
	reply := job.ReportReply{Cancel: t.CancelAsked && !t.Wrote}
	if t.Wrote && !before.Wrote || t.Handouts != before.Handouts || marked && f.mayKeep(c.ID) {
		return reply, f.commit(ctx, change)
	}
	f.inMemory(change)
	return reply, nil
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
	t, change := f.ended(c, t, state, out)
	return t, f.commit(ctx, change)
}

// ended is the change by which a task ends, or waits to be tried again. The caller holds deciding.
func (f *Fleet) ended(c Computer, t Task, state string, out *job.Outcome) (Task, Change) {
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
	case j.Kind == job.KindWipe:
		if out.Wipe == nil {
			doubt = OutcomeUnproven
		}
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
	if last := t.Outcome; out.Code == OutcomeExpired && t.Tries > 0 && last != nil {
		state, out = job.TaskFailed, last // that is why, and not that it was not tried again
	}
	t.State, t.Ended, t.Outcome = state, now, out
	if in := c.Inventory; j.Kind == job.KindWipe && !t.Started.IsZero() {
		t.Wiped = &Wiped{Name: c.Name, Manufacturer: in.Manufacturer, Model: in.Model, Serial: in.Serial, UUID: in.UUID, Site: f.siteOf(&c), Room: c.Room}
	}
	if b := t.Before; j.Kind == job.KindReset && !t.Started.IsZero() && !t.Wrote && c.Mark == nil && c.Runs == nil && b != nil && b.Manifest == j.Manifest {
		// It tells us of its mark before it writes. Who was switched off while it read at night still has its version.
		c.Runs = b
	}
	severity := Info
	switch {
	case j.changes() && j.Kind != job.KindDeploy && j.Kind != job.KindReset:
		c = emptied(c, j, t, out)
		if state == job.TaskFailed {
			severity = Warning
		}
	case state == job.TaskDone && Destroys(j.Kind):
		c.Runs = &Proven{Master: j.Master, Version: j.Version, Manifest: j.Manifest, At: now, Task: t.ID, Disk: provenDisk(c, j)}
		c.Mark, c.MarkOnDisk = nil, false
	case state == job.TaskFailed:
		severity = Warning
	}
	if out.Unproven && !Destroys(j.Kind) {
		c.Runs, c.LastProof = nil, nil
	}
	events := []Event{f.event(state, severity, c, t, "%s %s: %s %s", j.Kind, target(j), out.Code, out.Detail)}
	if out.Proof != nil {
		p := *out.Proof
		p.Task, p.Master, p.Version, p.Manifest = t.ID, j.Master, j.Version, j.Manifest // ours, not its word
		events = append(events, f.takeProofs(&c, t, []job.Proof{p})...)
	}
	if again(j, t, now) {
		t.State, t.Ended, t.Nonce, t.Handouts, t.Tries = job.TaskWaiting, time.Time{}, "", 0, t.Tries+1
		t.Woken, t.WokenAt = 0, now // it is awake, or is woken after a while
		events = append(events, f.event("retry", Info, c, t, "it is tried again, %d of %d", t.Tries, j.Retries))
	}
	return t, Change{Tasks: []Task{t}, Computers: []Computer{c}, Events: events}
}

// again tells whether a task that has ended is to be tried once more.
func again(j Job, t Task, now time.Time) bool {
	if t.State != job.TaskFailed || t.Tries >= j.Retries || t.CancelAsked || !now.Before(j.Expires) {
		return false
	}
	switch t.Outcome.Code {
	case OutcomeCancelled, OutcomeNoProgress, OutcomeNotOwn, OutcomeUnproven:
		return false // a person said so; or it would come to the same
	}
	return true
}

// emptied is what is left of a computer whose disk a wipe, or a script that writes, may have changed.
func emptied(c Computer, j Job, t Task, out *job.Outcome) Computer {
	if t.Started.IsZero() || t.Untouched && !out.Unproven {
		return c
	}
	c.Runs, c.LastProof = nil, nil
	if j.Kind != job.KindWipe {
		return c
	}
	c.Mark, c.MarkOnDisk, c.Local, c.Token = nil, false, nil, nil
	if c.Grant != nil {
		c.Grant = &Grant{Counter: c.Grant.Counter} // the next one still counts on from there
	}
	if c.WeakKey {
		c.KeyStored = false // it lay on that disk: the next one waits for a person, and is no alarm
	}
	return c
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
	r.Phase = Clean(r.Phase, 64)
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
		if o.Wipe != nil {
			x := cleanWipe(*o.Wipe)
			o.Wipe = &x
		}
		if o.Verify != nil {
			x := *o.Verify
			x.Master, x.Manifest, x.First = Clean(x.Master, 128), Clean(x.Manifest, 128), Clean(x.First, 1000)
			x.Read, x.Bytes = max(x.Read, 0), max(x.Bytes, 0)
			x.Chunks, x.Fills, x.Unread = max(x.Chunks, 0), max(x.Fills, 0), max(x.Unread, 0)
			o.Verify = &x
		}
		o.Output = cleanOutput(o.Output)
		if o.Proof != nil {
			p := cleanProof(*o.Proof)
			o.Proof = &p
		}
		r.Outcome = &o
	}
	return r
}

// maxNotes is how many sentences the certificate of a wipe has at most.
const maxNotes = 16

// cleanWipe bounds everything in the certificate of a wipe.
func cleanWipe(w job.WipeProof) job.WipeProof {
	for _, s := range []*string{&w.Ordered, &w.Method, &w.Reported, &w.Path, &w.Model, &w.Serial} {
		*s = Clean(*s, maxString)
	}
	w.Refused = Clean(w.Refused, 500)
	w.Notes = slices.Clone(w.Notes[:min(len(w.Notes), maxNotes)])
	for i := range w.Notes {
		w.Notes[i] = Clean(w.Notes[i], 500)
	}
	w.Size, w.Hidden, w.Verified = max(w.Size, 0), max(w.Hidden, 0), max(w.Verified, 0)
	return w
}

// cleanOutput bounds the output of a script, and keeps its lines and tabs.
func cleanOutput(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), job.MaxOutput)], "\ufffd")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
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
	c, _ := f.computers.get(t.Computer)
	t.Published = &p
	e := f.event("published", Info, c, t, "%s@%d, %d bytes new", p.Master, p.Version, p.NewBytes)
	return f.commit(ctx, Change{Tasks: []Task{t}, Events: []Event{e}})
}
