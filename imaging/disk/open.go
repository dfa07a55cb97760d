package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Mode says what a disk is opened for. Both false is the same as Read.
type Mode struct {
	Read  bool
	Write bool // implies Read
}

// Disk is an open block device or image file. Its methods may be called concurrently; offsets and lengths need no
// alignment. It implements restore.Target.
type Disk struct {
	path   string
	file   *os.File
	direct *os.File // the same block device with O_DIRECT; nil where it is refused or this is a file
	block  bool
	size   int64
	sector int

	mu   sync.RWMutex
	cold bool // since Drop: reads go past the page cache

	flushing sync.Mutex  // who comes meanwhile waits, too
	clean    atomic.Bool // nothing was written since the last flush; false at first: others may have written
}

// InUseError says that a disk must not be opened since something else uses it.
type InUseError struct {
	Path string
	By   string // "a mount, swap or another program"
}

// Error implements error.
func (e *InUseError) Error() string { return fmt.Sprintf("%s is in use by %s", e.Path, e.By) }

// NotADiskError says that a path names neither a whole block device nor a regular file.
type NotADiskError struct {
	Path      string
	Partition bool // it is a part of a disk
}

// Error implements error.
func (e *NotADiskError) Error() string {
	if e.Partition {
		return fmt.Sprintf("%s is one partition of a disk: a master is a whole disk", e.Path)
	}
	return fmt.Sprintf("%s is neither a block device nor an image file", e.Path)
}

// Open opens a block device or an image file. A block device is claimed (O_EXCL, open(2)), so that neither it nor one of
// its partitions can be mounted meanwhile, and refused with *InUseError while one is; an image file is locked (flock,
// exclusive for writing) and refused while a loop device shows it. A partition is refused with *NotADiskError: a table
// written inside one would be found by nobody, and its data lost for nothing.
func Open(path string, mode Mode) (*Disk, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening disk: %w", err)
	}
	block := info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0
	if !block && !info.Mode().IsRegular() {
		return nil, &NotADiskError{Path: path}
	}
	flags := os.O_RDONLY
	if mode.Write {
		flags = os.O_RDWR
	}
	if block {
		flags |= unix.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, &InUseError{path, "a mount, swap, a device above it or another program"}
	}
	if err != nil {
		return nil, fmt.Errorf("opening disk: %w", err)
	}
	d := &Disk{path: path, file: f, block: block}
	var stat unix.Stat_t
	if block && unix.Fstat(int(f.Fd()), &stat) == nil && (Sysfs{}).IsPartition(stat.Rdev) {
		return nil, errors.Join(&NotADiskError{Path: path, Partition: true}, f.Close())
	}
	if block {
		err = d.openDevice(flags)
	} else {
		err = d.openFile(mode.Write, info)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Disk) openDevice(flags int) error {
	sector, err := unix.IoctlGetInt(int(d.file.Fd()), unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("asking %s for its sector size: %w", d.path, err)
	}
	size, err := deviceSize(d.file)
	if err != nil {
		return fmt.Errorf("asking %s for its size: %w", d.path, err)
	}
	d.sector, d.size = sector, size
	// The claim belongs to the first descriptor: the second must not ask for one again. Some drivers refuse O_DIRECT.
	direct, err := os.OpenFile(d.path, flags&^unix.O_EXCL|unix.O_DIRECT, 0)
	if err == nil {
		d.direct = direct
	}
	return nil
}

func (d *Disk) openFile(write bool, info os.FileInfo) error {
	how := unix.LOCK_SH
	if write {
		how = unix.LOCK_EX
	}
	if err := unix.Flock(int(d.file.Fd()), how|unix.LOCK_NB); err != nil {
		return &InUseError{d.path, "another program"}
	}
	if loop := loopShowing(d.path, info); loop != "" {
		return &InUseError{d.path, "the loop device " + loop}
	}
	d.size, d.sector = info.Size(), imageSector(d.file, info.Size())
	return nil
}

