package xfs

// group is what of the headers of an allocation group is used.
type group struct {
	bno, cnt, rmap, refs, ino, fino tree
	free                            uint64 // blocks in the b-trees of free space
	inodes, freeInodes              uint64
	list                            []uint64 // AGFL: blocks kept at hand for b-trees; linear
}

// tree is the root of a b-tree within a group.
type tree struct {
	root   uint64 // block of the group
	levels uint32 // 0: there is none
}

// ReadGroups reads and proves the headers of all groups. It fails with *DirtyError where deleted files wait to be
// freed.
func (v *Volume) ReadGroups() error {
	var free, inodes, freeInodes uint64
	b := make([]byte, 4*v.SectorSize)
	for i := range v.groups {
		n := uint64(i)
		if err := v.read(b, n*v.groupSize); err != nil {
			return err
		}
		s := v.SectorSize
		atHand, trees, err := v.readAGF(n, b[s:2*s], b[3*s:])
		if err == nil {
			err = v.readAGI(n, b[2*s:3*s])
		}
		if err != nil {
			return err
		}
		g := &v.groups[i]
		free += g.free + atHand + trees
		inodes, freeInodes = inodes+g.inodes, freeInodes+g.freeInodes
	}
	switch {
	case free != v.freeBlocks:
		return damaged("its groups have %d free blocks, its superblock counts %d", free, v.freeBlocks)
	case inodes != v.inodes || freeInodes != v.freeInodes:
		return damaged("its groups have %d inodes (%d free), its superblock counts %d (%d)", inodes, freeInodes,
			v.inodes, v.freeInodes)
	}
	return nil
}

// readAGF reads the header of free space and the list of blocks at hand. It returns what else counts as free: blocks at
// hand, and blocks of b-trees but their roots.
func (v *Volume) readAGF(n uint64, b, list []byte) (atHand, trees uint64, err error) {
	g := &v.groups[n]
	if string(b[:4]) != "XAGF" || be32(b, 4) != 1 || uint64(be32(b, 8)) != n || uint64(be32(b, 12)) != v.groupBlocks(n) {
		return 0, 0, damaged("the header of free space of group %d is not understood", n)
	}
	if v.v5 && (!sumHolds(b, 216) || !v.ours(b[64:80])) {
		return 0, 0, damaged("the checksum of the free space header of group %d differs", n)
	}
	g.bno, g.cnt = tree{uint64(be32(b, 16)), be32(b, 28)}, tree{uint64(be32(b, 20)), be32(b, 32)}
	if v.ro&roReverseMap != 0 {
		g.rmap = tree{uint64(be32(b, 24)), be32(b, 36)}
	}
	if v.ro&roReflink != 0 {
		g.refs = tree{uint64(be32(b, 88)), be32(b, 92)}
	}
	g.free, trees = uint64(be32(b, 52)), uint64(be32(b, 60))
	if g.free > v.groupBlocks(n) || trees > v.groupBlocks(n) {
		return 0, 0, damaged("group %d has more free blocks than blocks", n)
	}
	atHand, err = v.readAGFL(n, list, uint64(be32(b, 40)), uint64(be32(b, 44)), uint64(be32(b, 48)))
	return atHand, trees, err
}

// readAGFL reads the ring of blocks at hand, entries first to last. Version 5 has a header of 36 bytes; some kernels
// made the ring one entry shorter, which shows in count only where it wraps.
func (v *Volume) readAGFL(n uint64, b []byte, first, last, count uint64) (uint64, error) {
	if v.v5 {
		if string(b[:4]) != "XAFL" || uint64(be32(b, 4)) != n || !v.ours(b[8:24]) || !sumHolds(b, 32) {
			return 0, damaged("the free list of group %d is not understood", n)
		}
		b = b[36:]
	}
	size := uint64(len(b) / 4)
	if count == 0 {
		return 0, nil
	}
	if first >= size || last >= size || count > size || (last+size-first)%size+1 != count {
		return 0, damaged("the free list of group %d is not understood", n)
	}
	for i := range count {
		at := uint64(be32(b, int((first+i)%size*4)))
		if at == 0 || at >= v.groupBlocks(n) {
			return 0, damaged("the free list of group %d names a block outside it", n)
		}
		v.groups[n].list = append(v.groups[n].list, n*v.groupSize+at)
	}
	return count, nil
}

