package fleet_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestAComputerIsEnrolledByItsCode(t *testing.T) {
	h := newHouse(t)
	w := h.hello("k", hello(1))
	if w.State != job.StatePending || !regexp.MustCompile(`^[0-9]{6}$`).MatchString(w.Code) || w.ID != "" || w.Computer != "" {
		t.Fatalf("the first hello = %+v", w)
	}
	if again := h.hello("k", hello(1)); again != w {
		t.Errorf("the second hello = %+v, want the same code", again)
	}
	if _, err := h.Authorise("k"); err == nil {
		t.Error("a pending key is authorised")
	}
	c := h.enrol("k", "S104-07", hello(1))
	h.kill()
	w = h.hello("k", hello(1))
	if w.State != job.StateEnrolled || w.Computer != "S104-07" || w.ID != c.ID || w.Code != "" {
		t.Errorf("after approval and a restart the hello = %+v", w)
	}
}

// What a hello of another key than the record's leads to.
func TestWhoClaimsToBeAKnownComputer(t *testing.T) {
	stored := func(in job.Hello) job.Hello { return in }
	made := func(in job.Hello) job.Hello { in.NewKey = true; return in }
	tests := map[string]struct {
		first, claim job.Hello
		state        string
		suggests     bool
	}{
		"the same computer in everything":                   {stored(hello(1)), stored(hello(1)), job.StateAlarm, false},
		"the same, with a key made at this boot":            {stored(hello(1)), made(hello(1)), job.StateAlarm, false},
		"one whose key was never stored, with a new key":    {made(hello(1)), made(hello(1)), job.StatePending, true},
		"one whose key was never stored, with a stored key": {made(hello(1)), stored(hello(1)), job.StateAlarm, false},
		"another computer":                                  {stored(hello(1)), stored(hello(2)), job.StatePending, false},
		"another computer with the same dongle":             {stored(hello(1)), stored(with(hello(2), func(h *job.Hello) { h.MAC = mac(1) })), job.StatePending, false},
		"only the MAC is known":                             {stored(hello(1)), stored(job.Hello{MAC: mac(1)}), job.StateAlarm, false},
		"only the UUID is known":                            {stored(hello(1)), stored(job.Hello{Inventory: job.Inventory{UUID: uuid(1)}}), job.StateAlarm, false},
		"the UUID in capitals":                              {stored(hello(1)), stored(job.Hello{Inventory: job.Inventory{UUID: strings.ToUpper(uuid(1))}}), job.StateAlarm, false},
		"a UUID of the factory's, shared by two":            {stored(board(1)), stored(board(2)), job.StatePending, false},
		"a serial that nobody filled in, shared by two":     {stored(serial(1)), stored(serial(2)), job.StatePending, false},
		"its network card was replaced":                     {stored(hello(1)), stored(with(hello(1), func(h *job.Hello) { h.MAC = mac(9) })), job.StateAlarm, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c := h.enrol("right", "pc", tt.first)
			w := h.hello("wrong", tt.claim)
			if w.State != tt.state || w.ID != "" || w.Computer != "" {
				t.Errorf("the claim = %+v, want %s", w, tt.state)
			}
			h.kill()
			now := h.computer("pc")
			if now.Key != "right" || now.ID != c.ID || (now.Shown() == fleet.Alarm) != (tt.state == job.StateAlarm) {
				t.Errorf("the record has key %s, id %s and is %s", now.Key, now.ID, now.Shown())
			}
			if w := h.hello("right", tt.first); w.State != job.StateEnrolled {
				t.Errorf("the right key is welcomed as %+v", w)
			}
			if w.State != job.StatePending {
				return
			}
			again := h.hello("wrong", tt.claim)
			approved, err := h.Approve(context.Background(), fleet.Approval{Code: again.Code, By: "marie"})
			if err != nil || (approved.ID == c.ID) != tt.suggests {
				t.Errorf("approved it becomes %s, %v; the record is %s", approved.ID, err, c.ID)
			}
		})
	}
}

func with(h job.Hello, change func(*job.Hello)) job.Hello {
	change(&h)
	return h
}

func board(n int) job.Hello {
	return with(hello(n), func(h *job.Hello) { h.Inventory.UUID = "03000200-0400-0500-0006-000700080009" })
}

func serial(n int) job.Hello {
	return with(hello(n), func(h *job.Hello) {
		h.Inventory.UUID, h.Inventory.Serial, h.Inventory.BoardSerial = "", "To be filled by O.E.M.", "Default string"
	})
}

func TestAnAlarmIsDismissedOrTheKeyForgotten(t *testing.T) {
	h := newHouse(t)
	h.enrol("right", "pc", hello(1))
	h.hello("wrong", hello(1))
	c, err := h.Refuse(context.Background(), "pc", "marie")
	if err != nil || c.Shown() != fleet.Enrolled || c.Key != "right" {
		t.Errorf("dismissed: %s with key %s, %v", c.Shown(), c.Key, err)
	}
	h.hello("wrong", hello(1))
	_, err = h.Rekey(context.Background(), "pc", "marie")
	check(t, err)
	if _, err := h.Authorise("right"); err == nil {
		t.Error("a forgotten key is authorised")
	}
	w := h.hello("wrong", hello(1))
	if w.State != job.StatePending {
		t.Fatalf("after the key was forgotten the hello = %+v", w)
	}
	again, err := h.Approve(context.Background(), fleet.Approval{Code: w.Code, By: "marie"})
	if err != nil || again.ID != c.ID || again.Name != "pc" || again.Key != "wrong" || again.Shown() != fleet.Enrolled {
		t.Errorf("approved: %+v, %v", again, err)
	}
}

