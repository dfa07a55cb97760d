package drive

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// nvmePage is a healthy drive: 27 °C, 3 % used, 41 TB written by 310 million commands.
func nvmePage() []byte {
	b := make([]byte, page)
	binary.LittleEndian.PutUint16(b[1:], 300)
	b[3], b[4], b[5] = 100, 10, 3
	binary.LittleEndian.PutUint64(b[32:], 52_000_000)
	binary.LittleEndian.PutUint64(b[48:], 80_123_456)
	binary.LittleEndian.PutUint64(b[64:], 900_000_000)
	binary.LittleEndian.PutUint64(b[80:], 310_000_000)
	binary.LittleEndian.PutUint64(b[112:], 412)
	binary.LittleEndian.PutUint64(b[144:], 17)
	return b
}

func changed(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return b
}

func TestANVMeDriveIsRead(t *testing.T) {
	h, c, ok := parseNVMe(nvmePage())
	if !ok || c == nil || c.Commands != 310_000_000 || c.Sectors != 80_123_456 || c.Unsafe != 17 || c.Source != "nvme" || h.Failing {
		t.Fatalf("health %+v, counter %+v, %v", h, c, ok)
	}
	if s := h.String(); s != "SMART: 0 media faults, 3 % of its life used, 100 % spare left" {
		t.Errorf("it says %q", s)
	}
	h, _, _ = parseNVMe(changed(nvmePage(), func(b []byte) {
		b[0], b[3], b[5] = 0x05, 2, 130
		binary.LittleEndian.PutUint64(b[160:], 9)
	}))
	if s := h.String(); !h.Failing || s != "SMART: critical warning: spare blocks used up, reliability degraded, 9 media faults, 130 % of its life used, 2 % spare left" {
		t.Errorf("a failing drive says %q", s)
	}
}

func TestAnNVMeDriveThatTalksNonsenseHasNoCounter(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                   nil,
		"half a page":               nvmePage()[:256],
		"zeros":                     make([]byte, page),
		"ones":                      bytes.Repeat([]byte{0xFF}, page),
		"reserved bits of warnings": changed(nvmePage(), func(b []byte) { b[0] = 0x80 }),
		"101 % spare":               changed(nvmePage(), func(b []byte) { b[3] = 101 }),
		"1,000 K":                   changed(nvmePage(), func(b []byte) { binary.LittleEndian.PutUint16(b[1:], 1000) }),
		"2^64 commands":             changed(nvmePage(), func(b []byte) { b[88] = 1 }),
		"nothing was ever written":  changed(nvmePage(), func(b []byte) { clear(b[80:88]) }),
	} {
		if _, c, _ := parseNVMe(b); c != nil {
			t.Errorf("%s: counter %+v", name, c)
		}
	}
}

// generalPage is page 01h of the Device Statistics log: revision 2, 20 TB written.
func generalPage() []byte {
	b := make([]byte, page)
	b[0], b[2] = 2, 1
	binary.LittleEndian.PutUint64(b[8:], 0xC0<<56|812)
	binary.LittleEndian.PutUint64(b[24:], 0xC0<<56|39_000_000_000)
	binary.LittleEndian.PutUint64(b[40:], 0xC0<<56|61_000_000_000)
	return b
}

func TestStatisticsOfAnATADrive(t *testing.T) {
	if c := parseGeneral(generalPage()); c == nil || c.Sectors != 39_000_000_000 || c.Commands != 0 || c.Source != "ata-statistics" {
		t.Errorf("counter %+v", c)
	}
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"zeros":            make([]byte, page),
		"ones":             bytes.Repeat([]byte{0xFF}, page),
		"another page":     changed(generalPage(), func(b []byte) { b[2] = 3 }),
		"not supported":    changed(generalPage(), func(b []byte) { b[31] = 0x40 }),
		"not valid":        changed(generalPage(), func(b []byte) { b[31] = 0x80 }),
		"beyond 48 bits":   changed(generalPage(), func(b []byte) { b[30] = 1 }),
		"never written to": changed(generalPage(), func(b []byte) { clear(b[24:30]) }),
	} {
		if c := parseGeneral(b); c != nil {
			t.Errorf("%s: counter %+v", name, c)
		}
	}
}

