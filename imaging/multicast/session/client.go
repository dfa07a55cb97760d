package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	maxMemory   = 1 << 30                // bytes of symbols, whatever the computer has
	defaultMTU  = 1500                   // bytes
	lookEvery   = 100 * time.Millisecond // at what the holder holds
	deafAfter   = 3 * time.Second        // without a packet
	firstWait   = time.Second            // after something went wrong, doubled up to longestWait
	longestWait = 15 * time.Second
	giveUpAfter = 2               // times that a frame was not what it should be, until it is left to other sources
	lastWord    = 2 * time.Second // for what the server should hear at the end
	takers      = 16              // frames that are handed to the holder at the same time: it joins their writes
)

// Holder is where a Client brings frames: the disk.
type Holder interface {
	// Needs returns the need (wire.Held, wire.Missing, wire.Unknown) of each distinct chunk, in the order in which the
	// manifest's table first names it, and a number that grows with each change, never 0. When the number is seen still,
	// it returns into as it is; else a copy, in into's memory where there is room. A chunk that is held stays so.
	Needs(into []byte, seen uint64) (needs []byte, changes uint64)
	// Take proves a frame, writes its content to all its places and returns when these writes have. It blocks while the
	// disk is slower than what comes. A content that is not the frame's is a *chunk.DamagedError and nothing is written;
	// any other error ends the Run with it. The payload is not kept.
	Take(ctx context.Context, f chunk.Frame) error
	// DiskRate returns how many bytes of content a second the disk's writes take of late; 0 unknown.
	DiskRate() int64
}

// PacketReceiver receives the packets of one stream.
type PacketReceiver interface {
	// Read waits for packets, which may be written to and are good until the next Read; net.ErrClosed after Close.
	Read() ([][]byte, error)
	// Drops counts packets that this computer lost since the receiver was opened.
	Drops() (uint64, error)
	Close() error
}

// ClientOptions describe one computer in a session.
type ClientOptions struct {
	HTTP     *http.Client  // proves the server to us and us to the server
	URL      string        // of the control channel, without a slash at its end
	Member   string        // for MemberHeader, where HTTP does not prove who we are; may be empty
	Manifest manifest.Hash // what is wanted
	Name     string        // for people

	Interface string // where multicast comes in; "": none does, everything comes by HTTPS
	Link      int64  // its speed in bit/s, 0 unknown
	MTU       int    // its MTU in bytes, 0 unknown
	// Listen joins the group of a stream; nil is udp.Listen on Interface.
	Listen func(wire.Channel) (PacketReceiver, error)

	Memory  int64            // bytes of symbols that may be held; 0: a quarter of the RAM, at most 1 GiB
	Workers int              // that decode; 0: one per CPU, at most 4
	GiveUp  time.Duration    // how long Run bears a server that does not answer; 0: for ever
	Now     func() time.Time // time.Now
	Log     *slog.Logger
	Notice  func(wire.Event) // told what a person should see; must not call the client; may be nil
}

// Client is the receiving side of one session: Manifest, then Run, then Close. It joins again by itself when the server
// was restarted.
type Client struct {
	o      ClientOptions
	ctx    context.Context
	stop   context.CancelFunc
	begin  sync.Once
	work   sync.WaitGroup
	failed chan struct{} // closed when err is set
	fail   sync.Once
	err    error
	frames chan frameJob
	spare  chan *content  // memory of blocks that were cut
	taking sync.WaitGroup // calls of the holder's Take
	all    chan struct{}  // perhaps everything is there: Run looks
	speak  chan struct{}  // control reports at once
	hushed chan struct{}  // closed when control has ended

	mu        sync.Mutex
	more      *sync.Cond // the queue has grown
	pool      pool
	scraps    scraps
	queue     []ripe    // complete blocks, oldest first
	cutting   int       // blocks that are being cut
	asked     []frameAt // frames that have to be fetched by HTTPS
	fragments int64     // bytes of frames of which parts are still to come
	episode   *episode  // with the present server, nil before the first
	listener  *listener
	bundle    []byte        // generation 0 as it came by multicast and was proven to be what was announced
	arrived   chan struct{} // closed when bundle is set
	holder    Holder
	running   context.Context // of the Run that goes on
	cat       *catalogue
	needs     []byte // of the holder, by place in the catalogue
	seen      uint64
	events    []wire.Event // to be reported
	forged    uint64       // packets with a wrong tag that were told
	done      bool         // everything is written
	told      bool         // and the server knows
	ended     bool         // the server said that the session is over
	retry     time.Time    // when a group that could not be joined is tried again
	deaf      bool         // nothing was heard: said once

	counts counts
}

