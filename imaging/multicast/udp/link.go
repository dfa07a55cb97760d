package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// Link is a network interface that reaches the PCs, or the server.
type Link struct {
	Name     string
	Index    int
	Address  netip.Addr   // what the other side calls us
	Network  netip.Prefix // of that address
	MTU      int          // bytes, with the IP header
	Wireless bool         // group frames go out slowly and unacknowledged (RFC 9119 section 3.1): never multicast
	Mbit     int          // speed in Mb/s, 0 when the driver does not say
	Half     bool         // half duplex: one such port slows a whole room
}

// LinkReason says why an interface cannot be used.
type LinkReason string

// The reasons of a LinkError.
const (
	LinkNone      LinkReason = "none"       // no such interface, or none that could be used
	LinkSeveral   LinkReason = "several"    // more than one could be meant
	LinkDown      LinkReason = "down"       // it is switched off, or has no carrier
	LinkNoAddress LinkReason = "no address" // it has no IPv4 address
	LinkNoGroups  LinkReason = "no groups"  // it cannot carry multicast
	LinkSmall     LinkReason = "small"      // its MTU is too small for our datagrams
)

// LinkError says that no interface can be used, and why.
type LinkError struct {
	Reason LinkReason
	Name   string   // of the interface that was asked for; empty when none was
	Others []string // interfaces that could be named instead
	MTU    int      // of LinkSmall
}

// Error implements error.
func (e *LinkError) Error() string {
	what := "no network interface can reach the computers"
	switch {
	case e.Reason == LinkSeveral:
		return "several network interfaces could reach the computers: " + strings.Join(e.Others, ", ") + "; name one of them"
	case e.Name == "":
		return what + ": none is up and has an IPv4 address"
	case e.Reason == LinkNone:
		what = fmt.Sprintf("there is no network interface %q", e.Name)
	case e.Reason == LinkDown:
		what = fmt.Sprintf("network interface %q is down: switch it on, or put its cable in", e.Name)
	case e.Reason == LinkNoAddress:
		what = fmt.Sprintf("network interface %q has no IPv4 address", e.Name)
	case e.Reason == LinkNoGroups:
		what = fmt.Sprintf("network interface %q cannot carry multicast", e.Name)
	case e.Reason == LinkSmall:
		return fmt.Sprintf("network interface %q carries packets of %d bytes, fewer than the %d that are needed: set its MTU to 1500",
			e.Name, e.MTU, MaxPayload+Headers)
	}
	if len(e.Others) > 0 {
		what += "; there is " + strings.Join(e.Others, ", ")
	}
	return what
}

// ChooseLink finds the interface of a session: the named one, or, without a name, the only one that is up, has an IPv4
// address and is not wireless. What is named may be the loopback interface, a VLAN's, a bridge, or wireless. Its error
// is a *LinkError or the kernel's.
func ChooseLink(name string) (Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return Link{}, fmt.Errorf("listing network interfaces: %w", err)
	}
	var fit []Link
	var others []string
	refusal := &LinkError{Reason: LinkNone, Name: name}
	for i := range all {
		link, reason := inspect(&all[i])
		usable := reason == "" && all[i].Flags&net.FlagLoopback == 0 && !link.Wireless
		if usable {
			others = append(others, all[i].Name)
		}
		switch {
		case name == "" && usable:
			fit = append(fit, link)
		case name == "" || name != all[i].Name:
		case reason == "":
			fit = append(fit, link)
		default:
			refusal.Reason, refusal.MTU = reason, link.MTU
		}
	}
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		refusal.Others = others
		return Link{}, refusal
	}
	return Link{}, &LinkError{Reason: LinkSeveral, Others: others}
}

// LinkTo finds the interface by which this host reaches a server, and the address that the server sees: for a PC that was
// not told. Its error is a *LinkError or the kernel's.
func LinkTo(server netip.Addr) (Link, error) {
	routes, err := netlink.RouteGet(server.Unmap().AsSlice())
	if err != nil {
		return Link{}, fmt.Errorf("finding the way to %s: %w", server, err)
	}
	for _, r := range routes {
		ifi, err := net.InterfaceByIndex(r.LinkIndex)
		if err != nil {
			continue // it has just gone
		}
		link, reason := inspect(ifi)
		if reason != "" {
			return Link{}, &LinkError{Reason: reason, Name: ifi.Name, MTU: ifi.MTU}
		}
		if a, ok := netip.AddrFromSlice(r.Src.To4()); ok {
			link.Address = a
		}
		return link, nil
	}
	return Link{}, &LinkError{Reason: LinkNone}
}

// inspect describes an interface and says what makes it useless; "" when nothing does.
func inspect(ifi *net.Interface) (Link, LinkReason) {
	l := Link{Name: ifi.Name, Index: ifi.Index, MTU: ifi.MTU, Wireless: wireless("/sys/class/net", ifi.Name)}
	if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagRunning == 0 {
		return l, LinkDown
	}
	if ifi.Flags&(net.FlagMulticast|net.FlagLoopback) == 0 {
		return l, LinkNoGroups
	}
	var err error
	if l.Network, err = firstNetwork(ifi); err != nil {
		return l, LinkNoAddress
	}
	l.Address = l.Network.Addr()
	if l.MTU < MaxPayload+Headers {
		return l, LinkSmall
	}
	l.Mbit, l.Half = speed(ifi.Name)
	return l, ""
}

// interfaceByName finds an interface or returns a *LinkError.
func interfaceByName(name string) (*net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, &LinkError{Reason: LinkNone, Name: name}
	}
	return ifi, nil
}

// firstAddress returns the address that an interface is called by, or a *LinkError.
func firstAddress(ifi *net.Interface) (netip.Addr, error) {
	n, err := firstNetwork(ifi)
	return n.Addr(), err
}

// firstNetwork returns the first IPv4 network of an interface, in the system's order, or a *LinkError.
func firstNetwork(ifi *net.Interface) (netip.Prefix, error) {
	list, err := ifi.Addrs()
	if err != nil {
		return netip.Prefix{}, &LinkError{Reason: LinkNone, Name: ifi.Name}
	}
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP.To4())
		ones, _ := n.Mask.Size()
		return netip.PrefixFrom(ip, ones), nil
	}
	return netip.Prefix{}, &LinkError{Reason: LinkNoAddress, Name: ifi.Name}
}

// wireless asks sysfs, where every Wi-Fi interface has one of these entries.
func wireless(root, name string) bool {
	for _, entry := range []string{"phy80211", "wireless"} {
		if _, err := os.Stat(filepath.Join(root, name, entry)); err == nil {
			return true
		}
	}
	return false
}
