package notices_test

import (
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/notices"
)

func TestDetailsAreSaidInFrench(t *testing.T) {
	for _, tt := range []struct{ of, english, french string }{
		{"approved", "key 1a2b approved by marie", "clé 1a2b approuvée par marie"},
		{"approved", "key 1a2b approved by the enrolment of S104, opened by marie, from 10.0.0.7", "clé 1a2b approuvée par l’enrôlement de S104, ouvert par marie, depuis 10.0.0.7"},
		{"renamed", "was PC-12", "s’appelait PC-12"},
		{"busy", "task 3-1 is running", "la tâche 3-1 est dans l’état « en cours »"},
		{"failed", "deploy Bureautique@7: disk-fault The disk reports a failure: /dev/sda, sector 123456 cannot be read, SMART: 12 reallocated, 3 pending: input/output error. Replace the disk; the job goes on at the next start.",
			"déploiement Bureautique@7 : Le disque signale une panne: /dev/sda, le secteur 123456 ne se lit pas, SMART : 12 réalloués, 3 en attente : erreur d’entrée-sortie. Remplacez le disque; le travail reprendra au prochain démarrage."},
		{"night", "room S104: no computer could be reset: S104-01: busy: task 3-1 is running", "salle S104 : aucun poste n’a pu être remis à zéro : S104-01 est déjà occupé : la tâche 3-1 est dans l’état « en cours »"},
		{"schedule", "Nuit was set by marie: reset on [Monday Friday] from 22:00 to 05:00", "Nuit, réglée par marie : remise à zéro (lundi, vendredi), de 22:00 à 05:00"},
		{"window", "S104 enrols no more: 3 of 5 computers came; closed by marie", "S104 n’enrôle plus : 3 postes sur 5 sont venus ; fermé par marie"},
		{"failed", "capture Bureautique: not-clean A volume was not shut down cleanly: reading the volume of partition 2: NTFS volume holds a hibernated Windows (hiberfil.sys). " +
			"start that Windows; in Windows, switch fast startup and hibernation off (powercfg /h off), then shut down with: shutdown /s /t 0. " +
			"Nothing was touched. Start that system, shut it down completely, then try again.",
			"capture Bureautique : Un volume n’a pas été arrêté proprement: lecture du volume de la partition 2 : le volume NTFS contient un Windows en hibernation (hiberfil.sys). " +
				"démarrez ce Windows ; désactivez le démarrage rapide et l’hibernation (powercfg /h off), puis arrêtez par : shutdown /s /t 0. " +
				"Rien n’a été touché. Démarrez ce système, arrêtez-le complètement, puis recommencez."},
		{"failed", "deploy M@1: server-problem The server refuses the request: asking /v1/task: dial tcp 10.0.0.1:7443: connect: connection refused. Read the detail in the console, on this computer's page.",
			"déploiement M@1 : Le serveur refuse la demande: demande à /v1/task : connexion TCP à 10.0.0.1:7443 : connexion refusée. Lisez le détail dans la console, à la page de ce poste."},
		{"", "12.5 GB free in /var/lib/ardoise", "12,5 Go libres dans /var/lib/ardoise"},
		{"", "the drive sings a song of its own", "\u2068the drive sings a song of its own\u2069"},
		{"", "Bureautique@7", "Bureautique@7"},
		{"done", "deploy golden@1: ok ", "déploiement golden@1"},
		{"done", "deploy golden@1: ok", "déploiement golden@1"},
		{"done", "wipe : ok ", "effacement"},
		{"failed", "deploy golden@1: io ", "déploiement golden@1"},
		{"failed", "wipe : disk-fault reading sector 0: input/output error", "effacement : lecture du secteur 0 : erreur d’entrée-sortie"},
		{"agent", "agent (devel), kernel 5.2 s, network 6.3 s, trust 7.0 s", "agent (devel), noyau 5,2 s, réseau 6,3 s, serveur reconnu 7,0 s"},
		{"agent", "agent 1.2.3", "agent 1.2.3"},
		{"mark", "kept here in phase verify", "marque d’inachevé tenue par le serveur, à l’étape « relecture »"},
		{"mark", "kept here in phase 12", "marque d’inachevé tenue par le serveur, à l’étape 12"},
		{"interrupted", "the disk was left unfinished in phase data of golden@1", "le disque est resté inachevé, à l’étape « données » de golden@1"},
		{"job order", "job 1: deploy golden@1, 1 computer", "le travail 1 : déploiement de golden@1, 1 poste"},
		{"job order", "job 1: deploy golden@1, 1 computers", "le travail 1 : déploiement de golden@1, 1 poste"},
		{"job order", "job 12: wipe, 31 computers", "le travail 12 : effacement, 31 postes"},
		{"job order", "reset golden@1", "remise à zéro vers golden@1"},
		{"job order", "shutdown", "extinction"},
		{"", "stage 2", "stage 2"},
		{"", "until 2027-12-25, for ardoise", "valable jusqu’au 2027-12-25, pour ardoise"},
		{"", "until 2027-12-25, for ardoise, localhost, vm", "valable jusqu’au 2027-12-25, pour ardoise, localhost, vm"},
		{"", "eth, wlan, lab has 10.0.0.1", "eth, wlan, lab a l’adresse 10.0.0.1"},
		{"", "the drive has a will, a song", "\u2068the drive has a will, a song\u2069"},
		{"placed", `from "" to "S104" by marie`, "placé dans «\u00a0S104\u00a0» par marie"},
		{"placed", `from "" to "S104" by the enrolment of S104, opened by marie`, "placé dans «\u00a0S104\u00a0» par l’enrôlement de S104, ouvert par marie"},
		{"placed", `from "S1" to "S2" by the enrolment of S2`, "de «\u00a0S1\u00a0» à «\u00a0S2\u00a0», par l’enrôlement de S2"},
		{"", "", ""},
	} {
		if got := notices.In(notices.French, tt.of, tt.english); got != tt.french {
			t.Errorf("%s, %q:\n got %q\nwant %q", tt.of, tt.english, got, tt.french)
		}
		if got := notices.In(notices.English, tt.of, tt.english); got != tt.english {
			t.Errorf("in English %q became %q", tt.english, got)
		}
	}
}

