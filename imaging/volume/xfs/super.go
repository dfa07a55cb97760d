package xfs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// UnsupportedError says that a volume uses something this package does not read.
type UnsupportedError struct {
	What string // completes "it has ..."
}

// Error implements error.
func (e *UnsupportedError) Error() string { return "it has " + e.What }

// DamageError says that a structure contradicts itself or another one.
type DamageError struct {
	Why string // a sentence without its full stop
}

// Error implements error.
func (e *DamageError) Error() string { return e.Why }

// DirtyError says that a volume waits for its log to be replayed, or for repair.
type DirtyError struct {
	Why  string // completes "the volume ..."
	Hint string // what a person can do
}

// Error implements error.
func (e *DirtyError) Error() string { return e.Why }

func damaged(format string, a ...any) error { return &DamageError{Why: fmt.Sprintf(format, a...)} }

// Bits of sb_versionnum, sb_features2, sb_features_ro_compat and sb_features_incompat.
const (
	versionDirV2    = 0x2000
	versionMoreBits = 0x8000
	features2FType  = 0x200

	roFreeInodes = 1 << 0
	roReverseMap = 1 << 1
	roReflink    = 1 << 2
	roCounts     = 1 << 3
	roKnown      = roFreeInodes | roReverseMap | roReflink | roCounts

	incompatFType       = 1 << 0
	incompatSparse      = 1 << 1
	incompatMetaUUID    = 1 << 2
	incompatBigTime     = 1 << 3
	incompatNeedsRepair = 1 << 4
	incompatManyExtents = 1 << 5
	incompatExchange    = 1 << 6
	incompatParent      = 1 << 7
	incompatKnown       = 1<<8 - 1

	logIncompatKnown = 1 << 0 // logged attributes: the log is empty when we read
)

// Volume is an XFS file system.
type Volume struct {
	BlockSize  int64    // bytes
	Blocks     uint64   // of the whole volume
	SectorSize int64    // bytes
	Label      string   // at most 12 bytes
	UUID       [16]byte // what people and tools see

	r          io.ReaderAt
	v5         bool
	ftype      bool // directory entries have a type
	sparse     bool
	metaUUID   [16]byte // in the headers of version 5
	ro         uint32
	incompat   uint32
	groupSize  uint64 // blocks of every group but the last
	groupLog   uint   // bits of a block number within a group
	groups     []group
	inodeSize  int64
	inodesLog  uint // log2 of inodes per block
	dirLog     uint // log2 of blocks per directory block
	root       uint64
	special    map[uint64]bool // inodes of quotas and of the realtime section
	inodes     uint64
	freeInodes uint64
	freeBlocks uint64
	logStart   uint64 // linear
	logBlocks  uint64
}

// Root returns the inode number of the root directory.
func (v *Volume) Root() uint64 { return v.root }

// Reflinked says whether blocks may belong to several files.
func (v *Volume) Reflinked() bool { return v.ro&roReflink != 0 }

// Special says whether an inode belongs to the file system itself: quotas, bitmaps of the realtime section.
func (v *Volume) Special(number uint64) bool { return v.special[number] }

func be16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

func be32(b []byte, at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }

func be64(b []byte, at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }

// sumHolds proves the CRC32C that lies, little-endian, at offset at and is computed with zeros there.
func sumHolds(b []byte, at int) bool {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:at])
	sum = crc32.Update(sum, table, []byte{0, 0, 0, 0})
	sum = crc32.Update(sum, table, b[at+4:])
	return sum == binary.LittleEndian.Uint32(b[at:])
}

// Open reads the primary superblock of a volume of size bytes. It fails with *UnsupportedError, *DamageError or
// *DirtyError, or with an error of r.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	head := make([]byte, 512)
	if size < int64(len(head)) {
		return nil, damaged("its superblock is cut")
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("reading the superblock: %w", err)
	}
	v := &Volume{r: r}
	if err := v.geometry(head, size); err != nil {
		return nil, err
	}
	if err := v.features(head); err != nil {
		return nil, err
	}
	if v.v5 {
		sector := make([]byte, v.SectorSize)
		if _, err := r.ReadAt(sector, 0); err != nil {
			return nil, fmt.Errorf("reading the superblock: %w", err)
		}
		if !sumHolds(sector, 224) {
			return nil, damaged("the checksum of its superblock differs")
		}
	}
	return v, v.places(head)
}

// geometry reads the sizes that everything else is figured from.
func (v *Volume) geometry(b []byte, size int64) error {
	if string(b[:4]) != "XFSB" {
		return damaged("it has no superblock")
	}
	v.BlockSize, v.Blocks, v.SectorSize = int64(be32(b, 4)), be64(b, 8), int64(be16(b, 102))
	v.groupSize, v.groupLog = uint64(be32(b, 84)), uint(b[124])
	count := uint64(be32(b, 88))
	v.inodeSize, v.inodesLog, v.dirLog = int64(be16(b, 104)), uint(b[123]), uint(b[192])
	switch {
	case !power(v.BlockSize, 512, 65536), !power(v.SectorSize, 512, min(v.BlockSize, 32768)),
		!power(v.inodeSize, 256, min(v.BlockSize, 2048)), v.inodeSize<<v.inodesLog != v.BlockSize,
		v.dirLog > 7 || v.BlockSize<<v.dirLog > 65536:
		return damaged("its superblock is not understood")
	case v.Blocks == 0 || v.Blocks > uint64(size/v.BlockSize):
		return damaged("it is larger than its partition")
	case v.groupSize < 64 || v.groupSize > 1<<31 || v.groupLog > 31 || v.groupSize > 1<<v.groupLog || v.groupSize <= 1<<v.groupLog/2:
		return damaged("its allocation groups are not understood")
	case count > maxGroups:
		return &UnsupportedError{fmt.Sprintf("%d allocation groups, more than %d", count, maxGroups)}
	case count == 0 || (v.Blocks+v.groupSize-1)/v.groupSize != count:
		return damaged("its superblock counts %d allocation groups for %d blocks", count, v.Blocks)
	}
	v.groups = make([]group, count)
	return nil
}

