package volume

import (
	"encoding/binary"
	"slices"
)

// The superblock of a journal (jbd2, big-endian): s_blocksize, s_maxlen and s_first stand at 12, 16 and 20, the features at 36,
// 40 and 44, s_num_fc_blks at 84, s_head at 88. Of the features that a log is not understood without, those here change nothing
// of where it is written: revoke, 64bit, async_commit, checksum 2 and 3. Fast commits are written at its end, apart.
const (
	extLogKnown   = 0x1 | 0x2 | 0x4 | 0x8 | 0x10
	extLogSmallID = 8 // bytes of the shortest tag that names a block in a descriptor
)

// ExtLog is what a journal is written to.
type ExtLog struct {
	Body   []Extent // on the volume, in the order of the log: the journal without its superblock
	Starts []int64  // bytes of the body at which the kernel begins to write after a mount
	Gap    int64    // bytes: so many zeros in a row do not lie between two blocks that were written since all was zeros
}

// Log returns the log of a clean journal as the volume has it on which no file system was mounted since its body was filled with
// zeros; ok is false where there is none, or one of which it is not known where it is written.
//
// Transactions follow each other, and a mount begins at the first block or, where the kernel keeps s_head, where the last one
// ended; the blocks that a descriptor names follow it, and no descriptor is all zeros. So what was ever written lies from a
// start on, without a gap.
func (t *ExtTables) Log() (l ExtLog, ok bool) {
	x := t.x
	if x.compat&extHasJournal == 0 {
		return l, false
	}
	var blocks, next uint64
	err := x.journalRuns(func(r extRun) error {
		if r.logical != next || r.unwritten || r.count > x.blocks-blocks {
			return errNode
		}
		next = r.logical + r.count
		blocks += r.count
		l.Body = append(l.Body, Extent{Offset: int64(r.physical * x.bs), Length: int64(r.count * x.bs)})
		return nil
	})
	if err != nil || len(l.Body) == 0 {
		return l, false
	}
	b, err := x.journalSuper(uint64(l.Body[0].Offset) / x.bs)
	if err != nil {
		return l, false
	}
	be32 := func(at int) uint64 { return uint64(binary.BigEndian.Uint32(b[at:])) }
	head := be32(88)
	if be32(12) != x.bs || be32(16) != blocks || be32(20) != 1 || be32(40)&^extLogKnown != 0 ||
		be32(44) != 0 || be32(84) != 0 || head >= blocks {
		return l, false
	}
	l.Body[0].Offset, l.Body[0].Length = l.Body[0].Offset+int64(x.bs), l.Body[0].Length-int64(x.bs)
	l.Starts = []int64{0}
	if head > 1 {
		l.Starts = append(l.Starts, int64((head-1)*x.bs))
	}
	l.Gap = int64((x.bs/extLogSmallID + 2) * x.bs)
	return l, true
}

// Same tells whether two logs lie at the same place.
func (l ExtLog) Same(o ExtLog) bool { return slices.Equal(l.Body, o.Body) }
