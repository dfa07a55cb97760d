package agent_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// classroom is two network namespaces and a line between them, a server with one session, and computers. Multicast goes
// over that line, all else over the loopback of the machine.
type classroom struct {
	t      *testing.T
	name   string
	server *agenttest.Server
	hash   string
	source string // the disk that the master was captured from
	rate   int64  // of the stream, bytes a second

	mu      sync.Mutex
	orders  map[string]job.Task // by key, not handed out yet
	running *session.Server
	stop    context.CancelFunc
	done    chan struct{}
	groups  []netip.AddrPort
	refusal string            // of everybody
	signer  *agenttest.Server // of the session's manifest; nil: the server
}

var classrooms atomic.Int32

// patience bounds every wait: other work may have the machine.
const patience = 4 * time.Minute

// newClassroom captures a master with some megabytes in it.
func newClassroom(t *testing.T, seed uint64) *classroom {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	c := &classroom{t: t, name: fmt.Sprintf("agt%d-%d", os.Getpid(), classrooms.Add(1)), orders: map[string]job.Task{}, rate: 20e6}
	for _, host := range []string{"srv", "room"} {
		c.do("ip netns add " + c.name + host)
		t.Cleanup(func() { c.do("ip netns del " + c.name + host) })
	}
	c.do("ip -n " + c.name + "srv link add eth0 type veth peer name eth0 netns " + c.name + "room")
	for i, host := range []string{"srv", "room"} {
		c.do("ip -n " + c.name + host + " link set eth0 up")
		c.do(fmt.Sprintf("ip -n %s%s addr add 10.8.0.%d/24 brd + dev eth0", c.name, host, i+1))
	}
	p := newPC(t)
	c.server = p.server
	c.source = referenceWith(t, noise(seed, 8<<20))
	c.hash = capturedFrom(t, p, c.source)
	p.server.Close()
	p.server.Each = c.next
	p.server.Session = c.session
	t.Cleanup(c.end)
	return c
}

