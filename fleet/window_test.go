package fleet_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func (h *house) helloFrom(key, address string, in job.Hello) job.Welcome {
	h.t.Helper()
	w, err := h.Hello(context.Background(), fleet.Introduction{Key: key, Address: address, Hello: in})
	check(h.t, err)
	return w
}

func TestAnEnrolmentWindow(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	check(t, h.OpenEnrolment(ctx, "zola/s104", h.now.Add(time.Hour), 2, "marie"))
	h.kill()
	if w := h.Enrolment(); len(w) != 1 || w[0].Room != "zola/S104" || w[0].Count != 2 || w[0].By != "marie" {
		t.Fatalf("open: %+v", w)
	}
	if w := h.helloFrom("n0", "10.2.0.9", hello(50)); w.State != job.StatePending {
		t.Errorf("who comes from another site is %s", w.State)
	}
	if w := h.helloFrom("n1", "10.1.0.9", hello(51)); w.State != job.StateEnrolled || w.Computer != "zola-S104-01" {
		t.Errorf("the first is welcomed as %+v", w)
	}
	if w := h.helloFrom("n1", "10.1.0.9", hello(51)); w.State != job.StateEnrolled {
		t.Errorf("the first comes again and is %+v", w)
	}
	h.kill()
	if w := h.helloFrom("n2", "10.1.0.10", hello(52)); w.State != job.StateEnrolled || w.Computer != "zola-S104-02" {
		t.Errorf("the second is welcomed as %+v", w)
	}
	if w := h.helloFrom("n3", "10.1.0.11", hello(53)); w.State != job.StatePending {
		t.Errorf("the third is %s", w.State)
	}
	h.kill()
	if c := h.computer("zola-S104-01"); c.Room != "zola/S104" || c.ApprovedBy != "the enrolment of zola/S104, opened by marie" {
		t.Errorf("the record is %+v", c)
	}
	if len(h.Enrolment()) != 0 {
		t.Error("it is open although all have come")
	}
	wantCode(t, "closing it", h.CloseEnrolment(ctx, "zola/S104", "marie"), fleet.CodeNoWindow)
}

func TestAWindowEndsByItselfAndByHand(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	check(t, h.OpenEnrolment(ctx, "zola/S104", h.now.Add(time.Hour), 5, "marie"))
	h.now = h.now.Add(time.Hour)
	if w := h.helloFrom("n1", "10.1.0.9", hello(51)); w.State != job.StatePending {
		t.Errorf("after its time somebody is %s", w.State)
	}
	check(t, h.Tick(ctx))
	wantCode(t, "closing what is over", h.CloseEnrolment(ctx, "zola/S104", "marie"), fleet.CodeNoWindow)
	check(t, h.OpenEnrolment(ctx, "zola/S104", h.now.Add(time.Hour), 5, "marie"))
	check(t, h.CloseEnrolment(ctx, "zola/S104", "marie"))
	h.kill()
	if w := h.helloFrom("n2", "10.1.0.9", hello(52)); w.State != job.StatePending {
		t.Errorf("after it was closed somebody is %s", w.State)
	}
}

func TestWindowsThatCannotBe(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	h.room("zola/S105", func(*fleet.Room) {})
	_, err := h.SetSite(ctx, fleet.Site{Name: "sand"}, "marie")
	check(t, err)
	h.room("sand/S1", func(*fleet.Room) {})
	h.room("R1", func(*fleet.Room) {})
	in := h.now.Add(time.Hour)
	wantCode(t, "no room", h.OpenEnrolment(ctx, "zola/S9", in, 1, "m"), fleet.CodeNoRoom)
	wantCode(t, "nobody", h.OpenEnrolment(ctx, "zola/S104", in, 0, "m"), fleet.CodeBadWindow)
	wantCode(t, "too many", h.OpenEnrolment(ctx, "zola/S104", in, 501, "m"), fleet.CodeBadWindow)
	wantCode(t, "over before", h.OpenEnrolment(ctx, "zola/S104", h.now, 1, "m"), fleet.CodeBadWindow)
	wantCode(t, "for a week", h.OpenEnrolment(ctx, "zola/S104", h.now.Add(7*24*time.Hour), 1, "m"), fleet.CodeBadWindow)
	wantCode(t, "a site without networks", h.OpenEnrolment(ctx, "sand/S1", in, 1, "m"), fleet.CodeBadWindow)
	check(t, h.OpenEnrolment(ctx, "zola/S104", in, 1, "m"))
	wantCode(t, "two rooms of a site", h.OpenEnrolment(ctx, "zola/S105", in, 1, "m"), fleet.CodeWindowOpen)
	check(t, h.OpenEnrolment(ctx, "zola/S104", in, 9, "m"))
	check(t, h.OpenEnrolment(ctx, "R1", in, 1, "m"))
	if w := h.Enrolment(); len(w) != 2 || w[1].Count != 9 {
		t.Errorf("open: %+v", w)
	}
}

