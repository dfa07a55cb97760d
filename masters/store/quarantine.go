package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	quarantineName = "quarantine"
	maxQuarantine  = 256 << 20 // bytes
)

// frameAt is where a frame begins.
type frameAt struct {
	pack, offset uint32
}

// Quarantined is a frame that was found damaged: it is not served any more, and its chunk is wanted again unless another
// frame of it is known.
type Quarantined struct {
	ID     chunk.ID `json:"id"`
	Pack   uint32   `json:"pack"`
	Offset uint32   `json:"offset"` // in the pack, bytes
	Reason string   `json:"reason"`
	Healed bool     `json:"healed,omitempty"` // another frame of the chunk is known

	seen uint8 // cycle in which the chunk was last needed
}

// isReadOnly tells whether an error says that nothing can be written here.
func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}

// Quarantine returns the frames that were found damaged, by pack and offset.
func (s *Store) Quarantine() []Quarantined {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.listQuarantine()
}

func (s *Store) listQuarantine() []Quarantined {
	list := make([]Quarantined, 0, len(s.bad))
	for _, q := range s.bad {
		_, q.Healed = s.known.get(q.ID)
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b Quarantined) int {
		return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Offset, b.Offset))
	})
	return list
}

// quarantine stops serving a frame. Its chunk, unless known elsewhere, is wanted from now on: the next capture that
// holds it heals it.
func (s *Store) quarantine(id chunk.ID, at frameAt, reason string) error {
	s.condemn(id, at, reason)
	return s.writeQuarantine()
}

// condemn is quarantine that writeQuarantine must follow.
func (s *Store) condemn(id chunk.ID, at frameAt, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.bad[at]; twice {
		return
	}
	s.bad[at] = Quarantined{ID: id, Pack: at.pack, Offset: at.offset, Reason: reason, seen: s.seen()}
	if p, ok := s.known.get(id); ok && p.pack == at.pack && p.offset == at.offset {
		s.bad[at] = Quarantined{ID: id, Pack: at.pack, Offset: at.offset, Reason: reason, seen: p.seen}
		s.known.remove(id)
	}
	s.stale = true
}

// writeQuarantine replaces the quarantine file. Unlike the index it is no cache: a frame of right checksum and wrong
// content is not found again by reading footers.
func (s *Store) writeQuarantine() error {
	s.naming.Lock()
	defer s.naming.Unlock()
	s.mu.RLock()
	list := s.listQuarantine()
	s.mu.RUnlock()
	for i := range list {
		list[i].Healed = false
	}
	b, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(s.fs, filepath.Join(s.dir, quarantineName), append(b, '\n')); err != nil {
		return fmt.Errorf("writing the quarantine of the store: %w", err)
	}
	return nil
}

// loadQuarantine reads the quarantine file. One that cannot be read is told, and no reason to serve nothing: its frames
// are found again.
func (s *Store) loadQuarantine() {
	b, err := durable.ReadFile(s.fs, filepath.Join(s.dir, quarantineName), maxQuarantine)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []Quarantined
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		s.damaged = append(s.damaged, fmt.Errorf("the list of damaged frames cannot be read, a scrub makes it again: %w", err))
		return
	}
	for _, q := range list {
		s.bad[frameAt{q.Pack, q.Offset}] = q
	}
}

// dropQuarantined forgets quarantined frames of packs that are gone, and makes the others unknown.
func (s *Store) dropQuarantined() {
	for at, q := range s.bad {
		if _, there := s.packs[at.pack]; !there {
			delete(s.bad, at)
			continue
		}
		q.seen = s.seen()
		s.bad[at] = q
		if p, ok := s.known.get(q.ID); ok && p.pack == at.pack && p.offset == at.offset {
			s.known.remove(q.ID)
			s.stale = true
		}
	}
}

// recovered lets a frame out of quarantine that was read soundly after all.
func (s *Store) recovered(e entry, at frameAt) error {
	s.mu.Lock()
	if _, bad := s.bad[at]; !bad {
		s.mu.Unlock()
		return nil
	}
	delete(s.bad, at)
	if _, known := s.known.get(e.id); !known {
		s.known.put(e.id, e.place(at.pack, s.seen()))
	}
	s.stale = true
	s.mu.Unlock()
	return s.writeQuarantine()
}
