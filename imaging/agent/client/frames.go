package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// How frames are asked for.
const (
	InFlight   = 4       // batches at a time
	batchLeast = 32      // frames: at most 8 MiB
	batchMost  = 128     // frames, for masters of many small files
	batchBytes = 4 << 20 // what a batch should be worth: the way there and back then costs 3 % of its time at 1 Gb/s
)

// damagedTries is how often a batch is asked for again whose frames do not parse: TLS delivers what the server sent, so
// it is the server that is damaged.
const damagedTries = 3

const octets = "application/octet-stream"

// AlteredError says that what the server sent is not what it said it would send.
type AlteredError struct{ Reason string }

// Error implements error.
func (e *AlteredError) Error() string { return e.Reason }

// StageTwo fetches the second stage into w, which is called again from the start when the server was lost half way; w
// returns where to write. The size and hash are checked before it returns; *AlteredError when they differ.
func (c *Client) StageTwo(ctx context.Context, want job.StageTwo, begin func() (io.Writer, error), progress func(done int64)) error {
	return c.until(ctx, func() error {
		a, err := c.open(ctx, request{method: http.MethodGet, path: job.PathStageTwo})
		if err != nil {
			return err
		}
		defer func() { _ = a.Body.Close() }()
		w, err := begin()
		if err != nil {
			return &AlteredError{"no memory for it: " + err.Error()}
		}
		h := blake3.New()
		// One byte more than it may have tells a longer one.
		n, err := io.Copy(io.MultiWriter(w, h, meter(progress)), io.LimitReader(a.Body, want.Size+1))
		switch {
		case err != nil:
			return fmt.Errorf("fetching stage two: %w", err)
		case n != want.Size:
			return &AlteredError{fmt.Sprintf("%d bytes instead of %d", n, want.Size)}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want.Hash {
			return &AlteredError{fmt.Sprintf("hash %.16s... instead of %.16s...", got, want.Hash)}
		}
		return nil
	})
}

// meter returns a writer that only counts.
func meter(progress func(int64)) io.Writer {
	var done int64
	return writerFunc(func(b []byte) (int, error) {
		done += int64(len(b))
		if progress != nil {
			progress(done)
		}
		return len(b), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Manifest fetches an encoded manifest and its signature. Neither has been checked.
func (c *Client) Manifest(ctx context.Context, hash string) ([]byte, manifest.Signature, error) {
	var s manifest.Signature
	var body []byte
	err := c.until(ctx, func() error {
		var header string
		var err error
		body, err = c.once(ctx, request{method: http.MethodGet, path: job.PathManifest + url.PathEscape(hash), limit: job.MaxManifest,
			answered: func(h http.Header) { header = h.Get(job.SignatureHeader) }})
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(header), &s); err != nil {
			return &AlteredError{"the manifest comes without a signature"}
		}
		return nil
	})
	return body, s, err
}

// Frames is the server as a source of frames.
type Frames struct {
	c       *Client
	fetched atomic.Int64
	frames  atomic.Int64
	peers   *peers // nil: none are asked
}

// Frames returns a source that counts what it fetches.
func (c *Client) Frames() *Frames { return &Frames{c: c} }

// Fetched returns the bytes of frames fetched from the server so far.
func (f *Frames) Fetched() int64 { return f.fetched.Load() }

// Fetch gives the frames of ids, in order, as a restore wants them: several batches at a time, handed on in order.
func (f *Frames) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan chan fetched, InFlight-1)
	g.Go(func() error {
		defer close(batches)
		var inner errgroup.Group
		inner.SetLimit(InFlight)
		for len(ids) > 0 && ctx.Err() == nil {
			n := min(len(ids), f.batchSize())
			batch, out := ids[:n], make(chan fetched, 1)
			ids = ids[n:]
			select {
			case batches <- out:
			case <-ctx.Done():
				return errors.Join(ctx.Err(), inner.Wait())
			}
			inner.Go(func() error {
				frames, err := f.batch(ctx, batch)
				out <- fetched{frames, err}
				return err
			})
		}
		return inner.Wait()
	})
	g.Go(func() error {
		for out := range batches {
			got := <-out
			if got.err != nil {
				return got.err
			}
			for _, frame := range got.frames {
				if err := yield(frame); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return g.Wait()
}

// fetched is a batch, or why there is none.
type fetched struct {
	frames []chunk.Frame
	err    error
}

// batchSize is how many frames to ask for at once, by the size of those that came so far.
func (f *Frames) batchSize() int {
	n := f.frames.Load()
	if n == 0 {
		return batchLeast
	}
	mean := max(f.fetched.Load()/n, 1)
	return int(min(max(batchBytes/mean, batchLeast), batchMost))
}

// batch fetches some frames; what came before the server was lost is kept.
func (f *Frames) batch(ctx context.Context, ids []chunk.ID) ([]chunk.Frame, error) {
	got := f.fromPeers(ctx, ids)
	faults := 0
	err := f.c.until(ctx, func() error {
		for len(got) < len(ids) {
			before := len(got)
			err := f.read(ctx, ids[len(got):], func(frame chunk.Frame) { got = append(got, frame) })
			var d *chunk.DamagedError
			if errors.As(err, &d) && faults < damagedTries {
				faults++
				continue
			}
			if err != nil {
				return err
			}
			if len(got) == before {
				return fmt.Errorf("fetching frames: the answer holds none")
			}
		}
		return nil
	})
	return got, err
}

func (f *Frames) read(ctx context.Context, ids []chunk.ID, take func(chunk.Frame)) error {
	a, err := f.c.open(ctx, request{method: http.MethodPost, path: job.PathChunks, body: pack(ids), header: map[string]string{"Content-Type": octets}})
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }()
	for _, id := range ids {
		frame, err := chunk.Read(a.Body)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("fetching chunk %s: %w", id, err)
		case frame.ID != id:
			return &AlteredError{fmt.Sprintf("the server sent chunk %s instead of %s", frame.ID, id)}
		}
		f.fetched.Add(int64(frame.Size()))
		f.frames.Add(1)
		take(frame)
	}
	// Read to the end, so that the connection is used again.
	_, _ = io.CopyN(io.Discard, a.Body, 1)
	return nil
}

func pack(ids []chunk.ID) []byte {
	b := make([]byte, 0, len(ids)*len(chunk.ID{}))
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

// Sink is the server as the place where a capture puts its frames.
type Sink struct {
	c    *Client
	task string
	sent atomic.Int64
}

// Sink returns the sink of one task.
func (c *Client) Sink(task string) *Sink { return &Sink{c: c, task: task} }

// Sent returns the bytes of frames that the server has.
func (s *Sink) Sent() int64 { return s.sent.Load() }

func (s *Sink) path(last string) string { return job.PathCapture + url.PathEscape(s.task) + last }

// Missing tells for each id whether the server wants its frame.
func (s *Sink) Missing(ctx context.Context, ids []chunk.ID) ([]bool, error) {
	var all []bool
	for len(ids) > 0 {
		n := min(len(ids), job.MaxIDs)
		var b []byte
		err := s.c.until(ctx, func() error {
			var err error
			b, err = s.c.once(ctx, request{method: http.MethodPost, path: s.path("/missing"), body: pack(ids[:n]),
				header: map[string]string{"Content-Type": octets}, limit: job.MaxIDs})
			if err == nil && len(b) != n {
				err = &AlteredError{fmt.Sprintf("the server answers %d of %d chunks", len(b), n)}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, v := range b {
			all = append(all, v != 0)
		}
		ids = ids[n:]
	}
	return all, nil
}

// maxPut bounds the body of one request: a lost server costs at most this much again.
const maxPut = 8 << 20

// Put sends frames and returns once the server has them durable; sending them twice does no harm.
func (s *Sink) Put(ctx context.Context, frames []chunk.Frame) error {
	for len(frames) > 0 {
		var body []byte
		n := 0
		for n < len(frames) && n < job.MaxIDs && (n == 0 || len(body)+frames[n].Size() <= maxPut) {
			body = frames[n].AppendTo(body)
			n++
		}
		err := s.c.until(ctx, func() error {
			_, err := s.c.once(ctx, request{method: http.MethodPost, path: s.path("/frames"), body: body,
				header: map[string]string{"Content-Type": octets}, limit: maxJSON})
			return err
		})
		if err != nil {
			return err
		}
		s.sent.Add(int64(len(body)))
		frames = frames[n:]
	}
	return nil
}
