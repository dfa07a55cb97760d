package api

import (
	"bytes"
	"context"

	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Sessions are the multicast sessions of jobs.
type Sessions interface {
	// Brief returns how a session stands now; false when it does not run.
	Brief(id string) (sessions.Report, bool)
	// Report returns all that is known of a session, also after it; false when nothing is.
	Report(ctx context.Context, id string) (sessions.Report, bool, error)
}

// brief is how a job's session stands; nil when it has none that runs.
func (s *Server) brief(id string) *sessions.Report {
	if s.Sessions == nil || id == "" {
		return nil
	}
	r, ok := s.Sessions.Brief(id)
	if !ok {
		return nil
	}
	return &r
}

// report is all that is known of a job's session; nil when nothing is.
func (s *Server) report(ctx context.Context, id string) (*sessions.Report, error) {
	if s.Sessions == nil || id == "" {
		return nil, nil
	}
	r, ok, err := s.Sessions.Report(ctx, id)
	if err != nil || !ok {
		return nil, err
	}
	return &r, nil
}

// maxCompared is how many masters a new order is compared with: each is read whole.
const maxCompared = 8

// related lists the manifests of sessions to come that share enough chunks with an order's to be sent together.
func (s *Server) related(o resolved) []string {
	if o.manifest == nil || o.Unicast || len(o.Computers) < 2 {
		return nil
	}
	var out []string
	compared := map[string]bool{o.Manifest: true}
	for _, session := range s.Fleet.Sessions() {
		for _, hex := range session.Manifests {
			if compared[hex] || len(compared) > maxCompared {
				continue
			}
			compared[hex] = true
			if other, err := s.decoded(hex); err == nil && sessions.Related(o.manifest, other) { // else it fetches for itself
				out = append(out, hex)
			}
		}
	}
	return out
}

// decoded reads a manifest by its hash, hexadecimal.
func (s *Server) decoded(hex string) (*manifest.Manifest, error) {
	hash, err := manifest.ParseHash(hex)
	if err != nil {
		return nil, err
	}
	encoded, _, err := s.Masters.Manifest(hash)
	if err != nil {
		return nil, err
	}
	out, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	return out, err
}
