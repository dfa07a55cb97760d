package volume

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/imaging/volume/xfs"
)

// xfsLargest is the largest file that is kept by itself: beyond it, figures of bytes could overflow.
const xfsLargest = 1 << 60

// scan reads all inodes in use, gives the blocks of regular files their owner and marks those that hold metadata.
func (x *xfsLayout) scan() error {
	if x.v.Reflinked() {
		x.shared, x.taken = newBitset(x.v.Blocks), newBitset(x.v.Blocks)
	}
	if err := x.v.Shared(x.claimMeta, func(block, n uint64) error {
		x.shared.setRange(block, n)
		return nil
	}); err != nil {
		return err
	}
	if err := x.v.Chunks(x.claimMeta, x.claimMeta, func(c xfs.Chunk) error {
		x.chunks = append(x.chunks, c)
		return nil
	}); err != nil {
		return err
	}
	x.files, x.dirs = newBitset(uint64(len(x.chunks))*64), newBitset(uint64(len(x.chunks))*64)
	for i, c := range x.chunks {
		if err := x.v.ReadChunk(c, func(n *xfs.Inode) error { return x.scanInode(n, i*64+int(n.Number-c.First)) }); err != nil {
			return err
		}
	}
	return nil
}

// scanInode gives the blocks of one inode their owner.
func (x *xfsLayout) scanInode(n *xfs.Inode, slot int) error {
	blocks := uint64(0)
	own := func(block, count uint64) error {
		blocks += count
		return x.claimMeta(block, count)
	}
	meta := func(r xfs.Run) error { return own(r.Block, r.Count) }
	err := x.v.Attributes(n, own, meta)
	switch {
	case err != nil:
		return err
	case n.IsFile() && !x.v.Special(n.Number):
		if n.Size > xfsLargest {
			return notByFile("inode %d has an impossible size of %d bytes", n.Number, n.Size)
		}
		if n.Size > 0 {
			x.files.set(uint64(slot))
		}
		err = x.v.Data(n, own, func(r xfs.Run) error {
			blocks += r.Count
			return x.inFile(n, r, func(r xfs.Run) error { return x.claim(n, r) },
				func(r xfs.Run) error { return x.claimUnread(n, r) })
		})
	default:
		if n.IsDir() {
			x.dirs.set(uint64(slot))
		}
		err = x.v.Data(n, own, meta)
	}
	if err == nil && blocks != n.Blocks {
		return notByFile("inode %d has %d blocks and counts %d", n.Number, blocks, n.Blocks)
	}
	return err
}

// blocks is the number of blocks up to the end of a file.
func (x *xfsLayout) blocks(n *xfs.Inode) uint64 { return (n.Size + x.bs - 1) / x.bs }

// inFile sorts a run of a regular file: up to its end it belongs to its stream, unwritten it is don't-care wherever it
// lies. Written blocks behind the end, allocated ahead, are left to the metadata.
func (x *xfsLayout) inFile(n *xfs.Inode, r xfs.Run, kept, unwritten func(xfs.Run) error) error {
	end := x.blocks(n)
	switch {
	case r.Unwritten:
		return unwritten(r)
	case r.Logical >= end:
		return nil
	}
	r.Count = min(r.Count, end-r.Logical)
	return kept(r)
}

// parts cuts a run where the right to be shared begins and ends.
func (x *xfsLayout) parts(n *xfs.Inode, r xfs.Run, yield func(r xfs.Run, shared bool) error) error {
	if x.shared == nil || !n.Reflink || !x.shared.any(r.Block, r.Count) {
		return yield(r, false)
	}
	for r.Count > 0 {
		shared, k := x.shared.has(r.Block), uint64(1)
		for k < r.Count && x.shared.has(r.Block+k) == shared {
			k++
		}
		if err := yield(xfs.Run{Logical: r.Logical, Block: r.Block, Count: k}, shared); err != nil {
			return err
		}
		r.Logical, r.Block, r.Count = r.Logical+k, r.Block+k, r.Count-k
	}
	return nil
}

