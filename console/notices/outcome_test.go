package notices_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/notices"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

// outcomes are the codes that the daemon gives to tasks by itself, with what it says: read from its source.
func outcomes(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../fleet/handout.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes, out := map[string]string{}, map[string]string{"unsaid": ""}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if strings.HasPrefix(n.Names[0].Name, "Outcome") && len(n.Values) == 1 {
				code, err := strconv.Unquote(n.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes[n.Names[0].Name], out[code] = code, ""
			}
		case *ast.CaseClause: // of outcomeDetail
			if len(n.List) != 1 || len(n.Body) != 1 {
				return true
			}
			name, isName := n.List[0].(*ast.Ident)
			back, isReturn := n.Body[0].(*ast.ReturnStmt)
			if !isName || !isReturn || codes[name.Name] == "" {
				return true
			}
			ast.Inspect(back, func(x ast.Node) bool {
				if s, ok := x.(*ast.BasicLit); ok && s.Kind == token.STRING {
					text, err := strconv.Unquote(s.Value)
					if err != nil {
						t.Fatal(err)
					}
					out[codes[name.Name]] = strings.ReplaceAll(text, "%d", "10")
				}
				return true
			})
		}
		return true
	})
	if len(out) < 8 {
		t.Fatalf("only %d outcomes were found in fleet: has the file moved?", len(out))
	}
	return out
}

// Whatever a task ends with, a person is told in their own language what happened and what to do.
func TestEachReasonOfAFailureHasAHintInBothLanguages(t *testing.T) {
	stranger := notices.Outcome(notices.English, "never-heard", "")
	if len(stranger.Do) < 20 || len(stranger.What) < 10 {
		t.Errorf("a code that nobody knows: %+v", stranger)
	}
	reasons := outcomes(t)
	verbs := regexp.MustCompile(`%[ds]`)
	argument := func(s string) string {
		return verbs.ReplaceAllStringFunc(s, func(v string) string { return map[string]string{"%d": "7", "%s": "/dev/sda"}[v] })
	}
	ends := 0
	for _, n := range agent.All() {
		if n.Severity != agent.Fault && n.Severity != agent.Warn {
			continue
		}
		if _, also := reasons[string(n.Code)]; also && n.Code != agent.NotProven {
			continue
		}
		ends++
		detail := argument(n.What.EN) + " " + n.Do.EN
		fr, en := notices.Outcome(notices.French, string(n.Code), detail), notices.Outcome(notices.English, string(n.Code), detail)
		if en.What != notices.Sentence(argument(n.What.EN)) || en.Do != n.Do.EN {
			t.Errorf("%s: %q is told as %+v", n.Code, detail, en)
		}
		if fr.What != notices.Apostrophes(notices.Sentence(argument(n.What.FR))) || fr.Do != notices.Apostrophes(n.Do.FR) {
			t.Errorf("%s: %q is told as %+v", n.Code, detail, fr)
		}
	}
	if ends < 25 {
		t.Errorf("only %d failures of agents were found", ends)
	}
	for code, detail := range reasons {
		fr, en := notices.Outcome(notices.French, code, detail), notices.Outcome(notices.English, code, detail)
		for l, x := range map[string]notices.Text{"French": fr, "English": en} {
			if len(x.Do) < 20 || len(x.What) < 10 || strings.Contains(x.What, "%") {
				t.Errorf("%s in %s: %+v", code, l, x)
			}
		}
		if fr.Do == en.Do || fr.What == en.What {
			t.Errorf("%s has one language only: %+v", code, fr)
		}
		if code != "unsaid" && en.Do == stranger.Do {
			t.Errorf("%s has no hint of its own", code)
		}
	}
}

// The same code means something else where a computer gives it than where the daemon does.
func TestHintsFollowWhoDecided(t *testing.T) {
	for detail, want := range map[string]string{
		"since it was ordered, what the disk holds is not known any more":                                             "Deploy a master",
		"Reading the disk back does not give what was written: sector 7. Do not use this computer; replace its disk.": "replace its disk",
	} {
		if got := notices.Outcome(notices.English, "not-proven", detail); !strings.Contains(got.Do, want) {
			t.Errorf("%q: %+v", detail, got)
		}
	}
	for detail, want := range map[string]string{
		"cancelled by marie while the disk was being written": "ne démarre pas",
		"cancelled by marie": "Rien n’a été écrit",
		"The task was cancelled from the console. Nothing was written to the disk.": "Rien n’a été écrit",
	} {
		if got := notices.Outcome(notices.French, "cancelled", detail); !strings.Contains(got.Do, want) || strings.Contains(got.What, "cancelled") {
			t.Errorf("%q: %+v", detail, got)
		}
	}
}
