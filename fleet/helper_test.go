package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// addHelper adds a helper and returns its secret.
func (h *house) addHelper(name, site string) string {
	h.t.Helper()
	secret, _, err := h.AddHelper(context.Background(), name, site, "marie")
	check(h.t, err)
	return secret
}

// ask is a question of a helper that does not wait.
func (h *house) ask(secret string, poll job.HelperPoll) []job.HelperWake {
	h.t.Helper()
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second)) // it is over by its time, not hung up
	defer cancel()
	work, err := h.Errands(ctx, secret, "10.2.0.5", poll)
	check(h.t, err)
	return work
}

// in is what a helper says that wakes in some networks.
func in(networks ...string) (p job.HelperPoll) {
	for _, n := range networks {
		p.Networks = append(p.Networks, netip.MustParsePrefix(n))
	}
	return p
}

// enrolAt enrols a computer that has an address.
func (h *house) enrolAt(n int, name, address string) {
	h.t.Helper()
	w, err := h.Hello(context.Background(), fleet.Introduction{Key: "key of " + name, Address: address, Hello: hello(n)})
	check(h.t, err)
	_, err = h.Approve(context.Background(), fleet.Approval{Code: w.Code, Name: name, By: "marie"})
	check(h.t, err)
}

func macsOf(work []job.HelperWake) (out []string) {
	for _, w := range work {
		out = append(out, w.MAC)
	}
	slices.Sort(out)
	return out
}

// lastWoken is the newest event that tells of a wake.
func (h *house) lastWoken() fleet.Event {
	h.t.Helper()
	for _, e := range h.Recent("") {
		if e.Kind == "woken" {
			return e
		}
	}
	h.t.Fatal("nobody was woken")
	return fleet.Event{}
}

