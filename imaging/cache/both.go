package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Both is a Source over a cache and, for each chunk that it has not or has damaged, another Source.
type Both struct {
	cache                *Cache
	other                Source
	fromCache, fromOther atomic.Int64
}

// Sources returns a Source that asks the cache first and other for the rest. Either may be nil. What the cache lacks is
// asked of other at once and comes while the cache is read; what turns out to be damaged is asked of it by itself, perhaps
// while that is still coming: other must bear two questions at once.
func Sources(c *Cache, other Source) *Both { return &Both{cache: c, other: other} }

// FromCache returns the bytes of frames that the cache gave so far, headers included.
func (b *Both) FromCache() int64 { return b.fromCache.Load() }

// FromOther returns the bytes of frames that the other source gave so far, headers included.
func (b *Both) FromOther() int64 { return b.fromOther.Load() }

// Fetch calls yield with one frame for each id, in order. Without another source what the cache cannot give ends it with
// *ChunkError.
func (b *Both) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	count := func(n *atomic.Int64) func(chunk.Frame) error {
		return func(f chunk.Frame) error {
			n.Add(int64(f.Size()))
			return yield(f)
		}
	}
	switch {
	case b.cache == nil && b.other == nil:
		return errors.New("there is neither a cache nor another source")
	case b.cache == nil:
		return b.other.Fetch(ctx, ids, count(&b.fromOther))
	case b.other == nil:
		return b.cache.Fetch(ctx, ids, count(&b.fromCache))
	}
	missing := b.cache.Missing(ids)
	switch len(missing) {
	case 0:
	case len(ids):
		return b.other.Fetch(ctx, ids, count(&b.fromOther))
	}
	return b.merge(ctx, ids, missing, yield)
}

// merge fetches what is missing while the cache gives the rest.
func (b *Both) merge(ctx context.Context, ids, missing []chunk.ID, yield func(chunk.Frame) error) error {
	group, ctx := errgroup.WithContext(ctx)
	came := make(chan chunk.Frame, 16)
	var failed error // why came was closed; read it after that
	if len(missing) > 0 {
		group.Go(func() error {
			defer close(came)
			failed = b.other.Fetch(ctx, missing, func(f chunk.Frame) error {
				f.Payload = slices.Clone(f.Payload)
				select {
				case came <- f:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return failed
		})
	}
	group.Go(func() error {
		// One id may be asked for twice; Missing has named it twice then.
		lacks := make(map[chunk.ID]struct{}, len(missing))
		for _, id := range missing {
			lacks[id] = struct{}{}
		}
		return b.cache.each(ctx, ids, func(a *asked) error {
			if _, comes := lacks[a.id]; comes {
				return b.next(a.id, came, &failed, yield)
			}
			if a.err == nil {
				b.fromCache.Add(int64(a.frame.Size()))
				return yield(a.frame)
			}
			return b.other.Fetch(ctx, []chunk.ID{a.id}, func(f chunk.Frame) error {
				b.fromOther.Add(int64(f.Size()))
				return yield(f)
			})
		})
	})
	return group.Wait()
}

// next yields the frame that comes next from the other source, which must be that of id. failed says why no more come.
func (b *Both) next(id chunk.ID, came <-chan chunk.Frame, failed *error, yield func(chunk.Frame) error) error {
	f, ok := <-came
	switch {
	case !ok && *failed != nil:
		return *failed
	case !ok:
		return fmt.Errorf("chunk %s did not come", id)
	case f.ID != id:
		return fmt.Errorf("chunk %s came unasked", f.ID)
	}
	b.fromOther.Add(int64(f.Size()))
	return yield(f)
}
