package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Kept keeps frames in memory: what a test's capture puts, and a source of it. The zero value is empty. A capture asks
// and puts at the same time; Have is for when none does.
type Kept struct {
	Have map[chunk.ID]chunk.Frame

	mu sync.Mutex
}

// Missing tells of each chunk whether it was not put yet.
func (s *Kept) Missing(_ context.Context, ids []chunk.ID) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]bool, len(ids))
	for i, id := range ids {
		_, have := s.Have[id]
		out[i] = !have
	}
	return out, nil
}

// Put keeps copies of frames.
func (s *Kept) Put(_ context.Context, frames []chunk.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Have == nil {
		s.Have = map[chunk.ID]chunk.Frame{}
	}
	for _, f := range frames {
		f.Payload = bytes.Clone(f.Payload)
		s.Have[f.ID] = f
	}
	return nil
}

// Fetch calls yield with one frame for each id, in order. A chunk that was not put ends it with an error.
func (s *Kept) Fetch(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for _, id := range ids {
		s.mu.Lock()
		f, ok := s.Have[id]
		s.mu.Unlock()
		if !ok {
			return fmt.Errorf("chunk %s is not here", id)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
