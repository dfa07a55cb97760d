package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
)

// Plan says what an order would do, computer by computer, without doing it.
func (d Desk) Plan(order Order) (Plan, error) {
	o, err := d.resolve(order)
	if err != nil {
		return Plan{}, err
	}
	planned, err := d.planned(&o)
	if err != nil {
		return Plan{}, err
	}
	out := Plan{Kind: o.Kind, Master: o.Master, Targets: []Target{}}
	if o.manifest != nil {
		out.Master, out.Bytes, out.Stored = o.version.String(), o.version.UsedBytes, d.h.Masters.StoredBytes(o.manifest)
	}
	var ready []fleet.Planned
	for _, p := range planned {
		out.Targets = append(out.Targets, d.target(o, p, out.Stored))
		if p.Refusal != nil {
			continue
		}
		ready = append(ready, p)
		if d.h.Fleet.InAgent(p.Computer.ID) {
			out.InAgent++
		}
	}
	out.Warnings = warnings(ready)
	if o.manifest == nil {
		out.Bytes = d.h.largest(ready)
	}
	var most int64
	out.AirBytes, most = d.h.travel(o, ready, out.Stored)
	if out.Seconds = seconds(o, out, len(ready), most); out.Seconds == 0 {
		out.Seconds = int(d.remembered(o, ready) / time.Second)
	}
	return out, nil
}

// target is what an order would do to one computer. stored is what its version takes in the store.
func (d Desk) target(o resolved, p fleet.Planned, stored int64) Target {
	t := Target{Computer: p.Computer.Name, Disk: p.Disk, Runs: proven(p.Computer.Runs), Loses: p.Loses, Warning: p.Warning}
	if x := p.Conflict; x != nil {
		t.Conflict = &Conflict{Job: x.Job, Kind: x.Kind, By: x.By, State: x.State}
	}
	switch {
	case p.Target != nil && p.Target.Version > 0:
		t.Target = p.Target.String()
	case o.manifest != nil:
		t.Target = o.version.String()
	}
	switch why := d.h.Fleet.NeverOffline(p.Computer); {
	case p.Refusal != nil:
		t.Refusal = ErrorOf(p.Refusal)
	case o.Kind == job.KindReset && o.manifest == nil:
		t.OfflineReset = d.h.Fleet.Offline(p.Computer)
	case o.Kind == job.KindVerify || o.manifest == nil: // nothing becomes different
	case why != "":
		t.OfflineReset = why
	default:
		t.OfflineReset = disk.OfflineReset(o.manifest, p.Disk.Size, p.Disk.SectorSize, stored).String()
	}
	return t
}

// maxNamed is how many computers a warning of a plan names.
const maxNamed = 5

// warnings are those of some targets, each once, with the names of whom it is about.
func warnings(planned []fleet.Planned) []string {
	var order []string
	names := map[string][]string{}
	for _, p := range planned {
		if p.Warning == "" {
			continue
		}
		for _, w := range strings.Split(p.Warning, "; ") {
			if names[w] == nil {
				order = append(order, w)
			}
			names[w] = append(names[w], p.Computer.Name)
		}
	}
	for i, w := range order {
		who := names[w]
		if len(who) > maxNamed {
			who = append(who[:maxNamed:maxNamed], "...")
		}
		order[i] = w + ": " + strings.Join(who, ", ")
	}
	return order
}

// version is the one that a computer holds, or is to hold, if it is still there and still the same.
func (h *House) version(t fleet.Target) (masters.Version, bool) {
	v, err := h.Masters.Resolve(t.String())
	return v, err == nil && v.Hash.String() == t.Manifest
}

// largest is how many bytes the version keeps that is the largest of those which some computers are to be equal to.
func (h *House) largest(planned []fleet.Planned) int64 {
	var most int64
	seen := map[string]bool{}
	for _, p := range planned {
		if p.Target == nil || p.Target.Version == 0 || seen[p.Target.Manifest] {
			continue
		}
		seen[p.Target.Manifest] = true
		if v, ok := h.version(*p.Target); ok {
			most = max(most, v.UsedBytes)
		}
	}
	return most
}

// maxBases is how many versions of a master a plan compares with another one: each is read whole.
const maxBases = 8

