package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// Wanted asks, once, which chunks of the running deployment the server has lost and would like back.
func (c *Client) Wanted(ctx context.Context) ([]chunk.ID, error) {
	b, err := c.once(ctx, request{method: http.MethodGet, path: job.PathHeal, limit: job.MaxHeal * int64(len(chunk.ID{}))})
	if err != nil {
		return nil, fmt.Errorf("asking what the server has lost: %w", err)
	}
	if len(b)%len(chunk.ID{}) != 0 {
		return nil, &AlteredError{fmt.Sprintf("the answer of %s is no list of chunks", job.PathHeal)}
	}
	ids := make([]chunk.ID, len(b)/len(chunk.ID{}))
	for i := range ids {
		copy(ids[i][:], b[i*len(ids[i]):])
	}
	return ids, nil
}

// Heal sends, once, frames of chunks that the server has lost.
func (c *Client) Heal(ctx context.Context, frames []chunk.Frame) error {
	var body []byte
	for _, f := range frames {
		body = f.AppendTo(body)
	}
	_, err := c.once(ctx, request{method: http.MethodPost, path: job.PathHeal, body: body,
		header: map[string]string{"Content-Type": octets}, limit: maxJSON})
	if err != nil {
		return fmt.Errorf("giving chunks back: %w", err)
	}
	return nil
}
