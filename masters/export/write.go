package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	partSuffix = ".part"
	bufferSize = 1 << 20
)

// Source is where a version comes from: a library, or a daemon's.
type Source interface {
	// Manifest returns the encoded manifest of this hash, proven, and its signature.
	Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error)
	// Names opens the encoded names table that belongs to it.
	Names(hash manifest.Hash) (io.ReadCloser, error)
	// Fetch calls yield with one frame for each id, in order.
	Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error
}

// Options of Write. The zero value is ready.
type Options struct {
	FS       durable.FS              // where the file lies; zero: the host's file system
	Progress func(done, total int64) // bytes of content; may be nil
}

// Report is what a file holds.
type Report struct {
	Version string // NAME@V
	Hash    manifest.Hash
	Key     string // that signed it, base64
	Frames  int
	Bytes   int64 // of the whole file
	Resumed int64 // of these, that an interrupted Write had left
}

// Write exports the version with this manifest to the file path, going on where an interrupted Write of the same version
// has ended. It fails with *ExistsError when the file is there, and with the errors of src.
func Write(ctx context.Context, src Source, hash manifest.Hash, path string, o Options) (Report, error) {
	if o.FS.Files == nil {
		o.FS = durable.OS()
	}
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return Report{}, err
	}
	w := &writer{o: o, src: src, hash: hash, path: path, sum: blake3.New(), codec: codec}
	if err := w.prepare(); err != nil {
		return Report{}, err
	}
	taken, err := exists(o.FS, path)
	if taken {
		err = &ExistsError{Path: path}
	}
	if err != nil {
		return Report{}, err
	}
	if err := w.open(); err != nil {
		return Report{}, fmt.Errorf("opening %s: %w", path+partSuffix, err)
	}
	err = w.frames(ctx)
	if err == nil {
		err = w.finish()
	} else {
		err = w.keep(err)
	}
	if err != nil {
		return Report{}, fmt.Errorf("writing %s: %w", path, err)
	}
	return w.report, nil
}

// keep ends the file as it is, for the next time to go on. What could not be written is said once.
func (w *writer) keep(err error) error {
	flushed := w.out.Flush() // a writer that failed says the same again
	closed := w.file.Close()
	if flushed != nil && !errors.Is(err, flushed) {
		err = errors.Join(err, flushed)
	}
	return errors.Join(err, closed)
}

