package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestWhatAWishLeadsTo(t *testing.T) {
	tests := map[string]struct {
		wish   string
		before func(h *house)
		kind   job.Kind // of the task that follows; "": none
		by     string
		code   fleet.Code
		event  string
	}{
		"a reset":                            {job.WishReset, func(h *house) {}, job.KindReset, "somebody at the PC", "", ""},
		"a reset where nobody is ever reset": {job.WishReset, func(h *house) { h.policy("S104", job.PolicyNever) }, "", "", fleet.CodePolicy, ""},
		"a reset without a room": {job.WishReset, func(h *house) {
			_, err := h.Place(context.Background(), []string{"pc"}, "", "marie")
			check(h.t, err)
		}, "", "", fleet.CodePolicy, ""},
		"a reset of what is not known": {job.WishReset, func(h *house) {
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Phase: "data"} }))
		}, "", "", fleet.CodeNotProven, ""},
		"a reset of what we left unfinished ourselves": {job.WishReset, func(h *house) {
			h.order(job.KindReset, "pc")
			h.next("k")
			h.report("k", job.Report{Task: "2-1", State: job.TaskFailed, Mark: &job.Mark{Task: "2-1", Manifest: "aa", Phase: "data"},
				Outcome: &job.Outcome{Code: "io"}})
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Task: "2-1", Manifest: "aa", Phase: "data"} }))
		}, job.KindReset, "somebody at the PC", "", ""},
		"a reset to what it only says it was in the middle of": {job.WishReset, func(h *house) {
			h.order(job.KindReset, "pc")
			h.next("k")
			h.report("k", job.Report{Task: "2-1", State: job.TaskFailed, Outcome: &job.Outcome{Code: "io", WrittenBytes: 1}})
			h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Task: "2-1", Manifest: "zz", Phase: "data"} }))
		}, "", "", fleet.CodeNotProven, ""},
		"a reset while a deployment waits": {job.WishReset, func(h *house) { h.order(job.KindDeploy, "pc") }, job.KindDeploy, "marie", "", ""},
		"a reinstallation":                 {job.WishReinstall, func(h *house) {}, job.KindDeploy, "technician at the PC", "", "wish"},
		"a reinstallation of the room's master": {job.WishReinstall, func(h *house) {
			h.room("S104", func(r *fleet.Room) { r.Master = "win@stable" })
		}, job.KindDeploy, "technician at the PC", "", "wish"},
		"a reinstallation of a master that is gone": {job.WishReinstall, func(h *house) {
			h.room("S104", func(r *fleet.Room) { r.Master = "gone" })
		}, "", "", fleet.CodeNotProven, ""},
		"an inventory":              {job.WishInventory, func(h *house) {}, job.KindInventory, "technician at the PC", "", "wish"},
		"a shell":                   {job.WishRescue, func(h *house) {}, "", "", "", "wish"},
		"work where there is none":  {job.WishWork, func(h *house) {}, "", "", fleet.CodeNoTask, ""},
		"work where there is some":  {job.WishWork, func(h *house) { h.order(job.KindInventory, "pc") }, job.KindInventory, "marie", "", ""},
		"something that is no wish": {strings.Repeat("\x1b", 4000), func(h *house) {}, "", "", fleet.CodeBadOrder, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.versions = versions{"win@stable": {Target: fleet.Target{Master: "win", Version: 3, Manifest: "cc"}},
				"win@1": {Target: fleet.Target{Master: "win", Version: 1, Manifest: "aa"}}}
			h.kill()
			h.holding("k", "pc", 1, "win", "aa")
			h.room("S104", func(r *fleet.Room) { r.Level = job.LevelQuick }, "pc")
			tt.before(h)
			h.kill()
			err := h.Wish(context.Background(), "k", tt.wish)
			if tt.code != "" {
				wantCode(t, "the wish", err, tt.code)
			} else if err != nil {
				t.Errorf("the wish: %v", err)
			}
			if tt.event != "" && h.kinds()[tt.event] != 1 {
				t.Errorf("the events are %v, want one %s", h.kinds(), tt.event)
			}
			h.kill()
			got := h.task("k")
			if got.Kind != tt.kind || got.OrderedBy != tt.by {
				t.Fatalf("the task is %s by %q, want %s by %q", got.Kind, got.OrderedBy, tt.kind, tt.by)
			}
			if tt.kind == job.KindReset && (got.Level != job.LevelQuick || got.Manifest != "aa" || got.Countdown == 0) {
				t.Errorf("the reset is %+v", got)
			}
			if tt.wish == job.WishReinstall && tt.kind == job.KindDeploy {
				want := "aa"
				if strings.Contains(name, "room's") {
					want = "cc"
				}
				if got.Manifest != want || got.Disk.Serial != "D" {
					t.Errorf("it is told %+v, want %s on the disk that was proven", got, want)
				}
			}
			if err := h.Wish(context.Background(), "k", tt.wish); tt.kind != "" && err != nil {
				t.Errorf("wished again: %v", err)
			}
		})
	}
}

