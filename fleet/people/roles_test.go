package people_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/fleet/people"
)

// The places that every rule is tried at: technicians and readers are of zola, teachers of zola/S104.
var places = map[string][2]string{
	"own room":       {"zola", "zola/S104"},
	"room beside":    {"zola", "zola/S105"},
	"own site":       {"zola", ""},
	"site beside":    {"hugo", "hugo/S104"},
	"nameless site":  {"", "S104"},
	"in no room":     {"", ""},
	"house":          {people.Whole, ""},
	"house and room": {people.Whole, "zola/S104"},
}

func callers() map[string]people.Caller {
	return map[string]people.Caller{
		"administrator":     {Role: people.Administrator},
		"technician":        {Role: people.Technician, Sites: []string{"Zola"}},
		"technician of all": {Role: people.Technician},
		"teacher":           {Role: people.Teacher, Rooms: []string{"zola/s104"}, Sites: []string{"hugo"}},
		"teacher of none":   {Role: people.Teacher},
		"reader":            {Role: people.Reader, Sites: []string{"zola"}},
		"reader of all":     {Role: people.Reader},
		"nobody":            {},
		"impostor":          {Role: "Administrator"},
	}
}

// Who may do what where, written a second time: once a table is changed, a person has to say so twice. A letter is a place:
// r own room, b room beside, s own site, o site beside, n nameless site, - in no room, H house.
func wanted() map[string]map[people.Action]string {
	const all = "rbson-H"
	const rooms = "rbs"
	const sites = "rbson-"
	full := map[people.Action]string{}
	for _, a := range people.Actions() {
		full[a] = all
	}
	technician, everywhere := map[people.Action]string{}, map[people.Action]string{}
	for _, a := range []people.Action{people.ActionSee, people.ActionReport, people.ActionWake, people.ActionReset, people.ActionDeploy,
		people.ActionInspect, people.ActionShutdown, people.ActionCapture, people.ActionWipe, people.ActionScript, people.ActionEnrol,
		people.ActionRoom, people.ActionComputer, people.ActionHelper, people.ActionRequest, people.ActionAudit} {
		technician[a], everywhere[a] = rooms, sites
	}
	for _, a := range []people.Action{people.ActionSeeMasters, people.ActionHealth, people.ActionFilter, people.ActionMaster} {
		technician[a], everywhere[a] = rooms+"H", all
	}
	everywhere[people.ActionSee] = all
	technician[people.ActionForget], everywhere[people.ActionForget] = rooms, all
	return map[string]map[people.Action]string{
		"administrator":     full,
		"technician":        technician,
		"technician of all": everywhere,
		"teacher": {people.ActionSee: "r", people.ActionReport: "r", people.ActionWake: "r",
			people.ActionReset: "r"},
		"reader":        {people.ActionSee: rooms, people.ActionSeeMasters: rooms + "H", people.ActionHealth: rooms},
		"reader of all": {people.ActionSee: all, people.ActionSeeMasters: all, people.ActionHealth: all},
	}
}

var letters = map[string]string{"own room": "r", "room beside": "b", "own site": "s", "site beside": "o", "nameless site": "n", "in no room": "-",
	"house": "H", "house and room": "H"}

func TestWhoMayDoWhatWhere(t *testing.T) {
	want := wanted()
	for who, c := range callers() {
		for _, a := range append(people.Actions(), "", "fly") {
			for where, at := range places {
				may := len(want[who][a]) > 0 && slices.Contains([]byte(want[who][a]), letters[where][0])
				if got := c.May(a, at[0], at[1]); got != may {
					t.Errorf("%s may %q at %s = %v", who, a, where, got)
				}
			}
		}
	}
}

func TestEveryActionHasARule(t *testing.T) {
	seen := map[people.Action]bool{}
	for _, a := range people.Actions() {
		if seen[a] {
			t.Errorf("%s is named twice", a)
		}
		seen[a] = true
		if want := a != people.ActionPeople && a != people.ActionSettings && a != people.ActionPromote && a != people.ActionAddScript &&
			a != people.ActionSite; (people.Caller{Role: people.Technician}).May(a, "x", "x/y") != want {
			t.Errorf("a technician of all sites may %s = %v", a, !want)
		}
	}
}

