package sessions

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/session"
)

// How long an interface that does not take packets is left alone, so that the others do not wait for it.
const (
	sulkFirst = 5 * time.Second // doubled each time
	sulkMost  = time.Minute
)

// fan sends the packets of one stream by several interfaces.
type fan struct {
	group netip.AddrPort
	dial  func(iface string, group netip.AddrPort) (session.PacketSender, error)
	now   func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
	outs   []*out // replaced, never changed
	closed bool
}

var _ session.PacketSender = (*fan)(nil)

// out is one interface. What follows to belongs to Send.
type out struct {
	iface string
	to    session.PacketSender
	until time.Time // it is left alone until then
	sulk  time.Duration
}

// add lets packets leave by an interface, too.
func (f *fan) add(iface string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || slices.ContainsFunc(f.outs, func(o *out) bool { return o.iface == iface }) {
		return nil
	}
	to, err := f.dial(iface, f.group)
	if err != nil {
		return fmt.Errorf("opening a stream on %s: %w", iface, err)
	}
	f.outs = append(slices.Clone(f.outs), &out{iface: iface, to: to})
	return nil
}

// Send implements session.PacketSender. As long as one interface takes packets, the trouble of another is its own.
func (f *fan) Send(packets [][]byte) error {
	f.mu.Lock()
	outs := f.outs
	f.mu.Unlock()
	if len(outs) == 1 {
		return outs[0].to.Send(packets)
	}
	var failed error
	taken := false
	for _, o := range outs {
		if o.until.After(f.now()) {
			continue
		}
		err := o.to.Send(packets)
		if err == nil {
			taken, o.sulk = true, 0
			continue
		}
		o.sulk = min(max(2*o.sulk, sulkFirst), sulkMost)
		o.until = f.now().Add(o.sulk)
		failed = errors.Join(failed, fmt.Errorf("%s: %w", o.iface, err))
		f.log.Warn("an interface takes no packets of a session", "interface", o.iface, "group", f.group, "again", o.sulk, "error", err)
	}
	switch {
	case taken || len(outs) == 0:
		return nil
	case failed == nil:
		return errNoInterface
	}
	return failed
}

// errNoInterface says that all interfaces of a session are left alone for the moment.
var errNoInterface = errors.New("no interface takes packets")

// Close implements session.PacketSender.
func (f *fan) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for _, o := range f.outs {
		err = errors.Join(err, o.to.Close())
	}
	f.outs, f.closed = nil, true
	return err
}

// Source implements session.PacketSender. Each interface has an address of its own: members are told that of theirs.
func (f *fan) Source() netip.AddrPort { return netip.AddrPort{} }

// sourceOn is the address that receivers behind an interface see, or zero.
func (f *fan) sourceOn(iface string) netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.outs {
		if o.iface == iface {
			return o.to.Source()
		}
	}
	return netip.AddrPort{}
}
