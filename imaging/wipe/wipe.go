package wipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Target is the disk as it is read and written, opened for writing. Offsets and lengths need no alignment.
type Target interface {
	io.ReaderAt
	io.WriterAt
	Barrier
}

// Barrier makes writes durable and reads honest.
type Barrier interface {
	Flush() error // everything written so far survives a power cut
	Drop() error  // later reads come from the medium, not from the page cache
	Size() int64  // bytes
}

// Drive is what a drive can do to itself.
type Drive interface {
	// Look asks what the drive can do and what it is doing. It changes nothing.
	Look() (Abilities, error)
	// Start begins to erase by one of the ways of Look. Where Way.Whole, it returns when that is over. An error that is no
	// *FailedError means that nothing was begun.
	Start(w Way) error
	// Status says how what was started goes. A failure is acknowledged by asking, so that the drive can be used again.
	Status(w Way) (Status, error)
}

// Abilities are what a drive can do to itself, as it says.
type Abilities struct {
	Ways    []Way    // that erase this disk and no other, best first
	Why     []string // why other ways are not among them, sentences in English
	Running *Way     // was started before and goes on, or has failed and waits for being acknowledged; nil: nothing
	Hidden  int64    // bytes behind the last one that can be addressed
	Locked  bool     // reads and writes fail until it is erased
}

// Way is one way of a drive to erase itself.
type Way struct {
	Method string        // job.WipeSanitize or job.WipeSecureErase
	Name   string        // "NVMe Sanitize, block erase"
	Whole  bool          // Start returns when it is over
	Takes  time.Duration // as the drive estimates it; 0: it does not
	Notes  []string      // what a certificate has to say of it, sentences in English
	code   byte
}

// State is how an erasure goes.
type State int

// The states.
const (
	Running State = iota
	Complete
	Failed
)

// Status is what a drive reports of an erasure.
type Status struct {
	State State
	Share float64 // 0 to 1, of what is running
}

// The phases, as Progress names them.
const (
	PhaseErase    = "erase"
	PhaseReadBack = "read-back"
)

// Progress says how far a wipe is.
type Progress struct {
	Phase   string
	Way     string // Way.Name; "" for an overwrite
	Done    int64  // bytes of this phase; for what a drive does, its own share of the disk's size
	Total   int64
	Written int64 // bytes written so far
}

// Options of Run. All but Drive and Progress are required.
type Options struct {
	Target   Target
	Disk     job.Disk // that Target is
	Drive    Drive    // nil: it can only be overwritten
	Method   string   // of job.WipeOrder; "" is auto
	Begin    func(context.Context) error
	Progress func(Progress)
	Random   io.Reader
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error // between two questions for the status
}

// CannotError says that the disk cannot be wiped as it was ordered. Nothing was touched.
type CannotError struct {
	Method string
	Why    []string // sentences
}

// Error implements error.
func (e *CannotError) Error() string {
	s := fmt.Sprintf("the drive cannot be wiped by %s", e.Method)
	if len(e.Why) > 0 {
		s += ": " + strings.Join(e.Why, " ")
	}
	return s
}

// FailedError says that a drive began to erase itself and did not report it complete.
type FailedError struct {
	Way string
	Err error
}

// Error implements error.
func (e *FailedError) Error() string { return fmt.Sprintf("%s was not completed: %v", e.Way, e.Err) }

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// StillThereError says that a drive reported an erasure complete and still gives bytes from before it.
type StillThereError struct {
	Way    string
	Offset int64 // of the first 4 KiB that are as they were
	Blocks int   // of 4 KiB, among those that were looked at
}

// Error implements error.
func (e *StillThereError) Error() string {
	return fmt.Sprintf("the drive reported %s complete, but byte %d and %d blocks that were looked at hold what they held before", e.Way, e.Offset, e.Blocks)
}

// Smallest is the size below which a disk is not wiped, bytes: no disk is that small.
const Smallest = 4 << 20

const mib = 1 << 20

// run is one wipe.
type run struct {
	Options
	size    int64
	can     Abilities
	proof   job.WipeProof
	written int64
}

