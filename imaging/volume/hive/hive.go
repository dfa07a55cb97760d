package hive

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

const (
	baseSize   = 4096    // of the base block; the first bin follows it
	binHeader  = 32      // bytes of a bin before its first cell
	keySize    = 76      // of nk before its name
	valueSize  = 20      // of vk before its name
	maxName    = 255     // characters of the name of a key
	maxVisited = 1 << 16 // keys or values that one lookup compares; Windows' largest keys have some thousands
)

// DamageError says what of a hive is not as it should be.
type DamageError struct {
	What string // completes "the hive ...": "has a key outside it"
}

// Error implements error.
func (e *DamageError) Error() string { return "the hive " + e.What }

func damaged(format string, a ...any) error { return &DamageError{fmt.Sprintf(format, a...)} }

// AbsentError says that a hive has no key or value of that name, or one of another type.
type AbsentError struct {
	Name string
}

// Error implements error.
func (e *AbsentError) Error() string { return fmt.Sprintf("the hive has no %q here", e.Name) }

// Hive is a registry hive that can be read.
type Hive struct {
	r    io.ReaderAt
	size int64 // bytes behind the base block
	root Key
}

// Open proves the base block of the hive of size bytes in r and finds its first key. Small reads of r come in no order
// and should be cached.
func Open(r io.ReaderAt, size int64) (*Hive, error) {
	if size < baseSize+binHeader {
		return nil, damaged("is too short")
	}
	h := &Hive{r: r, size: size - baseSize}
	b := make([]byte, 512)
	if err := h.read(b, -baseSize); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(b[:4]) != "regf" || le.Uint32(b[20:]) != 1 || le.Uint32(b[28:]) != 0 || le.Uint32(b[32:]) != 1 {
		return nil, damaged("is of a kind that is not known")
	}
	if sum := checksum(b[:508]); sum != le.Uint32(b[508:]) {
		return nil, damaged("has a base block with a wrong checksum")
	}
	if n := int64(le.Uint32(b[40:])); n < binHeader || n > h.size {
		return nil, damaged("ends before its size")
	} else {
		h.size = n
	}
	bin := make([]byte, 4)
	if err := h.read(bin, 0); err != nil {
		return nil, err
	}
	if string(bin) != "hbin" {
		return nil, damaged("does not begin with a bin")
	}
	var err error
	h.root, err = h.key(le.Uint32(b[36:]))
	return h, err
}

// checksum is that of the base block: its words, one over the other.
func checksum(b []byte) uint32 {
	var sum uint32
	for ; len(b) >= 4; b = b[4:] {
		sum ^= binary.LittleEndian.Uint32(b)
	}
	switch sum {
	case 0:
		return 1
	case ^uint32(0):
		return sum - 1
	}
	return sum
}

