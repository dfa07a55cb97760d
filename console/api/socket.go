package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/door"
	"github.com/ardoise/ardoise/fleet/people"
)

// SocketName is the name of the socket in the data folder.
const SocketName = "ardoise.sock"

// maxSocketPath is the longest path of a Unix socket (sun_path of unix(7), with its zero byte).
const maxSocketPath = 107

// PathTooLongError says that a data folder's path leaves no room for the socket's.
type PathTooLongError struct{ Path string }

// Error implements error.
func (e *PathTooLongError) Error() string {
	return fmt.Sprintf("%s: a socket's path has at most %d bytes, this one %d", e.Path, maxSocketPath, len(e.Path))
}

// Listen makes the socket in a data folder that the caller has locked: a socket that is there is a dead daemon's.
func Listen(data string) (*net.UnixListener, error) {
	path := filepath.Join(data, SocketName)
	if len(path) > maxSocketPath {
		return nil, &PathTooLongError{Path: path}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing an old socket: %w", err)
	}
	// The umask keeps others out from the first moment; the mode is set again for those who run with a looser one.
	old := unix.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("opening the socket for orders: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the socket to others: %w", err), l.Close())
	}
	return l, nil
}

// peerKey is the key of the peer's user in a request's context.
type peerKey struct{}

// Serve answers on the socket until ctx ends.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	return s.serve(ctx, l, peer)
}

// serve answers on any listener; who tells by whom a connection is.
func (s *Server) serve(ctx context.Context, l net.Listener, who func(net.Conn) string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	srv := &http.Server{
		Handler: s.Handler(administrator), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, who(c))
		},
	}
	return door.Serve(ctx, srv, func() error { return srv.Serve(l) })
}

// administrator is who speaks over the socket.
func administrator(r *http.Request) (people.Caller, error) {
	by, _ := r.Context().Value(peerKey{}).(string)
	if by == "" {
		return people.Caller{}, &access.Error{Status: http.StatusForbidden, Code: "not-allowed"}
	}
	return people.Caller{Login: by, Name: by, Role: people.Administrator, Via: people.ViaSocket}, nil
}

// peer returns the name of the user at the other end, or "" when it may not speak.
func peer(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ""
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ""
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || credErr != nil || cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return ""
	}
	id := strconv.FormatUint(uint64(cred.Uid), 10)
	if known, err := user.LookupId(id); err == nil {
		return known.Username
	}
	return "user " + id
}
