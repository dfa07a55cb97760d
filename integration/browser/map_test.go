package browser

import (
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// stands is the column and the row of a computer on the page of its room.
func (w *window) stands(name string) [2]int {
	w.t.Helper()
	return eval[[2]int](w, fmt.Sprintf("(() => { const d = document.querySelector('.tile[data-name=\"%s\"]').dataset; return [Number(d.x), Number(d.y)]; })()", name))
}

// pull drags the tile of a computer to a square.
func (w *window) pull(name string, x, y int) {
	w.t.Helper()
	tile := fmt.Sprintf(`.tile[data-name="%s"]`, name)
	from, at := w.middle(tile), w.stands(name)
	step := eval[spot](w, "(() => { const r = document.querySelector(`"+tile+"`).getBoundingClientRect(), g = parseFloat(getComputedStyle(document.querySelector('[data-arrange]')).columnGap); "+
		"return { X: r.width + g, Y: r.height + g }; })()")
	w.drag(from, spot{from.X + float64(x-at[0])*step.X, from.Y + float64(y-at[1])*step.Y})
	if now := w.stands(name); now != [2]int{x, y} {
		w.t.Fatalf("%s was dragged to %d,%d and stands at %v", name, x, y, now)
	}
}

// mapByMouseAndKeys arranges a room: one person with the mouse, another with the keyboard, at the same time. Neither loses
// what the other did; who only looks sees both.
func (s *school) mapByMouseAndKeys(karim *window) {
	third := s.joined("reader", "paul")
	for _, w := range []*window{s.window, karim, third} {
		w.visit("/rooms/S104")
	}
	if third.until(`document.querySelectorAll(".tile").length === 8`); eval[bool](third, `!!document.querySelector("[data-arrange-begin]")`) {
		s.t.Error("a reader is offered to arrange a room")
	}
	// The mouse
	s.click("[data-arrange-begin]")
	s.told("Drag the computers")
	s.pull("S104-01", 5, 2)
	s.told("S104-01: column 6, row 3")
	s.pull("S104-03", 0, 2)
	two := s.stands("S104-02")
	s.pull("S104-04", two[0], two[1]) // two that meet change places
	// The keyboard, meanwhile
	eval[bool](karim, `document.querySelector("[data-arrange-begin]").focus(), true`)
	karim.keys(kb.Enter)
	karim.told("arrow keys")
	eval[bool](karim, `document.querySelector(".tile[data-name='S104-06']").focus(), true`)
	karim.keys(kb.ArrowDown, kb.ArrowDown, kb.ArrowDown, kb.ArrowDown)
	at := karim.stands("S104-06")
	karim.told(fmt.Sprintf("S104-06: column %d, row %d", at[0]+1, at[1]+1))
	karim.keys(kb.Tab)
	if on := eval[string](karim, `document.activeElement.dataset.name ?? document.activeElement.outerHTML.slice(0, 200)`); on == "S104-06" {
		s.t.Error("the keyboard cannot leave a computer that it has moved")
	}
	s.goes("#arrange button.main")
	karim.until(`!document.querySelector("#arrange").hidden`)
	eval[bool](karim, `document.querySelector("#arrange button.main").focus(), true`)
	eval[bool](karim, "window.stays = true")
	karim.keys(kb.Enter)
	karim.until(`!window.stays && document.readyState === "complete"`)
	want := map[string][2]int{"S104-01": {5, 2}, "S104-03": {0, 2}, "S104-04": two, "S104-06": at}
	for who, w := range map[string]*window{"marie": s.window, "karim": karim, "paul": third} {
		w.until(fmt.Sprintf(`document.querySelector(".tile[data-name='S104-06']").dataset.y === "%d" && document.querySelector(".tile[data-name='S104-01']").dataset.x === "5"`, at[1]))
		for range 2 {
			for name, place := range want {
				if now := w.stands(name); now != place {
					s.t.Errorf("%s sees %s at %v, not at %v", who, name, now, place)
				}
			}
			w.visit("/rooms/S104") // and still after it was loaded again
		}
	}
	s.judge()
	s.shoot("room-arranged")
	third.visit("/")
	third.until(`document.querySelector(".tile[data-name='S104-01']").dataset.x === "5"`)
	third.quiet()
}
