package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/ardoise/ardoise"

// listed is what the house asks of `go list` about a package.
type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// Room returns the path of the package inside the module: "imaging/disk", "" for the root.
func (p listed) Room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// source is one parsed Go file of the module.
type source struct {
	Path  string // from the root of the module
	Fset  *token.FileSet
	File  *ast.File
	Lines int
}

// IsTest tells whether the file belongs to the tests of its package.
func (s source) IsTest() bool { return strings.HasSuffix(s.Path, "_test.go") }

// Generated tells whether the file says of itself that a program wrote it.
func (s source) Generated() bool { return ast.IsGenerated(s.File) }

// Span returns how many lines a node covers.
func (s source) Span(n ast.Node) int {
	return s.Fset.Position(n.End()).Line - s.Fset.Position(n.Pos()).Line + 1
}

// Line returns the line that a node starts on.
func (s source) Line(n ast.Node) int { return s.Fset.Position(n.Pos()).Line }

// root is the folder that holds go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the root of the module: %v", err)
	}
	return dir
}

// loadPackages asks `go list` once for all tests.
var loadPackages = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + ": " + complaints.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// packages returns the packages of the module.
func packages(t *testing.T) []listed {
	t.Helper()
	all, err := loadPackages()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages: the house is not where this test looks", len(all))
	}
	return all
}

// loadSources parses every Go file once for all tests.
var loadSources = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := walk("../..", func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path, fset, file, bytes.Count(text, []byte("\n"))})
		return nil
	})
	return all, err
})

// sources returns the Go files of the module.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := loadSources()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// walk calls visit with the path, from the root, of every file that belongs to the project: neither what git keeps nor
// what a build left, and no test data.
func walk(root string, visit func(path string) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // an editor's or a test's temporary file that is gone already
			}
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if rel == ".git" || rel == "build" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return visit(rel)
	})
}
