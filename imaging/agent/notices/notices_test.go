package notices_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent/notices"
)

// cp437 is what the kernel's own font shows beyond ASCII, as far as French and the bars need it.
const cp437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥áíóúñÑªº¿¬½¼¡«»░▒▓│┤█▄▌▐▀°·²"

func shown(s string) (rune, bool) {
	for _, r := range s {
		if r >= 0x80 && !strings.ContainsRune(cp437, r) || r < ' ' {
			return r, false
		}
	}
	return 0, true
}

func TestEachNoticeIsWhole(t *testing.T) {
	verbs := regexp.MustCompile(`%[a-z]`)
	bare := regexp.MustCompile(`(?i)\b(error|erreur)\b`)
	seen := map[notices.Code]bool{}
	for _, n := range notices.All() {
		if seen[n.Code] {
			t.Errorf("code %q stands twice", n.Code)
		}
		seen[n.Code] = true
		if fr, en := verbs.FindAllString(n.What.FR, -1), verbs.FindAllString(n.What.EN, -1); strings.Join(fr, "") != strings.Join(en, "") {
			t.Errorf("%s: verbs %v in French, %v in English", n.Code, fr, en)
		}
		if verbs.MatchString(n.Do.FR + n.Do.EN) {
			t.Errorf("%s: what to do takes no arguments", n.Code)
		}
		for _, s := range []string{n.What.FR, n.What.EN, n.Do.FR, n.Do.EN} {
			if len(s) < 5 {
				t.Errorf("%s: sentence %q is missing", n.Code, s)
			}
			if bare.MatchString(s) {
				t.Errorf("%s: %q says error instead of what happened", n.Code, s)
			}
			if r, ok := shown(s); !ok {
				t.Errorf("%s: %q has %q, which the kernel's font cannot show", n.Code, s, r)
			}
		}
	}
	for _, w := range notices.Words() {
		for _, l := range []notices.Lang{notices.French, notices.English} {
			if s := w.In(l); s == string(w) && w != notices.WordLeft {
				t.Errorf("label %q has no text in %s", w, l)
			} else if r, ok := shown(s); !ok {
				t.Errorf("label %q: %q cannot be shown", w, r)
			}
		}
	}
}

// Every constant of type Code must have its notice: a code used anywhere in the agent is one of these constants.
func TestEachCodeHasANotice(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, n := range notices.All() {
		have[string(n.Code)] = true
	}
	count := 0
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil || !have[code] {
			t.Errorf("code %q has no notice", code)
		}
		count++
		return true
	})
	if count != len(have) {
		t.Errorf("%d codes, %d notices", count, len(have))
	}
}

func TestArgumentsCannotMoveTheCursor(t *testing.T) {
	m := notices.Get(notices.NoDisk, "evil\x1b[2Jdisk\r\n\u009b")
	if strings.ContainsAny(m.What.EN+m.What.FR, "\x1b\r\n\u009b") {
		t.Errorf("control characters pass: %q", m.What.EN)
	}
	if long := notices.Get(notices.NoDisk, strings.Repeat("x", 5000)); len(long.What.EN) > 400 {
		t.Errorf("an argument of 5000 characters gives a sentence of %d", len(long.What.EN))
	}
	if m := notices.Get("never-heard-of"); m.Code != notices.Unexpected || !strings.Contains(m.What.EN, "never-heard-of") {
		t.Errorf("an unknown code gives %+v", m)
	}
}
