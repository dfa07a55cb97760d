package post_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
)

// A report counts as its language does: French has the singular for none and one.
func TestAReportCountsAsItsLanguageDoes(t *testing.T) {
	for _, c := range []struct {
		done, cancelled, failed int
		french, english         string // subject
		frenchJob, englishJob   string
	}{
		{0, 0, 2, "0 poste sur 2 est prêt, 2 à regarder", "0 of 2 computers are ready, 2 to look at", "0 sur 2 fait", "0 of 2 done"},
		{1, 1, 0, "1 poste sur 2 est prêt, 0 à regarder", "1 of 2 computers is ready, 0 to look at", "1 sur 2 fait, 1 annulé", "1 of 2 done, 1 cancelled"},
		{2, 2, 1, "2 postes sur 5 sont prêts, 1 à regarder", "2 of 5 computers are ready, 1 to look at", "2 sur 5 faits, 2 annulés", "2 of 5 done, 2 cancelled"},
		{1, 0, 0, "1 poste est prêt", "1 computer is ready", "1 sur 1 fait", "1 of 1 done"},
		{2, 0, 0, "les 2 postes sont prêts", "all 2 computers are ready", "2 sur 2 faits", "2 of 2 done"},
	} {
		r := post.Report{Box: "zola", Jobs: []post.Job{{Kind: "deploy", What: "Bureautique@7", Done: c.done, Cancelled: c.cancelled,
			Total: c.done + c.cancelled + c.failed, Failed: make([]post.Failure, c.failed)}}}
		for language, want := range map[notices.Language][2]string{notices.French: {"Ardoise zola : " + c.french, c.frenchJob},
			notices.English: {"Ardoise zola: " + c.english, c.englishJob}} {
			if got := r.Subject(language); got != want[0] {
				t.Errorf("the subject is %q, want %q", got, want[0])
			}
			text, err := r.Text(language, time.UTC)
			if err != nil || !strings.Contains(text, "Bureautique@7: "+want[1]+"\n") {
				t.Errorf("its text does not say %q: %v\n%s", want[1], err, text)
			}
		}
	}
}

// The open requests stand in the morning's report; new ones are reason enough for one, old ones alone are not.
func TestAReportTellsOfOpenRequests(t *testing.T) {
	since := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	old := post.Request{ID: "3", Computer: "S104-02", Room: "S104", Text: "the mouse\nis <b>gone</b>", Created: since.Add(-time.Hour)}
	r := post.Report{Box: "zola", Since: since, Until: since.AddDate(0, 0, 1), Open: 53, Requests: []post.Request{old}}
	if r.Tells() {
		t.Error("a request that the last report told of is reason for another")
	}
	r.Requests = append(r.Requests, post.Request{ID: "4", Room: "S105", Text: "no light", Created: since.Add(time.Hour)})
	if !r.Tells() {
		t.Error("a new request is no reason for a report")
	}
	for language, want := range map[notices.Language][]string{
		notices.French:  {"53 demandes attendent une réponse", "S104-02 (S104), depuis le 23/11 06:00: the mouse is", "S105, depuis le 23/11 08:00: no light", "et 51 autres"},
		notices.English: {"53 requests wait for an answer", "S104-02 (S104), since Nov 23, 06:00: the mouse is", "S105, since Nov 23, 08:00: no light", "and 51 others"},
	} {
		text, err := r.Text(language, time.UTC)
		html, herr := r.HTML(language, time.UTC)
		if err != nil || herr != nil || strings.Contains(html, "<b>gone") || !strings.Contains(html, "&lt;b&gt;gone") {
			t.Errorf("%v, %v\n%s", err, herr, html)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("it does not say %q:\n%s", w, text)
			}
		}
	}
	if got := r.Subject(notices.French); got != "Ardoise zola : 53 demandes sont ouvertes" {
		t.Errorf("the subject is %q", got)
	}
}
