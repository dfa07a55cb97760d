package masters

import (
	"fmt"
	"strings"

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

// RestoringError says that the restore of a backup into the folder was interrupted.
type RestoringError struct {
	Dir string
}

// Error implements error.
func (e *RestoringError) Error() string {
	return fmt.Sprintf("a backup was being restored into %s, and was interrupted", e.Dir)
}

// FormatError says that the folder was made by a program of another format.
type FormatError struct {
	Dir  string
	Line string // what its file "format" says
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("folder %s has the format %q, this program reads %q", e.Dir, e.Line, strings.TrimSpace(formatLine))
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

// AboutError says that nothing can be believed of a master's channels and notes.
type AboutError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *AboutError) Error() string {
	return fmt.Sprintf("channels and notes of %s (masters/%s/%s) are not as they were signed: %v", e.Name, e.Name, aboutName, e.Err)
}

// Unwrap returns what is wrong.
func (e *AboutError) Unwrap() error { return e.Err }

// ChannelError says why a word cannot name a channel.
type ChannelError struct {
	Channel string
	Reason  string
}

// Error implements error.
func (e *ChannelError) Error() string { return fmt.Sprintf("channel name %q %s", e.Channel, e.Reason) }

// NothingBeforeError says that a channel has nothing to go back to.
type NothingBeforeError struct {
	Channel string // NAME@CHANNEL
}

// Error implements error.
func (e *NothingBeforeError) Error() string {
	return fmt.Sprintf("%s has pointed at no other version that is still there", e.Channel)
}

// NoteError says why a text cannot be a note, or an author.
type NoteError struct {
	Reason string
}

// Error implements error.
func (e *NoteError) Error() string { return e.Reason }

// RuleError says why something cannot be a retention rule.
type RuleError struct {
	Reason string
}

// Error implements error.
func (e *RuleError) Error() string { return e.Reason }

// HeldError says that a version cannot be forgotten, and for whose sake.
type HeldError struct {
	Version string   // NAME@V
	By      []string // "channel stable", "computer S104-07 runs it" ...
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is needed: %s", e.Version, strings.Join(e.By, ", "))
}

// ForeignKeyError says that what is imported was signed by a key that is not this site's.
type ForeignKeyError struct {
	Version     string // NAME@V, as it says itself
	Key         string // base64
	Fingerprint string // what a person compares
}

// Error implements error.
func (e *ForeignKeyError) Error() string {
	return fmt.Sprintf("%s is signed by a key of another site, fingerprint %s", e.Version, e.Fingerprint)
}

// TakenError says that the number of an imported version belongs, or did, to another one here.
type TakenError struct {
	Version string // NAME@V
}

// Error implements error.
func (e *TakenError) Error() string {
	return fmt.Sprintf("another %s is, or was, here already", e.Version)
}
