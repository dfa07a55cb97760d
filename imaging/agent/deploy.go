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
	m, _, _, err := a.manifestBytes(ctx, hash, s)
	return m, err
}

// manifestBytes is fetchManifest for who keeps the encoded form, too.
func (a *agent) manifestBytes(ctx context.Context, hash string, s *together) (*manifest.Manifest, []byte, manifest.Signature, error) {
	fail := func(err error) (*manifest.Manifest, []byte, manifest.Signature, error) {
		return nil, nil, manifest.Signature{}, err
	}
	want, err := manifest.ParseHash(hash)
	if err != nil {
		return fail(fault(notices.MasterAltered, err))
	}
	if encoded, sig, ok := s.manifest(ctx); ok {
		m, err := a.believe(want, encoded, sig)
		if err == nil {
			return m, encoded, sig, nil
		}
		a.Screen.Note("manifest of the session: %v", err)
	}
	if ctx.Err() != nil {
		return fail(context.Cause(ctx))
	}
	encoded, sig, err := a.client.Manifest(ctx, hash)
	var altered *client.AlteredError
	switch {
	case errors.As(err, &altered):
		return fail(fault(notices.MasterAltered, err))
	case err != nil:
		return fail(a.refusal(err))
	}
	m, err := a.believe(want, encoded, sig)
	if err != nil {
		return fail(fault(notices.MasterAltered, err))
	}
	return m, encoded, sig, nil
}

// believe decodes a manifest that has the right hash and is signed by a key of this site.
func (a *agent) believe(want manifest.Hash, encoded []byte, sig manifest.Signature) (*manifest.Manifest, error) {
	if got := manifest.HashOf(encoded); got != want {
		return nil, fmt.Errorf("its hash is %.16s..., the task says %.16s", got, want)
	}
	if err := sign.Verify(a.trust.SigningKeys, sig.Key, manifest.SignatureContext, want[:], sig.Signature); err != nil {
		return nil, err
	}
	m, got, err := manifest.Decode(bytes.NewReader(encoded), job.MaxManifest)
	if err == nil && got != want {
		err = errors.New("its hash changed while it was read")
	}
	return m, err
}

// countdown gives the person in front of the PC a last chance.
func (a *agent) countdown(ctx context.Context, t job.Task, d job.Disk) error {
	code := notices.Countdown
	if t.Kind == job.KindReset {
		code = notices.ResetCountdown
	}
	return a.countDown(ctx, t.Countdown, func(left int) {
		a.Screen.Say(code, describe([]job.Disk{d}), fmt.Sprintf("%s (%d s)", version(t), left))
	})
}
