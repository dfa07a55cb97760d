package main

// words are the sentences that a person reads.
type words struct {
	usage, help, unexpected, contradicts               string
	question, nobody, sayYes, declined, asYouLike      string
	noToken, notYours, badToken, newToken              string
	unproven, away, unknownToken, tooOften, later      string
	refused, noCancel, cancelHow, tryAgain             string
	interrupted, perhaps, callSomebody                 string
	none, waiting, running, until, clean, unknownState string
	itsMaster, bootNext, bootFault, nextStart          string
	restarting, notRestarted, restartYourself, enter   string
	noFirmware, administrator, noMenu, menuIsFirst     string
	menuFirst, sealed, sealedHow                       string
	menuBegins, menuFault                              string
}

func english() words {
	return words{
		usage: "usage: ardoise-reset [--yes] [--restart] | --status | --cancel, each with [--token FILE]; or --menu",
		help: `Resets this computer when it starts next: everything that was changed on its disk since is lost.

  --yes         do not ask
  --restart     restart the computer, after 10 seconds
  --status      tell whether a reset waits
  --cancel      take it back
  --token FILE  the file that allows it
  --menu        only put the start menu first again, where the system has put
                itself before it; for a task at each start of the system`,
		unexpected:  "%q is not expected here",
		contradicts: "these options do not go together",
		question:    "Reset this computer at its next start?\nEverything that was changed or saved on its disk will be lost. [y/N]",
		nobody:      "nobody can be asked here", sayYes: "give --yes to reset without a question",
		declined: "nothing was ordered", asYouLike: "start ardoise-reset again if you change your mind",
		noToken: "there is no token file %s", notYours: "you may not read %s",
		badToken: "the token file %s is not understood: %v",
		newToken: "a technician makes one in the console, on the page of this computer, or with: ardoise computer token COMPUTER",
		unproven: "the server %s is not the one of this school: %s",
		away:     "the server %s does not answer: %v", unknownToken: "the server does not know this computer's token any more",
		tooOften: "resets were asked for too often", later: "wait some minutes, then try again",
		refused: "the server refuses: %v", noCancel: "the server does not let a computer take its reset back",
		cancelHow:   "ask a technician to end the job in the console",
		tryAgain:    "see whether the network is there, then try again; the start menu resets without the server",
		interrupted: "interrupted", perhaps: "ardoise-reset --status tells whether a reset waits",
		callSomebody: "tell your teacher or the technician",
		none:         "%s: no reset is waiting.", waiting: "%s will be reset to %s when it starts next.",
		running: "%s is being reset.", until: "The order is forgotten if that is not before %s.",
		clean: "It was last proven clean on %s.", unknownState: "the server says %q, which is not understood",
		itsMaster: "its master", bootNext: "The next start is by %q.",
		bootFault:  "The boot order could not be changed: %s",
		nextStart:  "Start it as ever: the reset begins with the next start by the network. If a start menu is shown, choose Reset there.",
		menuBegins: "The start menu begins the reset by itself.", menuFault: "The start menu could not be told: %s",
		restarting: "Restarting in %d s. Save your work! Ctrl-C: do not restart.", notRestarted: "Not restarted. The reset still waits.",
		restartYourself: "restart the computer yourself: the reset waits", enter: "Enter closes this window.",
		noFirmware:    "the boot order of this computer cannot be reached",
		administrator: "run it as administrator, on a computer that starts by UEFI",
		noMenu:        "This computer has no start menu of Ardoise: nothing was changed.",
		menuIsFirst:   "The start menu is first already.", menuFirst: "The start menu is first again.",
		sealed:    "BitLocker protects this disk: with the menu first, Windows would ask for its recovery key",
		sealedHow: "leave the order as it is: at its next contact Ardoise takes the menu of such a computer away",
	}
}

