package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/ardoise/ardoise/integration/lab"
)

// refresh is how often the board looks at the PCs.
const refresh = 500 * time.Millisecond

// board shows one line per PC: redrawn in place on a terminal, else a new line whenever something has changed.
type board struct {
	out      io.Writer
	terminal bool
	began    time.Time

	mu    sync.Mutex
	rows  []*row
	drawn bool
}

// row is the state of one PC.
type row struct {
	pc    *lab.PC
	on    time.Time
	note  string // said by the demo since the last thing that the PC said
	heard int    // lines of the PC that the note has seen
	runs  string
	after time.Duration
	shown string
}

// newBoard makes a board for these PCs.
func newBoard(out *os.File, pcs []*lab.PC) *board {
	b := &board{out: out, terminal: term.IsTerminal(int(out.Fd())), began: time.Now()}
	for _, pc := range pcs {
		b.rows = append(b.rows, &row{pc: pc})
	}
	return b
}

// row finds the row of a PC. The caller holds the lock.
func (b *board) row(pc *lab.PC) *row {
	for _, r := range b.rows {
		if r.pc == pc {
			return r
		}
	}
	return &row{pc: pc}
}

// powered notes that a PC was switched on.
func (b *board) powered(pc *lab.PC) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.row(pc).on = time.Now()
}

// note shows something that the demo did for a PC, until the PC itself goes on.
func (b *board) note(pc *lab.PC, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(pc)
	r.note, r.heard = text, len(pc.Lines())
}

// runs notes that a PC's own system has said that it is well.
func (b *board) runs(pc *lab.PC, master string, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(pc)
	r.runs, r.after = master, after
}

// show draws the board until the context ends, and once more then.
func (b *board) show(ctx context.Context) {
	for {
		b.draw()
		select {
		case <-ctx.Done():
			b.draw()
			return
		case <-time.After(refresh):
		}
	}
}

// draw draws all rows on a terminal, or prints those that changed.
func (b *board) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.terminal && b.drawn {
		fmt.Fprintf(b.out, "\x1b[%dA", len(b.rows))
	}
	b.drawn = true
	for _, r := range b.rows {
		text := r.text()
		switch {
		case b.terminal:
			fmt.Fprintf(b.out, "\x1b[2K%s  %5.0f s\n", text, r.seconds())
		case text != r.shown:
			fmt.Fprintf(b.out, "%5.0f s  %s\n", time.Since(b.began).Seconds(), text)
		}
		r.shown = text
	}
}

// seconds is how long the PC has been on, or was until its system was up.
func (r *row) seconds() float64 {
	switch {
	case r.after > 0:
		return r.after.Seconds()
	case r.on.IsZero():
		return 0
	}
	return time.Since(r.on).Seconds()
}

// text is the row without its clock.
func (r *row) text() string {
	head := fmt.Sprintf("%-4s %-10s %-6s %-15s", r.pc.Name, r.pc.Firmware, r.pc.Bus, r.pc.NIC)
	lines := r.pc.Lines()
	switch {
	case r.runs != "":
		return head + " " + bar(100) + " its own system runs: " + r.runs
	case r.note != "" && len(lines) == r.heard:
		return head + " " + bar(0) + " " + r.note
	}
	percent, what := progress(lines)
	return head + " " + bar(percent) + " " + what
}

// bar draws a bar of 20 characters.
func bar(percent int) string {
	full := min(max(percent, 0), 100) / 5
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", 20-full) + "]"
}

// stepLine is the agent's line about a step of its task.
var stepLine = regexp.MustCompile(`^ardoise: step ([a-z0-9-]+)(?: ([0-9]+) %)?( done)?`)

// progress says in words how far a PC has come, from the last telling line that it printed.
func progress(lines []lab.Line) (percent int, what string) {
	for i := len(lines) - 1; i >= 0; i-- {
		text := lines[i].Text
		if step := stepLine.FindStringSubmatch(text); step != nil {
			switch {
			case step[3] != "":
				return 100, "step " + step[1] + " done"
			case step[2] != "":
				_, _ = fmt.Sscan(step[2], &percent) // digits only: it cannot fail
			}
			return percent, "step " + step[1]
		}
		if rest, ok := strings.CutPrefix(text, "ardoise: "); ok {
			return 0, cut(rest)
		}
		switch {
		case strings.Contains(text, "GOLDEN MASTER"):
			return 100, cut(text)
		case strings.Contains(text, "Linux version"):
			return 0, "kernel starts"
		case strings.Contains(text, "PXE") || strings.Contains(text, "net0"):
			return 0, "firmware asks the network"
		}
	}
	return 0, "power on"
}

// cut shortens a line to what fits behind the bar.
func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// summary says which PC runs what after how long.
func (b *board) summary() {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(b.out)
	for _, r := range b.rows {
		fmt.Fprintf(b.out, "%s runs %s, checked by its own system, %.0f s after power-on\n", r.pc.Name, r.runs, r.after.Seconds())
		fmt.Fprintf(b.out, "      %s\n", lab.PhaseLine(lab.Phases(r.pc.Lines())))
	}
}
