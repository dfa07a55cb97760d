package main

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/backup"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/grub"
)

// noticeError ends a command with a notice.
type noticeError struct{ code, what, detail string }

// Error implements error.
func (e *noticeError) Error() string { return e.code + ": " + e.what + " " + e.detail }

// complaint is how a command's end is told: an exit code, one line for what happened, one for what to do.
type complaint struct {
	exit        int
	error, hint string
}

// daemonComplaint finds the notice for an error of the daemon or its clients; ok is false when there is none.
func daemonComplaint(err error, language notices.Language) (c complaint, ok bool) {
	code, what, detail := noticeOf(err)
	n, ok := notices.Find(code)
	if !ok {
		return c, false
	}
	t := n.Say(language, what, detail)
	return complaint{exit: exitOf(n.Severity), error: t.What, hint: t.Do}, true
}

// noticeOf names the notice of an error.
func noticeOf(err error) (code, what, detail string) {
	var (
		own     *noticeError
		wire    *access.Error
		silent  *api.NotRunningError
		long    *api.PathTooLongError
		inUse   *masters.InUseError
		port    *pxe.PortInUseError
		note    *masters.NoteError
		noLink  *pxe.NoInterfaceError
		missing *pxe.MissingFileError
		newer   *sqlite.NewerError
		unread  *masters.UncountableError
		replica *store.ReplicaError

		exists     *export.ExistsError
		restores   *masters.RestoringError
		passphrase *backup.PassphraseError
		weak       *backup.WeakError
		phrase     *grub.PassphraseError
		noBackup   *backup.FileError
		oldBackup  *backup.FormatError
		newBackup  *backup.UnknownFileError
		full       *backup.NotEmptyError
	)
	switch {
	case errors.As(err, &own):
		return own.code, own.what, own.detail
	case errors.As(err, &wire):
		return wire.Code, wire.What, wire.Detail
	case errors.As(err, &silent):
		return "not-running", silent.Data, ""
	case errors.As(err, &long):
		return "path-too-long", "", long.Error()
	case errors.As(err, &inUse):
		return "data-in-use", inUse.Dir, ""
	case errors.As(err, &note):
		return "bad-note", "", note.Reason
	case errors.As(err, &port):
		return "port-in-use", port.Network + " port " + strconv.Itoa(port.Port), port.For
	case errors.As(err, &noLink):
		return "no-interface", noLink.Name, ""
	case errors.As(err, &missing):
		return "no-boot-files", "", missing.Error()
	case errors.As(err, &newer):
		return "newer-data", "", newer.Error()
	case errors.As(err, &exists):
		return "file-exists", exists.Path, ""
	case errors.As(err, &restores):
		return "restoring", restores.Dir, ""
	case errors.As(err, &passphrase):
		return "wrong-passphrase", "", ""
	case errors.As(err, &weak):
		return "weak-passphrase", "", weak.Reason
	case errors.As(err, &phrase):
		return "weak-passphrase", "", phrase.Reason
	case errors.As(err, &noBackup):
		return "bad-backup", "", noBackup.Reason
	case errors.As(err, &oldBackup):
		return "newer-file", "", oldBackup.Error()
	case errors.As(err, &newBackup):
		return "newer-backup", newBackup.Name, ""
	case errors.As(err, &full):
		return "not-empty", full.Dir, full.Found
	case errors.As(err, &unread):
		return "uncountable", unread.Version, unread.Err.Error()
	case errors.As(err, &replica):
		return "no-replica", replica.Dir, replica.Error()
	case errors.Is(err, syscall.EROFS):
		return "read-only", "", err.Error()
	case errors.Is(err, syscall.ENOSPC):
		return "no-space", "", err.Error()
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EPERM):
		return "no-permission", "", err.Error()
	}
	return "", "", ""
}

// exitOf is the exit code that a severity stands for: 2 usage, 3 refused, 4 damaged or untrusted, 5 input or output.
func exitOf(s notices.Severity) int {
	switch s {
	case notices.Usage:
		return 2
	case notices.Damage:
		return 4
	case notices.Failure:
		return 5
	}
	return 3
}

// language is what the person's locale asks for.
func language() notices.Language {
	return notices.LanguageOf(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG"))
}
