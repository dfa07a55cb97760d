package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/script"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// The steps of a script.
const (
	scriptFetching = iota
	scriptCounting
	scriptRunning
	scriptEnd
)

func scriptWords() []notices.Word {
	return []notices.Word{notices.StepFetch, notices.StepCountdown, notices.StepScript}
}

// script runs a script that people have approved. Only one that was approved to write finds a disk that can be written.
func (a *agent) script(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	s := t.Script
	a.Screen.Say(notices.ScriptChecking, s.Name)
	p.step(scriptFetching)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	text, err := a.scriptText(ctx, s)
	if err != nil {
		return job.Outcome{}, err
	}
	if a.PC.Script == nil {
		return job.Outcome{}, &FaultError{Code: notices.TaskUnknown, Args: []any{string(t.Kind)}}
	}
	p.step(scriptCounting)
	if s.Writes {
		name := describe([]job.Disk{target})
		err := a.countDown(ctx, t.Countdown, func(left int) { a.Screen.Say(notices.ScriptCountdown, s.Name, name, left) })
		if err != nil {
			return job.Outcome{}, err
		}
	}
	release, err := a.hold(ctx, t, p, target)
	if err != nil {
		return job.Outcome{}, err
	}
	defer release()
	p.step(scriptRunning)
	a.Screen.Say(notices.ScriptRunning, s.Name)
	a.Screen.Busy(s.Writes)
	limit := min(max(s.Limit, 1), job.MaxScriptLimit)
	counted := a.counter(target)
	e, err := a.PC.Script(ctx, script.Program{Text: text, Limit: time.Duration(limit) * time.Second,
		Env: []string{job.EnvDisk + "=" + target.Path, job.EnvComputer + "=" + t.Computer}})
	o := job.Outcome{Output: e.Output, Exit: e.Exit, Unproven: s.Writes || counted != a.counter(target)}
	a.Screen.Note("script %s exit=%d output=%d bytes", s.Name, e.Exit, len(e.Output))
	switch {
	case ctx.Err() != nil:
		return o, context.Cause(ctx)
	case err != nil:
		return o, fault(notices.Unexpected, err)
	case e.Limited:
		return o, &FaultError{Code: notices.ScriptLimit, Args: []any{s.Name, limit}, Goes: true}
	case e.Exit != 0:
		return o, &FaultError{Code: notices.ScriptFailed, Args: []any{s.Name, e.Exit}, Goes: true}
	}
	p.step(scriptEnd)
	return o, nil
}

// scriptText fetches the script and believes it only if it is the one that the task names.
func (a *agent) scriptText(ctx context.Context, s job.ScriptOrder) ([]byte, error) {
	text, err := a.client.Script(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, a.refusal(err)
	case s.Hash == "" || chunk.Of(text).String() != s.Hash:
		return nil, fault(notices.ScriptAltered, fmt.Errorf("the hash of its %d bytes is not that of the order", len(text)))
	}
	return text, nil
}

// hold prepares the disk for a script. For one that writes, what the disk was proven to hold is forgotten there: a reset
// that relied on it would look only for what the file systems' records show. For any other, writes are refused.
func (a *agent) hold(ctx context.Context, t job.Task, p *progress, target job.Disk) (release func(), err error) {
	if !t.Script.Writes {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return script.Protect(target.Path), nil
	}
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	open, err := a.open(t.Disk, target, disk.Mode{Read: true, Write: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	ours, none := ardoise(open)
	if none != nil {
		return func() {}, nil
	}
	list, err := ours.Proofs().Load()
	if err != nil || len(list) == 0 {
		return func() {}, nil // what cannot be read is relied on by nobody
	}
	var ids []string
	for _, q := range list {
		ids = append(ids, q.ID)
	}
	if err := ours.Proofs().Forget(ids...); err != nil {
		return nil, diskFault(err)
	}
	for i := range a.places {
		if a.places[i].disk.Path == target.Path {
			a.places[i].proofs = nil
		}
	}
	return func() {}, nil
}

// counter is what a drive counts of its writes, the zero value where it counts none.
func (a *agent) counter(d job.Disk) job.WriteCounter {
	if a.PC.Drive == nil {
		return job.WriteCounter{}
	}
	if c := a.PC.Drive(d).Counter; c != nil {
		return *c
	}
	return job.WriteCounter{}
}
