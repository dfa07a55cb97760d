package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Bounds of what one computer can make a run remember.
const (
	maxPersonMarks = 40
	maxTold        = 32
	maxReason      = 200 // characters
	forgedFrom     = 10  // packets with a wrong key that are worth a word: fewer may be a bad cable

	restTime = 2 * time.Second // between two senders: each reads its manifests, whoever joins and leaves without end
)

// run is one session with the senders that it had, one after the other.
type run struct {
	id string
	o  Options

	mu     sync.Mutex
	fans   []*fan          // of the present sender, by stream
	server *session.Server // nil: nothing is sent
	cancel context.CancelFunc
	people map[string]*person // by id
	told   map[string]bool    // networks and computers that a notice was given for
	owed   []notice           // that were not told yet
	report Report
	before struct{ sent, repairs, https int64 } // of the senders before this one
	total  int64                                // bytes that this sender has sent, at the last look
	looked time.Time
	heard  time.Time // the last event of a computer that was noted
	kept   time.Time
	rested time.Time       // before that no new sender begins
	mbit   map[string]int  // speed of each interface in use
	gone   map[string]bool // names of who joined before the daemon was restarted, and whether they got everything
}

// person is a computer that has joined.
type person struct {
	name    string
	path    Path
	offered bool   // it can hear multicast
	inside  bool   // of the present sender
	state   string // as last seen
	gets    bool   // packets have come
	deaf    bool   // none do
	flooded bool   // packets come that it has not asked for
	forged  bool   // packets with a wrong key came to it
	spoilt  bool   // packets with the right key came to it that the server has not made
	done    bool   // it has got everything
	marks   int
}

// resume goes on with the report of a run before the daemon was restarted.
func (r *run) resume(old Report) {
	r.report = old
	r.report.Ended, r.report.Now = time.Time{}, State{}
	r.before.sent, r.before.repairs, r.before.https = old.Sent, old.Repairs, old.HTTPS
	r.gone = map[string]bool{}
	for _, m := range old.Marks {
		if m.Computer != "" {
			r.gone[m.Computer] = r.gone[m.Computer] || m.Kind == MarkDone
		}
	}
}

// learn takes from the fleet which jobs the session is of, and how many computers have still to get something.
func (r *run) learn(s fleet.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, j := range s.Jobs {
		ids = append(ids, j.ID)
	}
	r.report.Jobs, r.report.Now.Expected = ids, len(s.Left())
}

// expected is how many computers a new sender waits for.
func (r *run) expected(s fleet.Session) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, id := range s.Left() {
		if p := r.people[id]; p == nil || !p.done {
			n++
		}
	}
	return max(n, 1)
}

// dial makes the socket of a stream, which leaves by no interface yet.
func (r *run) dial(group netip.AddrPort) (session.PacketSender, error) {
	f := &fan{group: group, dial: r.o.Dial, now: r.o.Now, log: r.o.Log}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fans = append(r.fans, f)
	return f, nil
}

// forget forgets the sockets of the sender before.
func (r *run) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fans = nil
}

// reach lets the session leave by an interface, too.
func (r *run) reach(p Path) error {
	r.mu.Lock()
	fans := slices.Clone(r.fans)
	r.mu.Unlock()
	for _, f := range fans {
		if err := f.add(p.Interface); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mbit == nil {
		r.mbit = map[string]int{}
	}
	r.mbit[p.Interface] = p.Mbit
	return nil
}

// sources names the addresses that the packets of each stream come from on an interface.
func (r *run) sources(iface string, channels []wire.Channel) {
	r.mu.Lock()
	fans := slices.Clone(r.fans)
	r.mu.Unlock()
	for i := range channels {
		for _, f := range fans {
			if f.group == channels[i].Group {
				channels[i].Source = f.sourceOn(iface)
			}
		}
	}
}

// running tells whether a sender runs.
func (r *run) running() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server != nil
}

// rests tells whether the last sender ended just now.
func (r *run) rests(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.rested)
}

// started notes a new sender.
func (r *run) started(server *session.Server, cancel context.CancelFunc, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server, r.cancel, r.total, r.looked, r.heard = server, cancel, 0, now, now
	r.report.Starts++
	r.report.Now.Running, r.report.Now.Waiting = true, true
	r.report.mark(now, MarkStart, "", "")
}

// stopped notes that a sender has ended; st is what it said last.
func (r *run) stopped(st session.Status, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.see(now, st)
	r.owed = append(r.owed, r.notices()...) // all may be over between two looks
	r.before.sent, r.before.repairs, r.before.https = r.report.Sent, r.report.Repairs, r.report.HTTPS
	r.server, r.cancel, r.mbit, r.rested = nil, nil, nil, now.Add(restTime)
	r.report.Now.Running, r.report.Now.Waiting, r.report.Now.Rate = false, false, 0
	for _, p := range r.people {
		p.inside = false
	}
	if err != nil {
		r.report.mark(now, MarkTrouble, "", fleet.Clean(err.Error(), maxReason))
	}
	r.report.mark(now, MarkStop, "", "")
}

