package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/ardoise/ardoise/pxe/proxydhcp"
	"github.com/ardoise/ardoise/pxe/rawsock"
)

// Bounds of one listener: packets that wait, and how many are worked on at once while the Booter thinks.
const (
	queued    = 256
	workers   = 4
	askTime   = 2 * time.Second
	maxPacket = 2048
)

// listener hears DHCP on one link.
type listener struct {
	socket *rawsock.Socket
	link   atomic.Pointer[Link]
	ended  atomic.Bool
}

// listen opens a link and works on what arrives there until its socket is closed.
func (v *service) listen(ctx context.Context, link Link, wait *sync.WaitGroup) (*listener, error) {
	s, err := rawsock.Open(&link.Interface)
	if err != nil {
		return nil, err
	}
	l := &listener{socket: s}
	l.link.Store(&link)
	queue := make(chan rawsock.Datagram, queued)
	for range workers {
		wait.Go(func() {
			for d := range queue {
				v.safely(func() { v.hear(ctx, l, d) })
			}
		})
	}
	wait.Go(func() {
		defer close(queue)
		defer l.ended.Store(true)
		v.read(l, queue)
	})
	return l, nil
}

// read takes packets off the wire; what finds the queue full is dropped, firmware asks again.
func (v *service) read(l *listener, queue chan<- rawsock.Datagram) {
	buf := make([]byte, maxPacket)
	for {
		d, err := l.socket.Read(buf)
		if errors.Is(err, rawsock.ErrFrame) {
			continue
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
				v.Log.Warn("interface went away", "interface", l.link.Load().Interface.Name, "error", err)
			}
			return
		}
		d.Payload = append([]byte(nil), d.Payload...)
		select {
		case queue <- d:
		default:
		}
	}
}

// safely runs the handler of one packet. A packet that finds a fault in us must not cost the next PC its boot.
func (v *service) safely(f func()) {
	defer func() {
		if p := recover(); p != nil {
			v.Log.Error("a packet ended in a panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// hear handles one datagram of either direction.
func (v *service) hear(ctx context.Context, l *listener, d rawsock.Datagram) {
	if d.DstPort == rawsock.PortClient {
		v.watch(ctx, d)
		return
	}
	r, err := proxydhcp.Parse(d.Payload)
	if err != nil {
		return // ordinary DHCP, or noise; neither is ours
	}
	if !v.memory.admit(r.MAC) {
		return
	}
	if r.Type != dhcpDiscover {
		v.memory.learn(r)
		return
	}
	server := l.link.Load().Address()
	if r.Relay.IsValid() {
		if a, err := sourceFor(r.Relay); err == nil {
			server = a
		}
	}
	offer, ok := v.offer(ctx, r, server)
	if !ok {
		return
	}
	reply := rawsock.Datagram{
		DstMAC: rawsock.Broadcast, Src: server, Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}),
		SrcPort: rawsock.PortServer, DstPort: rawsock.PortClient, Payload: offer,
	}
	if r.Relay.IsValid() {
		// A relay takes answers on port 67, at the address it wrote into the request, and is reached the way it came.
		reply.DstMAC, reply.Dst, reply.DstPort = d.SrcMAC, r.Relay, rawsock.PortServer
	}
	if err := l.socket.Write(reply); err != nil {
		v.Log.Warn("an offer could not be sent", "mac", r.MAC.String(), "error", err)
	}
}

// sourceFor tells which of our addresses the system would use to reach another.
func sourceFor(to netip.Addr) (netip.Addr, error) {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, rawsock.PortServer)))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// serveBoot answers REQUESTs on port 4011.
func (v *service) serveBoot(ctx context.Context, conn *net.UDPConn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := ipv4.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil {
		return fmt.Errorf("preparing port %d: %w", PortBoot, err)
	}
	buf := make([]byte, maxPacket)
	for {
		n, cm, from, err := p.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("reading port %d: %w", PortBoot, err)
		}
		if err != nil || cm == nil {
			continue // an ICMP error of an earlier answer
		}
		v.safely(func() { v.boot(ctx, p, buf[:n], cm, from) })
	}
}

// boot answers one REQUEST on port 4011 to the port that it came from: EDK2 sends from 4011, not from 68.
func (v *service) boot(ctx context.Context, p *ipv4.PacketConn, b []byte, cm *ipv4.ControlMessage, from net.Addr) {
	r, err := proxydhcp.Parse(b)
	if err != nil || r.Type != dhcpRequest || !v.memory.admit(r.MAC) {
		return
	}
	u, ok := from.(*net.UDPAddr)
	if !ok || !v.allowed(u.AddrPort().Addr().Unmap()) {
		return
	}
	server, ok := v.addressOn(cm)
	if !ok {
		return
	}
	v.memory.learn(r)
	v.memory.moved(r.MAC)
	ack, err := r.Ack(v.answer(ctx, r, server, v.memory.lastStyle(r.MAC)))
	if err != nil {
		return
	}
	if _, err := p.WriteTo(ack, &ipv4.ControlMessage{Src: server.AsSlice()}, from); err != nil {
		v.Log.Warn("an answer on port 4011 could not be sent", "mac", r.MAC.String(), "error", err)
	}
}

// addressOn tells which of our addresses a packet was for; one sent to everybody counts for the link's own.
func (v *service) addressOn(cm *ipv4.ControlMessage) (netip.Addr, bool) {
	if a, ok := netip.AddrFromSlice(cm.Dst.To4()); ok && v.ours(a) {
		return a, true
	}
	for _, l := range v.current() {
		if l.Interface.Index == cm.IfIndex {
			return l.Address(), true
		}
	}
	return netip.Addr{}, false
}

// watch looks at another server's answer to a PC.
func (v *service) watch(ctx context.Context, d rawsock.Datagram) {
	r, err := proxydhcp.ParseReply(d.Payload)
	if err != nil || !r.Steals(v.ours) || v.ours(d.Src) {
		return
	}
	source := r.Server
	if !source.IsValid() {
		source = d.Src
	}
	if !v.memory.alarm(source.String()) {
		return
	}
	// The name may take a second to come, in which other PCs want their offers.
	v.background.Go(func() {
		v.safely(func() {
			v.saw(Event{Stage: StageForeign, Detail: foreign(v.nameOf(ctx, source), net.HardwareAddr(d.SrcMAC[:]), r)})
		})
	})
}

// nameOf is an address with the name that the school's DNS has for it, if it says so at once.
func (v *service) nameOf(ctx context.Context, a netip.Addr) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	names, err := v.names.LookupAddr(ctx, a.String())
	if err != nil || len(names) == 0 {
		return a.String()
	}
	return printable(strings.TrimSuffix(names[0], "."), 64) + " (" + a.String() + ")"
}

// foreign is the sentence about another server's answer.
func foreign(who string, mac net.HardwareAddr, r *proxydhcp.Reply) string {
	switch {
	case r.PXE:
		return fmt.Sprintf("%s [%v] also answers network boot; whoever answers first wins", who, mac)
	case r.File != "":
		return fmt.Sprintf("the DHCP server %s [%v] names the boot file %q; remove its options 66 and 67", who, mac, printable(r.File, 64))
	}
	return fmt.Sprintf("the DHCP server %s [%v] sends PCs to the boot server %v; remove its option 66", who, mac, r.Next)
}

// printable makes foreign text fit for a log and a screen: printable ASCII, bounded.
func printable(s string, limit int) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < limit; i++ {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			b.WriteByte(c)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}
