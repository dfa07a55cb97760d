package agentapi

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/console/door"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// Server answers agents. All fields but Log, Now, Watch, StageTwo, Spool, Healing, Sessions and Local are required.
type Server struct {
	Fleet       *fleet.Fleet
	Masters     Masters
	Captures    Captures
	Certificate func() *tls.Certificate // leaf and CA, of the addresses that the server has now
	SigningKeys func() []string         // that agents may trust, base64
	StageTwo    *StageTwo               // nil: there is none
	Spool       string                  // folder for what comes in, on a disk with room: the library's; "": os.TempDir
	Healing     Healing                 // nil: nobody is asked for lost chunks
	Sessions    Sessions                // nil: every computer fetches for itself
	Local       LocalBoots              // nil: no computer starts from its own disk by us
	// Watch is told of the requests that are answered at once: not those that wait for work, nor those of a session.
	Watch func(http.Handler) http.Handler // nil: nobody
	Log   *slog.Logger                    // nil: none
	Now   func() time.Time

	limits   limits
	counts   counts
	sets     chunkSets
	captures captureSessions
	offers   offers
	givers   givers
	wrong    wrongTokens
	decoding sync.Mutex // of the manifests of captures
}

// The bounds of time and size of one request.
const (
	headerTime  = 10 * time.Second
	idleTime    = 2 * time.Minute
	requestTime = 30 * time.Second // for small bodies and answers
	streamPause = time.Minute      // between two parts of a large one
	pollTime    = 25 * time.Second
	maxHello    = 256 << 10
	maxReport   = 256 << 10
)

// caller is who a request comes from.
type caller struct {
	key      string // "" without a client certificate
	address  string // without port
	enrolled bool   // a person has approved its key
}

// source is what the caller's limits are counted by.
func (c caller) source() string {
	if c.enrolled {
		return "key " + c.key
	}
	return c.address
}

// connKey is the key of a connection in the context of its requests.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		return context.WithValue(ctx, connKey{}, t.NetConn())
	}
	return ctx
}

// welcome tells whether the caller may go on: its connection is counted for its key from the first request on that has one,
// and its requests always.
func (s *Server) welcome(r *http.Request, c caller, cost float64) error {
	if conn, ok := r.Context().Value(connKey{}).(*countedConn); ok && c.enrolled && !s.limits.recognise(conn, c.key) {
		return refused(http.StatusTooManyRequests, "too-many", "too many connections of this computer")
	}
	if !s.limits.allow(c.source(), cost, s.now()) {
		return refused(http.StatusTooManyRequests, "too-many", "too many requests from this address")
	}
	return nil
}

// handler answers a request or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, c caller) error

// problem is an error that an agent is told.
type problem struct {
	status int
	job.Problem
}

// Error implements error.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func refused(status int, code, format string, args ...any) error {
	return &problem{status, job.Problem{Code: code, Detail: fmt.Sprintf(format, args...)}}
}

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, cost float64, h handler) {
		answer := s.answer(cost, h)
		if s.Watch != nil && !strings.HasSuffix(pattern, job.PathTask) && !strings.HasSuffix(pattern, job.PathHelper) && !strings.Contains(pattern, job.PathSession) {
			answer = s.Watch(answer)
		}
		mux.Handle(pattern, answer)
	}
	route("GET "+job.PathTrust, 1, s.trust)
	route("GET "+job.PathStageTwo, 1, s.stageTwo)
	route("POST "+job.PathHello, helloCost, s.keyed(s.hello))
	route("GET "+job.PathTask, 1, s.enrolled(s.task))
	route("POST "+job.PathReport, 1, s.enrolled(s.report))
	route("GET "+job.PathManifest+"{hash}", 1, s.enrolled(s.manifest))
	route("GET "+job.PathNames+"{hash}", 1, s.enrolled(s.names))
	route("POST "+job.PathChunks, 1, s.enrolled(s.chunks))
	route("POST "+job.PathCapture+"{task}/missing", 1, s.enrolled(s.captureMissing))
	route("POST "+job.PathCapture+"{task}/frames", 1, s.enrolled(s.captureFrames))
	route("POST "+job.PathCapture+"{task}/publish", 1, s.enrolled(s.capturePublish))
	route("GET "+job.PathScript, 1, s.enrolled(s.script))
	route("GET "+job.PathHeal, 1, s.enrolled(s.wanted))
	route("POST "+job.PathHeal, 1, s.enrolled(s.heal))
	s.sessionRoutes(route)
	route("POST "+job.PathServe, 1, s.enrolled(s.serving))
	route("GET "+job.PathPeers, 1, s.enrolled(s.peers))
	route("GET "+job.PathLocal, 5, s.keyed(s.local))
	route("POST "+job.PathLocal, 5, s.enrolled(s.localState))
	route("GET "+job.PathLocal+"/{name}", 1, s.enrolled(s.localFile))
	route("POST "+job.PathWish, 5, s.enrolled(s.wish))
	route("POST "+job.PathRunningReset, runningCost, s.running(s.orderReset, http.StatusAccepted))
	route("DELETE "+job.PathRunningReset, runningCost, s.running(s.cancelReset, http.StatusOK))
	route("GET "+job.PathRunningReset, runningCost, s.running(s.askReset, http.StatusOK))
	route("POST "+job.PathHelper, 1, s.helper)
	route("/", 1, func(http.ResponseWriter, *http.Request, caller) error {
		return refused(http.StatusNotFound, "no-route", "there is nothing here")
	})
	return mux
}

