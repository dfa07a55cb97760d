package udp

import "net/netip"

// MaxPayload is the largest datagram that is sent or handed out, in bytes of UDP payload. It fits an Ethernet frame
// with room for a VLAN tag that an odd switch counts.
const MaxPayload = 1448

// Headers is what IPv4 and UDP add to a payload, in bytes; an interface's MTU counts them.
const Headers = 20 + 8

// GroupCount is how many groups a session owns. The tables of cheap switches are small.
const GroupCount = 4

// The groups of a session by their place in Groups.
const (
	GroupFast  = iota // the room's stream
	GroupSlow         // the stream of those who cannot follow
	GroupThird        // kept for a third stream
	GroupProbe        // nobody ever joins it: see SendProbe
)

const (
	groupBase = 239<<24 | 64<<16 // 239.64.0.0/10
	groupBits = 20               // of the session's number; two more choose the group
	groupMask = 1<<groupBits - 1
	groupPort = 20480 // below the ports that Linux gives to clients (32768)
)

// Groups returns the groups and ports of a session. The low 20 bits of its number choose the addresses, the high 12 the
// port, so that two sessions never have group and port in common, and those numbered one after another no group.
//
// The addresses are of 239.64.0.0/10, administratively scoped (RFC 2365 section 6.2.1). Ethernet keeps only the low 23
// bits of a group (RFC 1112 section 6.4); bit 22 is always set in ours, so that none looks like 224.0.0.x, which every
// switch floods (RFC 4541 section 2.1.2).
func Groups(session uint32) [GroupCount]netip.AddrPort {
	var groups [GroupCount]netip.AddrPort
	port := uint16(groupPort + session>>groupBits)
	for i := range groups {
		a := groupBase | (session&groupMask)<<2 | uint32(i)
		groups[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), port)
	}
	return groups
}
