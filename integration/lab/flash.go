package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unicode/utf16"
)

// Flash is the file that holds a UEFI PC's firmware variables, for use while the PC is off: what a running system does
// through efivarfs. It knows EFI_GLOBAL_VARIABLE only.
//
// The layout is EDK2's authenticated variable store (MdeModulePkg/Include/Guid/VariableFormat.h): a firmware volume header
// whose length stands at 48, a store header of 28 bytes, then variables on multiples of 4, until the flash is blank.
type Flash struct{ Path string }

// Flash returns the PC's firmware variables.
func (pc *PC) Flash() Flash { return Flash{pc.variables()} }

// Parts of the layout, in bytes.
const (
	flashLength   = 48 // of the volume's header, where it stands
	flashStore    = 28 // size of the store's header
	flashVariable = 60 // size of a variable's header
	flashID       = 0x55AA
	flashAdded    = 0x3F
	flashDeleted  = 0x3C // with both bits that delete
)

// globalGUID is EFI_GLOBAL_VARIABLE as it lies in memory.
func globalGUID() []byte {
	return []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
}

// variable is one variable where it lies.
type variable struct {
	at, end int // of the header, and behind the content
	state   byte
	global  bool
	name    string
	content []byte
}

// walk reads the variables, the deleted ones too, and where the blank flash begins and ends.
func (f Flash) walk() (flash []byte, list []variable, blank, limit int, err error) {
	if flash, err = os.ReadFile(f.Path); err != nil {
		return nil, nil, 0, 0, err
	}
	le := binary.LittleEndian
	if len(flash) < 128 {
		return nil, nil, 0, 0, fmt.Errorf("%s is no firmware flash", f.Path)
	}
	at := int(le.Uint16(flash[flashLength:]))
	limit = at + int(le.Uint32(flash[at+16:]))
	if limit > len(flash) {
		return nil, nil, 0, 0, fmt.Errorf("%s is no firmware flash", f.Path)
	}
	for at += flashStore; at+flashVariable <= limit && le.Uint16(flash[at:]) == flashID; {
		names, content := int(le.Uint32(flash[at+36:])), int(le.Uint32(flash[at+40:]))
		begin := at + flashVariable
		end := begin + names + content
		if end > limit {
			return nil, nil, 0, 0, fmt.Errorf("%s: a variable at %d leaves the store", f.Path, at)
		}
		var units []uint16
		for i := begin; i+1 < begin+names; i += 2 {
			if u := le.Uint16(flash[i:]); u != 0 {
				units = append(units, u)
			}
		}
		list = append(list, variable{at: at, end: end, state: flash[at+2], global: bytes.Equal(flash[at+44:at+60], globalGUID()),
			name: string(utf16.Decode(units)), content: flash[begin+names : end]})
		at = (end + 3) &^ 3
	}
	return flash, list, at, limit, nil
}

// Get returns the content of a variable.
func (f Flash) Get(name string) ([]byte, error) {
	_, list, _, _, err := f.walk()
	for _, v := range list {
		if v.global && v.state == flashAdded && v.name == name {
			return v.content, nil
		}
	}
	return nil, errors.Join(err, fs.ErrNotExist)
}

// List returns the names of all variables.
func (f Flash) List() ([]string, error) {
	_, list, _, _, err := f.walk()
	var names []string
	for _, v := range list {
		if v.global && v.state == flashAdded {
			names = append(names, v.name)
		}
	}
	return names, err
}

// Set writes a variable behind the others and marks the older one deleted, as firmware does. No content: it is deleted.
func (f Flash) Set(name string, content []byte) error {
	flash, list, at, limit, err := f.walk()
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.global && v.state == flashAdded && v.name == name {
			flash[v.at+2] = flashDeleted
		}
	}
	if len(content) == 0 {
		return os.WriteFile(f.Path, flash, 0o600)
	}
	le := binary.LittleEndian
	var text []byte
	for _, u := range append(utf16.Encode([]rune(name)), 0) {
		text = le.AppendUint16(text, u)
	}
	b := make([]byte, flashVariable)
	le.PutUint16(b, flashID)
	b[2] = flashAdded
	le.PutUint32(b[4:], 7) // non-volatile, boot service and runtime access
	le.PutUint32(b[36:], uint32(len(text)))
	le.PutUint32(b[40:], uint32(len(content)))
	copy(b[44:], globalGUID())
	b = append(append(b, text...), content...)
	if at+len(b) > limit {
		return fmt.Errorf("%s has no room for %s", f.Path, name)
	}
	copy(flash[at:], b)
	return os.WriteFile(f.Path, flash, 0o600)
}
