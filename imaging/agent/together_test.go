package agent_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/manifest"
)

const target = 700 << 20 // bytes, with room for ARDOISE

// A room of three: an empty disk, one that holds the version before, and one whose disk has no room half way. The third
// fails alone. A fourth comes when the others are done.
func TestAClassIsServedTogether(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	old := newClassroom(t, 2) // another version of the same files
	fresh, held := c.pc(blank(t, target)), c.pc(blank(t, target))
	prior := newPC(t, held.disks[0])
	prior.server = old.server
	address := old.server.Start("127.0.0.1:0")
	if u := old.deploy(prior, address, "v1", func(k *job.Task) { k.Session = "" }); u != nil {
		<-u.done
		if u.err != nil {
			t.Fatalf("%v\n%s", u.err, u.log.String())
		}
		if s := old.report("v1").Session; s != nil {
			t.Errorf("a task without a session reports %+v", s)
		}
	}
	old.server.Close()
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	bad := filepath.Join(small, "disk.img")
	if err := os.WriteFile(bad, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, os.Truncate(bad, target))
	full := c.pc(bad)

	c.begin(3)
	address = c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	var class []*pupil
	for i, p := range []*pc{fresh, held, full} {
		class = append(class, c.deploy(p, address, []string{"fresh", "held", "full"}[i], func(k *job.Task) { k.Countdown = 3 }))
	}
	r := c.good(class[0])
	if s := r.Session; s.State != job.ReceptionOver || s.Multicast < 4<<20 || s.Multicast+s.HTTPS < 8<<20 || s.Packets < 2000 || s.Interface != "eth0" {
		t.Errorf("the empty disk: %+v", s)
	}
	if r.Outcome.StoredBytes < r.Session.Multicast {
		t.Errorf("%d bytes are told, %+v", r.Outcome.StoredBytes, r.Session)
	}
	fresh.has("session s1 on", "notice together info: The whole class is being served together: master debian@2", "phase receive", "session s1 over")
	s := c.good(class[1]).Session
	if s.State != job.ReceptionOver || s.Multicast+s.HTTPS < 8<<20 {
		t.Errorf("the disk with the older version: %+v", s)
	}
	<-class[2].done
	var f *agent.FaultError
	if !errors.As(class[2].err, &f) || f.Code != notices.DiskFault || !strings.Contains(f.Error(), "writing sector ") {
		t.Errorf("the full disk: %v\n%s", class[2].err, full.log.String())
	}
	if c.told(wire.EventDisk) == 0 { // more than once where two reports cross
		t.Errorf("the session has heard of no disk that refuses writes: %+v", c.running.Status().Events)
	}
	if r := c.report("full"); r.State != job.TaskFailed || r.Session == nil || !strings.Contains(r.Outcome.Detail, "writing sector ") {
		t.Errorf("the full disk reports %+v, %+v", r, r.Outcome)
	}

	late := c.deploy(c.pc(blank(t, target)), address, "late", nil)
	if s := c.good(late).Session; s.State != job.ReceptionOver || s.Multicast+s.HTTPS < 8<<20 {
		t.Errorf("the late one: %+v", s)
	}
	var chunks int
	c.server.Look(func() { chunks = c.server.Requests[job.PathChunks] })
	if chunks > 4 {
		t.Errorf("frames were fetched alone %d times", chunks)
	}
}

// told counts the events of a kind that the session's server has heard of.
func (c *classroom) told(code string) (n int) {
	for _, e := range c.running.Status().Events {
		if e.Code == code {
			n++
		}
	}
	return n
}

