package agentapi_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// patience bounds what a test waits for: it is generous, as other work may have the machine.
const patience = 2 * time.Minute

// air is a network that carries multicast in memory.
type air struct {
	mu     sync.Mutex
	ears   []*ear
	silent bool // it carries nothing
}

// ear listens to one group.
type ear struct {
	air    *air
	group  netip.AddrPort
	heard  chan []byte
	closed chan struct{}
	once   sync.Once
}

// mouth sends to one group.
type mouth struct {
	air   *air
	group netip.AddrPort
}

func (a *air) dial(_ string, group netip.AddrPort) (session.PacketSender, error) {
	return &mouth{a, group}, nil
}

func (a *air) listen(channel wire.Channel) (session.PacketReceiver, error) {
	e := &ear{air: a, group: channel.Group, heard: make(chan []byte, 4096), closed: make(chan struct{})}
	a.mu.Lock()
	a.ears = append(a.ears, e)
	a.mu.Unlock()
	return e, nil
}

// Send gives a copy to each that listens and has room.
func (m *mouth) Send(packets [][]byte) error {
	m.air.mu.Lock()
	defer m.air.mu.Unlock()
	for _, e := range m.air.ears {
		for _, p := range packets {
			if e.group == m.group && !m.air.silent {
				select {
				case e.heard <- slices.Clone(p):
				default:
				}
			}
		}
	}
	return nil
}

func (m *mouth) Close() error { return nil }

func (e *ear) Read() ([][]byte, error) {
	select {
	case p := <-e.heard:
		return [][]byte{p}, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

func (e *ear) Drops() (uint64, error) { return 0, nil }

func (e *ear) Close() error {
	e.once.Do(func() {
		close(e.closed)
		e.air.mu.Lock()
		e.air.ears = slices.DeleteFunc(e.air.ears, func(o *ear) bool { return o == e })
		e.air.mu.Unlock()
	})
	return nil
}

// manager makes the sessions of a site.
func (s *site) manager(store *sqlite.Store) *sessions.Manager {
	return sessions.New(sessions.Options{Fleet: s.fleet, Library: s.library, Store: store, Dial: s.air.dial,
		Path: func(netip.Addr) sessions.Path {
			return sessions.Path{Interface: "eth0", Network: netip.MustParsePrefix("127.0.0.0/8"), Mbit: 1000}
		}, HoldOff: 3 * time.Second})
}

// memory is a computer's disk.
type memory struct {
	codec *chunk.Codec

	mu      sync.Mutex
	places  map[chunk.ID]int
	needs   []byte
	changes uint64
	gate    <-chan struct{} // nothing is written before it is closed; nil: nothing is waited for
}

// blank is a disk that misses all of a manifest.
func blank(t *testing.T, m *manifest.Manifest) *memory {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	check(t, err)
	d := &memory{codec: codec, places: map[chunk.ID]int{}, changes: 1}
	for _, e := range m.Chunks.All() {
		if _, known := d.places[e.ID]; !known {
			d.places[e.ID] = len(d.needs)
			d.needs = append(d.needs, wire.Missing)
		}
	}
	return d
}

func (d *memory) Needs(into []byte, seen uint64) ([]byte, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seen == d.changes {
		return into, seen
	}
	return append(into[:0], d.needs...), d.changes
}

func (d *memory) Take(ctx context.Context, f chunk.Frame) error {
	if _, err := d.codec.Open(make([]byte, 0, chunk.MaxSize+chunk.Spare), f); err != nil {
		return err
	}
	if d.gate != nil {
		select {
		case <-d.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ours := d.places[f.ID]; ours && d.needs[at] != wire.Held {
		d.needs[at] = wire.Held
		d.changes++
	}
	return nil
}

func (d *memory) DiskRate() int64 { return 0 }

// lacks is how many chunks are still missing.
func (d *memory) lacks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, need := range d.needs {
		if need != wire.Held {
			n++
		}
	}
	return n
}

// member is an agent in the session of its task.
type member struct {
	*agent
	task    job.Task
	client  *session.Client
	disk    *memory
	summary session.Summary
	err     error
	done    chan struct{}
}

// member takes the agent's task into its session. It fetches when run is called.
func (a *agent) member(name string, d func(*memory)) *member {
	a.s.t.Helper()
	m := &member{agent: a, task: a.task(), done: make(chan struct{})}
	hash, err := manifest.ParseHash(m.task.Manifest)
	check(a.s.t, err)
	m.client = session.NewClient(session.ClientOptions{HTTP: a.http, URL: "https://" + a.s.address + job.PathSession + m.task.Session,
		Manifest: hash, Name: name, Listen: a.s.air.listen, Memory: 64 << 20, Workers: 1, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	go m.run(d)
	return m
}

// run fetches everything, then leaves the session.
func (m *member) run(d func(*memory)) {
	defer close(m.done)
	defer m.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	encoded, _, err := m.client.Manifest(ctx)
	if err != nil {
		m.err = err
		return
	}
	decoded, _, err := decode(encoded)
	if err != nil {
		m.err = err
		return
	}
	m.disk = blank(m.s.t, decoded)
	if d != nil {
		d(m.disk)
	}
	m.summary, m.err = m.client.Run(ctx, decoded, m.disk)
}

// finish waits until the member has everything, and reports that its task is done.
func (m *member) finish() {
	m.s.t.Helper()
	<-m.done
	if m.err != nil || m.summary.Left > 0 || m.disk.lacks() > 0 {
		m.s.t.Fatalf("the member ended with %v, %+v", m.err, m.summary)
	}
	must[job.ReportReply](m.agent, http.MethodPost, job.PathReport, job.Report{Task: m.task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
}

func (m *mouth) Source() netip.AddrPort { return netip.AddrPort{} }
