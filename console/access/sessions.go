package access

import (
	"bytes"
	"context"
	"slices"

	"github.com/ardoise/ardoise/fleet/rates"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Sessions are the multicast sessions of jobs.
type Sessions interface {
	// Brief returns how a session stands now; false when it does not run.
	Brief(id string) (sessions.Report, bool)
	// Report returns all that is known of a session, also after it; false when nothing is.
	Report(ctx context.Context, id string) (sessions.Report, bool, error)
}

// Rates are how fast jobs went.
type Rates interface {
	// Of returns the curve of a job; nil when nothing is known.
	Of(ctx context.Context, job string) (*rates.Curve, error)
}

// brief is how a job's session stands; nil when it has none that runs.
func (h *House) brief(id string) *sessions.Report {
	if h.Sessions == nil || id == "" {
		return nil
	}
	r, ok := h.Sessions.Brief(id)
	if !ok {
		return nil
	}
	return &r
}

// report is all that is known of a job's session; nil when nothing is.
func (h *House) report(ctx context.Context, id string) (*sessions.Report, error) {
	if h.Sessions == nil || id == "" {
		return nil, nil
	}
	r, ok, err := h.Sessions.Report(ctx, id)
	if err != nil || !ok {
		return nil, err
	}
	return &r, nil
}

// censored leaves of a session's report the computers and jobs that the caller sees; rates and sums are the session's.
func (d Desk) censored(r *sessions.Report) *sessions.Report {
	if r == nil || d.c.Everywhere() {
		return r
	}
	mine := func(name string) bool {
		_, err := d.find(name)
		return err == nil
	}
	out := *r
	out.Marks = slices.DeleteFunc(slices.Clone(r.Marks), func(m sessions.Mark) bool { return m.Computer != "" && !mine(m.Computer) })
	for i := range out.Marks {
		if out.Marks[i].Computer == "" {
			out.Marks[i].Text = "" // it may name anybody
		}
	}
	out.Now.Members = slices.DeleteFunc(slices.Clone(r.Now.Members), func(m sessions.Member) bool { return !mine(m.Computer) })
	out.Jobs = slices.DeleteFunc(slices.Clone(r.Jobs), func(id string) bool {
		j, err := d.h.Fleet.JobByID(id)
		if err == nil {
			_, err = d.wireJob(j)
		}
		return err != nil
	})
	return &out
}

// maxCompared is how many masters a new order is compared with: each is read whole.
const maxCompared = 8

// related lists the manifests of sessions to come that share enough chunks with an order's to be sent together.
func (h *House) related(o resolved, computers int) []string {
	if o.manifest == nil || o.Unicast || computers < 2 {
		return nil
	}
	var others []string
	for _, session := range h.Fleet.Sessions() {
		others = append(others, session.Manifests...)
	}
	return relatedTo(h.Masters, o.manifest, o.Manifest, others)
}

// relatedTo returns those of some manifests that share enough chunks with another to be sent together.
func relatedTo(library *masters.Library, m *manifest.Manifest, hash string, others []string) []string {
	var out []string
	compared := map[string]bool{hash: true}
	for _, hex := range others {
		if compared[hex] || len(compared) > maxCompared {
			continue
		}
		compared[hex] = true
		if other, err := decoded(library, hex); err == nil && sessions.Related(m, other) { // else it fetches for itself
			out = append(out, hex)
		}
	}
	return out
}

// decoded reads a manifest by its hash, hexadecimal.
func decoded(library *masters.Library, hex string) (*manifest.Manifest, error) {
	hash, err := manifest.ParseHash(hex)
	if err != nil {
		return nil, err
	}
	encoded, _, err := library.Manifest(hash)
	if err != nil {
		return nil, err
	}
	out, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	return out, err
}
