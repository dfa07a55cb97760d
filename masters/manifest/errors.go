package manifest

import "fmt"

// InvalidError says which structure of a manifest or names table is wrong, and what about it.
type InvalidError struct {
	Structure string // "preamble", "section PIEC", "partition 3", "entry 17" ...
	Reason    string
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("manifest: %s: %s", e.Structure, e.Reason) }

// FormatError says that a manifest or names table is of a format version that this program does not read.
type FormatError struct {
	What    string // "manifest" or "names table"
	Version uint32
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: format version %d, this program reads %d", e.What, e.Version, Format)
}

func invalid(structure, format string, args ...any) error {
	return &InvalidError{Structure: structure, Reason: fmt.Sprintf(format, args...)}
}
