package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/fleet/filter"
)

// Whether a computer can be reset without the server is one sentence of the fleet's: "yes", or "no, because ...". A
// computer's own page says all of it; a map says it in few words, for it has hundreds.

// offline says the sentence for a computer's page, with why not. What the agent itself gives as its reason, and what has a
// size in it, stays as it is.
func (t tongue) offline(s string) (badge, string) {
	if s == "yes" {
		return badge{"ok", "check", t.say("app.yes")}, ""
	}
	no := badge{"blank", "cross", t.say("app.no")}
	key := "offline." + hindrance(s)
	if why := t.say(key); why != key {
		return no, why
	}
	return no, t.in("", strings.TrimPrefix(s, "no, because "))
}

// hindrance names what hinders a reset without the server, by the sentence that says so.
func hindrance(s string) string {
	for _, known := range []struct{ part, key string }{{"not enrolled", "enrolled"}, {"in no room", "noroom"}, {"never reset", "never"},
		{"no start menu", "menu"}, {"not proven", "unproven"}, {"put there yet", "agent"}, {"its cache ", "cache"}, {"grant", "grant"},
		{"no place for it", "place"}, {"ARDOISE", "table"}, {"BitLocker", "encrypted"}, {"menu is not on its disk", "later"}} {
		if strings.Contains(s, known.part) {
			return known.key
		}
	}
	return "other"
}

// alone says it for a tile; "" where nobody has looked.
func (t tongue) alone(s string) string {
	says := t.say("computer.offline") + t.say("app.colon") + " "
	switch s {
	case "":
		return ""
	case "yes":
		return says + t.say("app.yes")
	}
	return says + t.say("app.no") + ", " + t.say("lacks."+hindrance(s))
}

// aloneView says it of a room: how many of its computers can be reset without the server, and what the others lack.
type aloneView struct {
	Can, Not int
	Why      string // what those that cannot lack, the most frequent first
	Query    string // that asks for them
}

// aloneIn adds up what is said of the computers of a room, how often.
func (t tongue) aloneIn(room string, says map[string]int) aloneView {
	v := aloneView{Query: "offline:no room:" + filter.Quote(room)}
	lacks := map[string]int{} // sentences differ by the megabytes that are missing
	for s, n := range says {
		if s == "yes" {
			v.Can += n
			continue
		}
		v.Not += n
		lacks[t.say("lacks."+hindrance(s))] += n
	}
	var parts []string
	for why := range lacks {
		parts = append(parts, why)
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(lacks[b]-lacks[a], strings.Compare(a, b)) })
	if len(parts) > 1 {
		for i, why := range parts {
			parts[i] = fmt.Sprintf("%s%s %d", why, t.say("app.colon"), lacks[why])
		}
	}
	v.Why = strings.Join(parts, ", ")
	return v
}
