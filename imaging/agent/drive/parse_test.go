package drive

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
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
	binary.LittleEndian.PutUint64(b[128:], 8_760)
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
	put(4, 9, 20_000|0x21<<24)
	put(5, 190, 30)
	put(6, 194, 0x0A2D0026)
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
		"no such attribute": sealed(append([]byte{16, 0, 12, 0x33, 0, 100, 100, 1}, make([]byte, page-8)...)),
	} {
		if h, ok := parseSMART(b); ok {
			t.Errorf("%s: believed: %+v", name, h)
		}
	}
}

func TestStatusOfAnATADrive(t *testing.T) {
	for lba, want := range map[uint64][2]bool{0xC24F00: {false, true}, 0x2CF400: {true, true}, 0x2C4F00: {}, 0: {}, 0xFFFFFF: {}} {
		if failing, ok := parseStatus(command.Registers{LBA: lba}); failing != want[0] || ok != want[1] {
			t.Errorf("%06X: failing %v, told %v", lba, failing, ok)
		}
	}
}

// wearPage is page 07h of the Device Statistics log: 41 % of the endurance used.
func wearPage() []byte {
	b := make([]byte, page)
	b[0], b[2] = 1, 7
	binary.LittleEndian.PutUint64(b[8:], 0xC0<<56|41)
	return b
}

func TestWearOfAnATADrive(t *testing.T) {
	if used, ok := parseWear(wearPage()); !ok || used != 41 {
		t.Errorf("%d %%, %v", used, ok)
	}
	for name, b := range map[string][]byte{"nothing": nil, "zeros": make([]byte, page), "ones": bytes.Repeat([]byte{0xFF}, page),
		"another page": generalPage(), "not valid": changed(wearPage(), func(b []byte) { b[15] = 0x80 })} {
		if used, ok := parseWear(b); ok {
			t.Errorf("%s: %d %% used", name, used)
		}
	}
}

func TestAnInventoryHasTheHealthOfItsDisks(t *testing.T) {
	h, _, _ := parseNVMe(nvmePage())
	want := job.DiskHealth{State: job.HealthOK, Says: h.String(), PowerOnHours: 8_760, Used: 3, Spare: 100, Reallocated: -1,
		Pending: -1, MediaErrors: 0, Celsius: 27}
	if got := h.Told(); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	a, _ := parseSMART(smartPage())
	a.Failing = true
	want = job.DiskHealth{State: job.HealthFailing, Says: a.String(), PowerOnHours: 20_000, Used: -1, Spare: -1, Reallocated: 12,
		Pending: 3, MediaErrors: 4, Celsius: 38}
	if got := a.Told(); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, b := range [][]byte{nvmePage(), generalPage(), smartPage(), wearPage(), {}} {
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
		if h, ok := parseSMART(b); ok && h.Reallocated < 0 && h.Pending < 0 && h.Reported < 0 && h.PowerOn < 0 {
			t.Errorf("believed without saying anything: %+v", h)
		}
		if used, ok := parseWear(b); ok && (used < 0 || used > 255) {
			t.Errorf("%d %% used", used)
		}
	})
}
