package people

import (
	"slices"
	"strings"
)

// Role is what somebody is in the house.
type Role string

// The roles.
const (
	Administrator Role = "administrator"
	Technician    Role = "technician" // of Sites; of all where the list is empty
	Teacher       Role = "teacher"    // of Rooms
	Reader        Role = "reader"     // of Sites; of all where the list is empty
)

// Roles returns all roles, the mightiest first.
func Roles() []Role { return []Role{Administrator, Technician, Teacher, Reader} }

// Valid tells whether it is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Action is a kind of thing that people do. Cancelling needs what ordering needs, and so does planning for later.
type Action string

// The actions.
const (
	ActionSee        Action = "see"         // rooms, computers, jobs, sessions, requests, events of a place
	ActionSeeMasters Action = "see-masters" // the masters, their versions and channels
	ActionHealth     Action = "health"      // how the server is
	ActionReport     Action = "report"      // that something is broken
	ActionWake       Action = "wake"
	ActionReset      Action = "reset"
	ActionDeploy     Action = "deploy" // and stage
	ActionInspect    Action = "inspect"
	ActionShutdown   Action = "shutdown"
	ActionCapture    Action = "capture"
	ActionWipe       Action = "wipe"
	ActionScript     Action = "script" // run one that is approved
	ActionEnrol      Action = "enrol"  // approve, refuse, open a window
	ActionRoom       Action = "room"   // make, change and forget rooms
	ActionComputer   Action = "computer"
	ActionHelper     Action = "helper"  // add and forget those that wake computers
	ActionFilter     Action = "filter"  // keep and forget saved filters
	ActionRequest    Action = "request" // answer and close
	ActionAudit      Action = "audit"   // read it
	ActionMaster     Action = "master"  // notes, the channel test
	ActionForget     Action = "forget"  // a version or a master, which may be other sites' as well
	ActionPromote    Action = "promote" // to the channel stable
	ActionAddScript  Action = "add-script"
	ActionSite       Action = "site" // make, change and forget sites
	ActionPeople     Action = "people"
	ActionSettings   Action = "settings"
)

// Actions returns all actions.
func Actions() []Action {
	return []Action{ActionSee, ActionSeeMasters, ActionHealth, ActionReport, ActionWake, ActionReset, ActionDeploy, ActionInspect,
		ActionShutdown, ActionCapture, ActionWipe, ActionScript, ActionEnrol, ActionRoom, ActionComputer, ActionHelper, ActionFilter,
		ActionRequest, ActionAudit, ActionMaster, ActionForget, ActionPromote, ActionAddScript, ActionSite, ActionPeople, ActionSettings}
}

// Whole stands where a site is asked for and the thing belongs to no site but to the house: masters, people, settings. No
// site has this name.
const Whole = "*"

// reach is how far a role may go with an action.
type reach int

const (
	never reach = iota // not at all
	own                // in the person's own sites or rooms
	full               // and with what belongs to the house as a whole, if all sites are the person's
	house              // and with what belongs to the house as a whole
)

// table is who may do what. Administrators may do everything everywhere and are not in it.
//
//	technician  teacher  reader
var table = map[Action][3]reach{
	ActionSee:        {full, own, full},
	ActionSeeMasters: {house, never, house},
	ActionHealth:     {house, never, full},
	ActionReport:     {own, own, never},
	ActionWake:       {own, own, never},
	ActionReset:      {own, own, never},
	ActionDeploy:     {own, never, never},
	ActionInspect:    {own, never, never},
	ActionShutdown:   {own, never, never},
	ActionCapture:    {own, never, never},
	ActionWipe:       {own, never, never},
	ActionScript:     {own, never, never},
	ActionEnrol:      {own, never, never},
	ActionRoom:       {own, never, never},
	ActionComputer:   {own, never, never},
	ActionHelper:     {own, never, never},
	ActionFilter:     {house, never, never},
	ActionRequest:    {own, never, never},
	ActionAudit:      {own, never, never},
	ActionMaster:     {house, never, never},
	ActionForget:     {full, never, never},
	ActionPromote:    {never, never, never},
	ActionAddScript:  {never, never, never},
	ActionSite:       {never, never, never},
	ActionPeople:     {never, never, never},
	ActionSettings:   {never, never, never},
}

