package browser

import (
	"bufio"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// daemon is `ardoise serve` on loopback.
type daemon struct {
	binary, data string
	env          []string // of the daemon, besides ours
	link         string   // of the first administrator
	base         string   // of the console, without a slash at its end
	agents       string   // HOST:PORT
	ca           [32]byte
}

// freePort is a port that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	check(t, errors.Join(err, l.Close()))
	return port
}

// newDaemon builds the program, and lets fill its data folder be filled.
func newDaemon(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "ardoise") // its pages show where it is: a short name is for the pictures
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	d := &daemon{binary: filepath.Join(dir, "ardoise"), data: filepath.Join(dir, "data"), agents: "127.0.0.1:" + freePort(t)}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", d.binary, "../../cmd/ardoise")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return d
}

// order runs the command line on the data folder, and returns what it printed.
func (d *daemon) order(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), d.binary, append(args, "--data", d.data)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ardoise %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts it, and waits until it is ready. It ends with the test.
func (d *daemon) serve(t *testing.T, more ...string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(d.agents)
	c := exec.Command(d.binary, append([]string{"serve", "--boot", "none", "--data", d.data, "--console", "127.0.0.1:0", "--agent-port", port}, more...)...)
	c.Env = append(os.Environ(), d.env...)
	said, err := c.StderrPipe()
	check(t, err)
	check(t, c.Start())
	first, ready := make(chan string, 1), make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		link, ca := regexp.MustCompile(`https://\S+/first/\S+`), regexp.MustCompile(`^ardoise: ready .*ca=([0-9a-f]{64})`)
		lines := bufio.NewScanner(said)
		for lines.Buffer(nil, 1<<20); lines.Scan(); {
			t.Log(lines.Text())
			if at := link.FindString(lines.Text()); at != "" {
				first <- at
			}
			if m := ca.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m[1]
			}
		}
		close(first)
		close(ready)
	}()
	t.Cleanup(func() {
		check(t, c.Process.Signal(syscall.SIGTERM))
		<-drained
		if err := c.Wait(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	late := time.After(time.Minute)
	for _, x := range []struct {
		from chan string
		to   *string
	}{{first, &d.link}, {ready, new(string)}} {
		select {
		case *x.to = <-x.from:
		case <-late:
		}
		if *x.to == "" {
			t.Fatal("the daemon printed no link for the first administrator, or is not ready")
		}
		if x.from == ready {
			raw, err := hex.DecodeString(*x.to)
			check(t, err)
			copy(d.ca[:], raw)
		}
	}
	d.base, _, _ = strings.Cut(d.link, "/first/")
}
