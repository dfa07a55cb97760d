package store

import "errors"

// Close finishes the open pack, so that a capture that was cut off need not send it again, and writes the index. Nobody
// may use the store any more.
func (s *Store) Close() error {
	s.writing.Lock()
	p := s.open
	s.open = nil
	s.writing.Unlock()
	var err error
	if p != nil {
		err = s.seal(p)
	}
	err = errors.Join(err, s.Checkpoint(), s.handles.close())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.release() // who asks a closed store is told that it has nothing
	return err
}
