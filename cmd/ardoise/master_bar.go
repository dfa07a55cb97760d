package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	barWidth  = 24
	redraw    = 200 * time.Millisecond // on a terminal
	plainStep = 10 * time.Second       // between lines elsewhere
)

// bar shows how far one long work is: a bar with rate and time left on a terminal, else a line at each phase and every
// ten seconds.
type bar struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	phase   string
	started time.Time // of the phase
	from    int64     // bytes done when it started
	drawn   time.Time
	open    bool // a bar stands on the present line
	things  bool // are counted in this phase, not bytes
}

// newBar returns the bar of a command; a silent one for who wants JSON without a terminal.
func newBar(w io.Writer, silent bool) *bar {
	terminal := isTerminal(w)
	if silent && !terminal {
		w = io.Discard
	}
	return &bar{w: w, terminal: terminal, now: time.Now}
}

// show takes the bytes done and to do of a phase. It may be called as often as anybody likes.
func (b *bar) show(phase string, done, total int64) {
	now := b.now()
	if phase != b.phase {
		b.end()
		b.phase, b.started, b.from, b.drawn = phase, now, done, time.Time{}
	}
	wait := plainStep
	if b.terminal {
		wait = redraw
	}
	if now.Sub(b.drawn) < wait && (!b.terminal || done < total) {
		return
	}
	b.drawn = now
	if b.terminal {
		_, _ = fmt.Fprintf(b.w, "\r\x1b[2K%s", b.text(now, done, total))
		b.open = true
		return
	}
	_, _ = fmt.Fprintln(b.w, b.text(now, done, total))
}

func (b *bar) text(now time.Time, done, total int64) string {
	if total <= 0 {
		return b.phase // nothing to do in it
	}
	share := min(1, float64(done)/float64(total))
	text := fmt.Sprintf("%-9s %3.0f %% of %s", b.phase, 100*share, b.amount(total))
	if b.terminal {
		full := int(share * barWidth)
		text = fmt.Sprintf("%-9s [%s%s] %3.0f %%", b.phase, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*share)
	}
	passed := now.Sub(b.started).Seconds()
	if passed < 0.5 || done <= b.from {
		return text
	}
	rate := float64(done-b.from) / passed
	left := time.Duration(float64(max(0, total-done)) / rate * float64(time.Second)).Round(time.Second)
	return text + fmt.Sprintf("  %s/s  %s left", b.amount(int64(rate)), left)
}

func (b *bar) amount(n int64) string {
	if b.things {
		return fmt.Sprint(n)
	}
	return bytesText(n)
}

// end leaves the last state of the bar standing.
func (b *bar) end() {
	if b.open {
		_, _ = fmt.Fprintln(b.w)
		b.open = false
	}
}
