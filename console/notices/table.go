package notices

// All lists the notices.
func All() []Notice {
	var all []Notice
	for _, part := range [][]Notice{aboutComputers(), aboutOrders(), aboutMasters(), aboutDaemon(), aboutEvents()} {
		all = append(all, part...)
	}
	return all
}

func notice(code string, s Severity, what, do, quoi, faire string) Notice {
	return Notice{Code: code, Severity: s, English: Text{What: what, Do: do}, French: Text{What: quoi, Do: faire}}
}

func aboutComputers() []Notice {
	return []Notice{
		notice("no-computer", Refusal, "no computer is called {what}",
			"`ardoise computer list` shows names, codes and addresses",
			"aucun poste ne s'appelle {what}", "`ardoise computer list` montre les noms, les codes et les adresses"),
		notice("several", Refusal, "{what} could be more than one computer",
			"give its name, its id or the code on its screen instead: `ardoise computer show {what}`",
			"{what} désigne plusieurs postes",
			"indiquez plutôt son nom, son identifiant ou le code à son écran : `ardoise computer show {what}`"),
		notice("not-enrolled", Refusal, "{what} is not enrolled",
			"start it from the network, compare the code on its screen and approve that: `ardoise computer approve CODE`",
			"{what} n'est pas enrôlé",
			"démarrez-le par le réseau, comparez le code à son écran et approuvez-le : `ardoise computer approve CODE`"),
		notice("not-pending", Refusal, "{what} does not wait for approval", "`ardoise computer list` shows who does",
			"{what} n'attend pas d'approbation", "`ardoise computer list` montre les postes en attente"),
		notice("already-enrolled", Refusal, "{what} has a key of its own",
			"if its disk or board was replaced: `ardoise computer rekey {what}`", "{what} a déjà sa clé",
			"si son disque ou sa carte mère a été remplacé : `ardoise computer rekey {what}`"),
		notice("wrong-code", Refusal, "no waiting computer shows the code {what}",
			"read the six digits from the computer's own screen again; they change when it restarts",
			"aucun poste en attente n'affiche le code {what}",
			"relisez les six chiffres à l'écran du poste ; ils changent à chaque redémarrage"),
		notice("too-many", Refusal, "too many attempts", "wait ten minutes, then read the code from the computer's own screen",
			"trop de tentatives", "attendez dix minutes, puis relisez le code à l'écran du poste"),
		notice("bad-name", Usage, "{what} cannot be a name",
			"use letters, digits, dot, hyphen and underscore, at most 63, not digits alone",
			"{what} ne peut pas être un nom",
			"utilisez lettres, chiffres, point, tiret et souligné, 63 au plus, pas uniquement des chiffres"),
		notice("name-taken", Refusal, "another computer is called {what}", "choose another name with --name",
			"un autre poste s'appelle {what}", "choisissez un autre nom avec --name"),
		notice("no-mac", Refusal, "{what} has no known network address to be woken by",
			"start it once from the network so that its address is known",
			"aucune adresse réseau connue pour réveiller {what}",
			"démarrez-le une fois par le réseau pour que son adresse soit connue"),
	}
}

