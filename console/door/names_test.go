package door_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/door"
)

func TestWhichNamesPeopleComeBy(t *testing.T) {
	var names door.Names
	begun := time.Now()
	served := 0
	h := names.Watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }),
		func(host string) bool { return host == "ardoise" || host == "192.0.2.7" },
		func(r *http.Request) bool { return r.Header.Get("Known") != "" })
	ask := func(host, known string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r.Header.Set("Known", known)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, host := range []string{"ardoise:8443", "ARDOISE", "192.0.2.7:8443", "srv.lycee.example:8443", "SRV.lycee.example.", "10.0.0.1",
		"[2001:db8::1]:8443", "<script>", "a b", "", "-x.example", strings.Repeat("x.", 200)} {
		ask(host, "yes")
	}
	ask("stranger.example", "")
	if got, want := names.Since(begun), []string{"10.0.0.1", "2001:db8::1", "srv.lycee.example"}; !slices.Equal(got, want) {
		t.Errorf("names: %q, want %q", got, want)
	}
	if served != 13 {
		t.Errorf("%d requests were answered, want 13", served)
	}
	for n := range 100 {
		ask(fmt.Sprintf("n%d.example", n), "yes")
	}
	if got := names.Since(begun); len(got) != 16 || !slices.Contains(got, "n99.example") {
		t.Errorf("after many: %q", got)
	}
	if got := names.Since(time.Now().Add(time.Hour)); len(got) != 0 {
		t.Errorf("of the future: %q", got)
	}
}

func FuzzHostOf(f *testing.F) {
	for _, s := range []string{"ardoise:8443", "[::1]:8443", "::1", "a.b.", "[[::1]]", "x:y:z", "fe80::1%eth0", "é.example", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := door.HostOf(s)
		if strings.ContainsAny(got, " <>\"'\n\x00%") || len(got) > 253 || got != strings.ToLower(got) {
			t.Errorf("HostOf(%q) = %q", s, got)
		}
	})
}
