package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// answers are what the control channel said.
type answers struct {
	mu  sync.Mutex
	all []client.SessionAnswer
}

func (a *answers) note(s client.SessionAnswer) {
	a.mu.Lock()
	a.all = append(a.all, s)
	a.mu.Unlock()
}

func TestTheWayToASessionIsProvenAndWatched(t *testing.T) {
	s := agenttest.New()
	var asked []string
	s.Session = func(w http.ResponseWriter, r *http.Request, key, id string) {
		asked = append(asked, id+r.URL.Path)
		switch r.URL.Path {
		case "/join":
			_, _ = io.WriteString(w, "welcome")
		case "/report":
			http.Error(w, " not yours\n", http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"Code":"no-task","Detail":"the task does not run"}`)
		}
	}
	var lost, found int
	c := start(t, s, client.Options{Lost: func(error) { lost++ }, Found: func() { found++ }})
	var said answers
	web, url, err := c.Session("s-1", said.note)
	if err != nil {
		t.Fatal(err)
	}
	post := func(route string) (int, string, error) {
		a, err := web.Post(url+route, "application/json", strings.NewReader("{}"))
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = a.Body.Close() }()
		b, err := io.ReadAll(a.Body)
		return a.StatusCode, string(b), err
	}
	for route, want := range map[string]string{"/join": "welcome", "/report": " not yours\n\n", "/symbols": `{"Code":"no-task","Detail":"the task does not run"}`} {
		if _, body, err := post(route); err != nil || body != want {
			t.Errorf("%s: %q, %v", route, body, err)
		}
	}
	if len(asked) != 3 || !strings.HasPrefix(asked[0], "s-1/") {
		t.Errorf("asked %q", asked)
	}
	for _, a := range said.all {
		switch a {
		case client.SessionAnswer{Route: "join", Status: 200}, client.SessionAnswer{Route: "report", Status: 403, Reason: "not yours"},
			client.SessionAnswer{Route: "symbols", Status: 409, Reason: "the task does not run"}:
		default:
			t.Errorf("told of %+v", a)
		}
	}
	s.Down.Store(true)
	for range 2 {
		if _, _, err := post("/join"); err == nil {
			t.Error("a server that is down answers")
		}
	}
	s.Down.Store(false)
	if _, _, err := post("/join"); err != nil || lost != 1 || found != 1 {
		t.Errorf("lost %d times, found %d times, %v", lost, found, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/status", nil)
	if _, err := web.Do(r); !errors.Is(err, context.Canceled) || lost != 1 {
		t.Errorf("a request that we ended: %v, lost %d times", err, lost)
	}
}

func TestAStrangersSessionIsNotTalkedTo(t *testing.T) {
	s := agenttest.New()
	s.Session = func(http.ResponseWriter, *http.Request, string, string) { t.Error("a stranger was asked") }
	c := start(t, s, client.Options{Fingerprint: agenttest.NewAuthority().Fingerprint()})
	web, url, err := c.Session("s1", func(client.SessionAnswer) {})
	if err != nil {
		t.Fatal(err)
	}
	var unproven *client.UnprovenError
	if _, err := web.Get(url + "/status"); !errors.As(err, &unproven) {
		t.Errorf("got %v", err)
	}
}

func TestSessionIDs(t *testing.T) {
	c, err := client.New(client.Options{Server: "localhost:1"})
	if err != nil {
		t.Fatal(err)
	}
	for id, good := range map[string]bool{"s1": true, "7-Ab": true, strings.Repeat("x", 64): true, "": false, strings.Repeat("x", 65): false,
		"..": false, "a/b": false, "a?b": false, "é": false, "a b": false} {
		_, url, err := c.Session(id, nil)
		if (err == nil) != good || good && url != "https://localhost:1"+job.PathSession+id {
			t.Errorf("%q: %q, %v", id, url, err)
		}
	}
}
