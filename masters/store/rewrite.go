package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
)

// batchPacks is how many packs are rewritten before the old ones are removed: so much room that takes at most. With less
// room there are fewer.
const batchPacks = 16

// rewriter moves frames into new packs and removes the old: new pack durable, known, index, then the old pack once
// nobody reads it. A crash in between leaves frames twice, never nowhere.
type rewriter struct {
	s     *Store
	w     Work
	todo  []uint32
	drops bool // tombstones, instead of moving them too

	// change makes other frames of the same chunks; nil: as they are. level is what the new packs then have.
	change func(ctx context.Context, frames []chunk.Frame) error
	level  uint8

	out     *openPack
	from    map[chunk.ID]frameAt // where the frames in out were read
	sources []source             // whose frames are all in out, or moved
	emptied []uint32             // in which nothing known lies any more

	batch              int // packs in hand at most
	skipped            int // packs for which there was no room
	lacking            int64
	done, total        int64
	rewritten, removed int
	moved, freed       int64
	buf                []byte

	stepped time.Time // the end of the last step
	others  int64     // what others had done by then
}

// source is a pack whose frames are moved.
type source struct {
	number  uint32
	entries []entry
	level   uint8
}

// run rewrites all packs of todo that there is room for.
func (r *rewriter) run(ctx context.Context) error {
	r.batch = batchPacks
	err := r.rewriteAll(ctx)
	if errors.Is(err, syscall.ENOSPC) { // there was less room than we were told: one pack at a time may fit
		r.drop()
		r.batch, r.skipped, r.lacking, r.done = 1, 0, 0, 0
		err = r.rewriteAll(ctx)
	}
	r.drop()
	return err
}

// rest ends a step of n bytes: it waits as long as the rate wants, and, if anybody has put or fetched a frame meanwhile,
// for twice the time that the step took at least: who captures or deploys has two thirds of the disk, however hurried the
// collection.
func (r *rewriter) rest(ctx context.Context, n int) error {
	wait := r.w.within(n)
	others := r.s.others.Load()
	if others != r.others && !r.stepped.IsZero() {
		wait = max(wait, min(2*time.Since(r.stepped), mostRest))
	}
	err := ctx.Err()
	if wait > 0 && err == nil {
		err = r.s.sleep(ctx, wait)
	}
	r.stepped, r.others = time.Now(), others
	return err
}

// mostRest is the longest rest after one step, unless the rate wants more.
const mostRest = 2 * time.Second

// drop throws away a new pack that was not finished: nothing counts on it.
func (r *rewriter) drop() {
	if r.out != nil {
		r.out.discard(r.s.fs)
		r.out = nil
	}
	r.rewritten -= len(r.sources)
	r.sources = nil
}

func (r *rewriter) rewriteAll(ctx context.Context) error {
	r.from, r.total = map[chunk.ID]frameAt{}, 0
	r.s.mu.RLock()
	for _, number := range r.todo {
		r.total += r.s.packs[number].size
	}
	r.s.mu.RUnlock()
	for _, number := range r.todo {
		r.s.mu.RLock()
		p, there := r.s.packs[number]
		r.s.mu.RUnlock()
		if !there {
			continue
		}
		c, err := r.s.readContents(number)
		if errors.Is(err, fs.ErrNotExist) {
			r.s.losePack(number)
			continue
		}
		if errors.Is(err, syscall.EIO) { // a scrub names it
			continue
		}
		if err != nil {
			return err
		}
		from := source{number: number, entries: c.entries, level: c.level}
		if c.damage != nil {
			from.entries = r.s.withIndexed(number, c.entries)
		}
		r.done += p.size
		wanted := r.known(from, true)
		if fits, err := r.makeRoom(ctx, wanted); err != nil || !fits {
			if err != nil {
				return err
			}
			continue
		}
		if err := r.take(ctx, from, wanted); err != nil {
			return err
		}
		r.sources = append(r.sources, from)
		r.rewritten++
		r.w.show("rewrite", r.done, r.total)
		if len(r.sources) >= r.batch {
			if err := r.settle(ctx); err != nil {
				return err
			}
		}
	}
	return r.settle(ctx)
}

