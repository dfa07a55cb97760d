// Command ardoise-reset runs in the pupil's system and asks the server to reset this computer when it starts next.
//
//	ardoise-reset             ask the person, order the reset, tell what comes
//	ardoise-reset --yes       the same without asking
//	ardoise-reset --restart   and restart the computer, after 10 s that Ctrl-C ends
//	ardoise-reset --status    tell whether a reset waits
//	ardoise-reset --cancel    take it back, where the server lets a computer do that
//	ardoise-reset --menu      put ARDOISE's start menu first again, where a system has put itself before it
//
//	this PC                                  server
//	  POST, the PC's token ------ TLS ------->  one more reset waits for this computer, and nothing else
//	  <---- waiting: master, version, since --
//	  BootNext = the network, else ARDOISE, whose menu is told to start the agent, if it may
//	  restart --> agent: counts down, resets, proves
//
// A token file says which server, by which CA fingerprint it is proven (dates of certificates are ignored, as the agent
// does), and holds a token that can order the reset of this one computer: /etc/ardoise/reset.json, or
// %ProgramData%\Ardoise\reset.json, or -token FILE. It is JSON as in imaging/job, RunningToken. Whoever may read the file
// may reset this computer, so give it to whom that is meant for.
//
// A system that is updated puts itself first in firmware's boot order, and the computer of a menu room has no menu any more, nor
// hears of work. The agent puts that right whenever it runs, which such a computer's no longer does by itself; so --menu does it
// from the running system. It needs no token and no server, but administrator's rights, and is meant for a task at each start
// of the system. It moves the entry that the agent has made, and makes none; a disk that BitLocker protects is left alone.
//
// Sources: UEFI 2.10 section 3.3 (BootNext, BootOrder); Linux' efivarfs; Windows' SetFirmwareEnvironmentVariableEx.
//
// What goes wrong is told in one line that begins "error:" and one that begins "hint:". Exit codes: 0 ok, 2 usage, 3 refused
// or declined, 4 the server is not the one of this school, 5 input or output. Guaranteed: what a server says is shown
// without control characters and cut to a length. Of this computer's disk one sector of ARDOISE is written, on Linux and by root,
// where no firmware can start the network next: with a BIOS above all. Not guaranteed: that the computer starts the agent
// next for who may do neither; he is told to choose the reset in the menu. An order that is taken back leaves that sector: the
// agent then starts, finds no work, and starts the system.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/job"
)

// Exit codes, as of every program of Ardoise.
const (
	exitUsage   = 2
	exitRefused = 3
	exitDamaged = 4
	exitIO      = 5
)

const (
	askLimit = 40 * time.Second // for one question to the server
	countTo  = 10               // seconds before a restart
)

// pc is the computer that the command runs on.
type pc struct {
	in              io.Reader
	out, complaints io.Writer
	person          bool // somebody sits there and can be asked
	words           words
	token           string               // default path of the token file
	firmware        efi.Variables        // nil: no UEFI, or it cannot be reached
	askMenu         func() (bool, error) // has the start menu on the disk start the agent next; false: there is none
	sealed          func() bool          // the system's disk may be encrypted by a key that another start would not open
	restart         func() error         // restarts the computer
	tick            <-chan time.Time     // one second each

	unattended bool // nobody waits for the end
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := pc{in: os.Stdin, out: os.Stdout, complaints: os.Stderr, person: term.IsTerminal(int(os.Stdin.Fd())),
		words: spoken(languages()), token: tokenPath(), firmware: variables(), askMenu: askMenu, sealed: sealed, restart: restart,
		tick: time.Tick(time.Second)}
	code := p.run(ctx, os.Args[1:])
	if !p.unattended { // a task of the system's has a window, too, which nobody ever sees
		hold(p.words)
	}
	os.Exit(code)
}

// fault is what a person is told, and the exit code.
type fault struct {
	exit        int
	error, hint string
}

// Error implements error.
func (f *fault) Error() string { return f.error }

// orders are what the command line says.
type orders struct {
	yes, restart, status, cancel, menu bool
	token                              string
}

func (p *pc) parse(args []string) (orders, error) {
	var o orders
	f := flag.NewFlagSet("ardoise-reset", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.yes, "yes", false, "")
	f.BoolVar(&o.restart, "restart", false, "")
	f.BoolVar(&o.status, "status", false, "")
	f.BoolVar(&o.cancel, "cancel", false, "")
	f.BoolVar(&o.menu, "menu", false, "")
	f.StringVar(&o.token, "token", p.token, "")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, &fault{exitUsage, printable(err.Error()), p.words.usage}
	case f.NArg() > 0:
		return o, &fault{exitUsage, fmt.Sprintf(p.words.unexpected, printable(f.Arg(0))), p.words.usage}
	case o.status && (o.cancel || o.restart || o.yes), o.cancel && (o.restart || o.yes), o.menu && (o.status || o.cancel || o.restart || o.yes):
		return o, &fault{exitUsage, p.words.contradicts, p.words.usage}
	}
	return o, nil
}

