package udp_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

// threadSeconds is the processor time of the calling thread.
func threadSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// received is what a reader has seen.
type received struct {
	packets, bytes uint64
	seconds        float64 // of its thread
	err            error
}

// drain reads until nothing has come for two seconds, on a thread of its own.
func drain(r *udp.Receiver) <-chan received {
	result := make(chan received, 1)
	go func() {
		runtime.LockOSThread()
		var got received
		b := r.NewBatch()
		start := threadSeconds()
		for reads := 0; ; reads++ {
			if reads%1000 == 0 {
				if got.err = r.SetReadDeadline(time.Now().Add(2 * time.Second)); got.err != nil {
					break
				}
			}
			n, err := r.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				got.err = err
				break
			}
			got.packets += uint64(n)
			for i := range n {
				got.bytes += uint64(len(b.Packet(i)))
			}
		}
		got.seconds = threadSeconds() - start
		result <- got
	}()
	return result
}

// stream is what a benchmark sends: a burst of full datagrams, again and again.
func stream() [][]byte {
	packets := make([][]byte, udp.Burst)
	for i := range packets {
		packets[i] = make([]byte, udp.MaxPayload)
	}
	return packets
}

// BenchmarkSend sends full datagrams over veth as fast as the kernel takes them, to one receiver in another namespace;
// what it takes of the processor includes the way through the switch. An iteration is a datagram.
func BenchmarkSend(b *testing.B) {
	for _, mode := range []udp.Mode{udp.ModeGSO, udp.ModeBatch, udp.ModeOneByOne} {
		for _, noGRO := range []bool{false, true} {
			b.Run(fmt.Sprintf("%v/GRO=%v", mode, !noGRO), func(b *testing.B) { benchSend(b, mode, noGRO, 0) })
		}
	}
}

// BenchmarkPaced does it at the rate of a room: does the mean hold, and what does it cost?
func BenchmarkPaced(b *testing.B) {
	for _, rate := range []float64{20e6, 100e6, 119.5e6} {
		for _, mode := range []udp.Mode{udp.ModeGSO, udp.ModeBatch, udp.ModeOneByOne} {
			b.Run(fmt.Sprintf("%.1fMBps/%v", rate/1e6, mode), func(b *testing.B) { benchSend(b, mode, false, rate) })
		}
	}
}

func benchSend(b *testing.B, mode udp.Mode, noGRO bool, rate float64) {
	l := newLab(b, "srv", "a")
	r := l.listen("a", udp.ReceiverOptions{Group: fast(1), NoGRO: noGRO})
	s := l.dial("srv", udp.SenderOptions{Group: fast(1), Mode: mode})
	packets := stream()
	b.SetBytes(udp.MaxPayload)
	got := drain(r)
	var cpu, wall float64
	sent := make(chan error, 1)
	b.ResetTimer()
	go func() { // the thread is the pacer's and ends with it
		sent <- func() error {
			if err := udp.BindThread(); err != nil {
				return err
			}
			begin, cpuBegin := time.Now(), threadSeconds()
			for left := b.N; left > 0; left -= len(packets) {
				packets = packets[:min(left, len(packets))]
				if rate > 0 {
					at := float64((b.N-left)*udp.MaxPayload) / rate * float64(time.Second)
					if wait := unix.NsecToTimespec(int64(time.Duration(at) - time.Since(begin))); wait.Sec >= 0 && wait.Nsec > 0 {
						_ = unix.Nanosleep(&wait, nil)
					}
				}
				if err := s.Send(packets); err != nil {
					return err
				}
			}
			cpu, wall = threadSeconds()-cpuBegin, time.Since(begin).Seconds()
			return nil
		}()
	}()
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	in := <-got
	drops, err := r.Drops()
	if err = errors.Join(err, in.err); err != nil {
		b.Fatal(err)
	}
	bytes := float64(b.N) * udp.MaxPayload
	b.ReportMetric(float64(b.N)/wall, "packets/s")
	b.ReportMetric(cpu/bytes*1e9, "send-cpu-s/GB")
	b.ReportMetric(in.seconds/max(float64(in.bytes), 1)*1e9, "recv-cpu-s/GB")
	b.ReportMetric(float64(uint64(b.N)-in.packets), "lost")
	b.ReportMetric(float64(drops), "dropped-buffers")
	if rate > 0 {
		b.ReportMetric(bytes/wall/rate, "of-the-rate")
		b.ReportMetric(cpu/wall, "send-cores")
		b.ReportMetric(in.seconds/wall, "recv-cores")
	}
}
