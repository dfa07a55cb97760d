package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
)

// describe says a version in the words of the wire. all is every version there is.
func (s *Server) describe(v masters.Version, all []masters.Version) Master {
	out := Master{Name: v.Name, Version: v.Number, Hash: v.Hash.String(), Created: v.Created, Author: v.Author, Note: v.Note,
		DiskBytes: v.DiskSize, UsedBytes: v.UsedBytes, StoredBytes: v.StoredBytes, NewBytes: v.NewBytes, Chunks: v.Chunks,
		Damaged: v.Damaged}
	if v.Parent != (manifest.Hash{}) {
		out.Parent = v.Parent.String()
		if i := slices.IndexFunc(all, func(p masters.Version) bool { return p.Hash == v.Parent }); i >= 0 {
			out.ParentOf = all[i].String()
		}
	}
	about, err := s.Masters.About(v.Name)
	if err != nil {
		return out
	}
	out.NoChannels = about.Damaged
	for _, c := range about.Channels {
		if c.Version == v.Number && c.Hash == v.Hash {
			out.Channels = append(out.Channels, c.Name)
		}
	}
	for _, n := range about.Notes {
		if n.Version == v.Number && n.Hash == v.Hash {
			out.Note = n.Text
		}
	}
	return out
}

// notes returns what was written of a version, its capture's note first.
func (s *Server) notes(v masters.Version) []Note {
	var out []Note
	if v.Note != "" {
		out = append(out, Note{At: v.Created, By: v.Author, Text: v.Note})
	}
	about, err := s.Masters.About(v.Name)
	if err != nil {
		return out
	}
	for _, n := range about.Notes {
		if n.Version == v.Number && n.Hash == v.Hash {
			out = append(out, Note{At: n.At, By: n.By, Text: n.Text})
		}
	}
	return out
}

// users names who needs a version, besides channels.
func (s *Server) users(v masters.Version) []string {
	if s.Fleet == nil {
		return nil
	}
	return s.Fleet.Uses(v.Hash.String())
}

// undisturbed keeps the fleet from deciding while do runs.
func (s *Server) undisturbed(do func() error) error {
	if s.Fleet == nil {
		return do()
	}
	return s.Fleet.Undisturbed(do)
}

// resolveMaster says which version a reference means, without looking into it.
func (s *Server) resolveMaster(w http.ResponseWriter, r *http.Request, _ string) error {
	v, err := s.Masters.Resolve(r.PathValue("ref"))
	if err != nil {
		return err
	}
	return respond(w, s.describe(v, nil))
}

func (s *Server) changeMaster(w http.ResponseWriter, r *http.Request, by string) error {
	ref := r.PathValue("ref")
	var body MasterChange
	if err := read(r, &body); err != nil {
		return err
	}
	switch verb := r.PathValue("verb"); verb {
	case "promote", "withdraw", "rollback":
		return s.moveChannel(w, verb, ref, body.Channel, by)
	case "note":
		v, err := s.Masters.Note(ref, body.Text, by)
		if err != nil {
			return err
		}
		return respond(w, s.describe(v, nil))
	case "forget":
		var v masters.Version
		err := s.undisturbed(func() (err error) {
			v, err = s.Masters.Forget(ref, by, s.users)
			return err
		})
		if err != nil {
			return err
		}
		s.recordForgotten(r.Context(), v, by)
		return respond(w, s.describe(v, nil))
	case "retain":
		return s.retain(w, r, ref, body, by)
	default:
		return &Error{Status: http.StatusNotFound, Code: "no-route", What: verb}
	}
}

func (s *Server) moveChannel(w http.ResponseWriter, verb, ref, channel, by string) error {
	var move masters.Move
	var err error
	name, _, _ := strings.Cut(ref, "@")
	switch verb {
	case "promote":
		move, err = s.Masters.Promote(ref, channel, by)
	case "withdraw":
		move, err = s.Masters.Withdraw(ref, channel, by)
	case "rollback":
		move, err = s.Masters.Rollback(ref, channel, by)
	}
	if err != nil {
		return err
	}
	return respond(w, Move{Name: name, Channel: move.Channel, From: move.From, To: move.To, At: move.At, By: move.By})
}

// importMaster takes an export file as its body.
func (s *Server) importMaster(w http.ResponseWriter, r *http.Request, _ string) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a file takes as long as it takes
	q := r.URL.Query()
	in, err := export.Import{As: q.Get("as"), Trust: q["trust"]}.Run(r.Context(), s.Masters, r.Body)
	if err != nil {
		return err
	}
	return respond(w, Imported{Master: s.describe(in.Version, nil), Frames: in.Report.Frames, ReadBytes: in.Report.Bytes,
		NewBytes: in.Stats.NewBytes, Known: in.Known})
}

