package masters

import (
	"context"
	"iter"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
)

// Lost returns the chunks whose frames were found damaged and that are nowhere else in the store, at most so many. What
// is needed and was never found damaged, as the chunks of a pack that is gone, Check names and Scrub asks its healer for.
func (l *Library) Lost(most int) []chunk.ID { return l.store.Lost(most) }

// Absent returns those of the given chunks that the store has not got, for whatever reason, at most so many.
func (l *Library) Absent(ids iter.Seq[chunk.ID], most int) []chunk.ID {
	var absent []chunk.ID
	for id := range ids {
		if len(absent) >= most {
			break
		}
		if _, here := l.store.Has(id); !here {
			absent = append(absent, id)
		}
	}
	return absent
}

// Heal stores what a healer has of the given chunks, proven by their ids, and returns how many are here now that were
// not. Failed is why the healer gave no more; err is the store's own.
func (l *Library) Heal(ctx context.Context, h store.Healer, ids []chunk.ID) (healed int, failed, err error) {
	return l.store.Heal(ctx, h, ids)
}
