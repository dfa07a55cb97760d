package rawsock

import (
	"fmt"
	"net"
	"sync/atomic"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// etherTypeAll asks for frames of every kind: the kernel hands outgoing frames only to sockets bound to all types, and
// the filter sorts out the rest before anything is copied.
const etherTypeAll = 0x0003

// packetOutgoing is sll_pkttype of a frame that this host sends (packet(7)).
const packetOutgoing = 4

// Socket reads and writes frames on one interface.
type Socket struct {
	conn   *packet.Conn
	mac    [6]byte
	closed atomic.Bool
}

// Open listens for DHCP on an interface. It needs CAP_NET_RAW.
func Open(ifi *net.Interface) (*Socket, error) {
	filter, err := Filter()
	if err != nil {
		return nil, err
	}
	c, err := packet.Listen(ifi, packet.Raw, etherTypeAll, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("listening for DHCP on %s: %w", ifi.Name, err)
	}
	return &Socket{conn: c, mac: MAC(ifi.HardwareAddr)}, nil
}

// Read waits for the next datagram and returns it; its payload lies in buf. A frame that is no whole datagram gives
// ErrFrame, after which reading goes on; any other error is the end of the socket, net.ErrClosed after Close.
func (s *Socket) Read(buf []byte) (Datagram, error) {
	n, _, err := s.conn.ReadFrom(buf)
	if err != nil {
		if s.closed.Load() { // the system's own words for it cannot be told from others
			err = net.ErrClosed
		}
		return Datagram{}, err
	}
	return Decode(buf[:n])
}

// Write sends a datagram from the interface's own Ethernet address.
func (s *Socket) Write(d Datagram) error {
	d.SrcMAC = s.mac
	f, err := Encode(d)
	if err != nil {
		return err
	}
	_, err = s.conn.WriteTo(f, &packet.Addr{HardwareAddr: d.DstMAC[:]})
	return err
}

// Close ends the socket and every Read on it.
func (s *Socket) Close() error {
	s.closed.Store(true)
	return s.conn.Close()
}

// Filter is the program the kernel runs on every frame:
//
//	tagged for a VLAN            drop  (another network that happens to share the cable)
//	not IPv4, not UDP            drop
//	fragment                     drop
//	to port 68                   pass  (other servers' answers, also of a server on this host)
//	to port 67 and not outgoing  pass
//	else                         drop
func Filter() ([]bpf.RawInstruction, error) {
	const drop, pass = 0, 0x40000
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 14},
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherTypeIPv4, SkipTrue: 12},
		bpf.LoadAbsolute{Off: ethernetLen + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolUDP, SkipTrue: 10},
		bpf.LoadAbsolute{Off: ethernetLen + 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 8},
		bpf.LoadMemShift{Off: ethernetLen},
		bpf.LoadIndirect{Off: ethernetLen + 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: PortClient, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: PortServer, SkipTrue: 4},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetOutgoing, SkipTrue: 2},
		bpf.RetConstant{Val: pass},
		bpf.RetConstant{Val: pass},
		bpf.RetConstant{Val: drop},
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assembling the DHCP filter: %w", err)
	}
	return raw, nil
}