// run runs one command line and returns its exit code.
func (p *pc) run(ctx context.Context, args []string) int {
	o, err := p.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		p.say("%s", p.words.help)
		return 0
	}
	p.unattended = o.yes || o.menu
	switch {
	case err != nil:
	case o.menu:
		err = p.menuFirst()
	default:
		err = p.obey(ctx, o)
	}
	if err == nil {
		return 0
	}
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{exitIO, err.Error(), p.words.tryAgain}
	}
	_, _ = fmt.Fprintf(p.complaints, "error: %s\nhint: %s\n", printable(f.error), printable(f.hint))
	return f.exit
}

func (p *pc) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func (p *pc) obey(ctx context.Context, o orders) error {
	t, fingerprint, err := p.readToken(o.token)
	if err != nil {
		return err
	}
	method := http.MethodPost
	switch {
	case o.status:
		method = http.MethodGet
	case o.cancel:
		method = http.MethodDelete
	case !o.yes:
		if err := p.ask(ctx, t.Computer); err != nil {
			return err
		}
	}
	c, err := client.New(client.Options{Server: t.Server, Fingerprint: fingerprint})
	if err != nil {
		return err
	}
	defer c.Close()
	asking, done := context.WithTimeout(ctx, askLimit)
	defer done()
	r, err := c.RunningReset(asking, method, t.Token)
	if err != nil {
		return p.explain(ctx, err, t.Server, o.cancel)
	}
	if err := p.tell(r, t); err != nil || method != http.MethodPost {
		return err
	}
	p.startAgent()
	if !o.restart {
		return nil
	}
	return p.countDown(ctx)
}

// explain says what a fault of the question means to the person who asked.
func (p *pc) explain(ctx context.Context, err error, server string, cancel bool) error {
	var unproven *client.UnprovenError
	var altered *client.AlteredError
	var problem *client.ProblemError
	w := p.words
	switch {
	case ctx.Err() != nil:
		return &fault{exitIO, w.interrupted, w.perhaps}
	case errors.As(err, &unproven):
		return &fault{exitDamaged, fmt.Sprintf(w.unproven, server, unproven.Reason), w.callSomebody}
	case errors.As(err, &altered):
		return &fault{exitDamaged, altered.Error(), w.callSomebody}
	case !errors.As(err, &problem):
		return &fault{exitIO, fmt.Sprintf(w.away, server, err), w.tryAgain}
	}
	switch status := problem.Status; {
	case status == http.StatusUnauthorized:
		return &fault{exitRefused, w.unknownToken, w.newToken}
	case status == http.StatusTooManyRequests:
		return &fault{exitRefused, w.tooOften, w.later}
	case cancel && (status == http.StatusMethodNotAllowed || status == http.StatusNotFound):
		return &fault{exitRefused, w.noCancel, w.cancelHow}
	case status >= 500:
		return &fault{exitIO, fmt.Sprintf(w.away, server, problem), w.tryAgain}
	}
	return &fault{exitRefused, fmt.Sprintf(w.refused, problem), w.callSomebody}
}

// tell says how the reset stands.
func (p *pc) tell(r job.RunningReset, t job.RunningToken) error {
	w, computer := p.words, r.Computer
	if computer == "" {
		computer = t.Computer
	}
	computer = printable(computer)
	switch r.State {
	case job.RunningNone:
		p.say(w.none, computer)
	case job.RunningWaiting:
		p.say(w.waiting, computer, p.version(r))
	case job.RunningNow:
		p.say(w.running, computer)
	default:
		return &fault{exitDamaged, fmt.Sprintf(w.unknownState, r.State), w.callSomebody}
	}
	if !r.Until.IsZero() && r.State == job.RunningWaiting {
		p.say(w.until, r.Until.Local().Format("2006-01-02 15:04"))
	}
	if !r.Clean.IsZero() {
		p.say(w.clean, r.Clean.Local().Format("2006-01-02 15:04"))
	}
	return nil
}

func (p *pc) version(r job.RunningReset) string {
	if r.Master == "" {
		return p.words.itsMaster
	}
	return fmt.Sprintf("%s@%d", printable(r.Master), r.Version)
}
