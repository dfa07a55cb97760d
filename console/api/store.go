package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/store"
)

// StoreOrder says how a work on the store is done.
type StoreOrder struct {
	Rate    int64 `json:"rate,omitempty"`    // most bytes read a second; 0: as fast as it goes
	Content bool  `json:"content,omitempty"` // scrub: prove contents, not only checksums

	From   string       `json:"from,omitempty"` // scrub: heal from this folder, an absolute path: another data folder, a copy of one
	Healer store.Healer `json:"-"`              // scrub: what heals without From; nil: nothing. The daemon's own
}

// StoreLine is a line of the answer to a work on the store: progress, and at last its result or error.
type StoreLine struct {
	Phase  string          `json:"phase,omitempty"`
	Done   int64           `json:"done,omitempty"` // bytes, or things counted
	Total  int64           `json:"total,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// RunStore does one work on the store of a library: stats (store.Survey), gc (store.Collected), scrub (store.Scrubbed),
// recompress (store.Recompressed), rebuild-index (store.Rebuilt), check (masters.Found). The daemon and a command
// without one do the same. A verb that is none of these is an *Error.
func RunStore(ctx context.Context, lib *masters.Library, verb string, o StoreOrder, progress func(phase string, done, total int64)) (any, error) {
	w := store.Work{Rate: o.Rate, Progress: progress}
	switch verb {
	case "stats":
		return lib.StoreStats(ctx, w)
	case "gc":
		return lib.Collect(ctx, w)
	case "scrub":
		return scrub(ctx, lib, o, w)
	case "recompress":
		return lib.Recompress(ctx, w)
	case "rebuild-index":
		return lib.RebuildIndex(ctx, w)
	case "check":
		return lib.Check(ctx, w)
	}
	return nil, &Error{Status: http.StatusNotFound, Code: "no-route", What: verb}
}

// scrub reads everything, and heals what it can. A folder that cannot be healed from is refused before anything is read.
func scrub(ctx context.Context, lib *masters.Library, o StoreOrder, w store.Work) (store.Scrubbed, error) {
	how := store.Scrub{Work: w, Whole: true, Content: o.Content, Healer: o.Healer}
	if o.From != "" {
		from, err := store.OpenReplica(o.From, durable.FS{})
		if err != nil {
			return store.Scrubbed{}, err
		}
		how.Healer = from
	}
	return lib.Scrub(ctx, how)
}

// progressPause is the least time between two lines of progress.
const progressPause = 200 * time.Millisecond

// store does a work and tells how far it is.
func (s *Server) store(w http.ResponseWriter, r *http.Request, _ string) error {
	var o StoreOrder
	if err := read(r, &o); err != nil {
		return err
	}
	o.Healer = s.Healer
	control := http.NewResponseController(w)
	// The order is read. What comes now takes hours, and ends when the connection does.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("waiting for a long work: %w", err)
	}
	lines := json.NewEncoder(w)
	tell := func(l StoreLine) bool {
		w.Header().Set("Content-Type", "application/jsonl")
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // whoever does not read for so long has gone
		return lines.Encode(l) == nil && control.Flush() == nil
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	var last time.Time
	result, err := RunStore(ctx, s.Masters, r.PathValue("verb"), o, func(phase string, done, total int64) {
		if now := time.Now(); now.Sub(last) >= progressPause || done == total {
			if last = now; !tell(StoreLine{Phase: phase, Done: done, Total: total}) {
				stop()
			}
		}
	})
	if err != nil {
		if last.IsZero() {
			return storeError(err)
		}
		tell(StoreLine{Error: wireError(storeError(err))})
		return nil
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	tell(StoreLine{Result: raw})
	return nil
}

// storeError gives an error of a work on the store its code.
func storeError(err error) error {
	var uncountable *masters.UncountableError
	var replica *store.ReplicaError
	switch {
	case errors.As(err, &uncountable):
		return &Error{Status: http.StatusConflict, Code: "uncountable", What: uncountable.Version, Detail: uncountable.Err.Error()}
	case errors.As(err, &replica):
		return &Error{Status: http.StatusConflict, Code: "no-replica", What: replica.Dir, Detail: replica.Error()}
	case errors.Is(err, syscall.ENOSPC):
		return &Error{Status: http.StatusInsufficientStorage, Code: "no-space", Detail: err.Error()}
	case errors.Is(err, syscall.EROFS):
		return &Error{Status: http.StatusInternalServerError, Code: "read-only", Detail: err.Error()}
	}
	return err
}

// Store does a work on the daemon's store and returns its result, one of RunStore's in JSON. progress is called as it
// goes on.
func (c *Client) Store(ctx context.Context, verb string, o StoreOrder, progress func(phase string, done, total int64)) (json.RawMessage, error) {
	answer, err := c.do(ctx, http.MethodPost, "/v1/store/"+segment(verb), o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := json.NewDecoder(answer.Body)
	for {
		var l StoreLine
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
