package words

// mastersMaster holds the texts that begin with "master.".
func mastersMaster() map[string]Pair {
	return map[string]Pair{
		"master.lead":         {"Un master est le disque de référence que reçoivent les postes. Chaque capture en fait une version, signée, qui ne change plus.", "A master is the reference disk that computers receive. Each capture makes a version of it, signed, that never changes again."},
		"master.none":         {"Il n’y a pas encore de master", "There is no master yet"},
		"master.none.do":      {"Préparez un poste comme vous voulez que soient les autres, puis capturez-le.", "Prepare one computer as you want the others to be, then capture it."},
		"master.nochannel":    {"Aucun canal n’y pointe.", "No channel points at it."},
		"master.damaged":      {"Cette version ne peut pas servir : {0}", "This version cannot be used: {0}"},
		"master.newest":       {"Dernière version", "Newest version"},
		"master.runs":         {"Postes", "Computers"},
		"master.used":         {"Sur le disque", "On the disk"},
		"master.stored":       {"Compressé", "Compressed"},
		"master.new":          {"Ajouté au dépôt", "Added to the store"},
		"master.versions":     {"{n} version|{n} versions", "{n} version|{n} versions"},
		"master.captured":     {"capturée", "captured"},
		"master.next":         {"Capturer la version suivante", "Capture the next version"},
		"master.history":      {"Versions, la plus récente d’abord", "Versions, newest first"},
		"master.compare":      {"Ce qui a changé depuis v{0}", "What changed since v{0}"},
		"master.note":         {"Ajouter une note", "Add a note"},
		"master.note.label":   {"Note sur la version {0}", "Note on version {0}"},
		"master.noted":        {"La note est ajoutée.", "The note was added."},
		"master.forget":       {"Oublier", "Forget"},
		"master.forget.title": {"Oublier {0} ?", "Forget {0}?"},
		"master.forget.says":  {"La version {0} disparaîtra de la liste et plus aucun poste ne pourra la recevoir. Au prochain nettoyage, jusqu’à {1} seront libérés. Cela ne se défait pas.", "Version {0} will be gone from the list and no computer can receive it any more. The next clean-up frees up to {1}. This cannot be undone."},
		"master.frees":        {"Exactement : {0} que nulle autre version n’utilise.", "Exactly: {0} that no other version uses."},
		"master.forgotten":    {"{0} est oubliée ; le prochain nettoyage libère jusqu’à {1}.", "{0} is forgotten; the next clean-up frees up to {1}."},
		"master.held.channel": {"Ne peut pas être oubliée : le canal {0} y pointe.", "Cannot be forgotten: the channel {0} points at it."},
		"master.held.runs":    {"Ne peut pas être oubliée : {n} poste l’a sur son disque.|Ne peut pas être oubliée : {n} postes l’ont sur leur disque.", "Cannot be forgotten: {n} computer has it on its disk.|Cannot be forgotten: {n} computers have it on their disk."},
		"master.rule":         {"Versions gardées", "Versions kept"},
		"master.rule.none":    {"Toutes les versions restent jusqu’à ce que quelqu’un les oublie.", "All versions stay until somebody forgets them."},
		"master.rule.is":      {"La dernière version reste.|Les {n} dernières versions restent.", "The newest version stays.|The newest {n} versions stay."},
		"master.rule.keep":    {"Garder les dernières", "Keep the newest"},
		"master.rule.hint":    {"Les autres sont oubliées la nuit, sauf celles dont quelque chose a besoin. Vide : toutes restent.", "The others are forgotten at night, but for those that something needs. Empty: all stay."},
		"master.rule.done":    {"La règle est enregistrée.", "The rule is kept."},
	}
}

