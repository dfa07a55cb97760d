package store

import (
	"context"
	"fmt"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Session is one capture's way into the store. What it was told is here stays here until it ends. It is safe for
// concurrent use.
type Session struct {
	s     *Store
	first uint32                 // packs of this number and later may hold what it counts on; not guarded
	pins  map[chunk.ID]struct{}  // in older packs; guarded by s.mu, as all below
	packs map[*openPack]struct{} // open packs that hold chunks this session counts on
	added Added
}

// Added is what a session has put, and what of it was new to the store.
type Added struct {
	Frames int   // that were new
	Bytes  int64 // of these, headers included
	Put    int64 // bytes of all frames, headers included
}

// Begin begins a session.
func (s *Store) Begin() *Session {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Session{s: s, first: s.next, pins: map[chunk.ID]struct{}{}, packs: map[*openPack]struct{}{}}
	if s.open != nil {
		n.first = s.open.number
	}
	s.sessions[n] = struct{}{}
	return n
}

// Missing tells for each id whether its frame is wanted. What it says is here is pinned in the same moment. It fails with
// *SpaceError when a frame is wanted and the disk is full: that is known before it is sent.
func (n *Session) Missing(ctx context.Context, ids []chunk.ID) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wanted := make([]bool, len(ids))
	any := false
	n.s.mu.Lock()
	for i, id := range ids {
		wanted[i] = !n.holds(id)
		any = any || wanted[i]
	}
	n.s.mu.Unlock()
	if any {
		return wanted, n.s.room(0)
	}
	return wanted, nil
}

// holds tells whether the store has the chunk, or will have it once its pack is closed, and sees to it that it stays. A
// chunk that the collector was about to remove is needed again from this moment. Packs that are younger than the session
// are left alone while it is open, so only what lies in older ones is pinned: a first capture of a million files pins
// nothing. Call with mu held.
func (n *Session) holds(id chunk.ID) bool {
	p, known := n.s.known.get(id)
	number := p.pack
	if known {
		if p.seen != n.s.seen() {
			p.seen = n.s.seen()
			n.s.known.put(id, p)
		}
	} else {
		p := n.s.pending[id]
		if p == nil {
			return false
		}
		n.packs[p] = struct{}{}
		number = p.number
	}
	if number < n.first {
		n.pins[id] = struct{}{}
	}
	return true
}

// Put takes frames, after proving each content by its id: *chunk.DamagedError and nothing of the call is taken, as with
// *SpaceError. What the store has already is passed over. It may return before they are durable.
func (n *Session) Put(ctx context.Context, frames []chunk.Frame) error {
	n.s.others.Add(1)
	var content []byte
	bytes := int64(writeSize) // what may wait to be written
	for _, f := range frames {
		bytes += int64(f.Size())
		if err := ctx.Err(); err != nil {
			return err
		}
		err := f.Check() // what would be refused when it is read must not be stored
		if err == nil {
			content, err = n.s.codec.Open(content, f)
		}
		if err != nil {
			return fmt.Errorf("proving a frame: %w", err)
		}
	}
	if err := n.s.room(bytes); err != nil {
		return err
	}
	full, err := n.append(frames)
	for _, p := range full {
		if sealErr := n.s.seal(p); err == nil {
			err = sealErr
		}
	}
	return err
}

// append adds frames to the open pack and returns the packs that became full meanwhile.
func (n *Session) append(frames []chunk.Frame) (full []*openPack, err error) {
	s := n.s
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, f := range frames {
		s.mu.Lock()
		held := n.holds(f.ID)
		n.added.Put += int64(f.Size())
		s.mu.Unlock()
		if held {
			continue
		}
		if s.open != nil && s.full(s.open, f) {
			full = append(full, s.open)
			s.open = nil
		}
		if s.open == nil {
			if s.open, err = s.createPack(); err != nil {
				return full, err
			}
		}
		p := s.open
		s.mu.Lock()
		s.pending[f.ID] = p
		n.holds(f.ID)
		n.added.Frames++
		n.added.Bytes += int64(f.Size())
		s.mu.Unlock()
		if err := p.add(f); err != nil {
			s.open = nil
			s.fail(p, err)
			return full, err
		}
	}
	return full, nil
}

// createPack makes the next pack. Call with writing held.
func (s *Store) createPack() (*openPack, error) {
	p, err := createPack(s.fs, s.dir, s.next)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.next++
	s.mu.Unlock()
	return p, nil
}

// seal makes a pack that nobody adds to any more durable, and only then known.
func (s *Store) seal(p *openPack) error {
	if err := p.finish(s.fs, s.dir); err != nil {
		s.fail(p, err)
		return err
	}
	s.mu.Lock()
	for _, e := range p.entries {
		s.known.put(e.id, e.place(p.number, s.seen()))
		delete(s.pending, e.id)
	}
	s.packs[p.number] = packInfo{size: p.fileSize()}
	s.stale = true
	s.mu.Unlock()
	close(p.done)
	return nil
}

// fail forgets a pack that could not be written: its chunks are missing again, and whoever counts on them is told.
func (s *Store) fail(p *openPack, err error) {
	p.discard(s.fs)
	s.mu.Lock()
	for _, e := range p.entries {
		delete(s.pending, e.id)
	}
	s.mu.Unlock()
	p.err = err
	close(p.done)
}

// Flush returns once everything that the session put, or was told is here, is durable. After an error, ask Missing
// again: what was lost is wanted again.
func (n *Session) Flush(ctx context.Context) error {
	s := n.s
	s.writing.Lock()
	s.mu.Lock()
	mine := make([]*openPack, 0, len(n.packs))
	for p := range n.packs {
		mine = append(mine, p)
	}
	clear(n.packs)
	s.mu.Unlock()
	var last *openPack
	for _, p := range mine {
		if p == s.open {
			last, s.open = p, nil
		}
	}
	s.writing.Unlock()
	if last != nil {
		_ = s.seal(last) // its error is the pack's, found below
	}
	var failed error
	for _, p := range mine {
		select {
		case <-p.done:
			if p.err != nil && failed == nil {
				failed = p.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}

// Added returns what the session has put so far.
func (n *Session) Added() Added {
	n.s.mu.RLock()
	defer n.s.mu.RUnlock()
	return n.added
}

// Close ends the session and its pins. It may be called more than once.
func (n *Session) Close() {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	delete(n.s.sessions, n)
	clear(n.pins)
}
