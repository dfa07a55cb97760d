package words

// ordering holds the texts of an order in the making: its kinds, its time, its disk.
func ordering() map[string]Pair {
	return map[string]Pair{
		"verb.script": {"Lancer un script", "Run a script"},
		"verb.wipe":   {"Effacer définitivement", "Wipe for good"},
		"verb.other":  {"Autre ordre", "Another order"},

		"order.step.kind":        {"Quel ordre", "Which order"},
		"order.step.what.deploy": {"Quel master", "Which master"},
		"order.step.what.stage":  {"Quel master", "Which master"},
		"order.step.what.script": {"Quel script", "Which script"},
		"order.lead.deploy":      {"Le disque devient une version d’un master : tout ce qu’il contient est perdu.", "The disk becomes a version of a master: all that is on it is lost."},
		"order.lead.reset":       {"Le disque redevient la version qu’il contient : tout ce qui s’y est ajouté ou changé est perdu.", "The disk becomes the version that it holds again: all that was added or changed on it is lost."},
		"order.lead.wake":        {"Un signal de réveil est envoyé maintenant. Rien n’est modifié.", "A wake-up signal is sent now. Nothing is changed."},
		"order.lead.verify":      {"Tout le disque est lu et comparé à sa version. Rien n’est écrit.", "The whole disk is read and compared with its version. Nothing is written."},
		"order.lead.shutdown":    {"Les postes qui sont dans l’agent s’éteignent.", "Computers that are in the agent switch off."},
		"order.lead.stage":       {"Une version est préparée dans le cache du disque ; ce qui est installé ne change pas.", "A version is put into the cache of the disk; what is installed does not change."},
		"order.lead.inventory":   {"Le matériel et la santé des disques sont relevés. Rien n’est écrit.", "Hardware and the disks’ health are looked at. Nothing is written."},
		"order.lead.script":      {"Un script approuvé s’exécute dans l’agent.", "An approved script runs in the agent."},
		"order.lead.wipe":        {"Tout ce que contient le disque est détruit, sans retour possible, avec un certificat.", "Everything on the disk is destroyed for good, with a certificate."},

		"order.sites":       {"Des établissements entiers", "Whole sites"},
		"order.filter":      {"Ou les postes qui correspondent à un filtre", "Or the computers that match a filter"},
		"order.filter.hint": {"Par exemple : -runs:Bureautique@7 tag:portable", "For example: -runs:Office@7 tag:laptop"},
		"order.older":       {"{n} version plus ancienne|{n} versions plus anciennes", "{n} older version|{n} older versions"},
		"order.wake.many":   {"Au plus {0} postes peuvent être réveillés à la fois : choisissez-en moins.", "At most {0} computers can be woken at once: choose fewer."},

		"order.latest":       {"au plus tard {0}", "at the latest {0}"},
		"order.at.now":       {"maintenant", "now"},
		"order.when.hint":    {"Un poste qui n’a pas commencé à la fin est laissé de côté.", "A computer that has not begun by the end is left out."},
		"order.date":         {"Jour où la plage commence", "Day on which the window begins"},
		"order.date.hint":    {"Vide : la prochaine fois.", "Empty: the next time."},
		"order.date.past":    {"Cette plage est déjà passée.", "That window is over already."},
		"order.date.far":     {"Choisissez un jour dans les douze mois.", "Choose a day within twelve months."},
		"order.more":         {"Note, nouveaux essais", "Note, retries"},
		"order.note":         {"Note", "Note"},
		"order.note.hint":    {"Elle est montrée avec le travail.", "It is shown with the job."},
		"order.retries":      {"Nouveaux essais", "Retries"},
		"order.retries.hint": {"Combien de fois un poste qui échoue recommence dans sa plage, de 0 à 5. Pour « maintenant » : aucun.", "How often a computer that failed tries again within its window, 0 to 5. For “now”: none."},
		"order.again":        {"Revoir ce qui se passerait", "Look again at what would happen"},
		"order.disk.hint":    {"Des postes en ont plusieurs ; les autres disques ne sont pas touchés.", "Computers have several; the other disks are not touched."},
		"disk.only":          {"Le seul disque fixe", "The only fixed disk"},

		"order.sentence.wipe":       {"Détruit les données de {n} poste en {0}|Détruit les données de {n} postes en {0}", "Destroys the data of {n} computer in {0}|Destroys the data of {n} computers in {0}"},
		"order.sentence.wipe.pcs":   {"Détruit les données de {n} poste|Détruit les données de {n} postes", "Destroys the data of {n} computer|Destroys the data of {n} computers"},
		"order.sentence.script":     {"Peut modifier {n} poste en {0}|Peut modifier {n} postes en {0}", "May change {n} computer in {0}|May change {n} computers in {0}"},
		"order.sentence.script.pcs": {"Peut modifier {n} poste|Peut modifier {n} postes", "May change {n} computer|May change {n} computers"},

		"plan.becomes":    {"{n} poste devient {0}|{n} postes deviennent {0}", "{n} computer becomes {0}|{n} computers become {0}"},
		"plan.compares":   {"{n} poste est comparé à {0}|{n} postes sont comparés à {0}", "{n} computer is compared with {0}|{n} computers are compared with {0}"},
		"plan.old":        {"{n} poste ne contient pas {0}, la version de la salle : une remise à zéro rétablit ce qu’il contient.|{n} postes ne contiennent pas {0}, la version de la salle : une remise à zéro rétablit ce que chacun contient.", "{n} computer does not hold {0}, the version of the room: a reset restores what it holds.|{n} computers do not hold {0}, the version of the room: a reset restores what each holds."},
		"plan.old.deploy": {"Déployer {0}", "Deploy {0}"},
		"computers.order": {"Un ordre pour le poste qui correspond|Un ordre pour les {n} qui correspondent", "An order for the one that matches|An order for the {n} that match"},
		"plan.others":     {"et {n} autre|et {n} autres", "and {n} other|and {n} others"},
		"plan.shutdown":   {"{n} poste sur {0} est dans l’agent en ce moment et s’éteindra. Un autre n’est éteint que s’il y vient à temps ; sinon il est laissé de côté.|{n} postes sur {0} sont dans l’agent en ce moment et s’éteindront. Les autres ne sont éteints que s’ils y viennent à temps ; sinon ils sont laissés de côté.", "{n} computer of {0} is in the agent now and will switch off. Another is switched off only if it comes there in time; else it is left out.|{n} computers of {0} are in the agent now and will switch off. The others are switched off only if they come there in time; else they are left out."},
		"do.compares":     {"Comparé à", "Compared with"},
		"do.instead":      {"Annuler l’autre ordre pour ce poste : celui-ci le remplace", "Cancel the other order for this computer: this one takes its place"},
		"do.job":          {"Voir le travail {0}", "See job {0}"},
		"master.deploy":   {"Déployer cette version", "Deploy this version"},
		"capture.wait":    {"Le poste est attendu jusqu’à la fin de la journée ({0}).", "The computer is waited for until the end of the day ({0})."},
		"app.colon":       {"\u00a0:", ":"},

		"hint.several-disks": {"Ordonnez-le en choisissant le disque : rien n’est écrit tant qu’un seul ne convient pas.", "Order it with a disk chosen: nothing is written until exactly one fits."},
		"hint.not-proven":    {"Déployez-y un master : ensuite seulement, une remise à zéro sait quoi rétablir.", "Deploy a master to it: only then does a reset know what to restore."},
		"hint.busy":          {"Attendez la fin de ce travail, ou annulez-le.", "Wait for that job to end, or cancel it."},
		"hint.bad-order":     {"Rien n’a été ordonné.", "Nothing was ordered."},
		"hint.no-disk":       {"La page du poste montre ses disques ; un inventaire les regarde de nouveau.", "The page of the computer shows its disks; an inventory looks at them again."},
	}
}

