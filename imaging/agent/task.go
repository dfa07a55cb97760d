package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/sign"
)

// errNotEnrolled says that the server, which knew this computer, does not know it any more.
var errNotEnrolled = errors.New("this computer is no longer enrolled")

// errNoWork says that no task came within the time that it was waited for.
var errNoWork = errors.New("the server gave no task")

// work does one task after the other until one of them ends the PC's stay. The first is waited for as long as patience; 0:
// for ever.
func (a *agent) work(ctx context.Context, patience time.Duration) (job.Ending, error) {
	waiting, stop := ctx, context.CancelFunc(func() {})
	if patience > 0 {
		waiting, stop = context.WithTimeout(ctx, patience)
	}
	defer stop()
	for {
		a.Screen.Steps()
		a.Screen.Say(notices.Idle)
		e, ok, err := a.client.Task(waiting)
		var p *client.ProblemError
		switch {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			return "", errNoWork
		case errors.As(err, &p) && p.Status == http.StatusForbidden:
			return "", errNotEnrolled
		case err != nil:
			return "", a.refusal(err)
		}
		if !ok {
			a.contact(ctx)
			continue
		}
		waiting = ctx
		a.refresh(ctx, e.Key)
		t, err := a.accept(e)
		if err != nil {
			return "", err
		}
		if err := a.do(ctx, t); err != nil {
			return "", err
		}
		if t.Kind == job.KindInventory || t.Kind == job.KindStage { // a capture must not change what it has read
			a.contact(ctx)
		}
		switch {
		case t.Ending == job.EndPowerOff, t.Kind == job.KindShutdown:
			a.end(job.EndPowerOff, notices.EndPowerOff)
			return job.EndPowerOff, nil
		case t.Ending == job.EndStay:
			a.end(job.EndStay, notices.EndStay)
		default:
			a.toDisk()
			a.end(job.EndDisk, notices.EndDisk)
			return job.EndDisk, nil
		}
	}
}

func (a *agent) end(e job.Ending, code notices.Code) {
	a.Screen.Say(code)
	a.Screen.Note("ending %s", e)
}

// toDisk makes firmware start the system at once where we know its entry; else our menu does it, where it comes first;
// else firmware asks the network, and the server sends it to the disk.
func (a *agent) toDisk() {
	if a.PC.Firmware != nil && a.system != nil {
		err := efi.Next(a.PC.Firmware, *a.system)
		if err == nil {
			return
		}
		a.Screen.Say(notices.BootEntry, err)
	}
	a.diskNext()
}

// refresh asks again which keys count when a task is signed by one that we do not know: the site may have replaced its
// key while we waited. The answer comes over the TLS that the fingerprint proves, as the first one did.
func (a *agent) refresh(ctx context.Context, key string) {
	if slices.Contains(a.trust.SigningKeys, key) {
		return
	}
	if t, err := a.client.Trust(ctx); err == nil && len(t.SigningKeys) > 0 {
		a.trust.SigningKeys = t.SigningKeys
	}
}

// accept checks a task before anything else is done with it: signed by this site, for this computer, not seen before.
func (a *agent) accept(e job.Envelope) (job.Task, error) {
	var t job.Task
	if err := sign.Verify(a.trust.SigningKeys, e.Key, job.ContextTask, e.Payload, e.Signature); err != nil {
		return t, fault(notices.TaskUntrusted, err)
	}
	if err := json.Unmarshal(e.Payload, &t); err != nil {
		return t, fault(notices.TaskUntrusted, fmt.Errorf("reading the task: %w", err))
	}
	switch {
	case t.ComputerKey != a.keyName:
		return t, &FaultError{Code: notices.TaskNotOurs, Args: []any{t.ID}}
	case t.Nonce == "" || a.seen[t.Nonce]:
		return t, &FaultError{Code: notices.TaskReplayed, Args: []any{t.ID}}
	}
	a.seen[t.Nonce] = true
	a.Screen.Computer(t.Computer)
	return t, nil
}

// errCancelled is the cause of a context that ended because the server said so. A session tells by what it wraps that no
// disk has failed.
var errCancelled = fmt.Errorf("the task was cancelled: %w", context.Canceled)

// steps returns the steps of a task, and what does them.
func (a *agent) steps(t job.Task) ([]notices.Word, func(context.Context, job.Task, *progress) (job.Outcome, error)) {
	switch t.Kind {
	case job.KindDeploy, job.KindReset:
		course := deployCourse()
		if t.Kind == job.KindReset {
			course = resetCourse()
		}
		return course.words, func(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
			return a.equal(ctx, t, p, course)
		}
	case job.KindCapture:
		return []notices.Word{notices.StepDisk, notices.StepCapture, notices.StepPublish}, a.capture
	case job.KindStage:
		return stageWords(), a.stage
	case job.KindVerify:
		return verifyWords(), a.verify
	case job.KindWipe:
		return wipeWords(), a.wipe
	case job.KindScript:
		return scriptWords(), a.script
	case job.KindInventory:
		return []notices.Word{notices.StepInventory}, a.inventory
	case job.KindShutdown:
		return []notices.Word{notices.StepReport}, func(_ context.Context, _ job.Task, p *progress) (job.Outcome, error) {
			p.step(0)
			p.step(1)
			return job.Outcome{}, nil
		}
	}
	return []notices.Word{notices.StepManifest}, func(context.Context, job.Task, *progress) (job.Outcome, error) {
		return job.Outcome{}, &FaultError{Code: notices.TaskUnknown, Args: []any{string(t.Kind)}}
	}
}

