package wol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/packet"
)

// EtherType marks a bare magic packet.
const EtherType = 0x0842

// Port is the UDP port ("discard") that magic packets are sent to.
const Port = 9

// ErrPassword says that a SecureOn password is neither 4 nor 6 bytes long.
var ErrPassword = errors.New("SecureOn password must have 4 or 6 bytes")

// Magic builds the magic packet for a MAC of 6 bytes; password is nil or the card's SecureOn password.
func Magic(mac net.HardwareAddr, password []byte) ([]byte, error) {
	if len(mac) != 6 {
		return nil, fmt.Errorf("waking %q: a MAC address of %d bytes", mac.String(), len(mac))
	}
	if n := len(password); n != 0 && n != 4 && n != 6 {
		return nil, ErrPassword
	}
	p := bytes.Repeat([]byte{0xff}, 6)
	p = append(p, bytes.Repeat(mac, 16)...)
	return append(p, password...), nil
}

// Times is how often a magic packet is sent, Pause the time between.
const (
	Times = 3
	Pause = 200 * time.Millisecond
)

// Send wakes one computer through the given interfaces. It succeeds when each round reached at least one interface. An error
// that is fs.ErrPermission says that frames need CAP_NET_RAW: SendUDP does without.
func Send(ctx context.Context, mac net.HardwareAddr, password []byte, interfaces []net.Interface) error {
	return send(ctx, mac, password, interfaces, func(ifi *net.Interface, magic []byte) error {
		return errors.Join(sendFrame(ifi, magic), sendUDP(ifi, magic))
	})
}

// SendUDP is Send without frames. It needs no rights, and does not reach cards that look at no IP.
func SendUDP(ctx context.Context, mac net.HardwareAddr, password []byte, interfaces []net.Interface) error {
	return send(ctx, mac, password, interfaces, sendUDP)
}

// send sends in rounds, by one way.
func send(ctx context.Context, mac net.HardwareAddr, password []byte, interfaces []net.Interface, by func(*net.Interface, []byte) error) error {
	magic, err := Magic(mac, password)
	if err != nil {
		return err
	}
	if len(interfaces) == 0 {
		return fmt.Errorf("waking %v: no network interface", mac)
	}
	for i := range Times {
		if i > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(Pause):
			}
		}
		var failures []error
		for _, ifi := range interfaces {
			if err := by(&ifi, magic); err != nil {
				failures = append(failures, fmt.Errorf("through %s: %w", ifi.Name, err))
			}
		}
		if len(failures) == len(interfaces) {
			return fmt.Errorf("waking %v: %w", mac, errors.Join(failures...))
		}
	}
	return nil
}

// sendFrame sends the bare Ethernet frame.
func sendFrame(ifi *net.Interface, magic []byte) error {
	c, err := packet.Listen(ifi, packet.Raw, EtherType, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	frame := append(append(bytes.Clone(everybody), ifi.HardwareAddr...), EtherType>>8, EtherType&0xff)
	_, err = c.WriteTo(append(frame, magic...), &packet.Addr{HardwareAddr: everybody})
	return err
}

// sendUDP sends to the broadcast address of every IPv4 network of the interface.
func sendUDP(ifi *net.Interface, magic []byte) error {
	addrs, err := ifi.Addrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil {
			continue
		}
		if err := broadcast(n, magic); err != nil {
			return err
		}
	}
	return nil
}

func broadcast(n *net.IPNet, magic []byte) error {
	local, _ := netip.AddrFromSlice(n.IP.To4())
	mask := n.Mask
	if len(mask) == 16 {
		mask = mask[12:]
	}
	to := local.As4()
	for i := range to {
		to[i] |= ^mask[i]
	}
	from := &net.UDPAddr{IP: n.IP}
	c, err := net.DialUDP("udp4", from, &net.UDPAddr{IP: to[:], Port: Port})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write(magic)
	return err
}
