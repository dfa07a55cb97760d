package api

import (
	"context"
	"net/http"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
)

// wireComputer says a computer in the words of the wire.
func (s *Server) wireComputer(c fleet.Computer) Computer {
	out := computer(c)
	out.OfflineReset = s.Fleet.Offline(c)
	return out
}

func clean(p *fleet.ProofKept) *Clean {
	if p == nil {
		return nil
	}
	x := p.Proof
	v := fleet.Target{Master: x.Master, Version: x.Version}
	return &Clean{At: p.Kept, Version: v.String(), Level: x.Level, ReadBytes: x.Read, Written: x.Written, FromCache: x.FromCache,
		FromNet: x.FromNet, Seconds: x.Seconds, Offline: x.Offline, Skipped: x.Skipped, Origin: x.Origin, Task: x.Task}
}

func resets(r *fleet.Resets) *Resets {
	if r == nil {
		return nil
	}
	return &Resets{Done: r.Done, Failed: r.Failed, Offline: r.Offline, Quick: r.Quick, Doubted: r.Doubted, Doubts: r.Doubts}
}

func (s *Server) wireRoom(r fleet.Room) Room {
	out := Room{Name: r.Name, Policy: r.Policy, Level: r.Level, Menu: r.Menu, Lang: r.Lang, Passphrase: len(r.Passphrase) > 0,
		Night: r.Night, NightDone: r.NightDone, Master: r.Master, Computers: []string{}, Template: Template{
			Hostname: r.Template.Hostname, Keys: r.Template.Keys, Answer: r.Template.Answer, Path: r.Template.Path}}
	for _, c := range s.Fleet.InRoom(r.Name) {
		out.Computers = append(out.Computers, c.Name)
	}
	return out
}

func (s *Server) rooms(w http.ResponseWriter, _ *http.Request, _ string) error {
	out := []Room{}
	for _, r := range s.Fleet.Rooms() {
		out = append(out, s.wireRoom(r))
	}
	return respond(w, out)
}

func (s *Server) room(w http.ResponseWriter, r *http.Request, _ string) error {
	room, err := s.Fleet.Room(r.PathValue("name"))
	if err != nil {
		return err
	}
	return respond(w, s.wireRoom(room))
}

func (s *Server) setRoom(w http.ResponseWriter, r *http.Request, by string) error {
	var c RoomChange
	if err := read(r, &c); err != nil {
		return err
	}
	if c.Master != nil && *c.Master != "" {
		if _, err := s.Masters.Resolve(*c.Master); err != nil {
			return err
		}
	}
	room, err := s.Fleet.SetRoom(r.Context(), r.PathValue("name"), by, func(x *fleet.Room) {
		set(&x.Policy, c.Policy)
		set(&x.Level, c.Level)
		set(&x.Menu, c.Menu)
		set(&x.Lang, c.Lang)
		set(&x.Passphrase, c.Passphrase)
		set(&x.Night, c.Night)
		set(&x.Master, c.Master)
		set(&x.Template.Hostname, c.Hostname)
		set(&x.Template.Keys, c.Keys)
		set(&x.Template.Answer, c.Answer)
		set(&x.Template.Path, c.Path)
	})
	if err != nil {
		return err
	}
	return respond(w, s.wireRoom(room))
}

// set changes what is to be changed.
func set[T any](where *T, to *T) {
	if to != nil {
		*where = *to
	}
}

func (s *Server) forgetRoom(w http.ResponseWriter, r *http.Request, by string) error {
	room, err := s.Fleet.ForgetRoom(r.Context(), r.PathValue("name"), by)
	if err != nil {
		return err
	}
	return respond(w, s.wireRoom(room))
}

func (s *Server) place(w http.ResponseWriter, r *http.Request, by string) error {
	var p Placement
	if err := read(r, &p); err != nil {
		return err
	}
	if _, err := s.Fleet.Place(r.Context(), p.Computers, p.Room, by); err != nil {
		return err
	}
	if p.Room == "" {
		return respond(w, Room{Computers: []string{}})
	}
	room, err := s.Fleet.Room(p.Room)
	if err != nil {
		return err
	}
	return respond(w, s.wireRoom(room))
}

func (s *Server) token(w http.ResponseWriter, r *http.Request, by string) error {
	var o TokenOrder
	if err := read(r, &o); err != nil {
		return err
	}
	if o.Revoke {
		c, err := s.Fleet.RevokeToken(r.Context(), r.PathValue("ref"), by)
		if err != nil {
			return err
		}
		return respond(w, job.RunningToken{Computer: c.Name})
	}
	if s.Running == nil {
		return &Error{Status: http.StatusConflict, Code: "internal", Detail: "this server has no address for running systems"}
	}
	token, c, err := s.Fleet.MakeToken(r.Context(), r.PathValue("ref"), by)
	if err != nil {
		return err
	}
	out := job.RunningToken{Computer: c.Name, Token: token}
	out.Server, out.CA = s.Running(c.Address)
	return respond(w, out)
}

// Versions tells a fleet what the references of its rooms mean.
type Versions struct{ Library *masters.Library }

var _ fleet.Versions = Versions{}

// Resolve implements fleet.Versions.
func (v Versions) Resolve(ref string) (fleet.Version, error) {
	found, err := v.Library.Resolve(ref)
	if err != nil {
		return fleet.Version{}, err
	}
	judge := func(d job.Disk) error { // a manifest is read where a disk is judged, not each time that a name is looked up
		m, err := v.Library.Open(found)
		if err != nil {
			return err
		}
		return fits(v.Library, found, m)(d)
	}
	return fleet.Version{Target: fleet.Target{Master: found.Name, Version: found.Number, Manifest: found.Hash.String()}, Fits: judge}, nil
}

// Rooms lists all rooms.
func (c *Client) Rooms(ctx context.Context) ([]Room, error) {
	return ask[[]Room](ctx, c, http.MethodGet, "/v1/rooms", nil)
}

// Room returns one room.
func (c *Client) Room(ctx context.Context, name string) (Room, error) {
	return ask[Room](ctx, c, http.MethodGet, "/v1/rooms/"+segment(name), nil)
}

// SetRoom makes or changes a room.
func (c *Client) SetRoom(ctx context.Context, name string, change RoomChange) (Room, error) {
	return ask[Room](ctx, c, http.MethodPut, "/v1/rooms/"+segment(name), change)
}

// ForgetRoom removes a room that no computer is in.
func (c *Client) ForgetRoom(ctx context.Context, name string) (Room, error) {
	return ask[Room](ctx, c, http.MethodDelete, "/v1/rooms/"+segment(name), nil)
}

// Place puts computers into a room, or out of theirs.
func (c *Client) Place(ctx context.Context, p Placement) (Room, error) {
	return ask[Room](ctx, c, http.MethodPost, "/v1/place", p)
}

// Token makes the token of a computer's running system, or revokes it.
func (c *Client) Token(ctx context.Context, ref string, revoke bool) (job.RunningToken, error) {
	return ask[job.RunningToken](ctx, c, http.MethodPost, "/v1/computers/"+segment(ref)+"/token", TokenOrder{Revoke: revoke})
}
