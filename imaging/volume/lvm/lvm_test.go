package lvm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume/lvm"
)

const size = 8 << 20

// group is the text of a volume group as LVM 2.03 writes it.
const group = `contents = "Text Format Volume Group"
version = 1

description = "Write from \"lvcreate\"."

creation_host = "vm"	# Linux vm
creation_time = 1795331072	# Sun Nov 22 07:04:32 2026

salle {
id = "Crt7gm-qBzv-rtJH-mQ4V-v5ds-4S9e-zREJ0x"
seqno = 5
format = "lvm2"			# informational
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 2048		# 1024 Kilobytes
max_lv = 0

physical_volumes {
pv0 {
id = "yokdme-qOXg-F5lG-0ldl-HyNf-3Zef-1lCf4y"
device = "/dev/sda2"	# Hint only
status = ["ALLOCATABLE"]
dev_size = 16384	# 8 Megabytes
pe_start = 2048
pe_count = 7
}
}

logical_volumes {
root {
id = "qLLB3u-5Bej-1F8k-A3hM-mX0r-WtF2-W0B7TH"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 2
segment1 {
start_extent = 0
extent_count = 2
type = "striped"
stripe_count = 1	# linear
stripes = [
"pv0", 3
]
}
segment2 {
start_extent = 2
extent_count = 1
type = "striped"
stripe_count = 1	# linear
stripes = ["pv0", 0]
}
}
home {
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 1
segment1 {
start_extent = 0
extent_count = 2
type = "striped"
stripe_count = 1	# linear
stripes = ["pv0", 1]
}
}
}
}
`

func crc(b []byte) uint32 { return ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b) }

// physical makes a physical volume that holds a text.
func physical(text string) []byte {
	return append(start(text), make([]byte, size)...)[:size]
}

// start makes what lies before its first extent.
func start(text string) []byte {
	b := make([]byte, 4608+len(text))
	le := binary.LittleEndian
	label, area := b[512:1024], b[4096:4608]
	copy(label, "LABELONE")
	label[8], label[20] = 1, 32
	copy(label[24:], "LVM2 001yokdmeqOXgF5lG0ldlHyNf3Zef1lCf4y")
	le.PutUint64(label[64:], size)
	le.PutUint64(label[72:], 1<<20)
	le.PutUint64(label[104:], 4096)
	le.PutUint64(label[112:], 1<<20-4096)
	le.PutUint32(label[16:], crc(label[20:]))
	copy(area[4:], " LVM2 x[5A%r0N*>")
	area[20] = 1
	le.PutUint64(area[24:], 4096)
	le.PutUint64(area[32:], 1<<20-4096)
	le.PutUint64(area[40:], 512)
	le.PutUint64(area[48:], uint64(len(text)))
	le.PutUint32(area[56:], crc([]byte(text)))
	le.PutUint32(area, crc(area[4:]))
	copy(b[4608:], text)
	return b
}

func TestLogicalVolumesAreMapped(t *testing.T) {
	p, err := lvm.Read(bytes.NewReader(physical(group)), size)
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	if p.Group != "salle" || p.UUID != "yokdme-qOXg-F5lG-0ldl-HyNf-3Zef-1lCf4y" || p.Label != 512 || p.Start != mib || p.End != 8*mib {
		t.Errorf("%+v", p)
	}
	if len(p.Logical) != 2 || p.Logical[0].Name != "home" || p.Logical[1].Name != "root" {
		t.Fatalf("logical volumes %+v", p.Logical)
	}
	root := p.Logical[1]
	if root.Size != 3*mib || len(root.Segments) != 2 || root.Segments[0] != (lvm.Extent{Offset: 4 * mib, Length: 2 * mib}) ||
		root.Segments[1] != (lvm.Extent{Offset: mib, Length: mib}) {
		t.Errorf("root: %+v", root)
	}
}

func TestWhatLVMWroteItselfIsRead(t *testing.T) {
	b, err := os.ReadFile("testdata/pv.head") // the first 12 KiB of a volume of 64 MiB, LVM 2.03.16
	if err != nil {
		t.Fatal(err)
	}
	p, err := lvm.Read(bytes.NewReader(append(b, make([]byte, 64<<20-len(b))...)), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Logical) != 3 || p.Logical[1].Name != "root" || len(p.Logical[1].Segments) != 2 || p.Logical[1].Size != 23<<20 {
		t.Errorf("%+v", p.Logical)
	}
}

