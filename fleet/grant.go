package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Grant is the standing grant that a computer was given last.
type Grant struct {
	Counter uint64
	Digest  string  // of all else in it, hexadecimal: what is equal keeps its counter; "": another server life gave it
	Target  *Target `json:",omitempty"` // that it allows a reset to; nil: it allows nothing
}

// Local is what an agent told of its place on the disk.
type Local struct {
	State job.LocalState
	At    time.Time // clock of the server
}

// LocalBoot is what belongs on a computer's own disk besides files and menu.
type LocalBoot struct {
	Computer Computer
	Room     Room
	Grant    job.Envelope // empty: it never had one
	Granted  bool         // it allows a reset
	Stage    []string     // hashes of manifests, hexadecimal, that the cache is for
}

// held is the version that a computer is to hold: what it was proven to, or what it was told to and may be in the middle
// of. The caller holds mu or deciding.
func (f *Fleet) held(c Computer) *Target {
	if c.Runs != nil {
		return c.Runs.target()
	}
	if t, ok := f.activeOf(c.ID); ok && t.State == job.TaskRunning && Destroys(f.jobs[t.Job].Kind) {
		if !t.Wrote {
			return t.Before.target()
		}
		if f.jobs[t.Job].Kind == job.KindWipe {
			return nil
		}
		j := f.jobOf(t)
		return &Target{Master: j.Master, Version: j.Version, Manifest: j.Manifest, Disk: provenDisk(c, j)}
	}
	if c.Mark == nil || c.Mark.Manifest == "" {
		return nil
	}
	if c.Grant != nil && c.Grant.Target != nil && c.Grant.Target.Manifest == c.Mark.Manifest {
		return c.Grant.Target // an offline reset broke off
	}
	if t, ok := f.tasks[c.Mark.Task]; ok && t.Computer == c.ID && Destroys(f.jobs[t.Job].Kind) {
		if j := f.jobOf(t); j.Manifest == c.Mark.Manifest { // what we ordered ourselves; the rest is its own word
			return &Target{Master: j.Master, Version: j.Version, Manifest: j.Manifest, Disk: provenDisk(c, j)}
		}
	}
	return nil
}

// Local returns what belongs on the disk of the computer with this key. Its grant is kept before it is given away. A
// computer that was thrown out gets a grant that allows nothing, if it ever had another one.
func (f *Fleet) Local(ctx context.Context, key string) (LocalBoot, error) {
	for {
		f.deciding.Lock()
		c, room, want, err := f.granted(key)
		f.deciding.Unlock()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return LocalBoot{}, err
		}
		own := ownBytes{}
		if want != nil {
			own = f.exceptions(ctx, c.ID, want.Manifest)
		}
		e, fresh, err := f.grant(ctx, key, want, own)
		if err != nil {
			return LocalBoot{}, err
		}
		if !fresh {
			continue // what it is made of has changed meanwhile
		}
		return LocalBoot{Computer: c, Room: room, Grant: e, Granted: want != nil && own.err == nil, Stage: f.stage(c, room, want)}, nil
	}
}

// granted says what the computer with this key is to be granted; nil for nothing. The caller holds deciding.
func (f *Fleet) granted(key string) (Computer, Room, *Target, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	c, ok := f.computers.get(f.computers.byKey[key])
	if key == "" || !ok {
		return c, Room{}, nil, refuse(CodeNotEnrolled, "", "this key is not an enrolled computer's")
	}
	r, in := f.roomOf(c)
	if c.State != Enrolled {
		if c.Grant == nil {
			return c, r, nil, refuse(CodeNotEnrolled, "", "this key is not an enrolled computer's")
		}
		return c, Room{Policy: job.PolicyNever, Level: job.LevelFull, Lang: r.Lang}, nil, nil
	}
	if !in || r.Policy == job.PolicyNever {
		return c, r, nil, nil
	}
	return c, r, f.held(c), nil
}

