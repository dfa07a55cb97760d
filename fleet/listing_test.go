package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// However computers come, go, are renamed, change their cards and keys: each is found by what it has now and by nothing
// that it had, and the list is in order.
func TestComputersAreFoundByWhatTheyHave(t *testing.T) {
	h := immortal(t)
	ctx := context.Background()
	random := rand.New(rand.NewPCG(7, 7))
	type pc struct {
		name, key string
		n         int
	}
	known := map[string]pc{} // by id
	for step := range 600 {
		ids := slices.Sorted(func(yield func(string) bool) {
			for id := range known {
				if !yield(id) {
					return
				}
			}
		})
		pick := func() string { return ids[random.IntN(len(ids))] }
		switch what := random.IntN(6); {
		case what <= 1 || len(ids) < 3:
			x := pc{fmt.Sprintf("pc-%d-%d", random.IntN(50), step), fmt.Sprint("key", step), step + 1}
			known[h.enrol(x.key, x.name, hello(x.n)).ID] = x
		case what == 2:
			id := pick()
			x := known[id]
			x.name = fmt.Sprintf("%c-%d", 'a'+rune(random.IntN(26)), step)
			_, err := h.Rename(ctx, id, strings.ToUpper(x.name))
			check(t, err)
			known[id] = x
		case what == 3: // another card
			id := pick()
			x := known[id]
			in := hello(x.n)
			x.n = 10_000 + step
			in.MAC = mac(x.n)
			h.hello(x.key, in)
			in.Inventory.UUID, in.Inventory.Serial = uuid(x.n), hello(x.n).Inventory.Serial
			h.hello(x.key, in)
			known[id] = x
		case what == 4:
			id := pick()
			_, err := h.Rekey(ctx, id, "m")
			check(t, err)
			_, err = h.Forget(ctx, id, "m")
			check(t, err)
			_, err = h.Find(known[id].name)
			wantCode(t, "who was forgotten", err, fleet.CodeNoComputer)
			_, err = h.Authorise(known[id].key)
			wantCode(t, "a forgotten key", err, fleet.CodeNotEnrolled)
			delete(known, id)
		}
	}
	all := h.Computers()
	if len(all) != len(known) {
		t.Errorf("%d are listed, %d are there", len(all), len(known))
	}
	if !slices.IsSortedFunc(all, func(a, b fleet.Computer) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	}) {
		t.Error("the list is out of order")
	}
	for id, x := range known {
		for _, ref := range []string{id, x.name, mac(x.n)} {
			if c, err := h.Find(ref); err != nil || c.ID != id {
				t.Errorf("%s is found as %s, %v; want %s", ref, c.ID, err, id)
			}
		}
		if c, err := h.Authorise(x.key); err != nil || c.ID != id {
			t.Errorf("key %s is of %s, %v", x.key, c.ID, err)
		}
		if x.n >= 10_000 {
			continue
		}
		if b := h.Boot(fleet.BootRequest{MAC: mac(x.n), UUID: uuid(x.n)}); b.Why != "nothing to do" {
			t.Errorf("firmware of %s is answered %+v", x.name, b)
		}
	}
}

func TestSummaryCountsEverybodyOnce(t *testing.T) {
	h := schools(t)
	h.room("zola/S105", func(*fleet.Room) {})
	h.hello("new", hello(70))
	h.order(job.KindInventory, "z1")
	h.next("kz1")
	h.report("kz1", job.Report{Task: "1-1", State: job.TaskRunning, Done: 30, Total: 100, Session: &job.Reception{WireRate: 7}})
	h.order(job.KindInventory, "h1")
	h.give(fleet.Order{Kind: job.KindInventory, Computers: []string{"z2"}, At: h.now.Add(time.Hour)})
	h.order(job.KindInventory, "x1")
	h.next("kx1")
	h.report("kx1", job.Report{Task: "4-1", State: job.TaskFailed, Outcome: &job.Outcome{Code: "x"}})
	got := map[string]fleet.RoomSummary{}
	for _, s := range h.Summary() {
		got[s.Site+" "+s.Room] = s
	}
	for key, want := range map[string]fleet.RoomSummary{
		"zola zola/S104": {Total: 1, Running: 1, Done: 30, ToDo: 100, Rate: 7}, "zola zola/S105": {}, "hugo hugo/S104": {Total: 1, Waiting: 1},
		"zola ": {Total: 1, Scheduled: 1}, " ": {Total: 2, Failed: 1},
	} {
		s := got[key]
		want.Room, want.Site, want.ByState = s.Room, s.Site, s.ByState
		if fmt.Sprint(s) != fmt.Sprint(want) || s.Active() != want.Running+want.Waiting {
			t.Errorf("%q: %+v, want %+v", key, s, want)
		}
	}
	if n := got[" "].ByState; n[fleet.Pending] != 1 || n[fleet.Enrolled] != 1 || len(got) != 5 {
		t.Errorf("of nowhere: %v; %d rooms", n, len(got))
	}
	if j, x, ok := h.Current(h.computer("x1").ID); !ok || j.ID != "4" || x.State != job.TaskFailed {
		t.Errorf("the last task of x1 is %+v of job %s", x, j.ID)
	}
}