// maxGroups bounds what is kept in memory for each group. Groups have 16 MiB at least and 1 TiB at most; mkfs.xfs makes
// 4 to 32 of them, and a volume that was grown has more.
const maxGroups = 1 << 18

func power(n, least, most int64) bool { return n >= least && n <= most && n&(n-1) == 0 }

// features refuses what this package does not know.
func (v *Volume) features(b []byte) error {
	version, features2 := be16(b, 100), uint32(0)
	if version&versionMoreBits != 0 {
		features2 = be32(b, 200)
	}
	switch version & 15 {
	case 4:
		if version&versionDirV2 == 0 {
			return &UnsupportedError{"directories of version 1"}
		}
		v.ftype = features2&features2FType != 0
	case 5:
		v.v5 = true
		v.ro, v.incompat = be32(b, 212), be32(b, 216)
		v.ftype, v.sparse = v.incompat&incompatFType != 0, v.incompat&incompatSparse != 0
		if unknown := v.incompat &^ incompatKnown; unknown != 0 {
			return &UnsupportedError{fmt.Sprintf("features (incompat %#x) that are not known", unknown)}
		}
		if unknown := v.ro &^ roKnown; unknown != 0 {
			return &UnsupportedError{fmt.Sprintf("features (ro_compat %#x) that are not known", unknown)}
		}
		if unknown := be32(b, 220) &^ logIncompatKnown; unknown != 0 {
			return &UnsupportedError{fmt.Sprintf("features of its log (%#x) that are not known", unknown)}
		}
		if v.incompat&incompatNeedsRepair != 0 {
			return &DirtyError{"is marked as needing repair", "run xfs_repair on it, then capture again"}
		}
	default:
		return &UnsupportedError{fmt.Sprintf("version %d", version&15)}
	}
	switch {
	case b[126] != 0:
		return damaged("mkfs.xfs has not finished it")
	case be64(b, 16) != 0:
		return &UnsupportedError{"a realtime section, which is not read file by file"}
	case be64(b, 48) == 0:
		return &UnsupportedError{"its log on another device"}
	}
	return nil
}

// places reads what the superblock points to and counts.
func (v *Volume) places(b []byte) error {
	copy(v.UUID[:], b[32:48])
	copy(v.metaUUID[:], b[32:48])
	if v.incompat&incompatMetaUUID != 0 {
		copy(v.metaUUID[:], b[248:264])
	}
	for end := 108; end < 120 && b[end] != 0; end++ {
		v.Label += string(b[end : end+1])
	}
	v.root = be64(b, 56)
	v.special = map[uint64]bool{be64(b, 64): true, be64(b, 72): true}
	for _, at := range []int{160, 168, 232} { // quotas of users, groups, projects
		if at < 200 || v.v5 {
			v.special[be64(b, at)] = true
		}
	}
	delete(v.special, 0)
	delete(v.special, ^uint64(0))
	delete(v.special, v.root)
	v.inodes, v.freeInodes, v.freeBlocks = be64(b, 128), be64(b, 136), be64(b, 144)
	v.logBlocks = uint64(be32(b, 96))
	start, err := v.linear(be64(b, 48), v.logBlocks)
	if err != nil {
		return damaged("its log lies outside it")
	}
	v.logStart = start
	return nil
}

// groupBlocks is the number of blocks of a group.
func (v *Volume) groupBlocks(group uint64) uint64 {
	return min(v.groupSize, v.Blocks-group*v.groupSize)
}

// linear turns a block number as inodes have it, with the group in the upper bits, into one counted over the volume. The
// n blocks from there must lie in that group.
func (v *Volume) linear(block, n uint64) (uint64, error) {
	group, at := block>>v.groupLog, block&(1<<v.groupLog-1)
	if group >= uint64(len(v.groups)) || n == 0 || at >= v.groupBlocks(group) || n > v.groupBlocks(group)-at {
		return 0, damaged("block %#x lies outside its allocation group", block)
	}
	return group*v.groupSize + at, nil
}

// read fills b from a linear block on.
func (v *Volume) read(b []byte, block uint64) error {
	if _, err := v.r.ReadAt(b, int64(block)*v.BlockSize); err != nil {
		return fmt.Errorf("reading block %d: %w", block, err)
	}
	return nil
}

// ours says whether a header of version 5 carries this volume's identity.
func (v *Volume) ours(id []byte) bool { return [16]byte(id) == v.metaUUID }
