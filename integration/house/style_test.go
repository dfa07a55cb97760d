package house

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The limits of DESIGN.md sections 4 and 12.
const (
	maxFileLines     = 600
	maxFunctionLines = 80
	maxMethods       = 3
)

func TestPackagesHaveAComment(t *testing.T) {
	commented := map[string]bool{}
	for _, s := range sources(t) {
		if s.IsTest() || s.File.Doc == nil {
			continue
		}
		dir := filepath.Dir(s.Path)
		if len(strings.Fields(s.File.Doc.Text())) < 6 {
			continue
		}
		if commented[dir] {
			t.Errorf("%s: a second package comment: what a package is for is said once, in its doc.go", s.Path)
		}
		commented[dir] = true
	}
	for _, p := range packages(t) {
		if !commented[p.Room()] {
			t.Errorf("%s has no package comment: a reader must learn from its doc.go what the package is for, from which "+
				"sources, and what it guarantees", p.ImportPath)
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared"}
	for _, p := range packages(t) {
		last := p.Room()[strings.LastIndexByte(p.Room(), '/')+1:]
		if slices.Contains(banned, p.Name) || slices.Contains(banned, last) {
			t.Errorf("%s: a package named %s says nothing of what is inside and attracts everything: name it for what it "+
				"provides", p.ImportPath, p.Name)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.Generated() {
			continue
		}
		if s.Lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: one file, one step of the protocol or one entity; split it by that",
				s.Path, s.Lines, maxFileLines)
		}
		for _, decl := range s.File.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := s.Span(f)
			if s.IsTest() {
				lines -= tableLines(s, f) // a table of cases is read row by row, not as one thought
			}
			if lines > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines, more than %d: what does not fit a screen is not checked by a reader; "+
					"give its steps names", s.Path, s.Line(f), f.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

// tableLines counts the lines that composite literals of a function cover.
func tableLines(s source, f *ast.FuncDecl) int {
	lines := 0
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if literal, ok := n.(*ast.CompositeLit); ok {
			lines += s.Span(literal) - 1
			return false
		}
		return true
	})
	return lines
}

func TestExportedNamesAreExplained(t *testing.T) {
	for _, s := range sources(t) {
		if s.IsTest() || s.Generated() {
			continue
		}
		for _, decl := range s.File.Decls {
			for _, name := range unexplained(decl) {
				t.Errorf("%s:%d: %s is exported without a comment: say what it is, in which units, with which errors and "+
					"from which source", s.Path, s.Line(decl), name)
			}
		}
	}
}

// unexplained returns the exported names of a declaration that have no comment.
func unexplained(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && receiverExported(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			names = append(names, unexplainedSpec(d, spec)...)
		}
		return names
	}
	return nil
}

// unexplainedSpec does it for one line of a declaration. A comment over a group explains its constants and variables,
// as those of one kind usually are declared.
func unexplainedSpec(d *ast.GenDecl, spec ast.Spec) []string {
	var names []string
	switch sp := spec.(type) {
	case *ast.TypeSpec:
		if sp.Name.IsExported() && d.Doc == nil && sp.Doc == nil {
			names = append(names, sp.Name.Name)
		}
	case *ast.ValueSpec:
		if d.Doc != nil || sp.Doc != nil || sp.Comment != nil {
			return nil
		}
		for _, n := range sp.Names {
			if n.IsExported() {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// receiverExported tells whether a method belongs to an exported type; true for a plain function.
func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return true
	}
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = exported || id.IsExported()
			return false
		}
		_, index := n.(*ast.IndexExpr)
		return !index || !exported
	})
	return exported
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.File, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			face, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			methods := 0
			for _, m := range face.Methods.List {
				methods += len(m.Names)
			}
			if methods > maxMethods {
				t.Errorf("%s:%d: interface %s has %d methods, more than %d: declare only what this consumer calls, or split "+
					"it by consumer", s.Path, s.Line(spec), spec.Name.Name, methods, maxMethods)
			}
			return true
		})
	}
}

func TestNothingRunsByImport(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.File.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s:%d: init() runs because somebody imports the package, in an order nobody sees: do it in a "+
					"constructor that main calls", s.Path, s.Line(f))
			}
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.IMPORT {
				continue
			}
			for _, spec := range g.Specs {
				imp := spec.(*ast.ImportSpec)
				path := strings.Trim(imp.Path.Value, `"`)
				if imp.Name != nil && imp.Name.Name == "_" && strings.HasPrefix(path, module) {
					t.Errorf("%s:%d: imports %s for its effects: registries by import hide what is wired; wire it in cmd",
						s.Path, s.Line(imp), path)
				}
			}
		}
	}
}

func TestErrorsNameTheDoing(t *testing.T) {
	vague := regexp.MustCompile(`(?i)^"(failed to|unable to|could not|error (while|when|in|during)) `)
	for _, s := range sources(t) {
		if s.IsTest() {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			text, ok := call.Args[0].(*ast.BasicLit)
			if fun, isSel := call.Fun.(*ast.SelectorExpr); !ok || !isSel || (fun.Sel.Name != "Errorf" && fun.Sel.Name != "New") {
				return true
			}
			if vague.MatchString(text.Value) {
				t.Errorf("%s:%d: %s: chains of \"failed to\" say nothing; name the doing: \"reading pack 17: ...\"",
					s.Path, s.Line(text), text.Value)
			}
			return true
		})
	}
}
