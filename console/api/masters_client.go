package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
)

var _ export.Source = (*Client)(nil)

// Resolve says which version a reference means.
func (c *Client) Resolve(ctx context.Context, ref string) (Master, error) {
	return ask[Master](ctx, c, http.MethodGet, "/v1/masters/"+segment(ref)+"/resolve", nil)
}

// Channel does promote (of NAME@V), withdraw or rollback (of NAME).
func (c *Client) Channel(ctx context.Context, verb, ref, channel string) (Move, error) {
	return ask[Move](ctx, c, http.MethodPost, "/v1/masters/"+segment(ref)+"/"+segment(verb), MasterChange{Channel: channel})
}

// Note adds a note to a version.
func (c *Client) Note(ctx context.Context, ref, text string) (Master, error) {
	return ask[Master](ctx, c, http.MethodPost, "/v1/masters/"+segment(ref)+"/note", MasterChange{Text: text})
}

// Forget makes a version unknown.
func (c *Client) Forget(ctx context.Context, ref string) (Master, error) {
	return ask[Master](ctx, c, http.MethodPost, "/v1/masters/"+segment(ref)+"/forget", MasterChange{})
}

// Retain sets, takes away, shows or applies the retention rule of a master.
func (c *Client) Retain(ctx context.Context, name string, change MasterChange) (Retention, error) {
	return ask[Retention](ctx, c, http.MethodPost, "/v1/masters/"+segment(name)+"/retain", change)
}

// Keys lists the signing keys that count, the present one first.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return ask[[]Key](ctx, c, http.MethodGet, "/v1/keys", nil)
}

// RotateKey replaces the signing key.
func (c *Client) RotateKey(ctx context.Context) ([]Key, error) {
	return ask[[]Key](ctx, c, http.MethodPost, "/v1/keys/rotate", nil)
}

// Import sends an export file. as is another name for its master, or ""; trust are fingerprints of foreign keys.
func (c *Client) Import(ctx context.Context, file io.Reader, size int64, as string, trust []string) (out Imported, err error) {
	q := url.Values{"trust": trust}
	if as != "" {
		q.Set("as", as)
	}
	// The file stays its caller's: the client would close it.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ardoise/v1/import?"+q.Encode(), io.NopCloser(file))
	if err != nil {
		return out, fmt.Errorf("asking the daemon: %w", err)
	}
	r.ContentLength = size
	answer, err := c.send(r)
	if err != nil {
		return out, err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return out, nil
}

// Manifest implements export.Source.
func (c *Client) Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	var sig manifest.Signature
	answer, err := c.do(context.Background(), http.MethodGet, "/v1/manifests/"+hash.String(), nil)
	if err != nil {
		return nil, sig, err
	}
	defer func() { _ = answer.Body.Close() }()
	encoded, err := io.ReadAll(io.LimitReader(answer.Body, manifest.DefaultLimit+1))
	if err == nil {
		err = json.Unmarshal([]byte(answer.Header.Get(job.SignatureHeader)), &sig)
	}
	if err != nil {
		return nil, sig, fmt.Errorf("reading manifest %s: %w", hash, err)
	}
	return encoded, sig, nil
}

// Names implements export.Source.
func (c *Client) Names(hash manifest.Hash) (io.ReadCloser, error) {
	answer, err := c.do(context.Background(), http.MethodGet, "/v1/names/"+hash.String(), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Fetch implements export.Source.
func (c *Client) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for len(ids) > 0 {
		n := min(len(ids), maxFetch)
		if err := c.fetch(ctx, ids[:n], yield); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (c *Client) fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	var body []byte
	for _, id := range ids {
		body = append(body, id[:]...)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ardoise/v1/chunks", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	answer, err := c.send(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	for range ids {
		f, err := chunk.Read(answer.Body)
		if err != nil {
			return fmt.Errorf("reading chunks from the daemon: %w", err)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
