package agent

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
)

// watched is a disk that remembers where it first failed to give what was asked for.
type watched struct {
	*disk.Disk
	from io.ReaderAt // the same disk

	mu    sync.Mutex
	bad   int64 // the first sector that was not read, counted from the start of the disk; -1: none
	count int   // reads that failed
	full  int64 // the first sector that was not written; -1: none
}

func watch(d *disk.Disk) *watched { return &watched{Disk: d, from: d, bad: -1, full: -1} }

// WriteAt implements io.WriterAt.
func (w *watched) WriteAt(p []byte, off int64) (int, error) {
	n, err := w.Disk.WriteAt(p, off)
	if err != nil {
		w.mu.Lock()
		if w.full < 0 {
			w.full = (off + int64(n)) / int64(w.SectorSize())
		}
		w.mu.Unlock()
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.from.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		w.note(off, int64(len(p)))
	}
	return n, err
}

// note finds the sector that failed among those of a read that did, once: the report is to name it.
func (w *watched) note(off, length int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if w.bad >= 0 {
		return
	}
	sector := int64(w.SectorSize())
	b := make([]byte, sector)
	for at := off / sector * sector; at < off+length; at += sector {
		if _, err := w.from.ReadAt(b, at); err != nil {
			w.bad = at / sector
			return
		}
	}
	w.bad = off / sector // it gives them one by one: the place is all that is known
}

// unread returns the first sector that could not be read, -1 if all could, and how many reads failed.
func (w *watched) unread() (sector int64, reads int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad, w.count
}

// driveError is a fault of a disk, with its place and with what the drive says of itself.
type driveError struct {
	path   string
	sector int64 // that could not be read; -1: none, or err names it
	full   int64 // that could not be written; -1: none, or err names it
	says   string
	err    error
}

// Error implements error: "/dev/sda, sector 123456 cannot be read, SMART: 12 reallocated, 3 pending: input/output error".
// The cause comes last: sentences are cut when they are long.
func (e *driveError) Error() string {
	parts, cause := []string{e.path}, ": "+e.err.Error()
	var write *restore.WriteError
	switch {
	case errors.As(e.err, &write):
		parts, cause = append(parts, write.Error()), ""
	case e.full >= 0:
		parts = append(parts, fmt.Sprintf("sector %d cannot be written", e.full))
	case e.sector >= 0:
		parts = append(parts, fmt.Sprintf("sector %d cannot be read", e.sector))
	}
	if e.says != "" {
		parts = append(parts, e.says)
	}
	return strings.Join(parts, ", ") + cause
}

// Unwrap returns the cause.
func (e *driveError) Unwrap() error { return e.err }

// failing adds to a fault that may be the drive's where it is and what the drive says of itself.
func (a *agent) failing(err error, w *watched, d job.Disk) error {
	var f *FaultError
	if !errors.As(err, &f) || f.Err == nil || f.Code != notices.DiskFault && f.Code != notices.NotProven {
		return err
	}
	sector, _ := w.unread()
	w.mu.Lock()
	full := w.full
	w.mu.Unlock()
	e := &driveError{path: d.Path, sector: sector, full: full, says: a.health(d), err: f.Err}
	return fault(f.Code, e)
}

// health is what a drive says of itself, "" if it says nothing.
func (a *agent) health(d job.Disk) string {
	if a.PC.Drive == nil {
		return ""
	}
	if h := a.PC.Drive(d).Health; h != nil {
		return h.String()
	}
	return ""
}

// weak warns of a disk on which the work succeeded although not all of it could be read.
func (a *agent) weak(w *watched, d job.Disk) {
	if sector, reads := w.unread(); reads > 0 {
		e := &driveError{path: d.Path, sector: sector, full: -1, says: a.health(d), err: fmt.Errorf("%d reads failed, it was written anew", reads)}
		a.Screen.Say(notices.DiskWeak, e)
	}
}

// diskFault turns what restoring and capturing return into what a person is told.
func diskFault(err error) error {
	var small *disk.TooSmallError
	var sector *disk.SectorSizeError
	var used *disk.InUseError
	var invalid *restore.InvalidError
	var source *restore.SourceError
	var write *restore.WriteError
	var mismatch *restore.MismatchError
	var damaged *chunk.DamagedError
	var unproven *client.UnprovenError
	switch {
	case errors.Is(err, errCancelled):
		return err
	case errors.As(err, &small):
		return fault(notices.DiskTooSmall, err)
	case errors.As(err, &sector):
		return fault(notices.SectorSize, err)
	case errors.As(err, &used):
		return fault(notices.DiskBusy, err)
	case errors.As(err, &invalid):
		return fault(notices.MasterAltered, err)
	case errors.As(err, &unproven):
		return &FaultError{Code: notices.ServerUnproven, Args: []any{"Ardoise"}, Err: err}
	case errors.As(err, &mismatch):
		return fault(notices.NotProven, err)
	case errors.As(err, &write):
		return fault(notices.DiskFault, err)
	case errors.As(err, &damaged), errors.As(err, &source):
		return fault(notices.MasterDamaged, err)
	}
	return fault(notices.DiskFault, err)
}
