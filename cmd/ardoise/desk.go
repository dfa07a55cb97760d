package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/export"
)

// desk is who takes orders on masters: the daemon, which holds the data folder while it runs, else this command itself.
type desk struct {
	*api.Client
	library *masters.Library // nil when it is the daemon's
	closers []func() error
}

// needs says what a command must find in the data folder.
type needs struct {
	make  bool // make the library if there is none
	fleet bool // computers and jobs decide too
}

// desk finds the daemon, or opens the folder.
func (k *client) desk(ctx context.Context, n needs) (*desk, error) {
	c, err := k.dial(ctx)
	if err == nil {
		return &desk{Client: c}, nil
	}
	var silent *api.NotRunningError
	if !errors.As(err, &silent) {
		return nil, err
	}
	d := &desk{}
	if err := d.open(ctx, k.data, n); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *desk) open(ctx context.Context, data string, n needs) (err error) {
	if n.make {
		d.library, err = masters.Open(data, masters.Options{})
	} else {
		d.library, err = openLibrary(data)
	}
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.library.Close)
	house := &access.House{Masters: d.library}
	database := filepath.Join(data, databaseName)
	_, err = os.Stat(database)
	if n.fleet && err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // who cannot ask the computers must not decide without them
	}
	if n.fleet && err == nil {
		store, err := sqlite.Open(ctx, database)
		if err != nil {
			return err
		}
		d.closers = append(d.closers, store.Close)
		house.Fleet, err = fleet.Open(ctx, fleet.Options{Store: store, Archive: store, Signer: siteKey{d.library}, Versions: access.Versions{Library: d.library}})
		if err != nil {
			return err
		}
	}
	var stop func() error
	by := whoAmI()
	if by == "" { // a user that this machine has no name for
		by = fmt.Sprintf("user %d", os.Getuid())
	}
	d.Client, stop = api.Local(&api.Server{House: house, Version: version()}, by)
	d.closers = append(d.closers, stop)
	return nil
}

// close gives everything back, in the opposite order.
func (d *desk) close() error {
	var err error
	for i := len(d.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, d.closers[i]())
	}
	d.closers = nil
	return err
}

// source is where manifests, names and chunks are read.
func (d *desk) source() export.Source {
	if d.library != nil {
		return d.library
	}
	return d.Client
}

// at does work at the desk, then closes it.
func (k *client) at(ctx context.Context, n needs, work func(d *desk) error) error {
	d, err := k.desk(ctx, n)
	if err != nil {
		return err
	}
	return errors.Join(work(d), d.close())
}

// siteKey signs with the key that the library has at that moment: it may be replaced while a daemon runs.
type siteKey struct{ library *masters.Library }

// Sign implements fleet.Signer.
func (k siteKey) Sign(context string, payload []byte) []byte {
	return k.library.Key().Sign(context, payload)
}

// Public implements fleet.Signer.
func (k siteKey) Public() string { return k.library.Key().Public() }

// readAll reads a stream of a source to its end and closes it.
func readAll(open func() (io.ReadCloser, error), use func(io.Reader) error) error {
	r, err := open()
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}
