package agent

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

// dialing brings the network up beside other work.
type dialing struct {
	done   chan struct{}
	waited atomic.Bool // somebody waits for it: what it waits for is worth a word
	mac    net.HardwareAddr
	err    error
}

// over tells whether it has ended.
func (d *dialing) over() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// dial begins to bring the network up, once. Nothing is said of it until somebody waits for it: a cable that is out is no
// matter to a reset that needs none.
func (a *agent) dial(ctx context.Context) {
	if a.dialed != nil || a.PC.Network == nil {
		return
	}
	d := &dialing{done: make(chan struct{})}
	a.dialed = d
	go func() {
		defer close(d.done)
		d.mac, d.err = a.PC.Network(ctx, func(code notices.Code, args ...any) {
			if d.waited.Load() {
				a.Screen.Say(code, args...)
			}
		})
	}()
}

// network waits until there is one; it goes on being brought up when ctx is done.
func (a *agent) network(ctx context.Context) error {
	a.dial(a.life)
	if a.dialed == nil || a.online {
		return nil
	}
	a.dialed.waited.Store(true)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-a.dialed.done:
	}
	if a.dialed.err != nil {
		return a.dialed.err
	}
	a.online = true
	if a.MAC == nil {
		a.MAC = a.dialed.mac
	}
	a.timed("network")
	return nil
}
