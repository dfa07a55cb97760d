package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
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

	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// patience bounds every wait of these tests: it is generous, as other work may have the machine.
const patience = 3 * time.Minute

// lab is two network namespaces and a line between them: a server and a room. Multicast goes over it; the control
// channel, which is not what these tests are about, over the loopback of the machine.
type lab struct {
	t    testing.TB
	name string
}

var labs atomic.Int32

// newLab makes a lab for the time of a test. These tests mostly wait, so they run beside each other.
func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	l := &lab{t: t, name: fmt.Sprintf("ses%d-%d", os.Getpid(), labs.Add(1))}
	for _, host := range []string{"srv", "room"} {
		l.run("ip netns add " + l.name + host)
		t.Cleanup(func() { l.run("ip netns del " + l.name + host) })
	}
	l.run("ip -n " + l.name + "srv link add eth0 type veth peer name eth0 netns " + l.name + "room")
	for i, host := range []string{"srv", "room"} {
		l.run("ip -n " + l.name + host + " link set lo up")
		l.run("ip -n " + l.name + host + " link set eth0 up")
		l.run(fmt.Sprintf("ip -n %s%s addr add 10.8.0.%d/24 brd + dev eth0", l.name, host, i+1))
	}
	return l
}

func (l *lab) run(command string) {
	l.t.Helper()
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// on runs f with the network of a host: sockets that it opens belong to it and stay so.
func (l *lab) on(host string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+l.name+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
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

// dial opens a server's socket on the server's side.
func (l *lab) dial(group netip.AddrPort) (s session.PacketSender, err error) {
	err = l.on("srv", func() error {
		s, err = udp.Dial(udp.SenderOptions{Interface: "eth0", Group: group})
		return err
	})
	return s, err
}

// tap is what stands between a socket of the room and its client: it returns the packets that come through.
type tap func(packets [][]byte) [][]byte

// listen joins a group in the room.
func (l *lab) listen(through tap) func(wire.Channel) (session.PacketReceiver, error) {
	return func(ch wire.Channel) (session.PacketReceiver, error) {
		var r *udp.Receiver
		err := l.on("room", func() (err error) {
			r, err = udp.Listen(udp.ReceiverOptions{Interface: "eth0", Group: ch.Group, Source: ch.Source})
			return err
		})
		if err != nil {
			return nil, err
		}
		return &tapped{r: r, batch: r.NewBatch(), through: through}, nil
	}
}

type tapped struct {
	r       *udp.Receiver
	batch   *udp.Batch
	through tap
}

func (p *tapped) Read() ([][]byte, error) {
	n, err := p.r.Read(p.batch)
	packets := make([][]byte, n)
	for i := range packets {
		packets[i] = p.batch.Packet(i)
	}
	if p.through != nil {
		packets = p.through(packets)
	}
	return packets, err
}

func (p *tapped) Drops() (uint64, error) { return p.r.Drops() }
func (p *tapped) Close() error           { return p.r.Close() }

// losing returns a tap that loses each packet with the given chance.
func losing(seed uint64, chance float64) tap {
	random := mathrand.New(mathrand.NewPCG(seed, 1))
	return func(packets [][]byte) [][]byte {
		kept := packets[:0]
		for _, p := range packets {
			if random.Float64() >= chance {
				kept = append(kept, p)
			}
		}
		return kept
	}
}

// stored is the frames of a server.
type stored struct {
	mu     sync.Mutex
	frames map[chunk.ID]chunk.Frame
	broken map[chunk.ID]bool // that cannot be read
	slow   time.Duration     // each Fetch takes
}

func (s *stored) StoredSize(id chunk.ID) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.frames[id]
	return int64(f.Size()), ok
}

func (s *stored) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	if s.slow > 0 {
		time.Sleep(s.slow)
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		f, ok := s.frames[id]
		broken := s.broken[id]
		s.mu.Unlock()
		if !ok || broken {
			return fmt.Errorf("chunk %s: no", id)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// made is a master for a test.
type made struct {
	session.Master
	decoded *manifest.Manifest
	hash    manifest.Hash
	ids     []chunk.ID // distinct, in order
}

// master makes a master of count chunks of all sizes, some of which occur twice, and puts its frames into the store.
// Equal seeds give equal chunks at equal places.
func (s *stored) master(t testing.TB, count int, seed uint64) *made {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(count) * chunk.MaxSize
	m := &manifest.Manifest{
		Name: fmt.Sprintf("master-%d", seed), Version: 1, Created: time.Unix(1_800_000_000, 0).UTC(),
		Disk:    manifest.Disk{Size: size, SectorSize: 512, Table: manifest.NoTable},
		Volumes: []manifest.Volume{{Length: size, Kind: "unknown", Order: manifest.ByPosition, Reason: "made for a test", Unit: 512}},
	}
	m.NameCount = 1
	m.Names = manifest.HashOf([]byte("no names"))
	random := mathrand.New(mathrand.NewPCG(seed, 7))
	stream := mathrand.NewChaCha8([32]byte{byte(seed)})
	made := &made{decoded: m}
	seen := map[chunk.ID]bool{}
	for i := range count {
		length := chunk.MaxSize
		if random.IntN(4) == 0 {
			length = 512 * (1 + random.IntN(chunk.MaxSize/512))
		}
		content := make([]byte, length)
		if i%10 != 9 { // each tenth is zeros: the same chunk where it has the same length
			_, _ = stream.Read(content) // never fails
			if letters := random.IntN(4); letters > 0 {
				for at := range content {
					content[at] &= 1<<letters - 1 // compressible
				}
			}
		}
		id := chunk.Of(content)
		m.Chunks.Append(manifest.Entry{ID: id, Length: uint32(length), Index: uint32(i),
			Pieces: []manifest.Piece{{Length: uint32(length), Offset: int64(i) * chunk.MaxSize}}})
		m.Volumes[0].Used += int64(length)
		s.frames[id] = codec.Seal(id, content)
		if !seen[id] {
			seen[id] = true
			made.ids = append(made.ids, id)
		}
	}
	var encoded bytes.Buffer
	if made.hash, err = m.Encode(&encoded); err != nil {
		t.Fatal(err)
	}
	made.Manifest = encoded.Bytes()
	made.Signature = manifest.Signature{Key: "test", Signature: []byte("not proven here"), Hash: made.hash}
	return made
}

func newStored() *stored {
	return &stored{frames: map[chunk.ID]chunk.Frame{}, broken: map[chunk.ID]bool{}}
}

// disk is a computer's disk in memory.
type disk struct {
	codec *chunk.Codec
	slow  time.Duration // each Take takes
	fail  error         // what each Take says, if not nil

	mu      sync.Mutex
	order   map[chunk.ID]int
	needs   []byte
	changes uint64
	taken   int
	damaged int
	after   func(taken int) // called behind each chunk that was written
}

// newDisk makes a disk that needs all of a master.
func newDisk(t testing.TB, m *made) *disk {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{codec: codec, order: map[chunk.ID]int{}, needs: make([]byte, len(m.ids)), changes: 1}
	for i, id := range m.ids {
		d.order[id] = i
		d.needs[i] = wire.Missing
	}
	return d
}

// set changes what the disk needs.
func (d *disk) set(need byte, places ...int) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range places {
		d.needs[p] = need
	}
	d.changes++
	return d
}

func (d *disk) Needs(into []byte, seen uint64) ([]byte, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seen == d.changes {
		return into, seen
	}
	return append(into[:0], d.needs...), d.changes
}

func (d *disk) Take(ctx context.Context, f chunk.Frame) error {
	if d.fail != nil {
		return d.fail
	}
	content, err := d.codec.Open(make([]byte, 0, chunk.MaxSize+chunk.Spare), f)
	if err != nil {
		d.mu.Lock()
		d.damaged++
		d.mu.Unlock()
		return err
	}
	if d.slow > 0 {
		select {
		case <-time.After(d.slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	at, ours := d.order[f.ID]
	if ours && d.needs[at] != wire.Held && len(content) > 0 {
		d.needs[at] = wire.Held
		d.changes++
		d.taken++
	}
	taken, after := d.taken, d.after
	d.mu.Unlock()
	if after != nil {
		after(taken)
	}
	return nil
}

func (d *disk) DiskRate() int64 { return 0 }

// lacks returns how many chunks the disk lacks.
func (d *disk) lacks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.needs) - bytes.Count(d.needs, []byte{wire.Held})
}

// running is a server that runs.
type running struct {
	*session.Server
	url  string
	http *httptest.Server
	stop context.CancelFunc
	done chan error
}

// quiet is a log that shows warnings when a test fails.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// serve starts a server with the options that a test leaves open.
func (l *lab) serve(o session.ServerOptions) *running {
	l.t.Helper()
	if o.Secret == nil {
		o.Secret = bytes.Repeat([]byte{42}, 32)
	}
	if o.Dial == nil {
		o.Dial = l.dial
	}
	o.Random, o.Now, o.Log, o.Authoriser = rand.Reader, time.Now, quiet(l.t), session.OwnName{}
	if o.Linger == 0 {
		o.Linger = 300 * time.Millisecond
	}
	s, err := session.NewServer(o)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	r.http = httptest.NewServer(s)
	r.url = r.http.URL
	l.t.Cleanup(r.kill)
	return r
}

// kill ends a server as a power cut would, as far as its members can tell.
func (r *running) kill() {
	r.stop()
	r.http.CloseClientConnections()
	r.http.Close()
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(patience):
		panic("the server does not end")
	}
}

// pc is a computer in the room.
type pc struct {
	*session.Client
	disk    *disk
	wait    func() // between Manifest and Run; may be nil
	summary session.Summary
	err     error
	done    chan struct{}
	notices struct {
		sync.Mutex
		all []wire.Event
	}
}

// join makes a client with the options that a test leaves open.
func (l *lab) join(name, url string, m *made, d *disk, o session.ClientOptions) *pc {
	o.HTTP = &http.Client{Transport: &http.Transport{}}
	return l.joinVia(name, url, m, d, o)
}

// joinVia is join with an HTTP client of the test's own.
func (l *lab) joinVia(name, url string, m *made, d *disk, o session.ClientOptions) *pc {
	p := &pc{disk: d, done: make(chan struct{})}
	o.URL, o.Member, o.Name, o.Manifest = url, name, name, m.hash
	o.Now, o.Log = time.Now, quiet(l.t)
	o.Notice = func(e wire.Event) {
		p.notices.Lock()
		p.notices.all = append(p.notices.all, e)
		p.notices.Unlock()
	}
	p.Client = session.NewClient(o)
	l.t.Cleanup(p.Close)
	return p
}

// run lets the computer fetch the manifest and then everything.
func (p *pc) run(ctx context.Context) {
	defer close(p.done)
	encoded, _, err := p.Manifest(ctx)
	if err != nil {
		p.err = err
		return
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil {
		p.err = err
		return
	}
	if p.wait != nil {
		p.wait()
	}
	p.summary, p.err = p.Run(ctx, m, p.disk)
}

// heard returns how often a notice was given.
func (p *pc) heard(code string) int {
	p.notices.Lock()
	defer p.notices.Unlock()
	n := 0
	for _, e := range p.notices.all {
		if e.Code == code {
			n++
		}
	}
	return n
}

// finish waits for computers and tells whether each has everything.
func (l *lab) finish(pcs ...*pc) {
	l.t.Helper()
	for i, p := range pcs {
		select {
		case <-p.done:
		case <-time.After(patience):
			l.t.Fatalf("computer %d of %d has not finished: it lacks %d chunks", i+1, len(pcs), p.disk.lacks())
		}
		if p.err != nil || p.disk.lacks() > 0 || p.summary.Left > 0 {
			l.t.Errorf("computer %d: %v, lacks %d chunks, %+v", i+1, p.err, p.disk.lacks(), p.summary)
		}
	}
}

// ended waits for a server to find out that everything is done.
func (l *lab) ended(r *running) {
	l.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		if err != nil {
			l.t.Errorf("the server ended with %v", err)
		}
	case <-time.After(patience):
		l.t.Fatalf("the server does not end: %+v", r.Status())
	}
}