// travel estimates the bytes that are sent for an order whose version takes stored bytes: to all together, and to the one that
// needs most. What a disk was proven to hold of the same master is found there again, and what its cache has is not asked for;
// a reset to what a computer holds finds nearly all of it in both, and asks for nothing.
func (h *House) travel(o resolved, ready []fleet.Planned, stored int64) (all, most int64) {
	if o.manifest == nil || len(ready) == 0 || o.Kind == job.KindVerify {
		return 0, 0
	}
	lacks := h.lacking(o, ready, stored)
	sent, added := map[chunk.ID]struct{}{}, map[*lack]bool{} // by a session: each once, whoever lacks it
	together := (o.Kind == job.KindDeploy || o.Kind == job.KindStage) && !o.Unicast && len(ready) > 1
	var cached, sum int64 // of a cache only the number of bytes is known
	for _, p := range ready {
		need, known := missing(p.Computer, o.Manifest)
		if !known {
			x := lacks(p.Computer)
			if need = x.bytes; together && !added[x] {
				added[x] = true
				maps.Copy(sent, x.ids)
			}
		} else {
			cached = max(cached, need)
		}
		sum, most = sum+need, max(most, need)
	}
	if !together {
		return sum, most
	}
	for id := range sent {
		size, _ := h.Masters.StoredSize(id)
		all += size
	}
	return max(all, cached), most
}

// missing is what the cache of a computer lacks of a version, bytes, as it last told; known is false where it told nothing.
func missing(c fleet.Computer, manifest string) (bytes int64, known bool) {
	if c.Local == nil || c.Mark != nil {
		return 0, false
	}
	i := slices.IndexFunc(c.Local.State.Cached, func(x job.Cached) bool { return x.Manifest == manifest && x.Missing >= 0 })
	if i < 0 {
		return 0, false
	}
	return c.Local.State.Cached[i].Missing, true
}

// lack is what a disk lacks of a version.
type lack struct {
	ids   map[chunk.ID]struct{}
	bytes int64 // that they take in the store
}

// lacking returns what tells what the disk of a computer lacks of an order's version, by what it was proven to hold.
func (h *House) lacking(o resolved, ready []fleet.Planned, stored int64) func(fleet.Computer) *lack {
	base := func(c fleet.Computer) string {
		if c.Runs == nil || c.Runs.Master != o.Master || o.Kind == job.KindStage { // what is staged is a copy beside the disk's content
			return ""
		}
		return c.Runs.Manifest
	}
	whole := &lack{ids: make(map[chunk.ID]struct{}, o.manifest.Chunks.Len()), bytes: stored}
	for _, e := range o.manifest.Chunks.All() {
		whole.ids[e.ID] = struct{}{}
	}
	known := map[string]*lack{"": whole}
	for _, p := range ready {
		r := p.Computer.Runs
		at := base(p.Computer)
		if _, done := known[at]; done || len(known) > maxBases {
			continue
		}
		known[at] = whole
		v, ok := h.version(fleet.Target{Master: r.Master, Version: r.Version, Manifest: r.Manifest})
		if !ok {
			continue
		}
		m, err := h.Masters.Open(v)
		if err != nil {
			continue // damaged: nobody can tell
		}
		has := make(map[chunk.ID]struct{}, m.Chunks.Len())
		for _, e := range m.Chunks.All() {
			has[e.ID] = struct{}{}
		}
		x := &lack{ids: map[chunk.ID]struct{}{}}
		for id := range whole.ids {
			if _, there := has[id]; !there {
				size, _ := h.Masters.StoredSize(id)
				x.ids[id], x.bytes = struct{}{}, x.bytes+size
			}
		}
		known[at] = x
	}
	return func(c fleet.Computer) *lack {
		if x, ok := known[base(c)]; ok {
			return x
		}
		return whole
	}
}

// What a plan's time is guessed by: bytes a second that a computer takes in over a gigabit link with its disk, that such a
// link carries to all of them together, and that are read of a disk; and what restarting and looking cost.
const (
	guessDisk  = 80_000_000
	guessLine  = 110_000_000
	guessRead  = 300_000_000
	guessExtra = 150 * time.Second
)

// seconds estimates how long an order takes from its beginning until the last of n computers is done; 0 for what depends on
// the drive, which only records can tell, on a script or on nothing but who is there. most is what travels to the one that needs most.
func seconds(o resolved, p Plan, n int, most int64) int {
	if n == 0 || p.Bytes == 0 && o.manifest == nil {
		return 0
	}
	took := guessExtra + time.Duration(o.Countdown)*time.Second
	net := max(most/guessDisk, p.AirBytes/guessLine)
	read := p.Bytes / guessRead
	switch o.Kind {
	case job.KindReset, job.KindDeploy, job.KindVerify:
		if o.Kind == job.KindReset && o.Level == job.LevelQuick && o.manifest == nil {
			read = 0 // it looks where something was written, and nowhere else
		}
		took += time.Duration(max(net, read)) * time.Second
	case job.KindStage:
		took += time.Duration(net) * time.Second
	default:
		return 0
	}
	return int(took / time.Second)
}
