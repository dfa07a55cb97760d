package btrfs

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
)

// Item types and objects that are read.
const (
	inodeItem      = 1
	inodeRef       = 12
	inodeExtref    = 13
	dirIndex       = 96
	extentData     = 108
	rootItem       = 132
	rootBackref    = 144
	extentItem     = 168
	metadataItem   = 169
	blockGroupItem = 192
	chunkItem      = 228

	extentTree         = 2
	fsTree             = 5
	firstFree          = 256 // first inode, first subvolume, object of chunks
	blockGroupTreeRoot = 11
	treeReloc          = ^uint64(0) - 7 // -8
)

// Types of chunks and block groups.
const (
	typeData     = 1
	typeSystem   = 2
	typeMetadata = 4
	typeDup      = 1 << 5
	typeKnown    = typeData | typeSystem | typeMetadata | typeDup
)

// chunk maps a run of logical addresses to one place on the device, or two.
type chunk struct {
	logical, length uint64
	kind            uint64
	at              []int64
	allocated       uint64 // bytes of extents
	group           bool   // its block group was seen
	used            uint64 // bytes that the block group calls used
}

func (c *chunk) end() uint64 { return c.logical + c.length }

// readChunks learns the system chunks from the superblock, and with them all chunks from the chunk tree.
func (v *Volume) readChunks() error {
	b := v.super.sysChunks
	for len(b) > 0 {
		if len(b) < 17+48 {
			return damaged("superblock", "has chunks that are cut")
		}
		size := 48 + 32*int(le16(b, 17+44))
		if len(b) < 17+size {
			return damaged("superblock", "has chunks that are cut")
		}
		c, err := v.parseChunk(parseKey(b), b[17:17+size])
		if err != nil {
			return err
		}
		v.chunks = append(v.chunks, c)
		b = b[17+size:]
	}
	if err := v.sortChunks(); err != nil {
		return err
	}
	var all []chunk
	err := v.items(v.super.chunkRoot, key{firstFree, chunkItem, 0}, key{firstFree, chunkItem, ^uint64(0)}, func(k key, data []byte) error {
		c, err := v.parseChunk(k, data)
		all = append(all, c)
		return err
	})
	if err != nil {
		return err
	}
	system := v.chunks
	v.chunks = all
	if err := v.sortChunks(); err != nil {
		return err
	}
	for _, s := range system {
		c, err := v.chunk(s.logical, s.length)
		if err != nil || c.logical != s.logical || c.length != s.length || !slices.Equal(c.at, s.at) {
			return damaged("superblock", "has other system chunks than the chunk tree")
		}
	}
	return v.separateChunks()
}

// parseChunk reads struct btrfs_chunk: length, owner, stripe length, type (8 bytes each), three sizes (4 each), stripes
// and substripes (2 each), then for each stripe: device, offset (8 each), device UUID (16).
func (v *Volume) parseChunk(k key, b []byte) (chunk, error) {
	const name = "chunk tree"
	if k.kind != chunkItem || len(b) < 48 || len(b) != 48+32*int(le16(b, 44)) {
		return chunk{}, damaged(name, "has an item that is not understood")
	}
	c := chunk{logical: k.offset, length: le64(b, 0), kind: le64(b, 24)}
	if c.kind&^typeKnown != 0 {
		return c, unsupported("it has chunks of the profile %#x, only single and DUP are read", c.kind&^(typeData|typeSystem|typeMetadata))
	}
	copies := 1
	if c.kind&typeDup != 0 {
		copies = 2
	}
	sector := uint64(v.SectorSize)
	switch {
	case int(le16(b, 44)) != copies || c.kind&(typeData|typeSystem|typeMetadata) == 0:
		return c, damaged(name, "has a chunk of %d stripes, type %#x", le16(b, 44), c.kind)
	case c.length == 0 || c.length%sector != 0 || c.logical%sector != 0 || c.logical > 1<<62 || c.length > uint64(v.Size):
		return c, damaged(name, "has a chunk of %d bytes at %d", c.length, c.logical)
	}
	for i := range copies {
		s := b[48+32*i:]
		at := le64(s, 8)
		switch {
		case le64(s, 0) != v.super.device || string(s[16:32]) != string(v.super.deviceUUID[:]):
			return c, unsupported("it has chunks on another device")
		case at%sector != 0 || at > uint64(v.Size) || c.length > uint64(v.Size)-at:
			return c, damaged(name, "has a chunk outside the device")
		}
		c.at = append(c.at, int64(at))
	}
	return c, nil
}

