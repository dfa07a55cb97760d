package access

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet"
)

// Part is a part of a long list.
type Part struct {
	Total     int
	Computers []Computer
}

// ComputersPart lists some of the computers that a query matches and the caller sees: at most limit, after the first of them.
// compare orders them by their names in small letters.
func (d Desk) ComputersPart(query string, after, limit int, compare func(a, b string) int) (Part, error) {
	all, err := d.sights(query, nil)
	if err != nil {
		return Part{}, err
	}
	found := slices.DeleteFunc(all, func(s fleet.Sight) bool { return !s.Match })
	names := make([]string, len(found))
	at := make([]int, len(found))
	for i := range at {
		at[i], names[i] = i, strings.ToLower(found[i].Computer.Name)
	}
	slices.SortFunc(at, func(a, b int) int { return compare(names[a], names[b]) })
	out := Part{Total: len(found), Computers: []Computer{}}
	for _, i := range at[min(max(after, 0), len(at)):min(max(after, 0)+limit, len(at))] {
		out.Computers = append(out.Computers, d.wire(found[i].Now()))
	}
	return out, nil
}

// ComputersAfter is a page of the computers that a query matches and the caller sees, by id: those after an id, at most limit
// of them; 0: all. An id stays a computer's own, so that nobody is missed where one is renamed between two pages.
func (d Desk) ComputersAfter(query, after string, limit int) ([]Computer, error) {
	all, err := d.sights(query, nil)
	if err != nil {
		return nil, err
	}
	byID := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) } // of a million, too
	found := slices.DeleteFunc(all, func(s fleet.Sight) bool { return !s.Match || byID(s.Computer.ID, after) <= 0 })
	slices.SortFunc(found, func(a, b fleet.Sight) int { return byID(a.Computer.ID, b.Computer.ID) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	out := make([]Computer, 0, len(found))
	for _, s := range found {
		out = append(out, d.wire(s.Now()))
	}
	return out, nil
}

// Ran counts the computers that the caller sees by the manifest of what they are proven to hold.
func (d Desk) Ran() map[string]int {
	out := map[string]int{}
	all, _ := d.sights("", nil) // the empty query is understood
	for _, s := range all {
		if r := s.Computer.Runs; r != nil {
			out[r.Manifest]++
		}
	}
	return out
}

// RoomList lists the rooms that the caller sees, by name, without their computers: for who asks only which there are.
func (d Desk) RoomList() []Room {
	out := []Room{}
	for _, r := range d.h.Fleet.Rooms() {
		if d.seesRoom(r.Name) {
			out = append(out, d.h.roomWith(r, nil))
		}
	}
	return out
}
