package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Room is a place whose computers are kept alike.
type Room struct {
	Name       string
	Policy     job.Policy // when its computers are reset
	Level      job.Level  // of a reset that is chosen in the menu, at a start or in the running system; nights are full
	Menu       bool       // its computers show a start menu
	Lang       string     // of the menu: fr or en
	Passphrase []string   `json:",omitempty"` // of the menu's technician entries, as GRUB hashes it; nil: there are none
	Master     string     `json:",omitempty"` // NAME, NAME@V or NAME@CHANNEL that its computers are to run; "": not said
	Template   Template
	Night      string // HH:MM in the time of the server
	NightDone  string `json:",omitempty"` // 2026-11-22: the last night that was ordered, or let pass
}

// maxRooms is how many rooms a site has at most.
const maxRooms = 2000

// NewRoom is a room as it is before anybody has said anything of it.
func NewRoom(name string) Room {
	return Room{Name: name, Policy: job.PolicyDemand, Level: job.LevelFull, Lang: "fr", Night: "02:00"}
}

// maxHashes is how many lines a hashed passphrase has at most: one for each keyboard that it may be typed on.
const maxHashes = 8

// hashed tells whether a line can be a passphrase as GRUB hashes it: its characters are harmless in a configuration.
func hashed(line string) bool {
	return len(line) <= 1024 && strings.Contains(line, "grub.pbkdf2.sha512.") && strings.Trim(line,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- ") == ""
}

// check refuses a room that makes no sense.
func (r Room) check() error {
	bad := func(format string, args ...any) error { return refuse(CodeBadRoom, r.Name, format, args...) }
	if !validName(r.Name) {
		return refuse(CodeBadName, Clean(r.Name, 64), "")
	}
	switch r.Policy {
	case job.PolicyDemand, job.PolicyNight, job.PolicyNever:
	case job.PolicyStart:
		if !r.Menu {
			return bad("a reset at each start needs the start menu")
		}
	default:
		return bad("computers are reset on demand, at each start, at night or never, not %q", Clean(string(r.Policy), 32))
	}
	if r.Level != job.LevelFull && r.Level != job.LevelQuick {
		return bad("a reset is full or quick, not %q", Clean(string(r.Level), 32))
	}
	if r.Lang != "fr" && r.Lang != "en" {
		return bad("the menu speaks fr or en, not %q", Clean(r.Lang, 32))
	}
	if len(r.Passphrase) > maxHashes || slices.ContainsFunc(r.Passphrase, func(line string) bool { return !hashed(line) }) {
		return bad("the passphrase is not hashed as GRUB does it")
	}
	if _, err := time.Parse("15:04", r.Night); err != nil || len(r.Night) != 5 {
		return bad("the night's work begins at HH:MM, not %q", Clean(r.Night, 32))
	}
	if len(r.Master) > 200 || Clean(r.Master, 200) != r.Master {
		return bad("%q is no master", Clean(r.Master, 64))
	}
	return r.Template.check(r.Name)
}

// Rooms lists the rooms, by name.
func (f *Fleet) Rooms() []Room {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Room{}
	for _, r := range f.rooms {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Room) int { return cmp.Compare(roomKey(a.Name), roomKey(b.Name)) })
	return out
}

// Room returns the room of that name, in capitals or not.
func (f *Fleet) Room(name string) (Room, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r, ok := f.rooms[roomKey(name)]
	if !ok {
		return Room{}, refuse(CodeNoRoom, Clean(name, 64), "")
	}
	return r, nil
}

func roomKey(name string) string { return strings.ToLower(name) }

// roomOf returns the room of a computer; one without is never reset but by an order. The caller holds mu or deciding.
func (f *Fleet) roomOf(c Computer) (Room, bool) {
	r, ok := f.rooms[roomKey(c.Room)]
	if c.Room == "" || !ok {
		return Room{Policy: job.PolicyNever, Level: job.LevelFull, Lang: "fr"}, false
	}
	return r, true
}

