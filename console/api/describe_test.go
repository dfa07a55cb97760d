package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/api"
)

// text is what the source says of a type and of its fields.
type text struct {
	Text   string            `json:"text,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

const module = "github.com/ardoise/ardoise/"

// source are the packages of this module, read when they are asked for.
type source struct {
	t        *testing.T
	packages map[string][]*ast.File
}

// files are the files of a package; none of one that is not ours.
func (s *source) files(path string) []*ast.File {
	s.t.Helper()
	if all, known := s.packages[path]; known || !strings.HasPrefix(path, module) {
		return all
	}
	names, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(path, module), "*.go"))
	check(s.t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		check(s.t, err)
		s.packages[path] = append(s.packages[path], f)
	}
	return s.packages[path]
}

// constants are the values of a string type, in their order.
func (s *source) constants(t reflect.Type) (out []string) {
	for _, f := range s.files(t.PkgPath()) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, x := range g.Specs {
				v := x.(*ast.ValueSpec)
				if is, ok := v.Type.(*ast.Ident); ok && is.Name == t.Name() {
					for _, value := range v.Values {
						word, err := strconv.Unquote(value.(*ast.BasicLit).Value)
						check(s.t, err)
						out = append(out, word)
					}
				}
			}
		}
	}
	return out
}

// declared is how a type is written down, with its comment; nil when it is not ours.
func (s *source) declared(t reflect.Type) (spec *ast.TypeSpec, comment string) {
	for _, f := range s.files(t.PkgPath()) {
		ast.Inspect(f, func(n ast.Node) bool {
			g, ok := n.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				return true
			}
			for _, x := range g.Specs {
				if ts := x.(*ast.TypeSpec); ts.Name.Name == t.Name() {
					spec, comment = ts, said(g.Doc, ts.Doc)
				}
			}
			return true
		})
	}
	return spec, comment
}

// said joins comments to one line.
func said(all ...*ast.CommentGroup) string {
	var out []string
	for _, c := range all {
		out = append(out, strings.Fields(c.Text())...)
	}
	return strings.Join(out, " ")
}

// tell adds what the source says of a struct's fields, those of structs inside of it included.
func (s *source) tell(t reflect.Type, into map[string]string) {
	spec, _ := s.declared(t)
	if spec == nil {
		return
	}
	body, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range body.Fields.List {
		comment := said(f.Doc, f.Comment)
		for _, name := range f.Names {
			x, ok := t.FieldByName(name.Name)
			if tag := nameOf(x); ok && comment != "" && tag != "-" {
				into[tag] = comment
			}
		}
	}
	for i := range t.NumField() {
		if x := t.Field(i); x.Anonymous && x.Type.Kind() == reflect.Struct {
			s.tell(x.Type, into)
		}
	}
}

// nameOf is a field's name in JSON.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// The description says of each field what the source says of it. `ARDOISE_DESCRIBE=1 go test ./console/api` writes it anew.
func TestFieldsAreDescribed(t *testing.T) {
	s := &source{t: t, packages: map[string][]*ast.File{}}
	want := map[string]text{}
	for name, is := range (&api.Server{}).Types() {
		if is.Kind() != reflect.Struct || is.Name() == "" {
			continue
		}
		x := text{Fields: map[string]string{}}
		_, x.Text = s.declared(is)
		s.tell(is, x.Fields)
		if x.Text != "" || len(x.Fields) > 0 {
			want[name] = x
		}
	}
	if len(want) < 60 {
		t.Fatalf("only %d types are described", len(want))
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	check(t, e.Encode(want))
	if os.Getenv("ARDOISE_DESCRIBE") != "" {
		check(t, os.WriteFile("fields.json", []byte(b.String()), 0o644))
	}
	is, err := fs.ReadFile(os.DirFS("."), "fields.json")
	check(t, err)
	if string(is) != b.String() {
		t.Error("fields.json is not what the source says any more: `ARDOISE_DESCRIBE=1 go test ./console/api` writes it anew")
	}
}

// description is what programs read of the API.
type description struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

type operation struct {
	Parameters  []struct{ Name, In, Description string }
	RequestBody struct {
		Content map[string]struct{ Schema *schema }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema *schema }
	}
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any
	Description string
	Enum        []string
	Properties  map[string]schema
	Items       *schema
}

func descriptionOf(t *testing.T) (out description) {
	t.Helper()
	w := httptest.NewRecorder()
	(&api.Server{Version: "1"}).Handler(nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/openapi.json", nil))
	check(t, json.Unmarshal(w.Body.Bytes(), &out))
	return out
}

// A string type with constants, and a field whose values are few, says which they are, all of them: who writes a program reads no
// source.
func TestValuesAreNamed(t *testing.T) {
	s := &source{t: t, packages: map[string][]*ast.File{}}
	d := descriptionOf(t)
	seen := map[string]bool{}
	for name, is := range (&api.Server{}).Types() {
		if is.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(is) {
			of := f.Type
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Array {
				of = of.Elem()
			}
			p, ok := d.Components.Schemas[name].Properties[nameOf(f)]
			if !ok || of.Kind() != reflect.String || of.PkgPath() == "" {
				continue
			}
			constants := s.constants(of)
			if p.Items != nil {
				p = *p.Items
			}
			slices.Sort(constants)
			slices.Sort(p.Enum)
			if len(constants) > 0 && !slices.Equal(p.Enum, constants) {
				t.Errorf("%s.%s is a %s and has the values %q, want %q", name, nameOf(f), of, p.Enum, constants)
			}
			seen[of.String()] = true
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %v were looked at", seen)
	}
	for where, want := range map[string]int{"Computer.state": 6, "Job.state": 5, "Task.state": 5, "Order.wipe": 4, "Person.role": 4, "TokenRequest.scopes": 8, "Schedule.days": 7,
		"Request.state": 3, "Event.severity": 3, "Check.state": 3, "AuditEntry.result": 3, "JobDiskRule.Bus": 6, "Me.via": 3} {
		name, field, _ := strings.Cut(where, ".")
		p := d.Components.Schemas[name].Properties[field]
		if p.Items != nil {
			p = *p.Items
		}
		if len(p.Enum) != want || slices.Contains(p.Enum, "") {
			t.Errorf("%s has the values %q, want %d", where, p.Enum, want)
		}
	}
	for _, state := range []string{"deploy", "capture", "wipe"} {
		if p := d.Components.Schemas["Order"].Properties["kind"]; !slices.Contains(p.Enum, state) {
			t.Errorf("an order is none of %s", state)
		}
	}
}

// Numbers have a unit, in their name or in what is said of them; what a stream gives, and how it is gone on with, is described.
func TestNumbersHaveUnitsAndStreamsSchemas(t *testing.T) {
	d := descriptionOf(t)
	for where, want := range map[string]string{"Order.countdown": "seconds", "Order.within": "seconds", "Plan.bytes": "master keeps", "Plan.seconds": "estimate", "Summary.rate": "bytes a second",
		"JobDisk.Size": "bytes", "JobNIC.SpeedMbit": "0 when unknown", "Script.limit_seconds": "", "Reception.wire_rate": "bytes"} {
		name, field, _ := strings.Cut(where, ".")
		if p, ok := d.Components.Schemas[name].Properties[field]; !ok || !strings.Contains(p.Description, want) {
			t.Errorf("%s is said to be %q, want %q", where, p.Description, want)
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if method == "parameters" {
				continue
			}
			for status, r := range op.Responses {
				for kind, c := range r.Content {
					if c.Schema == nil || c.Schema.Ref == "" && c.Schema.Type == nil {
						t.Errorf("%s %s answers %s with %s of no schema", method, path, status, kind)
					}
				}
			}
			for kind, c := range op.RequestBody.Content {
				if c.Schema == nil || c.Schema.Ref == "" && c.Schema.Type == nil {
					t.Errorf("%s %s takes %s of no schema", method, path, kind)
				}
			}
		}
	}
	for path, ref := range map[string]string{"post /import": "Imported", "post /computers.csv": "SheetReport", "post /store/{verb}": "StoreLine", "get /jobs/{id}/watch": "Job",
		"get /events/stream": "Event"} {
		method, p, _ := strings.Cut(path, " ")
		for kind, c := range d.Paths[api.Prefix+p][method].Responses["200"].Content {
			if c.Schema.Ref != "#/components/schemas/"+ref {
				t.Errorf("%s answers %s of %+v, want %s", path, kind, c.Schema, ref)
			}
		}
	}
	last := d.Paths[api.Prefix+"/events/stream"]["get"].Parameters
	if !slices.ContainsFunc(last, func(p struct{ Name, In, Description string }) bool {
		return p.Name == "Last-Event-ID" && p.In == "header" && p.Description != ""
	}) {
		t.Errorf("the stream of events is gone on with %+v", last)
	}
}
