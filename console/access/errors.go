package access

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/store"
)

// Error is an answer that is a refusal.
type Error struct {
	Status int    `json:"-"`
	Code   string `json:"code"` // of console/notices
	What   string `json:"what,omitempty"`
	Detail string `json:"detail,omitempty"`
	Field  string `json:"field,omitempty"` // of a form or a body, where it is one that is wrong
	Wait   int    `json:"wait,omitempty"`  // seconds, after which it is worth trying again
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Code
	if e.What != "" {
		s = e.What + ": " + s
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// GetStatus is the status that HTTP answers with.
func (e *Error) GetStatus() int { return e.Status }

// notFound is the answer for what is not there, or not for this caller's eyes.
func notFound(code, what string) *Error {
	return &Error{Status: http.StatusNotFound, Code: code, What: fleet.Clean(what, 64)}
}

// forbidden is the answer for what the caller sees but may not do.
func forbidden(what string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "forbidden", What: fleet.Clean(what, 64)}
}

// conflict is the answer for what cannot be as things are.
func conflict(code, what, detail string) *Error {
	return &Error{Status: http.StatusConflict, Code: code, What: what, Detail: detail}
}

// Bad is the answer to an order that makes no sense.
func Bad(detail string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "bad-order", Detail: detail}
}

// ErrorOf says an error in the words of the wire, with a code of console/notices.
func ErrorOf(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	for _, find := range []func(error) *Error{fleetError, peopleError, requestError, masterError, storeError} {
		if e := find(err); e != nil {
			return e
		}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error()}
}

// fleetError says what the fleet, or a disk's judge, refused; nil for other errors.
func fleetError(err error) *Error {
	var (
		refused *fleet.RefusedError
		small   *disk.TooSmallError
		sector  *disk.SectorSizeError
	)
	switch {
	case errors.As(err, &refused):
		status := http.StatusConflict
		switch refused.Code {
		case fleet.CodeNoComputer, fleet.CodeNoJob, fleet.CodeNoRoom, fleet.CodeNoSite, fleet.CodeNoFilter, fleet.CodeNoSchedule,
			fleet.CodeNoScript, fleet.CodeNoWindow, fleet.CodeNoHelper:
			status = http.StatusNotFound
		case fleet.CodeBadName, fleet.CodeBadOrder, fleet.CodeBadRoom, fleet.CodeBadSite, fleet.CodeBadFilter, fleet.CodeBadTag,
			fleet.CodeBadNote, fleet.CodeBadSchedule, fleet.CodeBadScript, fleet.CodeBadWindow, fleet.CodeBadSheet:
			status = http.StatusBadRequest
		}
		return &Error{Status: status, Code: string(refused.Code), What: refused.What, Detail: refused.Detail}
	case errors.As(err, &small):
		return conflict(string(fleet.CodeDiskTooSmall), "", small.Error())
	case errors.As(err, &sector):
		return conflict(string(fleet.CodeSectorSize), "", sector.Error())
	}
	return nil
}

// masterError says what went wrong with a master; nil for other errors.
func masterError(err error) *Error {
	var (
		unknown   *masters.UnknownError
		name      *masters.NameError
		untrusted *masters.UntrustedError
		held      *masters.HeldError
		nothing   *masters.NothingBeforeError
		channel   *masters.ChannelError
		note      *masters.NoteError
		rule      *masters.RuleError
		about     *masters.AboutError
		foreign   *masters.ForeignKeyError
		taken     *masters.TakenError
	)
	bad := func(code, what, detail string) *Error {
		return &Error{Status: http.StatusBadRequest, Code: code, What: what, Detail: detail}
	}
	switch {
	case errors.As(err, &unknown):
		return &Error{Status: http.StatusNotFound, Code: "no-master", What: unknown.What}
	case errors.As(err, &name):
		return bad("bad-master", name.Name, name.Reason)
	case errors.As(err, &untrusted):
		return conflict("untrusted", untrusted.Version, untrusted.Err.Error())
	case errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &held):
		return conflict("master-needed", held.Version, strings.Join(held.By, ", "))
	case errors.As(err, &nothing):
		return conflict("nothing-before", nothing.Channel, "")
	case errors.As(err, &channel):
		return bad("bad-channel", channel.Channel, channel.Reason)
	case errors.As(err, &note):
		return bad("bad-note", "", note.Reason)
	case errors.As(err, &rule):
		return bad("bad-rule", "", rule.Reason)
	case errors.As(err, &about):
		return conflict("about-damaged", about.Name, about.Err.Error())
	case errors.As(err, &foreign):
		return conflict("foreign-key", foreign.Version, foreign.Fingerprint)
	case errors.As(err, &taken):
		return conflict("version-taken", taken.Version, "")
	}
	return nil
}

// storeError says what went wrong with a file, a chunk or the store; nil for other errors.
func storeError(err error) *Error {
	var (
		incomplete  *masters.IncompleteError
		uncountable *masters.UncountableError
		file        *export.FileError
		format      *export.FormatError
		damaged     *chunk.DamagedError
		gone        *store.NotFoundError
		replica     *store.ReplicaError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &uncountable): // whatever is wrong with that version
		return conflict("uncountable", uncountable.Version, uncountable.Err.Error())
	case errors.As(err, &replica):
		return conflict("no-replica", replica.Dir, replica.Error())
	case errors.As(err, &file):
		return conflict("bad-file", "", file.Error())
	case errors.As(err, &format):
		return conflict("newer-file", "", format.Error())
	case errors.As(err, &incomplete):
		return conflict("incomplete", "", incomplete.Error())
	case errors.As(err, &damaged), errors.As(err, &gone):
		return conflict("damaged-chunk", "", err.Error())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{Status: http.StatusInsufficientStorage, Code: "no-space", Detail: err.Error()}
	case errors.Is(err, syscall.EROFS):
		return &Error{Status: http.StatusInternalServerError, Code: "read-only", Detail: err.Error()}
	}
	return nil
}