// grant signs a computer's standing grant, with a higher counter than ever before where anything in it is new. fresh is
// false when want is not what it is to be granted any more.
func (f *Fleet) grant(ctx context.Context, key string, want *Target, own ownBytes) (e job.Envelope, fresh bool, err error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, room, now, err := f.granted(key)
	if err != nil {
		return e, false, err
	}
	if (want == nil) != (now == nil) || want != nil && *want != *now {
		return e, false, nil
	}
	if want != nil {
		switch _, of, err := f.own(c, want.Manifest); {
		case err != nil:
			own = ownBytes{err: err}
		case of != own.of:
			return e, false, nil
		}
	}
	g := job.StandingGrant{Computer: c.Name, ComputerKey: key, Policy: job.PolicyNever, Level: job.LevelFull}
	if want != nil && own.err == nil { // with the names of another computer it would not be proven, but wrong
		g.Master, g.Version, g.Manifest, g.Exceptions = want.Master, want.Version, want.Manifest, own.exceptions
		g.Policy, g.Level = room.Policy, room.Level
	} else {
		want = nil
	}
	if want == nil && c.Grant == nil {
		return e, true, nil
	}
	if err := f.number(ctx, &c, &g, want); err != nil {
		return e, false, err
	}
	payload, err := json.Marshal(g)
	if err != nil {
		return e, false, fmt.Errorf("encoding the grant of %s: %w", c.Name, err)
	}
	return job.Envelope{Payload: payload, Key: f.o.Signer.Public(), Signature: f.o.Signer.Sign(job.ContextGrant, payload)}, true, nil
}

// number gives a grant its counter: that of the last one if nothing else differs. A new one is at least the seconds since
// 1970, so that a server that was restored from a backup, and a record that was made anew for the same key, count on above
// what the computer has seen. The caller holds deciding.
func (f *Fleet) number(ctx context.Context, c *Computer, g *job.StandingGrant, want *Target) error {
	content, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encoding the grant of %s: %w", c.Name, err)
	}
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	if c.Grant != nil && c.Grant.Digest == digest {
		g.Counter = c.Grant.Counter
		return nil
	}
	g.Counter = uint64(max(f.o.Now().Unix(), 1))
	if c.Grant != nil {
		g.Counter = max(g.Counter, c.Grant.Counter+1)
	}
	c.Grant = &Grant{Counter: g.Counter, Digest: digest, Target: want}
	what := "grants resets to nothing"
	if want != nil {
		what = "grants resets to " + want.String()
	}
	e := f.event("grant", Info, *c, Task{}, "number %d %s, policy %s", g.Counter, what, g.Policy)
	return f.commit(ctx, Change{Computers: []Computer{*c}, Events: f.worth(c.ID, e)})
}

// stage lists the versions that a computer's cache is for: what it holds, what its tasks bring, what its room is to run.
func (f *Fleet) stage(c Computer, r Room, held *Target) []string {
	out := []string{}
	add := func(hash string) {
		if hash != "" && !slices.Contains(out, hash) {
			out = append(out, hash)
		}
	}
	if c.State != Enrolled {
		return out
	}
	if held != nil {
		add(held.Manifest)
	}
	f.mu.RLock()
	for _, id := range f.active[c.ID] {
		if j := f.jobOf(f.tasks[id]); j.Kind != job.KindCapture {
			add(j.Manifest)
		}
	}
	f.mu.RUnlock()
	if r.Master != "" && f.o.Versions != nil {
		if v, err := f.o.Versions.Resolve(r.Master); err == nil { // else the master is gone, which its users are told of
			add(v.Manifest)
		}
	}
	return out
}

// maxCached is how many versions a computer may tell of.
const maxCached = 16

