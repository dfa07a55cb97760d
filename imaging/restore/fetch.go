package restore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	maxIDs     = 1024    // chunks asked for at once
	fetchBytes = 4 << 20 // bytes of content asked for at once; twice that is in memory
)

// group is the entries of one phase that have the same content: it is fetched once.
type group struct {
	first uint32   // entry that comes first on the disk
	more  []uint32 // the others
	local uint32   // entry + 1 whose place on the disk holds the content already; 0 = none
}

// groups puts entries together by content, ordered by first place on the disk, and finds contents that the disk holds
// elsewhere. pending tells which entries do not hold what they should.
func (r *run) groups(entries []uint32, pending func(uint32) bool) []group {
	byID := slices.Clone(entries)
	id := func(i uint32) chunk.ID { return r.m.Chunks.At(int(i)).ID }
	slices.SortFunc(byID, func(a, b uint32) int {
		ida, idb := id(a), id(b)
		return cmp.Or(bytes.Compare(ida[:], idb[:]), cmp.Compare(a, b))
	})
	var out []group
	for _, i := range byID {
		if n := len(out); n > 0 && id(out[n-1].first) == id(i) {
			out[n-1].more = append(out[n-1].more, i)
			continue
		}
		out = append(out, group{first: i})
	}
	// Few of the many entries are asked about: one bit of many, chosen by the id, tells of most that they are not.
	asked := make([]uint64, 1<<bits.Len(uint(len(out)/4)))
	bit := func(id chunk.ID) (word, mask uint64) {
		return binary.LittleEndian.Uint64(id[:]) % uint64(len(asked)), 1 << (id[8] % 64)
	}
	for _, g := range out {
		word, mask := bit(id(g.first))
		asked[word] |= mask
	}
	for i, e := range r.m.Chunks.All() {
		if word, mask := bit(e.ID); asked[word]&mask == 0 || len(e.Pieces) == 0 || pending(uint32(i)) || !r.intact(uint32(i)) {
			continue
		}
		at, found := sort.Find(len(out), func(k int) int {
			other := id(out[k].first)
			return bytes.Compare(e.ID[:], other[:])
		})
		if found && out[at].local == 0 {
			out[at].local = uint32(i) + 1
		}
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Compare(a.first, b.first) })
	return out
}

// intact tells whether the disk holds entry i as the master has it: nothing of it is a head that is broken just now, or
// an exception.
func (r *run) intact(i uint32) bool {
	if _, patched := r.patched[i]; patched {
		return false
	}
	for _, p := range r.m.Chunks.At(int(i)).Pieces {
		if r.w.touchesHead(p.Offset, int64(p.Length)) {
			return false
		}
	}
	return true
}

// countFetches returns how many chunks Run would ask the source for.
func (r *run) countFetches(f *findings) int {
	var all []uint32
	for i := range f.changed(r) {
		all = append(all, i)
	}
	n := 0
	for _, g := range r.groups(all, f.differs) {
		if g.local == 0 {
			n++
		}
	}
	return n
}

// loaded is groups and their contents.
type loaded struct {
	groups   []group
	contents [][]byte // parts of memory; of what somebody has kept, the pages that differ alone
	memory   []byte   // of at most fetchBytes, and chunk.Spare for each
}

// writeEntries brings the entries' contents to the disk: batches in disk order, the next one fetched while one is
// written.
func (r *run) writeEntries(ctx context.Context, entries []uint32, pending func(uint32) bool) error {
	groups := r.groups(entries, pending)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, free := make(chan loaded), make(chan []byte, len(r.rooms))
	for _, m := range r.rooms { // one batch is fetched while the other is written
		free <- m
	}
	var failed error
	go func() {
		defer close(ready)
		for len(groups) > 0 && failed == nil {
			n := r.batchOf(groups)
			l := loaded{groups: groups[:n], contents: make([][]byte, n)}
			groups = groups[n:]
			select {
			case l.memory = <-free:
			case <-ctx.Done():
				failed = ctx.Err()
				return
			}
			if failed = r.load(ctx, &l); failed != nil {
				return
			}
			select {
			case ready <- l:
			case <-ctx.Done():
				failed = ctx.Err()
			}
		}
	}()
	var writing error
	for l := range ready {
		if writing == nil {
			writing = r.writeLoaded(ctx, l)
		}
		if writing != nil {
			stop()
		}
		free <- l.memory
	}
	for i := range r.rooms {
		select {
		case r.rooms[i] = <-free:
		default:
			r.rooms[i] = nil
		}
	}
	if r.rooms[0] == nil { // one batch was all: the next one uses its room
		r.rooms[0], r.rooms[1] = r.rooms[1], nil
	}
	if writing != nil {
		return writing
	}
	return failed
}

// prove fetches everything that will be fetched, and keeps nothing of it: what the source cannot give, or not as it should be,
// is known before the disk is broken. A cache has no other source behind it.
func (r *run) prove(ctx context.Context, f *findings) error {
	entries := slices.Collect(f.changed(r))
	groups := slices.DeleteFunc(r.groups(entries, f.differs), func(g group) bool { return g.local > 0 || r.atHand(g) })
	var total int64
	for _, g := range groups {
		total += int64(r.m.Chunks.At(int(g.first)).Length)
	}
	r.begin(PhaseProve, total)
	bytes, chunks := r.fetchedBytes.Load(), r.fetchedChunks.Load()
	defer func() { r.fetchedBytes.Store(bytes); r.fetchedChunks.Store(chunks) }()
	l := loaded{memory: r.rooms[0]}
	defer func() { r.rooms[0] = l.memory }()
	for len(groups) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := r.batchOf(groups)
		l.groups, l.contents = groups[:n], make([][]byte, n)
		groups = groups[n:]
		if err := r.load(ctx, &l); err != nil {
			return err
		}
		for _, c := range l.contents {
			r.advance(int64(len(c)))
		}
	}
	return nil
}