func TestWhatIsNotLinearOrContradictsItselfIsTold(t *testing.T) {
	for name, how := range map[string]struct {
		old, new  string
		supported bool // it is damage then
	}{
		"a mirror":                         {`type = "striped"`, `type = "raid1"`, false},
		"a thin volume":                    {`type = "striped"`, `type = "thin"`, false},
		"a cache":                          {`type = "striped"`, `type = "cache+CACHE_USES_CACHEVOL"`, false},
		"two stripes":                      {`stripe_count = 1`, `stripe_count = 2`, false},
		"a volume that is moved":           {`status = ["READ", "WRITE", "VISIBLE"]`, `status = ["READ", "WRITE", "PVMOVE", "LOCKED"]`, false},
		"a group with a missing volume":    {`["ALLOCATABLE"]`, `["ALLOCATABLE", "MISSING"]`, false},
		"a second physical volume":         {"physical_volumes {", "physical_volumes {\npv1 {\n}", false},
		"a shared group":                   {`["RESIZEABLE",`, `["RESIZEABLE", "CLUSTERED",`, false},
		"another format":                   {`format = "lvm2"`, `format = "lvm3"`, false},
		"another version of text":          {"version = 1", "version = 2", false},
		"another physical volume":          {"yokdme-", "yokdmf-", true},
		"an extent of two volumes":         {`"pv0", 0`, `"pv0", 2`, true},
		"an extent that is not there":      {`"pv0", 3`, `"pv0", 6`, true},
		"a huge extent number":             {`"pv0", 3`, `"pv0", 9223372036854775807`, true},
		"a negative extent number":         {`"pv0", 3`, `"pv0", -1`, true},
		"a stripe on a volume not there":   {`"pv0", 3`, `"pv1", 3`, true},
		"more extents than fit":            {"pe_count = 7", "pe_count = 8", true},
		"extents before the label":         {"pe_start = 2048", "pe_start = 1", true},
		"extents far behind the end":       {"pe_start = 2048", "pe_start = 9007199254740992", true},
		"extents of no size":               {"extent_size = 2048", "extent_size = 0", true},
		"extents of an unlikely size":      {"extent_size = 2048", "extent_size = 18014398509481984", true},
		"a gap between segments":           {"start_extent = 2", "start_extent = 3", true},
		"a segment that is missing":        {"segment2 {", "segment3 {", true},
		"a segment without extents":        {"extent_count = 1", "extent_count = 0", true},
		"a section without an end":         {"home {", "home { {", true},
		"a name twice":                     {"max_lv = 0", "seqno = 7", true},
		"a string without an end":          {`"Write from`, "Write from", true},
		"a bracket too many":               {"max_lv = 0", "max_lv = 0 }}", true},
		"a list without an end":            {"flags = []", "flags = [ 1", true},
		"two groups":                       {"version = 1", "version = 1 other { }", true},
		"sections that are nested for fun": {"max_lv = 0", strings.Repeat("a { ", 100) + strings.Repeat("} ", 100), true},
		"lists that are nested for fun":    {"max_lv = 0", "a = " + strings.Repeat("[ ", 100) + strings.Repeat("] ", 100), true},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(group, how.old, how.new, 1)
			if text == group {
				t.Fatal("nothing was changed")
			}
			_, err := lvm.Read(bytes.NewReader(physical(text)), size)
			var damaged *lvm.DamagedError
			var unsupported *lvm.UnsupportedError
			if how.supported && !errors.As(err, &damaged) || !how.supported && !errors.As(err, &unsupported) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEveryByteOfTheStructuresCounts(t *testing.T) {
	sound := physical(group)
	for at := 512; at < 4608+len(group); at++ {
		if at == 1024 {
			at = 4096
		}
		sound[at] ^= 0x10
		if _, err := lvm.Read(bytes.NewReader(sound), size); err == nil {
			t.Fatalf("a flipped bit at %d goes unseen", at)
		}
		sound[at] ^= 0x10
	}
}

func TestVolumesThatEndEarlyAreErrors(t *testing.T) {
	b := physical(group)
	for _, n := range []int64{0, 100, 2047, 2048, 4096, 5000, 1 << 20, size - 1} {
		if _, err := lvm.Read(bytes.NewReader(b[:n]), n); err == nil {
			t.Errorf("%d bytes are read without an error", n)
		}
	}
}

// FuzzText puts any text into sound structures.
func FuzzText(f *testing.F) {
	f.Add(group)
	f.Add(`a = [1, "b", [2]] c { d = "e\"f" } # end`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<18 {
			return
		}
		check(t, start(text), size)
	})
}

// FuzzRead reads any bytes as a physical volume.
func FuzzRead(f *testing.F) {
	f.Add(start(group))
	if b, err := os.ReadFile("testdata/pv.head"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 1<<17 {
			check(t, b, size)
		}
	})
}

// check makes sure that what was read lies inside and that nothing belongs to two.
func check(t *testing.T, b []byte, size int64) {
	p, err := lvm.Read(padded(b), size)
	if err != nil {
		return
	}
	taken := map[int64]bool{}
	for _, l := range p.Logical {
		var sum int64
		for _, s := range l.Segments {
			if s.Offset < p.Start || s.Length <= 0 || s.Offset+s.Length > p.End || p.End > size {
				t.Fatalf("segment %+v lies outside %+v", s, p)
			}
			for at := s.Offset; at < s.Offset+s.Length; at += p.ExtentSize {
				if taken[at] {
					t.Fatalf("%d belongs to two", at)
				}
				taken[at] = true
			}
			sum += s.Length
		}
		if sum != l.Size {
			t.Fatalf("%s has %d bytes in segments and a size of %d", l.Name, sum, l.Size)
		}
	}
}

// padded reads as zeros behind its bytes.
type padded []byte

// ReadAt implements io.ReaderAt.
func (p padded) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(p)) {
		copy(b, p[off:])
	}
	return len(b), nil
}
