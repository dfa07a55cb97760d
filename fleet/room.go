package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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

	Title   string    `json:",omitempty"` // for people
	Note    string    `json:",omitempty"`
	Plan    []Place   `json:",omitempty"` // where its computers stand
	Teacher string    `json:",omitempty"` // id of the teacher's computer
	Spares  []string  `json:",omitempty"` // ids of computers that stand in for others
	Hours   [2]string `json:",omitzero"`  // HH:MM: lessons begin and end; "": none
}

// Place is where a computer stands in the drawing of its room, in squares from the upper left.
type Place struct {
	Computer string // id
	X, Y     int    // 0 to 99
}

// The bounds of a room's drawing.
const (
	maxGrid   = 100
	maxPlaces = 1000
)

// maxRooms is how many rooms there are at most, of all sites together.
const maxRooms = 10_000

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
	if err := r.checkPlan(); err != nil {
		return err
	}
	return r.Template.check(r.Name)
}

// checkPlan refuses what a room's drawing and its hours cannot be.
func (r Room) checkPlan() error {
	bad := func(format string, args ...any) error { return refuse(CodeBadRoom, r.Name, format, args...) }
	if utf8.RuneCountInString(r.Title) > maxTitle || utf8.RuneCountInString(r.Note) > maxNote {
		return bad("its title has at most %d characters, its note %d", maxTitle, maxNote)
	}
	if len(r.Plan) > maxPlaces || len(r.Spares) > maxPlaces {
		return bad("it has at most %d places and spare computers", maxPlaces)
	}
	stands, taken := map[string]bool{}, map[[2]int]bool{}
	for _, p := range r.Plan {
		at := [2]int{p.X, p.Y}
		switch {
		case p.X < 0 || p.Y < 0 || p.X >= maxGrid || p.Y >= maxGrid:
			return bad("a place is 0 to %d squares from the corner, not %d,%d", maxGrid-1, p.X, p.Y)
		case stands[p.Computer]:
			return bad("a computer stands in two places")
		case taken[at]:
			return bad("two computers stand at %d,%d", p.X, p.Y)
		}
		stands[p.Computer], taken[at] = true, true
	}
	if r.Hours == [2]string{} {
		return nil
	}
	from, fm, ok1 := clock(r.Hours[0])
	to, tm, ok2 := clock(r.Hours[1])
	if !ok1 || !ok2 || to*60+tm <= from*60+fm {
		return bad("lessons are from HH:MM to a later HH:MM, not %q to %q", Clean(r.Hours[0], 16), Clean(r.Hours[1], 16))
	}
	return nil
}

// validRoom tells whether a person may give a room this name: one of its own, or that of its site, a slash and its own.
func validRoom(name string) bool {
	site, own, in := strings.Cut(name, "/")
	if !in {
		return validName(name)
	}
	return validName(site) && validName(own)
}

// lessons returns when the lessons end in whose middle a moment lies. Nobody has lessons on a Sunday.
func (r Room) lessons(at time.Time) (until string, within bool) {
	if r.Hours[0] == "" || at.Weekday() == time.Sunday {
		return "", false
	}
	now := at.Format("15:04")
	return r.Hours[1], r.Hours[0] <= now && now < r.Hours[1]
}

