package pxe

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// Link is a network interface that PCs are started through.
type Link struct {
	Interface net.Interface
	Addresses []netip.Prefix // IPv4, in the system's order; the first is the one we call ourselves
}

// Address is what PCs on this link call us by.
func (l Link) Address() netip.Addr { return l.Addresses[0].Addr() }

// NoInterfaceError says that a configured interface does not exist.
type NoInterfaceError struct {
	Name string
}

// Error implements error.
func (e *NoInterfaceError) Error() string {
	return fmt.Sprintf("there is no network interface %q", e.Name)
}

// Links lists the interfaces that can start PCs: up, Ethernet, with an IPv4 address, and either named, or, where no name
// is given, not wireless (no firmware boots a PC over Wi-Fi, and a server's Wi-Fi is a guest network more often than not).
func Links(names []string) ([]Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(i net.Interface) bool { return i.Name == name }) {
			return nil, &NoInterfaceError{Name: name}
		}
	}
	var links []Link
	for _, ifi := range all {
		const needed = net.FlagUp | net.FlagRunning | net.FlagBroadcast
		if ifi.Flags&needed != needed || ifi.Flags&net.FlagLoopback != 0 || len(ifi.HardwareAddr) != 6 {
			continue
		}
		if len(names) > 0 && !slices.Contains(names, ifi.Name) || len(names) == 0 && wireless(ifi.Name) {
			continue
		}
		if a := addresses(&ifi); len(a) > 0 {
			links = append(links, Link{Interface: ifi, Addresses: a})
		}
	}
	return links, nil
}

// wireless asks sysfs, where every Wi-Fi interface has a phy80211 entry.
func wireless(name string) bool {
	for _, entry := range []string{"phy80211", "wireless"} {
		if _, err := os.Stat(filepath.Join("/sys/class/net", name, entry)); err == nil {
			return true
		}
	}
	return false
}

// addresses lists an interface's IPv4 networks; one that vanished meanwhile has none.
func addresses(ifi *net.Interface) []netip.Prefix {
	list, err := ifi.Addrs()
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP.To4())
		ones, _ := n.Mask.Size()
		out = append(out, netip.PrefixFrom(ip, ones))
	}
	return out
}
