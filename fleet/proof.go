package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// ProofKept is a proof, as its computer told it, and when that was.
type ProofKept struct {
	Proof job.Proof
	Kept  time.Time // clock of the server: when it came, or when it says that it was made if that is before
}

// Resets counts a computer's resets, deployments left out.
type Resets struct {
	Done    int            // found clean, or made clean
	Failed  int            // not clean at the end
	Offline int            // of all, without the server
	Quick   int            // of all, asked for as quick ones
	Doubted int            // of the quick ones, done in full
	Doubts  map[string]int // how often by reason
}

// limits of what is kept of a computer's proofs.
const (
	maxProofs   = 16 // of one hello
	maxProofIDs = 64 // two times what a computer keeps, and some
	maxDoubts   = 16 // reasons; what is beyond counts as "others"
)

// cleanProofs bounds the proofs of a hello.
func cleanProofs(in []job.Proof) []job.Proof {
	var out []job.Proof
	for _, p := range in[:min(len(in), maxProofs)] {
		out = append(out, cleanProof(p))
	}
	return out
}

// cleanProof bounds everything in a proof.
func cleanProof(p job.Proof) job.Proof {
	for _, s := range []*string{&p.Task, &p.Master, &p.Manifest, &p.Origin, &p.Clock} {
		*s = Clean(*s, 128)
	}
	p.ID = strings.ToLower(Clean(p.ID, 32))
	p.Level, p.Asked = job.Level(Clean(string(p.Level), 16)), job.Level(Clean(string(p.Asked), 16))
	p.Doubt, p.Failure = Clean(p.Doubt, 200), Clean(p.Failure, 500)
	p.Version = max(p.Version, 0)
	for _, n := range []*int64{&p.Read, &p.Differed, &p.Written, &p.FromCache, &p.FromNet} {
		*n = max(*n, 0)
	}
	if !(p.Seconds >= 0 && p.Seconds < 1e7) { // NaN as well
		p.Seconds = 0
	}
	if p.Counters != nil {
		x := *p.Counters
		x.Source, x.Serial = Clean(x.Source, 32), Clean(x.Serial, maxString)
		p.Counters = &x
	}
	return p
}

// takeProofs keeps proofs that are not known yet with a computer, and returns what people are told of them. A computer's
// word is all that they are: nothing is decided by them but what it may be reset to, which it was told itself. t is the
// task that they are of, if they are of one. The caller holds deciding.
func (f *Fleet) takeProofs(c *Computer, t Task, proofs []job.Proof) []Event {
	var events []Event
	now := f.o.Now().UTC()
	for _, p := range proofs {
		if len(p.ID) != 32 || strings.Trim(p.ID, "0123456789abcdef") != "" || slices.Contains(c.ProofIDs, p.ID) {
			continue
		}
		c.ProofIDs = append(slices.Clone(c.ProofIDs), p.ID)
		if extra := len(c.ProofIDs) - maxProofIDs; extra > 0 {
			c.ProofIDs = c.ProofIDs[extra:]
		}
		kept := ProofKept{Proof: p, Kept: now}
		if p.Clock == "server" && p.At.Before(now) && now.Sub(p.At) < maxAhead {
			kept.Kept = p.At.UTC()
		}
		c.count(p, f.kindOf(t))
		what, severity := "proof", Info
		if p.Ok {
			c.LastProof = &kept
			f.believe(c, p, now)
		} else {
			what, severity = "proof-failed", Warning
		}
		events = append(events, f.event(what, severity, *c, t, "%s", proofText(p)))
		if p.Doubt != "" {
			events = append(events, f.event("doubt", Info, *c, t, "%s", p.Doubt))
		}
	}
	return f.worth(c.ID, events...)
}

// kindOf returns the kind of a task's job; a reset when there is no task.
func (f *Fleet) kindOf(t Task) job.Kind {
	if t.ID == "" {
		return job.KindReset
	}
	return f.jobs[t.Job].Kind
}

// believe takes a computer's word that its disk holds again what it was granted, where nothing else is known of it: after a
// power cut in an offline reset, for example.
func (f *Fleet) believe(c *Computer, p job.Proof, now time.Time) {
	if c.Runs != nil || c.Mark != nil || c.Grant == nil || c.Grant.Target == nil || c.Grant.Target.Manifest != p.Manifest {
		return
	}
	if _, busy := f.activeOf(c.ID); busy {
		return
	}
	g := c.Grant.Target
	c.Runs = &Proven{Master: g.Master, Version: g.Version, Manifest: g.Manifest, At: now, Task: p.Task, Disk: g.Disk}
}

// count adds a proof to what is counted. What it replaces is left as it was: records are never changed.
func (c *Computer) count(p job.Proof, kind job.Kind) {
	if kind != job.KindReset {
		return
	}
	n := Resets{}
	if c.Resets != nil {
		n = *c.Resets
	}
	n.Doubts = maps.Clone(n.Doubts)
	if p.Ok {
		n.Done++
	} else {
		n.Failed++
	}
	if p.Offline {
		n.Offline++
	}
	if p.Asked == job.LevelQuick {
		n.Quick++
	}
	if p.Doubt != "" {
		n.Doubted++
		if n.Doubts == nil {
			n.Doubts = map[string]int{}
		}
		reason := Clean(p.Doubt, 80)
		if _, known := n.Doubts[reason]; !known && len(n.Doubts) >= maxDoubts-1 {
			reason = "others"
		}
		n.Doubts[reason]++
	}
	c.Resets = &n
}

// proofText says in a line what a proof says.
func proofText(p job.Proof) string {
	where := ""
	if p.Offline {
		where = ", without the server"
	}
	what := fmt.Sprintf("%s@%d, %s%s: ", p.Master, p.Version, p.Level, where)
	switch {
	case !p.Ok:
		what += "not clean at the end: " + p.Failure
	case p.Skipped:
		what += "nothing was written since the last proof"
	default:
		what += fmt.Sprintf("clean; %d bytes read, %d bytes differed, %d bytes written in %.0f s", p.Read, p.Differed, p.Written, p.Seconds)
	}
	return what
}
