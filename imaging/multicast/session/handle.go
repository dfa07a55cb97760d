package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Limits of requests.
const (
	maxJoin = 64 << 10 // bytes
	// MaxIDs is the most chunks of one request for frames.
	MaxIDs = job.MaxIDs
)

// SignatureHeader carries the signature of a manifest as JSON.
const SignatureHeader = job.SignatureHeader

// refusal is an answer that is no success.
type refusal struct {
	status int
	reason string
}

// Error implements error.
func (e *refusal) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, reason: fmt.Sprintf(format, args...)}
}

// routes makes the handlers.
func (s *Server) routes() {
	s.mux = http.NewServeMux()
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request, computer string) error) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			computer, err := s.o.Authoriser.Authorise(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			deadline := time.Now().Add(requestTime) // of the connection, hence the machine's own clock
			control := http.NewResponseController(w)
			_ = control.SetReadDeadline(deadline)  // a server that cannot do this
			_ = control.SetWriteDeadline(deadline) // has limits of its own
			s.answer(w, h(w, r, computer))
		})
	}
	handle("POST /join", s.handleJoin)
	handle("POST /report", s.handleReport)
	handle("POST /symbols", s.handleSymbols)
	handle("POST /leave", s.handleLeave)
	handle("POST /frames", s.handleFrames)
	handle("GET /manifest/{hash}", s.handleManifest)
	handle("GET /status", func(w http.ResponseWriter, _ *http.Request, _ string) error { return reply(w, s.Status()) })
}

// ServeHTTP implements http.Handler: the control channel, with the prefix of its mounting taken off.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// answer turns an error into an answer. One that comes behind the first byte breaks the connection, so that nobody
// takes half an answer for all of it.
func (s *Server) answer(w http.ResponseWriter, err error) {
	var refused *refusal
	switch {
	case err == nil:
	case errors.As(err, &refused):
		http.Error(w, refused.reason, refused.status)
	default:
		s.o.Log.Debug("a request broke off", "session", s.number, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// reply writes an answer as JSON.
func reply(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body)
	return err
}

// body reads a request of at most limit bytes.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "reading the request: %v", err)
	}
	return b, nil
}

func (s *Server) handleJoin(w http.ResponseWriter, r *http.Request, computer string) error {
	raw, err := body(w, r, maxJoin)
	if err != nil {
		return err
	}
	var join wire.Join
	if err := json.Unmarshal(raw, &join); err != nil {
		return refuse(http.StatusBadRequest, "reading the request: %v", err)
	}
	if len(join.Name) > maxName {
		return refuse(http.StatusBadRequest, "a name of %d bytes", len(join.Name))
	}
	master, ok := s.composer.master(join.Manifest)
	if !ok {
		return refuse(http.StatusConflict, "this session does not send the manifest %s", join.Manifest)
	}
	joined, err := s.join(computer, master, join)
	if err != nil {
		return err
	}
	s.nudge()
	return reply(w, joined)
}

// join makes a computer a member, or greets it again.
func (s *Server) join(computer string, master uint16, join wire.Join) (wire.Joined, error) {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[computer]
	if m == nil {
		if len(s.members) == maxMembers {
			return wire.Joined{}, refuse(http.StatusServiceUnavailable, "this session has %d members already", maxMembers)
		}
		m = &member{number: uint32(len(s.members) + 1), name: computer}
		s.members[computer] = m
	}
	m.needs = needs{master: master}
	m.done, m.left, m.seen, m.moved = false, false, now, now
	name := join.Name
	if name == "" {
		name = computer
	}
	orders := s.sender.Join(now, m.number, multicast.Member{Name: name, Link: join.Link, Multicast: join.Multicast})
	m.interval = orders.Interval
	s.last(&orders)
	return wire.Joined{
		Session: s.number, Member: m.number, Master: master, Secret: s.o.Secret, Salt: s.salt, Channels: s.channels, Orders: orders,
	}, nil
}

// last turns orders of a session whose packets have ended into what is left to do. The caller holds the lock.
func (s *Server) last(orders *wire.Orders) {
	if s.over {
		orders.HTTPS, orders.End, orders.Rescue = true, true, nil
	}
}

// gone is the answer to who is no member: it joins again.
func gone() error { return refuse(http.StatusGone, "this session has no such member: join it") }

func (s *Server) handleReport(w http.ResponseWriter, r *http.Request, computer string) error {
	if err := s.mayReport(computer); err != nil {
		return err
	}
	raw, err := body(w, r, wire.MaxReport)
	if err != nil {
		return err
	}
	report, err := wire.ParseReport(raw)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	orders, err := s.report(computer, report)
	if err != nil {
		return err
	}
	s.nudge()
	return reply(w, orders)
}