// Told keeps what an agent found in its place on the disk.
func (f *Fleet) Told(ctx context.Context, key string, s job.LocalState) error {
	s.WhyNot, s.NoMenu = Clean(s.WhyNot, 300), Clean(s.NoMenu, 300)
	s.Cached = slices.Clone(s.Cached[:min(len(s.Cached), maxCached)])
	for i := range s.Cached {
		s.Cached[i].Manifest = Clean(s.Cached[i].Manifest, 128)
		s.Cached[i].Missing = max(s.Cached[i].Missing, -1)
	}
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Authorise(key)
	if err != nil {
		return err
	}
	now := f.o.Now().UTC()
	if old := c.Local; old != nil && now.Sub(old.At) < freshness && old.State.Place == s.Place && old.State.WhyNot == s.WhyNot && old.State.NoMenu == s.NoMenu &&
		old.State.Counter == s.Counter && slices.Equal(old.State.Cached, s.Cached) {
		return nil
	}
	if !f.may(c.ID+"/local", bounds{30, 10 * time.Second}) {
		return refuse(CodeTooMany, c.Name, "this computer tells of its disk too often")
	}
	c.Local = &Local{State: s, At: now}
	if known := c.Grant; s.Counter > 0 && (known == nil || s.Counter > known.Counter) && s.Counter < uint64(now.Add(maxAhead).Unix()) {
		// It has seen a later grant than we know of: our database is an older one. It would refuse all that we count up to there.
		c.Grant = &Grant{Counter: s.Counter}
		if known != nil {
			c.Grant.Target = known.Target
		}
	}
	return f.commit(ctx, Change{Computers: []Computer{c}})
}

// canOffline tells whether Offline says yes. The caller holds mu.
func (f *Fleet) canOffline(c *Computer) bool {
	r, in := f.roomOf(*c)
	l, g := c.Local, c.Grant
	return c.State == Enrolled && in && r.Policy != job.PolicyNever && r.Menu && c.Runs != nil && l != nil && l.State.Place && l.State.NoMenu == "" &&
		g != nil && l.State.Counter != 0 && l.State.Counter == g.Counter && g.Digest != "" && g.Target != nil &&
		g.Target.Manifest == c.Runs.Manifest && slices.ContainsFunc(l.State.Cached, func(x job.Cached) bool {
		return x.Manifest == c.Runs.Manifest && x.Missing == 0
	})
}

// NeverOffline says why a computer cannot be reset without the server, whatever its disk holds: "no, because ...", else "".
func (f *Fleet) NeverOffline(c Computer) string {
	switch r, in := f.RoomOf(c); {
	case c.State != Enrolled:
		return "no, because it is not enrolled"
	case !in:
		return "no, because it is in no room"
	case r.Policy == job.PolicyNever:
		return "no, because computers of room " + r.Name + " are never reset"
	case !r.Menu:
		return "no, because room " + r.Name + " has no start menu"
	}
	return ""
}

// Offline says whether a computer can be reset without the server: "yes", or "no, because ...".
func (f *Fleet) Offline(c Computer) string {
	if why := f.NeverOffline(c); why != "" {
		return why
	}
	switch {
	case c.Runs == nil:
		return "no, because it is not proven what its disk holds"
	case c.Local == nil:
		return "no, because its agent has not put there yet what that needs"
	case !c.Local.State.Place && c.Local.State.WhyNot != "":
		return "no, because " + c.Local.State.WhyNot
	case !c.Local.State.Place:
		return "no, because its disk has no place for it"
	case c.Local.State.NoMenu != "":
		return "no, because " + c.Local.State.NoMenu
	case c.Grant == nil || c.Local.State.Counter == 0:
		return "no, because its disk has no grant yet: it gets one when it starts the agent next"
	case c.Local.State.Counter != c.Grant.Counter || c.Grant.Digest == "" || c.Grant.Target == nil || c.Grant.Target.Manifest != c.Runs.Manifest:
		return "no, because its disk has an old grant: it gets the new one when it starts the agent next"
	}
	for _, x := range c.Local.State.Cached {
		if x.Manifest != c.Runs.Manifest {
			continue
		}
		switch {
		case x.Missing == 0:
			return "yes"
		case x.Missing > 0:
			return fmt.Sprintf("no, because its cache lacks %d MB of %s", (x.Missing+999_999)/1_000_000, c.Runs.target())
		}
	}
	return fmt.Sprintf("no, because its cache does not hold %s", c.Runs.target())
}
