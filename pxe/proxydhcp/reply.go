package proxydhcp

import (
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Reply is another server's OFFER or ACK, as far as it bears on network boot.
type Reply struct {
	MAC    net.HardwareAddr // of the client it is for
	Server netip.Addr       // who sent it, by option 54, else siaddr; the zero Addr when it does not say
	Next   netip.Addr       // siaddr or option 66 where it is an address: who is to serve the boot file
	Offers netip.Addr       // yiaddr: the address it gives; the zero Addr for a proxy offer
	PXE    bool             // it calls itself a boot server: option 60 PXEClient or HTTPClient
	File   string           // header file, or option 67; "" when it names none
}

// ParseReply reads a packet to a client, sent by any server. It returns ErrNotPXE for one that is neither OFFER nor
// ACK, and *MalformedError for bytes that are no DHCP reply.
func ParseReply(b []byte) (*Reply, error) {
	p, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil, &MalformedError{Reason: err.Error()}
	}
	if p.OpCode != dhcpv4.OpcodeBootReply {
		return nil, &MalformedError{Reason: "not a reply"}
	}
	if t := p.MessageType(); t != dhcpv4.MessageTypeOffer && t != dhcpv4.MessageTypeAck {
		return nil, ErrNotPXE
	}
	class := string(p.Options.Get(dhcpv4.OptionClassIdentifier))
	r := &Reply{
		MAC:    p.ClientHWAddr,
		Server: address(p.Options.Get(dhcpv4.OptionServerIdentifier)),
		Next:   address(p.ServerIPAddr),
		Offers: address(p.YourIPAddr),
		PXE:    strings.HasPrefix(class, string(ClassPXE)) || strings.HasPrefix(class, string(ClassHTTP)),
	}
	if !r.Server.IsValid() {
		r.Server = r.Next
	}
	if name, err := netip.ParseAddr(string(p.Options.Get(dhcpv4.OptionTFTPServerName))); err == nil && name.Is4() {
		r.Next = name
	}
	// Option 52 bit 0 means that the file field holds more options, not a name (RFC 2132 section 9.3).
	if over := p.Options.Get(dhcpv4.OptionOptionOverload); len(over) != 1 || over[0]&1 == 0 {
		r.File = p.BootFileName
	}
	if f := string(p.Options.Get(dhcpv4.OptionBootfileName)); f != "" {
		r.File = strings.TrimRight(f, "\x00")
	}
	return r, nil
}

// Steals tells whether the reply leads network boot away from the servers in ours: it names a boot file of another
// server. A reply that points to us is the other way to set up network boot (options 66 and 67), and welcome.
// A bare siaddr is not taken for a sign: dnsmasq puts its own address there without meaning anything by it.
func (r *Reply) Steals(ours func(netip.Addr) bool) bool {
	if r.Server.IsValid() && ours(r.Server) {
		return false
	}
	if r.Next.IsValid() && ours(r.Next) {
		return false
	}
	if r.PXE || r.File != "" {
		return true
	}
	return r.Next.IsValid() && r.Next != r.Server
}