func sealed(b []byte) []byte {
	var sum byte
	for _, v := range b[:page-1] {
		sum += v
	}
	b[page-1] = -sum
	return b
}

func smartPage() []byte {
	b := make([]byte, page)
	b[0] = 16
	put := func(i int, id byte, raw uint32) {
		a := b[2+12*i:]
		a[0], a[1], a[3], a[4] = id, 0x33, 100, 100
		binary.LittleEndian.PutUint32(a[5:], raw)
		a[10] = 0x77 // another vendor's business
	}
	put(0, 1, 0)
	put(1, 5, 12)
	put(2, 187, 4)
	put(3, 197, 3)
	return sealed(b)
}

func TestAttributesOfAnATADrive(t *testing.T) {
	h, ok := parseSMART(smartPage())
	if s := h.String(); !ok || s != "SMART: 12 reallocated, 3 pending, 4 uncorrectable" {
		t.Errorf("it says %q, %v", s, ok)
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"zeros":             make([]byte, page),
		"ones":              bytes.Repeat([]byte{0xFF}, page),
		"one bit is wrong":  changed(smartPage(), func(b []byte) { b[19] ^= 1 }),
		"no such attribute": sealed(append([]byte{16, 0, 9, 0x33, 0, 100, 100, 1}, make([]byte, page-8)...)),
	} {
		if h, ok := parseSMART(b); ok {
			t.Errorf("%s: believed: %+v", name, h)
		}
	}
}

// returned is sense data with an ATA Status Return descriptor behind one that means nothing to us.
func returned(mid, high byte) []byte {
	return append([]byte{0x72, 0x01, 0x00, 0x1D, 0, 0, 0, 18, 0x80, 0x02, 1, 2},
		0x09, 0x0C, 0, 0, 0, 0, 0, 0, 0, mid, 0, high, 0, 0x50)
}

func TestStatusOfAnATADrive(t *testing.T) {
	for name, c := range map[string]struct {
		sense       []byte
		failing, ok bool
	}{
		"well":             {returned(0x4F, 0xC2), false, true},
		"failing":          {returned(0xF4, 0x2C), true, true},
		"neither":          {returned(0x4F, 0x2C), false, false},
		"cut short":        {returned(0xF4, 0x2C)[:20], false, false},
		"fixed format":     {append([]byte{0x70}, returned(0xF4, 0x2C)[1:]...), false, false},
		"nothing":          {nil, false, false},
		"a wrong length":   {changed(returned(0xF4, 0x2C), func(b []byte) { b[7] = 4 }), false, false},
		"endless nonsense": {append([]byte{0x72, 0, 0, 0, 0, 0, 0, 56}, make([]byte, 56)...), false, false},
	} {
		if failing, ok := parseStatus(c.sense); failing != c.failing || ok != c.ok {
			t.Errorf("%s: failing %v, told %v", name, failing, ok)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	for _, b := range [][]byte{nvmePage(), generalPage(), smartPage(), returned(0x4F, 0xC2), returned(0xF4, 0x2C), {}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, c, ok := parseNVMe(b)
		if c != nil && (!ok || c.Commands == 0 || c.Sectors == 0 || len(b) < page) {
			t.Errorf("counter %+v of a page that is none", c)
		}
		if ok && (h.Spare > 100 || strings.Contains(h.String(), "-1")) {
			t.Errorf("it says %q", h)
		}
		if c := parseGeneral(b); c != nil && (c.Sectors == 0 || c.Sectors >= 1<<48) {
			t.Errorf("counter %+v", c)
		}
		if h, ok := parseSMART(b); ok && h.Reallocated < 0 && h.Pending < 0 && h.Reported < 0 {
			t.Errorf("believed without saying anything: %+v", h)
		}
		parseStatus(b)
	})
}
