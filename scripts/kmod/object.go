package kmod

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ulikunitz/xz"
)

// maxObject bounds an unpacked module; the largest of Debian's kernel, a graphics driver, has 28 MiB.
const maxObject = 64 << 20

// Object reads a module's file, unpacked.
func (t *Table) Object(module string) ([]byte, error) {
	file := t.paths[module]
	if file == "" {
		return nil, &UnknownError{module}
	}
	packed, err := os.ReadFile(filepath.Join(t.Dir, file))
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(file, ".xz") {
		return packed, nil
	}
	r, err := xz.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", file, err)
	}
	object, err := io.ReadAll(io.LimitReader(r, maxObject+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", file, err)
	}
	if len(object) > maxObject {
		return nil, fmt.Errorf("unpacking %s: over %d bytes", file, maxObject)
	}
	return object, nil
}

// signatureEnd closes a module that carries a signature, Documentation/admin-guide/module-signing.rst.
const signatureEnd = "~Module signature appended~\n"

// Signed says whether a module carries a signature. Under Secure Boot the kernel loads no other.
func Signed(object []byte) bool { return bytes.HasSuffix(object, []byte(signatureEnd)) }

// Firmware lists the files below lib/firmware that a module says it may ask for.
func Firmware(object []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("reading module: %w", err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("reading module: no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("reading .modinfo: %w", err)
	}
	var files []string
	for entry := range bytes.SplitSeq(info, []byte{0}) {
		if name, ok := strings.CutPrefix(string(entry), "firmware="); ok && filepath.IsLocal(name) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}
