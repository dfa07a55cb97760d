package storetest

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/ardoise/ardoise/masters/durable"
)

// ErrPowerCut is the error of every operation after the power went.
var ErrPowerCut = errors.New("the power is cut")

// Kind says what survives a power cut besides synced bytes under synced names.
type Kind int

// The kinds of power cut.
const (
	LoseUnsynced Kind = iota // nothing
	KeepNames                // names, with the bytes of the last sync
	TearBytes                // names, with half of the bytes written since the last sync
)

// String says what survives.
func (k Kind) String() string {
	return [...]string{"nothing unsynced survives", "names survive", "names and half of the bytes survive"}[k]
}

// Kinds returns all kinds of power cut.
func Kinds() []Kind { return []Kind{LoseUnsynced, KeepNames, TearBytes} }

// Disk is a file system in memory that loses power, or fails, when told to. It is safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	root   *node
	locks  map[string]bool
	life   int // grows at each restart: files of an earlier life are dead
	ops    int
	cut    int // operations until the power goes; negative: never
	failAt int // the operation that fails; negative: none
	fail   error
	sealed bool // read-only
	room   int  // bytes that fit; negative: there is no end
	rotten map[*node][2]int
}

// node is a file or folder: what it is now, and what of it is on the medium.
type node struct {
	folder       bool
	data, stable []byte
	names, kept  map[string]*node
}

func newFolder() *node {
	return &node{folder: true, names: map[string]*node{}, kept: map[string]*node{}}
}

// NewDisk returns an empty disk with power.
func NewDisk() *Disk {
	return &Disk{root: newFolder(), locks: map[string]bool{}, rotten: map[*node][2]int{}, cut: -1, failAt: -1, room: -1}
}

// FS returns the disk as a file system. Its root is "/".
func (d *Disk) FS() durable.FS {
	return durable.FS{Files: d, Folders: d, Locker: d, Appender: d, Space: d}
}

// Ops returns how many operations have changed, or made durable, something so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// CutAfter cuts the power after n more changing operations.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = n
}

// FailAt makes the changing operation after n more fail with err, and none after it.
func (d *Disk) FailAt(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failAt, d.fail = n, err
}

// Restart gives power again. Open files and locks are gone.
func (d *Disk) Restart(kind Kind) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut, d.failAt = -1, -1
	d.life++
	clear(d.locks)
	clear(d.rotten)
	d.root.restart(kind)
}

func (n *node) restart(kind Kind) {
	if !n.folder {
		if kind == TearBytes && len(n.data) > len(n.stable) {
			n.stable = n.data[:(len(n.stable)+len(n.data))/2]
		}
		n.data = slices.Clone(n.stable)
		n.stable = slices.Clone(n.stable)
		return
	}
	if kind != LoseUnsynced {
		n.kept = maps.Clone(n.names)
	}
	n.names = maps.Clone(n.kept)
	for _, child := range n.names {
		child.restart(kind)
	}
}

// change counts a changing operation and tells whether it must fail. Call with mu held.
func (d *Disk) change() error {
	if d.cut == 0 {
		return ErrPowerCut
	}
	d.ops++
	if d.cut > 0 {
		d.cut--
	}
	if d.sealed {
		return syscall.EROFS
	}
	if d.failAt >= 0 {
		if d.failAt--; d.failAt < 0 {
			return d.fail
		}
	}
	return nil
}

