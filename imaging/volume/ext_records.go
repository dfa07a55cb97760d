package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// Flags of files whose data nobody changes without changing the inode: secure deletion, undelete, compress and sync
	// are wishes that ext4 ignores; append, no dump, no atime, directories' own, huge_file, extents, inherited projects.
	extFlagsPlain = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x1000 | 0x8000 | 0x10000 | 0x20000 | 0x40000 |
		extFlagExtents | 0x20000000
)

// ExtTables is where an ext file system keeps its inodes.
type ExtTables struct {
	x *ext
	// what mke2fs wrote once: s_mkfs_time, hash seed, default hash, error behaviour left out
	made [28]byte
}

// OpenExt reads superblock, group descriptors and the journal's state of the volume of size bytes in r. It fails with
// *RefusedError where that is not clean, with another error where it cannot be trusted or read. What is only compared
// with it (a master's own records, which are clean by themselves) needs no journal.
func OpenExt(r io.ReaderAt, size int64, journal bool) (*ExtTables, error) {
	p := newPager(r, size)
	b := make([]byte, 1024)
	if err := p.direct(b, 1024); err != nil {
		return nil, err
	}
	if le16(b, 0x38) != 0xef53 {
		return nil, notTrusted("it does not begin with a superblock of ext2, ext3 or ext4")
	}
	s, err := parseExtSuper(b, size)
	if err != nil {
		if s != nil {
			return nil, renamed(err, s)
		}
		return nil, err
	}
	t := &ExtTables{x: &ext{extSuper: s, p: p}}
	copy(t.made[:4], b[0x108:])  // s_mkfs_time
	copy(t.made[4:21], b[0xec:]) // s_hash_seed, s_def_hash_version
	if s.incompat&extMMP != 0 && journal {
		if err := t.x.checkMMP(); err != nil {
			return nil, err
		}
	}
	if err := t.x.readGroups(); err != nil {
		return nil, err
	}
	if journal && s.compat&extHasJournal != 0 {
		if err := t.x.checkJournal(); err != nil {
			return nil, renamed(err, s)
		}
	}
	return t, nil
}

// Differs says, as a clause, what o has that is not as t has it, of the geometry of two file systems: then their records cannot
// be compared. "" means that each inode lies at the same place in both.
func (t *ExtTables) Differs(o *ExtTables) string {
	a, b := t.x.extSuper, o.x.extSuper
	switch {
	case a.uuidBytes != b.uuidBytes, t.made != o.made:
		return "was made anew"
	case a.bs != b.bs, a.ratio != b.ratio, a.first != b.first:
		return "has blocks of another size"
	case a.blocks != b.blocks:
		return fmt.Sprintf("has %d blocks instead of %d", b.blocks, a.blocks)
	case a.inodeSize != b.inodeSize, a.inodesPerGroup != b.inodesPerGroup, a.inodes != b.inodes, a.perGroup != b.perGroup,
		a.firstInode != b.firstInode:
		return "has other inode tables"
	case a.compat != b.compat, a.incompat != b.incompat, a.ro != b.ro, a.seed != b.seed:
		return "has other features"
	case a.descSize != b.descSize, a.reservedGDT != b.reservedGDT, a.firstMetaBG != b.firstMetaBG, a.backups != b.backups:
		return "keeps its group descriptors elsewhere"
	case a.journal != b.journal, a.mmpBlock != b.mmpBlock:
		return "has another journal"
	}
	for i, g := range t.x.groups {
		h := o.x.groups[i]
		if g.inodeTable != h.inodeTable || g.inodeBitmap != h.inodeBitmap || g.blockBitmap != h.blockBitmap {
			return fmt.Sprintf("keeps the tables of group %d elsewhere", i)
		}
	}
	return ""
}

// Inodes is the number of inodes; they are counted from 1.
func (t *ExtTables) Inodes() uint64 { return t.x.inodes }

// InodeSize is the number of bytes of an inode.
func (t *ExtTables) InodeSize() int64 { return int64(t.x.inodeSize) }

// BlockSize is the number of bytes of a block.
func (t *ExtTables) BlockSize() int64 { return int64(t.x.bs) }

// ExtTable is the inode table of one group.
type ExtTable struct {
	Extent        // on the volume
	First  uint64 // number of its first inode
	Used   int64  // bytes from its start, behind which no inode was ever used
}

// Tables are the inode tables of all groups.
func (t *ExtTables) Tables() []ExtTable {
	var out []ExtTable
	s := t.x.extSuper
	for i, g := range t.x.groups {
		used := s.inodesPerGroup - uint64(g.neverUsed)
		if g.flags&extInodeUninit != 0 {
			used = 0
		}
		out = append(out, ExtTable{First: uint64(i)*s.inodesPerGroup + 1, Used: int64(used * s.inodeSize),
			Extent: Extent{Offset: int64(g.inodeTable * s.bs), Length: int64(s.inodesPerGroup * s.inodeSize)}})
	}
	return out
}

