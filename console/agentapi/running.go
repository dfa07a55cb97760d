package agentapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// The bounds of what is asked with the tokens of running systems.
const (
	runningCost = 20.0 // a request counts as twenty
	maxToken    = 128  // characters
	maxWrong    = 10   // wrong tokens of one address
	wrongWindow = 10 * time.Minute
)

// wrongTokens counts who shows wrong tokens. The zero value is ready.
type wrongTokens struct {
	mu   sync.Mutex
	seen map[string]guess // by address
}

// guess is what an address has shown of late.
type guess struct {
	n     int
	since time.Time
}

// barred tells whether an address has guessed too often.
func (t *wrongTokens) barred(address string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.seen[address]
	return ok && g.n >= maxWrong && now.Sub(g.since) < wrongWindow
}

// add counts a wrong token, and tells whether it is the one too many.
func (t *wrongTokens) add(address string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil || len(t.seen) >= maxSources {
		t.seen = map[string]guess{} // everybody starts afresh: a token has 256 bits all the same
	}
	g := t.seen[address]
	if now.Sub(g.since) >= wrongWindow {
		g = guess{since: now}
	}
	g.n++
	t.seen[address] = g
	return g.n == maxWrong
}

// running lets in who shows the token of a running system, for one thing.
func (s *Server) running(do func(r *http.Request, token string) (job.RunningReset, error), status int) handler {
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		token, err := s.admit(r, c, func(token string) error {
			_, err := s.Fleet.RunningReset(token)
			return err
		})
		if err != nil {
			return err
		}
		out, err := do(r, token)
		if err != nil {
			return err
		}
		return respond(w, status, out)
	}
}

// admit lets in who shows what is right. It is let in from an address, too, that has shown wrong ones: a pupil behind the same
// router must not keep out everybody there.
func (s *Server) admit(r *http.Request, c caller, right func(secret string) error) (secret string, err error) {
	secret, err = bearer(r)
	if err == nil {
		err = right(secret)
	}
	if err == nil {
		return secret, nil
	}
	if err := s.barred(c); err != nil {
		return "", err
	}
	return "", s.judged(r, c, err)
}

// bearer is the token, or the secret, that a request shows.
func bearer(r *http.Request) (string, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" || len(token) > maxToken {
		return "", &fleet.RefusedError{Code: fleet.CodeWrongToken}
	}
	return token, nil
}

// barred refuses an address that has shown too many wrong tokens.
func (s *Server) barred(c caller) error {
	if s.wrong.barred(c.address, s.now()) {
		return refused(http.StatusTooManyRequests, "too-many", "this address has shown too many wrong tokens")
	}
	return nil
}

// judged counts a wrong token against its address, and tells people of an address that guesses; it returns err, or a fault of
// telling it.
func (s *Server) judged(r *http.Request, c caller, err error) error {
	var no *fleet.RefusedError
	if errors.As(err, &no) && no.Code == fleet.CodeWrongToken && s.wrong.add(c.address, s.now()) {
		if err := s.Fleet.Record(r.Context(), "guessing", fleet.Grave, "from "+c.address); err != nil {
			return err
		}
	}
	return err
}

func (s *Server) orderReset(r *http.Request, token string) (job.RunningReset, error) {
	return s.Fleet.OrderRunningReset(r.Context(), token)
}

func (s *Server) cancelReset(r *http.Request, token string) (job.RunningReset, error) {
	return s.Fleet.CancelRunningReset(r.Context(), token)
}

func (s *Server) askReset(_ *http.Request, token string) (job.RunningReset, error) {
	return s.Fleet.RunningReset(token)
}
