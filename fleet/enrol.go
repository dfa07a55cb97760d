package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// Introduction is a hello and what the connection proves and shows of its sender.
type Introduction struct {
	Key     string // SHA-256 of the public key that the handshake proved, hexadecimal
	Address string // without port
	Hello   job.Hello
}

// reasons a computer is shown on its own screen when it is turned away.
const (
	reasonRefused = "A technician has refused this computer."
	reasonAlarm   = "Another computer is enrolled under this computer's identity. Ask the technician."
	reasonMoved   = "The disk of this computer holds the key of another one. Ask the technician."
)

// claimEvery is how often claims to be a computer are told again while nobody has looked at the first.
const claimEvery = 10 * time.Minute

// freshness is how old LastSeen may grow before it is written again.
const freshness = time.Minute

// Hello takes a computer's introduction.
func (f *Fleet) Hello(ctx context.Context, in Introduction) (job.Welcome, error) {
	in.Hello = cleanHello(in.Hello)
	f.deciding.Lock()
	defer f.deciding.Unlock()
	f.mu.RLock()
	known, ok := f.computers.get(f.computers.byKey[in.Key])
	f.mu.RUnlock()
	switch {
	case ok && known.State == Refused:
		return job.Welcome{State: job.StateRefused, Reason: reasonRefused}, nil
	case ok && strangers(traitsOf(known.Inventory, known.MACs), traitsOf(in.Hello.Inventory, macsOf(in.Hello))):
		return f.alarm(ctx, known, in)
	case ok:
		return f.welcomeBack(ctx, known, in)
	}
	t := traitsOf(in.Hello.Inventory, macsOf(in.Hello))
	f.mu.RLock()
	like, twin := f.suggest(t, f.siteAt(in.Address))
	f.mu.RUnlock()
	if like != nil && like.Key != "" && (like.KeyStored || !in.Hello.NewKey) {
		return f.alarm(ctx, *like, in)
	}
	w, err := f.await(in, like, twin)
	if err != nil {
		return w, err
	}
	if x, ok := f.windowFor(in.Address, like); ok && twin == nil {
		return f.admit(ctx, x, in)
	}
	return w, nil
}

// cleanHello bounds everything in a hello.
func cleanHello(h job.Hello) job.Hello {
	h.AgentVersion = Clean(h.AgentVersion, 64)
	h.MAC = NormalMAC(h.MAC)
	h.Inventory = cleanInventory(h.Inventory)
	h.Timings = slices.Clone(h.Timings[:min(len(h.Timings), 16)])
	for i := range h.Timings {
		h.Timings[i].Phase = Clean(h.Timings[i].Phase, 32)
	}
	h.Interrupted = cleanMark(h.Interrupted)
	h.Proofs = cleanProofs(h.Proofs)
	return h
}

func cleanMark(m *job.Mark) *job.Mark {
	if m == nil {
		return nil
	}
	c := *m
	for _, s := range []*string{&c.Task, &c.Job, &c.Master, &c.Manifest, &c.Phase} {
		*s = Clean(*s, 128)
	}
	c.Kind = job.Kind(Clean(string(c.Kind), 32))
	return &c
}

