package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

// What a server waits for, unless its options say otherwise.
const (
	DefaultLinger = 20 * time.Second // after the last work, for computers that come late
	DefaultCached = 128              // blocks in memory: 23 MB
	unknownAfter  = 60 * time.Second // of silence, then unknown counts as missing
	smallEvery    = 2 * time.Second  // between generations that are short of smallData
	smallData     = 32 << 20         // bytes
	composeAhead  = time.Second      // of first passes left when the next generation is made
	absentAfter   = 10 * time.Second // without a report, after which a member is not waited for
	maxMembers    = 4096
	maxName       = 256
	maxEvents     = 200 // that Status shows
	rescueAtOnce  = 4   // blocks that are read at the same time for those who ask
	rescueCached  = 64  // blocks
	requestTime   = time.Minute
	minCached     = lookAhead + 2*readAhead // else the planner could wait for blocks that it holds itself
)

// Authoriser tells which computer makes a request; an error refuses it.
type Authoriser interface {
	Authorise(r *http.Request) (computer string, err error)
}

// PacketSender sends the packets of one stream.
type PacketSender interface {
	Send(packets [][]byte) error
	Source() netip.AddrPort // what receivers see, or zero
	Close() error
}

// ServerOptions describe one session.
type ServerOptions struct {
	Masters    []Master
	Frames     Frames
	Authoriser Authoriser
	Secret     []byte    // of the session, fresh; it goes to members over TLS
	Random     io.Reader // for the session's number and salt: crypto/rand.Reader
	Now        func() time.Time
	Log        *slog.Logger

	Interface string // where multicast leaves
	TTL       int    // 0: 1, not beyond the first router
	// Dial opens the socket of a stream; nil is udp.Dial with Interface and TTL.
	Dial func(group netip.AddrPort) (PacketSender, error)
	// Probe sends a probe for switches that flood; nil is udp.SendProbe with Interface and TTL, or nothing beside a Dial.
	Probe func(ctx context.Context, group netip.AddrPort, tag udp.Tag) error

	Expected int           // computers to wait for before data is sent; 0: whoever comes in the hold-off
	HoldOff  time.Duration // 0: 20 s
	Linger   time.Duration // how long the session waits for computers that come late; 0: DefaultLinger; less: for ever
	Rate     int64         // bytes of UDP payload a second, fixed; 0: found by reports
	Cap      int64         // bytes of UDP payload a second of all streams together; 0: no limit
	Cached   int           // blocks of 180,224 bytes in memory; 0: DefaultCached
}

// Server is the sending side of one session. Its handlers may be used as soon as it is made, its packets are sent by
// Run.
type Server struct {
	o        ServerOptions
	number   uint32
	salt     []byte
	channels []wire.Channel
	out      [wire.Streams]PacketSender
	sealers  [wire.Streams]*wire.Sealer
	cache    *cache // of the planner
	rescue   *cache // of those who ask
	asking   chan struct{}
	wake     chan struct{} // the planner looks again
	probing  chan struct{} // closed when the first frames are planned
	mux      *http.ServeMux

	// The thread that sends must not wait for a lock that a request holds
	sent    [wire.Streams]atomic.Uint64 // packets
	refused atomic.Uint64               // packets that the socket did not take

	departed departures

	mu       sync.Mutex
	sender   *multicast.Sender
	composer *composer
	stocks   []*stock // by generation
	members  map[string]*member
	composed time.Time // the last generation
	upkept   time.Time // when upkeep is due
	soonest  time.Time // when it may be done again: it looks at each chunk for each member
	idle     time.Time // since when nothing is left to do; zero while there is
	finished bool
	over     bool // nothing is sent any more: who comes is told to use HTTPS
	started  time.Time
	rescued  uint64 // symbols over HTTPS
	events   []LoggedEvent
	gaps     map[chunk.ID]string // unreadable chunks, and why
}

// member is one computer of a session.
type member struct {
	number   uint32
	name     string // as the Authoriser said
	needs    needs
	seen     time.Time
	interval time.Duration
	done     bool
	left     bool // it has said so; joined again, it is a member again
	asking   bool // it is being sent symbols
	noted    int  // events
	reports  bucket
	figure   uint64    // of what it lacked in its last report
	moved    time.Time // when that last changed, or it fetched something
}

