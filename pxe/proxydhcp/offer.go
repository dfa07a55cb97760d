package proxydhcp

import (
	"fmt"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Style is the shape of an offer to a PXE client; see the package comment.
type Style string

// The styles. An unknown one counts as StyleG.
const (
	StyleG Style = "G"
	StyleB Style = "B"
	StyleA Style = "A"
)

// MaxFile is the longest name that fits the header's file field with its final NUL.
const MaxFile = 127

// Answer is what to tell a client.
type Answer struct {
	Server netip.Addr // our IPv4 address as the client reaches it
	File   string     // TFTP name for ClassPXE, URL for ClassHTTP
	Style  Style      // for ClassPXE
}

// NameError says that a file name or URL does not fit its field.
type NameError struct {
	Name string
}

// Error implements error.
func (e *NameError) Error() string {
	return fmt.Sprintf("boot file name of %d bytes does not fit", len(e.Name))
}

// Offer builds the answer to a DISCOVER.
func (r *Request) Offer(a Answer) ([]byte, error) { return r.reply(dhcpv4.MessageTypeOffer, a) }

// Ack builds the answer to a REQUEST on port 4011. It names the file again, whatever the style: a client that asks
// there has not taken it from the offer.
func (r *Request) Ack(a Answer) ([]byte, error) { return r.reply(dhcpv4.MessageTypeAck, a) }

func (r *Request) reply(t dhcpv4.MessageType, a Answer) ([]byte, error) {
	// The library writes addresses as given and panics on 16 bytes, so only true IPv4 gets through.
	if !a.Server.Is4() {
		return nil, fmt.Errorf("answering %v: server address %v is not IPv4", r.MAC, a.Server)
	}
	if a.File == "" || len(a.File) > MaxFile {
		return nil, &NameError{Name: a.File}
	}
	server := a.Server.AsSlice()
	p, err := dhcpv4.NewReplyFromRequest(r.packet,
		dhcpv4.WithMessageType(t),
		// EDK2, iPXE and shim disagree about where the server's address is: EDK2 takes siaddr, else 54; iPXE and shim
		// only siaddr. So both are there, always.
		dhcpv4.WithServerIP(server),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)),
		// EDK2 and iPXE drop an offer whose option 60 is not their own class.
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier(string(r.Class))),
		dhcpv4.WithOptionCopied(r.packet, dhcpv4.OptionClientMachineIdentifier),
	)
	if err != nil {
		return nil, fmt.Errorf("answering %v: %w", r.MAC, err)
	}
	p.ClientIPAddr = r.packet.ClientIPAddr
	// Old ROMs read the server's name instead of its address.
	p.ServerHostName = a.Server.String()
	// The name stands in the header and nowhere else: EDK2 prefers option 67, shim reads only the header, and a
	// difference between the two loads shim from one place and GRUB from another.
	p.BootFileName = a.File
	if r.Class == ClassHTTP {
		// RFC 5970 wants the URL in option 67; EDK2's HTTP boot reads that one first.
		p.BootFileName = ""
		p.UpdateOption(dhcpv4.OptBootFileName(a.File))
		return p.ToBytes(), nil
	}
	if v := vendor(a.Style, a.Server); v != nil {
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, v))
	}
	return p.ToBytes(), nil
}

// Sub-options of option 43 (PXE 2.1 table 2-1).
const (
	subDiscoveryControl = 6
	subBootServers      = 8
	subMenu             = 9
	subPrompt           = 10
	subPad              = 0
	subEnd              = 255
)

// directLoad is bit 3 of the discovery control: load the header's file, no menu, no discovery. A menu without this bit
// fails at once on OVMF (PXE-E99), so no style sends one.
const directLoad = 8

// bootItem is the type of our one menu item; types from 0x8000 are free for vendors.
var bootItem = [2]byte{0x80, 0x00}

// vendor builds option 43.
func vendor(s Style, server netip.Addr) []byte {
	const prompt, label = "PXE", "Ardoise"
	v := []byte{subDiscoveryControl, 1, directLoad}
	switch s {
	case StyleB:
		return nil
	case StyleA:
		return append(v, subEnd)
	}
	v = append(v, subPrompt, byte(1+len(prompt)), 0)
	v = append(v, prompt...)
	v = append(v, subMenu, byte(3+len(label)), bootItem[0], bootItem[1], byte(len(label)))
	v = append(v, label...)
	v = append(v, subBootServers, 7, bootItem[0], bootItem[1], 1)
	v = append(v, server.AsSlice()...)
	return append(v, subEnd)
}

// Vendor reads option 43 into its sub-options. It takes what is whole and stops at the end mark or at the first
// sub-option that does not fit: a foreign server's slip must not hide the rest.
func Vendor(b []byte) map[byte][]byte {
	m := map[byte][]byte{}
	for len(b) > 0 {
		code := b[0]
		if code == subEnd {
			return m
		}
		if code == subPad {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return m
		}
		m[code] = b[2 : 2+int(b[1])]
		b = b[2+int(b[1]):]
	}
	return m
}
