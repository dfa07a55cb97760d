package people_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/sqlite"
)

const good = "trois chats gris dorment"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err is a refusal with that code.
func refused(t testing.TB, err error, code people.Code) *people.RefusedError {
	t.Helper()
	var r *people.RefusedError
	if !errors.As(err, &r) || r.Code != code {
		t.Fatalf("error = %v, want %s", err, code)
	}
	return r
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// house is people over a real store.
type house struct {
	*people.People
	clock *clock
	store people.Store
	path  string
}

// cheap is a cost for tests.
func cheap() *argon2id.Params {
	return &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

func open(t testing.TB) *house {
	t.Helper()
	h := &house{clock: &clock{at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}, path: filepath.Join(t.TempDir(), "a.db")}
	h.start(t)
	return h
}

// start opens the house, as a daemon does that is started again.
func (h *house) start(t testing.TB) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), h.path)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	h.use(t, s)
}

func (h *house) use(t testing.TB, s people.Store) {
	t.Helper()
	p, err := people.Open(t.Context(), people.Options{Store: s, Now: h.clock.now, Cost: cheap()})
	check(t, err)
	h.People, h.store = p, s
}

// add adds somebody whose password is good.
func (h *house) add(t testing.TB, x people.Person) people.Person {
	t.Helper()
	if x.Name == "" {
		x.Name = "Name of " + x.Login
	}
	x, err := h.Add(t.Context(), x, good)
	check(t, err)
	return x
}

func (h *house) login(t testing.TB, login string) people.Session {
	t.Helper()
	s, err := h.Login(t.Context(), login, good, "192.0.2.1")
	check(t, err)
	return s
}

func TestTheFirstAdministratorIsMadeOnceByTheLink(t *testing.T) {
	h := open(t)
	old, needed, err := h.First(t.Context())
	check(t, err)
	if !needed || len(old) != 43 {
		t.Fatalf("First = %q, %v", old, needed)
	}
	h.start(t)
	secret, needed, err := h.First(t.Context())
	check(t, err)
	if !needed || secret == old {
		t.Fatal("a start gives no secret of its own")
	}
	refused(t, h.CheckFirst(old), people.CodeWrongLink)
	refused(t, h.CheckFirst(""), people.CodeWrongLink)
	check(t, h.CheckFirst(secret))

	_, err = h.UseFirst(t.Context(), secret, "marie", "Marie", "short")
	refused(t, err, people.CodeShort)
	for range 200 { // a flood of wrong ones does not stand in the way of the right one
		if h.CheckFirst("wrong") == nil {
			t.Fatal("a wrong link works")
		}
	}
	refused(t, h.CheckFirst("wrong"), people.CodeTooMany)

	var made, late int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, login := range []string{"marie", "jean"} { // two open the same link
		wait.Go(func() {
			_, err := h.UseFirst(context.Background(), secret, login, "Somebody", good)
			mu.Lock()
			defer mu.Unlock()
			var r *people.RefusedError
			switch {
			case err == nil:
				made++
			case errors.As(err, &r) && (r.Code == people.CodeWrongLink || r.Code == people.CodeTooMany):
				late++
			default:
				t.Errorf("the slower one gets %v", err)
			}
		})
	}
	wait.Wait()
	if made != 1 || late != 1 {
		t.Fatalf("%d administrators were made, %d refused", made, late)
	}
	if _, needed, err = h.First(t.Context()); err != nil || needed {
		t.Errorf("with an administrator First = %v, %v", needed, err)
	}
	x := h.List()[0]
	if x.Role != people.Administrator {
		t.Errorf("made %+v", x)
	}
	h.login(t, x.Login)
}

// The link dies when an administrator is made in another way, by the command line.
func TestTheLinkOfTheFirstStartEndsWithAnAdministrator(t *testing.T) {
	h := open(t)
	secret, _, err := h.First(t.Context())
	check(t, err)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	_, err = h.UseFirst(t.Context(), secret, "mallory", "Mallory", good)
	refused(t, err, people.CodeWrongLink)
}
