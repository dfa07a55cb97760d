package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

// Replica is the folder of another store, or a copy of one, that lost chunks are read from: the data folder of another
// box, mounted, or what rsync made. Nothing in it is written, locked or believed: it may be damaged itself, in use, or
// half copied.
type Replica struct {
	dir string // that the packs lie in
	fs  durable.FS
}

var _ Healer = (*Replica)(nil)

// ReplicaError says that a folder cannot be healed from.
type ReplicaError struct {
	Dir    string
	Reason string
	Err    error // nil: nothing went wrong, it is no replica
}

// Error implements error.
func (e *ReplicaError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("%s %s", e.Dir, e.Reason)
}

// Unwrap returns what went wrong.
func (e *ReplicaError) Unwrap() error { return e.Err }

// OpenReplica finds the packs of a replica: in dir, or in dir/store when dir is a data folder. It fails with *ReplicaError
// when there are none. files is where it lies; zero: the host's file system.
func OpenReplica(dir string, files durable.FS) (*Replica, error) {
	if files.Files == nil {
		files = durable.OS()
	}
	r := &Replica{fs: files}
	for _, r.dir = range []string{filepath.Join(dir, "store"), dir} {
		numbers, err := r.packs()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &ReplicaError{Dir: dir, Reason: "looking for packs", Err: err}
		}
		if len(numbers) > 0 {
			return r, nil
		}
	}
	return nil, &ReplicaError{Dir: dir, Reason: "holds no packs"}
}

// Dir returns the folder that the packs lie in.
func (r *Replica) Dir() string { return r.dir }

// packs returns the numbers of the packs, the newest first: of a chunk stored twice the older frame may be damaged.
func (r *Replica) packs() ([]uint32, error) {
	names, err := r.fs.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, name := range names {
		if number, ok := packNumber(r.dir, name); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

// Heal implements Healer: it reads the footer of every pack, and the wanted frames. No index: memory is for what is
// wanted, however large the replica is. A pack that cannot be read is passed over and told at last.
func (r *Replica) Heal(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	numbers, err := r.packs()
	if err != nil {
		return &ReplicaError{Dir: r.dir, Reason: "looking for packs", Err: err}
	}
	wanted := make(map[chunk.ID]struct{}, len(ids))
	for _, id := range ids {
		wanted[id] = struct{}{}
	}
	var unread error
	for _, number := range numbers {
		if len(wanted) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var stop *stopError
		err := r.pack(number, wanted, yield)
		if errors.As(err, &stop) {
			return stop.err
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && unread == nil { // one may be collected there while we look
			unread = &ReplicaError{Dir: r.dir, Reason: fmt.Sprintf("reading pack %d of %s", number, r.dir), Err: err}
		}
	}
	return unread
}

// stopError is the error of whoever takes the frames.
type stopError struct{ err error }

// Error implements error.
func (e *stopError) Error() string { return e.err.Error() }

// pack gives the frames of one pack that are wanted and sound, and strikes them out.
func (r *Replica) pack(number uint32, wanted map[chunk.ID]struct{}, yield func(chunk.Frame) error) (err error) {
	f, err := r.fs.Open(packPath(r.dir, number))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c, err := readPack(f, number)
	if err != nil {
		return err
	}
	var unread error
	buf := make([]byte, 0, chunk.MaxFrameSize)
	for _, e := range c.entries {
		if _, want := wanted[e.id]; !want {
			continue
		}
		buf = buf[:e.size]
		if err := readFull(f, buf, int64(e.offset)); err != nil {
			unread = err // its neighbours may be sound
			continue
		}
		frame, damaged := parseFrame(buf, e.id, e.size)
		if damaged != nil {
			continue
		}
		if err := yield(frame); err != nil {
			return &stopError{err}
		}
		delete(wanted, e.id)
	}
	return unread
}
