package agent_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
)

// tracker is the server's part in what computers give each other.
type tracker struct {
	mu     sync.Mutex
	peers  map[string]job.Peer // by key
	offers []job.Serving
	stop   bool
}

func (k *tracker) serving(key, address string, o job.Serving) job.ServingReply {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.offers = append(k.offers, o)
	if _, known := k.peers[key]; k.stop || o.Leaving || !known && len(k.peers) > 0 { // one is enough
		delete(k.peers, key)
		return job.ServingReply{Stop: true}
	}
	k.peers[key] = job.Peer{Address: address, Key: key, Token: "token of " + key}
	return job.ServingReply{Token: "token of " + key}
}

func (k *tracker) all(string) (list []job.Peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.peers {
		list = append(list, p)
	}
	return list
}

// One computer has come through the session; another is not let in and fetches alone: from the first, until the server
// sends that home.
func TestAFinishedComputerHelpsAnother(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	k := &tracker{peers: map[string]job.Peer{}}
	c.server.Serving, c.server.Peers = k.serving, k.all
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	first := c.pc(blank(t, target))
	helper := c.deploy(first, address, "helper", nil)
	c.wait("the first computer helps", func() bool { return strings.Contains(first.log.String(), "notice helping info") })
	if r := c.report("helper"); r.State != job.TaskDone {
		t.Errorf("it helps before it has said that it is done: %+v", r)
	}
	c.mu.Lock()
	c.refusal = "the session is full"
	c.mu.Unlock()
	s := c.good(c.deploy(c.pc(blank(t, target)), address, "alone", func(t *job.Task) { t.Ending = job.EndPowerOff })).Session
	if s.State != job.ReceptionNone || s.Peers < 2<<20 || s.Peers+s.HTTPS < 8<<20 || s.Multicast > 0 {
		t.Errorf("it reports %+v", s)
	}
	k.mu.Lock()
	k.stop = true
	k.mu.Unlock()
	c.good(helper)
	first.has("helped others with ", "ending poweroff")
	last := k.offers[len(k.offers)-1]
	for _, o := range k.offers {
		if o.Task != "helper" && o.Task != "alone" || o.Session != "s1" || o.Manifest != c.hash || o.Port == 0 {
			t.Errorf("it offers %+v", o)
		}
	}
	if last.Task != "helper" || last.Sent < s.Peers {
		t.Errorf("the last offer is %+v, %d bytes came", last, s.Peers)
	}
}

// Who starts its system next is wanted by somebody, and where nobody knows peers there is nobody to help.
func TestWhoIsWantedDoesNotHelp(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	k := &tracker{peers: map[string]job.Peer{}}
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	u := c.deploy(c.pc(blank(t, target)), address, "unknown", nil)
	c.good(u)
	var asked int
	c.server.Look(func() { asked = c.server.Requests[job.PathServe] })
	if asked != 1 || strings.Contains(u.log.String(), "notice helping") {
		t.Errorf("a server without peers was asked %d times", asked)
	}
	c.server.Close()
	c.server.Serving = k.serving
	address = c.server.Start("127.0.0.1:0")
	u = c.deploy(c.pc(blank(t, target)), address, "wanted", func(t *job.Task) { t.Ending = job.EndDisk })
	<-u.done
	if u.err != nil || len(k.offers) != 0 {
		t.Errorf("%v, offers %+v", u.err, k.offers)
	}
}
