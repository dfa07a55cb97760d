package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Program is a script and what it runs with.
type Program struct {
	Text  []byte
	Env   []string // NAME=VALUE
	Limit time.Duration
}

// Ended says how a script ended.
type Ended struct {
	Exit    int    // its status; -1: a signal has ended it
	Limited bool   // it was killed since its time was over
	Output  string // standard output and standard error as they came
}

// errLimit is why a script is killed that has run too long.
var errLimit = errors.New("its time is over")

// pipePatience is how long a killed script's output is waited for.
const pipePatience = 5 * time.Second

// Run runs p with the shell at the path sh. A script that fails is no error: Exit says it. Once ctx is done it is killed.
func Run(ctx context.Context, sh string, p Program) (Ended, error) {
	dir, err := os.MkdirTemp("", "script-")
	if err != nil {
		return Ended{}, fmt.Errorf("making a folder for the script: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, p.Text, 0o700); err != nil {
		return Ended{}, fmt.Errorf("writing the script: %w", err)
	}
	running, cancel := context.WithTimeoutCause(ctx, p.Limit, errLimit)
	defer cancel()
	out := &kept{}
	c := exec.CommandContext(running, sh, path)
	c.Dir = dir
	c.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "TERM=dumb"}, p.Env...)
	c.Stdout, c.Stderr = out, out
	// The shell is the first process of its namespace: when it dies, the kernel kills all others, wherever they have gone.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = pipePatience
	err = c.Run()
	e := Ended{Output: out.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return e, context.Cause(ctx)
	case errors.As(err, &exit):
		e.Exit = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay) && running.Err() == nil:
		return e, fmt.Errorf("running the script: %w", err)
	}
	if errors.Is(context.Cause(running), errLimit) && e.Exit != 0 {
		e.Exit, e.Limited = -1, true
	}
	return e, nil
}

// Protect has the kernel refuse writes to a disk and to the partitions that it shows of it, until the returned function is
// called. What is no block device is left as it is. It keeps from accidents: root can undo it.
func Protect(path string) (release func()) {
	set := func(path string, v int) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.BLKROSET, v)
	}
	var done []string
	parts, _ := filepath.Glob(filepath.Join("/sys/class/block", filepath.Base(path), "*/partition"))
	for i, p := range parts {
		parts[i] = filepath.Join(filepath.Dir(path), filepath.Base(filepath.Dir(p)))
	}
	for _, p := range append(parts, path) {
		if set(p, 1) == nil {
			done = append(done, p)
		}
	}
	return func() {
		for _, p := range done {
			_ = set(p, 0)
		}
	}
}
