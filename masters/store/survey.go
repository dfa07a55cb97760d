package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Survey is what a store holds, compared with what is needed.
type Survey struct {
	Stats
	LiveChunks    int   `json:"live_chunks"`
	LiveBytes     int64 `json:"live_bytes"` // frames
	OrphanChunks  int   `json:"orphan_chunks"`
	OrphanBytes   int64 `json:"orphan_bytes"`   // frames that nothing needs: collecting removes them
	MissingChunks int   `json:"missing_chunks"` // each counted as often as it is named
}

// Survey counts what is needed and there, there and not needed, needed and not there. It changes nothing.
func (s *Store) Survey(ctx context.Context, live Live, w Work) (Survey, error) {
	var v Survey
	if err := s.enter(ctx); err != nil {
		return v, err
	}
	defer s.leave()
	s.setNamed(false)
	defer s.setNamed(false)
	marked, total := int64(0), int64(0)
	err := live(ctx, func(id chunk.ID) error {
		s.mu.Lock()
		p, ok := s.known.get(id)
		total = int64(s.known.count)
		switch {
		case !ok:
			v.MissingChunks++
		case !p.named:
			p.named = true
			s.known.put(id, p)
			marked++
		}
		s.mu.Unlock()
		if marked%markBatch == 0 {
			w.show("mark", marked, total)
		}
		return ctx.Err()
	})
	if err != nil {
		return v, fmt.Errorf("finding what is needed: %w", err)
	}
	w.show("mark", total, total) // what is not marked now is needed by nothing
	for shard := range shardCount {
		s.mu.RLock()
		s.known.each(shard, func(_ chunk.ID, p place) {
			if p.named {
				v.LiveChunks++
				v.LiveBytes += int64(p.size)
			} else {
				v.OrphanChunks++
				v.OrphanBytes += int64(p.size)
			}
		})
		s.mu.RUnlock()
	}
	v.Stats = s.Stats()
	return v, nil
}

func (s *Store) setNamed(named bool) {
	for shard := range shardCount {
		s.mu.Lock()
		s.known.edit(shard, func(_ chunk.ID, p place) place {
			p.named = named
			return p
		})
		s.mu.Unlock()
	}
}

// CheckPacks reads every pack's footer, and returns what is damaged as a whole.
func (s *Store) CheckPacks(ctx context.Context, w Work) ([]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	var unread []string
	err := s.eachFooter(ctx, w, func(number uint32, c contents, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			unread = append(unread, fmt.Sprintf("pack %d: its file is gone", number))
			s.losePack(number)
		case err != nil:
			unread = append(unread, fmt.Sprintf("pack %d: %v", number, err))
		case c.damage != nil:
			unread = append(unread, c.damage.Error())
			s.markDamaged(number, c.damage)
		}
		return nil
	})
	return unread, err
}

// eachFooter calls visit with what each pack holds, ascending.
func (s *Store) eachFooter(ctx context.Context, w Work, visit func(number uint32, c contents, err error) error) error {
	s.mu.RLock()
	numbers := sortedKeys(s.packs)
	s.mu.RUnlock()
	for i, number := range numbers {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := s.readContents(number)
		if err := visit(number, c, err); err != nil {
			return err
		}
		w.show("packs", int64(i+1), int64(len(numbers)))
	}
	return nil
}

// Rebuilt is what a rebuilding of the index found.
type Rebuilt struct {
	Packs   int      `json:"packs"`
	Chunks  int      `json:"chunks"`
	Damaged []string `json:"damaged,omitempty"` // packs that are damaged as a whole; their sound frames are kept
}

// Rebuild makes the index again from the packs alone, and writes it.
func (s *Store) Rebuild(ctx context.Context, w Work) (Rebuilt, error) {
	var done Rebuilt
	if err := s.enter(ctx); err != nil {
		return done, err
	}
	defer s.leave()
	var fresh table
	read := map[uint32]packInfo{}
	var damages []error
	err := s.eachFooter(ctx, w, func(number uint32, c contents, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			done.Damaged = append(done.Damaged, fmt.Sprintf("pack %d: its file is gone", number))
			return nil
		}
		if errors.Is(err, syscall.EIO) { // what the index knows of it stays
			done.Damaged = append(done.Damaged, (&PackError{Pack: number, Reason: mediumFails}).Error())
			return nil
		}
		if err != nil {
			return err
		}
		if c.damage != nil {
			done.Damaged = append(done.Damaged, c.damage.Error())
			damages = append(damages, c.damage)
		}
		read[number] = packInfo{size: c.size, level: c.level, damaged: c.damage != nil}
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, e := range c.entries {
			if _, bad := s.bad[frameAt{number, e.offset}]; !bad {
				fresh.put(e.id, e.place(number, 0))
			}
		}
		return nil
	})
	if err != nil {
		fresh.release()
		return done, fmt.Errorf("rebuilding the index: %w", err)
	}
	s.replace(&fresh, read, damages)
	s.mu.RLock()
	done.Packs, done.Chunks = len(s.packs), s.known.count
	s.mu.RUnlock()
	return done, s.writeIndex()
}

// replace puts a table that was read from packs in the place of the present one. Packs that were finished meanwhile
// count too, and what was needed before is needed still.
func (s *Store) replace(fresh *table, read map[uint32]packInfo, damages []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for shard := range shardCount {
		s.known.each(shard, func(id chunk.ID, p place) {
			_, again := read[p.pack]
			_, old := s.packs[p.pack]
			if !again && old {
				fresh.put(id, p)
			}
		})
	}
	for shard := range shardCount {
		fresh.edit(shard, func(id chunk.ID, p place) place {
			if _, bad := s.bad[frameAt{p.pack, p.offset}]; bad {
				p.size = 0
				return p
			}
			p.seen = s.seen()
			return p
		})
	}
	for number, p := range s.packs {
		if _, again := read[number]; !again {
			read[number] = p
		}
	}
	s.known.release()
	s.known, s.packs, s.damaged, s.stale = *fresh, read, damages, true
}
