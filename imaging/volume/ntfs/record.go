package ntfs

import "bytes"

// Types of attributes.
const (
	TypeAttributeList     = 0x20
	TypeFileName          = 0x30
	TypeVolumeName        = 0x60
	TypeVolumeInformation = 0x70
	TypeData              = 0x80
)

// Flags of attributes.
const (
	FlagCompressed = 0x00ff // mask: the method
	FlagEncrypted  = 0x4000
	FlagSparse     = 0x8000
)

const (
	recordInUse     = 1
	recordDirectory = 2
	numberBits      = 48 // of a reference: the record's number; the 16 above are its sequence number
	numberMask      = 1<<numberBits - 1
)

// Run is clusters of a file that lie together.
type Run struct {
	VCN   int64 // first cluster in the file
	LCN   int64 // first cluster on the volume; negative: a hole
	Count int64 // clusters
}

// Attribute is one attribute of a file; a non-resident one with the runs of all its records.
type Attribute struct {
	Type     uint32
	Name     string // of a named stream; "" for the main one
	Flags    uint16
	Resident bool
	Value    []byte // resident: its bytes, valid as long as its File
	Runs     []Run  // non-resident: ordered by VCN from 0, without a gap
	Size     int64  // bytes
	Valid    int64  // bytes from the start that were ever written, at most Size; behind them it reads as zeros
	first    int64  // VCN that this part begins with, until parts are joined
}

// Clusters is the number of clusters of a non-resident attribute, holes included.
func (a *Attribute) Clusters() int64 {
	if len(a.Runs) == 0 {
		return 0
	}
	last := a.Runs[len(a.Runs)-1]
	return last.VCN + last.Count
}

// header is what the start of a record says.
type header struct {
	sequence uint16
	flags    uint16
	base     uint64 // number of the record that this one extends
	extends  bool
	attrs    int // offset of the first attribute
	used     int // bytes
}

// unprotect puts the last two bytes of each stride back, which a write has replaced by its sequence number so that a torn
// write is seen (0x04 offset and 0x06 count of the update sequence).
func unprotect(b []byte) bool {
	at, n := int(le16(b, 4)), int(le16(b, 6))
	if n != len(b)/stride+1 || at < 8 || at+2*n > stride-2 {
		return false
	}
	for i := 1; i < n; i++ {
		end := b[i*stride-2 : i*stride]
		if !bytes.Equal(end, b[at:at+2]) {
			return false
		}
		copy(end, b[at+2*i:at+2*i+2])
	}
	return true
}

// blank says whether a record was never written: some tools leave zeros there.
func blank(b []byte) bool { return bytes.Equal(b[:4], []byte{0, 0, 0, 0}) }

// openRecord proves the record in b, which is changed.
func openRecord(b []byte, number uint64) (header, error) {
	if string(b[:4]) != "FILE" {
		return header{}, damaged("record %d of its file table is damaged", number)
	}
	if !unprotect(b) {
		return header{}, damaged("record %d of its file table was written only in part", number)
	}
	base := le64(b, 0x20)
	h := header{sequence: le16(b, 0x10), flags: le16(b, 0x16), base: base & numberMask, extends: base != 0,
		attrs: int(le16(b, 0x14)), used: int(le32(b, 0x18))}
	if h.attrs < 0x28 || h.attrs%8 != 0 || h.used < h.attrs+4 || h.used > len(b) {
		return h, damaged("the header of record %d of its file table is not understood", number)
	}
	return h, nil
}

// attributes gives visit each attribute of an opened record: its bytes, header included.
func (h header) attributes(b []byte, number uint64, visit func(raw []byte) error) error {
	for at := h.attrs; at+4 <= h.used; {
		if le32(b, at) == 0xffffffff {
			return nil
		}
		if h.used-at < 24 {
			break
		}
		length := int(le32(b, at+4))
		if length < 24 || length%8 != 0 || length > h.used-at {
			break
		}
		if err := visit(b[at : at+length]); err != nil {
			return err
		}
		at += length
	}
	return damaged("the attributes of record %d of its file table are not understood", number)
}

// parseAttribute reads one attribute. Resident: 0x10 length and 0x14 offset of the value. Non-resident: 0x10 first and
// 0x18 last VCN of this part, 0x20 offset of the runs, 0x28 bytes allocated, 0x30 size, 0x38 bytes that are valid; the
// sizes only count in the part that begins with VCN 0.
func (g *Geometry) parseAttribute(b []byte) (Attribute, bool) {
	a := Attribute{Type: le32(b, 0), Flags: le16(b, 0x0c), Resident: b[8] == 0}
	name, chars := int(le16(b, 0x0a)), int(b[9])
	if name+2*chars > len(b) {
		return a, false
	}
	if chars > 0 {
		a.Name = text(b[name : name+2*chars])
	}
	if a.Resident {
		at, n := int(le16(b, 0x14)), uint64(le32(b, 0x10))
		if at > len(b) || n > uint64(len(b)-at) {
			return a, false
		}
		a.Value, a.Size, a.Valid = b[at:at+int(n)], int64(n), int64(n)
		return a, true
	}
	if len(b) < 0x40 {
		return a, false
	}
	first, last, runs := le64(b, 0x10), int64(le64(b, 0x18)), int(le16(b, 0x20))
	if first > uint64(g.maxVCN()) || last < -1 || last > g.maxVCN() || runs < 0x40 || runs > len(b) {
		return a, false
	}
	var ok bool
	if a.first = int64(first); a.first == 0 {
		size, valid := le64(b, 0x30), le64(b, 0x38)
		if size > maxSize || valid > maxSize {
			return a, false
		}
		a.Size, a.Valid = int64(size), min(int64(size), int64(valid))
	}
	a.Runs, ok = g.parseRuns(b[runs:], a.first)
	return a, ok && last == max(a.first, a.first+a.span())-1
}

// maxSize is more bytes than a file can have on any disk of today, and small enough that no sum overflows.
const maxSize = 1 << 50

func (g *Geometry) maxVCN() int64 { return maxSize / g.Cluster }

// span is the number of clusters of one part.
func (a *Attribute) span() int64 {
	if len(a.Runs) == 0 {
		return 0
	}
	return a.Clusters() - a.first
}

// parseRuns decodes mapping pairs, the first of which is cluster vcn of the file.
func (g *Geometry) parseRuns(b []byte, vcn int64) ([]Run, bool) {
	var out []Run
	lcn := int64(0)
	for len(b) > 0 && b[0] != 0 {
		m, n := int(b[0]&15), int(b[0]>>4)
		if m == 0 || m > 8 || n > 8 || 1+m+n > len(b) {
			return nil, false
		}
		count, delta := signed(b[1:1+m]), signed(b[1+m:1+m+n])
		b = b[1+m+n:]
		if count <= 0 || count > g.maxVCN() || vcn > g.maxVCN()-count {
			return nil, false
		}
		r := Run{VCN: vcn, LCN: -1, Count: count}
		if n > 0 {
			if delta > maxClusters || delta < -maxClusters {
				return nil, false
			}
			if lcn += delta; lcn < 0 || lcn > g.Clusters-count {
				return nil, false
			}
			r.LCN = lcn
		}
		out = append(out, r)
		vcn += count
	}
	return out, len(b) > 0
}

// signed is a little-endian number of up to eight bytes.
func signed(b []byte) int64 {
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v |= ^uint64(0) << (8 * n)
	}
	return int64(v)
}