// makeRoom tells whether there is room for copies of these frames, after removing the packs in hand if there was none.
// A pack that does not fit is left as it is, and counted.
func (r *rewriter) makeRoom(ctx context.Context, entries []entry) (fits bool, err error) {
	need := int64(writeSize + trailerSize) // what may wait to be written, too
	for _, e := range entries {
		need += int64(e.size) + entrySize
	}
	free, _, known := r.s.free()
	if len(entries) == 0 || !known || free >= need {
		return true, nil
	}
	if err := r.settle(ctx); err != nil {
		return false, err
	}
	if free, _, known = r.s.free(); !known || free >= need {
		return true, nil
	}
	r.skipped++
	if r.lacking == 0 || need-free < r.lacking {
		r.lacking = need - free
	}
	return false, nil
}

// withIndexed adds to what was found in a damaged pack what the index knows to have been there.
func (s *Store) withIndexed(number uint32, found []entry) []entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	there := make(map[uint32]bool, len(found))
	for _, e := range found {
		there[e.offset] = true
	}
	for shard := range shardCount {
		s.known.each(shard, func(id chunk.ID, p place) {
			if p.pack == number && !there[p.offset] {
				found = append(found, entry{id: id, offset: p.offset, size: p.size, length: p.length})
			}
		})
	}
	slices.SortFunc(found, func(a, b entry) int { return cmp.Compare(a.offset, b.offset) })
	return found
}

// known returns the entries of a pack that the index knows there: those to be moved, or else the tombstones.
func (r *rewriter) known(from source, wanted bool) []entry {
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	return r.lying(from, wanted)
}

// lying is known for a caller that holds mu.
func (r *rewriter) lying(from source, wanted bool) []entry {
	var found []entry
	for _, e := range from.entries {
		p, ok := r.s.known.get(e.id)
		if ok && p.pack == from.number && p.offset == e.offset && (p.seen != 0 || !r.drops) == wanted {
			found = append(found, e)
		}
	}
	return found
}