// over ends the sender of a run without tasks, and tells whether it has ended.
func (r *run) over(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		r.cancel()
		return false
	}
	r.report.Ended = now.UTC()
	r.report.Now.Expected = 0
	return true
}

// admit notes that a computer joins, and returns the sender; nil when that has ended.
func (r *run) admit(v Visitor, path Path, offered bool, now time.Time) *session.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil {
		return nil
	}
	p := r.people[v.Computer]
	if p == nil {
		p = &person{}
		r.people[v.Computer] = p
	}
	p.name, p.path, p.offered, p.inside, p.done, p.deaf, p.state = v.Name, path, offered, true, false, false, ""
	r.mark(now, p, MarkJoin, path.Reason)
	return r.server
}

// mark notes a moment of a computer's, of which there are not too many. The caller holds the lock.
func (r *run) mark(now time.Time, p *person, kind, text string) {
	if p.marks++; p.marks > maxPersonMarks {
		r.report.MarksLost++
		return
	}
	r.report.mark(now, kind, p.name, fleet.Clean(text, maxReason))
}

// enter returns the sender that answers a computer's request. What one computer may ask of it, it bounds itself.
func (r *run) enter(computer, route string, now time.Time) (*session.Server, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.people[computer]
	if r.server == nil || p == nil || !p.inside {
		return nil, &Refusal{StatusNone, "no-session", "this computer has not joined the session: join it"}
	}
	if route == "/leave" {
		r.follow(now, stateOf(r.server.Status(), 0, 0).Members) // it is not seen any more afterwards
	}
	return r.server, nil
}

// speed returns what a run sends in bytes a second, and the speed of each interface that it leaves by in Mb/s, 0 unknown.
func (r *run) speed() (rate int64, links map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.Now.Rate, maps.Clone(r.mbit)
}

// limit caps a run's sender, in bytes a second.
func (r *run) limit(bytes int64) {
	r.mu.Lock()
	server := r.server
	r.mu.Unlock()
	if server != nil {
		server.SetCap(bytes)
	}
}

// notice is something that people should be told.
type notice struct{ kind, text string }

// probe sends a probe for switches that flood by each interface in use.
func (r *run) probe(ctx context.Context, group netip.AddrPort, tag udp.Tag) error {
	if r.o.Probe == nil {
		return nil
	}
	r.mu.Lock()
	on := slices.Sorted(maps.Keys(r.mbit))
	r.mu.Unlock()
	var err error
	for _, iface := range on {
		err = errors.Join(err, r.o.Probe(ctx, iface, group, tag))
	}
	return err
}

// look takes a sample, and returns what people should be told.
func (r *run) look(now time.Time, s fleet.Session) []notice {
	r.learn(s)
	r.mu.Lock()
	if r.server != nil {
		r.see(now, r.server.Status())
		r.owed = append(r.owed, r.notices()...)
	}
	r.mu.Unlock()
	return r.debts()
}

// debts returns what people were not told yet.
func (r *run) debts() []notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.owed
	r.owed = nil
	return out
}

// see takes a sample of what a sender says. The caller holds the lock.
func (r *run) see(now time.Time, st session.Status) {
	bytes := sentBytes(st)
	rate := int64(0)
	if passed := now.Sub(r.looked).Seconds(); passed > 0 {
		rate = int64(float64(bytes-r.total) / passed)
	}
	r.total, r.looked = bytes, now
	expected := r.report.Now.Expected
	state := stateOf(st, rate, r.report.since(now))
	state.Expected = expected
	r.report.Now = state
	r.report.Sent = r.before.sent + bytes
	r.report.Repairs = r.before.repairs + st.Sender.Proactive + st.Sender.Rounds
	r.report.HTTPS = r.before.https + int64(st.Rescued)*wire.SymbolSize
	r.follow(now, state.Members)
	for _, e := range st.Events {
		if p := r.people[e.Computer]; p != nil && e.Time.After(r.heard) {
			r.mark(e.Time, p, fleet.Clean(e.Code, 32), e.Text)
			p.deaf = p.deaf || e.Code == wire.EventNoMulticast && !p.gets
			p.flooded = p.flooded || e.Code == session.EventFlooded
			p.forged = p.forged || e.Code == wire.EventForged && e.Count >= forgedFrom
			p.spoilt = p.spoilt || e.Code == wire.EventInsider || e.Code == wire.EventPolluted
		}
	}
	if n := len(st.Events); n > 0 {
		r.heard = st.Events[n-1].Time
	}
	r.count()
	r.report.Now.Sample.Done = r.report.Done // those that have left count
	r.report.add(r.report.Now.Sample)
}

