package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/scripts/machine"
	"github.com/ardoise/ardoise/scripts/table"
)

// Row is one comparison.
type Row struct {
	What  string   `json:"what"`
	Unit  string   `json:"unit"`
	Ours  Figure   `json:"ours"`
	Peers []Figure `json:"peers"`
	Bar   string   `json:"bar"`   // the promise in words; "" for none
	Ratio float64  `json:"ratio"` // what the promise is about
	Met   bool     `json:"met"`
	Why   string   `json:"why,omitempty"` // the likely reason where it is missed, a clause
}

// Figure is what one program reached.
type Figure struct {
	Name    string    `json:"name"`
	Value   float64   `json:"value"`             // in the row's unit; of the median run
	Seconds []float64 `json:"seconds,omitempty"` // of each run, by the wall clock
	CPU     float64   `json:"cpu,omitempty"`     // seconds of all cores, of the median run
	Again   int       `json:"again,omitempty"`   // runs that were thrown away since the machine's host had taken its processors
}

// atLeast is a row with a promise that ratio reaches bar.
func (r Row) atLeast(ratio, bar float64, words string) Row {
	r.Ratio, r.Bar, r.Met = ratio, fmt.Sprintf("at least %.2f%s", bar, words), ratio >= bar
	return r
}

// atMost is a row with a promise that ratio stays within bar.
func (r Row) atMost(ratio, bar float64, words string) Row {
	r.Ratio, r.Bar, r.Met = ratio, fmt.Sprintf("at most %.2f%s", bar, words), ratio <= bar
	return r
}

// noPromise is a row that only informs.
func (r Row) noPromise(ratio float64) Row {
	r.Ratio, r.Met = ratio, true
	return r
}

// because gives the likely reason for a promise that was missed.
func (r Row) because(clause string) Row {
	if !r.Met {
		r.Why = clause
	}
	return r
}

// print writes machine, mix and table, as Markdown that is legible in a terminal.
func (r *Result) print(w io.Writer) {
	r.Machine.print(w)
	var parts []string
	for _, p := range r.Mix {
		if p.Files > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f MB in %d files", p.Name, float64(p.Bytes)/1e6, p.Files))
		}
	}
	_, _ = fmt.Fprintf(w, "the disks hold %s\n\n", strings.Join(parts, ", "))
	lines := [][]string{{"", "unit", "Ardoise", "others", "ratio", "promised", "", "processor s"}}
	for _, row := range r.Rows {
		lines = append(lines, row.cells())
	}
	table.Print(w, lines)
	again := 0
	for _, row := range r.Rows {
		again += row.Ours.Again
		for _, p := range row.Peers {
			again += p.Again
		}
	}
	if again > 0 {
		_, _ = fmt.Fprintf(w, "runs of these rows that were made again, since the host had taken more than %.0f %% of the processors: %d\n", 100*machine.TooMuch, again)
	}
	for _, line := range r.Store {
		_, _ = fmt.Fprintln(w, line)
	}
	for _, note := range r.Notes {
		_, _ = fmt.Fprintf(w, "note: %s\n", note)
	}
}

func (r Row) cells() []string {
	var others []string
	for _, p := range r.Peers {
		others = append(others, p.Name+" "+number(p.Value))
	}
	verdict := "kept"
	switch {
	case r.Bar == "":
		verdict = ""
	case !r.Met:
		verdict = "**missed**"
		if r.Why != "" {
			verdict += ": " + r.Why
		}
	}
	return []string{r.What, r.Unit, number(r.Ours.Value), strings.Join(others, ", "), fmt.Sprintf("%.2f", r.Ratio), r.Bar, verdict,
		r.processor()}
}

// processor says how much processor time each took: on a busy machine that tells more than the clock.
func (r Row) processor() string {
	if r.Ours.CPU == 0 || len(r.Peers) == 0 || r.Peers[0].CPU == 0 {
		return ""
	}
	said := number(r.Ours.CPU)
	for _, p := range r.Peers {
		said += " : " + number(p.CPU)
	}
	return said
}

func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