func (v *Volume) sortChunks() error {
	slices.SortFunc(v.chunks, func(a, b chunk) int { return cmp.Compare(a.logical, b.logical) })
	for i := 1; i < len(v.chunks); i++ {
		if v.chunks[i-1].end() > v.chunks[i].logical {
			return damaged("chunk tree", "has chunks that overlap")
		}
	}
	return nil
}

// separateChunks makes sure that no two places on the device overlap.
func (v *Volume) separateChunks() error {
	type place struct{ at, end int64 }
	var all []place
	for _, c := range v.chunks {
		for _, at := range c.at {
			all = append(all, place{at, at + int64(c.length)})
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(all); i++ {
		if all[i-1].end > all[i].at {
			return damaged("chunk tree", "has chunks that lie on each other")
		}
	}
	return nil
}

// chunk finds the chunk that holds all of length bytes at a logical address.
func (v *Volume) chunk(logical, length uint64) (*chunk, error) {
	i := sort.Search(len(v.chunks), func(i int) bool { return v.chunks[i].logical > logical }) - 1
	if i < 0 || logical-v.chunks[i].logical >= v.chunks[i].length ||
		length > v.chunks[i].length-(logical-v.chunks[i].logical) {
		return nil, damaged("address "+blockName(logical)[len("tree block "):], "lies in no chunk")
	}
	return &v.chunks[i], nil
}

// copies returns where length bytes at a logical address lie on the device.
func (v *Volume) copies(logical, length uint64) ([]int64, error) {
	c, err := v.chunk(logical, length)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(c.at))
	for i, at := range c.at {
		out[i] = at + int64(logical-c.logical)
	}
	return out, nil
}

// root is a tree of the root tree.
type root struct {
	id, offset uint64
	ref        ref
	dropped    bool // a subvolume that was deleted: parts of its tree may be gone
}

// parent is where a subvolume hangs.
type parent struct {
	tree, dir uint64
	name      string
}

// readRoots lists the trees. A root item: an inode (160 bytes), generation, dirid, bytenr (8 each) ... refs (4, at 216),
// level (at 238). A backref: directory, sequence (8 each), length of the name (2), name.
func (v *Volume) readRoots() error {
	v.roots, v.parents = map[uint64]root{}, map[uint64]parent{}
	return v.items(v.super.root, key{}, last(), func(k key, b []byte) error {
		switch k.kind {
		case rootItem:
			if len(b) < 239 {
				return damaged("root tree", "has an item that is not understood")
			}
			r := root{id: k.object, offset: k.offset, dropped: le32(b, 216) == 0,
				ref: ref{bytenr: le64(b, 176), generation: le64(b, 160), level: b[238]}}
			v.list = append(v.list, r)
			if _, twice := v.roots[r.id]; twice && r.id != treeReloc {
				return damaged("root tree", "has tree %d twice", int64(r.id))
			}
			v.roots[r.id] = r
		case rootBackref:
			if len(b) < 18 || len(b) != 18+int(le16(b, 16)) {
				return damaged("root tree", "has a name that is not understood")
			}
			if _, twice := v.parents[k.object]; !twice {
				v.parents[k.object] = parent{k.offset, le64(b, 0), string(b[18:])}
			}
		}
		return nil
	})
}

// Run is an extent: allocated bytes.
type Run struct {
	At     []int64 // places on the device: one, or two with the same content
	Length int64   // bytes
	Tree   bool    // a tree block, not data
}

// Allocated calls yield for everything that the extent tree calls allocated, and makes sure that it adds
// up. It may be called more than once.
func (v *Volume) Allocated(yield func(Run) error) error {
	const name = "extent tree"
	r, ok := v.roots[extentTree]
	if !ok {
		return damaged(name, "is missing")
	}
	for i := range v.chunks {
		v.chunks[i].group, v.chunks[i].allocated = false, 0
	}
	end, total := uint64(0), uint64(0)
	err := v.items(r.ref, key{}, last(), func(k key, b []byte) error {
		switch k.kind {
		case blockGroupItem:
			return v.blockGroup(k, b)
		case extentItem, metadataItem:
		default:
			return nil
		}
		e, err := v.extent(k, b, end)
		if err != nil {
			return err
		}
		end = k.object + uint64(e.Length)
		total += uint64(e.Length)
		return yield(e)
	})
	if err != nil {
		return err
	}
	if v.super.compatRO&blockGroupTree != 0 {
		if r, ok = v.roots[blockGroupTreeRoot]; !ok {
			return damaged("block group tree", "is missing")
		}
		err := v.items(r.ref, key{}, last(), func(k key, b []byte) error {
			if k.kind != blockGroupItem {
				return nil
			}
			return v.blockGroup(k, b)
		})
		if err != nil {
			return err
		}
	}
	return v.addsUp(total)
}

// extent reads an extent item: references, generation, flags (8 bytes each; 1 data, 2 tree block). The key of the older
// kind has the length, that of the newer kind of tree blocks has the level.
func (v *Volume) extent(k key, b []byte, end uint64) (Run, error) {
	const name = "extent tree"
	if len(b) < 24 {
		return Run{}, damaged(name, "has an item that is not understood")
	}
	length, flags := k.offset, le64(b, 16)
	e := Run{Tree: flags&2 != 0}
	if k.kind == metadataItem {
		length = uint64(v.NodeSize)
	}
	sector := uint64(v.SectorSize)
	if k.object < end || k.object%sector != 0 || length == 0 || length%sector != 0 || bits.OnesCount64(flags&3) != 1 ||
		e.Tree && length != uint64(v.NodeSize) || !e.Tree && k.kind == metadataItem {
		return e, damaged(name, "has an extent at %d that cannot be", k.object)
	}
	c, err := v.chunk(k.object, length)
	if err != nil {
		return e, err
	}
	if e.Tree && c.kind&(typeSystem|typeMetadata) == 0 || !e.Tree && c.kind&typeData == 0 {
		return e, damaged(name, "has an extent at %d in a chunk for something else", k.object)
	}
	c.allocated += length
	e.Length = int64(length)
	if e.At, err = v.copies(k.object, length); err != nil {
		return e, err
	}
	for _, at := range e.At {
		for _, s := range v.Supers {
			if at < s+StripeLen && s < at+e.Length {
				return e, damaged(name, "has an extent at %d where a superblock lies", k.object)
			}
		}
	}
	return e, nil
}

// blockGroup reads a block group item: used bytes, object of chunks, type (8 bytes each).
func (v *Volume) blockGroup(k key, b []byte) error {
	if len(b) < 24 {
		return damaged("block group", "is not understood")
	}
	c, err := v.chunk(k.object, k.offset)
	if err != nil {
		return err
	}
	if c.logical != k.object || c.length != k.offset || c.kind != le64(b, 16) || c.group {
		return damaged("block group", "at %d is not that of its chunk", k.object)
	}
	c.group, c.used = true, le64(b, 0)
	return nil
}

// addsUp compares what extents use with what block groups and superblock say.
func (v *Volume) addsUp(total uint64) error {
	for _, c := range v.chunks {
		if !c.group {
			return damaged("chunk tree", "has a chunk at %d without a block group", c.logical)
		}
		if c.used != c.allocated {
			return damaged("extent tree", "has %d bytes at %d, where the block group uses %d", c.allocated, c.logical, c.used)
		}
	}
	if total != v.super.bytesUsed {
		return damaged("extent tree", "has %d bytes, the superblock uses %d", total, v.super.bytesUsed)
	}
	return nil
}
