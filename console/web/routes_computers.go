package web

import "github.com/ardoise/ardoise/fleet/people"

// computerRoutes are the computers.
func (c *console) computerRoutes() []route {
	return []route{
		{pattern: "GET /computers", action: people.ActionSee, handle: c.showComputers},
		{pattern: "POST /computers", action: people.ActionComputer, handle: c.changeComputers},
		{pattern: "GET /computers.csv", action: people.ActionSee, handle: c.exportComputers},
		{pattern: "POST /filters", action: people.ActionFilter, handle: c.saveFilter},
		{pattern: "POST /filters/forget", action: people.ActionFilter, handle: c.forgetFilter},
		{pattern: "GET /import", action: people.ActionComputer, handle: c.showImport},
		{pattern: "POST /import", action: people.ActionComputer, handle: c.importComputers},
		{pattern: "GET /enrol", action: people.ActionEnrol, handle: c.showEnrol},
		{pattern: "POST /enrol", action: people.ActionEnrol, handle: c.approve},
		{pattern: "POST /enrol/window", action: people.ActionEnrol, handle: c.changeWindow},
		{pattern: "GET /computers/{id}", action: people.ActionSee, handle: c.showComputer},
		{pattern: "POST /computers/{id}", action: people.ActionComputer, handle: c.editComputer},
		{pattern: "POST /computers/{id}/{verb}", action: people.ActionSee, handle: c.changeComputer},
		{pattern: "GET /computers/{id}/do/{kind}", action: people.ActionReset, handle: c.showDo},
		{pattern: "POST /computers/{id}/do/{kind}", action: people.ActionReset, handle: c.do},
		{pattern: "GET /certificates/{job}/{task}", action: people.ActionSee, handle: c.showCertificate},
	}
}
