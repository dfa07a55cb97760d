package volume

import "math/bits"

const scanBytes = 1 << 20 // inode tables are read this much at a time

// scan reads all inodes in use, gives the blocks of regular files their owner and marks those that hold metadata.
func (x *ext) scan() error {
	x.meta = newBitset(x.blocks)
	x.files, x.dirs = newBitset(x.inodes+1), newBitset(x.inodes+1)
	for i, g := range x.groups {
		x.meta.setRange(g.blockBitmap, 1)
		x.meta.setRange(g.inodeBitmap, 1)
		x.meta.setRange(g.inodeTable, x.tableBlocks())
		x.meta.setRange(x.groupStart(uint64(i)), min(x.baseBlocks(uint64(i)), x.groupBlocks(uint64(i))))
	}
	var free uint64
	for i := range x.groups {
		n, err := x.scanGroup(uint64(i))
		if err != nil {
			return err
		}
		free += n
	}
	if free != x.freeInodes {
		return notByFile("it has %d free inodes by its bitmaps and %d by its superblock", free, x.freeInodes)
	}
	return nil
}

// scanGroup returns the number of free inodes of group i.
func (x *ext) scanGroup(i uint64) (uint64, error) {
	g := x.groups[i]
	if g.flags&extInodeUninit != 0 {
		return x.inodesPerGroup, x.compareFree(i, x.inodesPerGroup)
	}
	bitmap := make([]byte, x.bs)
	if err := x.readBlock(bitmap, g.inodeBitmap); err != nil {
		return 0, err
	}
	if x.sumDiffers(g.inodeSum, bitmap[:x.inodesPerGroup/8]) {
		return 0, notByFile("the checksum of the inode bitmap of group %d differs", i)
	}
	free, limit := uint64(0), x.inodesPerGroup-uint64(g.neverUsed)
	table := make([]byte, min(scanBytes, x.inodesPerGroup*x.inodeSize))
	per := uint64(len(table)) / x.inodeSize
	for from := uint64(0); from < x.inodesPerGroup; from += per {
		n := min(per, x.inodesPerGroup-from)
		used := usedBits(bitmap, from, n)
		free += n - used
		if used == 0 {
			continue
		}
		if err := x.p.direct(table[:n*x.inodeSize], int64(g.inodeTable*x.bs+from*x.inodeSize)); err != nil {
			return 0, err
		}
		for k := range n {
			at := from + k
			if bitmap[at/8]&(1<<(at%8)) == 0 {
				continue
			}
			if at >= limit {
				return 0, notByFile("group %d uses inodes that its descriptor calls never used", i)
			}
			if err := x.scanInode(table[k*x.inodeSize:][:x.inodeSize], i*x.inodesPerGroup+at+1); err != nil {
				return 0, err
			}
		}
	}
	return free, x.compareFree(i, free)
}

func usedBits(bitmap []byte, from, n uint64) uint64 {
	sum := 0
	for i := from; i < from+n; {
		if i%8 == 0 && from+n-i >= 8 {
			sum += bits.OnesCount8(bitmap[i/8])
			i += 8
			continue
		}
		sum += int(bitmap[i/8] >> (i % 8) & 1)
		i++
	}
	return uint64(sum)
}

func (x *ext) compareFree(group, free uint64) error {
	if want := uint64(x.groups[group].freeInodes); free != want {
		return notByFile("group %d has %d free inodes by its bitmap and %d by its descriptor", group, free, want)
	}
	return nil
}

// Inodes with a fixed meaning.
const (
	extBadBlocks   = 1
	extRootDir     = 2
	extResizeInode = 7
)

