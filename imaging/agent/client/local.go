package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/ardoise/ardoise/imaging/job"
)

// Wish tells what somebody chose in the start menu. A refusal is *ProblemError with status 409.
func (c *Client) Wish(ctx context.Context, wish string) error {
	return c.exchange(ctx, http.MethodPost, job.PathWish, job.Wish{Wish: wish}, &struct{}{})
}

// Local asks once what belongs on the ARDOISE of this computer.
func (c *Client) Local(ctx context.Context) (job.LocalBoot, error) {
	var l job.LocalBoot
	return l, c.onceJSON(ctx, http.MethodGet, job.PathLocal, nil, &l)
}

// LocalFile asks once for a boot file of LocalBoot. Nothing of it has been checked.
func (c *Client) LocalFile(ctx context.Context, f job.BootFile) (io.ReadCloser, error) {
	return c.body(ctx, job.PathLocal+"/"+url.PathEscape(f.Name))
}

// TellLocal says once what lies on this computer's disk besides its system.
func (c *Client) TellLocal(ctx context.Context, s job.LocalState) error {
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding what lies on the disk: %w", err)
	}
	_, err = c.once(ctx, request{method: http.MethodPost, path: job.PathLocal, body: body, limit: maxJSON})
	return err
}

// Names asks once for the encoded names table of a manifest. Nothing of it has been checked.
func (c *Client) Names(ctx context.Context, hash string) (io.ReadCloser, error) {
	return c.body(ctx, job.PathNames+url.PathEscape(hash))
}

func (c *Client) body(ctx context.Context, path string) (io.ReadCloser, error) {
	a, err := c.open(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}