func exists(d durable.FS, path string) (bool, error) {
	f, err := d.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

type writer struct {
	o     Options
	src   Source
	hash  manifest.Hash
	path  string
	codec *chunk.Codec

	encoded   []byte
	signature []byte
	names     int64 // bytes of the names table
	ids       []chunk.ID
	lengths   map[chunk.ID]uint32
	content   int64 // bytes, for the bar

	file   durable.File
	out    *bufio.Writer
	sum    *blake3.Hasher // of all that is in the file
	size   int64
	next   int   // frames that are in the file
	done   int64 // bytes of their content
	report Report
}

// prepare reads manifest and names, and proves that they belong together.
func (w *writer) prepare() error {
	encoded, sig, err := w.src.Manifest(w.hash)
	if err != nil {
		return err
	}
	m, hash, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err == nil && hash != w.hash {
		err = wrong("section MANI", "hash %s, want %s", hash, w.hash)
	}
	if err != nil {
		return err
	}
	if w.signature, err = json.Marshal(sig); err != nil {
		return err
	}
	w.encoded, w.ids = encoded, Chunks(m)
	w.lengths = make(map[chunk.ID]uint32, len(w.ids))
	for _, e := range m.Chunks.All() {
		w.lengths[e.ID] = e.Length
	}
	for _, n := range w.lengths {
		w.content += int64(n)
	}
	w.report = Report{Version: fmt.Sprintf("%s@%d", m.Name, m.Version), Hash: hash, Key: sig.Key, Frames: len(w.ids)}
	names, err := w.src.Names(w.hash)
	if err != nil {
		return err
	}
	counted := &counter{r: names}
	err = errors.Join(manifest.CheckNames(counted, m), names.Close())
	w.names = counted.n
	if err != nil {
		return fmt.Errorf("reading the names of %s: %w", w.report.Version, err)
	}
	return nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// prefix writes all that comes before the frames.
func (w *writer) prefix(to io.Writer) error {
	names, err := w.src.Names(w.hash)
	if err != nil {
		return err
	}
	defer func() { _ = names.Close() }()
	head := bytes.NewReader(append(preamble(), heading(tagSignature, int64(len(w.signature)))...))
	rest := bytes.NewReader(heading(tagManifest, int64(len(w.encoded))))
	all := io.MultiReader(head, bytes.NewReader(w.signature), rest, bytes.NewReader(w.encoded),
		bytes.NewReader(heading(tagNames, w.names)), io.LimitReader(names, w.names), bytes.NewReader(heading(tagFrames, int64(len(w.ids)))))
	n, err := io.Copy(to, all)
	want := int64(preambleSize+4*headingSize+len(w.signature)+len(w.encoded)) + w.names
	if err == nil && n != want {
		err = wrong("section NAMS", "%d bytes, they were %d before", n, want)
	}
	return err
}

// open goes on with the file that is there as far as it is sound, or begins a new one.
func (w *writer) open() error {
	part := w.path + partSuffix
	there, err := w.resume(part)
	if err != nil {
		return err
	}
	if there {
		w.file, err = w.o.FS.Append(part, w.size)
	} else {
		w.file, err = w.o.FS.Create(part)
	}
	if err != nil {
		return err
	}
	w.out = bufio.NewWriterSize(w.file, bufferSize)
	w.report.Resumed = w.size
	if w.size > 0 {
		return nil
	}
	w.sum.Reset()
	if err := w.prefix(w); err != nil {
		return errors.Join(err, w.file.Close())
	}
	return nil
}

// Write implements io.Writer: what goes into the file goes into its sum.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	_, _ = w.sum.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// resume looks at a file that was left, if there is one: how much of it is what we would write.
func (w *writer) resume(part string) (there bool, err error) {
	f, err := w.o.FS.Open(part)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	same := &comparer{r: bufio.NewReaderSize(f, bufferSize), sum: w.sum}
	if err := w.prefix(same); err != nil {
		if errors.Is(err, errOther) {
			return true, nil // another version's, or not even a whole prefix: from the beginning
		}
		return true, err
	}
	w.size = same.n
	var stored, content []byte
	for w.next < len(w.ids) {
		frame, err := chunk.Read(same.r)
		if err != nil || frame.ID != w.ids[w.next] {
			break // cut there: the rest is written anew
		}
		if content, err = w.codec.Open(content, frame); err != nil {
			break
		}
		stored = frame.AppendTo(stored[:0])
		_, _ = w.sum.Write(stored)
		w.size += int64(len(stored))
		w.done += int64(frame.Length)
		w.next++
	}
	return true, nil
}

var errOther = errors.New("it holds something else")

// comparer is written to, and fails where its reader holds something else.
type comparer struct {
	r   io.Reader
	sum *blake3.Hasher
	n   int64
	buf []byte
}

// Write implements io.Writer.
func (c *comparer) Write(p []byte) (int, error) {
	if cap(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	got := c.buf[:len(p)]
	if _, err := io.ReadFull(c.r, got); err != nil || !bytes.Equal(got, p) {
		return 0, errOther
	}
	_, _ = c.sum.Write(p)
	c.n += int64(len(p))
	return len(p), nil
}

// frames appends the frames that the file lacks, each proven.
func (w *writer) frames(ctx context.Context) error {
	var stored, content []byte
	w.progress()
	return w.src.Fetch(ctx, w.ids[w.next:], func(f chunk.Frame) (err error) {
		if w.next == len(w.ids) || f.ID != w.ids[w.next] || f.Length != w.lengths[f.ID] {
			return &chunk.DamagedError{ID: f.ID, Reason: "another frame was asked for"}
		}
		if content, err = w.codec.Open(content, f); err != nil {
			return err
		}
		stored = f.AppendTo(stored[:0])
		if _, err := w.Write(stored); err != nil {
			return err
		}
		w.next++
		w.done += int64(f.Length)
		w.progress()
		return nil
	})
}

func (w *writer) progress() {
	if w.o.Progress != nil {
		w.o.Progress(w.done, w.content)
	}
}

// finish ends the file and gives it its name.
func (w *writer) finish() error {
	end := trailer(len(w.ids), w.size, w.sum.Sum(nil))
	_, err := w.Write(end)
	if w.next != len(w.ids) {
		err = wrong("frames", "%d came of %d", w.next, len(w.ids))
	}
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return err
	}
	if err := w.o.FS.Rename(w.path+partSuffix, w.path); err != nil {
		return err
	}
	w.report.Bytes = w.size
	return w.o.FS.SyncDir(filepath.Dir(w.path))
}