// NewServer makes a session and opens its sockets. Close, or Run, ends it.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Linger == 0 {
		o.Linger = DefaultLinger
	}
	if o.Cached == 0 {
		o.Cached = DefaultCached
	}
	if o.Dial == nil && o.Probe == nil {
		o.Probe = func(ctx context.Context, group netip.AddrPort, tag udp.Tag) error {
			return udp.SendProbe(ctx, udp.SenderOptions{Interface: o.Interface, Group: group, TTL: o.TTL}, tag)
		}
	}
	if o.Dial == nil {
		o.Dial = func(group netip.AddrPort) (PacketSender, error) {
			return udp.Dial(udp.SenderOptions{Interface: o.Interface, Group: group, TTL: o.TTL})
		}
	}
	u, err := newUnion(o.Masters)
	if err != nil {
		return nil, err
	}
	bundle := u.bundle.Encode()
	first := &stock{Generation: generation(0, bundle, 0), index: bundle}
	if err := first.Check(); err != nil {
		return nil, err
	}
	now := o.Now()
	s := &Server{o: o, asking: make(chan struct{}, rescueAtOnce), wake: make(chan struct{}, 1), probing: make(chan struct{}), started: now,
		composer: newComposer(u), members: map[string]*member{}, gaps: map[chunk.ID]string{},
		sender: multicast.NewSender(multicast.SenderOptions{Rate: o.Rate, Cap: o.Cap, Expected: o.Expected, HoldOff: o.HoldOff})}
	read := &reader{frames: o.Frames, unreadable: s.unreadable}
	s.cache, s.rescue = newCache(read, max(o.Cached, minCached)), newCache(read, rescueCached)
	s.routes()
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.announce(now, first)
	return s, nil
}

// open draws the session's number and salt, derives its keys, and opens its sockets.
func (s *Server) open() error {
	var number [4]byte
	s.salt = make([]byte, 32)
	for _, b := range [][]byte{number[:], s.salt} {
		if _, err := io.ReadFull(s.o.Random, b); err != nil {
			return fmt.Errorf("drawing the number of a session: %w", err)
		}
	}
	s.number = binary.BigEndian.Uint32(number[:])
	groups := udp.Groups(s.number)
	for stream := range uint8(wire.Streams) {
		k, err := wire.DeriveKey(s.o.Secret, s.salt, s.number, stream)
		if err != nil {
			return err
		}
		s.sealers[stream] = wire.NewSealer(k, s.number, stream)
		group := groups[udp.GroupFast+int(stream)]
		if s.out[stream], err = s.o.Dial(group); err != nil {
			return fmt.Errorf("opening stream %d of a session: %w", stream, err)
		}
		s.channels = append(s.channels, wire.Channel{Stream: stream, Group: group, Source: s.out[stream].Source()})
	}
	return nil
}

// Number returns the session's number: the one in its packets.
func (s *Server) Number() uint32 { return s.number }

// SetCap changes the limit of bytes a second for all streams together; 0 is none.
func (s *Server) SetCap(bytes int64) {
	s.mu.Lock()
	s.sender.SetCap(s.o.Now(), bytes)
	s.mu.Unlock()
	s.nudge()
}

// Close closes the sockets of a session that is not run.
func (s *Server) Close() error {
	var err error
	for _, out := range s.out {
		if out != nil {
			err = errors.Join(err, out.Close())
		}
	}
	return err
}

// nudge lets the planner look again.
func (s *Server) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// announce adds a generation. The caller holds the lock, or is alone.
func (s *Server) announce(now time.Time, g *stock) {
	s.stocks = append(s.stocks, g)
	s.sender.Announce(now, g.Generation)
	s.composed = now
}

// stock returns a generation.
func (s *Server) stock(number uint16) (*stock, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(number) >= len(s.stocks) {
		return nil, false
	}
	return s.stocks[number], true
}

// unreadable notes a chunk that the store cannot give.
func (s *Server) unreadable(id chunk.ID, err error) {
	s.mu.Lock()
	_, known := s.gaps[id]
	if !known {
		s.gaps[id] = err.Error()
	}
	s.mu.Unlock()
	if !known {
		s.o.Log.Warn("a chunk cannot be sent", "session", s.number, "chunk", id, "error", err)
	}
}

