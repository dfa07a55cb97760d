package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/ardoise/ardoise/integration/crowd"
)

// The region: more computers than a map has tiles for, so that its rooms are lines.
const (
	halls  = 12
	inHall = 60
)

// opener is the button that opens a room on the map, and closes it.
func opener(room string) string { return "button[name=toggle][value='" + room + "']" }

// opens waits until a room shows so many tiles, and says so to who does not see it.
func (w *window) opens(room string, tiles int) {
	w.t.Helper()
	w.until(fmt.Sprintf("document.querySelector(`%[1]s`).closest('.board').querySelectorAll('.tile').length === %[2]d && "+
		"document.querySelector(`%[1]s`).ariaExpanded === '%[3]t'", opener(room), tiles, tiles > 0))
}

// works orders something short for a computer, and waits until its tile said that it runs, and says so no more. The page itself
// watches: on a busy machine it is over before anybody asks.
func (s *school) works(name string) {
	s.t.Helper()
	runs := "document.querySelector(`.tile[data-name='" + name + "'] .face.s-running`)"
	eval[bool](s.window, "(() => { window.ran = false; new MutationObserver((_, o) => { if ("+runs+") { window.ran = true; o.disconnect(); } })"+
		".observe(document.body, { subtree: true, childList: true, attributes: true }); return true; })()")
	s.order(s.t, "inventory", "--computer", name)
	s.until("window.ran && !" + runs)
}

// TestRoomsOfARegionAreOpenedInTheirPlace opens rooms of a map on which there is no place for every tile: with the mouse, with
// the keyboard, and without scripts.
func TestRoomsOfARegionAreOpenedInTheirPlace(t *testing.T) {
	d := newDaemon(t)
	check(t, os.Mkdir(d.data, 0o700))
	d.serve(t)
	s := &school{daemon: d, window: open(t, d)}
	s.visit(d.link)
	s.fill(map[string]string{"login": "marie", "name": "Marie Martin", "password": passwordOf("marie"), "again": passwordOf("marie")})
	s.press("form[action^='/first'] button")
	s.until(`location.pathname === "/"`)
	s.halls()
	s.play(t, crowd.Options{Size: 1, Work: 3 * time.Second, Pause: 200 * time.Millisecond})
	s.order(t, "computer", "approve", s.codes[0], "--name", "S101-PROF", "--room", "S101")

	s.look("/", "map-lines")
	lines := fmt.Sprintf(`document.querySelectorAll("button[name=toggle]").length === %d && document.querySelectorAll(".tile").length === 0`, halls)
	if !eval[bool](s.window, lines) {
		t.Fatal("the rooms of a region are not lines")
	}
	eval[bool](s.window, "window.sat = true")
	// The mouse, and what happens in the room meanwhile
	s.click(opener("S101"))
	s.opens("S101", inHall+1)
	s.works("S101-PROF")
	if at := eval[string](s.window, "location.search + window.sat"); at != "?open=S101true" {
		t.Errorf("a room was opened at %s", at)
	}
	// The keyboard, which stays where it is
	eval[bool](s.window, "document.querySelector(`"+opener("S102")+"`).focus(), true")
	for _, k := range []struct {
		key   string
		tiles int
	}{{kb.Enter, inHall}, {" ", 0}, {" ", inHall}, {kb.Enter, 0}} {
		s.keys(k.key)
		s.opens("S102", k.tiles)
		s.opens("S101", inHall+1)
		if on := eval[string](s.window, "document.activeElement.value ?? document.activeElement.tagName"); on != "S102" {
			t.Fatalf("after %q the keyboard is on %s", k.key, on)
		}
	}
	s.judge()
	s.shoot("map-opened")
	// Loaded again, it is as it was, and alive
	s.visit(eval[string](s.window, "location.pathname + location.search"))
	s.opens("S101", inHall+1)
	s.opens("S102", 0)
	s.works("S101-PROF")
	s.click(opener("S101"))
	s.opens("S101", 0)
	if at := eval[string](s.window, "location.pathname + location.search"); at != "/?" && at != "/" {
		t.Errorf("after the last room was closed the address is %s", at)
	}
	s.quiet()
	s.halldoors(s.joined("reader", "paul"))
}

// halls makes the rooms, with computers that are expected.
func (s *school) halls() {
	list := "name,room,mac\n"
	for i := range halls {
		room := fmt.Sprintf("S%d", 101+i)
		s.order(s.t, "room", "set", room)
		for k := range inHall {
			list += fmt.Sprintf("%s-%02d,%s,52:54:00:00:%02x:%02x\n", room, k+1, room, i, k)
		}
	}
	file := filepath.Join(s.t.TempDir(), "region.csv")
	check(s.t, os.WriteFile(file, []byte(list), 0o600))
	s.order(s.t, "computer", "import", file)
}

// halldoors opens and closes a room without scripts.
func (s *school) halldoors(w *window) {
	w.unscripted()
	w.visit("/")
	w.goes(opener("S103"))
	w.opens("S103", inHall)
	if at := eval[string](w, "location.search + location.hash"); !strings.HasPrefix(at, "?open=S103#b-") {
		s.t.Errorf("without scripts a room was opened at %s", at)
	}
	w.goes(opener("S104"))
	w.opens("S104", inHall)
	w.opens("S103", inHall)
	w.goes(opener("S103"))
	w.opens("S103", 0)
	w.opens("S104", inHall)
	w.quiet()
}