func TestAFloodOfWishesIsBoundedAndTold(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.holding("k2", "other", 2, "win", "aa")
	h.room("S104", asItIs, "pc", "other")
	granted := 0
	for range 200 {
		if h.Wish(context.Background(), "k", job.WishReset) == nil {
			granted++
			if got := h.task("k"); got.ID != "" {
				h.report("k", job.Report{Task: got.ID, State: job.TaskDone, Outcome: &proven})
			}
		}
		h.now = h.now.Add(10 * time.Second)
	}
	jobs, alarms := len(h.resets()), h.kinds()["wishes"]
	if jobs < 6 || jobs > 10 || granted != jobs || alarms != 1 {
		t.Errorf("in half an hour %d wishes are granted, %d jobs, %d alarms; want 6 to 10, as many, 1", granted, jobs, alarms)
	}
	if err := h.Wish(context.Background(), "k2", job.WishReset); err != nil {
		t.Errorf("another computer's wish: %v", err)
	}
	h.now = h.now.Add(time.Hour)
	if err := h.Wish(context.Background(), "k", job.WishReset); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestAMenuOffersWhatCanBeDone(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Menu = true }, "pc")
	says := func(when string, agent, menu, reset bool) {
		t.Helper()
		h.kill()
		if c := h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}); c.Agent != agent || c.Menu != menu || c.Menu && c.Reset != reset {
			t.Errorf("%s it starts %+v, want agent %v, menu %v, reset %v", when, c, agent, menu, reset)
		}
	}
	says("with nothing to do", false, true, true)
	h.policy("S104", job.PolicyNever)
	says("where nobody is reset", false, true, false)
	h.policy("S104", job.PolicyNight)
	says("where it is reset at night", false, true, true)
	check(t, h.Wish(context.Background(), "k", job.WishReset))
	says("with a task", true, false, false)
	h.next("k")
	h.report("k", job.Report{Task: "2-1", State: job.TaskDone, Outcome: &proven})
	says("after it", false, true, true)
	h.hello("k", with(hello(1), func(x *job.Hello) { x.Interrupted = &job.Mark{Phase: "data"} }))
	says("with its disk unfinished", true, false, false)
}