// parent returns the folder that holds name. Call with mu held.
func (d *Disk) parent(op, name string) (*node, string, error) {
	dir, base := filepath.Split(filepath.Clean(name))
	n, err := d.find(op, dir)
	if err == nil && !n.folder {
		err = &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return n, base, err
}

func (d *Disk) find(op, name string) (*node, error) {
	if d.cut == 0 {
		return nil, ErrPowerCut
	}
	n := d.root
	for _, part := range strings.Split(filepath.Clean(name), "/") {
		if part == "" {
			continue
		}
		if n = n.names[part]; n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return n, nil
}

func (d *Disk) add(op, name string, n *node) error {
	folder, base, err := d.parent(op, name)
	if err != nil {
		return err
	}
	if folder.names[base] != nil {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if err := d.change(); err != nil {
		return err
	}
	folder.names[base] = n
	return nil
}

// Create implements durable.Files.
func (d *Disk) Create(name string) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &node{}
	if err := d.add("create", name, n); err != nil {
		return nil, err
	}
	return &file{d: d, n: n, life: d.life}, nil
}

// Mkdir implements durable.Makes.
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if filepath.Clean(name) == "/" {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	return d.add("mkdir", name, newFolder())
}

// Open implements durable.Files.
func (d *Disk) Open(name string) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("open", name)
	if err != nil {
		return nil, err
	}
	return &file{d: d, n: n, life: d.life}, nil
}

// Append implements durable.Appender. What is cut off comes back with a power cut before the next sync.
func (d *Disk) Append(name string, size int64) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("append", name)
	if err != nil {
		return nil, err
	}
	if n.folder || size < 0 || size > int64(len(n.data)) {
		return nil, &fs.PathError{Op: "append", Path: name, Err: fs.ErrInvalid}
	}
	if err := d.change(); err != nil {
		return nil, err
	}
	n.data = slices.Clone(n.data[:size])
	return &file{d: d, n: n, life: d.life}, nil
}

// Remove implements durable.Files.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, base, err := d.parent("remove", name)
	if err != nil {
		return err
	}
	n := folder.names[base]
	switch {
	case n == nil:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	case n.folder && len(n.names) > 0:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrInvalid}
	}
	if err := d.change(); err != nil {
		return err
	}
	delete(folder.names, base)
	return nil
}

// ReadDir implements durable.Folders.
func (d *Disk) ReadDir(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("readdir", name)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

// Rename implements durable.Folders.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	source, oldBase, err := d.parent("rename", from)
	if err != nil {
		return err
	}
	target, newBase, err := d.parent("rename", to)
	if err != nil {
		return err
	}
	n := source.names[oldBase]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if there := target.names[newBase]; there != nil && (there.folder != n.folder || len(there.names) > 0) {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	if err := d.change(); err != nil {
		return err
	}
	delete(source.names, oldBase)
	target.names[newBase] = n
	return nil
}

// SyncDir implements durable.Makes.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("sync", name)
	if err != nil || d.sealed { // as Linux has it: there is nothing to write
		return err
	}
	if err := d.change(); err != nil {
		return err
	}
	n.kept = maps.Clone(n.names)
	return nil
}

// Lock implements durable.Locker.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut == 0 {
		return nil, ErrPowerCut
	}
	if d.locks[name] {
		return nil, &durable.LockedError{Path: name}
	}
	d.locks[name] = true
	return unlocker{d: d, name: name, life: d.life}, nil
}

type unlocker struct {
	d    *Disk
	name string
	life int
}

// Close gives the lock back, unless a restart has done so.
func (u unlocker) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	if u.life == u.d.life {
		delete(u.d.locks, u.name)
	}
	return nil
}

// file is an open file of one life of the disk.
type file struct {
	d    *Disk
	n    *node
	life int
	pos  int
}

func (f *file) enter() error {
	f.d.mu.Lock()
	if f.life != f.d.life || f.d.cut == 0 {
		f.d.mu.Unlock()
		return ErrPowerCut
	}
	return nil
}

// Write implements io.Writer. A write during which the power goes leaves nothing, one that does not fit leaves what does.
func (f *file) Write(p []byte) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.d.mu.Unlock()
	if err := f.d.change(); err != nil {
		return 0, err
	}
	n := len(p)
	if f.d.room >= 0 {
		n = min(n, max(0, f.d.room-f.d.root.used()))
	}
	f.n.data = append(f.n.data, p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p[:min(len(p), 1<<16)], int64(f.pos))
	f.pos += n
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.d.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if bad, rotten := f.d.rotten[f.n]; rotten && int(off) < bad[1] && bad[0] < int(off)+n {
		clear(p[:n]) // nothing may be made of what was not read
		return 0, syscall.EIO
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Sync implements durable.Syncer.
func (f *file) Sync() error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.d.mu.Unlock()
	if err := f.d.change(); err != nil {
		return err
	}
	f.n.stable = slices.Clone(f.n.data)
	return nil
}

// Size implements durable.Syncer.
func (f *file) Size() (int64, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.d.mu.Unlock()
	return int64(len(f.n.data)), nil
}

// Close implements io.Closer.
func (f *file) Close() error { return nil }
