package volume

import "encoding/binary"

// Flags of a group descriptor.
const (
	extInodeUninit = 1 // no inode of the group was ever used
	extBlockUninit = 2 // the block bitmap on the disk means nothing: it is computed
)

// extGroup is a group descriptor. The tables it points to may lie in other groups (flex_bg).
type extGroup struct {
	blockBitmap, inodeBitmap, inodeTable uint64 // block numbers
	blockSum, inodeSum                   uint32 // checksums of the bitmaps, or their low halves
	freeClusters, freeInodes             uint32
	neverUsed                            uint32 // inodes at the end of the table
	flags                                uint16
}

// hasSums says whether descriptors have checksums; only then do uninit flags and neverUsed mean anything.
func (s *extSuper) hasSums() bool { return s.ro&(extGDTCsum|extMetadataCsum) != 0 }

// readGroups reads all group descriptors.
func (x *ext) readGroups() error {
	s := x.extSuper
	x.groups = make([]extGroup, 0, s.groups)
	block := make([]byte, s.bs)
	for i := range s.descBlocks() {
		if err := x.readBlock(block, s.descBlock(i)); err != nil {
			return err
		}
		for d := uint64(0); d < s.descsPerBlock() && uint64(len(x.groups)) < s.groups; d++ {
			g, err := s.parseGroup(block[d*s.descSize:][:s.descSize], uint32(len(x.groups)))
			if err != nil {
				return err
			}
			x.groups = append(x.groups, g)
		}
	}
	return nil
}

func (s *extSuper) parseGroup(b []byte, number uint32) (extGroup, error) {
	if s.hasSums() && le16(b, 0x1e) != s.groupSum(b, number) {
		return extGroup{}, notTrusted("the checksum of group descriptor %d differs", number)
	}
	g := extGroup{
		blockBitmap: uint64(le32(b, 0)), inodeBitmap: uint64(le32(b, 4)), inodeTable: uint64(le32(b, 8)),
		freeClusters: uint32(le16(b, 0xc)), freeInodes: uint32(le16(b, 0xe)), flags: le16(b, 0x12),
		blockSum: uint32(le16(b, 0x18)), inodeSum: uint32(le16(b, 0x1a)), neverUsed: uint32(le16(b, 0x1c)),
	}
	if s.descSize >= 64 {
		g.blockBitmap |= uint64(le32(b, 0x20)) << 32
		g.inodeBitmap |= uint64(le32(b, 0x24)) << 32
		g.inodeTable |= uint64(le32(b, 0x28)) << 32
		g.freeClusters |= uint32(le16(b, 0x2c)) << 16
		g.freeInodes |= uint32(le16(b, 0x2e)) << 16
		g.neverUsed |= uint32(le16(b, 0x32)) << 16
		g.blockSum |= uint32(le16(b, 0x38)) << 16
		g.inodeSum |= uint32(le16(b, 0x3a)) << 16
	}
	if !s.hasSums() {
		g.flags, g.neverUsed = 0, 0
	}
	for _, at := range []uint64{g.blockBitmap, g.inodeBitmap, g.inodeTable} {
		if at < s.first || at >= s.blocks {
			return g, notTrusted("group descriptor %d points outside the volume", number)
		}
	}
	if s.tableBlocks() > s.blocks-g.inodeTable || uint64(g.neverUsed) > s.inodesPerGroup {
		return g, notTrusted("the inode table of group %d ends outside the volume", number)
	}
	return g, nil
}

// groupSum is bg_checksum of the descriptor b, which takes the place of the two bytes at 0x1e.
func (s *extSuper) groupSum(b []byte, number uint32) uint16 {
	n := binary.LittleEndian.AppendUint32(nil, number)
	if s.ro&extMetadataCsum != 0 {
		return uint16(crc32c(s.seed, n, b[:0x1e], []byte{0, 0}, b[0x20:]))
	}
	return crc16(^uint16(0), s.uuidBytes[:], n, b[:0x1e], b[0x20:])
}

