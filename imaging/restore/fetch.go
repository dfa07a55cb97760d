package restore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	maxIDs     = 1024     // chunks asked for at once
	fetchBytes = 16 << 20 // bytes of content asked for at once; three times that is in memory
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
	for i, e := range r.m.Chunks.All() {
		if len(e.Pieces) == 0 || pending(uint32(i)) || !r.intact(uint32(i)) {
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
	contents [][]byte
}

// writeEntries brings the entries' contents to the disk: batches in disk order, the next one fetched while one is
// written.
func (r *run) writeEntries(ctx context.Context, entries []uint32, pending func(uint32) bool) error {
	groups := r.groups(entries, pending)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan loaded)
	var failed error
	go func() {
		defer close(ready)
		for len(groups) > 0 && failed == nil {
			n := r.batchOf(groups)
			l := loaded{groups: groups[:n], contents: make([][]byte, n)}
			groups = groups[n:]
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
	}
	if writing != nil {
		return writing
	}
	return failed
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
	var ids []chunk.ID
	var where []int
	for k, g := range l.groups {
		e := r.m.Chunks.At(int(g.first))
		if g.local > 0 {
			if l.contents[k] = r.copyOf(g.local-1, e.ID); l.contents[k] != nil {
				r.copied.Add(int64(1 + len(g.more)))
				continue
			}
		}
		ids, where = append(ids, e.ID), append(where, k)
	}
	if len(ids) == 0 {
		return nil
	}
	return r.fetch(ctx, ids, func(k int, content []byte) error {
		l.contents[where[k]] = content
		return nil
	})
}

// copyOf reads the content of entry i from the disk, or returns nil if it is not what it should be.
func (r *run) copyOf(i uint32, id chunk.ID) []byte {
	e := r.m.Chunks.At(int(i))
	content := make([]byte, e.Length)
	for _, p := range e.Pieces {
		if _, err := r.read(content[p.At:p.At+p.Length], p.Offset); err != nil {
			return nil
		}
	}
	if chunk.Of(content) != id {
		return nil
	}
	return content
}

// fetch asks the source and proves each content before yield gets it. yield may keep it.
func (r *run) fetch(ctx context.Context, ids []chunk.ID, yield func(k int, content []byte) error) error {
	if r.o.Source == nil {
		return &SourceError{Err: fmt.Errorf("chunk %s: there is no source", ids[0])}
	}
	k := 0
	var inner error
	err := r.o.Source.Fetch(ctx, ids, func(f chunk.Frame) error {
		if k >= len(ids) || f.ID != ids[k] {
			inner = &SourceError{Err: fmt.Errorf("chunk %s came unasked", f.ID)}
			return inner
		}
		content, err := r.codec.Open(make([]byte, 0, min(f.Length, chunk.MaxSize)), f)
		if err != nil {
			inner = &SourceError{Err: err}
			return inner
		}
		r.fetchedBytes.Add(int64(f.Size()))
		r.fetchedChunks.Add(1)
		k++
		inner = yield(k-1, content)
		return inner
	})
	switch {
	case inner != nil:
		return inner
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &SourceError{Err: err}
	case k < len(ids):
		return &SourceError{Err: fmt.Errorf("chunk %s did not come", ids[k])}
	}
	return nil
}
