package volume

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
)

// ext reads ext2, ext3 and ext4. Everything is found in two passes: scan reads the inode tables in disk order and gives
// each block its owner, the walk over the directories gives the files their names and their order.
type ext struct {
	*extSuper
	p      *pager
	groups []extGroup
	left   *bitset // allocated blocks that no file owns: in the end the metadata
	meta   *bitset // blocks known to be metadata, so that no file may own them; nil after scan
	files  *bitset // inodes of regular files that have a stream
	dirs   *bitset // inodes of directories
	fills  []Fill
	unread []Extent // don't-care
}

func readExt(p *pager, head []byte) (*Layout, error) {
	s, err := parseExtSuper(head[1024:2048], p.size)
	if s == nil {
		return nil, err
	}
	x := &ext{extSuper: s, p: p}
	l := &Layout{Kind: s.name(), Order: manifest.ByFile, Unit: int(s.bs * s.ratio), Label: s.label,
		UUID: uuid(s.uuidBytes[:]), Heads: extHeads(p.size)}
	if err == nil {
		err = x.prepare()
	}
	if err != nil {
		return x.stepBack(l, renamed(err, s))
	}
	l.Used = int64(x.left.count(0, x.blocks)*x.bs) + x.slack()
	err = x.scan()
	if err == nil {
		err = x.walk(func(uint64, string) error { return nil })
	}
	if err != nil {
		return x.stepBack(l, err)
	}
	x.meta = nil
	for _, f := range joinFills(x.fills) {
		l.Fills = append(l.Fills, Fill{Extent: f})
	}
	l.DontCare = joined(x.unread)
	l.walk = x.streams
	return l, nil
}

// joinFills joins fills that touch; all of an ext volume's are zeros.
func joinFills(fills []Fill) []Extent {
	list := make([]Extent, len(fills))
	for i, f := range fills {
		list[i] = f.Extent
	}
	return joined(list)
}

// renamed gives a refusal the name of the file system once its features are known.
func renamed(err error, s *extSuper) error {
	var refused *RefusedError
	if errors.As(err, &refused) {
		refused.Kind = s.name()
	}
	return err
}

// slack is the number of bytes behind the last block.
func (x *ext) slack() int64 { return x.p.size - int64(x.blocks*x.bs) }

func (x *ext) readBlock(b []byte, block uint64) error { return x.p.read(b[:x.bs], int64(block*x.bs)) }

// prepare reads descriptors and bitmaps, and refuses a journal that holds something.
func (x *ext) prepare() error {
	if x.incompat&extMMP != 0 {
		if err := x.checkMMP(); err != nil {
			return err
		}
	}
	if err := x.readGroups(); err != nil {
		return err
	}
	var err error
	if x.left, err = x.allocation(); err != nil {
		return err
	}
	if x.compat&extHasJournal != 0 {
		return x.checkJournal()
	}
	return nil
}

// checkMMP refuses a volume that multiple mount protection calls in use. mmp_seq (offset 4) of a free one is 0xff4d4d50.
func (x *ext) checkMMP() error {
	if x.mmpBlock < x.first || x.mmpBlock >= x.blocks {
		return notTrusted("its multiple mount protection block lies outside it")
	}
	b := make([]byte, x.bs)
	if err := x.readBlock(b, x.mmpBlock); err != nil {
		return err
	}
	if le32(b, 0) == 0x4d4d50 && le32(b, 4) != 0xff4d4d50 {
		return &RefusedError{Kind: "ext4", Why: "is in use by another computer, or was not unmounted",
			Hint: "unmount it there, or run e2fsck -f on it, then capture again"}
	}
	return nil
}

// maxJournalNodes is more blocks than the map of a journal of 10 GiB needs, the largest that mke2fs makes.
const maxJournalNodes = 1 << 14

// journalRuns walks the blocks of the journal.
func (x *ext) journalRuns(yield func(extRun) error) error {
	n, err := x.inode(x.journal)
	if err != nil {
		return err
	}
	nodes := 0
	return x.runs(n, func(uint64) error { // nothing has an owner yet: a map that runs in circles must end here
		if nodes++; nodes > maxJournalNodes {
			return notByFile("the block map of its journal is not understood")
		}
		return nil
	}, yield)
}

