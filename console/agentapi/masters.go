package agentapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Masters is what deployments read.
type Masters interface {
	Manifest(hash manifest.Hash) (encoded []byte, sig manifest.Signature, err error)
	Names(hash manifest.Hash) (io.ReadCloser, error)
	// Fetch calls yield with one frame for each id, in order.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// named returns the hash in the path, if the running task of the caller names it.
func (s *Server) named(r *http.Request, c caller) (manifest.Hash, error) {
	j, _, err := s.Fleet.Running(c.key)
	if err != nil {
		return manifest.Hash{}, err
	}
	h, err := manifest.ParseHash(r.PathValue("hash"))
	if err != nil || j.Manifest != h.String() {
		return h, refused(http.StatusForbidden, "not-yours", "the running task does not name this manifest")
	}
	return h, nil
}

func (s *Server) manifest(w http.ResponseWriter, r *http.Request, c caller) error {
	h, err := s.named(r, c)
	if err != nil {
		return err
	}
	encoded, sig, err := s.Masters.Manifest(h)
	if err != nil {
		return fmt.Errorf("reading manifest %s: %w", h, err)
	}
	header, err := json.Marshal(sig)
	if err != nil {
		return fmt.Errorf("encoding a signature: %w", err)
	}
	w.Header().Set(job.SignatureHeader, string(header))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(len(encoded)))
	_, _ = io.Copy(s.patient(w), bytes.NewReader(encoded))
	return nil
}

func (s *Server) names(w http.ResponseWriter, r *http.Request, c caller) error {
	h, err := s.named(r, c)
	if err != nil {
		return err
	}
	names, err := s.Masters.Names(h)
	if err != nil {
		return fmt.Errorf("reading the names of %s: %w", h, err)
	}
	defer func() { _ = names.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := io.Copy(s.patient(w), names); err != nil {
		return fmt.Errorf("sending the names of %s: %w", h, err)
	}
	return nil
}

// errIDs says that a body is no list of chunk ids.
var errIDs = errors.New("the body is no list of chunk ids")

// readIDs reads 1 ..= job.MaxIDs chunk ids of 32 bytes each.
func (s *Server) readIDs(w http.ResponseWriter, r *http.Request) ([]chunk.ID, error) {
	body, done := s.stream(w, r, job.MaxIDs*int64(len(chunk.ID{})))
	defer done()
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	n := len(raw) / len(chunk.ID{})
	if n == 0 || len(raw)%len(chunk.ID{}) != 0 {
		return nil, refused(http.StatusBadRequest, "bad-request", "%v", errIDs)
	}
	ids := make([]chunk.ID, n)
	for i := range ids {
		copy(ids[i][:], raw[i*len(ids[i]):])
	}
	return ids, nil
}

// frameBuffer is how much is gathered before it is sent: a whole frame and its neighbours.
const frameBuffer = 1 << 20

func (s *Server) chunks(w http.ResponseWriter, r *http.Request, c caller) error {
	j, _, err := s.Fleet.Running(c.key)
	if err != nil {
		return err
	}
	ids, err := s.readIDs(w, r)
	if err != nil {
		return err
	}
	if j.Manifest == "" {
		return refused(http.StatusForbidden, "not-yours", "the running task names no manifest")
	}
	set, err := s.sets.of(s.Masters, j.Manifest)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := set[id]; !ok {
			return refused(http.StatusForbidden, "not-yours", "chunk %s is not of the running task", id)
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	out := bufio.NewWriterSize(s.paced(r, s.patient(w)), frameBuffer)
	var frame []byte
	err = s.Masters.Fetch(r.Context(), ids, func(f chunk.Frame) error {
		frame = f.AppendTo(frame[:0])
		_, err := out.Write(frame)
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("sending chunks of manifest %s: %w", j.Manifest, err)
	}
	return nil
}

// maxSets is how many manifests' chunk ids are kept: a site deploys few masters at a time.
const maxSets = 4

// chunkSet is the ids of one manifest.
type chunkSet map[chunk.ID]struct{}

// chunkSets remembers which chunks the manifests in use have. The zero value is ready.
type chunkSets struct {
	mu   sync.Mutex
	sets map[string]chunkSet
	uses []string // least recently used first
}

// of returns the chunk ids of the manifest with this hash.
func (c *chunkSets) of(m Masters, hash string) (chunkSet, error) {
	c.mu.Lock() // held while reading: a room that starts at once must decode its manifest once
	defer c.mu.Unlock()
	if c.sets == nil {
		c.sets = map[string]chunkSet{}
	}
	set, ok := c.sets[hash]
	if !ok {
		var err error
		if set, err = readSet(m, hash); err != nil {
			return nil, fmt.Errorf("reading the chunks of manifest %s: %w", hash, err)
		}
		if len(c.uses) >= maxSets {
			delete(c.sets, c.uses[0])
			c.uses = c.uses[1:]
		}
		c.sets[hash] = set
	}
	uses := make([]string, 0, len(c.uses)+1)
	for _, h := range c.uses {
		if h != hash {
			uses = append(uses, h)
		}
	}
	c.uses = append(uses, hash)
	return set, nil
}

func readSet(m Masters, hash string) (chunkSet, error) {
	h, err := manifest.ParseHash(hash)
	if err != nil {
		return nil, err
	}
	encoded, _, err := m.Manifest(h)
	if err != nil {
		return nil, err
	}
	parsed, got, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil {
		return nil, err
	}
	if got != h {
		return nil, fmt.Errorf("it hashes to %s", got)
	}
	set := make(chunkSet, parsed.Chunks.Len())
	for _, e := range parsed.Chunks.All() {
		set[e.ID] = struct{}{}
	}
	return set, nil
}
