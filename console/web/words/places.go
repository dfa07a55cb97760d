package words

// places holds the texts of the map and the rooms.
func places() map[string]Pair {
	return map[string]Pair{
		"map.title":    {"Plan des salles", "Map of rooms"},
		"map.empty":    {"Aucune salle pour l’instant", "No rooms yet"},
		"map.empty.do": {"Créez une salle, puis démarrez ses postes par le réseau : ils se présentent tout seuls.", "Make a room, then start its computers from the network: they introduce themselves."},
		"board.empty":  {"Aucun poste dans cette salle.", "No computers in this room."},
		"board.none":   {"Sans salle", "In no room"},
		"board.left":   {"encore {0}", "{0} left"},
		"tile.pick":    {"Choisir {0}", "Choose {0}"},
		"tile.teacher": {"Poste du professeur", "Teacher’s computer"},
		"tile.spare":   {"Poste de réserve", "Spare computer"},
		"tile.percent": {"{0} %", "{0} %"},
		"plan.moved":   {"{0} : colonne {1}, rangée {2}", "{0}: column {1}, row {2}"},
		"plan.help":    {"Glissez les postes, ou déplacez-les avec les flèches du clavier.", "Drag the computers, or move them with the arrow keys."},
	}
}
