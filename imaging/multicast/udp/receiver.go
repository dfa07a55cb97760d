package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// RejoinEvery is how often a Receiver leaves and joins by itself. A switch that snoops forgets a listener after 260 s
// without a report (RFC 3376 section 8.4), and where nobody queries nobody reports.
const RejoinEvery = 100 * time.Second

// DefaultBuffer is what a Receiver asks the kernel to keep for it, in bytes: 280 ms of a 1 Gb/s line.
const DefaultBuffer = 32 << 20

// DefaultGather is how long a Receiver rests after it has read everything: 32 full datagrams at 100 Mb/s. To be woken for
// each costs more than all that is done with it.
const DefaultGather = 4 * time.Millisecond

// fastest is what a line is thought to fill of the kernel's queue in a second, at 1 Gb/s and with the kernel's records.
const fastest = 300 << 20

// ReceiverOptions says what to listen to.
type ReceiverOptions struct {
	Interface   string         // the group is joined here, and what comes in elsewhere is not taken
	Group       netip.AddrPort // of Groups
	Source      netip.AddrPort // when valid, only what comes from there is taken: Sender.Source of the other side
	Buffer      int            // bytes of the kernel's queue; 0 is DefaultBuffer. Without CAP_NET_ADMIN rmem_max is the limit
	NoGRO       bool           // take datagrams one by one: for measuring, and for cards that join them wrongly
	Gather      time.Duration  // rest after a read that left nothing; 0 is DefaultGather or what a quarter of the queue bears
	RejoinEvery time.Duration  // 0 is the constant of that name, less than 0 never
	Trouble     func(error)    // told when a re-join by itself did not work; may be nil, must not call Close
}

// Receiver is a socket that has joined a group. Read belongs to one goroutine; all else may be called from any.
//
// The runtime's poller does not know the socket: it would wake a thread for each datagram, also while nobody waits for one.
type Receiver struct {
	fd     int           // the socket
	alarm  *alarm        // ends what a Read waits for
	life   sync.RWMutex  // held by who closes them, read by who uses them
	closed chan struct{} // before that
	index  int
	group  [4]byte
	gro    bool
	size   int
	gather time.Duration

	emptied  time.Time    // when a read left nothing, zero when something may be left
	deadline atomic.Int64 // of Read, in Unix nanoseconds; 0: none
	known    int64        // the deadline that Read has seen
	polled   [2]unix.PollFd

	oversize atomic.Uint64
	mu       sync.Mutex // guards the drops, and that leave and join stay together
	drops    uint64
	lastDrop uint32
	once     sync.Once
	done     sync.WaitGroup
}

// Listen joins a group on an interface. Errors: *GroupError, *LinkError (reason LinkNone), and the kernel's.
func Listen(o ReceiverOptions) (*Receiver, error) {
	if err := checkGroup(o.Group); err != nil {
		return nil, err
	}
	ifi, err := interfaceByName(o.Interface)
	if err != nil {
		return nil, err
	}
	if o.Buffer <= 0 {
		o.Buffer = DefaultBuffer
	}
	r := &Receiver{index: ifi.Index, group: o.Group.Addr().As4(), closed: make(chan struct{})}
	if r.alarm, err = newAlarm(r.news); err != nil {
		return nil, fmt.Errorf("listening to %s on %s: %w", o.Group, o.Interface, err)
	}
	r.fd, err = openSocket(o.Group, func(fd int) error { return r.prepare(fd, o) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening to %s on %s: %w", o.Group, o.Interface, err), r.alarm.close())
	}
	if err := errors.Join(onlyFrom(r.fd, o.Source), r.join(r.fd)); err != nil {
		return nil, errors.Join(fmt.Errorf("listening to %s on %s: %w", o.Group, o.Interface, err), unix.Close(r.fd), r.alarm.close())
	}
	if r.gather = o.Gather; r.gather == 0 {
		r.gather = min(DefaultGather, time.Duration(r.size)*time.Second/(4*fastest))
	}
	if o.RejoinEvery == 0 {
		o.RejoinEvery = RejoinEvery
	}
	if o.RejoinEvery > 0 {
		r.done.Add(1)
		go r.keepJoined(o.RejoinEvery, o.Trouble)
	}
	return r, nil
}

// prepare sets what must be set before the socket is bound.
func (r *Receiver) prepare(fd int, o ReceiverOptions) error {
	err := setOptions(fd, []option{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR"},
		// Without this a socket gets what any program on this host has joined, on any interface
		{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"},
	})
	if err != nil {
		return err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Buffer); err != nil {
			return fmt.Errorf("setting the receive buffer to %d bytes: %w", o.Buffer, err)
		}
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return fmt.Errorf("reading the size of the receive buffer: %w", err)
	}
	r.size = got / 2 // the kernel doubles it for its own records: socket(7)
	r.gro = !o.NoGRO && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	return nil
}

// onlyFrom has the kernel pass over datagrams of other senders. It costs a forger's victim next to nothing, is not
// counted as a drop, and unlike a source-specific join asks nothing of switches. It proves nothing: addresses can be
// forged too.
func onlyFrom(fd int, source netip.AddrPort) error {
	if !source.IsValid() {
		return nil
	}
	if !source.Addr().Is4() {
		return fmt.Errorf("the sender's address %s is not IPv4", source)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(source.Port()), Addr: source.Addr().As4()}); err != nil {
		return fmt.Errorf("choosing the sender %s: %w", source, err)
	}
	return nil
}

// Buffer returns the size of the kernel's queue in bytes, which may be less than was asked for.
func (r *Receiver) Buffer() int { return r.size }

// GRO tells whether the kernel may hand over several datagrams as one.
func (r *Receiver) GRO() bool { return r.gro }

