package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
)

// Description is what a capture ends with. Each function writes one encoded table, and is called again when the server
// was lost half way: so neither has to lie in memory as it is sent.
type Description struct {
	Manifest func(io.Writer) error
	Names    func(io.Writer) error
}

// TooLargeError says that a table of a capture is larger than a server takes.
type TooLargeError struct {
	Part  string // job.PartManifest or job.PartNames
	Limit int64  // bytes
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the %s of this capture is larger than %d bytes", e.Part, e.Limit)
}

// errGone ends the writing of a body that nobody reads any more.
var errGone = errors.New("the request is over")

// brokenError is a fault of what was to be sent, not of the way to the server.
type brokenError struct{ err error }

// Error implements error.
func (e *brokenError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *brokenError) Unwrap() error { return e.err }

// Publish ends the capture. It is repeated while the server is away: the server publishes once. What a function of d
// fails with is passed on.
func (s *Sink) Publish(ctx context.Context, d Description) (job.Published, error) {
	var done job.Published
	return done, s.c.until(ctx, func() error {
		b, err := s.publishOnce(ctx, d)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &done); err != nil {
			return &AlteredError{fmt.Sprintf("the answer to a capture is not what the contract says: %v", err)}
		}
		return nil
	})
}

// publishOnce sends both tables while they are encoded.
func (s *Sink) publishOnce(ctx context.Context, d Description) ([]byte, error) {
	body, feed := io.Pipe()
	parts := multipart.NewWriter(feed)
	own := make(chan error, 1) // what went wrong here, not on the way
	go func() {
		err := d.write(parts)
		if err == nil {
			err = parts.Close()
		}
		feed.CloseWithError(err)
		own <- err
	}()
	b, err := s.c.once(ctx, request{method: http.MethodPost, path: s.path("/publish"), stream: body, limit: maxJSON,
		header: map[string]string{"Content-Type": parts.FormDataContentType(), "Expect": "100-continue"}})
	_ = body.CloseWithError(errGone)
	if e := <-own; e != nil && !errors.Is(e, errGone) && !errors.Is(e, io.ErrClosedPipe) {
		return nil, &brokenError{e}
	}
	return b, err
}

// write writes both tables in their order.
func (d Description) write(parts *multipart.Writer) error {
	for _, p := range []struct {
		name  string
		limit int64
		write func(io.Writer) error
	}{{job.PartManifest, job.MaxManifest, d.Manifest}, {job.PartNames, job.MaxNames, d.Names}} {
		w, err := parts.CreateFormField(p.name)
		if err != nil {
			return err
		}
		if err := p.write(&bounded{w: w, left: p.limit, over: &TooLargeError{p.name, p.limit}}); err != nil {
			return err
		}
	}
	return nil
}

// bounded takes so many bytes and no more.
type bounded struct {
	w    io.Writer
	left int64
	over error
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, b.over
	}
	return b.w.Write(p)
}
