package restore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Differences is what a disk holds differently from a master. The zero value means: nothing.
type Differences struct {
	Streams    []StreamDifference // ordered by number
	Fills      []manifest.Extent  // that are not the fill byte, in steps of 64 KiB
	Exceptions []int              // indexes into Options.Exceptions
	Table      string             // why the table is not the master's; "" if it is
	Unproven   []manifest.Extent  // chunks with an exception inside, which cannot be judged without a Source
}

// StreamDifference is a stream with chunks that differ.
type StreamDifference struct {
	Stream     uint32
	Volume     int   // index into Manifest.Volumes
	Chunks     int   // that differ
	Bytes      int64 // of these chunks on the disk
	Extents    []manifest.Extent
	Unreadable bool // the disk did not give some of them
}

// maxExtents is the most extents that are kept of one stream that differs.
const maxExtents = 16

// None tells whether the disk is proven to hold the master.
func (d *Differences) None() bool {
	return len(d.Streams) == 0 && len(d.Fills) == 0 && len(d.Exceptions) == 0 && d.Table == "" && len(d.Unproven) == 0
}

// Summary says in one line what differs.
func (d *Differences) Summary() string {
	if d.None() {
		return "no differences"
	}
	s := fmt.Sprintf("%d streams, %d fills, %d exceptions differ", len(d.Streams), len(d.Fills), len(d.Exceptions))
	if len(d.Streams) > 0 {
		f := d.Streams[0]
		s += fmt.Sprintf("; stream %d at byte %d", f.Stream, f.Extents[0].Offset)
	} else if len(d.Fills) > 0 {
		s += fmt.Sprintf("; fill at byte %d", d.Fills[0].Offset)
	}
	if d.Table != "" {
		s += "; table: " + d.Table
	}
	if len(d.Unproven) > 0 {
		s += fmt.Sprintf("; %d chunks not proven", len(d.Unproven))
	}
	return s
}

// Verify reads from the medium everything that the manifest and the exceptions say about the disk and returns what
// differs. It writes nothing.
func Verify(ctx context.Context, o Options) (Differences, Report, error) {
	r, err := prepare(ctx, o)
	if err != nil {
		return Differences{}, Report{}, err
	}
	f, err := r.scan(ctx, PhaseVerify, r.everything())
	if err != nil {
		return Differences{}, r.finalReport(), err
	}
	d := r.differences(f)
	r.report.Proven = d.None()
	return d, r.finalReport(), nil
}

// Preview is what Run would do to a disk as it is now.
type Preview struct {
	WriteBytes  int64             // at least; heads of changed volumes, ARDOISE and the mark come on top
	FetchChunks int               // different chunks whose content must come from the source
	Ranges      []manifest.Extent // to be written, joined over gaps of less than 1 MiB, at most 4096
	Volumes     []int             // that change, as indexes into Manifest.Volumes
	Table       string            // why the table is written anew; "" if it stays
	Ardoise     *manifest.Partition
	MakeArdoise bool   // it is not there yet
	WhyNot      string // why there is no ARDOISE, a sentence
}

// Look says what Run would do, without writing: which bytes of the disk change.
func Look(ctx context.Context, o Options) (Preview, error) {
	r, err := prepare(ctx, o)
	if err != nil {
		return Preview{}, err
	}
	f, err := r.scan(ctx, PhaseScan, r.everything())
	if err != nil {
		return Preview{}, err
	}
	if err := r.findArdoise(f); err != nil {
		return Preview{}, err
	}
	p := Preview{Table: f.table, Ardoise: r.plan.Ardoise, MakeArdoise: f.makeArdoise, WhyNot: r.plan.WhyNot}
	var all []manifest.Extent
	for i := range f.changed(r) {
		for _, piece := range r.m.Chunks.At(int(i)).Pieces {
			all = append(all, manifest.Extent{Offset: piece.Offset, Length: int64(piece.Length)})
		}
	}
	for _, d := range f.fills {
		all = append(all, d.Extent)
	}
	for _, i := range f.exceptions {
		all = append(all, r.exceptions[i].Extent)
	}
	for _, e := range all {
		p.WriteBytes += e.Length
	}
	p.Ranges = joinNear(all)
	p.Volumes = r.changedVolumes(f)
	p.FetchChunks = r.countFetches(f)
	return p, nil
}

// joinNear joins extents over ever larger gaps until few are left.
func joinNear(all []manifest.Extent) []manifest.Extent {
	slices.SortFunc(all, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	for gap := int64(1 << 20); ; gap *= 4 {
		var out []manifest.Extent
		for _, e := range all {
			if n := len(out); n > 0 && e.Offset-out[n-1].End() < gap {
				out[n-1].Length = max(out[n-1].End(), e.End()) - out[n-1].Offset
				continue
			}
			out = append(out, e)
		}
		if len(out) <= 4096 {
			return out
		}
		all = out
	}
}

// differences puts the findings of a scan into words of streams and places.
func (r *run) differences(f *findings) Differences {
	d := Differences{Exceptions: f.exceptions, Table: f.table}
	for _, x := range f.fills {
		d.Fills = append(d.Fills, x.Extent)
	}
	byStream := map[uint32]int{}
	for i := range f.changed(r) {
		e := r.m.Chunks.At(int(i))
		at, ok := byStream[e.Stream]
		if !ok {
			at = len(d.Streams)
			byStream[e.Stream] = at
			d.Streams = append(d.Streams, StreamDifference{Stream: e.Stream, Volume: r.volumeOf(e.Pieces[0].Offset)})
		}
		s := &d.Streams[at]
		s.Chunks++
		s.Unreadable = s.Unreadable || f.unreadable[i]
		for _, p := range e.Pieces {
			s.Bytes += int64(p.Length)
			if len(s.Extents) < maxExtents {
				s.Extents = append(s.Extents, manifest.Extent{Offset: p.Offset, Length: int64(p.Length)})
			}
		}
	}
	slices.SortFunc(d.Streams, func(a, b StreamDifference) int { return cmp.Compare(a.Stream, b.Stream) })
	for _, i := range f.unproven {
		p := r.m.Chunks.At(int(i)).Pieces[0]
		d.Unproven = append(d.Unproven, manifest.Extent{Offset: p.Offset, Length: int64(p.Length)})
	}
	return d
}

// volumeOf returns the index of the volume that holds the byte at offset, -1 if none does.
func (r *run) volumeOf(offset int64) int {
	v := r.m.Volumes
	i := sort.Search(len(v), func(i int) bool { return v[i].Start > offset }) - 1
	if i < 0 || offset >= v[i].Start+v[i].Length {
		return -1
	}
	return i
}

// NameStreams gives each stream of d its name, in the order of the table (manifest.ReadNames reads one).
func NameStreams(d *Differences, names iter.Seq2[manifest.Name, error], yield func(manifest.Name, StreamDifference)) error {
	i := 0
	for n, err := range names {
		if err != nil {
			return fmt.Errorf("reading the names of files: %w", err)
		}
		for i < len(d.Streams) && d.Streams[i].Stream < n.Stream {
			i++
		}
		if i == len(d.Streams) {
			return nil
		}
		if d.Streams[i].Stream == n.Stream {
			yield(n, d.Streams[i])
		}
	}
	return nil
}
