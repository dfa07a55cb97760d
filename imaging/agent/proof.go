package agent

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The origins of a proof, as job.Proof tells them.
const (
	originMenu  = "menu"  // chosen by somebody at the computer
	originStart = "start" // the room's policy: at each start
	originTask  = "task"  // ordered through the server
)

// beginProof says what is about to be proven.
func (a *agent) beginProof(e *errand) error {
	id := make([]byte, 16)
	if _, err := io.ReadFull(a.PC.Random, id); err != nil {
		return fmt.Errorf("drawing the number of a proof: %w", err)
	}
	asked := e.t.Level
	if e.t.Kind == job.KindDeploy || asked == "" {
		asked = job.LevelFull
	}
	e.proof = job.Proof{ID: hex.EncodeToString(id), Task: e.t.ID, Master: e.t.Master, Version: e.t.Version, Manifest: e.t.Manifest,
		Level: job.LevelFull, Asked: asked, Origin: e.origin, Offline: e.offline, Clock: "server", Exceptions: hashOf(e.t.Exceptions)}
	if a.trust.Time.IsZero() {
		e.proof.Clock = "pc"
	}
	return nil
}

// hashOf names a list of exceptions, "" for none.
func hashOf(list []job.Exception) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil { // no value of these types fails; a name that nothing equals is on the safe side
		return err.Error()
	}
	return chunk.Of(b).String()
}

// endProof says how it ended, and keeps that on the disk.
func (a *agent) endProof(e *errand, err error) {
	e.proof.At = a.now().UTC()
	e.proof.Ok = err == nil
	if err != nil {
		e.proof.Failure = err.Error()
		var f *FaultError
		if errors.As(err, &f) {
			e.proof.Failure = notices.Get(f.Code, f.Args...).What.EN
		}
	}
	ours, kept := ardoise(e.d.Disk)
	if kept == nil {
		kept = a.keepProof(ours.Proofs(), e.target, &e.proof)
	}
	if kept != nil {
		a.Screen.Note("proof: %v", kept)
		if err == nil {
			a.Screen.Say(notices.ProofNotKept, kept)
		}
	}
	done := e.proof
	e.p.proof = &done
}

// ardoise opens the ARDOISE of an open disk.
func ardoise(d *disk.Disk) (*disk.Ardoise, error) {
	ours, _, err := ourPlace(d)
	return ours, err
}

// ourPlace does it and returns its partition, too.
func ourPlace(d *disk.Disk) (*disk.Ardoise, manifest.Partition, error) {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	switch {
	case err != nil:
		return nil, manifest.Partition{}, err
	case table.Ardoise == nil:
		return nil, manifest.Partition{}, &disk.NoArdoiseError{Reason: "there is none"}
	}
	ours, err := disk.OpenArdoise(d, *table.Ardoise)
	return ours, *table.Ardoise, err
}

// countTries is how often a proof is written until what it says of the drive's counters is so: once to learn how they
// count, once to be right, and once more in case they round.
const countTries = 4

// keepProof keeps p on the disk, with the counters that the drive will have when it is kept: writing a proof is writing,
// too. It states them beforehand, writes, and reads them back; only when they are as stated the disk may be told by them
// from one that was written to since. A drive whose counters do not move, or move as they like, gets none.
//
// What is stated first is the least that a write can count: a power cut between two tries leaves a statement that is
// already wrong, so that no later write can make it right.
func (a *agent) keepProof(slot disk.ProofSlot, d job.Disk, p *job.Proof) error {
	p.Counters = nil
	if err := slot.Add(*p); err != nil || !p.Ok || a.PC.Drive == nil {
		return err
	}
	step := job.WriteCounter{Commands: 1}
	for range countTries {
		before := a.PC.Drive(d).Counter
		if before == nil {
			return nil
		}
		if before.Commands == 0 && step.Sectors == 0 {
			step = job.WriteCounter{Sectors: 8} // ATA counts sectors; the kernel writes a page at least
		}
		said := *before
		said.Commands, said.Sectors = said.Commands+step.Commands, said.Sectors+step.Sectors
		p.Counters = &said
		if err := slot.Add(*p); err != nil {
			p.Counters = nil
			return err
		}
		after := a.PC.Drive(d).Counter
		switch {
		case after != nil && *after == said:
			return nil
		case after == nil || after.Commands <= before.Commands && after.Sectors <= before.Sectors:
			p.Counters = nil
			return slot.Add(*p)
		}
		step = job.WriteCounter{Commands: after.Commands - before.Commands, Sectors: after.Sectors - before.Sectors}
	}
	p.Counters = nil
	return slot.Add(*p)
}

