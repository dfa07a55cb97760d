package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// showPlan prints what an order would do: in all, then computer by computer.
func showPlan(w io.Writer, p access.Plan) {
	if text := planText(p); text != "" {
		_, _ = fmt.Fprintln(w, text)
	}
	becomes := "BECOMES"
	if p.Kind == job.KindVerify {
		becomes = "COMPARED WITH"
	}
	rows := [][]string{{"COMPUTER", "RUNS", becomes, "DISK", "LOSES", "OFFLINE RESET"}}
	for _, t := range p.Targets {
		runs, disk, loses := "-", "-", dash(t.Loses)
		if t.Runs != nil {
			runs = fmt.Sprintf("%s@%d", t.Runs.Master, t.Runs.Version)
		}
		if t.Disk.Path != "" {
			disk = fmt.Sprintf("%s %s", t.Disk.Path, bytesText(t.Disk.Size))
		}
		if t.Refusal != nil {
			loses = "refused: " + t.Refusal.Code
		}
		rows = append(rows, []string{t.Computer, runs, dash(t.Target), disk, loses, dash(t.OfflineReset)})
	}
	table(w, rows)
	for _, t := range p.Targets {
		if x := t.Conflict; x != nil {
			_, _ = fmt.Fprintf(w, "%s: job %s of %s, a %s, is %s\n", fleet.Clean(t.Computer, 63), x.Job, fleet.Clean(x.By, 64), x.Kind, x.State)
		}
	}
	for _, text := range p.Warnings {
		_, _ = fmt.Fprintf(w, "warning: %s\n", fleet.Clean(text, 1000))
	}
}

// planText says in a line what an order costs.
func planText(p access.Plan) string {
	var parts []string
	if p.Bytes > 0 {
		parts = append(parts, bytesText(p.Bytes)+" on each disk")
	}
	if p.AirBytes > 0 {
		parts = append(parts, bytesText(p.AirBytes)+" over the network")
	}
	if p.Seconds > 0 {
		parts = append(parts, "about "+durationText(time.Duration(p.Seconds)*time.Second))
	}
	if p.Kind == job.KindShutdown {
		parts = append(parts, fmt.Sprintf("%d of %d computers are there to hear it now", p.InAgent, len(p.Targets)))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.TrimSpace(string(p.Kind)+" "+fleet.Clean(p.Master, 100)) + ": " + strings.Join(parts, ", ")
}

// durationText is how long something takes, as a person says it.
func durationText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
