package exfat

import "encoding/binary"

// attributeDir is the bit of FileAttributes that makes a directory.
const attributeDir = 0x10

// Bits of GeneralSecondaryFlags.
const (
	allocationPossible = 1
	noFatChain         = 2
)

// ReadDir calls yield for each file and directory of a directory, in no order, and own for each of its clusters before it
// is read: own ends loops.
func (v *Volume) ReadDir(dir File, own func(cluster uint32) error, yield func(File) error) error {
	d := &directory{yield: yield}
	if err := v.entries(dir, own, d.entry); err != nil {
		return err
	}
	if d.more > 0 {
		return damaged("a directory ends within the entries of a file")
	}
	return nil
}

// directory collects sets of entries: a file (type 85), its stream (C0), parts of its name (C1), others.
type directory struct {
	yield func(File) error
	set   []byte // entries so far
	more  int    // entries that the set still lacks
}

func (d *directory) entry(e []byte) (bool, error) {
	kind := e[0]
	if d.more > 0 {
		if kind&0xc0 != 0xc0 {
			return false, damaged("a directory has an entry of type %#02x within the entries of a file", kind)
		}
		d.set = append(d.set, e...)
		if d.more--; d.more > 0 {
			return true, nil
		}
		return true, d.file()
	}
	switch {
	case kind < 0x80, kind == typeBitmap, kind == typeUpcase, kind == typeLabel: // deleted, or of the root
	case kind == typeFile:
		d.set, d.more = append(d.set[:0], e...), int(e[1])
		if d.more < 2 || d.more > 18 {
			return false, damaged("a file has %d secondary entries", d.more)
		}
	case kind&0x60 == 0, kind&0x40 != 0:
		return false, damaged("a directory has an entry of type %#02x", kind)
	}
	return true, nil // benign ones may be ignored; what they own stays metadata
}

// file reads a whole set: checksum (at 2 of the first entry) over all but itself, attributes (4); of the stream flags (1),
// length of the name (3), first cluster (20), bytes (24); of names 15 characters (2).
func (d *directory) file() error {
	le := binary.LittleEndian
	sum := uint16(0)
	for i, c := range d.set {
		if i != 2 && i != 3 {
			sum = sum>>1 | sum<<15
			sum += uint16(c)
		}
	}
	stream := d.set[32:64]
	if sum != le.Uint16(d.set[2:]) || stream[0] != typeStream {
		return damaged("the checksum of the entries of a file differs")
	}
	f := allocation(stream)
	f.Dir, f.Contiguous = le.Uint16(d.set[4:])&attributeDir != 0, stream[1]&noFatChain != 0
	var name []byte
	for at := 64; at < len(d.set) && d.set[at] == typeName; at += 32 {
		name = append(name, d.set[at+2:at+32]...)
	}
	length := 2 * int(stream[3])
	if length == 0 || length > len(name) || f.Size>>62 != 0 || le.Uint64(stream[8:]) > f.Size ||
		stream[1]&allocationPossible == 0 && (f.First != 0 || f.Size != 0) {
		return damaged("the entries of a file are not understood")
	}
	f.Name = text(name[:length])
	return d.yield(f)
}
