package agentapi

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/store"
)

// Library puts captures into a library of masters.
type Library struct{ *masters.Library }

var (
	_ Captures = Library{}
	_ Masters  = Library{}
	_ Ingest   = ingest{}
	_ Healing  = Library{}
)

// Begin implements Captures.
func (l Library) Begin(ctx context.Context) (Ingest, error) {
	i, err := l.Library.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return ingest{i}, nil
}

// Latest implements Captures.
func (l Library) Latest(master string) (int, error) {
	versions, err := l.List()
	if err != nil {
		return 0, err
	}
	latest := 0
	for _, v := range versions {
		if v.Name == master {
			latest = max(latest, v.Number)
		}
	}
	return latest, nil
}

// Find implements Captures.
func (l Library) Find(master string, p fleet.Publishing) (job.Published, bool, error) {
	versions, err := l.List()
	if err != nil {
		return job.Published{}, false, err
	}
	for _, v := range versions {
		if v.Name == master && v.Number > p.After && v.Created.Equal(p.Created) && v.Author == p.Author {
			return published(v, masters.Stats{}), true, nil
		}
	}
	return job.Published{}, false, nil
}

// published is what a capture's agent is told of its version.
func published(v masters.Version, s masters.Stats) job.Published {
	return job.Published{Master: v.Name, Version: v.Number, Hash: v.Hash.String(), StoredBytes: s.StoredBytes, NewBytes: s.NewBytes}
}

// ingest is an ingest of a library.
type ingest struct{ *masters.Ingest }

// Close implements io.Closer.
func (i ingest) Close() error {
	i.Ingest.Close()
	return nil
}

// Publish implements Publisher.
func (i ingest) Publish(ctx context.Context, n NewVersion) (job.Published, error) {
	v, err := i.Ingest.Publish(ctx, n.Master, masters.Meta{Author: n.By.Author, Note: n.Note, Created: n.By.Created}, n.Manifest,
		n.Names)
	if err != nil {
		return job.Published{}, err
	}
	return published(v, i.Stats()), nil
}

// storeProblem tells an agent what it can act on in an error of the library; nil when it cannot.
func storeProblem(err error) *problem {
	var (
		damaged    *chunk.DamagedError
		invalid    *manifest.InvalidError
		format     *manifest.FormatError
		incomplete *masters.IncompleteError
		untrusted  *masters.UntrustedError
		name       *masters.NameError
		absent     *store.NotFoundError
		unknown    *masters.UnknownError
		full       *store.SpaceError
	)
	say := func(status int, code string) *problem {
		return &problem{status, job.Problem{Code: code, Detail: err.Error()}}
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		detail := "the server's disk is full"
		if errors.As(err, &full) {
			detail = full.Error()
		}
		return &problem{http.StatusInsufficientStorage, job.Problem{Code: "no-space", Detail: detail}}
	case errors.As(err, &absent), errors.As(err, &unknown):
		return say(http.StatusInternalServerError, "missing")
	case errors.As(err, &untrusted):
		return say(http.StatusInternalServerError, "damaged")
	case errors.As(err, &incomplete):
		return say(http.StatusConflict, "incomplete")
	case errors.As(err, &damaged), errors.As(err, &invalid), errors.As(err, &format):
		return say(http.StatusBadRequest, "damaged")
	case errors.As(err, &name):
		return say(http.StatusBadRequest, "bad-name")
	}
	return nil
}
