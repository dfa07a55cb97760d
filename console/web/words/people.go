package words

// peoplePeople holds the texts that begin with "people.".
func peoplePeople() map[string]Pair {
	return map[string]Pair{
		"people.lead":               {"Qui peut entrer dans la console, et ce qu’il peut y faire.", "Who may enter the console, and what they may do there."},
		"people.new":                {"Inviter quelqu’un", "Invite somebody"},
		"people.new.lead":           {"Vous recevrez un lien à lui transmettre ; la personne choisira elle-même son mot de passe.", "You will get a link to pass on; they choose the password themselves."},
		"people.name":               {"Nom", "Name"},
		"people.role":               {"Rôle", "Role"},
		"people.where":              {"Établissements, salles", "Sites, rooms"},
		"people.seen":               {"Dernière visite", "Last seen"},
		"people.state":              {"État", "State"},
		"people.you":                {"vous", "you"},
		"people.everywhere":         {"partout", "everywhere"},
		"people.disabled":           {"Désactivé", "Disabled"},
		"people.invited":            {"Invité", "Invited"},
		"people.active":             {"Actif", "Active"},
		"people.mail":               {"Adresse électronique", "E-mail address"},
		"people.mail.hint":          {"Facultative. Elle sert à reconnaître la personne quand elle se connecte par l’établissement.", "Optional. It tells who somebody is when they sign in through the organisation."},
		"people.login.hint":         {"En minuscules, par exemple « a.martin ». Il ne change pas souvent : le journal d’audit le cite.", "In small letters, for example “a.martin”. It should not change often: the audit log names it."},
		"people.role.administrator": {"Peut tout faire, partout, et décide qui peut quoi.", "May do everything, everywhere, and says who may do what."},
		"people.role.technician":    {"Déploie, capture, enrôle et répond aux demandes dans ses établissements.", "Deploys, captures, enrols and answers requests in their sites."},
		"people.role.teacher":       {"Remet à zéro et réveille les postes de ses salles, et signale les pannes.", "Resets and wakes the computers of their rooms, and reports what is broken."},
		"people.role.reader":        {"Regarde ses établissements sans rien changer.", "Looks at their sites and changes nothing."},
		"people.sites":              {"Établissements", "Sites"},
		"people.sites.hint":         {"Pour les techniciens et les lecteurs. Aucune case : tous les établissements.", "For technicians and readers. None checked: all sites."},
		"people.rooms":              {"Salles", "Rooms"},
		"people.rooms.hint":         {"Pour les enseignants : les salles où ils font cours.", "For teachers: the rooms that they teach in."},
		"people.rooms.none":         {"Choisissez au moins une salle.", "Choose at least one room."},
		"people.invite":             {"Créer le lien d’invitation", "Make the link"},
		"people.link":               {"Le lien d’invitation", "The link"},
		"people.link.says":          {"Transmettez-le à la personne, et à elle seule. Il n’est montré qu’ici, ne sert qu’une fois, et remplace les liens précédents.", "Pass it on to them and nobody else. It is shown here only, works once, and replaces links given before."},
		"people.changed":            {"Les droits de {0} sont enregistrés.", "What {0} may do is kept."},
		"people.access":             {"Accès", "Access"},
		"people.provider":           {"Se connecte par l’établissement ; il n’y a pas de mot de passe ici.", "Signs in through the organisation; there is no password here."},
		"people.reset.says":         {"Mot de passe oublié ? Un nouveau lien permet d’en choisir un autre ; l’ancien reste valable jusque-là.", "Forgotten password? A new link lets them choose another; the old one works until then."},
		"people.reset":              {"Créer un nouveau lien", "Make a new link"},
		"people.disable.says":       {"Un compte désactivé ne peut plus entrer ; ses sessions prennent fin tout de suite.", "Who is disabled cannot enter any more; their sessions end at once."},
		"people.disable":            {"Désactiver le compte", "Disable the account"},
		"people.enable":             {"Réactiver le compte", "Enable the account"},
		"people.disabled.done":      {"{0} ne peut plus entrer.", "{0} cannot enter any more."},
		"people.enabled.done":       {"{0} peut à nouveau entrer.", "{0} may enter again."},
		"people.remove":             {"Supprimer", "Remove"},
		"people.remove.title":       {"Supprimer {0} ?", "Remove {0}?"},
		"people.remove.says":        {"Le compte {1} disparaît avec ses sessions et {n} jeton d’API. Le journal d’audit garde ce que cette personne a fait.|Le compte {1} disparaît avec ses sessions et {n} jetons d’API. Le journal d’audit garde ce que cette personne a fait.", "The account {1} goes, with its sessions and {n} API token. The audit log keeps what they did.|The account {1} goes, with its sessions and {n} API tokens. The audit log keeps what they did."},
		"people.removed":            {"{0} est supprimé.", "{0} is removed."},
	}
}

