package notices_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
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

// The refusals of fleet and its rooms are constants: each must have its sentences here.
func TestEachRefusalOfTheFleetHasANotice(t *testing.T) {
	for file, least := range map[string]int{"fleet/errors.go": 40, "fleet/people/errors.go": 20, "fleet/requests/requests.go": 10} {
		found := 0
		ast.Inspect(parsed(t, file), func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
				return true
			}
			found++
			wantNotice(t, file, spec.Values[0])
			return true
		})
		if found < least {
			t.Errorf("only %d refusals were found in %s: has the file moved?", found, file)
		}
	}
}

// What the desk itself refuses it names by strings.
func TestEachRefusalOfTheDeskHasANotice(t *testing.T) {
	names, err := filepath.Glob("../access/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parsed(t, "console/access/"+filepath.Base(name)), func(n ast.Node) bool {
			var code ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "conflict" || f.Name == "notFound" || f.Name == "bad") && len(n.Args) > 1 {
					code = n.Args[0]
				}
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); !ok || id.Name != "Error" {
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Code" {
						code = kv.Value
					}
				}
			}
			if lit, ok := code.(*ast.BasicLit); ok {
				found++
				wantNotice(t, name, lit)
			}
			return true
		})
	}
	if found < 30 {
		t.Errorf("only %d refusals were found: has the desk moved?", found)
	}
}

func parsed(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../"+name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func wantNotice(t *testing.T, where string, e ast.Expr) {
	t.Helper()
	code, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := notices.Find(code); !ok {
		t.Errorf("%s: %q has no notice", where, code)
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