func TestTheTokenOfARunningSystem(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", func(r *fleet.Room) { r.Level = job.LevelQuick }, "pc")
	token, _, err := h.MakeToken(ctx, "pc", "marie")
	check(t, err)
	if len(token) < 40 || h.computer("pc").Token.Hash == token {
		t.Errorf("the token is %q, kept as %+v", token, h.computer("pc").Token)
	}
	h.kill()
	now, err := h.RunningReset(token)
	if err != nil || now.State != job.RunningNone || now.Computer != "pc" || now.Clean.IsZero() {
		t.Errorf("before anything it is %+v, %v", now, err)
	}
	ordered, err := h.OrderRunningReset(ctx, token)
	if err != nil || ordered.State != job.RunningWaiting || ordered.Master != "win" || ordered.Version != 1 || ordered.Level != job.LevelQuick ||
		ordered.Until.IsZero() {
		t.Errorf("ordered: %+v, %v", ordered, err)
	}
	h.kill()
	again, err := h.OrderRunningReset(ctx, token)
	if err != nil || again != ordered || len(h.resets()) != 1 {
		t.Errorf("ordered again: %+v, %v, %d jobs", again, err, len(h.resets()))
	}
	if now, err := h.CancelRunningReset(ctx, token); err != nil || now.State != job.RunningNone {
		t.Errorf("taken back: %+v, %v", now, err)
	}
	h.kill()
	if h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}).Agent {
		t.Error("taken back, its next start is the agent")
	}
	if _, err := h.OrderRunningReset(ctx, token); err != nil {
		t.Errorf("ordered once more: %v", err)
	}
	if !h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}).Agent {
		t.Error("its next start is not the agent")
	}
	if got := h.task("k"); got.Kind != job.KindReset || got.OrderedBy != "its running system" {
		t.Errorf("it is told %+v", got)
	}
	h.kill()
	if now, err = h.RunningReset(token); err != nil || now.State != job.RunningNow {
		t.Errorf("while it runs: %+v, %v", now, err)
	}
	h.report("k", job.Report{Task: "3-1", State: job.TaskDone, Outcome: &proven})
	if now, err = h.RunningReset(token); err != nil || now.State != job.RunningNone {
		t.Errorf("afterwards: %+v, %v", now, err)
	}

	newer, _, err := h.MakeToken(ctx, "pc", "marie")
	check(t, err)
	h.kill()
	_, err = h.OrderRunningReset(ctx, token)
	wantCode(t, "the token before", err, fleet.CodeWrongToken)
	h.policy("S104", job.PolicyNever)
	_, err = h.OrderRunningReset(ctx, newer)
	wantCode(t, "where nobody is ever reset", err, fleet.CodePolicy)
	h.policy("S104", job.PolicyDemand)
	_, err = h.RevokeToken(ctx, "pc", "marie")
	check(t, err)
	h.kill()
	for _, x := range []string{newer, token, "", h.computer("pc").Key, strings.Repeat("A", 43)} {
		_, err = h.OrderRunningReset(ctx, x)
		wantCode(t, "a token that is none", err, fleet.CodeWrongToken)
	}
	if len(h.resets()) != 2 {
		t.Errorf("%d resets were ordered", len(h.resets()))
	}
}

func TestAPersonsResetIsNotTakenBackByTheRunningSystem(t *testing.T) {
	h := newHouse(t)
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	token, _, err := h.MakeToken(context.Background(), "pc", "marie")
	check(t, err)
	_, err = h.Give(context.Background(), fleet.Order{Kind: job.KindReset, Computers: []string{"pc"}, By: "marie"})
	check(t, err)
	_, err = h.CancelRunningReset(context.Background(), token)
	wantCode(t, "taking back a technician's order", err, fleet.CodeNoTask)
	if got := h.task("k"); got.Kind != job.KindReset {
		t.Errorf("it is told %+v", got)
	}
}

func TestATokenIsWorthNothingWithoutItsComputer(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	token, _, err := h.MakeToken(ctx, "pc", "marie")
	check(t, err)
	_, err = h.Refuse(ctx, "pc", "marie")
	check(t, err)
	h.kill()
	_, err = h.OrderRunningReset(ctx, token)
	wantCode(t, "of a computer that was thrown out", err, fleet.CodeWrongToken)
	_, _, err = h.MakeToken(ctx, "pc", "marie")
	wantCode(t, "for a computer that was thrown out", err, fleet.CodeNotEnrolled)
}

func TestATokenCannotOrderMoreThanItsRoomAllows(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.holding("k", "pc", 1, "win", "aa")
	h.room("S104", asItIs, "pc")
	token, _, err := h.MakeToken(ctx, "pc", "marie")
	check(t, err)
	refused := 0
	for range 50 {
		if _, err := h.OrderRunningReset(ctx, token); err != nil {
			wantCode(t, "one more", err, fleet.CodeTooMany)
			refused++
		}
		h.now = h.now.Add(time.Second)
	}
	if refused != 44 || len(h.resets()) != 1 {
		t.Errorf("%d of 50 are refused, %d resets ordered", refused, len(h.resets()))
	}
}

