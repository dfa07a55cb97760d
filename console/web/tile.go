package web

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// badge is a state as a person sees it: a colour, an icon and a word.
type badge struct{ Class, Icon, Word string }

// mark makes the badge of a state that words, icons.svg and app.css know.
func (t tongue) mark(class, icon string) badge {
	return badge{Class: class, Icon: icon, Word: t.say("state." + class)}
}

// taskMark is the badge of a task's or a job's state.
func (t tongue) taskMark(state string) badge {
	icons := map[string]string{job.TaskWaiting: "clock", job.TaskRunning: "running", job.TaskDone: "done", job.TaskFailed: "failed",
		job.TaskCancelled: "cross"}
	return t.mark(state, cmp.Or(icons[state], "unknown"))
}

// tileView is a computer on a plan. It is compared to see whether it changed.
type tileView struct {
	ID, Name string
	Short    string // its name without that of its room
	State    badge
	Percent  int    // of the task that runs; -1: none runs
	More     string // what it holds, or the step that it is at
	Holds    string // master that it holds, where that is not its room's
	Version  int    // of the master that it holds; 0: More is something else
	Dim      bool   // not what the filter asks for
	Mark     string // teacher, spare or ""
	Asked    int    // open requests about it
	Offline  string // whether it is reset without the server; "": nobody can tell
}

// Live is the id of what changes of it.
func (v tileView) Live() string { return "t-" + key(v.ID) }

// key makes a name fit for the id of an element.
func key(name string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(name)))
	return fmt.Sprintf("%016x", h.Sum64())
}

// face is the class and the icon of a state.
type face struct{ Class, Icon string }

// stateOf says how a computer is: what a person must know first. wanted is what its room's master stands
// for.
func stateOf(c *access.Spot, wanted wanted) face {
	task := c.Task
	switch {
	case c.State == "alarm":
		return face{"alarm", "alarm"}
	case c.State == "pending":
		return face{"pending", "pending"}
	case c.State == "refused":
		return face{"refused", "cross"}
	case c.State == "unknown":
		return face{"unknown", "unknown"}
	case task != nil && task.State == job.TaskRunning:
		return face{"running", "running"}
	case c.Unfinished:
		return face{"unfinished", "warn"}
	case c.BootLoop:
		return face{"loop", "warn"}
	case task != nil && task.State == job.TaskWaiting:
		return face{"waiting", "clock"}
	case c.Ended == job.TaskFailed:
		return face{"failed", "failed"}
	case c.Master == "":
		return face{"blank", "blank"}
	case wanted.misses(c):
		return face{"old", "old"}
	}
	return face{"ok", "check"}
}

// tile is a computer as a tile, in a room with a master, "": with none.
func (t tongue) tile(c *access.Spot, is face, master string) tileView {
	name := cmp.Or(c.Name, c.ID)
	v := tileView{ID: c.ID, Name: name, Short: short(name, c.Room), State: t.mark(is.Class, is.Icon), Percent: -1,
		Offline: t.alone(c.OfflineReset)}
	if c.Master != "" {
		v.More, v.Version = fmt.Sprintf("%s@%d", c.Master, c.Version), c.Version
		if own, _, _ := strings.Cut(master, "@"); own != c.Master {
			v.Holds = c.Master
		}
	}
	if c.State == "pending" && c.Code != "" {
		v.More, v.Version = code(c.Code), 0
	}
	if task := c.Task; task != nil && is.Class == "running" {
		v.Percent, v.More, v.Version = min(int(share(task)*whole)*100/whole, 99), t.step(task.Step), 0
		v.State.Word = t.say("tile.percent", v.Percent)
	}
	return v
}

// short is the name of a computer without that of its room: on a room's own slate the number says it. Of an address, which stands
// for a name that nobody has given yet, the end tells computers of one maker apart, the start does not.
func short(name, room string) string {
	if mac, err := net.ParseMAC(name); err == nil && len(mac) == 6 {
		return "…" + name[len(name)-len("00:00:00"):]
	}
	own := room[strings.IndexByte(room, '/')+1:]
	if len(name) > len(own)+1 && own != "" && strings.EqualFold(name[:len(own)], own) && name[len(own)] == '-' {
		return name[len(own)+1:]
	}
	return name
}

// code is written in two groups, as the computer's own screen has it.
func code(digits string) string {
	if len(digits) != 6 {
		return digits
	}
	return digits[:3] + "\u00a0" + digits[3:]
}

// placed is a tile where it stands.
type placed struct {
	tileView
	X, Y int
}

// perRow is how many tiles stand beside each other in a room that nobody has arranged.
const perRow = 6

// arrange gives every tile its place: those that were placed theirs, the others the free squares row by row, in the order
// of their names with numbers counted as numbers.
func arrange(tiles []tileView, places map[string][2]int) (out []placed, shaped bool) {
	slices.SortStableFunc(tiles, func(a, b tileView) int { return natural(a.Name, b.Name) })
	taken := map[[2]int]bool{}
	first := 0 // row in which those without a place begin
	for _, t := range tiles {
		if at, ok := places[t.Name]; ok {
			taken[at], shaped = true, true
			first = max(first, at[1]+1)
		}
	}
	x, y := 0, first
	for _, t := range tiles {
		at, ok := places[t.Name]
		if !ok {
			at = [2]int{x, min(y, 99)}
			if x++; x == perRow {
				x, y = 0, y+1
			}
		}
		out = append(out, placed{t, at[0], at[1]})
	}
	slices.SortStableFunc(out, func(a, b placed) int { return cmp.Or(a.Y-b.Y, a.X-b.X) }) // as one reads, for the keyboard
	return out, shaped
}

// natural compares names so that PC-9 comes before PC-10.
func natural(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			na, nb := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if c := cmp.Or(len(na)-len(nb), strings.Compare(na, nb)); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// step says what a task does now, in the words that the computer's own screen has for it.
func (t tongue) step(name string) string {
	said := agent.Word(name).In(agent.Lang(t.lang))
	if said != name && t.lang == words.French {
		said = notices.Apostrophes(said)
	}
	return said
}
