package people

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Who may only knock, which is everybody in the network, does not fill the disk: of what is refused at the door the first of a
// place and a login is written at once, and the others are counted.
const (
	knockFold  = 10 * time.Minute // for which further ones are counted
	knockHour  = time.Hour
	knocksEach = 60 // places and logins an hour that have entries of their own, two each at most; the rest have one together
)

// knock is what refused logins have in common that are written as one.
type knock struct{ network, what, detail string }

// fold is a refused login that was written, and how many more there were.
type fold struct {
	knock
	entry Entry
	since time.Time
	more  int
}

// knocks counts refused logins; deciding guards it. What is counted and not yet written is lost with a daemon that is killed.
type knocks struct {
	open  []*fold   // oldest first
	hour  time.Time // when the hour began that the following are of
	named int       // folds that were opened
	rest  int       // logins refused beyond those
}

// past tells whether a time since is over. A clock that was set back ends it as well.
func past(now, since time.Time, d time.Duration) bool {
	return now.Before(since) || now.Sub(since) >= d
}

// refused counts a refused login from a network, and returns what is to be written now.
func (k *knocks) refused(now time.Time, network string, e Entry) []Entry {
	out := k.due(now, false)
	key := knock{network, e.What, e.Detail}
	switch i := slices.IndexFunc(k.open, func(f *fold) bool { return f.knock == key }); {
	case i >= 0:
		k.open[i].more++
	case k.named >= knocksEach:
		k.rest++
	default:
		k.named++
		k.open = append(k.open, &fold{knock: key, entry: e, since: now})
		out = append(out, e)
	}
	return out
}

// due takes what has been counted for long enough, or everything.
func (k *knocks) due(now time.Time, all bool) (out []Entry) {
	k.open = slices.DeleteFunc(k.open, func(f *fold) bool {
		over := all || past(now, f.since, knockFold)
		if over {
			out = append(out, f.others()...)
		}
		return over
	})
	hour := past(now, k.hour, knockHour)
	if (all || hour) && k.rest > 0 {
		out = append(out, Entry{Via: ViaSession, Action: "login", Site: Whole, Result: ResultRefused,
			Detail: fmt.Sprintf("too many for an entry each, within an hour: %d", k.rest)})
		k.rest = 0
	}
	if hour {
		k.hour, k.named = now, 0
	}
	return out
}

// others is the entry of those that were counted since the last one; none where there are none.
func (f *fold) others() []Entry {
	if f.more == 0 {
		return nil
	}
	e := f.entry
	e.Detail += fmt.Sprintf("; further tries: %d", f.more)
	f.more = 0
	return []Entry{e}
}

// before returns what was counted of a login when somebody comes in by it: in the log it stands before that.
func (k *knocks) before(login string) (out []Entry) {
	for _, f := range k.open {
		if f.what == login {
			out = append(out, f.others()...)
		}
	}
	return out
}

// keep commits entries that need no answer: the refusal was given already. The caller holds deciding.
func (p *People) keep(ctx context.Context, all []Entry) {
	if len(all) == 0 {
		return
	}
	if err := p.commit(ctx, Change{Entries: all}); err != nil {
		p.o.Log.Error("recording in the audit log", "action", all[0].Action, "error", err)
	}
}

// Settle writes down how many logins were refused besides those that have entries: what has been counted for long enough, or
// all of it, when the daemon ends. It is called every minute or so.
func (p *People) Settle(ctx context.Context, all bool) {
	p.deciding.Lock()
	defer p.deciding.Unlock()
	p.keep(ctx, p.knocks.due(p.o.Now(), all))
}
