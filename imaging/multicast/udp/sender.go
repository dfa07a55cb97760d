package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mode is how datagrams are handed to the kernel. A sender starts with the best that it may use and steps down by
// itself, for good, when the kernel or the card refuses.
type Mode int32

// The modes, best first.
const (
	ModeGSO      Mode = iota // a burst is one packet until it reaches the card: UDP_SEGMENT
	ModeBatch                // a burst is one system call: sendmmsg
	ModeOneByOne             // a datagram is one system call
)

// String implements fmt.Stringer.
func (m Mode) String() string {
	switch m {
	case ModeGSO:
		return "GSO"
	case ModeBatch:
		return "sendmmsg"
	}
	return "sendto"
}

// What a Sender puts up with before it gives up.
const (
	patience   = 2 * time.Second        // a card that takes nothing
	glance     = 50 * time.Millisecond  // between two looks at whether it was closed, while it waits for the card
	firstPause = 500 * time.Microsecond // after the queue before the card was full; doubled
	longPause  = 250 * time.Millisecond // all such pauses of one burst together
	maxRumours = 64                     // errors in a row that may be somebody's ICMP
)

// dscpBulk is CS1, "lower effort" (RFC 2474, RFC 3662), in the place of the TOS octet.
const dscpBulk = 8 << 2

// SenderOptions says where to send to.
type SenderOptions struct {
	Interface string         // datagrams leave here
	Source    netip.Addr     // the sender's address; zero is the interface's first IPv4 address
	Group     netip.AddrPort // of Groups
	TTL       int            // 0 is 1: not beyond the first router. More where routers forward multicast
	Burst     int            // datagrams that leave at once; 0 or more than Burst is Burst
	Mode      Mode           // the best mode to use; ModeGSO is not used on kernels that are known to spoil it
}

// SenderStats is what a sender has done.
type SenderStats struct {
	Packets, Bytes uint64 // datagrams that the kernel took, and their payload
	Calls          uint64 // system calls that it took them in
	Waits          uint64 // times that the socket's buffer was full
	Full           uint64 // times that the queue before the card was full
	Rumours        uint64 // ICMP errors that were reported to the socket, true or forged
	Mode           Mode   // in use now
}

// Sender sends datagrams to one group. Send belongs to one goroutine; all else may be called from any.
type Sender struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	burst  int
	source netip.AddrPort

	name unix.RawSockaddrInet4
	hdrs [Burst]mmsghdr
	iovs [Burst]unix.Iovec
	oob  []byte // one control message UDP_SEGMENT

	// Arguments and results of the call that runs, so that its closure is made once
	packets   [][]byte
	using     Mode // StepDown may change the mode meanwhile
	sent      int
	errno     syscall.Errno
	try, wait func(uintptr)

	mode                                         atomic.Int32
	nPackets, nBytes, nCalls, nWaits, nFull, nRu atomic.Uint64
}

// Dial makes a sender. Datagrams are never fragmented. Errors: *GroupError, *LinkError, and the kernel's.
func Dial(o SenderOptions) (*Sender, error) {
	if err := checkGroup(o.Group); err != nil {
		return nil, err
	}
	ifi, err := interfaceByName(o.Interface)
	if err != nil {
		return nil, err
	}
	if !o.Source.IsValid() {
		if o.Source, err = firstAddress(ifi); err != nil {
			return nil, err
		}
	}
	if o.TTL <= 0 || o.TTL > 255 {
		o.TTL = 1
	}
	if o.Burst <= 0 || o.Burst > Burst {
		o.Burst = Burst
	}
	s := &Sender{burst: o.Burst, oob: make([]byte, unix.CmsgSpace(2))}
	if o.Mode <= ModeGSO && spoilsGSO(kernelRelease()) {
		o.Mode = ModeBatch
	}
	s.mode.Store(int32(min(max(o.Mode, ModeGSO), ModeOneByOne)))
	s.wait = await
	s.try = func(fd uintptr) {
		if !s.submit(fd) {
			s.errno = unix.EAGAIN
		}
	}
	s.name = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: o.Group.Addr().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.name.Port))[:], o.Group.Port())
	putCmsgHeader(s.oob, unix.CmsgLen(2), unix.IPPROTO_UDP, unix.UDP_SEGMENT)

	s.conn, err = openUDP(netip.AddrPortFrom(o.Source, 0), func(fd int) error { return prepareSender(fd, o, ifi.Index) })
	if err == nil {
		s.raw, err = s.conn.SyscallConn()
	}
	if err != nil {
		return nil, fmt.Errorf("a sender to %s on %s: %w", o.Group, o.Interface, err)
	}
	if a, ok := s.conn.LocalAddr().(*net.UDPAddr); ok {
		s.source = a.AddrPort()
	}
	return s, nil
}

