package storetest

import (
	"context"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Method is a method of a store that can be made to fail.
type Method int

// The methods of Faulty.
const (
	Missing Method = iota
	Put
	Flush
	Fetch
)

// Faulty is a store that fails as it is told: each method has a queue of errors, and each call takes the next one. nil
// in a queue, or an empty queue, lets a call through. It is safe for concurrent use.
type Faulty struct {
	Session Session
	Source  Source

	mu    sync.Mutex
	queue map[Method][]error
	calls map[Method]int
}

// Fail queues errors for the next calls of a method.
func (f *Faulty) Fail(m Method, errs ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queue == nil {
		f.queue = map[Method][]error{}
	}
	f.queue[m] = append(f.queue[m], errs...)
}

// Calls returns how often a method was called.
func (f *Faulty) Calls(m Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[m]
}

func (f *Faulty) next(m Method) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[Method]int{}
	}
	f.calls[m]++
	queue := f.queue[m]
	if len(queue) == 0 {
		return nil
	}
	f.queue[m] = queue[1:]
	return queue[0]
}

// Missing implements Session.
func (f *Faulty) Missing(ctx context.Context, ids []chunk.ID) ([]bool, error) {
	if err := f.next(Missing); err != nil {
		return nil, err
	}
	return f.Session.Missing(ctx, ids)
}

// Put implements Session.
func (f *Faulty) Put(ctx context.Context, frames []chunk.Frame) error {
	if err := f.next(Put); err != nil {
		return err
	}
	return f.Session.Put(ctx, frames)
}

// Flush implements Session.
func (f *Faulty) Flush(ctx context.Context) error {
	if err := f.next(Flush); err != nil {
		return err
	}
	return f.Session.Flush(ctx)
}

// Fetch implements Source. An error ends it after half of the frames: what comes before an error is still good.
func (f *Faulty) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	wrong := f.next(Fetch)
	if wrong == nil {
		return f.Source.Fetch(ctx, ids, yield)
	}
	if err := f.Source.Fetch(ctx, ids[:len(ids)/2], yield); err != nil {
		return err
	}
	return wrong
}
