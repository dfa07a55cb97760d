package fleet

import (
	"context"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Who orders what is asked for at the computer itself. Nothing proves that these are the people they say.
const (
	atTheMenu    = "somebody at the PC"
	theTechnican = "technician at the PC"
	theSystem    = "its running system"
)

// countdownAtPC is how many seconds a computer shows before it does what was chosen at its own screen.
const countdownAtPC = 5

// wishBounds is how many wishes of one computer are granted: six at once, then one every ten minutes.
func wishBounds() bounds { return bounds{6, 10 * time.Minute} }

// wished counts a wish that came in some way from a computer. Beyond the bounds it is refused, and people are told now and
// then.
func (f *Fleet) wished(ctx context.Context, c Computer, way, what string) error {
	if f.may(c.ID+"/"+way, wishBounds()) {
		return nil
	}
	if f.may(c.ID+"/alarm", bounds{1, time.Hour}) {
		e := f.event("wishes", Grave, c, Task{}, "asks for %s again and again, from its %s", Clean(what, 32), way)
		if err := f.commit(ctx, Change{Events: []Event{e}}); err != nil {
			return err
		}
	}
	return refuse(CodeTooMany, c.Name, "this computer has asked too often: wait ten minutes")
}

// Wish takes what somebody chose in the start menu of the computer with this key. A task follows, but for what the
// computer can do by itself.
func (f *Fleet) Wish(ctx context.Context, key, wish string) error {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Authorise(key)
	if err != nil {
		return err
	}
	if t, busy := f.activeOf(c.ID); busy && wish != job.WishRescue {
		f.o.Log.Debug("a wish finds a task", "computer", c.Name, "wish", Clean(wish, 32), "task", t.ID)
		return nil // that comes first, whatever was wished
	}
	if wish == job.WishWork {
		return refuse(CodeNoTask, c.Name, "nothing is ordered")
	}
	if err := f.wished(ctx, c, "menu", wish); err != nil {
		return err
	}
	o := Order{Computers: []string{c.ID}, By: theTechnican, Countdown: countdownAtPC}
	switch wish {
	case job.WishReset:
		_, err := f.resetItself(ctx, c, atTheMenu)
		return err
	case job.WishReinstall:
		v, err := f.assigned(c)
		if err != nil {
			return err
		}
		o.Kind, o.Master, o.Version, o.Manifest, o.Fits, o.Disk = job.KindDeploy, v.Master, v.Version, v.Manifest, v.Fits, v.Disk
	case job.WishInventory:
		o.Kind = job.KindInventory
	case job.WishRescue:
		return f.commit(ctx, Change{Events: []Event{f.event("wish", Warning, c, Task{}, "%s: %s", theTechnican, wish)}})
	default:
		return refuse(CodeBadOrder, Clean(wish, 32), "no such wish")
	}
	j, err := f.give(ctx, o, Change{})
	if err != nil {
		return err
	}
	return f.commit(ctx, Change{Events: []Event{f.event("wish", Warning, c, j.Tasks[0], "%s: %s", theTechnican, wish)}})
}

// resetItself orders the reset that a room's policy allows a computer. The caller holds deciding.
func (f *Fleet) resetItself(ctx context.Context, c Computer, by string) (Task, error) {
	r, in := f.roomOf(c)
	switch {
	case !in:
		return Task{}, refuse(CodePolicy, c.Name, "it is in no room")
	case r.Policy == job.PolicyNever:
		return Task{}, refuse(CodePolicy, c.Name, "computers of room %s are never reset", r.Name)
	}
	j, err := f.give(ctx, Order{Kind: job.KindReset, Computers: []string{c.ID}, Level: r.Level, By: by, Countdown: countdownAtPC}, Change{})
	if err != nil {
		return Task{}, err
	}
	return j.Tasks[0], nil
}

// assigned is what a computer is to run: its room's master, else what it holds. The caller holds deciding.
func (f *Fleet) assigned(c Computer) (Version, error) {
	r, _ := f.roomOf(c)
	ref, held := r.Master, f.held(c)
	if ref == "" && held != nil {
		ref = held.String()
	}
	if ref == "" || f.o.Versions == nil {
		return Version{}, refuse(CodeNotProven, c.Name, "its room has no master")
	}
	v, err := f.o.Versions.Resolve(ref)
	if err != nil {
		return v, refuse(CodeNotProven, c.Name, "%s: %v", ref, err)
	}
	if held != nil {
		v.Disk = held.Disk
	}
	return v, nil
}
