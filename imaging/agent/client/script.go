package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
)

// Script fetches the text of the script that the running task names. It is not looked at: who asks knows its hash.
func (c *Client) Script(ctx context.Context) ([]byte, error) {
	var b []byte
	err := c.until(ctx, func() (err error) {
		b, err = c.once(ctx, request{method: http.MethodGet, path: job.PathScript, limit: job.MaxScript})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetching the script: %w", err)
	}
	return b, nil
}
