package notices

import "slices"

// The codes, in the order of a PC's way through the agent.
const (
	Starting        Code = "starting"
	NoParameters    Code = "no-parameters"
	WaitInterface   Code = "wait-interface"
	WaitCable       Code = "wait-cable"
	WaitAddress     Code = "wait-address"
	OtherInterface  Code = "other-interface"
	WaitServer      Code = "wait-server"
	ServerUnproven  Code = "server-unproven"
	ServerProblem   Code = "server-problem"
	FetchStageTwo   Code = "fetch-stage2"
	StageTwoAltered Code = "stage2-altered"
	Pending         Code = "pending"
	Refused         Code = "refused"
	Alarm           Code = "alarm"
	Idle            Code = "idle"
	TaskUntrusted   Code = "task-untrusted"
	TaskNotOurs     Code = "task-not-ours"
	TaskReplayed    Code = "task-replayed"
	TaskUnknown     Code = "task-unknown"

	NoDisk        Code = "no-disk"
	SeveralDisks  Code = "several-disks"
	DiskTooSmall  Code = "disk-too-small"
	SectorSize    Code = "sector-size"
	DiskBusy      Code = "disk-busy"
	DiskChanged   Code = "disk-changed"
	DiskFault     Code = "disk-fault"
	DiskWeak      Code = "disk-weak"
	NotClean      Code = "not-clean"
	MasterAltered Code = "master-altered"
	MasterDamaged Code = "master-damaged"
	NotProven     Code = "not-proven"

	Checking      Code = "checking"
	Countdown     Code = "countdown"
	Deploying     Code = "deploying"
	DeployDone    Code = "ok"
	Capturing     Code = "capturing"
	CaptureDone   Code = "capture-done"
	InventoryDone Code = "inventory-done"
	ServerLost    Code = "server-lost"
	NoSpace       Code = "no-space"
	Cancelled     Code = "cancelled"
	NoRoom        Code = "no-room"
	BootEntry     Code = "boot-entry"
	KeyNotKept    Code = "key-not-kept"

	Together     Code = "together"
	NoSession    Code = "no-session"
	SessionEnded Code = "session-ended"
	NoMulticast  Code = "no-multicast"
	Wireless     Code = "wireless"
	HalfDuplex   Code = "half-duplex"
	Forged       Code = "forged-packets"
	Helping      Code = "helping"

	ResetCountdown Code = "reset-countdown"
	Looking        Code = "looking"
	Repairing      Code = "repairing"
	Resuming       Code = "resuming"
	ResetDone      Code = "reset-done"
	ResetNothing   Code = "reset-nothing"
	ResetSkipped   Code = "reset-skipped"
	ProofNotKept   Code = "proof-not-kept"
	SeveralOurs    Code = "several-ours"
	Staging        Code = "staging"
	StageDone      Code = "stage-done"
	NoCache        Code = "no-cache"
	CacheBad       Code = "cache-bad"

	Verifying        Code = "verifying"
	VerifySame       Code = "verify-same"
	VerifyDiffers    Code = "differs"
	VerifyNothing    Code = "verify-nothing"
	WipeCountdown    Code = "wipe-countdown"
	Wiping           Code = "wiping"
	WipeDone         Code = "wipe-done"
	WipeCannot       Code = "wipe-cannot"
	WipeRefused      Code = "wipe-refused"
	ScriptChecking   Code = "script-checking"
	ScriptCountdown  Code = "script-countdown"
	ScriptRunning    Code = "script-running"
	ScriptDone       Code = "script-done"
	ScriptFailed     Code = "script-failed"
	ScriptLimit      Code = "script-limit"
	ScriptAltered    Code = "script-altered"
	ShutdownReported Code = "shutdown"

	OfflineNo   Code = "offline-no"
	WishUnheard Code = "wish-unheard"
	WishRefused Code = "wish-refused"
	NoWork      Code = "no-work"
	Unfinished  Code = "unfinished"
	Rescue      Code = "rescue"

	EndDisk     Code = "end-disk"
	EndPowerOff Code = "end-poweroff"
	EndStay     Code = "end-stay"
	Restarting  Code = "restarting"
	Crashed     Code = "crashed"
	Unexpected  Code = "unexpected"
)

