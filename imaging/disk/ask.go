package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Ask has the start menu of this computer do n at its next start, while the system on its disk runs: of a disk that is in use
// ARDOISE alone is claimed (O_EXCL), which nobody mounts, and one sector of it is written. It tells whether there is such a
// menu. Who may not read the disk or write to ARDOISE gets an error that is fs.ErrPermission.
func (s Sysfs) Ask(n Next) (menu bool, err error) {
	disks, err := s.List()
	if err != nil {
		return false, err
	}
	var faults []error
	for _, d := range disks {
		if d.Removable || d.ReadOnly {
			continue
		}
		done, err := s.askOne(d.Path, d.Size, d.SectorSize, n)
		if done {
			return true, nil
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("asking the start menu on %s: %w", d.Path, err))
		}
	}
	return false, errors.Join(faults...)
}

// askOne asks the menu of one disk.
func (s Sysfs) askOne(path string, size int64, sector int, n Next) (menu bool, err error) {
	whole, err := os.Open(path)
	if err != nil {
		return false, err
	}
	table, err := ReadTable(whole, size, sector)
	if err = errors.Join(err, whole.Close()); err != nil || table.Ardoise == nil {
		return false, err
	}
	f, err := os.OpenFile(s.partition(path, *table.Ardoise), os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d := partDevice{f, table.Ardoise.Start}
	if there, err := HasMenu(d, *table.Ardoise); err != nil || !there {
		return false, err
	}
	ours, err := OpenArdoise(d, *table.Ardoise)
	if err != nil {
		return false, err
	}
	if err := ours.SetNext(n); err != nil {
		return false, err
	}
	return true, nil
}

// partition returns the path of a partition of the disk at path: the kernel chooses its name, "" where it shows none.
func (s Sysfs) partition(path string, p manifest.Partition) string {
	sys := s.Sys
	if sys == "" {
		sys = "/sys"
	}
	files, _ := filepath.Glob(filepath.Join(sys, "block", filepath.Base(path), "*/partition"))
	for _, f := range files {
		if dir := filepath.Dir(f); readNumber(dir, "start")*512 == p.Start && readNumber(dir, "size")*512 == p.Length {
			return filepath.Join(filepath.Dir(path), filepath.Base(dir))
		}
	}
	return ""
}

// partDevice is a partition, in offsets of its disk.
type partDevice struct {
	f     *os.File
	start int64
}

// ReadAt implements io.ReaderAt.
func (d partDevice) ReadAt(p []byte, off int64) (int, error) { return d.f.ReadAt(p, off-d.start) }

// WriteAt implements io.WriterAt.
func (d partDevice) WriteAt(p []byte, off int64) (int, error) { return d.f.WriteAt(p, off-d.start) }

// Flush implements Device.
func (d partDevice) Flush() error { return d.f.Sync() }
