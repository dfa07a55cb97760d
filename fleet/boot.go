package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

// StageAgent is the boot stage of a computer whose agent has spoken to us; the stages before it are pxe's.
const StageAgent = "agent"

// BootRequest is what a boot request says of its sender. Nothing of it is proven.
type BootRequest struct {
	MAC     string
	UUID    string // as Linux prints it; "" when it was not sent
	Address string
}

// BootChoice is what a machine should start: the agent or its disk, never anything that destroys.
type BootChoice struct {
	Agent     bool
	Menu      bool // not the agent, and its room has a start menu
	Reset     bool // the menu may offer a reset
	Room      Room // whose menu it is; only with Menu
	Chainload bool
	Style     string // offer style that worked; "" to find one
	Why       string // for the log
}

// boot is what the boot server saw of a network interface.
type boot struct {
	UUID    string
	Address string
	Stage   string
	Style   string
	Seen    time.Time
	Tries   int       // boots into the agent since an agent was last heard of
	Tried   time.Time // the last of them
	Loop    bool
}

const (
	maxBoots = 4096
	// maxTries is how many times in a row a computer is sent to an agent that then says nothing.
	maxTries = 3
	// loopRest is how long such a computer starts its disk before it may try again. Boot requests are not proven: somebody
	// who asks in its name must not keep it from its work for good.
	loopRest = time.Hour
	// sameBoot is within how much time a second fetch of the configuration belongs to the same boot: GRUB asks twice
	// when it falls back from one transport to the other.
	sameBoot = 5 * time.Second
)

// Boot answers what a machine should start now. It touches memory only.
func (f *Fleet) Boot(r BootRequest) BootChoice {
	mac := NormalMAC(r.MAC)
	f.mu.Lock()
	defer f.mu.Unlock()
	b := boot{Seen: f.o.Now().UTC()}
	if mac != "" { // what has no address of a network card is known by its UUID, or not at all, and is not remembered
		b = f.sighting(mac)
	}
	if r.UUID != "" {
		b.UUID = strings.ToLower(Clean(r.UUID, 36))
	}
	if r.Address != "" {
		b.Address = Clean(r.Address, 64)
	}
	if mac != "" {
		f.boots[mac] = b
	}
	c, known := f.bootRecord(mac, b.UUID)
	choice := BootChoice{Style: b.Style}
	if known {
		r, _ := f.roomOf(c)
		choice.Chainload = c.Chainload
		if r.Menu && c.State == Enrolled {
			choice.Menu, choice.Room, choice.Reset = true, r, r.Policy != job.PolicyNever && f.held(c) != nil
		}
		if choice.Style == "" {
			choice.Style = c.Style
		}
	}
	choice.Agent, choice.Why = f.wantsAgent(c, known)
	if choice.Agent && b.Tries >= maxTries && b.Seen.Sub(b.Tried) < loopRest {
		choice.Agent, choice.Why = false, "its agent did not report after several boots"
	}
	choice.Menu = choice.Menu && !choice.Agent
	return choice
}

// wantsAgent decides whether there is something for the agent to do. The caller holds mu.
func (f *Fleet) wantsAgent(c Computer, known bool) (bool, string) {
	switch {
	case !known && f.o.SendUnknown:
		return true, "nobody knows it yet"
	case !known:
		return false, "nobody knows it, and unknown computers start their disk"
	case c.State == Refused:
		return false, "a technician refused it"
	case c.State == Pending:
		return true, "it waits for approval"
	case c.Key == "":
		return true, "its key was forgotten"
	}
	if t, ok := f.activeOf(c.ID); ok {
		return true, "task " + t.ID + " is " + t.State
	}
	if c.Mark != nil {
		return true, "its disk is unfinished"
	}
	return false, "nothing to do"
}

// sighting returns what is known of an interface, making room for a new one. The caller holds mu.
func (f *Fleet) sighting(mac string) boot {
	b, ok := f.boots[mac]
	if !ok && len(f.boots) >= maxBoots {
		macs := slices.SortedFunc(maps.Keys(f.boots), func(x, y string) int { return f.boots[x].Seen.Compare(f.boots[y].Seen) })
		for _, m := range macs[:len(macs)/8] { // several at once, so that a flood does not sort each time
			delete(f.boots, m)
		}
	}
	b.Seen = f.o.Now().UTC()
	return b
}

// bootRecord finds the record that a boot request means, a pending one included. The caller holds mu.
func (f *Fleet) bootRecord(mac, uuid string) (Computer, bool) {
	var best Computer
	found, top := false, -1
	weigh := func(c Computer) {
		score := -1
		if mac != "" && slices.Contains(c.MACs, mac) {
			score = 1
		}
		if !badUUID(uuid) && uuid == c.Inventory.UUID {
			score += weightUUID
		}
		if score < 0 {
			return
		}
		if wants, _ := f.wantsAgent(c, true); wants {
			score++ // of two laptops that share a dongle, the one that has work; of two that claim an address, too
		}
		if score > top || score == top && c.ID < best.ID {
			best, found, top = c, true, score
		}
	}
	shown := traits{}
	if mac != "" {
		shown.macs = []string{mac}
	}
	if !badUUID(uuid) {
		shown.uuid = uuid
	}
	for _, c := range f.computers.showing(shown) {
		weigh(*c)
	}
	if !found {
		for _, a := range f.pending {
			weigh(a.Computer)
		}
	}
	return best, found
}

