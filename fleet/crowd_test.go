package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// A room that does everything at once, while its policy changes, the clock ticks and firmware asks: nobody waits for
// somebody who waits for him, counters only grow, and each computer gets its own.
func TestARoomThatDoesEverythingAtOnce(t *testing.T) {
	const pcs, rounds = 12, 6
	h := newHouse(t)
	h.personal = &crowd{}
	h.kill()
	var names []string
	for n := range pcs {
		name := fmt.Sprintf("S104-%02d", n+1)
		h.holding(fmt.Sprintf("k%d", n), name, n+1, "win", "aa")
		names = append(names, name)
	}
	h.room("S104", func(r *fleet.Room) { r.Menu, r.Template.Hostname = true, "{room}-{number}" }, names...)
	var wait sync.WaitGroup
	fail := func(what string, err error) {
		var refused *fleet.RefusedError
		if err != nil && !errors.As(err, &refused) { // two who want the same may refuse each other
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range pcs {
		wait.Go(func() {
			last := uint64(0)
			for range rounds {
				last = h.live(t, n, names[n], last, fail)
			}
		})
	}
	wait.Go(func() {
		for i := range rounds * 2 {
			level := []job.Level{job.LevelQuick, job.LevelFull}[i%2]
			_, err := h.SetRoom(context.Background(), "S104", "marie", func(r *fleet.Room) { r.Level = level })
			fail("changing the room", err)
			fail("ticking", h.Tick(context.Background()))
			h.Computers()
			h.Rooms()
		}
	})
	wait.Wait()
	for _, j := range h.Jobs() {
		for _, task := range j.Tasks {
			if task.Active() || task.State != job.TaskDone {
				t.Errorf("task %s is %s, %+v", task.ID, task.State, task.Outcome)
			}
		}
	}
	h.kill()
	for n, name := range names {
		if c := h.computer(name); c.Runs == nil || c.Runs.Manifest != "aa" || c.Resets == nil || c.Resets.Done != rounds {
			t.Errorf("computer %d runs %+v after %+v", n, c.Runs, c.Resets)
		}
	}
}

// crowd names computers, and has no memory that they could fight for.
type crowd struct{}

func (*crowd) Exceptions(_ context.Context, _ string, p fleet.Personal) ([]job.Exception, []string, error) {
	return []job.Exception{{Content: []byte(p.Hostname)}}, nil, nil
}

// live is one start of a computer: a menu, a wish, the reset, the proof. It returns the counter of its grant.
func (h *house) live(t *testing.T, n int, name string, last uint64, fail func(string, error)) uint64 {
	ctx, key := context.Background(), fmt.Sprintf("k%d", n)
	h.Boot(fleet.BootRequest{MAC: mac(n + 1), UUID: uuid(n + 1)})
	_, err := h.Hello(ctx, fleet.Introduction{Key: key, Address: "10.0.0.9", Hello: hello(n + 1)})
	fail("saying hello", err)
	b, err := h.Local(ctx, key)
	fail("asking for its local boot", err)
	var g job.StandingGrant
	if err := json.Unmarshal(b.Grant.Payload, &g); err != nil || g.Counter < last || g.ComputerKey != key {
		t.Errorf("%s is granted %+v after counter %d, %v", name, g, last, err)
	}
	fail("telling of its disk", h.Told(ctx, key, job.LocalState{Place: true, Counter: g.Counter}))
	if err := h.Wish(ctx, key, job.WishReset); err != nil {
		t.Errorf("wishing a reset: %v", err)
		return g.Counter
	}
	e, err := h.Next(ctx, key)
	fail("asking for its task", err)
	var task job.Task
	if e == nil || json.Unmarshal(e.Payload, &task) != nil || len(task.Exceptions) != 1 || string(task.Exceptions[0].Content) != name {
		t.Errorf("%s is told %+v", name, task)
		return g.Counter
	}
	p := proof(0, func(p *job.Proof) { p.ID = task.Nonce })
	_, err = h.Report(ctx, key, job.Report{Task: task.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", ProvenAt: p.At, Proof: &p}})
	fail("reporting", err)
	return g.Counter
}
