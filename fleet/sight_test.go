package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func everywhere(string, string) bool { return true }

// A sight says what Computers, Select and Current say one by one, of every kind of computer, whatever is asked.
func TestSightsSayWhatTheRestSays(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for _, room := range []string{"S104", "S105"} {
		_, err := h.SetRoom(ctx, room, "m", func(*fleet.Room) {})
		check(t, err)
	}
	var refs []string
	for n := range 9 {
		name := fmt.Sprintf("pc-%d", n)
		h.enrol(fmt.Sprint("key", n), name, hello(n+1))
		refs = append(refs, name)
	}
	_, err := h.Place(ctx, refs[:6], "S104", "m")
	check(t, err)
	_, err = h.Label(ctx, refs[2:4], []string{"portable"}, nil, "m")
	check(t, err)
	h.hello("stranger", hello(70))
	h.Boot(fleet.BootRequest{MAC: mac(80), UUID: uuid(80)})
	_, err = h.Give(ctx, fleet.Order{Kind: job.KindInventory, Computers: refs[:2], By: "m"})
	check(t, err)
	_, err = h.Give(ctx, fleet.Order{Kind: job.KindInventory, Computers: refs[2:3], By: "m", At: h.now.Add(time.Hour)})
	check(t, err)
	h.now = h.now.Add(2 * 24 * time.Hour)
	h.Boot(fleet.BootRequest{MAC: mac(5), UUID: uuid(5)}) // the boot server knows more of it than its record
	queries := []string{"", "room:S104", "-room:S104", "tag:portable", "unseen>1d", "-unseen>1d", "task:waiting", "-task:waiting", "state:pending",
		"state:unknown", "pc-3", "offline:yes", "name:none", "runs:none unseen<1h"}
	base, random := queries[1:], rand.New(rand.NewPCG(3, 3))
	for range 200 {
		q := ""
		for range 1 + random.IntN(4) {
			q += " " + []string{"", "-"}[random.IntN(2)] + base[random.IntN(len(base))]
		}
		queries = append(queries, q)
	}
	for _, q := range queries {
		found, err := h.Select(q)
		check(t, err)
		var want, got []string
		for _, c := range found {
			want = append(want, c.ID)
		}
		sights, err := h.Sights(q, everywhere)
		check(t, err)
		if len(sights) != 11 {
			t.Fatalf("%q: %d computers are seen", q, len(sights))
		}
		for _, s := range sights {
			if s.Match {
				got = append(got, s.Computer.ID)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q matches %v, as a list %v", q, got, want)
		}
	}
	for _, s := range must(h.Sights("", everywhere)) {
		c, err := h.Find(s.Computer.ID)
		check(t, err)
		_, task, has := h.Current(c.ID)
		if s.Stage != c.Stage || !s.LastSeen.Equal(c.LastSeen) || s.BootLoop != c.BootLoop || s.Site != h.SiteOf(c) || s.Job != task.Job || s.State != task.State ||
			s.Now().LastSeen != c.LastSeen || (s.Task != nil) != (has && task.Active()) || s.Task != nil && s.Task.ID != task.ID {
			t.Errorf("%s is seen as %+v, it is %+v with %+v", c.Name, s, c, task)
		}
	}
}

// must is for what cannot be refused.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// What lies elsewhere is neither seen nor counted, and nothing is asked of it.
func TestSightsStayWhereTheyMayLook(t *testing.T) {
	h := newHouse(t)
	for _, site := range []string{"zola", "hugo"} {
		_, err := h.SetSite(t.Context(), fleet.Site{Name: site}, "m")
		check(t, err)
		_, err = h.SetRoom(t.Context(), site+"/S104", "m", func(*fleet.Room) {})
		check(t, err)
	}
	for n := range 6 {
		h.enrol(fmt.Sprint("key", n), fmt.Sprintf("pc-%d", n), hello(n+1))
		_, err := h.Place(t.Context(), []string{fmt.Sprintf("pc-%d", n)}, []string{"zola/S104", "hugo/S104"}[n%2], "m")
		check(t, err)
	}
	for _, q := range []string{"", "room:S104", "-site:zola", "site:hugo"} {
		for _, s := range must(h.Sights(q, func(site, _ string) bool { return site == "zola" })) {
			if s.Site != "zola" || s.Computer.Room != "zola/S104" {
				t.Errorf("%q shows %s of %s", q, s.Computer.Name, s.Computer.Room)
			}
		}
	}
	if _, err := h.Sights("colour:red", everywhere); err == nil {
		t.Error("a query that means nothing is answered")
	}
}

// Sights are taken while computers come, report, move and go.
func TestSightsWhileTheFleetWorks(t *testing.T) {
	h := newHouse(t)
	_, err := h.SetRoom(t.Context(), "S104", "m", func(*fleet.Room) {})
	check(t, err)
	for n := range 8 {
		h.enrol(fmt.Sprint("key", n), fmt.Sprintf("pc-%d", n), hello(n+1))
	}
	j, err := h.Give(t.Context(), fleet.Order{Kind: job.KindInventory, Computers: []string{"pc-0"}, By: "m"})
	check(t, err)
	h.next("key0")
	over := make(chan struct{})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				for _, s := range must(h.Sights("-tag:lent optiplex", everywhere)) {
					if s.Computer.Name == "" || s.Task != nil && s.Task.Job != s.Job {
						t.Errorf("half of a computer: %+v", s)
					}
				}
			}
		})
	}
	for n := range 60 {
		name := fmt.Sprintf("pc-%d", 1+n%7)
		_, err := h.Report(t.Context(), "key0", job.Report{Task: j.Tasks[0].ID, State: job.TaskRunning, Steps: []string{"inventory"}, Done: int64(n), Total: 60,
			Phase: strings.Repeat("\u202e", 300)})
		check(t, err)
		_, err = h.Label(t.Context(), []string{name}, []string{"lent"}, nil, "m")
		check(t, err)
		_, err = h.Place(t.Context(), []string{name}, []string{"S104", ""}[n/7%2], "m")
		check(t, err)
		h.Boot(fleet.BootRequest{MAC: mac(100 + n), UUID: uuid(100 + n)})
	}
	close(over)
	wait.Wait()
	for _, s := range must(h.Sights("task:running", everywhere)) {
		if s.Match && (s.Task == nil || s.Task.Progress == nil || strings.Contains(s.Task.Progress.Phase, "\u202e") || len(s.Task.Progress.Phase) > 64*3) {
			t.Errorf("what works is seen as %+v", s.Task)
		}
	}
}
