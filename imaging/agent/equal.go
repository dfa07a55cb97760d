package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// course is the way through a task that makes a disk equal to a version: its steps, and which of them is when.
type course struct {
	words     []notices.Word
	manifest  int // the step in which the manifest is fetched
	countdown int
	look      int // the first step that has the disk open for writing
	end       int
	phase     func(phase string) int // the step that a phase of restore belongs to
	says      notices.Code           // while the disk is looked at
	repairs   notices.Code           // while it is written
}

// deployCourse is that of a deploy: whoever watches 28 PCs wants one number for all of the work on the disk.
func deployCourse() course {
	return course{
		words: []notices.Word{notices.StepDisk, notices.StepManifest, notices.StepCountdown, notices.StepRestore, notices.StepBoot,
			notices.StepStage},
		manifest: 1, countdown: 2, look: 3, end: 4,
		phase: func(string) int { return 3 },
		says:  notices.Deploying, repairs: notices.Deploying,
	}
}

// resetCourse is that of a reset: whoever waits in front of the PC wants to know whether anything had to be done.
func resetCourse() course {
	return course{
		words: []notices.Word{notices.StepChecking, notices.StepCountdown, notices.StepLook, notices.StepRepair,
			notices.StepReadBack, notices.StepEnd},
		manifest: 0, countdown: 1, look: 2, end: 5,
		phase: func(phase string) int {
			switch phase {
			case restore.PhaseScan, restore.PhaseProve, restore.PhaseReceive:
				return 2
			case restore.PhaseVerify:
				return 4
			}
			return 3
		},
		says: notices.Looking, repairs: notices.Repairing,
	}
}

// errand is one disk on its way to being equal to one version.
type errand struct {
	t      job.Task // what is to be done
	m      *manifest.Manifest
	target job.Disk
	d      *watched
	cache  *cache.Cache // of d; nil: none
	p      *progress
	course course
	origin string     // of the proof: menu, start or task
	before *job.Proof // the disk's last one when the errand began; nil: none
	proof  job.Proof

	looked  int64 // bytes that quick has read
	offline bool  // the server is not asked: a standing grant is the order
}

// version names what a task is about: debian@3.
func version(t job.Task) string { return fmt.Sprintf("%s@%d", t.Master, t.Version) }

