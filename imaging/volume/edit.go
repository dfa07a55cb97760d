package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/imaging/volume/lvm"
)

// Patch is bytes of a volume that replace what lies there.
type Patch struct {
	Offset  int64 // bytes from the start of the volume
	Content []byte
}

// EditError says why a file cannot get another content in place, and what a person can do about it.
type EditError struct {
	Path   string // as asked
	Why    string // completes "PATH ...": "has more than one name"
	Hint   string // how the master must be prepared; "" where nothing helps
	Absent bool   // there is no such file
}

// Error implements error.
func (e *EditError) Error() string { return e.Path + " " + e.Why }

// MaxEdit is the most bytes of a file that an Editor reads or replaces: 1 MiB.
const MaxEdit = 1 << 20

// maxFollowed is how many symbolic links one path may lead through.
const maxFollowed = 8

// Editor tells which bytes of a file system would have to be others for a file to have another content. It only reads: an
// edit is patches inside the blocks that the file has, and in the record that says how long it is. Nothing is allocated
// or freed, no time and no name changes.
type Editor struct {
	Kind    string // ext2, ext3, ext4 or ntfs
	Logical string // name of the logical volume that it lies in; "" for a partition
	segs    []lvm.Extent
	fs      editable
}

// editable is a file system that can be edited. Paths are "/" separated, without a leading one.
type editable interface {
	content(path string) ([]byte, error)
	replace(path string, content []byte) ([]Patch, error)
	names(dir string) ([]string, error)
}

// Editors opens the file systems in the volume of size bytes that r holds: one, those of the logical volumes, or none
// where it is of a kind that cannot be edited. What cannot be read or understood is an error.
func Editors(r io.ReaderAt, size int64) ([]*Editor, error) {
	return editors(newPager(r, size))
}

func editors(p *pager) ([]*Editor, error) {
	head := make([]byte, min(max(p.size, 0), readPast))
	if err := p.read(head, 0); err != nil {
		return nil, err
	}
	kinds := recognise(head, p.size)
	if len(kinds) != 1 {
		return nil, nil
	}
	switch kinds[0].name {
	case "ext":
		x, err := editExt(p, head)
		if err != nil {
			return nil, err
		}
		return []*Editor{{Kind: x.name(), fs: x}}, nil
	case "ntfs":
		n, err := editNTFS(p)
		if err != nil {
			return nil, err
		}
		return []*Editor{{Kind: "ntfs", fs: n}}, nil
	case "lvm2":
		if !p.inner {
			return editLVM(p)
		}
	}
	return nil, nil
}

// editLVM opens the file systems of all logical volumes of a physical volume that is the only one of its group.
func editLVM(p *pager) ([]*Editor, error) {
	pv, err := lvm.Read(p, p.size)
	if err != nil {
		return nil, err
	}
	var out []*Editor
	for _, lv := range pv.Logical {
		inner := newPager(&segments{r: p.r, list: lv.Segments}, lv.Size)
		inner.inner = true
		found, err := editors(inner)
		if err != nil {
			return out, fmt.Errorf("logical volume %s: %w", lv.Name, err)
		}
		for _, e := range found {
			e.Logical, e.segs = lv.Name, lv.Segments
			out = append(out, e)
		}
	}
	return out, nil
}

// Content returns what the regular file at path holds, at most MaxEdit bytes of it. It fails with *EditError where there
// is no such file.
func (e *Editor) Content(path string) ([]byte, error) {
	b, err := e.fs.content(path)
	return b, named(path, err)
}

// Names returns the names in the directory at path, in no order; none where there is no such directory.
func (e *Editor) Names(path string) ([]string, error) {
	list, err := e.fs.names(path)
	err = named(path, err)
	var cannot *EditError
	if errors.As(err, &cannot) && cannot.Absent {
		return nil, nil
	}
	return list, err
}

// Replace returns the patches that give the regular file at path the content: none where it has it. They overlap neither
// each other nor those of another file. It fails with *EditError where the file has no room for it, or cannot be
// changed without changing more than itself.
func (e *Editor) Replace(path string, content []byte) ([]Patch, error) {
	if len(content) > MaxEdit {
		return nil, &EditError{Path: path, Why: fmt.Sprintf("cannot get %d bytes, more than 1 MiB", len(content))}
	}
	list, err := e.fs.replace(path, content)
	if err != nil {
		return nil, named(path, err)
	}
	if e.segs == nil {
		return list, nil
	}
	var out []Patch
	for _, p := range list {
		err := mapped(e.segs, p.Offset, int64(len(p.Content)), func(at, offset, n int64) error {
			out = append(out, Patch{offset, p.Content[at : at+n]})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// named says which path an *EditError or a doubt is about.
func named(path string, err error) error {
	var d *doubt
	var cannot *EditError
	switch {
	case errors.As(err, &d):
		return &EditError{Path: path, Why: "cannot be changed: " + d.why}
	case errors.As(err, &cannot):
		cannot.Path = path
	}
	return err
}

func absent() error { return &EditError{Why: "does not exist", Absent: true} }

// joinGap is how many equal bytes two differences may lie apart and still be one patch.
const joinGap = 64

// differences are the patches that make old, which lies at off, new. Both have the same length.
func differences(old, new []byte, off int64) []Patch {
	var out []Patch
	for at := 0; at < len(new); at++ {
		if old[at] == new[at] {
			continue
		}
		end := at + 1
		for k := end; k < len(new) && k-end < joinGap; k++ {
			if old[k] != new[k] {
				end = k + 1
			}
		}
		out = append(out, Patch{off + int64(at), bytes.Clone(new[at:end])})
		at = end - 1
	}
	return out
}