// alive returns the needs of the members that are not done, still report and get on, and whether there are none. The
// state machine passes over a member that is silent for half a second; to end the session is another matter.
func (s *Server) alive(now time.Time) (all []needs, done bool) {
	done = true
	for _, m := range s.members {
		if m.done || now.Sub(m.seen) > max(absentAfter, 10*m.interval) || now.Sub(m.moved) > stuckAfter {
			continue
		}
		done = false
		all = append(all, m.needs)
	}
	return all, done
}

// upkeep makes the generation that is due and ends the session when there is no more to do. It tells whether the session
// is over, and when to look again at the latest. The caller holds the lock.
func (s *Server) upkeep(now time.Time) (over bool, again time.Time) {
	again = now.Add(500 * time.Millisecond)
	if s.finished {
		return s.finish(now), again
	}
	if !s.sender.Ready(now) {
		return false, again
	}
	left, takes := s.sender.Demand()
	if takes >= composeAhead && left > 0 {
		s.idle = time.Time{}
		return false, again
	}
	all, done := s.alive(now)
	silent := !s.idle.IsZero() && now.Sub(s.idle) >= unknownAfter
	if want, any := s.composer.open(all, silent); any && s.due(now, all, want) {
		s.idle = time.Time{}
		if len(s.stocks) == wire.MaxGenerations {
			s.finish(now)
		} else {
			g := s.composer.compose(uint16(len(s.stocks)), want, s.o.Frames, s.gap)
			if len(s.stocks) == 1 {
				close(s.probing)
			}
			s.announce(now, g)
			s.o.Log.Info("a generation is announced", "session", s.number, "generation", g.Number, "chunks", len(g.ids), "bytes", g.Data)
		}
		return false, now
	}
	if left > 0 {
		return false, again
	}
	if s.idle.IsZero() {
		s.idle = now
	}
	enough := s.o.Expected > 0 && len(s.members) >= s.o.Expected
	if done && len(s.members) > 0 && (enough || s.o.Linger > 0 && now.Sub(s.idle) >= s.o.Linger) {
		return s.finish(now), again
	}
	return false, again
}

// gap is unreadable for who holds the lock.
func (s *Server) gap(id chunk.ID, err error) {
	if _, known := s.gaps[id]; !known {
		s.gaps[id] = err.Error()
		s.o.Log.Warn("a chunk cannot be sent", "session", s.number, "chunk", id, "error", err)
	}
}

// due tells whether what is wanted makes a generation now. A computer that finds out slowly what it misses would else
// make a generation of every chunk; when all know, nothing is gained by waiting.
func (s *Server) due(now time.Time, all []needs, want []bool) bool {
	if len(s.stocks) == 1 || now.Sub(s.composed) >= smallEvery || s.composer.known(all) {
		return true
	}
	bytes := int64(0)
	for n, wanted := range want {
		if wanted {
			size, _ := s.o.Frames.StoredSize(s.composer.ids[n])
			if bytes += size; bytes >= smallData {
				return true
			}
		}
	}
	return false
}

// finish says that no generation follows, and tells whether everybody is done.
func (s *Server) finish(now time.Time) (over bool) {
	if !s.finished {
		s.finished = true
		s.sender.Finish(now)
	}
	_, s.over = s.alive(now)
	return s.over
}

// Run sends packets until everybody who came is done and nobody is waited for any more, or until ctx ends. It closes the
// sockets.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	bursts, free := make(chan *burst, ring), make(chan *burst, ring)
	for range ring {
		free <- newBurst()
	}
	planned, sent := make(chan error, 1), make(chan error, 1)
	var probe sync.WaitGroup
	if s.o.Probe != nil {
		probe.Go(func() { s.probe(ctx) })
	}
	go func() { sent <- s.dispatch(ctx, bursts, free) }()
	go func() {
		defer close(bursts)
		s.bind() // packets that are not ready cannot be on time
		planned <- s.plan(ctx, bursts, free)
	}()
	err := <-planned
	if err != nil {
		stop()
	}
	err = errors.Join(err, <-sent)
	stop()
	probe.Wait()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	return errors.Join(err, s.Close())
}