// welcomeBack greets a computer that proved the key it enrolled with. The caller holds deciding.
func (f *Fleet) welcomeBack(ctx context.Context, c Computer, in Introduction) (job.Welcome, error) {
	old := c
	now := f.o.Now().UTC()
	began := f.arrived(in, c.MACs)
	c.LastSeen, c.Stage, c.Address = now, StageAgent, in.Address
	c.Inventory, c.WeakKey = in.Hello.Inventory, in.Hello.WeakKey
	c.MACs = macsOf(in.Hello)
	if len(c.MACs) == 0 {
		c.MACs = old.MACs
	}
	c.KeyStored = c.KeyStored || !in.Hello.NewKey
	c.BootLoop = false
	switch {
	case in.Hello.Interrupted != nil:
		c.Mark, c.MarkOnDisk = in.Hello.Interrupted, true
		c.Runs = nil
	case c.MarkOnDisk:
		c.Mark, c.MarkOnDisk = nil, false
	}
	events := f.helloEvents(c, in, began)
	if at := f.siteAt(c.Address); f.astray(&c) && at != f.siteAt(old.Address) {
		events = append(events, f.worth(c.ID, f.strayed(Stray{Computer: c, Of: c, At: at}))...)
	}
	proofs := in.Hello.Proofs // what is too much is told again
	proofs = proofs[:len(f.allowed(c.ID+"/proofs", proofBounds(), make([]Event, len(proofs))))]
	events = append(events, f.takeProofs(&c, Task{}, proofs)...)
	change := Change{Computers: []Computer{c}, Events: events}
	proven := !slices.Equal(old.ProofIDs, c.ProofIDs) // it forgets a proof that it was told is kept
	switch news := !began.IsZero() || now.Sub(old.LastSeen) > freshness || differ(old, c); {
	case proven, news && f.mayKeep(c.ID):
		if err := f.commit(ctx, change); err != nil {
			return job.Welcome{}, err
		}
	case news:
		f.inMemory(change)
	}
	return job.Welcome{State: job.StateEnrolled, Computer: c.Name, ID: c.ID, Proofs: len(proofs)}, nil
}

// differ tells whether a hello says something new that must outlive this daemon.
func differ(old, now Computer) bool {
	mark := old.Mark != now.Mark && (old.Mark == nil || now.Mark == nil || *old.Mark != *now.Mark)
	return mark || old.Address != now.Address || old.MarkOnDisk != now.MarkOnDisk || old.KeyStored != now.KeyStored || old.WeakKey != now.WeakKey ||
		!slices.Equal(old.MACs, now.MACs) || !reflect.DeepEqual(old.Inventory, now.Inventory)
}

// helloEvents tells of a computer's arrival: once a boot. began is zero when it is not the first of its boot.
func (f *Fleet) helloEvents(c Computer, in Introduction, began time.Time) []Event {
	if began.IsZero() {
		return nil
	}
	e := f.event(StageAgent, Info, c, Task{}, "agent %s%s", in.Hello.AgentVersion, timings(in.Hello.Timings))
	e.Time = began
	events := []Event{e}
	if m := in.Hello.Interrupted; m != nil {
		events = append(events, f.event("interrupted", Warning, c, Task{ID: m.Task, Job: m.Job},
			"the disk was left unfinished in phase %s of %s@%d", m.Phase, m.Master, m.Version))
	}
	return f.worth(c.ID, events...)
}

// alarm keeps a foreign key, or the right key in a foreign computer, away from a record. The right key goes on being served: an alarm must not be a way to stop a
// computer from working. The caller holds deciding.
func (f *Fleet) alarm(ctx context.Context, c Computer, in Introduction) (job.Welcome, error) {
	now := f.o.Now().UTC()
	w := job.Welcome{State: job.StateAlarm, Reason: reasonAlarm}
	what := fmt.Sprintf("another key, %s, claimed to be this computer from %s", short(in.Key), in.Address)
	if in.Key == c.Key {
		w.Reason = reasonMoved
		what = fmt.Sprintf("its key came from another computer, %s %s at %s: was its disk moved there?",
			in.Hello.Inventory.Model, in.Hello.Inventory.Serial, in.Address)
	}
	if c.Claim != nil && now.Sub(c.Claim.Since) < claimEvery {
		return w, nil // a flood of claims is one alarm now and then
	}
	c.Claim = &Claim{Key: in.Key, Address: in.Address, Since: now}
	e := f.event("alarm", Grave, c, Task{}, "%s", what)
	return w, f.commit(ctx, Change{Computers: []Computer{c}, Events: []Event{e}})
}

func short(key string) string { return key[:min(len(key), 16)] }

