package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// OriginDisk is the value of job.ParamOrigin after a start from the PC's own disk.
const OriginDisk = "disk"

// How long things take that somebody chose in the menu, seconds.
const (
	serverPatience = 30 // for network and server to be there
	workPatience   = 30 // for a task after a start by the network
	menuPatience   = 15 // for the server to put the start menu right after a reset
	taskPatience   = 60 // for the task that the server has promised
	readingTime    = 8  // a sentence stays before the disk starts
	cleanTime      = 2  // the one that says that all is well
)

// chosen does what somebody chose in the start menu.
//
//	started from the disk? -- yes --> drivers, disks, key, mark, grant
//	        |                                 |
//	        |                  reset, or a mark stands --> alone --> done: proof told within 5 s,
//	        |                                 |                        menu put right --> the disk
//	        |                                 |              |
//	        +---------------------------------+<-- cannot ---+
//	        v
//	server within 30 s? -- no --> a mark stands? -- yes --> wait for it
//	        |                            +--------- no ---> the disk, as it is
//	        v
//	wish told --> refused: the disk, as it is (a mark stands: wait for a task)
//	        v
//	task, as ever
func (a *agent) chosen(ctx context.Context) (job.Ending, error) {
	if a.Origin == OriginDisk && a.PC.Kept() != "" { // drivers for disks come with stage two
		a.settle(ctx)
		a.dial(a.life) // it takes seconds that nobody has to wait for
		if err := a.findKey(); err != nil {
			return "", err
		}
		if a.Wish == job.WishReset || a.mark != nil {
			err := a.alone(ctx)
			var no *aloneError
			switch {
			case err == nil:
				a.mark = nil
				shown := time.Now()
				if a.tellProof(ctx) {
					a.menuRight(ctx)
				}
				time.Sleep(cleanTime*a.Second - time.Since(shown))
				return a.leave(), nil
			case !errors.As(err, &no):
				return "", err
			}
			a.Screen.Busy(false)
			a.Screen.Steps()
			// The mark may stand since, and what lies on the disk may have changed.
			if err := a.findKey(); err != nil {
				return "", err
			}
			if a.mark != nil {
				a.Screen.Say(notices.Unfinished, no)
			} else {
				a.Screen.Say(notices.OfflineNo, no)
			}
		}
	}
	if a.Wish == job.WishRescue && a.mark == nil {
		return a.rescue(ctx)
	}
	return a.askServer(ctx)
}

// menuRight has the server put right what this computer starts from: a pupil who was root may have changed it, and in a menu room
// this is where the server is met. Files are fetched only where their hashes differ; what takes longer waits for the next
// time, and what is there counts until all of it has come.
func (a *agent) menuRight(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, menuPatience*a.Second)
	defer stop()
	a.contact(ctx)
}

// tellProof tells the server of a reset that was done without it, if it can be reached at once, and whether it could. If not,
// the next hello tells.
func (a *agent) tellProof(ctx context.Context) (told bool) {
	ctx, stop := context.WithTimeout(ctx, proofPatience*a.Second)
	defer stop()
	if err := a.findKey(); err != nil { // the proof is on the disk now
		return false
	}
	err := a.network(ctx)
	if err == nil {
		err = a.connect(a.key)
	}
	if err == nil {
		a.client.Quiet() // nothing on the screen is to change any more
		err = a.prove(ctx)
	}
	var w job.Welcome
	if err == nil {
		w, err = a.client.Hello(ctx, a.introduction())
	}
	if err == nil && w.State == job.StateEnrolled {
		a.Screen.Note("the server has %d proofs", w.Proofs)
		a.forget(w.Proofs)
		return true
	}
	if err == nil {
		err = fmt.Errorf("the server calls this computer %s", w.State)
	}
	a.Screen.Note("the proof stays on the disk: %v", err)
	return false
}