// All returns every notice, in the order of the codes.
func All() []Notice {
	return slices.Concat(startNotices(), diskNotices(), workNotices(), sessionNotices(), resetNotices(), orderNotices(), wishNotices(), endNotices())
}

func startNotices() []Notice {
	return []Notice{
		{Starting, Info,
			Text{"Le poste démarre l'environnement d'installation.", "This computer is starting the imaging environment."},
			Text{"Patientez quelques secondes.", "Wait a few seconds."}},
		{NoParameters, Fault,
			Text{"Le démarrage n'indique pas le serveur Ardoise: %s.", "The boot line does not name the Ardoise server: %s."},
			Text{"Redémarrez par le réseau; si cela se répète, prévenez l'administrateur du serveur.",
				"Start again from the network; if this happens again, tell the administrator of the server."}},
		{WaitInterface, Wait,
			Text{"Aucune carte réseau utilisable pour l'instant.", "No usable network adapter so far."},
			Text{"Branchez l'adaptateur réseau du poste; la recherche continue.",
				"Plug in the network adapter of this computer; the search goes on."}},
		{WaitCable, Wait,
			Text{"La carte réseau %s n'a pas de liaison.", "Network adapter %s has no link."},
			Text{"Vérifiez le câble réseau et la prise; le travail reprend tout seul.",
				"Check the network cable and the socket; work goes on by itself."}},
		{WaitAddress, Wait,
			Text{"Aucun serveur DHCP ne donne d'adresse à la carte %s.", "No DHCP server gives an address to adapter %s."},
			Text{"Vérifiez le serveur DHCP de l'établissement; l'agent redemande sans cesse.",
				"Check the DHCP server of the site; the agent keeps asking."}},
		{OtherInterface, Warn,
			Text{"La carte %s, par laquelle le poste a démarré, est introuvable; %s la remplace.",
				"Adapter %s, which this computer booted from, is not found; %s is used instead."},
			Text{"Signalez ce modèle: il lui manque sans doute un pilote.", "Report this model: it probably lacks a driver."}},
		{WaitServer, Wait,
			Text{"Le serveur %s ne répond pas (%s).", "Server %s does not answer (%s)."},
			Text{"Vérifiez qu'il est allumé; le poste réessaie sans cesse.", "Check that it is on; this computer keeps trying."}},
		{ServerUnproven, Fault,
			Text{"Le serveur %s n'est pas celui de l'établissement: son certificat ne vient pas de notre autorité.",
				"Server %s is not the one of this site: its certificate does not come from our authority."},
			Text{"N'essayez rien d'autre et prévenez l'administrateur: une machine se fait peut-être passer pour le serveur.",
				"Try nothing else and tell the administrator: a machine may be posing as the server."}},
		{ServerProblem, Fault,
			Text{"Le serveur refuse la demande: %s.", "The server refuses the request: %s."},
			Text{"Lisez le détail dans la console, à la page de ce poste.", "Read the detail in the console, on this computer's page."}},
		{FetchStageTwo, Info,
			Text{"Le poste charge ses outils depuis le serveur.", "This computer is loading its tools from the server."},
			Text{"Patientez.", "Wait."}},
		{StageTwoAltered, Fault,
			Text{"Les outils reçus du serveur sont altérés: %s.", "The tools received from the server are altered: %s."},
			Text{"Reconstruisez l'environnement de démarrage sur le serveur.", "Rebuild the boot environment on the server."}},
		{Pending, Wait,
			Text{"Ce poste n'est pas encore connu. Code: %s", "This computer is not known yet. Code: %s"},
			Text{"Comparez ce code à celui de la console, puis acceptez le poste.",
				"Compare this code with the one in the console, then approve this computer."}},
		{Refused, Wait,
			Text{"Le serveur a refusé ce poste: %s.", "The server has refused this computer: %s."},
			Text{"Acceptez-le dans la console s'il est bien à vous; le poste redemande.",
				"Approve it in the console if it is yours; this computer keeps asking."}},
		{Alarm, Wait,
			Text{"Ce poste est connu sous une autre clé: %s.", "This computer is known under another key: %s."},
			Text{"Vérifiez dans la console si le disque ou la carte mère a été changé, puis acceptez ou refusez.",
				"Check in the console whether disk or main board was replaced, then approve or refuse."}},
		{Idle, Info,
			Text{"Rien à faire pour l'instant.", "Nothing to do for now."},
			Text{"Le poste attend le prochain travail.", "This computer waits for its next job."}},
		{TaskUntrusted, Fault,
			Text{"Le travail reçu n'est pas signé par l'établissement: %s.", "The task received is not signed by this site: %s."},
			Text{"Rien n'a été touché. Prévenez l'administrateur.", "Nothing was touched. Tell the administrator."}},
		{TaskNotOurs, Fault,
			Text{"Le travail %s est destiné à un autre poste.", "Task %s is for another computer."},
			Text{"Rien n'a été touché. Prévenez l'administrateur.", "Nothing was touched. Tell the administrator."}},
		{TaskReplayed, Fault,
			Text{"Le travail %s a déjà été reçu.", "Task %s was received before."},
			Text{"Rien n'a été touché. Donnez de nouveau l'ordre depuis la console.", "Nothing was touched. Give the order again."}},
		{TaskUnknown, Fault,
			Text{"Cet agent ne sait pas faire un travail de type %s.", "This agent cannot do a task of kind %s."},
			Text{"Reconstruisez l'environnement de démarrage sur le serveur.", "Rebuild the boot environment on the server."}},
	}
}

