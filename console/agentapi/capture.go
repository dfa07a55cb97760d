package agentapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Captures is where captures go.
type Captures interface {
	// Begin starts an ingest. It pins what it claims to hold until it is closed.
	Begin(ctx context.Context) (Ingest, error)
	// Latest returns the newest version of a master, 0 when there is none.
	Latest(master string) (int, error)
	// Find returns the version of a master after a number that was published by author at a moment, if there is one.
	Find(master string, p fleet.Publishing) (job.Published, bool, error)
}

// Ingest takes one capture.
type Ingest interface {
	capture.Sink
	Publisher
	io.Closer
}

// Publisher makes a capture a version.
type Publisher interface {
	// Flush makes what was put durable.
	Flush(ctx context.Context) error
	Publish(ctx context.Context, v NewVersion) (job.Published, error)
}

// NewVersion is what a capture becomes.
type NewVersion struct {
	Master   string
	Note     string
	By       fleet.Publishing
	Manifest *manifest.Manifest
	Names    io.Reader
}

// captureIdle is how long a capture may be silent before what it pinned is let go; asking again pins it again.
const captureIdle = time.Hour

// captureSession is the ingest of one task.
type captureSession struct {
	mu         sync.Mutex // one batch at a time
	publishing sync.Mutex // one description at a time: it takes space on the disk while it comes
	ingest     Ingest
	used       time.Time
}

// captureSessions holds ingests by task. The zero value is ready.
type captureSessions struct {
	mu   sync.Mutex
	open map[string]*captureSession
}

// get returns the session of a task, or starts it.
func (c *captureSessions) get(ctx context.Context, where Captures, task string, now time.Time) (*captureSession, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x, ok := c.open[task]; ok {
		x.used = now
		return x, nil
	}
	// The ingest outlives the request that starts it.
	i, err := where.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("starting the capture of task %s: %w", task, err)
	}
	if c.open == nil {
		c.open = map[string]*captureSession{}
	}
	x := &captureSession{ingest: i, used: now}
	c.open[task] = x
	return x, nil
}

// end closes the session of a task.
func (c *captureSessions) end(task string) error {
	c.mu.Lock()
	x, ok := c.open[task]
	delete(c.open, task)
	c.mu.Unlock()
	if !ok {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ingest.Close()
}

func (c *captureSessions) closeAll() {
	for _, task := range c.tasks(func(*captureSession, string) bool { return true }) {
		_ = c.end(task) // what was not published is an orphan anyway
	}
}

// tasks lists the tasks whose sessions fit.
func (c *captureSessions) tasks(fit func(*captureSession, string) bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for task, x := range c.open {
		if fit(x, task) {
			out = append(out, task)
		}
	}
	return out
}

// sweep ends sessions whose tasks are over, or that have been silent for too long.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.sweepOnce()
	}
}

func (s *Server) sweepOnce() {
	active := map[string]bool{}
	for _, j := range s.Fleet.Jobs() {
		for _, t := range j.Tasks {
			active[t.ID] = t.Active()
		}
	}
	now := s.now()
	for _, task := range s.captures.tasks(func(x *captureSession, task string) bool {
		return !active[task] || now.Sub(x.used) > captureIdle
	}) {
		if err := s.captures.end(task); err != nil {
			s.log().Error("closing a capture", "task", task, "error", err)
		}
	}
}

// session checks that the caller runs the capture in the path, and returns its session, locked.
func (s *Server) session(r *http.Request, c caller) (*captureSession, fleet.Job, fleet.Task, error) {
	j, t, err := s.Fleet.Capturing(c.key, r.PathValue("task"))
	if err != nil {
		return nil, j, t, err
	}
	x, err := s.captures.get(r.Context(), s.Captures, t.ID, s.now())
	if err != nil {
		return nil, j, t, err
	}
	return x, j, t, nil
}

func (s *Server) captureMissing(w http.ResponseWriter, r *http.Request, c caller) error {
	x, _, _, err := s.session(r, c)
	if err != nil {
		return err
	}
	ids, err := s.readIDs(w, r)
	if err != nil {
		return err
	}
	x.mu.Lock()
	missing, err := x.ingest.Missing(r.Context(), ids)
	x.mu.Unlock()
	if err != nil {
		return fmt.Errorf("asking the store: %w", err)
	}
	answer := make([]byte, len(missing))
	for i, m := range missing {
		if m {
			answer[i] = 1
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(answer)
	return nil
}

// batchFrames and batchBytes bound what one write to the store takes.
const (
	batchFrames = 64
	batchBytes  = 4 << 20
)

func (s *Server) captureFrames(w http.ResponseWriter, r *http.Request, c caller) error {
	x, _, _, err := s.session(r, c)
	if err != nil {
		return err
	}
	body, done := s.stream(w, r, job.MaxIDs*chunk.MaxFrameSize)
	defer done()
	for {
		batch, last, err := readBatch(body)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			x.mu.Lock()
			err = x.ingest.Put(r.Context(), batch)
			x.mu.Unlock()
			if err != nil {
				return fmt.Errorf("keeping frames: %w", err)
			}
		}
		if last {
			break
		}
	}
	x.mu.Lock()
	err = x.ingest.Flush(r.Context())
	x.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keeping frames: %w", err)
	}
	done()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readBatch reads some frames; last says that the body is over.
func readBatch(body io.Reader) (batch []chunk.Frame, last bool, err error) {
	for size := 0; len(batch) < batchFrames && size < batchBytes; {
		f, err := chunk.Read(body)
		var damaged *chunk.DamagedError
		switch {
		case err == io.EOF:
			return batch, true, nil
		case errors.As(err, &damaged):
			return nil, false, refused(http.StatusBadRequest, "damaged", "%v", err)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, false, refused(http.StatusBadRequest, "bad-request", "the last frame is cut short")
		case err != nil:
			return nil, false, err
		}
		batch = append(batch, f)
		size += f.Size()
	}
	return batch, false, nil
}
