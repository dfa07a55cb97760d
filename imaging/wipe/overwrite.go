package wipe

import (
	"context"
	"errors"
	"fmt"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

const (
	piece    = 4 << 20
	maxFaint = 256 // places that may fail before a drive is given up: each may take it half a minute
)

// UnwrittenError says that parts of the disk took no zeros. All that would was overwritten.
type UnwrittenError struct {
	Offset int64 // of the first, bytes
	Count  int   // pieces of at most 4 KiB
	Gave   bool  // there were so many that the rest was not tried
	Err    error // what the disk said first
}

// Error implements error.
func (e *UnwrittenError) Error() string {
	s := fmt.Sprintf("%d places could not be overwritten, the first at byte %d", e.Count, e.Offset)
	if e.Gave {
		s += "; the rest of the disk was given up"
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnwrittenError) Unwrap() error { return e.Err }

// ResidueError says that a byte is read back that is not zero.
type ResidueError struct{ Offset int64 }

// Error implements error.
func (e *ResidueError) Error() string {
	return fmt.Sprintf("byte %d does not read back as zero", e.Offset)
}

// HiddenError says that a disk was overwritten but hides bytes that writes do not reach.
type HiddenError struct{ Bytes int64 }

// Error implements error.
func (e *HiddenError) Error() string {
	return fmt.Sprintf("the drive hides %d bytes behind those that can be addressed (HPA, DCO or unallocated), and they were not reached", e.Bytes)
}

// overwrite writes zeros over all that can be addressed and reads all of it back.
func (r *run) overwrite(ctx context.Context) error {
	r.proof.Method = job.WipeOverwrite
	if !r.Disk.Rotational {
		r.note(noteOfFlash)
	} else {
		r.note("Zeros do not reach sectors that the drive has replaced by others.")
	}
	f := &faint{}
	zeros := disk.Aligned(piece)
	// A disk that ends here in a power cut must not look as if anything started from it.
	for _, off := range []int64{0, r.size - mib} {
		if err := r.zero(zeros[:mib], off, f); err != nil {
			return err
		}
	}
	if err := r.Target.Flush(); err != nil {
		return err
	}
	for off := int64(0); off < r.size; off += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(piece, r.size-off)
		if err := r.zero(zeros[:n], off, f); err != nil {
			return err
		}
		r.Progress(Progress{Phase: PhaseErase, Done: off + n, Total: r.size, Written: r.written})
	}
	if err := r.Target.Drop(); err != nil {
		return err
	}
	if err := r.readBack(ctx); err != nil && f.count == 0 {
		return err
	}
	switch {
	case f.count > 0:
		return f.error()
	case r.can.Hidden > 0:
		return &HiddenError{r.can.Hidden}
	}
	return nil
}

// faint is what of a disk took no zeros.
type faint struct {
	count int
	at    int64
	gave  bool
	err   error
}

func (f *faint) error() error {
	return &UnwrittenError{Offset: f.at, Count: f.count, Gave: f.gave, Err: f.err}
}

// zero writes zeros at off; what fails is tried in ever smaller pieces, and passed over. It fails when that is too much.
func (r *run) zero(zeros []byte, off int64, f *faint) error {
	_, err := r.Target.WriteAt(zeros, off)
	if err == nil {
		r.written += int64(len(zeros))
		return nil
	}
	if len(zeros) <= block {
		if f.count == 0 {
			f.at, f.err = off, err
		}
		if f.count++; f.count >= maxFaint {
			f.gave = true
			return f.error()
		}
		return nil
	}
	step := max(len(zeros)/16/block*block, block)
	for at := 0; at < len(zeros); at += step {
		if err := r.zero(zeros[at:min(at+step, len(zeros))], off+int64(at), f); err != nil {
			return err
		}
	}
	return nil
}

// readBack reads every byte from the medium. It goes on behind what is wrong, so that the proof says how much is right.
func (r *run) readBack(ctx context.Context) error {
	b := disk.Aligned(piece)
	var first error
	bad := 0
	for off := int64(0); off < r.size; off += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(piece, r.size-off)
		err := r.isZero(b[:n], off)
		switch {
		case err == nil:
			r.proof.Verified += n
		case first == nil:
			first = err
		}
		var residue *ResidueError
		if err != nil && !errors.As(err, &residue) {
			if bad++; bad >= maxFaint {
				return first
			}
		}
		r.Progress(Progress{Phase: PhaseReadBack, Done: off + n, Total: r.size, Written: r.written})
	}
	return first
}

func (r *run) isZero(b []byte, off int64) error {
	if _, err := r.Target.ReadAt(b, off); err != nil {
		return fmt.Errorf("reading back at byte %d: %w", off, err)
	}
	if i := residue(b); i >= 0 {
		return &ResidueError{Offset: off + int64(i)}
	}
	return nil
}

// residue returns the index of the first byte that is not zero, -1 when all are.
func residue(b []byte) int {
	if len(b) == 0 || b[0] == 0 && uniform(b) {
		return -1
	}
	for i, v := range b {
		if v != 0 {
			return i
		}
	}
	return -1
}
