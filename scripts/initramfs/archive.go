package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"
)

// Archive is a tree of files. The zero value is empty and ready.
type Archive struct {
	entries map[string]cpio.Record
}

// File adds a file; executable ones get mode 0755, others 0644. A name that is there already is replaced.
func (a *Archive) File(name string, content []byte, executable bool) {
	mode := uint64(0o644)
	if executable {
		mode = 0o755
	}
	a.add(cpio.StaticFile(name, string(content), mode))
}

// Link adds a symbolic link.
func (a *Archive) Link(name, target string) { a.add(cpio.Symlink(name, target)) }

// Folder adds an empty folder.
func (a *Archive) Folder(name string) { a.add(cpio.Directory(name, 0o755)) }

// Device adds a character device for root alone.
func (a *Archive) Device(name string, major, minor uint64) {
	a.add(cpio.CharDev(name, 0o600, major, minor))
}

// add keeps a record, and makes the folders above it: the kernel drops a file whose folder is not there yet.
func (a *Archive) add(r cpio.Record) {
	if a.entries == nil {
		a.entries = map[string]cpio.Record{}
	}
	r.Name = cpio.Normalize(r.Name)
	for dir := path.Dir(r.Name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if _, known := a.entries[dir]; !known {
			a.entries[dir] = cpio.Directory(dir, 0o755)
		}
	}
	a.entries[r.Name] = r
}

// Has says whether a name is in the archive.
func (a *Archive) Has(name string) bool {
	_, ok := a.entries[cpio.Normalize(name)]
	return ok
}

// Write writes the archive as cpio. Sorting by name puts every folder before what lies in it.
func (a *Archive) Write(w io.Writer) error {
	out := cpio.Newc.Writer(w)
	for i, name := range slices.Sorted(maps.Keys(a.entries)) {
		r := cpio.MakeReproducible(a.entries[name])
		r.Ino = uint64(i + 1)
		r.NLink = 1
		if err := out.WriteRecord(r); err != nil {
			return fmt.Errorf("archiving %s: %w", name, err)
		}
	}
	return cpio.WriteTrailer(out)
}

// Compress packs an archive. The settings are fixed and one thread does the work, so equal input is equal output; a
// window of 8 MiB is what every zstd reader must have.
func Compress(archive []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(archive); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
