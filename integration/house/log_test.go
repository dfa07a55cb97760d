package house

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// first is how many arguments of a logger's methods come before its pairs.
func first(method string) (int, bool) {
	switch method {
	case "With":
		return 0, true
	case "Debug", "Info", "Warn", "Error":
		return 1, true
	case "Log":
		return 3, true
	}
	return 0, false
}

// isLog tells whether an expression is a logger: a field or variable named log or Log, or what With makes of one.
func isLog(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name == "log" || x.Name == "Log"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Log"
	case *ast.CallExpr:
		s, ok := x.Fun.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "With" && isLog(s.X)
	}
	return false
}

// keys lists the keys of one call to a logger, and tells whether all of them are written there.
func keys(call *ast.CallExpr) (found []string, plain bool) {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLog(s.X) || call.Ellipsis != token.NoPos {
		return nil, true
	}
	n, ok := first(s.Sel.Name)
	if !ok {
		return nil, true
	}
	for i := n; i < len(call.Args); i += 2 {
		literal, ok := call.Args[i].(*ast.BasicLit)
		if !ok {
			return nil, false
		}
		key, err := strconv.Unquote(literal.Value)
		if err != nil {
			return nil, false
		}
		found = append(found, key)
	}
	return found, true
}

// Who reads logs by a program asks for keys: one thing must have one key everywhere, and the document must list it.
func TestLogsHaveOneVocabulary(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "logs.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		written[m[1]] = true
	}
	used := map[string]bool{}
	for _, s := range sources(t) {
		if s.IsTest() || slices.Contains([]string{"integration", "scripts"}, strings.Split(s.Path, "/")[0]) {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			found, plain := keys(call)
			if !plain {
				t.Errorf("%s:%d: a key of the log is not written where it is used: nobody can search for it", s.Path, s.Line(n))
			}
			for _, key := range found {
				used[key] = true
				if !written[key] {
					t.Errorf("%s:%d: docs/logs.md does not list %q: use the word that is there for this thing, or add it", s.Path, s.Line(n), key)
				}
			}
			return true
		})
	}
	for key := range written {
		if !used[key] {
			t.Errorf("docs/logs.md lists %q, which nothing logs", key)
		}
	}
	if len(used) < 20 {
		t.Errorf("found %d keys", len(used))
	}
}
