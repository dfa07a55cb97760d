package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Daemon is what a daemon took.
type Daemon struct {
	Scene  string  `json:"scene"`
	Memory int64   `json:"memory_bytes"` // at most, resident
	CPU    float64 `json:"cpu_seconds"`
	Locked int     `json:"locked"` // lines of its log that speak of a locked database
}

// daemon is `ardoise serve` on loopback.
type daemon struct {
	data    string
	process *exec.Cmd
	log     string
	agents  string // HOST:PORT
	console string // HOST:PORT
	first   string // link of the first administrator
	ca      [32]byte
	drained sync.WaitGroup
}

var (
	readyLine = regexp.MustCompile(`^ardoise: ready .*ca=([0-9a-f]{64})`)
	firstLine = regexp.MustCompile(`^ardoise: first (https://\S+)`)
)

// free finds a port that nobody listens on.
func free() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// binary is the program that is measured.
func binary() string { return filepath.Join("build", "ardoise") }

// start starts a daemon with a data folder and waits until it is ready.
func start(ctx context.Context, data string) (*daemon, error) {
	d := &daemon{data: data, log: data + ".log"}
	agents, err := free()
	if err != nil {
		return nil, err
	}
	console, err := free()
	if err != nil {
		return nil, err
	}
	d.agents, d.console = fmt.Sprintf("127.0.0.1:%d", agents), fmt.Sprintf("127.0.0.1:%d", console)
	d.process = exec.CommandContext(ctx, binary(), "serve", "--data", data, "--boot", "none", "--agent-port", strconv.Itoa(agents),
		"--console", d.console)
	out, err := d.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.process.Start(); err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	d.drained.Add(1)
	go d.drain(out, ready)
	select {
	case err = <-ready:
	case <-time.After(5 * time.Minute):
		err = errors.New("the daemon is not ready after five minutes")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// drain copies what the daemon says to a file, and tells when it is ready.
func (d *daemon) drain(out io.Reader, ready chan<- error) {
	defer d.drained.Done()
	f, err := os.Create(d.log)
	if err != nil {
		ready <- err
		return
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		_, _ = fmt.Fprintln(f, line)
		if m := firstLine.FindStringSubmatch(line); m != nil {
			d.first = m[1]
		}
		if m := readyLine.FindStringSubmatch(line); m != nil {
			raw, err := hex.DecodeString(m[1])
			copy(d.ca[:], raw)
			ready <- err
		}
	}
	_ = f.Close()
	select {
	case ready <- fmt.Errorf("the daemon ended before it was ready: see %s", d.log):
	default:
	}
}

// stop ends the daemon as systemd would.
func (d *daemon) stop() error {
	if d.process.Process == nil {
		return nil
	}
	_ = d.process.Process.Signal(os.Interrupt)
	d.drained.Wait()
	err := d.process.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return nil // by the signal
	}
	return err
}

// processor reads how many seconds of processor the daemon has taken so far.
func (d *daemon) processor() (seconds float64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] { // utime and stime of proc(5), in hundredths of a second
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, err
		}
		seconds += ticks / 100
	}
	return seconds, nil
}

// took reads what the daemon has taken so far.
func (d *daemon) took(scene string) (Daemon, error) {
	out := Daemon{Scene: scene}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.Process.Pid))
	if err != nil {
		return out, err
	}
	if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw); m != nil {
		kib, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return out, err
		}
		out.Memory = kib << 10
	}
	if out.CPU, err = d.processor(); err != nil {
		return out, err
	}
	log, err := os.ReadFile(d.log)
	out.Locked = strings.Count(string(log), "database is locked") + strings.Count(string(log), "SQLITE_BUSY")
	return out, err
}

// order runs the command line against the daemon.
func (d *daemon) order(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary(), append(args, "--data", d.data)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("ardoise %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return out, nil
}

// ask runs the command line and decodes its JSON.
func (d *daemon) ask(ctx context.Context, answer any, args ...string) error {
	out, err := d.order(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, answer)
}
