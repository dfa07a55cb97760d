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

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
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

// do sends a request and returns its answer, or the *access.Error in it.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding an order: %w", err)
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://ardoise"+Prefix+path, content)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	return c.send(r)
}

// send sends a request and returns its answer, or the *access.Error in it.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	if answer.StatusCode < 400 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	e := &access.Error{}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(e); err != nil || e.Code == "" {
		e = &access.Error{Code: "internal", Detail: answer.Status}
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
	return decode[T](answer)
}

// decode reads an answer and closes it.
func decode[T any](answer *http.Response) (out T, err error) {
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return out, nil
}

// Status asks what runs.
func (c *Client) Status(ctx context.Context) (access.Status, error) {
	return ask[access.Status](ctx, c, http.MethodGet, "/status", nil)
}

// Computers lists all computers.
func (c *Client) Computers(ctx context.Context) ([]access.Computer, error) {
	return ask[[]access.Computer](ctx, c, http.MethodGet, "/computers", nil)
}

// Computer returns one computer, with its events.
func (c *Client) Computer(ctx context.Context, ref string) (access.Computer, error) {
	return ask[access.Computer](ctx, c, http.MethodGet, "/computers/"+segment(ref), nil)
}

// Approve enrols the computer that shows a code.
func (c *Client) Approve(ctx context.Context, a access.Approve) (access.Computer, error) {
	return ask[access.Computer](ctx, c, http.MethodPost, "/computers/approve", a)
}

// Change does refuse, rename, rekey, chainload or wake.
func (c *Client) Change(ctx context.Context, ref, verb string, change access.Change) (access.Computer, error) {
	return ask[access.Computer](ctx, c, http.MethodPost, "/computers/"+segment(ref)+"/"+segment(verb), change)
}

// Masters lists all versions.
func (c *Client) Masters(ctx context.Context) ([]access.Master, error) {
	return ask[[]access.Master](ctx, c, http.MethodGet, "/masters", nil)
}

// Master returns one version, NAME or NAME@V.
func (c *Client) Master(ctx context.Context, ref string) (access.Master, error) {
	return ask[access.Master](ctx, c, http.MethodGet, "/masters/"+segment(ref), nil)
}

// Plan says what an order would do.
func (c *Client) Plan(ctx context.Context, o access.Order) (access.Plan, error) {
	return ask[access.Plan](ctx, c, http.MethodPost, "/plan", o)
}

// Order gives an order.
func (c *Client) Order(ctx context.Context, o access.Order) (access.Job, error) {
	return ask[access.Job](ctx, c, http.MethodPost, "/jobs", o)
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context) ([]access.Job, error) {
	return c.ListJobs(ctx, access.JobFilter{})
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (access.Job, error) {
	return ask[access.Job](ctx, c, http.MethodGet, "/jobs/"+segment(id), nil)
}

// Watch yields a job at each of its changes until it is over.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[access.Job, error] {
	return func(yield func(access.Job, error) bool) {
		answer, err := c.do(ctx, http.MethodGet, "/jobs/"+segment(id)+"/watch", nil)
		if err != nil {
			yield(access.Job{}, err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		lines := json.NewDecoder(answer.Body)
		for {
			var j access.Job
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
func (c *Client) Cancel(ctx context.Context, id string, force bool) (access.Job, error) {
	return ask[access.Job](ctx, c, http.MethodPost, "/jobs/"+segment(id)+"/cancel", access.Cancel{Force: force})
}

// Events returns stored events, newest first; computer and job may be "".
func (c *Client) Events(ctx context.Context, computer, job string) ([]access.Event, error) {
	return c.ListEvents(ctx, access.EventFilter{Computer: computer, Job: job})
}

// Doctor asks the daemon to look around.
func (c *Client) Doctor(ctx context.Context) ([]access.Check, error) {
	return ask[[]access.Check](ctx, c, http.MethodGet, "/doctor", nil)
}

// segment escapes a part of a path so that it stays one: dots alone would be cleaned away.
func segment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.Repeat("%2E", max(len(s), 1))
	}
	return url.PathEscape(s)
}

// Rooms lists all rooms.
func (c *Client) Rooms(ctx context.Context) ([]access.Room, error) {
	return ask[[]access.Room](ctx, c, http.MethodGet, "/rooms", nil)
}

// Room returns one room.
func (c *Client) Room(ctx context.Context, name string) (access.Room, error) {
	return ask[access.Room](ctx, c, http.MethodGet, "/rooms/"+segment(name), nil)
}

// SetRoom makes or changes a room.
func (c *Client) SetRoom(ctx context.Context, name string, change access.RoomChange) (access.Room, error) {
	return ask[access.Room](ctx, c, http.MethodPut, "/rooms/"+segment(name), change)
}

// ForgetRoom removes a room that no computer is in.
func (c *Client) ForgetRoom(ctx context.Context, name string) (access.Room, error) {
	return ask[access.Room](ctx, c, http.MethodDelete, "/rooms/"+segment(name), nil)
}

// Place puts computers into a room, or out of theirs.
func (c *Client) Place(ctx context.Context, p access.Placement) (access.Room, error) {
	return ask[access.Room](ctx, c, http.MethodPost, "/place", p)
}

// Token makes the token of a computer's running system, or revokes it.
func (c *Client) Token(ctx context.Context, ref string, revoke bool) (job.RunningToken, error) {
	return ask[job.RunningToken](ctx, c, http.MethodPost, "/computers/"+segment(ref)+"/token", access.TokenOrder{Revoke: revoke})
}
