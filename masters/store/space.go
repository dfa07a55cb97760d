package store

import (
	"fmt"
	"syscall"
)

// SpaceError says that the disk has no room for what was to be stored. Nothing of it was written. It is also
// syscall.ENOSPC.
type SpaceError struct {
	Dir  string // of the store
	Free int64  // bytes
	Need int64  // bytes that must be free, so that collecting and the index have room too
}

// Error implements error.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("the disk under %s has %d MB free, %d MB are needed: at least %d MB are lacking", e.Dir, e.Free/1e6,
		(e.Need+1e6-1)/1e6, (e.Lacking()+1e6-1)/1e6)
}

// Lacking returns how many bytes must be made free at least.
func (e *SpaceError) Lacking() int64 { return e.Need - e.Free }

// Unwrap returns what the disk would say.
func (e *SpaceError) Unwrap() error { return syscall.ENOSPC }

const (
	reservePacks = 4  // packs
	reserveShare = 20 // the part of the file system that is kept free at most: a twentieth
)

// free returns the bytes that can be written, and of how many; false if nobody knows.
func (s *Store) free() (free, total int64, known bool) {
	if s.fs.Space == nil {
		return 0, 0, false
	}
	free, total, err := s.fs.Free(s.dir)
	return free, total, err == nil
}

// room refuses what sessions want to store while it would take what must stay free: collecting copies before it removes,
// the index is written beside the old one, and a database lies on the same disk. Better to refuse a capture that has just
// begun than to end one, and then be unable to make room.
func (s *Store) room(bytes int64) error {
	free, total, known := s.free()
	if !known {
		return nil
	}
	s.mu.RLock()
	reserve := reservePacks*int64(s.packSize) + slotSize*int64(s.known.count)
	s.mu.RUnlock()
	if need := bytes + min(reserve, total/reserveShare); free < need {
		return &SpaceError{Dir: s.dir, Free: free, Need: need}
	}
	return nil
}
