package httpboot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
)

// Limits of a Server whose fields are zero, and its times.
const (
	DefaultPerSource = 16
	DefaultTotal     = 1024
	maxHeader        = 16 << 10
	maxName          = 256
	headerTime       = 15 * time.Second
	idleTime         = 60 * time.Second
	// stallTime is how long one write may wait for the reader: GRUB 2.12 pauses for 10 s in the middle of an initrd.
	stallTime = 120 * time.Second
	// piece is how much is written before the time for a stall begins anew, in bytes.
	piece = 256 << 10
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
	// File returns the content of a cleaned name without leading slash. Any error is answered with 404.
	File(ctx context.Context, name string, p Peer) ([]byte, error)
}

// Transfer is one file that went out whole.
type Transfer struct {
	Peer
	Name    string
	Size    int64 // bytes
	Seconds float64
}

// Server serves files to firmware, shim and GRUB. Source is required.
type Server struct {
	Source    Source
	Allowed   func(netip.Addr) bool // which clients; nil: everybody
	Done      func(Transfer)        // told of every whole file; nil: nobody
	PerSource int                   // connections of one address; 0: DefaultPerSource
	Total     int                   // connections in all; 0: DefaultTotal
	Log       *slog.Logger          // nil: none
}

// Serve answers requests on l until the context ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	srv := &http.Server{
		Handler:           http.HandlerFunc(s.handle),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(limit(l, s.PerSource, s.Total)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP boot: %w", err)
	}
	return nil
}

// Clean brings the path of a request into the form of the file table; it reports false for one that names no file.
func Clean(p string) (string, bool) {
	if len(p) > maxName || strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r >= 0x7f || r == '\\' }) {
		return "", false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return "", false
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+p), "/")
	return clean, clean != ""
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	p := peer(r)
	if s.Allowed != nil && !s.Allowed(p.Remote) {
		http.Error(w, "not for this network", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	name, ok := Clean(r.URL.Path)
	if !ok {
		http.Error(w, ErrNotFound.Error(), http.StatusNotFound)
		return
	}
	data, err := s.Source.File(r.Context(), name, p)
	if err != nil {
		http.Error(w, ErrNotFound.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead || !write(w, data) {
		return
	}
	if s.Done != nil {
		s.Done(Transfer{Peer: p, Name: name, Size: int64(len(data)), Seconds: time.Since(start).Seconds()})
	}
}

// write sends the whole content, giving each piece its own time.
func write(w http.ResponseWriter, data []byte) bool {
	c := http.NewResponseController(w)
	for {
		if err := c.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
			return false
		}
		n := min(piece, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return false
		}
		if data = data[n:]; len(data) == 0 {
			return c.Flush() == nil
		}
	}
}

// contentType names what firmware goes by: RFC 5970 firmware starts only what calls itself application/efi.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".efi":
		return "application/efi"
	case ".cfg":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// peer takes the addresses out of a request.
func peer(r *http.Request) (p Peer) {
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Remote = a.Addr().Unmap()
	}
	if l, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if a, err := netip.ParseAddrPort(l.String()); err == nil {
			p.Local = a.Addr().Unmap()
		}
	}
	return p
}
