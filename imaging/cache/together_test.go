package cache_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

// What is read may be moved or make room meanwhile: then it is found again, or missing, and never wrong.
func TestReadersAndWritersAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(64 * mib)
	r.make(t)
	r.part.Length = 21 * mib // five segments
	c := r.open(t)
	kept := r.write(t, numbers(0, 12)...)
	keep(t, c, kept)
	fill(t, c, kept, r.disk)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for ctx.Err() == nil {
				n := 0
				err := c.Fetch(ctx, kept.ids(), func(f chunk.Frame) error {
					if !bytes.Equal(f.Payload, kept.content[f.ID]) && f.Codec == 0 {
						t.Errorf("a wrong frame of %s", f.ID)
					}
					n++
					return nil
				})
				if err != nil && ctx.Err() == nil {
					t.Errorf("a version that is kept: %v after %d", err, n)
					return
				}
			}
		})
	}
	group.Go(func() {
		for ctx.Err() == nil {
			if lost, err := c.Check(ctx); lost > 0 || err != nil && ctx.Err() == nil {
				t.Errorf("Check = %d, %v", lost, err)
			}
			_ = c.Stats()
		}
	})
	for i := range 60 {
		if err := c.Put(frame(t, noise(5000+i, int(256*kib)))); err != nil {
			t.Error(err)
		}
		if i%7 == 0 {
			if err := errors.Join(c.KeepFor(kept.hash), c.Flush()); err != nil {
				t.Error(err)
			}
		}
	}
	stop()
	group.Wait()
	if got := c.Missing(kept.ids()); len(got) > 0 {
		t.Errorf("%d chunks of a kept version are gone", len(got))
	}
	if !slices.Equal(r.open(t).Missing(kept.ids()), nil) {
		t.Error("and after opening again")
	}
}
