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
