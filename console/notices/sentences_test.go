package notices_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/notices"
	agent "github.com/ardoise/ardoise/imaging/agent/notices"
)

// spoken is a string of a source that a person may come to read.
type spoken struct {
	text  string
	whole bool // it is given to what makes sentences, so it is one; else it may be a piece of one
	at    string
}

// makers of sentences: what they are given is a detail of an event, a refusal, a check or a reason.
var makers = []string{"event", "refuse", "bad", "wrong", "pass", "say", "Sprintf", "New", "Errorf", "OK", "Warn", "Bad", "aloneBecause"}

// unread are calls whose strings go to logs, to the serial line of a PC or to the machinery of Go.
var unread = []string{"Log", "Debug", "Info", "Error", "Note", "Fprintf", "Sscanf", "Flags", "StringVar", "IntVar", "BoolVar", "StringSliceVar"}

// spokenIn reads the strings of Go files that look like words of English.
func spokenIn(t *testing.T, globs ...string) (out []spoken) {
	t.Helper()
	set := token.NewFileSet()
	for _, glob := range globs {
		names, err := filepath.Glob("../../" + glob)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no files (%v)", glob, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, spokenOf(set, file)...)
		}
	}
	return out
}

// english is what looks like words of English, not like a layout, a path or an alphabet.
var english = regexp.MustCompile(`[a-z]{2,}.* .*[a-z]{2,}`)

func spokenOf(set *token.FileSet, file *ast.File) (out []spoken) {
	whole, skip := map[ast.Node]bool{}, map[ast.Node]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || skip[n] {
			return false
		}
		switch n := n.(type) {
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			for _, arg := range n.Args {
				skip[arg] = slices.Contains(unread, name)
				whole[arg] = slices.Contains(makers, name)
			}
		case *ast.BasicLit:
			s, err := strconv.Unquote(n.Value)
			if n.Kind == token.STRING && err == nil && english.MatchString(s) {
				out = append(out, spoken{s, whole[n], set.Position(n.Pos()).String()})
			}
		}
		return true
	})
	return out
}

// unsaid tells why a string has no French, "" if it has, or if nobody reads it in a sentence.
func unsaid(s spoken, lines []notices.Line) string {
	letters := regexp.MustCompile(`%[-+# 0]*\d*(?:\.\d+)?[a-zA-Z%]`).ReplaceAllString(s.text, "")
	if !regexp.MustCompile(`[a-z]{2,}`).MatchString(letters) {
		return ""
	}
	own := plain(s.text)
	piece := strings.TrimRight(strings.TrimLeft(own, " ,;:."), " ,;")
	for _, l := range lines {
		theirs := plain(l.English)
		if theirs == own || theirs == piece { // ", too" and the like join parts that are said one by one
			return ""
		}
		if !s.whole && strings.Contains(theirs, piece) {
			return ""
		}
	}
	return "has no French in french.txt"
}

// plain writes the verbs of a sentence alike that are found again in the same way.
func plain(s string) string { return regexp.MustCompile(`%[.\d]*[vws]`).ReplaceAllString(s, "%s") }

// silent are strings that look like sentences and that nobody reads as one.
func silent() map[string]string {
	return map[string]string{
		"keeping what the boot server saw": "log", "doing what begins at its time": "log", "a wish finds a task": "log",
		"waking a computer through the server's own interfaces": "log",
		"ardoise computer 1 ": "domain of a key",
		", %s %.1f s":         "phases of a start: names and seconds",
		"clean; %d bytes read, %d bytes differed, %d bytes written in %.0f s": "end of one with the version",
		"%d places could not be overwritten, the first at byte %d":            "beginning of one with the cause",
		"%s also answers network boots%s":                                     "in two ways",
		"enrolling %s: it does not wait":                                      "a fault of ours",
		"job %s (%s by %s)":                                                   "with whom it keeps",
		"has %d bytes, not %d":                                                "with the file's name",
		"system volume information":                                           "name of a folder",
		"system serial number":                                                "junk of firmware", "default string": "junk of firmware", "not specified": "junk of firmware",
		"not applicable": "junk of firmware", "not available": "junk of firmware", "chassis serial number": "junk of firmware",
		"to be filled by o.e.m.": "junk of firmware",
	}
}

func TestEverySentenceOfTheFleetHasItsFrench(t *testing.T) {
	lines := notices.Lines()
	found := spokenIn(t, "fleet/*.go", "fleet/filter/*.go")
	if len(found) < 200 {
		t.Fatalf("only %d sentences were found: has the fleet moved?", len(found))
	}
	for _, s := range found {
		if why := unsaid(s, lines); why != "" && silent()[s.text] == "" {
			t.Errorf("%s: %q %s", s.at, s.text, why)
		}
	}
}

