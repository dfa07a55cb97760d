package words

// settingsHelper holds the texts that begin with "helper.".
func settingsHelper() map[string]Pair {
	return map[string]Pair{
		"helper.title": {"Relais de réveil", "Wake helpers"},
		"helper.lead": {"Les paquets de réveil ne passent pas les routeurs. Un relais, une petite machine dans le réseau des postes, les y envoie pour le serveur.",
			"Packets that wake computers do not cross routers. A helper, a small machine in the computers’ network, sends them there for the server."},
		"helper.list":         {"Relais", "Helpers"},
		"helper.manage":       {"Relais de réveil", "Wake helpers"},
		"helper.none":         {"Il n’y a pas de relais", "There is no helper"},
		"helper.none.do":      {"Il en faut un dans chaque réseau de postes où le serveur n’a pas d’interface.", "One is needed in each network of computers in which the server has no interface."},
		"helper.connected":    {"Connecté", "Connected"},
		"helper.away":         {"Absent", "Away"},
		"helper.silent":       {"Silencieux depuis dix minutes ou plus", "Silent for ten minutes or more"},
		"helper.seen":         {"entendu", "heard"},
		"helper.unseen":       {"pas entendu depuis le démarrage du service", "not heard since the service was started"},
		"helper.nowhere":      {"Ses réseaux ne sont pas encore connus", "Its networks are not known yet"},
		"helper.reach":        {"{n} poste à sa portée|{n} postes à sa portée", "{n} computer within reach|{n} computers within reach"},
		"helper.new":          {"Ajouter un relais", "Add a helper"},
		"helper.new.lead":     {"Par exemple un Raspberry Pi ou un serveur d’impression sous Linux, avec le programme ardoise. Il n’apprend que les adresses à réveiller, et ne peut rien ordonner.", "For instance a Raspberry Pi or a Linux print server, with the program ardoise. It learns the addresses to wake and nothing else, and can order nothing."},
		"helper.name":         {"Nom", "Name"},
		"helper.name.hint":    {"Lettres, chiffres, points et tirets, comme « cdi-pi ».", "Letters, digits, dots and hyphens, such as “cdi-pi”."},
		"helper.add":          {"Ajouter", "Add"},
		"helper.made":         {"{0} est ajouté", "{0} is added"},
		"helper.made.says":    {"Voici sa clé. Elle n’est montrée qu’une fois : copiez-la maintenant sur la machine du relais.", "This is its key. It is shown only once: copy it now to the helper’s machine."},
		"helper.made.file":    {"Dans ce fichier, que seul le relais peut lire :", "Into this file, which only the helper may read:"},
		"helper.made.run":     {"Puis lancez :", "Then run:"},
		"helper.forget":       {"Supprimer", "Delete"},
		"helper.forget.title": {"Supprimer le relais {0} ?", "Delete the helper {0}?"},
		"helper.forget.says": {"La clé de {0} ne vaudra plus rien. {n} poste est à sa portée : s’il n’y a pas d’autre relais dans son réseau, il ne se réveillera plus par le réseau.|La clé de {0} ne vaudra plus rien. {n} postes sont à sa portée : s’il n’y a pas d’autre relais dans leur réseau, ils ne se réveilleront plus par le réseau.",
			"The key of {0} will be worth nothing. {n} computer is within its reach: with no other helper in its network it does not wake by the network any more.|The key of {0} will be worth nothing. {n} computers are within its reach: with no other helper in their network they do not wake by the network any more."},
		"helper.forgotten": {"Le relais {0} est supprimé.", "The helper {0} is deleted."},
	}
}
