package cache

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	fillBytes  = 4 << 20 // of content read, hashed and compressed at once by one goroutine
	fillChunks = 512
)

// Progress says how far filling is.
type Progress struct {
	Done  int64 // bytes of content looked at
	Total int64 // bytes of content that the cache lacked
}

// FillReport says what filling did.
type FillReport struct {
	Chunks int        // that were stored
	Bytes  int64      // of their content
	Stored int64      // of their frames, headers included
	Left   []chunk.ID // that the cache lacks still: the disk does not hold them as the master has them
}

// Fill stores what the cache lacks of a version and what the disk holds: chunks are read by their pieces, proven by hash
// and compressed at the fastest level on all cores. A chunk with an exception inside is not on the disk as the master has
// it, and is left for FillFrom. The version's manifest should be there and kept before (PutManifest, KeepFor), else what
// is stored may make room for what comes later.
//
// It returns at once when ctx is done; what was put is flushed only when it comes to its end. To go on is to call it again.
// It fails with *FullError, and leaves then what was put.
func (c *Cache) Fill(ctx context.Context, m *manifest.Manifest, from io.ReaderAt, progress func(Progress)) (FillReport, error) {
	f := &filling{c: c, m: m, from: from, progress: progress}
	entries := f.plan()
	group, working := errgroup.WithContext(ctx)
	batches, sealed := make(chan []uint32), make(chan fillBatch, 1)
	group.Go(func() error {
		defer close(batches)
		return f.cut(working, entries, batches)
	})
	var sealing sync.WaitGroup
	for range workers() {
		sealing.Add(1)
		group.Go(func() error {
			defer sealing.Done()
			return f.seal(working, batches, sealed)
		})
	}
	go func() {
		sealing.Wait()
		close(sealed)
	}()
	group.Go(func() error { return f.put(working, sealed) })
	err := group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = c.Flush()
	}
	f.report.Left = c.Missing(f.left)
	return f.report, err
}

// filling is one run of Fill.
type filling struct {
	c        *Cache
	m        *manifest.Manifest
	from     io.ReaderAt
	progress func(Progress)
	told     Progress
	report   FillReport
	left     []chunk.ID
}

// fillBatch is what became of some entries.
type fillBatch struct {
	frames  []chunk.Frame
	left    []chunk.ID
	content int64 // bytes
}

// plan returns the entries that the cache lacks, in the order of the disk.
func (f *filling) plan() []uint32 {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	var out []uint32
	for i, e := range f.m.Chunks.All() {
		if len(e.Pieces) == 0 {
			continue
		}
		if _, ok := f.c.index.find(key(e.ID[:16])); !ok {
			out = append(out, uint32(i))
			f.told.Total += int64(e.Length)
		}
	}
	return out
}

// cut gives entries out in batches.
func (f *filling) cut(ctx context.Context, entries []uint32, out chan<- []uint32) error {
	for len(entries) > 0 {
		n, total := 0, int64(0)
		for n < len(entries) && n < fillChunks {
			if total += int64(f.m.Chunks.At(int(entries[n])).Length); total > fillBytes && n > 0 {
				break
			}
			n++
		}
		select {
		case out <- entries[:n]:
		case <-ctx.Done():
			return ctx.Err()
		}
		entries = entries[n:]
	}
	return nil
}

