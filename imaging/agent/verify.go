package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The steps of a verify.
const (
	verifyChecking = iota
	verifyReading
	verifyEnd
)

func verifyWords() []notices.Word {
	return []notices.Word{notices.StepChecking, notices.StepVerify}
}

// verify reads every kept and fill byte from the medium and compares it with the version of the task; where the task names
// none, with what the disk was last proven to hold. It writes nothing, not even its proof.
func (a *agent) verify(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	p.step(verifyChecking)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	open, err := a.open(t.Disk, target, disk.Mode{Read: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = open.Close() }()
	e := &errand{t: t, target: target, d: watch(open), p: p, before: last(open)}
	if t.Manifest == "" {
		if e.before == nil {
			return job.Outcome{}, fault(notices.VerifyNothing, errors.New("the disk has no proof of what it holds"))
		}
		e.t.Master, e.t.Version, e.t.Manifest = e.before.Master, e.before.Version, e.before.Manifest
	}
	a.Screen.Say(notices.Checking, version(e.t))
	if e.m, err = a.fetchManifest(ctx, e.t.Manifest, nil); err != nil {
		return job.Outcome{}, err
	}
	e.cache = a.cacheOf(open)
	a.ownBytes(e)
	p.step(verifyReading)
	a.Screen.Say(notices.Verifying, version(e.t))
	frames := p.source()
	d, r, err := restore.Verify(ctx, restore.Options{Manifest: e.m, Target: e.d, SectorSize: open.SectorSize(),
		Source: cache.Sources(e.cache, frames), Exceptions: e.t.Exceptions, Rotates: target.Rotational,
		Progress: func(g restore.Progress) { p.bytes(g.Done, g.Total, 0, g.Fetched) }})
	o := job.Outcome{ReadBytes: r.ReadBytes, StoredBytes: frames.Fetched() + frames.FromPeers()}
	if err != nil {
		if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
		return o, a.failing(diskFault(err), e.d, target)
	}
	a.weak(e.d, target)
	o.Verify = a.differences(ctx, e, d, r)
	if d.None() {
		p.step(verifyEnd)
		o.ProvenAt = a.now().UTC()
		return o, nil
	}
	return o, &FaultError{Code: notices.VerifyDiffers, Args: []any{version(e.t), count(o.Verify)}, Goes: true,
		Err: errors.New(d.Summary())}
}

// differences counts what a verify has found, and names the first of it.
func (a *agent) differences(ctx context.Context, e *errand, d restore.Differences, r restore.Report) *job.Verification {
	v := &job.Verification{Master: e.t.Master, Version: e.t.Version, Manifest: e.t.Manifest, Read: r.ReadBytes,
		Fills: len(d.Fills), Chunks: len(d.Unproven)}
	for _, s := range d.Streams {
		v.Chunks, v.Bytes = v.Chunks+s.Chunks, v.Bytes+s.Bytes
		if s.Unreadable {
			v.Unread++
		}
	}
	for _, f := range d.Fills {
		v.Bytes += f.Length
	}
	for _, i := range d.Exceptions {
		v.Bytes += e.t.Exceptions[i].Length
	}
	switch {
	case len(d.Streams) > 0:
		v.First = fmt.Sprintf("byte %d", d.Streams[0].Extents[0].Offset)
		if name := a.nameFirst(ctx, e, &d); name != "" {
			v.First = name
		}
	case len(d.Fills) > 0:
		v.First = fmt.Sprintf("byte %d, which should be of a journal or a swap area", d.Fills[0].Offset)
	case len(d.Exceptions) > 0:
		v.First = e.t.Exceptions[d.Exceptions[0]].Why
	case d.Table != "":
		v.First = "the partition table: " + d.Table
	case len(d.Unproven) > 0:
		v.First = fmt.Sprintf("byte %d, which could not be judged", d.Unproven[0].Offset)
	}
	v.First = notices.Printable(v.First, 200)
	return v
}

// nameFirst names the first file that differs, "" if nobody can: names are a help, not what is proven.
func (a *agent) nameFirst(ctx context.Context, e *errand, d *restore.Differences) string {
	table, err := a.names(ctx, e)()
	if err != nil {
		a.Screen.Note("names: %v", err)
		return ""
	}
	defer func() { _ = table.Close() }()
	first, metadata := "", ""
	err = restore.NameStreams(d, manifest.ReadNames(table), func(n manifest.Name, s restore.StreamDifference) {
		where := "outside of partitions"
		if n.Volume >= 0 && n.Volume < len(e.m.Volumes) && e.m.Volumes[n.Volume].Partition > 0 {
			where = fmt.Sprintf("partition %d", e.m.Volumes[n.Volume].Partition)
		}
		switch {
		case n.Path == "" && metadata == "":
			metadata = where + ": its metadata"
		case n.Path != "" && first == "":
			first = where + ": /" + n.Path
		}
	})
	if err != nil {
		a.Screen.Note("names: %v", err)
	}
	if first == "" { // a file says more than the folder it lies in
		return metadata
	}
	return first
}

// count says in a few words what differs: "3 chunks (1 MB), 2 of them unread; first /etc/passwd".
func count(v *job.Verification) string {
	var parts []string
	if v.Chunks > 0 {
		parts = append(parts, fmt.Sprintf("%d chunks", v.Chunks))
	}
	if v.Fills > 0 {
		parts = append(parts, fmt.Sprintf("%d runs of fill bytes", v.Fills))
	}
	s := strings.Join(parts, ", ")
	if v.Bytes > 0 {
		s += fmt.Sprintf(" (%d kB)", (v.Bytes+999)/1000)
	}
	return strings.TrimPrefix(s+"; "+v.First, "; ")
}