// do runs a task's steps and tells the server how it ended. A cancelled task is no fault.
func (a *agent) do(ctx context.Context, t job.Task) error {
	steps, run := a.steps(t)
	began, life := a.now(), ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := newProgress(a, t, steps, cancel)
	stop := p.watch(ctx)
	outcome, err := run(ctx, t, p)
	stop()
	a.Screen.Busy(false)
	if errors.Is(context.Cause(ctx), errCancelled) && !p.begun() {
		err = &FaultError{Code: notices.Cancelled, Err: errCancelled}
	}
	outcome.Seconds = a.now().Sub(began).Seconds()
	outcome.Proof = p.proof
	err = a.tell(context.WithoutCancel(ctx), t, p, outcome, err)
	p.together.restorePause()
	if err == nil && p.proven != nil {
		a.help(life, t, p.proven)
	}
	return err
}

// tell delivers the last report and says the same on the screen.
func (a *agent) tell(ctx context.Context, t job.Task, p *progress, o job.Outcome, err error) error {
	state, failure := job.TaskDone, err
	what := fmt.Sprintf("%s %s", t.Kind, subject(t, o))
	var f *FaultError
	switch {
	case err == nil:
		o.Code = "ok"
		a.Screen.Note("done %s written=%d read=%d stored=%d new=%d seconds=%.1f", what, o.WrittenBytes, o.ReadBytes, o.StoredBytes, o.NewBytes, o.Seconds)
	case errors.Is(err, errCancelled):
		state, failure = job.TaskCancelled, nil
		o.Code, o.Detail = "cancelled", notices.Get(notices.Cancelled).English()
		a.Screen.Note("cancelled %s", what)
	default:
		if !errors.As(err, &f) {
			f = &FaultError{Code: notices.Unexpected, Args: []any{err}, Err: err}
			failure = f
		}
		state = job.TaskFailed
		o.Code, o.Detail = string(f.Code), notices.Get(f.Code, f.Args...).English()
		a.Screen.Note("failed %s code=%s", what, o.Code)
		if f.Goes {
			a.Screen.Say(f.Code, f.Args...)
			failure = nil
		}
	}
	r := p.report(state)
	r.Outcome = &o
	if _, derr := a.client.Deliver(ctx, r); derr != nil {
		a.Screen.Note("report: %v", derr)
	}
	if err == nil {
		a.success(t, o)
	} else if state == job.TaskCancelled {
		a.Screen.Say(notices.Cancelled)
	}
	return failure
}

// subject names what a task is about.
func subject(t job.Task, o job.Outcome) string {
	switch {
	case t.Kind == job.KindCapture && o.Detail != "":
		return o.Detail // the version that it has become
	case t.Kind == job.KindScript:
		return t.Script.Name
	case o.Wipe != nil:
		return o.Wipe.Path
	case o.Verify != nil:
		return fmt.Sprintf("%s@%d", o.Verify.Master, o.Verify.Version)
	}
	return version(t)
}

func (a *agent) success(t job.Task, o job.Outcome) {
	switch t.Kind {
	case job.KindDeploy:
		a.Screen.Say(notices.DeployDone, version(t))
	case job.KindReset:
		a.clean(o.Proof)
	case job.KindStage:
		a.Screen.Say(notices.StageDone, version(t))
	case job.KindCapture:
		a.Screen.Say(notices.CaptureDone, o.Detail)
	case job.KindVerify:
		a.Screen.Say(notices.VerifySame, subject(t, o))
	case job.KindWipe:
		a.Screen.Say(notices.WipeDone, o.Detail)
	case job.KindScript:
		a.Screen.Say(notices.ScriptDone, t.Script.Name)
	case job.KindShutdown:
		a.Screen.Say(notices.ShutdownReported)
	default:
		a.Screen.Say(notices.InventoryDone)
	}
}

// inventory is the shortest task: it was sent with the last hello, and is sent again as it is now.
func (a *agent) inventory(ctx context.Context, _ job.Task, p *progress) (job.Outcome, error) {
	p.step(0)
	_, err := a.client.Hello(ctx, a.introduction())
	if err != nil {
		return job.Outcome{}, a.refusal(err)
	}
	p.step(1)
	return job.Outcome{ProvenAt: time.Time{}}, nil
}
