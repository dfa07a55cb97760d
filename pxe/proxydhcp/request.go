package proxydhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Class is what a client is able to boot by, from option 60.
type Class string

// The classes, as they begin option 60 (PXE 2.1 table 2-1; RFC 5970 section 3).
const (
	ClassPXE  Class = "PXEClient"
	ClassHTTP Class = "HTTPClient"
)

// ErrNotPXE says that a packet is sound DHCP, but not of a client that wants to boot: it is none of our business.
var ErrNotPXE = errors.New("not a network boot request")

// MalformedError says what is wrong with a packet that claims to be DHCP.
type MalformedError struct {
	Reason string // "hardware address of 3 bytes"
}

// Error implements error.
func (e *MalformedError) Error() string { return "malformed DHCP packet: " + e.Reason }

// Request is one packet of a client that wants to boot. Nothing of it is proven.
type Request struct {
	Type   dhcpv4.MessageType // DISCOVER or REQUEST
	MAC    net.HardwareAddr   // 6 bytes
	UUID   string             // option 97 as Linux prints it; "" when it was not sent or is not a UUID
	Arch   uint16             // first architecture of option 93 that we know, else the first; 0 when it was not sent
	Class  Class
	IPXE   bool       // the client is iPXE, by option 77 or 175
	Relay  netip.Addr // giaddr; the zero Addr when the client is on our own segment
	Client netip.Addr // the address it has (ciaddr) or asks for (option 50); the zero Addr when none
	XID    uint32

	packet *dhcpv4.DHCPv4
}

// option175 carries iPXE's encapsulated options; no other client sends it.
const option175 = 175

// Parse reads a packet from a client. It returns ErrNotPXE for DHCP that is not for us (no option 60 of a network
// boot client, or neither DISCOVER nor REQUEST), and *MalformedError for bytes that are no DHCP request at all.
// Old ROMs leave options 93 and 97 out: they count as BIOS (RFC 4578 came 7 years after PXE 2.1).
func Parse(b []byte) (*Request, error) {
	p, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil, &MalformedError{Reason: err.Error()}
	}
	if p.OpCode != dhcpv4.OpcodeBootRequest {
		return nil, &MalformedError{Reason: "not a request"}
	}
	if p.HWType != iana.HWTypeEthernet || len(p.ClientHWAddr) != 6 {
		return nil, &MalformedError{Reason: fmt.Sprintf("hardware type %d, address of %d bytes", p.HWType, len(p.ClientHWAddr))}
	}
	if !unicastMAC(p.ClientHWAddr) {
		return nil, &MalformedError{Reason: "hardware address " + p.ClientHWAddr.String()}
	}
	r := &Request{
		Type: p.MessageType(), MAC: p.ClientHWAddr, packet: p,
		XID:    binary.BigEndian.Uint32(p.TransactionID[:]),
		Relay:  address(p.GatewayIPAddr),
		Client: address(p.ClientIPAddr),
	}
	if !r.Client.IsValid() {
		r.Client = address(p.Options.Get(dhcpv4.OptionRequestedIPAddress))
	}
	if r.Type != dhcpv4.MessageTypeDiscover && r.Type != dhcpv4.MessageTypeRequest {
		return nil, ErrNotPXE
	}
	class := string(p.Options.Get(dhcpv4.OptionClassIdentifier))
	switch {
	case strings.HasPrefix(class, string(ClassPXE)):
		r.Class = ClassPXE
	case strings.HasPrefix(class, string(ClassHTTP)):
		r.Class = ClassHTTP
	default:
		return nil, ErrNotPXE
	}
	r.Arch = architecture(p.Options.Get(dhcpv4.OptionClientSystemArchitectureType), class)
	r.IPXE = p.Options.Has(dhcpv4.GenericOptionCode(option175)) ||
		strings.Contains(string(p.Options.Get(dhcpv4.OptionUserClassInformation)), "iPXE")
	r.UUID = uuid(p.Options.Get(dhcpv4.OptionClientMachineIdentifier))
	return r, nil
}

// unicastMAC tells whether a MAC can be that of one network card.
func unicastMAC(mac net.HardwareAddr) bool {
	if mac[0]&1 != 0 {
		return false
	}
	for _, b := range mac {
		if b != 0 {
			return true
		}
	}
	return false
}

// address converts 4 bytes of a packet; 0.0.0.0 and anything that is no unicast address count as none.
func address(b []byte) netip.Addr {
	if len(b) != 4 {
		return netip.Addr{}
	}
	a := netip.AddrFrom4([4]byte(b))
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return a
}

// architecture reads option 93, a list of 16-bit numbers of which the first known one counts. A client without it may
// still say it in its class ("PXEClient:Arch:00007:UNDI:003016"), as PXE 2.1 asks.
func architecture(option []byte, class string) uint16 {
	if len(option) < 2 {
		parts := strings.Split(class, ":")
		var arch uint16
		if len(parts) >= 3 && parts[1] == "Arch" && len(parts[2]) <= 5 {
			if _, err := fmt.Sscanf(parts[2], "%d", &arch); err != nil {
				return 0
			}
		}
		return arch
	}
	for i := 0; i+1 < len(option) && i < 32; i += 2 {
		a := binary.BigEndian.Uint16(option[i:])
		switch a {
		case 0, 6, 7, 9, 16:
			return a
		}
	}
	return binary.BigEndian.Uint16(option)
}

// uuid prints option 97 (type 0, then 16 bytes). OVMF and iPXE both copy the SMBIOS bytes, whose first three fields are
// little-endian (SMBIOS 3 section 7.2.1).
func uuid(b []byte) string {
	if len(b) != 17 || b[0] != 0 {
		return ""
	}
	u := b[1:]
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(u), binary.LittleEndian.Uint16(u[4:]),
		binary.LittleEndian.Uint16(u[6:]), u[8:10], u[10:16])
}
