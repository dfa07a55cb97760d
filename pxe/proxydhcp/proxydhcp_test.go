package proxydhcp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ardoise/ardoise/pxe/proxydhcp"
)

var update = flag.Bool("update", false, "write the golden answers anew")

var us = netip.MustParseAddr("10.9.0.2")

// sample reads a packet that was caught on the wire: OVMF 2022.11, QEMU's iPXE ROM, dnsmasq 2.90.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func samples() []string {
	return []string{"ovmf-discover", "ovmf-request", "ovmf-http-discover", "ipxe-discover", "dnsmasq-offer"}
}

func parse(t testing.TB, b []byte) *proxydhcp.Request {
	t.Helper()
	r, err := proxydhcp.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// change decodes a sample, lets f alter it, and encodes it again.
func change(t testing.TB, name string, f func(*dhcpv4.DHCPv4)) []byte {
	t.Helper()
	p, err := dhcpv4.FromBytes(sample(t, name))
	if err != nil {
		t.Fatal(err)
	}
	f(p)
	return p.ToBytes()
}

func TestParseReadsRealFirmware(t *testing.T) {
	// QEMU was started with -uuid 00112233-4455-6677-8899-aabbccddeeff.
	const uuid = "00112233-4455-6677-8899-aabbccddeeff"
	for name, want := range map[string]proxydhcp.Request{
		"ovmf-discover":      {Type: dhcpv4.MessageTypeDiscover, UUID: uuid, Arch: 7, Class: proxydhcp.ClassPXE},
		"ovmf-request":       {Type: dhcpv4.MessageTypeRequest, UUID: uuid, Arch: 7, Class: proxydhcp.ClassPXE, Client: netip.MustParseAddr("10.9.0.58")},
		"ovmf-http-discover": {Type: dhcpv4.MessageTypeDiscover, UUID: uuid, Arch: 16, Class: proxydhcp.ClassHTTP},
		"ipxe-discover":      {Type: dhcpv4.MessageTypeDiscover, UUID: uuid, Arch: 0, Class: proxydhcp.ClassPXE, IPXE: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, sample(t, name))
			if got.MAC.String() != "52:54:00:12:34:56" {
				t.Errorf("MAC %v", got.MAC)
			}
			type brief struct {
				Type   dhcpv4.MessageType
				UUID   string
				Arch   uint16
				Class  proxydhcp.Class
				IPXE   bool
				Client string
			}
			view := func(r proxydhcp.Request) brief {
				return brief{r.Type, r.UUID, r.Arch, r.Class, r.IPXE, r.Client.String()}
			}
			if d := cmp.Diff(view(want), view(*got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefusesWhatIsNotForUs(t *testing.T) {
	var malformed *proxydhcp.MalformedError
	set := func(o dhcpv4.Option) func(*dhcpv4.DHCPv4) { return func(p *dhcpv4.DHCPv4) { p.UpdateOption(o) } }
	for name, c := range map[string]struct {
		packet []byte
		foul   bool // malformed, not only foreign to us
	}{
		"an ordinary client has no option 60": {packet: change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) {
			p.DeleteOption(dhcpv4.OptionClassIdentifier)
		})},
		"Windows calls itself MSFT":           {packet: change(t, "ovmf-discover", set(dhcpv4.OptClassIdentifier("MSFT 5.0")))},
		"a RELEASE is the DHCP server's":      {packet: change(t, "ovmf-discover", set(dhcpv4.OptMessageType(dhcpv4.MessageTypeRelease)))},
		"a reply is no request":               {packet: sample(t, "dnsmasq-offer"), foul: true},
		"nothing":                             {packet: nil, foul: true},
		"half a header":                       {packet: sample(t, "ovmf-discover")[:100], foul: true},
		"a wrong cookie":                      {packet: append(append([]byte{}, sample(t, "ovmf-discover")[:236]...), 1, 2, 3, 4, 255), foul: true},
		"an option longer than the packet":    {packet: append(append([]byte{}, sample(t, "ovmf-discover")[:240]...), 60, 200, 'P'), foul: true},
		"a hardware address of three bytes":   {packet: change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = p.ClientHWAddr[:3] }), foul: true},
		"a multicast hardware address":        {packet: change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { p.ClientHWAddr[0] = 1 }), foul: true},
		"a hardware address of zeros":         {packet: change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = make([]byte, 6) }), foul: true},
		"a token ring client (hardware type)": {packet: change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) { p.HWType = 6 }), foul: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := proxydhcp.Parse(c.packet)
			if c.foul && !errors.As(err, &malformed) || !c.foul && !errors.Is(err, proxydhcp.ErrNotPXE) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseFindsTheArchitecture(t *testing.T) {
	for name, c := range map[string]struct {
		option []byte
		class  string
		want   uint16
	}{
		"the first known of a list":                  {[]byte{0, 99, 0, 9, 0, 7}, "PXEClient", 9},
		"unknown only":                               {[]byte{0, 11}, "PXEClient:Arch:00011:UNDI:003000", 11},
		"an old ROM without option 93 says it in 60": {nil, "PXEClient:Arch:00006:UNDI:002001", 6},
		"an older one says nothing: BIOS":            {nil, "PXEClient", 0},
		"a class that does not parse: BIOS":          {nil, "PXEClient:Arch:zzzzz:UNDI", 0},
		"one stray byte":                             {[]byte{7}, "PXEClient", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) {
				p.DeleteOption(dhcpv4.OptionClientSystemArchitectureType)
				if c.option != nil {
					p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientSystemArchitectureType, c.option))
				}
				p.UpdateOption(dhcpv4.OptClassIdentifier(c.class))
			})
			if got := parse(t, b).Arch; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestOffersAreTheBytesFirmwareTook compares with answers that OVMF (style G, A, B, HTTP) and iPXE (G) booted from.
