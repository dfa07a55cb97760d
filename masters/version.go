package masters

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/masters/manifest"
)

// MaxName is the most characters of a master's name.
const MaxName = 64

// Version is one immutable capture of a master.
type Version struct {
	Name    string
	Number  int
	Hash    manifest.Hash // of the encoded manifest
	Parent  manifest.Hash // of the version before; zero for the first
	Created time.Time
	Author  string
	Note    string

	DiskSize      int64  // bytes of the disk it was captured from
	UsedBytes     int64  // bytes of kept, fill and don't-care
	Chunks        int    // entries of its manifest
	ManifestBytes int64  // encoded
	NamesBytes    int64  // encoded
	Damaged       string // why it cannot be used; "" when what was looked at so far is sound
}

// String returns NAME@V.
func (v Version) String() string { return fmt.Sprintf("%s@%d", v.Name, v.Number) }

// CheckName tells, by *NameError, why name cannot name a master: 1 ..= MaxName characters of letters, digits, "-", "_"
// and ".", the first a letter or digit. So no name is a path, hidden, or an option of a command.
func CheckName(name string) error {
	switch {
	case name == "":
		return &NameError{Name: name, Reason: "is empty"}
	case len(name) > MaxName:
		return &NameError{Name: name[:MaxName] + "...", Reason: fmt.Sprintf("is longer than %d characters", MaxName)}
	}
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && i == 0 {
			return &NameError{Name: name, Reason: "does not begin with a letter or digit"}
		}
		if !letter && c != '-' && c != '_' && c != '.' {
			return &NameError{Name: name, Reason: fmt.Sprintf("holds %q", rune(c))}
		}
	}
	return nil
}

// ParseRef splits NAME or NAME@V; the number is 0 where there is none. What is wrong is a *NameError.
func ParseRef(ref string) (name string, number int, err error) {
	name, digits, has := strings.Cut(ref, "@")
	if err := CheckName(name); err != nil {
		return "", 0, err
	}
	if !has {
		return name, 0, nil
	}
	number, err = strconv.Atoi(digits)
	if err != nil || number < 1 || strconv.Itoa(number) != digits {
		return "", 0, &NameError{Name: ref, Reason: "has no version number after the @"}
	}
	return name, number, nil
}
