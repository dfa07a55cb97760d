package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

// Teller is told what the network waits for, as a notice.
type Teller func(code notices.Code, args ...any)

// How long each thing is waited for before the person in front of the PC is told, or another way is tried.
const (
	scanEvery     = 100 * time.Millisecond
	ownPatience   = 20 * time.Second // for the interface we booted from: USB dongles take 5 s
	tellAfter     = 5 * time.Second
	dhcpTry       = 2 * time.Second
	dhcpTries     = 3
	maxRenewPause = time.Hour
)

// Network brings one interface up and keeps its address.
type Network struct {
	MAC     net.HardwareAddr // of the interface the PC booted from; nil: not known
	Drivers *Drivers         // nil: no drivers are loaded while waiting
	Tell    Teller
	Sys     string // "/sys" when empty

	lease *nclient4.Lease
}

// Link is an interface with an address.
type Link struct {
	Name string
	MAC  net.HardwareAddr
	Own  bool // the one the PC booted from
	IP   net.IP
}

// Up waits until an interface has a link and a lease; it tries for ever, telling what it waits for.
func (n *Network) Up(ctx context.Context) (Link, error) {
	if lo, err := netlink.LinkByName("lo"); err == nil {
		_ = netlink.LinkSetUp(lo)
	}
	began := time.Now()
	told := began
	for {
		if n.Drivers != nil {
			_, _ = n.Drivers.LoadAll()
		}
		nics := n.interfaces()
		own := n.choose(nics, time.Since(began) > ownPatience || n.MAC == nil)
		for _, nic := range own {
			if !n.carrier(nic) {
				continue
			}
			l, err := n.acquire(ctx, nic)
			if err == nil {
				l.Own = n.MAC == nil || bytes.Equal(nic.HardwareAddr, n.MAC)
				if !l.Own {
					n.Tell(notices.OtherInterface, n.MAC.String(), nic.Name)
				}
				return l, nil
			}
			n.Tell(notices.WaitAddress, nic.Name)
			told = time.Now()
		}
		if time.Since(told) > tellAfter {
			told = time.Now()
			if len(own) == 0 {
				n.Tell(notices.WaitInterface)
			} else if !n.carrier(own[0]) {
				n.Tell(notices.WaitCable, own[0].Name)
			}
		}
		select {
		case <-ctx.Done():
			return Link{}, ctx.Err()
		case <-time.After(scanEvery):
		}
	}
}

func (n *Network) sys(parts ...string) string {
	root := n.Sys
	if root == "" {
		root = "/sys"
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// interfaces returns the Ethernet interfaces, all set up, in the order of their names.
func (n *Network) interfaces() []net.Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var list []net.Interface
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 || len(i.HardwareAddr) != 6 {
			continue
		}
		if i.Flags&net.FlagUp == 0 {
			// A driver probing its firmware may answer "busy": the next round asks again.
			if l, err := netlink.LinkByIndex(i.Index); err == nil {
				_ = netlink.LinkSetUp(l)
			}
		}
		list = append(list, i)
	}
	sort.Slice(list, func(a, b int) bool { return list[a].Name < list[b].Name })
	return list
}

// choose returns the interface we booted from; others only when asked for.
func (n *Network) choose(nics []net.Interface, others bool) []net.Interface {
	for _, i := range nics {
		if bytes.Equal(i.HardwareAddr, n.MAC) {
			return []net.Interface{i}
		}
	}
	if !others {
		return nil
	}
	return nics
}

