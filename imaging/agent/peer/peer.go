package peer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Limits of strangers.
const (
	connections  = 32
	atOnce       = 4 // requests that are answered
	headerTime   = 5 * time.Second
	requestTime  = time.Minute // for a whole request and its answer
	idleTime     = 30 * time.Second
	maxHeader    = 8 << 10
	fastestLevel = 1 // of zstd: the line is faster than a better one
)

// Options of New.
type Options struct {
	Disk        io.ReaderAt        // that was proven to hold the master
	Manifest    *manifest.Manifest // of the master
	Certificate tls.Certificate    // of this computer's key
	Token       string             // that who asks must show; not empty. See SetToken
}

// Server gives chunks.
type Server struct {
	o     Options
	token atomic.Pointer[[sha256.Size]byte]
	codec *chunk.Codec
	order []place // by prefix
	busy  chan struct{}
	sent  atomic.Int64
}

// place is where a chunk stands in the manifest's table.
type place struct {
	prefix uint64 // of its id
	index  uint32
}

// New returns a server of a master's chunks.
func New(o Options) (*Server, error) {
	if o.Token == "" {
		return nil, errors.New("a peer without a token would give to everybody")
	}
	codec, err := chunk.NewCodec(fastestLevel)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, codec: codec, busy: make(chan struct{}, atOnce)}
	s.SetToken(o.Token)
	s.order = make([]place, 0, o.Manifest.Chunks.Len())
	for i, e := range o.Manifest.Chunks.All() {
		s.order = append(s.order, place{binary.BigEndian.Uint64(e.ID[:8]), uint32(i)})
	}
	slices.SortFunc(s.order, func(a, b place) int { return cmp.Compare(a.prefix, b.prefix) })
	return s, nil
}

// SetToken changes what who asks must show: a server that was restarted has given it another. An empty one changes
// nothing.
func (s *Server) SetToken(token string) {
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		s.token.Store(&sum)
	}
}

// Sent returns the bytes of frames given so far.
func (s *Server) Sent() int64 { return s.sent.Load() }

// Serve answers on l until ctx ends; it closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: http.HandlerFunc(s.handle), ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig:    &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{s.o.Certificate}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone: one request a connection
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	err := h.ServeTLS(&few{Listener: l, free: make(chan struct{}, connections)}, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving other computers: %w", err)
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	shown := sha256.Sum256([]byte(r.Header.Get(job.PeerTokenHeader)))
	switch {
	case subtle.ConstantTimeCompare(shown[:], s.token.Load()[:]) != 1:
		http.Error(w, "this computer gives only to whom the server names it", http.StatusForbidden)
		return
	case r.URL.Path != job.PathPeerFrames || r.Method != http.MethodPost:
		http.NotFound(w, r)
		return
	}
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		http.Error(w, "this computer gives to others already", http.StatusServiceUnavailable)
		return
	}
	const size = len(chunk.ID{})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, job.MaxIDs*int64(size)))
	if err != nil || len(body) == 0 || len(body)%size != 0 {
		http.Error(w, "the body is no list of chunks", http.StatusBadRequest)
		return
	}
	for first := true; len(body) > 0; body, first = body[size:], false {
		f, ok := s.frame(chunk.ID(body[:size]))
		if !ok {
			if first {
				http.Error(w, "this computer lacks the first of these chunks", http.StatusNotFound)
			}
			return // who asked sees that the answer is short
		}
		if _, err := w.Write(f.AppendTo(nil)); err != nil {
			return
		}
		s.sent.Add(int64(f.Size()))
	}
}

// frame reads a chunk and proves it.
func (s *Server) frame(id chunk.ID) (chunk.Frame, bool) {
	prefix := binary.BigEndian.Uint64(id[:8])
	at, _ := slices.BinarySearchFunc(s.order, prefix, func(p place, prefix uint64) int { return cmp.Compare(p.prefix, prefix) })
	for ; at < len(s.order) && s.order[at].prefix == prefix; at++ {
		e := s.o.Manifest.Chunks.At(int(s.order[at].index))
		if e.ID != id {
			continue
		}
		if content, err := Content(s.o.Disk, e); err == nil && chunk.Of(content) == id {
			return s.codec.Seal(id, content), true
		}
	}
	return chunk.Frame{}, false
}

// Content reads the content of a chunk from its places on a disk; what lies nowhere is zeros.
func Content(d io.ReaderAt, e manifest.Entry) ([]byte, error) {
	content := make([]byte, e.Length)
	for _, p := range e.Pieces {
		if _, err := d.ReadAt(content[p.At:p.At+p.Length], p.Offset); err != nil {
			return nil, fmt.Errorf("reading %d bytes at %d: %w", p.Length, p.Offset, err)
		}
	}
	return content, nil
}

// few is a listener with a limit of connections.
type few struct {
	net.Listener
	free chan struct{}
}

// Accept implements net.Listener: who comes when there are too many is sent away.
func (f *few) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case f.free <- struct{}{}:
			return &counted{Conn: c, done: func() { <-f.free }}, nil
		default:
			_ = c.Close()
		}
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	once sync.Once
	done func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}
