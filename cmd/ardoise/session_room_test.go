package main

import (
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/sessions"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
)

// begun is a room of two whose session has begun.
type begun struct {
	d     *daemon
	job   string
	tasks []job.Task
	all   sync.WaitGroup
	got   [2]session.Summary
}

// beginRoom deploys a master of so many chunks to two computers.
func beginRoom(t *testing.T, server string, chunks int, args ...string) (*begun, []*agent.Client) {
	t.Helper()
	d := daemonAt(t, shortFolder(t), append([]string{"--interface", "eth0"}, args...)...)
	d.in, d.host = []string{"ip", "netns", "exec", server}, "10.9.0.1"
	d.start()
	agents := d.room(2)
	d.master(agents[0], chunks)
	b := &begun{d: d, job: order[access.Job](d, "deploy", "salle", "--computer", "pc1,pc2", "--yes").ID}
	for i, a := range agents {
		task := receive(t, a)
		b.tasks = append(b.tasks, task)
		b.all.Go(func() {
			var err error
			if b.got[i], err = deployBy(t, a, task); err != nil {
				t.Errorf("a computer ended with %v, %+v", err, b.got[i])
			}
		})
	}
	return b, agents
}

// await waits until the report of the session is as wanted.
func (b *begun) await(what string, right func(*sessions.Report) bool) *sessions.Report {
	b.d.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r := order[access.Job](b.d, "job", "show", b.job).Session
		if r != nil && right(r) {
			return r
		}
		if time.Now().After(end) {
			b.d.t.Fatalf("%s: the report stays %+v\n%s", what, r, b.d.said())
		}
	}
}

// The daemon is killed with SIGKILL in the middle of a session under the limit of the hour, and started again: computers go
// on with what they have, nothing is written twice, and the limit is kept all the time.
func TestADaemonKilledInMidSession(t *testing.T) {
	server := inRoom(t)
	if server == "" {
		return
	}
	const mbit, chunks = 24, 200
	b, _ := beginRoom(t, server, chunks, "--rate", "24", "--lesson-rate", "24")
	before := b.await("it sends", func(r *sessions.Report) bool { return r.Sent > 3<<20 })
	b.d.kill()
	b.d.start()
	b.all.Wait()
	r := b.await("both are done", func(r *sessions.Report) bool { return r.Done == 2 })
	if r.Starts != 2 || r.Joined != 2 || !r.Started.Equal(before.Started) {
		t.Errorf("the report says %+v, after %+v", r, before)
	}
	for i, got := range b.got {
		if got.Left > 0 || got.Rejoined == 0 || got.Packets == 0 || got.Frames != chunks {
			t.Errorf("computer %d ended with %+v, of %d chunks", i, got, chunks)
		}
	}
	sent, seconds := int64(0), int64(0)
	for _, s := range r.Samples {
		sent, seconds = sent+s.Rate, seconds+int64(r.Every)
	}
	if most := sessions.Payload(mbit*1e6) * seconds; seconds < 3 || sent > most*11/10 {
		t.Errorf("%d bytes left in %d samples of a second, with a limit of %d Mb/s", sent, seconds, mbit)
	}
}

// A switch that eats all multicast: everything comes by HTTPS, and an event of the job names the network.
func TestTheDaemonNamesANetworkWithoutMulticast(t *testing.T) {
	server := inRoom(t)
	if server == "" {
		return
	}
	eat := exec.Command("nft", "-f", "-")
	eat.Stdin = strings.NewReader("table netdev eat {\nchain in {\ntype filter hook ingress device \"eth0\" priority 0; policy accept;\n" +
		"ip daddr 239.64.0.0/10 drop\n}\n}\n")
	if out, err := eat.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	b, agents := beginRoom(t, server, 100, "--rate", "24", "--lesson-rate", "24") // more than 3 s of it
	b.all.Wait()
	for i, got := range b.got {
		if got.Left > 0 || got.Packets > 0 || got.RescuedBytes == 0 {
			t.Errorf("computer %d ended with %+v", i, got)
		}
	}
	var said []string
	for end := time.Now().Add(30 * time.Second); len(said) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, e := range order[[]access.Event](b.d, "event", "list", "--job", b.job) {
			if e.Kind == sessions.KindNoMulticast {
				said = append(said, e.Detail)
			}
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "nothing that is sent by eth0 arrives in 10.9.0.0/24: all 2 computers there fetch by HTTPS") {
		t.Errorf("the events of the job say %q\n%s", said, b.d.said())
	}
	for i, a := range agents {
		b.d.deliver(a, job.Report{Task: b.tasks[i].ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
	}
}

// Multicast leaves by the interface in whose network a computer is, VLANs included; to others only where routers are said to
// forward it, and never by an interface that cannot carry it. To choose, any
// interface is as good as a VLAN's.
func TestHowMulticastLeaves(t *testing.T) {
	if inRoom(t) == "" {
		return
	}
	for _, words := range []string{
		"link add eth0.10 type veth peer name vlan10", "link set vlan10 up", "link set eth0.10 up", "addr add 10.10.0.1/24 dev eth0.10",
		"link add eth0.20 type veth peer name vlan20", "link set vlan20 up", "link set eth0.20 up", "addr add 10.20.0.1/24 dev eth0.20",
		"link set eth0.20 mtu 1400", "route add 10.77.0.0/16 via 10.10.0.9",
	} {
		if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", words, err, out)
		}
	}
	for name, c := range map[string]struct {
		only              []string // --interface
		ttl               int
		to, iface, in, no string
	}{
		"the network of the card":  {nil, 1, "10.9.0.7", "eth0", "10.9.0.0/24", ""},
		"a VLAN":                   {nil, 1, "10.10.0.7", "eth0.10", "10.10.0.0/24", ""},
		"a VLAN that is named":     {[]string{"eth0.10"}, 1, "10.10.0.7", "eth0.10", "10.10.0.0/24", ""},
		"a small MTU":              {nil, 1, "10.20.0.7", "", "", "1400"},
		"behind a router":          {nil, 1, "10.77.3.4", "", "", "--multicast-ttl"},
		"behind one that forwards": {nil, 4, "10.77.3.4", "eth0.10", "10.77.3.0/24", ""},
		"behind another interface": {[]string{"eth0"}, 4, "10.77.3.4", "", "", "none of the server's --interface"},
		"nowhere":                  {nil, 4, "192.0.2.1", "", "", "192.0.2.1"},
	} {
		s := &site{o: serveOptions{interfaces: c.only, multicast: multicastFlags{ttl: c.ttl}}}
		got := s.path(netip.MustParseAddr(c.to))
		switch {
		case c.no != "" && !strings.Contains(got.Reason, c.no):
			t.Errorf("%s: %+v, want a reason with %q", name, got, c.no)
		case c.no == "" && (got.Reason != "" || got.Interface != c.iface || got.Network != netip.MustParsePrefix(c.in)):
			t.Errorf("%s: %+v, want %s by %s", name, got, c.in, c.iface)
		}
	}
}
