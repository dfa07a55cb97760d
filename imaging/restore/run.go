package restore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// run is one restore, verification or preview.
type run struct {
	o          Options
	m          *manifest.Manifest
	t          Target
	have       *disk.Table // what the disk says now; nil when nobody can tell
	plan       *disk.TablePlan
	codec      *chunk.Codec
	exceptions []exception         // by offset
	patched    map[uint32]chunk.ID // entries with an exception inside: the id they should have on this disk
	ours       *disk.Ardoise       // as it is on the disk now, or nil
	markers    []Marker
	w          *writer
	disk       sweep.Disk // the target as a scan reads it
	report     Report

	telling  sync.Mutex // guards progress
	progress Progress
	done     atomic.Int64 // bytes of this phase

	readBytes, fetchedBytes, fetchedChunks, copied atomic.Int64
	fillBytes                                      int64 // read of fills
	came                                           came

	rooms    [2][]byte // memory of batches that are fetched, kept for the next ones
	payloads sync.Pool // of *[]byte: frames on their way

	vouched Vouched // what need not be read; nil: nothing
	found   found   // of entries that differ, where somebody vouches for others

	marked string            // the phase that the marks name
	broken bool              // breakDisk has begun
	dirty  atomic.Bool       // something has been written
	held   []manifest.Extent // places of heads that were broken, by offset
}

// came counts what came by a carousel, and which entries the disk held.
type came struct{ chunks, bytes, damaged, changed, held, heldBytes atomic.Int64 }

// Run makes the target equal to the manifest, writing only what differs, and proves it by reading everything back. The
// order of its writes is that of imaging/DESIGN.md, "The order of a restore": wherever it is interrupted, either the mark
// stands, or what is unfinished does not start, and running again goes on.
//
// It fails with *disk.TooSmallError, *disk.SectorSizeError and *InvalidError before anything is written, and with
// *SourceError, *WriteError, *MismatchError or the context's error later.
func Run(ctx context.Context, o Options) (Report, error) {
	r, err := prepare(ctx, o)
	if err != nil {
		return Report{}, err
	}
	err = r.run(ctx)
	var source *SourceError
	if errors.As(err, &source) {
		source.Written = r.dirty.Load()
	}
	return r.finalReport(), err
}

func (r *run) finalReport() Report {
	r.report.ReadBytes, r.report.WrittenBytes = r.readBytes.Load(), r.w.written.Load()
	r.report.FillBytes = r.fillBytes
	r.report.FetchedBytes, r.report.FetchedChunks = r.fetchedBytes.Load(), int(r.fetchedChunks.Load())
	r.report.CopiedChunks = int(r.copied.Load())
	r.report.CarouselChunks, r.report.CarouselBytes = int(r.came.chunks.Load()), r.came.bytes.Load()
	r.report.CarouselDamaged = int(r.came.damaged.Load())
	r.report.HeldChunks, r.report.HeldBytes = int(r.came.held.Load()), r.came.heldBytes.Load()
	return r.report
}

func (r *run) run(ctx context.Context) error {
	look := r.look
	if r.o.Carousel != nil {
		look = r.receive
	}
	r.vouch()
	f, err := look(ctx)
	r.report.ChangedChunks = int(r.came.changed.Load())
	if err != nil {
		return err
	}
	r.report.ChangedChunks += f.count
	r.report.DifferedBytes = r.differedBytes(f)
	if !r.broken && f.nothing() {
		r.report.Proven = true
		if err := r.forgetMark(ctx); err != nil {
			return err
		}
		return r.discard(ctx)
	}
	if err := r.checkSource(f); err != nil {
		return err
	}
	if r.o.Prove && !r.broken {
		if err := r.prove(ctx, f); err != nil {
			return err
		}
	}
	steps := []func(context.Context, *findings) error{
		r.writeData, r.writeMetadata, r.writeHeads, r.writeTables, r.readBack,
	}
	if !r.broken {
		r.begin(PhaseBreak, 0)
		steps = append([]func(context.Context, *findings) error{r.breakDisk}, steps...)
	}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx, f); err != nil {
			return err
		}
	}
	for _, m := range r.markers {
		if err := m.Clear(ctx); err != nil {
			return fmt.Errorf("taking the mark away: %w", err)
		}
	}
	return r.discard(ctx)
}

// look finds out what differs.
func (r *run) look(ctx context.Context) (*findings, error) {
	f, err := r.scan(ctx, PhaseScan, r.everything())
	if err != nil {
		return nil, err
	}
	for i, e := range r.m.Chunks.All() {
		if !f.differs(uint32(i)) {
			r.came.held.Add(1)
			r.came.heldBytes.Add(onDisk(e))
		}
	}
	return f, r.findArdoise(f)
}