// equal makes the disk equal to the version that a task of the server names: a deploy or a reset. The disk is opened for
// writing only after everything was checked.
func (a *agent) equal(ctx context.Context, t job.Task, p *progress, c course) (job.Outcome, error) {
	a.Screen.Say(notices.Checking, version(t))
	p.step(0)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	if c.manifest > 0 {
		p.step(c.manifest)
	}
	var s *together
	m := a.inStore(target, t.Manifest)
	if m == nil {
		// The session is joined early: what its computers have to say to each other takes place during the countdown.
		s = a.join(t)
		defer s.leave()
		p.share(s)
		if m, err = a.fetchManifest(ctx, t.Manifest, s); err != nil {
			return job.Outcome{}, err
		}
	}
	if _, err := disk.Plan(m, target.Size, target.SectorSize, disk.Ours{Ardoise: true}); err != nil {
		return job.Outcome{}, diskFault(err)
	}
	p.step(c.countdown)
	if err := a.countdown(ctx, t, target); err != nil {
		return job.Outcome{}, err
	}
	p.step(c.look)
	a.Screen.Say(c.says, version(t))
	open, err := a.open(t.Disk, target, disk.Mode{Read: true, Write: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = open.Close() }()
	d := watch(open)
	s.settle(m)
	a.Screen.Busy(true)
	e := &errand{t: t, m: m, target: target, d: d, p: p, course: c, origin: originTask}
	// A deployment may write over the cache, where the new master needs its place: what it gives is proven each time.
	e.cache = a.cacheOf(open)
	o, err := a.bring(ctx, e)
	if err == nil {
		if t.Kind == job.KindDeploy { // it may be another one now
			p.step(c.end + 1)
			s.leave()
			a.stock(ctx, e)
		}
		a.tellLocal(ctx, open, e.cache)
		a.heal(ctx, d, m)
		p.step(len(c.words))
		p.proven = m
	}
	// The kernel's view of the partitions is of no use to us: a fault here is no fault of the disk.
	_ = d.Rescan()
	return o, err
}

// bring does the work on the open disk, and makes the proof of it, whatever came out.
func (a *agent) bring(ctx context.Context, e *errand) (job.Outcome, error) {
	began := a.now()
	if err := a.beginProof(e); err != nil {
		return job.Outcome{}, err
	}
	e.before = last(e.d.Disk)
	if a.skip(e) {
		e.p.step(e.course.end)
		a.startsFrom(ctx, e)
		a.endProof(e, nil)
		return job.Outcome{ProvenAt: a.now().UTC()}, nil
	}
	e.proof.Doubt = strange(e.t, e.before)
	a.ownBytes(e)
	kept := false
	e.p.breaks = func() { a.resumeNext(e.d.Disk, true) }
	e.p.marked = func() { kept = kept || a.keepEarly(e.d.Disk) }
	o, part, err := a.restore(ctx, e)
	e.proof.Seconds = a.now().Sub(began).Seconds()
	if errors.Is(err, errCancelled) && !e.p.begun() {
		return o, err // the disk is as it was: there is nothing to say of it
	}
	if err != nil {
		err = a.failing(err, e.d, e.target)
		a.endProof(e, err)
		return o, err
	}
	e.p.step(e.course.end)
	a.weak(e.d, e.target)
	a.mark = nil // whatever an older disk said, this one is proven
	// Without the server nothing was learned that is worth keeping.
	if part != nil && !e.offline {
		a.keep(e.d.Disk, part)
	}
	a.resumeNext(e.d.Disk, false)
	a.startsFrom(ctx, e)
	a.endProof(e, nil)
	return o, nil
}

// restore has the engine do its work. Frames come from the cache, where there is one, else from the server and its peers.
func (a *agent) restore(ctx context.Context, e *errand) (job.Outcome, *manifest.Partition, error) {
	t, p := e.t, e.p
	var frames *client.Frames
	var net cache.Source
	if !e.offline {
		frames = p.source()
		net = frames
	}
	source := cache.Sources(e.cache, net)
	vouched, err := a.lookQuick(ctx, e, source)
	if err != nil {
		return job.Outcome{}, nil, diskFault(err)
	}
	phase := ""
	o := restore.Options{
		Manifest: e.m, Target: e.d, SectorSize: e.d.SectorSize(), Source: source, Carousel: p.together.carousel(), Marker: p,
		Mark:        job.Mark{Task: t.ID, Job: t.Job, Kind: t.Kind, Master: t.Master, Version: t.Version, Manifest: t.Manifest},
		Exceptions:  t.Exceptions,
		MakeArdoise: true,
		Prove:       e.offline, // where the cache turns out to be damaged, the PC starts as it is, and asks the server another time
		Rotates:     e.target.Rotational,
		Serial:      serial(t.ID),
		Discard:     t.Kind == job.KindReset && e.proof.Asked == job.LevelFull, // it takes time: not at the pupils' button
		Progress: func(g restore.Progress) {
			if g.Phase != phase {
				phase = g.Phase
				a.Screen.Note("phase %s", phase)
				a.enter(e, phase)
				p.phase(phase)
			}
			p.bytes(g.Done, g.Total, g.Written, g.Fetched)
		},
	}
	if vouched != nil { // little will differ: the line is left to who needs more
		defer sweep.Attend()()
		o.Vouched, o.Carousel = vouched, nil
	}
	if t.Kind == job.KindDeploy {
		o.Cache = wanted(e.m)
	}
	r, err := restore.Run(ctx, o)
	e.proof.FromNet = r.CarouselBytes
	if frames != nil {
		e.proof.FromNet += frames.Fetched() + frames.FromPeers()
	}
	out := job.Outcome{ReadBytes: r.ReadBytes + e.looked, WrittenBytes: r.WrittenBytes, StoredBytes: e.proof.FromNet}
	e.proof.Read, e.proof.Written, e.proof.FromCache = out.ReadBytes, r.WrittenBytes, source.FromCache()
	e.proof.Differed = r.DifferedBytes
	if r.Level != "" {
		e.proof.Level = r.Level
	}
	for _, w := range r.Warnings {
		a.Screen.Note("warning: %s", w)
	}
	if err != nil {
		return out, nil, diskFault(err)
	}
	if !r.Proven {
		return out, nil, fault(notices.NotProven, errors.New("the read-back did not cover the whole master"))
	}
	if r.WhyNot != "" {
		a.Screen.Say(notices.NoRoom, r.WhyNot)
	}
	if r.WhyNoCache != "" {
		a.Screen.Note("no cache: %s", r.WhyNoCache)
	}
	out.ProvenAt = a.now().UTC()
	return out, r.Ardoise, nil
}

// enter shows the step that a phase belongs to, and says when it is the first that writes.
func (a *agent) enter(e *errand, phase string) {
	i := e.course.phase(phase)
	if i == e.p.under() {
		return
	}
	e.p.step(i)
	if i > e.course.look {
		a.Screen.Say(e.course.repairs, version(e.t))
	}
}
