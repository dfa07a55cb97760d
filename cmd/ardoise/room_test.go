package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/sessions"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// roomVariable tells a test that it runs in a room's network namespace; it names the server's.
const roomVariable = "ARDOISE_TEST_ROOM"

// inRoom runs the test again in a network namespace with a line to another one, the server's, and returns that one's name
// there; outside it returns "" when all is done.
func inRoom(t *testing.T) string {
	t.Helper()
	if server := os.Getenv(roomVariable); server != "" {
		return server
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	name := fmt.Sprintf("ardoise%d", os.Getpid())
	ip := func(format string, args ...any) {
		t.Helper()
		words := strings.Fields(fmt.Sprintf(format, args...))
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(words, " "), err, out)
		}
	}
	for _, host := range []string{"srv", "room"} {
		ip("netns add %s%s", name, host)
		t.Cleanup(func() { ip("netns del %s%s", name, host) })
	}
	ip("-n %ssrv link add eth0 type veth peer name eth0 netns %sroom", name, name)
	for i, host := range []string{"srv", "room"} {
		ip("-n %s%s link set lo up", name, host)
		ip("-n %s%s link set eth0 up", name, host)
		ip("-n %s%s addr add 10.9.0.%d/24 brd + dev eth0", name, host, i+1)
	}
	c := exec.Command("ip", "netns", "exec", name+"room", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), roomVariable+"="+name+"srv")
	if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("in the room: %v\n%s", err, out)
	}
	return ""
}

// blank is a disk in memory that misses everything.
type blank struct {
	codec *chunk.Codec

	mu      sync.Mutex
	places  map[chunk.ID]int
	needs   []byte
	changes uint64
}

func newBlank(t *testing.T, m *manifest.Manifest) *blank {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	b := &blank{codec: codec, places: map[chunk.ID]int{}, changes: 1}
	for _, e := range m.Chunks.All() {
		if _, known := b.places[e.ID]; !known {
			b.places[e.ID] = len(b.needs)
			b.needs = append(b.needs, wire.Missing)
		}
	}
	return b
}

// Needs implements session.Holder.
func (b *blank) Needs(into []byte, seen uint64) ([]byte, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if seen == b.changes {
		return into, seen
	}
	return append(into[:0], b.needs...), b.changes
}

// Take implements session.Holder.
func (b *blank) Take(_ context.Context, f chunk.Frame) error {
	if _, err := b.codec.Open(make([]byte, 0, chunk.MaxSize+chunk.Spare), f); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, ours := b.places[f.ID]; ours && b.needs[at] != wire.Held {
		b.needs[at] = wire.Held
		b.changes++
	}
	return nil
}

// DiskRate implements session.Holder.
func (b *blank) DiskRate() int64 { return 0 }

// deployBy takes a computer through the session of its task.
func deployBy(t *testing.T, a *agent.Client, task job.Task) (session.Summary, error) {
	web, url, err := a.Session(task.Session, func(agent.SessionAnswer) {})
	if err != nil {
		return session.Summary{}, err
	}
	hash, err := manifest.ParseHash(task.Manifest)
	if err != nil {
		return session.Summary{}, err
	}
	c := session.NewClient(session.ClientOptions{HTTP: web, URL: url, Manifest: hash, Interface: "eth0", Memory: 64 << 20,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	defer c.Close()
	encoded, _, err := c.Manifest(t.Context())
	if err != nil {
		return session.Summary{}, err
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil {
		return session.Summary{}, err
	}
	return c.Run(t.Context(), m, newBlank(t, m))
}

// room enrols agents, called pc1 and so on.
func (d *daemon) room(count int) []*agent.Client {
	d.t.Helper()
	agents := make([]*agent.Client, count)
	for i := range agents {
		agents[i] = d.agent()
		h := testHello()
		h.MAC, h.Inventory.UUID = fmt.Sprintf("52:54:00:00:00:%02x", i+1), fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a32%02x", i+1)
		w, err := agents[i].Hello(d.t.Context(), h)
		if err != nil || w.State != job.StatePending {
			d.t.Fatalf("hello = %+v, %v", w, err)
		}
		order[access.Computer](d, "computer", "approve", w.Code, "--name", fmt.Sprintf("pc%d", i+1))
	}
	return agents
}

// master makes a master of so many chunks by a capture from pc1.
func (d *daemon) master(a *agent.Client, chunks int) {
	d.t.Helper()
	ids, frames := storetest.Frames(d.t, chunks, 9)
	order[access.Job](d, "capture", "salle", "--computer", "pc1")
	task := receive(d.t, a)
	sink := a.Sink(task.ID)
	encoded, names := encodedVersion(d.t, ids, frames)
	if err := sink.Put(d.t.Context(), frames); err != nil {
		d.t.Fatal(err)
	}
	if _, err := sink.Publish(d.t.Context(), described(encoded, names)); err != nil {
		d.t.Fatal(err)
	}
	d.deliver(a, job.Report{Task: task.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok"}})
}

// deliver delivers a last report.
func (d *daemon) deliver(a *agent.Client, r job.Report) {
	d.t.Helper()
	if _, err := a.Deliver(d.t.Context(), r); err != nil {
		d.t.Fatal(err)
	}
}

// The daemon as it is started, sockets as they are, and a room of two.
func TestARoomIsDeployedByMulticast(t *testing.T) {
	server := inRoom(t)
	if server == "" {
		return
	}
	d := daemonAt(t, shortFolder(t), "--interface", "eth0", "--rate", "400", "--lesson-rate", "300")
	d.in, d.host = []string{"ip", "netns", "exec", server}, "10.9.0.1"
	d.start()
	agents := d.room(2)
	d.master(agents[0], 200)
	alone := order[access.Job](d, "deploy", "salle", "--computer", "pc1,pc2", "--yes", "--unicast")
	order[access.Job](d, "job", "cancel", alone.ID)
	ordered := order[access.Job](d, "deploy", "salle", "--computer", "pc1,pc2", "--yes")
	if alone.SessionID != "" || ordered.SessionID != ordered.ID {
		t.Fatalf("the sessions are %q and %q", alone.SessionID, ordered.SessionID)
	}
	var watched lockedLines
	watching := make(chan int, 1)
	go func() {
		watching <- run(t.Context(), []string{"job", "watch", ordered.ID, "--data", d.data}, strings.NewReader(""), &watched, &watched)
	}()
	var all sync.WaitGroup
	tasks := make([]string, len(agents))
	for i, a := range agents {
		task := receive(t, a)
		tasks[i] = task.ID
		all.Go(func() {
			got, err := deployBy(t, a, task)
			if err != nil || got.Left > 0 || got.Packets == 0 || got.Rejoined > 0 {
				t.Errorf("a computer ended with %v, %+v", err, got)
			}
		})
	}
	all.Wait()
	var r *sessions.Report
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if r = order[access.Job](d, "job", "show", ordered.ID).Session; r != nil && r.Done == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the report stays %+v\n%s", r, d.said())
		}
	}
	if r.Sent < 1<<20 || len(r.Samples) == 0 || r.Starts != 1 {
		t.Errorf("the report says %+v", r)
	}
	for i, a := range agents {
		d.deliver(a, job.Report{Task: tasks[i], State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
	}
	if code := <-watching; code != 0 || !strings.Contains(watched.String(), "session  ") {
		t.Errorf("who watched ended with %d and saw\n%s", code, watched.String())
	}
	t.Logf("%d samples, %d bytes sent; who watched saw\n%s", len(r.Samples), r.Sent, watched.String())
}

// lockedLines may be read while it is written.
type lockedLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns what was written so far.
func (l *lockedLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
