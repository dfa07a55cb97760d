package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RejoinEvery is how often a Receiver leaves and joins by itself. A switch that snoops forgets a listener after 260 s
// without a report (RFC 3376 section 8.4), and where nobody queries nobody reports.
const RejoinEvery = 100 * time.Second

// DefaultBuffer is what a Receiver asks the kernel to keep for it, in bytes: 280 ms of a 1 Gb/s line.
const DefaultBuffer = 32 << 20

// ReceiverOptions says what to listen to.
type ReceiverOptions struct {
	Interface   string         // the group is joined here, and what comes in elsewhere is not taken
	Group       netip.AddrPort // of Groups
	Source      netip.AddrPort // when valid, only what comes from there is taken: Sender.Source of the other side
	Buffer      int            // bytes of the kernel's queue; 0 is DefaultBuffer. Without CAP_NET_ADMIN rmem_max is the limit
	NoGRO       bool           // take datagrams one by one: for measuring, and for cards that join them wrongly
	RejoinEvery time.Duration  // 0 is the constant of that name, less than 0 never
	Trouble     func(error)    // told when a re-join by itself did not work; may be nil, must not call Close
}

// Receiver is a socket that has joined a group. Read belongs to one goroutine; all else may be called from any.
type Receiver struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	index int
	group [4]byte
	gro   bool
	size  int

	reading *Batch             // of the Read that runs
	take    func(uintptr) bool // made once: a closure per call would be garbage

	oversize atomic.Uint64
	mu       sync.Mutex // guards the drops, and that leave and join stay together
	drops    uint64
	lastDrop uint32
	closed   chan struct{}
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
	r.take = r.recvmmsg
	r.conn, err = openUDP(o.Group, func(fd int) error { return r.prepare(fd, o) })
	if err != nil {
		return nil, fmt.Errorf("listening to %s on %s: %w", o.Group, o.Interface, err)
	}
	if r.raw, err = r.conn.SyscallConn(); err == nil {
		err = control(r.raw, func(fd int) error { return errors.Join(onlyFrom(fd, o.Source), r.join(fd)) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening to %s on %s: %w", o.Group, o.Interface, err), r.conn.Close())
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
	err := control(r.raw, func(fd int) error {
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
	err := control(r.raw, func(fd int) error {
		info, err := getMeminfo(fd)
		queued = int64(info[unix.SK_MEMINFO_RMEM_ALLOC])
		return err
	})
	return queued, err
}

// Read waits for datagrams and returns how many Batch.Packet holds. After Close it returns net.ErrClosed, after a
// deadline os.ErrDeadlineExceeded. It may return 0 without an error when all that came was refused.
func (r *Receiver) Read(b *Batch) (int, error) {
	b.reset()
	r.reading = b
	err := r.raw.Read(r.take)
	r.reading = nil
	if err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, fmt.Errorf("receiving: %w", b.errno)
	}
	r.oversize.Add(b.split())
	return len(b.packets), nil
}

// recvmmsg fills the batch; false when there is nothing yet.
func (r *Receiver) recvmmsg(fd uintptr) bool {
	b := r.reading
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(b.hdrs)),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.filled, b.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			if isRumour(errno) { // ICMP, which we cause no true one of: a receiver sends nothing
				continue
			}
			b.filled, b.errno = 0, errno
			return true
		}
	}
}

// SetReadDeadline lets a Read return at that time; the zero time takes it back.
func (r *Receiver) SetReadDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

// Rejoin leaves the group and joins it again, which makes the kernel report it unasked. Some milliseconds of the stream
// may be lost.
func (r *Receiver) Rejoin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return control(r.raw, func(fd int) error {
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
func (r *Receiver) Close() error {
	r.once.Do(func() { close(r.closed) })
	err := r.conn.Close()
	r.done.Wait()
	return err
}
