package notices

// All lists the notices.
func All() []Notice {
	var all []Notice
	for _, part := range [][]Notice{aboutComputers(), aboutOrders(), aboutMasters(), aboutFiles(), aboutDaemon(), aboutEvents(), aboutStore(), aboutRooms(), aboutSchools(), aboutPeople(), aboutPasswords(), aboutRequests(), aboutPost()} {
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
		notice("no-master", Refusal, "there is no master {what}", "`ardoise master list` shows names, versions and channels",
			"il n'y a pas de master {what}", "`ardoise master list` montre les noms, les versions et les canaux"),
		notice("bad-master", Usage, "{what} cannot be a master: it {detail}",
			"a master is called by 1 to 64 letters, digits, dots, hyphens and underscores, a version NAME@V, a channel's NAME@CHANNEL",
			"{what} ne peut pas être un master : {detail}",
			"un master se nomme avec 1 à 64 lettres, chiffres, points, tirets et soulignés, une version NOM@V, celle d'un canal NOM@CANAL"),
		notice("untrusted", Damage, "{what} is damaged or not signed by this site: {detail}",
			"it is not put on any disk; restore it from a backup or capture it again",
			"{what} est abîmé ou n'est pas signé par ce site : {detail}",
			"il ne va sur aucun disque ; restaurez-le d'une sauvegarde ou capturez-le à nouveau"),
	}
}

