package people_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

// Whatever is written into the form of a person: who is taken has a login and a name that print, and no more places than
// were written.
func FuzzPerson(f *testing.F) {
	f.Add("prof.curie", "Marie Curie", "marie@lycee.test", "technician", "zola")
	f.Add("<script>", "\u202eeiraM", "a@b\r\nBcc: c@d", "administrator", "*")
	f.Add("ab", "Zoé\u00a0B", "", "teacher", "")
	f.Add("AB", "\xff", "x", "reader", " Zola\x00")
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)
	f.Fuzz(func(t *testing.T, login, name, mail, role, place string) {
		h := &house{clock: &clock{at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}}
		h.use(t, &memory{})
		x, err := h.Add(context.Background(), people.Person{Login: login, Name: name, Mail: mail, Role: people.Role(role), Sites: []string{place}, Rooms: []string{place}}, "")
		if err != nil {
			return
		}
		c := people.Caller{Role: x.Role, Sites: x.Sites, Rooms: x.Rooms}
		switch {
		case !form.MatchString(x.Login), x.Name == "", strings.ContainsAny(x.Name+x.Mail, "\r\n\x00\u202e"), !x.Role.Valid():
			t.Errorf("taken: %+v", x)
		case x.Role != people.Administrator && (c.Everywhere() || c.MaySee("a-site-beside", "a-site-beside/S1")) && !strings.EqualFold(place, "a-site-beside"):
			t.Errorf("%s of %q sees every site", x.Role, place)
		case slices.Contains(x.Sites, people.Whole):
			t.Errorf("the house is a site of %+v", x)
		}
		again, err := h.Change(context.Background(), x.ID, func(*people.Person) {})
		if err != nil || again.Login != x.Login || again.Name != x.Name || again.Mail != x.Mail || !slices.Equal(again.Sites, x.Sites) || !slices.Equal(again.Rooms, x.Rooms) {
			t.Errorf("%+v is not taken again: %+v, %v", x, again, err)
		}
	})
}

// Whatever address a try comes from, the count of it holds.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "[2001:db8::1%eth0]:443", "2001:db8::1", "", "\x00", strings.Repeat("9", 200)} {
		f.Add(s)
	}
	h := &house{clock: &clock{at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}}
	h.use(f, &memory{})
	f.Fuzz(func(t *testing.T, address string) {
		h.clock.pass(time.Hour)
		for i := range 31 {
			_, err := h.LoginOIDC(context.Background(), "https://id.example", "s", "x", "x", "", address)
			want := people.CodeNotInvited
			if i == 30 {
				want = people.CodeTooMany
			}
			refused(t, err, want)
		}
	})
}