// Oversize counts datagrams that were longer than MaxPayload and were not handed out.
func (r *Receiver) Oversize() uint64 { return r.oversize.Load() }

// Drops counts what reached this host and was thrown away because nobody read it in time: loss that a slower network
// would not cure. The kernel counts buffers; with GRO one may hold several datagrams. Read it at least once per four
// billion.
func (r *Receiver) Drops() (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.use(func(fd int) error {
		info, err := getMeminfo(fd)
		if err != nil {
			return err
		}
		now := info[unix.SK_MEMINFO_DROPS]
		r.drops += uint64(now - r.lastDrop)
		r.lastDrop = now
		return nil
	})
	return r.drops, err
}

// Queued returns the memory of the datagrams that have come and were not read yet, in bytes as the kernel counts them:
// with its own records.
func (r *Receiver) Queued() (int64, error) {
	var queued int64
	err := r.use(func(fd int) error {
		info, err := getMeminfo(fd)
		queued = int64(info[unix.SK_MEMINFO_RMEM_ALLOC])
		return err
	})
	return queued, err
}

// use runs f on the socket; net.ErrClosed after Close.
func (r *Receiver) use(f func(fd int) error) error {
	r.life.RLock()
	defer r.life.RUnlock()
	if r.isClosed() {
		return net.ErrClosed
	}
	return f(r.fd)
}

// isClosed tells whether Close was called.
func (r *Receiver) isClosed() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

// Read waits for datagrams and returns how many Batch.Packet holds. After a Read that took all there was, it rests before
// it looks again. After Close it returns net.ErrClosed, after a deadline os.ErrDeadlineExceeded. It may return 0 without an
// error when all that came was refused.
func (r *Receiver) Read(b *Batch) (int, error) {
	r.life.RLock()
	defer r.life.RUnlock()
	b.reset()
	for {
		left, err := r.left()
		if err != nil {
			return 0, err
		}
		if rest := r.rest(left); rest > 0 {
			if err := r.alarm.sleep(rest); err != nil {
				return 0, fmt.Errorf("resting between two reads: %w", err)
			}
			continue
		}
		b.receive(r.fd)
		switch {
		case b.errno == unix.EAGAIN:
			r.emptied = time.Time{}
			r.await(left)
			continue
		case b.errno != 0:
			return 0, fmt.Errorf("receiving: %w", b.errno)
		}
		r.emptied = time.Time{}
		if b.filled < len(b.hdrs) {
			r.emptied = time.Now()
		}
		r.oversize.Add(b.split())
		return len(b.packets), nil
	}
}

// rest returns how long a Read, which has left time, shall wait before it looks whether anything has come.
func (r *Receiver) rest(left time.Duration) time.Duration {
	if r.emptied.IsZero() {
		return 0
	}
	rest := r.gather - time.Since(r.emptied)
	if left >= 0 {
		rest = min(rest, left)
	}
	return rest
}

// news tells whether a Read must look again how long it may wait.
func (r *Receiver) news() bool { return r.isClosed() || r.deadline.Load() != r.known }

// left returns how long a Read may wait, less than 0 for ever, or why it must end.
func (r *Receiver) left() (time.Duration, error) {
	if r.isClosed() {
		return 0, net.ErrClosed
	}
	at := r.deadline.Load()
	r.known = at
	if at == 0 {
		return -1, nil
	}
	left := time.Until(time.Unix(0, at))
	if left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return left, nil
}

// await returns when a datagram has come, after a time that is not negative, or soon after the alarm was rung. The thread
// sleeps in the kernel.
func (r *Receiver) await(left time.Duration) {
	if r.alarm.set(left); r.news() {
		return
	}
	r.polled = [2]unix.PollFd{{Fd: int32(r.alarm.fd), Events: unix.POLLIN}, {Fd: int32(r.fd), Events: unix.POLLIN}}
	_, _ = unix.Ppoll(r.polled[:], nil, nil) // a signal ends it early; who waits looks again
}

// SetReadDeadline lets a Read return at that time; the zero time takes it back.
func (r *Receiver) SetReadDeadline(t time.Time) error {
	return r.use(func(int) error {
		at := int64(0)
		if !t.IsZero() {
			at = max(1, t.UnixNano())
		}
		r.deadline.Store(at)
		r.alarm.ring()
		return nil
	})
}

// Rejoin leaves the group and joins it again, which makes the kernel report it unasked. Some milliseconds of the stream
// may be lost.
func (r *Receiver) Rejoin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.use(func(fd int) error {
		// Not joined is what we want to end: after the interface came back, say
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_DROP_MEMBERSHIP, r.mreq()); err != nil &&
			!errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("leaving the group: %w", err)
		}
		return r.join(fd)
	})
}

func (r *Receiver) join(fd int) error {
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, r.mreq()); err != nil {
		return fmt.Errorf("joining the group: %w", err)
	}
	return nil
}

func (r *Receiver) mreq() *unix.IPMreqn {
	return &unix.IPMreqn{Multiaddr: r.group, Ifindex: int32(r.index)}
}

// keepJoined re-joins until the receiver is closed.
func (r *Receiver) keepJoined(every time.Duration, trouble func(error)) {
	defer r.done.Done()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-r.closed:
			return
		case <-tick.C:
			if err := r.Rejoin(); err != nil && trouble != nil && !errors.Is(err, net.ErrClosed) {
				trouble(err)
			}
		}
	}
}

// Close leaves the group and ends a Read that waits.
func (r *Receiver) Close() (err error) {
	r.once.Do(func() {
		close(r.closed)
		r.alarm.ring()
		r.life.Lock()
		defer r.life.Unlock()
		err = errors.Join(unix.Close(r.fd), r.alarm.close())
	})
	r.done.Wait()
	return err
}
