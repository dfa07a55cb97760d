package house

import (
	"strings"
	"testing"
)

// floors orders the rooms. A package may import packages of a lower floor only; inside a room the floors are those of
// its own parts. Rooms that are not named here are reported, so that a new room gets its place on purpose.
func floors() map[string]int {
	return map[string]int{
		"cmd":     50,
		"console": 40,
		"fleet":   30,

		"imaging/agent":     23,
		"imaging/capture":   22,
		"imaging/restore":   22,
		"imaging/wipe":      22,
		"imaging/quick":     22,
		"imaging/cache":     22,
		"imaging/personal":  22,
		"imaging/multicast": 22,
		"imaging/disk":      21,
		"imaging/volume":    21,
		"imaging/job":       20,

		"masters/storetest": 13,
		"masters":           12,
		"masters/manifest":  11,
		"masters/store":     11,
		"masters/sign":      10,
		"masters/chunk":     10,
		"masters/durable":   10,

		"pxe": 0,
	}
}

// place finds the most specific room that a package lies in, and its floor.
func place(room string) (name string, floor int, ok bool) {
	for name = room; name != "." && name != ""; {
		if floor, ok = floors()[name]; ok {
			return name, floor, true
		}
		cut := strings.LastIndexByte(name, '/')
		if cut < 0 {
			break
		}
		name = name[:cut]
	}
	return "", 0, false
}

// outside tells whether a package lies beside the house and may look into every room.
func outside(room string) bool {
	top, _, _ := strings.Cut(room, "/")
	return top == "integration" || top == "scripts"
}

// wrong returns why one package must not import another, or "".
func wrong(from, to string) string {
	if outside(from) {
		return ""
	}
	if outside(to) {
		return "integration and scripts look at the house from outside; what a room needs belongs into a room"
	}
	fromName, fromFloor, ok := place(from)
	if !ok {
		return ""
	}
	toName, toFloor, ok := place(to)
	if !ok {
		return "it lies in no room of the map (DESIGN.md section 4)"
	}
	switch {
	case fromName == toName:
		return "" // parts of one room: the compiler refuses circles
	case fromName == "pxe":
		return "pxe knows none of the other rooms: it asks its own interface Booter, and cmd wires it"
	case toName == "pxe" && fromName != "cmd":
		return "only cmd knows pxe: implement what it asks with your own types and let cmd wire the two"
	case toFloor > fromFloor:
		return "imports point down only (cmd -> console -> fleet -> imaging -> masters): a lower room that knows a higher " +
			"one can be neither tested nor used without it; declare a small interface and let the higher room pass itself in"
	case toFloor == fromFloor:
		return "rooms on one level never import each other: declare what you need as a small interface and let the room " +
			"above wire the two"
	}
	return ""
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		room := p.Room()
		if _, _, ok := place(room); !ok && !outside(room) {
			t.Errorf("%s lies in no room of the map: give it a place in DESIGN.md section 4 and in this test", p.ImportPath)
		}
		for _, path := range p.Imports {
			to, ours := strings.CutPrefix(path, module+"/")
			if !ours {
				continue
			}
			if why := wrong(room, to); why != "" {
				t.Errorf("%s imports %s: %s", room, to, why)
			}
		}
	}
}

// Tests may use a neighbour to check against the real thing, never a room above: it would have to be built first.
func TestTestsDoNotLookUp(t *testing.T) {
	for _, p := range packages(t) {
		room := p.Room()
		if outside(room) {
			continue
		}
		for _, path := range append(p.TestImports, p.XTestImports...) {
			to, ours := strings.CutPrefix(path, module+"/")
			if !ours {
				continue
			}
			if outside(to) {
				t.Errorf("tests of %s import %s: tests of a room must not need the lab", room, to)
				continue
			}
			_, fromFloor, _ := place(room)
			_, toFloor, _ := place(to)
			if toFloor/10 > fromFloor/10 {
				t.Errorf("tests of %s import %s, a room above: put the test there, or into integration", room, to)
			}
		}
	}
}

func TestArrowRule(t *testing.T) {
	tests := map[string]struct {
		from, to string
		allowed  bool
	}{
		"the daemon wires pxe":                       {"cmd/ardoise", "pxe", true},
		"the fleet does not know pxe":                {"fleet", "pxe", false},
		"pxe does not know the masters":              {"pxe", "masters/chunk", false},
		"a part of pxe may use another":              {"pxe/tftp", "pxe", true},
		"imaging uses masters":                       {"imaging/capture", "masters/manifest", true},
		"masters do not know imaging":                {"masters/store", "imaging/job", false},
		"capture and restore are neighbours":         {"imaging/capture", "imaging/restore", false},
		"the agent uses capture":                     {"imaging/agent", "imaging/capture", true},
		"a part of the agent is the agent":           {"imaging/agent/notices", "imaging/agent", true},
		"disk does not know restore":                 {"imaging/disk", "imaging/restore", false},
		"the console uses the fleet":                 {"console", "fleet", true},
		"the fleet does not know the console":        {"fleet", "console/notices", false},
		"nobody imports the lab":                     {"cmd/ardoise", "integration/lab", false},
		"the lab may look everywhere":                {"integration/lab", "pxe", true},
		"a package outside the map is not for rooms": {"fleet", "tools/x", false},
	}
	for name, tt := range tests {
		if got := wrong(tt.from, tt.to) == ""; got != tt.allowed {
			t.Errorf("%s: %s -> %s allowed = %v, want %v", name, tt.from, tt.to, got, tt.allowed)
		}
	}
}
