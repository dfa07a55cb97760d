package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
)

// screen shows a job each time it has changed.
type screen interface{ show(j access.Job) }

// jsonScreen prints each state as a line of JSON.
type jsonScreen struct{ w io.Writer }

func (s jsonScreen) show(j access.Job) { _ = json.NewEncoder(s.w).Encode(j) }

// lineScreen prints a line when a task changes its state or step, and one a second of a session: for logs and scripts.
type lineScreen struct {
	w    io.Writer
	said map[string]string
}

func (s *lineScreen) show(j access.Job) {
	if s.said == nil {
		s.said = map[string]string{}
	}
	for _, t := range j.Tasks {
		line := t.State
		if t.Outcome != nil {
			line = taskText(t)
		} else if t.Step != "" {
			line = fmt.Sprintf("%s, step %d of %d", t.Step, t.StepNumber, t.Steps)
		}
		if s.said[t.ID] != line {
			s.said[t.ID] = line
			_, _ = fmt.Fprintf(s.w, "%s  %s\n", t.Computer, fleet.Clean(line, 400))
		}
	}
	if line := sessionLine(j.Session); line != "" && s.said[""] != line {
		s.said[""] = line
		_, _ = fmt.Fprintln(s.w, line)
	}
}

// barScreen draws a bar for each task, over and over in the same place.
type barScreen struct {
	w     io.Writer
	now   func() time.Time
	width func() int // of the terminal, in characters; nil: lines have room
	drawn int        // lines on the screen
	rates map[string]rate
}

// rate follows how fast a step goes.
type rate struct {
	step    string
	started time.Time
	from    int64
}

// widthOf returns how to ask for the width of a terminal.
func widthOf(terminal any) func() int {
	return func() int {
		f, ok := terminal.(*os.File)
		if !ok {
			return usualWidth
		}
		size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil || size.Col == 0 {
			return usualWidth
		}
		return int(size.Col)
	}
}

// usualWidth is that of a terminal that does not say, in characters.
const usualWidth = 80

// maxBars is how many computers are drawn; the others are counted.
const maxBars = 20

func (s *barScreen) show(j access.Job) {
	if s.rates == nil {
		s.rates = map[string]rate{}
	}
	if s.drawn > 0 {
		_, _ = fmt.Fprintf(s.w, "\x1b[%dA", s.drawn)
	}
	s.drawn = 0
	line := func(format string, args ...any) {
		text := []rune(fmt.Sprintf(format, args...))
		if s.width != nil {
			text = text[:min(len(text), s.width())] // one that wraps would be two, and the screen not drawn over
		}
		_, _ = fmt.Fprintf(s.w, "\x1b[2K%s\n", string(text))
		s.drawn++
	}
	for i, t := range j.Tasks {
		if i == maxBars {
			line("and %d more", len(j.Tasks)-maxBars)
			break
		}
		line("%-16s %s", fleet.Clean(t.Computer, 16), s.bar(t))
	}
	if text, lags, found := strings.Cut(sessionLine(j.Session), "  lags: "); text != "" {
		line("%s", text)
		if found {
			line("         lags: %s", lags)
		}
	}
	_, _ = fmt.Fprint(s.w, "\x1b[J") // what a longer screen has left
}

// bar draws one task.
func (s *barScreen) bar(t access.Task) string {
	if t.Outcome != nil || t.Step == "" || t.Total <= 0 {
		return fleet.Clean(taskText(t), 100)
	}
	const width = 24
	share := min(1, float64(t.Done)/float64(t.Total))
	full := int(share * width)
	text := fmt.Sprintf("%-10s [%s%s] %3.0f %%", fleet.Clean(t.Step, 10), strings.Repeat("#", full), strings.Repeat(".", width-full),
		100*share)
	r, ok := s.rates[t.ID]
	if !ok || r.step != t.Step || t.Done < r.from {
		s.rates[t.ID] = rate{t.Step, s.now(), t.Done}
		return text
	}
	if seconds := s.now().Sub(r.started).Seconds(); seconds > 1 && t.Done > r.from {
		perSecond := float64(t.Done-r.from) / seconds
		left := time.Duration(float64(t.Total-t.Done) / perSecond * float64(time.Second)).Round(time.Second)
		text += fmt.Sprintf("  %s/s  %s left", bytesText(int64(perSecond)), left)
	}
	return text
}