// read fills b with the bytes at off, which counts from the end of the base block.
func (h *Hive) read(b []byte, off int64) error {
	n, err := h.r.ReadAt(b, baseSize+off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d of the hive: %w", len(b), baseSize+off, err)
}

// cell reads the first most bytes, or less if it has less, of the cell at off, which must be in use and have at least
// least bytes.
func (h *Hive) cell(off uint32, least, most int64) ([]byte, error) {
	at := int64(off)
	if at < binHeader || at%8 != 0 || at > h.size-8 {
		return nil, damaged("has a cell outside it, at %d", off)
	}
	b := make([]byte, 4)
	if err := h.read(b, at); err != nil {
		return nil, err
	}
	size := -int64(int32(binary.LittleEndian.Uint32(b)))
	if size-4 < least || size > h.size-at {
		return nil, damaged("has a cell at %d that is too short, too long or not in use", off)
	}
	b = make([]byte, min(size-4, most))
	return b, h.read(b, at+4)
}

// Key is a key of a hive.
type Key struct {
	h       *Hive
	subkeys uint32 // cell of the list; of no meaning where there are none
	values  uint32
	nKeys   uint32
	nValues uint32
	name    string
}

// key reads nk (0x14 number of subkeys, 0x1c their list, 0x24 number of values, 0x28 their list, 0x48 length of the name,
// 0x4c name).
func (h *Hive) key(off uint32) (Key, error) {
	b, err := h.cell(off, keySize, keySize+2*maxName)
	if err != nil {
		return Key{}, err
	}
	le := binary.LittleEndian
	if string(b[:2]) != "nk" {
		return Key{}, damaged("has something else where a key should be, at %d", off)
	}
	name, ok := text(b[keySize:], int(le.Uint16(b[0x48:])), le.Uint16(b[2:])&0x20 != 0)
	if !ok {
		return Key{}, damaged("has a key at %d whose name is too long", off)
	}
	return Key{h: h, name: name, nKeys: le.Uint32(b[0x14:]), subkeys: le.Uint32(b[0x1c:]), nValues: le.Uint32(b[0x24:]),
		values: le.Uint32(b[0x28:])}, nil
}

// text decodes a name of n bytes, in Latin-1 where narrow, else in UTF-16.
func text(b []byte, n int, narrow bool) (string, bool) {
	if n > len(b) {
		return "", false
	}
	var chars []uint16
	for i := 0; i < n; {
		if narrow || i+1 == n {
			chars = append(chars, uint16(b[i]))
			i++
			continue
		}
		chars = append(chars, binary.LittleEndian.Uint16(b[i:]))
		i += 2
	}
	return string(utf16.Decode(chars)), true
}

// Root returns the first key.
func (h *Hive) Root() Key { return h.root }

// Find follows a path of names of subkeys, in capital letters or not. It fails with *AbsentError where there is none.
func (k Key) Find(path ...string) (Key, error) {
	for _, name := range path {
		if k.nKeys == 0 {
			return Key{}, &AbsentError{name}
		}
		budget := maxVisited
		next, found, err := k.h.search(k.subkeys, name, true, &budget)
		if err != nil {
			return Key{}, err
		}
		if !found {
			return Key{}, &AbsentError{name}
		}
		k = next
	}
	return k, nil
}

// search looks for a subkey in a list: lf and lh have a hash beside each place, li has none, ri names further lists.
func (h *Hive) search(list uint32, name string, outer bool, budget *int) (Key, bool, error) {
	b, err := h.cell(list, 4, 4)
	if err != nil {
		return Key{}, false, err
	}
	kind, count, stride := string(b[:2]), int(binary.LittleEndian.Uint16(b[2:])), 4
	switch {
	case kind == "lf" || kind == "lh":
		stride = 8
	case kind == "li" || kind == "ri" && outer:
	default:
		return Key{}, false, damaged("has something else where a list of keys should be, at %d", list)
	}
	size := int64(4 + count*stride)
	if b, err = h.cell(list, size, size); err != nil {
		return Key{}, false, err
	}
	b = b[4:]
	for i := range count {
		if *budget--; *budget < 0 {
			return Key{}, false, damaged("has too many keys in one")
		}
		at := binary.LittleEndian.Uint32(b[i*stride:])
		if kind == "ri" {
			if k, found, err := h.search(at, name, false, budget); found || err != nil {
				return k, found, err
			}
			continue
		}
		k, err := h.key(at)
		if err != nil || strings.EqualFold(k.name, name) {
			return k, err == nil, err
		}
	}
	return Key{}, false, nil
}

// typeDWORD is a number of 32 bits, little-endian.
const typeDWORD = 4

// DWORD returns a value of type REG_DWORD. It fails with *AbsentError where there is none of that name and type.
func (k Key) DWORD(name string) (uint32, error) {
	if k.nValues == 0 {
		return 0, &AbsentError{name}
	}
	if k.nValues > maxVisited {
		return 0, damaged("has too many values in one key")
	}
	size := 4 * int64(k.nValues)
	list, err := k.h.cell(k.values, size, size)
	if err != nil {
		return 0, err
	}
	for ; len(list) > 0; list = list[4:] {
		v, found, err := k.h.value(binary.LittleEndian.Uint32(list), name)
		if found || err != nil {
			return v, err
		}
	}
	return 0, &AbsentError{name}
}

// value reads vk (0x02 length of the name, 0x04 size of the data, its highest bit set where they stand in 0x08 themselves,
// 0x0c type, 0x10 flags, 0x14 name) if it has that name.
func (h *Hive) value(off uint32, name string) (number uint32, found bool, err error) {
	b, err := h.cell(off, valueSize, valueSize+2*maxName)
	if err != nil {
		return 0, false, err
	}
	le := binary.LittleEndian
	if string(b[:2]) != "vk" {
		return 0, false, damaged("has something else where a value should be, at %d", off)
	}
	if own, ok := text(b[valueSize:], int(le.Uint16(b[2:])), le.Uint16(b[0x10:])&1 != 0); !ok || !strings.EqualFold(own, name) {
		return 0, false, nil // names of values may be longer than any that is asked for
	}
	size, data := le.Uint32(b[4:]), b[8:12]
	if le.Uint32(b[12:]) != typeDWORD || size&^(1<<31) != 4 {
		return 0, false, &AbsentError{name}
	}
	if size == 4 {
		if data, err = h.cell(le.Uint32(data), 4, 4); err != nil {
			return 0, false, err
		}
	}
	return le.Uint32(data), true, nil
}
