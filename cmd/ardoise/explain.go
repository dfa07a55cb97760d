package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"unicode"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
)

// explain turns the error that ended a command into what a person is told.
func explain(err error, l notices.Language) complaint {
	var usage *usageError
	var watched *watchedError
	var differs *differsError
	var unread *masters.UncountableError
	var silent *api.NotRunningError
	c, known := complaint{}, true
	switch {
	case errors.As(err, &usage):
		c = complaint{exit: 2, error: usage.in(l), hint: pick(l, "`ardoise help` shows the commands",
			"`ardoise help` montre les commandes")}
	case errors.As(err, &differs):
		c = complaint{exit: 1, error: differs.Error(), hint: pick(l,
			"`ardoise master restore` puts it right and writes only what differs",
			"`ardoise master restore` le remet en ordre et n'écrit que ce qui diffère")}
	case errors.As(err, &silent): // its socket is not there, which says nothing of any disk
		c, known = daemonComplaint(err, l)
	case errors.As(err, &unread): // whatever is wrong with that version: here it stops a collection
		c, known = daemonComplaint(err, l)
	case errors.Is(err, context.Canceled):
		c = complaint{exit: 5, error: pick(l, "interrupted", "interrompu"), hint: pick(l,
			"run the same command again: it goes on with what is missing",
			"relancez la même commande : elle reprend avec ce qui manque")}
	default:
		if c, known = masterComplaint(err, l); !known {
			c, known = daemonComplaint(err, l)
		}
	}
	if !known {
		c = complaint{exit: 5, error: err.Error(), hint: pick(l, "`ardoise help` shows the commands",
			"`ardoise help` montre les commandes")}
	}
	if errors.As(err, &watched) {
		c.exit = 1
	}
	return c
}

func pick(l notices.Language, english, french string) string {
	if l == notices.French {
		return french
	}
	return english
}

// masterComplaint explains what the commands on masters and disks meet. The error's own words are kept: they name the
// chunk, the pack, the partition.
func masterComplaint(err error, l notices.Language) (complaint, bool) {
	var refused *volume.RefusedError
	if errors.As(err, &refused) {
		return complaint{exit: 3, error: err.Error(), hint: refused.Hint}, true
	}
	for _, find := range []func(error, notices.Language) (int, string){aboutSessions, aboutCaches, aboutMasters, aboutDisks} {
		if exit, hint := find(err, l); hint != "" {
			return complaint{exit: exit, error: err.Error(), hint: hint}, true
		}
	}
	return complaint{}, false
}

func aboutMasters(err error, l notices.Language) (exit int, hint string) {
	var (
		unknown    *masters.UnknownError
		name       *masters.NameError
		noData     *noDataError
		untrusted  *masters.UntrustedError
		signature  *sign.UntrustedError
		invalid    *manifest.InvalidError
		damaged    *chunk.DamagedError
		gone       *store.NotFoundError
		incomplete *masters.IncompleteError
		keyFile    *sign.KeyFileError
		dataFormat *masters.FormatError
		packFormat *store.FormatError
		format     *manifest.FormatError
	)
	switch {
	case errors.As(err, &damaged), errors.As(err, &gone):
		return 4, pick(l, "capture the master again from a disk that holds it: only damaged chunks are stored anew",
			"capturez à nouveau le master depuis un disque qui le porte : seuls les blocs abîmés sont réécrits")
	case errors.As(err, &incomplete):
		return 4, pick(l, "run the same capture again: it sends what is missing", "relancez la même capture : elle envoie ce qui manque")
	case errors.As(err, &dataFormat), errors.As(err, &packFormat), errors.As(err, &format):
		return 3, pick(l, "use the version of ardoise that made this folder, or capture anew into an empty one",
			"utilisez la version d'ardoise qui a créé ce dossier, ou capturez à nouveau dans un dossier vide")
	case errors.As(err, &untrusted), errors.As(err, &signature), errors.As(err, &invalid):
		return 4, pick(l, "nothing was written to any disk; take an older version (NAME@V), a backup, or capture it again",
			"rien n'a été écrit sur aucun disque ; prenez une version plus ancienne (NOM@V), une sauvegarde, ou capturez à nouveau")
	case errors.As(err, &unknown):
		return 3, pick(l, "`ardoise master list` shows names, versions and channels",
			"`ardoise master list` montre les noms, les versions et les canaux")
	case errors.As(err, &name):
		return 2, pick(l, "a master is called by 1 to 64 letters, digits, dots, hyphens and underscores, a version NAME@V",
			"un master se nomme avec 1 à 64 lettres, chiffres, points, tirets et soulignés, une version NOM@V")
	case errors.As(err, &noData):
		return 3, pick(l, "say with --data where the masters are kept; `ardoise master capture` makes the first one",
			"indiquez avec --data où sont gardés les masters ; `ardoise master capture` crée le premier")
	case errors.As(err, &keyFile):
		return 3, pick(l, "a signing key must be its owner's alone: chmod 0600, or restore it from a backup",
			"une clé de signature n'est qu'à son propriétaire : chmod 0600, ou restaurez-la d'une sauvegarde")
	}
	return 0, ""
}

