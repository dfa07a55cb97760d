package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// planView is what an order would do, added up.
type planView struct {
	Kind           job.Kind
	Ready, Refused []access.Target
	Each           []access.Target // the first of Ready, in detail
	Out            []access.Target // the first of Refused
	Warnings       []string
	Conflicts      []access.Target // other orders stand in the way, and would give way
	Air            int64           // bytes that travel
	Took           string          // how long it takes, roughly, or that nobody can tell; "": it does not matter
	Disks          []diskLine
	Becomes        []becomeLine // reset, verify: what how many are made, or measured by
	Offline        int          // computers that can be reset without the server afterwards
	InAgent        int          // computers whose agent is there now
	Master         string
	Script         string // its name
	Destroys       bool
	Sentence       string // that has to be typed; ""
	Choices        []diskChoice
	Old            int    // computers that a reset leaves at another version than Own
	Own            string // version of the one room that is reset
}

// diskLine is how many computers have a disk of a model.
type diskLine struct {
	Model string
	Size  int64
	N     int
}

// becomeLine is how many computers get a version, or are compared with it.
type becomeLine struct {
	Version string
	N       int
}

// maxEach is how many computers of a plan are shown one by one.
const maxEach = 400

// More is how many computers are not shown one by one, and MoreOut how many that are left out.
func (p planView) More() int    { return len(p.Ready) - len(p.Each) }
func (p planView) MoreOut() int { return len(p.Refused) - len(p.Out) }

// Written tells whether the disks that a plan names are touched, or at least read.
func (p planView) Written() bool { return p.Kind != job.KindShutdown && p.Kind != job.KindInventory }

// destroys tells whether an order of a kind ends what is on disks.
func destroys(k job.Kind) bool {
	return k == job.KindDeploy || k == job.KindReset || k == job.KindWipe
}

// addUp makes a plan readable.
func (t tongue) addUp(plan access.Plan) planView {
	out := planView{Kind: plan.Kind, Master: plan.Master, Air: plan.AirBytes, InAgent: plan.InAgent, Destroys: destroys(plan.Kind)}
	warned := map[string][]string{} // whom, by what
	var warnings []string
	becomes := map[string]int{}
	for _, x := range plan.Targets {
		if x.Refusal != nil {
			out.Refused = append(out.Refused, x)
			continue
		}
		out.Ready = append(out.Ready, x)
		if x.Conflict != nil {
			out.Conflicts = append(out.Conflicts, x)
		}
		if x.Warning != "" {
			if warned[x.Warning] == nil {
				warnings = append(warnings, x.Warning)
			}
			warned[x.Warning] = append(warned[x.Warning], x.Computer)
		}
		if strings.HasPrefix(x.OfflineReset, "yes") {
			out.Offline++
		}
		if x.Target != "" && plan.Kind != job.KindDeploy { // which all become the one that the plan names
			becomes[x.Target]++
		}
		if out.Written() {
			out.disk(x.Disk)
		}
	}
	out.Each, out.Out = out.Ready[:min(len(out.Ready), maxEach)], out.Refused[:min(len(out.Refused), maxEach)]
	for version, n := range becomes {
		out.Becomes = append(out.Becomes, becomeLine{version, n})
	}
	slices.SortFunc(out.Becomes, func(a, b becomeLine) int { return cmp.Or(b.N-a.N, natural(a.Version, b.Version)) })
	for _, w := range warnings {
		text := t.in("", w)
		if who := warned[w]; len(who) < len(out.Ready) { // else it is for all
			text = firsts(who) + t.say("app.colon") + " " + text
		}
		out.Warnings = append(out.Warnings, text)
	}
	if len(out.Ready) > 0 {
		out.Took = t.lasts(plan)
	}
	return out
}

// lasts says how long a plan takes, roughly, or that nobody can tell; "" of a shutdown, which is over when it is heard.
func (t tongue) lasts(p access.Plan) string {
	switch {
	case p.Kind == job.KindShutdown:
		return ""
	case p.Seconds > 0:
		return t.say("plan.about", t.span(time.Duration(p.Seconds)*time.Second))
	}
	return t.say("plan.notold")
}

// disk counts a disk of a plan.
func (p *planView) disk(d job.Disk) {
	if i := slices.IndexFunc(p.Disks, func(l diskLine) bool { return l.Model == d.Model && l.Size == d.Size }); i >= 0 {
		p.Disks[i].N++
		return
	}
	p.Disks = append(p.Disks, diskLine{d.Model, d.Size, 1})
}

// firsts names the first of many.
func firsts(names []string) string {
	const shown = 5
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += ", …"
	}
	return text
}

// confirmed is the sentence that has to be typed before an order that destroys, or runs a script that may. It says how many
// computers, and where.
func (t tongue) confirmed(kind job.Kind, n int, where string) string {
	switch {
	case n == 0:
		return ""
	case where == "":
		return t.count("order.sentence."+string(kind)+".pcs", n)
	}
	return t.count("order.sentence."+string(kind), n, where)
}