func TestEverySentenceOfTheDoctorHasItsFrench(t *testing.T) {
	lines := notices.Lines()
	found := spokenIn(t, "console/doctor/*.go", "cmd/ardoise/probe.go", "console/post/settings.go", "pxe/boot.go")
	if len(found) < 40 {
		t.Fatalf("only %d sentences were found: has the doctor moved?", len(found))
	}
	for _, s := range found {
		if why := unsaid(s, lines); why != "" && silent()[s.text] == "" {
			t.Errorf("%s: %q %s", s.at, s.text, why)
		}
	}
}

// What an agent gives as the reason of a fault, with what drives and disks say of themselves.
func TestEveryReasonOfTheAgentHasItsFrench(t *testing.T) {
	lines := notices.Lines()
	found := spokenIn(t, "imaging/agent/fault.go", "imaging/agent/verify.go", "imaging/agent/wipe.go", "imaging/agent/script.go", "imaging/agent/deploy.go",
		"imaging/agent/equal.go", "imaging/agent/drive/parse.go", "imaging/disk/plan.go", "imaging/disk/list.go", "imaging/disk/offline.go",
		"imaging/agent/alone.go", "imaging/agent/look.go", "imaging/quick/names.go", "imaging/quick/quick.go", "imaging/volume/known.go",
		"imaging/wipe/wipe.go", "imaging/wipe/overwrite.go", "imaging/restore/options.go", "imaging/restore/verify.go")
	if len(found) < 60 {
		t.Fatalf("only %d sentences were found: has the agent moved?", len(found))
	}
	for _, s := range found {
		if why := unsaid(s, lines); why != "" && silent()[s.text] == "" {
			t.Errorf("%s: %q %s", s.at, s.text, why)
		}
	}
}

func TestTheCatalogueIsSound(t *testing.T) {
	verbs, places := regexp.MustCompile(`%[-+# 0]*\d*(?:\.\d+)?[a-zA-Z%]`), regexp.MustCompile(`\{([1-9])~?\}`)
	same := []string{"capture", "script", "menu", "agents", "chmod go= %s", "agent %s", "section %s", "SBAT %s", "tags %q by %s"}
	seen := map[[2]string]string{}
	for _, l := range notices.Lines() {
		key := [2]string{l.Of, l.English}
		if other, twice := seen[key]; twice && other != l.French {
			t.Errorf("%q is said twice: %q and %q", l.English, other, l.French)
		}
		seen[key] = l.French
		if l.French == "" || l.French == l.English && !slices.Contains(same, l.English) || l.French != strings.TrimSpace(l.French) {
			t.Errorf("%q: %q", l.English, l.French)
		}
		args := verbs.FindAllString(l.English, -1)
		used := map[string]bool{}
		for _, m := range places.FindAllStringSubmatch(l.French, -1) {
			if n, _ := strconv.Atoi(m[1]); n > len(args) {
				t.Errorf("%q: %q has no argument %s", l.English, l.French, m[1])
			}
			used[m[1]] = true
		}
		ends := slices.Contains([]string{"done", "failed", "cancelled"}, l.Of) // their codes are not for people
		for i, verb := range args {
			if !used[strconv.Itoa(i+1)] && verb != "%%" && !ends {
				t.Errorf("%q: %q leaves out argument %d", l.English, l.French, i+1)
			}
		}
		if rest := places.ReplaceAllString(l.French, ""); strings.ContainsAny(rest, "{}") && !strings.ContainsAny(l.English, "{}") || verbs.MatchString(strings.ReplaceAll(rest, " % ", "")) {
			t.Errorf("%q: %q has a gap of no argument", l.English, l.French)
		}
	}
}

// French has one apostrophe, the typographic one. What stands between backticks is to be copied as it is.
func TestFrenchHasOneApostrophe(t *testing.T) {
	straight, code := regexp.MustCompile(`\pL'[\pL{«]`), regexp.MustCompile("`[^`]*`")
	look := func(what, french string) {
		if straight.MatchString(code.ReplaceAllString(french, "")) {
			t.Errorf("%s: %q", what, french)
		}
	}
	for _, l := range notices.Lines() {
		look(l.English, l.French)
	}
	for _, n := range notices.All() {
		look(n.Code, n.French.What+" "+n.French.Do)
	}
	for _, n := range agent.All() {
		text := notices.Outcome(notices.French, string(n.Code), n.What.EN)
		look(string(n.Code), text.What+" "+text.Do)
	}
	for _, code := range []string{"expired", "no-progress", "unproven", "unpublished", "not-proven", "not-personal", "cancelled", "unsaid", "odd"} {
		text := notices.Outcome(notices.French, code, "")
		look(code, text.What+" "+text.Do)
	}
}
