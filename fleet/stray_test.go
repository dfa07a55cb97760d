package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// approve approves who shows a code.
func (h *house) approve(p fleet.Approval) fleet.Computer {
	h.t.Helper()
	p.By = "marie"
	c, err := h.Approve(context.Background(), p)
	check(h.t, err)
	return c
}

// waiting is who waits with a key.
func (h *house) waiting(key string) fleet.Computer {
	h.t.Helper()
	for _, c := range h.Computers() {
		if c.State == fleet.Pending && c.Key == key {
			return c
		}
	}
	h.t.Fatalf("%s does not wait", key)
	return fleet.Computer{}
}

func TestNamesThatNobodyGave(t *testing.T) {
	none := func(change func(*job.Hello)) job.Hello { return with(job.Hello{AgentVersion: "t"}, change) }
	for name, c := range map[string]struct {
		hello job.Hello
		want  string
	}{
		"the address that it started from": {hello(0xabc), "pc-000abc"},
		"an address that ends in zeros, and another": {with(hello(1), func(h *job.Hello) {
			h.MAC, h.Inventory.NICs = "52:54:00:00:00:00", []job.NIC{{MAC: "52:54:00:12:34:56"}}
		}), "pc-123456"},
		"an address that ends in zeros, and no other": {with(hello(0x77), func(h *job.Hello) { h.MAC = "52:54:00:00:00:00" }), "pc-5a0077"},
		"no address": {with(hello(0x78), func(h *job.Hello) { h.MAC = "" }), "pc-5a0078"},
		"a UUID of the factory's": {none(func(h *job.Hello) { h.Inventory.UUID = "03000200-0400-0500-0006-000700080009" }),
			"pc-feed01"},
		"nothing at all": {none(func(*job.Hello) {}), "pc-feed01"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			w := h.hello("feed0123", c.hello)
			if got := h.waiting("feed0123").Name; got != c.want {
				t.Errorf("it is proposed as %s, want %s", got, c.want)
			}
			if got := h.approve(fleet.Approval{Code: w.Code}); got.Name != c.want {
				t.Errorf("it becomes %s, want %s", got.Name, c.want)
			}
		})
	}
}

// Cards of two makers end alike, and clones show the same in everything: no two computers get one name, whoever waits,
// whoever is approved first and whatever the daemon forgets in between.
func TestNoTwoComputersGetOneName(t *testing.T) {
	h := newHouse(t)
	alike := func(n int, mac string) job.Hello {
		return with(hello(n), func(h *job.Hello) { h.MAC = mac })
	}
	a, b := h.hello("a", alike(1, "52:54:00:aa:bb:cc")), h.hello("b", alike(2, "b8:27:eb:aa:bb:cc"))
	if first, second := h.waiting("a").Name, h.waiting("b").Name; first != "pc-aabbcc" || second != "pc-aabbcc-2" {
		t.Errorf("they are proposed as %s and %s", first, second)
	}
	if got := h.approve(fleet.Approval{Code: b.Code}); got.Name != "pc-aabbcc-2" {
		t.Errorf("the second is %s", got.Name)
	}
	h.approve(fleet.Approval{Code: h.hello("c", alike(3, "00:1b:21:12:34:56")).Code, Name: "PC-AABBCC"})
	if got := h.approve(fleet.Approval{Code: a.Code}); got.Name != "pc-aabbcc-3" {
		t.Errorf("the first, whose name was given away, is %s", got.Name)
	}
	h.kill()
	if got := h.approve(fleet.Approval{Code: h.hello("d", alike(4, "10:1b:21:aa:bb:cc")).Code}); got.Name != "pc-aabbcc-4" {
		t.Errorf("after a restart another is %s", got.Name)
	}
}

func TestARoomNamesItsComputers(t *testing.T) {
	h := schools(t)
	h.approve(fleet.Approval{Code: h.helloFrom("k1", "10.1.0.1", hello(51)).Code, Name: "ZOLA-S104-01"})
	for n, want := range []string{"zola-S104-02", "zola-S104-03"} {
		key := "n" + want
		w := h.helloFrom(key, "10.1.0.2", hello(60+n))
		p := fleet.Approval{Code: w.Code, Room: "zola/s104"}
		if n == 1 {
			p.Name = h.waiting(key).Name // what a form shows is sent back by it
		}
		if got := h.approve(p); got.Name != want || got.Room != "zola/S104" {
			t.Errorf("it is %s in %s, want %s", got.Name, got.Room, want)
		}
	}
	if got := h.approve(fleet.Approval{Code: h.helloFrom("n9", "10.1.0.2", hello(69)).Code, Room: "zola/S104", Name: "porte"}); got.Name != "porte" {
		t.Errorf("who was given a name is %s", got.Name)
	}
	// A record whose key was forgotten keeps its name wherever it is put.
	_, err := h.Rekey(context.Background(), "z1", "marie")
	check(t, err)
	if got := h.approve(fleet.Approval{Code: h.helloFrom("n10", "10.1.0.3", claimOf(1)).Code, Room: "zola/S104"}); got.Name != "z1" {
		t.Errorf("the room's own is %s", got.Name)
	}
}