// differedBytes returns the bytes of entries, fills and exceptions that differ.
func (r *run) differedBytes(f *findings) int64 {
	var n int64
	for i := range f.changed(r) {
		n += onDisk(r.m.Chunks.At(int(i)))
	}
	for _, x := range f.fills {
		n += x.Length
	}
	for _, i := range f.exceptions {
		n += r.exceptions[i].Length
	}
	return n
}

// onDisk returns the bytes of an entry's pieces.
func onDisk(e manifest.Entry) int64 {
	var n int64
	for _, p := range e.Pieces {
		n += int64(p.Length)
	}
	return n
}

// checkSource refuses to begin, or to go on with, what cannot be ended.
func (r *run) checkSource(f *findings) error {
	switch {
	case r.o.Source != nil:
	case r.o.Carousel == nil && f.count+len(f.unproven) > 0:
		return &SourceError{Err: errors.New("there is no source")}
	case r.o.Carousel != nil:
		if n := r.countFetches(f); n > 0 {
			err := fmt.Errorf("%d did not come, and there is no other source", n)
			if r.report.CarouselError != "" {
				err = fmt.Errorf("%w: %s", err, r.report.CarouselError)
			}
			return &SourceError{Err: err}
		}
	}
	return nil
}

// prepare checks what was asked, without writing.
func prepare(ctx context.Context, o Options) (*run, error) {
	if o.Vouched != nil && o.Carousel != nil {
		return nil, &InvalidError{"what is vouched for and a carousel do not go together"}
	}
	r := &run{o: o, m: o.Manifest, t: o.Target, patched: map[uint32]chunk.ID{}}
	r.report.Level = job.LevelFull
	sector := o.SectorSize
	if sector == 0 {
		sector = o.Manifest.Disk.SectorSize
	}
	var err error
	// A table that contradicts itself is no table: it will be replaced.
	if r.have, err = disk.ReadTable(o.Target, o.Target.Size(), sector); err != nil {
		var bad *disk.TableError
		if !errors.As(err, &bad) {
			var size *disk.SectorSizeError
			if errors.As(err, &size) {
				return nil, err
			}
			return nil, fmt.Errorf("reading the partition table: %w", err)
		}
		r.have = nil
	}
	if r.plan, err = disk.PlanOver(r.have, o.Manifest, o.Target.Size(), sector,
		disk.Ours{Ardoise: o.MakeArdoise, Cache: o.Cache}); err != nil {
		return nil, err
	}
	r.report.Ardoise, r.report.WhyNot = r.plan.Ardoise, r.plan.WhyNot
	r.report.Cache, r.report.WhyNoCache = r.plan.Cache, r.plan.WhyNoCache
	if r.have != nil {
		r.report.Warnings = r.have.Warnings
	}
	if r.codec, err = chunk.NewCodec(1); err != nil {
		return nil, err
	}
	r.w = &writer{r: r, sector: int64(sector)}
	r.disk = sweep.Disk{Table: &r.m.Chunks, Size: r.t.Size(), InTurn: o.Rotates, Read: r.fill}
	if err := r.checkPlaces(); err != nil {
		return nil, err
	}
	if err := r.takeExceptions(); err != nil {
		return nil, err
	}
	return r, r.patchEntries(ctx)
}

// checkPlaces refuses a manifest that writes into its own partition table or into our partitions: Decode has checked all
// else.
func (r *run) checkPlaces() error {
	taken := extents(r.plan.Tables)
	for _, p := range []*manifest.Partition{r.plan.Ardoise, r.plan.Cache} {
		if p != nil {
			taken = append(taken, manifest.Extent{Offset: p.Start, Length: p.Length})
		}
	}
	for i, e := range r.m.Chunks.All() {
		if len(e.Pieces) > maxPieces {
			return &InvalidError{fmt.Sprintf("chunk %d is in %d pieces", i, len(e.Pieces))}
		}
		for _, p := range e.Pieces {
			if overlaps(taken, p.Offset, int64(p.Length)) {
				return &InvalidError{fmt.Sprintf("chunk %d at byte %d lies in the partition table or in a partition of ours", i, p.Offset)}
			}
			if p.Offset > r.t.Size()-int64(p.Length) {
				return &disk.TooSmallError{Need: p.Offset + int64(p.Length), Have: r.t.Size()}
			}
		}
	}
	for _, x := range r.m.Fills {
		if overlaps(taken, x.Offset, x.Length) {
			return &InvalidError{fmt.Sprintf("the fill at byte %d lies in the partition table or in a partition of ours", x.Offset)}
		}
		if x.End() > r.t.Size() {
			return &disk.TooSmallError{Need: x.End(), Have: r.t.Size()}
		}
	}
	var heads int64
	for _, v := range r.m.Volumes {
		for _, h := range v.Heads {
			heads += h.Length
		}
	}
	if heads > maxHeads {
		return &InvalidError{fmt.Sprintf("the heads of its volumes are %d bytes", heads)}
	}
	return nil
}

