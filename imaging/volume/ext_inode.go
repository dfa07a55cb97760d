package volume

import "encoding/binary"

// File types in i_mode, and flags in i_flags.
const (
	extTypeMask = 0xf000
	extTypeDir  = 0x4000
	extTypeFile = 0x8000
	extTypeLink = 0xa000

	extFlagEncrypt = 0x800
	extFlagIndex   = 0x1000
	extFlagExtents = 0x80000
	extFlagVerity  = 0x100000
	extFlagEAInode = 0x200000
	extFlagInline  = 0x10000000
)

// extInode is what of an inode is used.
type extInode struct {
	number uint64
	mode   uint16
	flags  uint32
	size   uint64
	xattrs uint64 // block of extended attributes, 0 for none
	seed   uint32 // of checksums of what belongs to this inode
	root   [60]byte
	raw    []byte // the whole inode, valid until the next one is read
}

func (n *extInode) kind() uint16 { return n.mode & extTypeMask }

// parseInode reads inode number from its bytes in the table and proves its checksum where there is one.
func (s *extSuper) parseInode(b []byte, number uint64) (*extInode, error) {
	n := &extInode{number: number, mode: le16(b, 0), flags: le32(b, 0x20), size: lo32hi32(le32(b, 4), le32(b, 0x6c)),
		xattrs: uint64(le32(b, 0x68)) | uint64(le16(b, 0x76))<<32, raw: b}
	copy(n.root[:], b[0x28:])
	if s.ro&extMetadataCsum == 0 {
		return n, nil
	}
	id := binary.LittleEndian.AppendUint32(nil, uint32(number))
	n.seed = crc32c(s.seed, id, b[0x64:0x68]) // i_generation
	long := s.inodeSize > 128 && le16(b, 0x80) >= 4
	sum, zero := crc32c(n.seed, b[:0x7c], []byte{0, 0}, b[0x7e:128]), []byte{0, 0}
	want := uint32(le16(b, 0x7c))
	if long {
		sum = crc32c(sum, b[0x80:0x82], zero, b[0x84:])
		want |= uint32(le16(b, 0x82)) << 16
	} else {
		sum = crc32c(sum, b[128:])
		sum &= 0xffff
	}
	if sum != want {
		return nil, notByFile("the checksum of inode %d differs", number)
	}
	return n, nil
}

// inode reads inode number.
func (x *ext) inode(number uint64) (*extInode, error) {
	if number == 0 || number > x.inodes {
		return nil, notByFile("inode %d is named and does not exist", number)
	}
	g, i := (number-1)/x.inodesPerGroup, (number-1)%x.inodesPerGroup
	b := make([]byte, x.inodeSize)
	if err := x.p.read(b, int64(x.groups[g].inodeTable*x.bs+i*x.inodeSize)); err != nil {
		return nil, err
	}
	return x.parseInode(b, number)
}

// extRun maps count blocks of a file from logical on to the disk from physical on.
type extRun struct {
	logical, physical, count uint64
	unwritten                bool // allocated, but reads as zeros
}

// blockMap walks the blocks of an inode in file order. tree is told of each block that holds the map itself.
type blockMap struct {
	x     *ext
	inode *extInode
	tree  func(block uint64) error
	yield func(extRun) error
	next  uint64 // first logical block that may follow
	run   extRun // not yet given to yield
}

// runs gives the mapped blocks of n in file order, neighbours joined.
func (x *ext) runs(n *extInode, tree func(block uint64) error, yield func(extRun) error) error {
	m := &blockMap{x: x, inode: n, tree: tree, yield: yield}
	var err error
	if n.flags&extFlagExtents != 0 {
		depth := int(le16(n.root[:], 6))
		if depth > 5 { // enough for 2^32 blocks
			return notByFile("the extent tree of inode %d has %d levels", n.number, depth)
		}
		err = m.extents(n.root[:], depth)
	} else {
		err = m.indirect()
	}
	if err != nil || m.run.count == 0 {
		return err
	}
	return yield(m.run)
}

// add joins a run to the one before or passes that on.
func (m *blockMap) add(r extRun) error {
	if r.physical < max(m.x.first, 1) || r.physical >= m.x.blocks || r.count > m.x.blocks-r.physical {
		return notByFile("inode %d has blocks outside the volume", m.inode.number)
	}
	if r.logical < m.next {
		return notByFile("the block map of inode %d is out of order", m.inode.number)
	}
	m.next = r.logical + r.count
	if p := &m.run; p.count > 0 && p.logical+p.count == r.logical && p.physical+p.count == r.physical &&
		p.unwritten == r.unwritten {
		p.count += r.count
		return nil
	}
	last := m.run
	m.run = r
	if last.count == 0 {
		return nil
	}
	return m.yield(last)
}

