package sessions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Library is where masters are.
type Library interface {
	Manifest(hash manifest.Hash) (encoded []byte, sig manifest.Signature, err error)
	StoredSize(id chunk.ID) (size int64, ok bool)
	// Fetch calls yield with one frame for each id, in order.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Store keeps the reports of sessions.
type Store interface {
	// KeepSession replaces what is kept of a session. It may drop what is kept of others that are much older.
	KeepSession(ctx context.Context, id string, doc []byte) error
	// SessionDoc returns what is kept of a session, nil when nothing is.
	SessionDoc(ctx context.Context, id string) ([]byte, error)
}

// Path is how multicast leaves for a computer.
type Path struct {
	Interface string       // by which it leaves
	Network   netip.Prefix // that the computer is in
	Mbit      int          // speed of the interface in Mb/s, 0 unknown
	Reason    string       // why none reaches the computer, for a person; "" when it does
}

// Options of a Manager. Fleet, Library, Path and Dial are required.
type Options struct {
	Fleet   *fleet.Fleet
	Library Library
	Store   Store                          // nil: reports go with their sessions
	Path    func(computer netip.Addr) Path // to a computer that speaks from that address
	Limit   func(now time.Time) int64      // bit/s on the wire for all sessions and what is fetched together, 0 no limit; nil: none
	// Attend runs while a session leaves by an interface; nil: nothing.
	Attend func(ctx context.Context, iface string)
	// Dial opens a stream's socket on an interface.
	Dial func(iface string, group netip.AddrPort) (session.PacketSender, error)
	// Probe sends a probe for switches that flood on an interface; nil: nothing.
	Probe   func(ctx context.Context, iface string, group netip.AddrPort, tag udp.Tag) error
	HoldOff time.Duration    // 0: 20 s
	Linger  time.Duration    // that a sender waits for computers that come late; 0: 5 minutes
	Random  io.Reader        // nil: the system's
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
}

// Times of a Manager.
const (
	tickEvery  = time.Second
	keepEvery  = 30 * time.Second
	lingerLong = 5 * time.Minute
	keepTime   = 10 * time.Second // for one write to the store
)

// Manager runs sessions. It is safe for concurrent use.
type Manager struct {
	o    Options
	ctx  context.Context // of the senders
	stop context.CancelFunc
	work sync.WaitGroup

	making sync.Mutex // held by who begins a session

	mu   sync.Mutex
	runs map[string]*run

	https  uplink
	shared time.Time // when the uplink was last divided

	attended map[string]context.CancelFunc // by interface; of Run alone
}

// New returns a manager without sessions. Run ends it.
func New(o Options) *Manager {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Linger == 0 {
		o.Linger = lingerLong
	}
	if o.Limit == nil {
		o.Limit = func(time.Time) int64 { return 0 }
	}
	m := &Manager{o: o, runs: map[string]*run{}, attended: map[string]context.CancelFunc{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.https.set(Payload(o.Limit(o.Now())))
	return m
}

// Run looks after the sessions until ctx ends, then ends all and returns when they have.
func (m *Manager) Run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.making.Lock() // nothing begins any more
			m.stop()
			m.making.Unlock()
			m.work.Wait()
			for _, r := range m.all() {
				m.keep(ctx, r)
			}
			return nil
		case <-tick.C:
			m.tick(ctx)
		}
	}
}

// all returns the runs.
func (m *Manager) all() []*run {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*run
	for _, r := range m.runs {
		out = append(out, r)
	}
	return out
}

// of returns the run of a session; nil when there is none.
func (m *Manager) of(id string) *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id]
}

// tick looks once after all sessions.
func (m *Manager) tick(ctx context.Context) {
	now, runs := m.o.Now(), m.all()
	if len(runs) == 0 && len(m.attended) == 0 {
		m.share(now, nil)
		return
	}
	alive := map[string]fleet.Session{}
	for _, s := range m.o.Fleet.Sessions() {
		alive[s.ID] = s
	}
	var sending []*run
	for _, r := range runs {
		s, goesOn := alive[r.id]
		if !goesOn {
			m.end(ctx, r, now)
			continue
		}
		m.tell(ctx, r, r.look(now, s))
		if r.due(now) {
			m.keep(ctx, r)
		}
		if r.running() {
			sending = append(sending, r)
		}
	}
	m.share(now, sending)
}

// tell keeps events of a session.
func (m *Manager) tell(ctx context.Context, r *run, all []notice) {
	for _, n := range all {
		if err := m.o.Fleet.Note(ctx, r.id, n.kind, fleet.Warning, "%s", n.text); err != nil {
			m.o.Log.Error("keeping an event of a session", "session", r.id, "error", err)
		}
	}
}