// Scopes narrow: with any set of them nobody may do what he may not do without, and what is not in the scope is gone.
func TestScopesNarrowAndNeverWiden(t *testing.T) {
	left := map[string][]people.Action{
		people.ScopeRead:      {},
		people.ScopeReset:     {people.ActionReset, people.ActionWake},
		people.ScopeDeploy:    {people.ActionDeploy, people.ActionInspect, people.ActionShutdown, people.ActionWake, people.ActionWipe, people.ActionScript},
		people.ScopeCapture:   {people.ActionCapture},
		people.ScopeComputers: {people.ActionComputer, people.ActionRoom, people.ActionEnrol, people.ActionHelper, people.ActionFilter, people.ActionReport, people.ActionRequest},
		people.ScopeMasters:   {people.ActionMaster, people.ActionForget, people.ActionPromote},
		people.ScopePeople:    {people.ActionPeople, people.ActionAudit},
		people.ScopeAdmin:     people.Actions(),
	}
	look := []people.Action{people.ActionSee, people.ActionSeeMasters, people.ActionHealth}
	for _, one := range people.Scopes() {
		for _, two := range append(people.Scopes(), "nonsense") {
			for who, c := range callers() {
				narrow := c
				narrow.Scopes = []string{one, two}
				for _, a := range people.Actions() {
					in := slices.Contains(look, a) || slices.Contains(left[one], a) || slices.Contains(left[two], a)
					for where, at := range places {
						want := in && c.May(a, at[0], at[1])
						if got := narrow.May(a, at[0], at[1]); got != want {
							t.Fatalf("%s with %s and %s may %s at %s = %v", who, one, two, a, where, got)
						}
					}
				}
			}
		}
	}
	none := people.Caller{Role: people.Administrator, Scopes: []string{}}
	junk := people.Caller{Role: people.Administrator, Scopes: []string{"nonsense"}}
	for _, a := range people.Actions() {
		if none.May(a, "zola", "") || junk.May(a, "zola", "") {
			t.Errorf("a token without a scope may %s", a)
		}
	}
}

func TestWhatIsSeen(t *testing.T) {
	for who, seen := range map[string]string{"administrator": "rbson-HH", "technician": "rbs", "technician of all": "rbson-", "teacher": "r",
		"teacher of none": "", "reader": "rbs", "reader of all": "rbson-", "nobody": "", "impostor": ""} {
		c := callers()[who]
		for where, at := range places {
			if got, want := c.MaySee(at[0], at[1]), slices.Contains([]byte(seen), letters[where][0]); got != want {
				t.Errorf("%s sees %s = %v", who, where, got)
			}
		}
		if got := c.Everywhere(); got != slices.Contains([]string{"administrator", "technician of all", "reader of all"}, who) {
			t.Errorf("%s is everywhere = %v", who, got)
		}
	}
	nameless := people.Caller{Role: people.Technician, Sites: []string{""}} // of the site without a name, and no other
	if !nameless.MaySee("", "S104") || nameless.MaySee("zola", "") || nameless.Everywhere() {
		t.Error("the site without a name is not told from all sites")
	}
}

func TestWhatOfTheAuditLogIsRead(t *testing.T) {
	all := callers()
	for who, want := range map[string]string{"administrator": "true [] false", "technician": "true [Zola] true", "technician of all": "true [] true",
		"teacher": "false [] false", "reader": "false [] false", "reader of all": "false [] false", "nobody": "false [] false"} {
		q, ok := all[who].AuditScope(people.AuditQuery{})
		if got := fmt.Sprint(ok, q.Sites, q.Places); got != want {
			t.Errorf("%s reads %s, want %s", who, got, want)
		}
	}
	for asked, want := range map[string]bool{"ZOLA": true, "hugo": false, people.Whole: false, "": false} {
		if q, ok := all["technician"].AuditScope(people.AuditQuery{Sites: []string{asked, "hugo"}}); ok != want || slices.Contains(q.Sites, "hugo") {
			t.Errorf("asking for %q, a technician of zola reads %v, %v", asked, q.Sites, ok)
		}
	}
	for _, role := range people.Roles() {
		c := people.Caller{Role: role, Scopes: []string{people.ScopeRead}}
		if _, ok := c.AuditScope(people.AuditQuery{}); ok {
			t.Errorf("a %s's token that only looks reads the audit log", role)
		}
	}
}
