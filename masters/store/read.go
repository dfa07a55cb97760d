package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	maxHandles = 64      // packs kept open for reading
	readSize   = 1 << 20 // bytes of neighbouring frames read at once
)

// handles keeps packs open for reading.
type handles struct {
	fs   durable.FS
	dir  string
	mu   sync.Mutex
	open map[uint32]*handle
}

type handle struct {
	file durable.File
	refs int
}

func (h *handles) acquire(number uint32) (*handle, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := h.open[number]; got != nil {
		got.refs++
		return got, nil
	}
	for other, got := range h.open {
		if len(h.open) < maxHandles {
			break
		}
		if got.refs == 0 {
			_ = got.file.Close()
			delete(h.open, other)
		}
	}
	file, err := h.fs.Open(packPath(h.dir, number))
	if err != nil {
		return nil, err
	}
	h.open[number] = &handle{file: file, refs: 1}
	return h.open[number], nil
}

func (h *handles) release(got *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got.refs--
}

func (h *handles) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	for number, got := range h.open {
		err = errors.Join(err, got.file.Close())
		delete(h.open, number)
	}
	return err
}

// Get returns the chunk's frame, its checksum proven: *NotFoundError when the store has not got it,
// *chunk.DamagedError when the frame is damaged.
func (s *Store) Get(id chunk.ID) (chunk.Frame, error) {
	var got chunk.Frame
	err := s.Fetch(context.Background(), []chunk.ID{id}, func(f chunk.Frame) error {
		got = f
		return nil
	})
	return got, err
}

// Fetch calls yield with one frame for each id, in order. A frame is valid until yield returns. Errors are those of Get,
// of ctx, and of yield.
func (s *Store) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	var buf []byte
	for len(ids) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		first, run, err := s.neighbours(ids)
		if err != nil {
			return err
		}
		if buf, err = s.readRun(buf, first, run, ids, yield); err != nil {
			return err
		}
		ids = ids[len(run):]
	}
	return nil
}

// neighbours returns the place of the first id, and the sizes of the frames that follow each other on disk as their ids
// do in ids: they are read at once.
func (s *Store) neighbours(ids []chunk.ID) (place, []uint32, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	first, ok := s.known[ids[0]]
	if !ok {
		return place{}, nil, &NotFoundError{ID: ids[0]}
	}
	run := []uint32{first.size}
	end := first.offset + first.size
	for _, id := range ids[1:] {
		p, ok := s.known[id]
		if !ok || p.pack != first.pack || p.offset != end || end+p.size-first.offset > readSize {
			break
		}
		run = append(run, p.size)
		end += p.size
	}
	return first, run, nil
}

func (s *Store) readRun(buf []byte, first place, run []uint32, ids []chunk.ID, yield func(chunk.Frame) error) ([]byte, error) {
	var size uint32
	for _, n := range run {
		size += n
	}
	if cap(buf) < int(size) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	got, err := s.readAt(buf, first)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			s.forget(ids[0], first.pack)
			err = &chunk.DamagedError{ID: ids[0], Reason: "its pack is gone"}
		}
		return buf, fmt.Errorf("reading pack %d: %w", first.pack, err)
	}
	rest := buf[:got]
	for i, n := range run {
		frame, took, err := chunk.Parse(rest[:min(int(n), len(rest))])
		if err != nil || took != int(n) || frame.ID != ids[i] {
			reason := "another frame lies in its place"
			var damaged *chunk.DamagedError
			if errors.As(err, &damaged) {
				reason = damaged.Reason
			}
			s.forget(ids[i], first.pack)
			return buf, fmt.Errorf("reading pack %d: %w", first.pack, &chunk.DamagedError{ID: ids[i], Reason: reason})
		}
		if err := yield(frame); err != nil {
			return buf, err
		}
		rest = rest[took:]
	}
	return buf, nil
}

// forget makes a chunk wanted again whose frame in this pack was found damaged: the next capture that holds it heals it.
// The index file remembers; without it the damaged frame is known again, unless a later pack has a sound one.
func (s *Store) forget(id chunk.ID, pack uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.known[id]; ok && p.pack == pack {
		delete(s.known, id)
		s.stale = true
	}
}

// readAt fills buf from a pack and returns how many bytes there were.
func (s *Store) readAt(buf []byte, p place) (int, error) {
	h, err := s.handles.acquire(p.pack)
	if err != nil {
		return 0, err
	}
	defer s.handles.release(h)
	n, err := h.file.ReadAt(buf, int64(p.offset))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
