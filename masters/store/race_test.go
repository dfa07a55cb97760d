package store_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// shelf is what a library does with a store: versions that are published and forgotten, plans that run.
type shelf struct {
	mu       sync.Mutex
	next     int
	versions map[int][]chunk.ID
	plans    map[int][]chunk.ID
}

func (l *shelf) publish(ids []chunk.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.versions[l.next] = ids
}

// forget takes the oldest version away, unless it is the only one.
func (l *shelf) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.versions) > 1 {
		delete(l.versions, slices.Min(slices.Collect(maps.Keys(l.versions))))
	}
}

// plan returns the chunks of any version, which stay until done is called.
func (l *shelf) plan(random *rand.Rand) (ids []chunk.ID, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	numbers := slices.Sorted(maps.Keys(l.versions))
	if len(numbers) == 0 {
		return nil, func() {}
	}
	l.next++
	plan := l.next
	l.plans[plan] = l.versions[numbers[random.IntN(len(numbers))]]
	return l.plans[plan], func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.plans, plan)
	}
}

// live looks at versions first and then at plans: a plan that begins in between is of a version that was there.
func (l *shelf) live(_ context.Context, yield func(chunk.ID) error) error {
	l.mu.Lock()
	all := append(slices.Collect(maps.Values(l.versions)), slices.Collect(maps.Values(l.plans))...)
	l.mu.Unlock()
	for _, ids := range all {
		for _, id := range ids {
			if err := yield(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestCapturesDeploymentsAndUpkeepAtOnce is a store's whole life in a second: whatever is published stays readable.
func TestCapturesDeploymentsAndUpkeepAtOnce(t *testing.T) {
	ids, frames := storetest.Frames(t, 80, 31)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	l := &shelf{versions: map[int][]chunk.ID{}, plans: map[int][]chunk.ID{}}
	ctx, stop := context.WithCancel(context.Background())
	var captures, others sync.WaitGroup
	for worker := range 2 {
		captures.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 3))
			for range 30 {
				first := random.IntN(len(ids) - 20)
				capturePart(t, s, l, ids[first:first+20], frames[first:first+20])
				l.forget()
			}
		})
	}
	loop := func(work func() error) {
		others.Go(func() {
			for ctx.Err() == nil {
				if err := work(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	collections, removed := 0, 0
	loop(func() error {
		c, err := s.Collect(ctx, l.live, store.Work{})
		collections++
		removed += c.RemovedPacks
		return err
	})
	random := rand.New(rand.NewPCG(9, 9))
	loop(func() error {
		plan, done := l.plan(random)
		defer done()
		storetest.Prove(t, s, plan)
		return nil
	})
	loop(func() error {
		_, err := s.Recompress(ctx, 2, store.Work{})
		return err
	})
	loop(func() error {
		r, err := s.Scrub(ctx, store.Scrub{Content: true})
		if len(r.Bad)+len(r.Damaged) > 0 {
			t.Errorf("a scrub found %+v", r)
		}
		return err
	})
	loop(func() error {
		_, err := s.Survey(ctx, l.live, store.Work{})
		return err
	})
	loop(s.Checkpoint)
	captures.Wait()
	stop()
	others.Wait()
	for range 2 { // whatever the machine's load has let the collections above do
		c := collect(t, s, l.live)
		removed += c.RemovedPacks
	}
	t.Logf("%d collections removed %d packs", collections, removed)
	if removed == 0 {
		t.Error("nothing was ever collected")
	}
	for range 2 {
		for _, v := range l.versions {
			storetest.Prove(t, s, v)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, store.Options{PackSize: smallPack})
	}
}

// capturePart is a capture: it asks, sends what is missing, and publishes what is durable.
func capturePart(t *testing.T, s *store.Store, l *shelf, ids []chunk.ID, frames []chunk.Frame) {
	ctx := context.Background()
	n := s.Begin()
	defer n.Close()
	wanted, err := n.Missing(ctx, ids)
	if err != nil {
		t.Error(err)
		return
	}
	for i, w := range wanted {
		if !w {
			continue
		}
		if err := n.Put(ctx, frames[i:i+1]); err != nil {
			t.Error(err)
		}
	}
	if err := n.Flush(ctx); err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		if _, ok := s.Has(id); !ok {
			t.Errorf("chunk %s, which Missing or Put promised, is gone before it is published", id)
		}
	}
	l.publish(ids)
}