func hashOf(r *http.Request) (manifest.Hash, error) {
	h, err := manifest.ParseHash(r.PathValue("hash"))
	if err != nil {
		return h, &Error{Status: http.StatusBadRequest, Code: "bad-order", Detail: err.Error()}
	}
	return h, nil
}

func (s *Server) manifest(w http.ResponseWriter, r *http.Request, _ string) error {
	h, err := hashOf(r)
	if err != nil {
		return err
	}
	encoded, sig, err := s.Masters.Manifest(h)
	if err != nil {
		return err
	}
	header, err := json.Marshal(sig)
	if err != nil {
		return err
	}
	w.Header().Set(job.SignatureHeader, string(header))
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(encoded)
	return nil
}

func (s *Server) namesTable(w http.ResponseWriter, r *http.Request, _ string) error {
	h, err := hashOf(r)
	if err != nil {
		return err
	}
	names, err := s.Masters.Names(h)
	if err != nil {
		return err
	}
	defer func() { _ = names.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := io.Copy(w, names); err != nil {
		panic(http.ErrAbortHandler) // half a table must not pass for a whole one
	}
	return nil
}

// maxFetch is how many chunks are asked for at once: their frames are gathered before the answer begins, so that an
// error can still be told.
const maxFetch = 64

func (s *Server) chunks(w http.ResponseWriter, r *http.Request, _ string) error {
	raw, err := io.ReadAll(r.Body)
	n := len(raw) / len(chunk.ID{})
	if err != nil || n == 0 || n > maxFetch || len(raw)%len(chunk.ID{}) != 0 {
		return &Error{Status: http.StatusBadRequest, Code: "bad-order", Detail: fmt.Sprintf("1 to %d chunk ids are asked for at once", maxFetch)}
	}
	ids := make([]chunk.ID, n)
	for i := range ids {
		copy(ids[i][:], raw[i*len(ids[i]):])
	}
	var frames []byte
	if err := s.Masters.Fetch(r.Context(), ids, func(f chunk.Frame) error {
		frames = f.AppendTo(frames)
		return nil
	}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(frames)
	return nil
}

func (s *Server) keys(w http.ResponseWriter, _ *http.Request, _ string) error {
	out := []Key{}
	for i, public := range s.Masters.TrustedKeys() {
		fingerprint, err := sign.Fingerprint(public)
		if err != nil {
			return err
		}
		out = append(out, Key{Key: public, Fingerprint: fingerprint, Signs: i == 0})
	}
	return respond(w, out)
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request, by string) error {
	err := s.undisturbed(func() error { // no task is signed meanwhile by a key that agents are not told of yet
		_, err := s.Masters.RotateKey()
		return err
	})
	if err != nil {
		return err
	}
	if s.Log != nil {
		s.Log.Warn("the signing key was replaced", "by", by)
	}
	return s.keys(w, r, by)
}

// masterError says what went wrong with a master in the words of the wire; nil for other errors.
func masterError(err error) *Error {
	var (
		held       *masters.HeldError
		nothing    *masters.NothingBeforeError
		channel    *masters.ChannelError
		note       *masters.NoteError
		rule       *masters.RuleError
		about      *masters.AboutError
		foreign    *masters.ForeignKeyError
		taken      *masters.TakenError
		incomplete *masters.IncompleteError
		file       *export.FileError
		format     *export.FormatError
		damaged    *chunk.DamagedError
		gone       *store.NotFoundError
	)
	conflict := func(code, what, detail string) *Error {
		return &Error{Status: http.StatusConflict, Code: code, What: what, Detail: detail}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &held):
		return conflict("master-needed", held.Version, strings.Join(held.By, ", "))
	case errors.As(err, &nothing):
		return conflict("nothing-before", nothing.Channel, "")
	case errors.As(err, &channel):
		return &Error{Status: http.StatusBadRequest, Code: "bad-channel", What: channel.Channel, Detail: channel.Reason}
	case errors.As(err, &note):
		return &Error{Status: http.StatusBadRequest, Code: "bad-note", Detail: note.Reason}
	case errors.As(err, &rule):
		return &Error{Status: http.StatusBadRequest, Code: "bad-rule", Detail: rule.Reason}
	case errors.As(err, &about):
		return conflict("about-damaged", about.Name, about.Err.Error())
	case errors.As(err, &foreign):
		return conflict("foreign-key", foreign.Version, foreign.Fingerprint)
	case errors.As(err, &taken):
		return conflict("version-taken", taken.Version, "")
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
	}
	return nil
}
