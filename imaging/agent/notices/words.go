package notices

// Word is a fixed label of the screen.
type Word string

// The labels. A step's label is its name in reports and on serial lines.
const (
	StepDisk      Word = "disk"
	StepManifest  Word = "manifest"
	StepCountdown Word = "countdown"
	StepRestore   Word = "restore"
	StepBoot      Word = "boot"
	StepCapture   Word = "capture"
	StepPublish   Word = "publish"
	StepInventory Word = "inventory"
	StepStageTwo  Word = "stage2"
	StepChecking  Word = "checking"
	StepLook      Word = "look"
	StepRepair    Word = "repair"
	StepReadBack  Word = "read-back"
	StepEnd       Word = "end"
	StepStage     Word = "stage"
	StepVerify    Word = "verify"
	StepWipe      Word = "wipe"
	StepFetch     Word = "fetch"
	StepScript    Word = "script"
	StepReport    Word = "report"
	WordLeft      Word = "left"
	WordComputer  Word = "computer"
	WordDoNot     Word = "do-not-switch-off"
	WordNetwork   Word = "network"
	WordDisk      Word = "to-disk"
	WordLost      Word = "lost"
)

// In returns the label in one language.
func (w Word) In(l Lang) string {
	switch w {
	case StepDisk:
		return Text{"Choix du disque", "Choosing the disk"}.In(l)
	case StepManifest:
		return Text{"Contrôle de la signature du master", "Checking the signature of the master"}.In(l)
	case StepCountdown:
		return Text{"Dernier délai", "Last chance"}.In(l)
	case StepRestore:
		return Text{"Installation et relecture", "Installing and reading back"}.In(l)
	case StepBoot:
		return Text{"Ordre de démarrage", "Boot order"}.In(l)
	case StepCapture:
		return Text{"Lecture du disque", "Reading the disk"}.In(l)
	case StepPublish:
		return Text{"Signature du master", "Signing the master"}.In(l)
	case StepInventory:
		return Text{"Inventaire", "Inventory"}.In(l)
	case StepStageTwo:
		return Text{"Chargement des outils", "Loading the tools"}.In(l)
	case StepChecking:
		return Text{"Contrôle de l'ordre, du disque et du master", "Checking order, disk and master"}.In(l)
	case StepLook:
		return Text{"Recherche de ce qui a changé", "Looking for what has changed"}.In(l)
	case StepRepair:
		return Text{"Remise en état", "Putting it right"}.In(l)
	case StepReadBack:
		return Text{"Relecture", "Reading back"}.In(l)
	case StepEnd:
		return Text{"Preuve et ordre de démarrage", "Proof and boot order"}.In(l)
	case StepStage:
		return Text{"Mise en réserve du master", "Putting the master in store"}.In(l)
	case StepVerify:
		return Text{"Comparaison du disque avec le master", "Comparing the disk with the master"}.In(l)
	case StepWipe:
		return Text{"Effacement du disque", "Wiping the disk"}.In(l)
	case StepFetch:
		return Text{"Contrôle du script", "Checking the script"}.In(l)
	case StepScript:
		return Text{"Exécution du script", "Running the script"}.In(l)
	case StepReport:
		return Text{"Compte rendu au serveur", "Reporting to the server"}.In(l)
	case WordLeft:
		return Text{"reste", "left"}.In(l)
	case WordComputer:
		return Text{"Poste", "Computer"}.In(l)
	case WordNetwork:
		return Text{"réseau", "from the network"}.In(l)
	case WordDisk:
		return Text{"disque", "to the disk"}.In(l)
	case WordLost:
		return Text{"de paquets perdus", "of packets lost"}.In(l)
	case WordDoNot:
		return Text{"Ne pas éteindre", "Do not switch off"}.In(l)
	}
	return string(w)
}

// Words returns every label.
func Words() []Word {
	return []Word{StepDisk, StepManifest, StepCountdown, StepRestore, StepBoot, StepCapture, StepPublish, StepInventory,
		StepStageTwo, StepChecking, StepLook, StepRepair, StepReadBack, StepEnd, StepStage, StepVerify,
		StepWipe, StepFetch, StepScript, StepReport, WordLeft, WordComputer, WordDoNot, WordNetwork, WordDisk, WordLost}
}