// Serve answers until ctx ends, then ends within two seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	log := s.log()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 16 << 10,
		TLSConfig:   s.tlsConfig(),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withConn, ConnState: s.counts.ended,
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes of port scanners
		Protocols: new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true) // large bodies, one at a time: streams over one connection would only wait for each other
	go s.sweep(ctx)
	err := door.Serve(ctx, srv, func() error { return srv.ServeTLS(&countedListener{Listener: l, limits: &s.limits}, "", "") })
	if err != nil {
		return err
	}
	s.captures.closeAll()
	return nil
}

// tlsConfig is TLS 1.3 with a client certificate for who has one. Nothing in the certificate is trusted but the key
// that the handshake proves.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate(), nil },
		ClientAuth:     tls.RequestClientCert, SessionTicketsDisabled: true}
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// callerOf reads who a request comes from.
func callerOf(r *http.Request) caller {
	var c caller
	c.address = addressOf(r.RemoteAddr)
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c.key = KeyID(r.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)
	}
	return c
}

func addressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// KeyID names a public key: SHA-256 of its SubjectPublicKeyInfo, hexadecimal.
func KeyID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// answer wraps a handler with limits, deadlines, recovery and problems.
func (s *Server) answer(cost float64, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callerOf(r)
		if c.key != "" {
			_, err := s.Fleet.Authorise(c.key)
			c.enrolled = err == nil
		}
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(s.now().Add(requestTime))
		started := &startedWriter{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p) // net/http cuts the connection and says nothing
				}
				s.log().Error("panic while answering an agent", "path", r.URL.Path, "address", c.address, "panic", p)
				s.tell(started, r, c, refused(http.StatusInternalServerError, "internal", "the server has a fault"))
			}
		}()
		err := s.welcome(r, c, cost)
		if err == nil {
			err = h(started, r, c)
		}
		if err != nil {
			s.tell(started, r, c, err)
			return
		}
		s.counts.heard(r, c, s.now())
	})
}

// startedWriter knows whether the answer has begun.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