// Kinds of events of a session.
const (
	KindNoMulticast = "no-multicast" // which network multicast does not reach
	KindFlooded     = "flooded"      // in which network switches send multicast to every port
	KindForged      = "forged"       // in which network somebody sends packets with a wrong key to the session
	KindInsider     = "insider"      // in which network packets came with the right key that the server has not made
)

// share divides the uplink among those that send: the limit of the hour among all and what is fetched by HTTPS, and what
// an interface carries among those that leave by it. Each would else find out by loss what the others take.
func (m *Manager) share(now time.Time, sending []*run) {
	rates := make([]int64, len(sending))
	links := map[string][]int{} // interface -> who leaves by it
	speeds := map[string]int64{}
	for i, r := range sending {
		var on map[string]int
		rates[i], on = r.speed()
		for iface, mbit := range on {
			links[iface] = append(links[iface], i)
			speeds[iface] = int64(mbit) * 1_000_000
		}
	}
	fetched, sent := m.https.used(), int64(0)
	if passed := now.Sub(m.shared).Seconds(); passed > 0 {
		fetched = int64(float64(fetched) / passed)
	}
	m.shared = now
	for _, rate := range rates {
		sent += rate
	}
	total, rest := halves(Payload(m.o.Limit(now)), sent, fetched)
	m.https.set(rest)
	limits := shares(total, rates)
	for iface, users := range links {
		if len(users) < 2 {
			continue
		}
		var theirs []int64
		for _, i := range users {
			theirs = append(theirs, rates[i])
		}
		for n, limit := range shares(Payload(speeds[iface]), theirs) {
			if i := users[n]; limit > 0 && (limits[i] == 0 || limit < limits[i]) {
				limits[i] = limit
			}
		}
	}
	for i, limit := range limits {
		sending[i].limit(limit)
	}
	m.attend(links)
}

// opening is the part of the uplink that a sender begins with, until it is divided anew: the others still take theirs.
func (m *Manager) opening(now time.Time) int64 {
	var rates []int64
	for _, r := range m.all() {
		if r.running() {
			rate, _ := r.speed()
			rates = append(rates, rate)
		}
	}
	all := shares(Payload(m.o.Limit(now)), append(rates, 0))
	return all[len(rates)]
}

// attend lets somebody attend to each interface in use, and to no other.
func (m *Manager) attend(used map[string][]int) {
	for iface, stop := range m.attended {
		if _, still := used[iface]; !still {
			stop()
			delete(m.attended, iface)
		}
	}
	for iface := range used {
		if _, already := m.attended[iface]; already || m.o.Attend == nil {
			continue
		}
		ctx, stop := context.WithCancel(m.ctx)
		m.attended[iface] = stop
		m.work.Go(func() { m.o.Attend(ctx, iface) })
	}
}

// end ends a run whose tasks are all over, once its sender has ended.
func (m *Manager) end(ctx context.Context, r *run, now time.Time) {
	if !r.over(now) {
		return
	}
	m.tell(ctx, r, r.debts())
	m.keep(ctx, r)
	m.mu.Lock()
	delete(m.runs, r.id)
	m.mu.Unlock()
}

// keep writes a run's report to the store.
func (m *Manager) keep(ctx context.Context, r *run) {
	if m.o.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime) // also while the daemon ends
	defer cancel()
	doc, err := json.Marshal(r.whole())
	if err == nil {
		err = m.o.Store.KeepSession(ctx, r.id, doc)
	}
	if err != nil {
		m.o.Log.Error("keeping the report of a session", "session", r.id, "error", err)
	}
}

// kept reads a report from the store; one that cannot be read counts as none.
func (m *Manager) kept(ctx context.Context, id string) (Report, bool, error) {
	if m.o.Store == nil {
		return Report{}, false, nil
	}
	doc, err := m.o.Store.SessionDoc(ctx, id)
	if err != nil || doc == nil {
		return Report{}, false, err
	}
	var out Report
	if err := json.Unmarshal(doc, &out); err != nil {
		return Report{}, false, fmt.Errorf("reading the report of session %s: %w", id, err)
	}
	return out, true, nil
}

// Brief returns how a session stands now; false when it does not run.
func (m *Manager) Brief(id string) (Report, bool) {
	r := m.of(id)
	if r == nil {
		return Report{}, false
	}
	return r.brief(), true
}

// Report returns the whole report of a session that runs or ran; false when nobody has joined it, or it was long ago.
func (m *Manager) Report(ctx context.Context, id string) (Report, bool, error) {
	if r := m.of(id); r != nil {
		return r.whole(), true, nil
	}
	old, ok, err := m.kept(ctx, id)
	old.Now.Running, old.Now.Waiting = false, false // a daemon that was killed has not said so
	return old, ok, err
}

