package main

import "maps"

// usageFrench says what is wrong with a command line in French, by its English format; the verbs stand for the same, in the same
// order.
func usageFrench() map[string]string {
	all := usageOfTheBox()
	maps.Copy(all, usageOfOrders())
	return all
}

// usageOfTheBox is of every command, and of those about the box.
func usageOfTheBox() map[string]string {
	return map[string]string{
		// of every command
		"unknown command %q for %q":                      "commande inconnue : %q, après %q",
		"unknown flag: %s":                               "option inconnue : %s",
		"unknown shorthand flag: %s":                     "option courte inconnue : %s",
		"flag needs an argument: %s":                     "il manque la valeur de l'option %s",
		"bad flag syntax: %s":                            "option mal écrite : %s",
		"--%s is a whole number, not %q":                 "--%s est un nombre entier, pas %q",
		"--%s is a number, not %q":                       "--%s est un nombre, pas %q",
		"--%s is true or false, not %q":                  "--%s vaut true ou false, pas %q",
		"--%s is a time such as 90s, 10m or 36h, not %q": "--%s est une durée comme 90s, 10m ou 36h, pas %q",
		"--%s cannot be %q":                              "--%s ne peut pas valoir %q",
		"the command line means nothing: %s":             "la ligne de commande n'a pas de sens : %s",
		"%s is missing":                                  "il manque %s",
		"NAME is missing":                                "il manque NAME",
		"%q is one word too many: `%s` takes none":       "%q est de trop : `%s` n'attend rien de plus",
		"%q is one word too many":                        "%q est de trop",
		"say what to do: %s":                             "dites quoi faire : %s",
		"name at least one computer with --computer, or a room with --room":                     "nommez au moins un poste avec --computer, ou une salle avec --room",
		"name at least one computer with --computer, a room with --room, or some with --filter": "nommez au moins un poste avec --computer, une salle avec --room, ou plusieurs avec --filter",
		"name at least one computer, a room with --room, or some with --filter":                 "nommez au moins un poste, une salle avec --room, ou plusieurs avec --filter",
		"say with --disk which block device or image file":                                      "indiquez avec --disk quel disque ou quel fichier image",
		// the box
		"say what to do: create or restore":                                                  "dites quoi faire : create ou restore",
		"say what to do: show, fill or drop":                                                 "dites quoi faire : show, fill ou drop",
		"say what to do: list":                                                               "dites quoi faire : list",
		"say what to do: send or receive":                                                    "dites quoi faire : send ou receive",
		"say what to do: list, show, set, arrange, forget":                                   "dites quoi faire : list, show, set, arrange, forget",
		"say what to do: stats, gc, scrub, recompress, rebuild-index or check":               "dites quoi faire : stats, gc, scrub, recompress, rebuild-index ou check",
		"say with --passphrase-file where the passphrase is: there is no terminal to ask at": "indiquez avec --passphrase-file où est la phrase secrète : il n'y a pas de terminal où la demander",
		"the two passphrases differ":                                                         "les deux phrases secrètes diffèrent",
		"--iterations is 1 to %d":                                                            "--iterations va de 1 à %d",
		"say with --yes that what the cache holds may go":                                    "dites avec --yes que le contenu du cache peut disparaître",
		"say where the data is: --data DIR":                                                  "dites où sont les données : --data DIR",
		"--unknown is agent or disk, not %q":                                                 "--unknown vaut agent ou disk, pas %q",
		"a port is 1 to 65535, not %d":                                                       "un port va de 1 à 65535, pas %d",
		"--rate is a number of megabytes a second, not %d":                                   "--rate est un nombre de mégaoctets par seconde, pas %d",
		"--console-cert and --console-key belong together":                                   "--console-cert et --console-key vont ensemble",
		"--console-url begins with https://, not %q":                                         "--console-url commence par https://, pas %q",
		"--console-name is a name like ardoise.school.example, or an address, not %q":        "--console-name est un nom comme ardoise.school.example, ou une adresse, pas %q",
		"--oidc-issuer needs --console-url: the provider sends people back there":            "--oidc-issuer demande --console-url : le fournisseur y renvoie les gens",
		"--oidc-role is VALUE=ROLE or VALUE=ROLE:PLACE,PLACE, ROLE one of administrator, which has all places, technician, teacher and reader, not %q": "--oidc-role s'écrit VALUE=ROLE ou " +
			"VALUE=ROLE:PLACE,PLACE, où ROLE est `administrator`, qui a tous les lieux, `technician`, `teacher` ou `reader`, pas %q",
		"--oidc-role gives %q twice":                                        "--oidc-role donne %q deux fois",
		"--multicast-ttl is from 1 to 255, not %d":                          "--multicast-ttl va de 1 à 255, pas %d",
		"--%s is from 1 to %d Mb/s, not %g":                                 "--%s va de 1 à %d Mb/s, pas %g",
		"--lessons: %v":                                                     "--lessons : %v",
		"this daemon has no console: say with --url where people reach one": "ce serveur n'a pas de console : dites avec --url où il y en a une",
		"--url begins with https://, not %q":                                "--url commence par https://, pas %q",
	}
}