// counts are what a Summary tells, kept by all goroutines.
type counts struct {
	rejects                             [wire.Rejects]atomic.Uint64
	packets, lost                       atomic.Uint64
	repaired, polluted, absent, rejoins atomic.Uint64
	taken, takenFrames                  atomic.Int64 // bytes of frames, frames
	content                             atomic.Int64 // bytes
	viaHTTPS                            atomic.Int64 // bytes of symbols
	drops                               atomic.Uint64
	first, lastTake                     atomic.Int64 // Unix nanoseconds of the first data packet, of the last chunk written
}

// Summary is what a Run did.
type Summary struct {
	Frames       int64   // written
	FrameBytes   int64   // their bytes
	ContentBytes int64   // of chunks
	Packets      uint64  // authentic ones, by multicast
	PacketBytes  uint64  // their UDP payload
	Lost         uint64  // packets that did not come, of the stream while it was listened to
	SocketDrops  uint64  // of these, lost in this computer
	Repaired     uint64  // symbols that parity replaced
	RescuedBytes int64   // of symbols that came by HTTPS
	Forged       uint64  // packets with a wrong tag
	Repeated     uint64  // packets seen before or too old
	Foreign      uint64  // packets of another session, stream, version or size, or of the far future
	Polluted     uint64  // frames that were not what the plan names
	Absent       uint64  // frames that the server could not read
	Rejoined     uint64  // times that the server was restarted or lost
	Left         int     // chunks that are left to other sources
	Reason       string  // why, a sentence; "" when nothing is left
	Seconds      float64 // from the first data packet to the last chunk written
}

// EndedError says why a Run ended before everything was there.
type EndedError struct{ Reason string }

// Error implements error.
func (e *EndedError) Error() string { return "multicast session: " + e.Reason }

// RefusedError is an answer of the server that no trying again changes.
type RefusedError struct {
	Status int    // of HTTP
	Reason string // a sentence of the server
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("multicast session: the server refuses: %s (%d)", e.Reason, e.Status)
}

// NewClient returns a client that has not joined yet.
func NewClient(o ClientOptions) *Client {
	if o.Memory <= 0 {
		o.Memory = quarterOfMemory()
	}
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	if o.Notice == nil {
		o.Notice = func(wire.Event) {}
	}
	if o.Listen == nil && o.Interface != "" {
		o.Listen = func(ch wire.Channel) (PacketReceiver, error) {
			r, err := udp.Listen(udp.ReceiverOptions{Interface: o.Interface, Group: ch.Group, Source: ch.Source})
			if err != nil {
				return nil, err
			}
			return &socket{r: r, batch: r.NewBatch()}, nil
		}
	}
	c := &Client{o: o, failed: make(chan struct{}), frames: make(chan frameJob, takers), spare: make(chan *content, 2*takers),
		arrived: make(chan struct{}), all: make(chan struct{}, 1), speak: make(chan struct{}, 1), hushed: make(chan struct{})}
	c.more = sync.NewCond(&c.mu)
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// mostFragments is how many bytes of frames may wait for their other parts; the rest of the memory is for symbols.
func (c *Client) mostFragments() int64 { return max(c.o.Memory/4, 4*chunk.MaxFrameSize) }

// quarterOfMemory returns a quarter of the RAM, at most 1 GiB.
func quarterOfMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 64 << 20
	}
	return min(int64(info.Totalram)*int64(info.Unit)/4, maxMemory)
}

// start begins what goes on in the background: the control channel, the requests for symbols, decoding.
func (c *Client) start() {
	c.begin.Do(func() {
		c.work.Go(func() {
			defer close(c.hushed)
			c.control()
		})
		c.work.Go(c.rescue)
		c.work.Go(c.refetch)
		for range c.o.Workers {
			c.work.Go(c.cut)
		}
		for range takers {
			c.work.Go(c.take)
		}
	})
}

// Close leaves the session and returns when nothing of the client goes on any more. The server is told before that all is
// done, if it listens.
func (c *Client) Close() {
	c.mu.Lock()
	owed := c.done && !c.told && c.episode != nil
	c.mu.Unlock()
	if owed {
		patience := time.NewTimer(lastWord)
		defer patience.Stop()
		select {
		case <-c.hushed:
		case <-patience.C:
		}
	}
	c.stop()
	c.mu.Lock()
	c.more.Broadcast()
	c.mu.Unlock()
	c.closeListener()
	c.work.Wait()
	c.closeListener() // one that was opened meanwhile
	c.mu.Lock()
	member := c.episode != nil
	c.mu.Unlock()
	if member {
		ctx, cancel := context.WithTimeout(context.Background(), lastWord)
		defer cancel()
		_ = c.post(ctx, "leave", nil, nil) // a server that does not hear it finds out
	}
}

