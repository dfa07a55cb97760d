package agent

import (
	"bytes"
	"crypto/ecdsa"
	"errors"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// findKey looks for an ARDOISE on the disks of this PC: for the computer's key and for the mark of unfinished work. With
// no key it makes one, which lives in memory until a deploy has made a place for it.
func (a *agent) findKey() error {
	disks, err := a.PC.Disks()
	if err != nil {
		a.Screen.Note("disks: %v", err)
	}
	a.places = nil
	for _, d := range trusted(disks) {
		if err := a.look(d); err != nil {
			a.Screen.Note("ardoise on %s: %v", d.Path, err)
		}
	}
	if a.key == nil {
		if a.key, err = client.NewKey(); err != nil {
			return err
		}
		a.newKey = true
	}
	a.keyName, err = client.KeyName(a.key)
	return err
}

// trusted returns the disks whose ARDOISE counts as this PC's. A stick is whoever's put it in: its key would be the one
// that a technician approves on this PC's screen, and its mark would keep the PC from starting. USB disks count where a
// PC has no other, removable ones never, since no task is for them.
func trusted(disks []job.Disk) []job.Disk {
	var fixed, usb []job.Disk
	for _, d := range disks {
		switch {
		case d.Removable:
		case d.Bus == "usb":
			usb = append(usb, d)
		default:
			fixed = append(fixed, d)
		}
	}
	if len(fixed) > 0 {
		return fixed
	}
	return usb
}

// place is an ARDOISE and what lay there when the PC started.
type place struct {
	disk      job.Disk
	key       *ecdsa.PrivateKey // nil: none
	keyName   string            // of key
	mark      *job.Mark         // nil: none stands
	grant     *job.Envelope     // nil: none
	trust     *disk.Trust       // nil: none
	proofs    []job.Proof       // the oldest first
	untouched bool              // the drive was not written to since the last of them
}

// change opens the disk of a place for writing and does something with what is ours on it.
func (p *place) change(do func(*disk.Disk, *disk.Ardoise) error) error {
	open, err := disk.Open(p.disk.Path, disk.Mode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	ours, err := ardoise(open)
	if err != nil {
		return err
	}
	return do(open, ours)
}

// look reads what our place on one disk holds; the first key and the first mark of all disks count. What cannot be read is
// told, and counts as not there, but for a mark.
func (a *agent) look(d job.Disk) error {
	open, err := disk.Open(d.Path, disk.Mode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	ours, err := ardoise(open)
	var not *disk.NoArdoiseError
	switch {
	case errors.As(err, &not):
		return nil
	case err != nil:
		return err
	}
	p := place{disk: d}
	tell := func(what string, err error) {
		if err != nil {
			a.Screen.Note("%s on %s: %v", what, d.Path, err)
		}
	}
	mark, err := ours.Mark().Load()
	tell("mark", err)
	p.mark = standing(mark, err)
	content, err := ours.Key().Load()
	if err == nil && len(content) > 0 {
		if p.key, err = client.ParseKey(content); err == nil {
			p.keyName, err = client.KeyName(p.key)
		}
	}
	tell("key", err)
	p.grant, err = ours.Grant().Load()
	tell("grant", err)
	p.trust, err = ours.Trust().Load()
	tell("trust", err)
	if ours.Layout() == disk.Layout { // older ones keep no proofs
		p.proofs, err = ours.Proofs().Load()
		tell("proofs", err)
	}
	if n := len(p.proofs); n > 0 {
		p.untouched = a.untouched(d, &p.proofs[n-1])
	}
	a.places = append(a.places, p)
	if p.mark != nil && a.mark == nil {
		a.mark = p.mark
		a.Screen.Note("interrupted %s %s@%d in phase %s", p.mark.Kind, p.mark.Master, p.mark.Version, p.mark.Phase)
	}
	if a.key == nil {
		a.key = p.key
	}
	return nil
}

// standing returns the mark that stands after the slot was read. What cannot be read, be it damaged or on a sector that
// the drive does not give, may have said anything: the disk is not known to be finished.
func standing(mark *job.Mark, err error) *job.Mark {
	if err != nil {
		return &job.Mark{Phase: unknownPhase}
	}
	return mark
}

// keep stores the computer's key, and what the server has proven itself with, on the disk's ARDOISE.
func (a *agent) keep(d *disk.Disk, part *manifest.Partition) {
	if err := a.store(d, part); err != nil {
		a.Screen.Say(notices.KeyNotKept, err)
		return
	}
	a.newKey, a.mark = false, nil
}

// keepEarly stores the key as soon as a deploy has made an ARDOISE: after a power cut the PC must come back with the key
// that the server knows, or nothing could be resumed without a person.
func (a *agent) keepEarly(d *disk.Disk) bool {
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return false
	}
	if err := a.store(d, table.Ardoise); err != nil {
		a.Screen.Note("key slot: %v", err)
		return false
	}
	return true
}

func (a *agent) store(d *disk.Disk, part *manifest.Partition) error {
	ours, err := disk.OpenArdoise(d, *part)
	if err != nil {
		return err
	}
	content, err := client.MarshalKey(a.key)
	if err != nil {
		return err
	}
	if have, err := ours.Key().Load(); err != nil || !bytes.Equal(have, content) {
		if err := ours.Key().Store(content); err != nil {
			return err
		}
	}
	return ours.Trust().Store(a.learned())
}
