package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/agent/screen"
	"github.com/ardoise/ardoise/imaging/agent/script"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/wipe"
)

// helloEvery is how often a computer that nobody has approved asks again.
const helloEvery = 3 * time.Second

// PC is what only a real computer has. All fields but Network, Shell, Firmware, Settle, Air, Drive, Eraser, Script and
// Random are required.
type PC struct {
	Disks     func() ([]job.Disk, error)
	Inventory func([]job.Disk) job.Inventory
	Unpack    func(archive io.Reader) error // stage two, over what runs
	Network   Network                       // brings it up; nil: it is up
	Shell     func(context.Context) error   // for a person, until it is left; nil: there is none
	Settle    func(context.Context)         // loads storage drivers and waits for disks; may be nil
	Kept      func() string                 // hash of the stage two that is unpacked already, "" for none
	Keep      func(hash string) error       // remembers it
	Firmware  efi.Variables                 // nil on a PC started by a BIOS
	Uptime    func() float64                // seconds since the kernel started
	Air       Air                           // of multicast sessions; may be zero
	Drive     func(job.Disk) drive.State    // what a drive says of itself; nil: nothing

	Eraser func(job.Disk) (wipe.Drive, func() error, error)                  // what a drive can do to itself; nil: it can only be overwritten
	Script func(ctx context.Context, p script.Program) (script.Ended, error) // runs one; nil: there is no shell
	Random io.Reader                                                         // numbers of proofs; nil: the system's
}

// Network brings the network up and returns the MAC address that the PC uses. What it waits for goes to tell.
type Network func(ctx context.Context, tell func(notices.Code, ...any)) (net.HardwareAddr, error)

// Options of Run.
type Options struct {
	Server      string           // HOST:PORT
	Fingerprint [32]byte         // SHA-256 of the CA certificate's DER
	MAC         net.HardwareAddr // of the interface the PC booted from
	Version     string           // of the agent
	Timings     []job.Timing     // phases that are over
	Wish        string           // what was chosen in the start menu, see job.ParamWish; "": whatever the server wants
	Origin      string           // where the menu came from, see job.ParamOrigin
	Screen      *screen.Screen
	PC          PC
	Pause       time.Duration // between tries while the server is away, the first; default 1 s
	Second      time.Duration // of countdowns and reports; default 1 s
}

// FaultError ends the agent's work: what the person in front of the PC is told, and why.
type FaultError struct {
	Code notices.Code
	Args []any
	Err  error // may be nil
	Goes bool  // the task has failed, but nothing is wrong with the computer: it ends as it was ordered
}

// Error implements error.
func (e *FaultError) Error() string { return notices.Get(e.Code, e.Args...).What.EN }

// Unwrap returns the cause.
func (e *FaultError) Unwrap() error { return e.Err }

func fault(code notices.Code, err error) error {
	return &FaultError{Code: code, Args: []any{err}, Err: err}
}

// agent is one run.
type agent struct {
	Options
	client    *client.Client
	trust     job.Trust
	key       *ecdsa.PrivateKey
	keyName   string
	newKey    bool
	mark      *job.Mark
	places    []place         // every ARDOISE of this PC, as it was at the start
	life      context.Context // of Run: what outlives a wait for it
	online    bool            // there is a network
	dialed    *dialing        // nil: the network is not being brought up
	settled   string          // the stage two whose drivers are loaded
	called    string          // by the server, last: enrolled, pending ...
	welcome   bool            // the server has enrolled this PC since its key was found
	contacted bool            // what this computer starts from its disk is as the server wants it
	noMenu    string          // why it has no start menu, as far as it was tried; "": it has, or was not
	seen      map[string]bool // nonces
	system    *uint16         // boot entry of the system on the disk, once known
	now       func() time.Time
}

// Run lives the agent's life and returns how the PC is to end. An error is a *FaultError: the work stopped, the server
// knows if it could be told.
func Run(ctx context.Context, o Options) (job.Ending, error) {
	if o.Second == 0 {
		o.Second = time.Second
	}
	if o.PC.Random == nil {
		o.PC.Random = rand.Reader
	}
	a := &agent{Options: o, seen: map[string]bool{}, now: time.Now}
	ending, err := a.run(ctx)
	var f *FaultError
	if err != nil && !errors.As(err, &f) {
		err = fault(notices.Unexpected, err)
	}
	return ending, err
}

func (a *agent) run(ctx context.Context) (job.Ending, error) {
	a.life = ctx
	if a.Wish != "" {
		return a.chosen(ctx)
	}
	if err := a.reach(ctx); err != nil {
		return "", err
	}
	return a.serve(ctx, 0)
}

// reach brings the PC to a server that is proven, with all that it knows of itself.
func (a *agent) reach(ctx context.Context) error {
	if err := a.network(ctx); err != nil {
		return err
	}
	if err := a.connect(nil); err != nil {
		return err
	}
	if err := a.prove(ctx); err != nil {
		return err
	}
	if err := a.stageTwo(ctx); err != nil {
		return err
	}
	a.settle(ctx)
	if err := a.findKey(); err != nil {
		return err
	}
	a.client.Close()
	return a.connect(a.key)
}

// settle waits for disks, once for each stage two.
func (a *agent) settle(ctx context.Context) {
	if a.PC.Settle == nil || a.settled != "" && a.settled == a.PC.Kept() {
		return
	}
	a.PC.Settle(ctx)
	a.settled = a.PC.Kept()
}

// serve does what the server wants, and introduces the PC again where that is asked for. patience is as for work.
func (a *agent) serve(ctx context.Context, patience time.Duration) (job.Ending, error) {
	for {
		if err := a.introduce(ctx); err != nil {
			return "", err
		}
		ending, err := a.work(ctx, patience)
		if errors.Is(err, errNotEnrolled) {
			a.welcome = false
			continue
		}
		return ending, err
	}
}

