package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// batchBytes is how much of frames is put at once.
const batchBytes = 4 << 20

// Import is how a file becomes a version. The zero value is ready.
type Import struct {
	As       string           // another name for the master: then it gets that one's next number; "": name and number it has
	Trust    []string         // fingerprints of keys that are trusted for this one file, besides the library's own
	Limit    int64            // of the encoded manifest, bytes; 0: manifest.DefaultLimit
	Progress func(done int64) // bytes of the file; may be nil
}

// Imported is what an import has done.
type Imported struct {
	Version masters.Version
	Report  Report
	Stats   masters.Stats
	Known   bool // the version was here already, sound
}

// Run imports the file r. It fails with *FileError, *FormatError, *masters.ForeignKeyError, *masters.TakenError,
// *masters.UntrustedError; no version has appeared then. What was stored stays, so that the next Run goes on.
func (o Import) Run(ctx context.Context, lib *masters.Library, r io.Reader) (out Imported, err error) {
	if o.As != "" {
		if err := masters.CheckName(o.As); err != nil {
			return out, err
		}
	}
	ing, err := lib.Begin(ctx)
	if err != nil {
		return out, err
	}
	defer ing.Close()
	names, err := spool()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, names.Close()) }()
	v := &intake{ctx: ctx, lib: lib, ing: ing, names: names, trust: o.Trust}
	if out.Report, err = Read(&metered{ctx: ctx, r: r, tell: o.Progress}, o.Limit, v); err != nil {
		return out, errors.Join(err, v.flush()) // so that the next time goes on from here
	}
	if err := v.flush(); err != nil {
		return out, err
	}
	if _, err := names.Seek(0, io.SeekStart); err != nil {
		return out, fmt.Errorf("reading the names again: %w", err)
	}
	out.Stats = ing.Stats()
	if o.As != "" && o.As != v.m.Name {
		meta := masters.Meta{Author: v.m.Author, Note: v.m.Note, Created: v.m.Created}
		out.Version, err = ing.Publish(ctx, o.As, meta, v.m, names)
		return out, err
	}
	before, _ := lib.Resolve(out.Report.Version)
	out.Version, err = ing.Adopt(ctx, v.foreign, names)
	out.Known = err == nil && before.Hash == out.Version.Hash && before.Number > 0
	return out, err
}

// spool is a file without a name.
func spool() (*os.File, error) {
	f, err := os.CreateTemp("", "ardoise-names-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("hiding a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// metered tells how far a file was read, and ends with ctx.
type metered struct {
	ctx  context.Context
	r    io.Reader
	tell func(int64)
	n    int64
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.tell != nil {
		m.tell(m.n)
	}
	return n, err
}

// intake is the visitor of an import.
type intake struct {
	ctx     context.Context
	lib     *masters.Library
	ing     *masters.Ingest
	names   *os.File
	trust   []string
	foreign masters.Foreign
	m       *manifest.Manifest

	batch []chunk.Frame
	size  int
}

// Version implements Visitor.
func (v *intake) Version(encoded []byte, sig manifest.Signature) (m *manifest.Manifest, err error) {
	v.foreign = masters.Foreign{Manifest: encoded, Signature: sig, Trust: v.trust}
	v.m, err = v.lib.Vouch(v.foreign)
	return v.m, err
}

// Names implements Visitor.
func (v *intake) Names(r io.Reader, m *manifest.Manifest) error {
	return manifest.CheckNames(io.TeeReader(r, v.names), m)
}

// Frame implements Visitor.
func (v *intake) Frame(f chunk.Frame) error {
	v.batch = append(v.batch, f)
	if v.size += f.Size(); v.size < batchBytes {
		return nil
	}
	return v.flush()
}

// flush stores what the store has not got. Put proves each content.
func (v *intake) flush() error {
	batch := v.batch
	v.batch, v.size = nil, 0
	if len(batch) == 0 {
		return nil
	}
	ids := make([]chunk.ID, len(batch))
	for i, f := range batch {
		ids[i] = f.ID
	}
	wanted, err := v.ing.Missing(v.ctx, ids)
	if err != nil {
		return err
	}
	fresh := batch[:0]
	for i, f := range batch {
		if wanted[i] {
			fresh = append(fresh, f)
		}
	}
	err = v.ing.Put(v.ctx, fresh)
	var damaged *chunk.DamagedError
	if errors.As(err, &damaged) {
		return &FileError{Structure: "section " + tagFrames, Err: err}
	}
	return err
}
