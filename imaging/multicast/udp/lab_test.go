package udp_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

// The tests of this package that need a network make one: a switch that snoops and some hosts, each in a network
// namespace of its own.
//
//	srv 10.9.0.2 --\
//	a   10.9.0.11 --+-- switch (bridge with multicast_snooping)
//	b   10.9.0.12 --/
type lab struct {
	t    testing.TB
	name string
}

// labs counts the labs of this process, so that each has its own names.
var labs atomic.Int32

func newLab(t testing.TB, hosts ...string) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces and raw sockets")
	}
	l := &lab{t: t, name: fmt.Sprintf("udp%d-%d", os.Getpid(), labs.Add(1))}
	l.space("sw")
	l.in("sw", "ip link add br0 type bridge mcast_snooping 1")
	l.in("sw", "ip link set br0 up")
	for i, host := range hosts {
		l.space(host)
		l.in("sw", "ip link add p"+host+" type veth peer name eth0 netns "+l.name+host)
		l.in("sw", "ip link set p"+host+" master br0 up")
		l.in(host, "ip link set eth0 up")
		address := fmt.Sprintf("10.9.0.%d/24", 10+i)
		if host == "srv" {
			address = "10.9.0.2/24"
		}
		l.in(host, "ip addr add "+address+" brd + dev eth0")
	}
	// A port forwards only once the kernel has noticed its carrier, which it does when it has time
	for strings.Count(l.in("sw", "bridge link show"), "state forwarding") < len(hosts) {
		time.Sleep(20 * time.Millisecond)
	}
	for _, host := range hosts {
		l.carrier(host, "eth0")
	}
	return l
}

// carrier waits until the kernel has noticed the carrier of an interface; before that it sends nothing.
func (l *lab) carrier(host, name string) {
	l.t.Helper()
	for !strings.Contains(l.in(host, "ip link show dev "+name), "state UP") {
		time.Sleep(20 * time.Millisecond)
	}
}

// space makes a namespace for the time of the test.
func (l *lab) space(host string) {
	l.t.Helper()
	l.run("ip", "netns", "add", l.name+host)
	l.t.Cleanup(func() { l.run("ip", "netns", "del", l.name+host) })
	l.in(host, "ip link set lo up")
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// in runs a program on a host.
func (l *lab) in(host, command string) string {
	l.t.Helper()
	return l.run("ip", append([]string{"netns", "exec", l.name + host}, strings.Fields(command)...)...)
}

// on runs f with the network of a host: sockets that it opens belong to it and stay so.
func (l *lab) on(host string, f func() error) {
	l.t.Helper()
	if err := l.try(host, f); err != nil {
		l.t.Fatalf("on %s: %v", host, err)
	}
}

// try is on for goroutines that may not end the test.
func (l *lab) try(host string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread stays locked and ends with this goroutine, so that nobody else wakes up in that namespace
		runtime.LockOSThread()
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

// listen opens a receiver on a host for the time of the test.
func (l *lab) listen(host string, o udp.ReceiverOptions) *udp.Receiver {
	l.t.Helper()
	if o.Interface == "" {
		o.Interface = "eth0"
	}
	var r *udp.Receiver
	l.on(host, func() (err error) {
		r, err = udp.Listen(o)
		return err
	})
	l.t.Cleanup(func() { _ = r.Close() })
	return r
}

// dial opens a sender on a host for the time of the test.
func (l *lab) dial(host string, o udp.SenderOptions) *udp.Sender {
	l.t.Helper()
	if o.Interface == "" {
		o.Interface = "eth0"
	}
	var s *udp.Sender
	l.on(host, func() (err error) {
		s, err = udp.Dial(o)
		return err
	})
	l.t.Cleanup(func() { _ = s.Close() })
	return s
}

// sniff returns the IPv4 packets that come in on a host and that want says yes to. It closes the channel when the test
// ends or after a minute.
func (l *lab) sniff(host string, want func(ip []byte) bool) <-chan []byte {
	l.t.Helper()
	var c *packet.Conn
	l.on(host, func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err == nil {
			c, err = packet.Listen(ifi, packet.Datagram, unix.ETH_P_IP, nil)
		}
		return err
	})
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		l.t.Fatal(err)
	}
	found := make(chan []byte, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(found)
		buf := make([]byte, 65536)
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 20 && want(buf[:n]) {
				found <- append([]byte(nil), buf[:n]...)
			}
		}
	}()
	l.t.Cleanup(func() {
		_ = c.Close()
		<-ended
	})
	return found
}

// next takes a packet out of sniff's channel.
func next(t testing.TB, c <-chan []byte, what string) []byte {
	t.Helper()
	p, ok := <-c
	if !ok {
		t.Fatalf("no %s in a minute", what)
	}
	return p
}
