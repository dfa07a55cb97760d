package quick

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync/atomic"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Disk is the disk that is looked at; it is only read.
type Disk interface {
	io.ReaderAt
	Drop() error // later reads come from the medium, not from the page cache
	Size() int64 // bytes
}

// Source gives the frames of metadata that differs, so that it can be compared record by record.
type Source interface {
	// Fetch calls yield with one frame for each id, in order. The frame is valid until yield returns. One asks at a time.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Options of Look.
type Options struct {
	Disk       Disk
	Manifest   *manifest.Manifest                    // decoded, so valid
	Names      func() (io.ReadCloser, error)         // its encoded names table; proven against Manifest.Names while it is read
	Source     Source                                // of the master's metadata, where the disk's differs
	Exceptions []job.Exception                       // the same that restore gets: the disk is to have them over the master's bytes
	Draw       func(n int) (int, error)              // draws from 0 ..< n what is sampled; nil = the system's random source
	Rotates    bool                                  // the disk has heads that move: what lies apart is read one after the other
	Progress   func(phase string, done, total int64) // may be nil; bytes read
}

// The phases of Look, as Progress names them.
const (
	PhaseRecords = "records" // metadata is read and compared
	PhaseSample  = "sample"  // a part of what is vouched for is read
)

// sampleShare is one in how many bytes of what is vouched for is read all the same: 2 %.
const sampleShare = 50

// Verdict is what Look found out. It is the Vouched of a restore; with a doubt it vouches for nothing.
type Verdict struct {
	Doubt string // why everything has to be read, a sentence; "" if there is no doubt

	ReadBytes      int64 // read from the disk, everything included
	MetadataBytes  int64 // of metadata that was read and compared
	DifferingBytes int64 // of these, in chunks that differ
	SampledBytes   int64 // drawn out of what is vouched for, and found right
	FillBytes      int64 // of fills that were read
	VouchedBytes   int64 // of entries and fills that need not be read, or not again
	VouchedChunks  int   // entries
	VouchedFiles   int   // streams of files
	CheckedFiles   int   // streams of files on the same volumes that are not vouched for

	m       *manifest.Manifest
	entries bitset            // vouched for
	read    bitset            // entries that were read
	equal   bitset            // and were as the master has them
	streams bitset            // vouched for
	unused  []manifest.Extent // metadata that was never used: by offset
	metas   bitset            // streams of metadata: unused counts there alone
	blank   []manifest.Extent // found to be 0xFF, all of it, whatever should be there: by offset
	filled  []manifest.Extent // of fills, found to be as they should: by offset
	pages   map[int]page      // of entries that differ
	kept    int               // bytes of pages of the master
}

// page is pages of an entry's content that differ: bit p is page p.
type page struct {
	differ uint64
	want   []byte // what these should hold, one behind the other; nil: not kept
}

// keepAtMost is how many bytes of the master that were fetched are kept for the reset that follows.
const keepAtMost = 32 << 20

// Entry tells whether entry i of Manifest.Chunks need not be read.
func (v *Verdict) Entry(i int) bool { return v.Doubt == "" && v.entries.has(uint64(i)) }

// Read tells whether Look has read entry i from the medium, and whether it was as the master has it.
func (v *Verdict) Read(i int) (done, equal bool) {
	if v.Doubt != "" {
		return false, false
	}
	return v.read.has(uint64(i)), v.equal.has(uint64(i))
}

// Pages tells which pages of 4 KiB of entry i's content differ on the disk, and what they should hold, one behind the other,
// where that is kept; known is false where Look has not compared them.
func (v *Verdict) Pages(i int) (differ uint64, want []byte, known bool) {
	if v.Doubt != "" {
		return 0, nil, false
	}
	p, known := v.pages[i]
	return p.differ, p.want, known
}

// Fill returns the parts of Manifest.Fills[k] that have to be read, in order.
func (v *Verdict) Fill(k int) []manifest.Extent {
	f := v.m.Fills[k]
	stream := uint64(f.Stream)
	rest := []manifest.Extent{f.Extent}
	switch {
	case v.Doubt != "":
		return rest
	case v.streams.has(stream):
		return nil
	case v.metas.has(stream) && f.Byte == 0:
		rest = without(f.Extent, v.unused)
	case f.Byte == 0xff:
		rest = without(f.Extent, v.blank)
	}
	var out []manifest.Extent
	for _, e := range rest {
		out = append(out, without(e, v.filled)...)
	}
	return out
}

// without returns e less the extents of list, which are ordered and apart.
func without(e manifest.Extent, list []manifest.Extent) []manifest.Extent {
	var out []manifest.Extent
	at := e.Offset
	first := sort.Search(len(list), func(i int) bool { return list[i].End() > e.Offset })
	for _, x := range list[first:] {
		if x.Offset >= e.End() {
			break
		}
		if x.Offset > at {
			out = append(out, manifest.Extent{Offset: at, Length: x.Offset - at})
		}
		at = max(at, x.End())
	}
	if at < e.End() {
		out = append(out, manifest.Extent{Offset: at, Length: e.End() - at})
	}
	return out
}

// doubt ends a look: it is the reason why everything has to be read.
type doubt struct{ why string }

func (d *doubt) Error() string { return d.why }

func doubtf(format string, a ...any) error { return &doubt{fmt.Sprintf(format, a...)} }

// Look compares what the disk's file systems say about their files with what the master's say, and returns what need not be
// read. It writes nothing. Whatever it cannot understand, read or get is a doubt, not an error; its errors are the
// context's, those of dropping the cache, and exceptions that contradict themselves.
func Look(ctx context.Context, o Options) (*Verdict, error) {
	l, err := newLook(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := o.Disk.Drop(); err != nil {
		return nil, fmt.Errorf("dropping the cache: %w", err)
	}
	reading, stop := context.WithCancel(ctx)
	l.naming = l.readNames(reading)
	defer func() {
		stop()
		for range l.naming.batches { // until who reads has ended
		}
	}()
	for _, step := range []func() error{l.unfinished, l.records, l.names, l.swapFiles, l.vouch, l.draw} {
		if err = step(); err != nil {
			break
		}
	}
	l.v.ReadBytes = l.readBytes.Load()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		l.v.Doubt = err.Error()
		l.v.VouchedBytes, l.v.VouchedChunks, l.v.VouchedFiles, l.v.CheckedFiles = 0, 0, 0, 0
	}
	return l.v, nil
}

// unfinished doubts a disk with a mark on its ARDOISE: a restore was interrupted, and records may be the master's already
// where their data is not. Who keeps marks elsewhere must not ask for a quick reset while one stands.
func (l *look) unfinished() error {
	t, err := disk.ReadTable(l.o.Disk, l.o.Disk.Size(), l.m.Disk.SectorSize)
	if err != nil {
		return doubtf("its partition table is not understood: %v", err)
	}
	if t.Ardoise == nil {
		return nil
	}
	a, err := disk.OpenArdoise(readOnly{l.o.Disk}, *t.Ardoise)
	var none *disk.NoArdoiseError
	if errors.As(err, &none) {
		return nil
	}
	if err != nil {
		return doubtf("ARDOISE cannot be read: %v", err)
	}
	if mark, err := a.Mark().Load(); err != nil || mark != nil {
		return doubtf("a restore of this disk was not finished")
	}
	return nil
}

// readOnly is a Disk for who could write.
type readOnly struct{ Disk }

// WriteAt implements io.WriterAt.
func (readOnly) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// Flush implements disk.Device.
func (readOnly) Flush() error { return nil }

// records looks at the records of all volumes whose file system keeps some.
func (l *look) records() error {
	for i := range l.m.Volumes {
		l.countMetadata(&l.m.Volumes[i])
	}
	for i := range l.m.Volumes {
		v := &l.m.Volumes[i]
		var err error
		switch {
		case isExt(v):
			err = l.ext(i)
		case isNTFS(v):
			err = l.ntfs(i)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", place(v), err)
		}
	}
	return nil
}

func isExt(v *manifest.Volume) bool {
	return v.Order == manifest.ByFile && (v.Kind == "ext2" || v.Kind == "ext3" || v.Kind == "ext4")
}

func isNTFS(v *manifest.Volume) bool { return v.Order == manifest.ByFile && v.Kind == "ntfs" }

// countMetadata counts, for Progress, what there is to read of a volume's records.
func (l *look) countMetadata(v *manifest.Volume) {
	if !isExt(v) && !isNTFS(v) {
		return
	}
	first, end := l.entryRange(v)
	for i := first; i < end; i++ {
		if e := l.m.Chunks.At(i); e.Stream == v.Meta || isNTFS(v) && e.Stream == v.Meta+1 {
			l.total += onDisk(e)
		}
	}
}

// place is what people call a volume.
func place(v *manifest.Volume) string {
	if v.Partition == 0 {
		return v.Kind + " on the whole disk"
	}
	return fmt.Sprintf("%s on partition %d", v.Kind, v.Partition)
}

// bitset is one bit per entry, stream, block or record.
type bitset []uint64

func newBitset(n uint64) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(i uint64) bool { return i/64 < uint64(len(b)) && b[i/64]>>(i%64)&1 == 1 }

// set ignores what lies outside.
func (b bitset) set(i uint64) {
	if i/64 < uint64(len(b)) {
		b[i/64] |= 1 << (i % 64)
	}
}

// add is set where several goroutines do it at once.
func (b bitset) add(i uint64) {
	if i/64 < uint64(len(b)) {
		atomic.OrUint64(&b[i/64], 1<<(i%64))
	}
}

func (b bitset) clear(i uint64) {
	if i/64 < uint64(len(b)) {
		b[i/64] &^= 1 << (i % 64)
	}
}
