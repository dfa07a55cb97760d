package agentapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

// classroom are computers that are enrolled already, all behind one address.
func (s *site) classroom(n int) []*agent {
	s.t.Helper()
	var out []*agent
	for i := range n {
		a := s.agent()
		h := hello(0)
		h.MAC = fmt.Sprintf("52:54:00:01:%02x:%02x", i>>8, i&255)
		h.Inventory.UUID, h.Inventory.Serial = fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5b%04x", i), fmt.Sprintf("CL-%04d", i)
		w, err := s.fleet.Hello(s.t.Context(), fleet.Introduction{Key: a.key, Address: "127.0.0.1", Hello: h})
		check(s.t, err)
		_, err = s.fleet.Approve(s.t.Context(), fleet.Approval{Code: w.Code, Name: fmt.Sprintf("cl%03d", i), By: "test"})
		check(s.t, err)
		out = append(out, a)
	}
	return out
}

// ask asks once and returns the status, without ending the test: it is called by many at once.
func (a *agent) ask(ctx context.Context, method, path string, body []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://"+a.s.address+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	answer, err := a.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// TestAWholeSchoolBehindOneAddress: 300 enrolled computers behind a router wait for work, and each asks more than what one
// address may, all at once, while a thousand connections of somebody else there say nothing. Nobody is refused.
func TestAWholeSchoolBehindOneAddress(t *testing.T) {
	const computers, each = 300, 20
	s := newSite(t)
	school := s.classroom(computers)
	var silent []net.Conn
	for range 1100 {
		c, err := net.Dial("tcp", s.address)
		check(t, err)
		silent = append(silent, c)
	}
	defer func() {
		for _, c := range silent {
			_ = c.Close()
		}
	}()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	told, err := json.Marshal(job.Hello{AgentVersion: "7"})
	check(t, err)
	var waiting, asking sync.WaitGroup
	for _, a := range school {
		waiting.Go(func() {
			if status, err := a.ask(ctx, http.MethodGet, job.PathTask, nil); err == nil && status != http.StatusNoContent {
				t.Errorf("who waits for work is told %d", status)
			}
		})
		asking.Go(func() {
			for range each {
				if status, err := a.ask(t.Context(), http.MethodGet, job.PathTrust, nil); err != nil || status != http.StatusOK {
					t.Errorf("trust = %d, %v", status, err)
					return
				}
			}
			if status, err := a.ask(t.Context(), http.MethodPost, job.PathHello, told); err != nil || status != http.StatusOK {
				t.Errorf("hello = %d, %v", status, err)
			}
		})
	}
	asking.Wait()
	f := s.server.Figures()
	if f.Versions["7"] != computers || f.Heartbeats["hello"] != computers || len(f.Refused) != 0 {
		t.Errorf("counted: %+v", f)
	}
	if f.Turned < 1100-1024 {
		t.Errorf("%d of 1,100 silent connections gave way, want 76 or more", f.Turned)
	}
	// A computer that nobody knows yet is there as well.
	if status, _ := s.keyless().call(http.MethodGet, job.PathTrust, nil); status != http.StatusOK {
		t.Errorf("a new computer gets %d", status)
	}
	leave()
	waiting.Wait()
}

// TestOneComputerCannotTakeAllConnections: an enrolled computer has so many connections and no more; others go on.
func TestOneComputerCannotTakeAllConnections(t *testing.T) {
	s := newSite(t)
	school := s.classroom(2)
	greedy, other := school[0], school[1]
	ctx, leave := context.WithCancel(t.Context())
	statuses := make(chan int, 40)
	var wait sync.WaitGroup
	for range 40 { // each holds a connection
		wait.Go(func() {
			status, err := greedy.ask(ctx, http.MethodGet, job.PathTask, nil)
			if err == nil {
				statuses <- status
			}
		})
	}
	for range 40 - 32 {
		select {
		case status := <-statuses:
			if status != http.StatusTooManyRequests {
				t.Errorf("one over its limit is told %d", status)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nobody is refused")
		}
	}
	if status, _ := other.call(http.MethodGet, job.PathTrust, nil); status != http.StatusOK {
		t.Errorf("another computer gets %d", status)
	}
	if f := s.server.Figures(); f.Refused[[2]string{"task", "too-many"}] != 8 || f.Turned != 8 {
		t.Errorf("counted: %+v", f)
	}
	leave()
	wait.Wait()
}

// TestWhatIsCounted: refusals by what was asked for and why, and handshakes that came to nothing.
func TestWhatIsCounted(t *testing.T) {
	s := newSite(t)
	s.agent().problem(http.MethodPost, job.PathReport, job.Report{Task: "1-1"})
	s.keyless().problem(http.MethodPost, job.PathHello, hello(1))
	s.classroom(1)[0].problem(http.MethodPost, job.PathReport, []byte("{"))
	c, err := net.Dial("tcp", s.address)
	check(t, err)
	_, err = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	check(t, err)
	_, _ = io.Copy(io.Discard, c) // until the server hangs up
	check(t, c.Close())
	f := s.server.Figures()
	for deadline := time.Now().Add(20 * time.Second); f.Handshakes == 0 && time.Now().Before(deadline); f = s.server.Figures() {
		time.Sleep(time.Millisecond) // the server counts after it has hung up
	}
	if f.Handshakes != 1 {
		t.Errorf("%d handshakes came to nothing, want 1", f.Handshakes)
	}
	for what, want := range map[[2]string]int64{{"report", "unknown-computer"}: 1, {"hello", "unknown-computer"}: 1, {"report", "bad-request"}: 1} {
		if f.Refused[what] != want {
			t.Errorf("refused %v: %d, want %d; all: %v", what, f.Refused[what], want, f.Refused)
		}
	}
}

// TestInventedVersionsAreCountedTogether: a label for each would fill the memory of what collects them.
func TestInventedVersionsAreCountedTogether(t *testing.T) {
	s := newSite(t)
	for i, a := range s.classroom(40) {
		version := "good"
		if i >= 5 {
			version = fmt.Sprintf("invented %d \x00%s", i, bytes.Repeat([]byte("x"), 500))
		}
		if status, _ := a.call(http.MethodPost, job.PathHello, job.Hello{AgentVersion: version}); status != http.StatusOK {
			t.Fatalf("hello = %d", status)
		}
	}
	f := s.server.Figures()
	if len(f.Versions) != 16 || f.Versions["good"] != 5 || f.Versions["other"] != 21 {
		t.Errorf("versions: %v", f.Versions)
	}
	for v := range f.Versions {
		if len([]rune(v)) > 32 {
			t.Errorf("%q is %d characters long", v, len([]rune(v)))
		}
	}
}
