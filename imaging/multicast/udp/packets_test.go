package udp_test

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
)

// igmp makes an IPv4 packet with Router Alert and an IGMP message, in hexadecimal, whose checksum it fills in.
func igmp(from netip.Addr, to, message string) []byte {
	m, err := hex.DecodeString(message)
	if err != nil {
		panic(err)
	}
	m[2], m[3] = 0, 0
	binary.BigEndian.PutUint16(m[2:], udp.Checksum(m))
	p := make([]byte, 24, 24+len(m))
	p[0], p[8], p[9] = 0x46, 1, unix.IPPROTO_IGMP
	copy(p[12:], from.AsSlice())
	copy(p[16:], netip.MustParseAddr(to).AsSlice())
	binary.BigEndian.PutUint32(p[20:], 0x94040000)
	p = append(p, m...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[10:], udp.Checksum(p[:24]))
	return p
}