// Scopes of API tokens: each names the actions that it leaves to its person's role. All of them let it look.
const (
	ScopeRead      = "read"
	ScopeReset     = "reset"
	ScopeDeploy    = "deploy"
	ScopeCapture   = "capture"
	ScopeComputers = "computers"
	ScopeMasters   = "masters"
	ScopePeople    = "people" // an administrator's token of it can make administrators
	ScopeAdmin     = "admin"  // everything
)

// Scopes returns all scopes.
func Scopes() []string {
	return []string{ScopeRead, ScopeReset, ScopeDeploy, ScopeCapture, ScopeComputers, ScopeMasters, ScopePeople, ScopeAdmin}
}

// scoped is what a scope leaves, besides looking.
var scoped = map[string][]Action{
	ScopeReset:     {ActionReset, ActionWake},
	ScopeDeploy:    {ActionDeploy, ActionInspect, ActionShutdown, ActionWake, ActionWipe, ActionScript},
	ScopeCapture:   {ActionCapture},
	ScopeComputers: {ActionComputer, ActionRoom, ActionEnrol, ActionHelper, ActionFilter, ActionReport, ActionRequest},
	ScopeMasters:   {ActionMaster, ActionForget, ActionPromote},
	ScopePeople:    {ActionPeople, ActionAudit},
	ScopeAdmin:     Actions(),
}

// looking is what every scope leaves.
var looking = []Action{ActionSee, ActionSeeMasters, ActionHealth}

// How a caller came.
const (
	ViaSocket  = "socket"
	ViaSession = "session"
	ViaToken   = "token"
	ViaLabel   = "label" // nobody: a pupil with the code on a PC
	ViaHouse   = "house" // the daemon itself: a clock, a schedule
)

// Caller is somebody who asks for something, as far as is known. The zero Caller may do nothing.
type Caller struct {
	ID, Login, Name string
	Role            Role
	Sites, Rooms    []string
	Via             string
	Scopes          []string // of a token; nil = all
	Address         string
	Language        string
}

// May tells whether the caller may do a at a place: a site and the full name of a room ("" = of the site, but in none). For
// what belongs to no site, site is Whole.
func (c Caller) May(a Action, site, room string) bool {
	if c.Scopes != nil && !leaves(c.Scopes, a) {
		return false
	}
	if c.Role == Administrator {
		return slices.Contains(Actions(), a)
	}
	column := slices.Index(Roles()[1:], c.Role)
	if column < 0 {
		return false
	}
	switch r := table[a][column]; {
	case r == never:
		return false
	case site == Whole:
		return r == house || r == full && c.Role != Teacher && len(c.Sites) == 0
	default:
		return c.MaySee(site, room)
	}
}

// MaySee tells whether a place is one of the caller's. A teacher has rooms and no more of their site; nobody but an
// administrator has Whole.
func (c Caller) MaySee(site, room string) bool {
	switch c.Role {
	case Administrator:
		return true
	case Technician, Reader:
		return site != Whole && (len(c.Sites) == 0 || holds(c.Sites, site))
	case Teacher:
		return site != Whole && room != "" && holds(c.Rooms, room)
	}
	return false
}

// Everywhere tells whether all sites are the caller's.
func (c Caller) Everywhere() bool {
	return c.Role == Administrator || (c.Role == Technician || c.Role == Reader) && len(c.Sites) == 0
}

// AuditScope narrows a question to what the caller may read of the audit log; false: nothing.
func (c Caller) AuditScope(q AuditQuery) (AuditQuery, bool) {
	switch {
	case c.May(ActionAudit, Whole, ""):
		return q, true
	case c.Role == Technician && (c.Scopes == nil || leaves(c.Scopes, ActionAudit)):
		q.Places = true
		if len(q.Sites) == 0 {
			q.Sites = slices.Clone(c.Sites)
			return q, true
		}
		q.Sites = slices.DeleteFunc(slices.Clone(q.Sites), func(s string) bool { return !c.MaySee(s, "") })
		return q, len(q.Sites) > 0
	}
	return q, false
}

// leaves tells whether one of the scopes leaves a.
func leaves(scopes []string, a Action) bool {
	for _, s := range scopes {
		if slices.Contains(scoped[s], a) || slices.Contains(Scopes(), s) && slices.Contains(looking, a) {
			return true
		}
	}
	return false
}

// holds tells whether a name is in a list; names of sites and rooms are the same in capitals.
func holds(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}