func french() words {
	return words{
		usage: "usage : ardoise-reset [--yes] [--restart] | --status | --cancel, chacun avec [--token FICHIER] ; ou --menu",
		help: `Remet ce poste à zéro à son prochain démarrage : tout ce qui a changé sur son disque est perdu.

  --yes            ne pas demander
  --restart        redémarrer le poste, après 10 secondes
  --status         dire si une remise à zéro attend
  --cancel         y renoncer
  --token FICHIER  le fichier qui l'autorise
  --menu           remettre seulement le menu de démarrage en premier, si le
                   système s'est mis avant lui ; à faire à chaque démarrage`,
		unexpected:  "%q n'est pas attendu ici",
		contradicts: "ces options ne vont pas ensemble",
		question:    "Remettre ce poste à zéro au prochain démarrage ?\nTout ce qui a été changé ou enregistré sur son disque sera perdu. [o/N]",
		nobody:      "personne ne peut répondre ici", sayYes: "donnez --yes pour remettre à zéro sans question",
		declined: "rien n'a été demandé", asYouLike: "relancez ardoise-reset si vous changez d'avis",
		noToken: "il n'y a pas de fichier de jeton %s", notYours: "vous ne pouvez pas lire %s",
		badToken: "le fichier de jeton %s n'est pas compris : %v",
		newToken: "un technicien en crée un dans la console, sur la page de ce poste, ou avec : ardoise computer token POSTE",
		unproven: "le serveur %s n'est pas celui de cet établissement : %s",
		away:     "le serveur %s ne répond pas : %v", unknownToken: "le serveur ne connaît plus le jeton de ce poste",
		tooOften: "trop de remises à zéro ont été demandées", later: "attendez quelques minutes, puis réessayez",
		refused: "le serveur refuse : %v", noCancel: "le serveur ne laisse pas un poste renoncer à sa remise à zéro",
		cancelHow:   "demandez à un technicien d'arrêter la tâche dans la console",
		tryAgain:    "vérifiez que le réseau est là, puis réessayez ; le menu de démarrage remet à zéro sans le serveur",
		interrupted: "interrompu", perhaps: "ardoise-reset --status dit si une remise à zéro attend",
		callSomebody: "prévenez votre professeur ou le technicien",
		none:         "%s : aucune remise à zéro n'attend.", waiting: "%s sera remis à zéro (%s) à son prochain démarrage.",
		running: "%s est en cours de remise à zéro.", until: "La demande est oubliée si ce n'est pas avant le %s.",
		clean: "Il a été prouvé propre pour la dernière fois le %s.", unknownState: "le serveur dit %q, qui n'est pas compris",
		itsMaster: "son master", bootNext: "Le prochain démarrage se fait par « %s ».",
		bootFault:  "L'ordre de démarrage n'a pas pu être changé : %s",
		nextStart:  "Démarrez comme toujours : la remise à zéro commence au prochain démarrage par le réseau. Si un menu de démarrage s'affiche, choisissez-y « Remettre a zero ».",
		menuBegins: "Le menu de démarrage commencera la remise à zéro de lui-même.", menuFault: "Le menu de démarrage n'a pas pu être prévenu : %s",
		restarting: "Redémarrage dans %d s. Enregistrez votre travail ! Ctrl-C : ne pas redémarrer.", notRestarted: "Pas de redémarrage. La remise à zéro attend toujours.",
		restartYourself: "redémarrez le poste vous-même : la remise à zéro attend", enter: "Entrée ferme cette fenêtre.",
		noFirmware:    "l'ordre de démarrage de ce poste n'est pas accessible",
		administrator: "lancez-le comme administrateur, sur un poste qui démarre en UEFI",
		noMenu:        "Ce poste n'a pas de menu de démarrage Ardoise : rien n'a été changé.",
		menuIsFirst:   "Le menu de démarrage est déjà en premier.", menuFirst: "Le menu de démarrage est de nouveau en premier.",
		sealed:    "BitLocker protège ce disque : avec le menu en premier, Windows demanderait sa clé de récupération",
		sealedHow: "laissez l'ordre tel qu'il est : à son prochain contact, Ardoise retire le menu de ce poste",
	}
}
