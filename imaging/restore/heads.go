package restore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// breakDisk sets the mark, makes ARDOISE where it is wanted, and makes every volume that will change unmountable.
func (r *run) breakDisk(ctx context.Context, f *findings) error {
	if r.o.Marker != nil {
		r.markers = append(r.markers, r.o.Marker)
	}
	if r.ours != nil {
		r.markers = append(r.markers, r.ours.Mark())
	}
	if err := r.setMarks(ctx, PhaseBreak); err != nil {
		return err
	}
	r.broken = true
	r.holdHeads(f)
	if err := r.firstTable(ctx, f); err != nil {
		return err
	}
	if r.plan.Ardoise == nil && r.ours != nil {
		// It has no room beside this master: its place is the master's from here on, and must not be marked any more.
		r.markers, r.ours = r.markers[:len(r.markers)-1], nil
	}
	return r.zeroHeads(ctx)
}

// firstTable divides a disk whose table is not the master's: our partition alone. It is made before the table names it
// where an older ARDOISE keeps the mark meanwhile; else after, since the old system must not start beside it.
func (r *run) firstTable(ctx context.Context, f *findings) error {
	moves := f.makeArdoise && r.ours != nil &&
		!overlaps([]manifest.Extent{{Offset: r.have.Ardoise.Start, Length: r.have.Ardoise.Length}},
			r.plan.Ardoise.Start, r.plan.Ardoise.Length)
	if moves {
		if err := r.makeArdoise(); err != nil {
			return err
		}
	}
	if f.table != "" {
		if err := r.writeTable(ctx, r.plan.First); err != nil {
			return err
		}
	}
	if f.makeArdoise && !moves {
		return r.makeArdoise()
	}
	return nil
}

// makeArdoise makes ours with the mark standing in it, and with what the older one kept.
func (r *run) makeArdoise() error {
	mark := r.o.Mark
	mark.Phase = PhaseBreak
	r.dirty.Store(true)
	a, err := disk.MakeArdoise(r.t, *r.plan.Ardoise, int(r.w.sector),
		disk.MakeOptions{Serial: r.o.Serial, Carry: r.ours, Mark: &mark})
	if err != nil {
		return err
	}
	if r.ours != nil {
		// The old one's place belongs to the master now: its mark is written over with all else.
		r.markers = r.markers[:len(r.markers)-1]
	}
	r.ours = a
	r.markers = append(r.markers, a.Mark())
	return nil
}

// writeTable makes each write durable before the next: the order is the plan's.
func (r *run) writeTable(ctx context.Context, writes []disk.Write) error {
	for _, t := range writes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.w.write(t.Offset, t.Bytes); err != nil {
			return err
		}
		if err := r.w.flush(); err != nil {
			return err
		}
	}
	return nil
}

// holdHeads takes what is to be broken into memory: the heads of volumes that change, and what the first table writes
// over that is not the table's own. What the disk holds there now is right unless a chunk that differs says otherwise.
func (r *run) holdHeads(f *findings) {
	var hold []head
	add := func(e manifest.Extent, volume int) {
		for _, x := range without(e, extents(r.plan.Tables)) {
			hold = append(hold, head{Extent: x, volume: volume})
		}
	}
	for _, v := range r.changedVolumes(f) {
		for _, e := range r.m.Volumes[v].Heads {
			add(e, v)
		}
	}
	if f.table != "" {
		for _, e := range extents(r.plan.First) {
			add(e, -1)
		}
	}
	slices.SortStableFunc(hold, func(a, b head) int { return cmp.Compare(a.Offset, b.Offset) })
	var end int64
	var heads []head
	for _, h := range hold {
		// Heads of a volume may overlap each other and the place of a table.
		if cut := end - h.Offset; cut > 0 {
			h.Offset, h.Length = h.Offset+cut, h.Length-cut
		}
		if h.Length <= 0 {
			continue
		}
		end = h.End()
		heads = r.hold(heads, h)
	}
	for _, h := range heads {
		r.held = append(r.held, h.Extent)
	}
	r.w.mu.Lock()
	r.w.heads = heads
	r.w.mu.Unlock()
}

// hold takes the bytes of a head into memory: its first sector, where the magic is, and the rest apart.
func (r *run) hold(heads []head, h head) []head {
	first := h
	first.Length = min(h.Length, r.w.sector-h.Offset%r.w.sector)
	rest := h
	rest.Offset, rest.Length, rest.tail = h.Offset+first.Length, h.Length-first.Length, true
	for _, x := range []head{first, rest} {
		if x.Length == 0 {
			continue
		}
		x.bytes = make([]byte, x.Length)
		// What cannot be read differs, and comes from a chunk.
		_, _ = r.read(x.bytes, x.Offset)
		heads = append(heads, x)
	}
	return heads
}

