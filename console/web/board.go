package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

// boardView is a room as a slate with its tiles.
type boardView struct {
	Key   string // what it is opened by: its room, or SITE/ for the computers of a site in no room
	Room  string // name; "": the computers in no room
	Site  string
	Title string
	Head  headView
	Tiles []placed
	Shape bool // somebody has arranged them
	Big   bool
	Pick  bool   // tiles can be chosen
	Line  bool   // it has no tiles until somebody opens it
	Open  bool   // somebody has
	List  string // query of its computers, where they are too many to be opened
}

// headView is what a slate says over its tiles. It is compared to see whether it changed.
type headView struct {
	Room, Title, Master string
	Total               int
	Found               int // that the filter asks for; -1: there is no filter
	Counts              []countView
	Progress            int    // of what its tasks have to do, in percent; -1: none runs
	Work                []part // the same as a bar
	Rate, Left          string // "" where nobody can tell
	Orders              []string
	Narrow              string // filter that an order from here is narrowed by; "": it is for all
	Pick                string // id of the box that chooses all of its tiles; "": none can be chosen
	Big                 bool
	Alone               aloneView // of a room: those in none are never reset
}

// countView is how many computers of a room or a job are in a state. Its word agrees with their number.
type countView struct {
	State badge
	N     int
}