// peopleAccount holds the texts that begin with "account.".
func peopleAccount() map[string]Pair {
	return map[string]Pair{
		"account.title":           {"Mon compte", "My account"},
		"account.password":        {"Mot de passe", "Password"},
		"account.password.old":    {"Mot de passe actuel", "Present password"},
		"account.password.new":    {"Nouveau mot de passe", "New password"},
		"account.password.hint":   {"Vos autres sessions prennent fin.", "Your other sessions end."},
		"account.password.do":     {"Changer le mot de passe", "Change the password"},
		"account.password.done":   {"Le mot de passe est changé ; vos autres sessions sont terminées.", "The password is changed; your other sessions have ended."},
		"account.prefs":           {"Langue et apparence", "Language and appearance"},
		"account.sessions":        {"Sessions ouvertes", "Open sessions"},
		"account.sessions.none":   {"Aucune session n’est ouverte.", "No session is open."},
		"account.here":            {"celle-ci", "this one"},
		"account.since":           {"ouverte", "opened"},
		"account.seen":            {"utilisée", "used"},
		"account.end":             {"Terminer", "End"},
		"account.ended":           {"La session est terminée.", "The session has ended."},
		"account.tokens":          {"Jetons d’API", "API tokens"},
		"account.tokens.none":     {"Aucun jeton.", "No tokens."},
		"account.token.new":       {"Nouveau jeton", "New token"},
		"account.token.lead":      {"Un jeton laisse un programme faire en votre nom une partie de ce que vous pouvez faire.", "A token lets a program do in your name some of what you may do."},
		"account.token.name":      {"À quoi sert-il ?", "What is it for?"},
		"account.token.name.hint": {"Par exemple : « script de rentrée ».", "For example: “start of term script”."},
		"account.token.scopes":    {"Ce qu’il permet", "What it allows"},
		"account.token.noscope":   {"Choisissez au moins une chose qu’il permet.", "Choose at least one thing that it allows."},
		"account.token.lasts":     {"Durée", "For how long"},
		"account.token.days":      {"{0} jours", "{0} days"},
		"account.token.never":     {"sans limite", "no end"},
		"account.token.until":     {"jusqu’au {0}", "until {0}"},
		"account.token.used":      {"utilisé", "used"},
		"account.token.unused":    {"jamais utilisé", "never used"},
		"account.token.do":        {"Créer le jeton", "Make the token"},
		"account.token.made":      {"Votre nouveau jeton", "Your new token"},
		"account.token.says":      {"Copiez-le maintenant : il n’est montré qu’ici et ne peut pas être retrouvé.", "Copy it now: it is shown here only and cannot be found again."},
		"account.token.how":       {"Le programme l’envoie ainsi :", "The program sends it so:"},
		"account.token.forget":    {"Supprimer", "Delete"},
		"account.token.forgotten": {"Le jeton ne vaut plus rien.", "The token is worthless now."},
	}
}

// peopleScope holds the texts that begin with "scope.".
func peopleScope() map[string]Pair {
	return map[string]Pair{
		"scope.read":            {"Regarder, sans rien changer", "Look, and change nothing"},
		"scope.reset":           {"Remettre à zéro et réveiller des postes", "Reset and wake computers"},
		"scope.deploy":          {"Déployer, vérifier, effacer, éteindre, lancer des scripts", "Deploy, verify, wipe, shut down, run scripts"},
		"scope.capture":         {"Capturer", "Capture"},
		"scope.computers":       {"Enrôler, ranger et étiqueter les postes, répondre aux demandes", "Enrol, place and tag computers, answer requests"},
		"scope.masters":         {"Gérer les masters et leurs canaux", "Look after masters and their channels"},
		"scope.people":          {"Gérer les personnes et lire l’audit", "Look after people and read the audit log"},
		"scope.admin":           {"Tout ce que vous pouvez faire", "Everything that you may do"},
		"scope.short.read":      {"lecture", "read"},
		"scope.short.reset":     {"remise à zéro", "reset"},
		"scope.short.deploy":    {"déploiement", "deploy"},
		"scope.short.capture":   {"capture", "capture"},
		"scope.short.computers": {"postes", "computers"},
		"scope.short.masters":   {"masters", "masters"},
		"scope.short.people":    {"personnes", "people"},
		"scope.short.admin":     {"tout", "everything"},
	}
}

