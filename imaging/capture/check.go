package capture

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
)

// ClassError says that what a capture found does not add up: a reader of volumes is wrong, or the disk changed.
type ClassError struct {
	Volume int   // index into Manifest.Volumes; -1 when a place lies in none
	Offset int64 // bytes from the start of the disk
	Reason string
}

// Error implements error.
func (e *ClassError) Error() string {
	return fmt.Sprintf("classes of volume %d at disk offset %d: %s", e.Volume, e.Offset, e.Reason)
}

// checkClasses makes sure that every byte has at most one class, and that each volume's classes add up to what it uses.
func checkClasses(m *manifest.Manifest) error {
	var all []manifest.Extent
	for _, e := range m.Chunks.All() {
		for _, p := range e.Pieces {
			all = append(all, manifest.Extent{Offset: p.Offset, Length: int64(p.Length)})
		}
	}
	for _, f := range m.Fills {
		all = append(all, f.Extent)
	}
	all = append(all, m.DontCare...)
	slices.SortFunc(all, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	next := 0
	for i, v := range m.Volumes {
		var used int64
		at, end := v.Start, v.Start+v.Length
		for ; next < len(all) && all[next].Offset < end; next++ {
			e := all[next]
			if e.Offset < at || e.Length <= 0 || e.End() > end {
				return &ClassError{i, e.Offset, "two places overlap, or one lies outside"}
			}
			at = e.End()
			used += e.Length
		}
		if used != v.Used {
			return &ClassError{i, v.Start, fmt.Sprintf("%d bytes have a class, %d are used", used, v.Used)}
		}
	}
	if next < len(all) {
		return &ClassError{-1, all[next].Offset, "lies in no volume"}
	}
	return nil
}
