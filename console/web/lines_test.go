package web

import (
	"testing"

	"github.com/ardoise/ardoise/console/access"
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
