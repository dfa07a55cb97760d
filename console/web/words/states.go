package words

// states holds the words of states, kinds and steps: a colour and an icon never stand alone.
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
