package session

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// fetchManifest asks for the manifest by HTTPS.
func (c *Client) fetchManifest(ctx context.Context) ([]byte, manifest.Signature, error) {
	var signature manifest.Signature
	resp, err := c.send(ctx, http.MethodGet, "manifest/"+c.o.Manifest.String(), nil)
	if err != nil {
		return nil, signature, err
	}
	defer closeBody(resp.Body)
	encoded, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxIndex+1))
	if err != nil {
		return nil, signature, fmt.Errorf("fetching manifest %s: %w", c.o.Manifest, err)
	}
	if got := manifest.HashOf(encoded); got != c.o.Manifest {
		return nil, signature, fmt.Errorf("fetching manifest %s: what came has the hash %s", c.o.Manifest, got)
	}
	if err := json.Unmarshal([]byte(resp.Header.Get(SignatureHeader)), &signature); err != nil {
		return nil, signature, fmt.Errorf("fetching manifest %s: its signature: %w", c.o.Manifest, err)
	}
	return encoded, signature, nil
}

// Fetch calls yield with one frame for each id, in order, fetched from the session's server by HTTPS. A frame is valid
// until yield returns. It is the source of what Run leaves, for a session that stands alone.
func (c *Client) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for len(ids) > 0 {
		n := min(len(ids), MaxIDs)
		if err := c.fetchSome(ctx, ids[:n], yield); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (c *Client) fetchSome(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	ask := make([]byte, 0, len(ids)*len(chunk.ID{}))
	for _, id := range ids {
		ask = append(ask, id[:]...)
	}
	resp, err := c.send(ctx, http.MethodPost, "frames", ask)
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	in := bufio.NewReaderSize(resp.Body, chunk.MaxFrameSize)
	for _, id := range ids {
		f, err := chunk.Read(in)
		if err != nil {
			return fmt.Errorf("fetching chunk %s: %w", id, err)
		}
		if f.ID != id {
			return fmt.Errorf("fetching chunk %s: chunk %s came", id, f.ID)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
