package xfs

// leafOffset is where, in a directory, the hash of its names begins; names lie before it.
const leafOffset = 32 << 30

// Entry is one name of a directory.
type Entry struct {
	Name   string // bytes as they are
	Number uint64 // inode
}

// Entries calls yield for each name of a directory but "." and "..", in no order.
func (v *Volume) Entries(n *Inode, yield func(Entry) error) error {
	d := &directory{v: v, inode: n, yield: yield}
	if n.data.format == formatLocal {
		return d.short(n.data.bytes)
	}
	size := v.BlockSize << v.dirLog
	d.block = make([]byte, size)
	per, end := uint64(1)<<v.dirLog, uint64(leafOffset/v.BlockSize)
	want := uint64(0) // block that a started directory block lacks
	err := v.Data(n, func(uint64, uint64) error { return nil }, func(r Run) error {
		if r.Unwritten {
			return d.damaged("has blocks that were never written")
		}
		for i := range r.Count {
			logical := r.Logical + i
			if logical >= end {
				return nil
			}
			part := logical % per
			if part != 0 && logical != want || part == 0 && want%per != 0 {
				return d.damaged("has a block that is not whole")
			}
			want = logical + 1
			if part == 0 {
				d.place = r.Block + i
			}
			if err := v.read(d.block[int64(part)*v.BlockSize:][:v.BlockSize], r.Block+i); err != nil {
				return err
			}
			if part == per-1 {
				if err := d.full(d.block); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && want%per != 0 {
		return d.damaged("has a block that is not whole")
	}
	return err
}

// directory reads one directory.
type directory struct {
	v     *Volume
	inode *Inode
	yield func(Entry) error
	block []byte
	place uint64 // of the block, linear
}

func (d *directory) damaged(what string) error {
	return damaged("directory inode %d %s", d.inode.Number, what)
}

// short reads a directory that lies in its inode: names (1), how many of them have numbers of 8 bytes (1), parent; then
// length (1), an offset that only readdir uses (2), name, type (1), inode (4 or 8).
func (d *directory) short(b []byte) error {
	if d.inode.Size > uint64(len(b)) || d.inode.Size < 6 {
		return d.damaged("has a wrong size")
	}
	b = b[:d.inode.Size]
	wide, count := 4, int(b[0])
	if b[1] != 0 {
		wide = 8
	}
	at, kind := 2+wide, 0
	if d.v.ftype {
		kind = 1
	}
	for range count {
		if at+3 > len(b) || at+3+int(b[at])+kind+wide > len(b) {
			return d.damaged("has an entry that is cut")
		}
		name := b[at+3 : at+3+int(b[at])]
		at += 3 + len(name) + kind
		number := uint64(be32(b, at))
		if wide == 8 {
			number = be64(b, at)
		}
		at += wide
		if err := d.entry(name, number); err != nil {
			return err
		}
	}
	if at != len(b) {
		return d.damaged("has a wrong size")
	}
	return nil
}

func (d *directory) entry(name []byte, number uint64) error {
	if len(name) == 0 {
		return d.damaged("has an entry without a name")
	}
	if s := string(name); s != "." && s != ".." {
		return d.yield(Entry{s, number})
	}
	return nil
}

// full reads a block of names: a header of 16 bytes (64 in version 5), entries, and, if it is the only one of its
// directory, the hash of its names and their number in the last 8 bytes.
func (d *directory) full(b []byte) error {
	header, single, several := 16, "XD2B", "XD2D"
	if d.v.v5 {
		header, single, several = 64, "XDB3", "XDD3"
		if !sumHolds(b, 4) || be64(b, 8) != d.v.sectors(d.place) || !d.v.ours(b[24:40]) || be64(b, 40) != d.inode.Number {
			return d.damaged("has a block whose checksum differs")
		}
	}
	end := len(b)
	switch string(b[:4]) {
	case single:
		hashes := int64(be32(b, len(b)-8))
		if hashes > int64(len(b)-8-header)/8 {
			return d.damaged("has a block that is not understood")
		}
		end = len(b) - 8 - int(hashes)*8
	case several:
	default:
		return d.damaged("has a block that is not understood")
	}
	return d.names(b[:end], header)
}

// names reads entries: inode (8), length (1), name, type (1), padding to 8 bytes that ends in the entry's offset (2); or
// unused space: ff ff, length (2).
func (d *directory) names(b []byte, at int) error {
	kind := 0
	if d.v.ftype {
		kind = 1
	}
	for at < len(b) {
		if at+8 > len(b) {
			return d.damaged("has an entry that is cut")
		}
		if be16(b, at) == 0xffff {
			length := int(be16(b, at+2))
			if length == 0 || length%8 != 0 || length > len(b)-at {
				return d.damaged("has unused space that is not understood")
			}
			at += length
			continue
		}
		if at+16 > len(b) {
			return d.damaged("has an entry that is cut")
		}
		length := (9 + int(b[at+8]) + kind + 2 + 7) &^ 7
		if length > len(b)-at || int(be16(b, at+length-2)) != at {
			return d.damaged("has an entry that is not understood")
		}
		if err := d.entry(b[at+9:at+9+int(b[at+8])], be64(b, at)); err != nil {
			return err
		}
		at += length
	}
	return nil
}
