package lab

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Line is one line that a PC printed on its serial port.
type Line struct {
	At   time.Duration // since power-on
	Text string        // without control sequences
}

// Console collects what a PC prints, line by line, and lets tests wait for it.
type Console struct {
	mu      sync.Mutex
	powered time.Time
	log     io.Writer
	lines   []Line
	pending []byte
	changed chan struct{}
	ended   error
}

// newConsole starts a console at power-on; every finished line is copied to log.
func newConsole(log io.Writer) *Console {
	return &Console{powered: time.Now(), log: log, changed: make(chan struct{})}
}

// maxPending bounds a line that never ends: firmware draws progress bars without a line feed.
const maxPending = 4096

// Write takes the bytes of the serial port.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range p {
		if b == '\n' || b == '\r' || len(c.pending) == maxPending {
			c.finish()
		}
		if b != '\n' && b != '\r' {
			c.pending = append(c.pending, b)
		}
	}
	c.wake()
	return len(p), nil
}

// finish turns the pending bytes into a line. The caller holds the lock.
func (c *Console) finish() {
	text := plain(string(c.pending))
	c.pending = c.pending[:0]
	if strings.TrimSpace(text) == "" {
		return
	}
	line := Line{time.Since(c.powered), text}
	c.lines = append(c.lines, line)
	fmt.Fprintf(c.log, "%8.2f %s\n", line.At.Seconds(), line.Text)
}

// wake lets all waiters look again. The caller holds the lock.
func (c *Console) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// end notes that the PC is off; waiters are told at once instead of running into their limits.
func (c *Console) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
	c.ended = err
	c.wake()
}

// escapes matches ANSI control sequences.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")

// plain removes the control sequences that firmware sends to a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(s, ""))
}

// Lines returns what was printed so far.
func (c *Console) Lines() []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Line(nil), c.lines...)
}

// NotSeenError says that a PC did not print what was waited for.
type NotSeenError struct {
	Pattern string
	Waited  time.Duration
	Last    []Line // the last lines that it printed
	Off     error  // why it is off; nil while it runs
}

// Error shows the end of what the PC printed: that mostly tells what went wrong.
func (e *NotSeenError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q not seen within %.0f s", e.Pattern, e.Waited.Seconds())
	if e.Off != nil {
		fmt.Fprintf(&b, ", the PC is off (%v)", e.Off)
	}
	b.WriteString("; it last printed:")
	for _, l := range e.Last {
		fmt.Fprintf(&b, "\n    %8.2f %s", l.At.Seconds(), l.Text)
	}
	return b.String()
}

// wait looks from line number from on for one that matches, and returns it with the number of the next.
func (c *Console) wait(ctx context.Context, from int, pattern *regexp.Regexp, limit time.Duration) (Line, int, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		c.mu.Lock()
		for ; from < len(c.lines); from++ {
			if pattern.MatchString(c.lines[from].Text) {
				line := c.lines[from]
				c.mu.Unlock()
				return line, from + 1, nil
			}
		}
		// A prompt or a progress line may never end: it counts as it stands, and is not looked at again.
		if text := plain(string(c.pending)); from == len(c.lines) && text != "" && pattern.MatchString(text) {
			c.mu.Unlock()
			return Line{time.Since(c.powered), text}, from + 1, nil
		}
		changed, ended := c.changed, c.ended
		last := append([]Line(nil), c.lines[max(0, len(c.lines)-25):]...)
		c.mu.Unlock()
		if ended != nil {
			return Line{}, from, &NotSeenError{pattern.String(), time.Since(began), last, ended}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Line{}, from, &NotSeenError{pattern.String(), time.Since(began), last, nil}
		}
	}
}