func diskNotices() []Notice {
	return []Notice{
		{NoDisk, Fault,
			Text{"Aucun disque ne correspond à la règle. Disques vus: %s.", "No disk matches the rule. Disks seen: %s."},
			Text{"Rien n'a été touché. Vérifiez le disque du poste ou la règle du travail.",
				"Nothing was touched. Check the disk of this computer or the rule of the job."}},
		{SeveralDisks, Fault,
			Text{"Plusieurs disques correspondent à la règle: %s.", "Several disks match the rule: %s."},
			Text{"Rien n'a été touché. Précisez le disque (taille, bus, modèle ou numéro de série).",
				"Nothing was touched. Say which disk (size, bus, model or serial number)."}},
		{DiskTooSmall, Fault,
			Text{"Le disque est trop petit pour ce master: %s.", "The disk is too small for this master: %s."},
			Text{"Rien n'a été touché. Choisissez un autre master ou un disque plus grand.",
				"Nothing was touched. Choose another master or a larger disk."}},
		{SectorSize, Fault,
			Text{"Le disque n'a pas la taille de secteur du master: %s.", "The disk does not have the master's sector size: %s."},
			Text{"Rien n'a été touché. Capturez un master sur un disque de ce type.",
				"Nothing was touched. Capture a master on a disk of this kind."}},
		{DiskBusy, Fault,
			Text{"Le disque ne s'ouvre pas: %s.", "The disk does not open: %s."},
			Text{"Rien n'a été touché. Éteignez puis rallumez le poste.", "Nothing was touched. Switch the computer off and on."}},
		{DiskChanged, Fault,
			Text{"Le disque choisi (%s) n'est plus le même: %s.", "The chosen disk (%s) is not the same any more: %s."},
			Text{"Rien n'a été touché. Vérifiez le disque et son câble, retirez les clés USB, et relancez le travail.",
				"Nothing was touched. Check the disk and its cable, take out USB sticks, and order the job again."}},
		{DiskFault, Fault,
			Text{"Le disque signale une panne: %s.", "The disk reports a failure: %s."},
			Text{"Remplacez le disque; le travail reprendra au prochain démarrage.",
				"Replace the disk; the job goes on at the next start."}},
		{DiskWeak, Warn,
			Text{"Le disque s'use: %s.", "The disk is wearing out: %s."},
			Text{"Le poste peut servir; prévoyez de remplacer son disque.", "This computer can be used; plan to replace its disk."}},
		{NotClean, Fault,
			Text{"Un volume n'a pas été arrêté proprement: %s.", "A volume was not shut down cleanly: %s."},
			Text{"Rien n'a été touché. Démarrez ce système, arrêtez-le complètement, puis recommencez.",
				"Nothing was touched. Start that system, shut it down completely, then try again."}},
		{MasterAltered, Fault,
			Text{"La description du master est refusée: %s.", "The description of the master is refused: %s."},
			Text{"Rien n'a été touché. Prévenez l'administrateur: le master n'est pas celui qui a été signé.",
				"Nothing was touched. Tell the administrator: the master is not the one that was signed."}},
		{MasterDamaged, Fault,
			Text{"Le serveur n'a pas un morceau intact du master: %s.", "The server lacks an intact piece of the master: %s."},
			Text{"Vérifiez le master sur le serveur, puis relancez le travail: ce qui est écrit sera gardé.",
				"Verify the master on the server, then order the job again: what is written is kept."}},
		{NotProven, Fault,
			Text{"La relecture du disque ne donne pas ce qui a été écrit: %s.", "Reading the disk back does not give what was written: %s."},
			Text{"N'utilisez pas ce poste; remplacez son disque.", "Do not use this computer; replace its disk."}},
	}
}

