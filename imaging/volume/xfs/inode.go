package xfs

import "fmt"

// chunkInodes is how many inodes a record of the inode b-tree covers.
const chunkInodes = 64

// Chunk is a run of 64 inode numbers.
type Chunk struct {
	First uint64 // inode number
	Used  uint64 // bit i: inode First + i is in use
}

// Chunks calls yield for each chunk of inodes in order of numbers. own is told of the blocks of the inode b-trees, and
// place of those that hold inodes.
func (v *Volume) Chunks(own, place Own, yield func(Chunk) error) error {
	for i, g := range v.groups {
		c := &chunks{v: v, group: uint64(i), place: place, yield: yield}
		if err := v.walk(c.group, g.ino, v.inodeTree(), own, c.record); err != nil {
			return err
		}
		if c.inodes != g.inodes || c.free != g.freeInodes {
			return damaged("group %d has %d inodes (%d free), its header counts %d (%d)", i, c.inodes, c.free, g.inodes,
				g.freeInodes)
		}
		if err := v.walk(c.group, g.fino, v.freeInodeTree(), own, func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// chunks reads the records of one group.
type chunks struct {
	v            *Volume
	group        uint64
	place        Own
	yield        func(Chunk) error
	next         uint64 // first inode of the group that may follow
	nextBlock    uint64 // first block of the group that has no inodes yet
	inodes, free uint64
}

// record reads first inode (4), and number of free inodes (4) or, with sparse inodes, a mask of holes of four inodes
// (2), inodes (1) and free ones (1), then a bit for each free inode (8).
func (c *chunks) record(rec []byte) error {
	v, first, free := c.v, uint64(be32(rec, 0)), be64(rec, 8)
	count, freeCount, holes := uint64(chunkInodes), uint64(be32(rec, 4)), uint16(0)
	if v.sparse {
		holes, count, freeCount = be16(rec, 4), uint64(rec[6]), uint64(rec[7])
	}
	per := uint64(1) << v.inodesLog
	if first < c.next || first%min(per, chunkInodes) != 0 || (first+chunkInodes-1)>>v.inodesLog >= v.groupBlocks(c.group) {
		return damaged("the inodes of group %d are out of order", c.group)
	}
	c.next = first + chunkInodes
	used, there, spare := uint64(0), uint64(0), uint64(0)
	for i := range uint64(chunkInodes) {
		hole := holes>>(i/4)&1 != 0
		if !hole {
			there++
			if block := (first + i) >> v.inodesLog; block >= c.nextBlock {
				if err := c.place(c.group*v.groupSize+block, 1); err != nil {
					return err
				}
				c.nextBlock = block + 1
			}
		}
		switch isFree := free>>i&1 != 0; {
		case hole && !isFree:
			return damaged("the inodes of group %d use places that are not there", c.group)
		case isFree && !hole:
			spare++
		case !isFree:
			used |= 1 << i
		}
	}
	if there != count || spare != freeCount {
		return damaged("the inodes of group %d are miscounted", c.group)
	}
	c.inodes, c.free = c.inodes+there, c.free+spare
	return c.yield(Chunk{First: c.group<<(v.groupLog+v.inodesLog) | first, Used: used})
}

// Kinds of inodes (i_mode).
const (
	kindMask = 0xf000
	kindDir  = 0x4000
	kindFile = 0x8000
	kindLink = 0xa000
)

// Formats of a fork.
const (
	formatDevice  = 0 // sockets and pipes too
	formatLocal   = 1
	formatExtents = 2
	formatTree    = 3
)

// Inode is a file, directory or anything else that has a name.
type Inode struct {
	Number  uint64
	Size    uint64 // bytes
	Blocks  uint64 // of content, attributes and their maps
	Reflink bool   // blocks may be shared with other files
	mode    uint16
	data    fork
	attr    fork
}

// fork says where the data or the attributes of an inode lie.
type fork struct {
	format  byte
	extents uint64 // records in all
	bytes   []byte // in the inode: the content, extents, or the root of a b-tree
}

// IsDir says whether it is a directory.
func (n *Inode) IsDir() bool { return n.mode&kindMask == kindDir }

// IsFile says whether it is a regular file.
func (n *Inode) IsFile() bool { return n.mode&kindMask == kindFile }

// ReadChunk calls yield for each inode in use of a chunk. The inodes are valid until yield returns.
func (v *Volume) ReadChunk(c Chunk, yield func(*Inode) error) error {
	if c.Used == 0 {
		return nil
	}
	first, last := 0, chunkInodes
	for c.Used>>first&1 == 0 {
		first++
	}
	for c.Used>>(last-1)&1 == 0 {
		last--
	}
	b := make([]byte, int64(last-first)*v.inodeSize)
	if _, err := v.r.ReadAt(b, v.inodeOffset(c.First+uint64(first))); err != nil {
		return fmt.Errorf("reading inodes from %d on: %w", c.First, err)
	}
	for i := first; i < last; i++ {
		if c.Used>>i&1 == 0 {
			continue
		}
		n, err := v.parseInode(b[int64(i-first)*v.inodeSize:][:v.inodeSize], c.First+uint64(i))
		if err != nil {
			return err
		}
		if err := yield(n); err != nil {
			return err
		}
	}
	return nil
}

// inodeOffset is where an inode lies, bytes from the start. The number must be one of a chunk.
func (v *Volume) inodeOffset(number uint64) int64 {
	group, in := number>>(v.groupLog+v.inodesLog), number&(1<<(v.groupLog+v.inodesLog)-1)
	return int64(group*v.groupSize)*v.BlockSize + int64(in)*v.inodeSize
}

// Inode reads one inode, whose number must be in use in a chunk.
func (v *Volume) Inode(number uint64) (*Inode, error) {
	b := make([]byte, v.inodeSize)
	if _, err := v.r.ReadAt(b, v.inodeOffset(number)); err != nil {
		return nil, fmt.Errorf("reading inode %d: %w", number, err)
	}
	return v.parseInode(b, number)
}

// parseInode reads the core of an inode (100 bytes, 176 in version 3), behind which both forks lie.
func (v *Volume) parseInode(b []byte, number uint64) (*Inode, error) {
	n := &Inode{Number: number, Size: be64(b, 56), Blocks: be64(b, 64), mode: be16(b, 2)}
	core, many := 100, false
	if v.v5 {
		core = 176
		if b[4] != 3 || !sumHolds(b, 100) || be64(b, 152) != number || !v.ours(b[160:176]) {
			return nil, damaged("the checksum of inode %d differs", number)
		}
		flags := be64(b, 120)
		n.Reflink, many = flags&2 != 0, flags&16 != 0
	}
	if string(b[:2]) != "IN" || !v.v5 && b[4] != 1 && b[4] != 2 || n.Size>>63 != 0 || n.mode == 0 {
		return nil, damaged("inode %d is not understood", number)
	}
	n.data = fork{format: b[5], extents: uint64(be32(b, 76)), bytes: b[core:]}
	n.attr = fork{format: b[83], extents: uint64(be16(b, 80))}
	if many {
		n.data.extents, n.attr.extents = be64(b, 24), uint64(be32(b, 76))
	}
	if at := int(b[82]) * 8; at != 0 {
		if at >= len(n.data.bytes) {
			return nil, damaged("the attributes of inode %d lie outside it", number)
		}
		n.data.bytes, n.attr.bytes = n.data.bytes[:at], n.data.bytes[at:]
	} else {
		n.attr = fork{format: formatExtents}
	}
	return n, nil
}

// Run maps Count blocks of a file or directory from Logical on to linear blocks from Block on.
type Run struct {
	Logical, Block, Count uint64
	Unwritten             bool // allocated, but reads as zeros
}

// Data gives the blocks of an inode's content in file order. own is told of the blocks that hold the map. What has its
// content in the inode, and devices, have no blocks.
func (v *Volume) Data(n *Inode, own Own, yield func(Run) error) error {
	kind := n.mode & kindMask
	switch n.data.format {
	case formatDevice:
		if kind == kindFile || kind == kindDir || kind == kindLink {
			return damaged("inode %d has the map of a device", n.Number)
		}
		return nil
	case formatLocal:
		if kind != kindDir && kind != kindLink {
			return damaged("inode %d has its content in the inode", n.Number)
		}
	}
	return v.fork(n, n.data, own, yield)
}

// Attributes gives the blocks of an inode's extended attributes.
func (v *Volume) Attributes(n *Inode, own Own, yield func(Run) error) error {
	return v.fork(n, n.attr, own, yield)
}

func (v *Volume) fork(n *Inode, f fork, own Own, yield func(Run) error) error {
	m := &mapping{v: v, inode: n, own: own, yield: yield}
	var err error
	switch f.format {
	case formatExtents:
		if f.extents > uint64(len(f.bytes)/16) {
			return damaged("inode %d has more extents than fit it", n.Number)
		}
		err = m.records(f.bytes[:f.extents*16])
	case formatTree:
		err = m.root(f.bytes)
	case formatLocal:
		return nil
	default:
		return damaged("the block map of inode %d has format %d", n.Number, f.format)
	}
	if err == nil && m.count != f.extents {
		return damaged("inode %d has %d extents and counts %d", n.Number, m.count, f.extents)
	}
	return err
}

// mapping walks the block map of a fork.
type mapping struct {
	v     *Volume
	inode *Inode
	own   Own
	yield func(Run) error
	next  uint64 // first logical block that may follow
	count uint64
}

// records reads extents of 128 bits: unwritten (1), logical block (54), block (52), count (21).
func (m *mapping) records(b []byte) error {
	for ; len(b) > 0; b = b[16:] {
		high, low := be64(b, 0), be64(b, 8)
		r := Run{Logical: high << 1 >> 10, Count: low & (1<<21 - 1), Unwritten: high>>63 != 0}
		if r.Count == 0 || r.Logical < m.next {
			return damaged("the block map of inode %d is out of order", m.inode.Number)
		}
		var err error
		if r.Block, err = m.v.linear(high&(1<<9-1)<<43|low>>21, r.Count); err != nil {
			return damaged("inode %d has blocks outside the volume", m.inode.Number)
		}
		m.next = r.Logical + r.Count
		m.count++
		if err := m.yield(r); err != nil {
			return err
		}
	}
	return nil
}

// root reads the root of a b-tree in the inode: level (2), entries (2), place for keys of 8 bytes, pointers of 8 bytes.
func (m *mapping) root(b []byte) error {
	if len(b) < 4 {
		return damaged("the block map of inode %d is not understood", m.inode.Number)
	}
	level, count, places := int(be16(b, 0)), int(be16(b, 2)), (len(b)-4)/16
	if level == 0 || level > maxLevels || count > places {
		return damaged("the block map of inode %d is not understood", m.inode.Number)
	}
	for i := range count {
		if err := m.node(be64(b, 4+8*places+8*i), level-1); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapping) node(block uint64, level int) error {
	v := m.v
	linear, err := v.linear(block, 1)
	if err != nil {
		return damaged("the block map of inode %d points outside the volume", m.inode.Number)
	}
	if err := m.own(linear, 1); err != nil {
		return err
	}
	b := make([]byte, v.BlockSize)
	if err := v.read(b, linear); err != nil {
		return err
	}
	header, magic := 24, "BMAP"
	if v.v5 {
		header, magic = 72, "BMA3"
		if !sumHolds(b, 64) || be64(b, 24) != v.sectors(linear) || !v.ours(b[40:56]) || be64(b, 56) != m.inode.Number {
			return damaged("a block of the block map of inode %d is not its own", m.inode.Number)
		}
	}
	count, body := int(be16(b, 6)), b[header:]
	if string(b[:4]) != magic || int(be16(b, 4)) != level || count > len(body)/16 {
		return damaged("the block map of inode %d is not understood", m.inode.Number)
	}
	if level == 0 {
		return m.records(body[:count*16])
	}
	for i := range count {
		if err := m.node(be64(body, len(body)/16*8+8*i), level-1); err != nil {
			return err
		}
	}
	return nil
}
