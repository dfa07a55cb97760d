package access

import (
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

func computer(c fleet.Computer) Computer {
	out := Computer{ID: c.ID, Name: c.Name, State: string(c.Shown()), Code: c.Code, MACs: c.MACs, UUID: c.Inventory.UUID,
		Serial: c.Inventory.Serial, Model: c.Inventory.Model, Address: c.Address, Stage: c.Stage, LastSeen: c.LastSeen,
		Runs: proven(c.Runs), Unfinished: c.Mark, BootLoop: c.BootLoop, Chainload: c.Chainload, WeakKey: c.WeakKey, Key: c.Key,
		Inventory: c.Inventory, Room: c.Room, Tags: c.Tags, Note: c.Note, Clean: clean(c.LastProof), Resets: resets(c.Resets)}
	if c.Token != nil {
		out.Token = &c.Token.Created
	}
	if out.MACs == nil {
		out.MACs = []string{}
	}
	if c.Claim != nil {
		out.Claim = &Claim{Key: c.Claim.Key, Address: c.Claim.Address, Since: c.Claim.Since}
	}
	return out
}

func proven(p *fleet.Proven) *Proven {
	if p == nil {
		return nil
	}
	return &Proven{Master: p.Master, Version: p.Version, Manifest: p.Manifest, At: p.At}
}

func wireJob(j fleet.JobState, name func(id string) string) Job {
	out := Job{ID: j.Job.ID, Kind: j.Job.Kind, State: stateOf(j), Master: j.Job.Master, Version: j.Job.Version,
		OrderedBy: j.Job.OrderedBy, Created: j.Job.Created, Expires: j.Job.Expires, Note: j.Job.Note, Ending: j.Job.Ending,
		NotBefore: moment(j.Job.NotBefore), Level: j.Job.Level, SessionID: j.Job.Session, Tasks: []Task{}, Retries: j.Job.Retries,
		Wipe: j.Job.Wipe.Method, Schedule: j.Job.Schedule, Disk: j.Job.Disk, Wake: j.Job.Wake, AsIs: j.Job.AsIs}
	if j.Job.Kind == job.KindScript {
		script := j.Job.Script
		out.Script = &script
	}
	for _, l := range j.Job.LeftOut {
		if who := name(l.Computer); who != "" {
			out.LeftOut = append(out.LeftOut, LeftOut{who, Error{Code: string(l.Code), Detail: l.Detail}})
		}
	}
	for _, t := range j.Tasks {
		out.Tasks = append(out.Tasks, task(t, name))
	}
	return out
}

// stateOf is the state of a job: the one of its tasks that a person must know first.
func stateOf(j fleet.JobState) string {
	count := map[string]int{}
	for _, t := range j.Tasks {
		count[t.State]++
	}
	switch {
	case count[job.TaskRunning] > 0, count[job.TaskWaiting] > 0 && count[job.TaskWaiting] < len(j.Tasks):
		return job.TaskRunning
	case count[job.TaskWaiting] > 0:
		return job.TaskWaiting
	case count[job.TaskFailed] > 0:
		return job.TaskFailed
	case count[job.TaskCancelled] > 0:
		return job.TaskCancelled
	}
	return job.TaskDone
}

func task(t fleet.Task, name func(id string) string) Task {
	out := Task{ID: t.ID, Job: t.Job, Computer: name(t.Computer), State: t.State, Created: t.Created, Started: moment(t.Started),
		Ended: moment(t.Ended), Cancelling: t.CancelAsked && t.Active(), Reported: moment(t.ProgressAt), Tries: t.Tries}
	if t.Target != nil && t.Target.Version > 0 {
		out.Target = t.Target.String()
	}
	if p := t.Progress; p != nil {
		out.Steps, out.Done, out.Total, out.Written, out.Fetched = len(p.Steps), p.Done, p.Total, p.Written, p.Fetched
		out.Timings, out.Phase = p.Timings, p.Phase
		if x := p.Session; x != nil {
			out.Reception = &Reception{State: x.State, Reason: x.Reason, Interface: x.Interface, WireRate: x.WireRate,
				DiskRate: x.DiskRate, Multicast: x.Multicast, HTTPS: x.HTTPS, Peers: x.Peers, Packets: x.Packets, Lost: x.Lost,
				Repaired: x.Repaired, Forged: x.Forged}
		}
		if p.Step >= 0 && p.Step < len(p.Steps) {
			out.Step, out.StepNumber = p.Steps[p.Step], p.Step+1
		}
	}
	if o := t.Outcome; o != nil {
		out.Outcome = &Outcome{Code: o.Code, Detail: o.Detail, ReadBytes: o.ReadBytes, WrittenBytes: o.WrittenBytes,
			StoredBytes: o.StoredBytes, NewBytes: o.NewBytes, Seconds: o.Seconds, ProvenAt: moment(o.ProvenAt),
			Wipe: o.Wipe, Verify: o.Verify, Output: o.Output, Exit: o.Exit}
	}
	if o := t.Outcome; o != nil && o.Proof != nil {
		out.Outcome.Level, out.Outcome.Doubt, out.Outcome.FromCache = o.Proof.Level, o.Proof.Doubt, o.Proof.FromCache
	}
	if w := t.Wiped; w != nil {
		out.Wiped = &Wiped{Name: w.Name, Manufacturer: w.Manufacturer, Model: w.Model, Serial: w.Serial, UUID: w.UUID, Site: w.Site, Room: w.Room}
	}
	if p := t.Published; p != nil {
		out.Published = &Proven{Master: p.Master, Version: p.Version, Manifest: p.Hash, At: t.Ended}
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func event(e fleet.Event, name func(id string) string) Event {
	out := Event{Number: e.Number, Site: e.Site, Room: e.Room, Job: e.Job, Time: e.Time, Kind: e.Kind, Severity: string(e.Severity), Computer: name(e.Computer), MAC: e.MAC, Task: e.Task,
		Detail: e.Detail}
	return out
}

func volumes(m *manifest.Manifest) []Volume {
	var out []Volume
	for _, v := range m.Volumes {
		out = append(out, Volume{Partition: v.Partition, Kind: v.Kind, Order: string(v.Order), Reason: v.Reason, Label: v.Label,
			Length: v.Length, Used: v.Used})
	}
	return out
}

func clean(p *fleet.ProofKept) *Clean {
	if p == nil {
		return nil
	}
	x := p.Proof
	v := fleet.Target{Master: x.Master, Version: x.Version}
	return &Clean{At: p.Kept, Version: v.String(), Level: x.Level, ReadBytes: x.Read, Differed: x.Differed, Written: x.Written,
		FromCache: x.FromCache, FromNet: x.FromNet, Seconds: x.Seconds, Offline: x.Offline, Skipped: x.Skipped, Origin: x.Origin, Task: x.Task}
}

func resets(r *fleet.Resets) *Resets {
	if r == nil {
		return nil
	}
	return &Resets{Done: r.Done, Failed: r.Failed, Offline: r.Offline, Quick: r.Quick, Doubted: r.Doubted, Doubts: r.Doubts}
}
