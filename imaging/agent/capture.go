package agent

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/volume"
)

var _ capture.Sink = (*client.Sink)(nil)

// capture makes a version of a master from the disk, which is only read.
func (a *agent) capture(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	a.Screen.Say(notices.Checking, t.Master)
	p.step(0)
	source, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	open, err := a.open(t.Disk, source, disk.Mode{Read: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = open.Close() }()
	d := watch(open)
	p.step(1)
	a.Screen.Say(notices.Capturing, t.Master)
	sink := a.client.Sink(t.ID)
	var names spool
	m, r, err := capture.Run(ctx, capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(), Sink: sink,
		Names: &names, AsIs: t.AsIs, Progress: func(g capture.Progress) { p.bytes(g.Done, g.Total, 0, g.Sent) }})
	o := job.Outcome{ReadBytes: r.ReadBytes, StoredBytes: sink.Sent()}
	for _, w := range r.Warnings {
		a.Screen.Note("warning: %s", w)
	}
	if err != nil {
		return o, a.failing(captureFault(ctx, err), d, source)
	}
	p.step(2)
	if err := p.begin(ctx); err != nil { // publishing is one moment: no cancelling in the midst of it
		return o, err
	}
	done, err := sink.Publish(ctx, client.Description{Names: names.copyTo, Manifest: func(w io.Writer) error {
		_, err := m.Encode(w)
		return err
	}})
	if err != nil {
		return o, captureFault(ctx, err)
	}
	p.step(3)
	o.StoredBytes, o.NewBytes = done.StoredBytes, done.NewBytes
	o.Detail = fmt.Sprintf("%s@%d", done.Master, done.Version)
	return o, nil
}

func captureFault(ctx context.Context, err error) error {
	var unclean *volume.RefusedError
	var p *client.ProblemError
	var unproven *client.UnprovenError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &unclean):
		return &FaultError{Code: notices.NotClean, Args: []any{err.Error() + ". " + unclean.Hint}, Err: err}
	case errors.As(err, &p) && p.Problem.Code == "no-space":
		return fault(notices.NoSpace, err)
	case errors.As(err, &p), errors.As(err, &unproven):
		return fault(notices.ServerProblem, err)
	}
	return fault(notices.DiskFault, err)
}