// introduce says hello unless that was done.
func (a *agent) introduce(ctx context.Context) error {
	if a.welcome {
		return nil
	}
	err := a.hello(ctx)
	a.welcome = err == nil
	return err
}

func (a *agent) connect(key *ecdsa.PrivateKey) error {
	c, err := client.New(client.Options{Server: a.Server, Fingerprint: a.Fingerprint, Key: key, Pause: a.Pause,
		Lost: func(err error) {
			if a.trust.SigningKeys == nil {
				a.Screen.Say(notices.WaitServer, a.Server, client.Reason(err))
				return
			}
			a.Screen.Say(notices.ServerLost)
		},
		Found: func() {
			a.Screen.Note("server back")
			a.Screen.Resume()
		},
	})
	a.client = c
	return err
}

// timed records the end of a phase.
func (a *agent) timed(phase string) float64 {
	s := a.PC.Uptime()
	a.Timings = append(a.Timings, job.Timing{Phase: phase, Seconds: s})
	return s
}

// prove asks the first question. Its answer is the moment that the agent counts as running.
func (a *agent) prove(ctx context.Context) error {
	t, err := a.client.Trust(ctx)
	if err != nil {
		return a.refusal(err)
	}
	if len(t.SigningKeys) == 0 {
		return fault(notices.ServerProblem, errors.New("it names no signing key"))
	}
	a.trust = t
	// Clocks of PCs are wrong. The kernel's is left alone: only what we tell the server must be right.
	if ahead := t.Time.Sub(a.now()); !t.Time.IsZero() {
		a.now = func() time.Time { return time.Now().Add(ahead) }
	}
	a.Screen.Note("agent %.1f s", a.timed("agent"))
	return nil
}

// refusal turns what the client returns into what a person is told.
func (a *agent) refusal(err error) error {
	var unproven *client.UnprovenError
	if errors.As(err, &unproven) {
		return &FaultError{Code: notices.ServerUnproven, Args: []any{a.Server}, Err: err}
	}
	return fault(notices.ServerProblem, err)
}

// stageTwo fetches, checks and unpacks the second stage, unless the loader has brought it.
func (a *agent) stageTwo(ctx context.Context) error {
	want := a.trust.StageTwo
	if want.Hash == "" || a.PC.Kept() == want.Hash {
		return nil
	}
	a.Screen.Say(notices.FetchStageTwo)
	a.Screen.Steps(notices.StepStageTwo)
	a.Screen.Step(0)
	// It is checked whole before a byte of it is unpacked. The file has no name: its memory is free once it is closed.
	f, err := os.CreateTemp("", "stage2-*")
	if err != nil {
		return fault(notices.StageTwoAltered, err)
	}
	_ = os.Remove(f.Name())
	defer func() { _ = f.Close() }()
	begin := func() (io.Writer, error) {
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
		_, err := f.Seek(0, io.SeekStart)
		return f, err
	}
	err = a.client.StageTwo(ctx, want, begin, func(done int64) { a.Screen.Progress(done, want.Size) })
	var altered *client.AlteredError
	switch {
	case errors.As(err, &altered):
		return fault(notices.StageTwoAltered, err)
	case err != nil:
		return a.refusal(err)
	}
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		err = a.PC.Unpack(f)
	}
	if err == nil {
		err = a.PC.Keep(want.Hash)
	}
	if err != nil {
		return fault(notices.StageTwoAltered, err)
	}
	a.Screen.Step(1)
	a.timed("stage2")
	return nil
}

// introduction is what the PC says of itself.
func (a *agent) introduction() job.Hello {
	disks, err := a.PC.Disks()
	if err != nil {
		a.Screen.Note("disks: %v", err)
	}
	if a.PC.Drive != nil {
		disks = slices.Clone(disks)
		for i, d := range disks {
			if h := a.PC.Drive(d).Health; h != nil {
				disks[i].Health = h.Told()
			}
		}
	}
	return job.Hello{AgentVersion: a.Version, MAC: a.MAC.String(), WeakKey: true, NewKey: a.newKey,
		Inventory: a.PC.Inventory(disks), Timings: a.Timings, Interrupted: a.mark, Proofs: a.proofs()}
}

// hello introduces the PC until it is enrolled.
func (a *agent) hello(ctx context.Context) error {
	h := a.introduction()
	for {
		w, err := a.client.Hello(ctx, h)
		if err != nil {
			return a.refusal(err)
		}
		a.Screen.Computer(w.Computer)
		a.called = w.State
		switch w.State {
		case job.StateEnrolled:
			a.Screen.Code("")
			a.Screen.Note("enrolled %s", w.Computer)
			a.forget(w.Proofs)
			return nil
		case job.StatePending:
			a.Screen.Say(notices.Pending, w.Code)
			a.Screen.Code(w.Code)
		case job.StateRefused:
			a.Screen.Code("")
			a.Screen.Say(notices.Refused, w.Reason)
		case job.StateAlarm:
			a.Screen.Code(w.Code)
			a.Screen.Say(notices.Alarm, w.Reason)
		default:
			return fault(notices.ServerProblem, fmt.Errorf("it answers with the state %q", w.State))
		}
		if err := a.sleep(ctx, helloEvery*a.Second/time.Second); err != nil {
			return err
		}
	}
}

func (a *agent) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// fingerprint is the CA's, as it is kept on ARDOISE.
func (a *agent) fingerprint() string { return hex.EncodeToString(a.Fingerprint[:]) }
