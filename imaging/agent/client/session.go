package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxSession is the most characters of a session's id.
const maxSession = 64

// SessionAnswer is an answer of a session's control channel.
type SessionAnswer struct {
	Route  string // its last part: join, report, ...
	Status int    // of HTTP
	Reason string // what a refusal says; "" for a success
}

// Session returns the way to the control channel of a multicast session: an HTTP client that proves the server and this
// computer as every question does, and the URL of the channel. It has no limit of its own for a whole answer; a server
// that is silent is left. answered is told of each answer, and Lost and Found of a server that goes and comes. It fails
// for an id that cannot be a session's.
func (c *Client) Session(id string, answered func(SessionAnswer)) (*http.Client, string, error) {
	if id == "" || len(id) > maxSession {
		return nil, "", fmt.Errorf("an id of %d characters names no session", len(id))
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return nil, "", fmt.Errorf("the id %q names no session", id)
		}
	}
	web := &http.Client{Transport: &watched{c, answered}, CheckRedirect: c.http.CheckRedirect}
	return web, "https://" + c.o.Server + job.PathSession + id, nil
}

// watched tells of what it transports.
type watched struct {
	c        *Client
	answered func(SessionAnswer)
}

// RoundTrip implements http.RoundTripper.
func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := w.c.http.Transport.RoundTrip(r)
	switch {
	case err == nil:
		w.c.found()
	case errors.Is(err, context.Canceled) || r.Context().Err() != nil:
		return a, err
	default:
		w.c.missing(err)
		return a, err
	}
	said := SessionAnswer{Route: path.Base(r.URL.Path), Status: a.StatusCode}
	if a.StatusCode/100 != 2 {
		b, _ := io.ReadAll(io.LimitReader(a.Body, maxProblem))
		_ = a.Body.Close()
		a.Body = io.NopCloser(bytes.NewReader(b))
		said.Reason = (&ProblemError{Status: a.StatusCode, Problem: problem(b)}).Error()
	}
	w.answered(said)
	return a, nil
}

// CloseIdleConnections lets http.Client reach the transport below.
func (w *watched) CloseIdleConnections() { w.c.http.CloseIdleConnections() }