// aboutFiles are the notices about channels, notes, exports and backups.
func aboutFiles() []Notice {
	return []Notice{
		notice("master-needed", Refusal, "{what} is still needed: {detail}",
			"promote another version to its channels (or take them away: promote --off), deploy another one to its computers, then forget it",
			"{what} sert encore : {detail}",
			"promouvez une autre version sur ses canaux (ou retirez-les : promote --off), déployez-en une autre sur ses postes, puis oubliez-la"),
		notice("nothing-before", Refusal, "{what} has pointed at no other version that is still there",
			"point it at one: `ardoise master promote NAME@V CHANNEL`",
			"{what} n'a désigné aucune autre version encore présente",
			"désignez-en une : `ardoise master promote NOM@V CANAL`"),
		notice("bad-channel", Usage, "{what} cannot be a channel: it {detail}",
			"a channel is called by 1 to 32 lower-case letters, digits, hyphens and underscores, a letter first",
			"{what} ne peut pas être un canal : {detail}",
			"un canal se nomme avec 1 à 32 minuscules, chiffres, tirets et soulignés, une lettre d'abord"),
		notice("bad-note", Usage, "this text cannot be kept: {detail}", "write a shorter one; nothing was changed",
			"ce texte ne peut pas être gardé : {detail}", "écrivez-en un plus court ; rien n'a été modifié"),
		notice("bad-rule", Usage, "this cannot be a retention rule: {detail}",
			"say how many of the newest versions stay: `ardoise master retain NAME --last N`",
			"ceci ne peut pas être une règle de conservation : {detail}",
			"dites combien des plus récentes versions restent : `ardoise master retain NOM --last N`"),
		notice("about-damaged", Damage, "channels and notes of {what} are not as they were signed: {detail}",
			"restore masters/{what}/about from a backup, or delete that file: then they begin anew",
			"les canaux et notes de {what} ne sont plus tels que signés : {detail}",
			"restaurez masters/{what}/about d'une sauvegarde, ou supprimez ce fichier : ils repartent alors de zéro"),
		notice("foreign-key", Refusal, "{what} is signed by another site's key, fingerprint {detail}",
			"ask that site for the fingerprint (`ardoise master key`); if it is the same: --trust {detail}",
			"{what} est signé par la clé d'un autre site, empreinte {detail}",
			"demandez l'empreinte à ce site (`ardoise master key`) ; si c'est la même : --trust {detail}"),
		notice("version-taken", Refusal, "another {what} is, or was, here already",
			"import it under another name: --as NAME", "une autre {what} est, ou était, déjà ici",
			"importez-la sous un autre nom : --as NOM"),
		notice("bad-file", Damage, "the file is not whole, or no export of a master: {detail}",
			"nothing has appeared; copy the file again, or export it again where it came from",
			"le fichier n'est pas entier, ou n'est pas un export de master : {detail}",
			"rien n'est apparu ; copiez-le à nouveau, ou refaites l'export là d'où il vient"),
		notice("no-space-there", Failure, "there is no room left for {what}",
			"make room there, then run the same command again; or name a file on a larger disk",
			"il n'y a plus de place pour {what}",
			"libérez de la place à cet endroit, puis relancez la même commande ; ou nommez un fichier sur un disque plus grand"),
		notice("newer-file", Refusal, "the file was written by another version of Ardoise: {detail}",
			"use the version of ardoise that wrote it", "le fichier vient d'une autre version d'Ardoise : {detail}",
			"utilisez la version d'ardoise qui l'a écrit"),
		notice("file-exists", Refusal, "{what} is there already", "choose another name, or move that file away",
			"{what} existe déjà", "choisissez un autre nom, ou déplacez ce fichier"),
		notice("incomplete", Damage, "the store lacks chunks: {detail}",
			"capture the master again from a disk that holds it, or import an export of it: what is missing is stored anew",
			"il manque des blocs : {detail}",
			"capturez à nouveau le master depuis un disque qui le porte, ou importez-en un export : ce qui manque est réécrit"),
		notice("damaged-chunk", Damage, "a chunk is damaged or gone: {detail}",
			"capture the master again from a disk that holds it, or import an export of it: only damaged chunks are stored anew",
			"un bloc est abîmé ou perdu : {detail}",
			"capturez à nouveau le master depuis un disque qui le porte, ou importez-en un export : seuls les blocs abîmés sont réécrits"),
		notice("wrong-passphrase", Damage, "the backup does not open: the passphrase is another one, or the file is damaged",
			"try the passphrase again, with its capitals and spaces; then another copy of the file",
			"la sauvegarde ne s'ouvre pas : la phrase secrète est autre, ou le fichier est abîmé",
			"réessayez la phrase, avec ses majuscules et espaces ; puis une autre copie du fichier"),
		notice("bad-backup", Damage, "the backup is not whole, or no backup: {detail}", "take another copy of it; nothing was restored",
			"la sauvegarde n'est pas entière, ou n'en est pas une : {detail}", "prenez-en une autre copie ; rien n'a été restauré"),
		notice("weak-passphrase", Usage, "the passphrase is too short: {detail}", "four or five words that have nothing to do with each other are easy to keep",
			"la phrase secrète est trop courte : {detail}", "quatre ou cinq mots sans rapport entre eux se retiennent bien"),
		notice("not-empty", Refusal, "{what} is not empty: {detail}",
			"restore into a new folder; only `store`, copied there before, may be in it",
			"{what} n'est pas vide : {detail}",
			"restaurez dans un nouveau dossier ; seul `store`, copié d'avance, peut s'y trouver"),
		notice("restoring", Refusal, "a restore into {what} was interrupted", "run the same `ardoise backup restore` again: it begins anew",
			"une restauration dans {what} a été interrompue", "relancez la même `ardoise backup restore` : elle reprend au début"),
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
		notice("no-space", Failure, "the disk of the server is full",
			"forget versions that nobody needs (`ardoise master forget`), run `ardoise store gc` twice, or use a larger disk, "+
				"then try again: nothing is lost",
			"le disque du serveur est plein",
			"oubliez des versions inutiles (`ardoise master forget`), lancez deux fois `ardoise store gc`, ou prenez un disque plus "+
				"grand, puis réessayez : rien n'est perdu"),
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
		notice("no-multicast", Alarm, "multicast does not reach computers of job {what}: {detail}",
			"they are served by HTTPS, which is slower for a room; let the switch of that network carry multicast (IGMP snooping "+
				"with a querier, no filter of 239.64.0.0/10); where a router is between: --multicast-ttl",
			"le multicast n'atteint pas des postes du travail {what} : {detail}",
			"ils sont servis par HTTPS, plus lent pour une salle ; laissez le commutateur de ce réseau porter le multicast (IGMP "+
				"snooping avec un interrogateur, pas de filtre de 239.64.0.0/10) ; derrière un routeur : --multicast-ttl"),
		notice("pending", Note, "{what} waits for approval",
			"compare the code on its screen, then `ardoise computer approve CODE`",
			"{what} attend une approbation", "comparez le code à son écran, puis `ardoise computer approve CODE`"),
	}
}
