package agent

import (
	"context"

	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/quick"
)

var _ quick.Disk = (*watched)(nil)

// lookQuick finds out, for a quick reset, what need not be read. It returns nil when everything is to be read; the proof says
// why. A disk on which a mark stands was not made through its file systems: its records vouch for nothing.
func (a *agent) lookQuick(ctx context.Context, e *errand, source quick.Source) (*quick.Verdict, error) {
	if e.t.Kind != job.KindReset || e.proof.Asked != job.LevelQuick {
		return nil, nil
	}
	if e.proof.Doubt != "" {
		return nil, nil
	}
	if ours, err := ardoise(e.d.Disk); err == nil {
		if mark, err := ours.Mark().Load(); mark != nil || err != nil {
			e.proof.Doubt = "an interrupted work had left its mark"
			return nil, nil
		}
	}
	if a.lostPower(e) {
		e.proof.Doubt = "the drive lost its power since it was last proven"
		return nil, nil
	}
	if b := e.before; b != nil && (!b.Ok || b.Exceptions != e.proof.Exceptions) {
		// We wrote what is this computer's own past the file systems: their records do not tell of it.
		e.proof.Doubt = "what is this computer's own is not what the disk was last proven with"
		if !b.Ok {
			e.proof.Doubt = "the last work on the disk ended badly"
		}
		return nil, nil
	}
	defer sweep.Attend()()
	v, err := quick.Look(ctx, quick.Options{Disk: e.d, Manifest: e.m, Names: a.names(ctx, e), Source: source,
		Exceptions: e.t.Exceptions, Rotates: e.target.Rotational,
		Progress: func(_ string, done, total int64) { e.p.bytes(done, total, 0, 0) }})
	if err != nil {
		return nil, err
	}
	e.looked = v.ReadBytes
	a.Screen.Note("quick: %d files vouched for, %d to be read, %d bytes read, doubt %q", v.VouchedFiles, v.CheckedFiles, v.ReadBytes, v.Doubt)
	if v.Doubt != "" {
		e.proof.Doubt = v.Doubt
		return nil, nil
	}
	return v, nil
}

// lostPower tells whether the drive says that it was switched off under a running system since the last proof. Then data
// may have reached it without the record that says so.
func (a *agent) lostPower(e *errand) bool {
	before := e.before
	if before == nil || before.Counters == nil || a.PC.Drive == nil {
		return false
	}
	now := a.PC.Drive(e.target).Counter
	return now != nil && now.Serial == before.Counters.Serial && now.Unsafe != before.Counters.Unsafe
}

// ownBytes adds to the exceptions of a reset or verify those of our own boot code, where the disk holds that version: a deployment
// brings the master's. Where nothing says what the disk held, a standing grant does: it is for what was there.
func (a *agent) ownBytes(e *errand) {
	before := e.before
	same := before != nil && before.Manifest == e.t.Manifest || before == nil && e.offline
	if e.t.Kind != job.KindReset && e.t.Kind != job.KindVerify || !same {
		return
	}
	table, err := disk.ReadTable(e.d, e.d.Size(), e.d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return
	}
	more, err := local.Exceptions(e.d, *table.Ardoise)
	if err != nil {
		a.Screen.Note("boot code: %v", err)
		return
	}
	e.t.Exceptions = append(append([]job.Exception(nil), e.t.Exceptions...), more...)
}
