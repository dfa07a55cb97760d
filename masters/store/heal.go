package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Healer gets chunks back from elsewhere: a replica, a computer that holds them. What it gives is proven before it is
// stored.
type Healer interface {
	// Heal calls yield with frames of the chunks that it has, in any order, and leaves out the others. The frame is valid
	// until yield returns. An error says why there is no more; it ends nothing.
	Heal(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Lost returns the chunks whose frames were found damaged and that are nowhere else, at most so many: what a healer is
// asked for.
func (s *Store) Lost(most int) []chunk.ID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var lost []chunk.ID
	for _, q := range s.bad {
		if len(lost) >= most {
			break
		}
		if _, healed := s.known.get(q.ID); !healed {
			lost = append(lost, q.ID)
		}
	}
	return lost
}

// Heal stores what a healer has of the given chunks, and returns how many of them are here that were not. Nothing it
// gives is believed: a frame of another chunk is passed over, and so is one whose content is not what its id says. Failed
// is why the healer gave no more; err is ours.
func (s *Store) Heal(ctx context.Context, h Healer, ids []chunk.ID) (healed int, failed, err error) {
	wanted := make(map[chunk.ID]struct{}, len(ids))
	ask := ids[:0:0]
	for _, id := range ids {
		if _, here := s.Has(id); here {
			continue
		}
		if _, twice := wanted[id]; !twice {
			wanted[id] = struct{}{}
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return 0, nil, nil
	}
	session := s.Begin()
	defer session.Close()
	failed = h.Heal(ctx, ask, func(f chunk.Frame) error {
		if _, asked := wanted[f.ID]; !asked {
			return nil
		}
		putErr := session.Put(ctx, []chunk.Frame{f})
		var damaged *chunk.DamagedError
		if errors.As(putErr, &damaged) {
			return nil // somebody else may have it
		}
		if putErr == nil {
			delete(wanted, f.ID)
		}
		err = putErr
		return putErr
	})
	if err == nil {
		err = ctx.Err()
	}
	if flushed := session.Flush(ctx); err == nil {
		err = flushed
	}
	if err != nil {
		return 0, failed, fmt.Errorf("storing what was healed: %w", err)
	}
	return len(ask) - len(wanted), failed, nil
}
