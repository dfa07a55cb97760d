package ntfs

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

const spaceDOS = 2 // the short name that Windows made beside a long one

// Name is one name of a file, as its record has it.
type Name struct {
	Parent   uint64 // record of the directory
	sequence uint16 // of that record when the name was made
	dos      bool
	chars    []byte // UTF-16
}

// Text is the name for a person: what no name may hold is replaced by "?".
func (n Name) Text() string { return text(n.chars) }

// parseName reads $FILE_NAME (0x00 directory, 0x40 length in characters, 0x41 name space, 0x42 name).
func parseName(b []byte) (Name, bool) {
	if len(b) < 0x42 || len(b) < 0x42+2*int(b[0x40]) || b[0x40] == 0 {
		return Name{}, false
	}
	ref := le64(b, 0)
	return Name{Parent: ref & numberMask, sequence: uint16(ref >> numberBits), dos: b[0x41] == spaceDOS,
		chars: b[0x42 : 0x42+2*int(b[0x40])]}, true
}

func text(b []byte) string {
	chars := make([]uint16, len(b)/2)
	for i := range chars {
		if chars[i] = le16(b, 2*i); chars[i] == '/' || chars[i] == 0 {
			chars[i] = '?'
		}
	}
	return string(utf16.Decode(chars))
}

// InRoot says whether the file lies in the root directory under that name, capital letters or not.
func (f *File) InRoot(name string) bool {
	return slices.ContainsFunc(f.Names, func(n Name) bool { return n.Parent == RecordRoot && n.is(name) })
}

// Named says whether the file has that name in any directory, capital letters or not.
func (f *File) Named(name string) bool {
	return slices.ContainsFunc(f.Names, func(n Name) bool { return n.is(name) })
}

// is compares with a name in ASCII.
func (n Name) is(name string) bool {
	return len(n.chars) == 2*len(name) && strings.EqualFold(n.Text(), name)
}

const (
	maxDepth = 1024     // directories in each other
	maxPath  = 64 << 10 // bytes
	maxPaths = 16 << 20 // bytes of paths of directories that are remembered
)

// Path is the first path of a file in the order of names, "/" separated, without a leading one. A short name counts only
// where there is no other. A file that no way leads to is called "#" and its number.
func (v *Volume) Path(f *File) string {
	first := ""
	for _, n := range named(f.Names) {
		dir, ok := v.directory(n, 0)
		if path := join(dir, n.Text()); ok && (first == "" || before(path, first)) {
			first = path
		}
	}
	if first == "" {
		return "#" + strconv.FormatUint(f.Number, 10)
	}
	return first
}

// named leaves the short names out, if there are others.
func named(all []Name) []Name {
	long := slices.DeleteFunc(slices.Clone(all), func(n Name) bool { return n.dos })
	if len(long) == 0 {
		return all
	}
	return long
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// before compares two paths name by name, each by its bytes.
func before(a, b string) bool {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) < 0
}

// unreachable stands among the paths for a directory that no way leads to: no path holds a zero byte.
const unreachable = "\x00"

// directory is the path of the directory that a name lies in; false where the way to the root is lost.
func (v *Volume) directory(n Name, depth int) (string, bool) {
	if n.Parent == RecordRoot {
		return "", true
	}
	if path, ok := v.paths[n.Parent]; ok {
		return path, path != unreachable
	}
	path := unreachable
	if depth < maxDepth {
		v.paths[n.Parent] = unreachable // a circle ends here
		path = v.lookUp(n, depth)
	}
	if v.kept += len(path); v.kept > maxPaths {
		clear(v.paths)
		v.kept = 0
	}
	v.paths[n.Parent] = path
	return path, path != unreachable
}

func (v *Volume) lookUp(n Name, depth int) string {
	b := make([]byte, v.Record)
	h, err := v.open(b, n.Parent)
	if err != nil || h.flags&(recordInUse|recordDirectory) != recordInUse|recordDirectory || h.sequence != n.sequence {
		return unreachable
	}
	f := &File{Number: n.Parent}
	if h.extends || v.build(f, h, b) != nil || len(f.Names) == 0 {
		return unreachable
	}
	own := named(f.Names)[0]
	dir, ok := v.directory(own, depth+1)
	if path := join(dir, own.Text()); ok && len(path) <= maxPath {
		return path
	}
	return unreachable
}
