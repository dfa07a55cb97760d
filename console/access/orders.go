package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ActionOf is what somebody must be allowed who gives an order: for one that is being made, its kind is enough. A reset of
// a disk that is named, or to a version that is, instead of what each computer holds where it holds it, is a deployment by
// another way.
func ActionOf(o Order) people.Action {
	return actionOf(o.Kind, o.Master != "" || o.Disk != (job.DiskRule{}))
}

// actionOf is ActionOf for what has the parts of an order. named is whether it names a version or a disk.
func actionOf(k job.Kind, named bool) people.Action {
	switch k {
	case job.KindDeploy, job.KindStage:
		return people.ActionDeploy
	case job.KindReset:
		if named {
			return people.ActionDeploy
		}
		return people.ActionReset
	case job.KindCapture:
		return people.ActionCapture
	case job.KindWipe:
		return people.ActionWipe
	case job.KindScript:
		return people.ActionScript
	case job.KindShutdown:
		return people.ActionShutdown
	}
	return people.ActionInspect
}

// resolved is an order with its master.
type resolved struct {
	fleet.Order
	version  masters.Version
	manifest *manifest.Manifest // nil for a capture
}

// resolve makes a wire order one that the fleet understands, with the exact version.
func (d Desk) resolve(o Order) (resolved, error) {
	out := resolved{Order: fleet.Order{Kind: o.Kind, Computers: o.Computers, Master: o.Master, Note: o.Note, AsIs: o.AsIs,
		Disk: o.Disk, Countdown: o.Countdown, Ending: o.Ending, By: d.by(),
		Within:  time.Duration(min(o.Within, 1<<30)) * time.Second, // far more than is allowed, without an overflow
		Unicast: o.Unicast, Room: o.Room, At: o.At, Level: o.Level, Wake: o.Wake, Skip: o.Skip, Rooms: o.Rooms, Sites: o.Sites,
		Filter: o.Filter, Retries: o.Retries, Instead: o.Instead, Wipe: job.WipeOrder{Method: o.Wipe},
		Script: job.ScriptOrder{Hash: o.Script}}}
	if (o.Kind == job.KindReset || o.Kind == job.KindVerify) && o.Master == "" {
		return out, nil // what each computer holds
	}
	switch o.Kind {
	case job.KindCapture:
		if err := masters.CheckName(o.Master); err != nil {
			return out, err
		}
		return out, masters.CheckMeta(masters.Meta{Note: o.Note})
	case job.KindDeploy, job.KindReset, job.KindStage, job.KindVerify:
		v, err := d.h.Masters.Resolve(o.Master)
		if err != nil {
			return out, err
		}
		m, err := d.h.Masters.Open(v)
		if err != nil {
			return out, err
		}
		out.version, out.manifest = v, m
		out.Master, out.Version, out.Manifest = v.Name, v.Number, v.Hash.String()
		out.Fits = fits(d.h.Masters, v, m)
	}
	return out, nil
}

// fits judges disks for a version, and whether it is still there: asked while the fleet decides, since from then on the
// order itself keeps the version from being forgotten.
func fits(l *masters.Library, v masters.Version, m *manifest.Manifest) func(job.Disk) error {
	return func(d job.Disk) error {
		if now, err := l.Resolve(v.String()); err != nil || now.Hash != v.Hash {
			return &masters.UnknownError{What: v.String()}
		}
		_, err := disk.Plan(m, d.Size, d.SectorSize, disk.Ours{Ardoise: true})
		return err
	}
}

