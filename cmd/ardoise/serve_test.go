package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// roleVariable makes the test binary the command itself: killing needs a process of its own.
const roleVariable = "ARDOISE_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// daemon is `ardoise serve` as a process, without network boot.
type daemon struct {
	t    *testing.T
	data string
	port int
	args []string // besides
	in   []string // what it is started by: nothing, or a network namespace
	host string   // where its agents find it; "": 127.0.0.1

	cmd   *exec.Cmd
	ready chan string // the ready line
	ended chan struct{}
	mu    sync.Mutex
	log   bytes.Buffer
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := daemonAt(t, shortFolder(t))
	d.start()
	return d
}

// daemonAt is a daemon that has not started yet, on a data folder, with more arguments.
func daemonAt(t *testing.T, data string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, data: data, port: freePort(t), args: args}
	t.Cleanup(func() {
		if d.cmd != nil {
			d.kill()
		}
	})
	return d
}

// shortFolder is an empty folder with a path that is short enough for a socket.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ardoise")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts the daemon and waits for its ready line.
func (d *daemon) start() {
	d.t.Helper()
	line := append(slices.Clone(d.in), os.Args[0], "serve", "--data", d.data, "--boot", "none", "--agent-port", fmt.Sprint(d.port),
		"--console", "")
	line = append(line, d.args...)
	d.cmd = exec.Command(line[0], line[1:]...)
	d.cmd.Env = append(os.Environ(), roleVariable+"=1", "NOTIFY_SOCKET=", "LC_ALL=C")
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.ready, d.ended = make(chan string, 1), make(chan struct{})
	go d.read(stderr, d.ready, d.ended, d.cmd)
	select {
	case <-d.ready:
	case <-d.ended:
		d.t.Fatalf("the daemon ended at once:\n%s", d.said())
	case <-time.After(30 * time.Second):
		d.t.Fatalf("the daemon is not ready:\n%s", d.said())
	}
}

func (d *daemon) read(r io.Reader, ready chan<- string, ended chan<- struct{}, cmd *exec.Cmd) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		d.mu.Lock()
		d.log.WriteString(lines.Text() + "\n")
		d.mu.Unlock()
		if strings.HasPrefix(lines.Text(), "ardoise: ready ") {
			ready <- lines.Text()
		}
	}
	_ = cmd.Wait()
	close(ended)
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// kill ends the daemon as a power cut would.
func (d *daemon) kill() {
	_ = d.cmd.Process.Signal(syscall.SIGKILL)
	<-d.ended
}

// order runs a client command and decodes its JSON.
func order[T any](d *daemon, args ...string) T {
	d.t.Helper()
	var out, complaints bytes.Buffer
	code := run(d.t.Context(), append(args, "--data", d.data, "--json"), strings.NewReader(""), &out, &complaints)
	var v T
	if code != 0 {
		d.t.Fatalf("ardoise %s = %d %s", strings.Join(args, " "), code, complaints.String())
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		d.t.Fatalf("ardoise %s: %v in %s", strings.Join(args, " "), err, out.String())
	}
	return v
}

// agent is the real agent's side of the API.
func (d *daemon) agent() *agent.Client {
	d.t.Helper()
	dialed, err := api.Dial(d.t.Context(), d.data)
	if err != nil {
		d.t.Fatal(err)
	}
	status, err := dialed.Status(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	o := agent.Options{Server: fmt.Sprintf("%s:%d", cmp.Or(d.host, "127.0.0.1"), d.port), Pause: 20 * time.Millisecond}
	if _, err := hex.Decode(o.Fingerprint[:], []byte(status.CAFingerprint)); err != nil {
		d.t.Fatal(err)
	}
	if o.Key, err = agent.NewKey(); err != nil {
		d.t.Fatal(err)
	}
	c, err := agent.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Close)
	return c
}

func testHello() job.Hello {
	return job.Hello{MAC: "52:54:00:00:00:01", Inventory: job.Inventory{UUID: "4c4c4544-0042-4a10-8054-b7c04f5a3201",
		Disks: []job.Disk{{Path: "/dev/sda", Size: 2 << 30, SectorSize: 512, Bus: "sata"}}}}
}

