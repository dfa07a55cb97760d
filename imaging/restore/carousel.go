package restore

import (
	"context"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Carousel brings chunks in an order of its own: a multicast session.
type Carousel interface {
	// Run brings chunks to r until none is missing or unknown any more, or earlier: what is still missing when it returns
	// is copied or fetched from Options.Source, and its error is noted in the Report. It must return once ctx is done, and
	// only after all its calls of r have.
	Run(ctx context.Context, r Receiver) error
}

// The needs of a chunk, as Receiver.Needs tells them.
const (
	NeedHeld    byte = 0   // the disk has its content; nothing has to come
	NeedMissing byte = 1   // it has to come
	NeedUnknown byte = 255 // the disk has not been looked at there yet
)

// Receiver is what a Carousel brings chunks to. Its methods may be called by several goroutines at once.
type Receiver interface {
	// Needs returns the need of each distinct chunk, in the order in which the manifest's table first names it, and a
	// number that grows with each change, never 0. When the number is seen still, it returns into as it is; else a copy,
	// in into's memory where there is room. A need that became NeedHeld stays so.
	Needs(into []byte, seen uint64) (needs []byte, changes uint64)

	// Take proves a frame and writes its content to all its places that lack it, and returns when these writes have. It
	// blocks while the disk is slower than what comes, and joins what several goroutines bring. The payload is not kept.
	//
	// A chunk that is not of this master, or is held, is nil at once. A frame whose content is not its id's fails with
	// *chunk.DamagedError, and nothing is written: another frame may still be right. Any other error is of the disk
	// (*WriteError), the marker or the context; after it the run ends, and ctx of Carousel.Run is done.
	Take(ctx context.Context, f chunk.Frame) error

	// DiskRate returns how many bytes of content a second the disk's writes take of late, while there are any, and less and
	// less while none ends; 0 when nothing was written yet.
	DiskRate() int64
}
