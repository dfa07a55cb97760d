package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// showOutcome prints what a task has found, proven or said, besides how it ended.
func showOutcome(w io.Writer, kind job.Kind, t access.Task) {
	if t.Outcome == nil {
		return
	}
	if p := t.Outcome.Wipe; p != nil {
		showCertificate(w, t, p)
	}
	if v := t.Outcome.Verify; v != nil {
		showVerification(w, v)
	}
	if kind == job.KindScript {
		_, _ = fmt.Fprintf(w, "    script: %s\n", exitText(t.Outcome.Exit))
		for line := range strings.Lines(t.Outcome.Output) {
			_, _ = fmt.Fprintf(w, "    | %s\n", printable(line))
		}
	}
}

// showCertificate prints what can be certified of a wipe, or why nothing can be.
func showCertificate(w io.Writer, t access.Task, p *job.WipeProof) {
	title := "certificate of erasure"
	if p.Refused != "" {
		title = "no certificate: " + p.Refused
	}
	rows := [][2]string{{"computer", t.Computer}}
	if c := t.Wiped; c != nil { // as it was then
		rows = [][2]string{{"computer", strings.TrimSpace(c.Name + " " + c.Room)}, {"model", strings.TrimSpace(c.Manufacturer + " " + c.Model)}, {"serial", c.Serial}, {"uuid", c.UUID}}
	}
	rows = append(rows, [][2]string{{"disk", strings.TrimSpace(fmt.Sprintf("%s %s, serial %s, %s", p.Path, p.Model, dash(p.Serial), bytesText(p.Size)))},
		{"ordered", p.Ordered}, {"done", p.Method}, {"the drive said", p.Reported}, {"read back", fmt.Sprintf("%d bytes found erased, of %d", p.Verified, p.Size)}}...)
	if p.Hidden > 0 {
		rows = append(rows, [2]string{"hidden", bytesText(p.Hidden) + " that the drive hides, which cannot be read back"})
	}
	for _, n := range p.Notes {
		rows = append(rows, [2]string{"note", n})
	}
	if !p.Started.IsZero() {
		rows = append(rows, [2]string{"time", p.Started.Local().Format(time.DateTime) + " to " + p.Ended.Local().Format(time.DateTime)})
	}
	_, _ = fmt.Fprintf(w, "    %s\n", fleet.Clean(title, 400))
	for _, r := range rows {
		if r[1] != "" {
			_, _ = fmt.Fprintf(w, "      %-16s %s\n", r[0], fleet.Clean(r[1], 300))
		}
	}
}

// showVerification prints how a disk compares with a version.
func showVerification(w io.Writer, v *job.Verification) {
	version := fmt.Sprintf("%s@%d", v.Master, v.Version)
	if v.Chunks+v.Fills+v.Unread == 0 {
		_, _ = fmt.Fprintf(w, "    verified: equal to %s, %s read\n", fleet.Clean(version, 80), bytesText(v.Read))
		return
	}
	_, _ = fmt.Fprintf(w, "    verified: differs from %s in %d chunks and %d fills, %s of %s read", fleet.Clean(version, 80), v.Chunks, v.Fills,
		bytesText(v.Bytes), bytesText(v.Read))
	if v.Unread > 0 {
		_, _ = fmt.Fprintf(w, "; parts of %d files or volumes could not be read", v.Unread)
	}
	if v.First != "" {
		_, _ = fmt.Fprintf(w, "; first %s", fleet.Clean(v.First, 300))
	}
	_, _ = fmt.Fprintln(w)
}

// exitText says how a script ended.
func exitText(exit int) string {
	if exit < 0 {
		return "ended by a signal"
	}
	return fmt.Sprintf("exit %d", exit)
}

// printable is a line of a script's output without what would move a terminal's cursor, change its colours or its title.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r':
			return -1
		case r == '\t', unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, line)
}
