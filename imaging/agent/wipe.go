package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/imaging/wipe"
)

// The steps of a wipe.
const (
	wipeChoosing = iota
	wipeCounting
	wipeErasing
	wipeReading
	wipeEnd
)

func wipeWords() []notices.Word {
	return []notices.Word{notices.StepDisk, notices.StepCountdown, notices.StepWipe, notices.StepReadBack}
}

// wipe destroys everything on one disk, our own place and key there, too. Nothing on it is needed to end well.
func (a *agent) wipe(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	p.step(wipeChoosing)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	p.step(wipeCounting)
	name := describe([]job.Disk{target})
	err = a.countDown(ctx, t.Countdown, func(left int) { a.Screen.Say(notices.WipeCountdown, name, left) })
	if err != nil {
		return job.Outcome{}, err
	}
	open, err := a.open(t.Disk, target, disk.Mode{Read: true, Write: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = open.Close() }()
	var drive wipe.Drive
	if a.PC.Eraser != nil {
		d, done, err := a.PC.Eraser(target)
		if err != nil {
			a.Screen.Note("commands of the drive: %v", err)
		} else {
			drive = d
			defer func() { _ = done() }()
		}
	}
	a.Screen.Busy(true)
	p.step(wipeErasing)
	a.Screen.Say(notices.Wiping, name, cmp.Or(t.Wipe.Method, job.WipeAuto)) // until it is known how
	d, way, written := watch(open), "?", int64(0)
	proof, err := wipe.Run(ctx, wipe.Options{Target: d, Disk: target, Drive: drive, Method: t.Wipe.Method, Random: a.PC.Random,
		Now: a.now, Sleep: func(ctx context.Context, _ time.Duration) error { return a.sleep(ctx, a.Second) },
		Begin: func(ctx context.Context) error {
			if err := p.Set(ctx, job.Mark{Task: t.ID, Job: t.Job, Kind: t.Kind, Phase: restore.PhaseBreak}); err != nil {
				return err
			}
			a.forsake(target)
			return nil
		},
		Progress: func(g wipe.Progress) {
			if g.Way != way {
				way = g.Way
				a.Screen.Say(notices.Wiping, name, wayName(way))
			}
			if step := map[string]int{wipe.PhaseErase: wipeErasing, wipe.PhaseReadBack: wipeReading}[g.Phase]; step != p.under() {
				p.step(step)
			}
			written = g.Written
			p.bytes(g.Done, g.Total, g.Written, 0)
		}})
	o := job.Outcome{ReadBytes: proof.Verified, WrittenBytes: written, Wipe: &proof, Unproven: p.begun()}
	_ = d.Rescan() // the kernel's view of the partitions is of no use any more
	if err != nil {
		return o, a.wipeFault(ctx, err, d, target)
	}
	p.step(wipeEnd)
	o.ProvenAt = a.now().UTC()
	o.Detail = fmt.Sprintf("%s, %d MB read back", wayName(proof.Reported), proof.Verified/1_000_000)
	return o, nil
}

// wayName names what erases, for a person.
func wayName(way string) string {
	if way == "" {
		return "zeros"
	}
	return way
}

// forsake forgets what was found on a disk that is about to be wiped.
func (a *agent) forsake(d job.Disk) {
	a.places = slices.DeleteFunc(a.places, func(p place) bool { return p.disk.Path == d.Path })
	a.mark, a.system = nil, nil
	for _, p := range a.places {
		a.mark = cmp.Or(a.mark, p.mark)
	}
}

// wipeFault turns what the wipe returns into what a person is told.
func (a *agent) wipeFault(ctx context.Context, err error, d *watched, target job.Disk) error {
	var cannot *wipe.CannotError
	var f *FaultError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errCancelled), errors.As(err, &f):
		return err
	case errors.As(err, &cannot):
		return fault(notices.WipeCannot, err)
	}
	if says := a.health(target); says != "" {
		err = fmt.Errorf("%w (%s)", err, says)
	}
	return fault(notices.WipeRefused, err)
}

// countDown gives the person in front of the PC a last chance: it says how many seconds are left, each second.
func (a *agent) countDown(ctx context.Context, seconds int, say func(left int)) error {
	for left := min(max(seconds, 0), 3600); left > 0; left-- {
		say(left)
		if err := a.sleep(ctx, a.Second); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
