package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet/sessions"
	agent "github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/masters/storetest"
)

// withMasters is a daemon in a room's namespaces that has two masters of 120 chunks, of which they share some, four computers,
// and a limit of the uplink.
func withMasters(t *testing.T, server string, shared int, mbit string) (*daemon, []*agent.Client) {
	t.Helper()
	d := daemonAt(t, shortFolder(t), "--interface", "eth0", "--rate", mbit, "--lesson-rate", mbit)
	d.in, d.host = []string{"ip", "netns", "exec", server}, "10.9.0.1"
	const chunks = 120
	ids, frames := storetest.Frames(t, 2*chunks-shared, 41)
	putMaster(t, d.data, "salle", ids[:chunks], frames[:chunks])
	putMaster(t, d.data, "labo", ids[chunks-shared:], frames[chunks-shared:])
	d.start()
	return d, d.room(4)
}

// deployAll orders salle to the first two and labo to the others, and takes all through their sessions.
func deployAll(t *testing.T, d *daemon, agents []*agent.Client) (ids [2]string, got [4]session.Summary) {
	t.Helper()
	for i, what := range [][2]string{{"salle", "pc1,pc2"}, {"labo", "pc3,pc4"}} {
		ids[i] = order[access.Job](d, "deploy", what[0], "--computer", what[1], "--yes").ID
	}
	done := make(chan error, len(agents))
	for i, a := range agents {
		task := receive(t, a)
		go func() {
			var err error
			if got[i], err = deployBy(t, a, task); err == nil {
				_, err = a.Deliver(t.Context(), job.Report{Task: task.ID, State: job.TaskDone, Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Now()}})
			}
			done <- err
		}()
	}
	for range agents {
		if err := <-done; err != nil {
			t.Errorf("a computer ended with %v", err)
		}
	}
	return ids, got
}

// over waits until the session of a job is over and returns its report.
func over(t *testing.T, d *daemon, id string) *sessions.Report {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r := order[access.Job](d, "job", "show", id).Session
		if r != nil && !r.Ended.IsZero() {
			return r
		}
		if time.Now().After(end) {
			t.Fatalf("the report stays %+v\n%s", r, d.said())
		}
	}
}

// Two masters that share chunks are sent by one session, what they share once, each computer gets its own, and whoever watches
// sees it in JSON.
func TestMastersThatShareChunksAreSentTogether(t *testing.T) {
	server := inRoom(t)
	if server == "" {
		return
	}
	const chunks, shared = 120, 90
	d, agents := withMasters(t, server, shared, "40")
	var watched lockedLines
	watching := make(chan int, 1)
	d.watchFirst(&watched, watching)
	ids, got := deployAll(t, d, agents)
	r := over(t, d, ids[0])
	if len(r.Jobs) != 2 || r.Done != 4 || r.Starts != 1 || over(t, d, ids[1]).ID != r.ID {
		t.Errorf("the report says %+v", r)
	}
	var frames int64
	for i, s := range got {
		if s.Left > 0 || s.Frames != chunks || s.Packets == 0 {
			t.Errorf("computer %d ended with %+v", i, s)
		}
		frames = max(frames, s.FrameBytes)
	}
	// Both masters have about as many bytes; sent one by one they would take twice as many.
	if first := r.Sent - r.Repairs; first > frames*17/10 {
		t.Errorf("%d bytes were sent for the first time, for masters of %d bytes of which they share three quarters", first, frames)
	}
	if code := <-watching; code != 0 {
		t.Errorf("who watched ended with %d: %s", code, watched.String())
	}
	seen := false
	for _, line := range strings.Split(strings.TrimSpace(watched.String()), "\n") {
		var j access.Job
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			t.Fatalf("who watched saw %v in %s", err, line)
		}
		seen = seen || j.Session != nil && j.Session.Now.Running && j.Session.Now.Rate > 0 && len(j.Session.Now.Members) > 0
	}
	if !seen {
		t.Errorf("who watched saw no session at work:\n%s", watched.String())
	}
}

// watchFirst lets somebody watch the first job in JSON, from when it is ordered.
func (d *daemon) watchFirst(into *lockedLines, code chan<- int) {
	go func() {
		for order := 0; order < 600; order++ {
			into.text.Reset()
			var complaints bytes.Buffer
			got := run(d.t.Context(), []string{"job", "watch", "1", "--data", d.data, "--json"}, strings.NewReader(""), into, &complaints)
			if got == 0 || !strings.Contains(complaints.String(), "job 1") { // not ordered yet
				code <- got
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		code <- -1
	}()
}

// Two sessions at once take together what the uplink may carry, and neither of them all.
func TestSessionsShareTheUplink(t *testing.T) {
	server := inRoom(t)
	if server == "" {
		return
	}
	const mbit = 12
	d, agents := withMasters(t, server, 0, "12")
	ids, got := deployAll(t, d, agents)
	for i, s := range got {
		if s.Left > 0 || s.Packets == 0 {
			t.Errorf("computer %d ended with %+v", i, s)
		}
	}
	a, b := over(t, d, ids[0]), over(t, d, ids[1])
	if a.ID == b.ID {
		t.Fatal("masters that share nothing share a session")
	}
	// Of each second that both have a sample of: what they sent together.
	at := map[int64]int64{}
	for _, s := range a.Samples {
		at[a.Started.Unix()+s.At] = s.Rate
	}
	sum, seconds := int64(0), int64(0)
	for _, s := range b.Samples {
		if other, both := at[b.Started.Unix()+s.At]; both && other > 0 && s.Rate > 0 {
			sum, seconds = sum+other+s.Rate, seconds+1
		}
	}
	limit := sessions.Payload(mbit * 1e6)
	if seconds < 2 || sum > limit*seconds*12/10 {
		t.Errorf("in %d seconds both sent %d bytes, %d may leave in one: %+v and %+v", seconds, sum, limit, a.Samples, b.Samples)
	}
}
