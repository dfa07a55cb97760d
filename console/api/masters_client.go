package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
)

var _ export.Source = (*Client)(nil)

// Resolve says which version a reference means.
func (c *Client) Resolve(ctx context.Context, ref string) (access.Master, error) {
	return ask[access.Master](ctx, c, http.MethodGet, "/masters/"+segment(ref)+"/resolve", nil)
}

// Channel does promote (of NAME@V), withdraw or rollback (of NAME).
func (c *Client) Channel(ctx context.Context, verb, ref, channel string) (access.Move, error) {
	return ask[access.Move](ctx, c, http.MethodPost, "/masters/"+segment(ref)+"/"+segment(verb), access.MasterChange{Channel: channel})
}

// Note adds a note to a version.
func (c *Client) Note(ctx context.Context, ref, text string) (access.Master, error) {
	return ask[access.Master](ctx, c, http.MethodPost, "/masters/"+segment(ref)+"/note", access.MasterChange{Text: text})
}

// Forget makes a version unknown.
func (c *Client) Forget(ctx context.Context, ref string) (access.Master, error) {
	return ask[access.Master](ctx, c, http.MethodPost, "/masters/"+segment(ref)+"/forget", access.MasterChange{})
}

// Retain sets, takes away, shows or applies the retention rule of a master.
func (c *Client) Retain(ctx context.Context, name string, change access.MasterChange) (access.Retention, error) {
	return ask[access.Retention](ctx, c, http.MethodPost, "/masters/"+segment(name)+"/retain", change)
}

// Keys lists the signing keys that count, the present one first.
func (c *Client) Keys(ctx context.Context) ([]access.Key, error) {
	return ask[[]access.Key](ctx, c, http.MethodGet, "/keys", nil)
}

// RotateKey replaces the signing key.
func (c *Client) RotateKey(ctx context.Context) ([]access.Key, error) {
	return ask[[]access.Key](ctx, c, http.MethodPost, "/keys/rotate", nil)
}

// Import sends an export file. as is another name for its master, or ""; trust are fingerprints of foreign keys.
func (c *Client) Import(ctx context.Context, file io.Reader, size int64, as string, trust []string) (out access.Imported, err error) {
	q := url.Values{"trust": trust}
	if as != "" {
		q.Set("as", as)
	}
	// The file stays its caller's: the client would close it.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ardoise"+Prefix+"/import?"+q.Encode(), io.NopCloser(file))
	if err != nil {
		return out, fmt.Errorf("asking the daemon: %w", err)
	}
	r.ContentLength = size
	answer, err := c.send(r)
	if err != nil {
		return out, err
	}
	return decode[access.Imported](answer)
}

// Manifest implements export.Source.
func (c *Client) Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	var sig manifest.Signature
	answer, err := c.do(context.Background(), http.MethodGet, "/manifests/"+hash.String(), nil)
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
	answer, err := c.do(context.Background(), http.MethodGet, "/names/"+hash.String(), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// Fetch implements export.Source.
func (c *Client) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for len(ids) > 0 {
		n := min(len(ids), access.MaxFetch)
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
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ardoise"+Prefix+"/chunks", bytes.NewReader(body))
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

// Store does a work on the daemon's store and returns its result, one of RunStore's in JSON. progress is called as it
// goes on.
func (c *Client) Store(ctx context.Context, verb string, o access.StoreOrder, progress func(phase string, done, total int64)) (json.RawMessage, error) {
	answer, err := c.do(ctx, http.MethodPost, "/store/"+segment(verb), o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := json.NewDecoder(answer.Body)
	for {
		var l access.StoreLine
		err := lines.Decode(&l)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the daemon ended during the work: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("reading the daemon's answer: %w", err)
		case l.Error != nil:
			return nil, l.Error
		case l.Result != nil:
			return l.Result, nil
		}
		progress(l.Phase, l.Done, l.Total)
	}
}