// imageSector returns the sector size of the disk that an image came from, of which it says nothing itself: a GPT header
// at 4096 and none at 512 tells, or, where the beginning was wiped, its backup.
func imageSector(f io.ReaderAt, size int64) int {
	b := make([]byte, 8)
	for _, at := range []struct {
		off    int64
		sector int
	}{{512, 512}, {4096, 4096}, {size - 512, 512}, {size - 4096, 4096}} {
		if at.off > 0 && readFull(f, b, at.off) == nil && string(b) == "EFI PART" {
			return at.sector
		}
	}
	return 512
}

// loopShowing returns the loop device whose backing file is the one at path, or "".
func loopShowing(path string, info os.FileInfo) string {
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			continue
		}
		other, err := os.Stat(strings.TrimSpace(string(b)))
		if err == nil && os.SameFile(info, other) {
			return filepath.Base(filepath.Dir(filepath.Dir(n)))
		}
	}
	return ""
}

// Path returns the path the disk was opened by.
func (d *Disk) Path() string { return d.path }

// Size returns the size in bytes.
func (d *Disk) Size() int64 { return d.size }

// SectorSize returns the logical sector size in bytes.
func (d *Disk) SectorSize() int { return d.sector }

// Flush returns once everything written so far survives a power cut: fsync, which on a block device ends in a cache
// flush command to the drive.
func (d *Disk) Flush() error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	if d.clean.Swap(true) { // a drive takes its time even where there is nothing
		return nil
	}
	if err := d.file.Sync(); err != nil {
		d.clean.Store(false)
		return fmt.Errorf("flushing %s: %w", d.path, err)
	}
	return nil
}

// Drop makes later reads come from the medium: the page cache is emptied (BLKFLSBUF, or posix_fadvise for a file), and
// from then on a block device is read with O_DIRECT where it allows.
func (d *Disk) Drop() error {
	if err := d.Flush(); err != nil {
		return err
	}
	var err error
	if d.block {
		err = unix.IoctlSetInt(int(d.file.Fd()), unix.BLKFLSBUF, 0)
		if errors.Is(err, unix.EACCES) && d.direct != nil { // needs CAP_SYS_ADMIN; O_DIRECT alone is honest too
			err = nil
		}
	} else {
		err = unix.Fadvise(int(d.file.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	if err != nil {
		return fmt.Errorf("dropping the cache of %s: %w", d.path, err)
	}
	d.mu.Lock()
	d.cold = true
	d.mu.Unlock()
	return nil
}

// Rescan asks the kernel to read the partition table again. It fails where the kernel goes on showing partitions that are
// not those of the table. That it shows none of an image file, or of a loop device without partition scanning, is as it
// was before: nothing is wrong.
func (d *Disk) Rescan() error {
	if !d.block {
		return nil
	}
	err := unix.IoctlSetInt(int(d.file.Fd()), unix.BLKRRPART, 0)
	if err == nil {
		return nil
	}
	var stat unix.Stat_t
	if unix.Fstat(int(d.file.Fd()), &stat) == nil {
		shown := Sysfs{}.partitions(stat.Rdev)
		if len(shown) == 0 && errors.Is(err, unix.EINVAL) { // the answer of a disk whose partitions it never reads
			return nil
		}
		if t, bad := ReadTable(d, d.size, d.sector); bad == nil && t.shownAs(shown) {
			return nil
		}
	}
	return fmt.Errorf("reading the partitions of %s again: %w", d.path, err)
}

// shownAs tells whether the kernel shows the partitions of t. Of an extended one it shows the first KiB at most.
func (t *Table) shownAs(shown []manifest.Partition) bool {
	if len(shown) != len(t.entries) {
		return false
	}
	for _, e := range t.entries {
		if !slices.ContainsFunc(shown, func(s manifest.Partition) bool {
			return s.Number == e.Number && s.Start == e.Start && (s.Length == e.Length || e.Extended())
		}) {
			return false
		}
	}
	return true
}

// Close gives the disk free. It does not flush.
func (d *Disk) Close() error {
	if d.direct != nil {
		d.direct.Close()
	}
	if !d.block {
		// A program that is being started has copies of all descriptors until it begins: what they share is unlocked.
		_ = unix.Flock(int(d.file.Fd()), unix.LOCK_UN)
	}
	return d.file.Close()
}