// strays lists the strays as words.
func (h *house) strays() string {
	var out []string
	for _, s := range h.Strays() {
		out = append(out, s.Computer.Name+" is "+s.Of.Name+" at "+s.At)
	}
	return strings.Join(out, ", ")
}

// told is the newest event of a kind, of those that were told since the daemon started.
func (h *house) told(kind string) fleet.Event {
	for _, e := range h.Recent("") {
		if e.Kind == kind {
			return e
		}
	}
	return fleet.Event{}
}

// A computer is recognised within the site that it says hello from. One that looks like a computer of another site is a new
// one until a person says that it was moved: neither an alarm over there nor a way to become its record.
func TestACloneInAnotherSiteIsANewComputer(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	h.hello("kz1", hello(1)) // z1 has come back with its key
	w := h.helloFrom("evil", "10.2.6.6", hello(1))
	if w.State != job.StatePending {
		t.Fatalf("the clone is %s", w.State)
	}
	h.helloFrom("evil", "10.2.6.6", hello(1))
	if c := h.computer("z1"); c.Shown() != fleet.Enrolled || c.Key != "kz1" {
		t.Errorf("z1 is %s with key %s", c.Shown(), c.Key)
	}
	if got := h.strays(); got != "pc-000001 is z1 at hugo" {
		t.Errorf("strays: %s", got)
	}
	e := h.told("elsewhere")
	if e.Severity != fleet.Warning || e.Site != fleet.NoSite || !strings.Contains(e.Detail, "z1") || !strings.Contains(e.Detail, `"hugo"`) {
		t.Errorf("administrators are told %+v", e)
	}
	_, err := h.Approve(ctx, fleet.Approval{Code: w.Code, Moved: true, By: "marie"})
	wantCode(t, "moving a computer that has its key", err, fleet.CodeAlreadyWithKey)
	c := h.approve(fleet.Approval{Code: w.Code})
	if c.ID == h.computer("z1").ID || c.Name != "pc-000001" || h.SiteOf(c) != "hugo" {
		t.Errorf("the clone is %+v", c)
	}
	h.kill()
	for key, state := range map[string]string{"kz1": job.StateEnrolled, "evil": job.StateEnrolled} {
		address := map[string]string{"kz1": "10.1.0.1", "evil": "10.2.6.6"}[key]
		if w := h.helloFrom(key, address, hello(1)); w.State != state {
			t.Errorf("%s is %s", key, w.State)
		}
	}
	// Both look alike: who comes without a key is recognised as the one of its own site.
	for address, name := range map[string]string{"10.1.0.9": "z1", "10.2.0.9": "pc-000001"} {
		_, err := h.Rekey(ctx, name, "marie")
		check(t, err)
		h.helloFrom("new"+name, address, claimOf(1))
		if got := h.waiting("new" + name).Name; got != name {
			t.Errorf("at %s it is taken for %s, want %s", address, got, name)
		}
	}
	if got := h.strays(); got != "" {
		t.Errorf("strays: %s", got)
	}
}