// await lets a computer wait for a person's approval: one that looks like a record of its site, or like one of another.
// The caller holds deciding.
func (f *Fleet) await(in Introduction, like, twin *Computer) (w job.Welcome, err error) {
	var events []Event
	f.mu.Lock()
	var a applicant
	defer func() {
		f.mu.Unlock()
		f.tell(f.worthALine(events...)...) // keys that nobody knows are as many as somebody likes
		if err == nil {
			f.announce(Change{Computers: []Computer{a.Computer}, Events: events})
		}
	}()
	now := f.o.Now().UTC()
	f.pending.sweep(now)
	a, ok := f.pending[in.Key]
	if !ok {
		if !f.pending.admit(in.Address) {
			return job.Welcome{}, refuse(CodeTooMany, "", "too many new computers are waiting to be approved")
		}
		code, err := f.pending.newCode(f.o.Rand)
		if err != nil {
			return job.Welcome{}, err
		}
		a = applicant{source: in.Address, Computer: Computer{ID: "p" + short(in.Key), State: Pending, Key: in.Key, Code: code,
			Created: now, Stage: StageAgent}}
	}
	before := a.Twin
	a.LastSeen, a.Address, a.suggests, a.Twin = now, in.Address, "", ""
	a.Inventory, a.MACs, a.WeakKey, a.KeyStored = in.Hello.Inventory, macsOf(in.Hello), in.Hello.WeakKey, !in.Hello.NewKey
	a.Mark, a.MarkOnDisk = in.Hello.Interrupted, in.Hello.Interrupted != nil
	a.Name = f.freeName(a.Computer)
	if like != nil {
		a.Name, a.suggests = like.Name, like.ID
	}
	if twin != nil {
		a.Twin = twin.ID
	}
	if !ok {
		events = append(events, f.event("pending", Info, a.Computer, Task{}, "waits for approval%s", timings(in.Hello.Timings)))
	}
	if a.Twin != "" && a.Twin != before {
		events = append(events, f.worth(twin.ID, f.strayed(Stray{Computer: a.Computer, Of: *twin, At: f.siteAt(in.Address)}))...)
	}
	f.remember(events...)
	f.pending[in.Key] = a
	f.reported(a.MACs)
	return job.Welcome{State: job.StatePending, Code: a.Code}, nil
}

// Approval is a person's yes to a pending computer.
type Approval struct {
	Code string // as the computer's own screen shows it
	Name string // to give; "" for the one proposed, or the next of the room's
	Room string // that it is put into; "": that of the record it becomes, or none
	By   string // who approves
	// Moved says that it is the computer of another site that it looks like: that record gets the new key, and leaves its
	// room for Room, or for the site where the computer says hello.
	Moved bool
}

// Approve enrols the computer that shows a code. If it looks like a known one whose key was lost, that record gets the
// new key; a name given by the person decides otherwise.
func (f *Fleet) Approve(ctx context.Context, p Approval) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	f.mu.Lock()
	now := f.o.Now().UTC()
	f.pending.sweep(now)
	if f.guesses.exhausted(now) {
		f.mu.Unlock()
		return Computer{}, refuse(CodeTooMany, "", "%d wrong codes within %v", maxGuesses, guessWindow)
	}
	a, ok := f.pending.byCode(p.Code)
	if !ok {
		f.guesses = append(f.guesses, now)
		f.mu.Unlock()
		return Computer{}, refuse(CodeWrongCode, Clean(p.Code, 16), "")
	}
	f.mu.Unlock()

	room := ""
	if p.Room != "" {
		r, ok := f.rooms[fold(p.Room)]
		if !ok {
			return Computer{}, refuse(CodeNoRoom, Clean(p.Room, 64), "")
		}
		room = r.Name
	}
	become := f.record
	if p.Moved {
		become = f.moved
	}
	c, change, err := become(a, p, room)
	if err != nil {
		return Computer{}, err
	}
	if room != "" {
		c.Room, c.Site = room, SiteOf(room)
	}
	c.ApprovedBy = Clean(p.By, 64)
	change.add(Change{Computers: []Computer{c},
		Events: []Event{f.event("approved", Info, c, Task{}, "key %s approved by %s", short(c.Key), c.ApprovedBy)}})
	if err := f.commit(ctx, change); err != nil {
		return Computer{}, err
	}
	f.mu.Lock()
	delete(f.pending, c.Key)
	f.mu.Unlock()
	return c, nil
}

