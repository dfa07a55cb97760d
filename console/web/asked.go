package web

import (
	"strconv"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/requests"
)

// maxAsked is how many open requests are marked on tiles; maxCounted how many are counted beside the navigation.
const (
	maxAsked   = 1000
	maxCounted = 99
)

// unanswered lists the open requests that a person sees. Where a page shows something else it shows that without them, too.
func (v *visit) unanswered(limit int) []access.Request {
	if v.c.House.Requests == nil {
		return nil
	}
	found, err := v.Desk.Requests(v.r.Context(), access.RequestFilter{State: string(requests.StateOpen), Limit: limit})
	if err != nil {
		v.c.Log.Warn("asking for open requests", "route", v.r.Pattern, "error", err)
	}
	return found
}

// count says how many open requests there are, beside the entry of the navigation that leads to them.
func (n *navItem) count(v *visit) {
	found := len(v.unanswered(maxCounted + 1))
	switch {
	case found > maxCounted:
		n.Count, n.Says = strconv.Itoa(maxCounted)+"+", v.say("asked.many", v.count("asked.open", maxCounted))
	case found > 0:
		n.Count, n.Says = strconv.Itoa(found), v.count("asked.open", found)
	}
}

// askedOf tells how many open requests there are of a computer.
func (m *boardMaker) askedOf(name string) int {
	if m.asked == nil {
		m.asked = map[string]int{}
		for _, r := range m.v.unanswered(maxAsked) {
			m.asked[r.Computer]++
		}
	}
	return m.asked[name]
}

// maxTold is how many requests a computer's page shows.
const maxTold = 5

// requestsOf lists the newest requests of a computer that are not over.
func (v *visit) requestsOf(id string) (out []requestView, err error) {
	if v.c.House.Requests == nil {
		return nil, nil
	}
	found, err := v.Desk.Requests(v.r.Context(), access.RequestFilter{Computer: id, Limit: maxCounted})
	for _, r := range found {
		if r.State != string(requests.StateClosed) && len(out) < maxTold {
			out = append(out, v.requestView(r))
		}
	}
	return out, err
}