// askServer tells the server what was chosen, and does the task that it gives.
func (a *agent) askServer(ctx context.Context) (job.Ending, error) {
	reach, stop := ctx, context.CancelFunc(func() {})
	if a.mark == nil {
		reach, stop = context.WithTimeout(ctx, serverPatience*a.Second)
	}
	defer stop()
	err := a.reach(reach)
	if err != nil && ctx.Err() == nil && reach.Err() != nil {
		return a.startDisk(notices.WishUnheard, a.away()), nil
	}
	if err != nil {
		return "", err
	}
	err = a.introduce(reach)
	switch {
	case err != nil && ctx.Err() == nil && reach.Err() != nil && a.called != "": // nobody may be there to approve it
		return a.startDisk(notices.WishRefused, "this computer is "+a.called), nil
	case err != nil && ctx.Err() == nil && reach.Err() != nil:
		return a.startDisk(notices.WishUnheard, a.away()), nil
	case err != nil:
		return "", err
	}
	patience := workPatience * a.Second
	if a.Wish != job.WishWork || a.mark != nil {
		wish := a.Wish
		if a.mark != nil {
			wish = job.WishReset
		}
		err := a.client.Wish(reach, wish)
		var p *client.ProblemError
		switch {
		case errors.As(err, &p) && p.Status == http.StatusForbidden:
			return "", a.refusal(err)
		case errors.As(err, &p) && a.mark != nil:
			a.Screen.Say(notices.Unfinished, p)
		case errors.As(err, &p):
			return a.startDisk(notices.WishRefused, p), nil
		case err != nil && ctx.Err() == nil && reach.Err() != nil:
			return a.startDisk(notices.WishUnheard, a.away()), nil
		case err != nil:
			return "", a.refusal(err)
		}
		patience = taskPatience * a.Second
	}
	if a.mark != nil {
		patience = 0
	}
	ending, err := a.serve(ctx, patience)
	if errors.Is(err, errNoWork) {
		return a.startDisk(notices.NoWork), nil
	}
	return ending, err
}

// away says what is missing to the server.
func (a *agent) away() string {
	if a.dialed != nil && !a.dialed.over() {
		return "no network"
	}
	return a.Server
}

// startDisk says why, leaves the sentence for a moment, and ends with a start of the disk. The caller has seen that no mark
// stands.
func (a *agent) startDisk(code notices.Code, args ...any) job.Ending {
	a.Screen.Steps()
	a.Screen.Say(code, args...)
	time.Sleep(readingTime * a.Second)
	return a.leave()
}

// leave ends with a start of the disk.
func (a *agent) leave() job.Ending {
	a.toDisk()
	a.end(job.EndDisk, notices.EndDisk)
	return job.EndDisk
}

// rescue opens a shell on the PC. What protects it is the technician's passphrase that GRUB asked for, and, where the
// server can be reached, its word: a server that says no is obeyed, one that is away is not waited for, since a PC without
// a network is what a rescue is for. Whoever is root on the installed system can change the menu, but then he is root.
func (a *agent) rescue(ctx context.Context) (job.Ending, error) {
	reach, stop := context.WithTimeout(ctx, serverPatience*a.Second)
	defer stop()
	err := a.reach(reach)
	if err == nil {
		err = a.client.Wish(reach, job.WishRescue)
	}
	var p *client.ProblemError
	var f *FaultError
	switch {
	case errors.As(err, &p):
		return a.startDisk(notices.WishRefused, p), nil
	case errors.As(err, &f) && reach.Err() == nil:
		return "", err
	case err != nil:
		a.Screen.Note("rescue without the server: %v", err)
	}
	if a.PC.Shell == nil {
		return a.startDisk(notices.WishRefused, "this environment has no shell"), nil
	}
	a.Screen.Say(notices.Rescue)
	if err := a.PC.Shell(ctx); err != nil {
		a.Screen.Note("shell: %v", err)
	}
	a.end(job.EndDisk, notices.EndDisk)
	return job.EndDisk, nil
}