// report takes a member's report.
func (s *Server) report(computer string, report wire.Report) (wire.Orders, error) {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[computer]
	if m == nil || m.left {
		return wire.Orders{}, gone()
	}
	report.Member = m.number
	report.Needs = slices.DeleteFunc(report.Needs, func(n wire.MasterRuns) bool {
		return n.Master != m.needs.master || n.Runs.Len() > uint64(len(s.composer.chunks[m.needs.master]))
	})
	for _, n := range report.Needs {
		m.needs.runs = n.Runs
		if s.soonest.Before(s.upkept) {
			s.upkept = s.soonest // perhaps a generation is due
		}
	}
	m.seen, m.done = now, report.Done
	m.look(now, &report, len(s.stocks) > 1)
	s.note(now, m, report.Events)
	s.departed.tell(s.sender)
	orders := s.sender.Report(now, report)
	m.interval = orders.Interval
	s.last(&orders)
	// It knows those of which it reports, in order from 0
	orders.Generations = orders.Generations[min(len(report.Deficits), len(orders.Generations)):]
	return orders, nil
}

func (s *Server) handleLeave(w http.ResponseWriter, _ *http.Request, computer string) error {
	s.mu.Lock()
	m := s.members[computer]
	if m != nil {
		m.done, m.left = true, true
		s.sender.Leave(s.o.Now(), m.number)
	}
	s.mu.Unlock()
	s.nudge()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) handleSymbols(w http.ResponseWriter, r *http.Request, computer string) error {
	raw, err := body(w, r, maxJoin)
	if err != nil {
		return err
	}
	var ask wire.Ask
	if err := json.Unmarshal(raw, &ask); err != nil {
		return refuse(http.StatusBadRequest, "reading the request: %v", err)
	}
	free, err := s.oneAtATime(computer)
	if err != nil {
		return err
	}
	defer free()
	g, ok := s.stock(ask.Generation)
	if !ok {
		return refuse(http.StatusConflict, "this session has no generation %d", ask.Generation)
	}
	if err := ask.Check(g.Generation); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	s.moves(computer)
	return s.symbols(w, r, g, ask)
}

// oneAtATime lets a member ask for symbols when it does not do so already: what is made for it is in memory until its
// line has taken it.
func (s *Server) oneAtATime(computer string) (free func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[computer]
	switch {
	case m == nil || m.left:
		return nil, gone()
	case m.asking:
		return nil, refuse(http.StatusTooManyRequests, "this computer is being answered already")
	}
	m.asking = true
	return func() {
		s.mu.Lock()
		m.asking = false
		s.mu.Unlock()
	}, nil
}

// symbols writes the answer to an Ask.
func (s *Server) symbols(w io.Writer, r *http.Request, g *stock, ask wire.Ask) error {
	var out []byte
	for _, b := range ask.Blocks {
		var err error
		if out, err = s.answers(r.Context(), out[:0], g, b); err != nil {
			return err
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
		s.mu.Lock()
		s.rescued += uint64(len(b.Symbols))
		s.mu.Unlock()
	}
	return nil
}

// answers appends the symbols of one block that were asked for. A few are read at the same time, however many ask.
func (s *Server) answers(ctx context.Context, out []byte, g *stock, b wire.BlockAsk) ([]byte, error) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return out, ctx.Err()
	}
	block, err := s.rescue.get(ctx, g, b.Block)
	if err != nil {
		return out, err
	}
	defer s.rescue.release(block)
	content := make([]byte, wire.SymbolSize)
	for _, number := range b.Symbols {
		if err := block.symbol(content, number); err != nil {
			return out, err
		}
		a := wire.Answer{Generation: g.Number, Block: b.Block, Symbol: number, Sources: uint8(len(block.symbols)), Content: content}
		out = a.AppendTo(out)
	}
	return out, nil
}

func (s *Server) handleManifest(w http.ResponseWriter, r *http.Request, _ string) error {
	hash, err := manifest.ParseHash(r.PathValue("hash"))
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	master, ok := s.composer.master(hash)
	if !ok {
		return refuse(http.StatusConflict, "this session does not send the manifest %s", hash)
	}
	m := s.composer.bundle[master]
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(m.Manifest)))
	w.Header().Set(SignatureHeader, string(m.Signature))
	_, err = w.Write(m.Manifest)
	return err
}

func (s *Server) handleFrames(w http.ResponseWriter, r *http.Request, computer string) error {
	raw, err := body(w, r, MaxIDs*int64(len(chunk.ID{})))
	if err != nil {
		return err
	}
	if len(raw) == 0 || len(raw)%len(chunk.ID{}) != 0 {
		return refuse(http.StatusBadRequest, "%d bytes are no ids of chunks", len(raw))
	}
	var ids []chunk.ID
	for part := range slices.Chunk(raw, len(chunk.ID{})) {
		id := chunk.ID(part)
		if _, ok := s.composer.numbers[id]; !ok {
			return refuse(http.StatusForbidden, "chunk %s is not of this session", id)
		}
		ids = append(ids, id)
	}
	s.moves(computer)
	w.Header().Set("Content-Type", "application/octet-stream")
	var frame []byte
	return s.o.Frames.Fetch(r.Context(), ids, func(f chunk.Frame) error {
		frame = f.AppendTo(frame[:0])
		_, err := w.Write(frame)
		return err
	})
}
