package people_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

func TestSessionsEndByThemselves(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Reader})
	alive := func(token string) bool {
		_, err := h.BySession(t.Context(), token, "192.0.2.1")
		return err == nil
	}
	s := h.login(t, "marie")
	if s.Expires != h.clock.now().Add(12*time.Hour) {
		t.Errorf("it ends %s", s.Expires)
	}
	h.clock.pass(2*time.Hour - time.Second)
	if !alive(s.Token) {
		t.Error("it ended before two hours without use")
	}
	h.start(t) // that it was used is known after a restart
	h.clock.pass(2*time.Hour - time.Second)
	if !alive(s.Token) {
		t.Error("after a restart it ended before two hours without use")
	}
	h.clock.pass(2 * time.Hour)
	if alive(s.Token) {
		t.Error("it lives after two hours without use")
	}
	s = h.login(t, "marie")
	for range 23 {
		h.clock.pass(30 * time.Minute)
		if !alive(s.Token) {
			t.Fatal("it ended while it was used")
		}
	}
	h.clock.pass(30*time.Minute - time.Second)
	if !alive(s.Token) {
		t.Error("it ended before twelve hours")
	}
	h.clock.pass(time.Second)
	if alive(s.Token) {
		t.Error("it lives after twelve hours")
	}
	s = h.login(t, "marie")
	h.clock.pass(-3 * time.Hour)
	if alive(s.Token) {
		t.Error("a clock that was set back makes it live longer")
	}
	for _, wrong := range []string{"", "x", s.Token + "=", strings.Repeat("x", 1<<20)} {
		_, err := h.BySession(t.Context(), wrong, "192.0.2.1")
		refused(t, err, people.CodeNoSession)
	}
}

// A page that is left open asks again and again by itself whether its session goes on. That is no use of it.
func TestAnOpenPageDoesNotKeepASession(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Reader})
	s := h.login(t, "marie")
	looks := 0
	for h.clock.pass(30 * time.Second); ; h.clock.pass(30 * time.Second) {
		c, err := h.StillIn(s.Token, "192.0.2.1")
		if err != nil {
			break
		}
		if c.Login != "marie" || c.Via != people.ViaSession || c.Address != "192.0.2.1" {
			t.Fatalf("the session is of %+v", c)
		}
		if looks++; looks > 300 {
			t.Fatal("it lives for two hours and a half without use")
		}
	}
	if looks != 239 {
		t.Errorf("it ended after %d looks of 30 s, want 239: two hours", looks)
	}
	if _, err := h.StillIn("x", "192.0.2.1"); err == nil {
		t.Error("somebody comes with no session")
	}
}

