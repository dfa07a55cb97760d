package volume

import (
	"errors"
	"fmt"
	"sort"

	"github.com/ardoise/ardoise/imaging/volume/xfs"
	"github.com/ardoise/ardoise/masters/manifest"
)

func isXFS(head []byte, _ int64) bool { return hasAt(head, 0, "XFSB") }

// xfsHeads is the primary superblock, which starts at the first byte; its fields end before the first sector does.
func xfsHeads(size int64) []Extent { return clip(size, Extent{0, 512}) }

// xfsLayout reads XFS: what is not in the b-trees of free space is used. All inodes are read in disk order, which gives
// each block its owner, then the directories give files their names and their order.
type xfsLayout struct {
	v      *xfs.Volume
	p      *pager
	bs     uint64
	left   *bitset // allocated blocks that no file owns: in the end the metadata
	meta   *bitset // blocks known to be metadata, so that no file may own them; nil after scan
	shared *bitset // blocks that may have several owners; nil without reflinks
	taken  *bitset // of these, blocks that a stream holds
	chunks []xfs.Chunk
	files  *bitset // places of inodes (slot) that are regular files with a stream
	dirs   *bitset // of directories
	unread []Extent
}

func readXFS(p *pager, _ []byte) (*Layout, error) {
	v, err := xfs.Open(p, p.size)
	if err != nil {
		return nil, xfsDoubt(err, manifest.Raw)
	}
	x := &xfsLayout{v: v, p: p, bs: uint64(v.BlockSize)}
	l := &Layout{Kind: "xfs", Order: manifest.ByFile, Unit: int(x.bs), Label: v.Label, UUID: uuid(v.UUID[:]),
		Heads: xfsHeads(p.size)}
	if err := x.prepare(); err != nil {
		return x.stepBack(l, xfsDoubt(err, manifest.Raw))
	}
	l.Used = x.used(x.left)
	err = x.scan()
	if err == nil {
		err = x.walk(func(uint64, int, string) error { return nil })
	}
	if err != nil {
		return x.stepBack(l, xfsDoubt(err, manifest.ByPosition))
	}
	x.meta = nil
	l.DontCare = joined(x.unread)
	l.walk = x.streams
	return l, nil
}

// xfsDoubt gives an error of the parser its weight: order is how far to step back from damage.
func xfsDoubt(err error, order manifest.Order) error {
	var unsupported *xfs.UnsupportedError
	var damage *xfs.DamageError
	var dirty *xfs.DirtyError
	switch {
	case errors.As(err, &unsupported):
		return notTrusted("%s", unsupported)
	case errors.As(err, &damage):
		return &doubt{order: order, why: damage.Why}
	case errors.As(err, &dirty):
		return &RefusedError{Kind: "XFS", Why: dirty.Why, Hint: dirty.Hint}
	}
	return err
}

func (x *xfsLayout) used(allocated *bitset) int64 {
	return int64(allocated.count(0, x.v.Blocks)*x.bs) + x.slack()
}

// slack is the number of bytes behind the last block.
func (x *xfsLayout) slack() int64 { return x.p.size - int64(x.v.Blocks*x.bs) }

// prepare looks whether the volume is clean and reads what is allocated. The log first: as long as something waits there,
// nothing else need be consistent.
func (x *xfsLayout) prepare() error {
	if err := x.v.CheckLog(); err != nil {
		return err
	}
	if err := x.v.ReadGroups(); err != nil {
		return err
	}
	var err error
	if x.left, x.meta, err = x.allocation(); err != nil {
		return err
	}
	return nil
}

// allocation returns the blocks in use, and of these the headers, the log and the b-trees of free space.
func (x *xfsLayout) allocation() (used, fixed *bitset, err error) {
	used, fixed = newBitset(x.v.Blocks), newBitset(x.v.Blocks)
	used.setRange(0, x.v.Blocks)
	own := func(block, n uint64) error {
		if fixed.any(block, n) {
			return notTrusted("block %d is part of two structures", block)
		}
		fixed.setRange(block, n)
		return nil
	}
	if err := x.v.Fixed(own); err != nil {
		return nil, nil, err
	}
	if err := x.v.Free(own, func(block, n uint64) error {
		used.clearRange(block, n)
		return nil
	}); err != nil {
		return nil, nil, err
	}
	err = fixed.runs(func(from, n uint64) error {
		if !used.all(from, n) {
			return notTrusted("it calls blocks of its own structures free, at block %d", from)
		}
		return nil
	})
	return used, fixed, err
}

