package pxe

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ardoise/ardoise/pxe/proxydhcp"
)

const (
	dhcpDiscover = dhcpv4.MessageTypeDiscover
	dhcpRequest  = dhcpv4.MessageTypeRequest
)

// Architectures of option 93 (IANA processor architecture types) that mean something here.
const (
	archBIOS   = 0
	archIA32   = 6
	archX64    = 7
	archX64Too = 9 // RFC 4578's erratum: 7 and 9 were swapped, firmware sends either
	archHTTP   = 16
)

// Names of the files that offers name.
const (
	fileBIOS = "bios.0"
	fileShim = "shimx64.efi"
	// fileDisk is never there: "not found" sends firmware to its next boot entry in seconds, with nothing of ours run,
	// so that a BitLocker disk stays sealed to the same measurements. Silence would cost 75 s.
	fileDisk = "start-the-disk"
	// fileIA32 is never there either: no signed loader exists for 32-bit UEFI.
	fileIA32 = "uefi-32-bit-is-not-served"
)

// machine is what the Booter is told of a request.
func machine(r *proxydhcp.Request) Machine {
	return Machine{MAC: r.MAC, UUID: r.UUID, Arch: r.Arch, IP: r.Client}
}

// choose asks the Booter, within its time. Without an answer a PC starts its disk: nothing is touched that way.
func (v *service) choose(ctx context.Context, m Machine) Choice {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c, err := v.Booter.Boot(ctx, m)
	if err != nil {
		v.Log.Error("nobody says what this PC should start; it starts its disk", "mac", m.MAC.String(), "error", err)
		return Choice{Action: StartDisk}
	}
	return c
}

// file names what a machine of this architecture is to load; ok is false for one that we know nothing for.
func file(c Choice, arch uint16) (name string, ok bool) {
	switch arch {
	case archIA32:
		return fileIA32, true
	case archBIOS, archX64, archX64Too, archHTTP:
	default:
		return "", false
	}
	if c.Action != StartAgent && c.Action != StartMenu && !c.Chainload {
		return fileDisk, true
	}
	if arch == archBIOS {
		return fileBIOS, true
	}
	return fileShim, true
}

// offer answers a DISCOVER; ok is false when there is nothing to say.
func (v *service) offer(ctx context.Context, r *proxydhcp.Request, server netip.Addr) (packet []byte, ok bool) {
	v.saw(Event{MAC: r.MAC, Stage: StageDiscover, Detail: fmt.Sprintf("%s, architecture %d", r.Class, r.Arch)})
	c := v.choose(ctx, machine(r))
	name, ok := file(c, r.Arch)
	if !ok {
		v.saw(Event{MAC: r.MAC, Stage: StageRefused, Detail: fmt.Sprintf("architecture %d is not served", r.Arch)})
		return nil, false
	}
	var style Style
	stubborn := false
	if r.Class == proxydhcp.ClassPXE { // HTTP boot knows no styles
		style, stubborn = v.memory.nextStyle(r.MAC, c.Style)
	}
	if stubborn {
		v.saw(Event{MAC: r.MAC, Stage: StageIgnored, Style: style, Detail: fmt.Sprintf(
			"takes none of our offers, or gets no address; set options 66 = %v and 67 = %s for it on the DHCP server", server, name)})
	}
	a := v.named(r, name, server, style)
	packet, err := r.Offer(a)
	if err != nil {
		v.Log.Error("an offer could not be made", "mac", r.MAC.String(), "error", err)
		return nil, false
	}
	v.saw(Event{MAC: r.MAC, Stage: StageOffer, Style: style, Detail: a.File})
	return packet, true
}

// answer is what port 4011 says.
func (v *service) answer(ctx context.Context, r *proxydhcp.Request, server netip.Addr, style Style) proxydhcp.Answer {
	name, _ := file(v.choose(ctx, machine(r)), r.Arch)
	return v.named(r, name, server, style)
}

// named builds the answer that names a file.
func (v *service) named(r *proxydhcp.Request, name string, server netip.Addr, style Style) proxydhcp.Answer {
	if r.Class == proxydhcp.ClassHTTP {
		name = fmt.Sprintf("http://%s/%s", v.authority(server), name)
	}
	return proxydhcp.Answer{Server: server, File: name, Style: proxydhcp.Style(style)}
}

// authority is our address in a URL; the usual port is left out, which is what all firmware has been tried with.
func (v *service) authority(server netip.Addr) string {
	if v.HTTPPort == DefaultHTTP {
		return server.String()
	}
	return netip.AddrPortFrom(server, uint16(v.HTTPPort)).String()
}

// who tells whose request for a file this is: by the REQUEST we overheard, else by the system's neighbour table, in
// which a PC that talks to us stands with its MAC. nil when it is behind a router and was not overheard.
func (v *service) who(a netip.Addr) net.HardwareAddr {
	if mac, ok := v.memory.owner(a); ok {
		return mac
	}
	return neighbour(a)
}