// A window lets in who is new. Whatever claims to be somebody that is known is judged as without it.
func TestAWindowDoesNotOpenRecords(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	h.hello("kz1", hello(1)) // z1 has come back with its key
	_, err := h.Rekey(ctx, "h1", "marie")
	check(t, err)
	fresh := h.enrol("kf", "fresh", func() job.Hello { x := hello(9); x.NewKey = true; return x }())
	check(t, h.OpenEnrolment(ctx, "zola/S104", h.now.Add(time.Hour), 9, "marie"))
	claim := hello(1)
	claim.NewKey = true
	if w := h.helloFrom("evil1", "10.1.6.6", claim); w.State != job.StateAlarm {
		t.Errorf("another key for a known computer is %s", w.State)
	}
	claim = hello(2)
	claim.NewKey = true
	if w := h.helloFrom("evil2", "10.1.6.6", claim); w.State != job.StatePending {
		t.Errorf("who claims to be a computer of another site whose key was forgotten is %s", w.State)
	}
	claim = hello(9)
	claim.NewKey = true
	if w := h.helloFrom("evil3", "10.1.6.6", claim); w.State != job.StatePending {
		t.Errorf("who claims to be a computer that has not come back yet is %s", w.State)
	}
	for ref, key := range map[string]string{"z1": "kz1", "h1": "", fresh.ID: "kf"} {
		if c := h.computer(ref); c.Key != key {
			t.Errorf("%s has key %q, want %q", ref, c.Key, key)
		}
	}
	_, err = h.Rekey(ctx, "z1", "marie")
	check(t, err)
	if w := h.helloFrom("new", "10.1.6.7", claimOf(1)); w.State != job.StateEnrolled || w.Computer != "z1" {
		t.Errorf("the room's own computer with a new disk is welcomed as %+v", w)
	}
}

func claimOf(n int) job.Hello {
	x := hello(n)
	x.NewKey = true
	return x
}

// A flood of invented computers, all at once: no more than the window's number are let in, and each has a name of its own.
func TestAFloodCannotExceedAWindow(t *testing.T) {
	h := newHouse(t)
	h.room("S104", func(*fleet.Room) {})
	check(t, h.OpenEnrolment(context.Background(), "S104", h.now.Add(time.Hour), 20, "marie"))
	var wait sync.WaitGroup
	var mu sync.Mutex
	in := map[string]bool{}
	for w := range 8 {
		wait.Go(func() {
			for n := range 40 {
				id := w*100 + n + 1
				x, err := h.Hello(context.Background(), fleet.Introduction{Key: fmt.Sprintf("flood%04d", id), Address: fmt.Sprintf("10.9.%d.%d", w, n), Hello: hello(id)})
				if err != nil {
					t.Error(err)
				}
				if x.State == job.StateEnrolled {
					mu.Lock()
					in[x.Computer] = true
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	if len(in) != 20 {
		t.Errorf("%d names were given: %v", len(in), in)
	}
	h.kill()
	enrolled := 0
	for _, c := range h.Computers() {
		if c.State == fleet.Enrolled {
			enrolled++
		}
	}
	if enrolled != 20 {
		t.Errorf("%d computers are enrolled", enrolled)
	}
}

// However the daemon dies in it, a window never lets in more than it is for.
func TestAWindowThatDiesInTheMiddle(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := range 6 {
			h := newHouse(t)
			h.room("S104", func(*fleet.Room) {})
			check(t, h.OpenEnrolment(context.Background(), "S104", h.now.Add(time.Hour), 3, "marie"))
			h.dying(n, after)
			for range 2 {
				for i := range 6 {
					_, _ = h.Hello(context.Background(), fleet.Introduction{Key: fmt.Sprint("key", i), Address: "10.0.0.9", Hello: hello(i + 1)})
				}
				h.kill()
			}
			enrolled := 0
			for _, c := range h.Computers() {
				if c.State == fleet.Enrolled {
					enrolled++
				}
			}
			if enrolled != 3 {
				t.Errorf("dying at commit %d (%v): %d are enrolled, want 3", n, after, enrolled)
			}
		}
	}
}

func TestApprovingIntoARoom(t *testing.T) {
	h := schools(t)
	a, b := h.hello("na", hello(60)), h.hello("nb", hello(61))
	out, err := h.ApproveAll(context.Background(), []fleet.Approval{{Code: a.Code, Name: "a", Room: "zola/s104", By: "m"},
		{Code: "000000x", By: "m"}, {Code: b.Code, Name: "b", Room: "zola/none", By: "m"}, {Code: b.Code, Name: "b", By: "m"}})
	if len(out) != 2 || out[0].Room != "zola/S104" || out[1].Room != "" {
		t.Errorf("approved: %+v", out)
	}
	wantCode(t, "the wrong code", err, fleet.CodeWrongCode)
}

func TestSitesOfAddresses(t *testing.T) {
	h := schools(t)
	_, err := h.SetSite(context.Background(), fleet.Site{Name: "annex", Networks: []netip.Prefix{netip.MustParsePrefix("10.1.99.0/24"),
		netip.MustParsePrefix("2001:db8::/32")}}, "m")
	check(t, err)
	for address, want := range map[string]string{"10.1.0.1": "zola", "10.1.99.1": "annex", "::ffff:10.1.99.1": "annex", "2001:db8::1": "annex",
		"192.168.0.1": "", "": "", "nonsense": "", "fe80::1%eth0": ""} {
		if got := h.SiteOf(fleet.Computer{Address: address}); got != want {
			t.Errorf("%s is of %q, want %q", address, got, want)
		}
	}
}
