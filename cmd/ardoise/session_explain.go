package main

import (
	"errors"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/masters/chunk"
)

// noKeyFileError says that the key file of a session could not be read.
type noKeyFileError struct{ err error }

// Error implements error.
func (e *noKeyFileError) Error() string { return "reading the session's key: " + e.err.Error() }

// Unwrap returns why.
func (e *noKeyFileError) Unwrap() error { return e.err }

// silentSenderError says that no sender answered in time.
type silentSenderError struct {
	server string
	err    error
}

// Error implements error.
func (e *silentSenderError) Error() string {
	return "no sender answers at " + e.server + ": " + e.err.Error()
}

// Unwrap returns why.
func (e *silentSenderError) Unwrap() error { return e.err }

// lostSenderError says that the sender did not give what the disk still lacks.
type lostSenderError struct {
	server string
	err    error
}

// Error implements error.
func (e *lostSenderError) Error() string {
	return "the disk is not finished, " + e.server + " gives no more: " + e.err.Error()
}

// Unwrap returns why.
func (e *lostSenderError) Unwrap() error { return e.err }

// weakDriveError is a fault of a disk with what its drive says of itself.
type weakDriveError struct {
	path, says string
	err        error
}

// Error implements error.
func (e *weakDriveError) Error() string { return e.err.Error() + "; " + e.path + " says: " + e.says }

// Unwrap returns the fault.
func (e *weakDriveError) Unwrap() error { return e.err }

// aboutSessions explains what session send and session receive meet.
func aboutSessions(err error, l notices.Language) (exit int, hint string) {
	var (
		noKey   *noKeyFileError
		badKey  *session.KeyError
		noLink  *udp.LinkError
		silent  *silentSenderError
		lost    *lostSenderError
		damaged *chunk.DamagedError
		refused *session.RefusedError
		ended   *session.EndedError
	)
	switch {
	case errors.As(err, &noKey), errors.As(err, &badKey):
		return 3, pick(l, "make one key and copy it to both ends: openssl rand -base64 32 > FILE",
			"créez une clé et copiez-la des deux côtés : openssl rand -base64 32 > FICHIER")
	case errors.Is(err, session.ErrOtherKey):
		return 3, pick(l, "copy the sender's key file to this computer", "copiez le fichier de clé de l'émetteur sur ce poste")
	case errors.As(err, &noLink):
		return 3, pick(l, "name an interface that is up and has an IPv4 address with --interface; `ip addr` shows them",
			"nommez avec --interface une interface active qui a une adresse IPv4 ; `ip addr` les montre")
	case errors.As(err, &silent):
		return 5, pick(l, "start `ardoise session send` there first; is the address right, and the port open?",
			"lancez d'abord là-bas `ardoise session send` ; l'adresse est-elle juste, le port ouvert ?")
	case errors.As(err, &lost) && !errors.As(err, &damaged):
		return 5, pick(l, "start `ardoise session send` there again, then run the same command here: it goes on with what is missing",
			"relancez là-bas `ardoise session send`, puis ici la même commande : elle reprend avec ce qui manque")
	case errors.As(err, &refused), errors.As(err, &ended):
		return 5, pick(l, "run the same command again: it goes on with what is missing",
			"relancez la même commande : elle reprend avec ce qui manque")
	}
	return 0, ""
}
