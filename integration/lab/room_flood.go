package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/ipv4"
)

// Flood sends packets from a namespace of the room to a group or a station, perSecond of them, with any address and port
// as their source, until ctx is over; it returns how many were sent and for how long. next fills a buffer of 1,472 bytes
// with a payload of UDP and returns its length.
func Flood(ctx context.Context, space string, from, to *net.UDPAddr, perSecond int, next func(payload []byte) int) (sent int64, took time.Duration, err error) {
	raw, err := openRaw(space, to.IP)
	if err != nil {
		return 0, 0, fmt.Errorf("flooding from %s: %w", space, err)
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	const step = time.Millisecond
	batch := make([]ipv4.Message, max(perSecond/int(time.Second/step), 1))
	memory := make([][]byte, len(batch))
	for i := range memory {
		memory[i] = make([]byte, 1500)
	}
	began := time.Now()
	for {
		took = time.Since(began)
		due := int64(took.Seconds()*float64(perSecond)) - sent
		if ctx.Err() != nil {
			return sent, took, nil
		}
		if due < int64(len(batch)) {
			time.Sleep(step)
			continue
		}
		for i := range batch {
			n := next(memory[i][28:])
			forge(memory[i][:28+n], from, to)
			batch[i] = ipv4.Message{Buffers: [][]byte{memory[i][:28+n]}, Addr: &net.IPAddr{IP: to.IP}}
		}
		for rest := batch; len(rest) > 0; {
			n, err := raw.WriteBatch(rest, 0)
			if err != nil {
				return sent, took, fmt.Errorf("flooding from %s: %w", space, err)
			}
			rest, sent = rest[n:], sent+int64(n)
		}
	}
}

// openRaw opens a socket for packets with headers of their own.
func openRaw(space string, to net.IP) (*ipv4.RawConn, error) {
	var raw *ipv4.RawConn
	err := Inside(space, func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		conn, err := net.ListenPacket("ip4:udp", "0.0.0.0")
		if err != nil {
			return err
		}
		if raw, err = ipv4.NewRawConn(conn); err != nil {
			return errors.Join(err, conn.Close())
		}
		if to.IsMulticast() {
			err = raw.SetMulticastInterface(eth0)
		}
		return err
	})
	return raw, err
}

// forge writes the headers of IPv4 (RFC 791) and UDP (RFC 768) before a payload. The kernel adds the check sum of IP; UDP goes without.
func forge(p []byte, from, to *net.UDPAddr) {
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0})
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:16], from.IP.To4())
	copy(p[16:20], to.IP.To4())
	binary.BigEndian.PutUint16(p[20:], uint16(from.Port))
	binary.BigEndian.PutUint16(p[22:], uint16(to.Port))
	binary.BigEndian.PutUint16(p[24:], uint16(len(p)-20))
	binary.BigEndian.PutUint16(p[26:], 0)
}