func aboutCaches(err error, l notices.Language) (exit int, hint string) {
	var (
		part *noCachePartError
		none *cache.NoCacheError
		full *cache.FullError
		lost *cache.NoManifestError
	)
	switch {
	case errors.As(err, &part) && part.why == "":
		return 3, pick(l, "a deployment makes it where there is room; `ardoise cache fill --make` does so on this disk",
			"un déploiement la crée s'il y a de la place ; `ardoise cache fill --make` le fait sur ce disque")
	case errors.As(err, &part):
		return 3, pick(l, "deploy to this disk first, or to a larger one: `ardoise master show` says from which size on there is room",
			"déployez d'abord sur ce disque, ou sur un plus grand : `ardoise master show` dit à partir de quelle taille il y a la place")
	case errors.As(err, &none):
		return 4, pick(l, "`ardoise cache fill` makes it anew and fills it", "`ardoise cache fill` le refait et le remplit")
	case errors.As(err, &full):
		return 3, pick(l, "keep this version alone with --only, or deploy to a larger disk",
			"ne gardez que cette version avec --only, ou déployez sur un disque plus grand")
	case errors.As(err, &lost):
		return 4, pick(l, "`ardoise cache fill` brings it back", "`ardoise cache fill` le rétablit")
	}
	return 0, ""
}

func aboutDisks(err error, l notices.Language) (exit int, hint string) {
	var (
		small    *disk.TooSmallError
		sector   *disk.SectorSizeError
		inUse    *disk.InUseError
		notDisk  *disk.NotADiskError
		table    *disk.TableError
		class    *capture.ClassError
		asked    *restore.InvalidError
		mismatch *restore.MismatchError
		write    *restore.WriteError
	)
	switch {
	case errors.As(err, &small):
		return 3, pick(l, "choose a larger disk, or capture the master from a smaller one",
			"choisissez un disque plus grand, ou capturez le master depuis un plus petit")
	case errors.As(err, &sector):
		return 3, pick(l, "a master can only be put on disks with the sector size it was captured from",
			"un master ne va que sur des disques de même taille de secteur")
	case errors.As(err, &inUse):
		return 3, pick(l, "unmount its partitions, or choose another disk", "démontez ses partitions, ou choisissez un autre disque")
	case errors.As(err, &notDisk):
		return 3, pick(l, "give a whole disk (`lsblk -d` lists them) or an image file with --disk",
			"indiquez avec --disk un disque entier (`lsblk -d` les montre) ou un fichier image")
	case errors.As(err, &table):
		return 3, pick(l, "check the disk with `sgdisk -v` or `fdisk -l` and repair its partition table",
			"vérifiez le disque avec `sgdisk -v` ou `fdisk -l` et réparez sa table de partitions")
	case errors.As(err, &class):
		return 3, pick(l, "capture it as raw bytes with --as-is, and report the file system that was misread",
			"capturez-le tel quel avec --as-is, et signalez le système de fichiers mal lu")
	case errors.As(err, &asked):
		return 3, pick(l, "nothing was written; capture the master again", "rien n'a été écrit ; capturez à nouveau le master")
	case errors.As(err, &mismatch):
		return 5, pick(l, "the disk did not keep what was written to it: replace it", "le disque n'a pas gardé ce qui y a été écrit : remplacez-le")
	case errors.As(err, &write):
		return 5, pick(l, "the disk refuses writes: look at it with `smartctl -a`, then run the same command again",
			"le disque refuse les écritures : regardez-le avec `smartctl -a`, puis relancez la même commande")
	case errors.Is(err, fs.ErrNotExist):
		return 5, pick(l, "look at the path: nothing is there", "vérifiez le chemin : il n'y a rien à cet endroit")
	}
	return 0, ""
}

// oneLine makes text of foreign words safe for one line of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
