package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ardoise/ardoise/console/access"
)

// query is what is asked for of some parameters: those that are empty, 0 or zero are left out.
func query(texts map[string]string, numbers map[string]int64, times map[string]time.Time) string {
	q := url.Values{}
	for name, v := range texts {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, v := range numbers {
		if v > 0 {
			q.Set(name, strconv.FormatInt(v, 10))
		}
	}
	for name, v := range times {
		if !v.IsZero() {
			q.Set(name, v.UTC().Format(time.RFC3339Nano))
		}
	}
	return q.Encode()
}

// ForgetComputer removes the record of a computer: one that comes back is new.
func (c *Client) ForgetComputer(ctx context.Context, ref string) (access.Computer, error) {
	return ask[access.Computer](ctx, c, http.MethodDelete, "/computers/"+segment(ref), nil)
}

// ListJobs lists the jobs of a filter, newest first.
func (c *Client) ListJobs(ctx context.Context, f access.JobFilter) ([]access.Job, error) {
	return ask[[]access.Job](ctx, c, http.MethodGet, "/jobs?"+query(map[string]string{"before": f.Before, "room": f.Room, "state": f.State,
		"kind": string(f.Kind)}, map[string]int64{"limit": int64(f.Limit)}, nil), nil)
}

// ListEvents returns the stored events of a filter, newest first.
func (c *Client) ListEvents(ctx context.Context, f access.EventFilter) ([]access.Event, error) {
	return ask[[]access.Event](ctx, c, http.MethodGet, "/events?"+query(map[string]string{"computer": f.Computer, "job": f.Job, "site": f.Site,
		"room": f.Room, "kind": f.Kind, "severity": f.Severity}, map[string]int64{"before": f.Before, "limit": int64(f.Limit)},
		map[string]time.Time{"since": f.Since}), nil)
}

// Report keeps that something is broken.
func (c *Client) Report(ctx context.Context, r access.Report) (access.Request, error) {
	return ask[access.Request](ctx, c, http.MethodPost, "/requests", r)
}

// Label is the code of the label on a computer, and the path of its page below the console's address.
func (c *Client) Label(ctx context.Context, ref string) (access.Label, error) {
	return ask[access.Label](ctx, c, http.MethodGet, "/computers/"+segment(ref)+"/label", nil)
}

// Relabel gives a computer a label with a new code.
func (c *Client) Relabel(ctx context.Context, ref string) (access.Label, error) {
	return ask[access.Label](ctx, c, http.MethodPost, "/computers/"+segment(ref)+"/label", nil)
}

// Setup says how the daemon was started.
func (c *Client) Setup(ctx context.Context) (access.Setup, error) {
	return ask[access.Setup](ctx, c, http.MethodGet, "/setup", nil)
}

// Logins lists a person's sessions in the console.
func (c *Client) Logins(ctx context.Context, login string) ([]access.Login, error) {
	return ask[[]access.Login](ctx, c, http.MethodGet, "/people/"+segment(login)+"/sessions", nil)
}

// EndLogin ends one of a person's sessions, and lists the others.
func (c *Client) EndLogin(ctx context.Context, login, id string) ([]access.Login, error) {
	return ask[[]access.Login](ctx, c, http.MethodDelete, "/people/"+segment(login)+"/sessions/"+segment(id), nil)
}
