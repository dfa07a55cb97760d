package masters

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
)

const (
	aboutName    = "about"
	contextAbout = "ardoise master 1"
	maxAbout     = 16 << 20 // bytes of the file

	maxBefore = 50  // versions that a channel remembers to go back to
	maxMoves  = 500 // moves of channels that are remembered
)

// The most bytes of what people say of a version.
const (
	MaxNote   = 4000
	MaxAuthor = 200
)

// CheckMeta tells, by *NoteError, why author or note cannot be those of a version.
func CheckMeta(m Meta) error {
	if err := checkText("an author's name", m.Author, MaxAuthor); err != nil {
		return err
	}
	return checkText("a note", m.Note, MaxNote)
}

func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return &NoteError{Reason: fmt.Sprintf("%s has at most %d bytes, this one has %d", what, most, len(text))}
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return &NoteError{Reason: what + " is text in UTF-8"}
	}
	return nil
}

// Note is what somebody wrote of a version after its capture.
type Note struct {
	Version int
	Hash    manifest.Hash
	At      time.Time
	By      string
	Text    string
}

// Pointing is a version that a channel points at, or did.
type Pointing struct {
	Version int
	Hash    manifest.Hash
	At      time.Time
	By      string
}

// Move is one change of a channel.
type Move struct {
	Channel string
	From    int // 0: it was new
	To      int // 0: it was taken away
	At      time.Time
	By      string
}

// Channel is a name that points at a version.
type Channel struct {
	Name string
	Pointing
	Before int // version that a rollback goes to; 0 if there is none
}

// About is what is kept of a master beside its versions.
type About struct {
	Channels []Channel // by name
	Notes    []Note    // oldest first
	Moves    []Move    // oldest first
	Rule     Rule      // which versions stay
	Damaged  string    // why nothing of it can be believed; "" when all is well
}

// record is the file "about" of a master: its payload.
type record struct {
	Name      string
	Next      int // numbers below it were given once
	Channels  map[string][]Pointing
	Notes     []Note
	Moves     []Move
	Forgotten []Pointing // versions that were forgotten
	Rule      Rule
}

// envelope is the file itself.
type envelope struct {
	Payload   json.RawMessage
	Key       string
	Signature []byte // over contextAbout, 0x00, the payload without white space around it
}

// about is what memory holds of a record.
type about struct {
	record
	damaged error
}

func (l *Library) aboutPath(name string) string {
	return filepath.Join(l.dir, "masters", name, aboutName)
}

// readAbout never fails: a damaged record must neither hide nor stop the versions.
func (l *Library) readAbout(name string) about {
	a := about{record: record{Name: name}}
	raw, err := durable.ReadFile(l.fs, l.aboutPath(name), maxAbout)
	if errors.Is(err, fs.ErrNotExist) {
		return a
	}
	if err == nil {
		a.record, err = l.openRecord(raw)
	}
	if err == nil && a.Name != name {
		err = fmt.Errorf("it says that it is of %s", a.Name)
	}
	if err != nil {
		return about{record: record{Name: name}, damaged: err}
	}
	return a
}

func (l *Library) openRecord(raw []byte) (record, error) {
	var e envelope
	var r record
	if err := json.Unmarshal(raw, &e); err != nil {
		return r, &sign.UntrustedError{Reason: err.Error()}
	}
	if err := sign.Verify(l.TrustedKeys(), e.Key, contextAbout, e.Payload, e.Signature); err != nil {
		return r, err
	}
	return r, json.Unmarshal(e.Payload, &r)
}

// writeAbout makes r the record of its master: the file is the old one or the new, whatever happens. Call with
// publishing held.
func (l *Library) writeAbout(r record) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	key := l.Key()
	raw, err := json.Marshal(envelope{Payload: payload, Key: key.Public(), Signature: key.Sign(contextAbout, payload)})
	if err != nil {
		return err
	}
	if len(raw) > maxAbout {
		return fmt.Errorf("%d bytes of channels and notes are more than %d", len(raw), maxAbout)
	}
	if err := durable.WriteFile(l.fs, l.aboutPath(r.Name), append(raw, '\n')); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abouts[r.Name] = about{record: r}
	return nil
}

// edit changes the record of a master by what change makes of a copy, and keeps it. Call with publishing held.
func (l *Library) edit(name string, change func(*record) error) error {
	l.mu.RLock()
	a, ok := l.abouts[name]
	l.mu.RUnlock()
	if !ok {
		return &UnknownError{What: name}
	}
	if a.damaged != nil {
		return &AboutError{Name: name, Err: a.damaged}
	}
	r := a.record
	r.Channels = maps.Clone(r.Channels)
	if r.Channels == nil {
		r.Channels = map[string][]Pointing{}
	}
	r.Notes, r.Moves, r.Forgotten = slices.Clip(r.Notes), slices.Clip(r.Moves), slices.Clip(r.Forgotten)
	if err := change(&r); err != nil {
		return err
	}
	if extra := len(r.Moves) - maxMoves; extra > 0 {
		r.Moves = r.Moves[extra:]
	}
	if err := l.writeAbout(r); err != nil {
		return fmt.Errorf("keeping channels and notes of %s: %w", name, err)
	}
	return nil
}

// About returns what is kept of a master beside its versions. *UnknownError when there never was one.
func (l *Library) About(name string) (About, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	a, ok := l.abouts[name]
	if !ok {
		return About{}, &UnknownError{What: name}
	}
	out := About{Notes: slices.Clone(a.Notes), Moves: slices.Clone(a.Moves), Rule: a.Rule}
	if a.damaged != nil {
		out.Damaged = a.damaged.Error()
	}
	for channel, stack := range a.Channels {
		if len(stack) == 0 {
			continue
		}
		c := Channel{Name: channel, Pointing: stack[len(stack)-1]}
		if before := l.before(name, stack); before >= 0 {
			c.Before = stack[before].Version
		}
		out.Channels = append(out.Channels, c)
	}
	slices.SortFunc(out.Channels, func(a, b Channel) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// exact returns the version that a pointing means, if it is still there and sound. Call with mu held.
func (l *Library) exact(name string, p Pointing) (Version, bool) {
	for _, v := range l.versions[name] {
		if v.Number == p.Version && v.Hash == p.Hash && v.Damaged == "" {
			return v, true
		}
	}
	return Version{}, false
}

// before returns the place in a channel's stack that a rollback goes to, -1 if there is none. Call with mu held.
func (l *Library) before(name string, stack []Pointing) int {
	now := stack[len(stack)-1]
	for i := len(stack) - 2; i >= 0; i-- {
		if _, ok := l.exact(name, stack[i]); ok && stack[i].Hash != now.Hash {
			return i
		}
	}
	return -1
}

// Note adds a note to a version. The one of its capture stays in the manifest; the newest is what is shown.
func (l *Library) Note(ref, text, by string) (Version, error) {
	text = strings.TrimSpace(text)
	if err := checkText("a note", text, MaxNote); err != nil {
		return Version{}, err
	}
	l.publishing.Lock()
	defer l.publishing.Unlock()
	v, err := l.Resolve(ref)
	if err != nil {
		return v, err
	}
	return v, l.edit(v.Name, func(r *record) error {
		r.Notes = append(r.Notes, Note{Version: v.Number, Hash: v.Hash, At: l.moment(), By: by, Text: text})
		return nil
	})
}

// moment is now as records keep it.
func (l *Library) moment() time.Time { return l.now().UTC().Truncate(time.Second) }