func TestOffersAreTheBytesFirmwareTook(t *testing.T) {
	for name, c := range map[string]struct {
		from   string
		answer proxydhcp.Answer
		ack    bool
	}{
		"offer-ovmf-g":    {"ovmf-discover", proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: proxydhcp.StyleG}, false},
		"offer-ovmf-b":    {"ovmf-discover", proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: proxydhcp.StyleB}, false},
		"offer-ovmf-a":    {"ovmf-discover", proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: proxydhcp.StyleA}, false},
		"offer-ovmf-http": {"ovmf-http-discover", proxydhcp.Answer{Server: us, File: "http://10.9.0.2/shimx64.efi"}, false},
		"offer-ipxe-g":    {"ipxe-discover", proxydhcp.Answer{Server: us, File: "bios.0", Style: proxydhcp.StyleG}, false},
		"ack-ovmf-b":      {"ovmf-request", proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: proxydhcp.StyleB}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := parse(t, sample(t, c.from))
			build := r.Offer
			if c.ack {
				build = r.Ack
			}
			got, err := build(c.answer)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				text := ""
				for line := range slices.Chunk(got, 48) {
					text += hex.EncodeToString(line) + "\n"
				}
				if err := os.WriteFile(filepath.Join("testdata", name+".hex"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := sample(t, name); !bytes.Equal(got, want) {
				t.Errorf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
			}
		})
	}
}

func TestEveryAnswerKeepsItsPromises(t *testing.T) {
	for _, from := range []string{"ovmf-discover", "ovmf-request", "ovmf-http-discover", "ipxe-discover"} {
		for _, style := range []proxydhcp.Style{"", "G", "B", "A", "unheard of"} {
			r := parse(t, sample(t, from))
			b, err := r.Offer(proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: style})
			if err != nil {
				t.Fatal(err)
			}
			p, err := dhcpv4.FromBytes(b)
			if err != nil {
				t.Fatal(err)
			}
			if !p.YourIPAddr.IsUnspecified() {
				t.Errorf("%s %s gives the address %v", from, style, p.YourIPAddr)
			}
			if !p.ServerIPAddr.Equal(us.AsSlice()) || !p.ServerIdentifier().Equal(us.AsSlice()) {
				t.Errorf("%s %s: siaddr %v, option 54 %v", from, style, p.ServerIPAddr, p.ServerIdentifier())
			}
			if len(b) < 300 || len(b) > 576 {
				t.Errorf("%s %s: %d bytes", from, style, len(b))
			}
			if p.Options.Has(dhcpv4.OptionBootFileSize) {
				t.Errorf("%s %s: option 13, which EDK2 takes for the file's size", from, style)
			}
			v := proxydhcp.Vendor(p.Options.Get(dhcpv4.OptionVendorSpecificInformation))
			if _, menu := v[9]; menu && (len(v[6]) != 1 || v[6][0]&8 == 0) {
				t.Errorf("%s %s: a menu without direct loading ends in PXE-E99", from, style)
			}
		}
	}
}