// prepareSender sets what must be set before the socket is bound. The socket is not connected: anybody could then make
// sends fail with a forged ICMP error.
func prepareSender(fd int, o SenderOptions, index int) error {
	mreq := &unix.IPMreqn{Ifindex: int32(index), Address: o.Source.As4()}
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, mreq); err != nil {
		return fmt.Errorf("setting IP_MULTICAST_IF: %w", err)
	}
	return setOptions(fd, []option{
		{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, o.TTL, "IP_MULTICAST_TTL"},
		{unix.IPPROTO_IP, unix.IP_TOS, dscpBulk, "IP_TOS"},
		// Do not fragment, and do not believe ICMP about a smaller path: anybody can forge it
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER"},
		// Without this a full queue before the card throws away in silence
		{unix.IPPROTO_IP, unix.IP_RECVERR, 1, "IP_RECVERR"},
		// Nobody has a reason to send us anything here
		{unix.SOL_SOCKET, unix.SO_RCVBUF, 0, "SO_RCVBUF"},
	})
}

// Source returns the address and port that receivers see.
func (s *Sender) Source() netip.AddrPort { return s.source }

// Stats returns what has been sent so far.
func (s *Sender) Stats() SenderStats {
	return SenderStats{
		Packets: s.nPackets.Load(), Bytes: s.nBytes.Load(), Calls: s.nCalls.Load(), Waits: s.nWaits.Load(),
		Full: s.nFull.Load(), Rumours: s.nRu.Load(), Mode: Mode(s.mode.Load()),
	}
}

// StepDown makes the sender use at best that mode from now on. A card or a hypervisor may say yes to GSO and send
// rubbish, which nobody on this host can see: when all receivers at once lose most of a stream, try this first.
func (s *Sender) StepDown(to Mode) {
	for {
		now := s.mode.Load()
		if int32(to) <= now || to > ModeOneByOne || s.mode.CompareAndSwap(now, int32(to)) {
			return
		}
	}
}

// SizeError says that a datagram is longer than MaxPayload.
type SizeError struct {
	Size int
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("a datagram of %d bytes, more than %d", e.Size, MaxPayload)
}

// Send sends datagrams in order. It returns when the kernel has taken all, or with the error that stopped it: the card
// took nothing for 2 s, the queue before it stayed full for 250 ms (ENOBUFS), the interface is down (ENETDOWN,
// ENETUNREACH), a packet filter refuses (EPERM), the MTU is too small (EMSGSIZE), a *SizeError. Stats tells how many
// got through.
func (s *Sender) Send(packets [][]byte) error {
	for _, p := range packets {
		if len(p) > MaxPayload {
			return &SizeError{Size: len(p)}
		}
	}
	for len(packets) > 0 {
		n, err := s.push(packets)
		if err != nil {
			return err
		}
		packets = packets[n:]
	}
	return nil
}

// push has the kernel take some datagrams and returns how many.
func (s *Sender) push(packets [][]byte) (int, error) {
	var paused time.Duration
	for rumours := 0; ; {
		mode := Mode(s.mode.Load())
		s.using, s.packets = mode, packets[:run(packets, s.burst, mode)]
		if err := s.call(); err != nil {
			return 0, err
		}
		switch errno := s.errno; {
		case errno == 0:
			for _, p := range packets[:s.sent] {
				s.nBytes.Add(uint64(len(p)))
			}
			s.nPackets.Add(uint64(s.sent))
			s.nCalls.Add(1)
			return s.sent, nil
		case errno == unix.ENOBUFS || errno == unix.ENOMEM:
			s.nFull.Add(1)
			if paused >= longPause {
				return 0, fmt.Errorf("sending: the queue before the network card stays full: %w", errno)
			}
			pause := max(paused, firstPause)
			time.Sleep(pause)
			paused += pause
		case isRumour(errno) && rumours < maxRumours:
			// ICMP about a datagram sent before, or a forgery: the kernel tells it to the next call, once. What lasts is
			// the kernel's own refusal
			rumours++
			s.nRu.Add(1)
		case mode < ModeOneByOne && refusesMode(errno):
			s.StepDown(mode + 1)
		default:
			return 0, fmt.Errorf("sending: %w", errno)
		}
	}
}