// seal reads, proves and compresses batches.
func (f *filling) seal(ctx context.Context, in <-chan []uint32, out chan<- fillBatch) error {
	var memory, room []byte
	for batch := range in {
		var contents [][]byte
		var b fillBatch
		contents, memory, room = f.read(batch, memory, room)
		for k, i := range batch {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e := f.m.Chunks.At(int(i))
			b.content += int64(e.Length)
			if f.c.has(e.ID) {
				continue // another entry of the same chunk was quicker
			}
			if contents[k] == nil || chunk.Of(contents[k]) != e.ID {
				b.left = append(b.left, e.ID)
				continue
			}
			b.frames = append(b.frames, f.c.codec.Seal(e.ID, contents[k]))
		}
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// part is a piece and where it goes.
type part struct {
	manifest.Piece
	k int // of the batch
}

// read returns the contents of entries, nil where the disk does not give one; what lies near each other is read at once.
func (f *filling) read(batch []uint32, memory, room []byte) ([][]byte, []byte, []byte) {
	total := 0
	var parts []part
	for k, i := range batch {
		e := f.m.Chunks.At(int(i))
		total += int(e.Length)
		for _, p := range e.Pieces {
			parts = append(parts, part{p, k})
		}
	}
	if cap(memory) < total {
		memory = make([]byte, total)
	}
	if room == nil {
		room = make([]byte, joinBytes)
	}
	memory = memory[:total]
	clear(memory)
	contents := make([][]byte, len(batch))
	for k, rest := 0, memory; k < len(batch); k++ {
		n := f.m.Chunks.At(int(batch[k])).Length
		contents[k], rest = rest[:n:n], rest[n:]
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.Offset, b.Offset) })
	for len(parts) > 0 {
		n, end := 1, parts[0].Offset+int64(parts[0].Length)
		for n < len(parts) && parts[n].Offset-end < joinGap && parts[n].Offset+int64(parts[n].Length)-parts[0].Offset <= joinBytes {
			end = max(end, parts[n].Offset+int64(parts[n].Length))
			n++
		}
		f.readRun(parts[:n], room[:end-parts[0].Offset], contents)
		parts = parts[n:]
	}
	return contents, memory, room
}

// readRun reads neighbouring pieces at once; where that fails, one by one.
func (f *filling) readRun(run []part, room []byte, contents [][]byte) {
	start := run[0].Offset
	whole := readFull(f.from, room, start) == nil
	for _, p := range run {
		content := contents[p.k]
		if content == nil {
			continue
		}
		into := content[p.At : p.At+p.Length]
		if whole {
			copy(into, room[p.Offset-start:])
		} else if readFull(f.from, into, p.Offset) != nil {
			contents[p.k] = nil
		}
	}
}

// put stores what was sealed.
func (f *filling) put(ctx context.Context, in <-chan fillBatch) error {
	for b := range in {
		for _, frame := range b.frames {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := f.c.put(frame); err != nil {
				return err
			}
			f.report.Chunks++
			f.report.Bytes += int64(frame.Length)
			f.report.Stored += int64(frame.Size())
		}
		f.left = append(f.left, b.left...)
		f.told.Done += b.content
		if f.progress != nil {
			f.progress(f.told)
		}
	}
	return nil
}

// FillFrom stores those of ids that the cache lacks, from a source, and flushes. Each frame is proven. It returns at once
// when ctx is done or the source fails; to go on is to call it again.
func (c *Cache) FillFrom(ctx context.Context, ids []chunk.ID, source Source, progress func(done, total int)) (FillReport, error) {
	var r FillReport
	ids = c.Missing(ids)
	for done := 0; done < len(ids); {
		batch := ids[done:min(done+batchIDs, len(ids))]
		k := 0
		err := source.Fetch(ctx, batch, func(f chunk.Frame) error {
			if k >= len(batch) || f.ID != batch[k] {
				return fmt.Errorf("chunk %s came unasked", f.ID)
			}
			k++
			if c.has(f.ID) {
				return nil
			}
			if err := c.Put(f); err != nil {
				return err
			}
			r.Chunks++
			r.Bytes += int64(f.Length)
			r.Stored += int64(f.Size())
			return nil
		})
		if err == nil && k < len(batch) {
			err = fmt.Errorf("chunk %s did not come", batch[k])
		}
		if err != nil {
			r.Left = c.Missing(ids)
			return r, err
		}
		done += len(batch)
		if progress != nil {
			progress(done, len(ids))
		}
	}
	return r, c.Flush()
}