// WriteHeader implements http.ResponseWriter.
func (w *startedWriter) WriteHeader(status int) {
	w.started = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *startedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *startedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// tell sends a problem, or cuts the connection when half an answer is out: the agent must not take it for a whole one.
func (s *Server) tell(w *startedWriter, r *http.Request, c caller, err error) {
	p := problemOf(err)
	s.counts.refuse(r, p.Code)
	level := slog.LevelInfo
	if p.status >= 500 {
		level = slog.LevelError
	}
	if r.Context().Err() == nil && (p.status >= 500 || s.limits.tell(c.address, s.now())) {
		s.log().Log(r.Context(), level, "refused an agent", "path", fleet.Clean(r.URL.Path, 200), "address", c.address,
			"code", p.Code, "error", fleet.Clean(err.Error(), 500))
	}
	if w.started {
		panic(http.ErrAbortHandler)
	}
	_ = respond(w, p.status, p.Problem)
}

// problemOf turns any error into what an agent may know of it.
func problemOf(err error) *problem {
	var p *problem
	var r *fleet.RefusedError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLarge):
		return &problem{http.StatusRequestEntityTooLarge, job.Problem{Code: "too-large", Detail: "the request is too large"}}
	case !errors.As(err, &r):
		if p := storeProblem(err); p != nil {
			return p
		}
		return &problem{http.StatusInternalServerError, job.Problem{Code: "internal", Detail: "the server has a fault"}}
	}
	switch r.Code {
	case fleet.CodeNotEnrolled:
		return &problem{http.StatusForbidden, job.Problem{Code: "unknown-computer", Detail: "this computer is not enrolled"}}
	case fleet.CodeNotYours:
		return &problem{http.StatusForbidden, job.Problem{Code: "not-yours", Detail: "this task is not this computer's"}}
	case fleet.CodeNoTask:
		return &problem{http.StatusConflict, job.Problem{Code: "no-task", Detail: "no such task runs on this computer"}}
	case fleet.CodeWrongToken:
		return &problem{http.StatusUnauthorized, job.Problem{Code: "wrong-token", Detail: "this token is unknown, or was revoked"}}
	case fleet.CodePolicy, fleet.CodeNotProven, fleet.CodeBusy, fleet.CodeNoDisk, fleet.CodeSeveralDisks, fleet.CodeDiskTooSmall,
		fleet.CodeSectorSize, fleet.CodeEmpty:
		return &problem{http.StatusConflict, job.Problem{Code: string(r.Code), Detail: r.Detail}}
	case fleet.CodeTooMany:
		return &problem{http.StatusTooManyRequests, job.Problem{Code: "too-many", Detail: r.Detail}}
	}
	return &problem{http.StatusBadRequest, job.Problem{Code: string(r.Code), Detail: r.Detail}}
}

func respond(w http.ResponseWriter, status int, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // who has gone does not read
	return nil
}

// keyed lets in who has proven a key.
func (s *Server) keyed(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		if c.key == "" {
			return refused(http.StatusForbidden, "unknown-computer", "a client certificate is needed")
		}
		return h(w, r, c)
	}
}

// enrolled lets in whose key a person has approved.
func (s *Server) enrolled(h handler) handler {
	return s.keyed(func(w http.ResponseWriter, r *http.Request, c caller) error {
		if _, err := s.Fleet.Authorise(c.key); err != nil {
			return err
		}
		return h(w, r, c)
	})
}

// read decodes a small JSON body.
func (s *Server) read(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(s.now().Add(requestTime))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	if err := d.Decode(into); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return refused(http.StatusBadRequest, "bad-request", "the body is not what the contract says")
	}
	if _, err := d.Token(); err != io.EOF {
		return refused(http.StatusBadRequest, "bad-request", "something follows the body")
	}
	return nil
}

func (s *Server) trust(w http.ResponseWriter, _ *http.Request, c caller) error {
	if s.Fleet.Began(c.address) {
		s.log().Info("an agent has started", "address", c.address)
	}
	t := job.Trust{SigningKeys: s.SigningKeys(), Time: s.now().UTC()}
	if s.StageTwo != nil {
		two, err := s.StageTwo.Current()
		if err != nil {
			return err
		}
		t.StageTwo = two
	}
	return respond(w, http.StatusOK, t)
}

func (s *Server) hello(w http.ResponseWriter, r *http.Request, c caller) error {
	var h job.Hello
	if err := s.read(w, r, maxHello, &h); err != nil {
		return err
	}
	welcome, err := s.Fleet.Hello(r.Context(), fleet.Introduction{Key: c.key, Address: c.address, Hello: h})
	if err != nil {
		return err
	}
	if welcome.State == job.StateEnrolled {
		s.counts.version(c.key, h.AgentVersion, s.now())
	}
	return respond(w, http.StatusOK, welcome)
}

func (s *Server) task(w http.ResponseWriter, r *http.Request, c caller) error {
	_ = http.NewResponseController(w).SetWriteDeadline(s.now().Add(pollTime + requestTime))
	ctx, cancel := context.WithTimeout(r.Context(), pollTime)
	defer cancel()
	e, err := s.Fleet.Next(ctx, c.key)
	if err != nil {
		return err
	}
	if e == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return respond(w, http.StatusOK, e)
}

func (s *Server) report(w http.ResponseWriter, r *http.Request, c caller) error {
	var report job.Report
	if err := s.read(w, r, maxReport, &report); err != nil {
		return err
	}
	reply, err := s.Fleet.Report(r.Context(), c.key, report)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, reply)
}
