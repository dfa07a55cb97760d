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
		if err := r.giveWay(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rests != step.rests {
			t.Errorf("step %d, %s: %d rests, want %d", i, step.name, rests, step.rests)
		}
	}
}
