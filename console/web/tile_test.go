package web

import "testing"

// What a tile is called fits on it, and tells computers apart.
func TestATileHasAShortName(t *testing.T) {
	for _, c := range []struct{ name, room, want string }{
		{"S101-04", "S101", "04"},
		{"s101-04", "zola/S101", "04"},
		{"S101", "S101", "S101"},
		{"PROF", "S101", "PROF"},
		{"52:54:00:12:34:56", "", "…12:34:56"},
		{"52:54:00:12:34:56", "S101", "…12:34:56"},
	} {
		if got := short(c.name, c.room); got != c.want {
			t.Errorf("%q in room %q is called %q, want %q", c.name, c.room, got, c.want)
		}
	}
}
