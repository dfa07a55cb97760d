package main

import (
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
)

// What the importer of computers counts agrees with its number, on the terminal and in French.
func TestAListIsCountedAsItsLanguageDoes(t *testing.T) {
	for want, r := range map[string]access.SheetReport{
		"0 lines: 0 changed, 0 new, 0 as before, 0 wrong; nothing was changed\n":                           {},
		"1 line: 1 changed, 0 new, 0 as before, 0 wrong; kept\n":                                           {Lines: 1, Changed: 1, Done: true},
		"and 1 line more\n2 lines: 0 changed, 0 new, 1 as before, 1 wrong; nothing was changed\n":          {Lines: 2, Unchanged: 1, WrongAll: 1},
		"and 201 lines more\n900 lines: 0 changed, 0 new, 699 as before, 201 wrong; nothing was changed\n": {Lines: 900, Unchanged: 699, WrongAll: 201},
	} {
		var out strings.Builder
		if showSheet(&out, r); out.String() != want {
			t.Errorf("%+v: %q, want %q", r, out.String(), want)
		}
	}
	for english, want := range map[string]string{
		"line 2 is wrong: it has this column twice":                             "la ligne 2 est fausse : elle a deux fois cette colonne",
		"2 of 3 lines are wrong: line 2: it has this column twice":              "2 lignes sur 3 sont fausses : ligne 2 : elle a deux fois cette colonne",
		"line 2 is wrong: it has not as many cells as the first line: 1, not 2": "la ligne 2 est fausse : elle n’a pas autant de cases que la première ligne : 1 au lieu de 2",
		"lines read: 1; changed: 0; new: 1; wrong: 0":                           "lignes lues : 1 ; changées : 0 ; nouvelles : 1 ; fausses : 0",
	} {
		if got := notices.In(notices.French, "bad-sheet", english); got != want {
			t.Errorf("%s: %q, want %q", english, got, want)
		}
	}
}

// What the log says of refused logins that were only counted is French for who reads French.
func TestCountedLoginsAreSaidInFrench(t *testing.T) {
	for english, want := range map[string]string{
		"wrong-login; further tries: 1":                   " ; autres essais : 1",
		"too many for an entry each, within an hour: 512": "trop nombreux pour une entrée chacun, en une heure : 512",
	} {
		if got := notices.In(notices.French, "audit", english); !strings.HasSuffix(got, want) || got != notices.Plain(got) || strings.Contains(got, "wrong") {
			t.Errorf("%s: %q, want %q", english, got, want)
		}
	}
}