// readAGI reads the header of inodes. Its 64 lists of deleted files that are still open must be empty.
func (v *Volume) readAGI(n uint64, b []byte) error {
	g := &v.groups[n]
	if string(b[:4]) != "XAGI" || be32(b, 4) != 1 || uint64(be32(b, 8)) != n || uint64(be32(b, 12)) != v.groupBlocks(n) {
		return damaged("the header of inodes of group %d is not understood", n)
	}
	if v.v5 && (!sumHolds(b, 312) || !v.ours(b[296:312])) {
		return damaged("the checksum of the inode header of group %d differs", n)
	}
	g.inodes, g.freeInodes = uint64(be32(b, 16)), uint64(be32(b, 28))
	g.ino = tree{uint64(be32(b, 20)), be32(b, 24)}
	if v.ro&roFreeInodes != 0 {
		g.fino = tree{uint64(be32(b, 328)), be32(b, 332)}
	}
	for i := range 64 {
		if be32(b, 40+4*i) != ^uint32(0) {
			return &DirtyError{"has deleted files that were never freed",
				"start its system and shut it down in the ordinary way, or mount it once, then capture again"}
		}
	}
	return nil
}

// Own is told of blocks that hold a structure, before they are read. An error of it ends the walk.
type Own func(block, n uint64) error

// Fixed tells own of the headers of all groups, their blocks at hand, and the log.
func (v *Volume) Fixed(own Own) error {
	header := uint64((4*v.SectorSize + v.BlockSize - 1) / v.BlockSize)
	for i, g := range v.groups {
		n := uint64(i)
		if err := own(n*v.groupSize, header); err != nil {
			return err
		}
		for _, block := range g.list {
			if err := own(block, 1); err != nil {
				return err
			}
		}
	}
	return own(v.logStart, v.logBlocks)
}

// Free calls yield for each run of free blocks, in order. Both b-trees of free space must say the same, and as much as
// the header of their group. own is told of their blocks.
func (v *Volume) Free(own Own, yield func(block, n uint64) error) error {
	for i, g := range v.groups {
		n := uint64(i)
		var place, size pile
		next := uint64(0)
		err := v.walk(n, g.bno, v.freeByPlace(), own, func(rec []byte) error {
			at, count := uint64(be32(rec, 0)), uint64(be32(rec, 4))
			if at < next || count == 0 || at >= v.groupBlocks(n) || count > v.groupBlocks(n)-at {
				return damaged("the free space of group %d is out of order", n)
			}
			next = at + count
			place.add(at, count)
			return yield(n*v.groupSize+at, count)
		})
		if err != nil {
			return err
		}
		if err := v.walk(n, g.cnt, v.freeBySize(), own, func(rec []byte) error {
			size.add(uint64(be32(rec, 0)), uint64(be32(rec, 4)))
			return nil
		}); err != nil {
			return err
		}
		if place != size || place.blocks != g.free {
			return damaged("group %d has %d free blocks by place, %d by size, %d by its header", n, place.blocks,
				size.blocks, g.free)
		}
	}
	return nil
}

// pile compares two sets of runs without keeping them.
type pile struct {
	runs, blocks, mix uint64
}

func (p *pile) add(at, count uint64) {
	p.runs, p.blocks = p.runs+1, p.blocks+count
	x := (at<<32 | count) * 0x9e3779b97f4a7c15 // so that two runs that swap their lengths do not cancel out
	p.mix += x ^ x>>29
}

// Shared calls yield for each run of blocks that more than one file may own. own is told of the blocks of reference
// count and reverse mapping b-trees; of the latter only the root is looked at.
func (v *Volume) Shared(own Own, yield func(block, n uint64) error) error {
	for i, g := range v.groups {
		n := uint64(i)
		if err := v.walk(n, g.rmap, v.reverseMap(), own, func([]byte) error { return nil }); err != nil {
			return err
		}
		if err := v.walk(n, g.refs, v.refCounts(), own, func(rec []byte) error {
			at, count, owners := uint64(be32(rec, 0)), uint64(be32(rec, 4)), be32(rec, 8)
			if at>>31 != 0 { // copies being made, of one owner: left over from a crash
				return nil
			}
			if count == 0 || at >= v.groupBlocks(n) || count > v.groupBlocks(n)-at || owners < 2 {
				return damaged("the reference counts of group %d are not understood", n)
			}
			return yield(n*v.groupSize+at, count)
		}); err != nil {
			return err
		}
	}
	return nil
}