func TestWhoWakesAComputer(t *testing.T) {
	const near, far, elsewhere = "10.1.0.7", "10.2.0.7", "10.9.0.7"
	type helper struct {
		name, site string
		networks   []string // nil: it has not asked yet
		away       bool     // it has asked, long ago
	}
	pi := helper{"pi", "", []string{"10.2.0.0/24"}, false}
	for name, tt := range map[string]struct {
		address string
		site    string
		helpers []helper
		asked   []string // of the helpers
		detail  string
		grave   bool
	}{
		"in the server's own network":                     {near, "", nil, nil, "by Wake-on-LAN, asked for by marie", false},
		"in its own, with a helper elsewhere":             {near, "", []helper{pi}, nil, "by Wake-on-LAN, asked for by marie", false},
		"in its own, and a helper there too":              {near, "", []helper{{"in", "", []string{"10.1.0.0/24"}, false}}, []string{"in"}, "by Wake-on-LAN, asked for by marie, through the helper in", false},
		"in a helper's":                                   {far, "", []helper{pi}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi", false},
		"in the networks of two":                          {far, "", []helper{pi, {"pi2", "", []string{"10.3.0.0/24", "10.2.0.0/16"}, false}}, []string{"pi", "pi2"}, "by Wake-on-LAN, asked for by marie, through the helpers pi, pi2", false},
		"in that of one that is away":                     {far, "", []helper{{"pi", "", []string{"10.2.0.0/24"}, true}}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi, although no helper in its network is connected", true},
		"in that of one that is away and one that is not": {far, "", []helper{{"pi", "", []string{"10.2.0.0/24"}, true}, {"pi2", "", []string{"10.2.0.0/24"}, false}}, []string{"pi", "pi2"}, "by Wake-on-LAN, asked for by marie, through the helpers pi, pi2", false},
		"in no network that is known":                     {elsewhere, "", []helper{pi}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi, although no helper is in its network", true},
		"in no network, and there is no helper":           {elsewhere, "", nil, nil, "by Wake-on-LAN, asked for by marie, through no helper: no helper is in its network", true},
		"with a helper that has not asked yet":            {far, "", []helper{{"new", "", nil, false}}, []string{"new"}, "by Wake-on-LAN, asked for by marie, through the helper new, although no helper is in its network", true},
		"with no address":                                 {"", "", []helper{pi}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi", false},
		"with no address, and there is no helper":         {"", "", nil, nil, "by Wake-on-LAN, asked for by marie", false},
		"with an address that is none":                    {"somewhere", "", []helper{pi}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi", false},
		"by IPv6 that is IPv4":                            {"::ffff:10.2.0.7", "", []helper{pi}, []string{"pi"}, "by Wake-on-LAN, asked for by marie, through the helper pi", false},
		"of a site, beside another's helper":              {far, "zola", []helper{pi, {"z", "zola", []string{"10.2.0.0/24"}, false}}, []string{"z"}, "by Wake-on-LAN, asked for by marie, through the helper z", false},
		"of a site whose helper is in another network":    {far, "zola", []helper{pi, {"z", "zola", []string{"10.7.0.0/24"}, false}}, []string{"z"}, "by Wake-on-LAN, asked for by marie, through the helper z, although no helper is in its network", true},
		"of a site without a helper of its own":           {far, "zola", []helper{pi}, nil, "by Wake-on-LAN, asked for by marie, through no helper: no helper is in its network", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.networks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}
			_, err := h.SetSite(context.Background(), fleet.Site{Name: "zola"}, "marie")
			check(t, err)
			_, err = h.SetRoom(context.Background(), "zola/S1", "marie", func(*fleet.Room) {})
			check(t, err)
			h.enrolAt(1, "pc", tt.address)
			if tt.site != "" {
				_, err = h.Place(context.Background(), []string{"pc"}, tt.site+"/S1", "marie")
				check(t, err)
			}
			secrets := map[string]string{}
			for _, x := range tt.helpers {
				if secrets[x.name] = h.addHelper(x.name, x.site); x.away {
					h.ask(secrets[x.name], in(x.networks...))
				}
			}
			h.now = h.now.Add(5 * time.Minute)
			for _, x := range tt.helpers {
				if !x.away && x.networks != nil {
					h.ask(secrets[x.name], in(x.networks...))
				}
			}
			plan, err := h.Plan(fleet.Order{Kind: job.KindInventory, Computers: []string{"pc"}, Wake: true})
			check(t, err)
			woken, err := h.WakeNow(context.Background(), []string{"pc"}, "marie")
			check(t, err)
			if len(h.woken) != 1 || len(woken) != 1 {
				t.Errorf("the server itself woke %v", h.woken)
			}
			e := h.lastWoken()
			if e.Detail != tt.detail || (e.Severity == fleet.Warning) != tt.grave || !strings.HasSuffix(e.Detail, woken[0].How) {
				t.Errorf("told: %s %q, and %q", e.Severity, e.Detail, woken[0].How)
			}
			if warned := plan[0].Warning; (warned != "") != tt.grave || tt.grave && !strings.HasPrefix(warned, "it may not wake: no helper ") {
				t.Errorf("the plan warns: %q", warned)
			}
			var asked []string
			for name, secret := range secrets {
				if len(h.ask(secret, job.HelperPoll{})) > 0 {
					asked = append(asked, name)
				}
			}
			if slices.Sort(asked); !slices.Equal(asked, tt.asked) {
				t.Errorf("asked are %q, want %q", asked, tt.asked)
			}
		})
	}
}

// What a helper has not said to be done is told again, for two minutes.
func TestErrandsStayUntilTheyAreDone(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	for n := 1; n <= 40; n++ {
		h.enrolAt(n, fmt.Sprintf("pc%d", n), fmt.Sprintf("10.2.0.%d", n))
	}
	var names []string
	for n := 1; n <= 40; n++ {
		names = append(names, fmt.Sprintf("pc%d", n))
	}
	poll := in("10.2.0.0/24")
	if work := h.ask(secret, poll); len(work) != 0 {
		t.Errorf("there is work: %v", work)
	}
	wake := func(names ...string) {
		_, err := h.WakeNow(context.Background(), names, "marie")
		check(t, err)
	}
	wake(names...)
	wake("pc1") // twice is once
	first := h.ask(secret, poll)
	if again := h.ask(secret, poll); len(first) != job.MaxHelperWork || !slices.Equal(first, again) {
		t.Errorf("told %d, then %d", len(first), len(again))
	}
	h.now = h.now.Add(100 * time.Second)
	for _, w := range first {
		poll.Done = append(poll.Done, w.ID)
	}
	rest := h.ask(secret, poll)
	if len(rest) != 40-job.MaxHelperWork || slices.ContainsFunc(rest, func(w job.HelperWake) bool { return slices.Contains(first, w) }) {
		t.Errorf("the rest is %v", rest)
	}
	poll.Done = nil
	h.now = h.now.Add(100 * time.Second) // 200 s after the order, but the helper was at work
	if again := h.ask(secret, poll); len(again) != len(rest) {
		t.Errorf("while it works %d grew old", len(rest)-len(again))
	}
	if got := h.Helpers()[0]; got.Waiting != len(rest) || !got.Connected || got.Address != "10.2.0.5" {
		t.Errorf("listed: %+v", got)
	}
	h.now = h.now.Add(2 * time.Minute)
	if old := h.ask(secret, poll); len(old) != 0 {
		t.Errorf("%d are told after two minutes without a word", len(old))
	}
	wake("pc1")
	h.kill()
	h.now = h.now.Add(time.Second)
	wake("pc2")
	if work := h.ask(secret, in("10.2.0.0/24")); !slices.Equal(macsOf(work), []string{mac(2)}) {
		t.Errorf("after a restart it is told %v", work)
	}
}

func TestAHelperThatWaitsIsToldAtOnce(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	h.enrolAt(1, "pc", "10.2.0.7")
	var answers sync.WaitGroup
	for range 2 { // two machines with one key are both told
		answers.Go(func() {
			work, err := h.Errands(context.Background(), secret, "10.2.0.5", in("10.2.0.0/24"))
			if err != nil || !slices.Equal(macsOf(work), []string{mac(1)}) {
				t.Errorf("told %v, %v", work, err)
			}
		})
	}
	for !h.Helpers()[0].Connected {
		time.Sleep(time.Millisecond)
	}
	_, err := h.WakeNow(context.Background(), []string{"pc"}, "marie")
	check(t, err)
	answers.Wait()

	ended := make(chan error)
	other := h.addHelper("other", "")
	go func() {
		_, err := h.Errands(context.Background(), other, "10.2.0.6", job.HelperPoll{})
		ended <- err
	}()
	for !h.Helpers()[0].Connected {
		time.Sleep(time.Millisecond)
	}
	_, err = h.ForgetHelper(context.Background(), "OTHER", "marie")
	check(t, err)
	wantCode(t, "one that was forgotten while it waited", <-ended, fleet.CodeWrongToken)
	gone, hangUp := context.WithCancel(context.Background())
	hangUp()
	_, err = h.Errands(gone, secret, "10.2.0.5", job.HelperPoll{Done: nil})
	check(t, err)
}

func TestWhatAHelperMayNotDo(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	h.enrolAt(1, "pc", "10.2.0.7")
	ask := func(secret string, p job.HelperPoll) error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := h.Errands(ctx, secret, "10.2.0.5", p)
		return err
	}
	wantCode(t, "no secret", ask("", job.HelperPoll{}), fleet.CodeWrongToken)
	wantCode(t, "a wrong secret", ask(secret+"x", job.HelperPoll{}), fleet.CodeWrongToken)
	wantCode(t, "all of IPv4", ask(secret, in("0.0.0.0/0")), fleet.CodeBadHelper)
	wantCode(t, "half of it", ask(secret, in("128.0.0.0/1")), fleet.CodeBadHelper)
	wantCode(t, "IPv6", ask(secret, in("fd00::/64")), fleet.CodeBadHelper)
	wantCode(t, "an address", ask(secret, job.HelperPoll{Networks: []netip.Prefix{netip.MustParsePrefix("10.2.0.5/24")}}), fleet.CodeBadHelper)
	wantCode(t, "nothing", ask(secret, job.HelperPoll{Networks: []netip.Prefix{{}}}), fleet.CodeBadHelper)
	wantCode(t, "too many networks", ask(secret, job.HelperPoll{Networks: make([]netip.Prefix, job.MaxHelperNetworks+1)}), fleet.CodeBadHelper)
	wantCode(t, "too much done", ask(secret, job.HelperPoll{Done: make([]string, job.MaxHelperWork+1)}), fleet.CodeBadHelper)
	_, _, err := h.AddHelper(context.Background(), "PI", "", "marie")
	wantCode(t, "a name that is taken", err, fleet.CodeBadHelper)
	_, _, err = h.AddHelper(context.Background(), "a b", "", "marie")
	wantCode(t, "no name", err, fleet.CodeBadName)
	_, _, err = h.AddHelper(context.Background(), "pi2", "nowhere", "marie")
	wantCode(t, "no site", err, fleet.CodeNoSite)
	_, err = h.ForgetHelper(context.Background(), "nobody", "marie")
	wantCode(t, "forgetting nobody", err, fleet.CodeNoHelper)
	_, err = h.SetSite(context.Background(), fleet.Site{Name: "zola"}, "marie")
	check(t, err)
	h.addHelper("z", "ZOLA")
	_, err = h.ForgetSite(context.Background(), "zola", "marie")
	wantCode(t, "a site with a helper", err, fleet.CodeSiteNeeded)

	if strings.Contains(h.log.String(), secret) {
		t.Error("the secret is in the log")
	}
	_, err = h.ForgetHelper(context.Background(), "pi", "marie")
	check(t, err)
	h.kill()
	wantCode(t, "one that was forgotten, after a restart", ask(secret, job.HelperPoll{}), fleet.CodeWrongToken)
	again := h.addHelper("pi", "zola")
	_, err = h.WakeNow(context.Background(), []string{"pc"}, "marie")
	check(t, err)
	if work := h.ask(again, in("10.2.0.0/24")); len(work) != 0 || again == secret {
		t.Errorf("another of its name, in another site, is told %v", work)
	}
}

// Helpers are kept, their secrets are not; what was heard of them is not either.
func TestHelpersAreKept(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	h.enrolAt(1, "pc", "10.2.0.7")
	h.enrolAt(2, "pc2", "10.3.0.7")
	h.ask(secret, in("10.2.0.0/24"))
	if got := h.Reach(); len(got) != 1 || got["pi"] != 1 {
		t.Errorf("within reach: %v", got)
	}
	if got := h.Helpers()[0]; !got.Connected || h.Silent(got) != 0 {
		t.Errorf("asking just now: %+v", got)
	}
	if n := h.kinds()["helper"]; n != 1 {
		t.Errorf("%d events tell of helpers", n)
	}
	h.now = h.now.Add(11 * time.Minute)
	if got := h.Helpers()[0]; got.Connected || h.Silent(got) != 11*time.Minute {
		t.Errorf("after 11 minutes: %+v, silent for %v", got, h.Silent(got))
	}
	h.kill()
	h.now = h.now.Add(3 * time.Minute)
	got := h.Helpers()
	if len(got) != 1 || got[0].Name != "pi" || got[0].By != "marie" || got[0].Connected || !got[0].Seen.IsZero() || h.Silent(got[0]) != 3*time.Minute {
		t.Errorf("after a restart: %+v", got)
	}
	if strings.Contains(fmt.Sprintf("%+v", got), secret) {
		t.Error("the secret was kept")
	}
	h.ask(secret, in("10.2.0.0/24"))
}

// A helper whose packets of the server's own cannot be sent wakes all the same.
func TestAServerWithoutAnInterfaceWakesByHelpers(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	h.enrolAt(1, "pc", "10.2.0.7")
	h.ask(secret, in("10.2.0.0/24"))
	h.mute = errors.New("no network interface")
	if _, err := h.WakeNow(context.Background(), []string{"pc"}, "marie"); err != nil {
		t.Errorf("with a helper: %v", err)
	}
	_, err := h.ForgetHelper(context.Background(), "pi", "marie")
	check(t, err)
	h.now = h.now.Add(time.Second) // it is its turn again
	if _, err := h.WakeNow(context.Background(), []string{"pc"}, "marie"); !errors.Is(err, h.mute) {
		t.Errorf("without: %v", err)
	}
}

// Two machines that use one key take each other's errands: a person is told, once.
func TestAKeyThatIsUsedTwiceIsTold(t *testing.T) {
	h := newHouse(t)
	secret := h.addHelper("pi", "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	told := func() (n int) {
		for _, e := range h.Recent("") {
			if e.Kind == "helper" && e.Severity == fleet.Warning && strings.Contains(e.Detail, "10.2.0.5") && strings.Contains(e.Detail, "10.3.0.5") {
				n++
			}
		}
		return n
	}
	ask := func(address string) {
		_, err := h.Errands(ctx, secret, address, job.HelperPoll{})
		check(t, err)
	}
	ask("10.2.0.5")
	ask("10.3.0.5") // it was moved
	if told() != 0 {
		t.Error("a helper that was moved is taken for two")
	}
	for range 5 {
		ask("10.2.0.5")
		ask("10.3.0.5")
	}
	if n := told(); n != 1 {
		t.Errorf("%d events tell of it", n)
	}
}
