package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// diskChoice is a rule that chooses a disk where there are several.
type diskChoice struct {
	Value, Title string
	Here         bool // it is the one that was chosen
}

// maxDisksOf is how many computers are looked at to find out what their disks have in common, and maxDiskChoices how many
// rules are offered for several.
const (
	maxDisksOf     = 1000
	maxDiskChoices = 12
)

// ruleText writes a rule for a disk as a field of a form and an address have it; "" is the only fixed disk.
func ruleText(r job.DiskRule) string {
	q := url.Values{}
	for key, text := range map[string]string{"bus": r.Bus, "model": r.Model, "serial": r.Serial} {
		if text != "" {
			q.Set(key, text)
		}
	}
	for key, n := range map[string]int64{"min": r.MinSize, "max": r.MaxSize} {
		if n > 0 {
			q.Set(key, strconv.FormatInt(n, 10))
		}
	}
	return q.Encode()
}

// diskOf reads the rule that a form has for a disk.
func (f *Form) diskOf(field string) job.DiskRule {
	q, err := url.ParseQuery(f.Value(field))
	r := job.DiskRule{Bus: q.Get("bus"), Model: q.Get("model"), Serial: q.Get("serial")}
	for key, to := range map[string]*int64{"min": &r.MinSize, "max": &r.MaxSize} {
		if text := q.Get(key); text != "" && err == nil {
			*to, err = strconv.ParseInt(text, 10, 64)
		}
	}
	if err != nil || ruleText(r) != f.Value(field) || len(f.Value(field)) > 2000 {
		f.Fail(field, f.t.say("form.choose"))
		return job.DiskRule{}
	}
	return r
}

// asksForDisk tells whether somebody has to say which disk an order is for, or has said so. A reset is of the disk that was
// proven, whatever else there is.
func asksForDisk(kind job.Kind, f *Form, targets []access.Target) bool {
	if kind == job.KindReset || kind == job.KindInventory || kind == job.KindShutdown {
		return false
	}
	return f.Value("disk") != "" || slices.ContainsFunc(targets, func(t access.Target) bool {
		return t.Refusal != nil && t.Refusal.Code == string(fleet.CodeSeveralDisks)
	})
}

// fixed are the disks of a computer that can be chosen.
func fixed(c access.Computer) []job.Disk {
	return slices.DeleteFunc(slices.Clone(c.Inventory.Disks), func(d job.Disk) bool {
		return d.Removable || d.ReadOnly || d.Size <= 0 || d.Bus == "usb"
	})
}

// disksOf offers the disks of one computer to choose from, where there are several.
func (t tongue) disksOf(c access.Computer, chosen string) (out []diskChoice) {
	all := fixed(c)
	if len(all) < 2 {
		return nil
	}
	is, err := disk.Choose(all, newForm(t, url.Values{"disk": {chosen}}).diskOf("disk"))
	for _, d := range all {
		rule := job.DiskRule{Serial: d.Serial}
		if d.Serial == "" {
			rule = job.DiskRule{Bus: d.Bus, Model: d.Model, MinSize: d.Size, MaxSize: d.Size}
		}
		if got, err := disk.Choose(all, rule); err != nil || got.Path != d.Path {
			continue // nothing tells it from another
		}
		title := fmt.Sprintf("%s · %s", d.Model, t.size(d.Size))
		if d.Serial != "" {
			title += " · " + d.Serial
		}
		out = append(out, diskChoice{ruleText(rule), title, chosen != "" && err == nil && is.Path == d.Path})
	}
	return out
}

// diskChoices offers the disks of the one computer of an order, or rules by what the disks of several have in common: their
// bus or their size, each with how many computers it chooses one disk on.
func (v *visit) diskChoices(targets []access.Target, chosen string) ([]diskChoice, error) {
	var all [][]job.Disk
	for _, t := range targets[:min(len(targets), maxDisksOf)] {
		c, err := v.Desk.Computer(t.Computer)
		if err != nil {
			return nil, err
		}
		if len(targets) == 1 {
			return v.disksOf(c, chosen), nil
		}
		all = append(all, fixed(c))
	}
	return v.rules(all, chosen), nil
}

// rules are those that choose one disk on some of several computers, those of most computers first. Of two that choose the
// same, one is enough.
func (t tongue) rules(computers [][]job.Disk, chosen string) []diskChoice {
	candidates := map[job.DiskRule]bool{}
	for _, disks := range computers {
		for _, d := range disks {
			candidates[job.DiskRule{MinSize: d.Size, MaxSize: d.Size}] = true
			if d.Bus != "" {
				candidates[job.DiskRule{Bus: d.Bus}] = true
			}
		}
	}
	type found struct {
		diskChoice
		n     int
		picks string
	}
	var out []found
	for rule := range candidates {
		x := found{diskChoice: diskChoice{Value: ruleText(rule)}}
		for i, disks := range computers {
			if d, err := disk.Choose(disks, rule); err == nil {
				x.n++
				x.picks += fmt.Sprintf("%d%s ", i, d.Path)
			}
		}
		x.Title, x.Here = t.ruleTitle(rule)+" · "+t.count("n.computers", x.n), x.Value == chosen
		if x.n > 0 {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b found) int { return cmp.Or(b.n-a.n, strings.Compare(a.Value, b.Value)) })
	var offered []diskChoice
	seen := map[string]bool{}
	for _, x := range out {
		if (!seen[x.picks] || x.Here) && len(offered) < maxDiskChoices {
			seen[x.picks] = true
			offered = append(offered, x.diskChoice)
		}
	}
	return offered
}

// diskRules are what a schedule may say of the disk: the only one, by its bus, and what it says already.
func (t tongue) diskRules(f *Form) []option {
	out := []option{{"", t.say("disk.only")}}
	for _, bus := range []string{"nvme", "sata"} {
		out = append(out, option{ruleText(job.DiskRule{Bus: bus}), t.ruleTitle(job.DiskRule{Bus: bus})})
	}
	now := f.Value("disk")
	if !slices.ContainsFunc(out, func(o option) bool { return o.Value == now }) {
		out = append(out, option{now, t.ruleTitle(newForm(t, f.values).diskOf("disk"))})
	}
	return out
}

// ruleTitle says a rule in few words.
func (t tongue) ruleTitle(r job.DiskRule) string {
	parts := []string{strings.ToUpper(r.Bus), r.Model, "", r.Serial}
	switch {
	case r.MinSize == r.MaxSize && r.MinSize > 0:
		parts[2] = t.size(r.MinSize)
	case r.MinSize > 0 && r.MaxSize > 0:
		parts[2] = t.size(r.MinSize) + " – " + t.size(r.MaxSize)
	case r.MinSize > 0:
		parts[2] = "≥ " + t.size(r.MinSize)
	case r.MaxSize > 0:
		parts[2] = "≤ " + t.size(r.MaxSize)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}