func TestRooms(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	bad := map[string]func(*fleet.Room){
		"a policy that is none":             func(r *fleet.Room) { r.Policy = "weekly" },
		"each start without a menu":         func(r *fleet.Room) { r.Policy = job.PolicyStart },
		"half a level":                      func(r *fleet.Room) { r.Level = "half" },
		"a language nobody speaks":          func(r *fleet.Room) { r.Lang = "tlh" },
		"25 o'clock":                        func(r *fleet.Room) { r.Night = "25:00" },
		"an hour of one digit":              func(r *fleet.Room) { r.Night = "2:00" },
		"a passphrase in clear":             func(r *fleet.Room) { r.Passphrase = []string{"correct horse battery"} },
		"a hash that ends a line":           func(r *fleet.Room) { r.Passphrase = []string{"grub.pbkdf2.sha512.1.A.B\nlinux /evil"} },
		"a hash that ends a quotation":      func(r *fleet.Room) { r.Passphrase = []string{`grub.pbkdf2.sha512.1.A.B"`} },
		"a master of control characters":    func(r *fleet.Room) { r.Master = "a\x00b" },
		"one name for all":                  func(r *fleet.Room) { r.Template.Hostname = "pc" },
		"the room's name for all":           func(r *fleet.Room) { r.Template.Hostname = "{room}" },
		"a name with a blank":               func(r *fleet.Room) { r.Template.Hostname = "my {name}" },
		"an answer file of a megabyte":      func(r *fleet.Room) { r.Template.Answer = strings.Repeat("x", 1<<20) },
		"an answer file that is no text":    func(r *fleet.Room) { r.Template.Answer = "a\x00" },
		"a path of a thousand characters":   func(r *fleet.Room) { r.Template.Path = strings.Repeat("x", 1000) },
		"a name that begins with a hyphen":  func(r *fleet.Room) { r.Template.Hostname = "-{name}" },
		"an unknown placeholder in a name":  func(r *fleet.Room) { r.Template.Hostname = "{serial}-{name}" },
		"a name that is longer than a line": func(r *fleet.Room) { r.Template.Hostname = strings.Repeat("{name}", 100) },
	}
	for name, change := range bad {
		_, err := h.SetRoom(ctx, "S104", "marie", change)
		wantCode(t, name, err, fleet.CodeBadRoom)
	}
	if n := len(h.Rooms()); n != 0 {
		t.Fatalf("%d rooms are there after the refusals", n)
	}
	for _, name := range []string{"", "123", "a b", "../etc", strings.Repeat("x", 64), "<b>"} {
		_, err := h.SetRoom(ctx, name, "marie", asItIs)
		wantCode(t, "a room called "+name, err, fleet.CodeBadName)
	}
	h.enrol("k", "pc", hello(1))
	h.room("S104", func(r *fleet.Room) { r.Policy, r.Menu = job.PolicyStart, true }, "pc")
	h.kill()
	if r, err := h.Room("s104"); err != nil || r.Name != "S104" || r.Policy != job.PolicyStart || !r.Menu {
		t.Errorf("the room is %+v, %v", r, err)
	}
	if c := h.Boot(fleet.BootRequest{MAC: mac(1), UUID: uuid(1)}); c.Agent || !c.Menu || c.Reset || c.Room.Name != "S104" {
		t.Errorf("a computer of a menu room with nothing to do starts %+v", c)
	}
	if c := h.Boot(fleet.BootRequest{MAC: mac(9), UUID: uuid(9)}); c.Menu {
		t.Error("a computer that nobody knows gets a menu")
	}
	_, err := h.ForgetRoom(ctx, "S104", "marie")
	wantCode(t, "forgetting a room that is not empty", err, fleet.CodeRoomNeeded)
	_, err = h.Place(ctx, []string{"pc", "nope"}, "", "marie")
	wantCode(t, "placing one that is not there", err, fleet.CodeNoComputer)
	if c := h.computer("pc"); c.Room != "S104" {
		t.Error("of two computers one was placed, although the other is not there")
	}
	_, err = h.Place(ctx, []string{"pc"}, "S105", "marie")
	wantCode(t, "placing into a room that is not there", err, fleet.CodeNoRoom)
	_, err = h.Place(ctx, []string{"pc"}, "", "marie")
	check(t, err)
	_, err = h.ForgetRoom(ctx, "s104", "marie")
	check(t, err)
	h.kill()
	_, err = h.Room("S104")
	wantCode(t, "a room that was forgotten", err, fleet.CodeNoRoom)
}
