package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FS is a file system: the operations on names, folders and locks. Errors are those of package io/fs.
type FS struct {
	Files
	Folders
	Locker
	Appender
	Space // nil: nobody knows
}

// Space tells how much room there is.
type Space interface {
	// Free returns how many bytes may still be written in the folder name, and how many its file system holds in all.
	Free(name string) (free, total int64, err error)
}

// Files creates, opens and removes files.
type Files interface {
	// Create makes a new file for writing and reading, mode 0600; it is fs.ErrExist if the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Remove removes a file or an empty folder.
	Remove(name string) error
}

// Appender goes on with a file that was left unfinished.
type Appender interface {
	// Append opens a file for writing at its end, after cutting it to size bytes; fs.ErrNotExist if there is none.
	Append(name string, size int64) (File, error)
}

// Folders makes, lists and orders folders.
type Folders interface {
	Makes
	// ReadDir returns the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	// Rename gives a file or folder another name; a file of that name is replaced, a folder with content is not.
	Rename(from, to string) error
}

// Makes makes folders and makes their names durable.
type Makes interface {
	// Mkdir makes a folder, mode 0700; it is fs.ErrExist if the name is taken.
	Mkdir(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(name string) error
}

// Locker takes locks that end with the process.
type Locker interface {
	// Lock takes the lock of the file name, making it; *LockedError if somebody holds it. Close gives it back.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReadWriteCloser
	io.ReaderAt
	Syncer
}

// Syncer makes written bytes durable.
type Syncer interface {
	Sync() error
	Size() (int64, error) // bytes
}

// LockedError says that another process, or another part of this one, holds a lock.
type LockedError struct {
	Path string
}

// Error implements error.
func (e *LockedError) Error() string { return fmt.Sprintf("%s is in use by another process", e.Path) }

// OS returns the host's file system.
func OS() FS {
	return FS{Files: host{}, Folders: host{}, Locker: host{}, Appender: host{}, Space: host{}}
}

type host struct{}

type hostFile struct{ *os.File }

func (f hostFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (host) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return hostFile{f}, nil
}

func (host) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return hostFile{f}, nil
}

func (host) Append(name string, size int64) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err = f.Truncate(size); err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return hostFile{f}, nil
}

func (host) Remove(name string) error     { return os.Remove(name) }
func (host) Rename(from, to string) error { return os.Rename(from, to) }
func (host) Mkdir(name string) error      { return os.Mkdir(name, 0o700) }

func (host) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (host) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Free leaves out what the file system keeps for root, though the daemon may be root: that is not ours to fill.
func (host) Free(name string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return 0, 0, fmt.Errorf("asking how much room there is in %s: %w", name, err)
	}
	return bytesOf(s.Bavail, s.Frsize), bytesOf(s.Blocks, s.Frsize), nil
}

// bytesOf is a number of blocks in bytes; a file system that claims more than there can be has no end.
func bytesOf(blocks uint64, size int64) int64 {
	if size <= 0 || blocks > uint64(math.MaxInt64/size) {
		return math.MaxInt64
	}
	return int64(blocks) * size
}

func (host) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Path: name}
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return held{f}, nil
}

// held is a lock that is held.
type held struct{ file *os.File }

// Close gives the lock back by name: a child that another goroutine has just forked keeps the file open until it executes
// its program, and would keep the lock with it.
func (l held) Close() error {
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}

// MakeFolder makes a folder unless it is there, and its name durable. A folder that is there, in one that we may not
// read, was made by somebody else: its name is taken for durable.
func MakeFolder(d FS, name string) error {
	made := d.Mkdir(name)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	err := d.SyncDir(filepath.Dir(name))
	if made != nil && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// WriteNew writes a new file of which the bytes, but not yet the name, are durable.
func WriteNew(d FS, name string, content []byte) error {
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// WriteFile makes content the whole of the file name: the old content or the new, whatever happens meanwhile.
func WriteFile(d FS, name string, content []byte) error {
	temp := name + ".tmp"
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := WriteNew(d, temp, content)
	if err == nil {
		err = d.Rename(temp, name)
	}
	if err != nil {
		_ = d.Remove(temp) // on a full disk it would take the room that is wanted
		return err
	}
	return d.SyncDir(filepath.Dir(name))
}

// ReadFile returns the content of a file of at most most bytes.
func ReadFile(d FS, name string, most int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	content.Grow(int(min(size, most)) + bytes.MinRead) // with room for the read that finds the end
	if _, err := content.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(content.Len()) > most {
		return nil, fmt.Errorf("%s holds more than %d bytes", name, most)
	}
	return content.Bytes(), nil
}
