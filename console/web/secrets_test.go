package web

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What goes wrong behind a link that is a secret is in the log, and the secret is not.
func TestNoSecretOfALinkIsInTheLog(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	var log bytes.Buffer
	c := &console{Server: Server{House: s.house, People: s.people, Now: func() time.Time { return s.now }, Zone: time.UTC,
		Log: slog.New(slog.NewTextHandler(&log, nil))}}
	var err error
	if c.assets, err = loadAssets(); err != nil {
		t.Fatal(err)
	}
	if c.templates, err = c.loadTemplates(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /first/{secret}", c.serve(route{open: true, handle: func(*visit) error { return errors.New("the disk is full") }}))
	mux.Handle("GET /invite/{secret}", c.serve(route{open: true, handle: func(*visit) error { panic("boo") }}))
	mux.Handle("GET /l/{code}", c.serve(route{open: true, handle: func(v *visit) error { v.must(errors.New("no page left")); return nil }}))
	for route, said := range map[string]string{"first": "the disk is full", "invite": "boo", "l": "no page left"} {
		log.Reset()
		c.guard(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+route+"/xyzzy123", nil))
		if got := log.String(); !strings.Contains(got, said) || !strings.Contains(got, "/"+route+"/{") || strings.Contains(got, "xyzzy123") {
			t.Errorf("the log of /%s/: %s", route, got)
		}
	}
}
