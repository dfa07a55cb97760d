package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cespare/xxhash/v2"
)

const (
	superSize = 4096
	magic     = "_BHRfS_M"

	// StripeLen is how much of each chunk around a copy of the superblock is never allocated, bytes.
	StripeLen = 64 << 10
)

// places is where copies of the superblock lie, as far as the device reaches.
func places() [3]int64 { return [3]int64{64 << 10, 64 << 20, 256 << 30} }

// Features that change nothing that is read here, or that are read.
const (
	incompatKnown = 0x1 | // MIXED_BACKREF
		0x2 | // DEFAULT_SUBVOL
		0x4 | // MIXED_GROUPS
		0x8 | 0x10 | // COMPRESS_LZO, COMPRESS_ZSTD
		0x20 | // BIG_METADATA
		0x40 | // EXTENDED_IREF
		0x100 | // SKINNY_METADATA
		0x200 | // NO_HOLES
		0x400 | // METADATA_UUID
		0x10000 // SIMPLE_QUOTA
	mixedBackref = 0x1
	metadataUUID = 0x400

	compatROKnown  = 0x1 | 0x2 | 0x4 | 0x8 // FREE_SPACE_TREE, its VALID, VERITY, BLOCK_GROUP_TREE
	blockGroupTree = 0x8
)

// DamagedError says that a structure contradicts itself, its checksum or another one.
type DamagedError struct {
	Structure string // "superblock", "tree block 30408704", "subvolume 257" ...
	Why       string
}

// Error implements error.
func (e *DamagedError) Error() string { return fmt.Sprintf("%s %s", e.Structure, e.Why) }

func damaged(structure, format string, a ...any) error {
	return &DamagedError{structure, fmt.Sprintf(format, a...)}
}

// UnsupportedError says that the volume has something that this package does not read.
type UnsupportedError struct {
	Why string // a sentence without its end: "it spans 2 devices"
}

// Error implements error.
func (e *UnsupportedError) Error() string { return e.Why }

func unsupported(format string, a ...any) error {
	return &UnsupportedError{fmt.Sprintf(format, a...)}
}

// UncleanError says that the volume must not be captured as it is.
type UncleanError struct {
	Why  string // "has ..."
	Hint string
}

// Error implements error.
func (e *UncleanError) Error() string { return e.Why }

// Volume is an open btrfs.
type Volume struct {
	SectorSize int64 // unit of data, bytes
	NodeSize   int64 // bytes of a tree block
	Size       int64 // bytes of the device that it uses
	Label      string
	UUID       [16]byte
	Supers     []int64 // where the superblock and its copies lie; each is 4096 bytes long

	r       io.ReaderAt
	super   super
	chunks  []chunk // by logical address
	roots   map[uint64]root
	list    []root // all of them, also such as are only relocated
	parents map[uint64]parent
	cache   cache
	checked bool // copies were compared
}

// super is what the superblock says.
type super struct {
	csum              uint16
	fsid              [16]byte // in tree blocks
	generation        uint64
	root, chunkRoot   ref
	bytesUsed         uint64
	incompat, compat  uint64
	compatRO          uint64
	device            uint64
	deviceUUID        [16]byte
	sysChunks         []byte
	sector, node      uint32
	deviceSize, total uint64
}

func le16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }

func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// sumHolds checks a checksum, which lies in the first 32 bytes of what it covers.
func sumHolds(kind uint16, b []byte) bool {
	var sum [32]byte
	switch kind {
	case 0:
		binary.LittleEndian.PutUint32(sum[:], crc32.Checksum(b[32:], crc32.MakeTable(crc32.Castagnoli)))
	case 1:
		binary.LittleEndian.PutUint64(sum[:], xxhash.Sum64(b[32:]))
	case 2:
		sum = sha256.Sum256(b[32:])
	}
	n := [...]int{4, 8, 32}[kind]
	return bytes.Equal(sum[:n], b[:n])
}

// Open reads the superblock, the chunks and the list of trees of a volume of size bytes. It fails with *DamagedError,
// *UnsupportedError, *UncleanError, or the error of r.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r}
	b, err := v.readSuper(places()[0], size)
	if err != nil {
		return nil, err
	}
	if err := v.parseSuper(b, size); err != nil {
		return nil, err
	}
	if err := v.compareSupers(b, size); err != nil {
		return nil, err
	}
	if err := v.readChunks(); err != nil {
		return nil, err
	}
	return v, v.readRoots()
}

