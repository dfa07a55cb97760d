package store

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
)

// IdleLevel is the zstd level of recompression.
const IdleLevel = 19

// Recompressed is what a recompression did.
type Recompressed struct {
	Packs      int   `json:"packs"`
	MovedBytes int64 `json:"moved_bytes"` // frames written
	FreedBytes int64 `json:"freed_bytes"` // of files removed, less files made
	NoRoom
}

// Recompress rewrites packs whose frames were not compressed at this level yet, with the smaller frame of each chunk:
// the ids stay, and every new frame is opened and proven before it replaces the old one. Packs that an open session may
// have filled wait.
func (s *Store) Recompress(ctx context.Context, level int, w Work) (Recompressed, error) {
	if level < 1 || level > 22 {
		return Recompressed{}, fmt.Errorf("zstd level %d is out of range", level)
	}
	if err := s.enter(ctx); err != nil {
		return Recompressed{}, err
	}
	defer s.leave()
	codec, err := chunk.NewCodec(level)
	if err != nil {
		return Recompressed{}, err
	}
	r := &rewriter{s: s, w: w, level: uint8(level), todo: s.coarsePacks(uint8(level)),
		change: func(ctx context.Context, frames []chunk.Frame) error { return recompress(ctx, codec, frames) }}
	err = r.run(ctx)
	done := Recompressed{Packs: r.removed, MovedBytes: r.moved, FreedBytes: r.freed,
		NoRoom: NoRoom{SkippedPacks: r.skipped, LackingBytes: r.lacking}}
	if err == nil {
		err = s.checkpointIfRoom()
	}
	if err != nil {
		return done, fmt.Errorf("recompressing: %w", err)
	}
	return done, nil
}

// coarsePacks returns the sound packs that were not recompressed at this level or above.
func (s *Store) coarsePacks(level uint8) []uint32 {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	youngest := s.next
	if s.open != nil {
		youngest = s.open.number
	}
	for n := range s.sessions {
		youngest = min(youngest, n.first)
	}
	var coarse []uint32
	for number, p := range s.packs {
		if p.level < level && !p.damaged && number < youngest && !s.precious(number) {
			coarse = append(coarse, number)
		}
	}
	slices.Sort(coarse)
	return coarse
}

// recompress replaces frames by smaller ones, on all cores. A frame that is damaged stays as it is: scrubbing names it.
func recompress(ctx context.Context, codec *chunk.Codec, frames []chunk.Frame) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(8)
	for i := range frames {
		work.Go(func() error {
			content, err := codec.Open(nil, frames[i])
			if err != nil {
				return ctx.Err()
			}
			smaller := codec.Seal(frames[i].ID, content)
			if smaller.Size() >= frames[i].Size() {
				return ctx.Err()
			}
			if _, err := codec.Open(nil, smaller); err != nil {
				return ctx.Err()
			}
			frames[i] = smaller
			return ctx.Err()
		})
	}
	return work.Wait()
}
