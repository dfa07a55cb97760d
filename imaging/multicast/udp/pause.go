package udp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoPause says that a driver does not let pause frames be switched.
var ErrNoPause = errors.New("the driver does not switch pause frames")

// PauseFrames is what a driver says of Ethernet's flow control (IEEE 802.3 annex 31B).
type PauseFrames struct {
	Autoneg bool // agreed upon with the other side
	Receive bool // we stop when the other side asks
	Send    bool // we ask the other side to stop when we cannot follow
}

// Pause is pause frames switched off, to be restored.
type Pause struct {
	Interface string      // the card, where a VLAN's interface was asked for
	Before    PauseFrames // restored by Restore
	Changed   bool        // false when they were off already

	ioctl func(name string, cmd []byte) error
}

// DisablePause switches pause frames off on the card behind an interface. A PC that cannot follow a session and asks its
// switch to stop may stop the session for the whole room: the switch holds frames for its port until it has no room for
// anybody's.
//
// Some drivers let the link go down for seconds when this changes: do it before a session is joined, and restore it
// after. Errors: ErrNoPause, which is no reason to refuse a session; *LinkError; the kernel's.
func DisablePause(name string) (*Pause, error) {
	card, err := underlying(name)
	if err != nil {
		return nil, err
	}
	return disablePause(card, ethtool)
}

func disablePause(card string, ioctl func(string, []byte) error) (*Pause, error) {
	p := &Pause{Interface: card, ioctl: ioctl}
	cmd := make([]byte, 16)
	binary.NativeEndian.PutUint32(cmd, unix.ETHTOOL_GPAUSEPARAM)
	if err := ioctl(card, cmd); err != nil {
		return nil, pauseError("reading", card, err)
	}
	flag := func(at int) bool { return binary.NativeEndian.Uint32(cmd[at:]) != 0 }
	p.Before = PauseFrames{Autoneg: flag(4), Receive: flag(8), Send: flag(12)}
	if !p.Before.Receive && !p.Before.Send {
		return p, nil
	}
	off := p.Before
	off.Receive, off.Send = false, false
	if err := p.set(off); err != nil {
		return nil, err
	}
	p.Changed = true
	return p, nil
}

// Restore puts pause frames back as they were. A second call does nothing.
func (p *Pause) Restore() error {
	if !p.Changed {
		return nil
	}
	if err := p.set(p.Before); err != nil {
		return err
	}
	p.Changed = false
	return nil
}

// set gives struct ethtool_pauseparam to the driver.
func (p *Pause) set(to PauseFrames) error {
	cmd := make([]byte, 16)
	for i, on := range []bool{to.Autoneg, to.Receive, to.Send} {
		if on {
			binary.NativeEndian.PutUint32(cmd[4+4*i:], 1)
		}
	}
	binary.NativeEndian.PutUint32(cmd, unix.ETHTOOL_SPAUSEPARAM)
	if err := p.ioctl(p.Interface, cmd); err != nil {
		return pauseError("switching", p.Interface, err)
	}
	return nil
}

func pauseError(doing, card string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%s pause frames of %s: %w", doing, card, ErrNoPause)
	}
	return fmt.Errorf("%s pause frames of %s: %w", doing, card, err)
}

// underlying returns the card of a VLAN's interface; any other interface stands for itself.
func underlying(name string) (string, error) {
	for range 4 { // VLANs within VLANs
		link, err := netlink.LinkByName(name)
		if err != nil {
			return "", &LinkError{Reason: LinkNone, Name: name}
		}
		if link.Type() != "vlan" {
			return name, nil
		}
		parent, err := netlink.LinkByIndex(link.Attrs().ParentIndex)
		if err != nil {
			return "", fmt.Errorf("finding the card of %s: %w", name, err)
		}
		name = parent.Attrs().Name
	}
	return name, nil
}
