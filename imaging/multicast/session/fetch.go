package session

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

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

// frameAt names a frame of a generation.
type frameAt struct {
	arrival *arrival
	frame   int
}

// askedAtOnce is how many frames are fetched with one request: one that cannot be had ends it.
const askedAtOnce = 32

// refetch fetches frames by HTTPS that multicast did not bring as they should be.
func (c *Client) refetch() {
	trouble := trouble{client: c}
	for c.ctx.Err() == nil {
		c.mu.Lock()
		jobs := c.asked[:min(len(c.asked), askedAtOnce)]
		c.asked = c.asked[len(jobs):]
		ids := make([]chunk.ID, len(jobs))
		for n, j := range jobs {
			ids[n] = c.cat.id(j.arrival.places[j.frame])
		}
		c.mu.Unlock()
		if len(jobs) == 0 {
			if !c.pause(rescueEvery) {
				return
			}
			continue
		}
		came, err := c.refetchSome(jobs, ids)
		if err != nil && c.ctx.Err() == nil {
			// The first that did not come may be why, or the network: it is asked for once more, alone with what follows
			c.again(jobs[came:])
			if !transient(err) && !c.pause(firstWait) || transient(err) && !trouble.bear(err) {
				return
			}
			continue
		}
		trouble.over()
	}
}

// again puts frames back that were asked for in vain, but for the first when that was so before.
func (c *Client) again(jobs []frameAt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(jobs) == 0 || jobs[0].arrival.episode != c.episode {
		return
	}
	if first := jobs[0]; first.arrival.vain[first.frame] {
		c.giveUp(first.arrival, first.frame)
		jobs = jobs[1:]
	} else {
		first.arrival.vain[first.frame] = true
	}
	c.asked = append(slices.Clone(jobs), c.asked...)
}

// refetchSome fetches frames and has them written; came is how many came.
func (c *Client) refetchSome(jobs []frameAt, ids []chunk.ID) (came int, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, rescueTime)
	defer cancel()
	err = c.fetchSome(ctx, ids, func(f chunk.Frame) error {
		c.counts.viaHTTPS.Add(int64(f.Size()))
		err := c.bring(f)
		c.settle(jobs[came], f, false, err)
		came++
		return nil
	})
	return came, err
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
