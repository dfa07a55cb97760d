package words

// events holds what happened, by kind of event: those that no notice of the console tells with more words.
func events() map[string]Pair {
	return map[string]Pair{
		"event.is.agent":    {"Agent démarré", "Agent started"},
		"event.is.discover": {"Démarrage par le réseau demandé", "Asked for a network boot"},
		"event.is.offer":    {"Démarrage proposé", "Boot offered"},
		"event.is.loader":   {"Chargeur envoyé", "Loader sent"},
		"event.is.config":   {"Configuration de démarrage envoyée", "Boot configuration sent"},
		"event.is.kernel":   {"Noyau envoyé", "Kernel sent"},
		"event.is.initrd":   {"Agent envoyé", "Agent sent"},
		"event.is.local":    {"Envoyé vers son disque", "Sent to its disk"},
		"event.is.ignored":  {"Réponses ignorées par le firmware", "Answers ignored by the firmware"},
		"event.is.flooded":  {"Multidiffusion envoyée à tous les ports", "Multicast sent to every port"},
		"event.is.forged":   {"Faux paquets dans une diffusion", "Forged packets in a session"},
		"event.is.insider":  {"Paquets étrangers sous la clé d’une diffusion", "Foreign packets with the key of a session"},
		"event.is.other":    {"Autre événement", "Something else"},
	}
}

// deeds holds what people do, by the action of the audit log, its spaces as points.
func deeds() map[string]Pair {
	return map[string]Pair{
		"deed.login":                 {"Connexion", "Login"},
		"deed.logout":                {"Déconnexion", "Logout"},
		"deed.first-administrator":   {"Premier administrateur créé", "First administrator made"},
		"deed.session.end":           {"Session d’une personne fermée", "Session of a person ended"},
		"deed.password.change":       {"Mot de passe changé", "Password changed"},
		"deed.person.add":            {"Personne ajoutée", "Person added"},
		"deed.person.invite":         {"Personne invitée", "Person invited"},
		"deed.person.set":            {"Personne modifiée", "Person changed"},
		"deed.person.forget":         {"Personne supprimée", "Person deleted"},
		"deed.token.make":            {"Jeton d’API créé", "API token made"},
		"deed.token.forget":          {"Jeton d’API révoqué", "API token revoked"},
		"deed.computer.approve":      {"Poste approuvé", "Computer approved"},
		"deed.computer.refuse":       {"Poste refusé", "Computer refused"},
		"deed.computer.rename":       {"Poste renommé", "Computer renamed"},
		"deed.computer.amend":        {"Fiche de poste modifiée", "Record of a computer changed"},
		"deed.computer.forget":       {"Poste oublié", "Computer forgotten"},
		"deed.computer.rekey":        {"Clé de poste remplacée", "Key of a computer replaced"},
		"deed.computer.chainload":    {"Démarrage du disque réglé", "How a disk starts was set"},
		"deed.computer.note":         {"Note de poste modifiée", "Note on a computer changed"},
		"deed.computer.wake":         {"Poste réveillé", "Computer woken"},
		"deed.computer.tag":          {"Étiquettes de postes modifiées", "Tags of computers changed"},
		"deed.computer.token":        {"Jeton de poste créé", "Token of a computer made"},
		"deed.computer.token.revoke": {"Jeton de poste révoqué", "Token of a computer revoked"},
		"deed.computer.import":       {"Liste de postes importée", "List of computers imported"},
		"deed.enrolment.open":        {"Enrôlement ouvert", "Enrolment opened"},
		"deed.enrolment.close":       {"Enrôlement fermé", "Enrolment closed"},
		"deed.room.set":              {"Salle réglée", "Room set"},
		"deed.room.forget":           {"Salle supprimée", "Room deleted"},
		"deed.room.place":            {"Postes placés dans une salle", "Computers placed in a room"},
		"deed.site.set":              {"Établissement réglé", "Site set"},
		"deed.site.forget":           {"Établissement supprimé", "Site deleted"},
		"deed.filter.save":           {"Filtre enregistré", "Filter saved"},
		"deed.filter.forget":         {"Filtre supprimé", "Filter deleted"},
		"deed.job.order":             {"Travail ordonné", "Job ordered"},
		"deed.job.cancel":            {"Travail annulé", "Job cancelled"},
		"deed.schedule.set":          {"Planification réglée", "Schedule set"},
		"deed.schedule.pause":        {"Planification suspendue", "Schedule paused"},
		"deed.schedule.resume":       {"Planification reprise", "Schedule resumed"},
		"deed.schedule.forget":       {"Planification supprimée", "Schedule deleted"},
	}
}

// deedsOfTheHouse holds those that concern masters, requests, scripts and the server.
func deedsOfTheHouse() map[string]Pair {
	return map[string]Pair{
		"deed.helper.add":          {"Relais de réveil ajouté", "Wake helper added"},
		"deed.helper.forget":       {"Relais de réveil supprimé", "Wake helper deleted"},
		"deed.script.add":          {"Script ajouté", "Script added"},
		"deed.script.approve":      {"Script approuvé", "Script approved"},
		"deed.script.forget":       {"Script supprimé", "Script deleted"},
		"deed.label.make":          {"Étiquette créée", "Label made"},
		"deed.label.replace":       {"Étiquette remplacée", "Label replaced"},
		"deed.request.open":        {"Demande ouverte", "Request opened"},
		"deed.request.answer":      {"Réponse à une demande", "Request answered"},
		"deed.request.close":       {"Demande close", "Request closed"},
		"deed.request.reopen":      {"Demande rouverte", "Request reopened"},
		"deed.master.promote":      {"Version promue", "Version promoted"},
		"deed.master.withdraw":     {"Canal retiré", "Channel taken away"},
		"deed.master.rollback":     {"Retour à la version d’avant", "Rolled back"},
		"deed.master.note":         {"Note de version écrite", "Note on a version written"},
		"deed.master.forget":       {"Version supprimée", "Version forgotten"},
		"deed.master.import":       {"Version importée", "Version imported"},
		"deed.master.retain":       {"Règle de conservation changée", "Retention rule changed"},
		"deed.key.rotate":          {"Clé de signature remplacée", "Signing key replaced"},
		"deed.store.gc":            {"Stockage : inutile supprimé", "Store: what nobody needs removed"},
		"deed.store.scrub":         {"Stockage relu", "Store read through"},
		"deed.store.recompress":    {"Stockage recompressé", "Store recompressed"},
		"deed.store.rebuild-index": {"Index du stockage refait", "Index of the store made anew"},
		"deed.store.check":         {"Stockage vérifié", "Store checked"},
		"deed.store.stats":         {"Stockage mesuré", "Store measured"},
		"deed.post.set":            {"Rapports réglés", "Reports set"},
		"deed.post.try":            {"Rapport d’essai envoyé", "Trial report sent"},
	}
}