// mastersChannel holds the texts that begin with "channel.".
func mastersChannel() map[string]Pair {
	return map[string]Pair{
		"channel.title":          {"Canaux", "Channels"},
		"channel.lead":           {"Un canal désigne la version qu’une salle doit avoir. Faites-le glisser sur une version, ou choisissez-le sous elle.", "A channel names the version that a room is to have. Drag it onto a version, or choose it below one."},
		"channel.drag":           {"À faire glisser sur une autre version", "Drag onto another version"},
		"channel.drop":           {"Faire pointer {0} sur v{1} ?", "Point {0} at v{1}?"},
		"channel.drop.says":      {"Aucun disque ne change maintenant. Dès maintenant, le plan montre comme anciens ceux qui ont une autre version, et un déploiement depuis la salle ou le menu d’un poste installe celle-ci. Une remise à zéro rend à chaque poste la version qu’il a déjà.", "No disk changes now. From now on the map shows those with another version as outdated, and a deployment from the room or from a computer’s menu installs this one. A reset gives each computer the version that it has already."},
		"channel.holds":          {"{n} d’entre eux a déjà v{0}.|{n} d’entre eux ont déjà v{0}.", "{n} of them has v{0} already.|{n} of them have v{0} already."},
		"channel.plans":          {"Ce qui se fera tout seul :", "What will be done by itself:"},
		"channel.plan":           {"« {0} » : {1}, {2} ({n} poste), {3}|« {0} » : {1}, {2} ({n} postes), {3}", "“{0}”: {1}, {2} ({n} computer), {3}|“{0}”: {1}, {2} ({n} computers), {3}"},
		"channel.noplans":        {"Aucune planification ne s’en sert.", "No schedule makes use of it."},
		"channel.moved":          {"Entre-temps, quelqu’un a déplacé {0} : il pointe sur v{1}.", "Meanwhile somebody has moved {0}: it points at v{1}."},
		"channel.which":          {"Canal à faire pointer sur v{0}", "Channel to point at v{0}"},
		"channel.here":           {"Mettre ici", "Put it here"},
		"channel.put":            {"Mettre {0} ici", "Put {0} here"},
		"channel.follow":         {"{n} poste le suit :|{n} postes le suivent :", "{n} computer follows it:|{n} computers follow it:"},
		"channel.nobody":         {"Aucune salle ne le suit.", "No room follows it."},
		"channel.concerns":       {"Cela concerne {n} poste : {0}.|Cela concerne {n} postes : {0}.", "This concerns {n} computer: {0}.|This concerns {n} computers: {0}."},
		"channel.rollback":       {"Revenir à v{0}", "Roll back to v{0}"},
		"channel.rollback.title": {"Revenir en arrière avec {0} ?", "Roll {0} back?"},
		"channel.rollback.says":  {"Le canal {0} passe de v{1} à v{2}. Les disques ne changent qu’au prochain déploiement.", "The channel {0} goes from v{1} to v{2}. Disks change only with the next deployment."},
		"channel.rollback.do":    {"Revenir à v{0}", "Roll back to v{0}"},
		"channel.withdraw":       {"Retirer", "Take away"},
		"channel.withdraw.title": {"Retirer le canal {0} ?", "Take the channel {0} away?"},
		"channel.withdraw.says":  {"Le canal {0} ne désigne plus aucune version. Les salles qui le suivent n’ont alors plus de master.", "The channel {0} names no version any more. Rooms that follow it then have no master."},
		"channel.moves":          {"Déplacements", "Moves"},
		"channel.done.promote":   {"{0} pointe maintenant sur v{1}.", "{0} now points at v{1}."},
		"channel.done.rollback":  {"{0} est revenu à v{1}.", "{0} is back at v{1}."},
		"channel.done.withdraw":  {"{0} est retiré.", "{0} is taken away."},
	}
}

// mastersCompare holds the texts that begin with "compare.".
func mastersCompare() map[string]Pair {
	return map[string]Pair{
		"compare.title":       {"De v{0} à v{1}", "From v{0} to v{1}"},
		"compare.lead":        {"Les fichiers que ces deux versions ne contiennent pas à l’identique.", "The files that these two versions do not hold alike."},
		"compare.equal":       {"Ces deux versions contiennent la même chose.", "These two versions hold the same."},
		"compare.from":        {"De", "From"},
		"compare.to":          {"à", "to"},
		"compare.do":          {"Comparer", "Compare"},
		"compare.volumes":     {"En nombres", "In numbers"},
		"compare.volume":      {"Volume", "Volume"},
		"compare.partition":   {"partition {0}", "partition {0}"},
		"compare.files":       {"Fichier par fichier", "File by file"},
		"compare.what":        {"Changement", "Change"},
		"compare.path":        {"Fichier", "File"},
		"compare.before":      {"Avant", "Before"},
		"compare.after":       {"Après", "After"},
		"compare.added":       {"Ajouté", "Added"},
		"compare.changed":     {"Modifié", "Changed"},
		"compare.removed":     {"Supprimé", "Removed"},
		"compare.same":        {"Identique", "The same"},
		"compare.more":        {"… et {n} autre.|… et {n} autres.", "… and {n} more.|… and {n} more."},
		"compare.is.file":     {"fichier", "file"},
		"compare.is.metadata": {"dossiers, droits et espace libre", "folders, rights and free space"},
		"compare.is.bytes":    {"contenu non découpé en fichiers", "content that is not cut by files"},
		"compare.is.volume":   {"le volume entier", "the whole volume"},
		"compare.is.table":    {"la table des partitions", "the partition table"},
	}
}

// mastersSmall holds the short parts: ask, capture.
func mastersSmall() map[string]Pair {
	return map[string]Pair{
		"ask.type":              {"Pour confirmer, écrivez : {0}", "To confirm, type: {0}"},
		"capture.title":         {"Capturer un poste", "Capture a computer"},
		"capture.lead":          {"Le poste redémarre dans l’agent, qui lit son disque et en fait une version. Rien n’y est écrit.", "The computer restarts in the agent, which reads its disk and makes a version of it. Nothing is written to it."},
		"capture.computer":      {"Poste", "Computer"},
		"capture.computer.hint": {"Son nom, son adresse MAC ou son identifiant.", "Its name, MAC address or id."},
		"capture.master":        {"Master", "Master"},
		"capture.master.hint":   {"Un master existant reçoit une version de plus ; un nouveau nom commence un nouveau master.", "An existing master gets one more version; a new name begins a new master."},
		"capture.note":          {"Qu’est-ce qui est nouveau ?", "What is new?"},
		"capture.note.hint":     {"Vos collègues le liront dans l’historique : « Office mis à jour, imprimante de la salle 12 ».", "Your colleagues will read it in the history: “Office updated, printer of room 12”."},
		"capture.asis":          {"Capturer même un volume qui n’a pas été arrêté proprement, octet pour octet", "Capture even a volume that was not shut down cleanly, byte for byte"},
		"capture.do":            {"Capturer", "Capture"},
		"capture.given":         {"{0} va être capturé comme nouvelle version de {1}.", "{0} will be captured as a new version of {1}."},
	}
}
