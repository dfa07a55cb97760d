package restore

import (
	"context"
	"io"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
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

// Marker keeps the mark of an unfinished disk. Set returns once the mark is durable.
type Marker interface {
	Set(ctx context.Context, m job.Mark) error
	Clear(ctx context.Context) error
}
