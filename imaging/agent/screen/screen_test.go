package screen_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/screen"
)

type tape struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func TestSerialLinesAreStable(t *testing.T) {
	out, c := &tape{}, &clock{time.Unix(1e9, 0)}
	s := screen.New(screen.Options{Lang: notices.French, Lines: []io.Writer{out}, Now: c.now})
	s.Note("agent %.1f s", 9.4)
	s.Code("123456")
	s.Code("123456")
	s.Steps(notices.StepDisk, notices.StepRestore)
	s.Step(0)
	c.pass(400 * time.Millisecond)
	s.Step(1)
	for i := range int64(60) {
		s.Progress(i, 60)
		c.pass(100 * time.Millisecond)
	}
	s.Step(2)
	s.Say(notices.ServerLost)
	s.Say(notices.ServerLost)
	s.Flush(time.Second)
	want := "ardoise: agent 9.4 s\nardoise: code 123456\nardoise: step disk\nardoise: step disk done 0.4 s\n" +
		"ardoise: step restore\nardoise: step restore 33 %\nardoise: step restore 66 %\nardoise: step restore done 6.0 s\n" +
		"ardoise: notice server-lost wait: The server does not answer any more. Do not switch off. " +
		"Work goes on as soon as the server answers.\n"
	if d := cmp.Diff(want, strings.ReplaceAll(out.String(), "\r", "")); d != "" {
		t.Error(d)
	}
}

func TestTextScreenShowsAllInItsLanguage(t *testing.T) {
	for lang, words := range map[notices.Lang][]string{
		notices.French:  {"Ardoise", "Poste S104-07", "Le master debian@3 est en cours", "Ne pas éteindre", "50 %", "10 Mo/s", "reste 5s"},
		notices.English: {"Computer S104-07", "Master debian@3 is being", "Do not switch off", "10 MB/s", "5s left"},
	} {
		out, c := &tape{}, &clock{time.Unix(1e9, 0)}
		s := screen.New(screen.Options{Lang: lang, Terminals: []io.Writer{out}, Now: c.now})
		s.Computer("S104-07")
		s.Say(notices.Deploying, "debian@3")
		s.Steps(notices.StepRestore)
		s.Busy(true)
		s.Step(0)
		s.Progress(0, 100e6)
		c.pass(5 * time.Second)
		s.Progress(50e6, 100e6)
		s.Flush(time.Second)
		pages := strings.Split(out.String(), "\x1b[H")
		last := pages[len(pages)-1]
		for _, w := range words {
			if w == "5s left" {
				w = "left 5s"
			}
			if !strings.Contains(last, w) {
				t.Errorf("%s: the screen lacks %q:\n%s", lang, w, last)
			}
		}
	}
}

func TestFaultShowsItsCodeAndWarningStays(t *testing.T) {
	out := &tape{}
	s := screen.New(screen.Options{Lang: notices.English, Terminals: []io.Writer{out}})
	s.Say(notices.NoRoom, "NVRAM-full")
	s.Say(notices.NoDisk, "none")
	s.Code("042917")
	s.Flush(time.Second)
	for _, w := range []string{"[no-disk]", "NVRAM-full", "██"} {
		if !strings.Contains(out.String(), w) {
			t.Errorf("the screen lacks %q", w)
		}
	}
}

type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.release; return len(p), nil }

func TestBlockedConsoleDoesNotBlockTheAgent(t *testing.T) {
	w := stuck{make(chan struct{})}
	out := &tape{}
	s := screen.New(screen.Options{Lines: []io.Writer{w, out}})
	for range 2000 {
		s.Note("line")
	}
	s.Flush(10 * time.Millisecond)
	close(w.release)
	s.Note("after")
	s.Flush(5 * time.Second)
	if !strings.Contains(out.String(), "ardoise: line") {
		t.Error("the other console shows nothing")
	}
}

func TestConsolesOfAPC(t *testing.T) {
	root := t.TempDir()
	for _, d := range []string{"sys/class/tty/console", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"dev/tty1", "dev/ttyS0"} {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "sys/class/tty/console/active"), []byte("tty0 ttyS0 ../evil ttyS9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := screen.Open(root, notices.French)
	s.Note("hello")
	s.Say(notices.Starting)
	s.Flush(time.Second)
	line, _ := os.ReadFile(filepath.Join(root, "dev/ttyS0"))
	text, _ := os.ReadFile(filepath.Join(root, "dev/tty1"))
	if !strings.HasPrefix(string(line), "ardoise: hello\r\n") || strings.Contains(string(line), "\x1b") {
		t.Errorf("serial line got %q", line)
	}
	if !strings.Contains(string(text), "Le poste démarre") {
		t.Errorf("text screen got %q", text)
	}
}

// What was said before the server was lost is said again when it is back, and both rates stand below the bar.
func TestRatesAndResume(t *testing.T) {
	out, c := &tape{}, &clock{time.Unix(1e9, 0)}
	s := screen.New(screen.Options{Lang: notices.French, Terminals: []io.Writer{out}, Now: c.now})
	s.Steps(notices.StepRestore)
	s.Step(0)
	s.Say(notices.Together, "salle@3")
	s.Say(notices.ServerLost)
	c.pass(time.Second)
	s.Progress(1<<20, 4<<20)
	c.pass(time.Second)
	s.Rates(screen.Rates{Wire: 95_000_000, Disk: 61_000_000, Lost: 0.012})
	s.Flush(time.Second)
	lines := last(out)
	if !strings.Contains(lines, "95 Mo/s réseau  61 Mo/s disque  1,2 % de paquets perdus") || !strings.Contains(lines, "Le serveur ne répond plus.") {
		t.Errorf("the screen shows:\n%s", lines)
	}
	s.Resume()
	s.Step(1)
	s.Flush(time.Second)
	lines = last(out)
	if strings.Contains(lines, "Mo/s") || strings.Contains(lines, "ne répond plus") || !strings.Contains(lines, "Toute la salle reçoit le master salle@3") {
		t.Errorf("the screen shows:\n%s", lines)
	}
	s.Say(notices.DiskFault, "x")
	s.Resume()
	s.Flush(time.Second)
	if !strings.Contains(last(out), "Le disque signale une panne") {
		t.Error("a fault was wiped from the screen")
	}
}

// last returns the page that was drawn last.
func last(t *tape) string {
	all := t.String()
	return all[strings.LastIndex(all, "\x1b[H"):]
}