// changedVolumes returns the volumes in which anything differs, as indexes, in disk order.
func (r *run) changedVolumes(f *findings) []int {
	changed := make([]bool, len(r.m.Volumes))
	note := func(off int64) {
		if v := r.volumeOf(off); v >= 0 {
			changed[v] = true
		}
	}
	for i := range f.changed(r) {
		note(r.m.Chunks.At(int(i)).Pieces[0].Offset)
	}
	for _, x := range f.fills {
		note(x.Offset)
	}
	for _, i := range f.exceptions {
		note(r.exceptions[i].Offset)
	}
	var out []int
	for v, c := range changed {
		if c {
			out = append(out, v)
		}
	}
	return out
}

// isESP tells whether the firmware looks for a loader in a volume: it is broken first and healed last.
func (r *run) isESP(volume int) bool {
	if volume < 0 {
		return false
	}
	for _, p := range r.m.Partitions {
		if p.Number == r.m.Volumes[volume].Partition {
			return p.Type == disk.TypeESP || p.Type == disk.TypeMBRESP
		}
	}
	return false
}

// zeroHeads makes the volumes unmountable and unbootable, durably: the first sectors of the firmware's partition, then
// of the others, then the rest, so that no half of a head is ever left with its magic. Zeros are left alone.
func (r *run) zeroHeads(ctx context.Context) error {
	zero := func(h head) error {
		if h.volume < 0 || isZero(h.bytes) {
			return nil
		}
		return r.w.write(h.Offset, make([]byte, h.Length))
	}
	esp := func(h head) bool { return !h.tail && r.isESP(h.volume) }
	other := func(h head) bool { return !h.tail && !r.isESP(h.volume) }
	tail := func(h head) bool { return h.tail }
	return r.eachHead(ctx, zero, esp, other, tail)
}

// writeHeads brings the heads back, in the other order.
func (r *run) writeHeads(ctx context.Context, _ *findings) error {
	if err := r.setMarks(ctx, PhaseHeads); err != nil {
		return err
	}
	r.begin(PhaseHeads, 0)
	write := func(h head) error { return r.w.write(h.Offset, h.bytes) }
	esp := func(h head) bool { return !h.tail && r.isESP(h.volume) }
	other := func(h head) bool { return !h.tail && !r.isESP(h.volume) }
	tail := func(h head) bool { return h.tail }
	if err := r.eachHead(ctx, write, tail, other, esp); err != nil {
		return err
	}
	r.w.heads = nil
	return nil
}

// eachHead does something with the heads that each of the kinds takes, and flushes after each kind.
func (r *run) eachHead(ctx context.Context, do func(head) error, kinds ...func(head) bool) error {
	for _, is := range kinds {
		for _, h := range r.w.heads {
			if !is(h) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(h); err != nil {
				return err
			}
		}
		if err := r.w.flush(); err != nil {
			return err
		}
	}
	return nil
}

// writeTables ends the writing with the master's table.
func (r *run) writeTables(ctx context.Context, f *findings) error {
	if f.table == "" {
		return nil
	}
	if err := r.writeTable(ctx, r.plan.Tables); err != nil {
		return fmt.Errorf("writing the partition table: %w", err)
	}
	return nil
}

func extents(writes []disk.Write) []manifest.Extent {
	out := make([]manifest.Extent, 0, len(writes))
	for _, w := range writes {
		out = append(out, manifest.Extent{Offset: w.Offset, Length: int64(len(w.Bytes))})
	}
	return out
}

func overlaps(list []manifest.Extent, off, n int64) bool {
	for _, e := range list {
		if e.Offset < off+n && off < e.End() {
			return true
		}
	}
	return false
}

// without returns e less the extents of list.
func without(e manifest.Extent, list []manifest.Extent) []manifest.Extent {
	left := []manifest.Extent{e}
	for _, x := range list {
		var next []manifest.Extent
		for _, l := range left {
			if x.End() <= l.Offset || l.End() <= x.Offset {
				next = append(next, l)
				continue
			}
			if l.Offset < x.Offset {
				next = append(next, manifest.Extent{Offset: l.Offset, Length: x.Offset - l.Offset})
			}
			if x.End() < l.End() {
				next = append(next, manifest.Extent{Offset: x.End(), Length: l.End() - x.End()})
			}
		}
		left = next
	}
	return left
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
