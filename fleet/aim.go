package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// aimed fixes the version that a reset or a verify measures a computer by, and returns the rule for its disk: that of the
// order, else the disk that was proven to hold something.
func (f *Fleet) aimed(o Order, p *Planned) (job.DiskRule, *RefusedError) {
	f.mu.RLock()
	held := f.held(p.Computer)
	f.mu.RUnlock()
	if o.Kind != job.KindReset && o.Kind != job.KindVerify {
		return f.systemDisk(o, p, held), nil
	}
	rule := o.Disk
	if held != nil && rule == (job.DiskRule{}) {
		rule = held.Disk
	}
	switch {
	case o.Version > 0:
		p.Target = &Target{Master: o.Master, Version: o.Version, Manifest: o.Manifest, Disk: rule}
		return rule, nil
	case held == nil:
		return rule, refuse(CodeNotProven, p.Computer.Name, "")
	}
	if o.Disk != (job.DiskRule{}) { // what it holds is proven of one disk: made equal to that, another one would be lost
		d, err := disk.Choose(p.Computer.Inventory.Disks, o.Disk)
		if err != nil {
			return rule, refusalOf(err, p.Computer.Name)
		}
		if !finds(p.Computer, held.Disk, d) {
			return rule, refuse(CodeOtherDisk, p.Computer.Name, "%s is not the disk that was proven to hold %s", diskText(d), held)
		}
	}
	p.Target = &Target{Master: held.Master, Version: held.Version, Manifest: held.Manifest, Disk: held.Disk}
	return held.Disk, nil
}

// systemDisk is the rule for the disk of an order that names none, where several could be meant: the one that was proven to
// hold something. A wipe says itself which: nobody must lose the other one by it.
func (f *Fleet) systemDisk(o Order, p *Planned, held *Target) job.DiskRule {
	var several *disk.SeveralDisksError
	if held == nil || o.Disk != (job.DiskRule{}) || o.Kind == job.KindWipe {
		return o.Disk
	}
	if _, err := disk.Choose(p.Computer.Inventory.Disks, o.Disk); !errors.As(err, &several) {
		return o.Disk
	}
	if _, err := disk.Choose(p.Computer.Inventory.Disks, held.Disk); err != nil {
		return o.Disk
	}
	p.Target = &Target{Master: o.Master, Version: o.Version, Manifest: o.Manifest, Disk: held.Disk}
	return held.Disk
}

// finds tells whether a rule chooses one disk of a computer, and no other.
func finds(c Computer, rule job.DiskRule, d job.Disk) bool {
	found, err := disk.Choose(c.Inventory.Disks, rule)
	return err == nil && found.Path == d.Path && found.Serial == d.Serial && found.Size == d.Size
}

// warn says what a person may not have thought of.
func (f *Fleet) warn(o Order, p *Planned) {
	var warnings []string
	at := f.o.Now()
	if o.At.After(at) {
		at = o.At
	}
	r, in := f.RoomOf(p.Computer)
	if in && (Destroys(o.Kind) || o.Kind == job.KindShutdown) {
		if until, during := r.lessons(at.In(f.o.Zone)); during {
			warnings = append(warnings, "lessons until "+until)
		}
		if Destroys(o.Kind) && r.Teacher == p.Computer.ID {
			warnings = append(warnings, "it is the teacher's computer of its room")
		}
		if Destroys(o.Kind) && slices.Contains(r.Spares, p.Computer.ID) {
			warnings = append(warnings, "it stands in for others of its room")
		}
	}
	if in && r.Menu && o.ways == nil && startsItself(p.Computer) && !f.InAgent(p.Computer.ID) {
		warnings = append(warnings, "it starts from its own disk, and hears of this when it is woken, reset or started by the network")
	}
	if o.ways != nil {
		if way := o.ways.to(f.SiteOf(p.Computer), p.Computer.Address); way.lack != "" {
			warnings = append(warnings, "it may not wake: "+way.lack)
		}
	}
	p.Warning = strings.Join(warnings, "; ")
}

// startsItself tells whether a computer of a menu room has said that its menu is on its disk: it starts without asking the server.
func startsItself(c Computer) bool {
	return c.Local != nil && c.Local.State.Place && c.Local.State.NoMenu == ""
}

// cleanSince is when a computer's disk was last proven to be as its master.
func cleanSince(c Computer) time.Time {
	at := c.Runs.At
	if p := c.LastProof; p != nil && p.Proof.Manifest == c.Runs.Manifest && p.Kept.After(at) {
		at = p.Kept
	}
	return at
}

// diskText names a disk so that a person knows it.
func diskText(d job.Disk) string {
	parts := []string{d.Path}
	if d.Model != "" {
		parts = append(parts, d.Model)
	}
	parts = append(parts, fmt.Sprintf("%.1f GB", float64(d.Size)/1e9))
	if d.Serial != "" {
		parts = append(parts, "serial "+d.Serial)
	}
	return strings.Join(parts, ", ")
}

// refusalOf makes what a disk's judge says a refusal for one computer.
func refusalOf(err error, computer string) *RefusedError {
	var (
		several *disk.SeveralDisksError
		small   *disk.TooSmallError
		sector  *disk.SectorSizeError
	)
	code := CodeNoDisk
	switch {
	case errors.As(err, &several):
		code = CodeSeveralDisks
	case errors.As(err, &small):
		code = CodeDiskTooSmall
	case errors.As(err, &sector):
		code = CodeSectorSize
	}
	return refuse(code, computer, "%v", err)
}
