package access

import (
	"maps"
	"testing"

	"github.com/ardoise/ardoise/fleet"
)

func TestTwoWhoMoveComputersLoseNothing(t *testing.T) {
	saw := []fleet.Place{{Computer: "1", X: 0}, {Computer: "2", X: 1}, {Computer: "3", X: 2}}
	draw := func(places map[string][2]int) []fleet.Place {
		var out []fleet.Place
		for _, p := range saw {
			if at, ok := places[p.Computer]; ok {
				p.X, p.Y = at[0], at[1]
			}
			out = append(out, p)
		}
		return out
	}
	for name, x := range map[string]struct {
		now   []fleet.Place
		drawn map[string][2]int
		moved map[string]bool
		want  map[string][2]int
	}{
		"nobody stood anywhere":  {nil, map[string][2]int{"1": {0, 5}}, map[string]bool{"1": true}, map[string][2]int{"1": {0, 5}, "2": {1, 0}, "3": {2, 0}}},
		"another moved another":  {draw(map[string][2]int{"2": {7, 7}}), map[string][2]int{"1": {0, 5}}, map[string]bool{"1": true}, map[string][2]int{"1": {0, 5}, "2": {7, 7}, "3": {2, 0}}},
		"both moved the same":    {draw(map[string][2]int{"1": {7, 7}}), map[string][2]int{"1": {0, 5}}, map[string]bool{"1": true}, map[string][2]int{"1": {0, 5}, "2": {1, 0}, "3": {2, 0}}},
		"both moved to one spot": {draw(map[string][2]int{"2": {0, 5}}), map[string][2]int{"1": {0, 5}}, map[string]bool{"1": true}, map[string][2]int{"1": {0, 5}, "2": {0, 4}, "3": {2, 0}}},
		"nothing was moved":      {draw(map[string][2]int{"2": {7, 7}}), nil, nil, map[string][2]int{"1": {0, 0}, "2": {7, 7}, "3": {2, 0}}},
	} {
		got := map[string][2]int{}
		for _, p := range merged(x.now, draw(x.drawn), x.moved) {
			got[p.Computer] = [2]int{p.X, p.Y}
		}
		if !maps.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}
