package volume

import (
	"errors"
	"math/bits"

	"github.com/ardoise/ardoise/imaging/volume/btrfs"
	"github.com/ardoise/ardoise/masters/manifest"
)

// btrfsVolume is a btrfs on one device. What it keeps is bits, one for each sector of the device.
type btrfsVolume struct {
	v      *btrfs.Volume
	p      *pager
	sector int64
	left   *bitset // used sectors that no file owns: in the end the metadata
	data   *bitset // allocated for data; of two copies the first
	tree   *bitset // allocated for tree blocks, the first copies, and not seen yet; nil after check
	unread []Extent
}

// btrfsReserved is never allocated by a mkfs.btrfs of today: boot loaders lie there.
const btrfsReserved = 1 << 20

func readBtrfs(p *pager, _ []byte) (*Layout, error) {
	v, err := btrfs.Open(p, p.size)
	if err != nil {
		return nil, btrfsDoubt(err, manifest.Raw)
	}
	b := &btrfsVolume{v: v, p: p, sector: v.SectorSize}
	l := &Layout{Kind: "btrfs", Order: manifest.ByFile, Unit: int(b.sector), Label: v.Label, UUID: uuid(v.UUID[:])}
	for _, at := range v.Supers {
		l.Heads = append(l.Heads, Extent{at, 4096})
	}
	if err := b.allocation(); err != nil {
		return b.stepBack(l, btrfsDoubt(err, manifest.Raw))
	}
	l.Used = b.used()
	err = b.check()
	if err == nil {
		err = b.claim()
	}
	if err != nil {
		return b.stepBack(l, btrfsDoubt(err, manifest.ByPosition))
	}
	l.DontCare = joined(b.unread)
	l.walk = b.streams
	return l, nil
}

// btrfsDoubt says how far to step back after what the parser found; other errors stay as they are.
func btrfsDoubt(err error, order manifest.Order) error {
	var damaged *btrfs.DamagedError
	var unsupported *btrfs.UnsupportedError
	var unclean *btrfs.UncleanError
	switch {
	case errors.As(err, &unclean):
		return &RefusedError{Kind: "btrfs", Why: unclean.Why, Hint: unclean.Hint}
	case errors.As(err, &unsupported):
		return notTrusted("%s", unsupported)
	case errors.As(err, &damaged):
		return &doubt{order: order, why: "its " + damaged.Error()}
	}
	return err
}

// allocation sets the bits of all that is used: the extents, each copy of them, the superblocks, and what is reserved at
// the start.
func (b *btrfsVolume) allocation() error {
	n := uint64(b.v.Size / b.sector)
	b.left, b.data, b.tree, b.unread = newBitset(n), newBitset(n), newBitset(n), nil
	b.left.setRange(0, min(n, uint64(btrfsReserved/b.sector)))
	for _, at := range b.v.Supers {
		b.left.set(uint64(at / b.sector))
	}
	return b.v.Allocated(func(r btrfs.Run) error {
		count := uint64(r.Length / b.sector)
		for _, at := range r.At {
			b.left.setRange(uint64(at/b.sector), count)
		}
		if r.Tree {
			b.tree.setRange(uint64(r.At[0]/b.sector), count)
		} else {
			b.data.setRange(uint64(r.At[0]/b.sector), count)
		}
		return nil
	})
}

func (b *btrfsVolume) used() int64 {
	return int64(b.left.count(0, b.left.n))*b.sector + b.p.size - b.v.Size
}

// check reads all trees: every tree block and every extent of a file must be allocated, as what it is.
func (b *btrfsVolume) check() error {
	seen := newBitset(b.tree.n)
	node := uint64(b.v.NodeSize / b.sector)
	err := b.v.Check(func(at int64) (bool, error) {
		first := uint64(at / b.sector)
		if !b.tree.all(first, node) {
			return false, notTrusted("it has a tree block that its extent tree does not call allocated")
		}
		if seen.has(first) {
			return false, nil
		}
		seen.set(first)
		return true, nil
	}, func(e btrfs.Extent) error {
		if !b.data.all(uint64(e.Disk[0]/b.sector), uint64(e.Bytes/b.sector)) {
			return notTrusted("it has a file on sectors that its extent tree does not call allocated")
		}
		return nil
	})
	b.tree = nil
	return err
}

// stepBack describes the volume by its used sectors if the extent tree holds, else by all bytes.
func (b *btrfsVolume) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, b.p.size, d.why, l.Heads)
	r.Label, r.UUID = l.Label, l.UUID
	if d.order != manifest.ByPosition {
		return r, nil
	}
	if err := b.allocation(); err != nil { // again: the first one was spent on owners
		return r, nil
	}
	r.Order, r.Unit, r.Used = manifest.ByPosition, l.Unit, b.used()
	r.walk = func(yield func(Stream) error) error { return yield(b.metadata()) }
	return r, nil
}

func (b *btrfsVolume) metadata() Stream {
	return metadata(b.p.size, blockPieces(b.left, 0, b.sector, b.v.Size, b.p.size, nil))
}