// sumDiffers compares the checksum of a bitmap; descriptors of 32 bytes have only its low half.
func (s *extSuper) sumDiffers(want uint32, bitmap []byte) bool {
	if s.ro&extMetadataCsum == 0 {
		return false
	}
	got := crc32c(s.seed, bitmap)
	if s.descSize < 64 {
		got &= 0xffff
	}
	return got != want
}

func (s *extSuper) tableBlocks() uint64 { return (s.inodesPerGroup*s.inodeSize + s.bs - 1) / s.bs }

// allocation reads the block bitmaps: one bit per block, also where clusters are larger.
func (x *ext) allocation() (*bitset, error) {
	s := x.extSuper
	used := newBitset(s.blocks)
	used.setRange(0, s.first)
	bitmap := make([]byte, s.bs)
	for i, g := range x.groups {
		number := uint64(i)
		if g.flags&extBlockUninit != 0 {
			x.setClusters(used, s.groupStart(number), min(s.baseBlocks(number), s.groupBlocks(number)))
			continue
		}
		if err := x.readBlock(bitmap, g.blockBitmap); err != nil {
			return nil, err
		}
		if s.sumDiffers(g.blockSum, bitmap[:s.perGroup/s.ratio/8]) {
			return nil, notTrusted("the checksum of the block bitmap of group %d differs", i)
		}
		x.addBitmap(used, bitmap, number)
	}
	return used, x.checkAllocation(used)
}

// addBitmap sets the blocks of a group whose bits are set; bits past the end of the last group mean nothing.
func (x *ext) addBitmap(used *bitset, bitmap []byte, group uint64) {
	start, n := x.groupStart(group), x.groupBlocks(group)
	clusters := (n + x.ratio - 1) / x.ratio
	for c := uint64(0); c < clusters; {
		if c%8 == 0 && clusters-c >= 8 && bitmap[c/8] == 0 {
			c += 8
			continue
		}
		from := c
		for c < clusters && bitmap[c/8]&(1<<(c%8)) != 0 {
			c++
		}
		if c == from {
			c++
			continue
		}
		end := min(c*x.ratio, n)
		used.setRange(start+from*x.ratio, end-from*x.ratio)
	}
}

// setClusters sets the clusters that hold the blocks at ..< at+n.
func (x *ext) setClusters(used *bitset, at, n uint64) {
	from := at - (at-x.first)%x.ratio
	to := at + n
	if rest := (to - x.first) % x.ratio; rest != 0 {
		to += x.ratio - rest
	}
	used.setRange(from, min(to, x.blocks)-from)
}

// checkAllocation sets what uninitialised groups hold of all groups' tables, and compares counts and places with the
// descriptors and the superblock.
func (x *ext) checkAllocation(used *bitset) error {
	s := x.extSuper
	for i, g := range x.groups {
		for _, e := range [][2]uint64{{g.blockBitmap, 1}, {g.inodeBitmap, 1}, {g.inodeTable, s.tableBlocks()}} {
			for at := e[0]; at < e[0]+e[1]; at++ {
				if x.groups[(at-s.first)/s.perGroup].flags&extBlockUninit != 0 {
					x.setClusters(used, at, 1)
				} else if !used.has(at) {
					return notTrusted("its bitmap calls the tables of group %d free", i)
				}
			}
		}
	}
	var free uint64
	for i, g := range x.groups {
		n := s.groupBlocks(uint64(i))
		clusters := (n + s.ratio - 1) / s.ratio
		var taken uint64
		if s.ratio == 1 {
			taken = used.count(s.groupStart(uint64(i)), n)
		} else {
			for c := range clusters {
				if used.has(s.groupStart(uint64(i)) + c*s.ratio) {
					taken++
				}
			}
		}
		if clusters-taken != uint64(g.freeClusters) {
			return notTrusted("group %d has %d free clusters by its bitmap and %d by its descriptor", i,
				clusters-taken, g.freeClusters)
		}
		free += (clusters - taken) * s.ratio
	}
	if free != s.freeBlocks {
		return notTrusted("it has %d free blocks by its bitmaps and %d by its superblock", free, s.freeBlocks)
	}
	return nil
}