func workNotices() []Notice {
	return []Notice{
		{Checking, Info,
			Text{"Le poste vérifie le travail et le master %s.", "This computer checks the task and master %s."},
			Text{"Rien n'est encore touché.", "Nothing is touched yet."}},
		{Countdown, Info,
			Text{"Le disque %s va être remplacé par le master %s.", "Disk %s is about to be replaced by master %s."},
			Text{"Éteignez le poste maintenant si ce n'est pas voulu.", "Switch the computer off now if this is not wanted."}},
		{Deploying, Info,
			Text{"Le master %s est en cours d'installation.", "Master %s is being installed."},
			Text{"Ne pas éteindre.", "Do not switch off."}},
		{DeployDone, Info,
			Text{"Le master %s est installé et vérifié.", "Master %s is installed and verified."},
			Text{"Le poste peut servir.", "This computer can be used."}},
		{Capturing, Info,
			Text{"Le disque est lu pour faire le master %s.", "The disk is being read to make master %s."},
			Text{"Ne pas éteindre. Le disque n'est pas modifié.", "Do not switch off. The disk is not changed."}},
		{CaptureDone, Info,
			Text{"Le master %s est enregistré.", "Master %s is stored."},
			Text{"Le poste peut servir.", "This computer can be used."}},
		{InventoryDone, Info,
			Text{"L'inventaire du poste est envoyé.", "The inventory of this computer is sent."},
			Text{"Rien à faire.", "Nothing to do."}},
		{ServerLost, Wait,
			Text{"Le serveur ne répond plus.", "The server does not answer any more."},
			Text{"Ne pas éteindre. Le travail reprend dès que le serveur répond.",
				"Do not switch off. Work goes on as soon as the server answers."}},
		{NoSpace, Fault,
			Text{"Le serveur n'a plus de place: %s.", "The server has no space left: %s."},
			Text{"Libérez de la place sur le serveur, puis relancez la capture: ce qui est envoyé sera gardé.",
				"Make room on the server, then capture again: what was sent is kept."}},
		{Cancelled, Info,
			Text{"Le travail a été annulé depuis la console.", "The task was cancelled from the console."},
			Text{"Rien n'a été écrit sur le disque.", "Nothing was written to the disk."}},
		{NoRoom, Warn,
			Text{"Il n'y a pas de place sur le disque pour la partition ARDOISE: %s.",
				"There is no room on the disk for the ARDOISE partition: %s."},
			Text{"Le poste fonctionne; la remise à zéro sans réseau n'y est pas possible.",
				"This computer works; a reset without a network is not possible on it."}},
		{BootEntry, Warn,
			Text{"L'ordre de démarrage du poste n'a pas pu être réglé: %s.", "The boot order of this computer could not be set: %s."},
			Text{"Réglez-le à la main dans le microprogramme: réseau IPv4, puis disque.",
				"Set it by hand in the firmware: network IPv4, then disk."}},
		{KeyNotKept, Warn,
			Text{"La clé du poste n'a pas pu être gardée sur le disque: %s.", "The key of this computer could not be kept on the disk: %s."},
			Text{"Il faudra de nouveau accepter le poste à son prochain démarrage par le réseau.",
				"This computer must be approved again at its next start from the network."}},
	}
}

