package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

var _ restore.Receiver = (*cache.Staging)(nil)

// The steps of a staging.
const (
	stageChecking = iota
	stageFilling
	stageReading
	stageEnd
)

func stageWords() []notices.Word {
	return []notices.Word{notices.StepChecking, notices.StepStage, notices.StepReadBack, notices.StepEnd}
}

// stage brings a version into the cache of the disk: what the disk holds from there, then what a session sends, the rest by
// HTTPS. Nothing outside the cache is written.
func (a *agent) stage(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	a.Screen.Say(notices.Checking, version(t))
	p.step(stageChecking)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	s := a.join(t)
	defer s.leave()
	p.share(s)
	open, err := a.open(t.Disk, target, disk.Mode{Read: true, Write: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = open.Close() }()
	d := watch(open)
	c, err := a.makeCache(open)
	if err != nil {
		return job.Outcome{}, stageFault(ctx, err)
	}
	m, err := a.stageManifest(ctx, t, c, open, s)
	if err != nil {
		return job.Outcome{}, err
	}
	p.step(stageFilling)
	a.Screen.Say(notices.Staging, version(t))
	o, err := a.fillFor(ctx, t, p, c, d, m, s)
	if err == nil {
		p.step(stageReading)
		err = a.readCache(ctx, p, c, d, m)
	}
	if err != nil {
		return o, a.failing(stageFault(ctx, err), d, target)
	}
	p.step(stageEnd)
	a.tellLocal(ctx, open, c)
	p.step(stageEnd + 1)
	return o, nil
}

// stock fills the cache with the version that a deployment has just proven, from the disk itself, so that the first reset
// needs no network. It is done where the room lets computers be reset. The disk is right whatever becomes of it: what goes
// wrong is told, and a staging makes up for it.
func (a *agent) stock(ctx context.Context, e *errand) {
	e.cache = a.cacheOf(e.d.Disk)
	wanted, err := a.client.Local(ctx)
	if err != nil {
		a.Screen.Note("cache: %v", err)
		return
	}
	g, err := readGrant(a.trust.SigningKeys, wanted.Grant)
	if err != nil || g.Policy == job.PolicyNever || g.Manifest != e.t.Manifest {
		return
	}
	c, err := a.makeCache(e.d.Disk)
	var none *cache.NoCacheError
	if errors.As(err, &none) {
		return // restore has said why
	}
	if err == nil {
		e.cache = c
		err = a.stockFrom(ctx, e)
	}
	if err != nil {
		a.Screen.Note("cache: %v", err)
	}
}

func (a *agent) stockFrom(ctx context.Context, e *errand) error {
	c, p := e.cache, e.p
	if _, err := a.stageManifest(ctx, e.t, c, e.d.Disk, nil); err != nil {
		return err
	}
	a.Screen.Say(notices.Staging, version(e.t))
	if _, err := a.fillFor(ctx, e.t, p, c, e.d, e.m, nil); err != nil {
		return err
	}
	return a.readCache(ctx, p, c, e.d, e.m)
}

// stageManifest finds the manifest in the cache, or brings it there with the names of its files.
func (a *agent) stageManifest(ctx context.Context, t job.Task, c *cache.Cache, d *disk.Disk, s *together) (*manifest.Manifest, error) {
	want, err := manifest.ParseHash(t.Manifest)
	if err != nil {
		return nil, fault(notices.MasterAltered, err)
	}
	if m, err := a.cached(c, want); err == nil {
		if _, err := c.Names(want); err == nil {
			if !c.Covers(m).Complete() {
				s.manifest(ctx) // not for what it brings: it comes once the session has let us in
			}
			return m, nil
		}
	}
	m, encoded, sig, err := a.manifestBytes(ctx, t.Manifest, s)
	if err != nil {
		return nil, err
	}
	err = a.putManifest(ctx, c, want, encoded, sig)
	if full(err) { // of what is not needed any more: a former version fills it
		if err = a.keepFor(ctx, c, d, t.Manifest, false); err == nil {
			err = a.putManifest(ctx, c, want, encoded, sig)
		}
	}
	if err != nil {
		return nil, stageFault(ctx, err)
	}
	return m, nil
}

// putManifest brings a manifest with the names of its files into the cache.
func (a *agent) putManifest(ctx context.Context, c *cache.Cache, want manifest.Hash, encoded []byte, sig manifest.Signature) error {
	var names io.Reader
	if n, err := a.client.Names(ctx, want.String()); err != nil {
		a.Screen.Note("names: %v", err) // quick resets then ask the server for them, or read everything
	} else {
		defer func() { _ = n.Close() }()
		names = n
	}
	return c.PutManifest(want, encoded, sig, names)
}

// full tells whether a cache has no room beside what it is kept for.
func full(err error) bool {
	var f *cache.FullError
	return errors.As(err, &f)
}

// fillFor makes the cache be for the version that runs and for this one, and brings what it lacks. Others stay where there is
// room for them all: a cache that holds one version only is for the one that a computer runs now, not for the one before.
func (a *agent) fillFor(ctx context.Context, t job.Task, p *progress, c *cache.Cache, d *watched, m *manifest.Manifest, s *together) (job.Outcome, error) {
	if err := a.keepFor(ctx, c, d.Disk, t.Manifest, true); err != nil {
		return job.Outcome{}, err
	}
	frames := p.source()
	o, err := a.fill(ctx, t, p, c, d, m, s, frames)
	if !full(err) {
		return o, err
	}
	kept := c.Stats().Kept
	if err := a.keepFor(ctx, c, d.Disk, t.Manifest, false); err != nil {
		return o, err
	}
	if slices.Equal(kept, c.Stats().Kept) {
		return o, err // nothing can go
	}
	more, err := a.fill(ctx, t, p, c, d, m, s, frames)
	more.ReadBytes, more.WrittenBytes = more.ReadBytes+o.ReadBytes, more.WrittenBytes+o.WrittenBytes-o.StoredBytes
	return more, err
}

// keepFor says what the cache is for: the version that runs, then this one, and with others what the server wants, then what
// it was for before.
func (a *agent) keepFor(ctx context.Context, c *cache.Cache, d *disk.Disk, hash string, others bool) error {
	var list []manifest.Hash
	stats := c.Stats()
	add := func(h manifest.Hash) {
		if slices.Contains(stats.Held, h) && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	if runs := last(d); runs != nil && runs.Ok {
		if h, err := manifest.ParseHash(runs.Manifest); err == nil {
			add(h)
		}
	}
	if h, err := manifest.ParseHash(hash); err == nil {
		add(h)
	}
	if !others {
		return c.KeepFor(list...)
	}
	if wanted, err := a.client.Local(ctx); err == nil {
		for _, s := range wanted.Stage {
			if h, err := manifest.ParseHash(s); err == nil {
				add(h)
			}
		}
	}
	for _, h := range stats.Kept {
		add(h)
	}
	return c.KeepFor(list[:min(len(list), maxStaged)]...)
}

// maxStaged is how many versions a cache is for: the room that a deployment asks for is for two and a quarter.
const maxStaged = 2

// fill brings what the cache lacks: from the disk, by the session s, unless that is nil, and by HTTPS.
func (a *agent) fill(ctx context.Context, t job.Task, p *progress, c *cache.Cache, d *watched, m *manifest.Manifest, s *together,
	frames *client.Frames) (job.Outcome, error) {
	var o job.Outcome
	r, err := c.Fill(ctx, m, d, func(g cache.Progress) { p.bytes(g.Done, g.Total, 0, 0) })
	o.ReadBytes, o.WrittenBytes = r.Bytes, r.Stored
	if err != nil {
		return o, err
	}
	fetched := frames.Fetched() // by a deployment that went before
	s.settle(m)
	if session := s.carousel(); session != nil {
		staging := c.Staging(m, a.now)
		err := session.Run(ctx, staging)
		if ferr := c.Flush(); ferr != nil {
			return o, ferr
		}
		if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
		if err != nil {
			a.Screen.Note("session: %v", err)
		}
		a.Screen.Say(notices.Staging, version(t))
	}
	lacks := c.Missing(distinct(m))
	r, err = c.FillFrom(ctx, lacks, frames, func(done, total int) {
		p.bytes(int64(done), int64(total), 0, frames.Fetched()-fetched)
	})
	o.StoredBytes = frames.Fetched() + frames.FromPeers()
	if reception := s.look(0, 0); reception != nil {
		o.StoredBytes = reception.Multicast + reception.HTTPS + reception.Peers
	}
	o.WrittenBytes += o.StoredBytes
	return o, err
}

// readCache proves all that the cache holds from the medium, and brings once more what did not get there.
func (a *agent) readCache(ctx context.Context, p *progress, c *cache.Cache, d *watched, m *manifest.Manifest) error {
	for again := range 2 {
		if err := d.Drop(); err != nil {
			return err
		}
		lost, err := c.Check(ctx)
		if err != nil {
			return err
		}
		lacks := c.Missing(distinct(m))
		if len(lacks) == 0 {
			return nil
		}
		a.Screen.Note("cache: %d frames were not what was written, %d chunks are missing", lost, len(lacks))
		if again > 0 {
			break
		}
		if _, err := c.FillFrom(ctx, lacks, p.source(), nil); err != nil {
			return err
		}
	}
	return fault(notices.NoCache, fmt.Errorf("%d chunks of it cannot be read back", len(c.Missing(distinct(m)))))
}

// distinct returns the chunks of m that lie on the disk, each once.
func distinct(m *manifest.Manifest) []chunk.ID {
	seen := make(map[chunk.ID]struct{}, m.Chunks.Len())
	var list []chunk.ID
	for _, e := range m.Chunks.All() {
		if _, ok := seen[e.ID]; ok || len(e.Pieces) == 0 {
			continue
		}
		seen[e.ID] = struct{}{}
		list = append(list, e.ID)
	}
	return list
}

// stageFault turns what the cache returns into what a person is told.
func stageFault(ctx context.Context, err error) error {
	var none *cache.NoCacheError
	var full *cache.FullError
	var f *FaultError
	var p *client.ProblemError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &f):
		return err
	case errors.As(err, &none), errors.As(err, &full):
		return fault(notices.NoCache, err)
	case errors.As(err, &p):
		return fault(notices.MasterDamaged, err)
	}
	return diskFault(err)
}

