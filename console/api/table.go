package api

import (
	"context"
	"net/http"
	"regexp"
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
// content type and a sentence.
func stream(t *table, where, summary, contentType string, do func(w http.ResponseWriter, r *http.Request, d access.Desk) error) *huma.Operation {
	op := t.operation(where, summary)
	op.Responses["200"] = &huma.Response{Description: summary, Content: map[string]*huma.MediaType{contentType: {}}}
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.Path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	t.api.OpenAPI().AddOperation(&op)
	t.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r, t.s.desk(r.Context())); err != nil {
			t.s.tell(w, r, err)
		}
	})
	return &op
}

// takes describes the body of a stream's request.
func takes(op *huma.Operation, contentType, description string) {
	op.RequestBody = &huma.RequestBody{Description: description, Required: true, Content: map[string]*huma.MediaType{contentType: {}}}
}

// asks describes a query parameter of a stream.
func asks(op *huma.Operation, name, description string) {
	op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: "string"}})
}