func (v *Volume) readSuper(at, size int64) ([]byte, error) {
	if at > size-superSize {
		return nil, damaged("superblock", "is missing")
	}
	b := make([]byte, superSize)
	return b, readFull(v.r, b, at)
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

// parseSuper takes what matters from struct btrfs_super_block.
func (v *Volume) parseSuper(b []byte, size int64) error {
	s := &v.super
	s.csum = le16(b, 0xc4)
	switch {
	case string(b[0x40:0x48]) != magic:
		return damaged("superblock", "has no magic")
	case s.csum == 3:
		return unsupported("its checksums are BLAKE2, which is not read yet")
	case s.csum > 3:
		return unsupported("its checksums are of the unknown kind %d", s.csum)
	case !sumHolds(s.csum, b):
		return damaged("superblock", "does not match its checksum")
	case le64(b, 0x30) != uint64(places()[0]):
		return damaged("superblock", "describes another place")
	}
	copy(v.UUID[:], b[0x20:0x30])
	s.fsid = v.UUID
	s.generation = le64(b, 0x48)
	s.root = ref{bytenr: le64(b, 0x50), generation: s.generation, level: b[0xc6]}
	s.chunkRoot = ref{bytenr: le64(b, 0x58), generation: le64(b, 0xa4), level: b[0xc7]}
	s.total, s.bytesUsed = le64(b, 0x70), le64(b, 0x78)
	s.sector, s.node = le32(b, 0x90), le32(b, 0x94)
	s.compat, s.compatRO, s.incompat = le64(b, 0xac), le64(b, 0xb4), le64(b, 0xbc)
	s.device, s.deviceSize = le64(b, 0xc9), le64(b, 0xd1)
	copy(s.deviceUUID[:], b[0xc9+66:])
	if s.incompat&metadataUUID != 0 {
		copy(s.fsid[:], b[0x23b:])
	}
	v.SectorSize, v.NodeSize = int64(s.sector), int64(s.node)
	v.Label = text(b[0x12b : 0x12b+256])
	if err := s.usable(b, size); err != nil {
		return err
	}
	n := le32(b, 0xa0)
	if n > 2048 {
		return damaged("superblock", "has %d bytes of chunks", n)
	}
	s.sysChunks = b[0x32b : 0x32b+n]
	v.Size = int64(s.deviceSize) / v.SectorSize * v.SectorSize
	for _, at := range places() {
		if at <= v.Size-superSize {
			v.Supers = append(v.Supers, at)
		}
	}
	return nil
}

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(bytes.ToValidUTF8(b, []byte("?")))
}

// Flags of a superblock.
const (
	flagsOrdinary = 1 | 2 // WRITTEN, RELOC
	flagError     = 4
)

// usable refuses what is not clean and what is not read here.
func (s *super) usable(b []byte, size int64) error {
	flags := le64(b, 0x38) & (1<<56 - 1)
	switch {
	case le64(b, 0x60) != 0:
		return &UncleanError{"has changes in its log that were never made",
			"start its system and shut it down in the ordinary way (or mount it once and unmount it), then capture again"}
	case flags&flagError != 0:
		return &UncleanError{"has recorded errors", "run btrfs check on it and mend it, then capture again"}
	case flags&^flagsOrdinary != 0:
		return unsupported("its superblock has the flags %#x", flags)
	case s.incompat&^incompatKnown != 0 || s.incompat&mixedBackref == 0:
		return unsupported("its features %#x are not all known", s.incompat)
	case s.compatRO&^compatROKnown != 0 || s.compat != 0:
		return unsupported("its features %#x are not all known", s.compatRO)
	case le64(b, 0x88) != 1:
		return unsupported("it spans %d devices", le64(b, 0x88))
	case s.sector < 4096 || s.sector > 64<<10 || s.sector&(s.sector-1) != 0,
		s.node < s.sector || s.node > 64<<10 || s.node&(s.node-1) != 0:
		return damaged("superblock", "has sectors of %d and nodes of %d bytes", s.sector, s.node)
	case s.deviceSize > uint64(size) || s.deviceSize < 1<<20 || s.total != s.deviceSize:
		return damaged("superblock", "describes a device of %d bytes, this one has %d", s.deviceSize, size)
	}
	return nil
}

// compareSupers looks at the copies. One that is older or damaged happens, and mounting uses the first; one that is
// newer says that the first is not the truth.
func (v *Volume) compareSupers(first []byte, size int64) error {
	for _, at := range v.Supers[1:] {
		b, err := v.readSuper(at, size)
		if err != nil {
			return err
		}
		if string(b[0x40:0x48]) != magic || le16(b, 0xc4) != v.super.csum || !sumHolds(v.super.csum, b) ||
			!bytes.Equal(b[0x20:0x30], first[0x20:0x30]) {
			continue
		}
		if le64(b, 0x48) > v.super.generation {
			return damaged("superblock", "is older than its copy at %d", at)
		}
	}
	return nil
}