func (n *Network) carrier(i net.Interface) bool {
	b, err := os.ReadFile(n.sys("class/net", i.Name, "carrier"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// acquire asks for a lease and applies it.
func (n *Network) acquire(ctx context.Context, nic net.Interface) (Link, error) {
	c, err := nclient4.New(nic.Name, nclient4.WithTimeout(dhcpTry), nclient4.WithRetry(dhcpTries))
	if err != nil {
		return Link{}, fmt.Errorf("opening a DHCP socket on %s: %w", nic.Name, err)
	}
	defer func() { _ = c.Close() }()
	lease, err := request(ctx, c, nic.HardwareAddr)
	if err != nil {
		return Link{}, err
	}
	if err := apply(nic.Name, lease.ACK); err != nil {
		return Link{}, err
	}
	n.lease = lease
	return Link{Name: nic.Name, MAC: nic.HardwareAddr, IP: lease.ACK.YourIPAddr}, nil
}

// request takes the first offer that offers an address: a proxy-DHCP server's does not.
func request(ctx context.Context, c *nclient4.Client, mac net.HardwareAddr) (*nclient4.Lease, error) {
	d, err := dhcpv4.NewDiscovery(mac)
	if err != nil {
		return nil, fmt.Errorf("making a DHCP request: %w", err)
	}
	offer, err := c.SendAndRead(ctx, c.RemoteAddr(), d, func(p *dhcpv4.DHCPv4) bool {
		return p.MessageType() == dhcpv4.MessageTypeOffer && !p.YourIPAddr.IsUnspecified()
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for a DHCP offer: %w", err)
	}
	lease, err := c.RequestFromOffer(ctx, offer)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", offer.YourIPAddr, err)
	}
	return lease, nil
}

// apply sets address, routes and MTU of an acknowledged lease.
func apply(name string, ack *dhcpv4.DHCPv4) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	mask := ack.SubnetMask()
	if ones, bits := mask.Size(); bits != 32 || ones == 0 {
		mask = ack.YourIPAddr.DefaultMask()
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: ack.YourIPAddr, Mask: mask}}
	old, _ := netlink.AddrList(link, unix.AF_INET)
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("setting %s on %s: %w", addr.IPNet, name, err)
	}
	for _, a := range old {
		if !a.IP.Equal(addr.IP) {
			_ = netlink.AddrDel(link, &a)
		}
	}
	if b := ack.GetOneOption(dhcpv4.OptionInterfaceMTU); len(b) == 2 {
		// RFC 2132 5.1: at least 68. Below 576 no server we know means it, and TLS would crawl.
		if mtu := int(b[0])<<8 | int(b[1]); mtu >= 576 && mtu <= 9216 {
			_ = netlink.LinkSetMTU(link, mtu)
		}
	}
	for _, r := range routes(ack) {
		r.LinkIndex = link.Attrs().Index
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("setting a route by %s: %w", r.Gw, err)
		}
	}
	return nil
}

// routes are those of option 121, else the router of option 3 (RFC 3442: 121 makes 3 be ignored).
func routes(ack *dhcpv4.DHCPv4) []netlink.Route {
	var list []netlink.Route
	for _, r := range ack.ClasslessStaticRoute() {
		route := netlink.Route{Dst: r.Dest, Gw: r.Router}
		if r.Router.IsUnspecified() {
			route.Gw, route.Scope = nil, netlink.SCOPE_LINK
		}
		list = append(list, route)
	}
	if len(list) > 0 {
		return list
	}
	if r := ack.Router(); len(r) > 0 {
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		list = append(list, netlink.Route{Dst: all, Gw: r[0], Flags: int(netlink.FLAG_ONLINK)})
	}
	return list
}

// Keep renews the lease at half its time until ctx ends. A server that does not answer is asked again after half of
// what is left; one that refuses is asked for a new lease.
func (n *Network) Keep(ctx context.Context, l Link) {
	for n.lease != nil {
		left := n.lease.ACK.IPAddressLeaseTime(time.Hour) - time.Since(n.lease.CreationTime)
		pause := min(max(left/2, 10*time.Second), maxRenewPause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		nic, err := net.InterfaceByName(l.Name)
		if err != nil {
			continue
		}
		if err := n.renew(ctx, *nic); err != nil {
			var refused *nclient4.ErrNak
			if errors.As(err, &refused) || left < time.Minute {
				_, _ = n.acquire(ctx, *nic)
			}
		}
	}
}

func (n *Network) renew(ctx context.Context, nic net.Interface) error {
	c, err := nclient4.New(nic.Name, nclient4.WithTimeout(dhcpTry), nclient4.WithRetry(dhcpTries))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	lease, err := c.Renew(ctx, n.lease)
	if err != nil {
		return err
	}
	n.lease = lease
	return apply(nic.Name, lease.ACK)
}
