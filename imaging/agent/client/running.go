package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

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

// maxHelper is the largest answer to a helper, bytes.
const maxHelper = 64 << 10

// HelperWork waits, up to half a minute, for computers that the helper with this secret is to wake. It asks once. No key is
// needed.
func (c *Client) HelperWork(ctx context.Context, secret string, poll job.HelperPoll) (job.HelperWork, error) {
	var out job.HelperWork
	body, err := json.Marshal(poll)
	if err != nil {
		return out, fmt.Errorf("encoding a question for %s: %w", job.PathHelper, err)
	}
	b, err := c.once(ctx, request{method: http.MethodPost, path: job.PathHelper, body: body, limit: maxHelper,
		header: map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "application/json"}})
	if err != nil || len(b) == 0 {
		return out, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, &AlteredError{fmt.Sprintf("the answer of %s is not what the contract says: %v", job.PathHelper, err)}
	}
	return out, nil
}
