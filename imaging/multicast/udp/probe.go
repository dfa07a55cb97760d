package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ProbeCount is how many datagrams a probe has.
const ProbeCount = 16

// probeGap lets the probe's datagrams meet a busy port more than once.
const probeGap = 10 * time.Millisecond

// Tag marks the datagrams of one probe. It is random and travels to the receivers over TLS, so that only who sees the
// probe can imitate it.
type Tag [16]byte

// A probe's datagram is as long as those of a session, so that whoever sees it knows that the path carries that size.
//
//	0   16 tag
//	16   1 number, 0 to 15
//	17     zeros, 1,448 bytes in all
const probeNumberAt = len(Tag{})

// SendProbe sends 16 tagged datagrams, 10 ms apart, to GroupProbe's group, which nobody joins. A computer that sees
// them is behind a switch that floods what nobody asked for; a switch that does not snoop floods a session's stream as
// well, to its slow ports too. Errors: ctx's, and those of Dial and Send; *LinkError with reason LinkSmall when the
// interface does not carry full datagrams.
func SendProbe(ctx context.Context, o SenderOptions, tag Tag) error {
	o.Mode = ModeOneByOne
	s, err := Dial(o)
	if err != nil {
		return err
	}
	tick := time.NewTicker(probeGap)
	defer tick.Stop()
	for i := range ProbeCount {
		if err := s.Send([][]byte{probeDatagram(tag, i)}); err != nil {
			return errors.Join(fmt.Errorf("probing for flooding: %w", tooSmall(o.Interface, err)), s.Close())
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Close())
		case <-tick.C:
		}
	}
	return s.Close()
}

// tooSmall names the interface when the kernel says that a datagram does not fit it.
func tooSmall(name string, err error) error {
	if !errors.Is(err, unix.EMSGSIZE) {
		return err
	}
	refusal := &LinkError{Reason: LinkSmall, Name: name}
	if ifi, err := interfaceByName(name); err == nil {
		refusal.MTU = ifi.MTU
	}
	return refusal
}

func probeDatagram(tag Tag, number int) []byte {
	d := make([]byte, MaxPayload)
	copy(d, tag[:])
	d[probeNumberAt] = byte(number)
	return d
}

// ProbeListener hears a group without joining it: no switch learns of it. What it needs: CAP_NET_RAW. It belongs to one
// goroutine.
type ProbeListener struct {
	conn *packet.Conn
	tag  Tag
	seen uint32
}

// ListenProbe starts to listen for a probe on an interface. Errors: *GroupError, *LinkError, and the kernel's.
func ListenProbe(name string, group netip.AddrPort, tag Tag) (*ProbeListener, error) {
	if err := checkGroup(group); err != nil {
		return nil, err
	}
	ifi, err := interfaceByName(name)
	if err != nil {
		return nil, err
	}
	filter, err := bpf.Assemble(probeFilter(group))
	if err != nil {
		return nil, fmt.Errorf("the filter of a probe: %w", err)
	}
	c, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("listening for a probe on %s: %w", name, err)
	}
	if err := hearGroup(c, ifi.Index, group.Addr()); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for a probe on %s: %w", name, err), c.Close())
	}
	return &ProbeListener{conn: c, tag: tag}, nil
}

// hearGroup lets the card's filter pass the group's Ethernet address, of which IGMP knows nothing.
func hearGroup(c *packet.Conn, index int, group netip.Addr) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	a := group.As4()
	mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: 6,
		Address: [8]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}}
	return control(raw, func(fd int) error {
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
			return fmt.Errorf("setting PACKET_ADD_MEMBERSHIP: %w", err)
		}
		return nil
	})
}

// probeFilter passes UDP to a group and port that came in. It sees packets from the IPv4 header on.
func probeFilter(group netip.AddrPort) []bpf.Instruction {
	a := group.Addr().As4()
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 16, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(a[:]), SkipTrue: 6},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(group.Port()), SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	}
}

// Collect waits until all datagrams of the probe have been seen or ctx ends, and returns how many of the 16 were. The
// end of ctx is no error.
func (l *ProbeListener) Collect(ctx context.Context) (int, error) {
	if err := l.conn.SetReadDeadline(time.Time{}); err != nil {
		return l.Seen(), fmt.Errorf("listening for a probe: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var buffer [2048]byte
	for l.Seen() < ProbeCount && ctx.Err() == nil {
		n, _, err := l.conn.ReadFrom(buffer[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil && !passes(err) {
			return l.Seen(), fmt.Errorf("listening for a probe: %w", err)
		}
		if number, ok := parseProbe(buffer[:n], l.tag); ok {
			l.seen |= 1 << number
		}
	}
	return l.Seen(), nil
}

// Seen returns how many datagrams of the probe have been seen so far.
func (l *ProbeListener) Seen() int { return bits.OnesCount32(l.seen) }

// Close ends listening.
func (l *ProbeListener) Close() error { return l.conn.Close() }

// parseProbe reads an IPv4 packet and returns the number of the probe's datagram that it carries.
func parseProbe(p []byte, tag Tag) (int, bool) {
	const udpLen = 8
	if len(p) < ipHeaderLen || p[0]>>4 != 4 {
		return 0, false
	}
	header, total := int(p[0]&0x0f)*4, int(binary.BigEndian.Uint16(p[2:]))
	if header < ipHeaderLen || total > len(p) || total != header+udpLen+MaxPayload || p[9] != unix.IPPROTO_UDP {
		return 0, false
	}
	d := p[header+udpLen : total]
	if Tag(d[:probeNumberAt]) != tag || d[probeNumberAt] >= ProbeCount {
		return 0, false
	}
	return int(d[probeNumberAt]), true
}