// peopleAudit holds the texts that begin with "audit.".
func peopleAudit() map[string]Pair {
	return map[string]Pair{
		"audit.lead":    {"Qui a fait quoi, d’où, et avec quel résultat. Rien ne peut y être changé ni retiré.", "Who did what, from where, and how it ended. Nothing in it can be changed or taken out."},
		"audit.verify":  {"Vérifier la chaîne", "Verify the chain"},
		"audit.whole":   {"La chaîne est intacte : {n} entrée telle qu’elle a été écrite.|La chaîne est intacte : {n} entrées telles qu’elles ont été écrites.", "The chain is whole: {n} entry as it was written.|The chain is whole: {n} entries as they were written."},
		"audit.broken":  {"La chaîne est rompue à l’entrée {0} : {1}. Gardez une copie de la base et cherchez qui pouvait l’écrire.", "The chain is broken at entry {0}: {1}. Keep a copy of the database and find out who could write it."},
		"audit.filter":  {"Filtrer le journal", "Filter the log"},
		"audit.show":    {"Filtrer", "Filter"},
		"audit.all":     {"Tout voir", "Show all"},
		"audit.number":  {"N°", "No."},
		"audit.when":    {"Quand", "When"},
		"audit.who":     {"Qui", "Who"},
		"audit.action":  {"Action", "Action"},
		"audit.what":    {"Quoi", "What"},
		"audit.since":   {"Du", "From"},
		"audit.until":   {"Au", "To"},
		"audit.result":  {"Résultat", "Result"},
		"audit.none":    {"Aucune entrée", "No entries"},
		"audit.none.do": {"Rien ne correspond à ce filtre.", "Nothing matches this filter."},
	}
}

// peopleHealth holds the texts that begin with "health.".
func peopleHealth() map[string]Pair {
	return map[string]Pair{
		"health.lead.ok":   {"Tout va bien.", "All is well."},
		"health.lead.bad":  {"{n} chose ne fonctionne pas.|{n} choses ne fonctionnent pas.", "{n} thing does not work.|{n} things do not work."},
		"health.lead.warn": {"Tout fonctionne ; {n} chose est à savoir.|Tout fonctionne ; {n} choses sont à savoir.", "Everything works; {n} thing to know.|Everything works; {n} things to know."},
		"health.again":     {"Regarder à nouveau", "Look again"},
		"health.checks":    {"Ce qui a été vérifié", "What was looked at"},
		"health.none":      {"Ce serveur ne sait pas se regarder lui-même.", "This server cannot look at itself."},
		"health.ok":        {"Bon", "Good"},
		"health.warn":      {"À savoir", "To know"},
		"health.bad":       {"À réparer", "To repair"},
		"health.server":    {"Le serveur", "The server"},
		"health.version":   {"Version", "Version"},
		"health.started":   {"Démarré", "Started"},
		"health.data":      {"Données", "Data"},
		"health.addresses": {"Adresses", "Addresses"},
		"health.port":      {"Port des agents", "Port for agents"},
		"health.ca":        {"Empreinte de l’autorité", "Fingerprint of the CA"},
	}
}

// peopleSmall holds the short parts: invite, site, room, result, via, form.
func peopleSmall() map[string]Pair {
	return map[string]Pair{
		"invite.title":   {"Bienvenue", "Welcome"},
		"invite.lead":    {"Bonjour {0}. Votre identifiant est {1} ; choisissez un mot de passe pour entrer.", "Hello {0}. Your login is {1}; choose a password to enter."},
		"site.unnamed":   {"Cet établissement", "This school"},
		"room.none":      {"Il n’y a pas encore de salle.", "There is no room yet."},
		"result.done":    {"Fait", "Done"},
		"result.refused": {"Refusé", "Refused"},
		"result.failed":  {"Échec", "Failed"},
		"via.":           {"–", "–"},
		"via.socket":     {"ligne de commande", "command line"},
		"via.session":    {"console", "console"},
		"via.token":      {"jeton d’API", "API token"},
		"via.label":      {"étiquette d’un poste", "label of a computer"},
		"via.house":      {"le service lui-même", "the service itself"},
		"form.date":      {"Écrivez une date comme 2026-11-22.", "Write a date like 2026-11-22."},
	}
}

// Checks are the names of what the doctor looks at, by the name that the command line has for them.
func Checks() map[string]Pair {
	return map[string]Pair{
		"data folder":      {"Dossier des données", "Data folder"},
		"space":            {"Espace disque", "Disk space"},
		"clock":            {"Horloge", "Clock"},
		"boot environment": {"Environnement de démarrage", "Boot environment"},
		"grub-mkimage":     {"grub-mkimage", "grub-mkimage"},
		"reports":          {"Rapport du matin", "Morning's report"},
		"network boot":     {"Démarrage par le réseau", "Network boot"},
		"network":          {"Réseau", "Network"},
		"daemon":           {"Service", "Daemon"},
		"port":             {"Port", "Port"},
		"DHCP":             {"DHCP", "DHCP"},
	}
}
