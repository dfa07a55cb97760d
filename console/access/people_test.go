package access_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// office is the administrator's desk in a house with people.
func office(t *testing.T) (access.Desk, *people.People) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := people.Open(t.Context(), people.Options{Store: store,
		Cost: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	if err != nil {
		t.Fatal(err)
	}
	h := &access.House{People: p}
	return h.For(people.Caller{Login: "root", Role: people.Administrator, Via: people.ViaSocket}), p
}

// TestAPersonIsChangedWholeOrNotAtAll: a password that is refused leaves role, name and sessions as they were, and the audit
// log says that nothing was done.
func TestAPersonIsChangedWholeOrNotAtAll(t *testing.T) {
	d, p := office(t)
	if _, err := p.Add(t.Context(), people.Person{Login: "ada", Name: "Ada", Role: people.Administrator}, "trois chats gris dorment"); err != nil {
		t.Fatal(err)
	}
	before, err := p.Add(t.Context(), people.Person{Login: "marie", Name: "Marie", Role: people.Reader}, "quatre mots pour entrer")
	if err != nil {
		t.Fatal(err)
	}
	session, err := p.Login(t.Context(), "marie", "quatre mots pour entrer", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if before, err = p.Find("marie"); err != nil {
		t.Fatal(err)
	}
	role, name, login := string(people.Administrator), "Marie C.", "curie-sklodowska"
	for what, c := range map[string]access.PersonChange{
		"too short":                  {Role: &role, Name: &name, Password: ptr("court")},
		"empty":                      {Role: &role, Password: ptr("")},
		"known to all":               {Name: &name, Password: ptr("motdepasse123")},
		"the login that she gets":    {Login: &login, Password: ptr("curie-sklodowska1")},
		"good, and the role is none": {Role: ptr("god"), Password: ptr("cinq mots pour entrer ici")},
		"good, and the login is ada's": {Login: ptr("ada"), Name: &name,
			Password: ptr("cinq mots pour entrer ici")},
	} {
		_, err := d.SetPerson(t.Context(), "marie", c)
		if err == nil {
			t.Fatalf("%s: it was changed", what)
		}
		after, err := p.Find(before.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: she was changed: %s", what, diff)
		}
		entries, err := p.Entries(t.Context(), people.AuditQuery{Limit: 1})
		if err != nil || len(entries) != 1 || entries[0].Action != "person set" || entries[0].What != "marie" || entries[0].Result != access.Refused {
			t.Errorf("%s: the audit log says %+v, %v", what, entries, err)
		}
	}
	if _, err := p.BySession(t.Context(), session.Token, "192.0.2.1"); err != nil {
		t.Errorf("her session ended though nothing was changed: %v", err)
	}

	got, err := d.SetPerson(t.Context(), "marie", access.PersonChange{Name: &name, Login: &login, Password: ptr("cinq mots pour entrer ici")})
	if err != nil || got.Name != name || got.Login != login {
		t.Fatalf("SetPerson = %+v, %v", got, err)
	}
	var refused *people.RefusedError
	if _, err := p.BySession(t.Context(), session.Token, "192.0.2.1"); !errors.As(err, &refused) || refused.Code != people.CodeNoSession {
		t.Errorf("her session outlives her password: %v", err)
	}
	if _, err := p.Login(t.Context(), login, "cinq mots pour entrer ici", "192.0.2.1"); err != nil {
		t.Errorf("she cannot log in with what she was given: %v", err)
	}
}

// TestWhoWasApprovedBesideOthersIsWrittenDown: of several codes one is wrong; the log tells who was enrolled all the same.
func TestWhoWasApprovedBesideOthersIsWrittenDown(t *testing.T) {
	d, p := office(t)
	f, err := fleet.Open(t.Context(), fleet.Options{Store: forgetful{}, Signer: nobodysKey{}})
	if err != nil {
		t.Fatal(err)
	}
	d = (&access.House{People: p, Fleet: f}).For(d.Caller())
	w, err := f.Hello(t.Context(), fleet.Introduction{Key: "k", Address: "192.0.2.1", Hello: job.Hello{MAC: "52:54:00:11:22:33"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.ApproveAll(t.Context(), []access.Approve{{Code: w.Code, Name: "pc1"}, {Code: "000000x"}})
	if err == nil || len(out) != 1 || out[0].Name != "pc1" {
		t.Fatalf("ApproveAll = %+v, %v", out, err)
	}
	entries, err := p.Entries(t.Context(), people.AuditQuery{Limit: 2})
	if err != nil || len(entries) != 2 || entries[0].Result != access.Refused || entries[0].What != "others: 1" ||
		entries[1].Result != access.Done || entries[1].What != "pc1" {
		t.Errorf("the audit log says %+v, %v", entries, err)
	}
}

// forgetful keeps nothing.
type forgetful struct{}

func (forgetful) Load(context.Context) (fleet.Snapshot, error)                    { return fleet.Snapshot{}, nil }
func (forgetful) Commit(context.Context, fleet.Change) error                      { return nil }
func (forgetful) Events(context.Context, fleet.EventQuery) ([]fleet.Event, error) { return nil, nil }

func ptr(s string) *string { return &s }
