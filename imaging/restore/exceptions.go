package restore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// exception is an extent whose bytes on this computer are not the master's.
type exception struct {
	manifest.Extent
	content []byte
}

// patchedAtOnce is how many chunks with an exception inside are in memory at once: 16 MiB.
const patchedAtOnce = 64

// takeExceptions checks the exceptions: each has its content, is inside a volume, and overlaps no other.
func (r *run) takeExceptions() error {
	for i, x := range r.o.Exceptions {
		sum := blake3.Sum256(x.Content)
		v := r.volumeOf(x.Offset)
		switch {
		case x.Length <= 0 || x.Length != int64(len(x.Content)):
			return &InvalidError{fmt.Sprintf("exception %d has %d bytes of content, not %d", i, len(x.Content), x.Length)}
		case x.Hash != chunk.ID(sum).String():
			return &InvalidError{fmt.Sprintf("the hash of exception %d differs from its content's", i)}
		case v < 0 || x.Length > r.m.Volumes[v].Start+r.m.Volumes[v].Length-x.Offset:
			return &InvalidError{fmt.Sprintf("exception %d at byte %d lies in no volume", i, x.Offset)}
		case overlaps(extents(r.plan.Tables), x.Offset, x.Length):
			return &InvalidError{fmt.Sprintf("exception %d at byte %d lies in the partition table", i, x.Offset)}
		}
		r.exceptions = append(r.exceptions, exception{manifest.Extent{Offset: x.Offset, Length: x.Length}, x.Content})
	}
	slices.SortFunc(r.exceptions, func(a, b exception) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(r.exceptions); i++ {
		if r.exceptions[i].Offset < r.exceptions[i-1].End() {
			return &InvalidError{fmt.Sprintf("the exceptions at bytes %d and %d overlap", r.exceptions[i-1].Offset,
				r.exceptions[i].Offset)}
		}
	}
	return nil
}

// touching returns the exceptions that overlap n bytes at off.
func (r *run) touching(off, n int64) []exception {
	x := r.exceptions
	first := sort.Search(len(x), func(i int) bool { return x[i].End() > off })
	end := first
	for end < len(x) && x[end].Offset < off+n {
		end++
	}
	return x[first:end]
}

// overlay puts what the exceptions say into bytes that belong at off, and tells whether there was anything to put.
func (r *run) overlay(p []byte, off int64) bool {
	found := r.touching(off, int64(len(p)))
	for _, x := range found {
		if x.Offset >= off {
			copy(p[x.Offset-off:], x.content)
		} else {
			copy(p, x.content[off-x.Offset:])
		}
	}
	return len(found) > 0
}

// patchEntries finds what the entries with an exception inside hash to on this computer. That takes the master's
// content, so they are fetched even when the disk is right: a few chunks. Without a source they cannot be judged.
func (r *run) patchEntries(ctx context.Context) error {
	var touched []uint32
	if len(r.exceptions) == 0 {
		return nil
	}
	for i, e := range r.m.Chunks.All() {
		for _, p := range e.Pieces {
			if len(r.touching(p.Offset, int64(p.Length))) > 0 {
				touched = append(touched, uint32(i))
				r.patched[uint32(i)] = chunk.ID{}
				break
			}
		}
	}
	if r.o.Source == nil {
		return nil
	}
	for len(touched) > 0 {
		n := min(len(touched), patchedAtOnce)
		ids, contents := make([]chunk.ID, n), make([][]byte, n)
		for k, i := range touched[:n] {
			e := r.m.Chunks.At(int(i))
			ids[k], contents[k] = e.ID, make([]byte, e.Length)
		}
		if err := r.fetch(ctx, ids, contents); err != nil {
			return err
		}
		for k, i := range touched[:n] {
			for _, p := range r.m.Chunks.At(int(i)).Pieces {
				r.overlay(contents[k][p.At:p.At+p.Length], p.Offset)
			}
			r.patched[i] = chunk.Of(contents[k])
		}
		touched = touched[n:]
	}
	return nil
}

// expected returns what entry i must hash to on this disk.
func (r *run) expected(i uint32, id chunk.ID) chunk.ID {
	if len(r.patched) > 0 {
		if p, ok := r.patched[i]; ok {
			return p
		}
	}
	return id
}

func lengthError(id chunk.ID, have, want int) error {
	return &InvalidError{fmt.Sprintf("chunk %s has %d bytes, the manifest says %d", id, have, want)}
}