// noise is content that does not compress.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = mathrand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func (c *classroom) do(command string) {
	c.t.Helper()
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// on runs f with the network of a host: sockets that it opens belong to it and stay so.
func (c *classroom) on(host string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+c.name+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// dial opens a socket on the server's side.
func (c *classroom) dial(group netip.AddrPort) (s session.PacketSender, err error) {
	c.mu.Lock()
	c.groups = append(c.groups, group)
	c.mu.Unlock()
	err = c.on("srv", func() error {
		s, err = udp.Dial(udp.SenderOptions{Interface: "eth0", Group: group})
		return err
	})
	return s, err
}

// ear is a socket in the room.
type ear struct {
	*udp.Receiver
	batch *udp.Batch
	heard func([]byte)
}

// Read implements session.PacketReceiver.
func (e *ear) Read() ([][]byte, error) {
	n, err := e.Receiver.Read(e.batch)
	packets := make([][]byte, n)
	for i := range packets {
		packets[i] = e.batch.Packet(i)
		if e.heard != nil {
			e.heard(packets[i])
		}
	}
	return packets, err
}

// listen joins a group in the room.
func (c *classroom) listen(heard func([]byte)) func(wire.Channel) (session.PacketReceiver, error) {
	return func(ch wire.Channel) (session.PacketReceiver, error) {
		var r *udp.Receiver
		err := c.on("room", func() (err error) {
			r, err = udp.Listen(udp.ReceiverOptions{Interface: "eth0", Group: ch.Group})
			return err
		})
		if err != nil {
			return nil, err
		}
		return &ear{r, r.NewBatch(), heard}, nil
	}
}

// authorise lets everybody in who has a key.
type authorise struct{}

// Authorise implements session.Authoriser.
func (authorise) Authorise(r *http.Request) (string, error) { return agenttest.Key(r), nil }

// Fetch implements session.Frames.
func (c *classroom) Fetch(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for _, id := range ids {
		f, ok := c.frame(id)
		if !ok {
			return fmt.Errorf("chunk %s is not here", id)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// StoredSize implements session.Frames.
func (c *classroom) StoredSize(id chunk.ID) (int64, bool) {
	f, ok := c.frame(id)
	return int64(f.Size()), ok
}

func (c *classroom) frame(id chunk.ID) (f chunk.Frame, ok bool) {
	c.server.Look(func() { f, ok = c.server.Put[id] })
	return f, ok
}

// begin starts a sender.
func (c *classroom) begin(expected int) {
	c.t.Helper()
	h, err := manifest.ParseHash(c.hash)
	if err != nil {
		c.t.Fatal(err)
	}
	signer := cmp.Or(c.signer, c.server)
	s, err := session.NewServer(session.ServerOptions{
		Masters: []session.Master{{Manifest: c.server.Manifests[c.hash], Signature: manifest.Signature{Key: signer.PublicKey(),
			Signature: signer.Sign(manifest.SignatureContext, h[:]), Hash: h}}},
		Frames: c, Authoriser: authorise{}, Secret: noise(99, 32), Random: rand.Reader, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Dial: c.dial, Expected: expected, Linger: -1, Rate: c.rate})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	c.mu.Lock()
	c.running, c.stop, c.done = s, stop, done
	c.mu.Unlock()
}

// end kills the sender.
func (c *classroom) end() {
	c.mu.Lock()
	stop, done := c.stop, c.done
	c.running, c.stop = nil, nil
	c.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

func (c *classroom) session(w http.ResponseWriter, r *http.Request, _, id string) {
	c.mu.Lock()
	s, refusal := c.running, c.refusal
	c.mu.Unlock()
	if refusal != "" {
		http.Error(w, refusal, http.StatusForbidden)
		return
	}
	if s == nil || id != "s1" {
		http.Error(w, "nothing is sent now", http.StatusGone)
		return
	}
	s.ServeHTTP(w, r)
}

// next hands each computer its task, once.
func (c *classroom) next(key string) (job.Task, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.orders[key]
	if !ok {
		t, ok = c.orders[""]
		delete(c.orders, "")
	}
	delete(c.orders, key)
	t.ComputerKey = key
	return t, ok
}

// pupil is a computer of the room at work.
type pupil struct {
	*pc
	task   string
	ending job.Ending
	err    error
	done   chan struct{}
}

// pc returns a computer that hears the room.
func (c *classroom) pc(disks ...string) *pc {
	p := newPC(c.t, disks...)
	p.server = c.server
	p.second = 200 * time.Millisecond
	p.air.Link = func() (udp.Link, error) { return udp.Link{Name: "eth0", MTU: 1500, Mbit: 1000}, nil }
	p.air.Listen = c.listen(nil)
	p.air.Memory = 32 << 20
	return p
}

// deploy starts a computer and orders its task; it returns when the task was handed out.
func (c *classroom) deploy(p *pc, address, task string, change func(*job.Task)) *pupil {
	c.t.Helper()
	k := job.Task{ID: task, Job: "7", Kind: job.KindDeploy, Computer: task, Nonce: task, Master: "debian", Version: 2, Manifest: c.hash,
		Session: "s1", Ending: job.EndPowerOff}
	if change != nil {
		change(&k)
	}
	c.mu.Lock()
	c.orders[""] = k
	c.mu.Unlock()
	u := &pupil{pc: p, task: task, done: make(chan struct{})}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(stop)
	go func() {
		defer close(u.done)
		u.ending, u.err = p.run(ctx, address)
	}()
	c.wait("task "+task+" is handed out", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.orders[""]
		return !waits
	})
	return u
}

// wait waits until something is so.
func (c *classroom) wait(what string, so func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("waiting in vain until %s", what)
		}
	}
}

// reports returns what the server was told of a task, the last one last.
func (c *classroom) reports(task string) (list []job.Report) {
	c.server.Look(func() {
		for _, r := range c.server.Reports {
			if r.Task == task {
				list = append(list, r)
			}
		}
	})
	return list
}

// report returns the last one.
func (c *classroom) report(task string) job.Report {
	all := c.reports(task)
	if len(all) == 0 {
		return job.Report{}
	}
	return all[len(all)-1]
}

// good waits for a computer and checks that it has the master, and returns its last report.
func (c *classroom) good(u *pupil) job.Report {
	c.t.Helper()
	<-u.done
	if u.err != nil || u.ending != job.EndPowerOff {
		c.t.Fatalf("%s: %q, %v\n%s", u.task, u.ending, u.err, u.log.String())
	}
	r := c.report(u.task)
	if r.State != job.TaskDone || r.Outcome.Code != "ok" || r.Outcome.ProvenAt.IsZero() || r.Session == nil {
		c.t.Fatalf("%s: last report %+v, outcome %+v, session %+v\n%s", u.task, r, r.Outcome, r.Session, u.log.String())
	}
	same(c.t, c.source, u.disks[0])
	return r
}
