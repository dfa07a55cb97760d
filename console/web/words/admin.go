package words

import "maps"

// admin holds the texts of the pages of administration: masters, computers, requests, health, people, settings, audit,
// schedules.
func admin() map[string]Pair {
	out := map[string]Pair{}
	for _, part := range []map[string]Pair{
		mastersMaster(), mastersChannel(), mastersCompare(), mastersSmall(), computersComputers(),
		computersSheet(), computersEnrol(), computersComputer(), computersComputerMore(), computersDo(),
		computersCertificate(), computersSmall(), computersEvents(), peoplePeople(), peopleAccount(), peopleScope(),
		peopleAudit(), peopleHealth(), peopleSmall(), requestsRequest(), requestsSmall(),
		settingsSchedule(), settingsSite(), settingsScript(), settingsPost(), settingsSetup(), settingsSmall(), settingsHelper(),
	} {
		maps.Copy(out, part)
	}
	return out
}
