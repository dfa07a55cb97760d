package web

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/web/words"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

func TestTheAuditLogIsSaidAsItsReaderSpeaks(t *testing.T) {
	for _, x := range []struct{ action, what, detail, en, fr, frDetail string }{
		{"job order", "job 1: deploy golden@1, 1 computer", "", "job 1: deploy golden@1, 1 computer", "le travail 1 : déploiement de golden@1, 1 poste", ""},
		{"job order", "wipe", "", "wipe", "effacement", ""},
		{"room place", "stage 2", "pc1, pc2, pc3, pc4, pc5 and 4 more", "stage 2", "stage 2", "pc1, pc2, pc3, pc4, pc5 et 4 autres"},
		{"job cancel", "job 12", "", "job 12", "le travail 12", ""},
	} {
		e := access.AuditEntry{}
		e.Action, e.What, e.Detail = x.action, x.what, x.detail
		if got := (tongue{lang: "en"}).auditLine(e); got.What != x.en || got.Detail != x.detail {
			t.Errorf("in English: %q, %q", got.What, got.Detail)
		}
		if got := (tongue{lang: "fr"}).auditLine(e); got.What != x.fr || got.Detail != x.frDetail {
			t.Errorf("in French: %q, %q", got.What, got.Detail)
		}
	}
}

// What happened is listed by its time, and the marks of a task are one line; whoever has a clock that is behind comes where it says.
func TestEventsAreListedAsTheyHappened(t *testing.T) {
	at := func(n int64, kind, task string, second int) access.Event {
		return access.Event{Number: n, Kind: kind, Task: task, Time: time.Date(2026, 11, 23, 3, 55, second, 0, time.UTC)}
	}
	told := []access.Event{at(9, "mark", "2-1", 30), at(8, "done", "1-1", 20), at(7, "mark", "1-1", 19), at(6, "mark", "1-1", 18), at(5, "mark", "", 17), at(4, "mark", "", 16),
		at(3, "started", "1-1", 13), at(2, "agent", "", 0), at(1, "ordered", "1-1", 10), at(10, "step", "1-1", 13)}
	want := []int64{9, 8, 7, 5, 4, 10, 3, 1, 2}
	var got []int64
	for _, e := range shownEvents(told) {
		got = append(got, e.Number)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed as %v, not %v", got, want)
	}
	if told[9].Number != 10 {
		t.Error("the list of the caller was changed")
	}
}

func TestAnEventKeepsNamesAndSaysSizes(t *testing.T) {
	const clean = "golden@1, full: clean; 164248054 bytes read, 12288 bytes differed, 4096 bytes written in 3 s"
	for lang, want := range map[string]string{
		"fr": "pc1 est propre : golden@1, remise à zéro complète : propre ; 164\u00a0Mo lus, 12,3\u00a0ko différents, 4096 octets écrits en 3 s.",
		"en": "pc1 is clean: golden@1, full: clean; 164\u00a0MB read, 12.3\u00a0kB differed, 4096 bytes written in 3 s.",
	} {
		x := tongue{lang: lang}
		if got := x.eventLine(access.Event{Kind: "proof", Computer: "pc1", Detail: clean}).What; got != want {
			t.Errorf("%s: %q", lang, got)
		}
		if what, _ := x.notice(&access.Error{Code: "busy", What: "pc1", Detail: "task 3-1 is running"}); what[:3] != "pc1" {
			t.Errorf("%s: %q", lang, what)
		}
	}
	if what, _ := (tongue{lang: "fr"}).notice(&access.Error{Code: "busy", What: "job 12"}); what[:2] != "Le" {
		t.Errorf("what has no name begins with %q", what)
	}
}

// All French of pages has one apostrophe, also where it comes from a PC's own screen.
func TestFrenchOfPagesHasOneApostrophe(t *testing.T) {
	straight := regexp.MustCompile(`\pL'[\pL{«]`)
	for key, pair := range words.All() {
		if straight.MatchString(pair.French) {
			t.Errorf("%s: %q", key, pair.French)
		}
	}
	for _, w := range agent.Words() {
		if said := (tongue{lang: words.French}).step(string(w)); straight.MatchString(said) {
			t.Errorf("%s: %q", w, said)
		}
	}
}
