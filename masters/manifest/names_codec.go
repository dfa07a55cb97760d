package manifest

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
)

const (
	namesMagic = "ARDNAMES"
	maxVolumes = 1 << 20
	maxRecord  = 6 * binary.MaxVarintLen64 // bytes of a record besides its path
)

// MaxPath is the largest path of a name in bytes; NamesWriter cuts what is longer, since names are for people only.
const MaxPath = 64 << 10

// MaxNames is the most bytes that a names table decompresses to, some 60 million names: a reader is not kept busy for
// days by a few bytes that say much.
const MaxNames = 16 << 30

// NamesWriter writes a names table as a stream, in bounded memory.
type NamesWriter struct {
	b     *blockWriter
	path  string
	next  uint64 // the lowest stream number that may follow
	count uint64
	left  int64 // bytes of content that may still come
}

// NewNamesWriter begins a names table on w. It is complete once Close returned.
func NewNamesWriter(w io.Writer) *NamesWriter {
	n := &NamesWriter{b: newBlockWriter(w, namesMagic), left: MaxNames}
	n.b.begin("NAME")
	return n
}

// Add appends a name. Stream numbers must ascend. It fails with *InvalidError where a reader would.
func (n *NamesWriter) Add(name Name) error {
	if uint64(name.Stream) < n.next || name.Volume < 0 || name.Volume > maxVolumes || name.Size < 0 {
		return invalid(fmt.Sprintf("name %d", n.count), "stream %d, volume %d or size %d is out of order or range",
			name.Stream, name.Volume, name.Size)
	}
	path := name.Path[:min(len(name.Path), MaxPath)]
	shared := 0
	for shared < len(path) && shared < len(n.path) && path[shared] == n.path[shared] {
		shared++
	}
	if n.left -= maxRecord + int64(len(path)-shared); n.left < 0 {
		return invalid("names table", "more than %d bytes", int64(MaxNames))
	}
	n.b.uvarint(uint64(name.Stream) - n.next)
	n.b.uvarint(uint64(name.Volume))
	n.b.uvarint(name.Number)
	n.b.uvarint(uint64(name.Size))
	n.b.uvarint(uint64(shared))
	n.b.uvarint(uint64(len(path) - shared))
	n.b.write([]byte(path[shared:]))
	n.path, n.next = path, uint64(name.Stream)+1
	n.count++
	return n.failed()
}

// Close ends the table and returns its hash and its number of names: Manifest.Names and NameCount. It does not close
// the writer below.
func (n *NamesWriter) Close() (Hash, int, error) {
	n.b.end()
	n.b.raw(binary.LittleEndian.AppendUint64(nil, n.count))
	return n.b.hash(), int(n.count), n.failed()
}

func (n *NamesWriter) failed() error {
	if n.b.err != nil {
		return fmt.Errorf("writing a names table: %w", n.b.err)
	}
	return nil
}

// ReadNames walks an encoded names table to the end of r, in bounded memory. The last pair may be an error:
// *InvalidError, *FormatError or one of r. The table as a whole is only known to be sound when the walk ended without.
func ReadNames(r io.Reader) iter.Seq2[Name, error] {
	return func(yield func(Name, error) bool) {
		if _, _, err := walkNames(r, func(n Name) bool { return yield(n, nil) }); err != nil {
			yield(Name{}, err)
		}
	}
}

// CheckNames reads an encoded names table to the end of r and tells whether it is the one that m was made with.
func CheckNames(r io.Reader, m *Manifest) error {
	var wrong error
	next := uint32(0)
	hash, whole, err := walkNames(r, func(n Name) bool {
		if n.Stream != next || int64(next) >= int64(m.NameCount) || n.Volume >= len(m.Volumes) {
			wrong = invalid(fmt.Sprintf("name of stream %d", n.Stream), "stream or volume %d is not in the manifest", n.Volume)
		}
		next++
		return wrong == nil
	})
	switch {
	case err != nil:
		return err
	case wrong != nil:
		return wrong
	case !whole || int64(next) != int64(m.NameCount):
		return invalid("names table", "%d names, the manifest declares %d", next, m.NameCount)
	case hash != m.Names:
		return invalid("names table", "hash %s is not the manifest's %s", hash, m.Names)
	}
	return nil
}

// walkNames calls yield for each name until it returns false, and tells whether it came to the end.
func walkNames(r io.Reader, yield func(Name) bool) (Hash, bool, error) {
	b, err := newBlockReader(r, namesMagic, "names table", MaxNames)
	if err != nil {
		return Hash{}, false, err
	}
	defer b.close()
	if err := b.begin("NAME"); err != nil {
		return Hash{}, false, err
	}
	var count, next uint64
	var path []byte
	for {
		more, err := b.more()
		if err != nil {
			return Hash{}, false, err
		}
		if !more {
			break
		}
		name, err := readName(b, next, &path)
		if err != nil {
			return Hash{}, false, fmt.Errorf("reading name %d: %w", count, err)
		}
		next = uint64(name.Stream) + 1
		count++
		if !yield(name) {
			return Hash{}, false, nil
		}
	}
	var tail [8]byte
	if err := b.raw(tail[:]); err != nil {
		return Hash{}, false, err
	}
	if binary.LittleEndian.Uint64(tail[:]) != count {
		return Hash{}, false, invalid("names table", "%d names, it declares %d", count, binary.LittleEndian.Uint64(tail[:]))
	}
	hash, err := b.eof()
	return hash, err == nil, err
}

// more tells whether the section has another byte.
func (b *blockReader) more() (bool, error) {
	if b.pos < len(b.content) {
		return true, nil
	}
	return b.next()
}

func readName(b *blockReader, next uint64, path *[]byte) (Name, error) {
	var fields [6]uint64
	for i, most := range [6]uint64{math.MaxUint32, maxVolumes, math.MaxUint64, math.MaxInt64, uint64(len(*path)), MaxPath} {
		v, err := b.uvarint(most)
		if err != nil {
			return Name{}, err
		}
		fields[i] = v
	}
	stream, shared, rest := next+fields[0], fields[4], fields[5]
	if stream > math.MaxUint32 || shared+rest > MaxPath {
		return Name{}, invalid(b.section, "stream number or path is too large")
	}
	full := append((*path)[:shared], make([]byte, rest)...)
	if err := b.full(full[shared:]); err != nil {
		return Name{}, err
	}
	*path = full
	return Name{Stream: uint32(stream), Volume: int(fields[1]), Number: fields[2], Size: int64(fields[3]), Path: string(full)}, nil
}
