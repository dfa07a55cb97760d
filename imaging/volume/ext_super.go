package volume

import (
	"fmt"
	"hash/crc32"
)

// Feature bits of ext2/3/4: s_feature_compat, s_feature_incompat, s_feature_ro_compat.
const (
	extHasJournal   = 0x4
	extSparseSuper2 = 0x200

	extFiletype   = 0x2
	extRecover    = 0x4
	extJournalDev = 0x8
	extMetaBG     = 0x10
	extExtents    = 0x40
	ext64Bit      = 0x80
	extMMP        = 0x100
	extEAInode    = 0x400
	extCsumSeed   = 0x2000
	// The incompat features known here: filetype, recover, journal_dev, meta_bg, extent, 64bit, mmp, flex_bg, ea_inode,
	// metadata_csum_seed, large_dir, inline_data, encrypt, casefold. Not: compression, dirdata.
	extKnownIncompat = 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 |
		0x10000 | 0x20000

	extSparseSuper   = 0x1
	extGDTCsum       = 0x10
	extBigalloc      = 0x200
	extMetadataCsum  = 0x400
	extOrphanPresent = 0x10000
	// sparse_super, large_file, btree_dir, huge_file, uninit_bg, dir_nlink, extra_isize, quota, bigalloc, metadata_csum,
	// read-only, project, shared_blocks, verity, orphan_present. Not: has_snapshot, replica.
	extKnownRO = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400 | 0x1000 | 0x2000 | 0x4000 |
		0x8000 | 0x10000
)

// extSuper is what of the superblock (1024 bytes at byte 1024) is used.
type extSuper struct {
	inodes, freeInodes   uint64
	blocks, freeBlocks   uint64
	first                uint64 // s_first_data_block: the block that holds the superblock, 0 or 1
	bs                   uint64 // bytes a block
	ratio                uint64 // blocks a cluster
	perGroup             uint64 // blocks
	inodesPerGroup       uint64
	groups               uint64
	inodeSize            uint64
	firstInode           uint64
	descSize             uint64
	reservedGDT          uint64 // blocks kept behind the descriptors for growing
	firstMetaBG          uint64
	backups              [2]uint64 // sparse_super2
	compat, incompat, ro uint32
	state                uint16
	mmpBlock             uint64
	journal              uint64          // inode
	internal             map[uint64]bool // inodes of quotas and the orphan file
	seed                 uint32          // of metadata checksums
	uuidBytes            [16]byte
	label                string
}

func isExt(head []byte, _ int64) bool { return len(head) >= 2048 && hasAt(head, 1024+0x38, "\x53\xef") }

// extHeads is the primary superblock; without it nothing mounts, and the backups are only used by a person's order.
func extHeads(size int64) []Extent { return clip(size, Extent{1024, 1024}) }

