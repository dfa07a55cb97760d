package boot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/job"
)

// The exit statuses by which the agent tells the supervisor how to end. They lie above what Go's runtime (2) and shells
// use; anything else is a crash.
const (
	statusDisk     = 40
	statusPowerOff = 41
	statusRestart  = 42
	statusStay     = 43
)

// Restart is the ending after a fault: start the PC again from the first step, as firmware does it.
const Restart job.Ending = "restart"

// Status returns the exit status of the agent for an ending.
func Status(e job.Ending) int {
	switch e {
	case job.EndDisk:
		return statusDisk
	case job.EndPowerOff:
		return statusPowerOff
	case job.EndStay:
		return statusStay
	}
	return statusRestart
}

// CrashError says how the agent died and what it wrote to its standard error.
type CrashError struct {
	Status string // "exit status 2", "signal: killed"
	Words  string // of its standard error: the runtime's words on a panic
}

// Error implements error. It names the first line that the runtime wrote, which is the reason of a panic.
func (e *CrashError) Error() string {
	for line := range strings.Lines(e.Words) {
		line = strings.TrimSpace(line)
		for _, begin := range []string{"panic:", "fatal error:", "runtime:", "SIG"} {
			if strings.HasPrefix(line, begin) {
				return line
			}
		}
	}
	return e.Status
}

// Supervise starts path with args and env, reaps every child that is left to this process, and returns how the agent
// wants to end; *CrashError when it died instead. Its standard error is passed on to log.
func Supervise(path string, args, env []string, log io.Writer) (job.Ending, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Restart, fmt.Errorf("making a pipe: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return Restart, fmt.Errorf("opening a standard input: %w", err)
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{Env: env, Files: []*os.File{null, w, w}})
	_, _ = null.Close(), w.Close()
	if err != nil {
		_ = r.Close()
		return Restart, fmt.Errorf("starting the agent: %w", err)
	}
	t := &tail{log: log}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(t, r)
		_ = r.Close()
	}()
	status, err := reapUntil(p.Pid)
	if err != nil {
		return Restart, err
	}
	// A grandchild may hold the pipe open: its words are not worth waiting for.
	select {
	case <-read:
	case <-time.After(time.Second):
	}
	if status.Exited() {
		switch status.ExitStatus() {
		case statusDisk:
			return job.EndDisk, nil
		case statusPowerOff:
			return job.EndPowerOff, nil
		case statusStay:
			return job.EndStay, nil
		case statusRestart:
			return Restart, nil
		}
		return Restart, &CrashError{fmt.Sprintf("exit status %d", status.ExitStatus()), t.words()}
	}
	return Restart, &CrashError{fmt.Sprintf("signal: %s", status.Signal()), t.words()}
}

// reapUntil waits for children, ours and orphans, until pid has ended.
func reapUntil(pid int) (unix.WaitStatus, error) {
	for {
		var s unix.WaitStatus
		got, err := unix.Wait4(-1, &s, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return s, fmt.Errorf("waiting for the agent: %w", err)
		case got == pid && (s.Exited() || s.Signaled()):
			return s, nil
		}
	}
}

// tail passes everything on and keeps 16 KiB from where the runtime tells of a panic.
type tail struct {
	log  io.Writer
	mu   sync.Mutex
	kept bytes.Buffer
}

const keptWords = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept.Len() < keptWords { // the reason of a panic comes first, thousands of goroutines after it
		t.kept.Write(b[:min(len(b), keptWords-t.kept.Len())])
	} else if i := bytes.Index(b, []byte("panic:")); i >= 0 {
		t.kept.Reset()
		t.kept.Write(b[i:min(len(b), i+keptWords)])
	}
	if t.log != nil {
		_, _ = t.log.Write(b)
	}
	return len(b), nil
}

func (t *tail) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