// diskFails ends the client's work, as its holder cannot go on, and tells the server why. The caller holds the lock.
func (c *Client) diskFails(err error) {
	c.fail.Do(func() {
		c.notice(wire.Event{Code: wire.EventDisk, Text: clip(err.Error())})
		c.err = err
		close(c.failed)
	})
}

// die ends the client's work with an error.
func (c *Client) die(err error) {
	c.fail.Do(func() {
		c.err = err
		close(c.failed)
	})
}

// Manifest returns the wanted manifest, whose hash is right, and its signature, which is not proven: as it came by
// multicast, else by HTTPS.
func (c *Client) Manifest(ctx context.Context) ([]byte, manifest.Signature, error) {
	c.start()
	patience := time.NewTicker(lookEvery)
	defer patience.Stop()
	for {
		select {
		case <-c.arrived:
			if encoded, signature, err := c.unbundle(); err == nil {
				return encoded, signature, nil
			}
		case <-patience.C:
			if !c.isDeaf() {
				continue
			}
		case <-c.failed:
			return nil, manifest.Signature{}, c.err
		case <-ctx.Done():
			return nil, manifest.Signature{}, ctx.Err()
		}
		encoded, signature, err := c.fetchManifest(ctx)
		if err == nil || !transient(err) || ctx.Err() != nil {
			c.mu.Lock()
			c.haveManifest(nil)
			c.mu.Unlock()
			return encoded, signature, err
		}
		c.o.Log.Warn("the manifest cannot be fetched yet", "error", err)
		if !c.pause(firstWait) {
			return nil, manifest.Signature{}, c.ctx.Err()
		}
	}
}

// unbundle finds the wanted manifest in generation 0.
func (c *Client) unbundle() ([]byte, manifest.Signature, error) {
	c.mu.Lock()
	raw := c.bundle
	c.bundle = nil // it is large, and asked for once
	c.mu.Unlock()
	bundle, err := wire.ParseBundle(raw)
	if err != nil {
		return nil, manifest.Signature{}, err
	}
	for _, m := range bundle {
		if m.Hash() != c.o.Manifest {
			continue
		}
		var signature manifest.Signature
		if err := json.Unmarshal(m.Signature, &signature); err != nil {
			return nil, manifest.Signature{}, fmt.Errorf("signature of manifest %s: %w", c.o.Manifest, err)
		}
		return append([]byte(nil), m.Manifest...), signature, nil
	}
	return nil, manifest.Signature{}, fmt.Errorf("manifest %s is not in the session's bundle", c.o.Manifest)
}

// isDeaf tells whether multicast does not reach us: there is none, or nothing was heard for 3 s.
func (c *Client) isDeaf() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.episode != nil && (c.o.Listen == nil || c.silent())
}

// silent tells whether 3 s have passed since something was announced and we listened, without a single authentic packet. The
// caller holds the lock.
func (c *Client) silent() bool {
	e := c.episode
	if e.packets > 0 || e.expect.IsZero() || e.opened.IsZero() { // to join a group takes a busy PC seconds
		return false
	}
	now := c.o.Now()
	return now.Sub(e.expect) >= deafAfter && now.Sub(e.opened) >= deafAfter
}

// Run brings the manifest's chunks to the holder until it misses none, and returns what was done. m is the wanted
// manifest, decoded. It ends earlier, with an *EndedError, when the session is over, the server is gone for longer than
// GiveUp or refuses (*RefusedError), and with the holder's own error when that fails. What is left, Summary.Left chunks,
// is for other sources; without an error it is what the server itself could not read. No call of the holder goes on once
// Run has returned. It may be called once.
func (c *Client) Run(ctx context.Context, m *manifest.Manifest, holder Holder) (Summary, error) {
	cat := newCatalogue(&m.Chunks)
	running, stop := context.WithCancel(ctx)
	c.mu.Lock()
	c.cat, c.holder, c.running = cat, holder, running
	c.skipManifest()
	c.look()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.holder = nil
		c.mu.Unlock()
		stop()
		c.taking.Wait()
	}()
	c.start()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		left, done, reason := c.progress()
		switch {
		case done:
			c.finished()
			return c.summary(left, reason), nil
		case reason != "":
			return c.summary(left, reason), &EndedError{Reason: reason}
		}
		select {
		case <-tick.C:
		case <-c.all:
		case <-c.failed:
			c.lastReport(ctx)
			return c.summary(left, c.err.Error()), c.err
		case <-c.ctx.Done():
			return c.summary(left, "the client was closed"), c.ctx.Err()
		case <-ctx.Done():
			if cause := context.Cause(ctx); !cancelled(cause) { // a holder that fails may end all of its run
				c.mu.Lock()
				c.diskFails(cause)
				c.mu.Unlock()
				c.lastReport(ctx)
				return c.summary(left, cause.Error()), cause
			}
			return c.summary(left, "it was cancelled"), ctx.Err()
		}
	}
}

