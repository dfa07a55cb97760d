package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// IGMP's numbers that we use (RFC 2236 section 2.1, RFC 3376 section 4).
const (
	igmpQuery    = 0x11
	igmpLen      = 8 // of a query of version 1 and 2
	igmpV3Len    = 12
	ipHeaderLen  = 20
	protocolIGMP = 2
)

// ErrNotQuery says that bytes are not an IGMP query that counts: not whole, not a query, sent from farther than the
// local network, or not to where queries go.
var ErrNotQuery = errors.New("not an IGMP query of this network")

// Query is an IGMP membership query.
type Query struct {
	Version int           // 1, 2 or 3
	From    netip.Addr    // 0.0.0.0 is a switch that snoops and has no address
	Group   netip.Addr    // 0.0.0.0 in a general query
	Within  time.Duration // hosts answer in this time; 0 in version 1
	Every   time.Duration // the querier's interval; 0 when it does not say
}

// General tells whether the query is about all groups.
func (q Query) General() bool { return q.Group == netip.IPv4Unspecified() }

// ParseQuery reads an IPv4 packet, header and all, and returns the query in it. It checks what RFC 2236 section 2 and
// RFC 3376 sections 4.1 and 9.1 demand of a query: checksum, a TTL of 1, and the group it is sent to. It does not ask
// for Router Alert, which some switches leave out. Its error is ErrNotQuery.
func ParseQuery(packet []byte) (Query, error) {
	if len(packet) < ipHeaderLen || packet[0]>>4 != 4 {
		return Query{}, ErrNotQuery
	}
	header := int(packet[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(packet[2:]))
	const fragment = 0x3fff // more fragments, and the offset
	if header < ipHeaderLen || total < header+igmpLen || total > len(packet) || packet[9] != protocolIGMP || packet[8] != 1 ||
		binary.BigEndian.Uint16(packet[6:])&fragment != 0 {
		return Query{}, ErrNotQuery
	}
	igmp := packet[header:total]
	if igmp[0] != igmpQuery || checksum(igmp) != 0 {
		return Query{}, ErrNotQuery
	}
	q := Query{From: netip.AddrFrom4([4]byte(packet[12:16])), Group: netip.AddrFrom4([4]byte(igmp[4:8]))}
	to := netip.AddrFrom4([4]byte(packet[16:20]))
	if q.General() && to != allSystems() || !q.General() && (!q.Group.IsMulticast() || to != q.Group) || q.From.IsMulticast() ||
		q.From == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return Query{}, ErrNotQuery
	}
	const tenth = time.Second / 10
	switch { // RFC 3376 section 7.1
	case len(igmp) >= igmpV3Len:
		q.Version, q.Within = 3, tenth*time.Duration(float8(igmp[1]))
		q.Every = time.Second * time.Duration(float8(igmp[9]))
	case len(igmp) != igmpLen:
		return Query{}, ErrNotQuery
	case igmp[1] == 0:
		q.Version = 1
	default:
		q.Version, q.Within = 2, tenth*time.Duration(igmp[1])
	}
	return q, nil
}

// float8 reads the numbers of RFC 3376 sections 4.1.1 and 4.1.7: from 128 on, three bits of exponent and four of
// mantissa.
func float8(b byte) int {
	if b < 0x80 {
		return int(b)
	}
	return int(b&0x0f|0x10) << (b>>4&0x07 + 3)
}

// generalQuery makes the IGMP part of a general query of version 2.
//
// Why 2: each switch that snoops understands it, and hosts that know version 3 answer it in version 2 (RFC 3376 section
// 7.2.1), which those switches understand that know no other.
func generalQuery(within time.Duration) []byte {
	b := make([]byte, igmpLen)
	b[0] = igmpQuery
	b[1] = byte(min(max(within/(time.Second/10), 1), 255))
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// allSystems is the group of all hosts, to which general queries go.
func allSystems() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 1}) }

// checksum is the Internet checksum (RFC 1071); 0 over bytes that hold their own.
func checksum(b []byte) uint16 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
