package web

import (
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/fleet/people"
)

// Server is the console. House and People are required.
type Server struct {
	House    *access.House
	People   *people.People
	OIDC     *oidc.Provider // nil: logins and passwords only. It sends browsers back to /oidc/callback
	OIDCName string         // of the provider, on its button
	Log      *slog.Logger   // nil: none
	Now      func() time.Time
	Zone     *time.Location // of the times on pages; nil: the server's

	// MenuHash makes of a passphrase, as it is typed on a keyboard ("fr" or "us"), the lines that a room's start menu keeps.
	// Its errors are for people. nil: passphrases are not set from the console.
	MenuHash func(passphrase, keyboard string) ([]string, error)
}

// console is a Server with what it has made ready.
type console struct {
	Server
	assets    assets
	templates map[string]*templates // by language
	stream    *stream
}

// Handler returns the console. It serves until ctx ends: then the streams of its pages end.
func (s *Server) Handler(ctx context.Context) (http.Handler, error) {
	c := &console{Server: *s}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if c.templates, err = c.loadTemplates(); err != nil {
		return nil, err
	}
	c.stream = newStream(ctx, c)
	mux := http.NewServeMux()
	mux.Handle("GET /static/", c.assets)
	for _, r := range c.routes() {
		mux.Handle(r.pattern, c.serve(r))
	}
	mux.Handle("/", c.serve(route{open: true, handle: func(v *visit) error { return v.fail(http.StatusNotFound, nil) }}))
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(c.serve(route{open: true, handle: func(v *visit) error {
		return v.tell(http.StatusForbidden, v.say("error.403"), v.say("error.403.origin"))
	}}))
	return c.guard(origin.Handler(mux)), nil
}

// policy lets a page run and show nothing but files of this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard adds what every answer says, and keeps a page that panics from ending more than itself. The log names routes, never
// paths: those of first administrators, invitations and labels are secrets.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				c.Log.Error("a page panicked", "route", r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				http.Error(w, "500", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// maxForm is the most that a form sends, in bytes; a file with computers is the largest.
const maxForm = 8 << 20

// serve opens the door to a page: who is it, may they.
func (c *console) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v := c.visit(w, r)
		if !rt.open && !v.signedIn {
			v.askToSignIn()
			return
		}
		if !rt.open && !mayAnywhere(v.Caller, rt.action) {
			v.must(v.fail(http.StatusForbidden, nil))
			return
		}
		if err := rt.handle(v); err != nil {
			e := access.ErrorOf(err)
			if e.Status >= 500 && r.Context().Err() == nil {
				c.Log.Error("a page went wrong", "route", r.Pattern, "error", err)
			}
			v.must(v.fail(e.Status, e))
		}
	})
}

// must logs what went wrong while an error was told: there is no page left to say it on.
func (v *visit) must(err error) {
	if err != nil {
		v.c.Log.Error("telling an error", "route", v.r.Pattern, "error", err)
		http.Error(v.w, "500", http.StatusInternalServerError)
	}
}

// addressOf is the network address of a browser, without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// icon points at a drawing of static/icons.svg.
func (c *console) icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` + c.assets.url["icons.svg"] + `#` +
		template.HTMLEscapeString(name) + `"/></svg>`)
}
