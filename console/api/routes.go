package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
)

func (s *Server) computers(w http.ResponseWriter, _ *http.Request, _ string) error {
	active := map[string]Task{}
	names := s.names()
	for _, j := range s.Fleet.Jobs() {
		for _, t := range j.Tasks {
			if t.Active() {
				active[t.Computer] = task(t, names)
			}
		}
	}
	out := []Computer{}
	for _, c := range s.Fleet.Computers() {
		wire := s.wireComputer(c)
		if t, ok := active[c.ID]; ok {
			wire.Task = &t
		}
		out = append(out, wire)
	}
	return respond(w, out)
}

func (s *Server) computer(w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := s.Fleet.Find(r.PathValue("ref"))
	if err != nil {
		return err
	}
	out := s.wireComputer(c)
	names := s.names()
	for _, e := range s.Fleet.Recent(c.ID) {
		if len(out.Events) < 50 {
			out.Events = append(out.Events, event(e, names))
		}
	}
	return respond(w, out)
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request, by string) error {
	var a Approve
	if err := read(r, &a); err != nil {
		return err
	}
	c, err := s.Fleet.Approve(r.Context(), fleet.Approval{Code: a.Code, Name: a.Name, By: by})
	if err != nil {
		return err
	}
	return respond(w, s.wireComputer(c))
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, by string) error {
	ref := r.PathValue("ref")
	var body Change
	if err := read(r, &body); err != nil {
		return err
	}
	var c fleet.Computer
	var err error
	switch verb := r.PathValue("verb"); verb {
	case "refuse":
		c, err = s.Fleet.Refuse(r.Context(), ref, by)
	case "rename":
		c, err = s.Fleet.Rename(r.Context(), ref, body.Name)
	case "rekey":
		c, err = s.Fleet.Rekey(r.Context(), ref, by)
	case "chainload":
		c, err = s.Fleet.SetChainload(r.Context(), ref, body.On)
	case "wake":
		c, err = s.wake(r, ref)
	default:
		return &Error{Status: http.StatusNotFound, Code: "no-route", What: verb}
	}
	if err != nil {
		return err
	}
	return respond(w, s.wireComputer(c))
}

func (s *Server) wake(r *http.Request, ref string) (fleet.Computer, error) {
	c, err := s.Fleet.Find(ref)
	if err != nil {
		return c, err
	}
	if len(c.MACs) == 0 || s.Wake == nil {
		return c, &fleet.RefusedError{Code: fleet.CodeNoMAC, What: c.Name}
	}
	return c, s.Wake(r.Context(), c.MACs)
}

func (s *Server) masters(w http.ResponseWriter, _ *http.Request, _ string) error {
	versions, err := s.Masters.List()
	if err != nil {
		return err
	}
	out := []Master{}
	for _, v := range versions {
		out = append(out, s.describe(v, versions))
	}
	return respond(w, out)
}

func (s *Server) master(w http.ResponseWriter, r *http.Request, _ string) error {
	v, err := s.Masters.Resolve(r.PathValue("ref"))
	if err != nil {
		return err
	}
	m, err := s.Masters.Open(v)
	if err != nil {
		return err
	}
	all, err := s.Masters.List()
	if err != nil {
		return err
	}
	out := s.describe(v, all)
	out.Notes = s.notes(v)
	out.Retention = s.rule(v.Name)
	out.StoredBytes = s.Masters.StoredBytes(m)
	out.Volumes = volumes(m)
	offline := disk.OfflineReset(m, m.Disk.Size, m.Disk.SectorSize, out.StoredBytes)
	out.OfflineReset, out.OfflineFrom = offline.String(), offline.From
	return respond(w, out)
}

// resolved is an order with its master.
type resolved struct {
	fleet.Order
	version  masters.Version
	manifest *manifest.Manifest // nil for a capture
}