func TestRelayedRequestsKeepWhatTheRelayNeeds(t *testing.T) {
	agent := dhcpv4.OptRelayAgentInfo(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(1), []byte("port 7")))
	b := change(t, "ovmf-discover", func(p *dhcpv4.DHCPv4) {
		p.GatewayIPAddr = []byte{10, 1, 0, 1}
		p.UpdateOption(agent)
	})
	r := parse(t, b)
	if r.Relay != netip.MustParseAddr("10.1.0.1") {
		t.Errorf("relay %v", r.Relay)
	}
	out, err := r.Offer(proxydhcp.Answer{Server: us, File: "shimx64.efi"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := dhcpv4.FromBytes(out)
	if err != nil {
		t.Fatal(err)
	}
	if !p.GatewayIPAddr.Equal([]byte{10, 1, 0, 1}) || !bytes.Equal(p.Options.Get(agent.Code), agent.Value.ToBytes()) {
		t.Errorf("giaddr %v, option 82 %x", p.GatewayIPAddr, p.Options.Get(agent.Code))
	}
}

func TestAnswersThatDoNotFitAreRefused(t *testing.T) {
	r := parse(t, sample(t, "ovmf-discover"))
	var name *proxydhcp.NameError
	if _, err := r.Offer(proxydhcp.Answer{Server: us, File: strings.Repeat("x", 128)}); !errors.As(err, &name) {
		t.Errorf("a name of 128 bytes: %v", err)
	}
	if _, err := r.Offer(proxydhcp.Answer{Server: us}); !errors.As(err, &name) {
		t.Errorf("no name: %v", err)
	}
	if _, err := r.Offer(proxydhcp.Answer{Server: netip.MustParseAddr("::1"), File: "x"}); err == nil {
		t.Error("an IPv6 server was accepted")
	}
}

func TestSteals(t *testing.T) {
	ours := func(a netip.Addr) bool { return a == us }
	for name, c := range map[string]struct {
		change func(*dhcpv4.DHCPv4)
		want   bool
	}{
		"dnsmasq's own address in siaddr means nothing": {func(*dhcpv4.DHCPv4) {}, false},
		"a boot file in the header":                     {func(p *dhcpv4.DHCPv4) { p.BootFileName = "pxelinux.0" }, true},
		"a boot file in option 67":                      {func(p *dhcpv4.DHCPv4) { p.UpdateOption(dhcpv4.OptBootFileName("ipxe.efi")) }, true},
		"another next-server":                           {func(p *dhcpv4.DHCPv4) { p.ServerIPAddr = []byte{10, 9, 0, 77} }, true},
		"it points to us: welcome": {func(p *dhcpv4.DHCPv4) {
			p.ServerIPAddr, p.BootFileName = us.AsSlice(), "shimx64.efi"
		}, false},
		"it points to us by option 66: welcome": {func(p *dhcpv4.DHCPv4) {
			p.UpdateOption(dhcpv4.OptTFTPServerName(us.String()))
			p.UpdateOption(dhcpv4.OptBootFileName("shimx64.efi"))
		}, false},
		"another proxy": {func(p *dhcpv4.DHCPv4) {
			p.YourIPAddr = []byte{0, 0, 0, 0}
			p.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
		}, true},
		"the file field holds options": {func(p *dhcpv4.DHCPv4) {
			p.BootFileName = "\x0c\x04name"
			p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionOptionOverload, []byte{1}))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := proxydhcp.ParseReply(change(t, "dnsmasq-offer", c.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Steals(ours); got != c.want {
				t.Errorf("got %v for %+v", got, r)
			}
		})
	}
}

func TestVendorTakesWhatIsWhole(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want map[byte][]byte
	}{
		"nothing":               {nil, map[byte][]byte{}},
		"our own style G":       {[]byte{6, 1, 8, 10, 4, 0, 'P', 'X', 'E', 255, 9, 9}, map[byte][]byte{6: {8}, 10: {0, 'P', 'X', 'E'}}},
		"pads between":          {[]byte{0, 0, 6, 1, 8, 0}, map[byte][]byte{6: {8}}},
		"a length past the end": {[]byte{6, 1, 8, 9, 200, 1}, map[byte][]byte{6: {8}}},
		"a code without length": {[]byte{6, 1, 8, 9}, map[byte][]byte{6: {8}}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, proxydhcp.Vendor(c.in)); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzParse: whatever a client sends, parsing and answering it neither panics nor breaks the promises of an answer.
func FuzzParse(f *testing.F) {
	for _, name := range samples() {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := proxydhcp.Parse(b)
		if err != nil {
			return
		}
		for _, style := range []proxydhcp.Style{proxydhcp.StyleG, proxydhcp.StyleB, proxydhcp.StyleA} {
			out, err := r.Ack(proxydhcp.Answer{Server: us, File: "shimx64.efi", Style: style})
			if err != nil {
				t.Fatalf("a request we took cannot be answered: %v", err)
			}
			p, err := dhcpv4.FromBytes(out)
			if err != nil {
				t.Fatalf("our answer does not parse: %v", err)
			}
			if !p.YourIPAddr.IsUnspecified() || p.MessageType() != dhcpv4.MessageTypeAck {
				t.Fatalf("answer gives %v as %v", p.YourIPAddr, p.MessageType())
			}
		}
	})
}

// FuzzParseReply: nor does what other servers send.
func FuzzParseReply(f *testing.F) {
	for _, name := range samples() {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := proxydhcp.ParseReply(b); err == nil {
			r.Steals(func(a netip.Addr) bool { return a == us })
		}
	})
}

// FuzzVendor: sub-options lie inside the option.
func FuzzVendor(f *testing.F) {
	f.Add([]byte{6, 1, 8, 10, 4, 0, 'P', 'X', 'E', 9, 10, 128, 0, 7, 'A', 'r', 'd', 'o', 'i', 's', 'e', 255})
	f.Add([]byte{6, 1, 8, 9, 200})
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for _, v := range proxydhcp.Vendor(b) {
			total += 2 + len(v)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of sub-options in %d", total, len(b))
		}
	})
}
