package lvm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Extent is a run of bytes of the physical volume.
type Extent struct {
	Offset int64 // bytes from its start
	Length int64 // bytes
}

// Logical is a logical volume: its bytes are those of its segments, one after the other.
type Logical struct {
	Name     string
	UUID     string
	Size     int64 // bytes
	Segments []Extent
}

// Physical is a physical volume and what lies on it.
type Physical struct {
	UUID       string
	Label      int64 // offset of the sector with the label
	Group      string
	Start, End int64 // bytes; the physical extents
	ExtentSize int64 // bytes
	Logical    []Logical
}

// DamagedError says that a structure contradicts itself or its checksum.
type DamagedError struct {
	Structure string // "label", "metadata area", "metadata"
	Why       string
}

// Error implements error.
func (e *DamagedError) Error() string { return fmt.Sprintf("its LVM %s %s", e.Structure, e.Why) }

func damaged(structure, format string, a ...any) error {
	return &DamagedError{structure, fmt.Sprintf(format, a...)}
}

// UnsupportedError says that the volume group has something that this package does not map.
type UnsupportedError struct {
	Why string // completes "it ..."
}

// Error implements error.
func (e *UnsupportedError) Error() string { return e.Why }

func unsupported(format string, a ...any) error {
	return &UnsupportedError{fmt.Sprintf(format, a...)}
}

const (
	sector    = 512
	maxText   = 4 << 20 // bytes of metadata; 300 logical volumes of 3 segments take 300 KB
	maxAreas  = 8
	mdaHeader = 512
	mdaMagic  = " LVM2 x[5A%r0N*>"
)

// crc is LVM's checksum: CRC-32 without the inversions at begin and end.
func crc(b []byte) uint32 { return ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b) }

func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// Read looks for a label in the first four sectors of a volume of size bytes and reads the metadata it leads to. It fails
// with *DamagedError, *UnsupportedError, or the error of r.
func Read(r io.ReaderAt, size int64) (*Physical, error) {
	if size < 4*sector {
		return nil, damaged("label", "is missing")
	}
	head := make([]byte, 4*sector)
	if err := readFull(r, head, 0); err != nil {
		return nil, err
	}
	p := &Physical{Label: -1}
	for n := int64(0); n < 4; n++ {
		if !bytes.HasPrefix(head[n*sector:], []byte("LABELONE")) {
			continue
		}
		if p.Label >= 0 {
			return nil, damaged("label", "is there twice")
		}
		p.Label = n * sector
	}
	if p.Label < 0 {
		return nil, damaged("label", "is missing")
	}
	areas, err := p.label(head[p.Label:p.Label+sector], size)
	if err != nil {
		return nil, err
	}
	text, err := readAreas(r, areas)
	if err != nil {
		return nil, err
	}
	return p, p.group(text, size)
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
}

// label reads label and header of the physical volume and returns its metadata areas. The label: id (8 bytes), sector
// (8), checksum of what follows it (4), place of the header (4), type (8). The header: UUID (32), size of the device (8),
// then two lists of places (offset and size, 8 each), data and metadata, each ended by zeros.
func (p *Physical) label(b []byte, size int64) ([]Extent, error) {
	at := int(le32(b, 20))
	switch {
	case string(b[24:32]) != "LVM2 001":
		return nil, unsupported("its label is of type %q", b[24:32])
	case int64(le64(b, 8)) != p.Label/sector:
		return nil, damaged("label", "names another sector")
	case le32(b, 16) != crc(b[20:]):
		return nil, damaged("label", "does not match its checksum")
	case at < 32 || at > sector-40:
		return nil, damaged("label", "points outside its sector")
	case le64(b, at+32) > uint64(size):
		return nil, damaged("label", "describes a larger volume than this one")
	}
	p.UUID = hyphens(string(b[at : at+32]))
	data, at := places(b, at+40)
	meta, at := places(b, at)
	if at < 0 {
		return nil, damaged("label", "has lists without an end")
	}
	if len(data) != 1 || data[0].Offset < sector {
		return nil, unsupported("it has %d data areas", len(data))
	}
	for _, e := range meta {
		if e.Offset < sector || e.Length < 2*mdaHeader || e.Offset > size || e.Length > size-e.Offset {
			return nil, damaged("label", "has a metadata area outside the volume")
		}
	}
	if len(meta) == 0 {
		return nil, unsupported("it keeps no metadata of its own")
	}
	return meta, nil
}

// places reads a list of offsets and sizes up to its end; at is -1 where it has none.
func places(b []byte, at int) ([]Extent, int) {
	var out []Extent
	for at >= 0 && at+16 <= len(b) && len(out) <= maxAreas {
		e := Extent{int64(le64(b, at)), int64(le64(b, at+8))}
		at += 16
		if e.Offset == 0 && e.Length == 0 {
			return out, at
		}
		out = append(out, e)
	}
	return out, -1
}

// hyphens prints a UUID as the text has it: 6-4-4-4-4-4-6.
func hyphens(s string) string {
	var out []byte
	for i := range len(s) {
		if i >= 6 && i <= 26 && (i-6)%4 == 0 {
			out = append(out, '-')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// readAreas returns the text in force. Where there are two areas both must say the same.
func readAreas(r io.ReaderAt, areas []Extent) ([]byte, error) {
	var text []byte
	for _, e := range areas {
		t, err := readArea(r, e)
		if err != nil {
			return nil, err
		}
		if text != nil && t != nil && !bytes.Equal(t, text) {
			return nil, damaged("metadata area", "says something else than its copy")
		}
		if t != nil {
			text = t
		}
	}
	if text == nil {
		return nil, unsupported("it belongs to no volume group, or keeps no metadata of it")
	}
	return text, nil
}

// readArea returns the text of one area, nil if it has none. The header: checksum of what follows it (4), magic (16),
// version (4), start (8), size (8), then places of text in the area: offset (8), size (8), checksum (4), flags (4; 1:
// ignored). The first is the text in force, the second one that is about to be.
func readArea(r io.ReaderAt, e Extent) ([]byte, error) {
	h := make([]byte, mdaHeader)
	if err := readFull(r, h, e.Offset); err != nil {
		return nil, err
	}
	switch {
	case le32(h, 0) != crc(h[4:]):
		return nil, damaged("metadata area", "does not match its checksum")
	case string(h[4:20]) != mdaMagic || le32(h, 20) != 1:
		return nil, damaged("metadata area", "has another magic or version")
	case le64(h, 24) != uint64(e.Offset) || le64(h, 32) != uint64(e.Length):
		return nil, damaged("metadata area", "describes another place")
	}
	off, n, sum, flags := le64(h, 40), le64(h, 48), le32(h, 56), le32(h, 60)
	ring := uint64(e.Length) - mdaHeader
	switch {
	case le64(h, 64) != 0 || le64(h, 72) != 0:
		return nil, unsupported("a change of its volume group was begun and not ended")
	case flags&1 != 0 || off == 0 && n == 0:
		return nil, nil
	case off < mdaHeader || off >= uint64(e.Length) || n == 0 || n > ring || n > maxText:
		return nil, damaged("metadata area", "points outside itself")
	}
	text := make([]byte, n)
	first := min(n, uint64(e.Length)-off)
	if err := readFull(r, text[:first], e.Offset+int64(off)); err != nil {
		return nil, err
	}
	if first < n { // the ring goes on behind the header
		if err := readFull(r, text[first:], e.Offset+mdaHeader); err != nil {
			return nil, err
		}
	}
	if crc(text) != sum {
		return nil, damaged("metadata", "does not match its checksum")
	}
	return text, nil
}
