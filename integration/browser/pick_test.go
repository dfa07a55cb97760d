package browser

import "fmt"

// allButTwo chooses a whole room with one box, takes two computers out again, and orders for the others. News that come
// meanwhile take nothing away.
func (s *school) allButTwo() {
	s.visit("/")
	board := `.board:has(a[href="/rooms/S104"])`
	whole := "document.querySelector('" + board + " [data-pick-all]')"
	s.click(board + " [data-pick-all]")
	s.until(fmt.Sprintf(`%s.checked && document.querySelector("#selection [data-count]").innerText.startsWith("%d ")`, whole, room))
	for _, name := range []string{"S104-02", "S104-05"} {
		s.click(`.tile[data-name="` + name + `"] .tile-pick input`)
	}
	six := fmt.Sprintf(`!%s.checked && %s.indeterminate && document.querySelector("#selection [data-count]").innerText.startsWith("%d ")`, whole, whole, room-2)
	s.until(six)
	eval[bool](s.window, whole+".focus(), true")
	s.order(s.t, "computer", "rename", "S104-08", "PROF") // which draws the room again
	s.until(`!!document.querySelector('.tile[data-name="PROF"]')`)
	s.until(six)
	if !eval[bool](s.window, "document.activeElement === "+whole) {
		s.t.Error("the keyboard loses its place whenever there is news of the room")
	}
	s.order(s.t, "computer", "rename", "PROF", "S104-08")
	s.goes("#selection button[value=reset]")
	s.must(fmt.Sprintf("%d computers", room-2))
	// A map that shows some of a room orders for these
	s.visit("/?q=name%3AS104-02")
	s.goes(board + " a.main")
	s.goes("a.choice.is-stable")
	s.must("1 computer")
	if !eval[bool](s.window, `[...document.querySelectorAll("main td bdi")].some((e) => e.textContent === "S104-02")`) {
		s.t.Error("an order from a map that shows one computer is for another")
	}
}