func TestWhoListensHearsWhatWasKept(t *testing.T) {
	h := newHouse(t)
	var heard []fleet.Change
	cancel := h.Listen(func(c fleet.Change) { heard = append(heard, c) })
	h.enrol("k", "pc", hello(1))
	h.order(job.KindInventory, "pc")
	h.next("k")
	h.report("k", job.Report{Task: "1-1", State: job.TaskRunning, Done: 5})
	var kinds []string
	last := int64(0)
	for _, c := range heard {
		for _, e := range c.Events {
			kinds = append(kinds, e.Kind)
			if e.Kind != "pending" && e.Number <= last {
				t.Errorf("event %s has number %d after %d", e.Kind, e.Number, last)
			}
			last = max(last, e.Number)
		}
	}
	if want := []string{"pending", "approved", "ordered", "started"}; !slices.Equal(kinds, want) {
		t.Errorf("heard of %v, want %v", kinds, want)
	}
	if x := heard[len(heard)-1]; len(x.Tasks) != 1 || x.Tasks[0].Progress.Done != 5 {
		t.Errorf("the last is %+v", x)
	}
	n := len(heard)
	cancel()
	h.order(job.KindDeploy, h.enrol("k2", "pc2", hello(2)).Name)
	if len(heard) != n {
		t.Error("who has left is still told")
	}
}

func TestEventsSayWhereItWas(t *testing.T) {
	h := schools(t)
	_, err := h.Place(context.Background(), []string{"z1"}, "hugo/S104", "marie")
	check(t, err)
	h.order(job.KindInventory, "z1")
	for site, want := range map[string]int{"zola": 0, "hugo": 1} {
		got, err := h.Events(context.Background(), fleet.EventQuery{Sites: []string{site}, Kind: "ordered"})
		if check(t, err); len(got) != want {
			t.Errorf("%d orders in %s, want %d: %+v", len(got), site, want, got)
		}
	}
	got, err := h.Events(context.Background(), fleet.EventQuery{Room: "hugo/S104", Kind: "ordered"})
	if check(t, err); len(got) != 1 || got[0].Site != "hugo" || got[0].Number == 0 {
		t.Errorf("in the room: %+v", got)
	}
	got, err = h.Events(context.Background(), fleet.EventQuery{Site: "zola", Kind: "placed"})
	if check(t, err); len(got) != 1 {
		t.Errorf("z1 was placed in zola once: %+v", got)
	}
}

func TestTagsAndNotes(t *testing.T) {
	h := schools(t)
	ctx := context.Background()
	got, err := h.Label(ctx, []string{"z1", "h1", "Z1"}, []string{"Portable", "été"}, nil, "m")
	if err != nil || len(got) != 2 || !slices.Equal(got[0].Tags, []string{"Portable", "été"}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = h.Label(ctx, []string{"z1"}, []string{"PORTABLE", "a"}, []string{"ÉTÉ"}, "m")
	check(t, err)
	_, err = h.Annotate(ctx, "z1", "a\x00b", "m")
	check(t, err)
	h.kill()
	if c := h.computer("z1"); !slices.Equal(c.Tags, []string{"a", "Portable"}) || c.Note != "a\ufffdb" {
		t.Errorf("kept: %q, %q", c.Tags, c.Note)
	}
	for _, bad := range []string{"", "a b", "-a", "a:b", "<script>", "\u202ea", strings.Repeat("x", 33)} {
		_, err := h.Label(ctx, []string{"z1"}, []string{bad}, nil, "m")
		wantCode(t, "tag "+bad, err, fleet.CodeBadTag)
	}
	_, err = h.Label(ctx, []string{"z1", "nobody"}, []string{"b"}, nil, "m")
	if wantCode(t, "one who is not there", err, fleet.CodeNoComputer); len(h.computer("z1").Tags) != 2 {
		t.Error("half of it was kept")
	}
	var many []string
	for n := range 40 {
		many = append(many, fmt.Sprint("t", n))
	}
	_, err = h.Label(ctx, []string{"z1"}, many, nil, "m")
	wantCode(t, "forty tags", err, fleet.CodeBadTag)
	_, err = h.Annotate(ctx, "z1", strings.Repeat("x", 4001), "m")
	wantCode(t, "a long note", err, fleet.CodeBadNote)
	for query, want := range map[string]int{"tag:portable": 2, "tag:été": 1, "tag:none": 2, "note:b": 1} {
		if got, err := h.Select(query); err != nil || len(got) != want {
			t.Errorf("%s: %d, %v; want %d", query, len(got), err, want)
		}
	}
}

func TestSavedFilters(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	_, err := h.SaveFilter(ctx, fleet.SavedFilter{Name: " Old ones ", Query: " unseen>30d ", By: "m"})
	check(t, err)
	_, err = h.SaveFilter(ctx, fleet.SavedFilter{Name: "OLD ONES", Query: "unseen>60d", By: "p"})
	check(t, err)
	h.kill()
	if got := h.Filters(); len(got) != 1 || got[0] != (fleet.SavedFilter{Name: "Old ones", Query: "unseen>60d", By: "p"}) {
		t.Errorf("kept: %+v", got)
	}
	_, err = h.SaveFilter(ctx, fleet.SavedFilter{Name: "x", Query: "unseen"})
	check(t, err) // a word like another
	_, err = h.SaveFilter(ctx, fleet.SavedFilter{Name: "x", Query: "unseen:"})
	wantCode(t, "a bad query", err, fleet.CodeBadFilter)
	_, err = h.SaveFilter(ctx, fleet.SavedFilter{Name: " ", Query: "x"})
	wantCode(t, "no name", err, fleet.CodeBadName)
	_, err = h.ForgetFilter(ctx, "old ONES")
	check(t, err)
	_, err = h.ForgetFilter(ctx, "old ONES")
	wantCode(t, "what is gone", err, fleet.CodeNoFilter)
}