// Spare is the blocks behind the descriptors, and behind their copies, that are kept for growing; in order. Nothing writes
// there but growing, which changes the geometry and the inode that owns them. ResizeInode is where that one lies.
func (t *ExtTables) Spare() []Extent {
	s := t.x.extSuper
	var out []Extent
	for g := range s.groups {
		if s.reservedGDT == 0 || !s.hasSuper(g) || s.incompat&extMetaBG != 0 {
			continue
		}
		at := s.groupStart(g) + 1 + s.descBlocks()
		if g == 0 {
			at += s.shift()
		}
		if at+s.reservedGDT <= s.blocks {
			out = append(out, Extent{Offset: int64(at * s.bs), Length: int64(s.reservedGDT * s.bs)})
		}
	}
	return out
}

// ResizeInode is the inode that owns what is Spare.
func (t *ExtTables) ResizeInode() Extent {
	return Extent{Offset: int64(t.x.groups[0].inodeTable*t.x.bs + (extResizeInode-1)*t.x.inodeSize), Length: int64(t.x.inodeSize)}
}

// Places in an inode: i_atime (0x08), and behind its first 128 bytes i_checksum_hi (0x82) and i_atime_extra (0x8c), where
// i_extra_isize (0x80) says that they are there. i_checksum_lo is at 0x7c.
const (
	extAtime, extSumLow, extExtra, extSumHigh, extAtimeExtra = 0x08, 0x7c, 0x80, 0x82, 0x8c
)

// SameInode tells whether two inodes, as they lie in their tables, are the same but for the time at which they were last
// read and their checksum. Data does not change without i_ctime, which stays in the comparison.
func (t *ExtTables) SameInode(a, b []byte) bool {
	if len(a) != len(b) || len(a) < 128 {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	skip := []Extent{{extAtime, 4}}
	sums := t.x.ro&extMetadataCsum != 0
	if sums {
		skip = append(skip, Extent{extSumLow, 2})
	}
	if len(a) > 128 {
		extra := le16(a, extExtra)
		if extra != le16(b, extExtra) {
			return false
		}
		if sums && extra >= 4 {
			skip = append(skip, Extent{extSumHigh, 2})
		}
		if extra >= 16 {
			skip = append(skip, Extent{extAtimeExtra, 4})
		}
	}
	at := int64(0)
	for _, e := range skip {
		if !bytes.Equal(a[at:e.Offset], b[at:e.Offset]) {
			return false
		}
		at = e.Offset + e.Length
	}
	return bytes.Equal(a[at:], b[at:])
}

// ExtFile is what an inode says about the data of a regular file.
type ExtFile struct {
	Plain bool     // nothing but a change of the inode or of Nodes can change where or what its data is
	Nodes []uint64 // blocks that hold the roots' children of its extent tree
	Depth int      // of the tree below Nodes: 0, they are leaves
	Open  bool     // somebody besides root may write to it: it has another owner, or its group or all may
}

// errNode says that a node of an extent tree is not understood.
var errNode = errors.New("a node of an extent tree is not understood")

// File describes the inode in b; ok is false where it is not a regular file in use with data outside its inode. It
// trusts nothing: an inode that is not understood is not plain.
func (t *ExtTables) File(b []byte) (f ExtFile, ok bool) {
	mode, links, flags := le16(b, 0), le16(b, 0x1a), le32(b, 0x20)
	if mode&extTypeMask != extTypeFile || links == 0 || flags&extFlagInline != 0 {
		return f, false
	}
	// The mask of an access control list stands in the bits of the group.
	f.Open = le16(b, 2) != 0 || len(b) > 0x7a && le16(b, 0x78) != 0 || mode&0o022 != 0
	// Without i_ctime_extra two changes in one second look the same; a block map of ext2 is not followed.
	f.Plain = flags&extFlagExtents != 0 && flags&^extFlagsPlain == 0 && len(b) > 128 && le16(b, extExtra) >= 8
	if !f.Plain {
		return f, true
	}
	root := b[0x28 : 0x28+60]
	var err error
	if f.Depth, f.Nodes, err = extNode(root); err != nil {
		f.Plain = false
	}
	return f, true
}

// extNode returns the children of a node: none of a leaf.
func extNode(b []byte) (below int, children []uint64, err error) {
	entries, capacity, depth := int(le16(b, 2)), int(le16(b, 4)), int(le16(b, 6))
	if le16(b, 0) != 0xf30a || entries > capacity || 12+12*capacity > len(b) || depth > 5 {
		return 0, nil, errNode
	}
	if depth == 0 {
		return 0, nil, nil
	}
	for i := range entries {
		e := b[12+12*i:][:12]
		children = append(children, uint64(le32(e, 4))|uint64(le16(e, 8))<<32)
	}
	return depth - 1, children, nil
}

// Node returns the children of a node of an extent tree, one block as it lies on the volume; depth is how many levels
// must lie below it.
func (t *ExtTables) Node(block []byte, depth int) ([]uint64, error) {
	below, children, err := extNode(block)
	if err != nil {
		return nil, err
	}
	if depth > 0 && below != depth-1 || depth == 0 && len(children) > 0 {
		return nil, errNode
	}
	return children, nil
}
