package web

import "github.com/ardoise/ardoise/fleet/people"

// route is one page or one form. Who may not do its action anywhere is refused before its handler runs; what may be done
// where is judged by the desk.
type route struct {
	pattern string
	action  people.Action
	open    bool // without a session
	handle  func(*visit) error
}

// routes is every way in.
func (c *console) routes() []route {
	var all []route
	for _, part := range [][]route{c.shellRoutes(), c.roomRoutes(), c.orderRoutes(), c.adminRoutes()} {
		all = append(all, part...)
	}
	return all
}

// shellRoutes are the doors.
func (c *console) shellRoutes() []route {
	return []route{
		{pattern: "GET /login", open: true, handle: c.showLogin},
		{pattern: "POST /login", open: true, handle: c.login},
		{pattern: "POST /logout", open: true, handle: c.logout},
		{pattern: "GET /oidc/begin", open: true, handle: c.beginSSO},
		{pattern: "GET /oidc/callback", open: true, handle: c.endSSO},
		{pattern: "GET /first/{secret}", open: true, handle: c.showFirst},
		{pattern: "POST /first/{secret}", open: true, handle: c.first},
		{pattern: "POST /preferences", open: true, handle: c.preferences},
		{pattern: "GET " + eventsPath, action: people.ActionSee, handle: c.events},
	}
}

// roomRoutes are the map and the rooms.
func (c *console) roomRoutes() []route {
	return []route{
		{pattern: "GET /{$}", action: people.ActionSee, handle: c.showMap},
		{pattern: "GET /boards", action: people.ActionSee, handle: c.showBoards},
		{pattern: "GET /new-room", action: people.ActionRoom, handle: c.showNewRoom},
		{pattern: "POST /new-room", action: people.ActionRoom, handle: c.newRoom},
		{pattern: "GET /rooms/{room}", action: people.ActionSee, handle: c.showRoom},
		{pattern: "POST /rooms/{room}", action: people.ActionRoom, handle: c.setRoom},
		{pattern: "POST /rooms/{room}/plan", action: people.ActionRoom, handle: c.setPlan},
		{pattern: "POST /rooms/{room}/forget", action: people.ActionRoom, handle: c.forgetRoom},
	}
}

// orderRoutes are orders, jobs and their reports. What kind of order somebody may give is judged by what it is.
func (c *console) orderRoutes() []route {
	return []route{
		{pattern: "GET /order", action: people.ActionWake, handle: c.showOrder},
		{pattern: "POST /order", action: people.ActionWake, handle: c.give},
		{pattern: "GET /jobs", action: people.ActionSee, handle: c.showJobs},
		{pattern: "GET /jobs/{id}", action: people.ActionSee, handle: c.showJob},
		{pattern: "GET /jobs/{id}/report.csv", action: people.ActionSee, handle: c.jobCSV},
		{pattern: "POST /jobs/{id}/cancel", action: people.ActionReset, handle: c.cancelJob},
	}
}