// counted says a state after a number of computers.
func (t tongue) counted(is badge, n int) countView {
	is.Word = t.count("count."+is.Class, n)
	return countView{is, n}
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
func (b boardView) Live() string { return "b-" + key(b.Key) }

// HeadLive is the id of the element of a board's head.
func (b boardView) HeadLive() string { return "h-" + key(b.Key) }

// severity orders states: the first is what somebody must look at.
func severity(class string) int {
	return slices.Index([]string{"alarm", "failed", "unfinished", "loop", "pending", "running", "waiting", "old", "blank", "unknown",
		"refused", "cancelled", "done", "ok"}, class)
}

// boardMaker makes boards of rooms and computers for one person.
type boardMaker struct {
	v     *visit
	query string // that somebody asks for some computers by; "": for all
	now   time.Time
	asked map[string]int // open requests by the name of their computer; nil: nobody has looked
}

func (v *visit) boards() *boardMaker {
	return &boardMaker{v: v, now: v.now()}
}

// wanted is the version that a room's master stands for; zero: none, or nobody can tell.
type wanted struct {
	master string
	number int
}

// wantedIn is the version that computers of a room are to hold.
func wantedIn(r access.Room) wanted {
	name, number, _ := strings.Cut(r.Wanted, "@")
	n, err := strconv.Atoi(number)
	if err != nil {
		return wanted{}
	}
	return wanted{name, n}
}

// misses tells whether what a computer holds is not it, nor newer.
func (w wanted) misses(c *access.Spot) bool {
	return w.number > 0 && (c.Master != w.master || c.Version < w.number)
}

// drawing is how much of a room a board shows.
type drawing int

const (
	everyTile    drawing = iota // those that the filter does not ask for are dim
	matchingTile                // only those that it asks for, row by row
	noTile                      // a line, until somebody opens it
)

// board draws a room with its computers.
func (m *boardMaker) board(r access.Room, site string, in []*access.Spot, how drawing) boardView {
	b := boardView{Key: place(site, r.Name), Room: r.Name, Site: site, Title: roomTitle(r)}
	wanted := wantedIn(r)
	b.Head = headView{Room: r.Name, Title: b.Title, Master: r.Master, Total: len(in), Found: -1, Orders: m.v.orderKinds(site, r.Name)}
	b.Pick = len(b.Head.Orders) > 0
	if b.Pick {
		b.Head.Pick = "p-" + key(b.Key)
	}
	places := map[string][2]int{}
	if how == everyTile {
		for _, p := range r.Plan {
			places[p.Computer] = [2]int{p.X, p.Y}
		}
	}
	var tiles []tileView
	counts, alone := map[face]int{}, map[string]int{}
	found := 0
	for _, c := range in {
		alone[c.OfflineReset]++
		is := stateOf(c, wanted)
		counts[is]++
		if c.Match {
			found++
		}
		if how == noTile || how == matchingTile && !c.Match {
			continue
		}
		t := m.v.tile(c, is, r.Master)
		t.Dim, t.Asked = !c.Match, m.askedOf(c.Name)
		switch {
		case c.Name == r.Teacher && r.Teacher != "":
			t.Mark = "teacher"
		case slices.Contains(r.Spares, c.Name):
			t.Mark = "spare"
		}
		tiles = append(tiles, t)
	}
	if m.query != "" {
		b.Head.Found = found
		b.Head.narrow(m.query)
	}
	if m.sum(&b.Head, in, counts); r.Name != "" {
		b.Head.Alone = m.v.aloneIn(r.Name, alone)
	}
	b.Tiles, b.Shape = arrange(tiles, places)
	return b
}

// narrow makes orders from a head ones for those that a filter asks for: a room of which three are shown is not the order
// that somebody means.
func (h *headView) narrow(query string) {
	switch {
	case h.Found == 0:
		h.Orders = nil
	case h.Found < h.Total:
		h.Narrow = query
	}
}

// Deploys tells whether a deployment can be ordered: then it is the first of what is offered.
func (h headView) Deploys() bool { return slices.Contains(h.Orders, string(job.KindDeploy)) }

// roomTitle is what a room is called within its site.
func roomTitle(r access.Room) string {
	if r.Title != "" {
		return r.Title
	}
	return r.Name[strings.IndexByte(r.Name, '/')+1:]
}

// sum counts what a board's head says, and how far the work in its room is: of the jobs that go on there, also by those
// whose part is over.
func (m *boardMaker) sum(h *headView, in []*access.Spot, counts map[face]int) {
	for is, n := range counts {
		h.Counts = append(h.Counts, m.v.counted(m.v.mark(is.Class, is.Icon), n))
	}
	slices.SortFunc(h.Counts, func(a, b countView) int {
		return cmp.Or(severity(a.State.Class)-severity(b.State.Class), strings.Compare(a.State.Class, b.State.Class))
	})
	going := map[string]bool{}
	for _, c := range in {
		if c.Task != nil && c.Task.State == job.TaskRunning {
			going[c.Job] = true
		}
	}
	var tasks []access.Task
	for _, c := range in {
		switch {
		case !going[c.Job]:
		case c.Task != nil:
			tasks = append(tasks, *c.Task)
		default:
			tasks = append(tasks, access.Task{State: c.Ended})
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

// fragments are the live parts of a board: all of it when its shape changes, else its head and its tiles.
func (b boardView) fragments() fragment {
	shape := []any{b.Room, b.Title, b.Shape, b.Pick, b.Open}
	f := fragment{ID: b.Live(), Template: "board", Data: b}
	f.Inside = append(f.Inside, fragment{ID: b.HeadLive(), Template: "board-head", Data: b.Head})
	for _, t := range b.Tiles {
		shape = append(shape, t.ID, t.Name, t.X, t.Y, t.Mark, t.Dim)
		f.Inside = append(f.Inside, fragment{ID: t.Live(), Template: "face", Data: t.tileView})
	}
	f.Key = shape
	return f
}

// maxTiles is how many tiles a page draws at most: a school with three hundred computers is seen at once, and nobody looks
// at the fifteen thousand of a region. Beyond, rooms are lines until one is opened.
const maxTiles = 700

// group sorts computers by room; those in none are with their site.
func group(floor []access.Spot) map[string][]*access.Spot {
	out := map[string][]*access.Spot{}
	for i := range floor {
		c := &floor[i]
		k := place(c.Site, c.Room)
		out[k] = append(out[k], c)
	}
	return out
}

// place is the key of a room, or of a site's computers in none. Computers have the names of rooms and sites as those have
// them.
func place(site, room string) string { return cmp.Or(room, site+"/") }
