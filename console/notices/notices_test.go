package notices_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/notices"
)

func TestEachNoticeSaysWhatHappenedAndWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range notices.All() {
		if seen[n.Code] {
			t.Errorf("%s is there twice", n.Code)
		}
		seen[n.Code] = true
		for language, text := range map[notices.Language]notices.Text{notices.English: n.English, notices.French: n.French} {
			for what, s := range map[string]string{"what happened": text.What, "what to do": text.Do} {
				if len(s) < 8 || strings.HasSuffix(s, ".") || s != strings.TrimSpace(s) {
					t.Errorf("%s, %s, %s: %q", n.Code, language, what, s)
				}
				for _, word := range []string{"error", "erreur", "failed to", "invalid"} {
					if strings.Contains(strings.ToLower(s), word) {
						t.Errorf("%s, %s, %s blames: %q", n.Code, language, what, s)
					}
				}
			}
			if strings.Contains(text.What, "{detail}") != strings.Contains(n.English.What, "{detail}") {
				t.Errorf("%s: only one language tells the detail", n.Code)
			}
		}
		if n.English == n.French {
			t.Errorf("%s is not translated", n.Code)
		}
		said := n.Say(notices.French, "S104-07", "trop petit")
		if strings.ContainsAny(said.What+said.Do, "{}") {
			t.Errorf("%s leaves a gap: %+v", n.Code, said)
		}
	}
}

// The refusals of fleet are constants: each must have its sentences here.
func TestEachRefusalOfTheFleetHasANotice(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../fleet/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if _, ok := notices.Find(code); !ok {
			t.Errorf("%s (%s) has no notice", spec.Names[0].Name, code)
		}
		return true
	})
	if found < 15 {
		t.Errorf("only %d refusals were found in fleet: has the file moved?", found)
	}
}

func TestLanguage(t *testing.T) {
	for want, locales := range map[notices.Language][][]string{
		notices.French:  {{"fr_FR.UTF-8"}, {"", "fr"}, {"", "", "FR_CA"}},
		notices.English: {nil, {"C", "fr_FR"}, {"en_GB.UTF-8"}, {"", "", ""}},
	} {
		for _, l := range locales {
			if got := notices.LanguageOf(l...); got != want {
				t.Errorf("LanguageOf(%q) = %s, want %s", l, got, want)
			}
		}
	}
}
