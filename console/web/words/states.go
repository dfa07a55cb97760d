package words

// states holds the words of states and kinds: a colour and an icon never stand alone. What begins with "count." is said after
// a number of computers.
func states() map[string]Pair {
	return map[string]Pair{
		"state.ok":         {"Prêt", "Ready"},
		"state.old":        {"Ancien", "Outdated"},
		"state.blank":      {"Vierge", "Blank"},
		"state.unknown":    {"Inconnu", "Unknown"},
		"state.pending":    {"À approuver", "To approve"},
		"state.refused":    {"Refusé", "Refused"},
		"state.alarm":      {"Alarme", "Alarm"},
		"state.unfinished": {"Inachevé", "Unfinished"},
		"state.failed":     {"Échec", "Failed"},
		"state.waiting":    {"En attente", "Waiting"},
		"state.running":    {"En cours", "Running"},
		"state.done":       {"Terminé", "Done"},
		"state.cancelled":  {"Annulé", "Cancelled"},
		"state.agent":      {"Dans l’agent", "In the agent"},
		"state.loop":       {"Boucle de démarrage", "Boot loop"},

		"count.ok":         {"prêt|prêts", "ready|ready"},
		"count.old":        {"ancien|anciens", "outdated|outdated"},
		"count.blank":      {"vierge|vierges", "blank|blank"},
		"count.unknown":    {"inconnu|inconnus", "unknown|unknown"},
		"count.pending":    {"à approuver|à approuver", "to approve|to approve"},
		"count.refused":    {"refusé|refusés", "refused|refused"},
		"count.alarm":      {"alarme|alarmes", "alarm|alarms"},
		"count.unfinished": {"inachevé|inachevés", "unfinished|unfinished"},
		"count.failed":     {"échec|échecs", "failed|failed"},
		"count.waiting":    {"en attente|en attente", "waiting|waiting"},
		"count.running":    {"en cours|en cours", "running|running"},
		"count.done":       {"terminé|terminés", "done|done"},
		"count.cancelled":  {"annulé|annulés", "cancelled|cancelled"},
		"count.agent":      {"dans l’agent|dans l’agent", "in the agent|in the agent"},
		"count.loop":       {"boucle de démarrage|boucles de démarrage", "boot loop|boot loops"},

		"kind.deploy":    {"Déploiement", "Deploy"},
		"kind.reset":     {"Remise à zéro", "Reset"},
		"kind.stage":     {"Préparation du cache", "Pre-stage"},
		"kind.capture":   {"Capture", "Capture"},
		"kind.inventory": {"Inventaire", "Inventory"},
		"kind.verify":    {"Vérification", "Verify"},
		"kind.wipe":      {"Effacement", "Wipe"},
		"kind.script":    {"Script", "Script"},
		"kind.shutdown":  {"Extinction", "Shut down"},
		"kind.wake":      {"Réveil", "Wake"},
	}
}
