package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a program of the school: it dies with us, and its output goes to a file.
type Process struct {
	Name string

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start runs a program in a namespace ("" for the one we are in) with its output going to out.
func start(name, namespace string, out io.Writer, args ...string) (*Process, error) {
	return startApart(name, namespace, out, out, args...)
}

// startApart does it with what the program says on standard error kept apart.
func startApart(name, namespace string, out, complaints io.Writer, args ...string) (*Process, error) {
	if namespace != "" {
		args = append([]string{"ip", "netns", "exec", namespace}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, complaints
	// A group of its own, so that Ctrl-C reaches only us and we end the school in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return launch(name, cmd)
}

// launch starts a prepared command and waits for its end in the background.
func launch(name string, cmd *exec.Cmd) (*Process, error) {
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{Name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the program ended; nil while it runs or when it ended well.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// CPU is the processor time that the ended program took, its own and the kernel's for it; zero while it runs.
func (p *Process) CPU() (own, kernel time.Duration) {
	if p.Running() || p.cmd.ProcessState == nil {
		return 0, 0
	}
	return p.cmd.ProcessState.UserTime(), p.cmd.ProcessState.SystemTime()
}

// Running tells whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the program as a power cut would: at once, with nothing said. It returns when the program is gone.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.done
}

// Stop asks the program to end, and kills it after the limit.
func (p *Process) Stop(limit time.Duration) error {
	if p == nil || !p.Running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone already
	select {
	case <-p.done:
		return nil
	case <-time.After(limit):
		p.Kill()
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.Name, limit)
	}
}

// command runs a short program to its end and returns what it printed; a failure carries its complaint.
func command(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// alive tells whether a process of that id exists.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, os.ErrPermission)
}

// StartIn runs a program in a namespace with its output going to a file; it dies with us. Tests use it for servers that
// are not the school's own.
func StartIn(namespace, log string, args ...string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	p, err := start(args[0], namespace, out, args...)
	return p, errors.Join(err, out.Close()) // the program has its own copy of the file
}