func TestWhatIsForeignSaysSo(t *testing.T) {
	for marked, html := range map[string]string{
		notices.In(notices.French, "", "reading boot.json: the drive sings <loudly> of it"): `lecture de boot.json : <i lang="en" dir="auto">the drive sings &lt;loudly&gt; of it</i>`,
		notices.In(notices.French, "", "\u2069the drive \u2068sings a song"):                `<i lang="en" dir="auto">the drive sings a song</i>`,
		"\u2068never <closed>":     "never &lt;closed&gt;",
		"a\u2069b\u2068c\u2069d":   `ab<i lang="en" dir="auto">c</i>d`,
		"<script>alert()</script>": "&lt;script&gt;alert()&lt;/script&gt;",
	} {
		if got := string(notices.HTML(notices.English, marked)); got != html {
			t.Errorf("%q:\n got %s\nwant %s", marked, got, html)
		}
	}
	if got := string(notices.HTML(notices.French, "Le disque signale une panne: où? à 10:12:00 ; S104:x \u2068so: there!\u2069")); got !=
		"Le disque signale une panne\u00a0: où\u00a0? à 10:12:00\u00a0; S104:x <i lang=\"en\" dir=\"auto\">so: there!</i>" {
		t.Errorf("set as French is: %q", got)
	}
	if got := notices.Plain(notices.In(notices.French, "", "reading boot.json: the drive sings of it")); got != "lecture de boot.json : the drive sings of it" {
		t.Errorf("without marks: %q", got)
	}
}

// A command in a sentence is shown as one, with nothing of it changed, and is no markup.
func TestWhatStandsBetweenBackticksIsCode(t *testing.T) {
	for _, x := range []struct {
		l          notices.Language
		text, html string
	}{
		{notices.English, "set it: `timedatectl set-ntp true`, then look", "set it: <code>timedatectl set-ntp true</code>, then look"},
		{notices.English, "`a` and `b <c>`", "<code>a</code> and <code>b &lt;c&gt;</code>"},
		{notices.English, "one ` alone", "one ` alone"},
		{notices.English, "`two\nlines`", "`two\nlines`"},
		{notices.French, "lancez: `ip a: b` ; puis `x`!", "lancez\u00a0: <code>ip a: b</code>\u00a0; puis <code>x</code>\u00a0!"},
		{notices.French, "dit `a \u2068so there\u2069` ici", "dit <code>a so there</code> ici"},
		{notices.French, "\u2068run `so there` now\u2069", `<i lang="en" dir="auto">run <code>so there</code> now</i>`},
		{notices.French, "dit `a \u2068so` there\u2069", `dit ` + "`a " + `<i lang="en" dir="auto">so` + "` there</i>"},
	} {
		if got := string(notices.HTML(x.l, x.text)); got != x.html {
			t.Errorf("%q:\n got %s\nwant %s", x.text, got, x.html)
		}
	}
}

// Whatever a computer, a person or a drive writes, it is said in bounded time, whole, and without markup of its own.
func FuzzIn(f *testing.F) {
	for _, l := range notices.Lines() {
		f.Add(l.Of, l.English)
	}
	f.Add("failed", "deploy M@1: disk-fault The disk reports a failure: a: b: c, d; e. F: g.")
	f.Add("", "say `a <b>` and `c\u2068d\u2069`; `e\u2068f` g\u2069 `h")
	f.Add("", "\"\\\"%s: {1~} [a [b]] ., ; : \u2068\u2069")
	f.Fuzz(func(t *testing.T, of, english string) {
		if len(english) > 2000 {
			return
		}
		got := string(notices.HTML(notices.French, notices.In(notices.French, of, english)))
		if strings.Count(got, "<") != 2*(strings.Count(got, `<i lang="en" dir="auto">`)+strings.Count(got, "<code>")) ||
			strings.Count(got, "<code>") != strings.Count(got, "</code>") {
			t.Fatalf("%q became markup: %s", english, got)
		}
	})
}
