package requests_test

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ardoise/ardoise/fleet/requests"
)

// nothing is a store that keeps nothing.
type nothing struct{}

func (nothing) LoadRequests(context.Context) (map[string]string, int64, error) {
	return map[string]string{}, 0, nil
}

func (nothing) CommitRequest(context.Context, *requests.Request, map[string]string) error { return nil }

func (nothing) FindRequests(context.Context, requests.Query) ([]requests.Request, error) {
	return nil, nil
}

// Whatever somebody writes, what is kept is short, prints, says something, and is kept as it is when it comes again.
func FuzzReport(f *testing.F) {
	r, err := requests.Open(f.Context(), requests.Options{Store: nothing{}})
	check(f, err)
	f.Add("L'écran clignote\u202f!\r\n\r\n\tEt la souris aussi.", "Zoé")
	f.Add("<script>alert(1)</script>\x00\u202e", "=cmd|' /C calc'!A0")
	f.Add(strings.Repeat("é\n", 60), strings.Repeat("n", 300))
	f.Add(" \u2003\xff\ufffd ", "")
	f.Fuzz(func(t *testing.T, text, name string) {
		x, err := r.Open(t.Context(), requests.Report{Computer: "c1", Text: text, Name: name})
		if err != nil {
			return
		}
		lines := strings.Split(x.Text, "\n")
		if utf8.RuneCountInString(x.Text) > 2000 || len(lines) > 40 || strings.TrimSpace(x.Text) == "" || utf8.RuneCountInString(x.Name) > 100 {
			t.Errorf("kept %q of %q", x.Text, x.Name)
		}
		for _, s := range append(lines, x.Name) {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r != utf8.RuneError && !unicode.IsPrint(r) }) {
				t.Errorf("kept %q", s)
			}
		}
		if again, err := r.Open(t.Context(), requests.Report{Computer: "c1", Text: x.Text, Name: x.Name}); err != nil || again.Text != x.Text || again.Name != x.Name {
			t.Errorf("%q becomes %q, %v", x.Text, again.Text, err)
		}
	})
}
