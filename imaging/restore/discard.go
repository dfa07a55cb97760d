package restore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
)

// discard tells the target which bytes of the volumes nobody needs: what is neither kept, nor filled, nor left alone
// because the system's own, nor an exception. Bytes outside of partitions, and of a gap, are never among them: tables and
// boot loaders lie there, and ARDOISE. It comes last, on a disk that is proven: a power cut here costs nothing.
func (r *run) discard(ctx context.Context) error {
	if !r.o.Discard || !r.report.Proven {
		return nil
	}
	to, ok := r.t.(Discarder)
	if !ok {
		return nil
	}
	for _, e := range r.stale() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := to.Discard(e.Offset, e.Length); err != nil {
			return fmt.Errorf("discarding %d bytes of free space at %d: %w", e.Length, e.Offset, err)
		}
		r.report.DiscardedBytes += e.Length
	}
	return r.w.flush()
}

// stale returns what discard may take, in order, rounded inwards to whole sectors and pages.
func (r *run) stale() []manifest.Extent {
	var used []manifest.Extent
	for _, e := range r.m.Chunks.All() {
		for _, p := range e.Pieces {
			used = append(used, manifest.Extent{Offset: p.Offset, Length: int64(p.Length)})
		}
	}
	for _, f := range r.m.Fills {
		used = append(used, f.Extent)
	}
	used = append(used, r.m.DontCare...)
	for _, x := range r.exceptions {
		used = append(used, x.Extent)
	}
	used = append(used, extents(r.plan.Tables)...)
	used = append(used, extents(r.plan.First)...)
	if a := r.plan.Ardoise; a != nil {
		used = append(used, manifest.Extent{Offset: a.Start, Length: a.Length})
	}
	for _, v := range r.m.Volumes {
		used = append(used, v.Heads...)
	}
	slices.SortFunc(used, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	var out []manifest.Extent
	for _, v := range r.m.Volumes {
		if v.Partition == 0 && r.m.Disk.Table != manifest.NoTable {
			continue
		}
		at, end := v.Start, v.Start+v.Length
		first, _ := slices.BinarySearchFunc(used, v.Start, func(e manifest.Extent, off int64) int { return cmp.Compare(e.Offset, off) })
		for _, e := range used[first:] {
			if e.Offset >= end {
				break
			}
			out = appendWhole(out, at, e.Offset)
			at = max(at, e.End())
		}
		out = appendWhole(out, at, end)
	}
	return out
}

// discardWorth is the least that is discarded at once: smaller runs cost a drive more than they give it.
const discardWorth = 32 << 10

// appendWhole appends the pages between two offsets that lie wholly there, if it is worth it.
func appendWhole(list []manifest.Extent, from, to int64) []manifest.Extent {
	from, to = (from+readUnit-1)/readUnit*readUnit, to/readUnit*readUnit
	if to-from >= discardWorth {
		list = append(list, manifest.Extent{Offset: from, Length: to - from})
	}
	return list
}
