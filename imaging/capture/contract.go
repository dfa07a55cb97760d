package capture

import (
	"context"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Sink takes what a capture finds. Missing is asked first, only what is missing is put.
type Sink interface {
	// Missing tells for each id whether its frame is wanted, and pins the others until the capture ends.
	Missing(ctx context.Context, ids []chunk.ID) ([]bool, error)
	// Put takes frames; it may return before they are durable.
	Put(ctx context.Context, frames []chunk.Frame) error
}
