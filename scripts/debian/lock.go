package debian

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Entry is one package at one version.
type Entry struct {
	Package string `json:"package"`
	Version string `json:"version"`
	Suite   string `json:"suite"`  // where it was found: "trixie/main", "trixie-security/main"
	SHA256  string `json:"sha256"` // of the .deb, 64 lower-case hex digits
}

// Lock is a set of entries, one a package.
type Lock []Entry

// Get finds the entry of a package.
func (l Lock) Get(name string) (Entry, bool) {
	for _, e := range l {
		if e.Package == name {
			return e, true
		}
	}
	return Entry{}, false
}

// LineError names the line of a lock that cannot be read.
type LineError struct {
	Line int // from 1
	Why  string
}

// Error names the line, from 1.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// ReadLock parses a lock: one entry a line, four fields between blanks, '#' starts a comment. The text goes on to apt's
// command line and into file names, so only the characters that Debian Policy 5.6 allows are taken.
func ReadLock(r io.Reader) (Lock, error) {
	var lock Lock
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		f := strings.Fields(text)
		if len(f) == 0 {
			continue
		}
		if len(f) != 4 {
			return nil, &LineError{n, fmt.Sprintf("%d fields, want package, version, suite, sha256", len(f))}
		}
		e := Entry{f[0], f[1], f[2], f[3]}
		if why := e.check(); why != "" {
			return nil, &LineError{n, why}
		}
		if _, twice := lock.Get(e.Package); twice {
			return nil, &LineError{n, "package " + e.Package + " a second time"}
		}
		lock = append(lock, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	return lock, nil
}

// check says what is wrong with an entry, or nothing.
func (e Entry) check() string {
	const lower, digit = "abcdefghijklmnopqrstuvwxyz", "0123456789"
	switch {
	case strings.Trim(e.Package, lower+digit+"+-.") != "" || strings.HasPrefix(e.Package, "-"):
		return fmt.Sprintf("package name %q", e.Package)
	case strings.Trim(e.Version, lower+strings.ToUpper(lower)+digit+"+-.:~") != "":
		return fmt.Sprintf("version %q", e.Version)
	case strings.Trim(e.Suite, lower+digit+"-/") != "":
		return fmt.Sprintf("suite %q", e.Suite)
	}
	if sum, err := hex.DecodeString(e.SHA256); err != nil || len(sum) != 32 || strings.ToLower(e.SHA256) != e.SHA256 {
		return fmt.Sprintf("sha256 %q", e.SHA256)
	}
	return ""
}

// Write writes the lock sorted by package, in columns, so that a change of one package is a change of one line.
func (l Lock) Write(w io.Writer) error {
	sorted := slices.SortedFunc(slices.Values(l), func(a, b Entry) int { return strings.Compare(a.Package, b.Package) })
	var width [3]int
	for _, e := range sorted {
		width[0] = max(width[0], len(e.Package))
		width[1] = max(width[1], len(e.Version))
		width[2] = max(width[2], len(e.Suite))
	}
	for _, e := range sorted {
		_, err := fmt.Fprintf(w, "%-*s  %-*s  %-*s  %s\n", width[0], e.Package, width[1], e.Version, width[2], e.Suite, e.SHA256)
		if err != nil {
			return fmt.Errorf("writing lock: %w", err)
		}
	}
	return nil
}