// take copies frames into the new pack.
func (r *rewriter) take(ctx context.Context, from source, entries []entry) error {
	for len(entries) > 0 {
		n := neighbouring(entries)
		frames, err := r.s.readFrames(&r.buf, from.number, entries[:n])
		if err != nil {
			return err
		}
		if r.change != nil {
			if err := r.change(ctx, frames); err != nil {
				return err
			}
		}
		for _, f := range frames {
			at := frameAt{pack: from.number, offset: offsetOf(entries, f.ID)}
			if err := r.add(f, at, from.level); err != nil {
				return err
			}
		}
		last := entries[n-1]
		if err := r.rest(ctx, int(last.offset+last.size-entries[0].offset)); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func offsetOf(entries []entry, id chunk.ID) uint32 {
	for _, e := range entries {
		if e.id == id {
			return e.offset
		}
	}
	return 0
}

// neighbouring returns how many entries, at least one, can be read at once without reading much besides.
func neighbouring(entries []entry) int {
	n := 1
	for n < len(entries) && entries[n].offset == entries[n-1].offset+entries[n-1].size &&
		entries[n].offset+entries[n].size-entries[0].offset <= readSize {
		n++
	}
	return n
}

// readFrames reads frames that follow each other. Those that are damaged it puts into quarantine and leaves out. The
// frames lie in *buf.
func (s *Store) readFrames(buf *[]byte, number uint32, entries []entry) ([]chunk.Frame, error) {
	h := s.handles.use(number)
	defer s.handles.release(h)
	last := entries[len(entries)-1]
	start, size := entries[0].offset, int(last.offset+last.size-entries[0].offset)
	if cap(*buf) < size {
		*buf = make([]byte, max(size, readSize))
	}
	b := (*buf)[:size]
	got, err := s.handles.readAt(h, b, int64(start))
	unreadable := errors.Is(err, syscall.EIO)
	if err != nil && !unreadable {
		return nil, err
	}
	frames := make([]chunk.Frame, 0, len(entries))
	condemned := false
	for _, e := range entries {
		mine := b[e.offset-start:][:e.size]
		if unreadable { // find out which of them the medium does not give back
			if got, err = s.handles.readAt(h, mine, int64(e.offset)); err != nil && !errors.Is(err, syscall.EIO) {
				return nil, err
			}
			got += int(e.offset - start)
		}
		reason := mediumFails
		if err == nil {
			f, damaged := parseFrame(b[e.offset-start:max(int(e.offset-start), min(got, int(e.offset-start)+len(mine)))], e.id, e.size)
			if damaged == nil {
				frames = append(frames, f)
				continue
			}
			reason = damaged.Reason
		}
		s.condemn(e.id, frameAt{number, e.offset}, reason)
		condemned = true
	}
	if condemned {
		return frames, s.writeQuarantine()
	}
	return frames, nil
}

// add puts a frame into the new pack, and begins the next one where that is full.
func (r *rewriter) add(f chunk.Frame, at frameAt, level uint8) (err error) {
	if r.out != nil && r.s.full(r.out, f) {
		if err := r.roll(); err != nil {
			return err
		}
	}
	if r.out == nil {
		r.s.writing.Lock()
		r.out, err = r.s.createPack()
		r.s.writing.Unlock()
		if err != nil {
			r.out = nil
			return err
		}
		r.out.level = level
	}
	if r.out.level = min(r.out.level, level); r.change != nil {
		r.out.level = r.level
	}
	r.from[f.ID] = at
	r.moved += int64(f.Size())
	return r.out.add(f)
}

// roll makes the new pack durable, and then known: where the old frame is known still, or none.
func (r *rewriter) roll() error {
	if r.out == nil {
		return nil
	}
	p, s := r.out, r.s
	r.out = nil
	if err := p.finish(s.fs, s.dir); err != nil {
		p.discard(s.fs)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packs[p.number] = packInfo{size: p.fileSize(), level: p.level}
	s.stale = true
	r.freed -= p.fileSize()
	for _, e := range p.entries {
		old, ok := s.known.get(e.id)
		at := r.from[e.id]
		switch {
		case !ok: // the old frame was found damaged meanwhile; this one is sound
			s.known.put(e.id, e.place(p.number, s.seen()))
		case old.pack == at.pack && old.offset == at.offset:
			s.known.put(e.id, e.place(p.number, old.seen))
		}
		delete(r.from, e.id)
	}
	return nil
}

// settle finishes the packs whose frames were taken, and removes them.
func (r *rewriter) settle(ctx context.Context) error {
	if err := r.roll(); err != nil {
		return err
	}
	for _, from := range r.sources {
		for left := r.empty(from); len(left) > 0; left = r.empty(from) {
			if err := r.take(ctx, from, left); err != nil {
				return err
			}
			if err := r.roll(); err != nil {
				return err
			}
		}
	}
	r.sources = nil
	return r.remove(ctx)
}

// empty makes the tombstones of a pack unknown, in the moment in which nothing else is known to lie in it; what has been
// asked for since it was a tombstone is returned, and must be moved too.
func (r *rewriter) empty(from source) (left []entry) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if left = r.lying(from, true); len(left) > 0 {
		return left
	}
	for _, e := range r.lying(from, false) {
		s.known.remove(e.id)
	}
	s.stale = true
	if !s.precious(from.number) {
		r.emptied = append(r.emptied, from.number)
	}
	return nil
}

// remove removes the emptied packs, once the index has let go of them and nobody reads them. The newest pack of all
// stays, so that no number is given twice: the index tells packs by number and size.
func (r *rewriter) remove(ctx context.Context) error {
	s := r.s
	if len(r.emptied) == 0 {
		return nil
	}
	if err := s.checkpointIfRoom(); err != nil {
		return err
	}
	forgotten := false
	for _, number := range r.emptied {
		s.mu.RLock()
		newest := true
		for other := range s.packs {
			newest = newest && other <= number
		}
		size := s.packs[number].size
		s.mu.RUnlock()
		if newest {
			continue
		}
		if err := s.handles.retire(ctx, number); err != nil {
			return err
		}
		if err := s.fs.Remove(packPath(s.dir, number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		forgotten = s.forgetPack(number) || forgotten
		r.removed++
		r.freed += size
	}
	r.emptied = nil
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	if forgotten {
		return s.writeQuarantine()
	}
	return nil
}

// forgetPack forgets a pack that was removed, and tells whether frames of it were in quarantine.
func (s *Store) forgetPack(number uint32) (quarantined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.packs, number)
	s.stale = true
	for at := range s.bad {
		if at.pack == number {
			delete(s.bad, at)
			quarantined = true
		}
	}
	kept := s.damaged[:0]
	for _, err := range s.damaged {
		var p *PackError
		if !errors.As(err, &p) || p.Pack != number {
			kept = append(kept, err)
		}
	}
	s.damaged = kept
	return quarantined
}
