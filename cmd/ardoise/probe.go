package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/doctor"
	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/rawsock"
)

// probeTime is how long offers are waited for. Servers answer at once, after a ping of the address at most.
const probeTime = 3 * time.Second

// offer is what one server answered.
type offer struct {
	server  string
	address bool // offers an address: a DHCP server
	boot    bool // names a boot file or says PXEClient: a boot server
	file    string
}

// probe asks, as a PC that starts from the network would, who answers on a link. The address it asks for is random and
// never taken up: an offer that nobody requests is forgotten by its server within a minute.
func probe(ctx context.Context, link pxe.Link) ([]offer, error) {
	socket, err := rawsock.Open(&link.Interface)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = socket.Close() }) // ends Read
	mac := make(net.HardwareAddr, 6)
	if _, err := rand.Read(mac); err != nil {
		return nil, err
	}
	mac[0] = mac[0]&^1 | 2 // locally administered, nobody's
	ask, err := dhcpv4.NewDiscovery(mac, dhcpv4.WithBroadcast(true),
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003016")),
		dhcpv4.WithGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{0, 7}),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionTFTPServerName, dhcpv4.OptionBootfileName))
	if err != nil {
		return nil, err
	}
	err = socket.Write(rawsock.Datagram{DstMAC: rawsock.Broadcast, SrcMAC: rawsock.MAC(link.Interface.HardwareAddr),
		Src: netip.IPv4Unspecified(), Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}),
		SrcPort: rawsock.PortClient, DstPort: rawsock.PortServer, Payload: ask.ToBytes()})
	if err != nil {
		return nil, err
	}
	return collect(ctx, socket, ask), nil
}

// collect gathers the answers to a question until the time is over.
func collect(ctx context.Context, socket *rawsock.Socket, ask *dhcpv4.DHCPv4) []offer {
	var out []offer
	buf := make([]byte, 2048)
	for ctx.Err() == nil {
		d, err := socket.Read(buf)
		if err == rawsock.ErrFrame {
			continue
		}
		if err != nil {
			break
		}
		p, err := dhcpv4.FromBytes(d.Payload)
		if err != nil || p.TransactionID != ask.TransactionID || p.OpCode != dhcpv4.OpcodeBootReply {
			continue
		}
		o := offer{server: d.Src.String(), address: !p.YourIPAddr.IsUnspecified() && p.YourIPAddr != nil,
			file: strings.TrimRight(p.BootFileName, "\x00")}
		if o.file == "" {
			o.file = p.BootFileNameOption()
		}
		o.boot = o.file != "" || strings.HasPrefix(p.ClassIdentifier(), "PXEClient")
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// neighbours checks who answers DHCP and network boot on a link.
func neighbours(ctx context.Context, link pxe.Link) []access.Check {
	name := "DHCP on " + link.Interface.Name
	offers, err := probe(ctx, link)
	if err != nil {
		return []access.Check{doctor.Warn(name, "run as root, or ask the running daemon", "not asked: %v", err)}
	}
	var out []access.Check
	var servers []string
	for _, o := range offers {
		if o.address && !slices.Contains(servers, o.server) {
			servers = append(servers, o.server)
		}
		if o.boot && !ownAddress(link, o.server) {
			out = append(out, doctor.Bad("network boot on "+link.Interface.Name,
				"switch it off there, or keep the PCs of this network out of its configuration: the first answer wins",
				"%s also answers network boots%s", o.server, fileText(o.file)))
		}
	}
	switch len(servers) {
	case 0:
		out = append(out, doctor.Bad(name, "PCs need an address: is the school's DHCP server on, and on this network?",
			"nobody offers an address"))
	case 1:
		out = append(out, doctor.OK(name, "%s offers addresses", servers[0]))
	default:
		out = append(out, doctor.Warn(name, "two DHCP servers on one network contradict each other: switch one off",
			"%s offer addresses", strings.Join(servers, " and ")))
	}
	return out
}

func fileText(file string) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf(", naming %.60q", file)
}

func ownAddress(link pxe.Link, server string) bool {
	return slices.ContainsFunc(link.Addresses, func(p netip.Prefix) bool { return p.Addr().String() == server })
}
