package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// KernelArguments let the agent speak on the serial port that the lab reads, last so that it is the console of PID 1.
const KernelArguments = "console=tty0 console=ttyS0,115200"

// Binary is the path of the built daemon.
func (s *School) Binary() string { return filepath.Join(s.Checkout, "build", "ardoise") }

// BootFiles is the folder of the built boot environment.
func (s *School) BootFiles() string { return filepath.Join(s.Checkout, "build", "boot") }

// StartDaemon starts `ardoise serve` in its namespace and waits until it answers orders. After a Kill it starts again on
// the same data.
func (s *School) StartDaemon(ctx context.Context, more ...string) error {
	log, err := s.logFile("daemon.log")
	if err != nil {
		return err
	}
	args := append([]string{s.Binary(), "serve", "--data", s.Data, "--interface", "eth0", "--boot", s.BootFiles(),
		"--kernel-args", KernelArguments}, more...)
	daemon, err := start("ardoise serve", s.ServerSpace(), log, args...)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.daemon = daemon
	s.mu.Unlock()
	return s.daemonReady(ctx, daemon)
}

// daemonReady waits until the daemon's socket takes orders.
func (s *School) daemonReady(ctx context.Context, daemon *Process) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.Data, "ardoise.sock"))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-daemon.Done():
			return fmt.Errorf("ardoise serve ended at once (%v); %s says why", daemon.Err(), filepath.Join(s.Logs, "daemon.log"))
		case <-ctx.Done():
			return fmt.Errorf("ardoise serve takes no orders: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Daemon is the running daemon; nil before the first StartDaemon.
func (s *School) Daemon() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.daemon
}

// CommandError is a command of ours that did not end with 0.
type CommandError struct {
	Arguments []string
	Code      int    // exit code
	Output    string // standard output
	Complaint string // standard error
}

// Error shows the command and what it complained of.
func (e *CommandError) Error() string {
	return fmt.Sprintf("ardoise %s: exit code %d: %s", strings.Join(e.Arguments, " "), e.Code, strings.TrimSpace(e.Complaint))
}

// Ardoise runs a command of the built binary and returns what it printed.
func (s *School) Ardoise(ctx context.Context, args ...string) (string, error) {
	return s.ArdoiseIn(ctx, "", args...)
}

// ArdoiseIn runs a command of the built binary inside a namespace of the school.
func (s *School) ArdoiseIn(ctx context.Context, namespace string, args ...string) (string, error) {
	line := append([]string{s.Binary()}, args...)
	if namespace != "" {
		line = append([]string{"ip", "netns", "exec", namespace}, line...)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), &CommandError{args, exit.ExitCode(), out.String(), complaint.String()}
	}
	return out.String(), err
}

// Order runs a client command against this school's daemon.
func (s *School) Order(ctx context.Context, args ...string) (string, error) {
	return s.Ardoise(ctx, append(args, "--data", s.Data)...)
}

// Ask runs a client command with --json and decodes its answer.
func (s *School) Ask(ctx context.Context, answer any, args ...string) error {
	out, err := s.Order(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), answer); err != nil {
		return fmt.Errorf("ardoise %s --json: %w in %.300s", strings.Join(args, " "), err, out)
	}
	return nil
}