// scanInode gives the blocks of one inode their owner.
func (x *ext) scanInode(b []byte, number uint64) error {
	reserved := number < x.firstInode && number != extRootDir
	if reserved && number != extBadBlocks && number != x.journal && !x.internal[number] {
		return nil // the resize inode maps copies of descriptors; the others are empty
	}
	n, err := x.parseInode(b, number)
	if err != nil {
		return err
	}
	if n.xattrs != 0 && !reserved {
		if !x.left.has(n.xattrs) {
			return x.conflict(n.xattrs, 1, number)
		}
		x.meta.set(n.xattrs) // may be shared by many inodes
	}
	switch {
	case number == extBadBlocks:
		return x.runs(n, x.claimTree, func(r extRun) error { return x.claimUnread(r, number) })
	case number == x.journal && x.compat&extHasJournal != 0:
		return x.runs(n, x.claimTree, func(r extRun) error { return x.claimJournal(r, number) })
	case n.flags&extFlagInline != 0:
		if n.kind() == extTypeDir {
			x.dirs.set(number)
		}
		return nil // content in the inode, which is metadata
	case x.internal[number] || n.flags&extFlagEAInode != 0:
		return x.runs(n, x.claimTree, x.claimMeta)
	}
	switch n.kind() {
	case extTypeDir:
		x.dirs.set(number)
		return x.runs(n, x.claimTree, x.claimMeta)
	case extTypeLink:
		if n.size < 60 && (n.flags&extFlagExtents == 0 || le16(n.root[:], 0) != 0xf30a) { // it stands in place of the map
			return nil
		}
		return x.runs(n, x.claimTree, x.claimMeta)
	case extTypeFile:
		if n.size > 0 {
			x.files.set(number)
		}
		return x.inFile(n, x.claimTree, func(r extRun) error { return x.claim(r, number) },
			func(r extRun) error { return x.claimUnread(r, number) })
	}
	return nil
}

// claimTree marks a block of a block map, of which each belongs to one inode only: no loop can come from it.
func (x *ext) claimTree(block uint64) error {
	if x.meta.has(block) || !x.left.has(block) {
		return x.conflict(block, 1, 0)
	}
	x.meta.set(block)
	return nil
}

func (x *ext) claimMeta(r extRun) error {
	if x.meta.any(r.physical, r.count) || !x.left.all(r.physical, r.count) {
		return x.conflict(r.physical, r.count, 0)
	}
	x.meta.setRange(r.physical, r.count)
	return nil
}

// claim takes blocks out of what is left for the metadata.
func (x *ext) claim(r extRun, number uint64) error {
	if x.meta.any(r.physical, r.count) || !x.left.all(r.physical, r.count) {
		return x.conflict(r.physical, r.count, number)
	}
	x.left.clearRange(r.physical, r.count)
	return nil
}

func (x *ext) claimUnread(r extRun, number uint64) error {
	if err := x.claim(r, number); err != nil {
		return err
	}
	x.unread = append(x.unread, Extent{int64(r.physical * x.bs), int64(r.count * x.bs)})
	return nil
}

// claimJournal fills the journal but for its superblock, the first block: what lies in the body of a clean journal would
// be read as newer transactions after a reset that puts an older sequence number back.
func (x *ext) claimJournal(r extRun, number uint64) error {
	if r.unwritten {
		return notByFile("its journal has blocks that were never written")
	}
	if r.logical == 0 {
		if err := x.claimMeta(extRun{physical: r.physical, count: 1}); err != nil {
			return err
		}
		if r.physical, r.count = r.physical+1, r.count-1; r.count == 0 {
			return nil
		}
	}
	if err := x.claim(r, number); err != nil {
		return err
	}
	x.fills = append(x.fills, Fill{Extent: Extent{int64(r.physical * x.bs), int64(r.count * x.bs)}})
	return nil
}

// conflict says what is wrong with blocks that could not be claimed: the bitmap calls one free, or it has two owners.
func (x *ext) conflict(block, count, number uint64) error {
	who := "its metadata"
	if number != 0 {
		who = "inode " + decimal(number)
	}
	used, err := x.allocation()
	if err != nil {
		return err
	}
	if !used.all(block, count) {
		return notTrusted("%s uses blocks that the bitmap calls free", who)
	}
	return notByFile("blocks of %s belong to something else too", who)
}