// maxPieces is twice what a chunk can be cut into by sectors; maxHeads bounds the memory in which heads wait.
const (
	maxPieces = 2 * chunk.MaxSize / 512
	maxHeads  = 64 << 20
)

// findArdoise opens ours where it is, and notes whether it must be made.
func (r *run) findArdoise(f *findings) error {
	if r.have != nil && r.have.Ardoise != nil {
		a, err := disk.OpenArdoise(r.t, *r.have.Ardoise)
		var not *disk.NoArdoiseError
		if err != nil && !errors.As(err, &not) {
			return err
		}
		r.ours = a
	}
	f.makeArdoise = r.plan.Ardoise != nil && (r.ours == nil || r.ours.Layout() < disk.Layout || !r.atPlace())
	if f.makeArdoise && !r.o.MakeArdoise && f.table == "" {
		// One that is not whole is left as it is by somebody who was not asked to make one.
		f.makeArdoise = false
	}
	return nil
}

// atPlace tells whether the ARDOISE that is there lies where the plan wants it.
func (r *run) atPlace() bool {
	return r.plan.Ardoise.Start == r.have.Ardoise.Start && r.plan.Ardoise.Length == r.have.Ardoise.Length
}

// forgetMark takes away a mark that an interrupted run left on a disk that is found to be right.
func (r *run) forgetMark(ctx context.Context) error {
	if r.ours != nil {
		mark, err := r.ours.Mark().Load()
		var damaged *disk.DamagedSlotError
		if err != nil && !errors.As(err, &damaged) {
			return err
		}
		if mark != nil || err != nil {
			if err := r.ours.Mark().Clear(ctx); err != nil {
				return fmt.Errorf("taking the mark away: %w", err)
			}
		}
	}
	if r.o.Marker != nil {
		if err := r.o.Marker.Clear(ctx); err != nil {
			return fmt.Errorf("taking the mark away: %w", err)
		}
	}
	return nil
}

// setMarks writes the mark for a phase wherever one is kept, and returns when it is durable.
func (r *run) setMarks(ctx context.Context, phase string) error {
	if r.marked == phase {
		return nil
	}
	mark := r.o.Mark
	mark.Phase = phase
	for _, m := range r.markers {
		if err := m.Set(ctx, mark); err != nil {
			return fmt.Errorf("setting the mark: %w", err)
		}
	}
	r.marked = phase
	return nil
}

// readBack proves the disk: it is read from the medium and compared again. Where nobody vouched for anything that is all of
// it, since a write may have gone elsewhere; else what was written, since most of elsewhere is not looked at anyway.
func (r *run) readBack(ctx context.Context, found *findings) error {
	if err := r.setMarks(ctx, PhaseVerify); err != nil {
		return err
	}
	s := r.everything()
	if r.vouched != nil {
		s = r.written(found)
	}
	before, fills := r.readBytes.Load(), r.fillBytes
	f, err := r.scan(ctx, PhaseVerify, s)
	r.fillBytes = fills // read back they count as that
	r.report.ReadBackBytes = r.readBytes.Load() - before
	if err != nil {
		return err
	}
	if d := r.differences(f); !d.None() {
		return &MismatchError{d}
	}
	if r.plan.Ardoise != nil && (r.o.MakeArdoise || r.ours != nil) {
		if _, err := disk.OpenArdoise(r.t, *r.plan.Ardoise); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
	}
	r.report.Proven = true
	return nil
}

// begin tells a new phase.
func (r *run) begin(phase string, total int64) {
	r.telling.Lock()
	r.progress.Phase, r.progress.Total = phase, total
	r.done.Store(0)
	r.telling.Unlock()
	r.advance(0)
}

// advance counts n more bytes of this phase. While somebody is being told, others who come by only count.
func (r *run) advance(n int64) {
	r.done.Add(n)
	if r.o.Progress == nil || !r.telling.TryLock() {
		return
	}
	defer r.telling.Unlock()
	r.progress.Done, r.progress.Written = r.done.Load(), r.w.written.Load()
	r.progress.Fetched = r.fetchedBytes.Load() + r.came.bytes.Load()
	r.o.Progress(r.progress)
}
