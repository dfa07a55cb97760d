package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ardoise/ardoise/console/access"
)

// table is where routes are written down, for answering and for the description.
type table struct {
	s       *Server
	mux     *http.ServeMux
	api     huma.API
	failure *huma.Response
}

// reply is an answer of JSON.
type reply[T any] struct{ Body T }

// none is the input of a route that takes none.
type none struct{}

// ByRef is the input of a route about one thing. It is exported, as the next two, since huma fills in no others.
type ByRef struct {
	Ref string `path:"ref" maxLength:"300" doc:"a computer: name, id, code or MAC address; a master: NAME, NAME@VERSION or NAME@CHANNEL"`
}

// ByName is the input of a route about one named thing.
type ByName struct {
	Name string `path:"name" maxLength:"300" doc:"SITE/ROOM is one segment: its slash is sent as %2F"`
}

// ByID is the input of a route about one numbered thing.
type ByID struct {
	ID string `path:"id" maxLength:"64"`
}

// with is the input of a route that takes only a body.
type with[T any] struct{ Body T }

// refWith is the input of a route about one thing, with a body.
type refWith[T any] struct {
	ByRef
	Body T
}

// nameWith is the input of a route about one named thing, with a body.
type nameWith[T any] struct {
	ByName
	Body T
}

// idWith is the input of a route about one numbered thing, with a body.
type idWith[T any] struct {
	ByID
	Body T
}

// operation describes a route: "GET /computers/{ref}".
func (t *table) operation(route, summary string) huma.Operation {
	method, path, _ := strings.Cut(route, " ")
	words := strings.FieldsFunc(strings.ToLower(route), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
	tag, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return huma.Operation{OperationID: strings.Join(words, "-"), Method: method, Path: Prefix + path, Summary: summary, Tags: []string{tag},
		MaxBodyBytes: maxBody, Responses: map[string]*huma.Response{"default": t.failure}}
}

// route adds a route whose body and answer are JSON.
func route[I, O any](t *table, where, summary string, do func(ctx context.Context, d access.Desk, in *I) (O, error)) {
	op := t.operation(where, summary)
	huma.Register(t.api, op, func(ctx context.Context, in *I) (*reply[O], error) {
		out, err := do(ctx, t.s.desk(ctx), in)
		if err != nil {
			return nil, t.s.wire(ctx, where, err)
		}
		return &reply[O]{out}, nil
	})
}

// stream adds a route that reads or writes more than fits in memory, or goes on for long. What it answers is said by its
// content type and a sentence. Query parameters that nobody described are refused, as those of other routes are.
func stream(t *table, where, summary, contentType string, do func(w http.ResponseWriter, r *http.Request, d access.Desk) error) *huma.Operation {
	op := t.operation(where, summary)
	op.Responses["200"] = &huma.Response{Description: summary, Content: map[string]*huma.MediaType{contentType: {Schema: raw(contentType)}}}
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.Path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	t.api.OpenAPI().AddOperation(&op)
	t.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		err := understood(&op, r)
		if err == nil {
			err = do(w, r, t.s.desk(r.Context()))
		}
		if err != nil {
			t.s.tell(w, r, err)
		}
	})
	return &op
}

// understood refuses a stream's query where a parameter is not known, comes twice or cannot have its value: misspelt, it
// would be taken for its default, and what was only to be tried would be done.
func understood(op *huma.Operation, r *http.Request) error {
	for name, values := range r.URL.Query() {
		i := slices.IndexFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
		if i < 0 {
			return access.Bad(fmt.Sprintf("query.%.40q: unknown query parameter", name))
		}
		kind := op.Parameters[i].Schema.Type
		if len(values) > 1 && kind != huma.TypeArray {
			return access.Bad("query." + name + ": it may be given once")
		}
		if _, err := strconv.ParseBool(values[0]); err != nil && kind == huma.TypeBoolean {
			return access.Bad("query." + name + ": it is true or false")
		}
	}
	return nil
}

// isOn is a query parameter that is true or false, of a stream that has understood it.
func isOn(r *http.Request, name string) bool {
	on, err := strconv.ParseBool(r.URL.Query().Get(name))
	return err == nil && on
}

// gives describes what a stream answers, or each of its lines, by a Go type.
func gives[T any](t *table, op *huma.Operation) *huma.Operation {
	for _, c := range op.Responses["200"].Content {
		c.Schema = schemaOf[T](t)
	}
	return op
}

func schemaOf[T any](t *table) *huma.Schema {
	return t.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// raw is the schema of what is no JSON: text, or bytes.
func raw(contentType string) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	if !strings.HasPrefix(contentType, "text/") {
		s.Format = "binary"
	}
	return s
}

// takes describes the body of a stream's request.
func takes(op *huma.Operation, contentType, description string) *huma.MediaType {
	m := &huma.MediaType{Schema: raw(contentType)}
	op.RequestBody = &huma.RequestBody{Description: description, Required: true, Content: map[string]*huma.MediaType{contentType: m}}
	return m
}

// asks describes a query parameter of a stream, of a type of JSON.
func asks(op *huma.Operation, name, kind, description string) {
	s := &huma.Schema{Type: kind}
	if kind == huma.TypeArray {
		s.Items = &huma.Schema{Type: huma.TypeString}
	}
	op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Description: description, Schema: s})
}