func TestAComputerWithoutItsKeyIsMovedToAnotherSite(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	id := h.computer("z1").ID
	h.room("zola/S104", func(r *fleet.Room) { r.Teacher, r.Plan = id, []fleet.Place{{Computer: id, X: 1, Y: 1}} })
	_, err := h.Rekey(ctx, "z1", "marie")
	check(t, err)
	check(t, h.OpenEnrolment(ctx, "hugo/S104", h.now.Add(time.Hour), 5, "marie"))
	w := h.helloFrom("new", "10.2.6.6", claimOf(1))
	if w.State != job.StatePending {
		t.Fatalf("a window lets in a computer of another site: %+v", w)
	}
	_, err = h.Approve(ctx, fleet.Approval{Code: w.Code, Moved: true, Name: "other", By: "marie"})
	wantCode(t, "moving it by another name", err, fleet.CodeNoTwin)
	_, err = h.Approve(ctx, fleet.Approval{Code: w.Code, Moved: true, Room: "hugo/none", By: "marie"})
	wantCode(t, "moving it into no room", err, fleet.CodeNoRoom)
	plain := h.helloFrom("plain", "10.2.6.7", hello(70))
	if plain.State != job.StateEnrolled {
		t.Errorf("who is new is %s", plain.State)
	}
	check(t, h.CloseEnrolment(ctx, "hugo/S104", "marie"))
	stranger := h.helloFrom("stranger", "10.2.6.8", hello(71))
	_, err = h.Approve(ctx, fleet.Approval{Code: stranger.Code, Moved: true, By: "marie"})
	wantCode(t, "moving who looks like nobody", err, fleet.CodeNoTwin)

	c := h.approve(fleet.Approval{Code: w.Code, Moved: true, Room: "hugo/S104"})
	h.kill()
	now := h.computer("z1")
	if c.ID != id || now.ID != id || now.Key != "new" || now.Room != "hugo/S104" || h.SiteOf(now) != "hugo" {
		t.Errorf("it is %+v", now)
	}
	if r, err := h.Room("zola/S104"); err != nil || r.Teacher != "" || len(r.Plan) != 0 {
		t.Errorf("the room that it left still has it: %+v, %v", r, err)
	}
	if w := h.helloFrom("new", "10.2.6.6", hello(1)); w.State != job.StateEnrolled || w.Computer != "z1" {
		t.Errorf("it comes again and is %+v", w)
	}
}

func TestAnEnrolledComputerInTheNetworkOfAnotherSite(t *testing.T) {
	h := schools(t)
	h.helloFrom("kz1", "10.1.0.5", hello(1))
	if _, astray := h.Astray(h.computer("z1")); astray || h.strays() != "" {
		t.Errorf("at home it is astray: %s", h.strays())
	}
	if w := h.helloFrom("kz1", "10.2.0.5", hello(1)); w.State != job.StateEnrolled {
		t.Fatalf("in another site it is %s", w.State)
	}
	if got := h.strays(); got != "z1 is z1 at hugo" {
		t.Errorf("strays: %s", got)
	}
	first := h.told("elsewhere")
	if first.Site != fleet.NoSite || !strings.HasPrefix(first.Detail, `z1 of site "zola" says hello from 10.2.0.5, in site "hugo"`) {
		t.Errorf("administrators are told %+v", first)
	}
	h.now = h.now.Add(time.Hour)
	h.helloFrom("kz1", "10.2.0.6", hello(1))
	if e := h.told("elsewhere"); !e.Time.Equal(first.Time) {
		t.Error("it is told again for each address of that site")
	}
	_, err := h.Place(context.Background(), []string{"z1"}, "hugo/", "marie")
	check(t, err)
	if got := h.strays(); got != "" {
		t.Errorf("once it was placed there, strays: %s", got)
	}
	h.helloFrom("kz1", "192.168.7.7", hello(1))
	if got := h.strays(); got != "" {
		t.Errorf("a network that nobody has is no evidence; strays: %s", got)
	}
}

// A site of which nobody said the networks has computers wherever no other site is.
func TestASiteWithoutNetworksKnowsItsOwn(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	_, err := h.SetSite(ctx, fleet.Site{Name: "sand"}, "marie")
	check(t, err)
	h.enrol("ks", "s1", hello(80))
	h.room("sand/S1", func(*fleet.Room) {}, "s1")
	_, err = h.Rekey(ctx, "s1", "marie")
	check(t, err)
	h.helloFrom("n1", "192.168.7.7", claimOf(80))
	if got := h.waiting("n1"); got.Name != "s1" || got.Twin != "" {
		t.Errorf("it is taken for %s, twin of %q", got.Name, got.Twin)
	}
	h.helloFrom("n2", "10.1.7.7", claimOf(80))
	if got := h.waiting("n2"); got.Name == "s1" || got.Twin == "" {
		t.Errorf("in another site it is taken for %s, twin of %q", got.Name, got.Twin)
	}
	// What was imported and never seen may come from anywhere.
	_, err = h.ImportCSV(ctx, strings.NewReader("name,mac\nlisted,"+mac(90)+"\n"), fleet.Import{By: "marie"})
	check(t, err)
	h.helloFrom("n3", "10.2.7.7", claimOf(90))
	if got := h.waiting("n3"); got.Name != "listed" || got.Twin != "" {
		t.Errorf("who was listed is taken for %s, twin of %q", got.Name, got.Twin)
	}
}