// files walks all files of all subvolumes, each under its first name, in the order that decides who owns what is shared.
func (b *btrfsVolume) files(yield func(btrfs.File) error) error {
	list, err := b.v.Subvolumes()
	if err != nil {
		return err
	}
	var fresh func(at int64) bool
	if len(list) > 1 {
		seen := newBitset(b.left.n)
		fresh = func(at int64) bool {
			sector := uint64(at / b.sector)
			before := seen.has(sector)
			seen.set(sector)
			return !before
		}
	}
	for _, s := range list {
		if err := b.v.Files(s, fresh, yield); err != nil {
			return err
		}
	}
	return nil
}

// claim takes what files own out of what is left for the metadata. Preallocated sectors count only when no file has
// data there, so they wait until all others have claimed.
func (b *btrfsVolume) claim() error {
	free, waiting := b.data.clone(), newBitset(b.data.n)
	var prealloc []btrfs.Extent // each sector once, however many snapshots show it
	err := b.files(func(f btrfs.File) error {
		_, err := b.own(f, free, func(_, at, n int64) { b.left.clearRange(uint64(at/b.sector), uint64(n/b.sector)) },
			func(e btrfs.Extent) {
				first, n := uint64(e.Disk[0]/b.sector), uint64(e.Bytes/b.sector)
				if !waiting.all(first, n) {
					waiting.setRange(first, n)
					prealloc = append(prealloc, e)
				}
			})
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range prealloc {
		b.take(free, e.Disk[0], e.Bytes, func(from, at, n int64) {
			for _, copy := range e.Disk {
				b.left.clearRange(uint64((copy+from)/b.sector), uint64(n/b.sector))
				b.unread = append(b.unread, Extent{copy + from, n})
			}
		})
	}
	return nil
}

// take claims the sectors of a run that are still free. own gets the distance from its start, the place, and how much.
func (b *btrfsVolume) take(free *bitset, at, length int64, own func(from, at, n int64)) {
	first, end := uint64(at/b.sector), uint64((at+length)/b.sector)
	for s := first; ; {
		from, n := free.next(s, end)
		if n == 0 {
			return
		}
		own(int64(from-first)*b.sector, int64(from)*b.sector, int64(n)*b.sector)
		free.clearRange(from, n)
		s = from + n
	}
}

// own claims what a file has and nobody before it: own gets the place in the stream, the place on the volume, and how
// much. The stream of a file without compressed extents is the file; that of another is the bytes of its extents on the
// disk, one after the other. It returns the length of the stream, 0 where the file owns nothing.
func (b *btrfsVolume) own(f btrfs.File, free *bitset, own func(at, place, n int64), prealloc func(btrfs.Extent)) (size int64, err error) {
	packed := false
	err = b.v.Extents(f, func(e btrfs.Extent) error {
		packed = packed || e.Packed
		if e.Prealloc && prealloc != nil {
			prealloc(e)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	length := (f.Size + b.sector - 1) / b.sector * b.sector
	owns := false
	err = b.v.Extents(f, func(e btrfs.Extent) error {
		base := e.At
		if packed {
			base = size
		}
		n := e.Bytes
		if !packed {
			n = min(n, length-e.At)
		}
		if e.Prealloc || n <= 0 {
			return nil
		}
		here := false
		b.take(free, e.Disk[0], n, func(from, place, n int64) {
			here = true
			own(base+from, place, n)
		})
		owns = owns || here
		if packed && here {
			size += n
		}
		return nil
	})
	switch {
	case !owns:
		return 0, err
	case !packed:
		size = length
	}
	return size, err
}

// streams is Layout.Streams: metadata, then files in the order of subvolumes and paths. A file all of whose extents
// belong to one before it has no stream.
func (b *btrfsVolume) streams(yield func(Stream) error) error {
	if err := yield(b.metadata()); err != nil {
		return err
	}
	free := b.data.clone()
	return b.files(func(f btrfs.File) error {
		s := Stream{Number: f.Inode, Path: f.Path, Size: f.Size}
		var err error
		s.Length, err = b.own(f, free, func(at, place, n int64) {
			if k := len(s.Pieces) - 1; k >= 0 && s.Pieces[k].At+s.Pieces[k].Length == at &&
				s.Pieces[k].Offset+s.Pieces[k].Length == place {
				s.Pieces[k].Length += n
				return
			}
			s.Pieces = append(s.Pieces, Piece{At: at, Offset: place, Length: n})
		}, nil)
		if err != nil || len(s.Pieces) == 0 {
			return err
		}
		s.Size = min(s.Size, s.Length) // compressed extents are shorter than what they give
		return yield(s)
	})
}

func (b *bitset) clone() *bitset {
	return &bitset{words: append([]uint64(nil), b.words...), n: b.n}
}

// next returns the first run of set bits in from ..< to; n is 0 when there is none.
func (b *bitset) next(from, to uint64) (first, n uint64) {
	to = min(to, b.n)
	for from < to {
		if w := b.words[from/64] >> (from % 64); w != 0 {
			from += uint64(bits.TrailingZeros64(w))
			break
		}
		from = (from/64 + 1) * 64
	}
	if from >= to {
		return to, 0
	}
	end := from
	for end < to {
		rest := 64 - end%64
		ones := uint64(bits.TrailingZeros64(^(b.words[end/64] >> (end % 64))))
		end += min(ones, rest)
		if ones < rest {
			break
		}
	}
	return from, min(end, to) - from
}
