package people_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

// log is the audit log, the oldest first: what, from where, how it ended.
func (h *house) log(t *testing.T) (out []string) {
	t.Helper()
	all, err := h.Entries(t.Context(), people.AuditQuery{Oldest: true, Limit: 1000})
	check(t, err)
	for _, e := range all {
		out = append(out, fmt.Sprintf("%s %s %s %s", e.What, e.Address, e.Result, e.Detail))
	}
	return out
}

func (h *house) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := h.log(t); !slices.Equal(got, want) {
		t.Errorf("the log:\n%q, want\n%q", got, want)
	}
}

// wrongly tries a login with a wrong password as often as it is let, n times.
func (h *house) wrongly(t *testing.T, login, address string, n int) {
	t.Helper()
	for range n {
		h.clock.pass(time.Minute) // which is as fast as one may guess
		_, err := h.Login(t.Context(), login, "wrong", address)
		refused(t, err, people.CodeWrong)
	}
}

func TestTheFirstWrongPasswordIsWrittenAndTheOthersCounted(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	h.wrongly(t, "marie", "192.0.2.66", 4)
	h.wrongly(t, "nobody", "192.0.2.66", 1)
	h.wrongly(t, "nobody-else", "192.0.2.66", 1) // what is not known is never told apart
	first := []string{"marie 192.0.2.66 refused wrong-login", " 192.0.2.66 refused wrong-login"}
	h.wants(t, first...)
	h.Settle(t.Context(), false) // nothing is due yet
	h.wants(t, first...)
	h.clock.pass(10 * time.Minute)
	h.Settle(t.Context(), false)
	h.Settle(t.Context(), true)
	all := append(first, "marie 192.0.2.66 refused wrong-login; further tries: 3", " 192.0.2.66 refused wrong-login; further tries: 1")
	h.wants(t, all...)
	h.wrongly(t, "marie", "192.0.2.66", 1)
	h.wants(t, append(all, first[0])...)
}

// Who came in at last stands behind what was tried before, from wherever.
func TestWhatWasTriedStandsBeforeWhoCameIn(t *testing.T) {
	h := open(t)
	h.add(t, people.Person{Login: "marie", Role: people.Administrator})
	h.wrongly(t, "marie", "192.0.2.66", 3)
	h.wrongly(t, "marie", "2001:db8::1", 1)
	h.wrongly(t, "marie", "2001:db8::2", 1) // of the same network
	h.login(t, "marie")
	want := []string{"marie 192.0.2.66 refused wrong-login", "marie 2001:db8::1 refused wrong-login", "marie 192.0.2.66 refused wrong-login; further tries: 2",
		"marie 2001:db8::1 refused wrong-login; further tries: 1", "marie 192.0.2.1 done "}
	h.wants(t, want...)
	h.Settle(t.Context(), true)
	h.wants(t, want...)
	if n, err := h.Verify(t.Context()); err != nil || n != 5 {
		t.Errorf("Verify = %d, %v", n, err)
	}
}

// Whoever knocks from however many addresses does not fill the disk, and how often is told all the same.
func TestAFloodOfWrongPasswordsHasFewEntries(t *testing.T) {
	h := open(t)
	const hours, each = 3, 300
	for range hours {
		for i := range each {
			h.clock.pass(time.Hour / each)
			_, err := h.Login(t.Context(), "nobody", "wrong", fmt.Sprintf("10.0.%d.%d", i/200, i%200))
			refused(t, err, people.CodeWrong)
		}
	}
	h.Settle(t.Context(), true)
	all, err := h.Entries(t.Context(), people.AuditQuery{Limit: 1000})
	check(t, err)
	if len(all) > hours*121 {
		t.Errorf("%d entries in %d hours", len(all), hours)
	}
	tries := 0
	for _, e := range all {
		n := 1
		if e.Address == "" {
			_, err := fmt.Sscanf(e.Detail, "too many for an entry each, within an hour: %d", &n)
			check(t, err)
		}
		tries += n
	}
	if tries != hours*each {
		t.Errorf("%d entries tell of %d tries, there were %d", len(all), tries, hours*each)
	}
}

// A clock that is set back does not stop the counting: what was counted is written.
func TestAClockThatIsSetBackLosesNoTries(t *testing.T) {
	h := open(t)
	h.wrongly(t, "x", "192.0.2.66", 3)
	h.clock.pass(-24 * time.Hour)
	h.Settle(t.Context(), false)
	h.wants(t, " 192.0.2.66 refused wrong-login", " 192.0.2.66 refused wrong-login; further tries: 2")
}

// An account of a provider that is let in nowhere is counted as well.
func TestRefusedAccountsAreCounted(t *testing.T) {
	h := open(t)
	for range 25 {
		_, err := h.LoginOIDC(t.Context(), "https://idp.example", "1", "stranger", "S", "", "192.0.2.66")
		refused(t, err, people.CodeNotInvited)
	}
	h.Settle(t.Context(), true)
	h.wants(t, "stranger 192.0.2.66 refused by https://idp.example: not-invited", "stranger 192.0.2.66 refused by https://idp.example: not-invited; further tries: 24")
}