// begin returns the run of a session with a sender, which is made where there is none. wanted is the manifest of who asks.
func (m *Manager) begin(ctx context.Context, id, wanted string) (*run, error) {
	m.making.Lock()
	defer m.making.Unlock()
	if m.ctx.Err() != nil {
		return nil, &Refusal{StatusBusy, "ending", "the server is ending"}
	}
	r := m.of(id)
	if r != nil && r.running() {
		return r, nil
	}
	if r != nil && r.rests(m.o.Now()) {
		return nil, &Refusal{StatusBusy, "ending", "the session has just ended: it begins again soon"}
	}
	s, err := m.o.Fleet.BeginSession(id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = m.newRun(ctx, s)
	}
	r.learn(s)
	loaded := m.masters(s, wanted)
	if len(loaded) == 0 {
		return nil, &Refusal{StatusUnable, "no-multicast", "this session cannot read its masters"}
	}
	secret := make([]byte, 32)
	if _, err := io.ReadFull(m.o.Random, secret); err != nil {
		return nil, fmt.Errorf("drawing the secret of a session: %w", err)
	}
	r.forget()
	server, err := session.NewServer(session.ServerOptions{
		Masters: loaded, Frames: m.o.Library, Authoriser: visitors{}, Secret: secret, Random: m.o.Random, Now: m.o.Now,
		Log: slog.New(warnings{m.o.Log.Handler()}), Dial: r.dial, Probe: r.probe, Expected: r.expected(s), HoldOff: m.o.HoldOff, Linger: m.o.Linger,
		Cap: m.opening(m.o.Now()),
	})
	if err != nil {
		m.o.Log.Error("a session cannot begin", "session", id, "error", err)
		return nil, &Refusal{StatusUnable, "no-multicast", "this session cannot begin: the server's log says why"}
	}
	m.start(r, server)
	return r, nil
}

// newRun makes a run, which goes on with the report of one before it.
func (m *Manager) newRun(ctx context.Context, s fleet.Session) *run {
	r := &run{id: s.ID, o: m.o, people: map[string]*person{}, told: map[string]bool{}}
	old, ok, err := m.kept(ctx, s.ID)
	if err != nil {
		m.o.Log.Warn("the report of a session begins anew", "session", s.ID, "error", err)
	}
	if ok {
		r.resume(old)
	} else {
		r.report = Report{ID: s.ID, Started: m.o.Now().UTC()}
	}
	m.mu.Lock()
	m.runs[s.ID] = r
	m.mu.Unlock()
	return r
}

// maxManifests is how many bytes of manifests one session sends.
const maxManifests = 128 << 20

// masters reads the masters of a session, that of who asks first. One that cannot be read is left out: its computers fetch
// by HTTPS, or are told why that does not work either.
func (m *Manager) masters(s fleet.Session, wanted string) []session.Master {
	var out []session.Master
	size := 0
	load := func(hex string) {
		hash, err := manifest.ParseHash(hex)
		if err != nil {
			return
		}
		encoded, signature, err := m.o.Library.Manifest(hash)
		if err == nil && len(out) > 0 && size+len(encoded) > maxManifests {
			err = errors.New("the manifests of this session are too large together")
		}
		if err != nil {
			m.o.Log.Warn("a session goes without a master", "session", s.ID, "manifest", hex, "error", err)
			return
		}
		size += len(encoded)
		out = append(out, session.Master{Manifest: encoded, Signature: signature})
	}
	load(wanted)
	for _, hex := range s.Manifests {
		if hex != wanted {
			load(hex)
		}
	}
	return out
}

// start lets a sender run.
func (m *Manager) start(r *run, server *session.Server) {
	ctx, cancel := context.WithCancel(m.ctx)
	r.started(server, cancel, m.o.Now())
	m.o.Log.Info("a session begins", "session", r.id, "number", server.Number())
	m.work.Go(func() {
		err := server.Run(ctx)
		if ctx.Err() != nil {
			err = nil
		}
		cancel()
		r.stopped(server.Status(), err, m.o.Now())
		if err != nil {
			m.o.Log.Warn("a session ends", "session", r.id, "number", server.Number(), "error", err)
			return
		}
		m.o.Log.Info("a session ends", "session", r.id, "number", server.Number())
	})
}

// warnings lets through what a session's server says only where it matters, or where everything is wanted: members may
// make it say as much as they like.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return w.Handler.Enabled(ctx, level) && (level >= slog.LevelWarn || w.Handler.Enabled(ctx, slog.LevelDebug))
}