// planned asks the fleet what an order would do, with the computers that the caller may give it to and no others. What is
// named must be there; sites and queries mean as much of them as the caller sees, and from then on each one by name.
func (d Desk) planned(o *resolved) ([]fleet.Planned, error) {
	for _, room := range append([]string{o.Room}, o.Rooms...) {
		if room != "" && !d.seesRoom(room) {
			return nil, &fleet.RefusedError{Code: fleet.CodeNoRoom, What: fleet.Clean(room, 64)}
		}
	}
	ids := make([]string, 0, len(o.Computers))
	for _, ref := range o.Computers {
		c, err := d.find(ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, c.ID)
	}
	o.Computers = ids
	if !d.c.Everywhere() && len(o.Sites)+len(o.Filter) > 0 {
		if err := d.narrow(o); err != nil {
			return nil, err
		}
	}
	planned, err := d.h.Fleet.Plan(o.Order)
	if err != nil {
		return nil, err
	}
	for _, p := range planned {
		if !d.sees(p.Computer) {
			return nil, &fleet.RefusedError{Code: fleet.CodeNoComputer, What: "?"}
		}
		if err := d.mayOn(actionOf(o.Kind, o.Version > 0 || o.Disk != (job.DiskRule{})), p.Computer); err != nil {
			return nil, err
		}
		if x := p.Conflict; o.Instead && x != nil { // what gives way is cancelled, which needs what ordering it needs
			if err := d.mayOn(actionOf(x.Kind, true), p.Computer); err != nil {
				return nil, err
			}
		}
	}
	return planned, nil
}

// narrow names the computers of an order's sites and query that the caller sees.
func (d Desk) narrow(o *resolved) error {
	for _, site := range o.Sites {
		if !d.c.May(people.ActionSee, site, "") {
			return &fleet.RefusedError{Code: fleet.CodeNoSite, What: fleet.Clean(site, 64)}
		}
	}
	found, err := d.selected(o.Filter)
	if err != nil {
		return err
	}
	for _, c := range found {
		of := func(site string) bool { return strings.EqualFold(site, d.h.Fleet.SiteOf(c)) }
		if c.State == fleet.Enrolled && (o.Filter != "" || slices.ContainsFunc(o.Sites, of)) {
			o.Computers = append(o.Computers, c.ID)
		}
	}
	if o.Filter != "" && len(o.Sites) > 0 { // both mean either: those of the sites are still missing
		query := o.Filter
		o.Filter = ""
		if err := d.narrow(o); err != nil {
			return err
		}
		o.Filter = query
	}
	o.Sites, o.Filter = nil, ""
	return nil
}

// Give makes an order a job.
func (d Desk) Give(ctx context.Context, order Order) (Job, error) {
	what := strings.TrimSpace(fmt.Sprintf("%s %s", order.Kind, order.Master))
	return change(ctx, d, deed{action: "job order", what: what}, func(e *deed) (Job, error) {
		o, err := d.resolve(order)
		if err != nil {
			return Job{}, err
		}
		planned, err := d.planned(&o)
		if err != nil {
			return Job{}, err
		}
		d.place(e, planned)
		o.Related = d.h.related(o, len(planned))
		j, err := d.h.Fleet.Give(ctx, o.Order)
		if err != nil {
			return Job{}, err
		}
		computers := "1 computer"
		if n := len(j.Tasks); n != 1 {
			computers = fmt.Sprintf("%d computers", n)
		}
		e.what = fmt.Sprintf("job %s: %s, %s", j.Job.ID, what, computers)
		return d.wireJob(j)
	})
}

// place says in a deed where all computers of an order are: their room, else their site, else the house.
func (d Desk) place(e *deed, planned []fleet.Planned) {
	for i, p := range planned {
		e.among(i == 0, d.h.Fleet.SiteOf(p.Computer), p.Computer.Room)
	}
}

// Versions tells a fleet what the references of its rooms mean.
type Versions struct{ Library *masters.Library }

var _ fleet.Versions = Versions{}

// Resolve implements fleet.Versions.
func (v Versions) Resolve(ref string) (fleet.Version, error) {
	found, err := v.Library.Resolve(ref)
	if err != nil {
		return fleet.Version{}, err
	}
	judge := func(d job.Disk) error { // a manifest is read where a disk is judged, not each time that a name is looked up
		m, err := v.Library.Open(found)
		if err != nil {
			return err
		}
		return fits(v.Library, found, m)(d)
	}
	related := func(others []string) []string { // of an order that nobody waits for
		if len(others) == 0 {
			return nil
		}
		m, err := v.Library.Open(found)
		if err != nil {
			return nil // its tasks say why
		}
		return relatedTo(v.Library, m, found.Hash.String(), others)
	}
	return fleet.Version{Target: fleet.Target{Master: found.Name, Version: found.Number, Manifest: found.Hash.String()}, Fits: judge,
		Related: related}, nil
}
