package access

import (
	"context"
	"strings"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// Helper is a machine in a network that the server's own packets do not get to, which wakes computers there.
type Helper struct {
	Name      string     `json:"name"`
	Site      string     `json:"site,omitempty"`
	Created   time.Time  `json:"created"`
	By        string     `json:"by"`
	State     string     `json:"state"`               // connected, silent (for ten minutes or more), away
	Seen      *time.Time `json:"last_seen,omitempty"` // nil: not since the daemon was started
	Address   string     `json:"address,omitempty"`   // that it asked from last
	Version   string     `json:"version,omitempty"`   // of its program
	Networks  []string   `json:"networks,omitempty"`  // that it wakes in
	Computers int        `json:"computers"`           // of its site whose last address is in these networks
	Waiting   int        `json:"waiting,omitempty"`   // addresses that it has yet to wake
}

// The states of a helper.
const (
	HelperConnected = "connected"
	HelperAway      = "away"
	HelperSilent    = "silent"
)

// HelperSilence is how long a helper may say nothing before somebody should look after it.
const HelperSilence = 10 * time.Minute

// HelperRequest asks for a helper.
type HelperRequest struct {
	Name string `json:"name"`
	Site string `json:"site,omitempty"` // "": the site without a name
}

// StateOf says in a word how a helper is, now.
func StateOf(f *fleet.Fleet, h fleet.HelperState) string {
	switch {
	case h.Connected:
		return HelperConnected
	case f.Silent(h) >= HelperSilence:
		return HelperSilent
	}
	return HelperAway
}

// wireHelper says a helper in the words of the wire.
func (d Desk) wireHelper(h fleet.HelperState, computers int) Helper {
	out := Helper{Name: h.Name, Site: h.Site, Created: h.Created, By: h.By, State: StateOf(d.h.Fleet, h), Address: h.Address,
		Version: h.Version, Computers: computers, Waiting: h.Waiting}
	if !h.Seen.IsZero() {
		at := h.Seen.UTC()
		out.Seen = &at
	}
	for _, n := range h.Networks {
		out.Networks = append(out.Networks, n.String())
	}
	return out
}

// Helpers lists the helpers of the caller's sites, by name.
func (d Desk) Helpers() ([]Helper, error) {
	reach := d.h.Fleet.Reach()
	out := []Helper{}
	for _, h := range d.h.Fleet.Helpers() {
		if d.c.May(people.ActionSee, h.Site, "") {
			out = append(out, d.wireHelper(h, reach[h.Name]))
		}
	}
	return out, nil
}

// AddHelper makes a helper, and the file that it proves itself by. It is told once.
func (d Desk) AddHelper(ctx context.Context, r HelperRequest) (job.HelperKey, error) {
	return change(ctx, d, deed{action: "helper add", what: r.Name, site: r.Site}, func(e *deed) (job.HelperKey, error) {
		s, err := d.Site(r.Site)
		switch {
		case err != nil:
			return job.HelperKey{}, err
		case !d.c.May(people.ActionHelper, s.Name, ""):
			return job.HelperKey{}, forbidden(r.Name)
		case d.h.Helping == nil:
			return job.HelperKey{}, conflict("internal", "", "this server has no address for helpers")
		}
		e.site = s.Name
		secret, h, err := d.h.Fleet.AddHelper(ctx, r.Name, s.Name, d.by())
		if err != nil {
			return job.HelperKey{}, err
		}
		out := job.HelperKey{Name: h.Name, Secret: secret}
		out.Servers, out.CA = d.h.Helping()
		return out, nil
	})
}

// ForgetHelper makes a helper's key worth nothing.
func (d Desk) ForgetHelper(ctx context.Context, name string) (Helper, error) {
	return change(ctx, d, whole("helper forget", name), func(e *deed) (Helper, error) {
		for _, h := range d.h.Fleet.Helpers() {
			if !strings.EqualFold(h.Name, name) || !d.c.May(people.ActionSee, h.Site, "") {
				continue
			}
			e.what, e.site = h.Name, h.Site
			if !d.c.May(people.ActionHelper, h.Site, "") {
				return Helper{}, forbidden(h.Name)
			}
			_, err := d.h.Fleet.ForgetHelper(ctx, h.Name, d.by())
			return d.wireHelper(h, 0), err
		}
		return Helper{}, &fleet.RefusedError{Code: fleet.CodeNoHelper, What: fleet.Clean(name, 64)}
	})
}