// scheduling holds the texts of schedules that ask before they are kept.
func scheduling() map[string]Pair {
	return map[string]Pair{
		"schedule.confirm":         {"Confirmer la planification", "Confirm the schedule"},
		"schedule.would":           {"Ce que cela ferait", "What it would do"},
		"schedule.would.says":      {"Les postes sont cherchés de nouveau à chaque fois : il peut y en avoir d’autres.", "The computers are looked up again each time: there may be others."},
		"schedule.sentence.deploy": {"Efface {n} poste {0}|Efface {n} postes {0}", "Wipes {n} computer {0}|Wipes {n} computers {0}"},
		"schedule.sentence.reset":  {"Remet à zéro {n} poste {0}|Remet à zéro {n} postes {0}", "Resets {n} computer {0}|Resets {n} computers {0}"},
		"schedule.sentence.script": {"Peut modifier {n} poste {0}|Peut modifier {n} postes {0}", "May change {n} computer {0}|May change {n} computers {0}"},
		"schedule.countdown":       {"Compte à rebours, en secondes", "Countdown, in seconds"},
		"schedule.countdown.hint":  {"Affiché sur le poste avant d’effacer quoi que ce soit, de 0 à 600.", "Shown on the computer before anything is erased, 0 to 600."},
		"schedule.disk":            {"Disque", "Disk"},
		"schedule.disk.hint":       {"Pour des postes qui en ont plusieurs. Une remise à zéro va toujours au disque de son master.", "For computers that have several. A reset is always of the disk of its master."},
	}
}
