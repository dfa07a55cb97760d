package udp_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

// On the loopback interface what is sent is received in order, whatever the mode, and without rights.
func TestLoopback(t *testing.T) {
	group := udp.Groups(uint32(os.Getpid()))[udp.GroupFast]
	for _, mode := range []udp.Mode{udp.ModeGSO, udp.ModeBatch, udp.ModeOneByOne} {
		for _, noGRO := range []bool{false, true} {
			r, err := udp.Listen(udp.ReceiverOptions{Interface: "lo", Group: group, NoGRO: noGRO})
			if err != nil {
				t.Fatal(err)
			}
			s, err := udp.Dial(udp.SenderOptions{Interface: "lo", Group: group, Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			want := datagrams(100)
			if err := s.Send(want); err != nil {
				t.Fatal(err)
			}
			expect(t, r, want)
			if st := s.Stats(); st.Packets != 100 || st.Mode != mode {
				t.Errorf("%v: %+v", mode, st)
			}
			if err := errors.Join(s.Close(), r.Close()); err != nil {
				t.Error(err)
			}
			if _, err := r.Read(r.NewBatch()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

// Who steps down while a burst is on its way changes nothing in it.
func TestStepDownWhileSending(t *testing.T) {
	group := udp.Groups(uint32(os.Getpid()))[udp.GroupSlow]
	r, err := udp.Listen(udp.ReceiverOptions{Interface: "lo", Group: group})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		s, err := udp.Dial(udp.SenderOptions{Interface: "lo", Group: group})
		if err != nil {
			t.Fatal(err)
		}
		want := datagrams(40)
		sent := make(chan error, 1)
		go func() { sent <- s.Send(want) }()
		s.StepDown(udp.ModeBatch)
		s.StepDown(udp.ModeOneByOne)
		if err := errors.Join(<-sent, s.Close()); err != nil {
			t.Fatal(err)
		}
		expect(t, r, want)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestNothingIsAllocatedPerDatagram(t *testing.T) {
	group := udp.Groups(uint32(os.Getpid()))[udp.GroupThird]
	for _, mode := range []udp.Mode{udp.ModeGSO, udp.ModeBatch, udp.ModeOneByOne} {
		r, err := udp.Listen(udp.ReceiverOptions{Interface: "lo", Group: group})
		if err != nil {
			t.Fatal(err)
		}
		s, err := udp.Dial(udp.SenderOptions{Interface: "lo", Group: group, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		const count = 64
		packets, b := make([][]byte, count), r.NewBatch()
		for i := range packets {
			packets[i] = make([]byte, udp.MaxPayload)
		}
		allocated := testing.AllocsPerRun(50, func() {
			if err := s.Send(packets); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < count; {
				n, err := r.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		})
		if allocated > 0 {
			t.Errorf("%v: %v allocations for %d datagrams", mode, allocated, count)
		}
		if err := errors.Join(s.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	}
}

// datagrams makes datagrams of many sizes, each with its number in front.
func datagrams(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		size := udp.MaxPayload
		switch i % 21 {
		case 3:
			size = 700
		case 7:
			size = 1
		case 18:
			size = 0
		}
		all[i] = make([]byte, size)
		for j := range all[i] {
			all[i][j] = byte(i + j)
		}
	}
	return all
}

// expect reads exactly these datagrams in order.
func expect(t *testing.T, r *udp.Receiver, want [][]byte) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := r.NewBatch()
	for got := 0; got < len(want); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", got, len(want), err)
		}
		for i := range n {
			if got == len(want) || string(b.Packet(i)) != string(want[got]) {
				t.Fatalf("datagram %d has %d bytes and is not the one that was sent", got, len(b.Packet(i)))
			}
			got++
		}
	}
}
