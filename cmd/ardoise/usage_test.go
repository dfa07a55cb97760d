package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbsOf are the verbs of a format of fmt.
func verbsOf(format string) string {
	return strings.Join(regexp.MustCompile(`%[a-z]`).FindAllString(format, -1), " ")
}

// Every sentence about a wrong command line has its French, with the same arguments in the same order, and nothing else has.
func TestEachUsageErrorHasItsFrench(t *testing.T) {
	said := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "usagef" {
					said[literal(t, n.Args[0])] = true
				}
			case *ast.CompositeLit:
				if f, ok := n.Type.(*ast.Ident); ok && f.Name == "usageError" && !strings.Contains(name, "usage.go") {
					t.Errorf("%s makes a usageError without usagef", name)
				}
			}
			return true
		})
	}
	french := usageFrench()
	for english := range said {
		if got, ok := french[english]; !ok || got == "" || verbsOf(got) != verbsOf(english) {
			t.Errorf("%q is %q in French", english, got)
		}
	}
	for english := range french {
		if !said[english] {
			t.Errorf("nobody says %q", english)
		}
	}
	if len(said) < 60 {
		t.Errorf("%d sentences were found", len(said))
	}
}

// literal is a string that is written in a source, in one piece or several.
func literal(t *testing.T, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case *ast.BinaryExpr:
		return literal(t, e.X) + literal(t, e.Y)
	}
	t.Fatalf("a usage error whose sentence is not written where it is made: %T", e)
	return ""
}

// sameInBoth is what is the same in each language: what is quoted, commands, flags, and words in capitals.
var sameInBoth = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|--?[a-z-]+|usage : ardoise.*|\\b[A-Z@\\[\\]|:=,]{2,}\\b")

// onlyEnglish are words of English and no French.
var onlyEnglish = regexp.MustCompile(`(?i)\b(the|is|are|not|unknown|missing|flags?|needs?|for|with|say|word|invalid|and|of|to|which|command|did you|mean|takes|accepts?|received|required|shows)\b`)

// misuses are wrong command lines of a command.
func misuses(c *cobra.Command) (out [][]string) {
	path := strings.Fields(c.CommandPath())[1:]
	with := func(more ...string) { out = append(out, append(append([]string{}, path...), more...)) }
	with("--no-such-flag")
	with("-Z")
	with("--=x")
	if c.HasSubCommands() {
		if with("nonesuch"); c.CommandPath() != "ardoise master key" { // which lists them, by itself
			with()
		}
		return out
	}
	wrong := func(words ...string) bool { return c.Args != nil && c.Args(c, words) != nil }
	if wrong() {
		with()
	}
	with("w1", "w2", "w3", "w4", "w5", "w6", "--no-such-flag")
	if many := []string{"w1", "w2", "w3", "w4", "w5", "w6", "w7"}; wrong(many...) {
		with(many...)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.NoOptDefVal == "" {
			with("--" + f.Name)
		}
		if kind := f.Value.Type(); f.Name != "help" && (kind == "bool" || kind == "duration" || strings.HasPrefix(kind, "int") && kind != "intSlice" || strings.HasPrefix(kind, "float")) {
			with("--" + f.Name + "=nonsense")
		}
	})
	return out
}

// Whatever is wrong with a command line is said in the language of the person, with what to do, and exit code 2.
func TestWrongCommandLinesAreSaidInTheLanguageOfThePerson(t *testing.T) {
	var lines [][]string
	everyCommand(func(c *cobra.Command) { lines = append(lines, misuses(c)...) })
	lines = append(lines, []string{"frobnicate"}, []string{"--frobnicate"}, []string{"computr"})
	if len(lines) < 500 {
		t.Errorf("only %d command lines are tried", len(lines))
	}
	for _, locale := range []string{"fr_FR.UTF-8", "C"} {
		t.Setenv("LC_ALL", locale)
		for _, line := range lines {
			code, _, said := ardoise(line...)
			what, hint, ok := strings.Cut(strings.TrimSuffix(said, "\n"), "\nhint: ")
			if code != 2 || !ok || !strings.HasPrefix(what, "error: ") || strings.Contains(hint, "\n") {
				t.Errorf("%s: ardoise %q: %d %q", locale, line, code, said)
				continue
			}
			bare := sameInBoth.ReplaceAllString(strings.TrimPrefix(what, "error: ")+"\n"+hint, "")
			if english := onlyEnglish.FindString(bare); english != "" && locale != "C" {
				t.Errorf("ardoise %q: %q is English in %q", line, english, said)
			}
		}
	}
}

func TestTheNearestCommandIsProposed(t *testing.T) {
	for line, want := range map[string][2]string{
		"computr":               {"unknown command \"computr\" for \"ardoise\"\nhint: did you mean `ardoise computer`?", "commande inconnue : \"computr\", après \"ardoise\"\nhint: vouliez-vous `ardoise computer` ?"},
		"computer lst":          {"unknown command \"lst\" for \"ardoise computer\"\nhint: did you mean `ardoise computer list`?", "commande inconnue : \"lst\", après \"ardoise computer\"\nhint: vouliez-vous `ardoise computer list` ?"},
		"computer xyzzy":        {"unknown command \"xyzzy\" for \"ardoise computer\"\nhint: `ardoise help computer` shows its commands", "commande inconnue : \"xyzzy\", après \"ardoise computer\"\nhint: `ardoise help computer` montre ses commandes"},
		"job list --limit=x":    {"--limit is a whole number, not \"x\"\nhint: usage: ardoise job list [flags]", "--limit est un nombre entier, pas \"x\"\nhint: usage : ardoise job list [options]"},
		"computer show":         {"COMPUTER is missing\nhint: usage: ardoise computer show COMPUTER [flags]", "il manque COMPUTER\nhint: usage : ardoise computer show COMPUTER [options]"},
		"computer list --json=": {"--json is true or false, not \"\"\n", "--json vaut true ou false, pas \"\"\n"},
	} {
		for i, locale := range []string{"C", "fr_FR.UTF-8"} {
			t.Setenv("LC_ALL", locale)
			if code, _, got := ardoise(strings.Fields(line)...); code != 2 || !strings.HasPrefix(got, "error: "+want[i]) {
				t.Errorf("ardoise %s: %d %q, want %q", line, code, got, want[i])
			}
		}
	}
}