// journalSuper reads the superblock of the journal, its first block.
func (x *ext) journalSuper(head uint64) ([]byte, error) {
	b := make([]byte, x.bs)
	if err := x.readBlock(b, head); err != nil {
		return nil, err
	}
	if string(b[:4]) != "\xc0\x3b\x39\x98" || string(b[4:7]) != "\x00\x00\x00" || b[7] != 3 && b[7] != 4 {
		return nil, notByFile("its journal does not begin with a superblock")
	}
	return b, nil
}

// checkJournal reads the journal's superblock (big-endian): s_start at 28 is 0 when nothing waits, s_errno at 32.
func (x *ext) checkJournal() error {
	head := ^uint64(0)
	done := errors.New("found")
	err := x.journalRuns(func(r extRun) error {
		if r.logical == 0 && !r.unwritten {
			head = r.physical
		}
		return done
	})
	if err != nil && err != done {
		return err
	}
	if head == ^uint64(0) {
		return notByFile("its journal has no first block")
	}
	b, err := x.journalSuper(head)
	if err != nil {
		return err
	}
	if string(b[28:36]) != "\x00\x00\x00\x00\x00\x00\x00\x00" {
		return &RefusedError{Kind: "ext", Why: "has changes in its journal that were never made",
			Hint: "start its system and shut it down in the ordinary way (or run e2fsck -f on it), then capture again"}
	}
	return nil
}

func noTree(uint64) error { return nil }

// stepBack describes the volume more coarsely after a doubt: by its used blocks if the bitmaps hold, else by all bytes.
func (x *ext) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, x.p.size, d.why, l.Heads)
	r.Label, r.UUID = l.Label, l.UUID
	if d.order != manifest.ByPosition {
		return r, nil
	}
	used, err := x.allocation() // again: the first one was spent on owners
	if err != nil {
		return r, nil
	}
	r.Order, r.Unit = manifest.ByPosition, l.Unit
	r.Used = int64(used.count(0, x.blocks)*x.bs) + x.slack()
	r.walk = func(yield func(Stream) error) error {
		return yield(metadata(x.p.size, blockPieces(used, 0, int64(x.bs), int64(x.blocks*x.bs), x.p.size, nil)))
	}
	return r, nil
}

// streams is Layout.Streams: metadata, then files in path order, then files without a path.
func (x *ext) streams(yield func(Stream) error) error {
	pieces := blockPieces(x.left, 0, int64(x.bs), int64(x.blocks*x.bs), x.p.size, nil)
	if err := yield(metadata(x.p.size, pieces)); err != nil {
		return err
	}
	seen := newBitset(x.files.n)
	give := func(number uint64, path string) error {
		if !x.files.has(number) || seen.has(number) {
			return nil
		}
		seen.set(number)
		s, err := x.stream(number, path)
		if err != nil {
			return err
		}
		return yield(s)
	}
	if err := x.walk(give); err != nil {
		return err
	}
	return x.files.runs(func(from, n uint64) error {
		for number := from; number < from+n; number++ {
			if err := give(number, fmt.Sprintf("#%d", number)); err != nil {
				return err
			}
		}
		return nil
	})
}

// stream describes the data of one regular file.
func (x *ext) stream(number uint64, path string) (Stream, error) {
	n, err := x.inode(number)
	if err != nil {
		return Stream{}, err
	}
	unit := x.bs * x.ratio
	s := Stream{Number: number, Path: path, Size: int64(n.size), Length: int64((n.size + unit - 1) / unit * unit),
		ZeroTail: n.flags&(extFlagEncrypt|extFlagVerity) == 0}
	err = x.inFile(n, noTree, func(r extRun) error {
		p := Piece{At: int64(r.logical * x.bs), Offset: int64(r.physical * x.bs), Length: int64(r.count * x.bs)}
		if k := len(s.Pieces) - 1; k >= 0 && s.Pieces[k].At+s.Pieces[k].Length == p.At &&
			s.Pieces[k].Offset+s.Pieces[k].Length == p.Offset {
			s.Pieces[k].Length += p.Length
			return nil
		}
		s.Pieces = append(s.Pieces, p)
		return nil
	}, func(extRun) error { return nil })
	s.Pieces = slices.Clip(s.Pieces)
	return s, err
}
