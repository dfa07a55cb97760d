package sweep

import (
	"bytes"
	"hash/maphash"

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

// Sums tell the pages of a content from others when its memory is used for something else, in 512 bytes instead of 256 KiB.
type Sums [chunk.MaxSize / PageSize]uint64

// key is drawn at random when the program starts: nobody can make two pages beforehand that have one sum.
var key = maphash.MakeSeed()

// SumsOf returns the sums of the pages of a content of at most chunk.MaxSize.
func SumsOf(content []byte) (s Sums) {
	for p := range s {
		if p*PageSize >= len(content) {
			break
		}
		s[p] = maphash.Bytes(key, content[p*PageSize:min((p+1)*PageSize, len(content))])
	}
	return s
}

// Differing is what the function of that name says of the content whose sums these are, and of want, which is as long.
func (s *Sums) Differing(want []byte) (pages uint64) {
	other := SumsOf(want)
	for p := 0; p*PageSize < len(want); p++ {
		if s[p] != other[p] {
			pages |= 1 << p
		}
	}
	return pages
}
