package agentapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// LocalBoots makes what computers start from their own disk.
type LocalBoots interface {
	// Files lists the boot files.
	Files(ctx context.Context) ([]job.BootFile, error)
	// Open opens one of them; fs.ErrNotExist for other names.
	Open(ctx context.Context, name string) (io.ReadSeekCloser, error)
	// Menu is GRUB's configuration for one computer.
	Menu(ctx context.Context, m LocalMenu) (string, error)
}

// LocalMenu says whose menu is to be made, and how.
type LocalMenu struct {
	Computer fleet.Computer
	Room     fleet.Room
	Reset    bool       // the disk has something to be reset to, and the room allows it
	Server   netip.Addr // address of this server that the computer reaches
}

const (
	maxWish  = 4 << 10  // bytes
	maxLocal = 64 << 10 // bytes
)

// local tells a computer what belongs on its disk. One that was thrown out is told that it may do nothing any more.
func (s *Server) local(w http.ResponseWriter, r *http.Request, c caller) error {
	b, err := s.Fleet.Local(r.Context(), c.key)
	if err != nil {
		return err
	}
	out := job.LocalBoot{Grant: b.Grant, Stage: b.Stage}
	if s.Local == nil || b.Computer.State != fleet.Enrolled {
		return respond(w, http.StatusOK, out)
	}
	m := LocalMenu{Computer: b.Computer, Room: b.Room, Reset: b.Granted, Server: serverAddress(r)}
	out.Menu = b.Room.Menu
	if out.Files, err = s.Local.Files(r.Context()); err != nil {
		return fmt.Errorf("listing the boot files: %w", err)
	}
	if out.Config, err = s.Local.Menu(r.Context(), m); err != nil {
		return fmt.Errorf("making the menu of %s: %w", b.Computer.Name, err)
	}
	return respond(w, http.StatusOK, out)
}

// serverAddress is the address that a request came to.
func serverAddress(r *http.Request) netip.Addr {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// localFile gives one boot file.
func (s *Server) localFile(w http.ResponseWriter, r *http.Request, _ caller) error {
	if s.Local == nil {
		return refused(http.StatusNotFound, "no-route", "this server has no boot environment")
	}
	f, err := s.Local.Open(r.Context(), r.PathValue("name"))
	if errors.Is(err, fs.ErrNotExist) {
		return refused(http.StatusNotFound, "no-route", "there is no such boot file")
	}
	if err != nil {
		return fmt.Errorf("opening a boot file: %w", err)
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(s.patient(w), r, "", time.Time{}, f)
	return nil
}

// localState takes what an agent found in its place on the disk.
func (s *Server) localState(w http.ResponseWriter, r *http.Request, c caller) error {
	var state job.LocalState
	if err := s.read(w, r, maxLocal, &state); err != nil {
		return err
	}
	if err := s.Fleet.Told(r.Context(), c.key, state); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// wish takes what somebody chose in the start menu.
func (s *Server) wish(w http.ResponseWriter, r *http.Request, c caller) error {
	var x job.Wish
	if err := s.read(w, r, maxWish, &x); err != nil {
		return err
	}
	if err := s.Fleet.Wish(r.Context(), c.key, x.Wish); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
