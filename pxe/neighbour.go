package pxe

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// neighbour asks the kernel for the MAC of an address on one of our own networks; nil when it does not know.
func neighbour(a netip.Addr) net.HardwareAddr {
	list, err := netlink.NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		return nil
	}
	for _, n := range list {
		if ip, ok := netip.AddrFromSlice(n.IP.To4()); ok && ip == a && len(n.HardwareAddr) == 6 {
			return n.HardwareAddr
		}
	}
	return nil
}
