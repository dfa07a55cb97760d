package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/imaging/job"
)

// Select lists the computers that a filter matches.
func (c *Client) Select(ctx context.Context, query string) ([]access.Computer, error) {
	return ask[[]access.Computer](ctx, c, http.MethodGet, "/computers?"+url.Values{"q": {query}}.Encode(), nil)
}

// ApproveAll enrols several computers by the codes that they show.
func (c *Client) ApproveAll(ctx context.Context, all []access.Approve) ([]access.Computer, error) {
	return ask[[]access.Computer](ctx, c, http.MethodPost, "/computers/approve-all", all)
}

// Tag gives computers tags and takes others from them.
func (c *Client) Tag(ctx context.Context, t access.Tagging) ([]access.Computer, error) {
	return ask[[]access.Computer](ctx, c, http.MethodPost, "/tags", t)
}

// Windows lists the rooms whose enrolment is open.
func (c *Client) Windows(ctx context.Context) ([]access.Window, error) {
	return ask[[]access.Window](ctx, c, http.MethodGet, "/enrolment", nil)
}

// OpenWindow opens a room's enrolment.
func (c *Client) OpenWindow(ctx context.Context, w access.WindowOrder) ([]access.Window, error) {
	return ask[[]access.Window](ctx, c, http.MethodPost, "/enrolment", w)
}

// CloseWindow closes a room's enrolment.
func (c *Client) CloseWindow(ctx context.Context, room string) ([]access.Window, error) {
	return ask[[]access.Window](ctx, c, http.MethodDelete, "/enrolment/"+segment(room), nil)
}

// Export writes the computers that a filter matches as a list for a spreadsheet.
func (c *Client) Export(ctx context.Context, query string, w io.Writer) error {
	answer, err := c.do(ctx, http.MethodGet, "/computers.csv?"+url.Values{"q": {query}}.Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("reading the list: %w", err)
	}
	return nil
}

