package wipe

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/disk/command"
)

func TestPagesThatMakeNoSenseAreRefused(t *testing.T) {
	ones := bytes.Repeat([]byte{0xFF}, 4096)
	for name, b := range map[string][]byte{"nothing": nil, "zeros": make([]byte, 4096), "ones": ones} {
		if c, err := parseController(b); err == nil {
			t.Errorf("%s is a controller: %+v", name, c)
		}
		if f, err := formatOf(b); err == nil {
			t.Errorf("%s is a namespace of format %#x", name, f)
		}
		if d, err := parseIdentity(b[:min(len(b), 512)]); err == nil {
			t.Errorf("%s is a drive: %+v", name, d)
		}
		if n, ok := parseConfiguration(b[:min(len(b), 512)]); ok {
			t.Errorf("%s has %d sectors", name, n)
		}
	}
	if l, err := parseSanitize(ones[:512]); err == nil {
		t.Errorf("ones are a status: %+v", l)
	}
	if l, err := parseSanitize(make([]byte, 512)); err != nil || !l.never || l.state == Complete {
		t.Errorf("a drive that never did: %+v, %v", l, err)
	}
	b := newATA(used(), 0xF000, 0x21).identity()
	b[100] ^= 1
	if _, err := parseIdentity(b); err == nil {
		t.Error("an identity with a wrong sum is believed")
	}
}

func TestIdentityIsRead(t *testing.T) {
	a := newATA(used(), 1<<12|1<<15, 0x21)
	a.id[106], a.id[117], a.id[90] = 0x5000, 2048, 0x8000|300
	a.id[119] = 0x4100
	d, err := parseIdentity(a.identity())
	want := identity{sanitize: true, block: true, hpa: true, amax: true, security: true, enhanced: true,
		normalTakes: 6 * time.Minute, enhancedTakes: 600 * time.Minute, sectors: size / 512, sectorSize: 4096}
	if err != nil || d != want {
		t.Errorf("%+v, %v\nwant %+v", d, err, want)
	}
}

func TestAConfigurationIsRead(t *testing.T) {
	b := make([]byte, 512)
	binary.LittleEndian.PutUint64(b[6:], 1_953_525_167)
	b[510] = 0xA5
	var sum byte
	for _, v := range b {
		sum += v
	}
	b[511] = -sum
	if n, ok := parseConfiguration(b); !ok || n != 1_953_525_168 {
		t.Errorf("%d sectors, %v", n, ok)
	}
}

func FuzzPages(f *testing.F) {
	m := used()
	n := newNVMe(m, 3, 2, 4)
	ns := make([]byte, 4096)
	_, _ = n.Admin(command.Admin{Opcode: 6, NSID: 1}, ns)
	n.begin(2)
	for _, b := range [][]byte{n.controller, ns, n.log, newATA(m, 0xF000, 0x29).identity(), {}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseController(b); err == nil && (c.namespaces == 0 || c.unallocated < 0) {
			t.Errorf("%+v", c)
		}
		if how, err := formatOf(b); err == nil && how&^0x31FF != 0 {
			t.Errorf("format %#x asks for an erase, or for what is reserved", how)
		}
		if l, err := parseSanitize(b); err == nil && (l.progress < 0 || l.progress > 1 || l.block < 0 || l.crypto < 0 || l.never && l.state == Complete) {
			t.Errorf("%+v", l)
		}
		if d, err := parseIdentity(b); err == nil {
			if d.sectors <= 0 || d.sectorSize < 512 || d.sectorSize > 1<<16 || d.normalTakes < 0 || (d.locked || d.enabled || d.frozen) && !d.security {
				t.Errorf("%+v", d)
			}
		}
		if s, ok := parseConfiguration(b); ok && (s <= 0 || s > 1<<48) {
			t.Errorf("%d sectors", s)
		}
		if len(b) >= 8 {
			r := command.Registers{Count: binary.LittleEndian.Uint16(b), LBA: binary.LittleEndian.Uint64(b) >> 16}
			if s := parseSanitizing(r); s.share < 0 || s.share > 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}

// hostile answers everything with the bytes that it has.
type hostile struct{ b []byte }

func (h hostile) Admin(_ command.Admin, data []byte) (uint32, error) {
	copy(data, h.b)
	return 0, nil
}

func (h hostile) Do(_ command.Taskfile, data []byte) (command.Registers, error) {
	copy(data, h.b)
	r := command.Registers{Status: 0x50}
	if len(h.b) >= 16 {
		r.Count, r.LBA = binary.LittleEndian.Uint16(h.b), binary.LittleEndian.Uint64(h.b[8:])>>16
	}
	return r, nil
}

// Whatever a drive answers, a medium on which nothing happened has no certificate that it was erased by the drive.
func FuzzHostileDrive(f *testing.F) {
	m := used()
	for _, b := range [][]byte{newNVMe(m, 3, 2, 4).controller, newATA(m, 0xF000, 0x21).identity(), {}} {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, ata bool) {
		m := used()
		var d Drive = NVMe{hostile{b}, 1}
		if ata {
			d = ATA{hostile{b}}
		}
		p, err := wipe(t, m, d, "")
		if err == nil && (p.Reported != "" || p.Verified != size || residue(m.b) >= 0) {
			t.Errorf("a certificate of nothing: %+v", p)
		}
	})
}