// resolve makes a wire order one that the fleet understands, with the exact version.
func (s *Server) resolve(r *http.Request, by string) (resolved, error) {
	var o Order
	if err := read(r, &o); err != nil {
		return resolved{}, err
	}
	out := resolved{Order: fleet.Order{Kind: o.Kind, Computers: o.Computers, Master: o.Master, Note: o.Note, AsIs: o.AsIs,
		Disk: o.Disk, Countdown: o.Countdown, Ending: o.Ending, By: by, Within: time.Duration(o.Within) * time.Second,
		Unicast: o.Unicast, Room: o.Room, At: o.At, Level: o.Level, Wake: o.Wake, Skip: o.Skip}}
	if o.Kind == job.KindReset && o.Master == "" {
		return out, nil // what each computer holds
	}
	switch o.Kind {
	case job.KindCapture:
		if err := masters.CheckName(o.Master); err != nil {
			return out, err
		}
		return out, masters.CheckMeta(masters.Meta{Note: o.Note})
	case job.KindDeploy, job.KindReset, job.KindStage:
		v, err := s.Masters.Resolve(o.Master)
		if err != nil {
			return out, err
		}
		m, err := s.Masters.Open(v)
		if err != nil {
			return out, err
		}
		out.version, out.manifest = v, m
		out.Master, out.Version, out.Manifest = v.Name, v.Number, v.Hash.String()
		out.Fits = fits(s.Masters, v, m)
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

func (s *Server) plan(w http.ResponseWriter, r *http.Request, by string) error {
	o, err := s.resolve(r, by)
	if err != nil {
		return err
	}
	planned, err := s.Fleet.Plan(o.Order)
	if err != nil {
		return err
	}
	out := Plan{Kind: o.Kind, Master: o.Master, Targets: []Target{}}
	if o.manifest != nil {
		out.Master, out.Bytes, out.Stored = o.version.String(), o.version.UsedBytes, s.Masters.StoredBytes(o.manifest)
	}
	for _, p := range planned {
		t := Target{Computer: p.Computer.Name, Disk: p.Disk, Runs: proven(p.Computer.Runs), Loses: p.Loses}
		if p.Target != nil {
			t.Target = p.Target.String()
		}
		switch {
		case p.Refusal != nil:
			t.Refusal = wireError(p.Refusal)
		case o.Kind == job.KindReset:
			t.OfflineReset = s.Fleet.Offline(p.Computer)
		case o.manifest != nil:
			t.OfflineReset = disk.OfflineReset(o.manifest, p.Disk.Size, p.Disk.SectorSize, out.Stored).String()
		}
		out.Targets = append(out.Targets, t)
	}
	return respond(w, out)
}

func (s *Server) order(w http.ResponseWriter, r *http.Request, by string) error {
	o, err := s.resolve(r, by)
	if err != nil {
		return err
	}
	o.Related = s.related(o)
	j, err := s.Fleet.Give(r.Context(), o.Order)
	if err != nil {
		return err
	}
	return respond(w, wireJob(j, s.names()))
}

func (s *Server) jobs(w http.ResponseWriter, _ *http.Request, _ string) error {
	names := s.names()
	out := []Job{}
	for _, j := range s.Fleet.Jobs() {
		out = append(out, wireJob(j, names))
	}
	return respond(w, out)
}

func (s *Server) job(w http.ResponseWriter, r *http.Request, _ string) error {
	j, err := s.Fleet.JobByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	out := wireJob(j, s.names())
	if out.Session, err = s.report(r.Context(), j.Job.Session); err != nil {
		return err
	}
	return respond(w, out)
}

// watchPause is how often a watched job is looked at; agents report once a second.
const watchPause = 250 * time.Millisecond

func (s *Server) watch(w http.ResponseWriter, r *http.Request, _ string) error {
	id := r.PathValue("id")
	control := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	var last Job
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for first := true; ; first = false {
		j, err := s.Fleet.JobByID(id)
		if err != nil {
			if !first {
				return nil
			}
			return err
		}
		now := wireJob(j, s.names())
		now.Session = s.brief(j.Job.Session)
		if first || !reflect.DeepEqual(now, last) {
			w.Header().Set("Content-Type", "application/jsonl")
			_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if lines.Encode(now) != nil || control.Flush() != nil {
				return nil // nobody watches any more
			}
			last = now
		}
		if !j.Active() {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request, by string) error {
	var c Cancel
	if err := read(r, &c); err != nil {
		return err
	}
	j, err := s.Fleet.Cancel(r.Context(), r.PathValue("id"), by, c.Force)
	if err != nil {
		return err
	}
	return respond(w, wireJob(j, s.names()))
}

func (s *Server) events(w http.ResponseWriter, r *http.Request, _ string) error {
	q := fleet.EventQuery{Job: r.URL.Query().Get("job")}
	if ref := r.URL.Query().Get("computer"); ref != "" {
		c, err := s.Fleet.Find(ref)
		if err != nil {
			return err
		}
		q.Computer = c.ID
	}
	stored, err := s.Fleet.Events(r.Context(), q)
	if err != nil {
		return err
	}
	names := s.names()
	out := []Event{}
	for _, e := range stored {
		out = append(out, event(e, names))
	}
	return respond(w, out)
}
