package masters

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
)

// Check looks at everything: every version is signed and whole, every chunk it needs is here, every pack can be read. It
// reads no frames: that is what Scrub does.
func (l *Library) Check(ctx context.Context, w store.Work) (Found, error) {
	var f Found
	var err error
	if f.Packs, err = l.store.CheckPacks(ctx, w); err != nil {
		return f, err
	}
	versions, err := l.List()
	if err != nil {
		return f, err
	}
	for i, v := range versions {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		if err := l.checkVersion(&f, v); err != nil {
			return f, err
		}
		if w.Progress != nil {
			w.Progress("versions", int64(i+1), int64(len(versions)))
		}
	}
	// A version that cannot be counted is told above: here it leaves its chunks among the orphans.
	s, err := l.store.Survey(ctx, l.countable, w)
	f.Chunks, f.Orphans, f.OrphanLen, f.Bad = s.LiveChunks, s.OrphanChunks, s.OrphanBytes, s.Quarantined
	return f, err
}

// countable is Live without the versions that cannot be read: good for counting, never for collecting.
func (l *Library) countable(ctx context.Context, yield func(chunk.ID) error) error {
	return l.eachLive(ctx, yield, true)
}

// StoreStats returns what the store holds, and how much of it versions need.
func (l *Library) StoreStats(ctx context.Context, w store.Work) (store.Survey, error) {
	return l.store.Survey(ctx, l.countable, w)
}

// Quarantine returns the frames that were found damaged.
func (l *Library) Quarantine() []store.Quarantined { return l.store.Quarantine() }

// Collect removes chunks that no version needs and no session holds, the second time that it finds them so.
func (l *Library) Collect(ctx context.Context, w store.Work) (store.Collected, error) {
	return l.store.Collect(ctx, l.Live, w)
}

// Scrub reads the store through and names what is damaged.
func (l *Library) Scrub(ctx context.Context, o store.Scrub) (store.Scrubbed, error) {
	if o.Needed == nil {
		o.Needed = l.countable
	}
	return l.store.Scrub(ctx, o)
}

// RebuildIndex makes the store's index again from its packs alone.
func (l *Library) RebuildIndex(ctx context.Context, w store.Work) (store.Rebuilt, error) {
	return l.store.Rebuild(ctx, w)
}

// Recompress makes frames smaller, at the cost of much computing.
func (l *Library) Recompress(ctx context.Context, w store.Work) (store.Recompressed, error) {
	return l.store.Recompress(ctx, store.IdleLevel, w)
}

// Upkeep is what a daemon does with its library while nothing else happens.
type Upkeep struct {
	Every  time.Duration                                    // between looks; 0: an hour
	Rate   int64                                            // most bytes read a second by each work; 0: 20 MB/s
	Healer store.Healer                                     // nil: none
	Log    *slog.Logger                                     // nil: none
	Sleep  func(ctx context.Context, d time.Duration) error // nil: in real time
	// Retain applies the retention rules that were set before a moment, once a night; nil: nobody does. The one who calls
	// ApplyRules knows who needs a version.
	Retain func(ctx context.Context, before time.Time) error
}

const (
	upkeepEvery    = time.Hour
	upkeepRate     = 20_000_000
	recompressRate = 4_000_000 // bytes a second: a fraction of one core
	roundRest      = 24        // looks between two rounds of scrubbing
	idleLook       = 2 * time.Second
)

// RunUpkeep forgets by rule, collects, scrubs and recompresses until ctx ends, which is no error. What goes wrong is
// logged and tried again: a store that cannot be collected can still be read.
func (l *Library) RunUpkeep(ctx context.Context, u Upkeep) error {
	if u.Every == 0 {
		u.Every = upkeepEvery
	}
	if u.Rate == 0 {
		u.Rate = upkeepRate
	}
	if u.Log == nil {
		u.Log = slog.New(slog.DiscardHandler)
	}
	if u.Sleep == nil {
		u.Sleep = pause
	}
	scrubbed := make(chan struct{})
	go func() {
		defer close(scrubbed)
		l.scrubForEver(ctx, u)
	}()
	defer func() { <-scrubbed }()
	var last upkeepState
	var n nights
	for u.Sleep(ctx, u.Every) == nil {
		if began, due := n.due(l.now()); due && u.Retain != nil {
			if err := u.Retain(ctx, began); err != nil {
				u.Log.Error("applying the retention rules", "error", err)
			}
		}
		last = l.tend(ctx, u, last)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// upkeepState is what tells whether collecting again would find anything else.
type upkeepState struct {
	versions int
	newest   time.Time
	stored   store.Stats
	waiting  int
}

func (l *Library) upkeepState(waiting int) upkeepState {
	s := upkeepState{stored: l.store.Stats(), waiting: waiting}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, versions := range l.versions {
		s.versions += len(versions)
		for _, v := range versions {
			if v.Created.After(s.newest) {
				s.newest = v.Created
			}
		}
	}
	return s
}

// tend is one look: unless somebody captures, collect what changed, then recompress.
func (l *Library) tend(ctx context.Context, u Upkeep, last upkeepState) upkeepState {
	if err := l.store.Checkpoint(); err != nil {
		u.Log.Warn("writing the index of the store", "error", err)
	}
	if l.store.Sessions() > 0 {
		return last
	}
	if l.upkeepState(0) != last { // last.waiting > 0 differs too: then the second cycle is due
		c, err := l.Collect(ctx, store.Work{Rate: u.Rate})
		if err != nil {
			if ctx.Err() == nil {
				u.Log.Error("collecting what no master needs", "error", err)
			}
			return last
		}
		if c.RemovedPacks > 0 || c.MissingChunks > 0 {
			u.Log.Info("collected", "packs", c.RemovedPacks, "freed_bytes", c.FreedBytes, "missing_chunks", c.MissingChunks)
		}
		if c.SkippedPacks > 0 {
			u.Log.Warn("collecting copies before it removes, and lacks room", "packs", c.SkippedPacks, "lacking_bytes", c.LackingBytes)
		}
		last = l.upkeepState(c.WaitingChunks + c.SkippedPacks) // somebody may make room
	}
	r, err := l.recompressWhileIdle(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		u.Log.Error("recompressing", "error", err)
	}
	if r.Packs > 0 {
		u.Log.Info("recompressed", "packs", r.Packs, "freed_bytes", r.FreedBytes)
		last = l.upkeepState(last.waiting)
	}
	return last
}

// recompressWhileIdle stops as soon as a capture begins.
func (l *Library) recompressWhileIdle(ctx context.Context) (store.Recompressed, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for pause(ctx, idleLook) == nil {
			if l.store.Sessions() > 0 {
				stop()
			}
		}
	}()
	return l.Recompress(ctx, store.Work{Rate: recompressRate})
}

// scrubForEver reads the store round after round.
func (l *Library) scrubForEver(ctx context.Context, u Upkeep) {
	rest := u.Every // not at once: a daemon that starts has computers waiting
	for u.Sleep(ctx, rest) == nil {
		rest = u.Every * roundRest
		r, err := l.Scrub(ctx, store.Scrub{Work: store.Work{Rate: u.Rate}, Healer: u.Healer})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			u.Log.Error("scrubbing the store", "error", err)
		case len(r.Bad)+len(r.Damaged) > 0:
			u.Log.Error("the store is damaged; `ardoise store check` says which versions", "frames", len(r.Bad),
				"packs", len(r.Damaged), "healed", r.Healed)
		}
	}
}