func aboutOrders() []Notice {
	return []Notice{
		notice("busy", Refusal, "{what} has something to do already: {detail}",
			"wait for it (`ardoise job list`) or cancel it (`ardoise job cancel JOB`)",
			"{what} est déjà occupé : {detail}",
			"attendez la fin (`ardoise job list`) ou annulez (`ardoise job cancel JOB`)"),
		notice("no-disk", Refusal, "no disk of {what} fits: {detail}",
			"`ardoise computer show {what}` lists its disks; choose one with --min-size, --max-size, --bus, --model or --serial",
			"aucun disque de {what} ne convient : {detail}",
			"`ardoise computer show {what}` liste ses disques ; choisissez avec --min-size, --max-size, --bus, --model ou --serial"),
		notice("several-disks", Refusal, "more than one disk of {what} fits: {detail}",
			"say which with --min-size, --max-size, --bus, --model or --serial; nothing is written until exactly one fits",
			"plusieurs disques de {what} conviennent : {detail}",
			"précisez avec --min-size, --max-size, --bus, --model ou --serial ; rien n'est écrit tant qu'un seul ne convient pas"),
		notice("disk-too-small", Refusal, "the master does not fit on the disk of {what}: {detail}",
			"choose a larger disk, or capture the master from a smaller one",
			"le master ne tient pas sur le disque de {what} : {detail}",
			"choisissez un disque plus grand, ou capturez le master depuis un plus petit"),
		notice("sector-size", Refusal, "the disk of {what} has sectors of another size than the master's: {detail}",
			"a master can only be put on disks with the sector size it was captured from",
			"le disque de {what} n'a pas la même taille de secteur que le master : {detail}",
			"un master ne va que sur des disques de même taille de secteur"),
		notice("bad-order", Usage, "this order makes no sense: {detail}", "`ardoise help` shows how orders are given",
			"cet ordre n'a pas de sens : {detail}", "`ardoise help` montre comment donner un ordre"),
		notice("no-job", Refusal, "there is no job {what}", "`ardoise job list` shows them",
			"il n'y a pas de travail {what}", "`ardoise job list` les montre"),
		notice("job-over", Refusal, "{what} is over", "nothing is left to cancel", "{what} est terminé",
			"il n'y a plus rien à annuler"),
		notice("written", Refusal, "{what} cannot be cancelled everywhere: {detail}",
			"let it finish; --force ends it and leaves those disks unfinished, unable to start",
			"{what} ne peut pas être annulé partout : {detail}",
			"laissez-le finir ; --force l'arrête et laisse ces disques inachevés, incapables de démarrer"),
		notice("no-task", Refusal, "no such task runs on {what}", "`ardoise job list` shows what runs",
			"aucune tâche de ce genre ne tourne sur {what}", "`ardoise job list` montre ce qui tourne"),
		notice("not-yours", Refusal, "{what} is another computer's task", "`ardoise job list` shows whose it is",
			"{what} est la tâche d'un autre poste", "`ardoise job list` montre à qui elle est"),
		notice("declined", Refusal, "nothing was done: the order was not confirmed",
			"answer with the word that is asked for, or give --yes",
			"rien n'a été fait : l'ordre n'a pas été confirmé", "répondez par le mot demandé, ou donnez --yes"),
		notice("job-failed", Failure, "job {what} did not succeed on every computer: {detail}",
			"`ardoise job show {what}` names each computer and its reason",
			"le travail {what} n'a pas réussi sur tous les postes : {detail}",
			"`ardoise job show {what}` nomme chaque poste et sa raison"),
	}
}

func aboutMasters() []Notice {
	return []Notice{
		notice("no-master", Refusal, "there is no master {what}", "`ardoise master list` shows names and versions",
			"il n'y a pas de master {what}", "`ardoise master list` montre les noms et les versions"),
		notice("untrusted", Damage, "{what} is damaged or not signed by this site: {detail}",
			"it is not put on any disk; restore it from a backup or capture it again",
			"{what} est abîmé ou n'est pas signé par ce site : {detail}",
			"il ne va sur aucun disque ; restaurez-le d'une sauvegarde ou capturez-le à nouveau"),
	}
}

