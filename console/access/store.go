package access

import (
	"context"
	"encoding/json"

	"github.com/ardoise/ardoise/fleet/people"
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
	return nil, notFound("no-route", verb)
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

// Store does a work on the store, as RunStore.
func (d Desk) Store(ctx context.Context, verb string, o StoreOrder, progress func(phase string, done, total int64)) (any, error) {
	o.Healer = d.h.Healer
	if verb == "stats" {
		if err := d.mayWhole(people.ActionHealth, "store"); err != nil {
			return nil, err
		}
		return RunStore(ctx, d.h.Masters, verb, o, progress)
	}
	return change(ctx, d, whole("store "+verb, ""), func(*deed) (any, error) {
		if err := d.mayWhole(people.ActionSettings, "store"); err != nil {
			return nil, err
		}
		return RunStore(ctx, d.h.Masters, verb, o, progress)
	})
}
