package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/store"
)

// replica is the folder that chunks are healed from: the data folder of another box, or a copy of one. It is looked for
// each time, since it may be mounted later than we start, or be away for a while.
type replica struct {
	dir  string // absolute
	data string // our own, which heals nothing
}

var _ store.Healer = replica{}

// replicaAt names a replica by a path as a person gives it.
func replicaAt(dir, data string) (replica, error) {
	whole, err := filepath.Abs(dir)
	return replica{dir: whole, data: data}, err
}

// open finds its packs: *store.ReplicaError if there are none, or if it is our own folder.
func (r replica) open() (*store.Replica, error) {
	found, err := store.OpenReplica(r.dir, durable.FS{})
	if err != nil {
		return nil, err
	}
	ours, err := os.Stat(filepath.Join(r.data, "store"))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	theirs, err := os.Stat(found.Dir())
	if err == nil && os.SameFile(ours, theirs) {
		err = &store.ReplicaError{Dir: r.dir, Reason: "is the folder itself that is to be healed"}
	}
	return found, err
}

// Heal implements store.Healer.
func (r replica) Heal(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	found, err := r.open()
	if err != nil {
		return err
	}
	return found.Heal(ctx, ids, yield)
}

// openReplica names the replica. One that is not there now may be mounted later.
func (s *site) openReplica() error {
	if s.o.replica == "" {
		return nil
	}
	r, err := replicaAt(s.o.replica, s.o.data)
	if err != nil {
		return err
	}
	if _, err := r.open(); err != nil {
		s.log.Warn("nothing can be healed from the replica now", "error", err)
	}
	s.replica = &r
	return nil
}

// healer is what scrubs heal from, nil if there is nothing.
func (s *site) healer() store.Healer {
	if s.replica == nil {
		return nil
	}
	return *s.replica
}

// healEvery is how often the daemon asks its replica for what readers found damaged: a scrub comes by after days.
const healEvery = time.Hour

// run heals, now and from time to time, until ctx ends.
func (r replica) run(ctx context.Context, l *masters.Library, log *slog.Logger) {
	r.heal(ctx, l, log)
	_ = every(ctx, healEvery, func() error { r.heal(ctx, l, log); return nil }) // it tells of its failures itself
}

// heal asks once.
func (r replica) heal(ctx context.Context, l *masters.Library, log *slog.Logger) {
	lost := l.Lost(math.MaxInt)
	if len(lost) == 0 {
		return
	}
	healed, failed, err := l.Heal(ctx, r, lost)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Error("healing from the replica", "error", err)
	case failed != nil:
		log.Warn("healing from the replica", "lost_chunks", len(lost), "healed", healed, "error", failed)
	default:
		log.Info("healed from the replica", "lost_chunks", len(lost), "healed", healed)
	}
}
