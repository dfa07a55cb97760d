package agentapi

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/job"
)

// StageTwo is the archive of the boot environment's second stage. A new boot environment may replace the file while the
// daemon runs: it is hashed again then.
type StageTwo struct {
	path string
	mu   sync.Mutex
	seen os.FileInfo // of the file that now was hashed from
	now  job.StageTwo
}

// OpenStageTwo hashes the archive at path.
func OpenStageTwo(path string) (*StageTwo, error) {
	s := &StageTwo{path: path}
	_, err := s.Current()
	return s, err
}

// Current returns the archive's hash and size.
func (s *StageTwo) Current() (job.StageTwo, error) {
	f, two, err := s.open()
	if err != nil {
		return two, err
	}
	return two, f.Close()
}

// open returns the file and what its content is.
func (s *StageTwo) open() (*os.File, job.StageTwo, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, job.StageTwo{}, fmt.Errorf("opening stage two: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := f.Stat()
	if err == nil && (s.seen == nil || !os.SameFile(info, s.seen) || !info.ModTime().Equal(s.seen.ModTime()) ||
		info.Size() != s.now.Size) {
		err = s.hash(f, info)
	}
	if err != nil {
		_ = f.Close()
		return nil, job.StageTwo{}, fmt.Errorf("reading stage two: %w", err)
	}
	return f, s.now, nil
}

func (s *StageTwo) hash(f *os.File, info os.FileInfo) error {
	h := blake3.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	s.seen, s.now = info, job.StageTwo{Hash: hex.EncodeToString(h.Sum(nil)), Size: n}
	return nil
}

// stageTwo serves the archive to anyone: it is public, and its hash came over the connection that proved us.
func (s *Server) stageTwo(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.StageTwo == nil {
		return refused(http.StatusNotFound, "no-stage2", "this server has no boot environment")
	}
	f, two, err := s.StageTwo.open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Etag", `"`+two.Hash+`"`)
	http.ServeContent(s.patient(w), r, "", time.Time{}, io.NewSectionReader(f, 0, two.Size))
	return nil
}

// patientWriter gives each part of a large answer its own time.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

func (s *Server) patient(w http.ResponseWriter) *patientWriter {
	return &patientWriter{ResponseWriter: w, control: http.NewResponseController(w), now: s.now}
}

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(w.now().Add(streamPause))
	return w.ResponseWriter.Write(b)
}

// patientReader gives each part of a large body its own time.
type patientReader struct {
	io.Reader
	control *http.ResponseController
	now     func() time.Time
}

// Read implements io.Reader.
func (r *patientReader) Read(b []byte) (int, error) {
	_ = r.control.SetReadDeadline(r.now().Add(streamPause))
	return r.Reader.Read(b)
}

// stream returns the body of a large request of at most limit bytes. done ends its deadlines.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, limit int64) (body io.Reader, done func()) {
	control := http.NewResponseController(w)
	body = &patientReader{http.MaxBytesReader(w, r.Body, limit), control, s.now}
	return body, func() {
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(s.now().Add(requestTime))
	}
}
