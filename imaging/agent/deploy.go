package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

var (
	_ restore.Source = (*client.Frames)(nil)
	_ restore.Marker = (*progress)(nil)
)

// maxManifest is the most that a manifest may be, encoded.
const maxManifest = 512 << 20

// deploy makes the disk equal to a master. The disk is opened for writing only after everything was checked.
func (a *agent) deploy(ctx context.Context, t job.Task, p *progress) (job.Outcome, error) {
	name := fmt.Sprintf("%s@%d", t.Master, t.Version)
	a.Screen.Say(notices.Checking, name)
	p.step(0)
	target, err := a.choose(t.Disk)
	if err != nil {
		return job.Outcome{}, err
	}
	p.step(1)
	// The session is joined early: what its computers have to say to each other takes place during the countdown.
	s := a.join(t)
	defer s.leave()
	p.share(s)
	m, err := a.fetchManifest(ctx, t.Manifest, s)
	if err != nil {
		return job.Outcome{}, err
	}
	if _, err := disk.Plan(m, target.Size, target.SectorSize, disk.Ours{Ardoise: true}); err != nil {
		return job.Outcome{}, diskFault(err)
	}
	p.step(2)
	if err := a.countdown(ctx, t, target); err != nil {
		return job.Outcome{}, err
	}
	p.step(3)
	a.Screen.Say(notices.Deploying, name)
	d, err := a.open(t.Disk, target, disk.Mode{Read: true, Write: true})
	if err != nil {
		return job.Outcome{}, err
	}
	defer func() { _ = d.Close() }()
	s.settle(m)
	a.Screen.Busy(true)
	kept := false
	p.marked = func() { kept = kept || a.keepEarly(d) }
	o, part, err := a.restore(ctx, t, p, d, m, target.Rotational)
	if err != nil {
		return o, err
	}
	p.step(4)
	a.mark = nil // whatever an older disk said, this one is proven
	if part != nil {
		a.keep(d, part)
	}
	a.bootOrder(d, m)
	a.heal(ctx, d, m)
	p.step(5)
	p.proven = m
	// The kernel's view of the partitions is of no use to us: a fault here is no fault of the disk.
	_ = d.Rescan()
	return o, nil
}

func (a *agent) restore(ctx context.Context, t job.Task, p *progress, d *disk.Disk, m *manifest.Manifest, rotates bool) (job.Outcome, *manifest.Partition, error) {
	frames := p.source()
	phase := ""
	r, err := restore.Run(ctx, restore.Options{
		Manifest: m, Target: d, SectorSize: d.SectorSize(), Source: frames, Carousel: p.together.carousel(), Marker: p,
		Mark:        job.Mark{Task: t.ID, Job: t.Job, Kind: t.Kind, Master: t.Master, Version: t.Version, Manifest: t.Manifest},
		Exceptions:  t.Exceptions,
		MakeArdoise: true,
		Rotates:     rotates,
		Serial:      serial(t.ID),
		Progress: func(g restore.Progress) {
			if g.Phase != phase {
				phase = g.Phase
				a.Screen.Note("phase %s", phase)
			}
			p.bytes(g.Done, g.Total, g.Written, g.Fetched)
		},
	})
	o := job.Outcome{ReadBytes: r.ReadBytes, WrittenBytes: r.WrittenBytes, StoredBytes: frames.Fetched() + frames.FromPeers() + r.CarouselBytes}
	for _, w := range r.Warnings {
		a.Screen.Note("warning: %s", w)
	}
	if err != nil {
		return o, nil, diskFault(err)
	}
	if !r.Proven {
		return o, nil, fault(notices.NotProven, errors.New("the read-back did not cover the whole master"))
	}
	if r.WhyNot != "" {
		a.Screen.Say(notices.NoRoom, r.WhyNot)
	}
	o.ProvenAt = a.now().UTC()
	return o, r.Ardoise, nil
}

// serial is a FAT serial number that differs from task to task.
func serial(id string) uint32 {
	h := chunk.Of([]byte(id))
	return uint32(h[0])<<24 | uint32(h[1])<<16 | uint32(h[2])<<8 | uint32(h[3])
}

// choose returns the one disk that the rule matches.
func (a *agent) choose(rule job.DiskRule) (job.Disk, error) {
	disks, err := a.PC.Disks()
	if err != nil {
		return job.Disk{}, err
	}
	d, err := disk.Choose(disks, rule)
	var none *disk.NoDiskError
	var several *disk.SeveralDisksError
	switch {
	case errors.As(err, &none):
		return d, &FaultError{Code: notices.NoDisk, Args: []any{describe(none.Disks)}, Err: err}
	case errors.As(err, &several):
		return d, &FaultError{Code: notices.SeveralDisks, Args: []any{describe(several.Disks)}, Err: err}
	}
	return d, err
}

