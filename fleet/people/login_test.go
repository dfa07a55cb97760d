package people_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/ardoise/ardoise/fleet/people"
)

func TestPasswordsThatEverybodyTriesAreRefused(t *testing.T) {
	for password, code := range map[string]people.Code{
		"":                           people.CodeShort,
		"elevencharS":                people.CodeShort,
		"ééééééééééé":                people.CodeShort, // 22 bytes
		strings.Repeat("abcdé", 60):  people.CodeLong,
		strings.Repeat("\xff", 2000): people.CodeLong,
		"aaaaaaaaaaaaaaaaaa":         people.CodeCommon,
		"ababababababab":             people.CodeCommon,
		"123456789012":               people.CodeCommon,
		"administrateur":             people.CodeCommon,
		"Administrateur2026!":        people.CodeCommon,
		"!!MotDePasse123":            people.CodeCommon,
		"azertyuiopqs":               people.CodeCommon,
		"ardoiseardoise":             people.CodeCommon,
		"curie1234567":               people.CodeLikeLogin,
		"CURIE-2026-!":               people.CodeLikeLogin,
		"marie sklodowska curie":     people.CodeLikeLogin,
	} {
		refused(t, people.CheckPassword(password, "curie", "Marie Sklodowska Curie"), code)
	}
	for _, password := range []string{good, "correct cheval pile agrafe", "curie a trouvé le radium", "Ö9!xk2#mQp7_", strings.Repeat("ab cd é", 30)} {
		if err := people.CheckPassword(password, "curie", "Marie Curie"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestWrongLoginsAreAllAnsweredTheSame(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Reader})
	h.add(t, people.Person{Login: "gone", Role: people.Reader, Disabled: true})
	_, err := h.Add(t.Context(), people.Person{Login: "invited", Name: "x", Role: people.Reader}, "")
	check(t, err)
	for i, tt := range [][2]string{{"marie", "wrong"}, {"nobody", good}, {"gone", good}, {"invited", ""}, {"invited", "of nobody at all"}, {"nobody", "of nobody at all"}, {"", ""},
		{"marie", good + " "}, {"marie", strings.Repeat("x", 1<<20)}, {strings.Repeat("marie", 1<<16), good}, {"\u202e' OR 1=1 --", good}} {
		_, err := h.Login(t.Context(), tt[0], tt[1], fmt.Sprintf("192.0.2.%d", i+1))
		if r := refused(t, err, people.CodeWrong); r.What != "" || r.Field != "" {
			t.Errorf("%.20q is answered %+v", tt[0], r)
		}
	}
	if x := h.login(t, " Marie "); x.Person.Login != "marie" || len(x.Token) != 43 {
		t.Errorf("logged in: %+v", x)
	}
}

// An unknown login costs what a wrong password costs: the memory of one hash, which the runtime counts.
func TestUnknownLoginsCostAHashAsWell(t *testing.T) {
	h := open(t)
	const memory = 8 << 20
	p, err := people.Open(t.Context(), people.Options{Store: h.store, Now: h.clock.now,
		Cost: &argon2id.Params{Memory: memory >> 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	check(t, err)
	add := func(x people.Person, password string) {
		x.Name, x.Role = "x", people.Reader
		_, err := p.Add(t.Context(), x, password)
		check(t, err)
	}
	add(people.Person{Login: "marie"}, good)
	add(people.Person{Login: "gone", Disabled: true}, good)
	add(people.Person{Login: "invited"}, "")
	for _, login := range []string{"marie", "nobody", "gone", "invited"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := p.Login(t.Context(), login, "not this password", "192.0.2.1")
		runtime.ReadMemStats(&after)
		refused(t, err, people.CodeWrong)
		if cost := after.TotalAlloc - before.TotalAlloc; cost < memory || cost > memory*3/2 {
			t.Errorf("the login %s cost %d bytes", login, cost)
		}
	}
}

// A flood of logins at the cost of real passwords is refused instead of eating the memory of a small box.
func TestAFloodOfLoginsDoesNotEatTheMemory(t *testing.T) {
	h := open(t)
	p, err := people.Open(t.Context(), people.Options{Store: h.store, Now: h.clock.now})
	check(t, err)
	var mu sync.Mutex
	var wait sync.WaitGroup
	codes := map[people.Code]int{}
	for i := range 400 {
		wait.Go(func() {
			_, err := p.Login(context.Background(), "nobody", "not this password", fmt.Sprintf("10.0.%d.%d", i/200, i%200))
			var r *people.RefusedError
			if !errors.As(err, &r) {
				t.Errorf("answer: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			codes[r.Code]++
		})
	}
	wait.Wait()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if codes[people.CodeBusy] < 300 || codes[people.CodeWrong] == 0 || codes[people.CodeBusy]+codes[people.CodeWrong] != 400 {
		t.Errorf("the answers: %v", codes)
	}
	if m.HeapSys > 256<<20 {
		t.Errorf("the flood took %d MiB", m.HeapSys>>20)
	}
	t.Logf("%v, heap %d MiB", codes, m.HeapSys>>20)
}

// Wrong passwords slow who tries, at the login and the address where he tries, for a minute at most; nobody else.
func TestGuessingIsSlowedAndLocksNobodyOut(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	var waits []time.Duration
	for range 40 {
		_, err := h.Login(t.Context(), "marie", "wrong", "192.0.2.66")
		var r *people.RefusedError
		if !errors.As(err, &r) {
			t.Fatal(err)
		}
		if r.Code == people.CodeTooMany {
			waits = append(waits, r.Wait)
			h.clock.pass(r.Wait)
		}
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if waits[i] != want*time.Second {
			t.Fatalf("the pauses are %v", waits)
		}
	}
	// In the middle of a pause even the right password waits there, and tries prolong nothing; from elsewhere it goes.
	_, err := h.Login(t.Context(), "marie", "wrong", "192.0.2.66")
	refused(t, err, people.CodeWrong)
	for range 1000 {
		_, err = h.Login(t.Context(), "marie", good, "192.0.2.66")
		refused(t, err, people.CodeTooMany)
	}
	if _, err = h.Login(t.Context(), "marie", good, "192.0.2.7"); err != nil {
		t.Errorf("from another address: %v", err)
	}
	h.clock.pass(time.Minute)
	if _, err = h.Login(t.Context(), "marie", good, "192.0.2.66"); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	_, err = h.Login(t.Context(), "marie", "wrong", "192.0.2.66")
	refused(t, err, people.CodeWrong)
	if _, err = h.Login(t.Context(), "marie", good, "192.0.2.66"); err != nil {
		t.Errorf("the right password has not ended the count: %v", err)
	}
}

func TestOneAddressHasARateHoweverManyLoginsItTries(t *testing.T) {
	h := open(t)
	for _, addresses := range [][2]string{{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8::1", "2001:db8::2"}, {"2001:db8:1::1", "[2001:db8:1::2%eth0]:443"}, {"pipe", "pipe"}} {
		tried := 0
		for i := range 100 {
			_, err := h.Login(t.Context(), fmt.Sprint("login", i), "x", addresses[i%2])
			var r *people.RefusedError
			if errors.As(err, &r) && r.Code == people.CodeTooMany {
				break
			}
			tried++
		}
		if tried != 30 {
			t.Errorf("%v: %d tries at once", addresses, tried)
		}
	}
	h.clock.pass(2 * time.Second)
	_, err := h.Login(t.Context(), "a-login", "x", "192.0.2.1")
	refused(t, err, people.CodeWrong)
	_, err = h.Login(t.Context(), "a-login", "x", "192.0.2.1")
	refused(t, err, people.CodeTooMany)
}

// Who has logged in from an address is not kept out of it by his neighbours in its network, who have the same /64.
func TestNeighboursDoNotKeepOutWhoIsKnown(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	const hers = "2001:db8::1"
	_, err := h.Login(t.Context(), "marie", good, hers)
	check(t, err)
	for i := range 300 {
		_, _ = h.Login(t.Context(), "marie", "wrong", fmt.Sprintf("2001:db8::2:%x", i))
		_, _ = h.Login(t.Context(), fmt.Sprint("login", i), "wrong", "2001:db8::3")
	}
	_, err = h.Login(t.Context(), "marie", good, "2001:db8::2")
	refused(t, err, people.CodeTooMany)
	if _, err = h.Login(t.Context(), "marie", good, hers); err != nil {
		t.Errorf("she is kept out: %v", err)
	}
	for range 3 { // which is no way around the pauses
		_, err = h.Login(t.Context(), "marie", "wrong", hers)
		refused(t, err, people.CodeWrong)
	}
	_, err = h.Login(t.Context(), "marie", good, hers)
	refused(t, err, people.CodeTooMany)
	_, err = h.Login(t.Context(), "jean", "wrong", hers)
	refused(t, err, people.CodeTooMany)
}

func TestAPasswordOfAnotherCostIsHashedAnew(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	old, err := h.Find("marie")
	check(t, err)
	h.People, err = people.Open(t.Context(), people.Options{Store: h.store, Now: h.clock.now,
		Cost: &argon2id.Params{Memory: 128, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	check(t, err)
	h.login(t, "marie")
	x, err := h.Find("marie")
	check(t, err)
	if x.Hash == old.Hash || !strings.Contains(x.Hash, "m=128,t=2,p=1") {
		t.Errorf("the hash is %s", x.Hash)
	}
	h.start(t)
	h.login(t, "marie")
}

func TestAnInvitationWorksOnceAndForAWeek(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "root-of-all", Role: people.Administrator})
	x, err := h.Add(t.Context(), people.Person{Login: "marie", Name: "Marie", Role: people.Technician}, "")
	check(t, err)
	old, err := h.Invite(t.Context(), "marie")
	check(t, err)
	secret, err := h.Invite(t.Context(), "marie")
	check(t, err)
	h.start(t)
	for _, wrong := range []string{"", old, secret + "x", x.ID} {
		_, err = h.UseInvitation(t.Context(), wrong, good, "192.0.2.1")
		refused(t, err, people.CodeWrongLink)
	}
	_, err = h.UseInvitation(t.Context(), secret, "marie1234567", "192.0.2.1")
	refused(t, err, people.CodeLikeLogin)
	s, err := h.UseInvitation(t.Context(), secret, good, "192.0.2.1")
	check(t, err)
	if c, err := h.BySession(t.Context(), s.Token, "192.0.2.1"); err != nil || c.Login != "marie" || c.Role != people.Technician {
		t.Errorf("the session is of %+v, %v", c, err)
	}
	_, err = h.UseInvitation(t.Context(), secret, good, "192.0.2.1")
	refused(t, err, people.CodeWrongLink)
	h.login(t, "marie")

	secret, err = h.Invite(t.Context(), "marie")
	check(t, err)
	h.clock.pass(7 * 24 * time.Hour)
	_, err = h.CheckInvitation(secret)
	refused(t, err, people.CodeWrongLink)
	secret, err = h.Invite(t.Context(), "marie")
	check(t, err)
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = true })
	check(t, err)
	_, err = h.UseInvitation(t.Context(), secret, good, "192.0.2.1")
	refused(t, err, people.CodeWrongLink)
	_, err = h.Invite(t.Context(), "nobody")
	refused(t, err, people.CodeNobody)
}

func TestWhoMayComeFromAProvider(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "root-of-all", Mail: "root@lycee.test", Role: people.Administrator})
	_, err := h.Add(t.Context(), people.Person{Login: "marie", Name: "Marie", Mail: "Marie@lycee.test", Role: people.Technician, Sites: []string{"zola"}}, "")
	check(t, err)
	in := func(subject, mail string) (people.Session, error) {
		return h.LoginOIDC(t.Context(), "https://id.example", subject, "m", "M", mail, "192.0.2.1")
	}
	for _, mail := range []string{"", "other@lycee.test", "root@lycee.test"} { // the last has a password: a mail does not open it
		_, err := in("s1", mail)
		refused(t, err, people.CodeNotInvited)
	}
	s, err := in("s1", "marie@LYCEE.test")
	check(t, err)
	if s.Person.Login != "marie" || s.Person.Role != people.Technician {
		t.Errorf("logged in %+v", s.Person)
	}
	if _, err = in("s1", ""); err != nil { // known from now on, whatever the mail
		t.Error(err)
	}
	_, err = in("s2", "marie@lycee.test") // the mail is given to somebody else
	refused(t, err, people.CodeNotInvited)
	for _, tt := range [][2]string{{"", "s1"}, {"https://id.example", ""}, {"https://evil.example", "s1"}, {"https://id.example s1", "x"}, {"https://id.example", strings.Repeat("s", 2000)}} {
		_, err := h.LoginOIDC(t.Context(), tt[0], tt[1], "m", "M", "", "192.0.2.1")
		refused(t, err, people.CodeNotInvited)
	}
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = true })
	check(t, err)
	_, err = in("s1", "")
	refused(t, err, people.CodeNotInvited)
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled, x.OIDC = false, "https://id.example other" })
	check(t, err)
	if x, _ := h.Find("marie"); x.OIDC != "https://id.example s1" {
		t.Errorf("the account is changed by hand to %q", x.OIDC)
	}
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.OIDC = "" })
	check(t, err)
	_, err = in("s1", "")
	refused(t, err, people.CodeNotInvited)
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = true }) // disabled before she came
	check(t, err)
	_, err = in("s1", "marie@lycee.test")
	refused(t, err, people.CodeNotInvited)
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = false })
	check(t, err)
	// Two who were invited by the same mail: nobody can tell which.
	_, err = h.Add(t.Context(), people.Person{Login: "marie2", Name: "Marie", Mail: "marie@lycee.test", Role: people.Reader}, "")
	check(t, err)
	_, err = in("s1", "marie@lycee.test")
	refused(t, err, people.CodeNotInvited)
}

