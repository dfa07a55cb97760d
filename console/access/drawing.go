package access

import "github.com/ardoise/ardoise/fleet"

// grid is how many squares a room's drawing has to a side.
const grid = 100

// merged is a room's drawing after a person has moved some of its computers, while others may have moved others: who was
// moved stands where that person put him, who stood somewhere by now stays there, and who stood nowhere stands where the
// person saw him. Where two come to one square, the one that was not moved steps aside.
func merged(now, drawn []fleet.Place, moved map[string]bool) []fleet.Place {
	taken, stands := map[[2]int]bool{}, map[string]bool{}
	var out []fleet.Place
	put := func(p fleet.Place) {
		if taken[[2]int{p.X, p.Y}] {
			p.X, p.Y = nearest(taken, p.X, p.Y)
		}
		taken[[2]int{p.X, p.Y}], stands[p.Computer] = true, true
		out = append(out, p)
	}
	for _, p := range drawn {
		if moved[p.Computer] {
			put(p)
		}
	}
	for _, all := range [][]fleet.Place{now, drawn} {
		for _, p := range all {
			if !moved[p.Computer] && !stands[p.Computer] {
				put(p)
			}
		}
	}
	return out
}

// nearest is the free square nearest to a place. A drawing has more squares than a room has computers.
func nearest(taken map[[2]int]bool, x, y int) (int, int) {
	best, bx, by := -1, x, y
	for fy := range grid {
		for fx := range grid {
			away := (fx-x)*(fx-x) + (fy-y)*(fy-y)
			if !taken[[2]int{fx, fy}] && (best < 0 || away < best) {
				best, bx, by = away, fx, fy
			}
		}
	}
	return bx, by
}
