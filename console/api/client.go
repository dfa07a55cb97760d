package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Client speaks to the daemon of a data folder.
type Client struct{ http *http.Client }

// NotRunningError says that no daemon answers in a data folder.
type NotRunningError struct {
	Data string
	Err  error
}

// Error implements error.
func (e *NotRunningError) Error() string {
	return fmt.Sprintf("no daemon answers in %s: %v", e.Data, e.Err)
}

// Unwrap returns what the socket said.
func (e *NotRunningError) Unwrap() error { return e.Err }

// Dial returns a client of the daemon that uses the data folder, or *NotRunningError.
func Dial(ctx context.Context, data string) (*Client, error) {
	path := filepath.Join(data, SocketName)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	c, err := dial(ctx, "", "")
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, &NotRunningError{Data: data, Err: err}
	case err != nil:
		return nil, fmt.Errorf("speaking to the daemon: %w", err)
	}
	_ = c.Close()
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// do sends a request and returns its answer, or the *Error in it.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding an order: %w", err)
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://ardoise"+path, content)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	return c.send(r)
}

// send sends a request and returns its answer, or the *Error in it.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	if answer.StatusCode < 400 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	e := &Error{}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(e); err != nil || e.Code == "" {
		e = &Error{Code: "internal", Detail: answer.Status}
	}
	e.Status = answer.StatusCode
	return nil, e
}

// ask sends a request and decodes its answer.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	answer, err := c.do(ctx, method, path, body)
	if err != nil {
		return out, err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return out, nil
}

// Status asks what runs.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Computers lists all computers.
func (c *Client) Computers(ctx context.Context) ([]Computer, error) {
	return ask[[]Computer](ctx, c, http.MethodGet, "/v1/computers", nil)
}

// Computer returns one computer, with its events.
func (c *Client) Computer(ctx context.Context, ref string) (Computer, error) {
	return ask[Computer](ctx, c, http.MethodGet, "/v1/computers/"+segment(ref), nil)
}

// Approve enrols the computer that shows a code.
func (c *Client) Approve(ctx context.Context, a Approve) (Computer, error) {
	return ask[Computer](ctx, c, http.MethodPost, "/v1/computers/approve", a)
}

// Change does refuse, rename, rekey, chainload or wake.
func (c *Client) Change(ctx context.Context, ref, verb string, change Change) (Computer, error) {
	return ask[Computer](ctx, c, http.MethodPost, "/v1/computers/"+segment(ref)+"/"+segment(verb), change)
}

// Masters lists all versions.
func (c *Client) Masters(ctx context.Context) ([]Master, error) {
	return ask[[]Master](ctx, c, http.MethodGet, "/v1/masters", nil)
}

// Master returns one version, NAME or NAME@V.
func (c *Client) Master(ctx context.Context, ref string) (Master, error) {
	return ask[Master](ctx, c, http.MethodGet, "/v1/masters/"+segment(ref), nil)
}

// Plan says what an order would do.
func (c *Client) Plan(ctx context.Context, o Order) (Plan, error) {
	return ask[Plan](ctx, c, http.MethodPost, "/v1/plan", o)
}

// Order gives an order.
func (c *Client) Order(ctx context.Context, o Order) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs", o)
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	return ask[[]Job](ctx, c, http.MethodGet, "/v1/jobs", nil)
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, http.MethodGet, "/v1/jobs/"+segment(id), nil)
}

// Watch yields a job at each of its changes until it is over.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		answer, err := c.do(ctx, http.MethodGet, "/v1/jobs/"+segment(id)+"/watch", nil)
		if err != nil {
			yield(Job{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		lines := json.NewDecoder(answer.Body)
		for {
			var j Job
			err := lines.Decode(&j)
			if err == io.EOF {
				return
			}
			if err != nil {
				err = fmt.Errorf("watching job %s: %w", id, err)
			}
			if !yield(j, err) || err != nil {
				return
			}
		}
	}
}

// Cancel ends a job.
func (c *Client) Cancel(ctx context.Context, id string, force bool) (Job, error) {
	return ask[Job](ctx, c, http.MethodPost, "/v1/jobs/"+segment(id)+"/cancel", Cancel{Force: force})
}

// Events returns stored events, newest first; computer and job may be "".
func (c *Client) Events(ctx context.Context, computer, job string) ([]Event, error) {
	q := url.Values{"computer": {computer}, "job": {job}}
	return ask[[]Event](ctx, c, http.MethodGet, "/v1/events?"+q.Encode(), nil)
}

// Doctor asks the daemon to look around.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	return ask[[]Check](ctx, c, http.MethodGet, "/v1/doctor", nil)
}

// segment escapes a part of a path so that it stays one: dots alone would be cleaned away.
func segment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.Repeat("%2E", max(len(s), 1))
	}
	return url.PathEscape(s)
}
