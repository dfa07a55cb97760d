package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
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
	b := &board{out: out, terminal: term.IsTerminal(int(out.Fd()))}
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
			fmt.Fprintf(b.out, "\x1b[2K%5.0f s  %s\n", r.seconds(), text)
		case text != r.shown: // the time is since this PC's power-on
			fmt.Fprintf(b.out, "%5.0f s  %s\n", r.seconds(), text)
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
	head := fmt.Sprintf("%-3s %-10s %-6s", r.pc.Name, r.pc.Firmware, r.pc.Bus)
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

// stepLine is the agent's line about a step of its task, phaseLine the one about a phase of its writing.
var (
	stepLine  = regexp.MustCompile(`^ardoise: step ([a-z0-9-]+)(?: ([0-9]+) %)?( done)?`)
	phaseLine = regexp.MustCompile(`^ardoise: phase ([a-z]+)`)
)

// words says what the agent's words for steps and phases mean. A name that is not here is shown as it is.
func words(name string) string {
	plain, ok := map[string]string{
		"stage2":   "fetches its tools over TLS",
		"disk":     "chooses the disk",
		"manifest": "checks the master's signature",
		"scan":     "reads what the disk holds",
		"break":    "makes the disk unbootable while it is unfinished",
		"data":     "writes file data",
		"metadata": "writes file systems",
		"heads":    "writes superblocks and boot sectors",
		"verify":   "reads everything back",
		"receive":  "receives with its room, and writes",
		"restore":  "receives with its room, and writes",
		"stage":    "keeps a copy for resets without the network",
		"boot":     "makes the disk bootable",
	}[name]
	if !ok {
		return name
	}
	return plain
}

// progress says in words how far a PC has come, from the last telling lines that it printed.
func progress(lines []lab.Line) (percent int, what string) {
	step, runs, last := "", false, "power on" // a step whose phase is looked for; the agent says something; what came before it
walk:
	for i := len(lines) - 1; i >= 0; i-- {
		text := lines[i].Text
		if phase := phaseLine.FindStringSubmatch(text); phase != nil {
			return percent, words(phase[1])
		}
		if found := stepLine.FindStringSubmatch(text); found != nil {
			if step != "" && step != found[1] {
				break
			}
			if found[2] != "" && percent == 0 {
				_, _ = fmt.Sscan(found[2], &percent) // digits only: it cannot fail
			}
			if step = found[1]; step == "restore" && found[3] == "" {
				continue // its phase says more, where it tells one
			}
			break
		}
		switch m := milestone(text); m {
		case "":
		case running:
			runs = true
		default:
			last = m
			break walk
		}
	}
	switch {
	case step != "":
		return percent, words(step)
	case runs: // since this start
		return 0, running
	}
	return 0, last
}

// running is what all other lines of the agent say. They come between its steps, too.
const running = "the agent runs"

// milestone says what a line that ends a stretch of the way means; "" for all others.
func milestone(text string) string {
	for _, m := range []struct{ mark, meaning string }{
		{"ardoise: ending disk", "restarts into its own system"},
		{"GOLDEN MASTER", "its own system starts"},
		{"ardoise: code", "shows its code, waits for approval"},
		{"ardoise: enrolled", "enrolled"},
		{"ardoise: failed", text},
		{"ardoise: ", running},
		{"Linux version", "kernel starts"},
		{"PXE over", "firmware asks the network"},
		{"Configuring (net0", "firmware asks the network"},
	} {
		if strings.Contains(text, m.mark) {
			return cut(m.meaning)
		}
	}
	return ""
}

// cut shortens a line so that a row fits a terminal of 100 columns: a wrapped row could not be redrawn in place.
func cut(s string) string {
	if r := []rune(s); len(r) > 45 {
		return string(r[:42]) + "..."
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
		phases := slices.DeleteFunc(lab.Phases(r.pc.Lines()), func(p lab.Phase) bool { return p.At >= r.after })
		fmt.Fprintf(b.out, "      %s\n", lab.PhaseLine(append(phases, lab.Phase{Name: "own system", At: r.after})))
	}
}