func aboutDaemon() []Notice {
	return []Notice{
		notice("not-running", Failure, "no daemon answers in {what}", "start one: `ardoise serve --data {what}`",
			"aucun service ne répond dans {what}", "démarrez-en un : `ardoise serve --data {what}`"),
		notice("not-allowed", Refusal, "only the daemon's own user and root may give orders",
			"run the command as that user, or through sudo",
			"seuls l'utilisateur du service et root peuvent donner des ordres",
			"lancez la commande sous cet utilisateur, ou avec sudo"),
		notice("data-in-use", Refusal, "{what} is in use by another Ardoise",
			"stop the other one, or choose another folder with --data",
			"{what} est utilisé par un autre Ardoise", "arrêtez l'autre, ou choisissez un autre dossier avec --data"),
		notice("port-in-use", Refusal, "{what} is used by another program: {detail}",
			"`ss -lunpt` shows which; stop it, or choose another port with --http-port or --agent-port",
			"{what} est utilisé par un autre programme : {detail}",
			"`ss -lunpt` montre lequel ; arrêtez-le, ou choisissez un autre port avec --http-port ou --agent-port"),
		notice("no-permission", Refusal, "the system does not allow it: {detail}",
			"run as root, or with CAP_NET_BIND_SERVICE and CAP_NET_RAW as scripts/ardoise.service does",
			"le système ne le permet pas : {detail}",
			"lancez en root, ou avec CAP_NET_BIND_SERVICE et CAP_NET_RAW comme le fait scripts/ardoise.service"),
		notice("no-interface", Refusal, "there is no network interface {what}",
			"`ip link` shows their names; give one with --interface",
			"il n'y a pas d'interface réseau {what}", "`ip link` montre leurs noms ; indiquez-en une avec --interface"),
		notice("no-boot-files", Refusal, "the boot environment is not complete: {detail}",
			"build it with `make bootenv`, or name its folder with --boot",
			"l'environnement de démarrage est incomplet : {detail}",
			"construisez-le avec `make bootenv`, ou indiquez son dossier avec --boot"),
		notice("path-too-long", Refusal, "the path of the data folder is too long: {detail}",
			"choose a shorter one with --data", "le chemin du dossier de données est trop long : {detail}",
			"choisissez-en un plus court avec --data"),
		notice("newer-data", Refusal, "the data was written by a newer Ardoise: {detail}",
			"install that version again; nothing was changed", "les données viennent d'un Ardoise plus récent : {detail}",
			"réinstallez cette version ; rien n'a été modifié"),
		notice("no-space", Failure, "the disk of the server is full", "free some space, then try again: nothing is lost",
			"le disque du serveur est plein", "libérez de la place, puis réessayez : rien n'est perdu"),
		notice("internal", Failure, "the server has a fault: {detail}", "its log says more: `journalctl -u ardoise`",
			"le serveur a un défaut : {detail}", "son journal en dit plus : `journalctl -u ardoise`"),
		notice("no-route", Usage, "the daemon does not know this request", "daemon and command must be of the same version",
			"le service ne connaît pas cette demande", "le service et la commande doivent être de la même version"),
		notice("unwell", Failure, "{detail}", "each line marked bad above has its own advice",
			"{detail}", "chaque ligne marquée bad ci-dessus a son conseil"),
	}
}

func aboutEvents() []Notice {
	return []Notice{
		notice("alarm", Alarm, "another key claimed to be {what}: {detail}",
			"find the computer at that address; if it is {what} with a new disk: `ardoise computer rekey {what}`, otherwise "+
				"`ardoise computer refuse {what}`",
			"une autre clé prétend être {what} : {detail}",
			"trouvez le poste à cette adresse ; si c'est {what} avec un disque neuf : `ardoise computer rekey {what}`, sinon "+
				"`ardoise computer refuse {what}`"),
		notice("boot-loop", Alarm, "{what} {detail}", "look at its screen while it starts; an order to it lets it try again",
			"{what} démarre l'agent sans qu'il réponde : {detail}",
			"regardez son écran au démarrage ; un nouvel ordre le laisse réessayer"),
		notice("interrupted", Alarm, "{what}: {detail}", "its work goes on when it starts from the network; else deploy again",
			"{what} : {detail}", "le travail reprend à son démarrage par le réseau ; sinon déployez à nouveau"),
		notice("foreign", Alarm, "another server answers network boots here: {detail}",
			"find it and switch it off, or take PCs of this network out of its configuration",
			"un autre serveur répond aux démarrages réseau ici : {detail}",
			"trouvez-le et arrêtez-le, ou retirez les postes de ce réseau de sa configuration"),
		notice("pending", Note, "{what} waits for approval",
			"compare the code on its screen, then `ardoise computer approve CODE`",
			"{what} attend une approbation", "comparez le code à son écran, puis `ardoise computer approve CODE`"),
	}
}
