package xfs

import "fmt"

// sectorOfLog is the unit of the log: its head is counted in 512 bytes whatever the sectors are.
const sectorOfLog = 512

const (
	recordMagic   = 0xfeedbabe
	recordSpan    = 32 << 10 // data that one header sector describes
	maxRecord     = 256<<10/sectorOfLog + 8
	unmountFlag   = 0x20 // oh_flags: the operation of an unmount
	recordVersion = 3    // bits of h_version
)

// CheckLog fails with *DirtyError unless nothing waits in the log: it must end in the record that an unmount writes. The
// end is where the number of rounds that each sector carries falls by one:
//
//	sector   0      ...              head           ...        last
//	round    7 7 7 7 7 7 [unmount: 7] 6 6 6 6 6 6 6 6 6 6 6 6 6
//
// A log of zeros has nothing in it. (Linux, fs/xfs/xfs_log_recover.c, goes beyond that for a log whose last writes
// reached the disk out of order. Such a log is not clean; here it is refused whichever end is found.)
func (v *Volume) CheckLog() error {
	l := &logReader{v: v, sectors: v.logBlocks * uint64(v.BlockSize/sectorOfLog)}
	first, err := l.round(0)
	if err != nil || first == 0 {
		return err
	}
	head, err := l.head(first)
	if err != nil {
		return err
	}
	clean, err := l.endsUnmounted(head)
	if err != nil || clean {
		return err
	}
	return &DirtyError{"was not unmounted cleanly: changes wait in its log",
		"start its system and shut it down in the ordinary way, or mount and unmount it, then capture again"}
}

type logReader struct {
	v       *Volume
	sectors uint64
}

func (l *logReader) sector(n uint64) ([]byte, error) {
	b := make([]byte, sectorOfLog)
	if _, err := l.v.r.ReadAt(b, int64(l.v.logStart)*l.v.BlockSize+int64(n%l.sectors)*sectorOfLog); err != nil {
		return nil, fmt.Errorf("reading sector %d of the log: %w", n, err)
	}
	return b, nil
}

// round is in the first word of a sector, but of a record's first sector, where the magic number stands: there it
// follows.
func (l *logReader) round(n uint64) (uint32, error) {
	b, err := l.sector(n)
	if err != nil {
		return 0, err
	}
	if be32(b, 0) == recordMagic {
		return be32(b, 4), nil
	}
	return be32(b, 0), nil
}

// head finds the first sector of the round before, which the next record will overwrite.
func (l *logReader) head(first uint32) (uint64, error) {
	last, err := l.round(l.sectors - 1)
	if err != nil || last == first {
		return l.sectors, err
	}
	low, high := uint64(0), l.sectors-1
	for high-low > 1 {
		mid := low + (high-low)/2
		round, err := l.round(mid)
		if err != nil {
			return 0, err
		}
		if round == last {
			high = mid
		} else {
			low = mid
		}
	}
	return high, nil
}

// endsUnmounted looks at the record that ends at head. Its header has round (at 4), version (8), bytes of data (12),
// operations (40), bytes of a buffer (320; each 32 KiB need one more header). The data of an operation begins with
// transaction (4), length (4), client (1), flags (1).
func (l *logReader) endsUnmounted(head uint64) (bool, error) {
	for back := uint64(1); back <= min(maxRecord, l.sectors); back++ {
		at := head + l.sectors - back
		b, err := l.sector(at)
		if err != nil {
			return false, err
		}
		if be32(b, 0) != recordMagic {
			continue
		}
		headers := uint64(1)
		if size := uint64(be32(b, 320)); be32(b, 8)&2 != 0 && size > recordSpan {
			headers = (size + recordSpan - 1) / recordSpan
		}
		data := (uint64(be32(b, 12)) + sectorOfLog - 1) / sectorOfLog
		if version := be32(b, 8); version == 0 || version > recordVersion || be32(b, 40) != 1 || data == 0 ||
			headers > 8 || headers+data != back {
			return false, nil
		}
		operation, err := l.sector(at + headers)
		return err == nil && operation[9]&unmountFlag != 0, err
	}
	return false, nil
}
