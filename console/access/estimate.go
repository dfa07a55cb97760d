package access

import (
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// longest is how many seconds a record may claim; what claims more is no record.
const longest = 1e7

// remembered estimates, by what the newest jobs that the caller sees took, how long a wipe or a capture will; 0: none of them
// says.
func (d Desk) remembered(o resolved, ready []fleet.Planned) time.Duration {
	var took time.Duration
	switch {
	case len(ready) == 0:
	case o.Kind == job.KindWipe:
		took = d.wiping(o.Wipe.Method, ready)
	case o.Kind == job.KindCapture:
		took = d.capturing(ready[0])
	}
	if took <= 0 {
		return 0
	}
	return guessExtra + time.Duration(o.Countdown)*time.Second + took
}

// wiping is how long the slowest of some disks took to be wiped this way: each as the newest wipe of a disk of its model and size
// says. How a drive erases is its own affair, so that of others nothing follows.
func (d Desk) wiping(method string, ready []fleet.Planned) (most time.Duration) {
	type like struct {
		model string
		size  int64
	}
	if method == "" {
		method = job.WipeAuto
	}
	known := map[like]time.Duration{}
	for _, j := range d.h.Fleet.Jobs() { // the newest first
		if j.Job.Kind != job.KindWipe {
			continue
		}
		slowest := map[like]time.Duration{}
		for _, t := range j.Tasks {
			if !d.done(t) || t.Outcome.Wipe == nil {
				continue
			}
			x := t.Outcome.Wipe
			if took := x.Ended.Sub(x.Started); x.Method != "" && (x.Ordered == method || x.Method == method) && took < longest*time.Second {
				at := like{x.Model, x.Size}
				slowest[at] = max(slowest[at], took)
			}
		}
		for at, took := range slowest {
			if _, newer := known[at]; !newer && took > 0 {
				known[at] = took
			}
		}
	}
	for _, p := range ready {
		took, ok := known[like{p.Disk.Model, p.Disk.Size}]
		if !ok {
			return 0
		}
		most = max(most, took)
	}
	return most
}

// capturing is how long reading what a computer's disk has in use will take: as fast as its own last capture, else as the newest
// one of a computer that is like it.
func (d Desk) capturing(p fleet.Planned) time.Duration {
	var used, read int64
	if p.Computer.Runs != nil {
		if v, ok := d.h.version(fleet.Target{Master: p.Computer.Runs.Master, Version: p.Computer.Runs.Version, Manifest: p.Computer.Runs.Manifest}); ok {
			used = v.UsedBytes
		}
	}
	took := 0.0
	for _, j := range d.h.Fleet.Jobs() {
		if j.Job.Kind != job.KindCapture {
			continue
		}
		for _, t := range j.Tasks {
			if !d.done(t) || t.Outcome.ReadBytes <= 0 || !(t.Outcome.Seconds > 0 && t.Outcome.Seconds < longest) {
				continue
			}
			own := t.Computer == p.Computer.ID
			if own || read == 0 && d.alike(t.Computer, p) {
				read, took = t.Outcome.ReadBytes, t.Outcome.Seconds
			}
			if !own {
				continue
			}
			if used == 0 { // it is not known to have changed
				used = read
			}
			return scaled(took, used, read)
		}
	}
	if used == 0 || read == 0 {
		return 0
	}
	return scaled(took, used, read)
}

// scaled is how long some bytes take where others took so many seconds.
func scaled(seconds float64, bytes, took int64) time.Duration {
	return time.Duration(min(seconds*float64(bytes)/float64(took), longest) * float64(time.Second))
}

// alike tells whether a computer is of the same model as one of a plan, with a disk like the one that is meant there.
func (d Desk) alike(id string, p fleet.Planned) bool {
	c, err := d.find(id)
	if err != nil || c.Inventory.Model != p.Computer.Inventory.Model || c.Inventory.Manufacturer != p.Computer.Inventory.Manufacturer {
		return false
	}
	for _, x := range c.Inventory.Disks {
		if x.Model == p.Disk.Model && x.Size == p.Disk.Size {
			return true
		}
	}
	return false
}

// done tells whether a task ended well, of a computer that the caller sees.
func (d Desk) done(t fleet.Task) bool {
	name, _ := d.whose(t)
	return t.State == job.TaskDone && t.Outcome != nil && name != ""
}
