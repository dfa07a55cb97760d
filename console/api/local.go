package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// Local returns a client of a server of its own, for a command that holds the data folder itself because no daemon does:
// so an order means the same with and without a daemon. by is who gives orders. stop ends the server.
func Local(s *Server, by string) (c *Client, stop func() error) {
	l := &piped{conns: make(chan net.Conn), done: make(chan struct{})}
	serving, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var begin sync.Once // to describe all routes takes longer than what many a command asks
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		begin.Do(func() { go func() { ended <- s.serve(serving, l, func(net.Conn) string { return by }) }() })
		return l.dial(ctx)
	}}
	return &Client{http: &http.Client{Transport: transport}}, func() error {
		transport.CloseIdleConnections()
		cancel()
		begin.Do(func() { ended <- nil })
		err := <-ended
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		return err
	}
}

// piped is a listener inside the process.
type piped struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *piped) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *piped) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr implements net.Listener.
func (p *piped) Addr() net.Addr { return &net.UnixAddr{Name: "inside", Net: "unix"} }
