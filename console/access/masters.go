package access

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

// describe says a version in the words of the wire. all is every version there is.
func (h *House) describe(v masters.Version, all []masters.Version) Master {
	out := Master{Name: v.Name, Version: v.Number, Hash: v.Hash.String(), Created: v.Created, Author: v.Author, Note: v.Note,
		DiskBytes: v.DiskSize, UsedBytes: v.UsedBytes, StoredBytes: v.StoredBytes, NewBytes: v.NewBytes, Chunks: v.Chunks,
		Damaged: v.Damaged}
	if v.Parent != (manifest.Hash{}) {
		out.Parent = v.Parent.String()
		if i := slices.IndexFunc(all, func(p masters.Version) bool { return p.Hash == v.Parent }); i >= 0 {
			out.ParentOf = all[i].String()
		}
	}
	about, err := h.Masters.About(v.Name)
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
func (h *House) notes(v masters.Version) []Note {
	var out []Note
	if v.Note != "" {
		out = append(out, Note{At: v.Created, By: v.Author, Text: v.Note})
	}
	about, err := h.Masters.About(v.Name)
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
func (h *House) users(v masters.Version) []string {
	if h.Fleet == nil {
		return nil
	}
	return h.Fleet.Uses(v.Hash.String())
}

// undisturbed keeps the fleet from deciding while do runs.
func (h *House) undisturbed(do func() error) error {
	if h.Fleet == nil {
		return do()
	}
	return h.Fleet.Undisturbed(do)
}

// Masters lists all versions.
func (d Desk) Masters() ([]Master, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return nil, err
	}
	versions, err := d.h.Masters.List()
	if err != nil {
		return nil, err
	}
	out := []Master{}
	for _, v := range versions {
		out = append(out, d.h.describe(v, versions))
	}
	return out, nil
}

// Master returns one version, NAME, NAME@V or NAME@CHANNEL, with all that is known of it.
func (d Desk) Master(ref string) (Master, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return Master{}, err
	}
	v, err := d.h.Masters.Resolve(ref)
	if err != nil {
		return Master{}, err
	}
	m, err := d.h.Masters.Open(v)
	if err != nil {
		return Master{}, err
	}
	all, err := d.h.Masters.List()
	if err != nil {
		return Master{}, err
	}
	out := d.h.describe(v, all)
	out.Notes = d.h.notes(v)
	out.Retention = d.h.rule(v.Name)
	out.StoredBytes = d.h.Masters.StoredBytes(m)
	out.Volumes = volumes(m)
	offline := disk.OfflineReset(m, m.Disk.Size, m.Disk.SectorSize, out.StoredBytes)
	out.OfflineReset, out.OfflineFrom = offline.String(), offline.From
	return out, nil
}

// Resolve says which version a reference means, without looking into it.
func (d Desk) Resolve(ref string) (Master, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return Master{}, err
	}
	v, err := d.h.Masters.Resolve(ref)
	if err != nil {
		return Master{}, err
	}
	return d.h.describe(v, nil), nil
}

// testChannel is the channel for trying a version out in one room; the others say what all sites run.
const testChannel = "test"

// MoveChannel does promote (of NAME@V), withdraw or rollback (of NAME).
func (d Desk) MoveChannel(ctx context.Context, verb, ref, channel string) (Move, error) {
	return change(ctx, d, whole("master "+verb, ref+" "+channel), func(*deed) (Move, error) {
		may := people.ActionMaster
		if channel != testChannel {
			may = people.ActionPromote
		}
		if err := d.mayWhole(may, ref); err != nil {
			return Move{}, err
		}
		var move masters.Move
		var err error
		switch verb {
		case "promote":
			move, err = d.h.Masters.Promote(ref, channel, d.by())
		case "withdraw":
			move, err = d.withdraw(ref, channel)
		case "rollback":
			move, err = d.h.Masters.Rollback(ref, channel, d.by())
		default:
			err = notFound("no-route", verb)
		}
		name, _, _ := strings.Cut(ref, "@")
		return Move{Name: name, Channel: move.Channel, From: move.From, To: move.To, At: move.At, By: move.By}, err
	})
}

// withdraw takes a channel of a master away, unless a room or a schedule means what it points at.
func (d Desk) withdraw(name, channel string) (move masters.Move, err error) {
	err = d.h.undisturbed(func() error {
		if d.h.Fleet != nil {
			if users := d.h.Fleet.Names(name + "@" + channel); len(users) > 0 {
				return &masters.HeldError{Version: name + "@" + channel, By: d.why(users)}
			}
		}
		move, err = d.h.Masters.Withdraw(name, channel, d.by())
		return err
	})
	return move, err
}

// NoteMaster adds a note to a version.
func (d Desk) NoteMaster(ctx context.Context, ref, text string) (Master, error) {
	return change(ctx, d, whole("master note", ref), func(*deed) (Master, error) {
		if err := d.mayWhole(people.ActionMaster, ref); err != nil {
			return Master{}, err
		}
		v, err := d.h.Masters.Note(ref, text, d.by())
		if err != nil {
			return Master{}, err
		}
		return d.h.describe(v, nil), nil
	})
}

