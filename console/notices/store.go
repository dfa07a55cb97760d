package notices

func aboutStore() []Notice {
	return []Notice{
		notice("uncountable", Damage, "nothing is collected, since what {what} needs cannot be read: {detail}",
			"put its folder back from a backup, or forget it: `ardoise master forget {what}`",
			"rien n’est supprimé, car on ne peut pas lire ce dont {what} a besoin : {detail}",
			"remettez son dossier depuis une sauvegarde, ou oubliez-la : `ardoise master forget {what}`"),
		notice("unsound", Damage, "the store is damaged: {detail}",
			"heal it from another box or a copy (`ardoise store scrub --from DIR`), or capture the masters that are named again "+
				"from disks that hold them",
			"le stockage est abîmé : {detail}",
			"réparez-le depuis un autre serveur ou une copie (`ardoise store scrub --from DOSSIER`), ou capturez à nouveau les "+
				"masters nommés depuis des disques qui les portent"),
		notice("no-replica", Refusal, "nothing can be healed from {what}: {detail}",
			"name the data folder of another box, or a copy of its folder store: one with packs in it",
			"rien ne peut être réparé depuis {what} : {detail}",
			"indiquez le dossier de données d’un autre serveur, ou une copie de son dossier store, avec des packs"),
		notice("read-only", Failure, "the data folder cannot be written: {detail}",
			"mount it writable (`findmnt -T DIR` shows how it is), then run the same command again",
			"le dossier de données ne peut pas être écrit : {detail}",
			"montez-le en écriture (`findmnt -T DOSSIER` le montre), puis relancez la même commande"),
	}
}