// tellLocal tells the server what our place on a disk holds now. It is a courtesy: the next one says it again.
func (a *agent) tellLocal(ctx context.Context, d *disk.Disk, c *cache.Cache) {
	if err := a.client.TellLocal(ctx, a.localState(d, c)); err != nil {
		a.Screen.Note("telling of the cache: %v", err)
	}
}

// localState says what our place on a disk holds; c may be nil.
func (a *agent) localState(d *disk.Disk, c *cache.Cache) job.LocalState {
	s := job.LocalState{}
	ours, part, err := ourPlace(d)
	switch {
	case err != nil:
		s.WhyNot = err.Error()
	default:
		s.Place, s.NoMenu = true, a.menuMissing(d, ours, part)
		if e, err := ours.Grant().Load(); err == nil && e != nil {
			if g, err := readGrant(a.trust.SigningKeys, *e); err == nil {
				s.Counter = g.Counter
			}
		}
	}
	if c == nil {
		return s
	}
	stats := c.Stats()
	for _, h := range stats.Kept {
		missing := int64(-1)
		if m, err := a.cached(c, h); err == nil {
			missing = c.Covers(m).MissingBytes
		}
		s.Cached = append(s.Cached, job.Cached{Manifest: h.String(), Missing: missing})
	}
	return s
}
