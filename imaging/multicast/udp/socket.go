package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// GroupError says that an address cannot be the group of a session.
type GroupError struct {
	Group netip.AddrPort
}

// Error implements error.
func (e *GroupError) Error() string {
	return fmt.Sprintf("%s is not an IPv4 multicast group with a port", e.Group)
}

// checkGroup returns a *GroupError for what is not an IPv4 group with a port.
func checkGroup(g netip.AddrPort) error {
	if !g.Addr().Is4() || !g.Addr().IsMulticast() || g.Port() == 0 {
		return &GroupError{Group: g}
	}
	return nil
}

// openUDP makes a bound UDP socket that the runtime's poller knows; set is called before it is bound.
func openUDP(bind netip.AddrPort, set func(fd int) error) (*net.UDPConn, error) {
	fd, err := openSocket(bind, set)
	if err != nil {
		return nil, err
	}
	return wrap(fd)
}

// openSocket makes a bound, non-blocking UDP socket; set is called before it is bound.
func openSocket(bind netip.AddrPort, set func(fd int) error) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("opening a UDP socket: %w", err)
	}
	if err := set(fd); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(bind.Port()), Addr: bind.Addr().As4()}); err != nil {
		return -1, errors.Join(fmt.Errorf("binding %s: %w", bind, err), unix.Close(fd))
	}
	return fd, nil
}

// wrap hands a socket to the runtime's poller.
func wrap(fd int) (*net.UDPConn, error) {
	file := os.NewFile(uintptr(fd), "udp")
	c, err := net.FilePacketConn(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a UDP socket for the runtime: %w", err), file.Close())
	}
	if err := file.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the copy of a UDP socket: %w", err), c.Close())
	}
	u, ok := c.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a UDP socket became a %T", c), c.Close())
	}
	return u, nil
}

// control runs f on the socket of a connection and returns the first error of the two.
func control(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// option is one setsockopt(2) of an integer, with the words for its failure.
type option struct {
	level, name, value int
	what               string
}

// setOptions sets them in order.
func setOptions(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("setting %s: %w", o.what, err)
		}
	}
	return nil
}

// getMeminfo reads SO_MEMINFO: the counters that SK_MEMINFO_* of linux/sock_diag.h number.
func getMeminfo(fd int) ([9]uint32, error) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return info, fmt.Errorf("reading the counters of a socket: %w", errno)
	}
	return info, nil
}