func TestCodesCannotBeGuessed(t *testing.T) {
	h := newHouse(t)
	w := h.hello("k", hello(1))
	ctx := context.Background()
	for range 10 {
		wrong := "000000"
		if w.Code == wrong {
			wrong = "000001"
		}
		_, err := h.Approve(ctx, fleet.Approval{Code: wrong})
		wantCode(t, "a wrong code", err, fleet.CodeWrongCode)
	}
	_, err := h.Approve(ctx, fleet.Approval{Code: w.Code})
	wantCode(t, "the right code after ten wrong ones", err, fleet.CodeTooMany)
	h.now = h.now.Add(11 * time.Minute)
	w = h.hello("k", hello(1))
	if _, err := h.Approve(ctx, fleet.Approval{Code: w.Code}); err != nil {
		t.Errorf("the right code after a pause: %v", err)
	}
}

func TestAFloodOfInventedComputersDisplacesOnlyItself(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	say := func(key, address string, n int) error {
		_, err := h.Hello(ctx, fleet.Introduction{Key: key, Address: address, Hello: hello(n)})
		return err
	}
	for n := range 300 {
		check(t, say(fmt.Sprintf("honest%03d-padded-key", n), fmt.Sprintf("10.0.%d.%d", n/200, n%200), n))
	}
	refused := 0
	for n := range 700 {
		if say(fmt.Sprintf("flood%04d-padded-key", n), fmt.Sprintf("10.6.6.%d", n%3), 1000+n) != nil {
			refused++
		}
	}
	honest, all, codes := 0, 0, map[string]bool{}
	for _, c := range h.Computers() {
		if c.State != fleet.Pending {
			continue
		}
		all++
		codes[c.Code] = true
		if strings.HasPrefix(c.Key, "honest") {
			honest++
		}
	}
	if honest != 300 || all > 512 || refused == 0 || len(codes) != all {
		t.Errorf("%d of 300 honest ones still wait among %d with %d codes; %d were turned away", honest, all, len(codes), refused)
	}
	check(t, say("latecomer-padded-key", "10.0.3.3", 5000))
	h.now = h.now.Add(3 * time.Minute)
	check(t, say("next-morning-padded-key", "10.0.3.4", 5001))
	if n := len(h.Computers()); n != 1 {
		t.Errorf("after their silence %d still wait, want 1", n)
	}
}

func TestNames(t *testing.T) {
	h := newHouse(t)
	h.enrol("k1", "S104-01", hello(1))
	w := h.hello("k2", hello(2))
	ctx := context.Background()
	for name, code := range map[string]fleet.Code{
		"s104-01": fleet.CodeNameTaken, "a b": fleet.CodeBadName, "-x": fleet.CodeBadName, "123456": fleet.CodeBadName,
		"é": fleet.CodeBadName, strings.Repeat("a", 64): fleet.CodeBadName, "a/b": fleet.CodeBadName, "<b>": fleet.CodeBadName,
	} {
		_, err := h.Approve(ctx, fleet.Approval{Code: w.Code, Name: name})
		wantCode(t, "approving as "+name, err, code)
		_, err = h.Rename(ctx, "S104-01", name)
		if name != "s104-01" {
			wantCode(t, "renaming to "+name, err, code)
		}
	}
	if _, err := h.Approve(ctx, fleet.Approval{Code: w.Code, Name: "S104-02"}); err != nil {
		t.Error(err)
	}
	_, err := h.Rename(ctx, "S104-02", "S104-01")
	wantCode(t, "renaming to a name that is taken", err, fleet.CodeNameTaken)
	if _, err := h.Rename(ctx, "S104-02", "Prof"); err != nil {
		t.Error(err)
	}
	if c := h.computer("prof"); c.Key != "k2" {
		t.Errorf("prof is %+v", c)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"OptiPlex 7010":        "OptiPlex 7010",
		" padded ":             "padded",
		"a\x00b\x1b[2Jc\nd":    "a\ufffdb\ufffd[2Jc\ufffdd",
		"\u202egnp.exe":        "\ufffdgnp.exe",
		"\xff\xfe":             "\ufffd\ufffd",
		"<script>":             "<script>",
		strings.Repeat("é", 9): "éééééééé",
	} {
		if got := fleet.Clean(in, 8+len("OptiPlex 7010")*boolInt(len(in) < 18)); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzClean(f *testing.F) {
	f.Add("OptiPlex 7010", 5)
	f.Add("\x00\x1b[2J\u202e\xff", 255)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 4096))
		got := fleet.Clean(s, limit)
		if n := len([]rune(got)); n > limit {
			t.Errorf("%d characters, want at most %d", n, limit)
		}
		if again := fleet.Clean(got, limit); again != got {
			t.Errorf("cleaning twice gives %q, then %q", got, again)
		}
	})
}