// usageOfOrders is of computers, rooms, orders, masters and people.
func usageOfOrders() map[string]string {
	return map[string]string{
		"--name is for one computer":          "--name est pour un seul poste",
		"--moved is for one computer":         "--moved est pour un seul poste",
		"chainload is on or off, not %q":      "chainload vaut on ou off, pas %q",
		"--%s is on or off, not %q":           "--%s vaut on ou off, pas %q",
		"--hours is like 08:00-18:00, not %q": "--hours s'écrit comme 08:00-18:00, pas %q",
		"--%s is a time like 2026-11-23 or 2026-11-23T02:00, or how long it is ago, as 36h, not %q": "--%s est un moment comme 2026-11-23 ou 2026-11-23T02:00, ou un temps écoulé comme 36h, pas %q",
		"--at is a time like 22:00 or 2026-11-23T02:00, not %q":                                     "--at est un moment comme 22:00 ou 2026-11-23T02:00, pas %q",
		"say where the key is that `ardoise helper add` made: --key FILE":                           "dites où est la clé que `ardoise helper add` a faite : --key FILE",
		"--columns is 1 to %d":                                                                             "--columns va de 1 à %d",
		"say where computers stand, or --columns, not both":                                                "dites où sont les postes, ou --columns, pas les deux",
		"say where a computer stands, as S104-01=3,0, or --columns, --teacher or --spare":                  "dites où est un poste, comme S104-01=3,0, ou --columns, --teacher ou --spare",
		"a place is COMPUTER=X,Y in squares from the upper left, 0 to %d, as S104-01=3,0, not %q":          "une place s'écrit COMPUTER=X,Y, en cases depuis le coin en haut à gauche, de 0 à %d, comme S104-01=3,0, pas %q",
		"a drawing has %d rows: %d computers need more than %d columns":                                    "un plan a %d rangées : pour %d postes il faut plus de %d colonnes",
		"say --full or --quick, not both":                                                                  "dites --full ou --quick, pas les deux",
		"a disk here is reset with NAME and --disk, computers with --room, --computer, --site or --filter": "un disque d'ici se remet à zéro avec NAME et --disk, des postes avec --room, --computer, --site ou --filter",
		"--%s is for computers, and none is named: name them with --room, --computer, --site or --filter":  "--%s est pour des postes, et aucun n'est nommé : nommez-les avec --room, --computer, --site ou --filter",
		"say which master a disk should hold (NAME --disk PATH), or with --room, --computer, --site or --filter what to reset": "dites quel master un disque doit porter (NAME --disk PATH), " +
			"ou avec --room, --computer, --site ou --filter quoi remettre à zéro",
		// masters and sessions
		"say what to do: capture, restore, verify, list, show, diff, note, promote, rollback, forget, retain, export, import or key": "dites quoi faire : capture, restore, verify, list, show, diff, note, " +
			"promote, rollback, forget, retain, export, import ou key",
		"--limit is a number of changes, not %d":                                      "--limit est un nombre de changements, pas %d",
		"a fingerprint has 64 hexadecimal digits, as `ardoise master key` shows them": "une empreinte a 64 chiffres hexadécimaux, comme `ardoise master key` les montre",
		"say with --last how many versions stay, one at least":                        "dites avec --last combien de versions restent, une au moins",
		"--off takes the rule away; it goes with no other":                            "--off retire la règle ; il ne va avec aucune autre option",
		"say with --key which file holds the key of the session":                      "indiquez avec --key quel fichier porte la clé de la diffusion",
		"--rate is auto, or from 1 to 100000 Mb/s, not %q":                            "--rate vaut auto, ou de 1 à 100000 Mb/s, pas %q",
		"--computers, --hold-off and --linger cannot be negative":                     "--computers, --hold-off et --linger ne peuvent pas être négatifs",
		"say with --server HOST:PORT where the sender listens":                        "indiquez avec --server HOST:PORT où l'émetteur écoute",
		"--server %s is no address":                                                   "--server %s n'est pas une adresse",
		// people
		"say with --computer which one, or with --room of which room as a whole": "dites avec --computer lequel, ou avec --room quelle salle entière",
		"say with --role what %s is to be":                                       "dites avec --role ce que %s doit être",
		"say with --person in whose name it is to be used":                       "dites avec --person au nom de qui il servira",
		"%s: %v": "%s : %v",
	}
}
