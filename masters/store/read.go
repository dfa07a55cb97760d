package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/ardoise/ardoise/masters/chunk"
)

const readSize = 1 << 20 // bytes of neighbouring frames read at once

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
		s.others.Add(1)
		r, err := s.neighbours(ids)
		if err != nil {
			return err
		}
		if buf, err = s.readRun(buf, r, ids, yield); err != nil {
			return err
		}
		ids = ids[len(r.sizes):]
	}
	return nil
}

// run is frames that follow each other on disk as their ids do in a request: they are read at once.
type run struct {
	place
	sizes  []uint32
	handle *handle
}

// neighbours returns the run that begins with the first id. The pack is in use from the moment in which its place is
// read, so that it is not removed before it is read.
func (s *Store) neighbours(ids []chunk.ID) (run, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	first, ok := s.known.get(ids[0])
	if !ok {
		return run{}, &NotFoundError{ID: ids[0]}
	}
	r := run{place: first, sizes: []uint32{first.size}, handle: s.handles.use(first.pack)}
	end := first.offset + first.size
	for _, id := range ids[1:] {
		p, ok := s.known.get(id)
		if !ok || p.pack != first.pack || p.offset != end || end+p.size-first.offset > readSize {
			break
		}
		r.sizes = append(r.sizes, p.size)
		end += p.size
	}
	return r, nil
}

func (s *Store) readRun(buf []byte, r run, ids []chunk.ID, yield func(chunk.Frame) error) ([]byte, error) {
	var size uint32
	for _, n := range r.sizes {
		size += n
	}
	if cap(buf) < int(size) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	got, err := s.handles.readAt(r.handle, buf, int64(r.offset))
	if errors.Is(err, syscall.EIO) && len(r.sizes) > 1 {
		defer s.handles.release(r.handle)
		return s.readEach(buf, r, ids, yield)
	}
	s.handles.release(r.handle)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.losePack(r.pack)
		err = &chunk.DamagedError{ID: ids[0], Reason: "its pack is gone"}
	case errors.Is(err, syscall.EIO):
		_ = s.quarantine(ids[0], frameAt{r.pack, r.offset}, mediumFails) // told all the same, as below
		err = &chunk.DamagedError{ID: ids[0], Reason: mediumFails}
	}
	if err != nil {
		return buf, fmt.Errorf("reading pack %d: %w", r.pack, err)
	}
	rest, offset := buf[:got], r.offset
	for i, n := range r.sizes {
		frame, err := parseFrame(rest[:min(int(n), len(rest))], ids[i], n)
		if err != nil {
			// What the quarantine cannot write down now, it will with the next frame: this one is told all the same.
			_ = s.quarantine(ids[i], frameAt{r.pack, offset}, err.Reason)
			return buf, fmt.Errorf("reading pack %d: %w", r.pack, err)
		}
		if err := yield(frame); err != nil {
			return buf, err
		}
		rest = rest[n:]
		offset += n
	}
	return buf, nil
}

// readEach reads a run frame by frame, where the medium does not give back all of it: most of it may be sound.
func (s *Store) readEach(buf []byte, r run, ids []chunk.ID, yield func(chunk.Frame) error) ([]byte, error) {
	at := r.place
	for i, n := range r.sizes {
		var err error
		one := run{place: at, sizes: r.sizes[i : i+1], handle: s.handles.use(r.pack)}
		if buf, err = s.readRun(buf, one, ids[i:], yield); err != nil {
			return buf, err
		}
		at.offset += n
	}
	return buf, nil
}

// mediumFails is what is wrong with bytes for which the medium answers EIO.
const mediumFails = "the medium cannot read it"

// parseFrame returns the frame of a chunk that is said to be b, its checksum proven.
func parseFrame(b []byte, id chunk.ID, size uint32) (chunk.Frame, *chunk.DamagedError) {
	frame, took, err := chunk.Parse(b)
	if err == nil && took == int(size) && frame.ID == id {
		return frame, nil
	}
	reason := "another frame lies in its place"
	var damaged *chunk.DamagedError
	if errors.As(err, &damaged) {
		reason = damaged.Reason
	}
	return chunk.Frame{}, &chunk.DamagedError{ID: id, Reason: reason}
}

// losePack forgets a pack whose file is gone, and wants its chunks again.
func (s *Store) losePack(number uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.packs[number]; there {
		delete(s.packs, number)
		s.damaged = append(s.damaged, &PackError{Pack: number, Reason: "its file is gone"})
	}
	for shard := range shardCount {
		s.known.edit(shard, func(_ chunk.ID, p place) place {
			if p.pack == number {
				p.size = 0
			}
			return p
		})
	}
	s.stale = true
}

// readAt fills b from a pack and returns how many bytes there were.
func (h *handles) readAt(p *handle, b []byte, offset int64) (int, error) {
	if err := h.open(p); err != nil {
		return 0, err
	}
	n, err := p.file.ReadAt(b, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
