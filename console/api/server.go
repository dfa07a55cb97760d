package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/store"
)

// Server takes orders. Fleet and Masters are required.
type Server struct {
	Fleet    *fleet.Fleet
	Masters  *masters.Library
	Sessions Sessions // nil: there are none
	Status   func() Status
	Wake     func(ctx context.Context, macs []string) error // nil: nobody can be woken
	Running  func(address string) (server, ca string)       // what the running system of a computer last seen there is to know; nil: nothing
	Doctor   func(ctx context.Context) []Check
	Healer   store.Healer // what a scrub heals from, unless it is told; nil: nothing
	Log      *slog.Logger // nil: none
}

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

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	return s.serve(ctx, l, peer)
}

// serve answers on any listener; who tells by whom a connection is.
func (s *Server) serve(ctx context.Context, l net.Listener, who func(net.Conn) string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, who(c))
		},
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(patience); err != nil {
		_ = srv.Close()
	}
	<-done
	return nil
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

// handler answers a request by a user, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, by string) error

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	stream := func(pattern string, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			by, _ := r.Context().Value(peerKey{}).(string)
			if by == "" {
				s.tell(w, r, &Error{Status: http.StatusForbidden, Code: "not-allowed"})
				return
			}
			if err := h(w, r, by); err != nil {
				s.tell(w, r, err)
			}
		})
	}
	route := func(pattern string, h handler) {
		stream(pattern, func(w http.ResponseWriter, r *http.Request, by string) error {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			return h(w, r, by)
		})
	}
	route("GET /v1/status", func(w http.ResponseWriter, _ *http.Request, _ string) error { return respond(w, s.Status()) })
	route("GET /v1/computers", s.computers)
	route("GET /v1/computers/{ref}", s.computer)
	route("POST /v1/computers/approve", s.approve)
	route("POST /v1/computers/{ref}/{verb}", s.change)
	route("POST /v1/computers/{ref}/token", s.token)
	route("GET /v1/rooms", s.rooms)
	route("GET /v1/rooms/{name}", s.room)
	route("PUT /v1/rooms/{name}", s.setRoom)
	route("DELETE /v1/rooms/{name}", s.forgetRoom)
	route("POST /v1/place", s.place)
	route("GET /v1/masters", s.masters)
	route("GET /v1/masters/{ref}", s.master)
	route("GET /v1/masters/{ref}/resolve", s.resolveMaster)
	route("POST /v1/masters/{ref}/{verb}", s.changeMaster)
	stream("POST /v1/import", s.importMaster)
	route("GET /v1/manifests/{hash}", s.manifest)
	route("GET /v1/names/{hash}", s.namesTable)
	route("POST /v1/chunks", s.chunks)
	route("GET /v1/keys", s.keys)
	route("POST /v1/keys/rotate", s.rotate)
	route("POST /v1/store/{verb}", s.store)
	route("POST /v1/plan", s.plan)
	route("POST /v1/jobs", s.order)
	route("GET /v1/jobs", s.jobs)
	route("GET /v1/jobs/{id}", s.job)
	route("GET /v1/jobs/{id}/watch", s.watch)
	route("POST /v1/jobs/{id}/cancel", s.cancel)
	route("GET /v1/events", s.events)
	route("GET /v1/doctor", func(w http.ResponseWriter, r *http.Request, _ string) error {
		return respond(w, s.Doctor(r.Context()))
	})
	route("/", func(http.ResponseWriter, *http.Request, string) error {
		return &Error{Status: http.StatusNotFound, Code: "no-route"}
	})
	return mux
}

func respond(w http.ResponseWriter, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // who has gone does not read
	return nil
}

// tell sends an error.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, err error) {
	e := wireError(err)
	if e.Status >= 500 && s.Log != nil && r.Context().Err() == nil { // who hung up has broken it off himself
		s.Log.Error("an order went wrong", "path", r.URL.Path, "error", err)
	}
	b, _ := json.Marshal(e) // strings only
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(b, '\n'))
}

// wireError says an error in the words of the wire.
func wireError(err error) *Error {
	var (
		own       *Error
		refused   *fleet.RefusedError
		unknown   *masters.UnknownError
		name      *masters.NameError
		untrusted *masters.UntrustedError
		small     *disk.TooSmallError
		sector    *disk.SectorSizeError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused):
		status := http.StatusConflict
		switch refused.Code {
		case fleet.CodeNoComputer, fleet.CodeNoJob, fleet.CodeNoRoom:
			status = http.StatusNotFound
		case fleet.CodeBadName, fleet.CodeBadOrder, fleet.CodeBadRoom:
			status = http.StatusBadRequest
		}
		return &Error{Status: status, Code: string(refused.Code), What: refused.What, Detail: refused.Detail}
	case errors.As(err, &unknown):
		return &Error{Status: http.StatusNotFound, Code: "no-master", What: unknown.What}
	case errors.As(err, &name):
		return &Error{Status: http.StatusBadRequest, Code: "bad-master", What: name.Name, Detail: name.Reason}
	case errors.As(err, &untrusted):
		return &Error{Status: http.StatusConflict, Code: "untrusted", What: untrusted.Version, Detail: untrusted.Err.Error()}
	case errors.As(err, &small):
		return &Error{Status: http.StatusConflict, Code: string(fleet.CodeDiskTooSmall), Detail: small.Error()}
	case errors.As(err, &sector):
		return &Error{Status: http.StatusConflict, Code: string(fleet.CodeSectorSize), Detail: sector.Error()}
	}
	if e := masterError(err); e != nil {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error()}
}

// read decodes a body.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &Error{Status: http.StatusBadRequest, Code: "bad-order", Detail: "reading the order: " + err.Error()}
	}
	return nil
}

// names maps the ids of computers to their names.
func (s *Server) names() map[string]string {
	out := map[string]string{}
	for _, c := range s.Fleet.Computers() {
		out[c.ID] = c.Name
	}
	return out
}