func sessionNotices() []Notice {
	return []Notice{
		{Together, Info,
			Text{"Toute la salle reçoit le master %s en même temps, par une seule diffusion.",
				"The whole class is being served together: master %s is sent once, to all."},
			Text{"Ne pas éteindre.", "Do not switch off."}},
		{NoSession, Warn,
			Text{"Le poste ne participe pas à la diffusion commune: %s.", "This computer has no part in the common session: %s."},
			Text{"Il reçoit le master pour lui seul, par HTTPS: le résultat est le même, c'est seulement plus long.",
				"It receives the master by itself, over HTTPS: the result is the same, it only takes longer."}},
		{SessionEnded, Warn,
			Text{"La diffusion commune s'est arrêtée avant la fin: %s.", "The common session ended early: %s."},
			Text{"Le poste garde ce qu'il a reçu et continue par HTTPS.", "This computer keeps what it has and goes on over HTTPS."}},
		{NoMulticast, Warn,
			Text{"La diffusion n'arrive pas à la carte réseau %s: %s.", "Multicast does not reach network adapter %s: %s."},
			Text{"Le travail continue par HTTPS. Vérifiez que le commutateur de ce poste laisse passer la multidiffusion (IGMP).",
				"Work goes on over HTTPS. Check that the switch of this computer forwards multicast (IGMP)."}},
		{Wireless, Warn,
			Text{"La carte réseau %s est sans fil ou dans un VLAN: la diffusion n'y est pas utilisée.",
				"Network adapter %s is wireless or in a VLAN: multicast is not used on it."},
			Text{"Le travail continue par HTTPS. Pour aller plus vite, branchez un câble réseau.",
				"Work goes on over HTTPS. To be faster, plug in a network cable."}},
		{HalfDuplex, Warn,
			Text{"La carte réseau %s est en semi-duplex: elle ralentit toute la salle.",
				"Network adapter %s is in half duplex: it slows the whole room."},
			Text{"Changez le câble, ou réglez le port du commutateur sur la négociation automatique.",
				"Replace the cable, or set the switch port to automatic negotiation."}},
		{Forged, Warn,
			Text{"De faux paquets sont arrivés dans la diffusion: %d jusqu'ici.", "Forged packets came in among those of the session: %d so far."},
			Text{"Ils sont jetés et rien n'en est écrit. Prévenez l'administrateur: une machine de ce réseau les envoie.",
				"They are dropped and nothing of them is written. Tell the administrator: a machine of this network sends them."}},
		{Helping, Info,
			Text{"Le master %s est installé et vérifié; le poste en donne encore des morceaux aux autres (%d Mo).",
				"Master %s is installed and verified; this computer still gives pieces of it to others (%d MB)."},
			Text{"Il finira seul, dans 10 minutes au plus. Vous pouvez aussi l'éteindre maintenant.",
				"It will end by itself, in 10 minutes at most. You may also switch it off now."}},
	}
}

func endNotices() []Notice {
	return []Notice{
		{EndDisk, Info,
			Text{"Le poste redémarre sur son disque.", "This computer restarts from its disk."},
			Text{"Patientez.", "Wait."}},
		{EndPowerOff, Info,
			Text{"Le poste s'éteint.", "This computer switches off."},
			Text{"Rien à faire.", "Nothing to do."}},
		{EndStay, Info,
			Text{"Le travail est fini; le poste attend le suivant.", "The task is over; this computer waits for the next one."},
			Text{"Rien à faire.", "Nothing to do."}},
		{Restarting, Wait,
			Text{"Le poste redémarre dans %d secondes.", "This computer restarts in %d seconds."},
			Text{"Notez le code affiché si cela se répète.", "Note the code shown if this happens again."}},
		{Crashed, Fault,
			Text{"L'agent s'est arrêté brutalement: %s.", "The agent stopped abruptly: %s."},
			Text{"Le poste va redémarrer; un travail commencé reprend où il en était. Signalez ce message.",
				"This computer will restart; a job under way goes on where it was. Report this message."}},
		{Unexpected, Fault,
			Text{"Une chose imprévue a arrêté le travail: %s.", "Something unforeseen stopped the work: %s."},
			Text{"Relancez le travail; si cela se répète, signalez ce message.", "Order the job again; if it happens again, report this message."}},
	}
}
