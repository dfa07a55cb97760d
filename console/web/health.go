package web

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/web/words"
	"github.com/ardoise/ardoise/fleet/people"
)

// healthView is how the server is.
type healthView struct {
	Status access.Status
	Checks []checkView
	Bad    int
	Warn   int

	Helpers bool // the person may look after them
}

// checkView is one thing that was looked at.
type checkView struct {
	Title, Detail, Hint string // what is foreign in them is marked
	Mark                badge
}

// showHealth looks around, as `ardoise doctor` does.
func (c *console) showHealth(v *visit) error {
	status, err := v.Desk.Status()
	if err != nil {
		return err
	}
	checks, err := v.Desk.Doctor(v.r.Context())
	if err != nil {
		return err
	}
	view := healthView{Status: status, Helpers: v.May(people.ActionHelper)}
	for _, state := range []string{access.CheckBad, access.CheckWarn, access.CheckOK} { // the worst first
		for _, k := range checks {
			if k.State == state {
				view.Checks = append(view.Checks, checkView{v.checkTitle(k.Name), v.in("", k.Detail), v.in("", k.Hint), v.checkMark(k.State)})
			}
		}
	}
	for _, k := range checks {
		switch k.State {
		case access.CheckBad:
			view.Bad++
		case access.CheckWarn:
			view.Warn++
		}
	}
	return v.page("health", Page{Title: v.say("nav.health"), Active: "nav.health", Data: view})
}

func (t tongue) checkMark(state string) badge {
	switch state {
	case access.CheckOK:
		return badge{"ok", "check", t.say("health.ok")}
	case access.CheckWarn:
		return badge{"warn", "warn", t.say("health.warn")}
	}
	return badge{"bad", "alarm", t.say("health.bad")}
}

// checkTitle is the name of a check in the language of the person.
func (t tongue) checkTitle(name string) string {
	base, rest, _ := strings.Cut(name, " on ")
	p, ok := words.Checks()[base]
	switch {
	case !ok:
		s := notices.Plain(t.in("", name))
		first, n := utf8.DecodeRuneInString(s)
		return string(unicode.ToUpper(first)) + s[n:]
	case t.lang == words.French:
		base = p.French
	default:
		base = p.English
	}
	if rest != "" {
		base += " · " + rest
	}
	return base
}