// extents walks one node of an extent tree: a header of 12 bytes and entries of 12 bytes. A node in a block ends in its
// checksum.
func (m *blockMap) extents(b []byte, depth int) error {
	entries, capacity := int(le16(b, 2)), int(le16(b, 4))
	if le16(b, 0) != 0xf30a || entries > capacity || 12+12*capacity > len(b) || int(le16(b, 6)) != depth {
		return notByFile("the extent tree of inode %d is not understood", m.inode.number)
	}
	if tail := 12 + 12*capacity; len(b) > len(m.inode.root) && m.x.ro&extMetadataCsum != 0 {
		if tail+4 > len(b) || crc32c(m.inode.seed, b[:tail]) != le32(b, tail) {
			return notByFile("the checksum of the extent tree of inode %d differs", m.inode.number)
		}
	}
	for i := range entries {
		e := b[12+12*i:][:12]
		if depth == 0 {
			count, unwritten := uint64(le16(e, 4)), false
			if count > 32768 {
				count, unwritten = count-32768, true
			}
			physical := uint64(le32(e, 8)) | uint64(le16(e, 6))<<32
			if count == 0 {
				return notByFile("inode %d has an empty extent", m.inode.number)
			}
			if err := m.add(extRun{uint64(le32(e, 0)), physical, count, unwritten}); err != nil {
				return err
			}
			continue
		}
		child, err := m.node(uint64(le32(e, 4)) | uint64(le16(e, 8))<<32)
		if err != nil {
			return err
		}
		if err := m.extents(child, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// node reads a block of the map.
func (m *blockMap) node(block uint64) ([]byte, error) {
	if block < max(m.x.first, 1) || block >= m.x.blocks {
		return nil, notByFile("the block map of inode %d points outside the volume", m.inode.number)
	}
	if err := m.tree(block); err != nil {
		return nil, err
	}
	b := make([]byte, m.x.bs)
	return b, m.x.readBlock(b, block)
}

// indirect walks a map of ext2: 12 blocks, then trees of one, two and three levels.
func (m *blockMap) indirect() error {
	for i := range uint64(12) {
		if block := uint64(le32(m.inode.root[:], int(4*i))); block != 0 {
			if err := m.add(extRun{logical: i, physical: block, count: 1}); err != nil {
				return err
			}
		}
	}
	per, start, span := m.x.bs/4, uint64(12), uint64(1)
	for level := 1; level <= 3; level++ {
		span *= per
		if block := uint64(le32(m.inode.root[:], 4*(11+level))); block != 0 {
			if err := m.indirectNode(block, level, start, span/per); err != nil {
				return err
			}
		}
		start += span
	}
	return nil
}

// indirectNode walks a block of pointers; each covers span blocks of the file, the first begins at start.
func (m *blockMap) indirectNode(block uint64, level int, start, span uint64) error {
	b, err := m.node(block)
	if err != nil {
		return err
	}
	for i := range m.x.bs / 4 {
		to := uint64(le32(b, int(4*i)))
		if to == 0 {
			continue
		}
		at := start + i*span
		if level > 1 {
			err = m.indirectNode(to, level-1, at, span/(m.x.bs/4))
		} else {
			err = m.add(extRun{logical: at, physical: to, count: 1})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inFile rounds the runs of a regular file to clusters and sorts them: kept runs up to the end of the file are its
// stream, unwritten ones are don't-care wherever they lie. Kept runs behind the end (the hash tree of a verity file) are
// left to the metadata.
func (x *ext) inFile(n *extInode, tree func(uint64) error, kept, unwritten func(extRun) error) error {
	end := n.size / x.bs
	if n.size%x.bs != 0 {
		end++
	}
	if end > 1<<32 {
		return notByFile("inode %d has an impossible size of %d bytes", n.number, n.size)
	}
	end = (end + x.ratio - 1) / x.ratio * x.ratio
	give := func(r extRun) error {
		if r.count == 0 {
			return nil
		}
		if r.unwritten {
			return unwritten(r)
		}
		if r.logical >= end {
			return nil
		}
		r.count = min(r.count, end-r.logical)
		return kept(r)
	}
	var last extRun
	err := x.runs(n, tree, func(r extRun) error {
		r, err := x.toClusters(n, r)
		if err != nil {
			return err
		}
		if over := last.logical + last.count; last.count > 0 && r.logical < over { // in the cluster of the run before
			if last.physical+(r.logical-last.logical) != r.physical || over-r.logical != x.ratio {
				return notByFile("inode %d has one cluster in two places", n.number)
			}
			if r.unwritten || !last.unwritten { // that cluster is kept with the run before, else with this one
				r.logical, r.physical, r.count = r.logical+x.ratio, r.physical+x.ratio, r.count-x.ratio
			} else {
				last.count -= x.ratio
			}
			if r.count == 0 {
				return nil
			}
		}
		err = give(last)
		last = r
		return err
	})
	if err != nil {
		return err
	}
	return give(last)
}

// toClusters widens a run to whole clusters. Offsets in a cluster are the same in the file and on the disk.
func (x *ext) toClusters(n *extInode, r extRun) (extRun, error) {
	if x.ratio == 1 {
		return r, nil
	}
	off := r.logical % x.ratio
	if (r.physical-x.first)%x.ratio != off {
		return r, notByFile("inode %d has blocks that do not lie in clusters", n.number)
	}
	r.logical, r.physical = r.logical-off, r.physical-off
	r.count = (r.count + off + x.ratio - 1) / x.ratio * x.ratio
	if r.physical+r.count > x.blocks {
		return r, notByFile("inode %d has a cluster that ends outside the volume", n.number)
	}
	return r, nil
}
