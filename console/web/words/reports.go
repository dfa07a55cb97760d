package words

// reports holds what jobs say of their order and how they ended, the list of jobs, what is reported of computers wherever
// it is shown, and a room's start menu and names.
func reports() map[string]Pair {
	out := map[string]Pair{
		"job.room":               {"Salle", "Room"},
		"job.where":              {"{0}, {1}, travail {2}", "{0}, {1}, job {2}"},
		"job.some":               {"{n} sur {0} réussi|{n} sur {0} réussis", "{n} of {0} succeeded|{n} of {0} succeeded"},
		"job.until":              {"à commencer avant : {0}", "to begin before: {0}"},
		"job.level":              {"profondeur {0}", "depth {0}"},
		"job.end.disk":           {"puis démarrer sur le disque", "then start from the disk"},
		"job.end.poweroff":       {"puis éteindre", "then switch off"},
		"job.retries":            {"jusqu’à {n} nouvel essai|jusqu’à {n} nouveaux essais", "up to {n} retry|up to {n} retries"},
		"job.method":             {"méthode : {0}", "method: {0}"},
		"job.script":             {"script « {0} »", "script “{0}”"},
		"job.schedule":           {"planification", "schedule"},
		"job.again":              {"Recommencer pour le poste qui n’a pas réussi|Recommencer pour les {n} postes qui n’ont pas réussi", "Again for the computer that did not succeed|Again for the {n} computers that did not succeed"},
		"job.output":             {"Ce que le script a écrit", "What the script wrote"},
		"job.output.none":        {"Le script n’a rien écrit.", "The script wrote nothing."},
		"job.exit":               {"Code de sortie {0}", "Exit code {0}"},
		"job.exit.signal":        {"Interrompu par un signal", "Ended by a signal"},
		"job.exit.head":          {"Code de sortie", "Exit code"},
		"jobs.filter":            {"Travaux à montrer", "Jobs to show"},
		"jobs.all":               {"Tous", "All"},
		"jobs.room":              {"Salle", "Room"},
		"jobs.rooms":             {"Toutes les salles", "All rooms"},
		"jobs.show":              {"Montrer", "Show"},
		"jobs.here":              {"Travaux de la salle", "Jobs of the room"},
		"jobs.found.none":        {"Aucun travail de ce genre", "No such jobs"},
		"jobs.found.do":          {"Changez les filtres ci-dessus.", "Change the filters above."},
		"asked.open":             {"{n} demande ouverte|{n} demandes ouvertes", "{n} open request|{n} open requests"},
		"asked.many":             {"plus de {0}", "more than {0}"},
		"asked.title":            {"Demandes", "Requests"},
		"labelled.known":         {"Déjà signalé pour ce poste", "Reported of this computer already"},
		"labelled.reported":      {"Signalé", "Reported"},
		"labelled.note.open":     {"Rouverte", "Opened again"},
		"labelled.note.answered": {"Répondu", "Answered"},
		"labelled.note.closed":   {"Close", "Closed"},
		"computer.forget":        {"Oublier ce poste", "Forget this computer"},
		"computer.forget.title":  {"Oublier {0} ?", "Forget {0}?"},
		"computer.forget.says":   {"Ardoise oublie son nom, sa salle, sa clé et ce que contient son disque ; son étiquette QR ne vaut plus rien. Rien n’est effacé sur {0}. S’il démarre de nouveau par le réseau, il se présente comme un nouveau poste.", "Ardoise forgets its name, its room, its key and what its disk holds; its QR label is worth nothing any more. Nothing on {0} is erased. If it starts from the network again, it introduces itself as a new computer."},
		"computer.done.forget":   {"{0} est oublié.", "{0} is forgotten."},
		"computer.menu.set":      {"Régler le menu de la salle", "Set the room’s menu"},
	}
	for key, p := range roomKeeping() {
		out[key] = p
	}
	return out
}

// roomKeeping holds a room's start menu, and what is each computer's own.
func roomKeeping() map[string]Pair {
	return map[string]Pair{
		"room.about":         {"La salle", "The room"},
		"room.menu":          {"Menu de démarrage", "Start menu"},
		"room.menu.on":       {"Ses postes montrent un menu quand ils démarrent", "Its computers show a menu when they start"},
		"room.menu.hint":     {"Il offre de démarrer Windows ou Linux, ou de remettre le poste à zéro, même sans le serveur. Il est posé sur le disque au prochain passage par Ardoise.", "It offers to start Windows or Linux, or to reset the computer, even without the server. It is put onto the disk when the computer passes through Ardoise next."},
		"room.menu.needed":   {"Une remise à zéro à chaque démarrage a besoin du menu : cochez-le.", "A reset at each start needs the menu: tick it."},
		"room.level":         {"Remise à zéro choisie dans le menu", "Reset that is chosen in the menu"},
		"room.level.hint":    {"Celle de la nuit est toujours complète.", "That of the night is always full."},
		"room.lang":          {"Langue du menu", "Language of the menu"},
		"room.phrase":        {"Phrase secrète des entrées du technicien", "Passphrase of the technician’s entries"},
		"room.phrase.hint":   {"12 caractères au moins, sans accents. Vide : elle ne change pas.", "At least 12 characters, without accents. Empty: it does not change."},
		"room.phrase.is":     {"Une phrase secrète est en place.", "A passphrase is set."},
		"room.phrase.none":   {"Aucune : le menu n’a pas d’entrées du technicien.", "None: the menu has no technician’s entries."},
		"room.phrase.remove": {"Enlever la phrase secrète, et avec elle les entrées du technicien", "Take the passphrase away, and the technician’s entries with it"},
		"room.phrase.both":   {"Donnez une phrase secrète, ou enlevez-la : pas les deux.", "Give a passphrase or take it away, not both."},
		"room.keyboard":      {"Clavier sur lequel elle sera tapée", "Keyboard that it is typed on"},
		"room.keyboard.fr":   {"Français (AZERTY)", "French (AZERTY)"},
		"room.keyboard.us":   {"Américain (QWERTY)", "American (QWERTY)"},
		"room.own":           {"Ce qui est propre à chaque poste", "What is each computer’s own"},
		"room.hostname":      {"Nom de chaque poste dans son système", "Name of each computer in its system"},
		"room.hostname.hint": {"Un modèle comme {room}-{number} ou {name}. Vide : le nom que porte le master.", "A pattern like {room}-{number} or {name}. Empty: the name in the master."},
		"room.keys":          {"Identifiant de machine et clés SSH propres à chaque poste (Linux)", "Machine id and SSH host keys of each computer’s own (Linux)"},
		"room.answer":        {"Fichier de réponses de Windows", "Answer file of Windows"},
		"room.answer.hint":   {"{name} {room} {number} {serial} {mac} y sont remplacés pour chaque poste. Vide : aucun fichier.", "{name} {room} {number} {serial} {mac} in it are filled in for each computer. Empty: no file."},
		"room.path":          {"Son emplacement sur le volume du système", "Where it lies on the system’s volume"},
		"room.path.hint":     {"Vide : Windows/Panther/unattend.xml", "Empty: Windows/Panther/unattend.xml"},
	}
}
