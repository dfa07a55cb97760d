package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func masterRoutes(t *table) {
	route(t, "GET /masters", "list all versions of all masters",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Master, error) { return d.Masters() })
	route(t, "GET /masters/{ref}", "one version, with its volumes and notes",
		func(_ context.Context, d access.Desk, in *ByRef) (access.Master, error) { return d.Master(in.Ref) })
	route(t, "GET /masters/{ref}/resolve", "which version a reference means",
		func(_ context.Context, d access.Desk, in *ByRef) (access.Master, error) { return d.Resolve(in.Ref) })
	for _, v := range []struct{ verb, summary string }{
		{"promote", "make a channel point at a version"},
		{"withdraw", "take a channel of a master away"},
		{"rollback", "make a channel point at what it pointed at before"},
	} {
		route(t, "POST /masters/{ref}/"+v.verb, v.summary,
			func(ctx context.Context, d access.Desk, in *refWith[access.MasterChange]) (access.Move, error) {
				return d.MoveChannel(ctx, v.verb, in.Ref, in.Body.Channel)
			})
	}
	route(t, "POST /masters/{ref}/note", "add a note to a version",
		func(ctx context.Context, d access.Desk, in *refWith[access.MasterChange]) (access.Master, error) {
			return d.NoteMaster(ctx, in.Ref, in.Body.Text)
		})
	route(t, "POST /masters/{ref}/forget", "make a version unknown that nobody needs",
		func(ctx context.Context, d access.Desk, in *refWith[access.MasterChange]) (access.Master, error) {
			return d.ForgetMaster(ctx, in.Ref)
		})
	route(t, "POST /masters/{ref}/retain", "set, take away, show or apply a master's retention rule",
		func(ctx context.Context, d access.Desk, in *refWith[access.MasterChange]) (access.Retention, error) {
			return d.Retain(ctx, in.Ref, in.Body)
		})
	route(t, "GET /keys", "the signing keys that count, the present one first",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Key, error) { return d.Keys() })
	route(t, "POST /keys/rotate", "replace the signing key",
		func(ctx context.Context, d access.Desk, _ *none) ([]access.Key, error) { return d.RotateKey(ctx) })
	const octets = "application/octet-stream"
	in := gives[access.Imported](t, stream(t, "POST /import", "take a version from an export file", "application/json", importMaster))
	takes(in, octets, "the file that `ardoise master export` made")
	asks(in, "as", huma.TypeString, "another name for its master")
	asks(in, "trust", huma.TypeArray, "fingerprint of a foreign key to be trusted; several times for several")
	stream(t, "GET /manifests/{hash}", "a version's manifest, signed in the header "+job.SignatureHeader, octets, sendManifest)
	stream(t, "GET /names/{hash}", "a version's table of names", octets, sendNames)
	takes(stream(t, "POST /chunks", "frames of chunks, one after the other", octets, sendChunks), octets,
		fmt.Sprintf("ids of 1 to %d chunks, %d bytes each", access.MaxFetch, len(chunk.ID{})))
	work := gives[access.StoreLine](t, stream(t, "POST /store/{verb}", "stats, gc, scrub, recompress, rebuild-index or check: JSON lines of "+
		"progress, at last the result or an error", "application/jsonl", workOnStore))
	takes(work, "application/json", "how it is done").Schema = schemaOf[access.StoreOrder](t)
}

// importMaster takes an export file as its body.
func importMaster(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a file takes as long as it takes
	q := r.URL.Query()
	out, err := d.Import(r.Context(), r.Body, q.Get("as"), q["trust"])
	if err != nil {
		return err
	}
	return respond(w, out)
}

func respond(w http.ResponseWriter, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // who has gone does not read
	return nil
}

func hashOf(r *http.Request) (manifest.Hash, error) {
	h, err := manifest.ParseHash(r.PathValue("hash"))
	if err != nil {
		return h, access.Bad(err.Error())
	}
	return h, nil
}

func sendManifest(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	h, err := hashOf(r)
	if err != nil {
		return err
	}
	encoded, sig, err := d.Manifest(h)
	if err != nil {
		return err
	}
	header, err := json.Marshal(sig)
	if err != nil {
		return err
	}
	w.Header().Set(job.SignatureHeader, string(header))
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(encoded)
	return nil
}

func sendNames(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	h, err := hashOf(r)
	if err != nil {
		return err
	}
	names, err := d.Names(h)
	if err != nil {
		return err
	}
	defer func() { _ = names.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := io.Copy(w, names); err != nil {
		panic(http.ErrAbortHandler) // half a table must not pass for a whole one
	}
	return nil
}

func sendChunks(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || len(raw)%len(chunk.ID{}) != 0 {
		return access.Bad(fmt.Sprintf("chunks are asked for by their ids of %d bytes", len(chunk.ID{})))
	}
	ids := make([]chunk.ID, len(raw)/len(chunk.ID{}))
	for i := range ids {
		copy(ids[i][:], raw[i*len(ids[i]):])
	}
	frames, err := d.Frames(r.Context(), ids)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(frames)
	return nil
}

// progressPause is the least time between two lines of progress.
const progressPause = 200 * time.Millisecond

// workOnStore does a work and tells how far it is.
func workOnStore(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	var o access.StoreOrder
	if err := read(w, r, &o); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	// The order is read. What comes now takes hours, and ends when the connection does.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("waiting for a long work: %w", err)
	}
	lines := json.NewEncoder(w)
	tell := func(l access.StoreLine) bool {
		w.Header().Set("Content-Type", "application/jsonl")
		_ = control.SetWriteDeadline(time.Now().Add(lineTime))
		return lines.Encode(l) == nil && control.Flush() == nil
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	var last time.Time
	result, err := d.Store(ctx, r.PathValue("verb"), o, func(phase string, done, total int64) {
		if now := time.Now(); now.Sub(last) >= progressPause || done == total {
			if last = now; !tell(access.StoreLine{Phase: phase, Done: done, Total: total}) {
				stop()
			}
		}
	})
	if err != nil {
		if last.IsZero() {
			return err
		}
		tell(access.StoreLine{Error: access.ErrorOf(err)})
		return nil
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	tell(access.StoreLine{Result: raw})
	return nil
}

// read decodes the body of a stream's request.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && err != io.EOF {
		return access.Bad("reading the order: " + err.Error())
	}
	return nil
}
