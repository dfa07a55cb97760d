package tftp

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// stopped is the value of the panic that ends a transfer from within the library's back-off.
type stopped string

// errStopped ends a transfer that still moves.
var errStopped = errors.New("gave way to a newer request of the same client")

// transfer is one read request under way.
type transfer struct {
	source  netip.Addr
	port    uint16        // of the client: its transfer identifier (RFC 1350 section 4)
	over    chan struct{} // closed when it has ended
	waits   bool          // repeats another, and only waits for its end
	started time.Time
	blocks  atomic.Int32  // blocks the library has asked for
	sized   atomic.Bool   // the client asked for the size, so an acknowledgement of options precedes block 1
	halt    chan struct{} // closed to end the transfer
	once    sync.Once
}

// stop ends the transfer at its next block, or at once when it waits for its client.
func (t *transfer) stop() { t.once.Do(func() { close(t.halt) }) }

func (t *transfer) halted() bool {
	select {
	case <-t.halt:
		return true
	default:
		return false
	}
}

// answered tells whether the client has shown that it exists. The library reads block n only after ACK n-1; block 1 is
// read at once when there are no options to acknowledge, so there the first read proves nothing. GRUB opens an initrd,
// takes block 1, and answers it 10 s later; it always asks for the size.
func (t *transfer) answered() bool {
	n := t.blocks.Load()
	return n > 1 || n == 1 && t.sized.Load()
}

// register knows every transfer under way.
//
// The library lets us choose the pause before a block is sent again, and calls the chooser on the goroutine of the
// transfer, but does not say which transfer it is. The goroutine's number is the only handle there is. It is looked up
// at the start of a request and when a packet was lost, never on the way of a block that arrives.
type register struct {
	perSource, total int

	mu     sync.Mutex
	bySelf map[string]*transfer // by number of the goroutine
	ending bool
}

func newRegister(perSource, total int) *register {
	if perSource <= 0 {
		perSource = DefaultPerSource
	}
	if total <= 0 {
		total = DefaultTotal
	}
	return &register{perSource: perSource, total: total, bySelf: map[string]*transfer{}}
}

// begin admits a request. A source at its limit loses its oldest transfer instead of being refused: a PC that was reset
// in the middle of a file leaves one behind that nobody will ever finish.
//
// A request that repeats one under way, from the same port, is not admitted but told apart: the first answer was late or
// lost, and is on its way again. busybox repeats after 50 ms; on a busy server its fifth request pushed out the very
// transfer that it had begun to read (observed).
func (r *register) begin(client netip.AddrPort) (t, repeats *transfer) {
	source := client.Addr()
	t = &transfer{source: source, port: client.Port(), started: time.Now(),
		halt: make(chan struct{}), over: make(chan struct{})}
	self := goroutine()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending || len(r.bySelf) >= r.total {
		return nil, nil
	}
	var oldest *transfer
	live, all := 0, 0
	for _, o := range r.bySelf {
		if o.source != source {
			continue
		}
		all++
		if o.halted() {
			continue
		}
		if o.port == t.port && !o.waits {
			repeats = o
		}
		live++
		if oldest == nil || o.started.Before(oldest.started) {
			oldest = o
		}
	}
	// Those told to stop take a moment to notice; a source cannot pile them up meanwhile.
	if all >= 4*r.perSource {
		return nil, nil
	}
	t.waits = repeats != nil
	if live >= r.perSource && !t.waits {
		oldest.stop()
	}
	r.bySelf[self] = t
	return t, repeats
}

func (r *register) end(t *transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for self, o := range r.bySelf {
		if o == t {
			delete(r.bySelf, self)
			close(t.over)
			return
		}
	}
}

// stopAll ends every transfer at its next block or lost packet, and admits no more.
func (r *register) stopAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = true
	for _, t := range r.bySelf {
		t.stop()
	}
}

// backoff is called by the library when a packet went unanswered for firstTimeout; attempt counts from 0 for each block.
// It ends the transfer by a panic, which its own handler recovers: the library offers no other way.
func (r *register) backoff(attempt int) time.Duration {
	r.mu.Lock()
	t := r.bySelf[goroutine()]
	r.mu.Unlock()
	if t == nil {
		return laterPause
	}
	pause, end := t.pause(attempt)
	if end != "" {
		panic(end)
	}
	select {
	case <-t.halt:
		panic(stopped("gave way or shutting down"))
	case <-time.After(pause):
		return 0
	}
}

// pause is how long to wait before a packet is sent again, or why not to.
func (t *transfer) pause(attempt int) (time.Duration, stopped) {
	if !t.answered() {
		pauses := silentPauses()
		if attempt >= len(pauses) {
			return 0, "the client never answered"
		}
		return pauses[attempt], ""
	}
	if attempt+1 >= tries {
		return 0, "the client fell silent"
	}
	if attempt < hastyTries {
		return 0, ""
	}
	return laterPause, ""
}

// silentPauses are the pauses between the tries of a first packet that nobody has answered yet: few packets, since the
// address may be forged, but nearly 4 s of time, since the firmware may be that of a PC with better things to do.
func silentPauses() []time.Duration {
	return []time.Duration{0, 450 * time.Millisecond, 950 * time.Millisecond, 1950 * time.Millisecond}
}

// goroutine returns the number of the running goroutine, from the first line of its stack: "goroutine 42 [running]:".
func goroutine() string {
	var buf [40]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	number, _, _ := bytes.Cut(line, []byte(" "))
	return string(number)
}

// reader hands the library the file's bytes and watches it ask for them. The library fills one block by io.ReadFull, so
// a Read that gave less than was asked is followed by another for the same block.
type reader struct {
	*bytes.Reader
	t      *transfer
	midway bool // the last Read left its block unfilled
}

func newReader(t *transfer, data []byte) io.Reader {
	return &reader{Reader: bytes.NewReader(data), t: t}
}

// Seek implements io.Seeker; the library uses it to fill in the size that a client asked for.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	r.t.sized.Store(true)
	return r.Reader.Seek(offset, whence)
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	if r.t.halted() {
		return 0, errStopped
	}
	if !r.midway {
		r.t.blocks.Add(1)
	}
	n, err := r.Reader.Read(b)
	r.midway = n < len(b)
	return n, err
}
