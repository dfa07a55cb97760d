package restore

import (
	"context"
	"io"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Source gives the frames that the disk lacks.
type Source interface {
	// Fetch calls yield with one frame for each id, in order; a frame that the source has not ends it with an error.
	// The frame is valid until yield returns.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Target is the disk to be written. Offsets and lengths need no alignment.
type Target interface {
	io.ReaderAt
	io.WriterAt
	Barrier
}

// Barrier makes writes durable and reads honest.
type Barrier interface {
	Flush() error // everything written so far survives a power cut
	Drop() error  // later reads come from the medium, not from the page cache
	Size() int64  // bytes
}

// Vouched is what somebody who has looked at the disk a moment ago knows of it: see package quick. What it says of entries
// with an exception inside is not asked for.
type Vouched interface {
	// Entry tells whether entry i of Manifest.Chunks need not be read, since something else shows that it did not change.
	Entry(i int) bool
	// Read tells whether entry i was read from the medium, and whether it was as the master has it.
	Read(i int) (done, equal bool)
	// Fill returns the parts of Manifest.Fills[k] that have to be read, in order.
	Fill(k int) []manifest.Extent
}

// Keeper is a Vouched that has compared some contents with the master's: what of them is right need not be written, and what
// is not need not be fetched again. All of such an entry is read back, whoever gave it.
type Keeper interface {
	// Pages tells which pages of a 64th of chunk.MaxSize of the content of entry i differ on the disk, as Read found it:
	// bit 0 is the first one. Others are not written. want is what these pages should hold, one behind the other, where it is
	// kept, else nil.
	Pages(i int) (differ uint64, want []byte, known bool)
}

// Discarder is a Target that can be told that it need not keep bytes: they read as zeros from then on, or as anything.
type Discarder interface {
	Discard(off, n int64) error
}

// Marker keeps the mark of an unfinished disk. Set returns once the mark is durable.
type Marker interface {
	Set(ctx context.Context, m job.Mark) error
	Clear(ctx context.Context) error
}
