package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

// Pace of what is drawn: a text screen of 80x25 costs 4 kB, a serial line carries 11 kB/s.
const (
	redrawEvery   = 200 * time.Millisecond
	progressEvery = 2 * time.Second
	repeatEvery   = 30 * time.Second // the same notice again on a serial line
	rateWindow    = 10 * time.Second
	queueLength   = 256
)

// Options says where to draw and in which language. Now defaults to time.Now.
type Options struct {
	Lang      notices.Lang
	Terminals []io.Writer // text screens, UTF-8
	Lines     []io.Writer // serial lines and logs
	Now       func() time.Time
}

// Screen is what the agent shows. Its methods may be called from several goroutines and never block.
type Screen struct {
	lang      notices.Lang
	now       func() time.Time
	terminals []*pen
	lines     []*pen

	mu       sync.Mutex
	computer string
	code     string
	said     notices.Message
	work     notices.Message // the last that was not a wait
	warnings []notices.Message
	steps    []step
	at       int // index into steps; len(steps) when all are over
	busy     bool
	restart  int // seconds until the PC restarts; 0: it does not
	done     int64
	total    int64
	rates    Rates
	samples  []sample
	drawn    time.Time
	lined    time.Time
	repeat   map[string]time.Time
}

type step struct {
	word  notices.Word
	begun time.Time
	took  time.Duration
	over  bool
}

type sample struct {
	at   time.Time
	done int64
}

// New returns a screen on the given consoles.
func New(o Options) *Screen {
	s := &Screen{lang: o.Lang, now: o.Now, repeat: map[string]time.Time{}}
	if s.now == nil {
		s.now = time.Now
	}
	for _, w := range o.Terminals {
		s.terminals = append(s.terminals, newPen(w))
	}
	for _, w := range o.Lines {
		s.lines = append(s.lines, newPen(w))
	}
	return s
}

// Computer sets the name shown in the title.
func (s *Screen) Computer(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.computer = notices.Printable(name, 40)
	s.draw(true)
}

// Code shows six digits large, until called with "".
func (s *Screen) Code(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.code == code {
		return
	}
	s.code = notices.Printable(code, 12)
	if code != "" {
		s.line("code " + s.code)
	}
	s.draw(true)
}

// Say shows what happens now and what to do. A warning stays below until the next list of steps.
func (s *Screen) Say(code notices.Code, args ...any) {
	m := notices.Get(code, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Severity == notices.Warn {
		s.warnings = append(s.warnings, m)
		s.warnings = s.warnings[max(0, len(s.warnings)-3):]
	} else {
		s.said = m
	}
	if m.Severity == notices.Info {
		s.work = m
	}
	text := fmt.Sprintf("notice %s %s: %s", m.Code, m.Severity, m.English())
	if last, ok := s.repeat[text]; !ok || s.now().Sub(last) >= repeatEvery {
		if len(s.repeat) > 100 {
			clear(s.repeat)
		}
		s.repeat[text] = s.now()
		s.line(text)
	}
	s.draw(true)
}

// Resume shows again what was said before something had to be waited for.
func (s *Screen) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said.Severity == notices.Wait && s.work.Code != "" {
		s.said = s.work
		s.draw(true)
	}
}

// Rates is how fast a deploy goes just now.
type Rates struct {
	Wire, Disk int64   // bytes a second from the network, to the disk
	Lost       float64 // share of the packets that did not come, 0..1
}

// Rates shows how fast the step under way goes, below its bar.
func (s *Screen) Rates(r Rates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rates = r
	s.draw(false)
}

// Restart shows the seconds until the PC restarts, beside what was said last.
func (s *Screen) Restart(seconds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart = seconds
	s.draw(true)
}

// Note writes a line on serial consoles alone.
func (s *Screen) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(fmt.Sprintf(format, args...))
}

// Steps begins a list of steps; none has begun. Without words the list is removed.
func (s *Screen) Steps(words ...notices.Word) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps, s.at, s.warnings = nil, -1, nil
	s.done, s.total, s.samples, s.rates = 0, 0, nil, Rates{}
	for _, w := range words {
		s.steps = append(s.steps, step{word: w})
	}
	s.draw(true)
}

// Step ends the step under way and begins step i; i = the number of steps ends the last.
func (s *Screen) Step(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.at >= 0 && s.at < len(s.steps) && !s.steps[s.at].over {
		st := &s.steps[s.at]
		st.over, st.took = true, now.Sub(st.begun)
		s.line(fmt.Sprintf("step %s done %.1f s", st.word, st.took.Seconds()))
	}
	s.at = i
	s.done, s.total, s.samples, s.rates = 0, 0, nil, Rates{}
	if i >= 0 && i < len(s.steps) {
		s.steps[i].begun, s.lined = now, now
		s.line(fmt.Sprintf("step %s", s.steps[i].word))
	}
	s.draw(true)
}

// Busy says whether switching off now would leave unfinished work.
func (s *Screen) Busy(busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = busy
	s.draw(true)
}

// Progress shows how far the step under way is, in bytes.
func (s *Screen) Progress(done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.done, s.total = min(max(done, 0), max(total, 0)), total
	if n := len(s.samples); n == 0 || now.Sub(s.samples[n-1].at) >= 500*time.Millisecond {
		s.samples = append(s.samples, sample{now, done})
	}
	for len(s.samples) > 2 && now.Sub(s.samples[0].at) > rateWindow {
		s.samples = s.samples[1:]
	}
	if now.Sub(s.lined) >= progressEvery && s.at >= 0 && s.at < len(s.steps) && total > 0 {
		s.lined = now
		s.line(fmt.Sprintf("step %s %d %%", s.steps[s.at].word, percent(s.done, total)))
	}
	s.draw(false)
}

// Flush waits until the consoles have taken what was drawn, at most limit.
func (s *Screen) Flush(limit time.Duration) {
	s.mu.Lock()
	s.draw(true)
	pens := append(append([]*pen(nil), s.terminals...), s.lines...)
	s.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, p := range pens {
		ack := make(chan struct{})
		select {
		case p.queue <- ink{ack: ack}:
		case <-timer.C:
			return
		}
		select {
		case <-ack:
		case <-timer.C:
			return
		}
	}
}

func (s *Screen) line(text string) {
	// Serial terminals want CR and LF; a log takes the CR as well.
	b := []byte("ardoise: " + ascii(notices.Printable(text, 900)) + "\r\n")
	for _, p := range s.lines {
		p.put(b)
	}
}

func (s *Screen) draw(now bool) {
	if len(s.terminals) == 0 || !now && s.now().Sub(s.drawn) < redrawEvery {
		return
	}
	s.drawn = s.now()
	b := []byte(s.page())
	for _, p := range s.terminals {
		p.put(b)
	}
}

func percent(done, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return int64(float64(done) / float64(total) * 100)
}

// ascii keeps a log readable whatever reads it.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '?'
		}
		return r
	}, s)
}

// pen writes to one console from its own goroutine.
type pen struct{ queue chan ink }

type ink struct {
	text []byte
	ack  chan struct{}
}

func newPen(w io.Writer) *pen {
	p := &pen{queue: make(chan ink, queueLength)}
	go func() {
		for i := range p.queue {
			if i.ack != nil {
				close(i.ack)
				continue
			}
			// A console that fails must not stop the work: there is nowhere left to say it.
			_, _ = w.Write(i.text)
		}
	}()
	return p
}

func (p *pen) put(b []byte) {
	select {
	case p.queue <- ink{text: b}:
	default:
	}
}
