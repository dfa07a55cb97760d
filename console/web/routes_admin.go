package web

import (
	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// adminRoutes are the pages of administration: masters, requests, health, people, settings, audit, schedules.
func (c *console) adminRoutes() []route {
	routes := []route{
		{pattern: "GET /masters", action: people.ActionSeeMasters, handle: c.showMasters},
		{pattern: "GET /masters/{name}", action: people.ActionSeeMasters, handle: c.showMaster},
		{pattern: "GET /masters/{name}/compare", action: people.ActionSeeMasters, handle: c.compareMaster},
		{pattern: "GET /masters/{name}/frees", action: people.ActionForget, handle: c.freesMaster},
		{pattern: "POST /masters/{name}/promote", action: people.ActionMaster, handle: c.moveChannel("promote")},
		{pattern: "POST /masters/{name}/rollback", action: people.ActionMaster, handle: c.moveChannel("rollback")},
		{pattern: "POST /masters/{name}/withdraw", action: people.ActionMaster, handle: c.moveChannel("withdraw")},
		{pattern: "POST /masters/{name}/note", action: people.ActionMaster, handle: c.noteMaster},
		{pattern: "POST /masters/{name}/forget", action: people.ActionForget, handle: c.forgetMaster},
		{pattern: "POST /masters/{name}/keep", action: people.ActionForget, handle: c.keepMasters},
		{pattern: "GET /capture", action: people.ActionCapture, handle: c.showCapture},
		{pattern: "POST /capture", action: people.ActionCapture, handle: c.capture},

		{pattern: "GET /requests", action: people.ActionSee, handle: c.showRequests},
		{pattern: "GET /requests/new", action: people.ActionReport, handle: c.showReport},
		{pattern: "POST /requests/new", action: people.ActionReport, handle: c.report},
		{pattern: "GET /requests/{id}", action: people.ActionSee, handle: c.showRequest},
		{pattern: "POST /requests/{id}", action: people.ActionRequest, handle: c.changeRequest},
		{pattern: "GET /labels", action: people.ActionComputer, handle: c.showLabels},
		{pattern: "POST /labels", action: people.ActionComputer, handle: c.replaceLabel},
		{pattern: "GET " + access.LabelPath + "{token}", open: true, handle: c.showLabelled},
		{pattern: "POST " + access.LabelPath + "{token}", open: true, handle: c.reportLabelled},

		{pattern: "GET /schedules", action: people.ActionDeploy, handle: c.showSchedules},
		{pattern: "GET /schedules/{id}", action: people.ActionDeploy, handle: c.showSchedule},
		{pattern: "POST /schedules/{id}", action: people.ActionDeploy, handle: c.setSchedule},
		{pattern: "POST /schedules/{id}/{verb}", action: people.ActionDeploy, handle: c.changeSchedule},
		{pattern: "GET /health", action: people.ActionHealth, handle: c.showHealth},
		{pattern: "GET /helpers", action: people.ActionHelper, handle: c.showHelpers},
		{pattern: "POST /helpers", action: people.ActionHelper, handle: c.addHelper},
		{pattern: "POST /helpers/{name}/forget", action: people.ActionHelper, handle: c.forgetHelper},
		{pattern: "GET /audit", action: people.ActionAudit, handle: c.showAudit},
	}
	return append(append(routes, c.houseRoutes()...), c.computerRoutes()...)
}

// houseRoutes are people, one's own account and the settings.
func (c *console) houseRoutes() []route {
	return []route{
		{pattern: "GET /people", action: people.ActionPeople, handle: c.showPeople},
		{pattern: "GET /people/new", action: people.ActionPeople, handle: c.showNewPerson},
		{pattern: "POST /people/new", action: people.ActionPeople, handle: c.addPerson},
		{pattern: "GET /people/{id}", action: people.ActionPeople, handle: c.showPerson},
		{pattern: "POST /people/{id}", action: people.ActionPeople, handle: c.setPerson},
		{pattern: "POST /people/{id}/invite", action: people.ActionPeople, handle: c.invitePerson},
		{pattern: "POST /people/{id}/{verb}", action: people.ActionPeople, handle: c.changePerson},
		{pattern: "GET /invite/{secret}", open: true, handle: c.showInvitation},
		{pattern: "POST /invite/{secret}", open: true, handle: c.acceptInvitation},

		{pattern: "GET /account", action: people.ActionSee, handle: c.showAccount},
		{pattern: "POST /account/password", action: people.ActionSee, handle: c.changePassword},
		{pattern: "POST /account/token", action: people.ActionSee, handle: c.makeToken},
		{pattern: "POST /account/forget", action: people.ActionSee, handle: c.forgetToken},
		{pattern: "POST /account/end", action: people.ActionSee, handle: c.endLogin},

		{pattern: "GET /settings", action: people.ActionSettings, handle: c.showSettings},
		{pattern: "GET /settings/post", action: people.ActionSettings, handle: c.showPost},
		{pattern: "POST /settings/post", action: people.ActionSettings, handle: c.setPost},
		{pattern: "GET /settings/sites/{name}", action: people.ActionSite, handle: c.showSite},
		{pattern: "POST /settings/sites/{name}", action: people.ActionSite, handle: c.setSite},
		{pattern: "POST /settings/sites/{name}/forget", action: people.ActionSite, handle: c.forgetSite},
		{pattern: "GET /settings/scripts/new", action: people.ActionAddScript, handle: c.showNewScript},
		{pattern: "POST /settings/scripts/new", action: people.ActionAddScript, handle: c.addScript},
		{pattern: "POST /settings/scripts/{hash}/{verb}", action: people.ActionAddScript, handle: c.changeScript},
	}
}