// claimMeta marks blocks that hold a structure. Each is part of one only: no loop can come from it.
func (x *xfsLayout) claimMeta(block, n uint64) error {
	if x.meta.any(block, n) || !x.left.all(block, n) {
		return x.conflict(block, n, 0)
	}
	x.meta.setRange(block, n)
	return nil
}

// claim takes blocks of a file out of what is left for the metadata.
func (x *xfsLayout) claim(n *xfs.Inode, r xfs.Run) error {
	return x.parts(n, r, func(r xfs.Run, shared bool) error {
		if x.meta.any(r.Block, r.Count) || !shared && !x.left.all(r.Block, r.Count) {
			return x.conflict(r.Block, r.Count, n.Number)
		}
		if shared {
			for i := range r.Count {
				if !x.left.has(r.Block+i) && !x.taken.has(r.Block+i) {
					return x.conflict(r.Block+i, 1, n.Number)
				}
			}
			x.taken.setRange(r.Block, r.Count)
		}
		x.left.clearRange(r.Block, r.Count)
		return nil
	})
}

func (x *xfsLayout) claimUnread(n *xfs.Inode, r xfs.Run) error {
	if x.meta.any(r.Block, r.Count) || !x.left.all(r.Block, r.Count) {
		return x.conflict(r.Block, r.Count, n.Number)
	}
	x.left.clearRange(r.Block, r.Count)
	x.unread = append(x.unread, Extent{int64(r.Block * x.bs), int64(r.Count * x.bs)})
	return nil
}

// conflict says what is wrong with blocks that could not be claimed: they are free, or have two owners.
func (x *xfsLayout) conflict(block, count, number uint64) error {
	who := "its metadata"
	if number != 0 {
		who = "inode " + decimal(number)
	}
	used, _, err := x.allocation()
	if err != nil {
		return err
	}
	if !used.all(block, count) {
		return notTrusted("%s uses blocks that are called free", who)
	}
	return notByFile("blocks of %s belong to something else too", who)
}

// walk calls file for each name of a regular file, in path order: names of a directory sorted by their bytes, what lies
// in a directory where its name stands. A directory is entered once: a second name for it is a doubt.
func (x *xfsLayout) walk(file func(number uint64, slot int, path string) error) error {
	w := &xfsWalk{x: x, file: file, entered: newBitset(x.dirs.n)}
	slot, ok := x.slot(x.v.Root())
	if !ok || !x.dirs.has(uint64(slot)) {
		return notByFile("it has no root directory")
	}
	return w.dir(x.v.Root(), slot, 0)
}

type xfsWalk struct {
	x       *xfsLayout
	file    func(number uint64, slot int, path string) error
	entered *bitset
	path    []byte
}

func (w *xfsWalk) dir(number uint64, slot, depth int) error {
	if w.entered.has(uint64(slot)) || depth > maxDepth {
		return notByFile("directory inode %d has two names or lies too deep", number)
	}
	w.entered.set(uint64(slot))
	entries, err := w.x.entries(number)
	if err != nil {
		return err
	}
	base := len(w.path)
	for _, e := range entries {
		slot, ok := w.x.slot(e.Number)
		if !ok {
			return notByFile("directory inode %d names inode %d, which does not exist", number, e.Number)
		}
		w.path = w.path[:base]
		if base > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, e.Name...)
		if w.x.dirs.has(uint64(slot)) {
			err = w.dir(e.Number, slot, depth+1)
		} else if w.x.files.has(uint64(slot)) {
			err = w.file(e.Number, slot, string(w.path))
		}
		if err != nil {
			return err
		}
	}
	w.path = w.path[:base]
	return nil
}

// entries reads the names of a directory, sorted. What would not be one name of a path is shown as "?" and hexadecimal
// digits.
func (x *xfsLayout) entries(number uint64) ([]xfs.Entry, error) {
	n, err := x.v.Inode(number)
	if err != nil {
		return nil, err
	}
	var list []xfs.Entry
	err = x.v.Entries(n, func(e xfs.Entry) error {
		if strings.ContainsAny(e.Name, "/\x00") {
			e.Name = "?" + hex.EncodeToString([]byte(e.Name))
		}
		list = append(list, e)
		return nil
	})
	slices.SortFunc(list, func(a, b xfs.Entry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
	return list, err
}
