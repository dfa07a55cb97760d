package words

// admin holds the texts of the pages of administration: masters, computers, requests, health, people, settings, audit,
// schedules.
func admin() map[string]Pair {
	return map[string]Pair{}
}
