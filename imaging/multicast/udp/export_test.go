package udp

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Checksum is what tests build packets with.
func Checksum(b []byte) uint16 { return checksum(b) }

// WithoutChecksums makes a sender's socket one that the kernel refuses UDP_SEGMENT for.
func WithoutChecksums(t testing.TB, s *Sender) {
	t.Helper()
	err := control(s.raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) })
	if err != nil {
		t.Fatal(err)
	}
}

// Arrived tells how many datagrams of its group have arrived for a listener, read or not.
func Arrived(t testing.TB, l *ProbeListener) int {
	t.Helper()
	stats, err := l.conn.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return int(stats.Packets)
}