// ApproveAll is Approve for several, one after the other. It returns who was enrolled, and why the others were not, joined.
func (f *Fleet) ApproveAll(ctx context.Context, ps []Approval) ([]Computer, error) {
	var out []Computer
	var errs []error
	for _, p := range ps {
		c, err := f.Approve(ctx, p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(errs...)
}

// record decides which record an approved applicant becomes, in a room or in none, and what else that changes. The caller
// holds deciding.
func (f *Fleet) record(a applicant, p Approval, room string) (c Computer, also Change, err error) {
	c = a.Computer
	c.State, c.Code, c.Twin = Enrolled, "", ""
	if p.Name != "" && !validName(p.Name) {
		return c, also, refuse(CodeBadName, Clean(p.Name, 64), "")
	}
	old, suggested := f.computers.get(a.suggests)
	switch {
	case suggested && (p.Name == "" || strings.EqualFold(p.Name, old.Name)):
		if old.State != Enrolled || old.Key != "" && old.KeyStored {
			return c, also, refuse(CodeAlreadyWithKey, old.Name, "") // it came back with its own key since this one said hello
		}
		return old.keyed(c), also, nil
	case p.Name != "" && !strings.EqualFold(p.Name, a.Name):
		c.Name = p.Name
	case room != "":
		c.Name = f.nextName(room)
	default:
		if _, taken := f.byName(c.Name); taken { // the one proposed is another's by now
			f.mu.RLock()
			c.Name = f.freeName(c)
			f.mu.RUnlock()
		}
	}
	if _, taken := f.byName(c.Name); taken {
		return c, also, refuse(CodeNameTaken, c.Name, "")
	}
	id, err := f.random(5)
	c.ID = "c" + id
	return c, also, err
}

// keyed is a record that gets the key of an applicant, and what that shows of itself.
func (c Computer) keyed(a Computer) Computer {
	c.Key, c.WeakKey, c.KeyStored, c.Claim = a.Key, a.WeakKey, a.KeyStored, nil
	c.Inventory, c.MACs, c.LastSeen, c.Address = a.Inventory, a.MACs, a.LastSeen, a.Address
	c.Stage, c.BootLoop = StageAgent, false
	c.Runs = nil // with its key the disk's other content may be gone as well
	if a.Mark != nil {
		c.Mark, c.MarkOnDisk = a.Mark, true
	}
	return c
}

// maxRefused is how many refused keys are remembered: a flood of them displaces the oldest.
const maxRefused = 256

// Refuse says no: to a pending computer, to the claim of an alarm, or to an enrolled computer, which is thereby out.
func (f *Fleet) Refuse(ctx context.Context, ref, by string) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.Find(ref)
	if err != nil {
		return c, err
	}
	by = Clean(by, 64)
	change := Change{}
	switch {
	case c.State == Enrolled && ref != c.ID && f.waitsAs(c.Name):
		// Listed side by side, the one that waits and the one that it looks like: whom a person means must be certain.
		return c, refuse(CodeSeveral, Clean(ref, 64), "one is enrolled, another waits to be it")
	case c.State == Pending:
		id, err := f.random(5)
		if err != nil {
			return c, err
		}
		c.ID, c.Code, c.State, c.Name = "c"+id, "", Refused, "refused-"+id
		change.Forgotten = f.oldestRefused()
		change.Events = []Event{f.event("refused", Info, c, Task{}, "key %s refused by %s", short(c.Key), by)}
	case c.State == Enrolled && c.Claim != nil:
		change.Events = []Event{f.event("alarm-dismissed", Info, c, Task{}, "claim of key %s dismissed by %s",
			short(c.Claim.Key), by)}
		c.Claim = nil
	case c.State == Enrolled:
		for _, at := range []time.Time{{}, f.o.Now().Add(time.Second)} {
			if _, _, busy := f.clash(c, at); busy != nil {
				return c, busy
			}
		}
		c.State = Refused
		change.Events = []Event{f.event("refused", Warning, c, Task{}, "enrolment withdrawn by %s", by)}
	default:
		return c, refuse(CodeNotPending, c.Name, "it is %s", c.State)
	}
	change.Computers = []Computer{c}
	if err := f.commit(ctx, change); err != nil {
		return c, err
	}
	f.mu.Lock()
	delete(f.pending, c.Key)
	f.mu.Unlock()
	return c, nil
}

// waitsAs tells whether a pending computer is proposed a name.
func (f *Fleet) waitsAs(name string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, a := range f.pending {
		if strings.EqualFold(a.Name, name) {
			return true
		}
	}
	return false
}

// oldestRefused returns who must be forgotten so that one more can be refused. The caller holds deciding.
func (f *Fleet) oldestRefused() []string {
	var refused []Computer
	for _, c := range f.computers.byID {
		if c.State == Refused {
			refused = append(refused, *c)
		}
	}
	if len(refused) < maxRefused {
		return nil
	}
	oldest := slices.MinFunc(refused, func(a, b Computer) int { return a.LastSeen.Compare(b.LastSeen) })
	return []string{oldest.ID}
}

// Rename gives a computer another name.
func (f *Fleet) Rename(ctx context.Context, ref, name string) (Computer, error) {
	return f.edit(ctx, ref, func(c *Computer) (Event, error) { return f.rename(c, name) })
}

// rename gives a record another name. The caller holds deciding.
func (f *Fleet) rename(c *Computer, name string) (Event, error) {
	if !validName(name) {
		return Event{}, refuse(CodeBadName, Clean(name, 64), "")
	}
	if other, taken := f.byName(name); taken && other.ID != c.ID {
		return Event{}, refuse(CodeNameTaken, name, "")
	}
	old := c.Name
	c.Name = name
	return f.event("renamed", Info, *c, Task{}, "was %s", old), nil
}

// SetChainload says whether GRUB starts a computer's disk, for firmware that stops after a failed network boot.
func (f *Fleet) SetChainload(ctx context.Context, ref string, on bool) (Computer, error) {
	return f.edit(ctx, ref, func(c *Computer) (Event, error) {
		c.Chainload = on
		return f.event("chainload", Info, *c, Task{}, "%v", on), nil
	})
}

// Rekey forgets a computer's key, for a disk or a board that was replaced: its next hello waits for approval. It also takes
// back a refusal.
func (f *Fleet) Rekey(ctx context.Context, ref, by string) (Computer, error) {
	if c, err := f.Find(ref); err == nil && c.State == Refused {
		return f.relent(ctx, c.ID, by)
	}
	return f.edit(ctx, ref, func(c *Computer) (Event, error) {
		c.Key, c.KeyStored, c.Claim = "", false, nil
		return f.event("rekey", Warning, *c, Task{}, "its key was forgotten by %s", Clean(by, 64)), nil
	})
}

// relent takes back a refusal. A computer that was enrolled has its record again, without its key; one that never was is
// forgotten.
func (f *Fleet) relent(ctx context.Context, id, by string) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, ok := f.computers.get(id)
	if !ok || c.State != Refused {
		return c, refuse(CodeNoComputer, id, "")
	}
	change := Change{Events: []Event{f.event("rekey", Warning, c, Task{}, "its refusal was taken back by %s", Clean(by, 64))}}
	if c.ApprovedBy == "" {
		change.Forgotten = []string{id}
	} else {
		c.State, c.Key, c.KeyStored, c.Claim = Enrolled, "", false, nil
		change.Computers = []Computer{c}
	}
	return c, f.commit(ctx, change)
}

// edit changes a record that exists.
func (f *Fleet) edit(ctx context.Context, ref string, change func(*Computer) (Event, error)) (Computer, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	c, err := f.findEnrolled(ref)
	if err != nil {
		return c, err
	}
	e, err := change(&c)
	if err != nil {
		return c, err
	}
	return c, f.commit(ctx, Change{Computers: []Computer{c}, Events: []Event{e}})
}
