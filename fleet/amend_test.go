package fleet_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/fleet"
)

// What people say of a computer is changed as a whole: where one part cannot be, none is.
func TestAnAmendmentIsAllOrNothing(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	text := func(s string) *string { return &s }
	tags := func(all ...string) *[]string { return &all }
	before := h.computer("z1")
	for what, x := range map[string]struct {
		a    fleet.Amendment
		code fleet.Code
	}{
		"a name that is none":     {fleet.Amendment{Name: text("a b"), Note: text("typed")}, fleet.CodeBadName},
		"a name of another":       {fleet.Amendment{Name: text("Z2"), Note: text("typed")}, fleet.CodeNameTaken},
		"a long note":             {fleet.Amendment{Name: text("free"), Note: text(strings.Repeat("é", 4001))}, fleet.CodeBadNote},
		"a tag that is none":      {fleet.Amendment{Name: text("free"), Note: text("typed"), Tags: tags("good", "b*d")}, fleet.CodeBadTag},
		"a room that is not":      {fleet.Amendment{Name: text("free"), Tags: tags("good"), Room: text("zola/nowhere")}, fleet.CodeNoRoom},
		"a site that is not":      {fleet.Amendment{Name: text("free"), Tags: tags("good"), Room: text("nowhere/")}, fleet.CodeNoSite},
		"a computer that is not":  {fleet.Amendment{}, fleet.CodeNoComputer},
		"a room, and a bad name ": {fleet.Amendment{Name: text(""), Room: text("hugo/S104")}, fleet.CodeBadName},
	} {
		ref := "z1"
		if x.code == fleet.CodeNoComputer {
			ref = "nobody"
		}
		_, err := h.Amend(ctx, ref, x.a, "marie")
		wantCode(t, what, err, x.code)
		if now := h.computer("z1"); now.Room != before.Room || now.Note != before.Note || len(now.Tags) != len(before.Tags) {
			t.Errorf("%s: it is %+v now", what, now)
		}
	}
	_, err := h.SetRoom(ctx, "zola/S104", "marie", func(r *fleet.Room) { r.Teacher = before.ID })
	check(t, err)
	long := strings.Repeat("é", 4000)
	_, err = h.Amend(ctx, "z1", fleet.Amendment{Name: text("free"), Note: text(long), Tags: tags("b", "a"), Room: text("hugo/S104")}, "marie")
	check(t, err)
	h.kill()
	c := h.computer("free")
	if c.ID != before.ID || c.Note != long || !slices.Equal(c.Tags, []string{"a", "b"}) || c.Room != "hugo/S104" || h.SiteOf(c) != "hugo" {
		t.Errorf("it is %+v", c)
	}
	if r, err := h.Room("zola/S104"); err != nil || r.Teacher != "" {
		t.Errorf("it is still the teacher's computer of the room that it left: %+v, %v", r, err)
	}
	_, err = h.Amend(ctx, "free", fleet.Amendment{Tags: tags("A"), Room: text("")}, "marie")
	check(t, err)
	if c := h.computer("free"); c.Room != "" || h.SiteOf(c) != "hugo" || len(c.Tags) != 1 || c.Note != long {
		t.Errorf("it is %+v", c)
	}
}

func TestASheetIsOneThatSpreadsheetsRead(t *testing.T) {
	var out bytes.Buffer
	w := fleet.NewSheetWriter(&out)
	w.Write("a;b", "=1+1", "'x", "two\nlines", "")
	check(t, w.Close())
	if got, want := out.String(), "\ufeff\"a;b\";'=1+1;''x;\"two\r\nlines\";\r\n"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	w = fleet.NewSheetWriter(broken{})
	w.Write("a")
	if w.Close() == nil {
		t.Error("a list that nobody took is written")
	}
}

// broken takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, context.Canceled }
