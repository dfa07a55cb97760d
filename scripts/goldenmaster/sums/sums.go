package sums

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Entry is one name of a tree.
type Entry struct {
	Kind   byte   // 'd' folder, 'f' file, 'l' link
	Path   string // relative to the tree, with slashes
	SHA256 string // of a file's content, in hex
	Target string // of a link
}

// Scan lists a tree in lexical order, without its root.
func Scan(root string) ([]Entry, error) {
	var list []Entry
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		e := Entry{Path: name}
		switch d.Type() {
		case 0:
			e.Kind = 'f'
			e.SHA256, err = hash(file)
		case fs.ModeDir:
			e.Kind = 'd'
		case fs.ModeSymlink:
			e.Kind = 'l'
			e.Target, err = os.Readlink(file)
		default:
			err = fmt.Errorf("%s: neither file, folder nor link", name)
		}
		list = append(list, e)
		return err
	})
	return list, err
}

// hash is the SHA-256 of a file in hex.
func hash(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Write writes a list.
func Write(w io.Writer, list []Entry) error {
	for _, e := range list {
		sum := e.SHA256
		if sum == "" {
			sum = "-"
		}
		line := fmt.Sprintf("%c %s %q", e.Kind, sum, e.Path)
		if e.Kind == 'l' {
			line += fmt.Sprintf(" %q", e.Target)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// LineError names the line of a list that cannot be read.
type LineError struct {
	Line int // from 1
	Text string
}

// Error quotes the line, cut at 80 bytes.
func (e *LineError) Error() string { return fmt.Sprintf("line %d of the list: %.80q", e.Line, e.Text) }

// Read reads a list. The disk under it may be damaged, so anything may be in it.
func Read(r io.Reader) ([]Entry, error) {
	var list []Entry
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		e, err := parse(lines.Text())
		if err != nil {
			return nil, &LineError{n, lines.Text()}
		}
		list = append(list, e)
	}
	return list, lines.Err()
}

var errForm = errors.New("not of the form of a list")

// parse reads one line.
func parse(line string) (Entry, error) {
	kind, rest, _ := strings.Cut(line, " ")
	sum, rest, ok := strings.Cut(rest, " ")
	if !ok || len(kind) != 1 || !strings.Contains("dfl", kind) || (len(sum) != 64) == (kind == "f") {
		return Entry{}, errForm
	}
	e := Entry{Kind: kind[0]}
	if e.Kind == 'f' {
		e.SHA256 = sum
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return Entry{}, err
	}
	if e.Path, err = strconv.Unquote(quoted); err != nil {
		return Entry{}, err
	}
	if rest = rest[len(quoted):]; e.Kind == 'l' {
		if e.Target, err = strconv.Unquote(strings.TrimPrefix(rest, " ")); err != nil {
			return Entry{}, err
		}
		rest = ""
	}
	if rest != "" || !filepath.IsLocal(e.Path) {
		return Entry{}, errForm
	}
	return e, nil
}

// Check compares a tree with a list and says what differs, one sentence a name.
func Check(root string, want []Entry) ([]string, error) {
	found, err := Scan(root)
	if err != nil {
		return nil, err
	}
	have := map[string]Entry{}
	for _, e := range found {
		have[e.Path] = e
	}
	var wrong []string
	for _, w := range want {
		switch h, ok := have[w.Path]; {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%q is missing", w.Path))
		case h != w:
			wrong = append(wrong, fmt.Sprintf("%q differs", w.Path))
		}
		delete(have, w.Path)
	}
	for name := range have {
		wrong = append(wrong, fmt.Sprintf("%q is not in the list", name))
	}
	slices.Sort(wrong)
	return wrong, nil
}
