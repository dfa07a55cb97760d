package store

import (
	"context"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Rewriting rests after each step in which somebody captured or deployed, and only then.
func TestRewritingGivesWay(t *testing.T) {
	var rests int
	s, err := Open(t.TempDir(), Options{Sleep: func(context.Context, time.Duration) error { rests++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := s.Begin()
	defer n.Close()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("what a capture brings")
	f := codec.Seal(chunk.Of(content), content)
	r := &rewriter{s: s}
	for i, step := range []struct {
		name  string
		do    func() error
		rests int
	}{
		{"the first step", func() error { return nil }, 0},
		{"nobody does anything", func() error { return nil }, 0},
		{"a capture puts a frame", func() error { return n.Put(t.Context(), []chunk.Frame{f}) }, 1},
		{"nobody does anything more", func() error { return nil }, 1},
		{"a deployment fetches it", func() error {
			if err := n.Flush(t.Context()); err != nil {
				return err
			}
			return s.Fetch(t.Context(), []chunk.ID{f.ID}, func(chunk.Frame) error { return nil })
		}, 2},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := r.rest(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if rests != step.rests {
			t.Errorf("step %d, %s: %d rests, want %d", i, step.name, rests, step.rests)
		}
	}
}

// A rest that the rate wanted is no work: it must not be rested for.
func TestRestingIsNoWork(t *testing.T) {
	var rests []time.Duration
	s, err := Open(t.TempDir(), Options{Sleep: func(_ context.Context, d time.Duration) error { rests = append(rests, d); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := &rewriter{s: s, w: Work{Rate: 1 << 20}}
	for range 3 {
		s.others.Add(1) // somebody works all the time
		if err := r.rest(t.Context(), 10<<20); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range rests {
		if len(rests) != 3 || d != 10*time.Second {
			t.Errorf("rest %d of %d took %v, want one of 10 s for each of 3 steps", i, len(rests), d)
		}
	}
}