// activeOf returns the running task of a computer, else the oldest that waits and whose time has come. The caller holds mu
// or deciding.
func (f *Fleet) activeOf(computer string) (Task, bool) {
	var found Task
	ok := false
	for _, id := range f.active[computer] {
		t := f.tasks[id]
		if !f.due(t) {
			continue
		}
		if !ok || t.State == job.TaskRunning || found.State != job.TaskRunning && compareTasks(t, found) < 0 {
			found, ok = t, true
		}
	}
	return found, ok
}

func compareTasks(a, b Task) int {
	if c := compareNumbers(a.Job, b.Job); c != 0 {
		return c
	}
	return compareNumbers(a.ID, b.ID)
}

// Sighting is one thing that the boot server saw.
type Sighting struct {
	MAC    string // "" when it concerns the network
	Stage  string
	Style  string
	Detail string
	Grave  bool // a person should know
	Config bool // the machine fetched the configuration that starts the agent: a boot has begun
	Works  bool // Style has brought a loader onto the machine
}

// sighted is what the store is to keep of a sighting: an event, or the offer style that works for a computer.
type sighted struct {
	event           Event
	computer, style string
}

// keep commits what the boot server saw.
func (f *Fleet) keep(ctx context.Context, x sighted) error {
	if x.style == "" {
		return f.o.Store.Commit(ctx, Change{Events: []Event{x.event}})
	}
	f.deciding.Lock()
	defer f.deciding.Unlock()
	f.mu.RLock()
	c, ok := f.computers.get(x.computer)
	f.mu.RUnlock()
	if !ok || c.Style == x.style {
		return nil
	}
	c.Style = x.style
	return f.commit(ctx, Change{Computers: []Computer{c}})
}

// Saw takes a sighting. It does not block.
func (f *Fleet) Saw(s Sighting) {
	mac := NormalMAC(s.MAC)
	e := Event{Time: f.o.Now().UTC(), Kind: Clean(s.Stage, 32), Severity: Info, Site: NoSite, MAC: mac, Detail: Clean(s.Detail, 500)}
	if s.Grave {
		e.Severity = Warning
	}
	f.mu.Lock()
	var out []Event
	if mac != "" {
		b := f.sighting(mac)
		b.Stage = e.Kind
		if s.Works {
			b.Style = Clean(s.Style, 8)
		}
		c, known := f.bootRecord(mac, b.UUID)
		if known {
			e.Computer, e.Room, e.Site = c.ID, c.Room, f.siteOf(&c)
		}
		if wants, _ := f.wantsAgent(c, known); s.Config && wants {
			out = f.tried(&b, e)
		}
		f.boots[mac] = b
	}
	all := append([]Event{e}, out...)
	if e.Computer != "" || s.Grave {
		f.remember(all...)
	} else {
		f.remember(out...) // what else strangers do is nobody's history, and would push out what is somebody's
	}
	style := ""
	if kept, _ := f.computers.get(e.Computer); s.Works && kept.Style != s.Style {
		style = Clean(s.Style, 8)
	}
	f.mu.Unlock()
	if lines := f.worthALine(all...); len(lines) > 0 {
		f.tell(lines...)
		f.announce(Change{Events: lines})
	}
	if style != "" && e.Computer != "" {
		select {
		case f.spool <- sighted{computer: e.Computer, style: style}:
		default: // it will work again, and be seen again
		}
	}
	if s.Grave {
		out = append(out, e)
	}
	if mac != "" { // pxe itself limits what concerns the network
		out = f.worth(anybody, out...)
	}
	for _, x := range out {
		select {
		case f.spool <- sighted{event: x}:
		default: // the ring has it; the store is for what a person looks up later
		}
	}
}

// tried counts a boot into the agent and tells when there were too many.
func (f *Fleet) tried(b *boot, e Event) []Event {
	now := f.o.Now().UTC()
	if now.Sub(b.Tried) >= loopRest {
		b.Tries, b.Loop = 0, false
	}
	if now.Sub(b.Tried) > sameBoot {
		b.Tries++
		b.Tried = now
	}
	if b.Tries < maxTries || b.Loop {
		return nil
	}
	b.Loop = true
	e.Kind, e.Severity = "boot-loop", Grave
	e.Detail = fmt.Sprintf("started the agent %d times without a word from it; it starts its disk from now on", b.Tries)
	return []Event{e}
}

// forgive ends the count of silent boots of some interfaces. The caller holds mu.
func (f *Fleet) forgive(macs []string) {
	for _, m := range macs {
		if b, ok := f.boots[m]; ok {
			b.Tries, b.Loop = 0, false
			f.boots[m] = b
		}
	}
}

// reported notes that an agent spoke from behind some interfaces. The caller holds mu.
func (f *Fleet) reported(macs []string) {
	f.forgive(macs)
	for _, m := range macs {
		if b, ok := f.boots[m]; ok {
			b.Stage = StageAgent
			f.boots[m] = b
		}
	}
}

// Began notes the first request of an agent that has just started, before anybody knows who it is. It tells whether this
// is the first.
func (f *Fleet) Began(address string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.o.Now().UTC()
	if t, ok := f.starts[address]; ok && now.Sub(t) < 2*time.Minute {
		return false
	}
	if len(f.starts) >= maxBoots {
		clear(f.starts) // only times of pending boots are lost
	}
	f.starts[address] = now
	return true
}

// arrived links an introduction with the first request of its boot. It returns zero when it is not the first hello.
func (f *Fleet) arrived(in Introduction, macs []string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported(append(macsOf(in.Hello), macs...))
	began := f.starts[in.Address]
	delete(f.starts, in.Address)
	return began
}

// timings are the phases of a start, for a person.
func timings(ts []job.Timing) string {
	var b strings.Builder
	for _, t := range ts {
		fmt.Fprintf(&b, ", %s %.1f s", t.Phase, t.Seconds)
	}
	return b.String()
}
