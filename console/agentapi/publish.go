package agentapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

// maxPublish bounds the end of a capture: its two parts and what stands around them.
const maxPublish = job.MaxManifest + job.MaxNames + 64<<10

func (s *Server) capturePublish(w http.ResponseWriter, r *http.Request, c caller) error {
	_, t, err := s.Fleet.Capturing(c.key, r.PathValue("task"))
	if err != nil {
		return err
	}
	if t.Published != nil { // the first answer was lost
		return respond(w, http.StatusOK, t.Published)
	}
	x, j, t, err := s.session(r, c)
	if err != nil {
		return err
	}
	if !x.publishing.TryLock() {
		return refused(http.StatusTooManyRequests, "too-many", "this capture is being published already")
	}
	defer x.publishing.Unlock()
	d, err := s.receive(w, r)
	if err != nil {
		return err
	}
	defer d.close()
	done, err := s.publishReceived(r.Context(), x, j, t, c, d)
	_ = http.NewResponseController(w).SetWriteDeadline(s.now().Add(requestTime)) // it may have taken long
	if err != nil {
		return err
	}
	if err := s.captures.end(t.ID); err != nil {
		s.log().Error("closing a capture", "task", t.ID, "error", err)
	}
	return respond(w, http.StatusOK, done)
}

// description is what ends a capture, as it came: in files without names, which a crash or an error leaves nothing of.
// They need not be durable: what becomes a version is proven again while the library copies it.
type description struct {
	manifest, names *os.File
}

func (d description) close() {
	for _, f := range []*os.File{d.manifest, d.names} {
		if f != nil {
			_ = f.Close() // it has no name and nobody needs it any more
		}
	}
}

// receive takes both parts to the disk, in bounded memory, and proves the names while they come. An agent that is still
// sending would not hear why it is refused: it may end first.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (d description, err error) {
	body, done := s.stream(w, r, maxPublish)
	defer done()
	defer func() {
		if err != nil {
			d.close()
			_, _ = io.Copy(io.Discard, body)
		}
	}()
	r.Body = io.NopCloser(body)
	parts, err := r.MultipartReader()
	if err != nil {
		return d, notTheContract(err)
	}
	if d.manifest, err = s.spool(); err != nil {
		return d, err
	}
	head, err := receiveManifest(parts, d.manifest)
	if err != nil {
		return d, err
	}
	if d.names, err = s.spool(); err != nil {
		return d, err
	}
	names, err := nextPart(parts, job.PartNames, job.MaxNames)
	if err != nil {
		return d, err
	}
	if err := manifest.CheckNames(io.TeeReader(names, d.names), head); err != nil {
		return d, fmt.Errorf("taking the names: %w", err)
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		return d, refused(http.StatusBadRequest, "bad-request", "the body does not end after the names")
	}
	return d, nil
}

// spool makes a file without a name.
func (s *Server) spool() (*os.File, error) {
	f, err := os.CreateTemp(s.Spool, ".publish-*")
	if err != nil {
		return nil, fmt.Errorf("making room for a capture's end: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("making room for a capture's end: %w", err), f.Close())
	}
	return f, nil
}

// receiveManifest takes the first part and returns its head, by which the second one is proven.
func receiveManifest(parts *multipart.Reader, to *os.File) (*manifest.Manifest, error) {
	part, err := nextPart(parts, job.PartManifest, job.MaxManifest)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(to, part); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = notTheContract(err)
		}
		return nil, fmt.Errorf("taking a manifest: %w", err)
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading a manifest again: %w", err)
	}
	head, _, err := manifest.DecodeHead(to)
	if err != nil {
		return nil, refused(http.StatusBadRequest, "damaged", "reading the manifest: %v", err)
	}
	return head, nil
}

// nextPart returns a part that must be the next one, and fails when more than limit bytes of it are read.
func nextPart(parts *multipart.Reader, name string, limit int64) (io.Reader, error) {
	p, err := parts.NextRawPart()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, notTheContract(err)
	}
	if p.FormName() != name {
		return nil, refused(http.StatusBadRequest, "bad-request", "part %.20q stands in the place of %q", p.FormName(), name)
	}
	return &boundedPart{p, limit, name}, nil
}

// boundedPart is a part of a body that may not be longer than it says.
type boundedPart struct {
	io.Reader
	left int64
	name string
}

// Read implements io.Reader.
func (p *boundedPart) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if p.left -= int64(n); p.left < 0 {
		return 0, refused(http.StatusRequestEntityTooLarge, "too-large", "the %s part is too large", p.name)
	}
	return n, err
}

// notTheContract refuses a body that is no two parts; what the connection failed with stays as it is.
func notTheContract(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return refused(http.StatusBadRequest, "bad-request", "the body is not what the contract says")
}

// publishReceived decodes the manifest and makes the version. Only one decoded manifest is in memory at a time, whoever
// captures; who has gone meanwhile is told when he asks again.
func (s *Server) publishReceived(ctx context.Context, x *captureSession, j fleet.Job, t fleet.Task, c caller,
	d description) (job.Published, error) {
	s.decoding.Lock()
	defer s.decoding.Unlock()
	for _, f := range []*os.File{d.manifest, d.names} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return job.Published{}, fmt.Errorf("reading a capture's end again: %w", err)
		}
	}
	m, _, err := manifest.Decode(d.manifest, job.MaxManifest)
	if err != nil {
		return job.Published{}, refused(http.StatusBadRequest, "damaged", "reading the manifest: %v", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return s.publish(ctx, x, j, t, c, m, d.names)
}

// publish makes the version, once: a crash between the library's commit and ours is found by what we kept before.
func (s *Server) publish(ctx context.Context, x *captureSession, j fleet.Job, t fleet.Task, c caller,
	m *manifest.Manifest, names io.Reader) (job.Published, error) {
	ctx = context.WithoutCancel(ctx) // who hangs up now must not stop it half way
	latest, err := s.Captures.Latest(j.Master)
	if err != nil {
		return job.Published{}, fmt.Errorf("looking for versions of %s: %w", j.Master, err)
	}
	by, err := s.Fleet.BeginPublish(ctx, c.key, t.ID, latest)
	if err != nil {
		return job.Published{}, err
	}
	done, found, err := s.Captures.Find(j.Master, by)
	if err != nil {
		return done, fmt.Errorf("looking for versions of %s: %w", j.Master, err)
	}
	if !found {
		done, err = x.ingest.Publish(ctx, NewVersion{Master: j.Master, Note: j.Note, By: by, Manifest: m,
			Names: names})
	}
	if err != nil {
		return done, fmt.Errorf("publishing %s: %w", j.Master, err)
	}
	return done, s.Fleet.Published(ctx, c.key, t.ID, done)
}
