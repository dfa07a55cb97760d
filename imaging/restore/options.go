package restore

import (
	"fmt"
	"runtime"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The phases of Run, as Progress and the mark name them.
const (
	PhaseScan     = "scan"     // looking for what differs; not in a mark
	PhaseProve    = "prove"    // Options.Prove: what will be written is fetched and proven first; not in a mark
	PhaseReceive  = "receive"  // the same with a Carousel at work, Done is what the disk holds; not in a mark
	PhaseBreak    = "break"    // the mark, ARDOISE, the table without the master, the heads
	PhaseData     = "data"     // file data and fills
	PhaseMetadata = "metadata" // metadata and all else
	PhaseHeads    = "heads"    // exceptions, heads, the table
	PhaseVerify   = "verify"   // reading back
)

// Options of Run, Verify and Look. Verify and Look write nothing, ask no Marker and no Carousel, and believe nobody: they
// read everything, Vouched or not.
type Options struct {
	Manifest   *manifest.Manifest // decoded, so valid
	Target     Target
	SectorSize int             // logical, of Target, bytes; 0 = the manifest's
	Source     Source          // of the frames that the disk lacks; Verify needs it only where there are Exceptions
	Carousel   Carousel        // brings frames while the disk is looked at, before the Source is asked; may be nil
	Prove      bool            // everything that the Source will be asked for is asked for and proven before the first write, too
	Marker     Marker          // told besides the mark on ARDOISE: the server, where the disk has no room; may be nil
	Mark       job.Mark        // what the mark says; Run fills in the phase
	Exceptions []job.Exception // extents that differ from the master on purpose

	Vouched Vouched // what of the disk need not be read; nil: everything is. Not together with a Carousel
	Discard bool    // what is stale inside the volumes is discarded once the disk is proven, if Target is a Discarder

	MakeArdoise bool   // make ARDOISE where there is room; one that is there is kept either way
	Serial      uint32 // FAT serial number of a new ARDOISE
	Cache       int64  // bytes of cache behind ARDOISE, see disk.Ours; 0 = none is made, one that is there is kept

	Rotates bool             // the disk has heads that move: one writer at a time, so that neighbours are joined
	Draw    func(n int) int  // draws from 0 ..< n what is probed before a Carousel; nil = at random
	Now     func() time.Time // for DiskRate; nil = time.Now

	Workers  int            // hashing at once; 0 = one per CPU, at most 8
	Progress func(Progress) // told after each batch, from one goroutine at a time; may be nil
}

// workers bounds memory too: each has a batch of up to 8 MiB in hand.
func (o *Options) workers() int {
	if o.Workers > 0 {
		return min(o.Workers, 8)
	}
	return min(runtime.GOMAXPROCS(0), 8)
}

// Progress says how far a restore is.
type Progress struct {
	Phase   string
	Done    int64 // bytes of this phase
	Total   int64 // bytes of this phase
	Written int64 // bytes written to the disk so far
	Fetched int64 // bytes of frames that came so far, by the Carousel or from the Source
}

// Report says what Run did.
type Report struct {
	ReadBytes     int64 // read from the disk
	ReadBackBytes int64 // of these, after the last write, to prove it
	FillBytes     int64 // of these, of fills, before anything was written: journals, and what is zeros
	WrittenBytes  int64 // written to the disk, the mark and ARDOISE left out
	FetchedBytes  int64 // of frames from the Source, headers included
	FetchedChunks int
	ChangedChunks int   // entries of the manifest that differed
	CopiedChunks  int   // of these, those whose content lay elsewhere on the disk
	HeldChunks    int   // entries of the manifest that the disk held
	HeldBytes     int64 // of these, on the disk
	DifferedBytes int64 // on the disk, of entries and fills that differed

	VouchedChunks  int   // of HeldChunks, those that were not read: Options.Vouched knew them
	VouchedBytes   int64 // of these and of fills that were not read
	DiscardedBytes int64 // of free space

	CarouselChunks  int    // different chunks that came by the Carousel and were written
	CarouselBytes   int64  // of their frames, headers included
	CarouselDamaged int    // frames it brought that were not what their ids say
	CarouselError   string // why it ended before everything was there, a sentence; "" if it did not

	// Proven means that everything Level reads was read from the medium and found right: every kept and fill byte
	// (job.LevelFull), or all of them but those somebody vouched for (job.LevelQuick); every exception and the table always.
	Proven   bool
	Level    job.Level
	Ardoise  *manifest.Partition
	WhyNot   string   // why there is no ARDOISE, a sentence; "" if there is one or none was wanted
	Warnings []string // sentences for a person

	Cache      *manifest.Partition
	WhyNoCache string // why there is no cache, a sentence; "" if there is one or none was wanted
}

// InvalidError says that what was asked contradicts itself: a manifest whose chunks lie in its own partition table,
// exceptions that overlap or have the wrong hash. Nothing has been written.
type InvalidError struct{ Reason string }

// Error implements error.
func (e *InvalidError) Error() string { return "restore refused: " + e.Reason }

// SourceError says that the source did not give a frame. The disk is unfinished and its mark stands if Written is true;
// running again goes on.
type SourceError struct {
	Written bool
	Err     error
}

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("fetching chunks: %v", e.Err) }

// Unwrap returns what the source said.
func (e *SourceError) Unwrap() error { return e.Err }

// WriteError says where the disk refused a write.
type WriteError struct {
	Offset int64 // bytes from the start of the disk
	Sector int64 // the same, in logical sectors
	Err    error
}

// Error implements error.
func (e *WriteError) Error() string {
	return fmt.Sprintf("writing sector %d (byte %d): %v", e.Sector, e.Offset, e.Err)
}

// Unwrap returns what the disk said.
func (e *WriteError) Unwrap() error { return e.Err }

// MismatchError says that the disk does not hold what was written to it. The mark stands.
type MismatchError struct{ Differences Differences }

// Error implements error.
func (e *MismatchError) Error() string {
	return "read back: " + e.Differences.Summary()
}