// Nothing of the disk is touched before the countdown is over, though the session has sent everything by then.
func TestCancelDuringTheCountdownOfASession(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	p := c.pc(blank(t, target))
	u := c.deploy(p, address, "cancelled", func(k *job.Task) { k.Countdown = 600 })
	c.wait("the manifest came by the session", func() bool { return strings.Contains(p.log.String(), "notice countdown") })
	var alone int
	c.server.Look(func() { alone = c.server.Requests[job.PathManifest+c.hash] })
	if alone != 0 {
		t.Errorf("the manifest was fetched alone %d times", alone)
	}
	c.wait("the server has heard of the session", func() bool {
		s := c.report("cancelled").Session
		return s != nil && s.State == job.ReceptionJoining
	})
	c.server.Cancel.Store(true)
	<-u.done
	if u.err != nil || c.report("cancelled").State != job.TaskCancelled {
		t.Errorf("%v, %+v\n%s", u.err, c.report("cancelled"), p.log.String())
	}
	untouched(t, p.disks[0])
	if st := c.running.Status(); len(st.Sender.Members) != 0 {
		t.Errorf("it has not left: %+v", st.Sender.Members)
	}
}

// The countdown ended while the server was away, and a person cancelled meanwhile: chunks have come, none is written.
func TestCancelAtTheFirstChunkOfASession(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	c.server.CancelMarks.Store(true)
	p := c.pc(blank(t, target))
	u := c.deploy(p, address, "cancelled", nil)
	<-u.done
	if r := c.report("cancelled"); u.err != nil || r.State != job.TaskCancelled || r.Session.Packets == 0 {
		t.Errorf("%v, %+v, session %+v\n%s", u.err, r, r.Session, p.log.String())
	}
	if n := c.told(wire.EventDisk); n != 0 {
		t.Errorf("the session takes what a person has cancelled for %d disks that refuse writes", n)
	}
	untouched(t, p.disks[0])
}

// A manifest that a stranger has signed is not believed because it came by the session: the server's own is fetched.
func TestTheSessionsManifestIsProven(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.signer = agenttest.New()
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	p := c.pc(blank(t, target))
	if s := c.good(c.deploy(p, address, "stranger", nil)).Session; s.State != job.ReceptionOver {
		t.Errorf("it reports %+v", s)
	}
	p.has("manifest of the session: ")
	c.server.Look(func() {
		if c.server.Requests[job.PathManifest+c.hash] != 1 {
			t.Error("the manifest was not fetched from the server")
		}
	})
	bad := c.pc(blank(t, target))
	h, err := manifest.ParseHash(c.hash)
	must(t, err)
	c.server.Look(func() {
		c.server.Bad[c.hash] = manifest.Signature{Key: c.signer.PublicKey(), Signature: c.signer.Sign(manifest.SignatureContext, h[:])}
	})
	u := c.deploy(bad, address, "both", nil)
	<-u.done
	var f *agent.FaultError
	if !errors.As(u.err, &f) || f.Code != notices.MasterAltered {
		t.Errorf("signed by a stranger both times: %v", u.err)
	}
	untouched(t, bad.disks[0])
}

