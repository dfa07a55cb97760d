package notices

// aboutSchools are the notices about sites, filters, schedules, scripts, enrolment and lists of computers.
func aboutSchools() []Notice {
	all := append(aboutPlanning(), aboutLists()...)
	return append(all,
		notice("no-site", Refusal, "there is no site {what}", "look at the list of sites, or make one of that name",
			"il n'y a pas d'établissement {what}", "regardez la liste des établissements, ou créez-en un de ce nom"),
		notice("bad-site", Usage, "site {what} cannot be like that: {detail}", "change what is named there, and save it again",
			"l'établissement {what} ne peut pas être ainsi : {detail}", "changez ce qui est nommé là, et enregistrez de nouveau"),
		notice("site-needed", Refusal, "site {what} is still needed: {detail}", "move these elsewhere or forget them, then forget the site",
			"l'établissement {what} sert encore : {detail}", "déplacez-les ou oubliez-les, puis oubliez l'établissement"),
		notice("bad-window", Usage, "room {what} cannot enrol computers like that: {detail}",
			"choose an end within a day, a number, and a site whose networks are known",
			"la salle {what} ne peut pas enrôler ainsi : {detail}",
			"choisissez une fin dans la journée, un nombre, et un établissement dont les réseaux sont connus"),
		notice("window-open", Refusal, "room {what} enrols computers already: {detail}", "wait until it is done, or close its enrolment",
			"la salle {what} enrôle déjà des postes : {detail}", "attendez qu'elle ait fini, ou fermez son enrôlement"),
		notice("no-window", Refusal, "room {what} enrols nobody now", "open its enrolment first",
			"la salle {what} n'enrôle personne en ce moment", "ouvrez d'abord son enrôlement"),
		notice("no-twin", Refusal, "{what} looks like no computer of another site: {detail}",
			"approve it without saying that it was moved; `ardoise computer list` shows who waits",
			"{what} ne ressemble à aucun poste d'un autre établissement : {detail}",
			"approuvez-le sans dire qu'il a été déplacé ; `ardoise computer list` montre qui attend"),
		notice("no-wake", Refusal, "this server cannot wake computers", "start it with an interface in their network, or put a helper there",
			"ce serveur ne peut pas réveiller de postes", "donnez-lui une interface dans leur réseau, ou mettez-y un relais"),
		notice("site", Note, "a site was changed: {detail}", "the list of sites shows it",
			"un établissement a été modifié : {detail}", "la liste des établissements le montre"),
		notice("window", Note, "an enrolment was opened or closed: {detail}", "look at who came: each of them is in the room's list",
			"un enrôlement a été ouvert ou fermé : {detail}", "regardez qui est venu : chacun est dans la liste de la salle"),
		notice("elsewhere", Note, "a computer is in another site than its own: {detail}",
			"moved: place it there, or approve it with --moved; a copied board: approve it as new; the network is its site's: add it to the site",
			"un poste est dans un autre établissement que le sien : {detail}",
			"déplacé : mettez-le là, ou approuvez-le avec --moved ; carte copiée : approuvez-le comme nouveau ; le réseau est celui de son établissement : ajoutez-le à celui-ci"),
		notice("forgotten", Note, "a record was removed: {detail}", "if the computer comes back it waits for approval",
			"une fiche a été supprimée : {detail}", "si le poste revient, il attend une approbation"),
	)
}

func aboutPlanning() []Notice {
	return []Notice{
		notice("no-schedule", Refusal, "there is no schedule {what}", "look at the list of schedules",
			"il n'y a pas de planification {what}", "regardez la liste des planifications"),
		notice("bad-schedule", Usage, "schedule {what} cannot be like that: {detail}", "change what is named there, and save it again",
			"la planification {what} ne peut pas être ainsi : {detail}", "changez ce qui est nommé là, et enregistrez de nouveau"),
		notice("no-script", Refusal, "there is no script {what}", "look at the list of scripts; it may have been forgotten",
			"il n'y a pas de script {what}", "regardez la liste des scripts ; il a peut-être été oublié"),
		notice("bad-script", Usage, "script {what} cannot be like that: {detail}", "change what is named there, and add it again",
			"le script {what} ne peut pas être ainsi : {detail}", "changez ce qui est nommé là, et ajoutez-le de nouveau"),
		notice("not-approved", Refusal, "nobody has approved script {what}", "let another administrator read and approve it",
			"personne n'a approuvé le script {what}", "faites-le lire et approuver par un autre administrateur"),
		notice("own-script", Refusal, "script {what} must be approved by somebody else: {detail}", "ask another administrator to read it",
			"le script {what} doit être approuvé par quelqu'un d'autre : {detail}", "demandez à un autre administrateur de le lire"),
		notice("script-needed", Refusal, "script {what} is still needed: {detail}", "wait for these, or cancel them, then forget it",
			"le script {what} sert encore : {detail}", "attendez-les, ou annulez-les, puis oubliez-le"),
		notice("schedule", Note, "of the schedules: {detail}", "the list of schedules shows when each is next",
			"des planifications : {detail}", "la liste des planifications montre la prochaine fois de chacune"),
		notice("script", Note, "of the scripts: {detail}", "the list of scripts shows who wrote and who approved each",
			"des scripts : {detail}", "la liste des scripts montre qui a écrit et qui a approuvé chacun"),
		notice("retry", Note, "{what} failed, and {detail}", "nothing is to be done unless it fails to the end",
			"{what} a échoué, et {detail}", "il n'y a rien à faire, sauf s'il échoue jusqu'au bout"),
	}
}

func aboutLists() []Notice {
	return []Notice{
		notice("bad-filter", Usage, "the filter {what} cannot be understood: {detail}",
			"write it like room:S104 -runs:Bureautique@7 link<=100 unseen>30d",
			"le filtre {what} est incompréhensible : {detail}",
			"écrivez-le comme room:S104 -runs:Bureautique@7 link<=100 unseen>30d"),
		notice("no-filter", Refusal, "there is no saved filter {what}", "look at the list of filters",
			"il n'y a pas de filtre enregistré {what}", "regardez la liste des filtres"),
		notice("bad-tag", Usage, "{what} cannot be a tag: {detail}", "write one word, such as portable",
			"{what} ne peut pas être une étiquette : {detail}", "écrivez un seul mot, par exemple portable"),
		notice("note-long", Usage, "the note on {what} is too long: {detail}", "say it in fewer words",
			"la note sur {what} est trop longue : {detail}", "dites-le en moins de mots"),
		notice("bad-sheet", Usage, "the list of computers cannot be taken: {detail}",
			"correct the lines that are named, or take only those that are right",
			"la liste de postes ne peut pas être prise : {detail}",
			"corrigez les lignes indiquées, ou ne prenez que celles qui sont justes"),
		notice("imported", Note, "{what} was set by a list: {detail}", "its page shows what is known of it",
			"{what} a été réglé par une liste : {detail}", "sa page montre ce qu'on sait de lui"),
		notice("labelled", Note, "the tags of {what} were changed: {detail}", "filters find it by them, such as tag:portable",
			"les étiquettes de {what} ont changé : {detail}", "les filtres le trouvent par elles, par exemple tag:portable"),
		notice("annotated", Note, "the note on {what} was changed {detail}", "its page shows the note",
			"la note sur {what} a été modifiée {detail}", "sa page montre la note"),
	}
}