// Rooms lists the rooms, by name.
func (f *Fleet) Rooms() []Room {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Room{}
	for _, r := range f.rooms {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Room) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// Room returns the room of that name, in capitals or not.
func (f *Fleet) Room(name string) (Room, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r, ok := f.rooms[fold(name)]
	if !ok {
		return Room{}, refuse(CodeNoRoom, Clean(name, 64), "")
	}
	return r, nil
}

// roomOf returns the room of a computer; one without is never reset but by an order. The caller holds mu or deciding.
func (f *Fleet) roomOf(c Computer) (Room, bool) {
	r, ok := f.rooms[fold(c.Room)]
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
	r, known := f.rooms[fold(name)]
	if !known {
		if !validRoom(name) {
			return Room{}, refuse(CodeBadName, Clean(name, 64), "")
		}
		if s, ok := f.sites[fold(SiteOf(name))]; ok && s.Name != "" {
			name = s.Name + "/" + localName(name)
		} else if SiteOf(name) != "" {
			return Room{}, refuse(CodeNoSite, Clean(SiteOf(name), 64), "")
		}
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
	r = f.keepPlaces(r)
	r.Title, r.Note = Clean(r.Title, maxTitle), cleanText(r.Note)
	if r.Policy == job.PolicyNight && (old.Policy != job.PolicyNight || old.Night != r.Night || !known) {
		now := f.o.Now().In(f.o.Zone)
		if at, _ := nightOf(r, now); !now.Before(at) {
			r.NightDone = now.Format(time.DateOnly)
		} else {
			r.NightDone = ""
		}
	}
	e := f.event("room", Info, Computer{Room: r.Name}, Task{}, "%s was set by %s: reset %s, %s, menu %v", r.Name, Clean(by, 64), r.Policy,
		r.Level, r.Menu)
	return r, f.commit(ctx, Change{Rooms: []Room{r}, Events: []Event{e}})
}

// ForgetRoom removes a room that no computer is in.
func (f *Fleet) ForgetRoom(ctx context.Context, name, by string) (Room, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	r, ok := f.rooms[fold(name)]
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
	if users := f.usersOf(r); len(users) > 0 {
		return r, refuse(CodeRoomNeeded, r.Name, "%s", someOf(users))
	}
	e := f.event("room", Info, Computer{Room: r.Name}, Task{}, "%s was forgotten by %s", r.Name, Clean(by, 64))
	return r, f.commit(ctx, Change{ForgottenRooms: []string{r.Name}, Events: []Event{e}})
}

// usersOf names what else needs a room. The caller holds deciding.
func (f *Fleet) usersOf(r Room) []string {
	var users []string
	if w, ok := f.windows[fold(r.Name)]; ok && w.open(f.o.Now()) {
		users = append(users, "its enrolment is open")
	}
	for _, s := range f.Schedules() {
		if slices.ContainsFunc(s.Order.Rooms, func(n string) bool { return strings.EqualFold(n, r.Name) }) {
			users = append(users, "schedule "+s.Name)
		}
	}
	return users
}

// InRoom lists the computers of a room, by name.
func (f *Fleet) InRoom(name string) []Computer {
	return f.matching(0, func(c *Computer) bool { return c.Room != "" && strings.EqualFold(c.Room, name) })
}

// keepPlaces leaves out of a room's drawing whoever is not in the room. The caller holds deciding.
func (f *Fleet) keepPlaces(r Room) Room {
	out := func(id string) bool {
		c, ok := f.computers.get(id)
		return !ok || !strings.EqualFold(c.Room, r.Name)
	}
	r.Plan = slices.DeleteFunc(slices.Clone(r.Plan), func(p Place) bool { return out(p.Computer) })
	r.Spares = slices.DeleteFunc(slices.Clone(r.Spares), out)
	if r.Teacher != "" && out(r.Teacher) {
		r.Teacher = ""
	}
	return r
}

// Place puts computers into a room; "" takes them out of theirs, "SITE/" into a site and no room. All go, or none.
func (f *Fleet) Place(ctx context.Context, refs []string, name, by string) ([]Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	room, site, err := f.destination(name)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 || len(refs) > maxTargets {
		return nil, refuse(CodeBadOrder, "", "1 to %d computers are placed at once", maxTargets)
	}
	var change Change
	left := map[string]map[string]bool{} // room, folded -> ids of who leaves it
	for _, ref := range refs {
		c, err := f.findEnrolled(ref)
		if err != nil {
			return nil, err
		}
		c, _ = f.computers.get(c.ID) // as it is kept, without what the boot server saw since
		to := site
		if name == "" {
			to = stays(c)
		}
		if c.Room == room && (room != "" || c.Site == to) || slices.ContainsFunc(change.Computers, func(x Computer) bool { return x.ID == c.ID }) {
			continue
		}
		was := c.Room
		if was != "" {
			if left[fold(was)] == nil {
				left[fold(was)] = map[string]bool{}
			}
			left[fold(was)][c.ID] = true
		}
		c.Room, c.Site = room, to
		change.Computers = append(change.Computers, c)
		change.Events = append(change.Events, f.event("placed", Info, c, Task{}, "from %q to %q by %s", was, name, Clean(by, 64)))
	}
	change.Rooms = f.withdraw(left)
	return change.Computers, f.commit(ctx, change)
}

// destination is what the name of a place means: a room with its site, "SITE/" a site and no room, "" neither. The caller
// holds deciding.
func (f *Fleet) destination(name string) (room, site string, err error) {
	switch own := localName(name); {
	case name == "":
	case own == "":
		s, ok := f.sites[fold(SiteOf(name))]
		if !ok || s.Name == "" {
			return "", "", refuse(CodeNoSite, Clean(SiteOf(name), 64), "")
		}
		site = s.Name
	default:
		r, ok := f.rooms[fold(name)]
		if !ok {
			return "", "", refuse(CodeNoRoom, Clean(name, 64), "")
		}
		room, site = r.Name, SiteOf(r.Name)
	}
	return room, site, nil
}

// stays is the site of a computer that leaves its room: that of the room.
func stays(c Computer) string {
	if c.Room != "" {
		return SiteOf(c.Room)
	}
	return c.Site
}

// withdraw takes computers out of the drawings of rooms, and returns the rooms that this changes. The caller holds deciding.
func (f *Fleet) withdraw(left map[string]map[string]bool) []Room {
	var out []Room
	for room, gone := range left {
		r, ok := f.rooms[room]
		if !ok {
			continue
		}
		places, spares := len(r.Plan), len(r.Spares)
		r.Plan = slices.DeleteFunc(slices.Clone(r.Plan), func(p Place) bool { return gone[p.Computer] })
		r.Spares = slices.DeleteFunc(slices.Clone(r.Spares), func(id string) bool { return gone[id] })
		changed := len(r.Plan) != places || len(r.Spares) != spares
		if gone[r.Teacher] {
			r.Teacher, changed = "", true
		}
		if changed {
			out = append(out, r)
		}
	}
	return out
}
