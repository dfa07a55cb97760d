package sweep

import (
	"bytes"

	"github.com/ardoise/ardoise/masters/chunk"
)

// PageSize is what of a content is compared and written by itself, in bytes: a chunk has 64 of them.
const PageSize = chunk.MaxSize / 64

// Differing tells which pages of two contents of one length, at most chunk.MaxSize, differ: bit 0 is the first page.
func Differing(have, want []byte) (pages uint64) {
	for p := 0; p*PageSize < len(want); p++ {
		end := min((p+1)*PageSize, len(want))
		if !bytes.Equal(have[p*PageSize:end], want[p*PageSize:end]) {
			pages |= 1 << p
		}
	}
	return pages
}