// run returns how many of the first datagrams one call may take: with GSO all must be of one size, and the last may be
// shorter.
func run(packets [][]byte, burst int, mode Mode) int {
	n := min(len(packets), burst)
	switch mode {
	case ModeOneByOne:
		return 1
	case ModeBatch:
		return n
	}
	size := len(packets[0])
	for i := 1; i < n; i++ {
		switch {
		case len(packets[i]) == 0 || len(packets[i]) > size:
			return i
		case len(packets[i]) < size:
			return i + 1
		}
	}
	return n
}

// refusesMode tells whether an error may come of UDP_SEGMENT or sendmmsg and not of the network.
func refusesMode(e syscall.Errno) bool {
	return e == unix.EIO || e == unix.EINVAL || e == unix.ENOPROTOOPT || e == unix.EOPNOTSUPP || e == unix.ENOSYS
}

// isRumour tells whether an error may come of an ICMP message: destination unreachable, time exceeded, parameter problem.
func isRumour(e syscall.Errno) bool {
	switch e {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENOPROTOOPT, unix.ECONNREFUSED, unix.EMSGSIZE, unix.EOPNOTSUPP,
		unix.EHOSTDOWN, unix.ENONET, unix.EPROTO:
		return true
	}
	return false
}

// call makes one system call with s.packets and waits while the socket's buffer is full; the result is in s.
func (s *Sender) call() error {
	if err := s.raw.Control(s.try); err != nil || s.errno != unix.EAGAIN {
		return err
	}
	s.nWaits.Add(1)
	for since := time.Now(); time.Since(since) < patience; {
		if err := s.raw.Control(s.wait); err != nil {
			return err
		}
		if err := s.raw.Control(s.try); err != nil || s.errno != unix.EAGAIN {
			return err
		}
	}
	return fmt.Errorf("sending: the network card has taken nothing for %v: %w", patience, os.ErrDeadlineExceeded)
}

// await waits for room in the socket's buffer, for a while. The thread itself waits: by way of the runtime's poller and
// another thread it took the card a tenth of a 1 Gb/s line, in which it had nothing to send, and a quarter more processor.
func await(fd uintptr) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, int(glance.Milliseconds()))
	if err == nil && n > 0 && fds[0].Revents&unix.POLLOUT == 0 { // an ICMP error that nobody fetches says so all the time
		time.Sleep(firstPause)
	}
}

// submit is the system call; false when the socket's buffer is full.
func (s *Sender) submit(fd uintptr) bool {
	var n uintptr
	for {
		if s.using == ModeBatch {
			n, _, s.errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(s.messages()), uintptr(len(s.packets)), unix.MSG_DONTWAIT, 0, 0)
		} else {
			_, _, s.errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(s.message()), unix.MSG_DONTWAIT)
			n = uintptr(len(s.packets))
		}
		switch s.errno {
		case 0:
			s.sent = int(n)
			return true
		case unix.EINTR:
		default:
			return s.errno != unix.EAGAIN
		}
	}
}

// message gathers all datagrams into one message, which the kernel or the card cuts where they end.
func (s *Sender) message() unsafe.Pointer {
	h := &s.hdrs[0].hdr
	for i, p := range s.packets {
		s.point(i, p)
	}
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.name)), unix.SizeofSockaddrInet4
	h.Iov = &s.iovs[0]
	h.SetIovlen(len(s.packets))
	h.Control = nil
	h.SetControllen(0)
	if len(s.packets) > 1 {
		binary.NativeEndian.PutUint16(s.oob[unix.CmsgLen(0):], uint16(len(s.packets[0])))
		h.Control = &s.oob[0]
		h.SetControllen(len(s.oob))
	}
	return unsafe.Pointer(h)
}

// messages makes each datagram a message.
func (s *Sender) messages() unsafe.Pointer {
	for i, p := range s.packets {
		s.point(i, p)
		h := &s.hdrs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.name)), unix.SizeofSockaddrInet4
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
		h.Control = nil
		h.SetControllen(0)
	}
	return unsafe.Pointer(&s.hdrs[0])
}

// point lets a vector name the bytes of a datagram.
func (s *Sender) point(i int, p []byte) {
	s.iovs[i].Base = nil
	if len(p) > 0 {
		s.iovs[i].Base = &p[0]
	}
	s.iovs[i].SetLen(len(p))
}

// Close ends a Send that waits, with net.ErrClosed.
func (s *Sender) Close() error { return s.conn.Close() }