// untouched tells whether a drive was not written to since a proof was kept on it.
func (a *agent) untouched(d job.Disk, p *job.Proof) bool {
	if p == nil || p.Counters == nil || a.PC.Drive == nil {
		return false
	}
	now := a.PC.Drive(d).Counter
	return now != nil && *now == *p.Counters
}

// last returns the newest proof that is kept on a disk, nil if there is none that can be read.
func last(d *disk.Disk) *job.Proof {
	ours, err := ardoise(d)
	if err != nil {
		return nil
	}
	list, err := ours.Proofs().Load()
	if err != nil || len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// skip tells whether nothing need be read: the last proof of this disk is of what this reset is to find out, nothing was
// written since, and nothing is unfinished. The proof lies on the disk: whoever is root there can write one that counts. So
// it stands for a quick reset, which claims no more, and never for a full one.
func (a *agent) skip(e *errand) bool {
	last := e.before
	if e.t.Kind != job.KindReset || e.proof.Asked != job.LevelQuick || last == nil || !last.Ok || last.Manifest != e.t.Manifest ||
		last.Exceptions != e.proof.Exceptions || !a.untouched(e.target, last) {
		return false
	}
	ours, err := ardoise(e.d.Disk)
	if err != nil {
		return false
	}
	mark, err := ours.Mark().Load()
	if mark != nil || err != nil {
		return false
	}
	e.proof.Skipped, e.proof.Level = true, job.LevelQuick
	a.Screen.Note("nothing was written since proof %s", last.ID)
	return true
}

// strange says why a reset is a deployment in truth, "" if it is none.
func strange(t job.Task, last *job.Proof) string {
	switch {
	case t.Kind != job.KindReset:
	case last == nil:
		return "nothing on the disk said what it held: this was a deployment"
	case last.Manifest != t.Manifest:
		return fmt.Sprintf("the disk held %s@%d: this was a deployment", last.Master, last.Version)
	}
	return ""
}

// maxProofs is the most that a hello tells.
const maxProofs = 16

// proofs returns what was proven since the server was told last. The newest of each disk is kept, and told, for ever: the
// next reset may rest on it, and the server counts what comes twice once.
func (a *agent) proofs() []job.Proof {
	var all []job.Proof
	for _, p := range a.places {
		all = append(all, p.proofs...)
	}
	return all[:min(len(all), maxProofs)]
}

// forget takes away the first n of them, which the server has now, but for the newest of each disk.
func (a *agent) forget(n int) {
	for i := range a.places {
		p := &a.places[i]
		told := min(max(n, 0), len(p.proofs))
		n -= told
		old := told
		if old == len(p.proofs) {
			old--
		}
		if old <= 0 {
			continue
		}
		if err := a.forgetOn(p, old); err != nil {
			a.Screen.Note("proofs on %s: %v", p.disk.Path, err)
		}
	}
}

// forgetOn takes away the first n proofs of one disk. Where nothing else was written since, its last one goes on saying so.
func (a *agent) forgetOn(p *place, n int) error {
	return p.change(func(_ *disk.Disk, ours *disk.Ardoise) error {
		var ids []string
		for _, q := range p.proofs[:n] {
			ids = append(ids, q.ID)
		}
		newest := &p.proofs[len(p.proofs)-1]
		still := p.untouched && a.untouched(p.disk, newest)
		if err := ours.Proofs().Forget(ids...); err != nil {
			return err
		}
		p.proofs = p.proofs[n:]
		if still {
			return a.keepProof(ours.Proofs(), p.disk, newest)
		}
		return nil
	})
}

// clean says at the end of a reset what it came to.
func (a *agent) clean(p *job.Proof) {
	seconds, megabytes := int64(p.Seconds+0.999), (p.Written+999_999)/1_000_000
	switch {
	case p.Skipped:
		a.Screen.Say(notices.ResetSkipped)
	case p.Written == 0:
		a.Screen.Say(notices.ResetNothing, (p.Read+999_999)/1_000_000, seconds)
	default:
		a.Screen.Say(notices.ResetDone, megabytes, seconds)
	}
}