// RoomOf returns the room that a computer is in.
func (f *Fleet) RoomOf(c Computer) (Room, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.roomOf(c)
}

// SetRoom makes a room, or changes one that there is. A night's work that is chosen after its hour begins the next night.
func (f *Fleet) SetRoom(ctx context.Context, name, by string, change func(*Room)) (Room, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	r, known := f.rooms[roomKey(name)]
	if !known {
		r = NewRoom(name)
		if len(f.rooms) >= maxRooms {
			return r, refuse(CodeBadRoom, Clean(name, 64), "there are %d rooms already", maxRooms)
		}
	}
	old := r
	change(&r)
	r.Name, r.NightDone = old.Name, old.NightDone
	if err := r.check(); err != nil {
		return r, err
	}
	if r.Policy == job.PolicyNight && (old.Policy != job.PolicyNight || old.Night != r.Night || !known) {
		now := f.o.Now().In(f.o.Zone)
		if at, _ := nightOf(r, now); !now.Before(at) {
			r.NightDone = now.Format(time.DateOnly)
		} else {
			r.NightDone = ""
		}
	}
	e := f.event("room", Info, Computer{}, Task{}, "%s was set by %s: reset %s, %s, menu %v", r.Name, Clean(by, 64), r.Policy,
		r.Level, r.Menu)
	return r, f.commit(ctx, Change{Rooms: []Room{r}, Events: []Event{e}})
}

// ForgetRoom removes a room that no computer is in.
func (f *Fleet) ForgetRoom(ctx context.Context, name, by string) (Room, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	r, ok := f.rooms[roomKey(name)]
	if !ok {
		return r, refuse(CodeNoRoom, Clean(name, 64), "")
	}
	if in := f.InRoom(r.Name); len(in) > 0 {
		var names []string
		for _, c := range in[:min(len(in), 5)] {
			names = append(names, c.Name)
		}
		return r, refuse(CodeRoomNeeded, r.Name, "%d computers are in it: %s", len(in), strings.Join(names, ", "))
	}
	e := f.event("room", Info, Computer{}, Task{}, "%s was forgotten by %s", r.Name, Clean(by, 64))
	return r, f.commit(ctx, Change{ForgottenRooms: []string{r.Name}, Events: []Event{e}})
}

// InRoom lists the computers of a room, by name.
func (f *Fleet) InRoom(name string) []Computer {
	return slices.DeleteFunc(f.Computers(), func(c Computer) bool { return c.Room == "" || !strings.EqualFold(c.Room, name) })
}

// Place puts computers into a room; "" takes them out of theirs. All go, or none.
func (f *Fleet) Place(ctx context.Context, refs []string, name, by string) ([]Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	room := ""
	if name != "" {
		r, ok := f.rooms[roomKey(name)]
		if !ok {
			return nil, refuse(CodeNoRoom, Clean(name, 64), "")
		}
		room = r.Name
	}
	if len(refs) == 0 || len(refs) > maxTargets {
		return nil, refuse(CodeBadOrder, "", "1 to %d computers are placed at once", maxTargets)
	}
	var change Change
	for _, ref := range refs {
		c, err := f.Find(ref)
		if err != nil {
			return nil, err
		}
		if c.State != Enrolled {
			return nil, refuse(CodeNotEnrolled, c.Name, "it is %s", c.State)
		}
		c = f.computers[c.ID] // as it is kept, without what the boot server saw since
		if c.Room == room || slices.ContainsFunc(change.Computers, func(x Computer) bool { return x.ID == c.ID }) {
			continue
		}
		was := c.Room
		c.Room = room
		change.Computers = append(change.Computers, c)
		change.Events = append(change.Events, f.event("placed", Info, c, Task{}, "from %q to %q by %s", was, room, Clean(by, 64)))
	}
	return change.Computers, f.commit(ctx, change)
}
