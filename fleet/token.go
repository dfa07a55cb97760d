package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Token lets the running system of a computer order its reset. The token itself is not kept.
type Token struct {
	Hash    string // SHA-256, hexadecimal
	Created time.Time
	By      string
}

// hashToken is what is kept of a token. It has 256 random bits: a slow hash would add nothing.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// MakeToken gives a computer a token; one that it had is worth nothing any more.
func (f *Fleet) MakeToken(ctx context.Context, ref, by string) (token string, c Computer, err error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(f.o.Rand, raw); err != nil {
		return "", c, fmt.Errorf("drawing a token: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	c, err = f.edit(ctx, ref, func(c *Computer) (Event, error) {
		c.Token = &Token{Hash: hashToken(token), Created: f.o.Now().UTC(), By: Clean(by, 64)}
		return f.event("token", Info, *c, Task{}, "made by %s", c.Token.By), nil
	})
	if err != nil {
		return "", c, err
	}
	return token, c, nil
}

// RevokeToken makes a computer's token worth nothing.
func (f *Fleet) RevokeToken(ctx context.Context, ref, by string) (Computer, error) {
	return f.edit(ctx, ref, func(c *Computer) (Event, error) {
		c.Token = nil
		return f.event("token", Info, *c, Task{}, "revoked by %s", Clean(by, 64)), nil
	})
}

// bearer returns the computer that a token is of.
func (f *Fleet) bearer(token string) (Computer, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	hash := hashToken(token)
	// The lookup may take longer for some hashes than for others: that tells of a hash, from which no token is found.
	c, ok := f.computers.get(f.computers.byToken[hash])
	if !ok || c.Token == nil || c.Token.Hash != hash || c.State != Enrolled || c.Key == "" {
		return Computer{}, refuse(CodeWrongToken, "", "no computer's running system has this token")
	}
	return c, nil
}

// RunningReset says how the reset of the computer stands whose running system has this token.
func (f *Fleet) RunningReset(token string) (job.RunningReset, error) {
	c, err := f.bearer(token)
	if err != nil {
		return job.RunningReset{}, err
	}
	return f.running(c), nil
}

// OrderRunningReset makes a reset wait for the next start of that computer.
func (f *Fleet) OrderRunningReset(ctx context.Context, token string) (job.RunningReset, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.bearer(token)
	if err != nil {
		return job.RunningReset{}, err
	}
	if err := f.wished(ctx, c, "running system", "a reset"); err != nil {
		return job.RunningReset{}, err
	}
	if now := f.running(c); now.State != job.RunningNone {
		return now, nil
	}
	if _, err := f.resetItself(ctx, c, theSystem); err != nil {
		return job.RunningReset{}, err
	}
	return f.running(c), nil
}

// CancelRunningReset takes back the reset that waits and that this computer's running system ordered.
func (f *Fleet) CancelRunningReset(ctx context.Context, token string) (job.RunningReset, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.bearer(token)
	if err != nil {
		return job.RunningReset{}, err
	}
	t, ok := f.activeOf(c.ID)
	if !ok || t.State != job.TaskWaiting || f.jobs[t.Job].Kind != job.KindReset || f.jobs[t.Job].OrderedBy != theSystem {
		return job.RunningReset{}, refuse(CodeNoTask, c.Name, "no reset waits that its running system ordered")
	}
	out := &job.Outcome{Code: OutcomeCancelled, Detail: "cancelled by " + theSystem}
	if _, err := f.end(ctx, c, t, job.TaskCancelled, out); err != nil {
		return job.RunningReset{}, err
	}
	return f.running(c), nil
}

// running says how a computer's reset stands.
func (f *Fleet) running(c Computer) job.RunningReset {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := job.RunningReset{State: job.RunningNone, Computer: c.Name}
	if p := c.LastProof; p != nil {
		out.Clean = p.Kept
	} else if c.Runs != nil {
		out.Clean = c.Runs.At
	}
	t, ok := f.activeOf(c.ID)
	if !ok {
		return out
	}
	j := f.jobOf(t)
	if j.Kind != job.KindReset {
		return out
	}
	out.State = job.RunningWaiting
	if t.State == job.TaskRunning {
		out.State = job.RunningNow
	}
	out.Master, out.Version, out.Level, out.Since, out.Until = j.Master, j.Version, j.Level, j.Created, j.Expires
	return out
}
