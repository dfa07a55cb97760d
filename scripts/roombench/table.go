package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/scripts/machine"
	"github.com/ardoise/ardoise/scripts/table"
)

// words says the promise of a row.
func (b bars) words() string {
	var words []string
	for _, bar := range []struct {
		format string
		value  float64
	}{{"%.2f", b.healthy}, {"the slow one %.2f of its own", b.slow}, {"late ones %.2f", b.late}, {"on air %.1f x the new frames", b.air},
		{"%.0f MB/s", b.frames}, {"%.1f core", b.cores}} {
		if bar.value > 0 {
			words = append(words, fmt.Sprintf(bar.format, bar.value))
		}
	}
	return strings.Join(words, ", ")
}

// print writes machine, network and table, as Markdown that is legible in a terminal.
func (r *Result) print(w io.Writer) {
	r.Machine.print(w)
	n := r.Network
	_, _ = fmt.Fprintf(w, "server's port %d Mb/s, PCs' ports %d Mb/s with %d KiB of queue; time is divided by the wire's limit; median of %d\n",
		n.ServerMbit, n.PCMbit, n.Queue>>10, r.Runs)
	if r.Again > 0 {
		_, _ = fmt.Fprintf(w, "%d runs were made again: the machine's host had taken more than %.0f %% of its processors\n", r.Again, 100*machine.TooMuch)
	}
	_, _ = fmt.Fprintf(w, "%s\n%s\n\n", n.Ours, n.Udpcast)
	lines := [][]string{{"room", "Ardoise", "udpcast", "promised", "", "on air MB", "processor s, server and PCs", "apart s, before and after"}}
	for _, row := range r.Rows {
		lines = append(lines, row.cells())
	}
	table.Print(w, lines)
	if r.Flood != nil {
		r.Flood.print(w)
	}
	printCurve(w, r.Curve)
	for _, row := range r.Rows {
		for _, missed := range row.Missed {
			_, _ = fmt.Fprintf(w, "MISSED %s\n", missed)
		}
	}
	if r.Flood != nil {
		for _, missed := range r.Flood.Missed {
			_, _ = fmt.Fprintf(w, "MISSED %s\n", missed)
		}
	}
}

func (r Row) cells() []string {
	ours, theirs := "", r.Scene.Others
	var air, processor, apart []string
	for _, f := range r.Programs {
		if f.Name == oursName {
			ours = f.words(r.Scene)
		} else {
			theirs = f.words(r.Scene)
		}
		air = append(air, fmt.Sprintf("%.0f", float64(f.Median.Sent)/1e6))
		processor = append(processor, fmt.Sprintf("%.1f+%.1f", f.Median.ServerCPU, f.Median.PCsCPU))
		apart = append(apart, fmt.Sprintf("%.1f+%.1f", f.Median.Wait, f.Median.Rest))
	}
	verdict := "kept"
	switch {
	case ours == "" || r.Promise == "":
		verdict = ""
	case len(r.Missed) > 0:
		verdict = "**missed**"
	}
	return []string{r.Scene.What, ours, theirs, r.Promise, verdict, strings.Join(air, " : "), strings.Join(processor, " : "),
		strings.Join(apart, " : ")}
}

// words says what a program reached in one cell.
func (f Figure) words(s Scene) string {
	said := fmt.Sprintf("%.2f", f.Ratio)
	if f.Median.GaveUp {
		said = fmt.Sprintf("> %.0f s", f.Median.Seconds)
	}
	worst := worstOf(f.Runs)
	if far := worst.Seconds > 1.3*f.Median.Seconds; far || worst.Complete < worst.Expected {
		said += fmt.Sprintf(" (worst %.2f, %d of %d complete)", f.Ratio*worst.Seconds/f.Median.Seconds, worst.Complete, worst.Expected)
	}
	if f.Median.Wire != nil && s.gigabit() {
		said = fmt.Sprintf("%.0f MB/s, %.2f core (%s)", f.Median.Wire.Frames/1e6, f.Median.Wire.Cores, said)
	}
	if s.Upgrade {
		said = fmt.Sprintf("on air %.2f x (%s)", f.Air, said)
	}
	if f.Slow > 0 {
		said += fmt.Sprintf(", slow %.2f", f.Slow)
	}
	if f.Late > 0 {
		said += fmt.Sprintf(", late %.2f", f.Late)
	}
	if len(f.Runs) < f.Asked {
		said += fmt.Sprintf(", %d of %d runs", len(f.Runs), f.Asked)
	}
	return said
}

// worstOf returns the run with the fewest complete disks, and of these the one that took longest.
func worstOf(runs []Run) Run {
	return slices.MaxFunc(runs, func(x, y Run) int {
		return cmp.Or(cmp.Compare(y.Complete, x.Complete), cmp.Compare(x.Seconds, y.Seconds))
	})
}
