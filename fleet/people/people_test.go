package people_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"

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

func TestWhatIsWrittenOfAPersonIsChecked(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "taken", Role: people.Reader})
	long := string(make([]byte, 300))
	for name, tt := range map[string]struct {
		person people.Person
		code   people.Code
		field  string
	}{
		"no login":                 {people.Person{Name: "x", Role: people.Reader}, people.CodeBadLogin, "login"},
		"a login with a space":     {people.Person{Login: "a b", Name: "x", Role: people.Reader}, people.CodeBadLogin, "login"},
		"a login that turns":       {people.Person{Login: "ma\u202erie", Name: "x", Role: people.Reader}, people.CodeBadLogin, "login"},
		"a login of code":          {people.Person{Login: "<script>", Name: "x", Role: people.Reader}, people.CodeBadLogin, "login"},
		"a login that is long":     {people.Person{Login: long, Name: "x", Role: people.Reader}, people.CodeBadLogin, "login"},
		"somebody else's login":    {people.Person{Login: "TAKEN", Name: "x", Role: people.Reader}, people.CodeLoginTaken, "login"},
		"no name":                  {people.Person{Login: "ab", Name: "  ", Role: people.Reader}, people.CodeBadName, "name"},
		"a name that turns":        {people.Person{Login: "ab", Name: "a\u202eb", Role: people.Reader}, people.CodeBadName, "name"},
		"a name that is long":      {people.Person{Login: "ab", Name: strings.Repeat("é", 101), Role: people.Reader}, people.CodeBadName, "name"},
		"a mail that is none":      {people.Person{Login: "ab", Name: "x", Mail: "a@b@c", Role: people.Reader}, people.CodeBadMail, "mail"},
		"a mail with a name":       {people.Person{Login: "ab", Name: "x", Mail: "X <a@b.test>", Role: people.Reader}, people.CodeBadMail, "mail"},
		"a mail with a header":     {people.Person{Login: "ab", Name: "x", Mail: "a@b.test\r\nBcc: c@d.test", Role: people.Reader}, people.CodeBadMail, "mail"},
		"no role":                  {people.Person{Login: "ab", Name: "x"}, people.CodeBadRole, "role"},
		"no such role":             {people.Person{Login: "ab", Name: "x", Role: "root"}, people.CodeBadRole, "role"},
		"the house as a site":      {people.Person{Login: "ab", Name: "x", Role: people.Reader, Sites: []string{people.Whole}}, people.CodeBadRole, "sites"},
		"a technician of rooms":    {people.Person{Login: "ab", Name: "x", Role: people.Technician, Rooms: []string{"S104"}}, people.CodeBadRole, "sites"},
		"a teacher of no room":     {people.Person{Login: "ab", Name: "x", Role: people.Teacher, Rooms: []string{""}}, people.CodeBadRole, "rooms"},
		"a site that does not fit": {people.Person{Login: "ab", Name: "x", Role: people.Reader, Sites: []string{long}}, people.CodeBadRole, "sites"},
	} {
		_, err := h.Add(t.Context(), tt.person, good)
		if r := refused(t, err, tt.code); r.Field != tt.field {
			t.Errorf("%s: the field is %q", name, r.Field)
		}
		if len(err.Error()) > 400 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
	x := h.add(t, people.Person{Login: " Prof.Curie@Lycee ", Name: " <script>Marie\n</script>\u00a0", Role: people.Teacher, Rooms: []string{"zola/S104", " ZOLA/s104 ", "x"},
		Sites: []string{"hugo"}, Hash: "mine", OIDC: "mine", ID: "mine", Provided: true})
	if x.Login != "prof.curie@lycee" || x.Name != "<script>Marie </script>" || len(x.Rooms) != 2 || x.Sites != nil || x.OIDC != "" || x.ID == "mine" || x.Provided {
		t.Errorf("added %+v", x)
	}
	h.start(t)
	if again, err := h.Find("PROF.curie@lycee"); err != nil || again.Hash == "" || again.ID != x.ID {
		t.Errorf("after a restart: %+v, %v", again, err)
	}
	_, err := h.Find("\u202enobody" + long)
	refused(t, err, people.CodeNobody)
}

