package initramfs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Trees are folders that together look like one root: unpacked packages, the first that has a file wins.
type Trees []string

// MissingError names a file that no tree holds.
type MissingError struct{ Name string }

// Error names the file.
func (e *MissingError) Error() string { return fmt.Sprintf("%s is in none of the packages", e.Name) }

// Find returns the host's path of a file, following symbolic links within the trees: an absolute link of a package
// means the package's root, not the host's.
func (t Trees) Find(name string) (string, error) {
	const maxLinks = 16
	at := name
	for range maxLinks {
		file, info, err := t.lstat(at)
		if err != nil {
			return "", &MissingError{name}
		}
		if info.Mode()&os.ModeSymlink == 0 {
			return file, nil
		}
		target, err := os.Readlink(file)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(at), target)
		}
		at = target
	}
	return "", fmt.Errorf("%s: more than %d links", name, maxLinks)
}

// lstat finds a name in the first tree that has it. Since Debian 13 everything lies below usr, and /bin, /sbin, /lib and
// /lib64 are links that another package makes.
func (t Trees) lstat(name string) (string, os.FileInfo, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for _, candidate := range []string{name, "usr/" + name} {
		for _, tree := range t {
			file := filepath.Join(tree, candidate)
			if info, err := os.Lstat(file); err == nil {
				return file, info, nil
			}
		}
	}
	return "", nil, os.ErrNotExist
}

// libraryFolder is where the loader of Debian's libc for this machine looks first, ld.so(8) and its system directories.
const libraryFolder = "lib/x86_64-linux-gnu"

// Libraries returns what a program needs to start: loader and shared libraries, as name in the root to the host's path.
// A script or a static program needs nothing.
func (t Trees) Libraries(program string) (map[string]string, error) {
	need := map[string]string{}
	todo := []string{program}
	for len(todo) > 0 {
		file, err := t.Find(todo[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
		loader, libraries, err := dynamic(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", todo[0], err)
		}
		todo = todo[1:]
		if loader != "" {
			libraries = append(libraries, loader)
		}
		for _, name := range libraries {
			if !strings.Contains(name, "/") {
				name = libraryFolder + "/" + name
			}
			if _, known := need[name]; known || path.Base(name) == "ld-linux-x86-64.so.2" && name != loader {
				continue
			}
			if need[name], err = t.Find(name); err != nil {
				return nil, fmt.Errorf("%s: %w", program, err)
			}
			todo = append(todo, name)
		}
	}
	return need, nil
}

// dynamic reads a file's loader and DT_NEEDED entries.
func dynamic(file string) (loader string, libraries []string, err error) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil, nil // a script
	}
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			text := make([]byte, p.Filesz)
			if _, err := p.ReadAt(text, 0); err != nil {
				return "", nil, fmt.Errorf("reading its loader: %w", err)
			}
			loader = strings.TrimRight(string(text), "\x00")
		}
	}
	libraries, err = f.ImportedLibraries()
	return loader, libraries, err
}

// Program adds a program and what it needs to an archive.
func (a *Archive) Program(t Trees, name string) error {
	files, err := t.Libraries(name)
	if err != nil {
		return err
	}
	if files[name], err = t.Find(name); err != nil {
		return err
	}
	for at, source := range maps.All(files) {
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		a.File(at, content, true)
	}
	return nil
}
