package masters

import (
	"fmt"

	"github.com/ardoise/ardoise/masters/chunk"
)

// UntrustedError says that something of a version is not what a trusted key has signed.
type UntrustedError struct {
	Version string // NAME@V, or a hash
	Err     error  // what is wrong: *sign.UntrustedError, *manifest.InvalidError ...
}

// Error implements error.
func (e *UntrustedError) Error() string {
	return fmt.Sprintf("master %s is not as it was signed: %v", e.Version, e.Err)
}

// Unwrap returns what is wrong.
func (e *UntrustedError) Unwrap() error { return e.Err }

// UnknownError says that there is no such master, version or hash.
type UnknownError struct {
	What string
}

// Error implements error.
func (e *UnknownError) Error() string { return fmt.Sprintf("there is no master %s", e.What) }

// NameError says why a word cannot name a master.
type NameError struct {
	Name   string
	Reason string
}

// Error implements error.
func (e *NameError) Error() string { return fmt.Sprintf("master name %q %s", e.Name, e.Reason) }

// InUseError says that another process uses the folder.
type InUseError struct {
	Dir string
}

// Error implements error.
func (e *InUseError) Error() string {
	return fmt.Sprintf("folder %s is in use by another ardoise", e.Dir)
}

// FormatError says that the folder was made by a program of another format.
type FormatError struct {
	Dir  string
	Line string // what its file "format" says
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("folder %s has the format %q", e.Dir, e.Line)
}

// IncompleteError says that a manifest cannot be published since the store lacks a chunk of it.
type IncompleteError struct {
	ID     chunk.ID // the first one
	Count  int      // how many there are
	Reason string   // "is missing"
}

// Error implements error.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d chunks are not in the store; the first, %s, %s", e.Count, e.ID, e.Reason)
}