// cancelled tells whether a run was ended by somebody, and not by its own fault.
func cancelled(cause error) bool {
	return errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded)
}

// progress looks at the holder again. done tells that nothing can come any more that is needed; reason says why that is
// so although something is left.
func (c *Client) progress() (left int, done bool, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	left, open := c.lacking()
	if open == 0 {
		if left > 0 {
			reason = "the server could not give some chunks, or not as they should be"
		}
		return left, true, reason
	}
	missing, unknown := 0, 0
	if c.episode != nil {
		missing, unknown = c.episode.recv.Lacks()
	}
	switch {
	case c.ended && missing+unknown == 0 && c.drained():
		return left, false, "the server has ended it"
	case c.episode != nil && c.episode.broken:
		return left, false, "the server's plan could not be had"
	}
	return left, false, ""
}

// lacking counts the chunks that the holder lacks, and of these those that may still come.
func (c *Client) lacking() (left, open int) {
	for place, need := range c.needs {
		if need == wire.Held {
			continue
		}
		left++
		if c.episode == nil || len(c.episode.left) == 0 || !c.episode.left[uint32(place)] {
			open++
		}
	}
	return left, open
}

// drained tells whether nothing that has come waits to be written. The caller holds the lock.
func (c *Client) drained() bool {
	if len(c.queue) > 0 || c.cutting > 0 || len(c.frames) > 0 {
		return false
	}
	for _, a := range c.episode.arrivals {
		if slices.Contains(a.states, frameBusy) || slices.Contains(a.states, frameAsked) {
			return false
		}
	}
	return true
}

// finished stops listening, and lets the server be told that it need not wait for us. Run does not wait for that: the disk
// has heads to be written yet.
func (c *Client) finished() {
	c.mu.Lock()
	c.done = true
	c.mu.Unlock()
	c.closeListener()
	signal(c.speak)
}

// signal tells whoever waits for it, now or later.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it is told already
	}
}

// lastReport reports out of turn, if the server listens.
func (c *Client) lastReport(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	_ = c.report(ctx) // it is so, whether the server hears it or not
}

// Counts returns what was done so far, for people: Left, Reason and Seconds are known only when Run ends.
func (c *Client) Counts() Summary { return c.summary(0, "") }

// summary gathers the counts.
func (c *Client) summary(left int, reason string) Summary {
	n := &c.counts
	s := Summary{
		Frames: n.takenFrames.Load(), FrameBytes: n.taken.Load(), ContentBytes: n.content.Load(),
		Packets: n.packets.Load(), PacketBytes: n.packets.Load() * wire.PacketSize, Lost: n.lost.Load(),
		SocketDrops: n.drops.Load(), Repaired: n.repaired.Load(), RescuedBytes: n.viaHTTPS.Load(),
		Forged: n.rejects[wire.RejectForged].Load(), Repeated: n.rejects[wire.RejectOld].Load(),
		Polluted: n.polluted.Load(), Absent: n.absent.Load(), Rejoined: n.rejoins.Load(), Left: left, Reason: reason,
	}
	for _, r := range []wire.Reject{wire.RejectSize, wire.RejectForm, wire.RejectSession, wire.RejectStream, wire.RejectAhead} {
		s.Foreign += n.rejects[r].Load()
	}
	if first, last := n.first.Load(), n.lastTake.Load(); first > 0 && last > first {
		s.Seconds = time.Duration(last - first).Seconds()
	}
	return s
}

// notice tells a person and, with the next report, the server. The caller holds the lock.
func (c *Client) notice(e wire.Event) {
	if len(c.events) < wire.MaxEvents {
		c.events = append(c.events, e)
	}
	c.o.Notice(e)
}

// transient tells whether trying again may help.
func transient(err error) bool {
	var refused *RefusedError
	var alert tls.AlertError // the server does not take our certificate
	return !errors.As(err, &refused) && !errors.As(err, &alert) && !errors.Is(err, ErrOtherKey)
}
