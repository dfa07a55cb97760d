package tftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	pin "github.com/pin/tftp/v3"
)

// Limits and times of a Server whose fields are zero.
const (
	DefaultPerSource = 4
	DefaultTotal     = 1024
	firstTimeout     = 50 * time.Millisecond
	laterPause       = 350 * time.Millisecond
	hastyTries       = 4
	tries            = 160
)

// ErrNotFound is what a Source returns for a name it does not serve.
var ErrNotFound = errors.New("file not found")

// Peer is who asks, and where.
type Peer struct {
	Remote netip.Addr // the client
	Local  netip.Addr // our address that it asked
}

// Source gives the files.
type Source interface {
	// File returns the content of a cleaned name. Any error is told to the client as "file not found".
	File(ctx context.Context, name string, p Peer) ([]byte, error)
}

// Transfer is one file that went out whole.
type Transfer struct {
	Peer
	Name    string
	Size    int64 // bytes
	Seconds float64
}

// Server serves files to firmware. Source is required.
type Server struct {
	Source    Source
	Allowed   func(netip.Addr) bool // which clients; nil: addresses of private networks (RFC 1918) and link-local
	Done      func(Transfer)        // told of every whole file; nil: nobody
	PerSource int                   // moving transfers of one address; 0: DefaultPerSource
	Total     int                   // transfers in all; 0: DefaultTotal
	MaxBlock  int                   // largest block in bytes, for networks with a small MTU; 0: what the client asks
	Log       *slog.Logger          // nil: none
}

// Serve answers requests that arrive on conn until the context ends; then it waits for transfers under way to notice.
func (s *Server) Serve(ctx context.Context, conn *net.UDPConn) error {
	r := newRegister(s.PerSource, s.Total)
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	srv := pin.NewServer(func(name string, to io.ReaderFrom) error {
		return s.answer(ctx, r, name, to)
	}, nil)
	srv.SetTimeout(firstTimeout)
	srv.SetRetries(tries)
	srv.SetBackoff(r.backoff)
	if s.MaxBlock > 0 {
		srv.SetBlockSize(s.MaxBlock)
	}
	quiet := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quiet)
		r.stopAll()
		srv.Shutdown()
	})
	err := srv.Serve(conn)
	if !stop() {
		<-quiet
	}
	if err != nil {
		return fmt.Errorf("serving TFTP: %w", err)
	}
	return nil
}

// refusal is an error whose text may be sent to anybody.
type refusal string

func (r refusal) Error() string { return string(r) }

// answer serves one read request on the library's goroutine for it.
func (s *Server) answer(ctx context.Context, r *register, name string, to io.ReaderFrom) (err error) {
	p := peer(to)
	defer func() {
		// The back-off stops a transfer by a panic with the stopped type; the library has closed its socket by then.
		// Anything else is a fault of ours, and must not end the daemon.
		switch v := recover().(type) {
		case nil:
		case stopped:
			s.Log.Debug("tftp transfer stopped", "client", p.Remote, "file", name, "why", string(v))
			err = refusal("stopped")
		default:
			s.Log.Error("tftp request ended in a panic", "client", p.Remote, "panic", fmt.Sprint(v))
			err = refusal("internal error")
		}
	}()
	allowed := s.Allowed
	if allowed == nil {
		allowed = Private
	}
	if !p.Remote.IsValid() || !allowed(p.Remote) {
		return refusal("not for this network")
	}
	t, repeated := r.begin(remotePort(to))
	if t == nil {
		return refusal("busy")
	}
	defer r.end(t)
	if repeated != nil {
		// The library answers every request, at least by an error, and the client may take the first answer that comes
		// for the one it waits for. So this one comes when nobody waits any more.
		select {
		case <-repeated.over:
		case <-ctx.Done():
		}
		return refusal("repeated")
	}
	clean, ok := Clean(name)
	if !ok {
		return refusal(ErrNotFound.Error())
	}
	data, err := s.Source.File(ctx, clean, p)
	if err != nil {
		if !errors.Is(err, ErrNotFound) {
			s.Log.Warn("tftp file cannot be served", "client", p.Remote, "file", clean, "error", err)
		}
		return refusal(ErrNotFound.Error())
	}
	return s.send(t, to, clean, p, data)
}

func (s *Server) send(t *transfer, to io.ReaderFrom, name string, p Peer, data []byte) error {
	start := time.Now()
	n, err := to.ReadFrom(newReader(t, data))
	if err != nil {
		// Mostly the firmware's probe for the size, ended by its own error packet. Not worth more than a debug line.
		s.Log.Debug("tftp transfer ended early", "client", p.Remote, "file", name, "bytes", n, "error", err)
		return refusal("stopped")
	}
	if s.Done != nil {
		s.Done(Transfer{Peer: p, Name: name, Size: int64(len(data)), Seconds: time.Since(start).Seconds()})
	}
	return nil
}

// remotePort is the client's address with its port.
func remotePort(to io.ReaderFrom) netip.AddrPort {
	o, ok := to.(pin.OutgoingTransfer)
	if !ok {
		return netip.AddrPort{}
	}
	a := o.RemoteAddr()
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// peer takes the addresses out of the library's transfer.
func peer(to io.ReaderFrom) (p Peer) {
	if o, ok := to.(pin.OutgoingTransfer); ok {
		a := o.RemoteAddr()
		p.Remote, _ = netip.AddrFromSlice(a.IP)
		p.Remote = p.Remote.Unmap()
	}
	if l, ok := to.(pin.RequestPacketInfo); ok {
		p.Local, _ = netip.AddrFromSlice(l.LocalIP())
		p.Local = p.Local.Unmap()
	}
	return p
}

// Private tells whether an address can be of a school's own network.
func Private(a netip.Addr) bool {
	return a.Is4() && (a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback())
}
