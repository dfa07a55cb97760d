package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// boardView is a room as a slate with its tiles.
type boardView struct {
	Room  string // name; "": the computers in no room
	Site  string
	Title string
	Head  headView
	Tiles []placed // none where there would be too many
	Shape bool     // somebody has arranged them
	Big   bool
	Pick  bool // tiles can be chosen
}

// headView is what a slate says over its tiles. It is compared to see whether it changed.
type headView struct {
	Room, Title, Master string
	Total               int
	Counts              []countView
	Progress            int    // of what its tasks have to do, in percent; -1: none runs
	Work                []part // the same as a bar
	Rate, Left          string // "" where nobody can tell
	Orders              []string
	Big                 bool
}

// countView is how many computers of a room are in a state.
type countView struct {
	State badge
	N     int
}

// Bar is the room as a line of colours: the work that is done while some goes on, else how its computers are.
func (h headView) Bar() (parts []part) {
	if h.Work != nil {
		return h.Work
	}
	for _, c := range h.Counts {
		parts = append(parts, part{c.State.Class, c.N})
	}
	return parts
}

// Live is the id of a board's element, HeadLive that of its head's.
func (b boardView) Live() string { return "b-" + key(b.Site+"//"+b.Room) }

// HeadLive is the id of the element of a board's head.
func (b boardView) HeadLive() string { return "h-" + key(b.Site+"//"+b.Room) }

// severity orders states: the first is what somebody must look at.
func severity(class string) int {
	return slices.Index([]string{"alarm", "failed", "unfinished", "loop", "pending", "running", "waiting", "old", "blank", "unknown",
		"refused", "cancelled", "done", "ok"}, class)
}

// boardMaker makes boards of rooms and computers for one person.
type boardMaker struct {
	v       *visit
	masters map[string]*access.Master // by reference, resolved once
	failed  map[string]bool           // ids of computers whose newest task failed
	now     time.Time
}

func (v *visit) boards() (*boardMaker, error) {
	m := &boardMaker{v: v, masters: map[string]*access.Master{}, failed: map[string]bool{}, now: v.now()}
	failed, err := v.Desk.Computers("task:" + job.TaskFailed)
	for _, c := range failed {
		m.failed[c.ID] = true
	}
	return m, err
}

// wanted is the version that a room's master stands for; nil: none, or nobody can tell.
func (m *boardMaker) wanted(ref string) *access.Master {
	if ref == "" {
		return nil
	}
	if known, ok := m.masters[ref]; ok {
		return known
	}
	var found *access.Master
	if x, err := m.v.Desk.Resolve(ref); err == nil {
		found = &x
	}
	m.masters[ref] = found
	return found
}

// board draws a room.
func (m *boardMaker) board(r access.Room, site string, computers []access.Computer, dim func(access.Computer) bool, big bool) boardView {
	b := boardView{Room: r.Name, Site: site, Title: roomTitle(r), Big: big}
	wanted := m.wanted(r.Master)
	b.Head = headView{Room: r.Name, Title: b.Title, Master: r.Master, Progress: -1, Big: big, Orders: m.v.orderKinds(site, r.Name)}
	b.Pick = len(b.Head.Orders) > 0
	places := map[string][2]int{}
	for _, p := range r.Plan {
		places[p.Computer] = [2]int{p.X, p.Y}
	}
	var tiles []tileView
	for _, c := range computers {
		t := m.v.tile(c, wanted, m.failed[c.ID])
		t.Dim = dim != nil && dim(c)
		switch {
		case c.Name == r.Teacher && r.Teacher != "":
			t.Mark = "teacher"
		case slices.Contains(r.Spares, c.Name):
			t.Mark = "spare"
		}
		tiles = append(tiles, t)
	}
	m.sum(&b.Head, computers, tiles)
	b.Tiles, b.Shape = arrange(tiles, places)
	return b
}

// roomTitle is what a room is called within its site.
func roomTitle(r access.Room) string {
	if r.Title != "" {
		return r.Title
	}
	return r.Name[strings.IndexByte(r.Name, '/')+1:]
}

// sum counts what a board's head says.
func (m *boardMaker) sum(h *headView, computers []access.Computer, tiles []tileView) {
	counts := map[string]countView{}
	for _, t := range tiles {
		c := counts[t.State.Class]
		c.State, c.N = m.v.mark(t.State.Class, t.State.Icon), c.N+1
		counts[t.State.Class] = c
	}
	h.Total = len(tiles)
	h.Counts = slices.SortedFunc(maps.Values(counts), func(a, b countView) int {
		return cmp.Or(severity(a.State.Class)-severity(b.State.Class), strings.Compare(a.State.Class, b.State.Class))
	})
	var tasks []access.Task
	for _, c := range computers {
		if c.Task != nil {
			tasks = append(tasks, *c.Task)
		}
	}
	w := workOf(tasks, m.now)
	if h.Progress = w.Percent; h.Progress >= 0 {
		h.Work = w.Bar
	}
	if w.Wire > 0 {
		h.Rate = m.v.rate(w.Wire)
	}
	if w.Left > 0 {
		h.Left = m.v.span(w.Left)
	}
}

// remaining guesses how long the present step of a task takes, by how long it took so far. Nobody can tell at its
// beginning.
func remaining(t *access.Task, now time.Time) (time.Duration, bool) {
	if t.Started == nil || t.Total <= 0 || t.Done < t.Total/50 || t.Done > t.Total {
		return 0, false
	}
	began := *t.Started
	for _, s := range t.Timings {
		began = began.Add(time.Duration(s.Seconds * float64(time.Second)))
	}
	took := now.Sub(began)
	if took < 2*time.Second {
		return 0, false
	}
	return time.Duration(float64(took) * float64(t.Total-t.Done) / float64(t.Done)), true
}

// fragments are the live parts of a board: all of it when its shape changes, else its head and its tiles.
func (b boardView) fragments() fragment {
	shape := []any{b.Room, b.Title, b.Shape, b.Pick}
	f := fragment{ID: b.Live(), Template: "board", Data: b}
	f.Inside = append(f.Inside, fragment{ID: b.HeadLive(), Template: "board-head", Data: b.Head})
	for _, t := range b.Tiles {
		shape = append(shape, t.ID, t.Name, t.X, t.Y, t.Mark, t.Dim)
		f.Inside = append(f.Inside, fragment{ID: t.Live(), Template: "face", Data: t.tileView})
	}
	f.Key = shape
	return f
}

// maxTiles is how many tiles a page draws at most; beyond, rooms are shown as lines until one is opened.
const maxTiles = 700

// group sorts computers by site and room. Those in no room come under "".
func group(computers []access.Computer) map[string][]access.Computer {
	out := map[string][]access.Computer{}
	for _, c := range computers {
		k := place(c.Site, c.Room)
		out[k] = append(out[k], c)
	}
	return out
}

// place is the key of a room, or of a site's computers in none.
func place(site, room string) string {
	if room != "" {
		return strings.ToLower(room)
	}
	return strings.ToLower(site) + "//"
}