// count counts who has joined and who has got everything. The caller holds the lock.
func (r *run) count() {
	all := maps.Clone(r.gone)
	if all == nil {
		all = map[string]bool{}
	}
	for _, p := range r.people {
		all[p.name] = p.done
	}
	r.report.Joined, r.report.Done = len(all), 0
	for _, done := range all {
		if done {
			r.report.Done++
		}
	}
}

// follow notes how members' parts have changed. The caller holds the lock.
func (r *run) follow(now time.Time, members []Member) {
	byName := map[string]*person{}
	for _, p := range r.people {
		byName[p.name] = p
	}
	for _, m := range members {
		p := byName[m.Computer]
		if p == nil || !p.inside {
			continue
		}
		was, is := rank(p.state), rank(m.State)
		switch {
		case m.State == p.state:
		case m.State == string(multicast.StateDone):
			p.done = true
			r.mark(now, p, MarkDone, "")
		case m.State == string(multicast.StateSilent):
			r.mark(now, p, MarkSilent, "")
		case is > 0 && was > is:
			r.mark(now, p, MarkDemoted, m.State+", "+m.Reason)
		case is > was && was > 0:
			r.mark(now, p, MarkPromoted, m.State)
		}
		p.state = m.State
		p.gets = p.gets || is >= 2 && m.Rate > 0
		if is == 1 && !p.gets && p.offered && strings.HasPrefix(m.Reason, "no multicast") {
			p.deaf = true
		}
	}
}

// notices tells which networks multicast does not reach, where it reaches too many, and where somebody else sends to the
// session, each once. The caller holds the lock.
func (r *run) notices() (out []notice) {
	type network struct {
		iface                string
		deaf, hears, flooded int
		forged, spoilt       []string // names
	}
	networks := map[netip.Prefix]*network{}
	say := func(kind, key, text string) {
		if key = kind + " " + key; !r.told[key] && len(r.told) < maxTold {
			r.told[key] = true
			out = append(out, notice{kind, text})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.people)) {
		p := r.people[id]
		if !p.inside || !p.offered {
			continue
		}
		if p.path.Reason != "" {
			say(KindNoMulticast, p.path.Reason, fmt.Sprintf("%s fetches by HTTPS: %s", p.name, p.path.Reason))
			continue
		}
		n := networks[p.path.Network]
		if n == nil {
			n = &network{iface: p.path.Interface}
			networks[p.path.Network] = n
		}
		if p.deaf && !p.gets {
			n.deaf++
		} else {
			n.hears++
		}
		if p.flooded {
			n.flooded++
		}
		if p.forged {
			n.forged = append(n.forged, p.name)
		}
		if p.spoilt {
			n.spoilt = append(n.spoilt, p.name)
		}
	}
	for prefix, n := range networks {
		if n.deaf > 0 && n.hears == 0 {
			say(KindNoMulticast, prefix.String(), fmt.Sprintf("nothing that is sent by %s arrives in %s: all %d computers there fetch by HTTPS",
				n.iface, prefix, n.deaf))
		}
		if n.flooded > 0 {
			say(KindFlooded, prefix.String(), fmt.Sprintf("a switch in %s sends multicast to ports that did not ask for it (%d of %d computers "+
				"there get what nobody joined): every slow port behind it is full while a session runs", prefix, n.flooded, n.deaf+n.hears))
		}
		if len(n.forged) > 0 {
			say(KindForged, prefix.String(), fmt.Sprintf("somebody sends packets with a wrong key to the session's group in %s (%s dropped them): "+
				"none of it reaches a disk", prefix, some(n.forged)))
		}
		if len(n.spoilt) > 0 {
			say(KindInsider, prefix.String(), fmt.Sprintf("packets with the session's key that the server has not made came in %s (to %s): another "+
				"computer of the session sends them, or a memory is bad; no chunk with a wrong hash is written, it is fetched by HTTPS",
				prefix, some(n.spoilt)))
		}
	}
	slices.SortFunc(out, func(a, b notice) int { return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.text, b.text)) })
	return out
}

// some names a few.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// due tells whether the report is to be written now.
func (r *run) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil && r.kept.After(r.looked) || now.Sub(r.kept) < keepEvery {
		return false
	}
	r.kept = now
	return true
}

// brief returns how the run stands.
func (r *run) brief() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.report.brief()
	out.Now.Members = slices.Clone(out.Now.Members)
	return out
}

// whole returns all that is known of the run.
func (r *run) whole() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.report
	out.Samples, out.Marks, out.pending = slices.Clone(out.Samples), slices.Clone(out.Marks), nil
	out.Now.Members = slices.Clone(out.Now.Members)
	return out
}