// enrol introduces an agent and approves the code that it is shown.
func (d *daemon) enrol(a *agent.Client, name string) {
	d.t.Helper()
	w, err := a.Hello(d.t.Context(), testHello())
	if err != nil || w.State != job.StatePending {
		d.t.Fatalf("hello = %+v, %v", w, err)
	}
	if c := order[access.Computer](d, "computer", "approve", w.Code, "--name", name); c.Name != name {
		d.t.Fatalf("approved %+v", c)
	}
}

func receive(t *testing.T, a *agent.Client) job.Task {
	t.Helper()
	e, ok, err := a.Task(t.Context())
	var task job.Task
	if err != nil || !ok || json.Unmarshal(e.Payload, &task) != nil {
		t.Fatalf("task = %v, %v", ok, err)
	}
	return task
}

// A capture goes on over two kill -9 of the daemon: one in the middle of its frames, one before it is published.
func TestTheDaemonIsKilledInTheMiddleOfACapture(t *testing.T) {
	d := newDaemon(t)
	a := d.agent()
	d.enrol(a, "pc1")
	ordered := order[access.Job](d, "capture", "salle", "--computer", "pc1", "--note", "first")
	task := receive(t, a)
	ids, frames := storetest.Frames(t, 30, 3)
	sink := a.Sink(task.ID)
	if _, err := sink.Missing(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if err := sink.Put(t.Context(), frames[:15]); err != nil {
		t.Fatal(err)
	}
	d.kill()
	restarted := make(chan error, 1)
	go func() { restarted <- sink.Put(t.Context(), frames[15:20]) }() // the agent waits for the server
	d.start()
	if err := <-restarted; err != nil {
		t.Fatalf("putting while the server was away: %v", err)
	}
	missing, err := sink.Missing(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range missing {
		if m != (i >= 20) {
			t.Errorf("after the kill chunk %d is missing: %v", i, m)
		}
	}
	if err := sink.Put(t.Context(), frames[20:]); err != nil {
		t.Fatal(err)
	}
	d.kill()
	d.start()
	encoded, names := encodedVersion(t, ids, frames)
	p, err := sink.Publish(t.Context(), described(encoded, names))
	if err != nil || p.Master != "salle" || p.Version != 1 {
		t.Fatalf("published %+v, %v", p, err)
	}
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}}); err != nil {
		t.Fatal(err)
	}
	d.kill()
	d.start()
	if j := order[access.Job](d, "job", "show", ordered.ID); j.State != job.TaskDone || j.Tasks[0].Published == nil {
		t.Errorf("the job is %+v", j)
	}
	if all := order[[]access.Master](d, "master", "list"); len(all) != 1 || all[0].Version != 1 || all[0].Note != "first" {
		t.Errorf("masters = %+v", all)
	}
}

// encodedVersion describes frames as one raw volume.
func encodedVersion(t testing.TB, ids []chunk.ID, frames []chunk.Frame) (encoded, names []byte) {
	t.Helper()
	var table, out bytes.Buffer
	w := manifest.NewNamesWriter(&table)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: ids[i], Length: f.Length, Stream: uint32(i),
			Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		if err := w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if m.Names, m.NameCount, err = w.Close(); err != nil {
		t.Fatal(err)
	}
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	if _, err := m.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), table.Bytes()
}

func TestTheDaemonEndsSoonWhenToldTo(t *testing.T) {
	d := newDaemon(t)
	a := d.agent()
	d.enrol(a, "pc1")
	waiting, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _, _, _ = a.Task(waiting) }() // a long poll must not hold it up
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(10 * time.Second):
		t.Fatalf("it still runs after 10 s:\n%s", d.said())
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d after %v:\n%s", code, time.Since(began), d.said())
	}
	if _, err := os.Stat(filepath.Join(d.data, api.SocketName)); !os.IsNotExist(err) {
		t.Errorf("its socket is still there: %v", err)
	}
}

func TestTheDaemonTellsSystemd(t *testing.T) {
	dir, err := os.MkdirTemp("", "ardoise")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := notifySystemd(path, "READY=1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 64)
	n, err := l.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("systemd hears %q, %v", got[:n], err)
	}
}

// told runs a command that must end with a code, and one error: and one hint: line.
func told(t *testing.T, code int, stdin, word string, args ...string) {
	t.Helper()
	t.Setenv("LC_ALL", "C")
	var out, complaints bytes.Buffer
	got := run(t.Context(), args, strings.NewReader(stdin), &out, &complaints)
	text := complaints.String()
	if got != code || !regexp.MustCompile(`(?m)^error: .+\nhint: .+\n$`).MatchString(text) || !strings.Contains(text, word) {
		t.Errorf("ardoise %s = %d, want %d with %q; it said\n%s", strings.Join(args, " "), got, code, word, text)
	}
}

