package sessions

import (
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// relatedFrom is which share of the smaller master's bytes two masters must have in common to be sent together, as a
// divisor: a fifth. Below that their computers would hear more that is not for them than what they save.
const relatedFrom = 5

// Related tells whether two masters share enough chunks to be sent in one session: a fifth of the bytes of the smaller,
// each chunk counted once.
func Related(a, b *manifest.Manifest) bool {
	const inA, inB = 1, 2
	seen := make(map[chunk.ID]uint8, a.Chunks.Len())
	var bytesA, bytesB, common int64
	for _, e := range a.Chunks.All() {
		if seen[e.ID]&inA == 0 {
			seen[e.ID] |= inA
			bytesA += int64(e.Length)
		}
	}
	for _, e := range b.Chunks.All() {
		in := seen[e.ID]
		if in&inB != 0 {
			continue
		}
		seen[e.ID] = in | inB
		bytesB += int64(e.Length)
		if in&inA != 0 {
			common += int64(e.Length)
		}
	}
	return common > 0 && common*relatedFrom >= min(bytesA, bytesB)
}
