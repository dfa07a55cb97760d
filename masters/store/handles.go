package store

import (
	"context"
	"errors"
	"sync"

	"github.com/ardoise/ardoise/masters/durable"
)

const maxHandles = 64 // packs kept open for reading

// handles keeps packs open for reading, and knows which are in use.
type handles struct {
	fs    durable.FS
	dir   string
	mu    *sync.Mutex
	known map[uint32]*handle
}

// handle is a pack that is or was read. refs and freed are guarded by handles.mu.
type handle struct {
	number uint32
	refs   int
	freed  chan struct{} // closed once refs is 0; nil while nobody waits

	opening sync.Mutex
	file    durable.File // nil until it is opened
	err     error        // why it could not be
}

func newHandles(d durable.FS, dir string) handles {
	return handles{fs: d, dir: dir, mu: &sync.Mutex{}, known: map[uint32]*handle{}}
}

// use says that a pack is going to be read; release must follow. The file is opened later, since locks are held here.
func (h *handles) use(number uint32) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.known[number]
	if p == nil {
		p = &handle{number: number}
		h.known[number] = p
	}
	p.refs++
	return p
}

// open opens the file of a pack in use, once.
func (h *handles) open(p *handle) error {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.file == nil && p.err == nil {
		p.file, p.err = h.fs.Open(packPath(h.dir, p.number))
	}
	return p.err
}

func (h *handles) release(p *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.refs--; p.refs > 0 {
		return
	}
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
	if p.err != nil {
		delete(h.known, p.number) // try again next time
	}
	for number, other := range h.known {
		if len(h.known) <= maxHandles {
			break
		}
		if other.refs == 0 {
			_ = other.close()
			delete(h.known, number)
		}
	}
}

func (p *handle) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// retire waits until nobody reads a pack that nobody can find any more, and closes it.
func (h *handles) retire(ctx context.Context, number uint32) error {
	for {
		h.mu.Lock()
		p := h.known[number]
		if p == nil || p.refs == 0 {
			delete(h.known, number)
			h.mu.Unlock()
			if p == nil {
				return nil
			}
			return p.close()
		}
		if p.freed == nil {
			p.freed = make(chan struct{})
		}
		freed := p.freed
		h.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *handles) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	for number, p := range h.known {
		err = errors.Join(err, p.close())
		delete(h.known, number)
	}
	return err
}