func TestWhatTheDaemonsCommandsRefuse(t *testing.T) {
	d := newDaemon(t)
	a := d.agent()
	d.enrol(a, "pc1")
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	empty := t.TempDir()
	told(t, 3, "", d.data, "serve", "--data", d.data, "--boot", "none", "--agent-port", port)
	told(t, 3, "", port, "serve", "--data", filepath.Join(empty, "a"), "--boot", "none", "--agent-port", port)
	told(t, 3, "", "nosuch0", "serve", "--data", filepath.Join(empty, "b"), "--boot", "none", "--interface", "nosuch0")
	told(t, 3, "", "stage2.img", "serve", "--data", filepath.Join(empty, "c"), "--boot", empty, "--agent-port", fmt.Sprint(freePort(t)), "--console", "")
	told(t, 2, "", "--data", "serve")
	told(t, 2, "", "99999", "serve", "--data", empty, "--http-port", "99999")
	told(t, 2, "", "maybe", "serve", "--data", empty, "--unknown", "maybe")
	told(t, 5, "", empty, "computer", "list", "--data", empty)
	told(t, 3, "", "000000", "computer", "approve", "000000", "--data", d.data)
	told(t, 3, "", "nobody", "computer", "show", "nobody", "--data", d.data)
	told(t, 2, "", "a b", "computer", "rename", "pc1", "a b", "--data", d.data)
	told(t, 2, "", "--computer", "deploy", "salle", "--data", d.data)
	told(t, 3, "", "salle", "deploy", "salle", "--computer", "pc1", "--data", d.data)
	told(t, 3, "", "77", "job", "watch", "77", "--data", d.data)
	told(t, 2, "", "", "computer", "list", "extra", "--data", d.data)
}

func TestADeploymentIsConfirmedByWhatItLoses(t *testing.T) {
	d := newDaemon(t)
	a := d.agent()
	d.enrol(a, "pc1")
	order[access.Job](d, "capture", "salle", "--computer", "pc1")
	task := receive(t, a)
	ids, frames := storetest.Frames(t, 3, 3)
	sink := a.Sink(task.ID)
	if err := sink.Put(t.Context(), frames); err != nil {
		t.Fatal(err)
	}
	encoded, names := encodedVersion(t, ids, frames)
	if _, err := sink.Publish(t.Context(), described(encoded, names)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}}); err != nil {
		t.Fatal(err)
	}
	deploy := []string{"deploy", "salle", "--computer", "pc1", "--data", d.data}
	told(t, 3, "yes\n", "not confirmed", deploy...)
	told(t, 3, "", "not confirmed", deploy...)
	if n := len(order[[]access.Job](d, "job", "list")); n != 1 {
		t.Errorf("%d jobs after two refusals, want 1", n)
	}
	var out, asked bytes.Buffer
	if code := run(t.Context(), deploy, strings.NewReader("wipe 1\n"), &out, &asked); code != 0 {
		t.Fatalf("confirmed = %d %s", code, asked.String())
	}
	if !strings.Contains(asked.String(), "everything") || !strings.Contains(asked.String(), "pc1") || !strings.Contains(out.String(), "/dev/sda") {
		t.Errorf("it asked %q after %q", asked.String(), out.String())
	}
	task = receive(t, a)
	if _, err := a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskFailed, Steps: []string{"write"},
		Outcome: &job.Outcome{Code: "io", Detail: "the disk fell off"}}); err != nil {
		t.Fatal(err)
	}
	told(t, 1, "", "1 of 1", "job", "watch", task.Job, "--data", d.data)
}

// One laptop has 2^64 IPv6 addresses, and every limit counts by address; PCs come by IPv4 alone.
func TestAgentsComeByIPv4Alone(t *testing.T) {
	d := newDaemon(t)
	if c, err := net.Dial("tcp6", fmt.Sprintf("[::1]:%d", d.port)); err == nil {
		_ = c.Close()
		t.Error("the agents' port is open to IPv6")
	}
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", d.port))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// described is what a capture ends with.
func described(encoded, names []byte) agent.Description {
	part := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		}
	}
	return agent.Description{Manifest: part(encoded), Names: part(names)}
}
