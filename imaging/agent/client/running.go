package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxRunning is the largest answer to a running system, bytes.
const maxRunning = 64 << 10

// RunningReset asks how the reset of the computer stands that the token is of. method is GET to ask, POST to order one, and
// DELETE to take it back. It asks once: there is somebody who waits. No key is needed.
func (c *Client) RunningReset(ctx context.Context, method, token string) (job.RunningReset, error) {
	var out job.RunningReset
	b, err := c.once(ctx, request{method: method, path: job.PathRunningReset, limit: maxRunning,
		header: map[string]string{"Authorization": "Bearer " + token}})
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, &AlteredError{fmt.Sprintf("the answer of %s is not what the contract says: %v", job.PathRunningReset, err)}
	}
	return out, nil
}
