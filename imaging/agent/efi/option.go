package efi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Active is the attribute of an entry that firmware tries.
const Active = 0x1

// maxOption bounds one variable: EDK2 allows no more than 64 KiB.
const maxOption = 64 << 10

// LoadOption is the content of a Boot#### variable.
type LoadOption struct {
	Attributes  uint32
	Description string
	Path        []Node // the first device path, without its end node
	Optional    []byte // handed to the loader
	rest        []byte // bytes of the path list after the first path, kept as they are
}

// Node is one node of a device path.
type Node struct {
	Type, SubType uint8
	Data          []byte
}

// DamagedError says what is wrong with a load option.
type DamagedError struct{ Reason string }

// Error implements error.
func (e *DamagedError) Error() string { return "load option: " + e.Reason }

func damaged(format string, args ...any) error {
	return &DamagedError{Reason: fmt.Sprintf(format, args...)}
}

// ParseLoadOption reads the content of a Boot#### variable. It fails with *DamagedError.
func ParseLoadOption(b []byte) (LoadOption, error) {
	var o LoadOption
	if len(b) < 8 || len(b) > maxOption {
		return o, damaged("%d bytes", len(b))
	}
	o.Attributes = binary.LittleEndian.Uint32(b)
	paths := int(binary.LittleEndian.Uint16(b[4:]))
	b = b[6:]
	var units []uint16
	for {
		if len(b) < 2 {
			return o, damaged("description without end")
		}
		u := binary.LittleEndian.Uint16(b)
		b = b[2:]
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	o.Description = string(utf16.Decode(units))
	if paths > len(b) {
		return o, damaged("device path of %d bytes in %d", paths, len(b))
	}
	if len(b) > paths {
		o.Optional = bytes.Clone(b[paths:])
	}
	b = b[:paths]
	for {
		if len(b) < 4 {
			return o, damaged("device path without end")
		}
		n := int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return o, damaged("device path node of %d bytes in %d", n, len(b))
		}
		node := Node{Type: b[0], SubType: b[1], Data: bytes.Clone(b[4:n])}
		b = b[n:]
		if node.Type == 0x7f {
			break
		}
		o.Path = append(o.Path, node)
	}
	if len(b) > 0 {
		o.rest = bytes.Clone(b)
	}
	return o, nil
}

// Encode returns the content of a Boot#### variable.
func (o LoadOption) Encode() ([]byte, error) {
	var path []byte
	for _, n := range o.Path {
		if len(n.Data) > maxOption {
			return nil, damaged("device path node of %d bytes", len(n.Data))
		}
		path = append(path, n.Type, n.SubType)
		path = binary.LittleEndian.AppendUint16(path, uint16(len(n.Data)+4))
		path = append(path, n.Data...)
	}
	path = append(path, 0x7f, 0xff, 4, 0)
	path = append(path, o.rest...)
	if len(path) > 0xffff {
		return nil, damaged("device path of %d bytes", len(path))
	}
	b := binary.LittleEndian.AppendUint32(nil, o.Attributes)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(path)))
	b = append(b, utf16le(o.Description)...)
	b = append(b, path...)
	b = append(b, o.Optional...)
	if len(b) > maxOption {
		return nil, damaged("%d bytes", len(b))
	}
	return b, nil
}

// utf16le encodes s with a final NUL; characters that would end it early are left out.
func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if u != 0 {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
	}
	return append(b, 0, 0)
}

// Is tells whether any node has this type and sub-type.
func (o LoadOption) Is(typ, sub uint8) bool { return o.node(typ, sub) != nil }

func (o LoadOption) node(typ, sub uint8) *Node {
	for i, n := range o.Path {
		if n.Type == typ && n.SubType == sub {
			return &o.Path[i]
		}
	}
	return nil
}

// File returns the path of the file that the entry starts, "" when it names none.
func (o LoadOption) File() string {
	var units []uint16
	for _, n := range o.Path {
		if n.Type != mediaType || n.SubType != mediaFile {
			continue
		}
		for i := 0; i+1 < len(n.Data); i += 2 {
			if u := binary.LittleEndian.Uint16(n.Data[i:]); u != 0 {
				units = append(units, u)
			}
		}
	}
	return string(utf16.Decode(units))
}

// The node types that matter here.
const (
	messagingType  = 3
	messagingMAC   = 11
	messagingIPv4  = 12
	messagingIPv6  = 13
	messagingURI   = 24
	mediaType      = 4
	mediaHardDrive = 1
	mediaFile      = 4
)
