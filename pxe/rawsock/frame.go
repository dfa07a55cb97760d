package rawsock

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
)

// Ports of DHCP (RFC 2131 section 4.1).
const (
	PortServer = 67
	PortClient = 68
)

// Lengths of the headers of a frame, in bytes.
const (
	ethernetLen = 14
	ipLen       = 20
	udpLen      = 8
	maxPayload  = 1500 - ipLen - udpLen
)

const (
	etherTypeIPv4 = 0x0800
	protocolUDP   = 17
)

// ErrFrame says that a frame is not whole, unfragmented UDP over IPv4.
var ErrFrame = errors.New("not a whole UDP frame")

// Broadcast is the Ethernet address of everybody.
var Broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Datagram is one UDP datagram with its Ethernet and IPv4 addresses.
type Datagram struct {
	SrcMAC, DstMAC   [6]byte
	Src, Dst         netip.Addr // IPv4
	SrcPort, DstPort uint16
	Payload          []byte
}

// Decode takes a frame apart. The payload points into the frame.
func Decode(frame []byte) (Datagram, error) {
	var d Datagram
	if len(frame) < ethernetLen+ipLen+udpLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv4 {
		return d, ErrFrame
	}
	copy(d.DstMAC[:], frame[0:6])
	copy(d.SrcMAC[:], frame[6:12])
	ip := frame[ethernetLen:]
	header := int(ip[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(ip[2:]))
	// The last 14 bits of the fragment field: more fragments, and the offset.
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff
	if ip[0]>>4 != 4 || header < ipLen || total < header+udpLen || total > len(ip) || fragment != 0 || ip[9] != protocolUDP {
		return d, ErrFrame
	}
	if sum(0, ip[:header]) != 0xffff {
		return d, ErrFrame
	}
	d.Src = netip.AddrFrom4([4]byte(ip[12:16]))
	d.Dst = netip.AddrFrom4([4]byte(ip[16:20]))
	udp := ip[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpLen || length > len(udp) {
		return d, ErrFrame
	}
	// The UDP checksum is left alone: virtual cards hand over frames whose checksum the hardware never filled in.
	d.SrcPort = binary.BigEndian.Uint16(udp[0:])
	d.DstPort = binary.BigEndian.Uint16(udp[2:])
	d.Payload = udp[udpLen:length]
	return d, nil
}

// Encode builds the frame of a datagram. It returns ErrFrame when the payload does not fit one frame of 1,500 bytes or
// an address is not IPv4.
func Encode(d Datagram) ([]byte, error) {
	if len(d.Payload) > maxPayload || !d.Src.Is4() || !d.Dst.Is4() {
		return nil, ErrFrame
	}
	f := make([]byte, ethernetLen+ipLen+udpLen+len(d.Payload))
	copy(f[0:], d.DstMAC[:])
	copy(f[6:], d.SrcMAC[:])
	binary.BigEndian.PutUint16(f[12:], etherTypeIPv4)
	ip := f[ethernetLen:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	ip[6] = 0x40 // do not fragment
	ip[8] = 64
	ip[9] = protocolUDP
	copy(ip[12:], d.Src.AsSlice())
	copy(ip[16:], d.Dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip[:ipLen]))
	udp := ip[ipLen:]
	binary.BigEndian.PutUint16(udp[0:], d.SrcPort)
	binary.BigEndian.PutUint16(udp[2:], d.DstPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	copy(udp[udpLen:], d.Payload)
	// The pseudo header of RFC 768: addresses, protocol, length.
	pseudo := uint32(protocolUDP) + uint32(len(udp))
	s := ^sum(uint32(sum(pseudo, ip[12:20])), udp)
	if s == 0 {
		s = 0xffff // 0 would mean "no checksum"
	}
	binary.BigEndian.PutUint16(udp[6:], s)
	return f, nil
}

// sum is the Internet checksum (RFC 1071) without the final complement, begun at a start value.
func sum(start uint32, b []byte) uint16 {
	s := start
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// MAC converts a hardware address; one that is not 6 bytes long becomes all zeros.
func MAC(a net.HardwareAddr) (m [6]byte) {
	if len(a) == 6 {
		copy(m[:], a)
	}
	return m
}
