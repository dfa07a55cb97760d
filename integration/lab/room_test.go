package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/integration/lab"
)

// blast sends n datagrams of 1,000 bytes from the server of a room.
func blast(t *testing.T, r *lab.Room, address string, n int) {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	var conn net.PacketConn
	err = lab.Inside(r.Server(), func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if conn, err = net.ListenPacket("udp4", lab.RoomAddress+":0"); err != nil {
			return err
		}
		return ipv4.NewPacketConn(conn).SetMulticastInterface(eth0) // there is no route for groups
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range n {
		_, _ = conn.WriteTo(make([]byte, 1000), to) // a refusal answers an earlier one: nobody listens there
	}
}

// arrive counts what reaches a PC while work runs, and for as long afterwards as more comes.
func arrive(t *testing.T, r *lab.Room, work func()) int {
	t.Helper()
	var count atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	done, err := r.Watch(ctx, "pc0", 1000, func(lab.Datagram) bool { count.Add(1); return true })
	if err != nil {
		t.Fatal(err)
	}
	work()
	for last := int64(-1); last != count.Load(); time.Sleep(500 * time.Millisecond) {
		last = count.Load()
	}
	stop()
	<-done
	return int(count.Load())
}

// A room must drop, queue and slow down as it is told, else what is measured in it says nothing.
func TestRoomIsABadNetworkWhenTold(t *testing.T) {
	needRoot(t)
	r, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: 2, Server: lab.Cable{Mbit: 1000, Queue: 1 << 20},
		PC: lab.Cable{Mbit: 100, Queue: 256 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = r.Close() // the test has failed already
		}
	})
	const group = "239.1.2.3:4000"
	if n := arrive(t, r, func() { blast(t, r, lab.PCAddress(0)+":4000", 1) }); n != 1 {
		t.Errorf("the first packet did not arrive") // the others need not wait for ARP
	}
	// 200 packets fit into the queue, 2,000 at once do not
	if n := arrive(t, r, func() { blast(t, r, lab.PCAddress(0)+":4000", 200) }); n != 200 {
		t.Errorf("%d of 200 packets reached a PC with a good cable", n)
	}
	if err := r.ShapePC(t.Context(), 0, lab.Cable{Mbit: 1, Queue: 10_000}); err != nil {
		t.Fatal(err)
	}
	if n := arrive(t, r, func() { blast(t, r, lab.PCAddress(0)+":4000", 2000) }); n < 8 || n > 1000 {
		t.Errorf("%d of 2,000 packets passed a port of 1 Mb/s that queues ten", n)
	}
	if err := r.ShapePC(t.Context(), 0, lab.Cable{}); err != nil {
		t.Fatal(err)
	}
	if err := r.LosePC(t.Context(), 0, 1000); err != nil {
		t.Fatal(err)
	}
	blast(t, r, lab.PCAddress(0)+":4000", 5000)
	time.Sleep(time.Second)
	came, lost, err := r.Lost(t.Context(), 0)
	if err != nil || came < 4000 || lost < came*7/100 || lost > came*13/100 {
		t.Errorf("%d of %d packets lost, %v; 10 %% were ordered", lost, came, err)
	}
	if err := r.LosePC(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if n := arrive(t, r, func() { blast(t, r, group, 100) }); n != 100 {
		t.Errorf("%d of 100 multicast packets arrived", n)
	}
	if err := r.EatMulticast(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if n := arrive(t, r, func() { blast(t, r, group, 100) }); n != 0 {
		t.Errorf("%d multicast packets passed a switch that eats them", n)
	}
	closed = true
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, left := range []string{r.Dir, r.Disk, "/run/netns/" + r.Switch(), "/run/netns/" + r.PC(1)} {
		if exists(left) {
			t.Errorf("%s is left", left)
		}
	}
}

// What a switch holds for a slow port must not make the server wait: it has left the server's card.
func TestNoPortOfARoomHoldsTheServerUp(t *testing.T) {
	needRoot(t)
	r, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: 1, Server: lab.Cable{Mbit: 100_000, Queue: 16 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if n := arrive(t, r, func() { blast(t, r, lab.PCAddress(0)+":4000", 1) }); n != 1 {
		t.Fatal("the first packet did not arrive") // the others need not wait for ARP
	}
	if err := r.ShapePC(t.Context(), 0, lab.Cable{Mbit: 1, Queue: 16 << 20}); err != nil { // 3,000 packets take it half a minute
		t.Fatal(err)
	}
	refused := 0
	err = lab.Inside(r.Server(), func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Port: 4000, Addr: [4]byte(net.ParseIP(lab.PCAddress(0)).To4())}
		for range 3000 {
			if err := unix.Sendto(fd, make([]byte, 1000), 0, to); errors.Is(err, unix.EAGAIN) {
				refused++
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || refused > 0 {
		t.Errorf("the server's socket was full %d times in 3,000, %v", refused, err)
	}
}

func TestCounterSeesWhatTheServerSends(t *testing.T) {
	needRoot(t)
	r, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := r.CountServer()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var frames atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done, err := r.WatchServer(ctx, 1000, func(lab.Datagram) bool { return frames.Add(1) < 1000 })
	if err != nil {
		t.Fatal(err)
	}
	blast(t, r, "239.1.2.3:4000", 1000)
	<-done
	if n := frames.Load(); n != 1000 {
		t.Errorf("%d of 1,000 frames were seen", n)
	}
	after, err := c.Bytes()
	if sent := after - before; err != nil || sent < 1042*1000 || sent > 1042*1000+10_000 {
		t.Errorf("the counter says %d bytes for 1,000 frames of 1,042, %v", sent, err)
	}
}

func TestFloodLooksLikeTheServer(t *testing.T) {
	needRoot(t)
	r, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	rogue, err := r.Plug(t.Context(), "rogue", "10.78.250.1", lab.Cable{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var right atomic.Int64
	done, err := r.Watch(ctx, "pc0", 1000, func(d lab.Datagram) bool { // the filter wants the server's address
		if d.To.String() == "239.1.2.3:4000" && d.From.Port == 77 && len(d.Payload) == 1200 && d.Payload[1199] == 7 {
			right.Add(1)
		}
		return right.Load() < 1000
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		select {
		case <-done:
		case <-time.After(time.Minute):
		}
		stop()
	}()
	sent, _, err := lab.Flood(ctx, rogue, &net.UDPAddr{IP: net.ParseIP(lab.RoomAddress), Port: 77},
		&net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 4000}, 20_000, func(payload []byte) int {
			payload[1199] = 7
			return 1200
		})
	if err != nil || right.Load() < 1000 {
		t.Errorf("%d of %d forged packets arrived as they should, %v", right.Load(), sent, err)
	}
}

// What a server spends can be figured only where nothing else is charged to it: not the switch, not the PCs.
func TestAServerThatIsApartHasItsOwnProcessor(t *testing.T) {
	needRoot(t)
	last := runtime.NumCPU() - 1
	if last == 0 || last >= 32 {
		t.Skipf("%d processors cannot be shared out", last+1)
	}
	r, err := lab.OpenRoom(t.Context(), lab.RoomOptions{PCs: 1, Apart: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	ask := func(space, question string) string {
		var out, complaints bytes.Buffer
		p, err := r.Run(space, &out, &complaints, "sh", "-c", question)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		return strings.TrimSpace(out.String() + complaints.String())
	}
	const allowed = "nproc; nice"
	if said, want := ask(r.Server(), allowed), fmt.Sprintf("%d\n-15", last); said != want {
		t.Errorf("the server's processors and niceness are %q, want %q", said, want)
	}
	if said, want := ask(r.PC(0), allowed), fmt.Sprintf("%d\n0", last+1); said != want {
		t.Errorf("a PC's processors and niceness are %q, want %q", said, want)
	}
	mask, err := strconv.ParseUint(ask(r.Switch(), "cat /sys/class/net/p-srv/queues/rx-0/rps_cpus"), 16, 64)
	if err != nil || mask != 1<<last {
		t.Errorf("the switch works on the processors %b, %v; want the last one of %d", mask, err, last+1)
	}
	if n := arrive(t, r, func() { blast(t, r, lab.PCAddress(0)+":4000", 1) }); n != 1 {
		t.Error("the first packet did not arrive")
	}
}