// ForgetMaster makes a version unknown, unless something needs it.
func (d Desk) ForgetMaster(ctx context.Context, ref string) (Master, error) {
	return change(ctx, d, whole("master forget", ref), func(*deed) (Master, error) {
		if err := d.mayWhole(people.ActionForget, ref); err != nil {
			return Master{}, err
		}
		var v masters.Version
		err := d.h.undisturbed(func() (err error) {
			v, err = d.h.Masters.Forget(ref, d.by(), d.h.users)
			return err
		})
		if err != nil {
			return Master{}, err
		}
		d.h.recordForgotten(ctx, v, d.by())
		return d.h.describe(v, nil), nil
	})
}

// Frees is how many bytes of the store nothing needs any more once a version is forgotten: of its chunks, those that no other
// version has.
func (d Desk) Frees(ctx context.Context, ref string) (int64, error) {
	if err := d.mayWhole(people.ActionForget, ref); err != nil {
		return 0, err
	}
	v, err := d.h.Masters.Resolve(ref)
	if err != nil {
		return 0, err
	}
	all, err := d.h.Masters.List()
	if err != nil {
		return 0, err
	}
	m, err := d.h.Masters.Open(v)
	if err != nil {
		return 0, err
	}
	alone := make(map[chunk.ID]struct{}, m.Chunks.Len())
	for _, e := range m.Chunks.All() {
		alone[e.ID] = struct{}{}
	}
	for _, other := range all {
		if other.Name == v.Name && other.Number == v.Number {
			continue
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		x, err := d.h.Masters.Open(other)
		if err != nil {
			return 0, &masters.UncountableError{Version: other.String(), Err: err} // and then nothing is cleaned up
		}
		for _, e := range x.Chunks.All() {
			delete(alone, e.ID)
		}
	}
	var total int64
	for id := range alone {
		size, _ := d.h.Masters.StoredSize(id)
		total += size
	}
	return total, nil
}

// Import takes an export file. as is another name for its master, or ""; trust are fingerprints of foreign keys.
func (d Desk) Import(ctx context.Context, file io.Reader, as string, trust []string) (Imported, error) {
	return change(ctx, d, whole("master import", as), func(e *deed) (Imported, error) {
		if err := d.mayWhole(people.ActionSettings, "masters"); err != nil {
			return Imported{}, err
		}
		in, err := export.Import{As: as, Trust: trust}.Run(ctx, d.h.Masters, file)
		if err != nil {
			return Imported{}, err
		}
		e.what = in.Version.String()
		return Imported{Master: d.h.describe(in.Version, nil), Frames: in.Report.Frames, ReadBytes: in.Report.Bytes,
			NewBytes: in.Stats.NewBytes, Known: in.Known}, nil
	})
}

// MaxFetch is how many chunks are asked for at once: their frames are gathered before the answer begins, so that an
// error can still be told.
const MaxFetch = 64

// Manifest returns a version's manifest and its signature. A master's bytes may hold licences and join secrets:
// people without the daemon's socket read them through no other door, and only administrators through this one.
func (d Desk) Manifest(hash manifest.Hash) ([]byte, manifest.Signature, error) {
	if err := d.mayWhole(people.ActionSettings, "masters"); err != nil {
		return nil, manifest.Signature{}, err
	}
	return d.h.Masters.Manifest(hash)
}

// Names returns the table of names of a version.
func (d Desk) Names(hash manifest.Hash) (io.ReadCloser, error) {
	if err := d.mayWhole(people.ActionSettings, "masters"); err != nil {
		return nil, err
	}
	return d.h.Masters.Names(hash)
}

// Frames returns up to MaxFetch chunks as they are stored, one after the other.
func (d Desk) Frames(ctx context.Context, ids []chunk.ID) ([]byte, error) {
	if err := d.mayWhole(people.ActionSettings, "masters"); err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(ids) > MaxFetch {
		return nil, Bad(fmt.Sprintf("1 to %d chunk ids are asked for at once", MaxFetch))
	}
	var frames []byte
	err := d.h.Masters.Fetch(ctx, ids, func(f chunk.Frame) error {
		frames = f.AppendTo(frames)
		return nil
	})
	return frames, err
}

// Keys lists the signing keys that count, the present one first.
func (d Desk) Keys() ([]Key, error) {
	if err := d.mayWhole(people.ActionSeeMasters, "masters"); err != nil {
		return nil, err
	}
	out := []Key{}
	for i, public := range d.h.Masters.TrustedKeys() {
		fingerprint, err := sign.Fingerprint(public)
		if err != nil {
			return nil, err
		}
		out = append(out, Key{Key: public, Fingerprint: fingerprint, Signs: i == 0})
	}
	return out, nil
}

// RotateKey replaces the signing key.
func (d Desk) RotateKey(ctx context.Context) ([]Key, error) {
	return change(ctx, d, whole("key rotate", ""), func(*deed) ([]Key, error) {
		if err := d.mayWhole(people.ActionSettings, "keys"); err != nil {
			return nil, err
		}
		err := d.h.undisturbed(func() error { // no task is signed meanwhile by a key that agents are not told of yet
			_, err := d.h.Masters.RotateKey()
			return err
		})
		if err != nil {
			return nil, err
		}
		if d.h.Log != nil {
			d.h.Log.Warn("the signing key was replaced", "by", d.by())
		}
		return d.Keys()
	})
}