// stepBack describes the volume more coarsely after a doubt: by its used blocks if the b-trees hold, else by all bytes.
func (x *xfsLayout) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, x.p.size, d.why, l.Heads)
	r.Label, r.UUID = l.Label, l.UUID
	if d.order != manifest.ByPosition {
		return r, nil
	}
	used, _, err := x.allocation() // again: the first one was spent on owners
	if err != nil {
		return r, nil
	}
	r.Order, r.Unit, r.Used = manifest.ByPosition, l.Unit, x.used(used)
	r.walk = func(yield func(Stream) error) error { return yield(x.metadata(used)) }
	return r, nil
}

func (x *xfsLayout) metadata(blocks *bitset) Stream {
	return metadata(x.p.size, blockPieces(blocks, 0, int64(x.bs), int64(x.v.Blocks*x.bs), x.p.size, nil))
}

// slot is the place of an inode in the bitsets of inodes; false: there is no such inode.
func (x *xfsLayout) slot(number uint64) (int, bool) {
	i := sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i].First > number }) - 1
	if i < 0 || number-x.chunks[i].First >= 64 || x.chunks[i].Used>>(number-x.chunks[i].First)&1 == 0 {
		return 0, false
	}
	return i*64 + int(number-x.chunks[i].First), true
}

// streams is Layout.Streams: metadata, then files in path order, then files without a path.
func (x *xfsLayout) streams(yield func(Stream) error) error {
	if err := yield(x.metadata(x.left)); err != nil {
		return err
	}
	seen, given := newBitset(x.files.n), (*bitset)(nil)
	if x.shared != nil {
		given = newBitset(x.v.Blocks)
	}
	give := func(number uint64, slot int, path string) error {
		if seen.has(uint64(slot)) {
			return nil
		}
		seen.set(uint64(slot))
		s, err := x.stream(number, path, given)
		if err != nil {
			return err
		}
		return yield(s)
	}
	if err := x.walk(give); err != nil {
		return err
	}
	return x.files.runs(func(from, n uint64) error {
		for slot := from; slot < from+n; slot++ {
			number := x.chunks[slot/64].First + slot%64
			if err := give(number, int(slot), fmt.Sprintf("#%d", number)); err != nil {
				return err
			}
		}
		return nil
	})
}

// stream describes the data of one regular file, without blocks that are in given: files before it hold them.
func (x *xfsLayout) stream(number uint64, path string, given *bitset) (Stream, error) {
	n, err := x.v.Inode(number)
	if err != nil {
		return Stream{}, err
	}
	s := Stream{Number: number, Path: path, Size: int64(n.Size), Length: int64(x.blocks(n) * x.bs), ZeroTail: true}
	kept := func(r xfs.Run, shared bool) error {
		if !shared {
			s.add(x.piece(r))
			return nil
		}
		if r.Logical+r.Count == x.blocks(n) {
			s.ZeroTail = false // the other owner may be longer
		}
		for i := range r.Count {
			if !given.has(r.Block + i) {
				given.set(r.Block + i)
				s.add(x.piece(xfs.Run{Logical: r.Logical + i, Block: r.Block + i, Count: 1}))
			}
		}
		return nil
	}
	err = x.v.Data(n, noOwner, func(r xfs.Run) error {
		return x.inFile(n, r, func(r xfs.Run) error { return x.parts(n, r, kept) }, func(xfs.Run) error { return nil })
	})
	return s, err
}

func (x *xfsLayout) piece(r xfs.Run) Piece {
	return Piece{At: int64(r.Logical * x.bs), Offset: int64(r.Block * x.bs), Length: int64(r.Count * x.bs)}
}

// add appends a piece or joins it to the one before.
func (s *Stream) add(p Piece) {
	if k := len(s.Pieces) - 1; k >= 0 && s.Pieces[k].At+s.Pieces[k].Length == p.At &&
		s.Pieces[k].Offset+s.Pieces[k].Length == p.Offset {
		s.Pieces[k].Length += p.Length
		return
	}
	s.Pieces = append(s.Pieces, p)
}

func noOwner(uint64, uint64) error { return nil }