func TestTheLastAdministratorStays(t *testing.T) {
	h := open(t)
	one := h.add(t, people.Person{Login: "one", Role: people.Administrator})
	ways := map[string]func(ref string) error{
		"removed": func(ref string) error { _, err := h.Remove(t.Context(), ref); return err },
		"demoted": func(ref string) error {
			_, err := h.Change(t.Context(), ref, func(x *people.Person) { x.Role = people.Technician })
			return err
		},
		"disabled": func(ref string) error {
			_, err := h.Change(t.Context(), ref, func(x *people.Person) { x.Disabled = true })
			return err
		},
	}
	for _, do := range ways {
		refused(t, do("one"), people.CodeLastOne)
	}
	// Neither one who was invited and never came, nor one who is disabled, can let anybody in.
	_, err := h.Add(t.Context(), people.Person{Login: "invited", Name: "x", Role: people.Administrator}, "")
	check(t, err)
	h.add(t, people.Person{Login: "disabled", Role: people.Administrator, Disabled: true})
	for _, do := range ways {
		refused(t, do(one.ID), people.CodeLastOne)
	}
	h.add(t, people.Person{Login: "two", Role: people.Administrator})
	check(t, ways["demoted"]("one"))
	refused(t, ways["removed"]("two"), people.CodeLastOne)

	// Two who go at the same time: one stays.
	h.add(t, people.Person{Login: "three", Role: people.Administrator})
	var wait sync.WaitGroup
	for _, login := range []string{"two", "three"} {
		wait.Go(func() { _, _ = h.Remove(context.Background(), login) })
	}
	wait.Wait()
	left := 0
	for _, x := range h.List() {
		if x.Role == people.Administrator && x.CanEnter() {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d administrators are left", left)
	}
}

func TestWhoIsBoundToAPlaceIsNamed(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "tech", Role: people.Technician, Sites: []string{"zola", "hugo"}})
	h.add(t, people.Person{Login: "all", Role: people.Technician})
	h.add(t, people.Person{Login: "prof", Role: people.Teacher, Rooms: []string{"zola/S104"}})
	for _, tt := range []struct{ site, room, want string }{{"ZOLA", "", "tech"}, {"", "Zola/s104", "prof"}, {"hugo", "zola/S104", "prof tech"}, {"", "", ""}} {
		var got []string
		for _, x := range h.Bound(tt.site, tt.room) {
			got = append(got, x.Login)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("bound to %q %q: %v, want %s", tt.site, tt.room, got, tt.want)
		}
	}
}

// failing is a store whose disk is full.
type failing struct {
	people.Store
	full bool
}

func (f *failing) CommitPeople(ctx context.Context, c people.Change) error {
	if f.full {
		return errors.New("the disk is full")
	}
	return f.Store.CommitPeople(ctx, c)
}

func TestAFullDiskChangesNothing(t *testing.T) {
	h := open(t)
	full := &failing{Store: h.store}
	h.use(t, full)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	s := h.login(t, "marie")
	before := h.List()
	full.full = true
	if _, err := h.Add(t.Context(), people.Person{Login: "new", Name: "x", Role: people.Reader}, good); err == nil {
		t.Error("somebody is added")
	}
	if _, err := h.Change(t.Context(), "marie", func(x *people.Person) { x.Name = "Other" }); err == nil {
		t.Error("somebody is changed")
	}
	if err := h.Record(t.Context(), people.Entry{Action: "x"}); err == nil {
		t.Error("an entry is recorded")
	}
	if _, err := h.Login(t.Context(), "marie", good, "192.0.2.1"); err == nil {
		t.Error("somebody logs in whom nothing is known of afterwards")
	}
	if err := h.SetPassword(t.Context(), "marie", "an other password", ""); err == nil {
		t.Error("a password is set")
	}
	h.clock.pass(2 * time.Minute)
	if _, err := h.BySession(t.Context(), s.Token, "192.0.2.1"); err != nil {
		t.Errorf("who is in cannot look: %v", err)
	}
	if d := cmp.Diff(before, h.List()); d != "" {
		t.Errorf("afterwards (-before +after)\n%s", d)
	}
	full.full = false
	check(t, h.Record(t.Context(), people.Entry{Action: "x"}))
	if _, err := h.Verify(t.Context()); err != nil {
		t.Errorf("the log of a full disk: %v", err)
	}
}

// uncertain is a store that keeps what it says it could not keep, as happens when the answer of a commit is lost.
type uncertain struct {
	people.Store
	lose bool
}

func (u *uncertain) CommitPeople(ctx context.Context, c people.Change) error {
	err := u.Store.CommitPeople(ctx, c)
	if u.lose {
		return errors.Join(err, errors.New("nobody knows"))
	}
	return err
}

func TestTheLogGoesOnAfterAnUncertainCommit(t *testing.T) {
	h := open(t)
	u := &uncertain{Store: h.store, lose: true}
	h.use(t, u)
	if err := h.Record(t.Context(), people.Entry{Action: "one"}); err == nil {
		t.Fatal("it is certain")
	}
	u.lose = false
	check(t, h.Record(t.Context(), people.Entry{Action: "two"}))
	if n, err := h.Verify(t.Context()); err != nil || n != 2 {
		t.Errorf("the log has %d entries, %v", n, err)
	}
}
