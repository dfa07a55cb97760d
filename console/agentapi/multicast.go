package agentapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/imaging/job"
)

// Sessions are the multicast sessions of the running tasks.
type Sessions interface {
	// Serve answers a request on the control channel of the visitor's session, whose own path the request has. What it
	// returns was not answered.
	Serve(w http.ResponseWriter, r *http.Request, v sessions.Visitor) error
	// Pace returns w such that what is written to it keeps to what sessions leave of the uplink.
	Pace(ctx context.Context, w io.Writer) io.Writer
}

// paced is where chunks of a deployment go: what is fetched beside a session must not take more of the uplink than it may.
func (s *Server) paced(r *http.Request, w io.Writer) io.Writer {
	if s.Sessions == nil {
		return w
	}
	return s.Sessions.Pace(r.Context(), w)
}

// sessionRoutes are the routes of a control channel, and what a request costs of a source's rate: an agent reports four
// times a second and asks for symbols twenty times.
func (s *Server) sessionRoutes(route func(pattern string, cost float64, h handler)) {
	for pattern, cost := range map[string]float64{
		"POST /join": 5, "POST /report": 2, "POST /symbols": 2, "POST /leave": 10, "POST /frames": 1, "GET /manifest/{hash}": 5,
		"GET /status": 20,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		route(method+" "+job.PathSession+"{session}"+path, cost, s.enrolled(s.multicast))
	}
}

// multicast lets a computer speak to the session that its running task names.
func (s *Server) multicast(w http.ResponseWriter, r *http.Request, c caller) error {
	j, t, err := s.Fleet.Running(c.key)
	if err != nil {
		return err
	}
	id := r.PathValue("session")
	if j.Session == "" || j.Session != id {
		return refused(http.StatusForbidden, "not-yours", "the running task does not name this session")
	}
	if s.Sessions == nil {
		return refused(http.StatusConflict, "no-multicast", "this server has no multicast")
	}
	known, err := s.Fleet.Authorise(c.key)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(c.address)
	if err != nil {
		return refused(http.StatusConflict, "no-multicast", "the address that the request comes from cannot be read")
	}
	inner := r.Clone(r.Context())
	inner.URL = &url.URL{Path: strings.TrimPrefix(r.URL.Path, job.PathSession+id)}
	err = s.Sessions.Serve(w, inner, sessions.Visitor{Computer: t.Computer, Name: known.Name, Address: address.Unmap(),
		Session: j.Session, Manifest: j.Manifest})
	var no *sessions.Refusal
	if errors.As(err, &no) {
		return refused(no.Status, no.Code, "%s", no.Detail)
	}
	return err
}
