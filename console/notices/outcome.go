package notices

import (
	"cmp"
	"strings"
	"unicode/utf8"

	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

// Outcome says why a task did not succeed and what to do now, in sentences. code and detail are those of its outcome, as the
// agent or the daemon gave them, in English.
func Outcome(l Language, code, detail string) Text {
	t := MarkedOutcome(l, code, detail)
	t.What = Plain(t.What)
	return t
}

// MarkedOutcome is Outcome with what is foreign marked, for HTML.
func MarkedOutcome(l Language, code, detail string) Text {
	do, what := unsaid(), ""
	for _, n := range agent.All() {
		if string(n.Code) == code {
			what = strings.TrimSuffix(detail, " "+n.Do.EN) // agents send both sentences
			do = n.Do
			break
		}
	}
	for _, d := range decided() {
		if d.code == code && strings.Contains(detail, d.says) {
			what, do = cmp.Or(what, detail), d.do
			break
		}
	}
	what = In(l, code, cmp.Or(what, detail))
	if what == "" {
		what = agent.Text{FR: "le poste n’a pas dit pourquoi", EN: "the computer did not say why"}.In(agent.Lang(l))
	}
	said := do.In(agent.Lang(l))
	if l == French {
		said = Apostrophes(said)
	}
	return Text{What: Sentence(what), Do: Sentence(said)}
}

// unsaid is what to do where nobody knows why.
func unsaid() agent.Text {
	return agent.Text{FR: "Relancez l’ordre pour ce poste; si cela se répète, lisez ses événements sur sa page.",
		EN: "Order it again for this computer; if it happens again, read its events on its page."}
}

// decision is an outcome that the daemon decided.
type decision struct {
	code string
	says string // that its detail contains, where computers have the same code for something else
	do   agent.Text
}

// decided are the outcomes of fleet.
func decided() []decision {
	untouched := agent.Text{FR: "Rien n’a été écrit sur le disque. Relancez l’ordre s’il est encore voulu.",
		EN: "Nothing was written to the disk. Order it again if it is still wanted."}
	return []decision{
		{"expired", "", agent.Text{FR: "Vérifiez que le poste est sous tension, relié au réseau et qu’il démarre par le réseau, puis relancez l’ordre.",
			EN: "Check that the computer has power and a network cable and starts from the network, then order it again."}},
		{"no-progress", "", agent.Text{FR: "Regardez son écran pendant qu’il essaie: il s’arrête toujours au même endroit. Puis relancez l’ordre.",
			EN: "Watch its screen while it tries: it stops at the same place each time. Then order it again."}},
		{"unproven", "", agent.Text{FR: "N’utilisez pas ce poste. Mettez à jour l’environnement de démarrage du serveur, puis relancez l’ordre.",
			EN: "Do not use this computer. Update the boot environment of the server, then order it again."}},
		{"unpublished", "", agent.Text{FR: "Relancez la capture: ce qui est envoyé est gardé.", EN: "Capture again: what was sent is kept."}},
		{"not-proven", "since it was ordered", agent.Text{FR: "Déployez un master sur ce poste, ou nommez la version à remettre.",
			EN: "Deploy a master to this computer, or name the version that it is to become equal to."}},
		{"not-personal", "", agent.Text{FR: "Préparez le master comme indiqué, ou changez le modèle de la salle, puis relancez l’ordre.",
			EN: "Prepare the master as it says, or change the room's template, then order it again."}},
		{"cancelled", "while the disk was being written", agent.Text{FR: "Le disque est inachevé et ne démarre pas: relancez l’ordre pour ce poste.",
			EN: "The disk is unfinished and does not start: order it again for this computer."}},
		{"cancelled", "cancelled by", untouched},
		{"cancelled", "", untouched},
		{"unsaid", "", unsaid()},
	}
}

// Sentence begins with a capital and ends with a point.
func Sentence(s string) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) == 0 {
		return ""
	}
	r[0] = []rune(strings.ToUpper(string(r[0])))[0]
	if !strings.ContainsRune(".!?…", r[len(r)-1]) {
		r = append(r, '.')
	}
	return string(r)
}

// SentenceOf is Sentence, for one that may begin with a name: that keeps its letters. What has spaces is no name: "job 12".
func SentenceOf(name, s string) string {
	said, s := Sentence(s), strings.TrimSpace(s)
	if name == "" || strings.Contains(name, " ") || !strings.HasPrefix(s, name) {
		return said
	}
	_, first := utf8.DecodeRuneInString(s)
	_, capital := utf8.DecodeRuneInString(said)
	return s[:first] + said[capital:]
}