// crc32c is the Castagnoli checksum as ext4 uses it: without the final inversion.
func crc32c(seed uint32, parts ...[]byte) uint32 {
	for _, p := range parts {
		seed = ^crc32.Update(^seed, castagnoli(), p)
	}
	return seed
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once by the library

// crc16 is the checksum of group descriptors before metadata_csum: polynomial 0xA001, reflected.
func crc16(crc uint16, parts ...[]byte) uint16 {
	for _, p := range parts {
		for _, c := range p {
			crc ^= uint16(c)
			for range 8 {
				low := crc & 1
				crc >>= 1
				if low != 0 {
					crc ^= 0xa001
				}
			}
		}
	}
	return crc
}

func lo32hi32(lo, hi uint32) uint64 { return uint64(lo) | uint64(hi)<<32 }

// parseExtSuper reads the superblock of a volume of size bytes.
func parseExtSuper(b []byte, size int64) (*extSuper, error) {
	s := &extSuper{
		inodes: uint64(le32(b, 0)), freeInodes: uint64(le32(b, 0x10)),
		blocks: uint64(le32(b, 4)), freeBlocks: uint64(le32(b, 0xc)), first: uint64(le32(b, 0x14)),
		perGroup: uint64(le32(b, 0x20)), inodesPerGroup: uint64(le32(b, 0x28)),
		state: le16(b, 0x3a), inodeSize: 128, firstInode: 11, descSize: 32,
		label: cString(b[0x78:0x88]), internal: map[uint64]bool{},
	}
	copy(s.uuidBytes[:], b[0x68:])
	if le32(b, 0x4c) > 0 { // s_rev_level: revision 0 has fixed inodes and no features
		s.firstInode, s.inodeSize = uint64(le32(b, 0x54)), uint64(le16(b, 0x58))
		s.compat, s.incompat, s.ro = le32(b, 0x5c), le32(b, 0x60), le32(b, 0x64)
		s.journal = uint64(le32(b, 0xe0))
	}
	s.reservedGDT, s.firstMetaBG = uint64(le16(b, 0xce)), uint64(le32(b, 0x104))
	s.backups = [2]uint64{uint64(le32(b, 0x24c)), uint64(le32(b, 0x250))}
	s.mmpBlock = le64(b, 0x168)
	if s.incompat&ext64Bit != 0 {
		s.blocks, s.freeBlocks = lo32hi32(le32(b, 4), le32(b, 0x150)), lo32hi32(le32(b, 0xc), le32(b, 0x158))
		s.descSize = uint64(le16(b, 0xfe))
	}
	for _, at := range []int{0x240, 0x244, 0x26c, 0x280} { // quotas of users, groups, projects; orphan file
		if ino := le32(b, at); ino != 0 {
			s.internal[uint64(ino)] = true
		}
	}
	s.seed = crc32c(^uint32(0), s.uuidBytes[:])
	if s.incompat&extCsumSeed != 0 {
		s.seed = le32(b, 0x270)
	}
	if s.ro&extMetadataCsum != 0 && (b[0x175] != 1 || crc32c(^uint32(0), b[:0x3fc]) != le32(b, 0x3fc)) {
		return nil, notTrusted("the checksum of its superblock differs")
	}
	logBlock, logCluster := le32(b, 0x18), le32(b, 0x1c)
	if logBlock > 6 || logCluster > 20 || logCluster < logBlock {
		return nil, notTrusted("its block size is not one that exists")
	}
	s.bs, s.ratio = 1024<<logBlock, 1<<(logCluster-logBlock)
	return s, s.check(size, uint64(le32(b, 0x24)))
}

// check refuses what must not be captured and doubts what does not fit together.
func (s *extSuper) check(size int64, clustersPerGroup uint64) error {
	if s.incompat&extJournalDev != 0 {
		return &RefusedError{Kind: "ext", Why: "is the external journal of another volume",
			Hint: "move the journal into its file system: tune2fs -O ^has_journal, then tune2fs -j"}
	}
	if err := s.clean(); err != nil {
		return err
	}
	if u := s.incompat &^ extKnownIncompat; u != 0 {
		return notTrusted("it has features that are not known (incompatible %#x)", u)
	}
	if u := s.ro &^ extKnownRO; u != 0 {
		return notTrusted("it has features that are not known (read-only compatible %#x)", u)
	}
	capacity := 8 * s.bs // bits of one bitmap
	bad := ""
	switch {
	case s.ro&extBigalloc == 0 && (s.ratio != 1 || clustersPerGroup != s.perGroup):
		bad = "clusters without bigalloc"
	case s.first > 1, s.blocks <= s.first, s.blocks > uint64(size)/s.bs:
		bad = fmt.Sprintf("%d blocks of %d bytes in a partition of %d bytes", s.blocks, s.bs, size)
	case s.perGroup < 256, s.perGroup/s.ratio > capacity, s.perGroup != clustersPerGroup*s.ratio:
		bad = fmt.Sprintf("%d blocks a group", s.perGroup)
	case s.inodesPerGroup == 0, s.inodesPerGroup > capacity:
		bad = fmt.Sprintf("%d inodes a group", s.inodesPerGroup)
	case s.inodeSize < 128, s.inodeSize > s.bs, s.inodeSize&(s.inodeSize-1) != 0:
		bad = fmt.Sprintf("inodes of %d bytes", s.inodeSize)
	case s.descSize < 32, s.descSize > 1024, s.descSize > s.bs, s.descSize&(s.descSize-1) != 0,
		s.incompat&ext64Bit != 0 && s.descSize < 64:
		bad = fmt.Sprintf("group descriptors of %d bytes", s.descSize)
	}
	if bad != "" {
		return notTrusted("its superblock contradicts itself: %s", bad)
	}
	s.groups = (s.blocks - s.first + s.perGroup - 1) / s.perGroup
	if s.inodes != s.groups*s.inodesPerGroup || s.firstInode < 11 || s.inodes > s.blocks*(s.bs/s.inodeSize) {
		return notTrusted("its superblock contradicts itself: %d inodes in %d groups", s.inodes, s.groups)
	}
	return nil
}

// clean refuses a file system that was not unmounted, or whose driver met an error.
func (s *extSuper) clean() error {
	switch {
	case s.incompat&extRecover != 0, s.state&1 == 0, s.ro&extOrphanPresent != 0:
		return &RefusedError{Kind: "ext", Why: "was not shut down cleanly",
			Hint: "start its system and shut it down in the ordinary way (or run e2fsck -f on it), then capture again"}
	case s.state&2 != 0:
		return &RefusedError{Kind: "ext", Why: "is marked as having errors",
			Hint: "run e2fsck -f on it, then capture again"}
	case s.compat&extHasJournal != 0 && s.journal == 0:
		return &RefusedError{Kind: "ext", Why: "has its journal on another device",
			Hint: "move the journal into the file system: tune2fs -O ^has_journal, then tune2fs -j"}
	}
	return nil
}

// name is what people call a file system with these features.
func (s *extSuper) name() string {
	switch {
	case s.incompat&(extExtents|ext64Bit|0x200) != 0, s.ro&(extGDTCsum|extMetadataCsum|0x8) != 0:
		return "ext4"
	case s.compat&extHasJournal != 0:
		return "ext3"
	}
	return "ext2"
}

// hasSuper says whether group g begins with a copy of the superblock and of the descriptors.
func (s *extSuper) hasSuper(g uint64) bool {
	switch {
	case g == 0:
		return true
	case s.compat&extSparseSuper2 != 0:
		return g == s.backups[0] || g == s.backups[1]
	case g == 1 || s.ro&extSparseSuper == 0:
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		n := base
		for n < g {
			n *= base
		}
		if n == g {
			return true
		}
	}
	return false
}

// groupStart is the first block of group g.
func (s *extSuper) groupStart(g uint64) uint64 { return s.first + g*s.perGroup }

// groupBlocks is the number of blocks of group g; the last one may be short.
func (s *extSuper) groupBlocks(g uint64) uint64 { return min(s.perGroup, s.blocks-s.groupStart(g)) }

// shift is 1 where blocks are 1 KiB but are counted from 0, as with bigalloc: the superblock is in block 1 all the same.
func (s *extSuper) shift() uint64 {
	if s.bs == 1024 && s.first == 0 {
		return 1
	}
	return 0
}

func (s *extSuper) descsPerBlock() uint64 { return s.bs / s.descSize }

func (s *extSuper) descBlocks() uint64 { return (s.groups + s.descsPerBlock() - 1) / s.descsPerBlock() }

// descBlock is where block i of the group descriptors lies: behind the superblock, or with meta_bg in the first group of
// those that it describes.
func (s *extSuper) descBlock(i uint64) uint64 {
	if s.incompat&extMetaBG == 0 || i < s.firstMetaBG {
		return s.first + s.shift() + 1 + i
	}
	g := i * s.descsPerBlock()
	at := s.groupStart(g)
	if s.hasSuper(g) {
		at++
	}
	if g == 0 {
		at += s.shift()
	}
	return at
}

// baseBlocks is how many blocks at the start of group g hold copies of the superblock and of descriptors.
func (s *extSuper) baseBlocks(g uint64) uint64 {
	var n uint64
	super := s.hasSuper(g)
	if super {
		n = 1
	}
	if g == 0 {
		n += s.shift()
	}
	meta := g / s.descsPerBlock()
	if s.incompat&extMetaBG == 0 || meta < s.firstMetaBG {
		if super {
			n += s.reservedGDT
			if s.incompat&extMetaBG != 0 {
				n += s.firstMetaBG
			} else {
				n += s.descBlocks()
			}
		}
	} else if in := g % s.descsPerBlock(); in == 0 || in == 1 || in == s.descsPerBlock()-1 {
		n++
	}
	return n
}
