package notices

func aboutStore() []Notice {
	return []Notice{
		notice("uncountable", Damage, "nothing is collected, since what {what} needs cannot be read: {detail}",
			"put its folder back from a backup, or forget it: `ardoise master forget {what}`",
			"rien n'est supprimé, car on ne peut pas lire ce dont {what} a besoin : {detail}",
			"remettez son dossier depuis une sauvegarde, ou oubliez-la : `ardoise master forget {what}`"),
		notice("unsound", Damage, "the store is damaged: {detail}",
			"capture the masters that are named again from disks that hold them, or put back a backup",
			"le stockage est abîmé : {detail}",
			"capturez à nouveau les masters nommés depuis des disques qui les portent, ou remettez une sauvegarde"),
		notice("read-only", Failure, "the data folder cannot be written: {detail}",
			"mount it writable (`findmnt -T DIR` shows how it is), then run the same command again",
			"le dossier de données ne peut pas être écrit : {detail}",
			"montez-le en écriture (`findmnt -T DOSSIER` le montre), puis relancez la même commande"),
	}
}
