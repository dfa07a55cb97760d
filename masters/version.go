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
	Note    string // of its capture; Library.About has later ones

	DiskSize      int64  // bytes of the disk it was captured from
	UsedBytes     int64  // bytes of kept, fill and don't-care
	Chunks        int    // entries of its manifest
	ManifestBytes int64  // encoded
	NamesBytes    int64  // encoded
	StoredBytes   int64  // of its frames when it was published; 0 when nobody wrote it down
	NewBytes      int64  // of these, that were not in the store before its capture's last session
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

// Ref is what a person names a version by.
type Ref struct {
	Name    string
	Number  int    // 0 where none is given
	Channel string // "" where none is given
}

// ParseRef splits NAME, NAME@V or NAME@CHANNEL. What is wrong is a *NameError.
func ParseRef(ref string) (Ref, error) {
	name, rest, has := strings.Cut(ref, "@")
	if err := CheckName(name); err != nil || !has {
		return Ref{Name: name}, err
	}
	if CheckChannel(rest) == nil {
		return Ref{Name: name, Channel: rest}, nil
	}
	number, err := strconv.Atoi(rest)
	if err != nil || number < 1 || strconv.Itoa(number) != rest {
		return Ref{}, &NameError{Name: ref, Reason: "has no version number or channel after the @"}
	}
	return Ref{Name: name, Number: number}, nil
}