// Whatever is wrong with the session, the computer gets its master, and says why it went alone.
func TestWithoutItsSessionAComputerGoesAlone(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	for name, answer := range map[string]http.HandlerFunc{
		"no such session": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "nothing is sent now", http.StatusNotFound)
		},
		"it is over":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nothing is sent now", http.StatusGone) },
		"not for you": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not yours", http.StatusForbidden) },
		"as the API says it": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"Code":"no-task","Detail":"the task does not run"}`))
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(noise(7, 100_000)) },
		"nothing": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.server.Session = func(w http.ResponseWriter, r *http.Request, _, _ string) { answer(w, r) }
			address := c.server.Start("127.0.0.1:0")
			t.Cleanup(c.server.Close)
			p := c.pc(blank(t, target))
			p.t = t
			u := c.deploy(p, address, name, func(k *job.Task) { k.Countdown = 1 })
			s := c.good(u).Session
			if s.State != job.ReceptionNone || s.Reason == "" || s.Multicast != 0 || s.HTTPS < 8<<20 {
				t.Errorf("it reports %+v", s)
			}
			p.has("session s1 none "+s.Reason, "notice no-session warning: This computer has no part in the common session: ")
		})
	}
}

// An id that would lead elsewhere leads nowhere.
func TestASessionsIDIsNoPath(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	u := c.deploy(c.pc(blank(t, target)), address, "path", func(k *job.Task) { k.Session = "../task" })
	if s := c.good(u).Session; s.State != job.ReceptionNone || !strings.Contains(s.Reason, "names no session") {
		t.Errorf("it reports %+v", s)
	}
}

// The server is killed in mid-session, and comes back: what was written stays, the rest comes by the new session.
func TestAServerRestartedInMidSession(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.rate = 2_000_000
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	p := c.pc(blank(t, target))
	u := c.deploy(p, address, "restarted", nil)
	c.wait("some of it has come", func() bool {
		s := c.report("restarted").Session
		return s != nil && s.Multicast > 2<<20
	})
	c.server.Down.Store(true)
	c.end()
	c.rate = 20_000_000
	c.begin(1)
	c.server.Down.Store(false)
	s := c.good(u).Session
	if s.State != job.ReceptionOver || s.Multicast < 4<<20 || s.Multicast+s.HTTPS < 8<<20 {
		t.Errorf("it reports %+v\n%s", s, p.log.String())
	}
}

// A session that ends for good in the middle leaves the rest to HTTPS.
func TestASessionThatEndsEarly(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.rate = 2_000_000
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	p := c.pc(blank(t, target))
	u := c.deploy(p, address, "ended", nil)
	c.wait("some of it has come", func() bool {
		s := c.report("ended").Session
		return s != nil && s.Multicast > 2<<20
	})
	c.mu.Lock()
	c.refusal = "not yours any more"
	c.mu.Unlock()
	s := c.good(u).Session
	if s.State != job.ReceptionEnded || !strings.Contains(s.Reason, "not yours any more") || s.Multicast < 2<<20 || s.HTTPS == 0 {
		t.Errorf("it reports %+v\n%s", s, p.log.String())
	}
	p.has("notice session-ended warning: The common session ended early: ", "notice deploying info")
}

// Forged packets are dropped, counted and told; the disk is right.
func TestForgedPacketsAreTold(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.rate = 4_000_000
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	forger, err := c.dial(c.groups[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = forger.Close() })
	p := c.pc(blank(t, target))
	var heard atomic.Int64
	p.air.Listen = c.listen(func(packet []byte) {
		if heard.Add(1)%10 == 5 && len(packet) > 600 {
			forged := append([]byte(nil), packet...)
			forged[500] ^= 1
			forged[23] ^= 0x20 // another sequence: not a repetition
			_ = forger.Send([][]byte{forged})
		}
	})
	s := c.good(c.deploy(p, address, "forged", nil)).Session
	if s.State != job.ReceptionOver || s.Forged < 10 {
		t.Errorf("it reports %+v", s)
	}
	p.has("notice forged-packets warning: Forged packets came in among those of the session: ")
}

// Where no packet comes, everything comes by HTTPS, and the screen names the adapter.
func TestASwitchThatEatsMulticast(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	c.do("ip -n " + c.name + "srv link set eth0 down")
	c.do("ip -n " + c.name + "room link set lo up")
	p := c.pc(blank(t, target))
	s := c.good(c.deploy(p, address, "deaf", nil)).Session
	if s.Packets != 0 || s.HTTPS < 8<<20 || s.State == job.ReceptionNone {
		t.Errorf("it reports %+v", s)
	}
	p.has("notice no-multicast warning: Multicast does not reach network adapter eth0: no packet came within 3 s")
}

// A wireless computer takes part without multicast.
func TestAWirelessComputerTakesPartByHTTPS(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newClassroom(t, 1)
	c.begin(1)
	address := c.server.Start("127.0.0.1:0")
	t.Cleanup(c.server.Close)
	p := c.pc(blank(t, target))
	on, _ := p.air.Link()
	on.Wireless, on.Name = true, "wlan0"
	p.air.Link = func() (udp.Link, error) { return on, nil }
	s := c.good(c.deploy(p, address, "wireless", nil)).Session
	if s.Packets != 0 || s.HTTPS < 8<<20 || s.Interface != "" || s.State != job.ReceptionOver {
		t.Errorf("it reports %+v", s)
	}
	p.has("notice wireless warning: Network adapter wlan0 is wireless or in a VLAN: multicast is not used on it.")
}
