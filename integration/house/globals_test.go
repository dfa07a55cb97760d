package house

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A package-level variable is allowed where nothing can change it: an error, an embedded file, a compiled regular
// expression, a table that no statement of its package writes to, a claim that a type fulfils an interface.
func TestNoMutablePackageVariables(t *testing.T) {
	byDir := map[string][]source{}
	for _, s := range sources(t) {
		if !s.IsTest() {
			byDir[filepath.Dir(s.Path)] = append(byDir[filepath.Dir(s.Path)], s)
		}
	}
	const why = "a variable that all users of a package share ties them together and makes tests depend on their order; " +
		"make it a field"
	for _, files := range byDir {
		written := writtenNames(files)
		for _, s := range files {
			for _, v := range packageVars(s) {
				switch {
				case v.name == "_" || v.embedded:
				case v.empty:
					t.Errorf("%s:%d: var %s has no value yet, so somebody must change it: %s", s.Path, v.line, v.name, why)
				case v.sync:
					t.Errorf("%s:%d: var %s holds a lock, pool or counter: %s", s.Path, v.line, v.name, why)
				case written[v.name]:
					t.Errorf("%s:%d: var %s is written to: %s", s.Path, v.line, v.name, why)
				}
			}
		}
	}
}

// packageVar is one variable declared at package level.
type packageVar struct {
	name     string
	line     int
	embedded bool // by go:embed
	empty    bool // declared without a value
	sync     bool // of a type of package sync or sync/atomic that has state
}

// packageVars lists the package-level variables of a file.
func packageVars(s source) []packageVar {
	var all []packageVar
	for _, decl := range s.File.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			sp := spec.(*ast.ValueSpec)
			for i, name := range sp.Names {
				v := packageVar{name: name.Name, line: s.Line(name), embedded: embeds(g.Doc) || embeds(sp.Doc)}
				v.empty = len(sp.Values) == 0
				if i < len(sp.Values) {
					v.sync = hasState(sp.Values[i])
				}
				all = append(all, v)
			}
		}
	}
	return all
}

// embeds tells whether a comment group holds a go:embed directive.
func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// hasState tells whether a value is a literal of sync.X or atomic.X. The values of sync.OnceValue are constants that
// are computed late, so calls are not meant.
func hasState(value ast.Expr) bool {
	if u, ok := value.(*ast.UnaryExpr); ok {
		value = u.X
	}
	literal, ok := value.(*ast.CompositeLit)
	if !ok {
		return false
	}
	sel, ok := literal.Type.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && (pkg.Name == "sync" || pkg.Name == "atomic")
}

// writtenNames collects the package-level names that some statement assigns to, counts up or takes the address of.
func writtenNames(files []source) map[string]bool {
	written := map[string]bool{}
	for _, s := range files {
		outer := outerSpecs(s.File)
		mark := func(e ast.Expr) {
			// The parser's resolution inside one file is enough here, and go/types would cost seconds
			if id := target(e); id != nil && (id.Obj == nil || outer[id.Obj.Decl]) {
				written[id.Name] = true
			}
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			switch st := n.(type) {
			case *ast.AssignStmt:
				if st.Tok != token.DEFINE {
					for _, left := range st.Lhs {
						mark(left)
					}
				}
			case *ast.IncDecStmt:
				mark(st.X)
			case *ast.UnaryExpr:
				if st.Op == token.AND {
					mark(st.X)
				}
			}
			return true
		})
	}
	return written
}

// outerSpecs returns the declarations of a file that stand outside functions.
func outerSpecs(file *ast.File) map[any]bool {
	outer := map[any]bool{}
	for _, decl := range file.Decls {
		if g, ok := decl.(*ast.GenDecl); ok {
			for _, spec := range g.Specs {
				outer[spec] = true
			}
		}
	}
	return outer
}

// target finds the variable that an expression on the left of an assignment writes into; nil if it is none.
func target(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			return x
		default:
			return nil
		}
	}
}