// batchOf returns how many groups make the next batch.
func (r *run) batchOf(groups []group) int {
	total := 0
	for n, g := range groups {
		total += int(r.m.Chunks.At(int(g.first)).Length)
		if n == maxIDs || total > fetchBytes && n > 0 {
			return n
		}
	}
	return len(groups)
}

// load fills in the contents: from the disk where it holds them, else from the source.
func (r *run) load(ctx context.Context, l *loaded) error {
	total := 0
	for _, g := range l.groups {
		total += int(r.m.Chunks.At(int(g.first)).Length) + chunk.Spare
	}
	if total > cap(l.memory) {
		if total > fetchBytes/2 { // there are more to come, and no batch of several is larger
			total = max(total, fetchBytes+maxIDs*chunk.Spare)
		}
		l.memory = make([]byte, total)
	}
	rest := l.memory[:total]
	var ids []chunk.ID
	var into [][]byte
	for k, g := range l.groups {
		e := r.m.Chunks.At(int(g.first))
		room := e.Length + chunk.Spare
		l.contents[k], rest = rest[:e.Length:room], rest[room:]
		if pages, want, ok := r.kept(g.first); ok && r.atHand(g) && spread(l.contents[k], pages, want) {
			continue
		}
		if g.local > 0 && r.copyOf(l.contents[k], g.local-1, e.ID) {
			r.copied.Add(int64(1 + len(g.more)))
			continue
		}
		ids, into = append(ids, e.ID), append(into, l.contents[k])
	}
	if len(ids) == 0 {
		return nil
	}
	return r.fetch(ctx, ids, into)
}

// atHand tells whether nothing has to be fetched for a group: what differs of its one entry is kept. Others with its content
// may differ in other pages.
func (r *run) atHand(g group) bool {
	_, _, ok := r.kept(g.first)
	return ok && len(g.more) == 0
}

// copyOf reads the content of entry i from the disk, and tells whether it is what it should be.
func (r *run) copyOf(content []byte, i uint32, id chunk.ID) bool {
	e := r.m.Chunks.At(int(i))
	if int(e.Length) != len(content) {
		return false
	}
	clear(content)
	for _, p := range e.Pieces {
		if _, err := r.read(content[p.At:p.At+p.Length], p.Offset); err != nil {
			return false
		}
	}
	return chunk.Of(content) == id
}

// fetched is a frame on its way to be opened.
type fetched struct {
	k     int
	frame chunk.Frame // its payload is a copy: the source takes its own back
}

// fetch asks the source, and proves on all cores what comes: the content of ids[k] goes to into[k], which is as long as
// the manifest says.
func (r *run) fetch(ctx context.Context, ids []chunk.ID, into [][]byte) error {
	if r.o.Source == nil {
		return &SourceError{Err: fmt.Errorf("chunk %s: there is no source", ids[0])}
	}
	workers := r.o.workers()
	group, working := errgroup.WithContext(ctx)
	spare, frames := make(chan []byte, 2*workers), make(chan fetched, 2*workers)
	for range cap(spare) {
		payload, _ := r.payloads.Get().(*[]byte)
		if payload == nil {
			payload = new([]byte)
		}
		spare <- *payload
	}
	for range workers {
		group.Go(func() error {
			for f := range frames {
				if err := r.open(f.frame, into[f.k]); err != nil {
					return err
				}
				spare <- f.frame.Payload
			}
			return nil
		})
	}
	k := 0
	var wrong error
	err := r.o.Source.Fetch(working, ids, func(f chunk.Frame) error {
		if k >= len(ids) || f.ID != ids[k] {
			wrong = &SourceError{Err: fmt.Errorf("chunk %s came unasked", f.ID)}
			return wrong
		}
		select {
		case payload := <-spare:
			f.Payload = append(payload[:0], f.Payload...)
		case <-working.Done():
			return working.Err()
		}
		frames <- fetched{k, f} // never blocks: there is room for all that are not spare
		k++
		return nil
	})
	close(frames)
	failed := group.Wait()
	for len(spare) > 0 {
		payload := <-spare
		r.payloads.Put(&payload)
	}
	switch {
	case failed != nil:
		return failed
	case wrong != nil:
		return wrong
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &SourceError{Err: err}
	case k < len(ids):
		return &SourceError{Err: fmt.Errorf("chunk %s did not come", ids[k])}
	}
	return nil
}

// open proves a frame and puts its content into content.
func (r *run) open(f chunk.Frame, content []byte) error {
	got, err := r.codec.Open(content[:0], f)
	if err != nil {
		return &SourceError{Err: err}
	}
	if len(got) != len(content) {
		return lengthError(f.ID, len(got), len(content))
	}
	copy(content, got) // which is the same memory, unless the decoder wanted more room
	r.fetchedBytes.Add(int64(f.Size()))
	r.fetchedChunks.Add(1)
	return nil
}
