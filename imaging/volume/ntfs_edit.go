package volume

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

// ntfsEdit changes files of an NTFS volume in place.
type ntfsEdit struct{ v *ntfs.Volume }

func editNTFS(p *pager) (*ntfsEdit, error) {
	v, err := ntfs.Open(p, p.size)
	if err != nil {
		return nil, err
	}
	return &ntfsEdit{v}, nil
}

// doubtful makes what is wrong with a volume an *EditError of one file.
func doubtful(err error) error {
	var d *ntfs.DamageError
	var room *ntfs.RoomError
	switch {
	case errors.As(err, &d):
		return &EditError{Why: "cannot be changed: " + d.What}
	case errors.As(err, &room):
		return &EditError{Why: room.Error(), Hint: fmt.Sprintf("let it hold at least %d bytes in the master, of whatever", room.Need)}
	}
	return err
}

// find follows a path from the root and returns the file and its directory.
func (n *ntfsEdit) find(path string) (dir, f *ntfs.File, err error) {
	if f, err = n.v.File(ntfs.RecordRoot); err != nil {
		return nil, nil, doubtful(err)
	}
	for name := range strings.SplitSeq(path, "/") {
		if !f.Directory || name == "" {
			return nil, nil, absent()
		}
		dir = f
		if f, err = n.v.Lookup(dir, name); err != nil {
			return nil, nil, doubtful(err)
		}
		if f == nil {
			return nil, nil, absent()
		}
		if f.Link() {
			return nil, nil, &EditError{Why: "leads through a link or a file that a driver makes"}
		}
	}
	return dir, f, nil
}

func (n *ntfsEdit) content(path string) ([]byte, error) {
	_, f, err := n.find(path)
	if err != nil {
		return nil, err
	}
	a := f.Find(ntfs.TypeData, "")
	if f.Directory || a == nil || a.Flags&(ntfs.FlagCompressed|ntfs.FlagEncrypted) != 0 {
		return nil, &EditError{Why: "is no plain file"}
	}
	out := make([]byte, min(a.Size, MaxEdit))
	return out, doubtful(n.v.ReadAttribute(a, out, 0))
}

func (n *ntfsEdit) names(path string) ([]string, error) {
	_, f, err := n.find(path)
	if err != nil {
		return nil, err
	}
	if !f.Directory {
		return nil, absent()
	}
	list, err := n.v.List(f)
	return list, doubtful(err)
}

func (n *ntfsEdit) replace(path string, content []byte) ([]Patch, error) {
	dir, f, err := n.find(path)
	switch {
	case err != nil:
		return nil, err
	case f.Directory:
		return nil, &EditError{Why: "is a directory"}
	case f.Links() != 1:
		return nil, &EditError{Why: "has more than one name",
			Hint: "let it be a file of its own in the master: copy it, and rename the copy over it"}
	case len(content) == 0:
		return nil, &EditError{Why: "cannot become empty"}
	}
	changes, err := n.v.Replace(dir, f, content)
	if err != nil {
		return nil, doubtful(err)
	}
	var out []Patch
	for _, c := range changes {
		if c.Old == nil {
			out = append(out, Patch{c.Offset, c.New})
			continue
		}
		out = append(out, differences(c.Old, c.New, c.Offset)...)
	}
	return out, nil
}
