package rawsock_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/ardoise/ardoise/pxe/rawsock"
)

func offer(payload []byte) rawsock.Datagram {
	return rawsock.Datagram{
		SrcMAC: [6]byte{0x52, 0x54, 0, 1, 2, 3}, DstMAC: rawsock.Broadcast,
		Src: netip.MustParseAddr("10.9.0.2"), Dst: netip.MustParseAddr("255.255.255.255"),
		SrcPort: rawsock.PortServer, DstPort: rawsock.PortClient, Payload: payload,
	}
}

func encode(t testing.TB, d rawsock.Datagram) []byte {
	t.Helper()
	f, err := rawsock.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFramesComeBackAsTheyWent(t *testing.T) {
	for _, payload := range [][]byte{nil, {1}, bytes.Repeat([]byte{0xa5}, 301), bytes.Repeat([]byte{0xff}, 1472)} {
		want := offer(payload)
		// Ethernet pads short frames to 60 bytes; the padding is not payload.
		frame := append(encode(t, want), make([]byte, 18)...)
		got, err := rawsock.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if got.SrcMAC != want.SrcMAC || got.DstMAC != want.DstMAC || got.Src != want.Src || got.Dst != want.Dst ||
			got.SrcPort != want.SrcPort || got.DstPort != want.DstPort || !bytes.Equal(got.Payload, payload) {
			t.Errorf("%d bytes: got %+v", len(payload), got)
		}
	}
}

// TestTheUDPChecksumIsRight adds up pseudo header and datagram by RFC 768's own words.
func TestTheUDPChecksumIsRight(t *testing.T) {
	f := encode(t, offer([]byte("odd")))
	udp := f[34:]
	b := append([]byte{0, 17, 0, byte(len(udp))}, f[26:34]...)
	b = append(append(b, udp...), 0)
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	if s != 0xffff {
		t.Errorf("the sum is %04x", s)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"a cut header":                 func(f []byte) []byte { return f[:30] },
		"IPv6":                         func(f []byte) []byte { f[12], f[13] = 0x86, 0xdd; return f },
		"TCP":                          func(f []byte) []byte { f[23] = 6; return f },
		"a first fragment":             func(f []byte) []byte { f[20] |= 0x20; return f },
		"a wrong IPv4 checksum":        func(f []byte) []byte { f[24]++; return f },
		"an IPv4 length past the end":  func(f []byte) []byte { f[16] = 0xff; return f },
		"an IPv4 header of 60 bytes":   func(f []byte) []byte { f[14] = 0x4f; return f },
		"a UDP length past the packet": func(f []byte) []byte { f[38] = 0xff; return f },
		"a UDP length under 8":         func(f []byte) []byte { f[38], f[39] = 0, 7; return f },
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := rawsock.Decode(spoil(encode(t, offer([]byte("hello"))))); !errors.Is(err, rawsock.ErrFrame) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := rawsock.Encode(offer(make([]byte, 1473))); !errors.Is(err, rawsock.ErrFrame) {
		t.Errorf("a payload larger than a frame: %v", err)
	}
}

// TestTheFilterPassesOnlyDHCP runs the program in Go's own machine; the extensions it cannot run (tag, direction) are
// proven on real interfaces by the tests of package pxe.
func TestTheFilterPassesOnlyDHCP(t *testing.T) {
	raw, err := rawsock.Filter()
	if err != nil {
		t.Fatal(err)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program does not disassemble")
	}
	// The machine knows no extensions: as on an ordinary incoming frame, both are zero.
	for i, in := range program {
		if _, ok := in.(bpf.LoadExtension); ok {
			program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: 0}
		}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*rawsock.Datagram)
		spoil  func([]byte)
		pass   bool
	}{
		"an offer":              {pass: true},
		"a request":             {change: func(d *rawsock.Datagram) { d.SrcPort, d.DstPort = 68, 67 }, pass: true},
		"from 67 to 69":         {change: func(d *rawsock.Datagram) { d.DstPort = 69 }},
		"a fragment":            {spoil: func(f []byte) { f[21] = 1 }},
		"TCP to port 68":        {spoil: func(f []byte) { f[23] = 6 }},
		"ARP":                   {spoil: func(f []byte) { f[13] = 6 }},
		"a header with options": {spoil: func(f []byte) { f[14] = 0x46 }},
	} {
		t.Run(name, func(t *testing.T) {
			d := offer([]byte("payload"))
			if c.change != nil {
				c.change(&d)
			}
			f := encode(t, d)
			if c.spoil != nil {
				c.spoil(f)
			}
			n, err := vm.Run(f)
			if err != nil {
				t.Fatal(err)
			}
			if (n > 0) != c.pass {
				t.Errorf("the filter returned %d", n)
			}
		})
	}
}

// FuzzDecode: what Decode takes, lies inside the frame and survives a round through Encode.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, offer([]byte("hello"))))
	f.Add(encode(f, offer(nil)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := rawsock.Decode(b)
		if err != nil {
			return
		}
		if len(d.Payload) > len(b) {
			t.Fatal("payload larger than the frame")
		}
		again, err := rawsock.Encode(d)
		if err != nil {
			return // jumbo frames decode, but are never sent
		}
		e, err := rawsock.Decode(again)
		if err != nil || !bytes.Equal(d.Payload, e.Payload) || d.Src != e.Src || d.DstPort != e.DstPort {
			t.Fatalf("round trip: %+v, %+v, %v", d, e, err)
		}
	})
}