// Run wipes the disk. The proof is returned whatever happens; Refused says why it certifies nothing, and is the error's
// text. It fails with *CannotError, and Begin's error, before anything was changed; with *FailedError, *StillThereError,
// *UnwrittenError, *ResidueError, *HiddenError, what the disk says, or the context's error later.
func Run(ctx context.Context, o Options) (job.WipeProof, error) {
	if o.Method == "" {
		o.Method = job.WipeAuto
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	r := &run{Options: o, size: o.Target.Size()}
	r.proof = job.WipeProof{Ordered: o.Method, Path: o.Disk.Path, Model: o.Disk.Model, Serial: o.Disk.Serial, Size: r.size,
		Started: o.Now().UTC()}
	err := r.run(ctx)
	r.proof.Ended = o.Now().UTC()
	if err != nil {
		r.proof.Refused = err.Error()
	}
	return r.proof, err
}

func (r *run) run(ctx context.Context) error {
	if err := r.look(); err != nil {
		return err
	}
	if err := r.Begin(ctx); err != nil {
		return err
	}
	r.proof.Hidden = r.can.Hidden
	if w := r.can.Running; w != nil {
		r.note("An earlier erasure of this disk had not ended well or at all when this one began.")
		if _, err := r.wait(ctx, *w); err != nil && ctx.Err() != nil {
			return err
		}
	}
	var last error
	for _, w := range r.can.Ways {
		if r.Method != job.WipeAuto && r.Method != w.Method {
			continue
		}
		last = r.erase(ctx, w)
		var lied *StillThereError
		switch {
		case last == nil:
			return nil
		case ctx.Err() != nil || errors.As(last, &lied):
			return last
		}
		r.note("%s was tried first: %v.", w.Name, last)
	}
	if r.Method == job.WipeAuto || r.Method == job.WipeOverwrite {
		return r.overwrite(ctx)
	}
	return last
}

// look finds out whether the order can be done at all.
func (r *run) look() error {
	switch r.Method {
	case job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite:
	default:
		return &CannotError{r.Method, []string{"This method is not known here."}}
	}
	if r.size < Smallest {
		return &CannotError{r.Method, []string{fmt.Sprintf("It has %d bytes only.", r.size)}}
	}
	if r.Drive != nil {
		can, err := r.Drive.Look()
		if err != nil {
			can = Abilities{Why: []string{fmt.Sprintf("It does not say what it can do: %v.", err)}}
		}
		r.can = can
	}
	if r.Method == job.WipeAuto && !r.can.Locked {
		return nil
	}
	if r.Method == job.WipeOverwrite && !r.can.Locked {
		return nil
	}
	for _, w := range r.can.Ways {
		if w.Method == r.Method || r.Method == job.WipeAuto {
			return nil
		}
	}
	return &CannotError{r.Method, r.can.Why}
}

func (r *run) note(format string, args ...any) {
	r.proof.Notes = append(r.proof.Notes, fmt.Sprintf(format, args...))
}

// erase has the drive erase itself by one way, and holds that against the medium. Where no witnesses could be placed, since
// the drive was locked, everything that is looked at must be of one value, else it is done once more.
func (r *run) erase(ctx context.Context, w Way) error {
	for round := 0; ; round++ {
		before, err := r.prepare(ctx)
		if err != nil && (!r.can.Locked || round > 0) {
			return err
		}
		if err := r.start(ctx, w); err != nil {
			return err
		}
		after, err := r.after(ctx, w, before)
		if err != nil {
			return err
		}
		if before != nil || after.uniform {
			r.proof.Method, r.proof.Reported, r.proof.Verified = w.Method, w.Name, after.read
			r.proof.Notes = append(r.proof.Notes, w.Notes...)
			if after.unread > 0 {
				r.note("%d of the blocks that were looked at afterwards could not be read.", after.unread)
			}
			return r.finish()
		}
		if round > 0 {
			return &FailedError{w.Name, errors.New("nothing shows that it did anything")}
		}
	}
}

// prepare makes the disk unbootable and places witnesses.
func (r *run) prepare(ctx context.Context) (*witnesses, error) {
	if err := r.ends(); err != nil {
		return nil, err
	}
	return r.place(ctx)
}

// ends zeroes the first and the last MiB.
func (r *run) ends() error {
	zeros := make([]byte, mib)
	for _, off := range []int64{0, r.size - mib} {
		n, err := r.Target.WriteAt(zeros, off)
		r.written += int64(n)
		if err != nil {
			return fmt.Errorf("zeroing the MiB at byte %d: %w", off, err)
		}
	}
	return r.Target.Flush()
}

// finish leaves zeros where a table could lie: a crypto erase leaves noise, which nobody should take for one.
func (r *run) finish() error {
	if err := r.ends(); err != nil {
		return err
	}
	if err := r.Target.Drop(); err != nil {
		return err
	}
	b := make([]byte, mib)
	for _, off := range []int64{0, r.size - mib} {
		if _, err := r.Target.ReadAt(b, off); err != nil {
			return fmt.Errorf("reading the MiB at byte %d back: %w", off, err)
		}
		if i := residue(b); i >= 0 {
			return &ResidueError{Offset: off + int64(i)}
		}
	}
	r.proof.Verified += 2 * mib
	return nil
}

// start has the drive begin, and returns when it has reported the end.
func (r *run) start(ctx context.Context, w Way) error {
	r.tell(w, 0)
	if !w.Whole {
		if err := r.Drive.Start(w); err != nil {
			return err
		}
		_, err := r.wait(ctx, w)
		return err
	}
	done, began := make(chan error, 1), r.Now()
	go func() { done <- r.Drive.Start(w) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			_, err = r.wait(ctx, w)
			return err
		default:
		}
		if err := r.Sleep(ctx, pollEvery); err != nil {
			return err
		}
		if w.Takes > 0 {
			r.tell(w, min(r.Now().Sub(began).Seconds()/w.Takes.Seconds(), 0.99))
		}
	}
}

const (
	pollEvery   = time.Second
	maxSilence  = 60            // questions in a row that a drive may leave unanswered while it erases itself
	stuckLimit  = 6 * time.Hour // without any progress: it does nothing any more
	noteOfFlash = "Zeros do not reach the spare blocks of flash: whoever opens the drive may read there what was deleted earlier."
)

// wait asks until the drive reports the end.
func (r *run) wait(ctx context.Context, w Way) (Status, error) {
	silent, since, share := 0, r.Now(), -1.0
	for {
		s, err := r.Drive.Status(w)
		switch {
		case err != nil:
			if silent++; silent > maxSilence {
				return s, &FailedError{w.Name, err}
			}
		case s.State == Complete:
			return s, nil
		case s.State == Failed:
			return s, &FailedError{w.Name, errors.New("the drive reports that it failed")}
		default:
			silent = 0
			if s.Share != share {
				share, since = s.Share, r.Now()
				r.tell(w, share)
			}
		}
		if r.Now().Sub(since) > stuckLimit {
			return s, &FailedError{w.Name, fmt.Errorf("nothing went on for %v", stuckLimit)}
		}
		if err := r.Sleep(ctx, pollEvery); err != nil {
			return s, err
		}
	}
}

func (r *run) tell(w Way, share float64) {
	r.Progress(Progress{Phase: PhaseErase, Way: w.Name, Done: int64(min(max(share, 0), 1) * float64(r.size)), Total: r.size, Written: r.written})
}
