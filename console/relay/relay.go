package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// Relay is a helper. All fields but Sleep are required.
type Relay struct {
	Version  string // of the program, told to the server
	Servers  []Server
	Networks func() ([]netip.Prefix, error)                        // IPv4 networks that it wakes in now
	Wake     func(ctx context.Context, mac net.HardwareAddr) error // sends the packets for one computer; called by several at once
	Log      *slog.Logger                                          // for who looks after the machine
	Sleep    func(ctx context.Context, d time.Duration) bool       // false when ctx has ended; nil: by the clock

	done   []string // that the server has yet to hear of
	lost   bool     // the server did not answer, and that was said
	alone  bool     // there is no network, and that was said
	server string   // that answered last
}

// Server asks one address of the server for work, as client.HelperWork does.
type Server struct {
	Address string // HOST:PORT, to be shown
	Ask     func(ctx context.Context, poll job.HelperPoll) (job.HelperWork, error)
}

// The times of a helper.
const (
	askTime    = 40 * time.Second // of one question: the server answers after 25 s
	firstPause = time.Second
	lastPause  = 15 * time.Second
	longPause  = 5 * time.Minute // after a secret that the server does not know
	failPause  = 5 * time.Second // after packets that could not be sent: they are given again
	stagger    = 200 * time.Millisecond
)

// Run asks and wakes until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	pause := firstPause
	for at := 0; ctx.Err() == nil; {
		server := r.Servers[at%len(r.Servers)]
		work, err := r.ask(ctx, server)
		if err == nil {
			pause = firstPause
			rest := stagger // also after no work, or a server that answers at once would keep it busy
			if !r.wake(ctx, work) {
				rest = failPause
			}
			r.sleep(ctx, rest)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		wait := pause
		if unknown(err) {
			wait = longPause
		}
		r.missing(server, err, wait)
		r.sleep(ctx, wait)
		pause = min(2*pause, lastPause)
		at++
	}
}

// unknown tells whether the server does not know the secret: it was forgotten there, or is another server's.
func unknown(err error) bool {
	var p *client.ProblemError
	return errors.As(err, &p) && p.Status == http.StatusUnauthorized
}

// ask asks once, and says what is done.
func (r *Relay) ask(ctx context.Context, s Server) (job.HelperWork, error) {
	networks, err := r.Networks()
	if err != nil {
		return job.HelperWork{}, err
	}
	if none := len(networks) == 0; none != r.alone {
		if r.alone = none; none {
			r.Log.Warn("no wired interface is up with an IPv4 address; one can be named with --interface")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	work, err := s.Ask(ctx, job.HelperPoll{Version: r.Version, Networks: networks[:min(len(networks), job.MaxHelperNetworks)], Done: r.done})
	if err != nil {
		return work, err
	}
	if r.done = nil; r.lost || r.server != s.Address {
		r.Log.Info("waiting for computers to wake", "address", s.Address)
	}
	r.lost, r.server = false, s.Address
	return work, nil
}

// missing says that the server does not answer, once.
func (r *Relay) missing(s Server, err error, wait time.Duration) {
	level := slog.LevelDebug
	if !r.lost {
		r.lost, level = true, slog.LevelWarn
	}
	r.Log.Log(context.Background(), level, "the server gives no work; it is asked for as long as it takes", "address", s.Address, "error", err, "again", wait)
}

// wake wakes computers, each a moment after the one before; it returns when all packets are out, or false when some could not
// be sent: the server gives those again.
func (r *Relay) wake(ctx context.Context, work job.HelperWork) (all bool) {
	var sent sync.WaitGroup
	failed := make([]error, min(len(work.Wake), job.MaxHelperWork))
	begun := 0
	for i, x := range work.Wake[:len(failed)] {
		if i > 0 && !r.sleep(ctx, stagger) {
			break
		}
		begun++
		mac, err := net.ParseMAC(x.MAC)
		if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
			r.Log.Warn("the server names what is no computer's address", "mac", x.MAC)
			continue
		}
		sent.Go(func() {
			if failed[i] = r.Wake(ctx, mac); failed[i] != nil {
				r.Log.Warn("waking a computer", "mac", mac.String(), "error", failed[i])
				return
			}
			r.Log.Info("sent Wake-on-LAN", "mac", mac.String())
		})
	}
	sent.Wait()
	for i, err := range failed[:begun] {
		if err == nil {
			r.done = append(r.done, work.Wake[i].ID)
		}
	}
	return len(r.done) == len(failed)
}

// sleep waits; false when ctx has ended.
func (r *Relay) sleep(ctx context.Context, d time.Duration) bool {
	if r.Sleep != nil {
		return r.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
