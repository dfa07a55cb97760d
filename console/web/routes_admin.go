package web

// adminRoutes are the pages of administration: masters, computers, requests, health, people, settings, audit, schedules.
func (c *console) adminRoutes() []route { return nil }