func TestSessionsEndWithWhatTheyWereGivenFor(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "root-of-all", Role: people.Administrator})
	h.add(t, people.Person{Login: "marie", Role: people.Technician, Sites: []string{"zola", "hugo"}})
	for name, tt := range map[string]struct {
		do   func(token string) error
		ends bool
	}{
		"a name": {func(string) error {
			_, err := h.Change(t.Context(), "marie", func(x *people.Person) { x.Name, x.Language, x.Theme = "M", "fr", "dark" })
			return err
		}, false},
		"a role": {func(string) error {
			_, err := h.Change(t.Context(), "marie", func(x *people.Person) { x.Role = people.Reader })
			return err
		}, true},
		"a site": {func(string) error {
			_, err := h.Change(t.Context(), "marie", func(x *people.Person) { x.Sites = x.Sites[:1] })
			return err
		}, true},
		"an account that is disabled": {func(string) error {
			_, err := h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = true })
			if err == nil {
				_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = false })
			}
			return err
		}, true},
		"a password that was given":     {func(string) error { return h.SetPassword(t.Context(), "marie", good, "") }, true},
		"a password that was changed":   {func(token string) error { return h.SetPassword(t.Context(), "marie", good, token) }, false},
		"a logout":                      {func(token string) error { return h.Logout(t.Context(), token) }, true},
		"a logout of nobody":            {func(string) error { return h.Logout(t.Context(), "x") }, false},
		"a session ended from the list": {func(string) error { return h.EndLogin(t.Context(), "", "x") }, false},
	} {
		s, other := h.login(t, "marie"), h.login(t, "marie")
		if err := tt.do(s.Token); err != nil && name != "a session ended from the list" {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := h.BySession(t.Context(), s.Token, "192.0.2.1"); (err != nil) != tt.ends {
			t.Errorf("%s: the session: %v", name, err)
		}
		if _, err := h.BySession(t.Context(), other.Token, "192.0.2.1"); (err != nil) != (tt.ends && name != "a logout" || strings.HasSuffix(name, "changed")) {
			t.Errorf("%s: the other session: %v", name, err)
		}
		h.start(t)
		if _, err := h.BySession(t.Context(), s.Token, "192.0.2.1"); (err != nil) != tt.ends {
			t.Errorf("%s: the session after a restart: %v", name, err)
		}
		check(t, h.SetPassword(t.Context(), "marie", good, ""))
	}
	// A role that was changed holds from the next request, even of a session that is asked for at the same moment.
	s := h.login(t, "marie")
	_, err := h.Remove(t.Context(), "marie")
	check(t, err)
	_, err = h.BySession(t.Context(), s.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
}

func TestOwnSessionsAreListedAndEnded(t *testing.T) {
	h := open(t)
	marie, jean := h.add(t, people.Person{Login: "marie", Role: people.Reader}), h.add(t, people.Person{Login: "jean", Role: people.Reader})
	old := h.login(t, "marie")
	h.clock.pass(time.Minute)
	s := h.login(t, "marie")
	jeans := h.login(t, "jean")
	list := h.Logins(marie.ID)
	if len(list) != 2 || !list[0].Is(s.Token) || list[0].Is(old.Token) || !list[1].Is(old.Token) || list[0].Address != "192.0.2.1" {
		t.Fatalf("sessions = %+v", list)
	}
	refused(t, h.EndLogin(t.Context(), jean.ID, list[1].ID), people.CodeNoSession)
	check(t, h.EndLogin(t.Context(), marie.ID, list[1].ID))
	_, err := h.BySession(t.Context(), old.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
	for _, token := range []string{s.Token, jeans.Token} {
		_, err := h.BySession(t.Context(), token, "192.0.2.1")
		check(t, err)
	}
	for range 25 { // a browser that logs in for ever costs no more than twenty
		h.clock.pass(time.Second)
		h.login(t, "marie")
	}
	if n := len(h.Logins(marie.ID)); n != 20 {
		t.Errorf("%d sessions", n)
	}
	_, err = h.BySession(t.Context(), s.Token, "192.0.2.1")
	refused(t, err, people.CodeNoSession)
	_, err = h.BySession(t.Context(), jeans.Token, "192.0.2.1")
	check(t, err)
}

func TestChangingOnesOwnPasswordNeedsTheOldOne(t *testing.T) {
	h := open(t)
	x := h.add(t, people.Person{Login: "marie", Role: people.Reader})
	s := h.login(t, "marie")
	const other = "quatre chiens roux courent"
	refused(t, h.ChangePassword(t.Context(), x.ID, good, "short", s.Token, "192.0.2.1"), people.CodeShort)
	for range 3 {
		refused(t, h.ChangePassword(t.Context(), x.ID, "wrong", other, s.Token, "192.0.2.1"), people.CodeWrong)
	}
	refused(t, h.ChangePassword(t.Context(), x.ID, good, other, s.Token, "192.0.2.1"), people.CodeTooMany)
	h.clock.pass(time.Minute)
	check(t, h.ChangePassword(t.Context(), x.ID, good, other, s.Token, "192.0.2.1"))
	_, err := h.BySession(t.Context(), s.Token, "192.0.2.1")
	check(t, err)
	_, err = h.Login(t.Context(), "marie", good, "192.0.2.2")
	refused(t, err, people.CodeWrong)
	_, err = h.Login(t.Context(), "marie", other, "192.0.2.2")
	check(t, err)
	refused(t, h.ChangePassword(t.Context(), "nobody", good, other, "", "192.0.2.1"), people.CodeNobody)
	invited, err := h.Add(t.Context(), people.Person{Login: "invited", Name: "x", Role: people.Reader}, "")
	check(t, err)
	refused(t, h.ChangePassword(t.Context(), invited.ID, "", other, "", "192.0.2.3"), people.CodeWrong)
}

func TestWhatATokenMayBe(t *testing.T) {
	h := open(t)
	marie := h.add(t, people.Person{Login: "marie", Role: people.Reader})
	day := h.clock.now().Add(24 * time.Hour)
	for name, tt := range map[string]struct {
		person, name string
		scopes       []string
		expires      time.Time
		code         people.Code
	}{
		"nobody's":          {"nobody", "x", []string{"read"}, day, people.CodeNobody},
		"without a name":    {marie.ID, " ", []string{"read"}, day, people.CodeBadName},
		"with a name lines": {marie.ID, "a\nb", []string{"read"}, day, people.CodeBadName},
		"without scopes":    {marie.ID, "x", nil, day, people.CodeBadScope},
		"of no such scope":  {marie.ID, "x", []string{"read", "root"}, day, people.CodeBadScope},
		"of yesterday":      {marie.ID, "x", []string{"read"}, h.clock.now(), people.CodeBadTime},
	} {
		if _, err := h.AddToken(t.Context(), tt.person, tt.name, tt.scopes, tt.expires); err == nil {
			t.Errorf("a token %s is given", name)
		} else {
			refused(t, err, tt.code)
		}
	}
	for i := range 100 {
		_, err := h.AddToken(t.Context(), "marie", fmt.Sprint(i), []string{"read"}, time.Time{})
		check(t, err)
	}
	_, err := h.AddToken(t.Context(), "marie", "one more", []string{"read"}, time.Time{})
	refused(t, err, people.CodeTooManyOfThem)
}

func TestTokens(t *testing.T) {
	h := open(t)
	marie, jean := h.add(t, people.Person{Login: "marie", Role: people.Technician, Sites: []string{"zola"}}), h.add(t, people.Person{Login: "jean", Role: people.Reader})
	secret, err := h.AddToken(t.Context(), "marie", "backup", []string{"reset", "read", "reset"}, h.clock.now().Add(24*time.Hour))
	check(t, err)
	if !strings.HasPrefix(secret, "ard_") || len(secret) != 4+43 {
		t.Errorf("the secret is %q", secret)
	}
	h.start(t)
	h.clock.pass(2 * time.Minute)
	c, err := h.ByToken(t.Context(), secret, "192.0.2.9")
	check(t, err)
	if c.Login != "marie" || c.Via != people.ViaToken || !slices.Equal(c.Scopes, []string{"read", "reset"}) || !c.May(people.ActionReset, "zola", "") ||
		c.May(people.ActionReset, "hugo", "") || c.May(people.ActionWipe, "zola", "") {
		t.Errorf("the caller is %+v", c)
	}
	h.start(t)
	list := h.Tokens(marie.ID)
	if len(list) != 1 || list[0].Used != h.clock.now() || list[0].Address != "192.0.2.9" || list[0].Name != "backup" || len(h.Tokens("")) != 1 || len(h.Tokens(jean.ID)) != 0 {
		t.Errorf("tokens = %+v", list)
	}
	_, err = h.ForgetToken(t.Context(), jean.ID, list[0].ID)
	refused(t, err, people.CodeNoToken)
	for _, wrong := range []string{"", "ard_", secret[4:], list[0].ID, list[0].Hash, secret + "x"} {
		_, err := h.ByToken(t.Context(), wrong, "192.0.2.10")
		refused(t, err, people.CodeNoToken)
	}
	// A session is no token and a token no session.
	s := h.login(t, "marie")
	_, err = h.ByToken(t.Context(), s.Token, "192.0.2.10")
	refused(t, err, people.CodeNoToken)
	_, err = h.BySession(t.Context(), secret, "192.0.2.10")
	refused(t, err, people.CodeNoSession)
	for range 50 {
		_, err = h.ByToken(t.Context(), "ard_guess", "192.0.2.10")
	}
	refused(t, err, people.CodeTooMany)
	_, err = h.ByToken(t.Context(), secret, "192.0.2.10") // who is right is not slowed
	check(t, err)

	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled = true })
	check(t, err)
	_, err = h.ByToken(t.Context(), secret, "192.0.2.1")
	refused(t, err, people.CodeNoToken)
	_, err = h.Change(t.Context(), "marie", func(x *people.Person) { x.Disabled, x.Role = false, people.Reader })
	check(t, err)
	if c, err = h.ByToken(t.Context(), secret, "192.0.2.1"); err != nil || c.May(people.ActionReset, "zola", "") {
		t.Errorf("the token of who became a reader: %+v, %v", c, err)
	}
	h.clock.pass(24 * time.Hour)
	_, err = h.ByToken(t.Context(), secret, "192.0.2.1")
	refused(t, err, people.CodeNoToken)

	secret, err = h.AddToken(t.Context(), "marie", "for ever", []string{"admin"}, time.Time{})
	check(t, err)
	if _, err = h.ByToken(t.Context(), secret, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	for _, x := range h.Tokens(marie.ID) {
		_, err = h.ForgetToken(t.Context(), "", x.ID)
		check(t, err)
	}
	_, err = h.ByToken(t.Context(), secret, "192.0.2.1")
	refused(t, err, people.CodeNoToken)
	_, err = h.AddToken(t.Context(), "marie", "the last", []string{"read"}, time.Time{})
	check(t, err)
	_, err = h.Remove(t.Context(), "marie")
	check(t, err)
	if len(h.Tokens("")) != 0 {
		t.Error("tokens outlive their person")
	}
	h.start(t)
	if len(h.Tokens("")) != 0 {
		t.Error("tokens outlive their person in the store")
	}
}

// Whoever reads the database cannot be anybody: no secret that was given lies in it.
func TestTheStoreHoldsNoSecret(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	s := h.login(t, "marie")
	token, err := h.AddToken(t.Context(), "marie", "x", []string{"admin"}, time.Time{})
	check(t, err)
	link, err := h.Invite(t.Context(), "marie")
	check(t, err)
	db, err := sql.Open("sqlite", h.path)
	check(t, err)
	defer db.Close()
	for table, columns := range map[string]string{"people": "doc || hash || invitation", "logins": "doc || hash", "api_tokens": "doc || hash",
		"audit": "who || what || detail"} {
		var all string
		check(t, db.QueryRow("SELECT group_concat("+columns+") FROM "+table).Scan(&all))
		if all == "" {
			t.Errorf("%s is empty", table)
		}
		for name, secret := range map[string]string{"password": good, "cookie": s.Token, "token": token, "link": link} {
			if strings.Contains(all, secret) || strings.Contains(all, strings.TrimPrefix(secret, "ard_")) {
				t.Errorf("%s holds the %s", table, name)
			}
		}
	}
}

// Everything at once: what the race detector looks at, and that nobody is locked in.
func TestManyAtOnce(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "root-of-all", Role: people.Administrator})
	marie := h.add(t, people.Person{Login: "marie", Role: people.Technician})
	s := h.login(t, "marie")
	token, err := h.AddToken(t.Context(), "marie", "x", []string{"admin"}, time.Time{})
	check(t, err)
	ctx := context.Background()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 6 {
				_, _ = h.BySession(ctx, s.Token, "192.0.2.1")
				_, _ = h.ByToken(ctx, token, "192.0.2.1")
				h.clock.pass(10 * time.Second)
				_, _ = h.Change(ctx, "marie", func(x *people.Person) { x.Name = fmt.Sprint("Marie ", i, j) })
				_ = h.Record(ctx, people.Entry{Who: "marie", Action: "look", What: fmt.Sprint(i)})
				_, _ = h.Login(ctx, "marie", good, fmt.Sprintf("192.0.2.%d", i))
				_, _, _ = h.List(), h.Logins(marie.ID), h.Tokens("")
				_, _ = h.Entries(ctx, people.AuditQuery{Limit: 5})
			}
		})
	}
	wait.Wait()
	if n, err := h.Verify(ctx); err != nil || n < 48 {
		t.Errorf("the log has %d entries, %v", n, err)
	}
}
