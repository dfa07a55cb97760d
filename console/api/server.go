package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/people"
)

// Prefix is what the paths of all routes begin with.
const Prefix = "/api/v1"

// maxBody is the longest body of a request that is read whole, in bytes.
const maxBody = 1 << 20

// Server answers for a house.
type Server struct {
	House   *access.House
	Version string        // of the program, for the description
	Log     *slog.Logger  // nil: none
	Beat    time.Duration // between two signs of life of a stream of events; 0: 15 s
}

func (s *Server) beat() time.Duration {
	if s.Beat > 0 {
		return s.Beat
	}
	return beat
}

// againKey is the key, in a request's context, of what asks again by whom it is.
type againKey struct{}

// callerKey is the key of the caller in a request's context.
type callerKey struct{}

// still tells whether a request is by the same caller, with the same rights, as when it came: he may have logged out, or been
// given another role.
func still(r *http.Request, as people.Caller) bool {
	who, _ := r.Context().Value(againKey{}).(func() (people.Caller, error))
	c, err := who()
	return err == nil && reflect.DeepEqual(c, as)
}

// desk is the desk of who asks.
func (s *Server) desk(ctx context.Context) access.Desk {
	c, _ := ctx.Value(callerKey{}).(people.Caller) // the zero one may do nothing
	return s.House.For(c)
}

// Handler returns all routes. who tells by whom a request is; its error is the answer where nobody may speak.
func (s *Server) Handler(who func(*http.Request) (people.Caller, error)) http.Handler {
	mux, _ := s.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !strings.HasPrefix(r.URL.Path, Prefix+"/") { // the description, which has no secrets
			mux.ServeHTTP(w, r)
			return
		}
		c, err := who(r)
		if err != nil {
			s.tell(w, r, err)
			return
		}
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // what cannot be read of it would be left out
			s.tell(w, r, access.Bad("the query cannot be read"))
			return
		}
		ctx := context.WithValue(r.Context(), callerKey{}, c)
		var asked *http.Request
		ctx = context.WithValue(ctx, againKey{}, func() (people.Caller, error) { return who(asked) })
		asked = r.WithContext(ctx)
		mux.ServeHTTP(w, asked)
	})
}

// routes makes the routes and their description.
func (s *Server) routes() (*http.ServeMux, *huma.OpenAPI) {
	mux := http.NewServeMux()
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{OpenAPI: "3.1.0", Info: &huma.Info{Title: "Ardoise", Version: s.Version, Description: about},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"token":   {Type: "http", Scheme: "bearer", Description: "an API token, ard_..."},
				"session": {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "the console's, from its own pages only"},
			}},
			Security: []map[string][]string{{"token": {}}, {"session": {}}}},
		OpenAPIPath: "/api/openapi", Formats: map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json", RejectUnknownQueryParameters: true, Transformers: []huma.Transformer{ownErrors},
	}
	t := &table{s: s, mux: mux, api: humago.New(mux, config)}
	t.failure = &huma.Response{Description: "refused: code is one of the notices'", Content: map[string]*huma.MediaType{
		"application/json": {Schema: registry.Schema(reflect.TypeFor[access.Error](), true, "")}}}
	for _, part := range []func(*table){computerRoutes, sheetRoutes, roomRoutes, siteRoutes, masterRoutes,
		orderRoutes, scheduleRoutes, requestRoutes, peopleRoutes, accountRoutes, eventRoutes, houseRoutes, lookRoutes} {
		part(t)
	}
	delete(registry.Map(), "HumaErrorModel")             // huma's own, which nobody gets to see
	if err := t.describe(); err != nil && s.Log != nil { // of what is not described everything else goes on
		s.Log.Error("describing the API", "error", err)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.tell(w, r, &access.Error{Status: http.StatusNotFound, Code: "no-route"})
	})
	return mux, t.api.OpenAPI()
}

// schemaName names a type in the description: those of access as they are, others with their package.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]; t.Name() != "" && pkg != "" && pkg != "access" && pkg != "api" {
		if pkg == "v2" {
			pkg = "huma"
		}
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

// ownErrors makes what huma says of a request one of our errors. What was sent is not sent back: it may be a password.
func ownErrors(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	text := []string{e.Detail}
	for _, x := range e.Errors {
		text = append(text, strings.TrimSpace(x.Location+" "+x.Message))
	}
	code := "bad-order"
	if e.Status >= 500 {
		code = "internal"
	}
	return &access.Error{Status: e.Status, Code: code, Detail: strings.Join(text, "; ")}, nil
}

// tell sends an error.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, err error) {
	Refuse(w, s.wire(r.Context(), r.URL.Path, err))
}

// Refuse answers with an error.
func Refuse(w http.ResponseWriter, e *access.Error) {
	b, _ := json.Marshal(e) // strings and numbers only
	challenge(w, e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(b, '\n'))
}

// wire says an error in the words of the wire, and a fault of ours also in the log.
func (s *Server) wire(ctx context.Context, what string, err error) *access.Error {
	e := access.ErrorOf(err)
	if e.Status >= 500 && s.Log != nil && ctx.Err() == nil { // who hung up has broken it off himself
		s.Log.Error("an order went wrong", "what", what, "error", err)
	}
	return e
}