func TestRolesOfAProvider(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "local", Role: people.Administrator})
	in := func(subject, login string, role people.Role) (people.Session, error) {
		return h.LoginExternal(t.Context(), people.External{Issuer: "https://id.example", Subject: subject, Login: login, Role: role, Mapped: true, Address: "192.0.2.1"})
	}
	_, err := in("s1", "jean", "")
	refused(t, err, people.CodeNotInvited)
	_, err = in("s1", "jean", "root")
	refused(t, err, people.CodeNotInvited)
	_, err = in("s1", "local", people.Administrator) // somebody else's login
	refused(t, err, people.CodeLoginTaken)
	s, err := in("s1", "jean", people.Administrator)
	check(t, err)
	if s.Person.Role != people.Administrator || !s.Person.Provided || s.Person.Name != "jean" {
		t.Errorf("made %+v", s.Person)
	}
	_, err = h.Change(t.Context(), "jean", func(x *people.Person) { x.Role = people.Reader })
	refused(t, err, people.CodeProvided)
	_, err = in("s1", "jean", people.Technician)
	check(t, err)
	_, err = h.BySession(t.Context(), s.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
	s, err = in("s1", "jean", people.Technician)
	check(t, err)
	_, err = in("s1", "jean", "") // out of all groups
	refused(t, err, people.CodeNotInvited)
	_, err = h.BySession(t.Context(), s.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
	h.start(t)
	if x, err := h.Find("jean"); err != nil || x.Role != people.Technician || !x.Provided {
		t.Errorf("kept %+v, %v", x, err)
	}
}

// Where the provider says places, too, they are its word at each login, and a change of them ends sessions; where it does
// not, they are an administrator's.
func TestPlacesOfAProvider(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "local", Role: people.Administrator})
	in := func(role people.Role, placed bool, places ...string) people.Session {
		t.Helper()
		s, err := h.LoginExternal(t.Context(), people.External{Issuer: "https://id.example", Subject: "s1", Login: "jean", Role: role, Mapped: true,
			Places: places, Placed: placed, Address: "192.0.2.1"})
		check(t, err)
		return s
	}
	is := func(what string, role people.Role, sites, rooms []string) {
		t.Helper()
		h.start(t)
		x, err := h.Find("jean")
		if err != nil || x.Role != role || !slices.Equal(x.Sites, sites) || !slices.Equal(x.Rooms, rooms) {
			t.Errorf("%s: kept %+v, %v", what, x, err)
		}
	}
	first := in(people.Technician, true, "hugo", "zola")
	is("of two schools", people.Technician, []string{"hugo", "zola"}, nil)
	in(people.Technician, true, "hugo", "zola")
	if _, err := h.BySession(t.Context(), first.Token, "192.0.2.1"); err != nil {
		t.Errorf("the same again ends a session: %v", err)
	}
	in(people.Technician, true, "zola")
	is("of one school", people.Technician, []string{"zola"}, nil)
	_, err := h.BySession(t.Context(), first.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
	in(people.Teacher, true, "zola/S1")
	is("a teacher", people.Teacher, nil, []string{"zola/S1"})
	in(people.Reader, true)
	is("a reader of all", people.Reader, nil, nil)
	_, err = h.Change(t.Context(), "jean", func(x *people.Person) { x.Sites = []string{"zola"} })
	check(t, err)
	in(people.Reader, false)
	is("without the provider's word", people.Reader, []string{"zola"}, nil)
	in(people.Reader, true)
	is("with it again", people.Reader, nil, nil)
}