// ImportSheet sends a list of computers.
func (c *Client) ImportSheet(ctx context.Context, sheet io.Reader, how access.Sheet) (out access.SheetReport, err error) {
	q := url.Values{}
	for name, on := range map[string]bool{"partly": how.Partly, "try": how.Try} {
		if on {
			q.Set(name, "1")
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ardoise"+Prefix+"/computers.csv?"+q.Encode(), io.NopCloser(sheet))
	if err != nil {
		return out, fmt.Errorf("asking the daemon: %w", err)
	}
	answer, err := c.send(r)
	if err != nil {
		return out, err
	}
	return decode[access.SheetReport](answer)
}

// sitePath is the path of a site; that without a name has one of its own.
func sitePath(name string) string {
	if name == "" {
		name = nameless
	}
	return "/sites/" + segment(name)
}

// Sites lists sites.
func (c *Client) Sites(ctx context.Context) ([]access.Site, error) {
	return ask[[]access.Site](ctx, c, http.MethodGet, "/sites", nil)
}

// SetSite makes or changes a site.
func (c *Client) SetSite(ctx context.Context, name string, change access.SiteChange) (access.Site, error) {
	return ask[access.Site](ctx, c, http.MethodPut, sitePath(name), change)
}

// ForgetSite removes a site.
func (c *Client) ForgetSite(ctx context.Context, name string) (access.Site, error) {
	return ask[access.Site](ctx, c, http.MethodDelete, sitePath(name), nil)
}

// Helpers lists the machines that wake computers in rooms' networks.
func (c *Client) Helpers(ctx context.Context) ([]access.Helper, error) {
	return ask[[]access.Helper](ctx, c, http.MethodGet, "/helpers", nil)
}

// AddHelper makes a helper, and the key that it proves itself by.
func (c *Client) AddHelper(ctx context.Context, r access.HelperRequest) (job.HelperKey, error) {
	return ask[job.HelperKey](ctx, c, http.MethodPost, "/helpers", r)
}

// ForgetHelper makes a helper's key worth nothing.
func (c *Client) ForgetHelper(ctx context.Context, name string) (access.Helper, error) {
	return ask[access.Helper](ctx, c, http.MethodDelete, "/helpers/"+segment(name), nil)
}

// Filters lists saved filters.
func (c *Client) Filters(ctx context.Context) ([]access.Filter, error) {
	return ask[[]access.Filter](ctx, c, http.MethodGet, "/filters", nil)
}

// SaveFilter keeps a filter.
func (c *Client) SaveFilter(ctx context.Context, name, query string) (access.Filter, error) {
	return ask[access.Filter](ctx, c, http.MethodPut, "/filters/"+segment(name), map[string]string{"query": query})
}

// ForgetFilter removes a saved filter.
func (c *Client) ForgetFilter(ctx context.Context, name string) (access.Filter, error) {
	return ask[access.Filter](ctx, c, http.MethodDelete, "/filters/"+segment(name), nil)
}

// Schedules lists schedules.
func (c *Client) Schedules(ctx context.Context) ([]access.Schedule, error) {
	return ask[[]access.Schedule](ctx, c, http.MethodGet, "/schedules", nil)
}

// Schedule returns one schedule.
func (c *Client) Schedule(ctx context.Context, id string) (access.Schedule, error) {
	return ask[access.Schedule](ctx, c, http.MethodGet, "/schedules/"+segment(id), nil)
}

// SetSchedule makes a schedule, or changes the one with its id.
func (c *Client) SetSchedule(ctx context.Context, s access.Schedule) (access.Schedule, error) {
	if s.ID == "" {
		return ask[access.Schedule](ctx, c, http.MethodPost, "/schedules", s)
	}
	return ask[access.Schedule](ctx, c, http.MethodPut, "/schedules/"+segment(s.ID), s)
}

// ChangeSchedule does pause, resume or forget.
func (c *Client) ChangeSchedule(ctx context.Context, id, verb string) (access.Schedule, error) {
	if verb == "forget" {
		return ask[access.Schedule](ctx, c, http.MethodDelete, "/schedules/"+segment(id), nil)
	}
	return ask[access.Schedule](ctx, c, http.MethodPost, "/schedules/"+segment(id)+"/"+segment(verb), nil)
}

// Scripts lists scripts.
func (c *Client) Scripts(ctx context.Context) ([]access.Script, error) {
	return ask[[]access.Script](ctx, c, http.MethodGet, "/scripts", nil)
}

// AddScript keeps a script.
func (c *Client) AddScript(ctx context.Context, s access.Script) (access.Script, error) {
	return ask[access.Script](ctx, c, http.MethodPost, "/scripts", s)
}

// ApproveScript lets computers run a script.
func (c *Client) ApproveScript(ctx context.Context, hash string) (access.Script, error) {
	return ask[access.Script](ctx, c, http.MethodPost, "/scripts/"+segment(hash)+"/approve", nil)
}

// ForgetScript removes a script.
func (c *Client) ForgetScript(ctx context.Context, hash string) (access.Script, error) {
	return ask[access.Script](ctx, c, http.MethodDelete, "/scripts/"+segment(hash), nil)
}

// Requests lists requests.
func (c *Client) Requests(ctx context.Context, f access.RequestFilter) ([]access.Request, error) {
	return ask[[]access.Request](ctx, c, http.MethodGet, "/requests?"+query(map[string]string{"state": f.State, "room": f.Room, "before": f.Before,
		"computer": f.Computer}, map[string]int64{"limit": int64(f.Limit)}, nil), nil)
}

// ChangeRequest answers, closes or reopens a request.
func (c *Client) ChangeRequest(ctx context.Context, id, verb, text string) (access.Request, error) {
	return ask[access.Request](ctx, c, http.MethodPost, "/requests/"+segment(id)+"/"+segment(verb), access.Answer{Text: text})
}

// People lists people.
func (c *Client) People(ctx context.Context) ([]access.Person, error) {
	return ask[[]access.Person](ctx, c, http.MethodGet, "/people", nil)
}

// AddPerson makes a person, and invites him if he has no password.
func (c *Client) AddPerson(ctx context.Context, change access.PersonChange) (access.Invited, error) {
	return ask[access.Invited](ctx, c, http.MethodPost, "/people", change)
}

// SetPerson changes what is said of a person.
func (c *Client) SetPerson(ctx context.Context, login string, change access.PersonChange) (access.Person, error) {
	return ask[access.Person](ctx, c, http.MethodPatch, "/people/"+segment(login), change)
}

// Invite makes a new link for a person.
func (c *Client) Invite(ctx context.Context, login string) (access.Invited, error) {
	return ask[access.Invited](ctx, c, http.MethodPost, "/people/"+segment(login)+"/invite", nil)
}

// ForgetPerson removes a person.
func (c *Client) ForgetPerson(ctx context.Context, login string) (access.Person, error) {
	return ask[access.Person](ctx, c, http.MethodDelete, "/people/"+segment(login), nil)
}

// Tokens lists the API tokens of a person, "" for those of all.
func (c *Client) Tokens(ctx context.Context, person string) ([]access.Token, error) {
	q := url.Values{}
	if person != "" {
		q.Set("person", person)
	}
	return ask[[]access.Token](ctx, c, http.MethodGet, "/tokens?"+q.Encode(), nil)
}

// MakeToken makes an API token.
func (c *Client) MakeToken(ctx context.Context, r access.TokenRequest) (access.Token, error) {
	return ask[access.Token](ctx, c, http.MethodPost, "/tokens", r)
}

// ForgetToken makes an API token worthless.
func (c *Client) ForgetToken(ctx context.Context, id string) (access.Token, error) {
	return ask[access.Token](ctx, c, http.MethodDelete, "/tokens/"+segment(id), nil)
}

// Post says where the morning's report goes.
func (c *Client) Post(ctx context.Context) (access.PostState, error) {
	return ask[access.PostState](ctx, c, http.MethodGet, "/post", nil)
}

// SetPost says anew where the morning's report goes.
func (c *Client) SetPost(ctx context.Context, s post.Settings) (access.PostState, error) {
	return ask[access.PostState](ctx, c, http.MethodPut, "/post", s)
}

// TryPost sends a report now.
func (c *Client) TryPost(ctx context.Context) (access.PostState, error) {
	return ask[access.PostState](ctx, c, http.MethodPost, "/post/try", nil)
}

// Audit lists entries of the audit log, newest first.
func (c *Client) Audit(ctx context.Context, f access.AuditFilter) ([]access.AuditEntry, error) {
	return ask[[]access.AuditEntry](ctx, c, http.MethodGet, "/audit?"+query(map[string]string{"who": f.Who, "action": f.Action, "what": f.What},
		map[string]int64{"before": f.Before, "limit": int64(f.Limit)}, map[string]time.Time{"since": f.Since, "until": f.Until}), nil)
}

// VerifyAudit reads the whole audit log.
func (c *Client) VerifyAudit(ctx context.Context) (access.AuditState, error) {
	return ask[access.AuditState](ctx, c, http.MethodGet, "/audit/verify", nil)
}