// open opens the disk that the rule chose. The kernel keeps a disk's name for as long as it is open, but not before: a
// disk that fell off its bus during the countdown may have left its name to a stick. So the rule is asked again now.
func (a *agent) open(rule job.DiskRule, chosen job.Disk, mode disk.Mode) (*disk.Disk, error) {
	d, err := disk.Open(chosen.Path, mode)
	if err != nil {
		return nil, fault(notices.DiskBusy, err)
	}
	now, err := a.choose(rule)
	if err == nil && (now != chosen || d.Size() != chosen.Size || d.SectorSize() != chosen.SectorSize) {
		err = &FaultError{Code: notices.DiskChanged, Args: []any{describe([]job.Disk{chosen}), describe([]job.Disk{now})}}
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// describe names disks so that a person can tell them apart.
func describe(disks []job.Disk) string {
	var parts []string
	for _, d := range disks {
		s := fmt.Sprintf("%s (%d GB, %s", d.Path, d.Size/1e9, d.Bus)
		for _, v := range []string{d.Model, d.Serial} {
			if v != "" {
				s += ", " + v
			}
		}
		parts = append(parts, s+")")
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, "; ")
}

// fetchManifest fetches the manifest of the task and believes it only if it is the one that the task names, signed by a
// key of this site. What the session brings instead is fetched like that.
func (a *agent) fetchManifest(ctx context.Context, hash string, s *together) (*manifest.Manifest, error) {
	want, err := manifest.ParseHash(hash)
	if err != nil {
		return nil, fault(notices.MasterAltered, err)
	}
	if encoded, sig, ok := s.manifest(ctx); ok {
		m, err := a.believe(want, encoded, sig)
		if err == nil {
			return m, nil
		}
		a.Screen.Note("manifest of the session: %v", err)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	encoded, sig, err := a.client.Manifest(ctx, hash)
	var altered *client.AlteredError
	switch {
	case errors.As(err, &altered):
		return nil, fault(notices.MasterAltered, err)
	case err != nil:
		return nil, a.refusal(err)
	}
	m, err := a.believe(want, encoded, sig)
	if err != nil {
		return nil, fault(notices.MasterAltered, err)
	}
	return m, nil
}

// believe decodes a manifest that has the right hash and is signed by a key of this site.
func (a *agent) believe(want manifest.Hash, encoded []byte, sig manifest.Signature) (*manifest.Manifest, error) {
	if got := manifest.HashOf(encoded); got != want {
		return nil, fmt.Errorf("its hash is %.16s..., the task says %.16s", got, want)
	}
	if err := sign.Verify(a.trust.SigningKeys, sig.Key, manifest.SignatureContext, want[:], sig.Signature); err != nil {
		return nil, err
	}
	m, got, err := manifest.Decode(bytes.NewReader(encoded), maxManifest)
	if err == nil && got != want {
		err = errors.New("its hash changed while it was read")
	}
	return m, err
}

// countdown gives the person in front of the PC a last chance.
func (a *agent) countdown(ctx context.Context, t job.Task, d job.Disk) error {
	for left := min(max(t.Countdown, 0), 3600); left > 0; left-- {
		a.Screen.Say(notices.Countdown, describe([]job.Disk{d}), fmt.Sprintf("%s@%d (%d s)", t.Master, t.Version, left))
		if err := a.sleep(ctx, a.Second); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// diskFault turns what restoring and capturing return into what a person is told.
func diskFault(err error) error {
	var small *disk.TooSmallError
	var sector *disk.SectorSizeError
	var used *disk.InUseError
	var invalid *restore.InvalidError
	var source *restore.SourceError
	var write *restore.WriteError
	var mismatch *restore.MismatchError
	var damaged *chunk.DamagedError
	var unproven *client.UnprovenError
	switch {
	case errors.Is(err, errCancelled):
		return err
	case errors.As(err, &small):
		return fault(notices.DiskTooSmall, err)
	case errors.As(err, &sector):
		return fault(notices.SectorSize, err)
	case errors.As(err, &used):
		return fault(notices.DiskBusy, err)
	case errors.As(err, &invalid):
		return fault(notices.MasterAltered, err)
	case errors.As(err, &unproven):
		return &FaultError{Code: notices.ServerUnproven, Args: []any{"Ardoise"}, Err: err}
	case errors.As(err, &mismatch):
		return fault(notices.NotProven, err)
	case errors.As(err, &write):
		return fault(notices.DiskFault, err)
	case errors.As(err, &damaged), errors.As(err, &source):
		return fault(notices.MasterDamaged, err)
	}
	return fault(notices.DiskFault, err)
}
